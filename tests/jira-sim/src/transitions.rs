//! Transitions: what the workflow offers now, and taking one (T11).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::fields::{self, not_on_screen};
use crate::http::{Ctx, Handled, Reply};
use crate::issues;
use crate::site::{Category, Transition};
use crate::state::State;

/// The transitions that start from the present status.
pub fn available(st: &State, id: u64) -> Vec<Transition> {
    let issue = &st.issues[&id].now;
    let Some(project) = st.site.project(&issue.project) else {
        return Vec::new();
    };
    let open = |t: &&Transition| t.from.is_empty() || t.from.contains(&issue.status);
    project.workflow.transitions.iter().filter(open).cloned().collect()
}

pub fn list(cx: &mut Ctx) -> Handled {
    let id = cx.visible(&cx.params[0])?;
    let issue = cx.st.issues[&id].now.clone();
    let project = cx.st.site.project(&issue.project).expect("an issue has a project");
    let expand = cx.req.query_list("expand").iter().any(|e| e == "transitions.fields");
    let wanted = cx.req.query("transitionId");
    let mut shown = Vec::new();
    for transition in available(cx.st, id) {
        let held = cx.may("TRANSITION_ISSUES", &issue.project);
        if !held || wanted.is_some_and(|w| w != transition.id) {
            continue;
        }
        let mut item = json!({
            "id": transition.id, "name": transition.name, "to": fields::show_status(cx.st, &transition.to),
            "hasScreen": !transition.fields.is_empty(), "isGlobal": transition.from.is_empty(),
            "isInitial": false, "isAvailable": true, "isConditional": false, "isLooped": false,
        });
        if expand {
            let mut screen = Map::new();
            for field in &transition.fields {
                if let Some(def) = cx.st.site.field(&field.id) {
                    let meta = fields::metadata(cx.st, project, &def, field.required, field.has_default);
                    screen.insert(def.id.clone(), Value::Object(meta));
                }
            }
            item["fields"] = Value::Object(screen);
        }
        shown.push(item);
    }
    Ok(Reply::ok(&json!({"expand": "transitions", "transitions": shown})))
}

pub fn take(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["transition", "fields", "update", "historyMetadata", "properties"])?;
    let id = cx.writable(&cx.params[0].clone())?;
    apply(cx, id, &Value::Object(body)).map(|()| Reply::empty(204))
}

/// Takes a transition with its screen fields.
pub fn apply(cx: &mut Ctx, id: u64, body: &Value) -> Result<(), Reply> {
    let issue = cx.st.issues[&id].now.clone();
    let project = cx
        .st
        .site
        .project(&issue.project)
        .cloned()
        .expect("an issue has a project");
    let account = cx.account()?;
    let wanted = match &body["transition"]["id"] {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return Err(Reply::error(400, "Missing 'transition' identifier")),
    };
    let open = available(cx.st, id);
    let found = open
        .iter()
        .find(|t| t.id == wanted)
        .filter(|_| cx.may("TRANSITION_ISSUES", &issue.project));
    let Some(transition) = found else {
        let text = format!("Transition id '{wanted}' is not valid for this issue.");
        return Err(Reply::error(400, &text));
    };
    let body = body.as_object().cloned().unwrap_or_default();
    let (given, updates) = (issues::object(&body, "fields")?, issues::object(&body, "update")?);
    let properties = issues::properties_of(&body)?;
    let mut errors = Map::new();
    let mut values = BTreeMap::new();
    let mut resolution = issue.resolution.clone();
    let mut resolution_given = false;
    for (name, value) in &given {
        let on_screen = transition.fields.iter().any(|f| f.id == *name);
        let Some(def) = cx.st.site.field(name).filter(|_| on_screen) else {
            errors.insert(name.clone(), json!(not_on_screen(name)));
            continue;
        };
        match fields::accept(cx.st, &project, &def, value) {
            Err(text) => {
                errors.insert(name.clone(), json!(text));
            }
            Ok(value) if name == "resolution" => {
                resolution = value.as_ref().and_then(Value::as_str).map(String::from);
                resolution_given = resolution.is_some();
            }
            Ok(value) => {
                values.insert(name.clone(), value);
            }
        }
    }
    for name in updates.keys().filter(|n| *n != "comment") {
        let on_screen = transition.fields.iter().any(|f| f.id == *name);
        let outcome = match cx.st.site.field(name).filter(|d| on_screen && d.id != "resolution") {
            None => Err(not_on_screen(name)),
            Some(def) => fields::update(cx.st, &project, &def, issue.fields.get(name), &updates[name]),
        };
        match outcome {
            Ok(value) => {
                values.insert(name.clone(), value);
            }
            Err(text) => {
                errors.insert(name.clone(), json!(text));
            }
        }
    }
    for field in transition.fields.iter().filter(|f| f.required && !f.has_default) {
        let here = if field.id == "resolution" {
            resolution_given
        } else {
            values.contains_key(&field.id)
        };
        if !here && !errors.contains_key(&field.id) {
            let name = cx.st.site.field(&field.id).map_or(field.id.clone(), |d| d.name);
            errors.insert(field.id.clone(), json!(format!("{name} is required.")));
        }
    }
    let comments = crate::comments::from_update(&updates)?;
    if !errors.is_empty() {
        return Err(Reply::fields(&errors));
    }
    if !resolution_given {
        let default = transition.sets_resolution.as_ref();
        let default = default.and_then(|name| cx.st.site.resolutions.iter().find(|r| r.name == *name));
        resolution = default.map(|r| r.id.clone()).or(resolution);
    }
    let to = transition.to.clone();
    issues::write(cx, id, values, None, properties, &account);
    set_status(cx.st, id, &account, &to, resolution);
    for comment in comments {
        crate::comments::add(cx.st, id, &account, comment);
    }
    Ok(())
}

/// Sets status and resolution and writes the changelog. Leaving the done
/// category clears the resolution.
pub fn set_status(st: &mut State, id: u64, account: &str, to: &str, resolution: Option<String>) {
    let issue = st.issues[&id].now.clone();
    let done = st.site.status(to).is_some_and(|s| s.category == Category::Done);
    let resolution = resolution.filter(|_| done);
    let mut items = Vec::new();
    if issue.status != to {
        let name = |id: &str| st.site.status(id).map(|s| s.name.clone());
        items.push(
            json!({"field": "status", "fieldtype": "jira", "fieldId": "status", "from": issue.status,
            "fromString": name(&issue.status), "to": to, "toString": name(to)}),
        );
    }
    if issue.resolution != resolution {
        let name = |id: &Option<String>| {
            id.as_ref()
                .and_then(|id| st.site.resolutions.iter().find(|r| r.id == *id))
                .map(|r| r.name.clone())
        };
        items.push(
            json!({"field": "resolution", "fieldtype": "jira", "fieldId": "resolution", "from": issue.resolution,
            "fromString": name(&issue.resolution), "to": resolution, "toString": name(&resolution)}),
        );
    }
    let now = st.now();
    st.record_change(id, account, items);
    st.change(id, true, |issue| {
        issue.status = to.into();
        issue.resolved = resolution.as_ref().map(|_| issue.resolved.unwrap_or(now));
        issue.resolution = resolution;
    });
}
