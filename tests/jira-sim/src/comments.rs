//! Comments (T17).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::adf::validate_adf;
use crate::http::{Ctx, Handled, Reply};
use crate::state::{Comment, State};

/// Comments per issue (rest-facts, limits).
const MAX_COMMENTS: usize = 5000;

/// What a new comment consists of.
pub struct Draft {
    pub body: Value,
    pub visibility: Option<Value>,
    pub properties: BTreeMap<String, Value>,
}

fn draft(body: &Map<String, Value>) -> Result<Draft, Reply> {
    let adf = body.get("body").unwrap_or(&Value::Null);
    if !adf.is_object() {
        return Err(Reply::field("comment", "Comment body is not valid!"));
    }
    validate_adf(adf).map_err(|_| Reply::error(400, "INVALID_INPUT"))?;
    if crate::adf::plain_text(adf).trim().is_empty() && adf["content"].as_array().is_none_or(Vec::is_empty) {
        return Err(Reply::field("comment", "Comment body can not be empty!"));
    }
    let properties = crate::issues::properties_of(body)?;
    let visibility = body.get("visibility").filter(|v| !v.is_null()).cloned();
    Ok(Draft {
        body: adf.clone(),
        visibility,
        properties,
    })
}

/// Reads `update.comment: [{add: {body}}]`.
pub fn from_update(updates: &Map<String, Value>) -> Result<Vec<Draft>, Reply> {
    let verbs = updates
        .get("comment")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let read = |verb: &Value| match verb.get("add").and_then(Value::as_object) {
        Some(body) => draft(body),
        None => Err(Reply::field("comment", "Only 'add' is supported for comments here.")),
    };
    verbs.iter().map(read).collect()
}

/// Adds a comment; moves `updated`.
pub fn add(st: &mut State, issue: u64, author: &str, draft: Draft) -> u64 {
    let (id, now) = (st.fresh_id(), st.now());
    let comment = Comment {
        id,
        author: author.into(),
        update_author: author.into(),
        body: draft.body,
        visibility: draft.visibility,
        created: now,
        updated: now,
        properties: draft.properties,
    };
    st.change(issue, true, |i| i.comments.push(comment));
    id
}

pub fn create(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["body", "visibility", "properties", "parentId"])?;
    let issue = cx.writable(&cx.params[0].clone())?;
    let account = cx.account()?;
    if !cx.may("ADD_COMMENTS", &cx.st.issues[&issue].now.project.clone()) {
        return Err(Reply::error(
            400,
            "You do not have the permission to comment on this issue.",
        ));
    }
    let draft = draft(&body)?;
    if cx.st.issues[&issue].now.comments.len() >= MAX_COMMENTS {
        return Err(Reply::error(413, "The issue has reached the limit of comments."));
    }
    let id = add(cx.st, issue, &account, draft);
    Ok(Reply::json(201, &shown(cx.st, issue, id)))
}

fn shown(st: &State, issue: u64, id: u64) -> Value {
    let found = st.issues[&issue].now.comments.iter().find(|c| c.id == id);
    found.map_or(Value::Null, |c| crate::view::comment(st, issue, c, false))
}

pub fn list(cx: &mut Ctx) -> Handled {
    let issue = cx.visible(&cx.params[0])?;
    let (start, max) = cx.page(100, 5000)?;
    let record = cx.st.issues[&issue].now.clone();
    let properties = cx.req.query_list("expand").iter().any(|e| e == "properties");
    let mut all: Vec<&Comment> = record.comments.iter().collect();
    match cx.req.query("orderBy") {
        None | Some("created" | "+created" | " created") => {}
        Some("-created") => all.reverse(),
        Some(other) => {
            return Err(Reply::error(
                400,
                &format!("The orderBy value '{other}' is not supported."),
            ));
        }
    }
    let page: Vec<Value> = all
        .iter()
        .skip(start)
        .take(max)
        .map(|c| crate::view::comment(cx.st, issue, c, properties))
        .collect();
    Ok(Reply::ok(
        &json!({"comments": page, "startAt": start, "maxResults": max, "total": all.len()}),
    ))
}

/// Finds `{issueIdOrKey}` and `{id}` of the route.
fn locate(cx: &Ctx) -> Result<(u64, u64), Reply> {
    let issue = cx.visible(&cx.params[0])?;
    let id = cx.params[1].parse().unwrap_or(0);
    let known = cx.st.issues[&issue].now.comments.iter().any(|c| c.id == id);
    let missing = || Reply::error(404, &format!("Can not find a comment for the id: {}.", cx.params[1]));
    known.then_some((issue, id)).ok_or_else(missing)
}

pub fn get(cx: &mut Ctx) -> Handled {
    let (issue, id) = locate(cx)?;
    Ok(Reply::ok(&shown(cx.st, issue, id)))
}

pub fn edit(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["body", "visibility", "properties"])?;
    let (issue, id) = locate(cx)?;
    let account = cx.account()?;
    let draft = draft(&body)?;
    let now = cx.st.now();
    cx.st.change(issue, true, |i| {
        if let Some(comment) = i.comments.iter_mut().find(|c| c.id == id) {
            comment.body = draft.body;
            comment.visibility = draft.visibility;
            comment.properties.extend(draft.properties);
            comment.update_author = account;
            comment.updated = now;
        }
    });
    Ok(Reply::ok(&shown(cx.st, issue, id)))
}

pub fn delete(cx: &mut Ctx) -> Handled {
    let (issue, id) = locate(cx)?;
    cx.st.change(issue, true, |i| i.comments.retain(|c| c.id != id));
    Ok(Reply::empty(204))
}

/// `POST /comment/list`.
pub fn by_ids(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["ids"])?;
    let ids = body.get("ids").and_then(Value::as_array).cloned().unwrap_or_default();
    let ids: Option<Vec<u64>> = ids.iter().map(Value::as_u64).collect();
    let Some(ids) = ids.filter(|i| !i.is_empty() && i.len() <= 1000) else {
        return Err(Reply::error(
            400,
            "Between 1 and 1000 numeric comment ids must be given.",
        ));
    };
    let properties = cx.req.query_list("expand").iter().any(|e| e == "properties");
    let mut found = Vec::new();
    for record in cx
        .st
        .issues
        .values()
        .filter(|r| !r.deleted && cx.may("BROWSE_PROJECTS", &r.now.project))
    {
        for comment in record.now.comments.iter().filter(|c| ids.contains(&c.id)) {
            found.push(crate::view::comment(cx.st, record.now.id, comment, properties));
        }
    }
    Ok(Reply::ok(&crate::http::page_bean("", found, 0, 1000)))
}

/// `…/comment/{commentId}/properties/{propertyKey}`, all verbs.
pub fn property(cx: &mut Ctx) -> Handled {
    let id: u64 = cx.params[0].parse().unwrap_or(0);
    let missing = || {
        Reply::error(
            404,
            "The comment does not exist or you do not have permission to view it.",
        )
    };
    let holds = |i: &crate::state::Issue| i.comments.iter().any(|c| c.id == id);
    let record = cx
        .st
        .issues
        .values()
        .find(|r| !r.deleted && holds(&r.now))
        .map(|r| r.now.clone());
    let issue = record
        .filter(|i| cx.may("BROWSE_PROJECTS", &i.project))
        .ok_or_else(missing)?;
    let comment = issue.comments.iter().find(|c| c.id == id).ok_or_else(missing)?;
    let key = cx.params.get(1).cloned();
    let edit = |cx: &mut Ctx, apply: &dyn Fn(&mut BTreeMap<String, Value>)| {
        cx.st.change(issue.id, false, |i| {
            if let Some(comment) = i.comments.iter_mut().find(|c| c.id == id) {
                apply(&mut comment.properties);
            }
        });
    };
    crate::properties::serve(cx, &comment.properties, key.as_deref(), &edit)
}
