//! An issue as text: fields, the description as Markdown, and its ADF.

use std::fmt::Write as _;

use serde_json::Value;

use super::view::IssueView;
use super::{Output, children, mark};

impl IssueView {
    /// The issue as text.
    pub(super) fn text(&self, output: Output) -> String {
        let description = &self.desired.description;
        let adf = serde_json::to_string_pretty(description).unwrap_or_default();
        if output == Output::Adf {
            return format!("{adf}\n");
        }
        let mut text = format!("Summary: {}\n", self.desired.summary);
        for (name, value) in self.fields() {
            let _ = writeln!(text, "{name}: {value}");
        }
        let _ = write!(text, "\n{}", markdown(description));
        if output == Output::All {
            let _ = write!(text, "\n--- description as Jira gets it (ADF)\n{adf}\n");
        }
        text
    }
}

/// The document as Markdown, for reading.
fn markdown(document: &Value) -> String {
    let blocks: Vec<String> = children(document).map(block).filter(|text| !text.is_empty()).collect();
    blocks.join("\n\n") + "\n"
}

fn block(node: &Value) -> String {
    let level = usize::try_from(node["attrs"]["level"].as_u64().unwrap_or(1)).unwrap_or(1);
    let inner = |between: &str| children(node).map(block).collect::<Vec<_>>().join(between);
    match node["type"].as_str().unwrap_or_default() {
        "heading" => format!("{} {}", "#".repeat(level), line(node)),
        "rule" => "---".to_owned(),
        "codeBlock" => {
            let code: String = children(node).filter_map(|text| text["text"].as_str()).collect();
            let fence = if code.contains("```") { "~~~~" } else { "```" };
            let language = node["attrs"]["language"].as_str().unwrap_or_default();
            format!("{fence}{language}\n{code}\n{fence}")
        }
        "blockquote" => indented(&inner("\n\n"), "> ", "> "),
        "bulletList" | "taskList" => inner("\n"),
        "orderedList" => {
            let start = node["attrs"]["order"].as_u64().unwrap_or(1);
            let items = (start..).zip(children(node));
            let items = items.map(|(number, item)| indented(&flow(item), &format!("{number}. "), "   "));
            items.collect::<Vec<_>>().join("\n")
        }
        "listItem" => indented(&flow(node), "- ", "  "),
        "taskItem" => {
            let mark = if node["attrs"]["state"] == "DONE" { "x" } else { " " };
            format!("- [{mark}] {}", line(node))
        }
        "table" => table(node),
        _ => line(node),
    }
}

fn flow(node: &Value) -> String {
    children(node).map(block).collect::<Vec<_>>().join("\n")
}

fn indented(text: &str, first: &str, others: &str) -> String {
    let mut result = String::new();
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            result.push('\n');
        }
        result.push_str(if number == 0 { first } else { others });
        result.push_str(line);
    }
    result
}

fn table(node: &Value) -> String {
    let mut lines = Vec::new();
    for (number, row) in children(node).enumerate() {
        let cells: Vec<String> = children(row)
            .map(|cell| {
                flow(cell)
                    .replace('|', "\\|")
                    .replace("\\\n", "<br>")
                    .replace('\n', "<br>")
            })
            .collect();
        lines.push(format!("| {} |", cells.join(" | ")));
        if number == 0 {
            lines.push(format!("|{}", "---|".repeat(cells.len())));
        }
    }
    lines.join("\n")
}

fn line(node: &Value) -> String {
    let mut result = String::new();
    for piece in children(node) {
        if piece["type"] == "hardBreak" {
            result.push_str("\\\n");
            continue;
        }
        let text = piece["text"].as_str().unwrap_or_default();
        let mut set = if mark(piece, "code").is_some() {
            let ticks = if text.contains('`') { "``" } else { "`" };
            format!("{ticks}{text}{ticks}")
        } else {
            text.to_owned()
        };
        for (kind, around) in [("strong", "**"), ("em", "*"), ("strike", "~~")] {
            if mark(piece, kind).is_some() {
                set = format!("{around}{set}{around}");
            }
        }
        match mark(piece, "link").and_then(|link| link["attrs"]["href"].as_str()) {
            Some(address) if address == text => {
                let _ = write!(result, "<{address}>");
            }
            Some(address) => {
                let _ = write!(result, "[{set}]({address})");
            }
            None => result.push_str(&set),
        }
    }
    result
}
