//! HTML in Markdown: which elements are known, and the text that is left of them.

use pulldown_cmark::{Event, Parser};

/// The name of a tag and whether it is an end tag.
pub(super) struct HtmlTag {
    pub(super) name: String,
    pub(super) closes: bool,
}

impl HtmlTag {
    /// Reads `<name …>` or `</name …>`; comments and declarations are none.
    pub(super) fn read(html: &str) -> Option<Self> {
        let inside = html.strip_prefix('<')?;
        let (closes, inside) = inside.strip_prefix('/').map_or((false, inside), |rest| (true, rest));
        if !inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == ':'));
        Some(Self {
            name: inside[..end.unwrap_or(inside.len())].to_ascii_lowercase(),
            closes,
        })
    }
}

/// The name of an element whose content nobody is meant to read.
pub(super) fn hidden_element(name: &str) -> Option<&'static str> {
    [
        "script", "style", "template", "iframe", "object", "noscript", "svg", "math", "head", "title",
    ]
    .into_iter()
    .find(|hidden| *hidden == name)
}

pub(super) fn breaks_line(name: &str) -> bool {
    let breaking = "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset \
                    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html li main menu nav ol option p pre \
                    section select summary table tbody tfoot thead tr ul";
    breaking.split_ascii_whitespace().any(|known| known == name)
}

pub(super) fn known_element(name: &str) -> bool {
    let others = "a abbr acronym applet area audio b base basefont bdi bdo big blink br button canvas cite code col \
                  colgroup data datalist del dfn em embed font frame frameset i img input ins kbd label legend link \
                  map mark marquee meta meter noembed noframes optgroup output param picture plaintext progress q rp \
                  rt ruby s samp search slot small source span strike strong sub sup td textarea th time track tt u \
                  var video wbr xmp image";
    breaks_line(name) || hidden_element(name).is_some() || others.split_ascii_whitespace().any(|known| known == name)
}

/// The text of a piece of HTML: tags and comments removed, entities decoded, blocks on lines of their own.
pub(super) fn html_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        decode_entities(&rest[..at], &mut text);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let is_tag = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        let Some(end) = is_tag.then(|| tag_end(rest)).flatten() else {
            text.push('<');
            rest = &rest[1..];
            continue;
        };
        let (tag, after) = rest.split_at(end);
        rest = after;
        let Some(HtmlTag { name, closes }) = HtmlTag::read(tag) else {
            continue;
        };
        if !closes && let Some(hidden) = hidden_element(&name) {
            if !tag.ends_with("/>") {
                rest = after_end_tag(rest, hidden);
            }
        } else if name == "br" || breaks_line(&name) {
            if !text.is_empty() && (name == "br" || !text.ends_with('\n')) {
                text.push('\n');
            }
            if name == "li" && !closes {
                text.push_str("• ");
            }
        } else if name == "td" || name == "th" {
            text.push(' ');
        } else if !known_element(&name) {
            text.push_str(tag);
        }
    }
    decode_entities(rest, &mut text);
    text
}

/// Where the tag at the beginning of the text ends, quoted attribute values observed within reason.
fn tag_end(text: &str) -> Option<usize> {
    const LONGEST: usize = 4096;
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate().take(LONGEST) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') if at > 0 && text.as_bytes()[at - 1] == b'=' => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    text.bytes()
        .take(LONGEST)
        .position(|byte| byte == b'>')
        .map(|at| at + 1)
}

/// What follows the end tag of the element; nothing if there is none.
fn after_end_tag<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        let named = rest
            .get(..name.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(name));
        if named && !rest[name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return rest.find('>').map_or("", |end| &rest[end + 1..]);
        }
    }
    ""
}

/// Appends the text with character references decoded. The Markdown parser has the table of names.
fn decode_entities(text: &str, result: &mut String) {
    const LONGEST: usize = 40;
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        let body = rest
            .bytes()
            .skip(1)
            .take(LONGEST)
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#');
        let end = 1 + body.count();
        if end > 1 && rest.as_bytes().get(end) == Some(&b';') {
            for event in Parser::new(&rest[..=end]) {
                if let Event::Text(decoded) = event {
                    result.push_str(&decoded);
                }
            }
            rest = &rest[end + 1..];
        } else {
            result.push('&');
            rest = &rest[1..];
        }
    }
    result.push_str(rest);
}
