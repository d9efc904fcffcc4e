//! Links between issues and links to the outside.

use serde_json::{Value, json};

use crate::http::{Ctx, Handled, Reply};
use crate::state::{IssueLink, LINK_TYPES, RemoteLink};

pub fn types(cx: &mut Ctx) -> Handled {
    let shown: Vec<Value> = LINK_TYPES
        .iter()
        .map(|(id, name, inward, outward)| {
            let url = format!("{}/rest/api/3/issueLinkType/{id}", cx.st.base_url());
            json!({"id": id, "name": name, "inward": inward, "outward": outward, "self": url})
        })
        .collect();
    Ok(Reply::ok(&json!({"issueLinkTypes": shown})))
}

pub fn create(cx: &mut Ctx) -> Handled {
    let body = Value::Object(cx.body_of(&["type", "inwardIssue", "outwardIssue", "comment"])?);
    cx.account()?;
    let name = |v: &Value| v["id"].as_str().or_else(|| v["name"].as_str()).map(String::from);
    let wanted = name(&body["type"]).unwrap_or_default();
    let kind = LINK_TYPES
        .iter()
        .position(|t| t.0 == wanted || t.1.eq_ignore_ascii_case(&wanted));
    let kind = kind.ok_or_else(|| Reply::error(404, &format!("No issue link type with name '{wanted}' found.")))?;
    let end = |v: &Value| {
        let reference = v["id"].as_str().or_else(|| v["key"].as_str()).unwrap_or_default();
        cx.writable(reference)
    };
    let (inward, outward) = (end(&body["inwardIssue"])?, end(&body["outwardIssue"])?);
    if inward == outward {
        return Err(Reply::error(400, "You cannot link an issue to itself."));
    }
    let same = |l: &IssueLink| l.kind == kind && l.inward == inward && l.outward == outward;
    if !cx.st.links.iter().any(same) {
        let id = cx.st.fresh_id();
        cx.st.links.push(IssueLink {
            id,
            kind,
            inward,
            outward,
        });
        for id in [inward, outward] {
            cx.st.change(id, true, |_| {});
        }
    }
    Ok(Reply::empty(201))
}

fn show(cx: &Ctx, issue: u64, link: &RemoteLink) -> Value {
    let mut shown = link.body.clone();
    shown["id"] = json!(link.id);
    shown["self"] = json!(format!(
        "{}/rest/api/3/issue/{issue}/remotelink/{}",
        cx.st.base_url(),
        link.id
    ));
    shown
}

pub fn remote_list(cx: &mut Ctx) -> Handled {
    let issue = cx.visible(&cx.params[0])?;
    let links = cx.st.issues[&issue].now.remote_links.clone();
    if let Some(wanted) = cx.req.query("globalId") {
        let found = links.iter().find(|l| l.global_id.as_deref() == Some(wanted));
        let missing = || Reply::error(404, "A remote link with the given global ID does not exist.");
        return found.map(|l| Reply::ok(&show(cx, issue, l))).ok_or_else(missing);
    }
    Ok(Reply::ok(&links.iter().map(|l| show(cx, issue, l)).collect()))
}

/// With `globalId` an upsert in which absent members become null; without, a
/// new link each time.
pub fn remote_put(cx: &mut Ctx) -> Handled {
    let body = Value::Object(cx.body_of(&["globalId", "application", "relationship", "object"])?);
    let issue = cx.writable(&cx.params[0].clone())?;
    cx.account()?;
    for member in ["url", "title"] {
        if body["object"][member].as_str().is_none_or(str::is_empty) {
            return Err(Reply::field(member, &format!("'{member}' is required.")));
        }
    }
    let global_id = body["globalId"].as_str().map(String::from);
    if global_id.as_ref().is_some_and(|g| g.chars().count() > 255) {
        return Err(Reply::field("globalId", "The length of global ID cannot exceed 255."));
    }
    let links = &cx.st.issues[&issue].now.remote_links;
    let old = links
        .iter()
        .find(|l| global_id.is_some() && l.global_id == global_id)
        .map(|l| l.id);
    let id = old.unwrap_or_else(|| cx.st.fresh_id());
    cx.st.change(issue, false, |i| {
        i.remote_links.retain(|l| l.id != id);
        i.remote_links.push(RemoteLink { id, global_id, body });
    });
    let url = format!("{}/rest/api/3/issue/{issue}/remotelink/{id}", cx.st.base_url());
    Ok(Reply::json(
        if old.is_some() { 200 } else { 201 },
        &json!({"id": id, "self": url}),
    ))
}

pub fn remote_delete(cx: &mut Ctx) -> Handled {
    if cx.req.content_type.is_none() {
        return Err(Reply::error(415, "Unsupported Media Type"));
    }
    let issue = cx.writable(&cx.params[0].clone())?;
    let wanted = cx.req.query("globalId").unwrap_or_default().to_string();
    let known = |l: &RemoteLink| l.global_id.as_deref() == Some(&wanted);
    if !cx.st.issues[&issue].now.remote_links.iter().any(known) {
        return Err(Reply::error(
            404,
            "A remote link with the given global ID does not exist.",
        ));
    }
    cx.st.change(issue, false, |i| i.remote_links.retain(|l| !known(l)));
    Ok(Reply::empty(204))
}
