//! Documents as Jira gives them: what they say, and whether two are the same.

use serde_json::{Map, Value};

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
    use serde_json::json;

    use super::super::{Block, Doc, Href, Inline, Marks, Task, Text};
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
