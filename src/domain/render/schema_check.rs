//! What every document made here must satisfy, checked twice: by the published schema where a
//! copy of it is at hand, and always by the rules written out below.

use std::{path::PathBuf, sync::LazyLock};

use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Option<Validator>> = LazyLock::new(|| {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/jira/adf-schema-v1.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        support::skipped("documents against the published ADF schema: only the rules written out here are checked");
        return None;
    };
    let schema = serde_json::from_str(&text).expect("the schema is JSON");
    Some(jsonschema::validator_for(&schema).expect("the schema is a schema"))
});

/// Panics unless the document may be sent to Jira.
pub fn assert_valid(document: &Value) {
    assert_eq!(document["type"], "doc");
    check(document);
    if let Some(schema) = SCHEMA.as_ref()
        && let Err(error) = schema.validate(document)
    {
        panic!("{error} at {} in {document}", error.instance_path());
    }
}

fn check(node: &Value) {
    let kind = node["type"].as_str().expect("a node has a type");
    let flow: &[&str] = &["paragraph", "bulletList", "orderedList", "codeBlock"];
    let allowed: &[&str] = match kind {
        "doc" => &[
            "paragraph",
            "bulletList",
            "orderedList",
            "codeBlock",
            "heading",
            "blockquote",
            "taskList",
            "table",
            "rule",
        ],
        "paragraph" | "heading" | "taskItem" => &["text", "hardBreak"],
        "bulletList" | "orderedList" => &["listItem"],
        "listItem" | "blockquote" | "tableCell" | "tableHeader" => flow,
        "codeBlock" => &["text"],
        "taskList" => &["taskItem"],
        "table" => &["tableRow"],
        "tableRow" => &["tableHeader", "tableCell"],
        "text" | "hardBreak" | "rule" => &[],
        other => panic!("unexpected node {other}"),
    };
    let children = node["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(
        !children.is_empty()
            || !matches!(
                kind,
                "bulletList"
                    | "orderedList"
                    | "listItem"
                    | "blockquote"
                    | "taskList"
                    | "table"
                    | "tableRow"
                    | "tableCell"
                    | "tableHeader"
            ),
        "empty {kind}"
    );
    for child in children {
        let child_kind = child["type"].as_str().expect("a node has a type");
        assert!(allowed.contains(&child_kind), "{child_kind} in {kind}");
        assert!(kind != "codeBlock" || child.get("marks").is_none(), "marks in code");
        check(child);
    }
    if kind == "text" {
        let text = node["text"].as_str().expect("text is a string");
        assert!(!text.is_empty(), "empty text");
        let hidden = |c: char| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        assert!(
            !text
                .chars()
                .any(|c| (c.is_control() && c != '\n' && c != '\t') || hidden(c)),
            "{text:?}"
        );
    }
    let marks: Vec<&str> = node["marks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|mark| mark["type"].as_str().unwrap_or_default())
        .collect();
    assert!(
        !marks.contains(&"code") || marks.iter().all(|mark| matches!(*mark, "code" | "link")),
        "{marks:?}"
    );
    for mark in node["marks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|mark| mark["type"] == "link")
    {
        let href = mark["attrs"]["href"].as_str().unwrap_or_default().to_ascii_lowercase();
        assert!(href.starts_with("https://") || href.starts_with("http://"), "{href}");
    }
}
