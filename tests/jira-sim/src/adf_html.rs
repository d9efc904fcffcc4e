//! Documents as HTML. All text is hostile and is escaped.

use std::fmt::Write;

use serde_json::Value;

/// Makes text safe inside elements and quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Renders a document or a node of one.
pub fn render(node: &Value) -> String {
    let mut out = String::new();
    write_node(node, &mut out);
    out
}

fn write_node(node: &Value, out: &mut String) {
    let attr = |name: &str| node["attrs"][name].as_str().unwrap_or_default();
    let tag = match node["type"].as_str().unwrap_or_default() {
        "text" => return write_text(node, out),
        "hardBreak" => return out.push_str("<br>"),
        "rule" => return out.push_str("<hr>"),
        "inlineCard" | "blockCard" => return write_link(attr("url"), &escape(attr("url")), out),
        "mention" | "emoji" | "status" => return out.push_str(&escape(attr("text"))),
        "date" => return out.push_str(&escape(attr("timestamp"))),
        "heading" => ["h2", "h3", "h4", "h5", "h6", "h6"]
            [usize::try_from(node["attrs"]["level"].as_u64().unwrap_or(1).clamp(1, 6) - 1).unwrap_or_default()],
        "paragraph" => "p",
        "bulletList" | "taskList" => "ul",
        "orderedList" => "ol",
        "listItem" | "taskItem" => "li",
        "codeBlock" => "pre",
        "blockquote" => "blockquote",
        "table" => "table",
        "tableRow" => "tr",
        "tableHeader" => "th",
        "tableCell" => "td",
        "panel" => "aside",
        "expand" | "nestedExpand" => "details",
        _ => "div",
    };
    let _ = write!(out, "<{tag}>");
    if tag == "details" {
        let _ = write!(out, "<summary>{}</summary>", escape(attr("title")));
    }
    for child in node["content"].as_array().into_iter().flatten() {
        write_node(child, out);
    }
    let _ = write!(out, "</{tag}>");
}

fn write_link(href: &str, inner: &str, out: &mut String) {
    if href.starts_with("http://") || href.starts_with("https://") {
        let _ = write!(
            out,
            "<a rel=\"noopener noreferrer\" href=\"{}\">{inner}</a>",
            escape(href)
        );
    } else {
        out.push_str(inner);
    }
}

fn write_text(node: &Value, out: &mut String) {
    let mut inner = escape(node["text"].as_str().unwrap_or_default());
    for mark in node["marks"].as_array().into_iter().flatten() {
        let tag = match mark["type"].as_str().unwrap_or_default() {
            "strong" => "strong",
            "em" => "em",
            "strike" => "s",
            "underline" => "u",
            "code" => "code",
            "link" => {
                let mut linked = String::new();
                write_link(mark["attrs"]["href"].as_str().unwrap_or_default(), &inner, &mut linked);
                inner = linked;
                continue;
            }
            _ => continue,
        };
        inner = format!("<{tag}>{inner}</{tag}>");
    }
    out.push_str(&inner);
}
