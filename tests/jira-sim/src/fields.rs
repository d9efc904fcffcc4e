//! Field values: what is accepted (by createmeta's schema), how it is stored,
//! how it is shown.

use serde_json::{Map, Value, json};

use crate::adf::validate_adf;
use crate::site::{FieldDef, FieldKind, Named, Project};
use crate::state::{Issue, State};

/// Texts of Jira for a field that may not be set.
pub fn not_on_screen(id: &str) -> String {
    format!("Field '{id}' cannot be set. It is not on the appropriate screen, or unknown.")
}

/// Checks a value and brings it into stored form; `None` clears the field.
pub fn accept(st: &State, project: &Project, def: &FieldDef, value: &Value) -> Result<Option<Value>, String> {
    if def.kind == FieldKind::Summary {
        return summary(value).map(Some);
    }
    if value.is_null() {
        return match def.kind {
            FieldKind::Labels | FieldKind::Components | FieldKind::Versions | FieldKind::MultiUser => {
                Ok(Some(json!([])))
            }
            _ => Ok(None),
        };
    }
    let stored = match def.kind {
        FieldKind::Adf => {
            validate_adf(value)?;
            value.clone()
        }
        FieldKind::Text => line(value)?,
        FieldKind::Url => match value
            .as_str()
            .filter(|u| u.starts_with("http://") || u.starts_with("https://"))
        {
            Some(_) => value.clone(),
            None => return Err("URL is invalid".into()),
        },
        FieldKind::Labels => labels(value)?,
        FieldKind::Priority => {
            if project.absent_fields.iter().any(|f| f == "priority") {
                return Err(not_on_screen("priority"));
            }
            one(
                value,
                &st.site.priorities,
                "name",
                "Specify the Priority (id) in string format",
                |v| format!("Priority {v} is invalid"),
            )?
        }
        FieldKind::Resolution => one(
            value,
            &st.site.resolutions,
            "name",
            "Specify the Resolution (id) in string format",
            |v| format!("Resolution {v} is invalid"),
        )?,
        FieldKind::Components => many(value, &project.components, "name", |v| {
            format!("Component name '{v}' is not valid")
        })?,
        FieldKind::Versions => many(value, &live_versions(project), "name", version_invalid)?,
        FieldKind::Version => one(
            value,
            &live_versions(project),
            "name",
            "data was not an object",
            version_invalid,
        )?,
        FieldKind::SecurityLevel => one(
            value,
            &project.security_levels,
            "name",
            "Specify the Security Level (id) in string format",
            |v| format!("Security Level {v} is invalid"),
        )?,
        FieldKind::Option | FieldKind::Radio => one(
            value,
            &def.options,
            "value",
            "Specify a valid 'id' or 'name' for the field",
            option_invalid(def),
        )?,
        FieldKind::MultiOption | FieldKind::Checkboxes => many(value, &def.options, "value", option_invalid(def))?,
        FieldKind::Cascading => cascade(def, value)?,
        FieldKind::User => user(st, project, def, value)?,
        FieldKind::MultiUser => users(st, project, def, value)?,
        FieldKind::Group => group(value)?,
        FieldKind::Opaque if value.is_object() => value.clone(),
        FieldKind::Opaque => return Err("Operation value must be an object".into()),
        FieldKind::Date => match value
            .as_str()
            .filter(|d| d.len() == 10 && d.parse::<jiff::civil::Date>().is_ok())
        {
            Some(_) => value.clone(),
            None => return Err("Error parsing date string: must be of the form \"yyyy-MM-dd\"".into()),
        },
        FieldKind::DateTime => {
            let text = value.as_str().unwrap_or_default();
            match jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).and_then(|t| t.to_timestamp()) {
                Ok(_) => value.clone(),
                Err(_) => return Err("Error parsing time: must be of the form \"yyyy-MM-dd'T'HH:mm:ss.SSSZ\"".into()),
            }
        }
        FieldKind::Number => match value {
            Value::Number(_) => value.clone(),
            _ => return Err("Operation value must be a number".into()),
        },
        FieldKind::Parent => parent(st, project, value)?,
        FieldKind::Project | FieldKind::IssueType | FieldKind::Summary => value.clone(),
    };
    Ok(Some(stored))
}

fn live_versions(project: &Project) -> Vec<Named> {
    let live = |version: &&Named| !project.archived_versions.contains(&version.id);
    project.versions.iter().filter(live).cloned().collect()
}

fn version_invalid(name: &str) -> String {
    format!("Version name '{name}' is not valid")
}

/// A choice and, if one is given, a choice below it; both as ids.
fn cascade(def: &FieldDef, value: &Value) -> Result<Value, String> {
    let shape = "Specify a valid 'id' or 'name' for the field";
    let parent = one(value, &def.options, "value", shape, option_invalid(def))?;
    let mut stored = json!({ "id": parent });
    if let Some(child) = value.get("child").filter(|child| !child.is_null()) {
        let below = def.children.get(parent.as_str().unwrap_or_default());
        let known = below.map_or(&[][..], Vec::as_slice);
        stored["child"] = json!({"id": one(child, known, "value", shape, option_invalid(def))?});
    }
    Ok(stored)
}

fn option_invalid(def: &FieldDef) -> impl Fn(&str) -> String + '_ {
    move |v| format!("Option value '{v}' is not valid for the field '{}'", def.name)
}

fn summary(value: &Value) -> Result<Value, String> {
    let text = match value {
        Value::Null => "",
        Value::String(text) => text,
        _ => return Err("Operation value must be a string".into()),
    };
    if text.trim().is_empty() {
        Err("You must specify a summary of the issue.".into())
    } else if text.contains(['\n', '\r']) {
        Err("The summary is invalid because it contains newline characters.".into())
    } else if text.chars().count() > 255 {
        Err("Summary must be less than 255 characters.".into())
    } else {
        Ok(json!(text.trim()))
    }
}

fn line(value: &Value) -> Result<Value, String> {
    let text = value.as_str().ok_or("Operation value must be a string")?;
    if text.contains(['\n', '\r']) {
        return Err("Single line text field value contains newline characters.".into());
    }
    if text.chars().count() > 255 {
        return Err("The entered text is too long. It exceeds the allowed limit of 255 characters.".into());
    }
    Ok(value.clone())
}

fn labels(value: &Value) -> Result<Value, String> {
    let mut kept: Vec<&str> = Vec::new();
    for label in value.as_array().ok_or("data was not an array")? {
        let label = label.as_str().ok_or("string expected at index 0")?;
        if label.is_empty() {
            return Err("The label '' is empty which is invalid.".into());
        }
        if label.contains(char::is_whitespace) {
            return Err(format!("The label '{label}' contains spaces which is invalid."));
        }
        if label.chars().count() > 255 {
            return Err(format!(
                "The label '{label}' exceeds the maximum length for a single label of 255 characters."
            ));
        }
        if !kept.contains(&label) {
            kept.push(label);
        }
    }
    kept.sort_unstable();
    Ok(json!(kept))
}

/// Reads `{"id"}` or `{"name"}` (`{"value"}` for options) into the id.
fn one(
    value: &Value,
    known: &[Named],
    by_name: &str,
    shape: &str,
    unknown: impl Fn(&str) -> String,
) -> Result<Value, String> {
    let object = value.as_object().ok_or_else(|| shape.to_string())?;
    if let Some(id) = object.get("id") {
        let id = id.as_str().ok_or_else(|| shape.to_string())?;
        return known
            .iter()
            .find(|k| k.id == id)
            .map(|k| json!(k.id))
            .ok_or_else(|| unknown(id));
    }
    let name = object
        .get(by_name)
        .and_then(Value::as_str)
        .ok_or_else(|| shape.to_string())?;
    known
        .iter()
        .find(|k| k.name == name)
        .map(|k| json!(k.id))
        .ok_or_else(|| unknown(name))
}

fn many(value: &Value, known: &[Named], by_name: &str, unknown: impl Fn(&str) -> String) -> Result<Value, String> {
    let mut ids = Vec::new();
    for item in value.as_array().ok_or("data was not an array")? {
        let id = one(item, known, by_name, "expected Object", &unknown)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(Value::Array(ids))
}

fn user(st: &State, project: &Project, def: &FieldDef, value: &Value) -> Result<Value, String> {
    let object = value.as_object().ok_or("data was not an object")?;
    let account = object
        .get("accountId")
        .or_else(|| object.get("id"))
        .and_then(Value::as_str);
    let account = account.ok_or("An accountId is required")?;
    let found = st.site.user(account);
    match found {
        None if def.id == "assignee" => Err(format!(
            "Specify a valid value for assignee: '{account}' does not exist"
        )),
        None => Err(format!("The user '{account}' does not exist")),
        Some(user) if def.id == "assignee" && !project.assignable(user) => {
            Err(format!("User '{account}' cannot be assigned issues."))
        }
        Some(user) if !user.active => Err(format!("The user '{account}' is not active")),
        Some(_) => Ok(json!(account)),
    }
}

fn users(st: &State, project: &Project, def: &FieldDef, value: &Value) -> Result<Value, String> {
    let users = value.as_array().ok_or("data was not an array")?;
    users.iter().map(|one| user(st, project, def, one)).collect()
}

fn group(value: &Value) -> Result<Value, String> {
    let object = value.as_object().filter(|object| object.len() == 1);
    let name = object.and_then(|object| object.get("name")?.as_str());
    match name.ok_or("expected 'name' property to be present")? {
        "staff" | "security-team" => Ok(value.clone()),
        other => Err(format!("Could not find group with name '{other}'.")),
    }
}

fn parent(st: &State, project: &Project, value: &Value) -> Result<Value, String> {
    let object = value.as_object().ok_or("data was not an object")?;
    let reference = object.get("id").or_else(|| object.get("key")).and_then(Value::as_str);
    let found = reference.and_then(|r| st.find(r)).filter(|i| i.project == project.key);
    found
        .map(|i| json!(i.id.to_string()))
        .ok_or_else(|| "Could not find issue by id or key.".into())
}

/// Applies the verbs of `update` to a stored value.
pub fn update(
    st: &State,
    project: &Project,
    def: &FieldDef,
    current: Option<&Value>,
    verbs: &Value,
) -> Result<Option<Value>, String> {
    let mut value = current.cloned();
    for verb in verbs.as_array().ok_or("Update operations must be an array")? {
        let object = verb
            .as_object()
            .filter(|o| o.len() == 1)
            .ok_or("An update must have one operation")?;
        let (name, operand) = object.iter().next().expect("the length is one");
        if !def.operations().contains(&name.as_str()) {
            return Err(format!(
                "Field with id '{}' and name '{}' does not support operation '{name}'",
                def.id, def.name
            ));
        }
        if name == "set" {
            if def.kind == FieldKind::Parent && operand.get("none") == Some(&json!(true)) {
                value = None;
            } else {
                value = accept(st, project, def, operand)?;
            }
            continue;
        }
        let operand = accept(st, project, def, &json!([operand]))?.and_then(|o| o.get(0).cloned());
        let mut list = value.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        list.retain(|v| Some(v) != operand.as_ref());
        if name == "add" {
            list.extend(operand);
        }
        if def.kind == FieldKind::Labels {
            list.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
        value = Some(Value::Array(list));
    }
    Ok(value)
}

/// A user as Jira shows one.
pub fn show_user(st: &State, account: &str) -> Value {
    let Some(user) = st.site.user(account) else {
        return Value::Null;
    };
    json!({
        "self": format!("{}/rest/api/3/user?accountId={account}", st.base_url()),
        "accountId": account,
        "accountType": "atlassian",
        "emailAddress": user.email,
        "displayName": user.display_name,
        "active": user.active,
        "timeZone": user.time_zone,
        "avatarUrls": {},
    })
}

fn show_named(st: &State, path: &str, known: &[Named], id: &Value) -> Value {
    let Some(named) = known.iter().find(|n| Some(n.id.as_str()) == id.as_str()) else {
        return Value::Null;
    };
    json!({"self": format!("{}/rest/api/3/{path}/{}", st.base_url(), named.id), "id": named.id, "name": named.name})
}

/// A priority by id.
pub fn show_priority(st: &State, id: &Value) -> Value {
    show_named(st, "priority", &st.site.priorities, id)
}

/// A resolution by id.
pub fn show_resolution(st: &State, id: &str) -> Value {
    let mut shown = show_named(st, "resolution", &st.site.resolutions, &json!(id));
    if let Some(object) = shown.as_object_mut() {
        object.insert("description".into(), json!(""));
    }
    shown
}

/// A status by id, with its category.
pub fn show_status(st: &State, id: &str) -> Value {
    let Some(status) = st.site.status(id) else {
        return Value::Null;
    };
    json!({
        "self": format!("{}/rest/api/3/status/{id}", st.base_url()),
        "description": "",
        "iconUrl": "",
        "id": id,
        "name": status.name,
        "statusCategory": {
            "self": format!("{}/rest/api/3/statuscategory/{}", st.base_url(), status.category.id()),
            "id": status.category.id(),
            "key": status.category.key(),
            "colorName": "medium-gray",
            "name": status.category.name(),
        },
    })
}

/// An option of a select field.
fn show_option(base: &str, options: &[Named], id: &Value) -> Value {
    let Some(option) = options.iter().find(|n| Some(n.id.as_str()) == id.as_str()) else {
        return Value::Null;
    };
    json!({"self": format!("{base}/rest/api/3/customFieldOption/{}", option.id), "id": option.id, "value": option.name})
}

/// A stored value as the API shows it.
pub fn show(st: &State, issue: &Issue, def: &FieldDef) -> Value {
    let none = Value::Null;
    let value = issue.fields.get(&def.id).unwrap_or(&none);
    let list = |known: &[Named], path: &str| {
        let shown = value
            .as_array()
            .into_iter()
            .flatten()
            .map(|id| show_named(st, path, known, id));
        Value::Array(shown.collect())
    };
    let project = st.site.project(&issue.project);
    match def.kind {
        FieldKind::Labels if value.is_null() => json!([]),
        FieldKind::Priority => show_priority(st, value),
        FieldKind::Components => list(project.map_or(&[], |p| &p.components), "component"),
        FieldKind::Versions => list(project.map_or(&[], |p| &p.versions), "version"),
        FieldKind::User => value.as_str().map_or(Value::Null, |a| show_user(st, a)),
        FieldKind::MultiUser => match value.as_array() {
            None => Value::Null,
            Some(accounts) => accounts
                .iter()
                .filter_map(Value::as_str)
                .map(|account| show_user(st, account))
                .collect(),
        },
        FieldKind::Version => show_named(st, "version", project.map_or(&[], |p| &p.versions), value),
        FieldKind::SecurityLevel => show_named(
            st,
            "securitylevel",
            project.map_or(&[], |p| &p.security_levels),
            value,
        ),
        FieldKind::Cascading if value.is_object() => {
            let mut shown = show_option(st.base_url(), &def.options, &value["id"]);
            if let Some(child) = value.get("child") {
                let below = value["id"].as_str().and_then(|id| def.children.get(id));
                shown["child"] = show_option(st.base_url(), below.map_or(&[], Vec::as_slice), &child["id"]);
            }
            shown
        }
        FieldKind::Option | FieldKind::Radio => show_option(st.base_url(), &def.options, value),
        FieldKind::MultiOption | FieldKind::Checkboxes => match value.as_array() {
            None => Value::Null,
            Some(ids) => ids
                .iter()
                .map(|id| show_option(st.base_url(), &def.options, id))
                .collect(),
        },
        FieldKind::Parent => value.as_str().and_then(|p| st.find(p)).map_or(Value::Null, |p| {
            json!({"id": p.id.to_string(), "key": p.key, "self": format!("{}/rest/api/3/issue/{}", st.base_url(), p.id)})
        }),
        _ => value.clone(),
    }
}

/// A short text of a stored value for the changelog.
pub fn display(st: &State, issue: &Issue, def: &FieldDef) -> (Value, Value) {
    let shown = show(st, issue, def);
    let text = |v: &Value| -> String {
        match v {
            Value::String(s) => s.clone(),
            Value::Object(o) if o.get("type").and_then(Value::as_str) == Some("doc") => crate::adf::plain_text(v),
            Value::Object(o) => ["name", "displayName", "value", "key"]
                .iter()
                .find_map(|k| o.get(*k).and_then(Value::as_str))
                .unwrap_or_default()
                .to_string(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    };
    let string = match &shown {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => text(other),
    };
    let id = match def.kind {
        FieldKind::Priority | FieldKind::Option | FieldKind::User | FieldKind::Parent => {
            issue.fields.get(&def.id).cloned().unwrap_or(Value::Null)
        }
        _ => Value::Null,
    };
    (id, json!(string))
}

/// `allowedValues` of a field in a project.
pub fn allowed_values(st: &State, project: &Project, def: &FieldDef) -> Option<Value> {
    let ids = |known: &[Named]| known.iter().map(|n| json!(n.id)).collect::<Vec<_>>();
    let list = |known: &[Named], path: &str| {
        Value::Array(ids(known).iter().map(|id| show_named(st, path, known, id)).collect())
    };
    Some(match def.kind {
        FieldKind::Priority => list(&st.site.priorities, "priority"),
        FieldKind::Resolution => list(&st.site.resolutions, "resolution"),
        FieldKind::Components => list(&project.components, "component"),
        FieldKind::SecurityLevel => list(&project.security_levels, "securitylevel"),
        FieldKind::Versions | FieldKind::Version => {
            let mut shown = list(&project.versions, "version");
            for version in shown.as_array_mut().into_iter().flatten() {
                let archived = project.archived_versions.iter().any(|id| version["id"] == id.as_str());
                version["archived"] = json!(archived);
            }
            shown
        }
        FieldKind::Option
        | FieldKind::Radio
        | FieldKind::MultiOption
        | FieldKind::Checkboxes
        | FieldKind::Cascading => ids(&def.options)
            .iter()
            .map(|id| {
                let mut shown = show_option(st.base_url(), &def.options, id);
                if let Some(below) = id.as_str().and_then(|id| def.children.get(id)) {
                    let children = ids(below);
                    shown["children"] = children
                        .iter()
                        .map(|id| show_option(st.base_url(), below, id))
                        .collect();
                }
                shown
            })
            .collect(),
        _ => return None,
    })
}

/// Metadata of one field, as createmeta, editmeta and transitions show it.
pub fn metadata(
    st: &State,
    project: &Project,
    def: &FieldDef,
    required: bool,
    has_default: bool,
) -> Map<String, Value> {
    let mut meta = Map::new();
    meta.insert("required".into(), json!(required));
    meta.insert("schema".into(), def.schema());
    meta.insert("name".into(), json!(def.name));
    meta.insert("key".into(), json!(def.id));
    meta.insert("hasDefaultValue".into(), json!(has_default));
    meta.insert("operations".into(), json!(def.operations()));
    if let Some(values) = allowed_values(st, project, def) {
        meta.insert("allowedValues".into(), values);
    }
    if def.kind == FieldKind::User {
        let url = format!(
            "{}/rest/api/3/user/assignable/search?project={}&query=",
            st.base_url(),
            project.key
        );
        meta.insert("autoCompleteUrl".into(), json!(url));
    }
    meta
}
