//! One line of a document: neighbours joined, bare addresses linked, blanks at both ends taken away.

use super::super::adf::{Href, Inline, Marks, Text};

/// Joins neighbours that are set alike, links bare addresses, and takes away white space and
/// breaks at both ends. A line of nothing but white space becomes empty.
pub(in crate::domain::render) fn tidy(line: Vec<Inline>) -> Vec<Inline> {
    let mut joined: Vec<(String, Marks)> = Vec::new();
    let mut result = Vec::new();
    let run = |joined: &mut Vec<(String, Marks)>, result: &mut Vec<Inline>| {
        for (text, marks) in joined.drain(..) {
            if marks.code || marks.link.is_some() {
                result.push(Inline::Text(Text::new(&text), marks));
            } else {
                autolink(&text, &marks, result);
            }
        }
    };
    for inline in line {
        match inline {
            Inline::Text(text, marks) => match joined.last_mut() {
                Some((last, last_marks)) if *last_marks == marks => last.push_str(text.as_str()),
                _ => joined.push((text.as_str().to_owned(), marks)),
            },
            Inline::Break => {
                run(&mut joined, &mut result);
                result.push(Inline::Break);
            }
        }
    }
    run(&mut joined, &mut result);

    let blank = |inline: &Inline| match inline {
        Inline::Break => true,
        Inline::Text(text, _) => text.as_str().trim().is_empty(),
    };
    while result.last().is_some_and(blank) {
        result.pop();
    }
    let start = result.iter().position(|inline| !blank(inline)).unwrap_or(result.len());
    result.drain(..start);
    result
}

/// Appends the text with the web addresses in it as links.
fn autolink(text: &str, marks: &Marks, result: &mut Vec<Inline>) {
    let mut push = |text: &str, link: Option<Href>| {
        if !text.is_empty() {
            result.push(Inline::Text(Text::new(text), Marks { link, ..marks.clone() }));
        }
    };
    let (mut plain, mut search) = (0, 0);
    while let Some(found) = text[search..].find("http") {
        let start = search + found;
        search = start + "http".len();
        let scheme = &text[start..];
        let within_word = text[..start].chars().next_back().is_some_and(char::is_alphanumeric);
        if within_word || !(scheme.starts_with("http://") || scheme.starts_with("https://")) {
            continue;
        }
        let length = address_length(scheme);
        if let Some(href) = Href::new(&scheme[..length]) {
            push(&text[plain..start], None);
            push(&scheme[..length], Some(href));
            plain = start + length;
        }
        search = start + length;
    }
    push(&text[plain..], None);
}

/// How much of the text, which begins with an address, belongs to it: up to white space or a
/// character no address holds, without punctuation that ends the sentence around it.
fn address_length(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\\' | '`' | '|' | '{' | '}'));
    let mut address = &text[..end.unwrap_or(text.len())];
    let mut closers = [('(', ')'), ('[', ']')].map(|(open, close)| {
        (
            close,
            address
                .matches(close)
                .count()
                .saturating_sub(address.matches(open).count()),
        )
    });
    while let Some(last) = address.chars().next_back() {
        let surplus = closers
            .iter_mut()
            .find(|(close, surplus)| *close == last && *surplus > 0);
        if let Some((_, surplus)) = surplus {
            *surplus -= 1;
        } else if !matches!(
            last,
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' | '’' | '”'
        ) {
            break;
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address.len()
}
