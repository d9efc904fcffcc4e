//! A Jira site as data: people, fields, priorities, projects and workflows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// E-mail of the account that a client under test uses.
pub const DEFAULT_EMAIL: &str = "jira@acme.test";
/// Account id of [`DEFAULT_EMAIL`].
pub const DEFAULT_ACCOUNT: &str = "5b10a2844c20165700ede21g";
/// Its classic token: valid at the site's own address only.
pub const CLASSIC_TOKEN: &str = "classic-token";
/// Its scoped token: valid below `/ex/jira/{cloudId}` only (T23).
pub const SCOPED_TOKEN: &str = "scoped-token";
/// Account id of the person who acts through the board and the `human_*` calls.
pub const HUMAN_ACCOUNT: &str = "5b10ac8d82e05b22cc7d4ef5";
/// E-mail of that person.
pub const HUMAN_EMAIL: &str = "mia@acme.test";
/// Token of that person, of the classic kind.
pub const HUMAN_TOKEN: &str = "mia-token";
/// The cloud id of [`Site::default_site`].
pub const DEFAULT_CLOUD_ID: &str = "11111111-2222-4333-8444-555555555555";

/// A whole site.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Site {
    /// What `/_edge/tenant_info` tells and the gateway path names.
    pub cloud_id: String,
    /// Shown as `serverInfo.baseUrl`; the listening address when absent.
    #[serde(default)]
    pub base_url: Option<String>,
    /// IANA zone in which timestamps are written (not the user's zone).
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Everyone who has an account.
    pub users: Vec<User>,
    /// Priorities, highest first.
    pub priorities: Vec<Named>,
    /// Resolutions.
    pub resolutions: Vec<Named>,
    /// Statuses of all workflows.
    pub statuses: Vec<Status>,
    /// Custom fields.
    #[serde(default)]
    pub custom_fields: Vec<FieldDef>,
    /// Projects.
    pub projects: Vec<Project>,
}

fn utc() -> String {
    "UTC".into()
}

fn yes() -> bool {
    true
}

/// Something with an id and a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// Numeric string.
    pub id: String,
    /// Display name; may be renamed at any time (T20).
    pub name: String,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Opaque account id.
    pub account_id: String,
    /// Login e-mail.
    pub email: String,
    /// Full name.
    pub display_name: String,
    /// IANA zone of the profile; JQL dates are read in it.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Deactivated accounts can neither log in nor be assigned.
    #[serde(default = "yes")]
    pub active: bool,
    /// Live API tokens.
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// Permissions withheld: `KEY` everywhere or `KEY:PROJECT`, such as
    /// `BROWSE_PROJECTS:SEC`.
    #[serde(default)]
    pub denied: Vec<String>,
}

/// One API token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// The secret text.
    pub token: String,
    /// Where it is valid.
    pub kind: TokenKind,
    /// Scopes of a scoped token.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
}

fn default_scopes() -> Vec<String> {
    ["read:jira-work", "write:jira-work", "read:jira-user"]
        .map(String::from)
        .to_vec()
}

/// The two worlds of tokens (T23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Valid at the site's own address.
    Classic,
    /// Valid at the gateway.
    Scoped,
}

/// A workflow status.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Numeric string.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Its category.
    pub category: Category,
}

/// Status categories, by Jira's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// "To Do".
    New,
    /// "In Progress".
    Indeterminate,
    /// "Done".
    Done,
}

impl Category {
    /// Jira's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Indeterminate => "indeterminate",
            Self::Done => "done",
        }
    }

    /// Jira's numeric id.
    pub fn id(self) -> u32 {
        match self {
            Self::New => 2,
            Self::Done => 3,
            Self::Indeterminate => 4,
        }
    }

    /// Jira's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "To Do",
            Self::Indeterminate => "In Progress",
            Self::Done => "Done",
        }
    }
}

/// What a field holds; decides the accepted JSON (rest-facts, value shapes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are Jira's own words")]
pub enum FieldKind {
    Project,
    IssueType,
    Summary,
    Adf,
    Text,
    Labels,
    Priority,
    Components,
    Versions,
    User,
    MultiUser,
    Group,
    Version,
    Radio,
    Checkboxes,
    SecurityLevel,
    /// A type of an app; its values are objects.
    Opaque,
    Date,
    DateTime,
    Number,
    Option,
    MultiOption,
    Cascading,
    Url,
    Parent,
    Resolution,
}

/// One field of the site.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDef {
    /// `summary`, `customfield_10041`.
    pub id: String,
    /// Display name.
    pub name: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Choices of select fields.
    #[serde(default)]
    pub options: Vec<Named>,
    /// Choices below an option of a cascading select, by the option's id.
    #[serde(default)]
    pub children: BTreeMap<String, Vec<Named>>,
}

/// A field on a screen.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScreenField {
    /// Field id.
    pub id: String,
    /// Must be given, unless it has a default.
    #[serde(default)]
    pub required: bool,
    /// Jira fills it when it is absent.
    #[serde(default)]
    pub has_default: bool,
}

/// An issue type with its create screen.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssueType {
    /// Numeric string.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Needs a parent.
    #[serde(default)]
    pub subtask: bool,
    /// The create screen; `project` and `issuetype` are always on it.
    pub create_screen: Vec<ScreenField>,
}

/// A transition of a workflow.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// Numeric string, unique in the workflow.
    pub id: String,
    /// Name on the button.
    pub name: String,
    /// Ids of the statuses it starts from; empty = global.
    #[serde(default)]
    pub from: Vec<String>,
    /// Id of the status it leads to.
    pub to: String,
    /// Its screen.
    #[serde(default)]
    pub fields: Vec<ScreenField>,
    /// Resolution set by a post-function where the caller gave none.
    #[serde(default)]
    pub sets_resolution: Option<String>,
}

/// A workflow.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workflow {
    /// Ids of its statuses, in board order.
    pub statuses: Vec<String>,
    /// Where a new issue starts.
    pub initial: String,
    /// Its transitions.
    pub transitions: Vec<Transition>,
}

/// A project.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Numeric string.
    pub id: String,
    /// Key; matched with case.
    pub key: String,
    /// Display name.
    pub name: String,
    /// Team-managed (`style: next-gen`) instead of classic.
    #[serde(default)]
    pub team_managed: bool,
    /// Archived projects refuse writes and leave search (T21).
    #[serde(default)]
    pub archived: bool,
    /// Issue types.
    pub issue_types: Vec<IssueType>,
    /// The workflow of all its types.
    pub workflow: Workflow,
    /// Components.
    #[serde(default)]
    pub components: Vec<Named>,
    /// Versions.
    #[serde(default)]
    pub versions: Vec<Named>,
    /// Ids of the versions that are archived; no issue can be given one.
    #[serde(default)]
    pub archived_versions: Vec<String>,
    /// Security levels.
    #[serde(default)]
    pub security_levels: Vec<Named>,
    /// Accounts that may be assigned; everyone active when absent.
    #[serde(default)]
    pub assignable: Option<Vec<String>>,
    /// System fields that its issues do not have at all.
    #[serde(default)]
    pub absent_fields: Vec<String>,
}

const SYSTEM_FIELDS: &[(&str, &str, FieldKind)] = &[
    ("project", "Project", FieldKind::Project),
    ("issuetype", "Issue Type", FieldKind::IssueType),
    ("summary", "Summary", FieldKind::Summary),
    ("description", "Description", FieldKind::Adf),
    ("environment", "Environment", FieldKind::Adf),
    ("labels", "Labels", FieldKind::Labels),
    ("priority", "Priority", FieldKind::Priority),
    ("components", "Components", FieldKind::Components),
    ("fixVersions", "Fix versions", FieldKind::Versions),
    ("versions", "Affects versions", FieldKind::Versions),
    ("assignee", "Assignee", FieldKind::User),
    ("reporter", "Reporter", FieldKind::User),
    ("duedate", "Due date", FieldKind::Date),
    ("parent", "Parent", FieldKind::Parent),
    ("resolution", "Resolution", FieldKind::Resolution),
    ("security", "Security Level", FieldKind::SecurityLevel),
];

impl FieldDef {
    /// The `schema` member of field metadata.
    pub fn schema(&self) -> Value {
        let (kind, items) = match self.kind {
            FieldKind::Project => ("project", None),
            FieldKind::IssueType => ("issuetype", None),
            FieldKind::Summary | FieldKind::Adf | FieldKind::Text | FieldKind::Url => ("string", None),
            FieldKind::Labels => ("array", Some("string")),
            FieldKind::Priority => ("priority", None),
            FieldKind::Components => ("array", Some("component")),
            FieldKind::Versions => ("array", Some("version")),
            FieldKind::User => ("user", None),
            FieldKind::MultiUser => ("array", Some("user")),
            FieldKind::Group => ("group", None),
            FieldKind::Version => ("version", None),
            FieldKind::SecurityLevel => ("securitylevel", None),
            FieldKind::Opaque => ("any", None),
            FieldKind::Date => ("date", None),
            FieldKind::DateTime => ("datetime", None),
            FieldKind::Number => ("number", None),
            FieldKind::Option | FieldKind::Radio => ("option", None),
            FieldKind::MultiOption | FieldKind::Checkboxes => ("array", Some("option")),
            FieldKind::Cascading => ("option-with-child", None),
            FieldKind::Parent => ("issuelink", None),
            FieldKind::Resolution => ("resolution", None),
        };
        let mut schema = json!({"type": kind});
        if let Some(items) = items {
            schema["items"] = json!(items);
        }
        if let Some(number) = self.id.strip_prefix("customfield_").and_then(|n| n.parse::<u64>().ok()) {
            let suffix = match self.kind {
                FieldKind::Adf => "textarea",
                FieldKind::Labels => "labels",
                FieldKind::Number => "float",
                FieldKind::Option => "select",
                FieldKind::MultiOption => "multiselect",
                FieldKind::Radio => "radiobuttons",
                FieldKind::Checkboxes => "multicheckboxes",
                FieldKind::Version => "version",
                FieldKind::Versions => "multiversion",
                FieldKind::MultiUser => "multiuserpicker",
                FieldKind::Group => "grouppicker",
                FieldKind::Opaque => "matrix",
                FieldKind::Cascading => "cascadingselect",
                FieldKind::User => "userpicker",
                FieldKind::Date => "datepicker",
                FieldKind::DateTime => "datetime",
                FieldKind::Url => "url",
                _ => "textfield",
            };
            schema["custom"] = json!(format!("com.atlassian.jira.plugin.system.customfieldtypes:{suffix}"));
            schema["customId"] = json!(number);
        } else {
            schema["system"] = json!(self.id);
        }
        schema
    }

    /// The verbs that `update` takes for it.
    pub fn operations(&self) -> &'static [&'static str] {
        match self.kind {
            FieldKind::Labels
            | FieldKind::Components
            | FieldKind::Versions
            | FieldKind::MultiOption
            | FieldKind::Checkboxes
            | FieldKind::MultiUser => &["add", "set", "remove"],
            _ => &["set"],
        }
    }
}

impl Site {
    /// Looks a field up by id, system or custom.
    pub fn field(&self, id: &str) -> Option<FieldDef> {
        if let Some((id, name, kind)) = SYSTEM_FIELDS.iter().find(|f| f.0 == id) {
            return Some(FieldDef {
                id: (*id).into(),
                name: (*name).into(),
                kind: *kind,
                options: Vec::new(),
                children: BTreeMap::new(),
            });
        }
        self.custom_fields.iter().find(|f| f.id == id).cloned()
    }

    /// All fields that can be written.
    pub fn all_fields(&self) -> Vec<FieldDef> {
        let system = SYSTEM_FIELDS.iter().filter_map(|f| self.field(f.0));
        system.chain(self.custom_fields.iter().cloned()).collect()
    }

    /// A project by key, with case.
    pub fn project(&self, key: &str) -> Option<&Project> {
        self.projects.iter().find(|p| p.key == key)
    }

    /// A status by id.
    pub fn status(&self, id: &str) -> Option<&Status> {
        self.statuses.iter().find(|s| s.id == id)
    }

    /// A user by account id.
    pub fn user(&self, account: &str) -> Option<&User> {
        self.users.iter().find(|u| u.account_id == account)
    }
}

impl Project {
    /// An issue type by id.
    pub fn issue_type(&self, id: &str) -> Option<&IssueType> {
        self.issue_types.iter().find(|t| t.id == id)
    }

    /// Whether `user` may be assigned here.
    pub fn assignable(&self, user: &User) -> bool {
        user.active && self.assignable.as_ref().is_none_or(|a| a.contains(&user.account_id))
    }
}

impl User {
    /// Whether the permission is held in the project.
    pub fn may(&self, permission: &str, project: &str) -> bool {
        !self.denied.iter().any(|d| {
            d == permission
                || d.split_once(':')
                    .is_some_and(|(key, scope)| key == permission && scope == project)
        })
    }
}
