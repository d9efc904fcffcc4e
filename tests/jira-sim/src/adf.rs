//! Checks a document against the rules of the Atlassian Document Format (T18).
//!
//! Stricter than the real site in places where that is known to be lax: an
//! empty text node is refused here.

use serde_json::{Map, Value};

/// The longest accepted serialized document, in characters.
pub const MAX_ADF: usize = 32_767;

/// The message Jira gives when plain text is sent for a rich text field.
pub const NOT_A_DOCUMENT: &str = "Operation value must be an Atlassian Document (see the Atlassian Document Format)";

const INLINE: &[&str] = &["text", "hardBreak", "mention", "emoji", "date", "status", "inlineCard"];
const LIST_ITEM: &[&str] = &[
    "paragraph",
    "bulletList",
    "orderedList",
    "taskList",
    "codeBlock",
    "mediaSingle",
    "extension",
];
const QUOTE: &[&str] = &[
    "paragraph",
    "bulletList",
    "orderedList",
    "codeBlock",
    "mediaSingle",
    "mediaGroup",
    "extension",
];
const PANEL: &[&str] = &[
    "paragraph",
    "heading",
    "bulletList",
    "orderedList",
    "codeBlock",
    "rule",
    "taskList",
    "mediaSingle",
    "mediaGroup",
    "blockCard",
    "extension",
];
const CELL: &[&str] = &[
    "paragraph",
    "panel",
    "blockquote",
    "bulletList",
    "orderedList",
    "rule",
    "heading",
    "codeBlock",
    "mediaSingle",
    "mediaGroup",
    "taskList",
    "blockCard",
    "nestedExpand",
    "extension",
];
const EXPAND: &[&str] = &[
    "paragraph",
    "panel",
    "blockquote",
    "bulletList",
    "orderedList",
    "rule",
    "heading",
    "codeBlock",
    "table",
    "mediaSingle",
    "mediaGroup",
    "taskList",
    "blockCard",
    "nestedExpand",
    "extension",
];
const TOP: &[&str] = &[
    "paragraph",
    "panel",
    "blockquote",
    "bulletList",
    "orderedList",
    "rule",
    "heading",
    "codeBlock",
    "table",
    "mediaSingle",
    "mediaGroup",
    "taskList",
    "blockCard",
    "expand",
    "extension",
];
const LANES: &[&str] = &["default", "wide", "full-width", "center", "align-start", "align-end"];

/// What a node may look like.
struct Rule {
    children: &'static [&'static str],
    min_children: usize,
    attrs: &'static [&'static str],
    required: &'static [&'static str],
}

const fn rule(
    children: &'static [&'static str],
    min_children: usize,
    attrs: &'static [&'static str],
    required: &'static [&'static str],
) -> Rule {
    Rule {
        children,
        min_children,
        attrs,
        required,
    }
}

fn rule_of(node: &str) -> Option<Rule> {
    Some(match node {
        "paragraph" => rule(INLINE, 0, &["localId"], &[]),
        "heading" => rule(INLINE, 0, &["level", "localId"], &["level"]),
        "hardBreak" => rule(&[], 0, &["text", "localId"], &[]),
        "bulletList" => rule(&["listItem"], 1, &["localId"], &[]),
        "orderedList" => rule(&["listItem"], 1, &["order", "localId"], &[]),
        "listItem" => rule(LIST_ITEM, 1, &["localId"], &[]),
        "codeBlock" => rule(
            &["text"],
            0,
            &["language", "wrap", "hideLineNumbers", "uniqueId", "localId"],
            &[],
        ),
        "blockquote" => rule(QUOTE, 1, &["localId"], &[]),
        "panel" => rule(
            PANEL,
            1,
            &[
                "panelType",
                "panelIcon",
                "panelIconId",
                "panelIconText",
                "panelColor",
                "localId",
            ],
            &["panelType"],
        ),
        "rule" => rule(&[], 0, &["localId"], &[]),
        "table" => rule(
            &["tableRow"],
            1,
            &["layout", "isNumberColumnEnabled", "width", "displayMode", "localId"],
            &[],
        ),
        "tableRow" => rule(&["tableHeader", "tableCell"], 0, &["localId"], &[]),
        "tableHeader" | "tableCell" => rule(
            CELL,
            1,
            &["colspan", "rowspan", "colwidth", "background", "valign", "localId"],
            &[],
        ),
        "expand" => rule(EXPAND, 1, &["title", "localId"], &[]),
        "nestedExpand" => rule(
            &[
                "paragraph",
                "heading",
                "mediaSingle",
                "mediaGroup",
                "codeBlock",
                "bulletList",
                "orderedList",
                "taskList",
                "rule",
                "panel",
                "blockquote",
                "extension",
            ],
            1,
            &["title", "localId"],
            &["title"],
        ),
        "taskList" => rule(&["taskItem", "taskList"], 1, &["localId"], &["localId"]),
        "taskItem" => rule(INLINE, 0, &["localId", "state"], &["localId", "state"]),
        "status" => rule(&[], 0, &["text", "color", "localId", "style"], &["text", "color"]),
        "mention" => rule(&[], 0, &["id", "text", "accessLevel", "userType", "localId"], &["id"]),
        "emoji" => rule(&[], 0, &["shortName", "id", "text", "localId"], &["shortName"]),
        "date" => rule(&[], 0, &["timestamp", "localId"], &["timestamp"]),
        "inlineCard" | "blockCard" => rule(&[], 0, &["url", "data", "localId"], &[]),
        _ => return None,
    })
}

/// Checks a whole document. The error names the place, as `content[0].attrs`.
pub fn validate_adf(doc: &Value) -> Result<(), String> {
    let Some(root) = doc.as_object() else {
        return Err(NOT_A_DOCUMENT.into());
    };
    if root.get("type").and_then(Value::as_str) != Some("doc") {
        return Err(NOT_A_DOCUMENT.into());
    }
    if root.get("version") != Some(&Value::from(1)) {
        return Err("version: must be 1".into());
    }
    only(root, &["type", "version", "content"], "doc")?;
    let blocks = root
        .get("content")
        .and_then(Value::as_array)
        .ok_or("content: must be an array")?;
    for (index, block) in blocks.iter().enumerate() {
        node(block, TOP, "doc", &format!("content[{index}]"))?;
    }
    let size = doc.to_string().chars().count();
    if size > MAX_ADF {
        return Err("The entered text is too long. It exceeds the allowed limit of 32,767 characters.".into());
    }
    Ok(())
}

fn only(object: &Map<String, Value>, allowed: &[&str], at: &str) -> Result<(), String> {
    match object.keys().find(|k| !allowed.contains(&k.as_str())) {
        Some(key) => Err(format!("{at}: unknown member {key:?}")),
        None => Ok(()),
    }
}

fn node(value: &Value, allowed: &[&str], parent: &str, at: &str) -> Result<(), String> {
    let object = value.as_object().ok_or_else(|| format!("{at}: must be an object"))?;
    let kind = object
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| format!("{at}: has no type"))?;
    if !allowed.contains(&kind) {
        return Err(format!("{at}: {kind} is not allowed in {parent}"));
    }
    if kind == "text" {
        return text(object, parent, at);
    }
    let rule = rule_of(kind).ok_or_else(|| format!("{at}: node {kind} is not supported"))?;
    let mut members = vec!["type"];
    if !rule.attrs.is_empty() {
        members.push("attrs");
    }
    if !rule.children.is_empty() {
        members.push("content");
    }
    if matches!(kind, "paragraph" | "heading" | "codeBlock" | "expand") {
        members.push("marks");
    }
    only(object, &members, at)?;
    if object
        .get("marks")
        .is_some_and(|m| m.as_array().is_none_or(|m| !m.is_empty()))
    {
        return Err(format!("{at}: block marks are not supported"));
    }
    attrs(kind, &rule, object, at)?;
    let empty = Vec::new();
    let content = match object.get("content") {
        None => &empty,
        Some(content) => content
            .as_array()
            .ok_or_else(|| format!("{at}.content: must be an array"))?,
    };
    if content.len() < rule.min_children || (kind == "tableRow" && !object.contains_key("content")) {
        return Err(format!("{at}: {kind} needs content"));
    }
    if kind == "taskList" && content[0]["type"] != "taskItem" {
        return Err(format!("{at}: taskList must begin with a taskItem"));
    }
    for (index, child) in content.iter().enumerate() {
        node(child, rule.children, kind, &format!("{at}.content[{index}]"))?;
    }
    Ok(())
}

fn attrs(kind: &str, rule: &Rule, object: &Map<String, Value>, at: &str) -> Result<(), String> {
    let none = Map::new();
    let attrs = match object.get("attrs") {
        None => &none,
        Some(attrs) => attrs
            .as_object()
            .ok_or_else(|| format!("{at}.attrs: must be an object"))?,
    };
    only(attrs, rule.attrs, &format!("{at}.attrs"))?;
    if let Some(missing) = rule.required.iter().find(|r| !attrs.contains_key(**r)) {
        return Err(format!("{at}.attrs: {missing} is required"));
    }
    if matches!(kind, "inlineCard" | "blockCard") && attrs.contains_key("url") == attrs.contains_key("data") {
        return Err(format!("{at}.attrs: exactly one of url and data is required"));
    }
    for (name, value) in attrs {
        if !attr_ok(kind, name, value) {
            return Err(format!("{at}.attrs.{name}: {value} is not valid"));
        }
    }
    Ok(())
}

fn attr_ok(kind: &str, name: &str, value: &Value) -> bool {
    let text = value.as_str();
    match (kind, name) {
        ("heading", "level") => value.as_u64().is_some_and(|l| (1..=6).contains(&l)),
        ("orderedList", "order") => value.as_f64().is_some_and(|o| o >= 0.0),
        ("hardBreak", "text") => text == Some("\n"),
        ("panel", "panelType") => {
            text.is_some_and(|t| ["info", "note", "tip", "warning", "error", "success", "custom"].contains(&t))
        }
        ("table", "layout") => text.is_some_and(|t| LANES.contains(&t)),
        ("table", "displayMode") => matches!(text, Some("default" | "fixed")),
        ("table", "width") | (_, "colspan" | "rowspan") => value.is_number(),
        ("table", "isNumberColumnEnabled") | ("codeBlock", "wrap" | "hideLineNumbers") => value.is_boolean(),
        (_, "colwidth") => value.as_array().is_some_and(|w| w.iter().all(Value::is_number)),
        (_, "valign") => matches!(text, Some("top" | "middle" | "bottom")),
        ("taskItem", "state") => matches!(text, Some("TODO" | "DONE")),
        ("status", "color") => {
            text.is_some_and(|t| ["neutral", "purple", "blue", "red", "yellow", "green"].contains(&t))
        }
        ("status", "text") | ("date", "timestamp") => text.is_some_and(|t| !t.is_empty()),
        ("inlineCard" | "blockCard", "data") => value.is_object(),
        _ => value.is_string(),
    }
}

fn text(object: &Map<String, Value>, parent: &str, at: &str) -> Result<(), String> {
    only(object, &["type", "text", "marks"], at)?;
    if object.get("text").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(format!("{at}: text must not be empty"));
    }
    let Some(marks) = object.get("marks") else {
        return Ok(());
    };
    let marks = marks
        .as_array()
        .ok_or_else(|| format!("{at}.marks: must be an array"))?;
    if parent == "codeBlock" && !marks.is_empty() {
        return Err(format!("{at}.marks: not allowed in codeBlock"));
    }
    let mut kinds: Vec<&str> = Vec::new();
    for mark in marks {
        let kind = check_mark(mark, at)?;
        if kinds.contains(&kind) {
            return Err(format!("{at}.marks: {kind} twice"));
        }
        kinds.push(kind);
    }
    if kinds.contains(&"code") && kinds.iter().any(|k| !["code", "link", "annotation"].contains(k)) {
        return Err(format!("{at}.marks: code goes only with link"));
    }
    Ok(())
}

fn check_mark<'a>(mark: &'a Value, at: &str) -> Result<&'a str, String> {
    let object = mark.as_object().ok_or_else(|| format!("{at}.marks: must be objects"))?;
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
    let none = Map::new();
    let attrs = match object.get("attrs") {
        None => &none,
        Some(attrs) => attrs
            .as_object()
            .ok_or_else(|| format!("{at}.marks: attrs must be an object"))?,
    };
    let text = |name: &str| attrs.get(name).and_then(Value::as_str);
    let bad = |what: &str| Err(format!("{at}.marks: {kind} {what}"));
    match kind {
        "strong" | "em" | "strike" | "underline" | "code" => only(object, &["type"], at)?,
        "subsup" => {
            only(object, &["type", "attrs"], at)?;
            only(attrs, &["type"], at)?;
            if !matches!(text("type"), Some("sub" | "sup")) {
                return bad("needs type sub or sup");
            }
        }
        "textColor" | "backgroundColor" => {
            only(object, &["type", "attrs"], at)?;
            only(attrs, &["color"], at)?;
            let colour = text("color").unwrap_or_default();
            let digits = colour.strip_prefix('#').unwrap_or_default();
            if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return bad("needs a colour as #rrggbb");
            }
        }
        "link" => {
            only(object, &["type", "attrs"], at)?;
            only(attrs, &["href", "title", "id", "collection", "occurrenceKey"], at)?;
            if text("href").is_none() {
                return bad("needs href");
            }
        }
        _ => return bad("is not a known mark"),
    }
    Ok(kind)
}

/// The plain text of a document, blocks divided by line breaks.
pub fn plain_text(value: &Value) -> String {
    fn walk(value: &Value, out: &mut String) {
        match value["type"].as_str() {
            Some("text") => out.push_str(value["text"].as_str().unwrap_or_default()),
            Some("hardBreak") => out.push('\n'),
            _ => {
                for child in value["content"].as_array().into_iter().flatten() {
                    walk(child, out);
                }
                if matches!(
                    value["type"].as_str(),
                    Some("paragraph" | "heading" | "codeBlock" | "tableRow")
                ) {
                    out.push('\n');
                }
            }
        }
    }
    let mut out = String::new();
    walk(value, &mut out);
    out.trim_end().into()
}

/// A document of one paragraph per line of `text`.
pub fn paragraphs(text: &str) -> Value {
    let blocks: Vec<Value> = text
        .lines()
        .map(|line| match line {
            "" => serde_json::json!({"type": "paragraph"}),
            line => serde_json::json!({"type": "paragraph", "content": [{"type": "text", "text": line}]}),
        })
        .collect();
    serde_json::json!({"type": "doc", "version": 1, "content": blocks})
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn doc(blocks: &Value) -> Value {
        json!({"type": "doc", "version": 1, "content": blocks})
    }

    #[test]
    fn accepts_what_a_converter_writes() {
        let text = |t: &str| json!({"type": "paragraph", "content": [{"type": "text", "text": t}]});
        for good in [
            json!([]),
            json!([text("a"), {"type": "rule"}, {"type": "heading", "attrs": {"level": 2}}]),
            json!([{"type": "codeBlock", "attrs": {"language": "sh"}, "content": [{"type": "text", "text": "ls"}]}]),
            json!([{"type": "bulletList", "content": [{"type": "listItem", "content": [text("a"),
                {"type": "orderedList", "attrs": {"order": 3}, "content": [{"type": "listItem", "content": [text("b")]}]}]}]}]),
            json!([{"type": "table", "content": [{"type": "tableRow", "content": [
                {"type": "tableHeader", "content": [text("a")]}, {"type": "tableCell", "attrs": {"colspan": 2}, "content": [text("b")]}]}]}]),
            json!([{"type": "panel", "attrs": {"panelType": "note"}, "content": [text("x")]}]),
            json!([{"type": "paragraph", "content": [{"type": "text", "text": "a", "marks": [
                {"type": "code"}, {"type": "link", "attrs": {"href": "https://a.test"}}]}]}]),
        ] {
            assert_eq!(validate_adf(&doc(&good)), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_what_naive_converters_write() {
        let text = json!({"type": "text", "text": "a"});
        let paragraph = json!({"type": "paragraph", "content": [text]});
        for bad in [
            json!([{"type": "paragraph", "content": [{"type": "text", "text": ""}]}]),
            json!([{"type": "heading", "content": [text]}]),
            json!([{"type": "heading", "attrs": {"level": 7}}]),
            json!([text]),
            json!([{"type": "bulletList", "content": []}]),
            json!([{"type": "bulletList", "content": [{"type": "listItem", "content": [{"type": "rule"}]}]}]),
            json!([{"type": "blockquote", "content": [{"type": "blockquote", "content": [paragraph]}]}]),
            json!([{"type": "table", "content": [{"type": "tableRow", "content": [{"type": "tableCell", "content": []}]}]}]),
            json!([{"type": "panel", "attrs": {"panelType": "loud"}, "content": [paragraph]}]),
            json!([{"type": "paragraph", "style": "x"}]),
            json!([{"type": "paragraph", "content": [{"type": "text", "text": "a", "marks": [{"type": "code"}, {"type": "strong"}]}]}]),
            json!([{"type": "codeBlock", "content": [{"type": "text", "text": "a", "marks": [{"type": "em"}]}]}]),
            json!([{"type": "image"}]),
            json!([{"type": "rule", "content": []}]),
        ] {
            assert!(validate_adf(&doc(&bad)).is_err(), "{bad}");
        }
        assert_eq!(validate_adf(&json!("text")), Err(NOT_A_DOCUMENT.into()));
        let long = "x".repeat(MAX_ADF);
        assert!(validate_adf(&paragraphs(&long)).is_err());
    }
}
