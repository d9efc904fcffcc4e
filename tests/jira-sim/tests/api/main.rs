//! The simulator seen through its HTTP API.

mod client;
mod spec;

use std::time::{Duration, Instant};

use client::{api, bug, call, create, doc, get, search};
use jira_sim::{CLASSIC_TOKEN, DEFAULT_ACCOUNT, DEFAULT_EMAIL, Fault, FaultKind, SCOPED_TOKEN, Sim, SimConfig};
use serde_json::{Value, json};

fn sim() -> Sim {
    Sim::spawn(SimConfig::default()).expect("a port")
}

#[test]
fn credentials() {
    let sim = sim();
    let key = create(&sim, "SEC", &["a"]);
    let me = get(&sim, "/myself");
    assert_eq!((me.status, me.body["accountId"].as_str()), (200, Some(DEFAULT_ACCOUNT)));
    assert!(me.has(&format!("x-aaccountid: {DEFAULT_ACCOUNT}")));
    for bad in [
        Some((DEFAULT_EMAIL, "nonsense")),
        Some((DEFAULT_EMAIL, SCOPED_TOKEN)),
        None,
    ] {
        let ask = |method: &str, path: &str, body: Value| {
            let body = Some(&body).filter(|b| !b.is_null()).cloned();
            call(&sim, bad, method, &format!("/rest/api/3{path}"), body.as_ref()).expect("a reply")
        };
        let me = ask("GET", "/myself", Value::Null);
        assert_eq!(me.status, 401);
        assert_eq!(me.has("x-seraph-loginreason: AUTHENTICATED_FAILED"), bad.is_some());
        assert!(!me.has("x-aaccountid"));
        let found = ask("POST", "/search/jql", json!({"jql": "labels = a"}));
        assert_eq!(
            (found.status, found.body["issues"].as_array().map(Vec::len)),
            (200, Some(0))
        );
        let found = ask("POST", "/search/jql", json!({"jql": "project = SEC"}));
        assert_eq!(found.status, 400);
        assert_eq!(
            found.body["errorMessages"][0],
            "The value 'SEC' does not exist for the field 'project'."
        );
        let found = ask("POST", "/issue/bulkfetch", json!({"issueIdsOrKeys": [key]}));
        assert_eq!(
            (found.status, found.body["issues"].as_array().map(Vec::len)),
            (200, Some(0))
        );
        assert_eq!(ask("GET", "/project/search", Value::Null).body["total"], 0);
        assert_eq!(ask("GET", &format!("/issue/{key}"), Value::Null).status, 404);
        assert_eq!(ask("POST", "/issue", bug("SEC", &[])).status, 401);
    }
    let gateway = |token: &str, path: &str| {
        let path = format!("/ex/jira/{}/rest/api/3{path}", jira_sim::DEFAULT_CLOUD_ID);
        call(&sim, Some((DEFAULT_EMAIL, token)), "GET", &path, None).expect("a reply")
    };
    assert_eq!(gateway(SCOPED_TOKEN, "/myself").status, 200);
    assert_eq!(gateway(CLASSIC_TOKEN, "/myself").status, 401);
    let scope = gateway(SCOPED_TOKEN, "/priority/search");
    assert_eq!(
        scope.body,
        json!({"code": 401, "message": "Unauthorized; scope does not match"})
    );
    sim.set_captcha(true);
    assert!(get(&sim, "/myself").has("x-seraph-loginreason: AUTHENTICATION_DENIED"));
    sim.set_captcha(false);
    sim.deny(DEFAULT_ACCOUNT, "BROWSE_PROJECTS:SEC");
    assert_eq!(get(&sim, &format!("/issue/{key}")).status, 404);
    sim.allow(DEFAULT_ACCOUNT, "BROWSE_PROJECTS:SEC");
    sim.revoke_token(CLASSIC_TOKEN);
    assert_eq!(get(&sim, "/myself").status, 401);
    let tenant = call(&sim, None, "GET", "/_edge/tenant_info", None).expect("a reply");
    assert_eq!(tenant.body["cloudId"], jira_sim::DEFAULT_CLOUD_ID);
}

#[test]
fn create_checks_every_field() {
    let sim = sim();
    let refused = |project: &str, field: &str, value: Value| {
        let mut body = bug(project, &[]);
        if project == "NOLBL" {
            body["fields"].as_object_mut().expect("fields").remove("labels");
        }
        body["fields"][field] = value;
        let reply = api(&sim, "POST", "/issue", &body);
        assert_eq!(reply.status, 400, "{project} {field} {}", reply.body);
        reply.body["errors"][field]
            .as_str()
            .unwrap_or_else(|| panic!("{field}: {}", reply.body))
            .to_string()
    };
    let screen = "Field 'labels' cannot be set. It is not on the appropriate screen, or unknown.";
    assert_eq!(refused("NOLBL", "labels", json!(["a"])), screen);
    for (field, value) in [
        ("labels", json!(["a b"])),
        ("summary", json!("a\nb")),
        ("summary", json!("x".repeat(256))),
        ("summary", Value::Null),
        ("description", json!("text")),
        (
            "description",
            json!({"type": "doc", "version": 1, "content": [{"type": "text", "text": "a"}]}),
        ),
        ("priority", json!({"id": "99"})),
        ("priority", json!("High")),
        ("components", json!(["cluster"])),
        ("components", json!([{"id": "1"}])),
        ("fixVersions", json!([{"name": "9"}])),
        ("assignee", json!({"accountId": "5b10a0effa615349cb016cd8"})),
        ("duedate", json!("30.11.2026")),
        ("project", json!({"key": "NONE"})),
        ("issuetype", json!({"id": "1"})),
        ("customfield_1", json!(1)),
        ("resolution", json!({"id": "10000"})),
    ] {
        refused("SEC", field, value);
    }
    refused("TEAM", "priority", json!({"id": "1"}));
    let reply = api(&sim, "POST", "/issue", &bug("REQ", &[]));
    assert_eq!(
        reply.body["errors"],
        json!({"customfield_10041": "Team is required.", "customfield_10042": "Cost centre is required."})
    );
    let mut body = bug("REQ", &[]);
    body["fields"]["customfield_10041"] = json!({"value": "Platform"});
    body["fields"]["customfield_10042"] = json!("4711");
    assert_eq!(api(&sim, "POST", "/issue", &body).status, 201);
    let mut body = bug("SEC", &["a"]);
    body["update"] = json!({"labels": [{"add": "b"}]});
    assert_eq!(api(&sim, "POST", "/issue", &body).status, 400);
    body["fields"].as_object_mut().expect("fields").remove("labels");
    assert_eq!(api(&sim, "POST", "/issue", &body).status, 201);
    body["extra"] = json!(1);
    assert_eq!(api(&sim, "POST", "/issue", &body).status, 400);
    let reply = call(
        &sim,
        Some((DEFAULT_EMAIL, CLASSIC_TOKEN)),
        "POST",
        "/rest/api/3/issue",
        None,
    )
    .expect("a reply");
    assert_eq!(reply.status, 415);
    let bulk = json!({"issueUpdates": [bug("SEC", &["one"]), bug("NONE", &[]), bug("SEC", &["two"])]});
    let reply = api(&sim, "POST", "/issue/bulk", &bulk);
    assert_eq!(
        (reply.status, reply.body["issues"].as_array().map(Vec::len)),
        (201, Some(2))
    );
    assert_eq!(reply.body["errors"][0]["failedElementNumber"], 1);
    assert_eq!(sim.issues().len(), 4);
}

#[test]
fn edit_skips_screens_and_moves_updated_only_on_change() {
    let sim = sim();
    let mut body = bug("NOLBL", &[]);
    body["fields"].as_object_mut().expect("fields").remove("labels");
    let key = api(&sim, "POST", "/issue", &body).body["key"]
        .as_str()
        .expect("a key")
        .to_string();
    let path = format!("/issue/{key}");
    let before = sim.issue(&key).expect("it").updated;
    assert_eq!(
        api(&sim, "PUT", &path, &json!({"fields": {"summary": "A bug"}})).status,
        204
    );
    assert_eq!(sim.issue(&key).expect("it").updated, before);
    assert_eq!(
        api(
            &sim,
            "PUT",
            &path,
            &json!({"update": {"labels": [{"add": "x"}, {"add": "y"}]}})
        )
        .status,
        204
    );
    assert_eq!(
        api(&sim, "PUT", &path, &json!({"update": {"labels": [{"remove": "x"}]}})).status,
        204
    );
    let issue = sim.issue(&key).expect("it");
    assert_eq!((issue.labels, issue.changes), (vec!["y".to_string()], 2));
    assert!(issue.updated > before);
    let moved = sim.move_issue(&key, "SEC");
    assert_eq!(get(&sim, &path).body["key"], json!(moved));
    let found = api(
        &sim,
        "POST",
        "/issue/bulkfetch",
        &json!({"issueIdsOrKeys": [key, "SEC-999"], "properties": ["mine"]}),
    );
    assert_eq!(found.body["issues"][0]["key"], json!(moved));
    assert_eq!(found.body["issues"][0]["properties"]["mine"], json!({"a": 1}));
    assert_eq!(found.body["issues"].as_array().map(Vec::len), Some(1));
    assert_eq!(api(&sim, "DELETE", &path, &Value::Null).status, 204);
    assert_eq!(get(&sim, &path).status, 404);
    assert_ne!(create(&sim, "SEC", &[]), moved);
}

#[test]
fn transitions_follow_the_workflow() {
    let sim = sim();
    let key = create(&sim, "STRICT", &[]);
    let path = format!("/issue/{key}/transitions");
    let take = |id: &str, fields: Value| {
        api(
            &sim,
            "POST",
            &path,
            &json!({"transition": {"id": id}, "fields": fields}),
        )
    };
    let reply = take("131", json!({}));
    assert_eq!(
        reply.body["errorMessages"][0],
        "Transition id '131' is not valid for this issue."
    );
    assert_eq!(take("111", json!({"resolution": {"name": "Done"}})).status, 400);
    assert_eq!(take("111", json!({})).status, 204);
    assert_eq!(take("121", json!({})).status, 204);
    assert_eq!(
        take("131", json!({})).body["errors"]["resolution"],
        "Resolution is required."
    );
    let open = get(&sim, &format!("{path}?expand=transitions.fields"));
    assert_eq!(open.body["transitions"].as_array().map(Vec::len), Some(1));
    assert_eq!(open.body["transitions"][0]["fields"]["resolution"]["required"], true);
    assert_eq!(take("131", json!({"resolution": {"name": "Won't Do"}})).status, 204);
    assert_eq!(sim.issue(&key).expect("it").resolution.as_deref(), Some("Won't Do"));
    assert_eq!(take("141", json!({})).status, 204);
    let issue = sim.issue(&key).expect("it");
    assert_eq!((issue.status.as_str(), issue.resolution), ("Open", None));
    let key = create(&sim, "SEC", &[]);
    let path = format!("/issue/{key}/transitions");
    assert_eq!(
        api(&sim, "POST", &path, &json!({"transition": {"id": "31"}})).status,
        204
    );
    assert_eq!(sim.issue(&key).expect("it").resolution.as_deref(), Some("Done"));
    let log = get(&sim, &format!("/issue/{key}/changelog"));
    assert_eq!(log.body["values"][0]["items"][0]["toString"], "Done");
    sim.human_transition(&key, "Backlog");
    assert_eq!(
        get(&sim, &format!("/issue/{key}?fields=resolution")).body["fields"]["resolution"],
        Value::Null
    );
}

#[test]
fn comments_and_properties() {
    let sim = sim();
    let key = create(&sim, "SEC", &[]);
    let path = format!("/issue/{key}/comment");
    assert_eq!(
        api(&sim, "POST", &path, &json!({"body": "text"})).body["errors"]["comment"],
        "Comment body is not valid!"
    );
    let made = api(
        &sim,
        "POST",
        &path,
        &json!({"body": doc("hello"), "properties": [{"key": "ours", "value": 1}]}),
    );
    assert_eq!(made.status, 201);
    let id = made.body["id"].as_str().expect("an id");
    sim.human_comment(&key, "from a person");
    assert_eq!(get(&sim, &path).body["total"], 2);
    let numeric: u64 = id.parse().expect("numeric");
    let listed = api(
        &sim,
        "POST",
        "/comment/list?expand=properties",
        &json!({"ids": [numeric]}),
    );
    assert_eq!(
        listed.body["values"][0]["properties"],
        json!([{"key": "ours", "value": 1}])
    );
    assert_eq!(
        api(&sim, "PUT", &format!("{path}/{id}"), &json!({"body": doc("new")})).status,
        200
    );
    assert_eq!(sim.issue(&key).expect("it").comments[0].text, "new");
    assert_eq!(api(&sim, "DELETE", &format!("{path}/{id}"), &Value::Null).status, 204);
    let property = format!("/issue/{key}/properties/p%2Fq");
    assert_eq!(api(&sim, "PUT", &property, &json!({"x": [1]})).status, 201);
    assert_eq!(api(&sim, "PUT", &property, &json!({"x": [2]})).status, 200);
    assert_eq!(get(&sim, &property).body, json!({"key": "p/q", "value": {"x": [2]}}));
}

#[test]
fn search_meaning() {
    let sim = sim();
    let id = |key: &str| sim.issue(key).expect("it").id;
    let first = id(&create(&sim, "SEC", &["a", "b"]));
    let second = id(&create(&sim, "STRICT", &["a"]));
    sim.human_transition(&second, "Done");
    for (jql, want) in [
        ("labels = a ORDER BY key ASC", vec![&first, &second]),
        ("labels = a", vec![&second, &first]),
        ("labels in (b, c) AND project = \"SEC\"", vec![&first]),
        ("labels = a AND NOT labels = b", vec![&second]),
        ("labels = a AND labels != b", vec![&first, &second][1..].to_vec()),
        ("statusCategory = Done", vec![&second]),
        ("statusCategory != Done and creator = currentUser()", vec![&first]),
        ("created >= -1m and (status = Open or status = \"To Do\")", vec![&first]),
        ("updated < -1h", vec![]),
        (
            "updated >= \"2026-01-01 00:00\" and resolution is not empty",
            vec![&second],
        ),
        ("key in (SEC-1)", vec![&first]),
        ("assignee is EMPTY and id = SEC-1", vec![&first]),
        ("this is not jql", vec![]),
    ] {
        assert_eq!(search(&sim, jql).iter().collect::<Vec<_>>(), want, "{jql}");
    }
    for bad in [
        "",
        "ORDER BY created",
        "colour = red",
        "project = NONE",
        "key = SEC-77",
        "labels ~ a",
        "created > soon",
    ] {
        assert_eq!(
            api(&sim, "POST", "/search/jql", &json!({"jql": bad})).status,
            400,
            "{bad}"
        );
    }
    assert_eq!(
        api(&sim, "POST", "/search/approximate-count", &json!({"jql": "labels = a"})).body,
        json!({"count": 2})
    );
    assert_eq!(get(&sim, "/search?jql=labels=a").status, 410);
    // JQL dates are read in the caller's zone, timestamps written in the site's.
    let sydney = jiff::Timestamp::now().in_tz("Australia/Sydney").expect("a known zone");
    let minute = |span: jiff::Span| {
        sydney
            .checked_add(span)
            .expect("in range")
            .strftime("%Y-%m-%d %H:%M")
            .to_string()
    };
    let (before, after) = (
        minute(jiff::Span::new().minutes(-2)),
        minute(jiff::Span::new().minutes(2)),
    );
    assert_eq!(search(&sim, &format!("created >= \"{before}\"")).len(), 2);
    assert_eq!(search(&sim, &format!("created >= \"{after}\"")).len(), 0);
    let updated = get(&sim, &format!("/issue/{first}?fields=updated")).body["fields"]["updated"].to_string();
    assert!(updated.ends_with("-0300\""), "{updated}");
}

#[test]
fn search_pages() {
    let sim = sim();
    for _ in 0..7 {
        create(&sim, "SEC", &["p"]);
    }
    let (mut seen, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut body = json!({"jql": "labels = p ORDER BY key ASC", "maxResults": 3, "fields": ["summary", "updated"]});
        if !token.is_null() {
            body["nextPageToken"] = token;
        }
        let page = api(&sim, "POST", "/search/jql", &body).body;
        assert!(page.get("total").is_none() && page.get("startAt").is_none());
        for issue in page["issues"].as_array().expect("issues") {
            assert_eq!(issue["fields"]["summary"], "A bug");
            seen.push(issue["key"].as_str().expect("a key").to_string());
        }
        token = page["nextPageToken"].clone();
        if page["isLast"] == true {
            break;
        }
    }
    assert!(token.is_null());
    assert_eq!(seen, (1..=7).map(|n| format!("SEC-{n}")).collect::<Vec<_>>());
    let meta = get(&sim, "/issue/createmeta/SEC/issuetypes/10004?maxResults=5");
    assert_eq!(meta.body["fields"].as_array().map(Vec::len), Some(5));
    assert!(meta.body["total"].as_u64() > Some(5) && meta.body.get("isLast").is_none());
    assert_eq!(get(&sim, "/issue/createmeta/SEC/issuetypes?maxResults=201").status, 400);
    assert_eq!(get(&sim, "/project/sec").status, 404);
}

#[test]
fn the_index_lags_and_flickers() {
    let sim = sim();
    let key = create(&sim, "SEC", &["old"]);
    let id = sim.issue(&key).expect("it").id;
    assert_eq!(search(&sim, "labels = old"), std::slice::from_ref(&id));
    std::thread::sleep(Duration::from_millis(60));
    sim.set_index_lag(Duration::from_millis(50));
    api(
        &sim,
        "PUT",
        &format!("/issue/{key}"),
        &json!({"fields": {"labels": ["new"]}}),
    );
    let numeric: u64 = id.parse().expect("numeric");
    let forced = json!({"jql": "labels = new", "reconcileIssues": [numeric]});
    let (stale, fresh) = (
        search(&sim, "labels = old"),
        api(&sim, "POST", "/search/jql", &forced).body,
    );
    assert_eq!(stale, std::slice::from_ref(&id));
    assert_eq!(fresh["issues"][0]["id"], json!(id));
    assert_eq!(
        get(&sim, &format!("/issue/{key}")).body["fields"]["labels"],
        json!(["new"])
    );
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(search(&sim, "labels = new"), [id]);
    sim.set_flicker_every(2);
    let seen: Vec<usize> = (0..6).map(|_| search(&sim, "labels = new").len()).collect();
    assert_eq!(seen.iter().sum::<usize>(), 3, "{seen:?}");
}

#[test]
fn faults_apply_or_not_as_they_say() {
    let sim = sim();
    let body = bug("SEC", &["f"]);
    let post = || {
        call(
            &sim,
            Some((DEFAULT_EMAIL, CLASSIC_TOKEN)),
            "POST",
            "/rest/api/3/issue",
            Some(&body),
        )
    };
    sim.fault(Fault::once("createIssue", FaultKind::ApplyThenDrop));
    assert!(post().is_none());
    assert_eq!(sim.issues().len(), 1);
    assert_eq!(
        (sim.log()[0].status, sim.log()[0].created.clone()),
        (None, vec!["SEC-1".to_string()])
    );
    sim.fault(Fault::once("createIssue", FaultKind::DropBeforeApply));
    assert!(post().is_none());
    assert_eq!(sim.issues().len(), 1);
    sim.fault(Fault::once("/rest/api/3/issue", FaultKind::ApplyThenStatus { code: 502 }).method("POST"));
    assert_eq!(post().map(|r| r.status), Some(502));
    assert_eq!(sim.issues().len(), 2);
    sim.fault(Fault::rate_limited("*", "jira-burst-based", Duration::from_secs(3)).times(1));
    let limited = post().expect("a reply");
    assert_eq!(limited.status, 429);
    assert!(limited.has("retry-after: 3") && limited.has("ratelimit-reason: jira-burst-based"));
    sim.outage(true);
    assert!(post().is_none());
    sim.clear_faults();
    assert_eq!(post().map(|r| r.status), Some(201));
    assert_eq!(sim.count("POST", "createIssue"), 5);
    assert_eq!(sim.log()[0].labels(), ["f"]);
    // The client goes away; the request is carried out all the same.
    sim.fault(Fault::once("createIssue", FaultKind::Delay { millis: 80 }));
    let from = Instant::now();
    client::send_and_leave(&sim, "/rest/api/3/issue", &body);
    while sim.creates_in_flight() == 0 {
        assert!(from.elapsed() < Duration::from_secs(5), "the create never arrived");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(sim.open_creates_between(from, Instant::now()).len(), 1);
    while sim.creates_in_flight() > 0 {
        assert!(from.elapsed() < Duration::from_secs(5), "the create never ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(sim.issues().len(), 4);
}

#[test]
fn the_pages_escape_and_act() {
    let sim = sim();
    let key = create(&sim, "SEC", &["<i>"]);
    sim.human_edit(&key, &json!({"summary": "<script>alert(1)</script>"}));
    let page = |path: &str| call(&sim, None, "GET", path, None).expect("a reply").body.to_string();
    for text in [page("/"), page(&format!("/browse/{key}"))] {
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script>") && !text.contains("<i>"));
    }
    let act =
        |what: &str, body: Value| call(&sim, None, "POST", &format!("/_sim/{what}"), Some(&body)).expect("a reply");
    assert_eq!(act("transition", json!({"key": key, "status": "done"})).status, 200);
    assert_eq!(
        act("move", json!({"key": key, "project": "TEAM"})).body,
        json!({"key": "TEAM-1"})
    );
    let fault = json!({"path": "getCurrentUser", "times": 1, "kind": {"type": "status", "code": 503}});
    assert_eq!(act("fault", fault).status, 200);
    assert_eq!((get(&sim, "/myself").status, get(&sim, "/myself").status), (503, 200));
}
