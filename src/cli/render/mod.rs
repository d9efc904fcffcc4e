//! `render`: shows the issue that a configuration would make of findings. Reads files only; needs no cluster and no Jira.

mod html;
mod input;
#[cfg(test)]
mod tests;
mod text;
mod view;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use self::input::{Input, read};

/// Shows the issue that a configuration would make of findings, without a cluster and without Jira.
#[derive(Debug, Clone, Args)]
pub struct RenderArgs {
    /// YAML with one `TicketConfiguration`, one or more `SecurityFindings`, which share one ticket here, and the
    /// ConfigMap of the template if it has one; `-` reads standard input. May be repeated, and a file may hold several
    /// documents.
    #[arg(long = "filename", short = 'f', value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Writes a page that looks like the ticket, to be opened in a browser.
    #[arg(long, value_name = "FILE")]
    pub open_html: Option<PathBuf>,

    /// What to print of the description.
    #[arg(long, short, value_enum, default_value_t = Output::All)]
    pub output: Output,
}

/// What to print of the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Markdown and the JSON that Jira gets.
    All,
    /// Markdown.
    Markdown,
    /// The JSON that Jira gets.
    Adf,
}

/// Renders and prints.
///
/// # Errors
///
/// When a file cannot be read, something is missing in them, or the template is wrong.
pub fn run(args: &RenderArgs, out: &mut impl Write) -> Result<(), String> {
    let mut input = Input::default();
    for file in &args.files {
        let text = read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        input
            .add(&text)
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let view = input.view()?;
    let written = out
        .write_all(view.text(args.output).as_bytes())
        .and_then(|()| out.flush());
    written.map_err(|error| format!("cannot write: {error}"))?;
    if let Some(file) = &args.open_html {
        std::fs::write(file, view.html()).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(())
}

/// The children of an ADF node.
fn children(node: &Value) -> impl Iterator<Item = &Value> {
    node["content"].as_array().into_iter().flatten()
}

/// The mark of a kind on an ADF text node.
fn mark<'a>(node: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut marks = node["marks"].as_array().into_iter().flatten();
    marks.find(|mark| mark["type"] == kind)
}
