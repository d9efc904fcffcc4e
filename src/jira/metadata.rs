//! What a project accepts: issue types, create fields, statuses, priorities. Kept per connection, so that a
//! thousand findings cost five calls, and read again when it is old or a fault names it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::client::JiraClient;
use super::error::JiraError;
use super::model::{FieldMeta, IssueTypeMeta, Priority, SiteField, StatusDetails, User};
/// How long an answer to "who is this, and may issues be assigned to them" is good for.
const ASSIGNEE_MAX_AGE: Duration = Duration::from_mins(10);
/// Most such answers that are kept.
const MAX_ASSIGNEES: usize = 10_000;

/// Fields that a create always has, or that Jira fills with the caller.
const ALWAYS_GIVEN: [&str; 4] = ["project", "issuetype", "summary", "reporter"];

/// What is known of one issue type in one project.
#[derive(Debug, Clone)]
pub struct ProjectMeta {
    /// Stable id of the project.
    pub project_id: String,
    /// Its current key.
    pub key: String,
    /// Its name for people.
    pub name: String,
    /// The issue type that was asked for.
    pub issue_type: IssueTypeMeta,
    /// Fields of the create screen.
    pub fields: Vec<FieldMeta>,
    /// Statuses that issues of this type can have.
    pub statuses: Vec<StatusDetails>,
    /// Priorities that can be chosen on create; empty when the project has none or keeps them off the screen.
    pub priorities: Vec<Priority>,
}

impl ProjectMeta {
    /// A field of the create screen, by id.
    pub fn field(&self, id: &str) -> Option<&FieldMeta> {
        self.fields.iter().find(|field| field.field_id == id)
    }

    /// The fields without which Jira refuses a create: required and without default, minus those that are always given.
    pub fn required_fields(&self) -> impl Iterator<Item = &FieldMeta> {
        self.fields.iter().filter(|field| {
            field.required && !field.has_default_value && !ALWAYS_GIVEN.contains(&field.field_id.as_str())
        })
    }

    /// Whether labels can be set on create (T15). If not, they are added by an edit afterwards.
    pub fn labels_on_screen(&self) -> bool {
        self.field("labels").is_some()
    }
}

/// Why a project cannot be used as configured. The words are for the person who wrote the configuration.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MetadataError {
    /// No such project, or not for this account.
    #[error(
        "project '{key}' does not exist or this account may not see it; keys are case-sensitive, usually upper case"
    )]
    ProjectNotFound {
        /// Key as configured.
        key: String,
    },
    /// The project is read-only.
    #[error("project {key} is archived")]
    ProjectArchived {
        /// Key of the project.
        key: String,
    },
    /// The account may not create issues in the project.
    #[error("this account may not create issues in project {key}; it needs the permission Create Issues")]
    CannotCreate {
        /// Key of the project.
        key: String,
    },
    /// No such issue type in the project.
    #[error("issue type '{wanted}' does not exist in project {key}; it has: {}", available.join(", "))]
    IssueTypeNotFound {
        /// Key of the project.
        key: String,
        /// Name or id as configured.
        wanted: String,
        /// Names that exist, sub-task types left out.
        available: Vec<String>,
    },
    /// The issue type is a sub-task type: its issues need a parent.
    #[error("issue type '{wanted}' of project {key} is a sub-task type, whose issues need a parent; choose one of: {}", available.join(", "))]
    SubtaskType {
        /// Key of the project.
        key: String,
        /// Name of the type.
        wanted: String,
        /// Names of the types that need no parent.
        available: Vec<String>,
    },
    /// Jira could not be asked.
    #[error(transparent)]
    Jira(#[from] JiraError),
}

/// Who an issue is to be assigned to, as somebody wrote it: one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AssigneeWish {
    /// Atlassian's id of the account.
    pub account_id: Option<String>,
    /// E-mail address of the account.
    pub email: Option<String>,
    /// `true`: nobody.
    pub unassigned: Option<bool>,
}

/// Whom a wish for an assignee means in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignable {
    /// The account with this id.
    Account(String),
    /// Nobody.
    Nobody,
    /// It cannot be fulfilled; who was meant and why, for people.
    Refused(String),
}

type ProjectAndType = (String, String);
type ProjectAndWish = (String, AssigneeWish);
type Slot<T> = Arc<tokio::sync::Mutex<Option<(Instant, T)>>>;

/// The cache. Cheap to clone; clones share it. Whoever asks first asks Jira, everyone else waits for that answer.
#[derive(Debug, Clone)]
pub struct Metadata {
    client: JiraClient,
    max_age: Duration,
    projects: Arc<Mutex<HashMap<ProjectAndType, Slot<Arc<ProjectMeta>>>>>,
    site_fields: Slot<Arc<Vec<SiteField>>>,
    assignees: Arc<Mutex<HashMap<ProjectAndWish, Slot<Assignable>>>>,
}

impl Metadata {
    /// An empty cache whose entries are read again when older than `max_age`.
    pub fn new(client: JiraClient, max_age: Duration) -> Self {
        Self {
            client,
            max_age,
            projects: Arc::default(),
            site_fields: Arc::default(),
            assignees: Arc::default(),
        }
    }

    /// What a project accepts for an issue type, given by id or by name (case does not matter).
    pub async fn resolve(&self, project_key: &str, issue_type: &str) -> Result<Arc<ProjectMeta>, MetadataError> {
        let slot = {
            let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (project_key.to_owned(), issue_type.to_lowercase());
            Arc::clone(projects.entry(key).or_default())
        };
        let mut entry = slot.lock().await;
        if let Some((at, meta)) = &*entry
            && at.elapsed() < self.max_age
        {
            return Ok(Arc::clone(meta));
        }
        let meta = Arc::new(self.fetch(project_key, issue_type).await?);
        *entry = Some((Instant::now(), Arc::clone(&meta)));
        Ok(meta)
    }

    /// Forgets what is known of a project, its assignees and the site's fields.
    pub fn invalidate(&self, project_key: &str) {
        // An answer that is being fetched meanwhile stays with those who wait for it; its slot is not found again.
        self.projects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(key, _), _| key != project_key);
        self.assignees
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(key, _), _| key != project_key);
        // Where it is locked, it is being asked for.
        if let Ok(mut fields) = self.site_fields.try_lock() {
            *fields = None;
        }
    }

    /// All fields of the site, for those that are not on a create screen.
    pub async fn site_fields(&self) -> Result<Arc<Vec<SiteField>>, JiraError> {
        let mut entry = self.site_fields.lock().await;
        if let Some((at, fields)) = &*entry
            && at.elapsed() < self.max_age
        {
            return Ok(Arc::clone(fields));
        }
        let fields = Arc::new(self.client.site_fields().await?);
        *entry = Some((Instant::now(), Arc::clone(&fields)));
        Ok(fields)
    }

    /// Whom a wish means, and whether issues of the project can be assigned to them.
    pub async fn assignee(&self, project_key: &str, wish: &AssigneeWish) -> Result<Assignable, JiraError> {
        if wish.unassigned == Some(true) {
            return Ok(Assignable::Nobody);
        }
        let slot = self.assignee_slot(project_key, wish);
        let mut entry = slot.lock().await;
        if let Some((at, known)) = &*entry
            && at.elapsed() < ASSIGNEE_MAX_AGE
        {
            return Ok(known.clone());
        }
        let found = match self.find_assignee(project_key, wish).await {
            Err(error @ (JiraError::Forbidden { .. } | JiraError::NotFound { .. } | JiraError::Rejected { .. })) => {
                Assignable::Refused(format!("{}: {error}", named(wish)))
            }
            found => found?,
        };
        *entry = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    /// Takes note that Jira refused an assignee after all.
    pub async fn refuse_assignee(&self, project_key: &str, wish: &AssigneeWish, why: &str) {
        let slot = self.assignee_slot(project_key, wish);
        *slot.lock().await = Some((Instant::now(), Assignable::Refused(format!("{}: {why}", named(wish)))));
    }

    fn assignee_slot(&self, project_key: &str, wish: &AssigneeWish) -> Slot<Assignable> {
        let mut assignees = self.assignees.lock().unwrap_or_else(PoisonError::into_inner);
        if assignees.len() >= MAX_ASSIGNEES {
            assignees.clear();
        }
        Arc::clone(assignees.entry((project_key.to_owned(), wish.clone())).or_default())
    }

    async fn find_assignee(&self, project_key: &str, wish: &AssigneeWish) -> Result<Assignable, JiraError> {
        if let Some(account) = &wish.account_id {
            let assignable = self.client.is_assignable(project_key, account).await?;
            return Ok(if assignable {
                Assignable::Account(account.clone())
            } else {
                let why = "there is no such account, or issues of this project cannot be assigned to it";
                Assignable::Refused(format!("{}: {why}", named(wish)))
            });
        }
        let Some(email) = &wish.email else {
            return Ok(Assignable::Refused("the wish names nobody".to_owned()));
        };
        let found = self.client.assignable_users(project_key, email).await?;
        Ok(match by_email(&found, email) {
            Ok(account) => Assignable::Account(account.to_owned()),
            Err(why) => Assignable::Refused(format!("{}: {why}", named(wish))),
        })
    }

    async fn fetch(&self, project_key: &str, wanted: &str) -> Result<ProjectMeta, MetadataError> {
        let project = match self.client.project(project_key).await {
            Err(JiraError::NotFound { .. }) => {
                return Err(MetadataError::ProjectNotFound {
                    key: project_key.to_owned(),
                });
            }
            project => project?,
        };
        let key = project.key.clone();
        if project.archived {
            return Err(MetadataError::ProjectArchived { key });
        }
        let types = self.client.create_issue_types(&key).await?;
        if types.is_empty() {
            return Err(MetadataError::CannotCreate { key });
        }
        let by_id = types.iter().find(|kind| kind.id == wanted);
        let by_name = || {
            types
                .iter()
                .find(|kind| kind.name.to_lowercase() == wanted.to_lowercase())
        };
        let available = || {
            types
                .iter()
                .filter(|kind| !kind.subtask)
                .map(|kind| kind.name.clone())
                .collect()
        };
        let Some(issue_type) = by_id.or_else(by_name) else {
            return Err(MetadataError::IssueTypeNotFound {
                key,
                wanted: wanted.to_owned(),
                available: available(),
            });
        };
        if issue_type.subtask {
            return Err(MetadataError::SubtaskType {
                key,
                wanted: issue_type.name.clone(),
                available: available(),
            });
        }
        let fields = self.client.create_fields(&key, &issue_type.id).await?;
        let statuses = self.client.project_statuses(&key).await?;
        let statuses = statuses
            .into_iter()
            .find(|of| of.id == issue_type.id)
            .map(|of| of.statuses)
            .unwrap_or_default();
        let priorities = fields.iter().find(|field| field.field_id == "priority").map(|field| {
            field
                .allowed_values
                .iter()
                .filter_map(|value| serde_json::from_value(value.clone()).ok())
                .collect()
        });
        Ok(ProjectMeta {
            project_id: project.id,
            name: project.name,
            issue_type: issue_type.clone(),
            fields,
            statuses,
            priorities: priorities.unwrap_or_default(),
            key,
        })
    }
}

/// The one account of an address: the one that shows it, else the only one that hides its own (T22).
fn by_email<'a>(found: &'a [User], email: &str) -> Result<&'a str, &'static str> {
    if let Some(user) = found.iter().find(|user| user.email_address.eq_ignore_ascii_case(email)) {
        return Ok(&user.account_id);
    }
    let mut hidden = found.iter().filter(|user| user.email_address.is_empty());
    match (hidden.next(), hidden.next()) {
        (Some(user), None) => Ok(&user.account_id),
        (Some(_), Some(_)) => Err("several accounts match and hide their addresses; give the accountId"),
        (None, _) => Err(
            "no account with this address can be assigned issues of this project, or the operator's account may not \
             browse users; try the accountId",
        ),
    }
}

fn named(wish: &AssigneeWish) -> &str {
    wish.email
        .as_deref()
        .or(wish.account_id.as_deref())
        .unwrap_or("unassigned")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_means_one_account_or_none() {
        let user = |id: &str, email: &str| User {
            account_id: id.into(),
            email_address: email.into(),
            ..User::default()
        };
        let shown = [user("a", "x@acme.test"), user("b", "Mia@acme.test")];
        assert_eq!(by_email(&shown, "mia@acme.test"), Ok("b"));
        assert_eq!(by_email(&[user("a", "")], "mia@acme.test"), Ok("a"));
        assert!(by_email(&[user("a", "other@acme.test")], "mia@acme.test").is_err());
        assert!(by_email(&[user("a", ""), user("b", "")], "mia@acme.test").is_err());
        assert!(by_email(&[], "mia@acme.test").is_err());
    }
}
