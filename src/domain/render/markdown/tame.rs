//! Bounds on what the parser is given, so that no line costs more than it is long.

/// Opening marks of quotes and lists looked at in one line; see [`tame`].
const MAX_LINE_NESTING: usize = 32;

/// Bounds how many quotes and lists one line can open, before the parser sees it.
///
/// The parser revisits every open container on every line; a line that opens thousands of them
/// would make the following ones cost as much. Beyond the bound the marks are dropped, the text stays. A line indented by
/// hundreds of columns, the other way to nest lists, loses the excess.
pub(super) fn tame(source: &str) -> String {
    const MAX_INDENT: usize = 200;
    let mut result = String::with_capacity(source.len());
    for line in source.split_inclusive('\n') {
        let bytes = line.as_bytes();
        let (mut at, mut marks, mut indent) = (0, 0, 0);
        let mut kept = None;
        while at < bytes.len() {
            match bytes[at] {
                b' ' | b'\t' => indent += 1,
                b'>' => marks += 1,
                b'-' | b'+' | b'*' if matches!(bytes.get(at + 1), Some(b' ' | b'\t' | b'\n') | None) => marks += 1,
                b'0'..=b'9' => {
                    let digits = bytes[at..]
                        .iter()
                        .take(10)
                        .take_while(|byte| byte.is_ascii_digit())
                        .count();
                    let opens = matches!(bytes.get(at + digits), Some(b'.' | b')'))
                        && matches!(bytes.get(at + digits + 1), Some(b' ' | b'\t' | b'\n') | None);
                    if !opens {
                        break;
                    }
                    marks += 1;
                    at += digits;
                }
                _ => break,
            }
            at += 1;
            if kept.is_none() && (marks >= MAX_LINE_NESTING || indent >= MAX_INDENT) {
                kept = Some(at);
            }
        }
        match kept {
            Some(kept) => {
                result.push_str(&line[..kept]);
                result.push(' ');
                result.push_str(&line[at.min(line.len())..]);
            }
            None => result.push_str(line),
        }
    }
    result
}
