//! Documents as JSON, and how long it is.

use serde_json::{Map, Value, json};

use super::{Block, Cell, Doc, Flow, Inline, Marks, Task};

impl Doc {
    /// The document as JSON, valid by the schema whatever is in it.
    ///
    /// The identifiers which ADF requires on tasks are counted through the document, so that the
    /// same document is always written the same.
    pub fn to_value(&self) -> Value {
        let mut writer = Writer::default();
        let content: Vec<Value> = self.blocks.iter().filter_map(|block| writer.block(block)).collect();
        let mut document = Map::new();
        document.insert("type".into(), "doc".into());
        document.insert("version".into(), 1.into());
        document.insert("content".into(), Value::Array(content));
        Value::Object(document)
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
    let mut units = Utf16Units(0);
    serde_json::to_writer(&mut units, value).expect("a JSON value is written to a counter without errors");
    units.0
}

/// Counts the UTF-16 code units of UTF-8 text that is written to it.
struct Utf16Units(usize);

impl std::io::Write for Utf16Units {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        // Each character has one byte that does not continue another; one of four bytes takes two units.
        let units = |byte: &u8| usize::from(byte & 0xC0 != 0x80) + usize::from(*byte >= 0xF0);
        self.0 += text.iter().map(units).sum::<usize>();
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The length of one block when written, its comma included; 0 if it writes nothing.
pub(in crate::domain::render) fn block_size(block: &Block) -> usize {
    Writer::default().block(block).map_or(0, |value| size_of(&value) + 1)
}

/// The length of one piece of a line when written, its comma included.
pub(in crate::domain::render) fn inline_size(inline: &Inline) -> usize {
    Writer::inlines(std::slice::from_ref(inline))
        .iter()
        .map(|value| size_of(value) + 1)
        .sum()
}

/// The length of one row of a table when written, its comma included.
pub(in crate::domain::render) fn row_size(row: &[Cell]) -> usize {
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
                let attrs = || json!({"level": level.get()});
                (!content.is_empty()).then(|| node("heading", Some(attrs()), content))
            }
            Block::Quote(content) => {
                let content: Vec<Value> = content.iter().filter_map(Self::flow).collect();
                (!content.is_empty()).then(|| node("blockquote", None, content))
            }
            Block::Tasks(tasks) => self.tasks(tasks),
            Block::Table(table) => {
                let rows: Vec<Value> = table.rows.iter().filter_map(|row| Self::row(row)).collect();
                (!rows.is_empty()).then(|| node("table", None, rows))
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
                let attrs = json!({"localId": self.identifier(), "state": state});
                node("taskItem", Some(attrs), Self::inlines(&task.content))
            })
            .collect();
        Some(node("taskList", Some(json!({"localId": list})), items))
    }

    fn identifier(&mut self) -> String {
        self.identifiers += 1;
        format!("task-{}", self.identifiers)
    }

    fn flow(flow: &Flow) -> Option<Value> {
        match flow {
            Flow::Paragraph(content) => {
                let content = Self::inlines(content);
                (!content.is_empty()).then(|| node("paragraph", None, content))
            }
            Flow::List(list) => {
                let items: Vec<Value> = list.items.iter().map(|item| Self::item(item)).collect();
                if items.is_empty() {
                    return None;
                }
                Some(match list.start {
                    Some(order) => node("orderedList", Some(json!({"order": order})), items),
                    None => node("bulletList", None, items),
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
        node("listItem", None, content)
    }

    fn row(row: &[Cell]) -> Option<Value> {
        let cells: Vec<Value> = row
            .iter()
            .map(|cell| {
                let mut content: Vec<Value> = cell.content.iter().filter_map(Self::flow).collect();
                if content.is_empty() {
                    content.push(empty_paragraph());
                }
                node(if cell.header { "tableHeader" } else { "tableCell" }, None, content)
            })
            .collect();
        (!cells.is_empty()).then(|| node("tableRow", None, cells))
    }

    fn inlines(content: &[Inline]) -> Vec<Value> {
        content
            .iter()
            .filter_map(|inline| match inline {
                Inline::Break => Some(json!({"type": "hardBreak"})),
                Inline::Text(text, _) if text.0.is_empty() => None,
                Inline::Text(text, marks) => {
                    let marks = Self::marks(marks);
                    let mut node = Map::new();
                    node.insert("type".into(), "text".into());
                    node.insert("text".into(), text.0.as_str().into());
                    if !marks.is_empty() {
                        node.insert("marks".into(), Value::Array(marks));
                    }
                    Some(Value::Object(node))
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

/// A node with its children, which are moved into it: `json!` would copy the whole subtree at each level.
fn node(kind: &str, attrs: Option<Value>, content: Vec<Value>) -> Value {
    let mut node = Map::new();
    node.insert("type".into(), kind.into());
    node.extend(attrs.map(|attrs| ("attrs".to_owned(), attrs)));
    node.insert("content".into(), Value::Array(content));
    Value::Object(node)
}

fn empty_paragraph() -> Value {
    node("paragraph", None, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_counted_in_utf_16_units_of_the_written_json() {
        for text in ["", "plain", "\"quoted\"\n\u{1}", "äöü – 漢字", "🦀 and 𝒳"] {
            let value = json!({"text": text, "list": [1, null, true]});
            assert_eq!(size_of(&value), value.to_string().encode_utf16().count(), "{text}");
        }
    }
}
