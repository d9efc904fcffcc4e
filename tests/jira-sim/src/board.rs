//! The pages for people: a board, and an issue with its buttons.

use std::fmt::Write;

use crate::actions::{self, IssueView};
use crate::adf_html::{escape, render};
use crate::http::{Ctx, Handled, Reply, pairs};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1200px;padding:1rem;color:#172b4d}
h1{font-size:1.4rem}a{color:#0052cc;text-decoration:none}.columns{display:flex;gap:.7rem;align-items:flex-start}
.column{background:#f4f5f7;border-radius:4px;flex:1;padding:.6rem;min-width:0}.column h3{font-size:.8rem;margin:0 0 .5rem;
text-transform:uppercase;color:#5e6c84}.card{background:#fff;border-radius:3px;box-shadow:0 1px 2px #0003;padding:.5rem;
margin-bottom:.5rem;overflow-wrap:anywhere}.label{background:#dfe1e6;border-radius:3px;font-size:.75rem;padding:0 .3rem;
margin-right:.2rem}.meta{color:#5e6c84;font-size:.85rem}table{border-collapse:collapse}td,th{border:1px solid #c1c7d0;
padding:.2rem .5rem;text-align:left;vertical-align:top}pre{background:#f4f5f7;padding:.6rem;overflow:auto}
aside{background:#deebff;padding:.3rem .8rem;border-radius:3px}form{display:inline}button{margin:.15rem;padding:.3rem .7rem}
blockquote{border-left:3px solid #c1c7d0;margin-left:0;padding-left:1rem}textarea{width:100%;box-sizing:border-box}
.comment{border-top:1px solid #dfe1e6;padding:.4rem 0}";

fn page(title: &str, head: &str, body: &str) -> Reply {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{head}<title>{}</title><style>{STYLE}</style>\
         </head><body>{body}</body></html>",
        escape(title)
    );
    Reply::html(200, html)
        .with(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        )
        .with("Cache-Control", "no-store")
}

fn labels(issue: &IssueView) -> String {
    issue.labels.iter().fold(String::new(), |mut out, label| {
        let _ = write!(out, "<span class=\"label\">{}</span>", escape(label));
        out
    })
}

pub fn board(cx: &mut Ctx) -> Handled {
    let mut body = String::from("<h1>Jira simulator</h1>");
    for project in &cx.st.site.projects {
        let living = cx
            .st
            .issues
            .values()
            .filter(|r| !r.deleted && r.now.project == project.key);
        let views: Vec<IssueView> = living.map(|r| actions::view(cx.st, &r.now, false)).collect();
        let _ = write!(
            body,
            "<h2>{} <span class=\"meta\">{}, {} issues</span></h2><div class=\"columns\">",
            escape(&project.name),
            escape(&project.key),
            views.len()
        );
        for status in &project.workflow.statuses {
            let name = cx.st.site.status(status).map(|s| s.name.clone()).unwrap_or_default();
            let _ = write!(body, "<div class=\"column\"><h3>{}</h3>", escape(&name));
            for view in views.iter().filter(|v| v.status_id == *status) {
                let _ = write!(
                    body,
                    "<div class=\"card\"><a href=\"/browse/{key}\">{key}</a> <span class=\"meta\">{}</span><br>{}<br>{}</div>",
                    escape(view.priority.as_deref().unwrap_or_default()),
                    escape(&view.summary),
                    labels(view),
                    key = escape(&view.key),
                );
            }
            body.push_str("</div>");
        }
        body.push_str("</div>");
    }
    Ok(page("Board", "<meta http-equiv=\"refresh\" content=\"2\">", &body))
}

pub fn issue(cx: &mut Ctx) -> Handled {
    let missing = || Reply::html(404, "<!doctype html><p>There is no such issue.".into());
    let issue = cx.st.find(&cx.params[0]).cloned().ok_or_else(missing)?;
    let view = actions::view(cx.st, &issue, false);
    let key = escape(&view.key);
    let mut body = format!(
        "<p><a href=\"/\">Board</a> / {key}</p><h1>{}</h1><p>",
        escape(&view.summary)
    );
    if let Some(project) = cx.st.site.project(&issue.project) {
        for status in project.workflow.statuses.iter().filter(|s| **s != issue.status) {
            let name = cx.st.site.status(status).map(|s| s.name.clone()).unwrap_or_default();
            let _ = write!(
                body,
                "<form method=\"post\" action=\"/browse/{key}/transition\"><input type=\"hidden\" name=\"status\" \
                 value=\"{}\"><button>Move to {}</button></form>",
                escape(status),
                escape(&name)
            );
        }
    }
    body.push_str("</p><table>");
    let mut row = |name: &str, value: &str| {
        let _ = write!(body, "<tr><th>{}</th><td>{value}</td></tr>", escape(name));
    };
    row("Status", &escape(&view.status));
    row(
        "Resolution",
        &escape(view.resolution.as_deref().unwrap_or("Unresolved")),
    );
    row("Type", &escape(&view.issue_type));
    row("Priority", &escape(view.priority.as_deref().unwrap_or("none")));
    row("Labels", &labels(&view));
    row("Due", &escape(view.due_date.as_deref().unwrap_or("none")));
    let person = |account: &str| {
        cx.st
            .site
            .user(account)
            .map_or(account.to_string(), |u| u.display_name.clone())
    };
    row(
        "Assignee",
        &escape(&view.assignee.as_deref().map_or("Unassigned".into(), person)),
    );
    row(
        "Updated",
        &escape(cx.st.time(issue.updated).as_str().unwrap_or_default()),
    );
    for def in cx
        .st
        .site
        .custom_fields
        .iter()
        .filter(|d| issue.fields.contains_key(&d.id))
    {
        let (_, text) = crate::fields::display(cx.st, &issue, def);
        row(&def.name, &escape(text.as_str().unwrap_or_default()));
    }
    let _ = write!(body, "</table>{}<h2>Comments</h2>", render(&view.description));
    for comment in &view.comments {
        let author = escape(&person(&comment.author));
        let _ = write!(
            body,
            "<div class=\"comment\"><span class=\"meta\">{author}</span>{}</div>",
            render(&comment.body)
        );
    }
    let _ = write!(
        body,
        "<form method=\"post\" action=\"/browse/{key}/comment\"><textarea name=\"text\" rows=\"3\" required></textarea>\
         <button>Comment</button></form>"
    );
    Ok(page(&view.key, "", &body))
}

fn field(cx: &Ctx, name: &str) -> String {
    let form = pairs(&String::from_utf8_lossy(&cx.req.body));
    form.into_iter()
        .find(|(k, _)| k == name)
        .map(|(_, v)| v.replace('\r', ""))
        .unwrap_or_default()
}

fn back(cx: &Ctx, outcome: Result<(), String>) -> Handled {
    outcome.map_err(|text| Reply::html(400, format!("<!doctype html><p>{}", escape(&text))))?;
    let key = cx.st.find(&cx.params[0]).map(|i| i.key.clone()).unwrap_or_default();
    Ok(Reply::empty(303).with("Location", &format!("/browse/{key}")))
}

pub fn transition(cx: &mut Ctx) -> Handled {
    let (key, status) = (cx.params[0].clone(), field(cx, "status"));
    let outcome = actions::transition(cx.st, &key, &status, None);
    back(cx, outcome)
}

pub fn comment(cx: &mut Ctx) -> Handled {
    let (key, text) = (cx.params[0].clone(), field(cx, "text"));
    let outcome = match text.trim() {
        "" => Err("A comment needs text.".into()),
        text => actions::comment(cx.st, &key, text).map(|_| ()),
    };
    back(cx, outcome)
}
