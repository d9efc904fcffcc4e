//! Metadata: who am I, projects, create screens, priorities, people.

use serde_json::{Map, Value, json};

use crate::fields;
use crate::http::{Ctx, Handled, Reply, page_bean};
use crate::site::{IssueType, Project, User};
use crate::state::State;

pub fn myself(cx: &mut Ctx) -> Handled {
    let account = cx.account()?;
    let mut shown = fields::show_user(cx.st, &account);
    shown["locale"] = json!("en_GB");
    Ok(Reply::ok(&shown))
}

pub fn server_info(cx: &mut Ctx) -> Handled {
    Ok(Reply::ok(&json!({
        "baseUrl": cx.st.base_url(), "displayUrl": cx.st.base_url(), "deploymentType": "Cloud",
        "version": "1001.0.0-SNAPSHOT", "versionNumbers": [1001, 0, 0], "buildNumber": 100_287,
        "buildDate": cx.st.time(cx.st.now()), "serverTime": cx.st.time(cx.st.now()), "scmInfo": "0", "serverTitle": "Jira",
        "serverTimeZone": cx.st.site.time_zone,
    })))
}

const PERMISSIONS: &[&str] = &[
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "ASSIGN_ISSUES",
    "ASSIGNABLE_USER",
    "TRANSITION_ISSUES",
    "ADD_COMMENTS",
    "EDIT_OWN_COMMENTS",
    "LINK_ISSUES",
    "DELETE_ISSUES",
    "ADMINISTER_PROJECTS",
    "MODIFY_REPORTER",
    "RESOLVE_ISSUES",
    "CLOSE_ISSUES",
    "DELETE_OWN_COMMENTS",
    "ADMINISTER",
];

pub fn permissions(cx: &mut Ctx) -> Handled {
    let asked = cx.req.query_list("permissions");
    if asked.is_empty() {
        return Err(Reply::error(400, "The 'permissions' query parameter is required."));
    }
    let mut scope = cx.req.query("projectKey").map(String::from);
    if let Some(key) = cx.req.query("issueKey") {
        let id = cx.visible(key)?;
        scope = Some(cx.st.issues[&id].now.project.clone());
    }
    if let Some(key) = &scope {
        visible_project(cx, key)?;
    }
    let mut shown = Map::new();
    for (number, key) in asked.iter().enumerate() {
        if !PERMISSIONS.contains(&key.as_str()) {
            return Err(Reply::error(400, &format!("Unrecognized permission: {key}")));
        }
        let held = match &scope {
            Some(project) => cx.may(key, project),
            None => cx.st.site.projects.iter().any(|p| cx.may(key, &p.key)),
        };
        let kind = if key == "ADMINISTER" { "GLOBAL" } else { "PROJECT" };
        shown.insert(
            key.clone(),
            json!({"id": number.to_string(), "key": key, "name": key, "type": kind,
            "description": "", "havePermission": held}),
        );
    }
    Ok(Reply::ok(&json!({"permissions": shown})))
}

fn visible_project(cx: &Ctx, id_or_key: &str) -> Result<Project, Reply> {
    let found = cx
        .st
        .site
        .projects
        .iter()
        .find(|p| p.key == id_or_key || p.id == id_or_key);
    found
        .filter(|p| cx.may("BROWSE_PROJECTS", &p.key))
        .cloned()
        .ok_or_else(|| {
            cx.seraph(Reply::error(
                404,
                &format!("No project could be found with key '{id_or_key}'."),
            ))
        })
}

fn show_type(st: &State, kind: &IssueType) -> Value {
    json!({"self": format!("{}/rest/api/3/issuetype/{}", st.base_url(), kind.id), "id": kind.id, "name": kind.name,
        "description": "", "iconUrl": "", "subtask": kind.subtask, "hierarchyLevel": if kind.subtask { -1 } else { 0 }})
}

fn show_component(st: &State, id: &str, name: &str) -> Value {
    json!({"self": format!("{}/rest/api/3/component/{id}", st.base_url()), "id": id, "name": name,
        "assigneeType": "PROJECT_DEFAULT", "isAssigneeTypeValid": false})
}

fn show_version(st: &State, id: &str, name: &str) -> Value {
    json!({"self": format!("{}/rest/api/3/version/{id}", st.base_url()), "id": id, "name": name, "archived": false,
        "released": false})
}

fn show_project(st: &State, project: &Project, whole: bool) -> Value {
    let mut shown = json!({
        "self": format!("{}/rest/api/3/project/{}", st.base_url(), project.id), "id": project.id, "key": project.key,
        "name": project.name, "projectTypeKey": "software", "simplified": project.team_managed,
        "style": if project.team_managed { "next-gen" } else { "classic" }, "isPrivate": false, "archived": project.archived,
        "avatarUrls": {}, "properties": {},
    });
    if whole {
        shown["description"] = json!("");
        shown["assigneeType"] = json!("UNASSIGNED");
        shown["roles"] = json!({});
        shown["issueTypes"] = project.issue_types.iter().map(|t| show_type(st, t)).collect();
        shown["components"] = project
            .components
            .iter()
            .map(|c| show_component(st, &c.id, &c.name))
            .collect();
        shown["versions"] = project
            .versions
            .iter()
            .map(|v| show_version(st, &v.id, &v.name))
            .collect();
        if let Some(lead) = st.site.users.first() {
            shown["lead"] = fields::show_user(st, &lead.account_id);
        }
    }
    shown
}

pub fn project(cx: &mut Ctx) -> Handled {
    let project = visible_project(cx, &cx.params[0])?;
    Ok(Reply::ok(&show_project(cx.st, &project, true)))
}

pub fn project_search(cx: &mut Ctx) -> Handled {
    let (start, max) = cx.page(50, 100)?;
    let (keys, ids) = (cx.req.query_list("keys"), cx.req.query_list("id"));
    let query = cx.req.query("query").unwrap_or_default().to_lowercase();
    let permission = match cx.req.query("action") {
        None | Some("view" | "browse") => "BROWSE_PROJECTS",
        Some("create") => "CREATE_ISSUES",
        Some("edit") => "ADMINISTER_PROJECTS",
        Some(other) => return Err(Reply::error(400, &format!("Unknown action '{other}'."))),
    };
    let hit = |p: &&Project| {
        cx.may(permission, &p.key)
            && (keys.is_empty() || keys.contains(&p.key))
            && (ids.is_empty() || ids.contains(&p.id))
            && (p.key.to_lowercase().contains(&query) || p.name.to_lowercase().contains(&query))
    };
    let all = cx
        .st
        .site
        .projects
        .iter()
        .filter(hit)
        .map(|p| show_project(cx.st, p, false))
        .collect();
    let url = format!("{}/rest/api/3/project/search", cx.st.base_url());
    Ok(Reply::ok(&page_bean(&url, all, start, max)))
}

pub fn project_statuses(cx: &mut Ctx) -> Handled {
    let project = visible_project(cx, &cx.params[0])?;
    let statuses: Vec<Value> = project
        .workflow
        .statuses
        .iter()
        .map(|s| fields::show_status(cx.st, s))
        .collect();
    let shown = project.issue_types.iter().map(|t| {
        json!({"self": format!("{}/rest/api/3/issuetype/{}", cx.st.base_url(), t.id), "id": t.id, "name": t.name,
            "subtask": t.subtask, "statuses": statuses})
    });
    Ok(Reply::ok(&shown.collect()))
}

pub fn project_components(cx: &mut Ctx) -> Handled {
    let project = visible_project(cx, &cx.params[0])?;
    Ok(Reply::ok(
        &project
            .components
            .iter()
            .map(|c| show_component(cx.st, &c.id, &c.name))
            .collect(),
    ))
}

pub fn project_versions(cx: &mut Ctx) -> Handled {
    let project = visible_project(cx, &cx.params[0])?;
    Ok(Reply::ok(
        &project
            .versions
            .iter()
            .map(|v| show_version(cx.st, &v.id, &v.name))
            .collect(),
    ))
}

/// Start and size of a createmeta page; more than 200 is refused.
fn create_page(cx: &Ctx) -> Result<(usize, usize), Reply> {
    let (start, max) = cx.page(50, usize::MAX)?;
    if max > 200 {
        return Err(Reply::error(
            400,
            "The maxResults parameter must not exceed the limit '200'.",
        ));
    }
    Ok((start, max))
}

fn named_page(name: &str, all: Vec<Value>, start: usize, max: usize) -> Value {
    let total = all.len();
    let page: Vec<Value> = all.into_iter().skip(start).take(max).collect();
    json!({name: page, "startAt": start, "maxResults": max, "total": total})
}

pub fn create_types(cx: &mut Ctx) -> Handled {
    let (start, max) = create_page(cx)?;
    let project = visible_project(cx, &cx.params[0])?;
    let allowed = cx.may("CREATE_ISSUES", &project.key);
    let types = project
        .issue_types
        .iter()
        .filter(|_| allowed)
        .map(|t| show_type(cx.st, t))
        .collect();
    Ok(Reply::ok(&named_page("issueTypes", types, start, max)))
}

pub fn create_fields(cx: &mut Ctx) -> Handled {
    let (start, max) = create_page(cx)?;
    let project = visible_project(cx, &cx.params[0])?;
    let kind = project
        .issue_type(&cx.params[1])
        .filter(|_| cx.may("CREATE_ISSUES", &project.key));
    let mut all = Vec::new();
    if let Some(kind) = kind {
        let fixed = ["project", "issuetype"].map(|id| (id.to_string(), true, false));
        let screen = kind
            .create_screen
            .iter()
            .map(|f| (f.id.clone(), f.required, f.has_default));
        for (id, required, has_default) in fixed.into_iter().chain(screen) {
            let Some(def) = cx.st.site.field(&id) else { continue };
            let mut meta = fields::metadata(cx.st, &project, &def, required, has_default);
            meta.insert("fieldId".into(), json!(id));
            match id.as_str() {
                "project" => meta.insert("allowedValues".into(), json!([show_project(cx.st, &project, false)])),
                "issuetype" => meta.insert("allowedValues".into(), json!([show_type(cx.st, kind)])),
                "priority" => {
                    meta.insert("hasDefaultValue".into(), json!(true));
                    let middle = cx
                        .st
                        .site
                        .priorities
                        .get(cx.st.site.priorities.len() / 2)
                        .map(|p| json!(p.id));
                    middle.and_then(|m| meta.insert("defaultValue".into(), fields::show_priority(cx.st, &m)))
                }
                _ => None,
            };
            all.push(Value::Object(meta));
        }
    }
    Ok(Reply::ok(&named_page("fields", all, start, max)))
}

pub fn priorities(cx: &mut Ctx) -> Handled {
    let (start, max) = cx.page(50, 50)?;
    let known = cx.caller.account().map_or(&[][..], |_| &cx.st.site.priorities);
    let all = known.iter().map(|p| {
        let mut shown = fields::show_priority(cx.st, &json!(p.id));
        shown["statusColor"] = json!("#ff0000");
        shown["description"] = json!("");
        shown
    });
    Ok(Reply::ok(&page_bean("", all.collect(), start, max)))
}

pub fn resolutions(cx: &mut Ctx) -> Handled {
    let (start, max) = cx.page(50, 50)?;
    let known = cx.caller.account().map_or(&[][..], |_| &cx.st.site.resolutions);
    let all = known.iter().map(|r| fields::show_resolution(cx.st, &r.id)).collect();
    Ok(Reply::ok(&page_bean("", all, start, max)))
}

pub fn statuses(cx: &mut Ctx) -> Handled {
    let known = cx.caller.account().map_or(&[][..], |_| &cx.st.site.statuses);
    Ok(Reply::ok(
        &known.iter().map(|s| fields::show_status(cx.st, &s.id)).collect(),
    ))
}

pub fn all_fields(cx: &mut Ctx) -> Handled {
    let shown = cx.st.site.all_fields().into_iter().map(|def| {
        let custom = def.id.starts_with("customfield_");
        json!({"id": def.id, "key": def.id, "name": def.name, "custom": custom, "orderable": true, "navigable": true,
            "searchable": true, "clauseNames": [def.id], "schema": def.schema()})
    });
    Ok(Reply::ok(&shown.collect()))
}

pub fn labels(cx: &mut Ctx) -> Handled {
    let (start, max) = cx.page(1000, 1000)?;
    let mut all: Vec<Value> = Vec::new();
    for record in cx
        .st
        .issues
        .values()
        .filter(|r| !r.deleted && cx.may("BROWSE_PROJECTS", &r.now.project))
    {
        for label in record
            .now
            .fields
            .get("labels")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if !all.contains(label) {
                all.push(label.clone());
            }
        }
    }
    Ok(Reply::ok(&page_bean("", all, start, max)))
}

pub fn user(cx: &mut Ctx) -> Handled {
    cx.account()?;
    let account = cx.req.query("accountId").unwrap_or_default();
    if account.is_empty() {
        return Err(Reply::error(400, "The query parameter 'accountId' is required."));
    }
    if cx.st.site.user(account).is_none() {
        return Err(Reply::error(
            404,
            "Specified user does not exist or you do not have required permissions",
        ));
    }
    Ok(Reply::ok(&fields::show_user(cx.st, account)))
}

fn user_hit(cx: &Ctx, user: &User) -> bool {
    if let Some(account) = cx.req.query("accountId") {
        return user.account_id == account;
    }
    let query = cx.req.query("query").unwrap_or_default().to_lowercase();
    user.display_name.to_lowercase().contains(&query) || user.email.to_lowercase() == query
}

/// A range of all users is taken first and filtered then, so that pages are
/// sparse (T22).
fn user_page(cx: &Ctx, fits: &dyn Fn(&User) -> bool) -> Handled {
    if cx.req.query("accountId").is_some() && cx.req.query("query").is_some() {
        return Err(Reply::error(
            400,
            "The query parameters 'query' and 'accountId' cannot be used together.",
        ));
    }
    let (start, max) = cx.page(50, 1000)?;
    let range = cx.st.site.users.iter().skip(start).take(max);
    let hits = range.filter(|u| user_hit(cx, u) && fits(u));
    Ok(Reply::ok(
        &hits.map(|u| fields::show_user(cx.st, &u.account_id)).collect(),
    ))
}

pub fn assignable(cx: &mut Ctx) -> Handled {
    let issue = match cx.req.query("issueKey").or_else(|| cx.req.query("issueId")) {
        Some(key) => Some(cx.visible(key)?),
        None => None,
    };
    let key = issue
        .map(|id| cx.st.issues[&id].now.project.clone())
        .or_else(|| cx.req.query("project").map(String::from));
    let Some(key) = key else {
        return Err(Reply::error(
            400,
            "Either 'project', 'issueKey' or 'issueId' must be provided.",
        ));
    };
    let project = visible_project(cx, &key)?;
    user_page(cx, &|u| project.assignable(u))
}

pub fn user_search(cx: &mut Ctx) -> Handled {
    if cx.caller.account().is_none() {
        return Ok(Reply::ok(&json!([])));
    }
    user_page(cx, &|_| true)
}

pub fn tenant_info(cx: &mut Ctx) -> Handled {
    if !cx.st.behaviour.tenant_info {
        return Err(Reply::html(404, "<html><body>Not Found</body></html>".into()));
    }
    Ok(Reply::ok(&json!({"cloudId": cx.st.site.cloud_id})))
}

pub fn gone(_: &mut Ctx) -> Handled {
    let text = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. \
                A full migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046";
    Err(Reply::error(410, text))
}
