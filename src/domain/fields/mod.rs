//! From what a configuration says about fields to the JSON that Jira takes for them.
//!
//! Each wish is matched to a field by id or by name, shaped by the field's schema and checked against the values Jira
//! allows. What goes wrong is told per field; nothing is sent that is known to be refused. Pure: what Jira accepts comes
//! in as data.

mod compare;
mod due;
#[cfg(test)]
mod tests;
mod typing;
mod wish;

use serde_json::{Value, json};

use crate::api::fields::{Assignee, DueDate, Fields};
use crate::api::{SecurityFinding, Severity};
use crate::jira::model::{FieldMeta, SiteField};
use crate::jira::{AssigneeWish, ProjectMeta};

use super::configuration::{MAX_LISTED, listed};

pub use compare::{Shape, entry_value, has_entry};
use due::due_date;
use typing::shaped;
use wish::{Wish, wishes};

/// Field of the due date.
const DUE_DATE: &str = "duedate";
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
    /// The value.
    pub value: Value,
    /// How it is compared.
    pub shape: Shape,
    /// Whether it can be sent with the creation (T15). If not, it is sent by an edit afterwards.
    pub on_create: bool,
}

/// All fields of a configuration, as they are sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypedFields {
    /// Those that are the same for every issue.
    pub fields: Vec<TypedField>,
    /// The due date, which depends on the findings; whether it can be sent with the creation.
    pub due_date: Option<(DueDate, bool)>,
}

impl TypedFields {
    /// Ids of the fields, for reading them.
    pub fn ids(&self) -> impl Iterator<Item = String> + '_ {
        let due = self.due_date.iter().map(|_| DUE_DATE.to_owned());
        self.fields.iter().map(|field| field.id.clone()).chain(due)
    }

    /// The fields of the issue that stands for these findings, whose severity it has.
    pub fn of(&self, findings: &[&SecurityFinding], severity: Severity) -> Vec<TypedField> {
        let mut fields = self.fields.clone();
        if let Some((periods, on_create)) = &self.due_date
            && let Some(date) = due_date(periods, findings, severity)
        {
            fields.push(TypedField {
                id: DUE_DATE.to_owned(),
                value: json!(date.to_string()),
                shape: Shape::Plain,
                on_create: *on_create,
            });
        }
        fields
    }
}

fn is_called(field: &FieldMeta, wanted: &str) -> bool {
    field.field_id == wanted || field.name.to_lowercase() == wanted.to_lowercase()
}

/// Whether a configuration gives a field a value on every issue.
pub fn fills(fields: &Fields, field: &FieldMeta) -> bool {
    let every = |due: &DueDate| Severity::ALL.iter().all(|severity| due.of(*severity).is_some());
    let dated = field.field_id == DUE_DATE && fields.due_date.as_ref().is_some_and(every);
    dated || wishes(fields).iter().any(|wish| is_called(field, wish.wanted))
}

/// Whether all fields are on the create screen, so that no other need be known.
pub fn all_on_screen(fields: &Fields, project: &ProjectMeta) -> bool {
    let on_screen = |wanted: &str| project.fields.iter().any(|field| is_called(field, wanted));
    wishes(fields).iter().all(|wish| on_screen(wish.wanted))
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

/// Types all fields of a configuration for a project. `elsewhere` are fields that are not on its create screen.
///
/// # Errors
///
/// Every wish that cannot be fulfilled.
pub fn resolve(
    fields: &Fields,
    project: &ProjectMeta,
    elsewhere: &[FieldMeta],
) -> Result<TypedFields, Vec<FieldProblem>> {
    let mut typed = TypedFields {
        fields: Vec::new(),
        due_date: fields
            .due_date
            .clone()
            .map(|due| (due, project.field(DUE_DATE).is_some())),
    };
    let mut problems = Vec::new();
    for wish in wishes(fields) {
        let is_custom = fields.custom.iter().any(|custom| custom.field == wish.label);
        match type_one(&wish, is_custom, project, elsewhere) {
            Ok(field) if typed.fields.iter().any(|other| other.id == field.id) => problems.push(FieldProblem {
                field: wish.label.to_owned(),
                message: format!("{} is given twice", field.id),
            }),
            Ok(field) => typed.fields.push(field),
            Err(message) => problems.push(FieldProblem {
                field: wish.label.to_owned(),
                message,
            }),
        }
    }
    if problems.is_empty() { Ok(typed) } else { Err(problems) }
}

fn type_one(
    wish: &Wish<'_>,
    is_custom: bool,
    project: &ProjectMeta,
    elsewhere: &[FieldMeta],
) -> Result<TypedField, String> {
    let (field, on_create) = find(wish.wanted, project, elsewhere)?;
    if is_custom && let Some((_, cure)) = NOT_HERE.iter().find(|(id, _)| *id == field.field_id) {
        return Err(format!("{} is not set here; {cure}", field.field_id));
    }
    let (value, shape) = shaped(field, &wish.said, on_create)?;
    Ok(TypedField {
        id: field.field_id.clone(),
        value,
        shape,
        on_create,
    })
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
