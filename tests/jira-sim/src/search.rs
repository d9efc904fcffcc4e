//! Search through a lagging index, and bulk fetch past it (T4, T5, T6).

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::http::{Ctx, Handled, Reply};
use crate::matching::Matcher;
use crate::state::{Cursor, Issue};

/// A list of strings in a body; absent is empty.
pub fn strings(value: Option<&Value>) -> Result<Vec<String>, Reply> {
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value
            .as_array()
            .ok_or_else(|| Reply::error(400, "A list of strings is expected."))?,
    };
    let all: Option<Vec<String>> = list.iter().map(|v| v.as_str().map(String::from)).collect();
    all.ok_or_else(|| Reply::error(400, "A list of strings is expected."))
}

struct Wish {
    jql: String,
    token: Option<String>,
    max: usize,
    fields: Vec<String>,
    properties: Vec<String>,
    reconcile: Vec<u64>,
}

pub fn post(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&[
        "jql",
        "nextPageToken",
        "maxResults",
        "fields",
        "expand",
        "properties",
        "fieldsByKeys",
        "failFast",
        "reconcileIssues",
        "includeArchivedProjects",
    ])?;
    if body.get("expand").is_some_and(|e| !e.is_string() && !e.is_null()) {
        return Err(Reply::error(400, "expand must be a comma-separated string."));
    }
    let reconcile = match body.get("reconcileIssues") {
        None | Some(Value::Null) => Vec::new(),
        Some(ids) => ids
            .as_array()
            .and_then(|l| l.iter().map(Value::as_u64).collect())
            .ok_or_else(|| Reply::error(400, "reconcileIssues must be a list of numeric issue ids."))?,
    };
    let max = match body.get("maxResults") {
        None | Some(Value::Null) => 50,
        Some(n) => n
            .as_u64()
            .ok_or_else(|| Reply::error(400, "maxResults must be a number."))?,
    };
    let wish = Wish {
        jql: body.get("jql").and_then(Value::as_str).unwrap_or_default().into(),
        token: body.get("nextPageToken").and_then(Value::as_str).map(String::from),
        max: usize::try_from(max).unwrap_or(usize::MAX),
        fields: strings(body.get("fields"))?,
        properties: strings(body.get("properties"))?,
        reconcile,
    };
    run(cx, wish)
}

pub fn get(cx: &mut Ctx) -> Handled {
    let reconcile: Option<Vec<u64>> = cx
        .req
        .query_list("reconcileIssues")
        .iter()
        .map(|i| i.parse().ok())
        .collect();
    let (_, max) = cx.page(50, 5000)?;
    let wish = Wish {
        jql: cx.req.query("jql").unwrap_or_default().into(),
        token: cx
            .req
            .query("nextPageToken")
            .filter(|t| !t.is_empty())
            .map(String::from),
        max,
        fields: cx.req.query_list("fields"),
        properties: cx.req.query_list("properties"),
        reconcile: reconcile.ok_or_else(|| Reply::error(400, "reconcileIssues must be numeric issue ids."))?,
    };
    run(cx, wish)
}

fn run(cx: &mut Ctx, wish: Wish) -> Handled {
    if wish.properties.len() > 5 {
        return Err(Reply::error(400, "The number of issue properties cannot exceed 5."));
    }
    if wish.reconcile.len() > 50 {
        return Err(Reply::error(400, "The number of reconcileIssues cannot exceed 50."));
    }
    let light = wish.fields.iter().all(|f| f == "id" || f == "key") && wish.properties.is_empty();
    // Zero asks for nothing but does not fail.
    let size = wish.max.min(if light { 5000 } else { 100 });
    let mut rest: Vec<u64> = if let Some(token) = &wish.token {
        let cursor = cx.st.cursors.get(token).filter(|c| c.jql == wish.jql);
        let stale = || Reply::error(400, "The provided next page token is invalid or expired.");
        cursor.ok_or_else(stale)?.rest.clone()
    } else {
        let hits = find(cx, &wish.jql, &wish.reconcile)?;
        let mut ids: Vec<u64> = hits.iter().map(|i| i.id).collect();
        flicker(cx, &mut ids, &wish.reconcile);
        ids
    };
    let later = rest.split_off(size.min(rest.len()));
    let mut issues = Vec::new();
    for id in rest {
        let Some(record) = cx.st.issues.get(&id) else { continue };
        let version = if wish.reconcile.contains(&id) {
            Some(record.now.clone())
        } else {
            cx.st.indexed(record)
        };
        if let Some(issue) = version {
            issues.push(row(cx, &issue, &wish.fields, &wish.properties));
        }
    }
    let mut page = json!({"issues": issues, "isLast": later.is_empty()});
    if !later.is_empty() {
        cx.st.searches += 1;
        let text = format!("page:{}:{}", cx.st.searches, wish.jql.len());
        let token = data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        cx.st.cursors.insert(
            token.clone(),
            Cursor {
                jql: wish.jql,
                rest: later,
            },
        );
        page["nextPageToken"] = json!(token);
    }
    Ok(Reply::ok(&page))
}

/// Every n-th search misses one of its hits, another each time.
fn flicker(cx: &mut Ctx, ids: &mut Vec<u64>, reconcile: &[u64]) {
    cx.st.searches += 1;
    let every = cx.st.behaviour.flicker_every;
    if every == 0 || !cx.st.searches.is_multiple_of(every) {
        return;
    }
    let loose: Vec<u64> = ids.iter().copied().filter(|id| !reconcile.contains(id)).collect();
    if !loose.is_empty() {
        let turn = usize::try_from(cx.st.searches / every).unwrap_or_default() % loose.len();
        ids.retain(|id| *id != loose[turn]);
    }
}

fn row(cx: &Ctx, issue: &Issue, fields: &[String], properties: &[String]) -> Value {
    if properties.is_empty() && fields.iter().all(|f| f == "id") {
        return json!({"id": issue.id.to_string()});
    }
    let mut shown = if fields.is_empty() {
        json!({"id": issue.id.to_string()})
    } else {
        crate::view::issue(cx.st, issue, fields, false)
    };
    crate::view::add_properties(&mut shown, issue, properties);
    shown
}

/// The issues that match, by what the index knows, in order.
fn find(cx: &Ctx, jql: &str, reconcile: &[u64]) -> Result<Vec<Arc<Issue>>, Reply> {
    let refuse = |text: String| cx.seraph(Reply::error(400, &text));
    let query = crate::jql::parse(jql).map_err(refuse)?;
    let Some(filter) = &query.filter else {
        let text = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.";
        return Err(Reply::error(400, text));
    };
    let matcher = Matcher::new(cx, filter, &query.order).map_err(|text| Reply::error(400, &text))?;
    let mut hits = Vec::new();
    for record in cx.st.issues.values().filter(|r| !r.deleted) {
        let named = reconcile.contains(&record.now.id);
        let version = if named {
            Some(record.now.clone())
        } else {
            cx.st.indexed(record)
        };
        let Some(issue) = version else { continue };
        let archived = cx.st.site.project(&issue.project).is_none_or(|p| p.archived);
        if !archived && cx.may("BROWSE_PROJECTS", &record.now.project) && matcher.hit(cx.st, &issue) {
            hits.push(issue);
        }
    }
    hits.sort_by(|a, b| {
        for (field, descending) in &query.order {
            let order = crate::matching::compare(cx.st, field, a, b);
            if order != Ordering::Equal {
                return if *descending { order.reverse() } else { order };
            }
        }
        b.id.cmp(&a.id)
    });
    Ok(hits)
}

pub fn count(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["jql"])?;
    let jql = body.get("jql").and_then(Value::as_str).unwrap_or_default();
    let hits = find(cx, jql, &[])?;
    Ok(Reply::ok(&json!({"count": hits.len()})))
}

/// `POST /jql/match`: tests named issues against queries.
pub fn matches(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["issueIds", "jqls"])?;
    let ids: Vec<u64> = body
        .get("issueIds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect();
    let mut results = Vec::new();
    for jql in strings(body.get("jqls"))? {
        match find(cx, &jql, &[]) {
            Ok(hits) => {
                let hits: Vec<u64> = hits.iter().map(|i| i.id).filter(|id| ids.contains(id)).collect();
                results.push(json!({"matchedIssues": hits, "errors": []}));
            }
            Err(reply) => {
                let errors: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                results.push(json!({"matchedIssues": [], "errors": errors["errorMessages"]}));
            }
        }
    }
    Ok(Reply::ok(&json!({"matches": results})))
}

/// `POST /jql/parse`: which queries would be refused.
pub fn parse(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["queries"])?;
    let queries = strings(body.get("queries"))?;
    let mut shown = Vec::new();
    for text in queries {
        let strict = cx.req.query("validation").is_none_or(|v| v == "strict");
        let outcome = crate::jql::parse(&text).and_then(|query| match &query.filter {
            Some(filter) if strict => Matcher::new(cx, filter, &query.order).map(|_| ()),
            _ => Ok(()),
        });
        shown.push(match outcome {
            Ok(()) => json!({"query": text}),
            Err(error) => json!({"query": text, "errors": [error]}),
        });
    }
    Ok(Reply::ok(&json!({"queries": shown})))
}

/// `POST /issue/bulkfetch`: fresh, follows moved keys, silent about the
/// missing and the invisible.
pub fn bulk_fetch(cx: &mut Ctx) -> Handled {
    let body = cx.body_of(&["issueIdsOrKeys", "fields", "properties", "expand", "fieldsByKeys"])?;
    let names = strings(body.get("issueIdsOrKeys"))?;
    let (mut fields, properties) = (strings(body.get("fields"))?, strings(body.get("properties"))?);
    let expand = strings(body.get("expand"))?;
    if names.is_empty() || names.len() > 100 {
        return Err(Reply::error(
            400,
            "The number of issues to fetch must be between 1 and 100.",
        ));
    }
    if properties.len() > 5 {
        return Err(Reply::error(400, "The number of issue properties cannot exceed 5."));
    }
    if fields.is_empty() {
        fields.push("*navigable".into());
    }
    let mut ids: Vec<u64> = names.iter().filter_map(|n| cx.visible(n).ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut issues = Vec::new();
    for id in ids {
        let issue = cx.st.issues[&id].now.clone();
        let mut shown = crate::view::issue(cx.st, &issue, &fields, true);
        crate::view::add_properties(&mut shown, &issue, &properties);
        if expand.iter().any(|e| e == "changelog") {
            let histories: Vec<Value> = issue
                .changelog
                .iter()
                .rev()
                .map(|c| crate::view::change(cx.st, c))
                .collect();
            let count = histories.len();
            shown["changelog"] = json!({"startAt": 0, "maxResults": count, "total": count, "histories": histories});
        }
        issues.push(shown);
    }
    Ok(Reply::ok(&json!({"issues": issues, "issueErrors": []})))
}
