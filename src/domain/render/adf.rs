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

use serde_json::{Map, Value, json};

use super::escape;

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

impl Doc {
    /// The document as JSON, valid by the schema whatever is in it.
    ///
    /// The identifiers which ADF requires on tasks are counted through the document, so that the
    /// same document is always written the same.
    pub fn to_value(&self) -> Value {
        let mut writer = Writer::default();
        let content: Vec<Value> = self.blocks.iter().filter_map(|block| writer.block(block)).collect();
        json!({"type": "doc", "version": 1, "content": content})
    }

    /// The length of the JSON in the unit Jira counts: UTF-16 code units.
    pub fn size(&self) -> usize {
        size_of(&self.to_value())
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        let mut writer = Writer::default();
        !self.blocks.iter().any(|block| writer.block(block).is_some())
    }
}

/// The length of a JSON value when written, in UTF-16 code units.
pub fn size_of(value: &Value) -> usize {
    value.to_string().chars().map(char::len_utf16).sum()
}

/// The length of one block when written, its comma included; 0 if it writes nothing.
pub(super) fn block_size(block: &Block) -> usize {
    Writer::default().block(block).map_or(0, |value| size_of(&value) + 1)
}

/// The length of one piece of a line when written, its comma included.
pub(super) fn inline_size(inline: &Inline) -> usize {
    Writer::inlines(std::slice::from_ref(inline))
        .iter()
        .map(|value| size_of(value) + 1)
        .sum()
}

/// The length of one row of a table when written, its comma included.
pub(super) fn row_size(row: &[Cell]) -> usize {
    Writer::row(row).map_or(0, |value| size_of(&value) + 1)
}

#[derive(Default)]
struct Writer {
    identifiers: usize,
}

impl Writer {
    fn block(&mut self, block: &Block) -> Option<Value> {
        match block {
            Block::Flow(flow) => Self::flow(flow),
            Block::Heading(level, content) => {
                let content = Self::inlines(content);
                (!content.is_empty())
                    .then(|| json!({"type": "heading", "attrs": {"level": level.get()}, "content": content}))
            }
            Block::Quote(content) => {
                let content: Vec<Value> = content.iter().filter_map(Self::flow).collect();
                (!content.is_empty()).then(|| json!({"type": "blockquote", "content": content}))
            }
            Block::Tasks(tasks) => self.tasks(tasks),
            Block::Table(table) => {
                let rows: Vec<Value> = table.rows.iter().filter_map(|row| Self::row(row)).collect();
                (!rows.is_empty()).then(|| json!({"type": "table", "content": rows}))
            }
            Block::Rule => Some(json!({"type": "rule"})),
        }
    }

    fn tasks(&mut self, tasks: &[Task]) -> Option<Value> {
        if tasks.is_empty() {
            return None;
        }
        let list = self.identifier();
        let items: Vec<Value> = tasks
            .iter()
            .map(|task| {
                let state = if task.done { "DONE" } else { "TODO" };
                json!({"type": "taskItem", "attrs": {"localId": self.identifier(), "state": state},
                       "content": Self::inlines(&task.content)})
            })
            .collect();
        Some(json!({"type": "taskList", "attrs": {"localId": list}, "content": items}))
    }

    fn identifier(&mut self) -> String {
        self.identifiers += 1;
        format!("task-{}", self.identifiers)
    }

    fn flow(flow: &Flow) -> Option<Value> {
        match flow {
            Flow::Paragraph(content) => {
                let content = Self::inlines(content);
                (!content.is_empty()).then(|| json!({"type": "paragraph", "content": content}))
            }
            Flow::List(list) => {
                let items: Vec<Value> = list.items.iter().map(|item| Self::item(item)).collect();
                if items.is_empty() {
                    return None;
                }
                Some(match list.start {
                    Some(order) => json!({"type": "orderedList", "attrs": {"order": order}, "content": items}),
                    None => json!({"type": "bulletList", "content": items}),
                })
            }
            Flow::Code(code) => {
                let mut node = Map::new();
                node.insert("type".into(), "codeBlock".into());
                if let Some(language) = &code.language {
                    node.insert("attrs".into(), json!({"language": language}));
                }
                let text = code.text.trim_end_matches('\n');
                if text.is_empty() {
                    return None;
                }
                node.insert("content".into(), json!([{"type": "text", "text": text}]));
                Some(Value::Object(node))
            }
        }
    }

    fn item(item: &[Flow]) -> Value {
        let mut content: Vec<Value> = item.iter().filter_map(Self::flow).collect();
        // Older editors want a paragraph or code first in an item; the schema of today does not mind.
        if matches!(
            content.first().and_then(|first| first["type"].as_str()),
            None | Some("bulletList" | "orderedList")
        ) {
            content.insert(0, empty_paragraph());
        }
        json!({"type": "listItem", "content": content})
    }

    fn row(row: &[Cell]) -> Option<Value> {
        let cells: Vec<Value> = row
            .iter()
            .map(|cell| {
                let mut content: Vec<Value> = cell.content.iter().filter_map(Self::flow).collect();
                if content.is_empty() {
                    content.push(empty_paragraph());
                }
                json!({"type": if cell.header { "tableHeader" } else { "tableCell" }, "content": content})
            })
            .collect();
        (!cells.is_empty()).then(|| json!({"type": "tableRow", "content": cells}))
    }

    fn inlines(content: &[Inline]) -> Vec<Value> {
        content
            .iter()
            .filter_map(|inline| match inline {
                Inline::Break => Some(json!({"type": "hardBreak"})),
                Inline::Text(text, _) if text.0.is_empty() => None,
                Inline::Text(text, marks) => {
                    let marks = Self::marks(marks);
                    Some(if marks.is_empty() {
                        json!({"type": "text", "text": text.0})
                    } else {
                        json!({"type": "text", "text": text.0, "marks": marks})
                    })
                }
            })
            .collect()
    }

    fn marks(marks: &Marks) -> Vec<Value> {
        let mut list = Vec::new();
        if marks.code {
            list.push(json!({"type": "code"}));
        } else {
            for (set, name) in [(marks.strong, "strong"), (marks.em, "em"), (marks.strike, "strike")] {
                if set {
                    list.push(json!({"type": name}));
                }
            }
        }
        if let Some(link) = &marks.link {
            list.push(json!({"type": "link", "attrs": {"href": link.0}}));
        }
        list
    }
}

fn empty_paragraph() -> Value {
    json!({"type": "paragraph", "content": []})
}

/// The form in which two documents are compared.
///
/// Jira adds `localId` attributes to what it stores and is free to split or join texts. Those
/// differences, empty `marks`, `attrs` and `content`, and the order of marks are taken out;
/// everything else stays. Recursive: depth is that of the value, which `serde_json` bounds when parsing.
pub fn canonicalize(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut merged: Vec<Value> = Vec::with_capacity(items.len());
            for item in items.iter().map(canonicalize) {
                if is_text(&item) && item["text"] == "" {
                    continue;
                }
                match merged.last_mut() {
                    Some(last) if is_text(last) && is_text(&item) && last.get("marks") == item.get("marks") => {
                        let joined = [&*last, &item]
                            .map(|node| node["text"].as_str().unwrap_or_default())
                            .concat();
                        last["text"] = joined.into();
                    }
                    _ => merged.push(item),
                }
            }
            Value::Array(merged)
        }
        Value::Object(members) => {
            let node_type = members.get("type").and_then(Value::as_str);
            let mut result = Map::new();
            for (key, member) in members {
                if key == "localId" {
                    continue;
                }
                let mut member = canonicalize(member);
                if key == "marks"
                    && let Value::Array(marks) = &mut member
                {
                    marks.sort_by_key(Value::to_string);
                }
                let empty =
                    member.as_array().is_some_and(Vec::is_empty) || member.as_object().is_some_and(Map::is_empty);
                let droppable = matches!(key.as_str(), "marks" | "attrs" | "content");
                let default_break = key == "attrs" && node_type == Some("hardBreak");
                if (empty && droppable) || default_break {
                    continue;
                }
                result.insert(key.clone(), member);
            }
            Value::Object(result)
        }
        other => other.clone(),
    }
}

fn is_text(value: &Value) -> bool {
    value["type"] == "text" && value["text"].is_string()
}

/// The words of a document, one line per block and line break; mentions and cards as the text they show.
pub fn plain_text(value: &Value) -> String {
    let mut text = String::new();
    collect_text(value, &mut text);
    text.trim().to_owned()
}

fn collect_text(node: &Value, text: &mut String) {
    let kind = node["type"].as_str().unwrap_or_default();
    let attribute = |name: &str| node["attrs"][name].as_str().unwrap_or_default();
    match kind {
        "text" => text.push_str(node["text"].as_str().unwrap_or_default()),
        "hardBreak" => text.push('\n'),
        "mention" | "status" | "placeholder" => text.push_str(attribute("text")),
        "emoji" => text.push_str(if attribute("text").is_empty() {
            attribute("shortName")
        } else {
            attribute("text")
        }),
        "inlineCard" | "blockCard" | "embedCard" => text.push_str(attribute("url")),
        _ => {
            for child in node["content"].as_array().into_iter().flatten() {
                collect_text(child, text);
            }
        }
    }
    let ends_line = matches!(
        kind,
        "paragraph" | "heading" | "codeBlock" | "taskItem" | "decisionItem" | "tableRow" | "blockCard" | "embedCard"
    );
    if ends_line && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jira_adds_makes_no_difference() {
        let ours = Doc {
            blocks: vec![
                Block::paragraph(vec![Inline::text("one two"), Inline::Break, Inline::strong("three")]),
                Block::Tasks(vec![Task {
                    done: true,
                    content: vec![Inline::text("x")],
                }]),
            ],
        };
        let stored = json!({"version": 1, "type": "doc", "content": [
            {"type": "paragraph", "attrs": {"localId": "a1"}, "content": [
                {"type": "text", "text": "one "}, {"type": "text", "text": "two", "marks": []},
                {"type": "hardBreak", "attrs": {"text": "\n"}},
                {"type": "text", "text": "three", "marks": [{"type": "strong"}]}]},
            {"type": "taskList", "attrs": {"localId": "u"}, "content": [
                {"type": "taskItem", "attrs": {"localId": "v", "state": "DONE"}, "content": [{"type": "text", "text": "x"}]}]}
        ]});
        assert_eq!(canonicalize(&ours.to_value()), canonicalize(&stored));
    }

    #[test]
    fn a_changed_word_makes_a_difference() {
        let a = Doc {
            blocks: vec![Block::paragraph(vec![Inline::text("a")])],
        };
        let b = Doc {
            blocks: vec![Block::paragraph(vec![Inline::strong("a")])],
        };
        assert_ne!(canonicalize(&a.to_value()), canonicalize(&b.to_value()));
    }

    #[test]
    fn plain_text_has_a_line_per_block() {
        let doc = Doc {
            blocks: vec![
                Block::heading(2, "Head"),
                Block::paragraph(vec![Inline::text("a"), Inline::Break, Inline::text("b")]),
            ],
        };
        assert_eq!(plain_text(&doc.to_value()), "Head\na\nb");
        assert_eq!(
            plain_text(&json!({"type": "mention", "attrs": {"id": "1", "text": "@Ann"}})),
            "@Ann"
        );
        assert_eq!(plain_text(&Value::Null), "");
    }

    #[test]
    fn code_keeps_no_mark_but_its_link() {
        let marks = Marks {
            strong: true,
            em: true,
            strike: true,
            code: true,
            link: Href::new("https://a.example/"),
        };
        let doc = Doc {
            blocks: vec![Block::paragraph(vec![Inline::Text(Text::new("x"), marks)])],
        };
        let written = doc.to_value();
        let names: Vec<_> = written["content"][0]["content"][0]["marks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|mark| &mark["type"])
            .collect();
        assert_eq!(names, ["code", "link"]);
    }
}
