//! From what a configuration says about fields to the JSON that Jira takes for them.
//!
//! Each wish is matched to a field by id or by name, shaped by the field's schema and checked against the values Jira
//! allows. What goes wrong is told per field; nothing is sent that is known to be refused. Pure: what Jira accepts comes
//! in as data.

mod compare;
mod due;
mod fill;
mod names;
#[cfg(test)]
mod tests;
mod typing;
mod wish;

pub(crate) use names::{describe, value_id, value_name};
use serde_json::Value;

use crate::api::fields::{Assignee, DueDate};
use crate::api::ticket_configuration::TicketConfigurationSpec;
use crate::api::{SecurityFinding, Severity};
use crate::domain::base::words::{MAX_LISTED, listed};
use crate::domain::state::urgency::severity_of;
use crate::jira::model::{FieldMeta, SiteField};
use crate::jira::{AssigneeWish, ProjectMeta};

use crate::domain::render::template::TemplateError;
pub use crate::domain::render::values::Values;
use crate::domain::render::values::is_template;

pub use compare::{Shape, entry_value, has_entry};
use due::due_date;
use fill::is_required;
pub use fill::{ByPriority, Due, Filled, Templated, TypedFields, wished_priority};
use typing::{check_text, shaped};
pub use wish::compile;
use wish::{Wish, label_templates, wishes};

/// Field of the due date.
const DUE_DATE: &str = "duedate";
/// Longest label, in characters.
const MAX_LABEL: usize = 255;
/// Fields that are set by other parts of a configuration or by nobody, with what to use in their place.
const NOT_HERE: [(&str, &str); 10] = [
    ("project", "use projectKey"),
    ("issuetype", "use issueType"),
    ("summary", "it is made from the finding"),
    ("description", "it is made from the finding"),
    ("labels", "use fields.labels"),
    ("priority", "use priority.remap"),
    ("assignee", "use assignee"),
    ("duedate", "use fields.dueDate"),
    ("status", "it follows the finding (statusSync)"),
    ("resolution", "it is set by transitions"),
];

/// A wish that cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field as the user named it.
    pub field: String,
    /// What is wrong and how to cure it.
    pub message: String,
}

/// One field with the value that is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypedField {
    /// Id of the field.
    pub id: String,
    /// Name of the field, for people.
    pub name: String,
    /// The value.
    pub value: Value,
    /// The value, for people.
    pub text: String,
    /// Its template gave nothing: it is not sent, and taken away only where we wrote it.
    pub nothing: bool,
    /// How it is compared.
    pub shape: Shape,
    /// Whether it can be sent with the creation (T15). If not, it is sent by an edit afterwards.
    pub on_create: bool,
}

impl TypedField {
    fn of(field: &FieldMeta, value: Value, text: String, on_create: bool) -> Self {
        Self {
            id: field.field_id.clone(),
            name: field.name.clone(),
            value,
            text,
            on_create,
            ..Self::default()
        }
    }
}

fn is_called(field: &FieldMeta, wanted: &str) -> bool {
    field.field_id == wanted || field.name.to_lowercase() == wanted.to_lowercase()
}

/// Whether a configuration gives a field a value; where that depends on the findings, it is checked for each.
pub fn fills(spec: &TicketConfigurationSpec, field: &FieldMeta) -> bool {
    let fields = &spec.fields;
    let any = |due: &DueDate| Severity::ALL.iter().any(|severity| due.of(*severity).is_some());
    let dated = field.field_id == DUE_DATE && fields.due_date.as_ref().is_some_and(any);
    dated
        || wishes(fields).iter().any(|wish| is_called(field, wish.wanted))
        || spec
            .priority
            .field
            .as_ref()
            .is_some_and(|wanted| is_called(field, wanted))
}

/// Whether all fields are on the create screen, so that no other need be known.
pub fn all_on_screen(spec: &TicketConfigurationSpec, project: &ProjectMeta) -> bool {
    let on_screen = |wanted: &str| project.fields.iter().any(|field| is_called(field, wanted));
    wishes(&spec.fields).iter().all(|wish| on_screen(wish.wanted))
        && spec.priority.field.iter().all(|wanted| on_screen(wanted))
}

/// The fields that issues of a project may have besides those on its create screen.
pub fn elsewhere(site: &[SiteField], project: &ProjectMeta) -> Vec<FieldMeta> {
    let here = |field: &&SiteField| {
        let scope = field.scope.as_ref().and_then(|scope| scope.project.as_ref());
        project.field(&field.id).is_none() && scope.is_none_or(|of| of.id == project.project_id)
    };
    let meta = |field: &SiteField| {
        Some(FieldMeta {
            field_id: field.id.clone(),
            key: field.id.clone(),
            name: field.name.clone(),
            schema: field.schema.clone()?,
            ..FieldMeta::default()
        })
    };
    site.iter().filter(here).filter_map(meta).collect()
}

/// Types all fields of a configuration for a project. `elsewhere` are fields that are not on its create screen, `values`
/// the compiled templates.
///
/// # Errors
///
/// Every wish that cannot be fulfilled.
pub fn resolve(
    spec: &TicketConfigurationSpec,
    values: Values,
    project: &ProjectMeta,
    elsewhere: &[FieldMeta],
) -> Result<TypedFields, Vec<FieldProblem>> {
    let fields = &spec.fields;
    let mut typed = TypedFields {
        due_date: fields.due_date.clone().map(|periods| Due {
            periods,
            on_create: project.field(DUE_DATE).is_some(),
            required: project.field(DUE_DATE).is_some_and(is_required),
        }),
        labels: label_templates(fields),
        values,
        ..TypedFields::default()
    };
    let mut problems = Vec::new();
    let place = |label: &str| format!("fields.{label}");
    let mut told = |field: &str, message: String| {
        problems.push(FieldProblem {
            field: field.to_owned(),
            message,
        });
    };
    for wish in wishes(fields) {
        let is_custom = fields.custom.iter().any(|custom| custom.field == wish.label);
        match type_one(&wish, is_custom, project, elsewhere) {
            Ok(one) if typed.ids().any(|id| id == one.id()) => {
                told(&place(wish.label), format!("{} is given twice", one.id()));
            }
            Ok(One::Fixed(field)) => typed.fields.push(field),
            Ok(One::Templated(field)) => typed.templated.push(field),
            Err(message) => told(&place(wish.label), message),
        }
    }
    let long = fields.labels.iter().filter(|label| !is_template(label));
    for label in long.filter(|label| label.chars().count() > MAX_LABEL) {
        told(
            &place("labels"),
            format!("{label:?} is longer than {MAX_LABEL} characters"),
        );
    }
    if let Some((wanted, remap)) = spec.priority.field.as_deref().zip(spec.priority.remap.as_ref()) {
        let found = find(wanted, project, elsewhere).and_then(|(field, on_create)| {
            check_place(field)?;
            if typed.ids().any(|id| id == field.field_id) {
                return Err(format!("{} is given twice", field.field_id));
            }
            Ok((field, on_create))
        });
        match found {
            Ok((field, on_create)) => match ByPriority::new(field, on_create, |severity| remap.of(severity).to_owned())
            {
                Ok(priority) => typed.priority = Some(priority),
                Err(all) => all.into_iter().for_each(|one| told(&one.field, one.message)),
            },
            Err(message) => told("priority.field", format!("{wanted:?}: {message}")),
        }
    }
    if problems.is_empty() { Ok(typed) } else { Err(problems) }
}

/// A field as far as its type is known.
enum One {
    Fixed(TypedField),
    Templated(Templated),
}

impl One {
    fn id(&self) -> &str {
        match self {
            Self::Fixed(field) => &field.id,
            Self::Templated(one) => &one.field.field_id,
        }
    }
}

fn type_one(wish: &Wish<'_>, is_custom: bool, project: &ProjectMeta, elsewhere: &[FieldMeta]) -> Result<One, String> {
    let (field, on_create) = find(wish.wanted, project, elsewhere)?;
    if is_custom {
        check_place(field)?;
    }
    if !wish.said.templates(wish.label).is_empty() {
        check_text(field)?;
        return Ok(One::Templated(Templated {
            label: wish.label.to_owned(),
            field: field.clone(),
            said: wish.said.clone(),
            on_create,
        }));
    }
    let (value, shape) = shaped(field, &wish.said, on_create)?;
    Ok(One::Fixed(TypedField {
        shape,
        ..TypedField::of(field, value, wish.said.shown(), on_create)
    }))
}

/// Refuses fields that are set by other parts of a configuration, or by nobody.
fn check_place(field: &FieldMeta) -> Result<(), String> {
    match NOT_HERE.iter().find(|(id, _)| *id == field.field_id) {
        Some((_, cure)) => Err(format!("{} is not set here; {cure}", field.field_id)),
        None => Ok(()),
    }
}

/// What can be said of the fields of a configuration without Jira: its labels.
pub fn untyped(spec: &TicketConfigurationSpec, values: Values) -> TypedFields {
    TypedFields {
        labels: label_templates(&spec.fields),
        values,
        ..TypedFields::default()
    }
}

/// The fields of the issue that stands for these findings, as far as they can be told without Jira: names as the user
/// wrote them, and texts.
///
/// # Errors
///
/// When a template does not work with these findings.
pub fn told(
    spec: &TicketConfigurationSpec,
    values: &Values,
    findings: &[&SecurityFinding],
    group: &[String],
) -> Result<Vec<(String, String)>, TemplateError> {
    let made = values.render(findings, group)?;
    let wishes = wishes(&spec.fields).into_iter();
    let mut told: Vec<(String, String)> = wishes
        .map(|wish| (wish.label.to_owned(), wish.said.rendered(wish.label, &made).shown()))
        .collect();
    if let Some(due) = &spec.fields.due_date {
        let date = due_date(due, findings).map(|date| date.to_string());
        told.push(("dueDate".to_owned(), date.unwrap_or_default()));
    }
    if let Some((field, remap)) = spec.priority.field.as_ref().zip(spec.priority.remap.as_ref()) {
        let value = wished_priority(findings).unwrap_or_else(|| remap.of(severity_of(findings)));
        told.push((field.clone(), value.to_owned()));
    }
    told.retain(|(_, text)| !text.is_empty());
    Ok(told)
}

fn find<'a>(
    wanted: &str,
    project: &'a ProjectMeta,
    elsewhere: &'a [FieldMeta],
) -> Result<(&'a FieldMeta, bool), String> {
    for (among, on_create) in [(&project.fields[..], true), (elsewhere, false)] {
        if let Some(field) = among.iter().find(|field| field.field_id == wanted) {
            return Ok((field, on_create));
        }
    }
    for (among, on_create) in [(&project.fields[..], true), (elsewhere, false)] {
        let named: Vec<&FieldMeta> = among.iter().filter(|field| is_called(field, wanted)).collect();
        match named[..] {
            [] => {}
            [field] => return Ok((field, on_create)),
            _ => {
                let ids: Vec<String> = named.iter().map(|field| field.field_id.clone()).collect();
                let ids = listed(&ids, MAX_LISTED);
                return Err(format!("several fields have this name; use the id, one of {ids}"));
            }
        }
    }
    let names: Vec<String> = project.fields.iter().map(|field| field.name.clone()).collect();
    Err(format!(
        "there is no such field; the create screen of {} in {} has {}",
        project.issue_type.name,
        project.key,
        listed(&names, 3 * MAX_LISTED)
    ))
}

impl From<&Assignee> for AssigneeWish {
    fn from(wish: &Assignee) -> Self {
        Self {
            account_id: wish.account_id.clone(),
            email: wish.email.clone(),
            unassigned: wish.unassigned,
        }
    }
}
