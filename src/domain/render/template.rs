//! Templates: from a configuration's texts and the findings of a ticket to what the issue says.
//!
//! What a template inserts is put in place by [`splice`](super::splice); nothing here escapes anything. A template may
//! be wrong, endless or huge, and all of that ends in a [`TemplateError`].

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Object, ObjectRepr, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde_json::json;

use super::adf::{Block, Doc, Inline};
use super::finding::Rendered;
use super::splice::{self, Room, Slot};
use super::{escape, limits, presets, ticket, variables};
use crate::api::SecurityFinding;
use crate::api::template::Template;

/// Longest source of one part, in bytes.
const MAX_SOURCE: usize = 65_536;
/// Longest text that one part gives, in bytes; values count as one character each.
const MAX_OUTPUT: usize = 131_072;
/// Steps that one rendering of a part may take.
const FUEL: u64 = 2_000_000;
/// Steps that `perFinding` may take for one finding.
const FUEL_PER_FINDING: u64 = 200_000;
/// Findings that are written out; the others are counted.
const MAX_FINDINGS: usize = 200;

const SUMMARY: &str = "summary";
const DESCRIPTION: &str = "description";
const PER_FINDING: &str = "perFinding";
/// The parts of a template, as they are named in a configuration and in a ConfigMap.
pub const PARTS: [&str; 3] = [SUMMARY, DESCRIPTION, PER_FINDING];

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Where it stands in the spec: `template.summary`, `fields.Team`.
    pub part: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, and with which variable.
    pub message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.part)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for TemplateError {}

/// A template that can be rendered.
#[derive(Clone, Debug)]
pub struct Compiled {
    environment: Environment<'static>,
    parts: BTreeMap<&'static str, String>,
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

/// Compiles a template and tries it out. `config_map` is the data of the ConfigMap that the template names.
///
/// # Errors
///
/// When a part is no template, or does not work with a finding that has all fields or with one that has none.
pub fn compile(template: &Template, config_map: Option<&BTreeMap<String, String>>) -> Result<Compiled, TemplateError> {
    let inline = [&template.summary, &template.description, &template.per_finding];
    compile_parts(template, config_map).map_err(|mut error| {
        let wrong = PARTS.into_iter().zip(inline).find(|(part, _)| path(part) == error.part);
        let elsewhere =
            wrong.filter(|(part, own)| own.is_none() && config_map.is_some_and(|data| data.contains_key(*part)));
        if let Some(((part, _), reference)) = elsewhere.zip(template.config_map_ref.as_ref()) {
            error.part = format!("{part} of ConfigMap {}", reference.name);
        }
        error
    })
}

fn compile_parts(
    template: &Template,
    config_map: Option<&BTreeMap<String, String>>,
) -> Result<Compiled, TemplateError> {
    let preset = template.preset.and_then(presets::of);
    let inline = [&template.summary, &template.description, &template.per_finding];
    let mut parts = BTreeMap::new();
    for (at, part) in PARTS.into_iter().enumerate() {
        let own = inline[at].as_ref().or_else(|| config_map?.get(part));
        let source = own.cloned().or_else(|| Some(preset?.parts()[at].to_owned()));
        if let Some(source) = source.filter(|source| !source.trim().is_empty()) {
            parts.insert(part, splice::unmarked(&source));
        }
    }
    let mut environment = environment();
    for (part, source) in &parts {
        add(&mut environment, part, &path(part), source)?;
    }
    let compiled = Compiled { environment, parts };
    compiled.try_out()?;
    Ok(compiled)
}

/// Where a part stands in the spec.
fn path(part: &str) -> String {
    format!("template.{part}")
}

/// Adds a template to those that can be rendered. `part` is what errors call it.
pub(super) fn add(
    environment: &mut Environment<'static>,
    name: &str,
    part: &str,
    source: &str,
) -> Result<(), TemplateError> {
    if source.len() > MAX_SOURCE {
        let message = format!("is longer than {MAX_SOURCE} bytes");
        return Err(TemplateError {
            part: part.to_owned(),
            line: None,
            message,
        });
    }
    let added = environment.add_template_owned(name.to_owned(), source.to_owned());
    added.map_err(|error| told(part, source, &error))
}

/// The variables of each finding that is written out, and those of the ticket.
pub(super) fn contexts(
    findings: &[&SecurityFinding],
    group: &[String],
) -> (Vec<BTreeMap<String, Value>>, BTreeMap<String, Value>) {
    let shown = &findings[..findings.len().min(MAX_FINDINGS)];
    let each: Vec<BTreeMap<String, Value>> = shown.iter().map(|one| variables::of_finding(one)).collect();
    let mut common = variables::of_ticket(findings, group);
    common.insert("findings".into(), each.iter().map(variables::in_list).collect());
    (each, common)
}

impl Compiled {
    /// The texts of the issue that stands for these findings. `group` is what they have in common.
    ///
    /// # Errors
    ///
    /// When the template does not work with these findings, or is more than the limits allow.
    pub fn render(&self, findings: &[&SecurityFinding], group: &[String]) -> Result<Rendered, TemplateError> {
        let Some(first) = findings.first() else {
            return Ok(ticket::ticket(findings));
        };
        let (each, mut common) = contexts(findings, group);
        let context = |own: &BTreeMap<String, Value>| {
            let mut all = own.clone();
            all.extend(common.clone());
            all
        };
        let summary = match self.parts.get(SUMMARY) {
            Some(_) => {
                let mut writing = Writing::new(&self.environment, FUEL);
                let text = self.write(&mut writing, SUMMARY, context(&each[0]))?;
                limits::summary(&splice::line(&text, &writing.slots()), &ticket::summary(findings))
            }
            None => ticket::summary(findings),
        };
        if !self.parts.contains_key(DESCRIPTION) && !self.parts.contains_key(PER_FINDING) {
            return Ok(Rendered {
                summary,
                description: ticket::ticket(findings).description,
            });
        }
        let mut writing = Writing::new(&self.environment, FUEL_PER_FINDING);
        let mut rows = Vec::new();
        if let Some(source) = self.parts.get(PER_FINDING) {
            for own in &each {
                let text = self.write(&mut writing, PER_FINDING, context(own))?;
                rows.push(text.trim_matches(['\n', '\r']).to_owned());
            }
            let rest = findings.len() - each.len();
            let mut dynamic = rows.join(if is_line(source) { "\n" } else { "\n\n" });
            if rest > 0 {
                let _ = write!(dynamic, "\n\n*… {rest} more findings*\n");
            }
            common.insert(DYNAMIC.into(), Value::from_safe_string(dynamic));
        } else {
            common.insert(DYNAMIC.into(), Value::from(""));
        }
        let text = if self.parts.contains_key(DESCRIPTION) {
            let mut all = each[0].clone();
            all.extend(common);
            writing.environment.set_fuel(Some(FUEL));
            self.write(&mut writing, DESCRIPTION, all)?
        } else {
            common[DYNAMIC].to_string()
        };
        let document = splice::document(&text, &writing.slots(), room(findings.len()));
        Ok(Rendered {
            summary,
            description: limits::fit(document, limits::MAX_DOCUMENT, pointer(first)).to_value(),
        })
    }

    fn write(
        &self,
        writing: &mut Writing,
        part: &str,
        context: BTreeMap<String, Value>,
    ) -> Result<String, TemplateError> {
        let source = self.parts.get(part).map_or("", String::as_str);
        writing.write(part, &path(part), source, context)
    }

    /// Looks at all names, also in places that are not reached, and renders findings that have everything, nothing, and
    /// both.
    fn try_out(&self) -> Result<(), TemplateError> {
        let (full, bare) = samples();
        let group = ["group".to_owned()];
        for (part, source) in &self.parts {
            check_names(&self.environment, part, &path(part), source, *part == DESCRIPTION)?;
        }
        for findings in [&[&full][..], &[&bare], &[&full, &bare]] {
            self.render(findings, &group)?;
        }
        Ok(())
    }
}

/// The names of all variables that a template uses, those of functions not.
pub(super) fn names(environment: &Environment<'static>, name: &str) -> Vec<String> {
    let Ok(template) = environment.get_template(name) else {
        return Vec::new();
    };
    let functions: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
    let root = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
    let names = template.undeclared_variables(true).into_iter();
    let mut names: Vec<String> = names.filter(|name| !functions.contains(&root(name).as_str())).collect();
    names.sort();
    names
}

/// Looks at all names of a template, also in places that are not reached.
pub(super) fn check_names(
    environment: &Environment<'static>,
    name: &str,
    part: &str,
    source: &str,
    is_description: bool,
) -> Result<(), TemplateError> {
    let (full, _) = samples();
    let mut known = variables::of_finding(&full);
    known.extend(variables::of_ticket(&[&full], &["group".to_owned()]));
    for name in names(environment, name) {
        let root = name.split('.').next().unwrap_or_default();
        let elsewhere = root == "findings" || (root == DYNAMIC && is_description);
        if !elsewhere && !exists(&known, &name) {
            return Err(TemplateError {
                part: part.to_owned(),
                line: source.lines().position(|line| line.contains(&name)).map(|at| at + 1),
                message: unknown(&name),
            });
        }
    }
    Ok(())
}

const DYNAMIC: &str = "dynamic_template";

fn unknown(name: &str) -> String {
    let hint = if name == DYNAMIC {
        "; it can be used in the description only"
    } else {
        ""
    };
    format!("there is no variable {name}{hint} (docs/templates.md lists them all)")
}

/// Whether a path leads to something.
fn exists(known: &BTreeMap<String, Value>, path: &str) -> bool {
    let mut steps = path.split('.');
    let mut value = steps.next().and_then(|root| known.get(root)).cloned();
    for step in steps {
        // Below a text there are methods and indices, which rendering judges.
        let Some(inner) = value.filter(|value| !value.is_undefined()) else {
            return false;
        };
        if inner.kind() != ValueKind::Map {
            return true;
        }
        value = inner.get_attr(step).ok();
    }
    value.is_some_and(|value| !value.is_undefined())
}

/// Whether what is rendered once per finding is a row or an item, which blank lines would tear apart.
fn is_line(source: &str) -> bool {
    let lines = source.lines().map(str::trim_start);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with("{%") && !line.starts_with("{#"));
    lines.next().is_some_and(|line| {
        let item = ["|", "- ", "* ", "+ "].iter().any(|start| line.starts_with(start));
        item || line.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(". ")
    })
}

/// How much of the document a value may take, so that twenty findings can be shown of many.
pub(super) fn room(findings: usize) -> Room {
    let shown = findings.clamp(1, 20);
    Room {
        cell: (14_000 / shown).clamp(500, 6_000),
        block: (30_000 / shown).clamp(1_500, 12_000),
    }
}

/// Where the rest of a text is that was cut.
pub(super) fn pointer(first: &SecurityFinding) -> Doc {
    let namespace = first.metadata.namespace.as_deref().unwrap_or_default();
    let name = first.metadata.name.as_deref().unwrap_or_default();
    Doc {
        blocks: vec![Block::paragraph(vec![
            Inline::em("Shortened; the full text is in "),
            Inline::code(&format!("securityfinding/{namespace}/{name}")),
            Inline::em("."),
        ])],
    }
}

/// One rendering, and the values it has inserted so far.
pub(super) struct Writing {
    environment: Environment<'static>,
    slots: Arc<Mutex<Vec<Slot>>>,
}

impl Writing {
    fn new(environment: &Environment<'static>, fuel: u64) -> Self {
        Self::inserting(environment, fuel, |value| Ok(vec![value.clone()]))
    }

    /// A rendering that inserts, for each value, the values that this gives, with commas between.
    pub(super) fn inserting(
        environment: &Environment<'static>,
        fuel: u64,
        parts: fn(&Value) -> Result<Vec<Value>, Error>,
    ) -> Self {
        let slots: Arc<Mutex<Vec<Slot>>> = Arc::default();
        let mut environment = environment.clone();
        environment.set_fuel(Some(fuel));
        let inserted = Arc::clone(&slots);
        environment.set_formatter(move |out, state, value| {
            if value.is_undefined() {
                return Err(Error::new(ErrorKind::UndefinedError, ""));
            }
            if value.is_none() {
                return Ok(());
            }
            if value.is_safe() && *state.auto_escape() != AutoEscape::None {
                // What a macro or a block wrote: its values have their marks already.
                return out.write_str(value.as_str().unwrap_or_default()).map_err(Error::from);
            }
            let mut inserted = inserted.lock().unwrap_or_else(PoisonError::into_inner);
            for (number, part) in parts(value)?.iter().enumerate() {
                let Some(slot) = slot(part)? else { continue };
                if inserted.len() == splice::MOST {
                    return Err(refused("inserts too many values"));
                }
                let between = if number > 0 { ", " } else { "" };
                out.write_fmt(format_args!("{between}{}", splice::mark(inserted.len())))?;
                inserted.push(slot);
            }
            Ok(())
        });
        Self { environment, slots }
    }

    /// What the template gives, with marks where it inserts values. `part` is what errors call it.
    pub(super) fn write(
        &mut self,
        name: &str,
        part: &str,
        source: &str,
        context: BTreeMap<String, Value>,
    ) -> Result<String, TemplateError> {
        let mut output = Limited(Vec::new());
        let template = self
            .environment
            .get_template(name)
            .map_err(|error| told(part, source, &error))?;
        let written = template.render_captured_to(Value::from(context), &mut output);
        written.map_err(|error| told(part, source, &error))?;
        Ok(String::from_utf8_lossy(&output.0).into_owned())
    }

    pub(super) fn slots(&self) -> Vec<Slot> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is kept of a value until the marks give way; `None` where there is nothing to show.
fn slot(value: &Value) -> Result<Option<Slot>, Error> {
    if let Some(markdown) = value.downcast_object_ref::<variables::Markdown>() {
        return Ok((!markdown.0.trim().is_empty()).then(|| Slot::Markdown(markdown.0.clone())));
    }
    if let Some(link) = value.downcast_object_ref::<Link>() {
        return Ok(Some(Slot::Link(link.text.clone(), link.address.clone())));
    }
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let mut shown = Vec::new();
        for item in value.try_iter()?.take(1_000) {
            shown.push(item.to_string());
        }
        return plain(&shown.join(", "));
    }
    plain(&value.to_string())
}

fn plain(text: &str) -> Result<Option<Slot>, Error> {
    if text.len() > splice::LONGEST {
        return Err(refused("inserts a value that is too long"));
    }
    Ok((!text.trim().is_empty()).then(|| Slot::Plain(splice::unmarked(text))))
}

fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// Takes no more than a text may have.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other("the text is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A link as a value.
#[derive(Debug)]
struct Link {
    text: String,
    address: String,
}

impl Object for Link {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Filters beside those of the template language.
pub const FILTERS: [&str; 8] = [
    "default", "d", "markdown", "safe", "link", "date", "oneline", "truncate",
];

pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the syntax is the usual one"));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_debug(true);
    environment.set_recursion_limit(50);
    // Set blocks and macros give texts that are known to be written by the template.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("markdown".into()));
    // Widths in a format would be paid for by memory, and the others have no use or another meaning here.
    for filter in ["format", "pprint", "escape", "e", "indent"] {
        environment.remove_filter(filter);
    }
    environment.remove_global("debug");
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("markdown", markdown);
    environment.add_filter("safe", markdown);
    environment.add_filter("link", |address: &Value, text: Option<String>| {
        let address = address.to_string();
        Value::from_object(Link {
            text: splice::unmarked(
                &text
                    .filter(|text| !text.trim().is_empty())
                    .unwrap_or_else(|| address.clone()),
            ),
            address: splice::unmarked(&address),
        })
    });
    environment.add_filter("date", |time: String| time.chars().take(10).collect::<String>());
    environment.add_filter("oneline", |text: String| {
        escape::one_line(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    });
    environment.add_filter("truncate", |text: String, length: Option<usize>, options: Kwargs| {
        let length = match length {
            Some(length) => length,
            None => options.get::<Option<usize>>("length")?.unwrap_or(255),
        };
        options.assert_all_used()?;
        let cut: String = text.chars().take(length).collect();
        Ok::<_, Error>(if cut.len() < text.len() {
            format!("{}…", cut.trim_end())
        } else {
            text
        })
    });
    environment
}

/// Another value for one that is empty: a field that a finding lacks is empty, never undefined.
fn default(value: Value, other: Option<Value>) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(refused("the value before it does not exist"));
    }
    let empty = match value.kind() {
        ValueKind::None => true,
        ValueKind::Bool | ValueKind::Number => false,
        ValueKind::Seq | ValueKind::Iterable => value.len() == Some(0),
        _ => value.to_string().trim().is_empty(),
    };
    Ok(if empty {
        other.unwrap_or_else(|| Value::from(""))
    } else {
        value
    })
}

fn markdown(text: &Value) -> Value {
    if text.is_safe() {
        return text.clone();
    }
    Value::from_object(variables::Markdown(splice::unmarked(&text.to_string())))
}

/// An error in words for a condition: part, line, variable.
fn told(part: &str, source: &str, error: &Error) -> TemplateError {
    let at = error
        .range()
        .and_then(|range| source.get(range))
        .map(|text| escape::one_line(text.trim()));
    let at = at.filter(|text| !text.is_empty() && text.len() <= 120);
    let detail = error.detail().unwrap_or_default();
    let message = match (error.kind(), at) {
        (ErrorKind::UndefinedError, Some(name)) => unknown(&name),
        (ErrorKind::OutOfFuel, _) => "takes too many steps".to_owned(),
        (ErrorKind::WriteFailure, _) => format!("gives more than {MAX_OUTPUT} bytes"),
        (ErrorKind::UnknownFilter | ErrorKind::UnknownFunction | ErrorKind::UnknownTest, _) => detail.to_owned(),
        (kind, Some(at)) if detail.is_empty() => format!("{kind} at {at}"),
        (kind, Some(at)) => format!("{kind}: {detail} at {at}"),
        (kind, None) if detail.is_empty() => kind.to_string(),
        (kind, None) => format!("{kind}: {detail}"),
    };
    let message = message.chars().take(600).collect();
    TemplateError {
        part: part.to_owned(),
        line: error.line(),
        message,
    }
}

/// A finding that has every field, and one that has as few as there can be.
pub(super) fn samples() -> (SecurityFinding, SecurityFinding) {
    let finding = |spec: serde_json::Value| {
        let object = json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
            "metadata": {"name": "sample", "namespace": "default", "labels": {"app": "web"}}, "spec": spec,
        });
        serde_json::from_value(object).expect("the sample is a finding")
    };
    let full = finding(json!({
        "title": "Use-after-free in awk applet", "description": "A *sample* description.\n\n- one\n- two",
        "severity": "High", "state": "Active", "category": "Vulnerability", "fingerprint": "sample",
        "source": {"name": "trivy", "version": "0.60.0", "ruleId": "R1", "url": "https://console.example/1"},
        "asset": {
            "name": "web", "kind": "Deployment", "namespace": "shop", "cluster": "prod", "image": "example/web:1",
            "digest": "sha256:0", "region": "eu-1", "account": "1", "ip": "10.0.0.7", "port": 443, "owner": "team",
        },
        "location": "bin/busybox",
        "vulnerability": {
            "id": "CVE-2021-42378", "identifiers": ["GHSA-1"], "cvss": "7.2", "package": "busybox",
            "installedVersion": "1.31", "fixedVersion": "1.34",
        },
        "control": {"id": "5.1.3", "name": "Control", "framework": "CIS", "expected": "true"},
        "remediation": "Update.", "evidence": "evidence\nof two lines", "references": ["https://example.com/1"],
        "tags": ["one"], "firstSeen": "2026-01-02T03:04:05Z", "properties": {"key": "value"},
        "ticket": {"create": "Auto", "configurationRef": {"name": "c", "namespace": "n"}},
    }));
    (full, finding(json!({"title": "Sample"})))
}
