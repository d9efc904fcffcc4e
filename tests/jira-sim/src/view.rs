//! Issues and comments as the API shows them.

use serde_json::{Map, Value, json};

use crate::fields;
use crate::state::{Change, Comment, Issue, LINK_TYPES, State};

/// Whether `wanted` (names, `*all`, `*navigable`, `-name`) asks for a field.
fn asks(wanted: &[String], id: &str) -> bool {
    if wanted.iter().any(|w| w.strip_prefix('-') == Some(id)) {
        return false;
    }
    let only_minus = wanted.iter().all(|w| w.starts_with('-'));
    only_minus
        || wanted
            .iter()
            .any(|w| w == id || w == "*all" || (w == "*navigable" && id != "comment"))
}

/// An issue with the fields asked for. `whole` adds `fields` even when empty.
pub fn issue(st: &State, issue: &Issue, wanted: &[String], whole: bool) -> Value {
    let mut shown = Map::new();
    for def in st.site.all_fields().iter().filter(|d| asks(wanted, &d.id)) {
        match def.id.as_str() {
            "project" => {
                shown.insert("project".into(), project_ref(st, &issue.project));
            }
            "issuetype" => {
                shown.insert("issuetype".into(), issue_type(st, issue));
            }
            "resolution" => {
                let value = issue
                    .resolution
                    .as_ref()
                    .map_or(Value::Null, |r| fields::show_resolution(st, r));
                shown.insert("resolution".into(), value);
            }
            "parent" if !issue.fields.contains_key("parent") => {}
            id if st
                .site
                .project(&issue.project)
                .is_some_and(|p| p.absent_fields.iter().any(|f| f == id)) => {}
            id => {
                shown.insert(id.into(), fields::show(st, issue, def));
            }
        }
    }
    let mut add = |id: &str, value: &dyn Fn() -> Value| {
        if asks(wanted, id) {
            shown.insert(id.into(), value());
        }
    };
    add("status", &|| fields::show_status(st, &issue.status));
    add("created", &|| st.time(issue.created));
    add("updated", &|| st.time(issue.updated));
    add("resolutiondate", &|| issue.resolved.map_or(Value::Null, |t| st.time(t)));
    add("creator", &|| fields::show_user(st, &issue.creator));
    add("issuelinks", &|| links(st, issue.id));
    add("subtasks", &|| json!([]));
    add("comment", &|| {
        // Cut short here on purpose: the comment endpoint has them all (T17).
        let comments: Vec<Value> = issue
            .comments
            .iter()
            .take(20)
            .map(|c| comment(st, issue.id, c, false))
            .collect();
        let total = issue.comments.len();
        json!({"comments": comments, "startAt": 0, "maxResults": comments.len(), "total": total,
            "self": format!("{}/rest/api/3/issue/{}/comment", st.base_url(), issue.id)})
    });
    let url = format!("{}/rest/api/3/issue/{}", st.base_url(), issue.id);
    let mut out = json!({"expand": "renderedFields,names,schema,operations,editmeta,changelog",
        "id": issue.id.to_string(), "self": url, "key": issue.key});
    if whole || !shown.is_empty() {
        out["fields"] = Value::Object(shown);
    }
    out
}

/// Adds the issue properties asked for that exist.
pub fn add_properties(shown: &mut Value, issue: &Issue, wanted: &[String]) {
    if !wanted.is_empty() {
        let all = wanted.iter().any(|w| w == "*all");
        let found = issue.properties.iter().filter(|(k, _)| all || wanted.contains(k));
        shown["properties"] = found.map(|(k, v)| (k.clone(), v.clone())).collect::<Map<_, _>>().into();
    }
}

fn project_ref(st: &State, key: &str) -> Value {
    let Some(p) = st.site.project(key) else {
        return Value::Null;
    };
    json!({"self": format!("{}/rest/api/3/project/{}", st.base_url(), p.id), "id": p.id, "key": p.key, "name": p.name,
        "projectTypeKey": "software", "simplified": p.team_managed, "avatarUrls": {}})
}

fn issue_type(st: &State, issue: &Issue) -> Value {
    let project = st.site.project(&issue.project);
    let kind = project.and_then(|p| p.issue_type(&issue.issue_type));
    kind.map_or(Value::Null, |t| {
        json!({"self": format!("{}/rest/api/3/issuetype/{}", st.base_url(), t.id), "id": t.id, "name": t.name,
            "description": "", "iconUrl": "", "subtask": t.subtask, "hierarchyLevel": if t.subtask { -1 } else { 0 }})
    })
}

fn links(st: &State, id: u64) -> Value {
    let mut shown = Vec::new();
    for link in st.links.iter().filter(|l| l.inward == id || l.outward == id) {
        let (type_id, name, inward, outward) = LINK_TYPES[link.kind];
        let (side, other) = if link.inward == id {
            ("outwardIssue", link.outward)
        } else {
            ("inwardIssue", link.inward)
        };
        let Some(other) = st.find(&other.to_string()) else {
            continue;
        };
        let mut item = json!({"id": link.id.to_string(), "self": format!("{}/rest/api/3/issueLink/{}", st.base_url(), link.id),
            "type": {"id": type_id, "name": name, "inward": inward, "outward": outward}});
        item[side] = json!({"id": other.id.to_string(), "key": other.key,
            "self": format!("{}/rest/api/3/issue/{}", st.base_url(), other.id),
            "fields": {"summary": other.fields.get("summary"), "status": fields::show_status(st, &other.status)}});
        shown.push(item);
    }
    Value::Array(shown)
}

/// A comment.
pub fn comment(st: &State, issue: u64, comment: &Comment, properties: bool) -> Value {
    let mut shown = json!({
        "self": format!("{}/rest/api/3/issue/{issue}/comment/{}", st.base_url(), comment.id),
        "id": comment.id.to_string(),
        "author": fields::show_user(st, &comment.author),
        "updateAuthor": fields::show_user(st, &comment.update_author),
        "body": comment.body,
        "created": st.time(comment.created),
        "updated": st.time(comment.updated),
        "jsdPublic": true,
    });
    if let Some(visibility) = &comment.visibility {
        shown["visibility"] = visibility.clone();
    }
    if properties {
        shown["properties"] = comment
            .properties
            .iter()
            .map(|(k, v)| json!({"key": k, "value": v}))
            .collect();
    }
    shown
}

/// A changelog entry.
pub fn change(st: &State, change: &Change) -> Value {
    json!({"id": change.id.to_string(), "author": fields::show_user(st, &change.author),
        "created": st.time(change.created), "items": change.items})
}
