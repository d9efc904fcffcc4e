//! A typed model of the part of ADF which this product writes.
//!
//! The schema's rules on what may stand where are in the types: a list item or a quote holds
//! [`Flow`], so that no heading, table or quote can end up in one; text is [`Text`], which cannot
//! hold control characters; a link is an [`Href`], which cannot be `javascript:`. What types
//! cannot say, [`Doc::to_value`] mends: empty lists and tables disappear, empty items and cells
//! get an empty paragraph, and code loses all marks but its link. Hence every value of [`Doc`]
//! is written as a valid document.
//!
//! Rules: <https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>.

mod read;
mod write;

use super::escape;

pub use read::{canonicalize, plain_text};
pub use write::size_of;
pub(super) use write::{block_size, inline_size, row_size};

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doc {
    /// The top-level blocks in order.
    pub blocks: Vec<Block>,
}

/// What may stand at the top of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Anything that may also stand in lists, quotes and cells.
    Flow(Flow),
    /// A heading.
    Heading(Level, Vec<Inline>),
    /// A quotation.
    Quote(Vec<Flow>),
    /// A list of boxes to tick.
    Tasks(Vec<Task>),
    /// A table.
    Table(Table),
    /// A horizontal line.
    Rule,
}

/// What may stand in a list item, a quotation or a table cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// A paragraph.
    Paragraph(Vec<Inline>),
    /// A list.
    List(List),
    /// A block of code.
    Code(CodeBlock),
}

/// A list, bulleted or numbered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// The first number; `None` is a bulleted list.
    pub start: Option<u64>,
    /// The items.
    pub items: Vec<Vec<Flow>>,
}

/// One box to tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Whether it is ticked.
    pub done: bool,
    /// Its text.
    pub content: Vec<Inline>,
}

/// A block of code. Line breaks and tabs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodeBlock {
    language: Option<String>,
    text: String,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// The rows; header cells may stand in any of them.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// Whether it is a header cell.
    pub header: bool,
    /// Its blocks.
    pub content: Vec<Flow>,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inline {
    /// Text with its marks.
    Text(Text, Marks),
    /// A line break.
    Break,
}

/// Text of one line: no line breaks, control characters or direction changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

/// How a text is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// Bold.
    pub strong: bool,
    /// Italic.
    pub em: bool,
    /// Struck through.
    pub strike: bool,
    /// Code; ADF then allows a link beside it and nothing else.
    pub code: bool,
    /// Where it leads.
    pub link: Option<Href>,
}

/// An `http` or `https` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Href(String);

/// The level of a heading, 1 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// The level nearest to `level`.
    pub fn new(level: u8) -> Self {
        Self(level.clamp(1, 6))
    }

    /// The number, 1 to 6.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Href {
    /// The address, if it is one that may be linked.
    pub fn new(url: &str) -> Option<Self> {
        escape::http_url(url).map(Self)
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Text {
    /// The text with line breaks and tabs as spaces and unsafe characters removed.
    pub fn new(text: &str) -> Self {
        Self(escape::one_line(text))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CodeBlock {
    /// A block of code; a language that is no plain word is left out.
    pub fn new(text: &str, language: Option<&str>) -> Self {
        let plain = |name: &&str| {
            !name.is_empty()
                && name.len() <= 32
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+-#._".contains(&byte))
        };
        Self {
            language: language.filter(plain).map(str::to_ascii_lowercase),
            text: escape::clean(text),
        }
    }

    /// The code.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same block with other code in it.
    #[must_use]
    pub fn with_text(&self, text: &str) -> Self {
        Self {
            language: self.language.clone(),
            text: escape::clean(text),
        }
    }
}

impl Inline {
    /// Plain text.
    pub fn text(text: &str) -> Self {
        Self::Text(Text::new(text), Marks::default())
    }

    /// Bold text.
    pub fn strong(text: &str) -> Self {
        Self::Text(
            Text::new(text),
            Marks {
                strong: true,
                ..Marks::default()
            },
        )
    }

    /// Italic text.
    pub fn em(text: &str) -> Self {
        Self::Text(
            Text::new(text),
            Marks {
                em: true,
                ..Marks::default()
            },
        )
    }

    /// Code.
    pub fn code(text: &str) -> Self {
        Self::Text(
            Text::new(text),
            Marks {
                code: true,
                ..Marks::default()
            },
        )
    }

    /// A link showing its own address, or plain text if the address may not be linked.
    pub fn url(url: &str) -> Self {
        Self::link(url, url)
    }

    /// A link, or plain text if the address may not be linked.
    pub fn link(text: &str, url: &str) -> Self {
        Self::Text(
            Text::new(text),
            Marks {
                link: Href::new(url),
                ..Marks::default()
            },
        )
    }

    /// Plain text of several lines, as text and breaks.
    pub fn lines(text: &str) -> Vec<Self> {
        let mut inlines = Vec::new();
        for (number, line) in escape::clean(text).trim().lines().enumerate() {
            if number > 0 {
                inlines.push(Self::Break);
            }
            inlines.push(Self::text(line));
        }
        inlines
    }
}

impl Flow {
    /// A paragraph of one plain text.
    pub fn text(text: &str) -> Self {
        Self::Paragraph(vec![Inline::text(text)])
    }
}

impl Block {
    /// A paragraph.
    pub fn paragraph(content: Vec<Inline>) -> Self {
        Self::Flow(Flow::Paragraph(content))
    }

    /// A heading of plain text.
    pub fn heading(level: u8, text: &str) -> Self {
        Self::Heading(Level::new(level), vec![Inline::text(text)])
    }
}

impl Cell {
    /// A header cell of plain text.
    pub fn header(text: &str) -> Self {
        Self {
            header: true,
            content: vec![Flow::text(text)],
        }
    }

    /// An ordinary cell of one paragraph.
    pub fn new(content: Vec<Inline>) -> Self {
        Self {
            header: false,
            content: vec![Flow::Paragraph(content)],
        }
    }
}
