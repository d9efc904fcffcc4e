//! Markdown to ADF.
//!
//! Markdown allows more nesting than ADF does: headings in list items, quotes in quotes, tables in
//! lists. The converter keeps the words and gives up the frame: such a heading becomes bold, such a
//! table lines of text, such a quote plain paragraphs. It walks the parser's events with a stack of
//! its own, so that no input, however deeply nested, can exhaust the thread's stack.

mod builder;
mod html;
mod line;
mod tame;
#[cfg(test)]
mod tests;

use pulldown_cmark::{Options, Parser};

use super::adf::Doc;
use super::escape;
use builder::Builder;
use tame::tame;

pub(super) use builder::flatten;
pub(super) use line::tidy;

/// Bytes of input looked at. No more than an eighth of it could be shown in an issue anyway.
const MAX_INPUT: usize = 256 * 1024;

/// Converts Markdown (`CommonMark` with tables, strike-through, task lists and bare web addresses).
///
/// Total: any text gives a document that is valid by the schema, in time linear in its length.
/// Line breaks inside a paragraph are spaces, as in Markdown. HTML gives its text; tags that HTML
/// does not know, such as `<filename>` in a command, are taken for text.
pub fn from_markdown(markdown: &str) -> Doc {
    let source = tame(&escape::clean(cut_bytes(markdown, MAX_INPUT)));
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut builder = Builder::default();
    for event in Parser::new_ext(&source, options) {
        builder.event(event);
    }
    builder.finish()
}

pub(super) fn cut_bytes(text: &str, longest: usize) -> &str {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
