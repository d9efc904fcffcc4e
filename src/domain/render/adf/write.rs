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
