//! An issue as a page for a browser.

use std::fmt::Write as _;

use serde_json::Value;

use super::view::IssueView;
use super::{children, mark};

impl IssueView {
    /// The issue as an HTML page that looks like Jira.
    pub(super) fn html(&self) -> String {
        let mut facts = String::new();
        for (name, value) in self.fields() {
            let _ = write!(facts, "<dt>{}</dt><dd>{}</dd>", escaped(&name), escaped(&value));
        }
        let mut body = String::new();
        html(&self.desired.description, &mut body);
        let (summary, project) = (escaped(&self.desired.summary), escaped(&self.project));
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{summary}</title><style>{STYLE}</style>\
             <header>{project} / {project}-…</header><h1>{summary}</h1><main><section><h2>Description</h2>{body}</section>\
             <aside><h2>Details</h2><dl>{facts}</dl></aside></main></html>\n"
        )
    }
}

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;color:#172b4d;max-width:75rem;margin:2rem auto;padding:0 1rem}\
    header{color:#6b778c}h1{font-size:1.7rem;margin:.4rem 0 1.4rem;overflow-wrap:anywhere}\
    main{display:flex;gap:2.5rem;align-items:flex-start;flex-wrap:wrap}section{flex:1 1 36rem;min-width:0;overflow-x:auto}\
    aside{flex:0 1 18rem;border:1px solid #dfe1e6;border-radius:4px;padding:.5rem 1rem}h2{font-size:1rem}dt{color:#6b778c}\
    dd{margin:0 0 .6rem}table{border-collapse:collapse;margin:.6rem 0}td,th{border:1px solid #c1c7d0;padding:.3rem .6rem;\
    text-align:left;vertical-align:top}th{background:#f4f5f7}td p,th p{margin:0}pre{background:#f4f5f7;padding:.6rem;\
    overflow-x:auto;border-radius:3px}code{background:#f4f5f7;padding:0 .2rem}pre code{padding:0}\
    blockquote{border-left:2px solid #dfe1e6;margin:0;padding-left:1rem;color:#505f79}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const HTML_MARKS: [(&str, &str); 4] = [("code", "code"), ("strong", "strong"), ("em", "em"), ("strike", "s")];

fn html(node: &Value, out: &mut String) {
    let level = node["attrs"]["level"].as_u64().unwrap_or(1).clamp(1, 6);
    let tag = match node["type"].as_str().unwrap_or_default() {
        "text" => {
            let mut text = escaped(node["text"].as_str().unwrap_or_default());
            for (kind, tag) in HTML_MARKS {
                if mark(node, kind).is_some() {
                    text = format!("<{tag}>{text}</{tag}>");
                }
            }
            if let Some(link) = mark(node, "link") {
                let address = escaped(link["attrs"]["href"].as_str().unwrap_or_default());
                text = format!("<a rel=\"noopener noreferrer nofollow\" href=\"{address}\">{text}</a>");
            }
            return out.push_str(&text);
        }
        "hardBreak" => return out.push_str("<br>"),
        "rule" => return out.push_str("<hr>"),
        "paragraph" => "p".to_owned(),
        "heading" => format!("h{level}"),
        "bulletList" | "taskList" => "ul".to_owned(),
        "orderedList" => "ol".to_owned(),
        "listItem" | "taskItem" => "li".to_owned(),
        "codeBlock" => "pre".to_owned(),
        "blockquote" => "blockquote".to_owned(),
        "table" => "table".to_owned(),
        "tableRow" => "tr".to_owned(),
        "tableHeader" => "th".to_owned(),
        "tableCell" => "td".to_owned(),
        _ => "div".to_owned(),
    };
    match node["attrs"]["order"].as_u64() {
        Some(order) => {
            let _ = write!(out, "<{tag} start=\"{order}\">");
        }
        None => {
            let _ = write!(out, "<{tag}>");
        }
    }
    if node["type"] == "taskItem" {
        out.push_str(if node["attrs"]["state"] == "DONE" {
            "☑ "
        } else {
            "☐ "
        });
    }
    children(node).for_each(|child| html(child, out));
    let _ = write!(out, "</{tag}>");
}
