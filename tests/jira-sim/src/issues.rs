//! Creating, reading, editing and deleting issues (rest-facts, T1, T15, T16).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::fields::{self, not_on_screen};
use crate::http::{Ctx, Handled, Reply};
use crate::site::{FieldDef, FieldKind, Project};
use crate::state::Issue;

/// Members of the body of create and edit.
const BODY: &[&str] = &["fields", "update", "properties", "transition", "historyMetadata"];

type Values = BTreeMap<String, Option<Value>>;

pub fn create(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(BODY)?;
    if cx.caller.account().is_none() {
        return Err(cx.unauthorized());
    }
    create_one(cx, &body).map(|created| Reply::json(201, &created))
}

/// `POST /issue/bulk`: at most 50; each element stands for itself (T12).
pub fn create_bulk(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["issueUpdates"])?;
    if cx.caller.account().is_none() {
        return Err(cx.unauthorized());
    }
    let elements = body
        .get("issueUpdates")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if elements.is_empty() || elements.len() > 50 {
        return Err(Reply::error(
            400,
            "The number of issues to create must be between 1 and 50.",
        ));
    }
    let (mut issues, mut errors) = (Vec::new(), Vec::new());
    for (number, element) in elements.iter().enumerate() {
        let outcome = match element.as_object() {
            Some(element) => match element.keys().find(|k| !BODY.contains(&k.as_str())) {
                Some(key) => Err(Reply::error(400, &format!("Unrecognized field \"{key}\""))),
                None => create_one(cx, element),
            },
            None => Err(Reply::error(400, "An issue must be an object.")),
        };
        match outcome {
            Ok(created) => issues.push(created),
            Err(reply) => {
                let elements: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                errors.push(json!({"status": reply.status, "elementErrors": elements, "failedElementNumber": number}));
            }
        }
    }
    let status = if issues.is_empty() { 400 } else { 201 };
    Ok(Reply::json(status, &json!({"issues": issues, "errors": errors})))
}

fn create_one(cx: &mut Ctx, body: &Map<String, Value>) -> Result<Value, Reply> {
    let fields = object(body, "fields")?;
    let updates = object(body, "update")?;
    let project = project_of(cx, fields.get("project"))?;
    if !cx.may("CREATE_ISSUES", &project.key) {
        return Err(Reply::field(
            "project",
            "You do not have permission to create issues in this project.",
        ));
    }
    if project.archived {
        return Err(Reply::field("project", "The project is archived."));
    }
    let kind = fields.get("issuetype").and_then(|t| {
        let (id, name) = (t["id"].as_str(), t["name"].as_str());
        project
            .issue_types
            .iter()
            .find(|k| Some(k.id.as_str()) == id || (id.is_none() && Some(k.name.as_str()) == name))
    });
    let Some(kind) = kind.cloned() else {
        return Err(Reply::field("issuetype", "Specify a valid issue type"));
    };
    let screen = |id: &str| kind.create_screen.iter().any(|f| f.id == id);
    let mut errors = Map::new();
    let mut values = Values::new();
    let none = BTreeMap::new();
    both_ways(&fields, &updates, &mut errors);
    for (id, value) in fields
        .iter()
        .filter(|(id, _)| !matches!(id.as_str(), "project" | "issuetype"))
    {
        match cx.st.site.field(id).filter(|_| screen(id)) {
            None => refuse(&mut errors, id, &not_on_screen(id)),
            Some(def) => match fields::accept(cx.st, &project, &def, value) {
                Ok(value) => {
                    values.insert(id.clone(), value);
                }
                Err(text) => refuse(&mut errors, id, &text),
            },
        }
    }
    run_updates(cx, &project, &updates, &none, Some(&screen), &mut values, &mut errors);
    for field in kind.create_screen.iter().filter(|f| f.required && !f.has_default) {
        let given = values
            .get(&field.id)
            .is_some_and(|v| v.as_ref().is_some_and(|v| v != &json!([])));
        if !given && !errors.contains_key(&field.id) {
            let name = cx.st.site.field(&field.id).map_or(field.id.clone(), |d| d.name);
            let text = match field.id.as_str() {
                "summary" => "You must specify a summary of the issue.".to_string(),
                _ => format!("{name} is required."),
            };
            refuse(&mut errors, &field.id, &text);
        }
    }
    let properties = properties_of(body)?;
    if !errors.is_empty() {
        return Err(Reply::fields(&errors));
    }
    Ok(store(
        cx,
        &project,
        &kind.id,
        values,
        properties,
        body.get("transition"),
    ))
}

fn store(
    cx: &mut Ctx,
    project: &Project,
    kind: &str,
    values: Values,
    properties: BTreeMap<String, Value>,
    transition: Option<&Value>,
) -> Value {
    let account = cx.caller.account().unwrap_or_default().to_string();
    let now = cx.st.now();
    let id = cx.st.fresh_id();
    let key = cx.st.next_key(&project.key);
    let mut fields: BTreeMap<String, Value> = values.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
    fields.entry("reporter".into()).or_insert_with(|| json!(account));
    if !project.absent_fields.iter().any(|f| f == "priority") {
        let middle = &cx.st.site.priorities[cx.st.site.priorities.len() / 2];
        fields.entry("priority".into()).or_insert_with(|| json!(middle.id));
    }
    cx.st.insert(Issue {
        id,
        key: key.clone(),
        project: project.key.clone(),
        issue_type: kind.into(),
        fields,
        status: project.workflow.initial.clone(),
        resolution: None,
        resolved: None,
        created: now,
        updated: now,
        creator: account,
        comments: Vec::new(),
        properties,
        changelog: Vec::new(),
        remote_links: Vec::new(),
    });
    let url = format!("{}/rest/api/3/issue/{id}", cx.st.base_url());
    let mut created = json!({"id": id.to_string(), "key": key, "self": url});
    if let Some(transition) = transition {
        let outcome = crate::transitions::apply(cx, id, &json!({"transition": transition}));
        let (status, errors) = match outcome {
            Ok(()) => (204, json!({"errorMessages": [], "errors": {}})),
            Err(reply) => (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default()),
        };
        created["transition"] = json!({"status": status, "errorCollection": errors});
    }
    created
}

fn refuse(errors: &mut Map<String, Value>, id: &str, text: &str) {
    errors.entry(id).or_insert_with(|| json!(text));
}

fn both_ways(fields: &Map<String, Value>, updates: &Map<String, Value>, errors: &mut Map<String, Value>) {
    for id in updates.keys().filter(|id| fields.contains_key(*id)) {
        refuse(
            errors,
            id,
            &format!("Field '{id}' cannot appear in both 'fields' and 'update'"),
        );
    }
}

fn run_updates(
    cx: &Ctx,
    project: &Project,
    updates: &Map<String, Value>,
    current: &BTreeMap<String, Value>,
    screen: Option<&dyn Fn(&str) -> bool>,
    values: &mut Values,
    errors: &mut Map<String, Value>,
) {
    for (id, verbs) in updates.iter().filter(|(id, _)| *id != "comment") {
        let def = cx.st.site.field(id).filter(|_| screen.is_none_or(|s| s(id)));
        match def.filter(editable) {
            None => refuse(errors, id, &not_on_screen(id)),
            Some(def) => match fields::update(cx.st, project, &def, current.get(id), verbs) {
                Ok(value) => {
                    values.insert(id.clone(), value);
                }
                Err(text) => refuse(errors, id, &text),
            },
        }
    }
}

/// Whether edit may write the field at all.
fn editable(def: &FieldDef) -> bool {
    !matches!(
        def.kind,
        FieldKind::Project | FieldKind::Resolution | FieldKind::IssueType
    )
}

pub fn object(body: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, Reply> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(Reply::error(
            400,
            &format!("Can not deserialize '{name}': an object is expected."),
        )),
    }
}

fn project_of(cx: &Ctx, value: Option<&Value>) -> Result<Project, Reply> {
    let project = value.and_then(|v| {
        let (id, key) = (v["id"].as_str(), v["key"].as_str());
        let named = |p: &&Project| Some(p.id.as_str()) == id || (id.is_none() && Some(p.key.as_str()) == key);
        cx.st.site.projects.iter().find(named)
    });
    let seen = project.filter(|p| cx.may("BROWSE_PROJECTS", &p.key));
    seen.cloned().ok_or_else(|| match value {
        None | Some(Value::Null) => Reply::field("project", "Specify a valid project ID or key"),
        Some(_) => Reply::field("project", "valid project is required"),
    })
}

/// Reads `properties` of a body: a list of `{key, value}`.
pub fn properties_of(body: &Map<String, Value>) -> Result<BTreeMap<String, Value>, Reply> {
    let mut properties = BTreeMap::new();
    let Some(list) = body.get("properties").filter(|p| !p.is_null()) else {
        return Ok(properties);
    };
    let list = list
        .as_array()
        .ok_or_else(|| Reply::error(400, "properties must be an array"))?;
    for item in list {
        let object = item
            .as_object()
            .filter(|o| o.keys().all(|k| k == "key" || k == "value"));
        let key = object.and_then(|o| o.get("key")).and_then(Value::as_str);
        let (Some(key), Some(value)) = (key, item.get("value")) else {
            return Err(Reply::error(
                400,
                "A property needs a key and a value, and nothing else.",
            ));
        };
        crate::properties::check(key, value)?;
        properties.insert(key.into(), value.clone());
    }
    Ok(properties)
}

pub fn edit(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(BODY)?;
    let id = cx.writable(&cx.params[0].clone())?;
    if body.is_empty() {
        return Err(Reply::error(400, "one of 'fields' or 'update' required"));
    }
    let issue = cx.st.issues[&id].now.clone();
    let project = cx
        .st
        .site
        .project(&issue.project)
        .cloned()
        .expect("an issue has a project");
    if !cx.may("EDIT_ISSUES", &project.key) {
        return Err(Reply::error(
            400,
            "You do not have permission to edit issues in this project.",
        ));
    }
    let account = cx.account()?;
    if cx.req.query("notifyUsers") == Some("false") && !cx.may("ADMINISTER_PROJECTS", &project.key) {
        let text = "To discard the user notification either admin or project admin permissions are required.";
        return Err(Reply::error(400, text));
    }
    let (fields, updates) = (object(&body, "fields")?, object(&body, "update")?);
    let (mut errors, mut values) = (Map::new(), Values::new());
    let mut kind = issue.issue_type.clone();
    both_ways(&fields, &updates, &mut errors);
    for (name, value) in &fields {
        if name == "issuetype" {
            match project
                .issue_types
                .iter()
                .find(|t| Some(t.id.as_str()) == value["id"].as_str())
            {
                Some(found) => kind.clone_from(&found.id),
                None => refuse(&mut errors, name, "Specify a valid issue type"),
            }
            continue;
        }
        match cx.st.site.field(name).filter(editable) {
            None => refuse(&mut errors, name, &not_on_screen(name)),
            Some(def) => match fields::accept(cx.st, &project, &def, value) {
                Ok(value) => {
                    values.insert(name.clone(), value);
                }
                Err(text) => refuse(&mut errors, name, &text),
            },
        }
    }
    run_updates(cx, &project, &updates, &issue.fields, None, &mut values, &mut errors);
    let properties = properties_of(&body)?;
    let comments = crate::comments::from_update(&updates)?;
    if !errors.is_empty() {
        return Err(Reply::fields(&errors));
    }
    write(cx, id, values, Some(kind), properties, &account);
    for comment in comments {
        crate::comments::add(cx.st, id, &account, comment);
    }
    if cx.req.query("returnIssue") == Some("true") {
        let shown = crate::view::issue(cx.st, &cx.st.issues[&id].now, &["*all".into()], true);
        return Ok(Reply::ok(&shown));
    }
    Ok(Reply::empty(204))
}

/// Writes values that were checked; `updated` moves only when one differs.
pub fn write(
    cx: &mut Ctx,
    id: u64,
    values: Values,
    kind: Option<String>,
    properties: BTreeMap<String, Value>,
    account: &str,
) {
    let before = cx.st.issues[&id].now.clone();
    let mut after = (*before).clone();
    for (name, value) in values {
        match value {
            Some(value) => after.fields.insert(name, value),
            None => after.fields.remove(&name),
        };
    }
    after.issue_type = kind.unwrap_or(after.issue_type);
    let mut items = Vec::new();
    for def in cx.st.site.all_fields() {
        let absent = |f: Option<&Value>| f.is_none_or(|v| v == &json!([]));
        let (old, new) = (before.fields.get(&def.id), after.fields.get(&def.id));
        if old == new || (absent(old) && absent(new)) {
            continue;
        }
        let (from, from_string) = fields::display(cx.st, &before, &def);
        let (to, to_string) = fields::display(cx.st, &after, &def);
        items.push(json!({
            "field": if def.id.starts_with("customfield_") { &def.name } else { &def.id },
            "fieldtype": if def.id.starts_with("customfield_") { "custom" } else { "jira" },
            "fieldId": def.id, "from": from, "fromString": from_string, "to": to, "toString": to_string,
        }));
    }
    let touched = !items.is_empty() || after.issue_type != before.issue_type;
    let stored = properties.iter().any(|(k, v)| before.properties.get(k) != Some(v));
    if !touched && !stored {
        return;
    }
    cx.st.record_change(id, account, items);
    cx.st.change(id, touched, |issue| {
        issue.fields = after.fields;
        issue.issue_type = after.issue_type;
        issue.properties.extend(properties);
    });
}

pub fn get(cx: &mut Ctx) -> Handled {
    let id = cx.visible(&cx.params[0])?;
    let mut wanted = cx.req.query_list("fields");
    if wanted.is_empty() {
        wanted.push("*all".into());
    }
    let issue = cx.st.issues[&id].now.clone();
    let mut shown = crate::view::issue(cx.st, &issue, &wanted, true);
    crate::view::add_properties(&mut shown, &issue, &cx.req.query_list("properties"));
    if cx.req.query_list("expand").iter().any(|e| e == "changelog") {
        let histories: Vec<Value> = issue
            .changelog
            .iter()
            .rev()
            .map(|c| crate::view::change(cx.st, c))
            .collect();
        let count = histories.len();
        shown["changelog"] = json!({"startAt": 0, "maxResults": count, "total": count, "histories": histories});
    }
    Ok(Reply::ok(&shown))
}

pub fn delete(cx: &mut Ctx) -> Handled {
    let id = cx.writable(&cx.params[0].clone())?;
    let issue = cx.st.issues[&id].now.clone();
    if !cx.may("DELETE_ISSUES", &issue.project) {
        return Err(Reply::error(
            403,
            "You do not have permission to delete issues in this project.",
        ));
    }
    let me = json!(id.to_string());
    let is_child = |i: &Issue| i.fields.get("parent") == Some(&me);
    let living = cx.st.issues.values().filter(|r| !r.deleted);
    let children: Vec<u64> = living.filter(|r| is_child(&r.now)).map(|r| r.now.id).collect();
    if !children.is_empty() && cx.req.query("deleteSubtasks") != Some("true") {
        let text = format!(
            "The issue '{}' has subtasks. You must specify the 'deleteSubtasks' parameter.",
            issue.key
        );
        return Err(Reply::error(400, &text));
    }
    for id in children.into_iter().chain([id]) {
        cx.st.delete(id);
    }
    Ok(Reply::empty(204))
}

pub fn assign(cx: &mut Ctx) -> Handled {
    let body = cx.body()?;
    let id = cx.writable(&cx.params[0].clone())?;
    let project = cx.st.issues[&id].now.project.clone();
    if !cx.may("ASSIGN_ISSUES", &project) {
        return Err(Reply::error(403, "You do not have permission to assign issues."));
    }
    let account = cx.account()?;
    let value = match body.get("accountId") {
        Some(Value::Null) => None,
        Some(Value::String(text)) if text == "-1" => None,
        Some(Value::String(text)) => {
            let project = cx.st.site.project(&project).cloned().expect("an issue has a project");
            let def = cx.st.site.field("assignee").expect("a system field");
            fields::accept(cx.st, &project, &def, &json!({"accountId": text}))
                .map_err(|text| Reply::field("assignee", &text))?
        }
        _ => return Err(Reply::error(400, "accountId must be given")),
    };
    write(
        cx,
        id,
        Values::from([("assignee".to_string(), value)]),
        None,
        BTreeMap::new(),
        &account,
    );
    Ok(Reply::empty(204))
}

pub fn edit_meta(cx: &mut Ctx) -> Handled {
    let id = cx.visible(&cx.params[0])?;
    let issue = cx.st.issues[&id].now.clone();
    let project = cx.st.site.project(&issue.project).expect("an issue has a project");
    let mut shown = Map::new();
    if let Some(kind) = project
        .issue_type(&issue.issue_type)
        .filter(|_| cx.may("EDIT_ISSUES", &project.key))
    {
        for field in &kind.create_screen {
            if let Some(def) = cx.st.site.field(&field.id) {
                let meta = fields::metadata(cx.st, project, &def, field.required, field.has_default);
                shown.insert(def.id.clone(), Value::Object(meta));
            }
        }
    }
    Ok(Reply::ok(&json!({"fields": shown})))
}

/// `GET …/changelog`: oldest first.
pub fn changelog(cx: &mut Ctx) -> Handled {
    let id = cx.visible(&cx.params[0])?;
    let (start, max) = cx.page(100, 100)?;
    let issue = cx.st.issues[&id].now.clone();
    let all = issue.changelog.iter().map(|c| crate::view::change(cx.st, c)).collect();
    let url = format!("{}/rest/api/3/issue/{id}/changelog", cx.st.base_url());
    Ok(Reply::ok(&crate::http::page_bean(&url, all, start, max)))
}

/// `POST /changelog/bulkfetch`.
pub fn changelog_bulk(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["issueIdsOrKeys", "fieldIds", "maxResults", "nextPageToken"])?;
    let names = crate::search::strings(body.get("issueIdsOrKeys"))?;
    let only = crate::search::strings(body.get("fieldIds"))?;
    if names.is_empty() || names.len() > 1000 || only.len() > 10 {
        return Err(Reply::error(
            400,
            "Between 1 and 1000 issues and at most 10 fields may be given.",
        ));
    }
    let mut ids: Vec<u64> = names.iter().filter_map(|n| cx.visible(n).ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut logs = Vec::new();
    for id in ids {
        let issue = &cx.st.issues[&id].now;
        let of_fields = |c: &&crate::state::Change| {
            only.is_empty() || c.items.iter().any(|i| only.iter().any(|f| i["fieldId"] == json!(f)))
        };
        let histories: Vec<Value> = issue
            .changelog
            .iter()
            .filter(of_fields)
            .map(|c| crate::view::change(cx.st, c))
            .collect();
        if !histories.is_empty() {
            logs.push(json!({"issueId": id.to_string(), "changeHistories": histories}));
        }
    }
    Ok(Reply::ok(&json!({"issueChangeLogs": logs})))
}
