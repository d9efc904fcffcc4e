//! Makes single values safe for the place where they land.

/// Whether a character may not appear in anything written to Jira.
///
/// Control characters, direction overrides and isolates, invisible fillers that can hide text
/// from the reader, and code points which are no characters. Line feed and tab are not meant here.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
        || (u32::from(character) & 0xFFFE) == 0xFFFE
}

/// The text without unsafe characters and terminal colour sequences; line feeds and tabs stay, all kinds of line
/// breaks become line feeds.
pub fn clean(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' | '\t' => result.push(character),
            '\r' => {
                if characters.peek() != Some(&'\n') {
                    result.push('\n');
                }
            }
            '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{0B}' | '\u{0C}' => result.push('\n'),
            '\u{1B}' if characters.peek() == Some(&'[') => {
                characters.next();
                while characters
                    .next_if(|next| matches!(next, '0'..='9' | ';' | ':' | '?'))
                    .is_some()
                {}
                characters.next_if(char::is_ascii_alphabetic);
            }
            unwanted if is_unsafe(unwanted) => {}
            other => result.push(other),
        }
    }
    result
}

/// The text on one line: as [`clean`], with line breaks and tabs as spaces.
pub fn one_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

/// A plain value written so that Markdown shows it literally, in running text and in a table cell.
///
/// Line breaks become `<br>`, since a real one would end the row of a table. Not for use inside
/// back-ticks, where Markdown knows no escapes.
pub fn markdown(value: &str) -> String {
    let value = clean(value);
    let value = value.trim();
    let mut result = String::with_capacity(value.len() + value.len() / 8);
    for character in value.chars() {
        match character {
            '\n' => result.push_str("<br>"),
            '\t' => result.push(' '),
            // A backslash before a pipe means different things inside and outside of tables.
            '|' => result.push_str("&#124;"),
            ',' | ';' | '/' | '@' | '\'' | '"' | '%' | '?' | ':' => result.push(character),
            punctuation if punctuation.is_ascii_punctuation() => {
                result.push('\\');
                result.push(punctuation);
            }
            other => result.push(other),
        }
    }
    result
}

/// The address, if it is an absolute `http` or `https` URL that is safe to show as a link.
///
/// Refused are other schemes, addresses with a user part (which can be dressed up as another
/// host), without a host, with white space, control or direction characters, and those longer than 2,048 bytes.
pub fn http_url(url: &str) -> Option<String> {
    const LONGEST: usize = 2048;
    let url = url.trim();
    let (scheme, rest) = url.split_once("://")?;
    if url.len() > LONGEST || !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) {
        return None;
    }
    if url
        .chars()
        .any(|c| c.is_whitespace() || is_unsafe(c) || matches!(c, '<' | '>' | '"' | '\\' | '`'))
    {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let starts_well = authority.starts_with(|c: char| c.is_alphanumeric() || c == '[');
    if authority.contains('@') || !starts_well {
        return None;
    }
    Some(url.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::render::{adf::plain_text, markdown::from_markdown};

    #[test]
    fn only_web_addresses_are_links() {
        for good in [
            "https://a.example",
            "HTTP://a.example/x?y#z",
            "https://[::1]/",
            "http://a:8080/b_(c)",
        ] {
            assert_eq!(http_url(good).as_deref(), Some(good));
        }
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//a.example",
            "https://",
            "https:///x",
            "https://a.example@evil.example/",
            "https://a b",
            "https://a\u{202E}b",
            "ftp://a",
            "mailto:a@b",
            "",
        ] {
            assert_eq!(http_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn colour_sequences_go_whole() {
        assert_eq!(clean("\u{1b}[38;5;33mname\u{1b}[0m: x\r\ny\u{7}"), "name: x\ny");
    }

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_escaped_value_shows_literally(value in "\\PC{0,40}|[ -~]{0,60}|[|\\\\`*_<>&#\\[\\]()!+.1 \n-]{0,30}") {
            let shown = plain_text(&from_markdown(&markdown(&value)).to_value());
            prop_assert_eq!(words(&shown), words(&clean(&value)));
        }

        #[test]
        fn an_escaped_value_stays_in_its_cell(value in "[ -~\n]{0,60}") {
            let table = format!("| a | b |\n|---|---|\n| x{} | y |\n", markdown(&value));
            let document = from_markdown(&table).to_value();
            let row = &document["content"][0]["content"][1]["content"];
            prop_assert_eq!(row.as_array().map(Vec::len), Some(2));
            prop_assert_eq!(words(&plain_text(&row[0])), words(&format!("x{}", clean(&value).trim())));
            prop_assert_eq!(plain_text(&row[1]), "y");
        }
    }
}
