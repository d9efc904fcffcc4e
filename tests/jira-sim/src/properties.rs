//! Entity properties of issues; comments share the rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::{Ctx, Handled, Reply};

/// Longest value in characters of JSON.
const MAX_VALUE: usize = 32_768;

/// Refuses keys and values that Jira would.
pub fn check(key: &str, value: &Value) -> Result<(), Reply> {
    if key.is_empty() || key.chars().count() > 255 {
        return Err(Reply::error(
            400,
            "The property key must be between 1 and 255 characters long.",
        ));
    }
    if value.is_null() || value == &json!("") {
        return Err(Reply::error(400, "The property value cannot be empty."));
    }
    if value.to_string().chars().count() > MAX_VALUE {
        return Err(Reply::error(
            400,
            "The property value cannot be longer than 32768 characters.",
        ));
    }
    Ok(())
}

type Edit<'a> = &'a dyn Fn(&mut Ctx, &dyn Fn(&mut BTreeMap<String, Value>));

/// Serves list, GET, PUT and DELETE over a property map.
pub fn serve(cx: &mut Ctx, now: &BTreeMap<String, Value>, key: Option<&str>, edit: Edit) -> Handled {
    let Some(key) = key else {
        let base = format!("{}{}", cx.st.base_url(), cx.req.path);
        let keys: Vec<Value> = now
            .keys()
            .map(|k| json!({"key": k, "self": format!("{base}/{k}")}))
            .collect();
        return Ok(Reply::ok(&json!({"keys": keys})));
    };
    let missing = || Reply::error(404, &format!("The property with key '{key}' does not exist."));
    match cx.req.method.as_str() {
        "GET" => now
            .get(key)
            .map(|v| Reply::ok(&json!({"key": key, "value": v})))
            .ok_or_else(missing),
        "DELETE" => {
            now.get(key).ok_or_else(missing)?;
            cx.account()?;
            edit(cx, &|p| {
                p.remove(key);
            });
            Ok(Reply::empty(204))
        }
        _ => {
            cx.account()?;
            if cx
                .req
                .content_type
                .as_deref()
                .is_none_or(|k| !k.starts_with("application/json"))
            {
                return Err(Reply::error(415, "Unsupported Media Type"));
            }
            let value = serde_json::from_slice::<Value>(&cx.req.body);
            let value = value.map_err(|_| Reply::error(400, "The property value must be valid JSON."))?;
            check(key, &value)?;
            edit(cx, &|p| {
                p.insert(key.into(), value.clone());
            });
            Ok(Reply::json(if now.contains_key(key) { 200 } else { 201 }, &json!({})))
        }
    }
}

/// `…/issue/{issueIdOrKey}/properties[/{propertyKey}]`.
pub fn issue(cx: &mut Ctx) -> Handled {
    let id = cx.visible(&cx.params[0])?;
    let now = cx.st.issues[&id].now.properties.clone();
    if cx.req.method != "GET" && !cx.may("EDIT_ISSUES", &cx.st.issues[&id].now.project) {
        return Err(Reply::error(403, "You do not have permission to edit this issue."));
    }
    let key = cx.params.get(1).cloned();
    serve(cx, &now, key.as_deref(), &|cx, apply| {
        cx.st.change(id, false, |i| apply(&mut i.properties));
    })
}
