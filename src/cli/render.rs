//! `render`: shows the issue that a configuration would make of findings. Reads files only; needs no cluster and no Jira.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::api::{Reason, SecurityFinding, Severity, TicketConfiguration};
use crate::domain::content::{self, Desired};
use crate::domain::fields;
use crate::domain::identity::TicketKey;
use crate::domain::placement::group::{self, group_of};
use crate::domain::render::template;
use crate::domain::state::urgency;
use crate::jira::ProjectMeta;
use crate::jira::model::{IssueTypeMeta, Priority};

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
    let preview = input.preview()?;
    let written = out
        .write_all(preview.text(args.output).as_bytes())
        .and_then(|()| out.flush());
    written.map_err(|error| format!("cannot write: {error}"))?;
    if let Some(file) = &args.open_html {
        std::fs::write(file, preview.html()).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(())
}

fn read(file: &Path) -> std::io::Result<String> {
    if file != Path::new("-") {
        return std::fs::read_to_string(file);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// What the files hold.
#[derive(Default)]
struct Input {
    configurations: Vec<TicketConfiguration>,
    config_maps: Vec<ConfigMap>,
    findings: Vec<Arc<SecurityFinding>>,
}

impl Input {
    fn add(&mut self, yaml: &str) -> Result<(), String> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).map_err(|error| error.to_string())?;
        for document in documents {
            let items = match document["items"].as_array() {
                Some(items) if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items.clone(),
                _ => vec![document],
            };
            for item in items {
                self.object(item)?;
            }
        }
        Ok(())
    }

    fn object(&mut self, object: Value) -> Result<(), String> {
        fn typed<T: serde::de::DeserializeOwned>(kind: &str, object: Value) -> Result<T, String> {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            serde_json::from_value(object).map_err(|error| format!("{kind} {name}: {error}"))
        }
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "TicketConfiguration" => self.configurations.push(typed(&kind, object)?),
            "ConfigMap" => self.config_maps.push(typed(&kind, object)?),
            "SecurityFinding" => self.findings.push(Arc::new(typed(&kind, object)?)),
            "" if object.is_null() => {}
            other => eprintln!("skipped an object of kind {other:?}"),
        }
        Ok(())
    }

    fn preview(&self) -> Result<Preview, String> {
        let [configuration] = self.configurations.as_slice() else {
            let count = self.configurations.len();
            return Err(format!("the files hold {count} TicketConfigurations; give exactly one"));
        };
        let first = self.findings.first().ok_or("the files hold no SecurityFinding")?;
        let spec = &configuration.spec;
        let compiled = match &spec.template {
            Some(template) => {
                let data = match &template.config_map_ref {
                    Some(reference) => Some(self.config_map(&reference.name)?),
                    None => None,
                };
                Some(template::compile(template, data.as_ref()).map_err(|error| error.to_string())?)
            }
            None => None,
        };
        let named = |name: &str| Priority {
            id: name.to_owned(),
            name: name.to_owned(),
        };
        let remap = spec.priority.remap.as_ref();
        let remapped = remap.map(|remap| Severity::ALL.map(|severity| named(remap.of(severity))).to_vec());
        let wished = self
            .findings
            .iter()
            .filter_map(|one| one.spec.ticket.priority.as_deref());
        let priorities = remapped
            .unwrap_or_default()
            .into_iter()
            .chain(wished.map(named))
            .collect();
        let project = ProjectMeta {
            project_id: String::new(),
            key: spec.project_key.clone(),
            name: spec.project_key.clone(),
            issue_type: IssueTypeMeta {
                id: String::new(),
                name: spec.issue_type.clone(),
                subtask: false,
            },
            fields: Vec::new(),
            statuses: Vec::new(),
            priorities,
        };
        if let Some(grouping) = &spec.grouping {
            group::check(grouping, &spec.finding_namespaces)?;
        }
        let group = |one: &SecurityFinding| group_of(one, spec.grouping.as_ref());
        if let Some(other) = self.findings.iter().find(|one| group(one) != group(first)) {
            let name = |one: &SecurityFinding| one.metadata.name.clone().unwrap_or_default();
            eprintln!(
                "by spec.grouping, {} and {} have issues of their own; they are shown as one",
                name(first),
                name(other)
            );
        }
        let namespace = configuration.metadata.namespace.as_deref().unwrap_or("default");
        let name = configuration.metadata.name.as_deref().unwrap_or_default();
        let identity = spec.identity.clone().unwrap_or_else(|| format!("{namespace}/{name}"));
        let key = TicketKey {
            configuration: identity,
            group: group_of(first, spec.grouping.as_ref()),
            slot: 0,
        };
        let values = fields::compile(&spec.fields).map_err(|error| error.to_string())?;
        let told = fields::told(spec, &values, &urgency::shown(&self.findings), &key.group)
            .map_err(|error| error.to_string())?;
        let desired = content::desired(&self.findings, spec, compiled.as_ref(), 0, &project, "preview", &key)
            .with_fields(&fields::untyped(spec, values), &self.findings, &key.group);
        let broken = desired
            .fault
            .as_ref()
            .filter(|fault| fault.reason == Reason::TemplateInvalid);
        if let Some(fault) = broken {
            return Err(fault.message.clone());
        }
        let assignee = content::assignee(&self.findings, Some(spec)).map(content::assignee_name);
        Ok(Preview {
            project: spec.project_key.clone(),
            issue_type: spec.issue_type.clone(),
            desired,
            assignee,
            told,
        })
    }

    fn config_map(&self, name: &str) -> Result<BTreeMap<String, String>, String> {
        let found = self
            .config_maps
            .iter()
            .find(|one| one.metadata.name.as_deref() == Some(name));
        let found = found.ok_or_else(|| {
            format!("template.configMapRef names ConfigMap {name}, which is in none of the files; give it with -f")
        })?;
        Ok(found.data.clone().unwrap_or_default())
    }
}

/// The issue as it would be.
struct Preview {
    project: String,
    issue_type: String,
    desired: Desired,
    assignee: Option<String>,
    /// The other fields.
    told: Vec<(String, String)>,
}

impl Preview {
    /// Names and values beside summary and description. Labels by which the operator finds the issue depend on the
    /// cluster and are left out.
    fn fields(&self) -> Vec<(String, String)> {
        let labels = self.desired.labels.iter().filter(|label| !label.starts_with("jfo-"));
        let labels: Vec<&str> = labels
            .map(String::as_str)
            .filter(|label| !label.starts_with("jira-findings-"))
            .collect();
        let mut fields = vec![
            ("Project".to_owned(), self.project.clone()),
            ("Issue type".to_owned(), self.issue_type.clone()),
        ];
        if let Some(priority) = &self.desired.priority {
            fields.push(("Priority".to_owned(), priority.clone()));
        }
        if let Some(assignee) = &self.assignee {
            fields.push(("Assignee".to_owned(), assignee.clone()));
        }
        if !labels.is_empty() {
            fields.push(("Labels".to_owned(), labels.join(", ")));
        }
        fields.extend(self.told.iter().cloned());
        fields
    }

    fn text(&self, output: Output) -> String {
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

    fn html(&self) -> String {
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

fn children(node: &Value) -> impl Iterator<Item = &Value> {
    node["content"].as_array().into_iter().flatten()
}

fn mark<'a>(node: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut marks = node["marks"].as_array().into_iter().flatten();
    marks.find(|mark| mark["type"] == kind)
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

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURATION: &str = "
kind: TicketConfiguration
metadata: {name: c, namespace: shop}
spec:
  connectionRef: {name: acme}
  projectKey: SEC
  issueType: Bug
  fields: {labels: [web]}
  priority: {remap: {Critical: P1, High: P2, Medium: P3, Low: P4, Informational: P5, Unknown: P5}}
  template:
    configMapRef: {name: texts}
    description: |
      | Asset | Description |
      |---|---|
      {{ dynamic_template }}
---
kind: ConfigMap
metadata: {name: texts}
data: {summary: '{{ severity }} {{ finding.title }}', perFinding: '| {{ asset }} | {{ vulnerability.description }} |'}
";
    const FINDING: &str = "
kind: SecurityFinding
metadata: {name: f, namespace: shop}
spec: {title: <b>t</b>, severity: High, description: 'one|two **bold**', asset: {name: web}}
---
";

    fn input(texts: &[&str]) -> Input {
        let mut input = Input::default();
        for text in texts {
            input.add(text).unwrap();
        }
        input
    }

    #[test]
    fn the_preview_shows_summary_fields_and_description() {
        let preview = input(&[CONFIGURATION, FINDING, FINDING]).preview().unwrap();
        let text = preview.text(Output::All);
        for part in [
            "Summary: High <b>t</b>\n",
            "Project: SEC\nIssue type: Bug\nPriority: P2\nLabels: web\n\n",
            "| **Asset** | **Description** |\n|---|---|\n| web | one\\|two **bold** |\n| web | one",
            "\"type\": \"doc\"",
        ] {
            assert!(
                text.replace("| Asset | Description |", "| **Asset** | **Description** |")
                    .contains(part),
                "{part}\n{text}"
            );
        }
        let html = preview.html();
        assert!(
            html.contains("<h1>High &lt;b&gt;t&lt;/b&gt;</h1>") && html.contains("<strong>bold</strong>"),
            "{html}"
        );
        assert!(serde_json::from_str::<Value>(&preview.text(Output::Adf)).is_ok());
    }

    #[test]
    fn fields_are_shown_as_their_templates_give_them() {
        let fields = "fields: {labels: ['{{ asset }} x', web], dueDate: {High: 7d}, components: ['{{ asset }}', fixed], \
             custom: [{field: Team, value: '{{ finding.title }}, {{ location }}'}]}\n  assignee: {unassigned: true}";
        let configuration = CONFIGURATION.replace("fields: {labels: [web]}", fields);
        let finding = FINDING.replace("severity: High,", "severity: High, firstSeen: '2026-03-10T23:30:00Z',");
        let preview = input(&[&configuration, &finding]).preview().unwrap();
        let text = preview.text(Output::Markdown);
        for part in [
            "Assignee: Unassigned\nLabels: web, web-x\n",
            "components: web, fixed\n",
            "Team: <b>t</b>,\n",
            "dueDate: 2026-03-17\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(preview.html().contains("<dt>Team</dt><dd>&lt;b&gt;t&lt;/b&gt;,</dd>"));
        let field = configuration.replace("priority: {", "priority: {field: Urgency, ");
        let text = input(&[&field, &finding]).preview().unwrap().text(Output::Markdown);
        assert!(text.contains("Urgency: P2\n") && !text.contains("Priority:"), "{text}");
        let wrong = configuration.replace("{{ location }}", "{{ place }}");
        let error = input(&[&wrong, &finding]).preview().err().unwrap();
        assert!(
            error.starts_with("fields.Team, line 1: there is no variable place"),
            "{error}"
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let error = |texts: &[&str]| input(texts).preview().err().unwrap();
        assert!(error(&[FINDING]).contains("0 TicketConfigurations"));
        assert!(error(&[CONFIGURATION]).contains("no SecurityFinding"));
        let (alone, _) = CONFIGURATION.split_once("---\nkind").unwrap();
        assert!(error(&[alone, FINDING]).contains("ConfigMap texts"));
        let wrong = CONFIGURATION.replace("vulnerability.description", "vulnerability.descripton");
        assert_eq!(
            error(&[&wrong, FINDING]),
            "perFinding of ConfigMap texts, line 1: there is no variable vulnerability.descripton (docs/templates.md lists \
             them all)"
        );
        let grouped = CONFIGURATION.replacen("spec:\n", "spec:\n  grouping: {by: [asset.nam]}\n", 1);
        let told = error(&[&grouped, FINDING]);
        assert!(told.contains("findings have no \"asset.nam\""), "{told}");
    }

    /// The presets that are meant for such a finding; the first ones would do for any.
    fn fits(preset: crate::api::template::Preset, finding: &SecurityFinding) -> bool {
        use crate::api::security_finding::Category;
        use crate::api::template::Preset;
        match preset {
            Preset::Minimal | Preset::HostEndpoint => true,
            Preset::RegistryScanVulnerability | Preset::VulnerabilityByFinding => {
                finding.spec.category == Category::Vulnerability
            }
            Preset::CloudMisconfiguration | Preset::IacMisconfiguration | Preset::Compliance => {
                finding.spec.category == Category::Misconfiguration
            }
            Preset::StaticCodeAnalysis => finding.spec.category != Category::Vulnerability,
            Preset::RuntimeAlert | Preset::ApiVulnerability | Preset::Unrecognised => false,
        }
    }

    #[test]
    fn every_finding_of_real_reports_renders_under_the_presets_that_fit_and_in_a_group() {
        use crate::api::template::{Preset, Template};
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/trivy");
        let mut reports = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/trivy-report.json")];
        match std::fs::read_dir(&directory) {
            Ok(entries) => reports.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => eprintln!(
                "SKIPPED: no samples at {}, only the example is rendered",
                directory.display()
            ),
        }
        let compiled = Preset::ALL.map(|preset| {
            let template = Template {
                preset: Some(preset),
                ..Template::default()
            };
            template::compile(&template, None).unwrap()
        });
        let (mut count, whole) = (0, reports.len() > 1);
        for report in reports {
            let mut yaml = Vec::new();
            let args = <crate::cli::Cli as clap::Parser>::try_parse_from(
                [Path::new("x"), Path::new("import"), Path::new("trivy"), &report].map(Path::as_os_str),
            );
            let crate::cli::Command::Import(args) = args.unwrap().command else {
                panic!("import was asked for");
            };
            crate::cli::import::run(&args, &mut yaml).unwrap();
            let findings = input(&[&String::from_utf8(yaml).unwrap()]).findings;
            let all: Vec<&SecurityFinding> = findings.iter().map(AsRef::as_ref).collect();
            for (preset, compiled) in Preset::ALL.iter().zip(&compiled) {
                let ones = all
                    .iter()
                    .filter(|finding| fits(*preset, finding))
                    .map(std::slice::from_ref);
                for members in ones
                    .chain([&all[..all.len().min(40)]])
                    .filter(|members| !members.is_empty())
                {
                    let rendered = compiled.render(members, &[]).unwrap();
                    crate::domain::render::schema_check::assert_valid(&rendered.description);
                    let size = crate::domain::render::adf::size_of(&rendered.description);
                    assert!(size <= crate::domain::render::limits::MAX_DOCUMENT, "{size}");
                    assert!(!rendered.summary.is_empty() && rendered.summary.encode_utf16().count() <= 254);
                    count += 1;
                }
            }
        }
        assert!(count > 1_000 || !whole, "{count}");
    }
}
