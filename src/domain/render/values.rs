//! Values of fields as templates: the same language and variables as the texts, rendered to what a field can take.
//!
//! What a value of a finding is stays apart from what the template itself wrote until the field's type is known: only
//! the template's own commas and lines part the entries of a list, and no value becomes more than one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, Value};

use super::adf::Doc;
use super::splice::{self, Room, Slot};
use super::template::{TemplateError, Writing, add, check_names, contexts, environment, names, pointer, room, samples};
use super::{escape, limits};
use crate::api::SecurityFinding;

/// Steps that one value may take.
const FUEL: u64 = 200_000;
/// Most entries that a list gives which is inserted as it is.
const MAX_ENTRIES: usize = 200;

/// Whether a text is a template.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// The values of a configuration that are templates.
#[derive(Clone, Debug)]
pub struct Values {
    environment: Environment<'static>,
    sources: BTreeMap<String, String>,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            environment: environment(),
            sources: BTreeMap::new(),
        }
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources
    }
}

impl Values {
    /// Compiles values and tries them out. Each has the name that errors call it by, `fields.Team` for example.
    ///
    /// # Errors
    ///
    /// When one is no template, or does not work with a finding that has all fields or with one that has none.
    pub fn compile(sources: BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let sources: BTreeMap<String, String> = sources
            .into_iter()
            .map(|(name, source)| (name, splice::unmarked(&source)))
            .collect();
        let mut environment = environment();
        for (name, source) in &sources {
            add(&mut environment, name, name, source)?;
            check_names(&environment, name, name, source, false)?;
        }
        let values = Self { environment, sources };
        let (full, bare) = samples();
        for findings in [&[&full][..], &[&bare], &[&full, &bare]] {
            values.render(findings, &["group".to_owned()])?;
        }
        Ok(values)
    }

    /// The variables that a value is made of.
    pub fn variables(&self, name: &str) -> Vec<String> {
        names(&self.environment, name)
    }

    /// The values for the issue that stands for these findings, by name. As in a summary, what speaks of one finding
    /// speaks of the first.
    ///
    /// # Errors
    ///
    /// When a template does not work with these findings, or takes more than the limits allow.
    pub fn render(
        &self,
        findings: &[&SecurityFinding],
        group: &[String],
    ) -> Result<BTreeMap<&str, Text>, TemplateError> {
        let Some(first) = findings.first().filter(|_| !self.sources.is_empty()) else {
            return Ok(BTreeMap::new());
        };
        let (each, common) = contexts(findings, group);
        let mut context = each.into_iter().next().unwrap_or_default();
        context.extend(common);
        let mut writing = Writing::inserting(&self.environment, FUEL, entries);
        let mut written = Vec::new();
        for (name, source) in &self.sources {
            written.push((name.as_str(), writing.write(name, name, source, context.clone())?));
        }
        let slots: Arc<[Slot]> = writing.slots().into();
        let shortened = pointer(first);
        let text = |text: String| Text {
            marked: text,
            slots: Arc::clone(&slots),
            room: room(findings.len()),
            pointer: shortened.clone(),
        };
        Ok(written.into_iter().map(|(name, one)| (name, text(one))).collect())
    }
}

/// A list is inserted as its entries, anything else as it is.
fn entries(value: &Value) -> Result<Vec<Value>, Error> {
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Ok(value.try_iter()?.take(MAX_ENTRIES).collect());
    }
    Ok(vec![value.clone()])
}

/// What a value gave for some findings.
#[derive(Clone, Debug)]
pub struct Text {
    /// With marks for what was inserted.
    marked: String,
    slots: Arc<[Slot]>,
    room: Room,
    pointer: Doc,
}

impl Text {
    /// All of it on one line, as plain text: Markdown gives its words.
    pub fn line(&self) -> String {
        splice::line(&self.marked, &self.slots).trim().to_owned()
    }

    /// What stands between the commas and the line breaks of the template itself, without what is empty.
    pub fn entries(&self) -> Vec<String> {
        let parts = self
            .marked
            .split([',', '\n'])
            .map(|part| splice::line(part, &self.slots));
        let parts = parts.map(|part| part.trim().to_owned());
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// As an ADF document that Jira takes, made from Markdown like a description.
    pub fn document(&self) -> serde_json::Value {
        let document = splice::document(&self.marked, &self.slots, self.room);
        limits::fit(document, limits::MAX_DOCUMENT, self.pointer.clone()).to_value()
    }
}

/// The text as a label: without white space and not too long; nothing where nothing of it would be seen.
pub fn label(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let label = escape::clean(&words.join("-")).replace(['\n', '\t'], "-");
    let label: String = label.chars().take(255).collect();
    (!limits::line(&label).is_empty()).then_some(label)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finding(spec: serde_json::Value) -> SecurityFinding {
        serde_json::from_value(json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
            "metadata": {"name": "f", "namespace": "shop"}, "spec": spec,
        }))
        .unwrap()
    }

    fn render(source: &str, findings: &[&SecurityFinding]) -> Text {
        let values = Values::compile([("fields.X".to_owned(), source.to_owned())].into()).unwrap();
        let rendered = values.render(findings, &["web".to_owned()]).unwrap();
        rendered["fields.X"].clone()
    }

    #[test]
    fn no_value_is_more_than_one_entry_unless_the_template_says_so() {
        let hostile = finding(json!({
            "title": "a, b\n{{ 7*7 }} {% raw %}", "tags": ["x, y", "z"], "description": "**bold**\n\n- one",
        }));
        for (source, line, entries) in [
            (
                "{{ finding.title }}, own",
                "a, b {{ 7*7 }} {% raw %}, own",
                vec!["a, b {{ 7*7 }} {% raw %}", "own"],
            ),
            ("{{ finding.tags }}", "x, y, z", vec!["x, y", "z"]),
            (
                "{% for tag in finding.tags %}{{ tag }}\n{% endfor %}",
                "x, y z",
                vec!["x, y", "z"],
            ),
            ("{{ finding.tags | join(\",\") }}", "x, y,z", vec!["x, y,z"]),
            ("{{ finding.location }},,", ",,", vec![]),
            ("{{ group.key }}:{{ count }}", "web:1", vec!["web:1"]),
        ] {
            let text = render(source, &[&hostile]);
            assert_eq!(text.line(), line, "{source}");
            assert_eq!(text.entries(), entries, "{source}");
        }
        assert_eq!(render("{{ finding.description }}", &[&hostile]).line(), "bold one");
        let document = render("# {{ finding.title }}\n\n{{ finding.description }}", &[&hostile]).document();
        super::super::schema_check::assert_valid(&document);
        let shown = document.to_string();
        assert!(
            shown.contains("{{ 7*7 }}") && shown.contains("\"strong\"") && shown.contains("bulletList"),
            "{shown}"
        );
    }

    #[test]
    fn an_error_names_field_line_and_variable() {
        let error = |source: &str| {
            let sources = [("fields.Team".to_owned(), source.to_owned())].into();
            Values::compile(sources).unwrap_err().to_string()
        };
        assert_eq!(
            error("a\n{{ finding.propertys.team }}"),
            "fields.Team, line 2: there is no variable finding.propertys.team (docs/templates.md lists them all)"
        );
        assert!(error("{{ finding.title").starts_with("fields.Team, line 1: syntax error"));
        assert!(
            error("{% for a in range(9000) %}{% for b in range(9000) %}{% endfor %}{% endfor %}")
                .contains("too many steps")
        );
        assert!(error("{{ dynamic_template }}").contains("in the description only"));
    }

    #[test]
    fn a_label_has_no_spaces_and_is_not_too_long() {
        assert_eq!(label(" a b\tc ").as_deref(), Some("a-b-c"));
        assert_eq!(label(&"é".repeat(300)).map(|label| label.chars().count()), Some(255));
        assert_eq!(label(" \u{200b} "), None);
    }
}
