//! The fields of one issue: those that are the same for every issue, and those that its findings decide.

use std::collections::BTreeMap;

use serde_json::json;

use crate::api::fields::DueDate;
use crate::api::{Reason, SecurityFinding, Severity};
use crate::domain::fields::describe;

use crate::domain::base::fault::Fault;
use crate::domain::identity::is_reserved_label;
use crate::domain::render::values::{Text, Values, label};
use crate::domain::state::table::is_open;
use crate::jira::model::FieldMeta;

use super::due::due_date;
use super::typing::{nothing, shaped};
use super::wish::Said;
use super::{DUE_DATE, FieldProblem, TypedField};

/// All fields of a configuration, as they are sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypedFields {
    /// Those that are the same for every issue.
    pub fields: Vec<TypedField>,
    /// Those whose values are templates.
    pub templated: Vec<Templated>,
    /// The field that has the priority's place.
    pub priority: Option<ByPriority>,
    /// The due date.
    pub due_date: Option<Due>,
    /// Names of the templates that give labels.
    pub labels: Vec<String>,
    /// The templates.
    pub values: Values,
}

/// A field whose value is a template.
#[derive(Clone, Debug)]
pub struct Templated {
    pub(super) label: String,
    pub(super) field: FieldMeta,
    pub(super) said: Said,
    pub(super) on_create: bool,
}

impl PartialEq for Templated {
    fn eq(&self, other: &Self) -> bool {
        // What was said is compared with the templates.
        self.label == other.label
            && self.field == other.field
            && self.on_create == other.on_create
            && self.said.shown() == other.said.shown()
    }
}

/// A field that has the priority's place.
#[derive(Clone, Debug, PartialEq)]
pub struct ByPriority {
    pub(super) field: FieldMeta,
    pub(super) on_create: bool,
    /// Its value for each severity.
    pub(super) values: Vec<(Severity, TypedField)>,
}

/// The due date, which depends on the findings.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// How long after they were first seen findings are due.
    pub periods: DueDate,
    /// Whether it can be sent with the creation.
    pub on_create: bool,
    /// Whether Jira refuses an issue without it.
    pub required: bool,
}

/// What the findings of an issue make of the fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filled {
    /// All fields with their values.
    pub fields: Vec<TypedField>,
    /// Labels that come out of templates; none that are the operator's own.
    pub labels: Vec<String>,
    /// Why these findings cannot be written to Jira as they are.
    pub fault: Option<Fault>,
}

/// What is wrong with the values of one issue.
#[derive(Default)]
struct Faults {
    template: Vec<String>,
    invalid: Vec<String>,
    missing: Vec<String>,
}

impl Faults {
    /// The gravest kind, with all of its messages.
    fn worst(self) -> Option<Fault> {
        let kinds = [
            (Reason::TemplateInvalid, self.template),
            (Reason::FieldInvalid, self.invalid),
            (Reason::RequiredFieldsMissing, self.missing),
        ];
        let mut kinds = kinds.into_iter().filter(|(_, told)| !told.is_empty());
        kinds
            .next()
            .map(|(reason, told)| Fault::lasting(reason, told.join("; ")))
    }
}

impl TypedFields {
    /// Ids of the fields, for reading them.
    pub fn ids(&self) -> impl Iterator<Item = String> + '_ {
        let due = self.due_date.iter().map(|_| DUE_DATE.to_owned());
        let templated = self.templated.iter().map(|one| one.field.field_id.clone());
        let priority = self.priority.iter().map(|one| one.field.field_id.clone());
        let fixed = self.fields.iter().map(|field| field.id.clone());
        fixed.chain(templated).chain(priority).chain(due)
    }

    /// The fields of the issue that stands for these findings, whose severity it has. `group` is what they have in
    /// common.
    pub fn fill(&self, findings: &[&SecurityFinding], group: &[String], severity: Severity) -> Filled {
        let mut faults = Faults::default();
        let mut filled = Filled {
            fields: self.fields.clone(),
            ..Filled::default()
        };
        match self.values.render(findings, group) {
            Ok(made) => {
                let templated = self.templated.iter();
                filled
                    .fields
                    .extend(templated.filter_map(|one| self.one(one, &made, &mut faults)));
                let texts = self.labels.iter().filter_map(|name| made.get(name.as_str()));
                let labels = texts.flat_map(Text::entries).filter_map(|text| label(&text));
                filled.labels = labels.filter(|label| !is_reserved_label(label)).collect();
            }
            Err(error) => faults.template.push(error.to_string()),
        }
        if let Some(priority) = &self.priority {
            match priority.of(findings, severity) {
                Ok(field) => filled.fields.extend(field),
                Err(message) => faults.invalid.push(format!("ticket.priority: {message}")),
            }
        }
        filled.fields.extend(self.due(findings, &mut faults));
        filled.fault = faults.worst();
        filled
    }

    fn one(&self, one: &Templated, made: &BTreeMap<&str, Text>, faults: &mut Faults) -> Option<TypedField> {
        let said = one.said.rendered(&one.label, made);
        if said.is_nothing() {
            if one.on_create && is_required(&one.field) {
                faults.missing.push(format!(
                    "Jira requires {}, and fields.{} gives nothing for this finding (it is made of {}). Give the finding a \
                     value, or the template a default: {{{{ … | default(\"…\") }}}}",
                    describe(&one.field),
                    one.label,
                    self.made_of(one)
                ));
                return None;
            }
            let (value, shape) = nothing(&one.field);
            return Some(TypedField {
                shape,
                nothing: true,
                ..TypedField::of(&one.field, value, String::new(), one.on_create)
            });
        }
        match shaped(&one.field, &said, one.on_create) {
            Ok((value, shape)) => Some(TypedField {
                shape,
                ..TypedField::of(&one.field, value, said.shown(), one.on_create)
            }),
            Err(message) => {
                faults.invalid.push(format!(
                    "fields.{}: {message}. It is made of {}: correct the finding, or the configuration",
                    one.label,
                    self.made_of(one)
                ));
                None
            }
        }
    }

    /// The variables that a field is made of.
    fn made_of(&self, one: &Templated) -> String {
        let names = one.said.templates(&one.label);
        let mut variables: Vec<String> = names
            .iter()
            .flat_map(|(name, _)| self.values.variables(name))
            .take(10)
            .collect();
        variables.dedup();
        if variables.is_empty() {
            return "fixed text".to_owned();
        }
        variables.join(", ")
    }

    fn due(&self, findings: &[&SecurityFinding], faults: &mut Faults) -> Option<TypedField> {
        let due = self.due_date.as_ref()?;
        let field = TypedField {
            id: DUE_DATE.to_owned(),
            name: "Due date".to_owned(),
            on_create: due.on_create,
            ..TypedField::default()
        };
        if let Some(date) = due_date(&due.periods, findings) {
            let text = date.to_string();
            return Some(TypedField {
                value: json!(text),
                text,
                ..field
            });
        }
        if due.required {
            let severity = findings.first().map_or(Severity::Unknown, |one| one.spec.severity);
            faults.missing.push(format!(
                "Jira requires a due date, and fields.dueDate has no period for severity {severity}; give it one"
            ));
            return None;
        }
        Some(TypedField { nothing: true, ..field })
    }
}

/// Whether Jira refuses an issue without a value in this field.
pub(super) fn is_required(field: &FieldMeta) -> bool {
    field.required && !field.has_default_value
}

impl ByPriority {
    /// The value for each severity.
    pub(super) fn new(
        field: &FieldMeta,
        on_create: bool,
        of: impl Fn(Severity) -> String,
    ) -> Result<Self, Vec<FieldProblem>> {
        let mut problems: Vec<FieldProblem> = Vec::new();
        let mut values = Vec::new();
        for severity in Severity::ALL {
            match typed(field, on_create, of(severity)) {
                Ok(value) => values.push((severity, value)),
                Err(message) if problems.iter().any(|known| known.message.starts_with(&message)) => {}
                Err(message) => problems.push(FieldProblem {
                    field: "priority.remap".to_owned(),
                    message: format!("{message} (value of {severity} for {})", field.name),
                }),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            field: field.clone(),
            on_create,
            values,
        })
    }

    /// The value for the findings of an issue: what they wish for, else what their severity has.
    fn of(&self, findings: &[&SecurityFinding], severity: Severity) -> Result<Option<TypedField>, String> {
        if let Some(wish) = wished_priority(findings) {
            return typed(&self.field, self.on_create, wish.to_owned()).map(Some);
        }
        let of = |severity: Severity| self.values.iter().find(|(of, _)| *of == severity);
        let found = of(severity).or_else(|| of(Severity::Unknown));
        Ok(found.map(|(_, value)| value.clone()))
    }
}

fn typed(field: &FieldMeta, on_create: bool, text: String) -> Result<TypedField, String> {
    let (value, shape) = shaped(field, &Said::Text(text.clone()), on_create)?;
    Ok(TypedField {
        shape,
        ..TypedField::of(field, value, text, on_create)
    })
}

/// The priority that findings wish for: the wish of the most severe one that is open and has one, else of all.
pub fn wished_priority<'a>(findings: &[&'a SecurityFinding]) -> Option<&'a str> {
    let wish = |finding: &'a SecurityFinding| Some((finding.spec.severity, finding.spec.ticket.priority.as_deref()?));
    let wishes = |open: bool| {
        let those = findings.iter().filter(|finding| !open || is_open(finding.spec.state));
        // Of several, the first of the highest severity.
        those
            .rev()
            .filter_map(|finding| wish(finding))
            .max_by_key(|(severity, _)| *severity)
    };
    wishes(true).or_else(|| wishes(false)).map(|(_, wish)| wish)
}
