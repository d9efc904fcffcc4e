//! What people do to issues, and a plain view of the result.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::auth::Caller;
use crate::comments::Draft;
use crate::fields;
use crate::http::{Ctx, Request};
use crate::site::{Category, HUMAN_ACCOUNT};
use crate::state::{Issue, State};

/// An issue as a test looks at it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IssueView {
    /// Numeric id.
    pub id: String,
    /// Present key.
    pub key: String,
    /// Key of the project.
    pub project: String,
    /// Name of the issue type.
    pub issue_type: String,
    /// One line.
    pub summary: String,
    /// The description as ADF; null when there is none.
    pub description: Value,
    /// Name of the status.
    pub status: String,
    /// Id of the status.
    pub status_id: String,
    /// Category of the status.
    pub category: Category,
    /// Name of the resolution.
    pub resolution: Option<String>,
    /// Sorted labels.
    pub labels: Vec<String>,
    /// Name of the priority.
    pub priority: Option<String>,
    /// Account id.
    pub assignee: Option<String>,
    /// Account id.
    pub creator: String,
    /// `yyyy-MM-dd`.
    pub due_date: Option<String>,
    /// All other written fields, as the API shows them.
    pub fields: BTreeMap<String, Value>,
    /// Issue properties.
    pub properties: BTreeMap<String, Value>,
    /// Comments, oldest first.
    pub comments: Vec<CommentView>,
    /// Number of changelog entries.
    pub changes: usize,
    /// Moment of creation.
    pub created: jiff::Timestamp,
    /// Moment of the last change.
    pub updated: jiff::Timestamp,
    /// It is gone; the rest is what it was.
    pub deleted: bool,
}

/// A comment as a test looks at it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommentView {
    /// Numeric id.
    pub id: String,
    /// Account id.
    pub author: String,
    /// Plain text of the body.
    pub text: String,
    /// The body as ADF.
    pub body: Value,
    /// Comment properties.
    pub properties: BTreeMap<String, Value>,
}

/// The view of one issue.
pub fn view(st: &State, issue: &Issue, deleted: bool) -> IssueView {
    let text = |id: &str| issue.fields.get(id).and_then(Value::as_str).map(String::from);
    let status = st.status_of(issue);
    let project = st.site.project(&issue.project);
    let kind = project.and_then(|p| p.issue_type(&issue.issue_type));
    let known = ["summary", "description", "labels", "priority", "assignee", "duedate"];
    let rest = st
        .site
        .all_fields()
        .into_iter()
        .filter(|d| issue.fields.contains_key(&d.id));
    let rest = rest.filter(|d| !known.contains(&d.id.as_str()));
    let labels = issue
        .fields
        .get("labels")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let comments = issue.comments.iter().map(|c| CommentView {
        id: c.id.to_string(),
        author: c.author.clone(),
        text: crate::adf::plain_text(&c.body),
        body: c.body.clone(),
        properties: c.properties.clone(),
    });
    let name = |known: &[crate::site::Named], id: Option<String>| {
        id.and_then(|id| known.iter().find(|n| n.id == id))
            .map(|n| n.name.clone())
    };
    IssueView {
        id: issue.id.to_string(),
        key: issue.key.clone(),
        project: issue.project.clone(),
        issue_type: kind.map(|k| k.name.clone()).unwrap_or_default(),
        summary: text("summary").unwrap_or_default(),
        description: issue.fields.get("description").cloned().unwrap_or_default(),
        status: status.name,
        status_id: status.id,
        category: status.category,
        resolution: name(&st.site.resolutions, issue.resolution.clone()),
        labels: labels.filter_map(Value::as_str).map(String::from).collect(),
        priority: name(&st.site.priorities, text("priority")),
        assignee: text("assignee"),
        creator: issue.creator.clone(),
        due_date: text("duedate"),
        fields: rest.map(|d| (d.id.clone(), fields::show(st, issue, &d))).collect(),
        properties: issue.properties.clone(),
        comments: comments.collect(),
        changes: issue.changelog.len(),
        created: issue.created,
        updated: issue.updated,
        deleted,
    }
}

fn find(st: &State, key: &str) -> Result<u64, String> {
    st.find_id(key).ok_or_else(|| format!("there is no issue {key}"))
}

/// Moves an issue to a status of its project, by name or id. A done status
/// gets the resolution named, else the one it has, else "Done".
pub fn transition(st: &mut State, key: &str, status: &str, resolution: Option<&str>) -> Result<(), String> {
    let id = find(st, key)?;
    let issue = st.issues[&id].now.clone();
    let project = st.site.project(&issue.project).ok_or("the project is gone")?;
    let fits = |s: &&String| **s == status || st.site.status(s).is_some_and(|s| s.name.eq_ignore_ascii_case(status));
    let to = project
        .workflow
        .statuses
        .iter()
        .find(fits)
        .ok_or_else(|| format!("there is no status {status}"))?
        .clone();
    let by_name = |name: &str| {
        st.site
            .resolutions
            .iter()
            .find(|r| r.name.eq_ignore_ascii_case(name) || r.id == name)
    };
    let resolution = match resolution {
        Some(name) => Some(
            by_name(name)
                .ok_or_else(|| format!("there is no resolution {name}"))?
                .id
                .clone(),
        ),
        None => issue
            .resolution
            .clone()
            .or_else(|| by_name("Done").map(|r| r.id.clone())),
    };
    crate::transitions::set_status(st, id, HUMAN_ACCOUNT, &to, resolution);
    Ok(())
}

/// Comments in plain text; gives the comment's id.
pub fn comment(st: &mut State, key: &str, text: &str) -> Result<String, String> {
    let id = find(st, key)?;
    let body = crate::adf::paragraphs(text);
    let draft = Draft {
        body,
        visibility: None,
        properties: BTreeMap::new(),
    };
    Ok(crate::comments::add(st, id, HUMAN_ACCOUNT, draft).to_string())
}

/// Writes fields as the API's edit would.
pub fn edit(st: &mut State, key: &str, fields: &Map<String, Value>) -> Result<(), String> {
    let id = find(st, key)?;
    let issue = st.issues[&id].now.clone();
    let project = st.site.project(&issue.project).cloned().ok_or("the project is gone")?;
    let mut values = BTreeMap::new();
    for (name, value) in fields {
        let def = st.site.field(name).ok_or_else(|| format!("there is no field {name}"))?;
        values.insert(name.clone(), fields::accept(st, &project, &def, value)?);
    }
    let request = Request {
        method: String::new(),
        path: String::new(),
        query: Vec::new(),
        authorization: None,
        content_type: None,
        body: Vec::new(),
        gateway: None,
    };
    let caller = Caller::User(HUMAN_ACCOUNT.into());
    let mut cx = Ctx {
        st,
        req: &request,
        caller,
        params: Vec::new(),
    };
    crate::issues::write(&mut cx, id, values, None, BTreeMap::new(), HUMAN_ACCOUNT);
    Ok(())
}

/// Deletes for good.
pub fn delete(st: &mut State, key: &str) -> Result<(), String> {
    let id = find(st, key)?;
    st.delete(id);
    Ok(())
}

/// Moves an issue to another project: new key, the old one goes on resolving
/// (T8). Type and status become the first and the initial one where the
/// project lacks them.
pub fn relocate(st: &mut State, key: &str, project: &str) -> Result<String, String> {
    let id = find(st, key)?;
    let target = st
        .site
        .project(project)
        .cloned()
        .ok_or_else(|| format!("there is no project {project}"))?;
    let issue = st.issues[&id].now.clone();
    let new_key = st.next_key(project);
    st.keys.insert(new_key.clone(), id);
    let kind = target
        .issue_type(&issue.issue_type)
        .or(target.issue_types.first())
        .map(|t| t.id.clone());
    let status = if target.workflow.statuses.contains(&issue.status) {
        issue.status.clone()
    } else {
        target.workflow.initial.clone()
    };
    let item = serde_json::json!({"field": "Key", "fieldtype": "jira", "from": null, "fromString": issue.key,
        "to": null, "toString": new_key});
    st.record_change(id, HUMAN_ACCOUNT, vec![item]);
    st.change(id, true, |i| {
        i.key.clone_from(&new_key);
        i.project = target.key;
        i.issue_type = kind.unwrap_or_default();
        i.status = status;
        for field in ["components", "fixVersions", "versions"] {
            i.fields.remove(field);
        }
    });
    Ok(new_key)
}

/// Takes a token away. Whether there was one.
pub fn revoke_token(st: &mut State, token: &str) -> bool {
    let mut found = false;
    for user in &mut st.site.users {
        let before = user.tokens.len();
        user.tokens.retain(|t| t.token != token);
        found |= user.tokens.len() != before;
    }
    found
}

/// Exchanges the text of a token. Whether there was one.
pub fn replace_token(st: &mut State, old: &str, new: &str) -> bool {
    let tokens = st.site.users.iter_mut().flat_map(|u| &mut u.tokens);
    let mut found = false;
    for token in tokens.filter(|t| t.token == old) {
        token.token = new.into();
        found = true;
    }
    found
}

/// Renames a priority or a status. Whether there was one.
pub fn rename(st: &mut State, what: &str, old: &str, new: &str) -> bool {
    let mut found = false;
    let priorities = st.site.priorities.iter_mut().map(|p| &mut p.name);
    let statuses = st.site.statuses.iter_mut().map(|s| &mut s.name);
    let names: Vec<&mut String> = if what == "priority" {
        priorities.collect()
    } else {
        statuses.collect()
    };
    for name in names.into_iter().filter(|n| *n == old) {
        *name = new.into();
        found = true;
    }
    found
}

/// Withholds or gives back a permission, `KEY` or `KEY:PROJECT`.
pub fn permit(st: &mut State, account: &str, permission: &str, allowed: bool) {
    if let Some(user) = st.site.users.iter_mut().find(|u| u.account_id == account) {
        user.denied.retain(|d| d != permission);
        if !allowed {
            user.denied.push(permission.into());
        }
    }
}
