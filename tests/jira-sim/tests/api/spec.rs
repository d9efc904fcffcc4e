//! Replies against the schemas of Jira's own specification, where a copy of it
//! lies beside the repository, and against the members that clients rely on.

use crate::client::{api, bug, create, doc, get};
use jira_sim::{Sim, SimConfig};
use serde_json::{Value, json};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/jira/openapi-v3.json");

/// Follows `$ref`, and `allOf` of one.
fn resolve<'a>(spec: &'a Value, mut schema: &'a Value) -> &'a Value {
    loop {
        if let Some(name) = schema["$ref"].as_str() {
            schema = &spec["components"]["schemas"][name.rsplit('/').next().unwrap_or_default()];
        } else if schema["allOf"].as_array().is_some_and(|a| a.len() == 1) {
            schema = &schema["allOf"][0];
        } else {
            return schema;
        }
    }
}

/// Collects members that the schema does not know and values of another type.
fn check(spec: &Value, schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    let schema = resolve(spec, schema);
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !fits && !value.is_null() {
        out.push(format!("{at}: {value} is not {}", schema["type"]));
    }
    if let (Some(known), Some(object)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, inner) in object {
            match known.get(name) {
                Some(schema) => check(spec, schema, inner, &format!("{at}.{name}"), out),
                None if schema["additionalProperties"].is_object() || schema["additionalProperties"] == true => {}
                None => out.push(format!("{at}.{name}: unknown member")),
            }
        }
    }
    if let Some(list) = value.as_array() {
        for inner in list {
            check(spec, &schema["items"], inner, &format!("{at}[]"), out);
        }
    }
}

/// Method, template, path, body, status, members that must be there.
type Case<'a> = (&'a str, &'a str, String, Value, u16, &'a [&'a str]);

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn replies_fit_the_specification() {
    let sim = Sim::spawn(SimConfig::default()).expect("a port");
    let key = create(&sim, "SEC", &["a"]);
    let id: u64 = sim.issue(&key).expect("it").id.parse().expect("numeric");
    sim.human_transition(&key, "Done");
    sim.human_comment(&key, "hello");
    let spec: Option<Value> = std::fs::read(SPEC)
        .ok()
        .map(|t| serde_json::from_slice(&t).expect("the spec is JSON"));
    if spec.is_none() {
        support::skipped(
            "the simulator's replies against the published specification: only the listed members are checked",
        );
    }
    let issue = "/issue/{issueIdOrKey}";
    let none = Value::Null;
    let search = json!({"jql": "labels = a", "fields": ["*all"], "properties": ["mine"]});
    let fetch = json!({"issueIdsOrKeys": [key], "fields": ["status"], "properties": ["mine"]});
    let cases: Vec<Case> = vec![
        (
            "GET",
            "/myself",
            "/myself".into(),
            none.clone(),
            200,
            &["/accountId", "/timeZone", "/active", "/displayName"],
        ),
        (
            "GET",
            "/serverInfo",
            "/serverInfo".into(),
            none.clone(),
            200,
            &["/baseUrl", "/deploymentType", "/serverTime"],
        ),
        (
            "GET",
            "/mypermissions",
            "/mypermissions?permissions=CREATE_ISSUES&projectKey=SEC".into(),
            none.clone(),
            200,
            &["/permissions/CREATE_ISSUES/havePermission"],
        ),
        (
            "GET",
            "/project/{projectIdOrKey}",
            "/project/SEC".into(),
            none.clone(),
            200,
            &[
                "/id",
                "/key",
                "/name",
                "/style",
                "/simplified",
                "/issueTypes/0/id",
                "/components/0/id",
                "/versions/0/name",
            ],
        ),
        (
            "GET",
            "/project/search",
            "/project/search".into(),
            none.clone(),
            200,
            &["/values/0/key", "/isLast", "/total"],
        ),
        (
            "GET",
            "/project/{projectIdOrKey}/statuses",
            "/project/SEC/statuses".into(),
            none.clone(),
            200,
            &["/0/statuses/0/statusCategory/key"],
        ),
        (
            "GET",
            "/issue/createmeta/{projectIdOrKey}/issuetypes",
            "/issue/createmeta/SEC/issuetypes".into(),
            none.clone(),
            200,
            &["/issueTypes/0/id", "/total", "/startAt", "/maxResults"],
        ),
        (
            "GET",
            "/issue/createmeta/{projectIdOrKey}/issuetypes/{issueTypeId}",
            "/issue/createmeta/REQ/issuetypes/10030".into(),
            none.clone(),
            200,
            &[
                "/fields/0/fieldId",
                "/fields/0/required",
                "/fields/0/schema/type",
                "/fields/0/operations",
                "/total",
            ],
        ),
        (
            "GET",
            "/priority/search",
            "/priority/search".into(),
            none.clone(),
            200,
            &["/values/0/id", "/values/0/name"],
        ),
        (
            "GET",
            "/resolution/search",
            "/resolution/search".into(),
            none.clone(),
            200,
            &["/values/0/id"],
        ),
        (
            "GET",
            "/field",
            "/field".into(),
            none.clone(),
            200,
            &["/0/id", "/0/schema/type"],
        ),
        (
            "GET",
            "/status",
            "/status".into(),
            none.clone(),
            200,
            &["/0/statusCategory/id"],
        ),
        (
            "GET",
            "/user/assignable/search",
            "/user/assignable/search?project=SEC".into(),
            none.clone(),
            200,
            &["/0/accountId"],
        ),
        (
            "POST",
            "/issue",
            "/issue".into(),
            bug("SEC", &[]),
            201,
            &["/id", "/key", "/self"],
        ),
        (
            "POST",
            "/issue/bulk",
            "/issue/bulk".into(),
            json!({"issueUpdates": [bug("SEC", &[]), bug("NO", &[])]}),
            201,
            &[
                "/issues/0/id",
                "/errors/0/failedElementNumber",
                "/errors/0/elementErrors/errors/project",
            ],
        ),
        (
            "GET",
            issue,
            format!("/issue/{key}?properties=mine&expand=changelog"),
            none.clone(),
            200,
            &[
                "/id",
                "/key",
                "/fields/status/statusCategory/key",
                "/fields/updated",
                "/fields/resolution/id",
                "/fields/project/key",
                "/fields/comment/comments",
                "/properties/mine",
                "/changelog/histories/0/items/0/fieldId",
            ],
        ),
        (
            "GET",
            "/issue/{issueIdOrKey}/editmeta",
            format!("/issue/{key}/editmeta"),
            none.clone(),
            200,
            &["/fields/summary/operations"],
        ),
        (
            "GET",
            "/issue/{issueIdOrKey}/transitions",
            format!("/issue/{key}/transitions?expand=transitions.fields"),
            none.clone(),
            200,
            &[
                "/transitions/0/id",
                "/transitions/0/to/statusCategory/key",
                "/transitions/2/fields/resolution/allowedValues/0/id",
            ],
        ),
        (
            "GET",
            "/issue/{issueIdOrKey}/changelog",
            format!("/issue/{key}/changelog"),
            none.clone(),
            200,
            &[
                "/values/0/created",
                "/values/0/author/accountId",
                "/values/0/items/0/to",
                "/isLast",
            ],
        ),
        (
            "POST",
            "/issue/{issueIdOrKey}/comment",
            format!("/issue/{key}/comment"),
            json!({"body": doc("x")}),
            201,
            &["/id", "/author/accountId", "/created"],
        ),
        (
            "GET",
            "/issue/{issueIdOrKey}/comment",
            format!("/issue/{key}/comment"),
            none.clone(),
            200,
            &["/comments/0/body/type", "/total", "/startAt", "/maxResults"],
        ),
        (
            "POST",
            "/issue/{issueIdOrKey}/remotelink",
            format!("/issue/{key}/remotelink"),
            json!({"globalId": "g", "object": {"url": "https://a.test", "title": "t"}}),
            201,
            &["/id", "/self"],
        ),
        (
            "POST",
            "/search/jql",
            "/search/jql".into(),
            search,
            200,
            &[
                "/issues/0/fields/updated",
                "/issues/0/key",
                "/issues/0/properties/mine",
                "/isLast",
            ],
        ),
        (
            "POST",
            "/issue/bulkfetch",
            "/issue/bulkfetch".into(),
            fetch,
            200,
            &[
                "/issues/0/id",
                "/issues/0/key",
                "/issues/0/fields/status/id",
                "/issues/0/properties/mine",
                "/issueErrors",
            ],
        ),
        (
            "POST",
            "/changelog/bulkfetch",
            "/changelog/bulkfetch".into(),
            json!({"issueIdsOrKeys": [key], "fieldIds": ["status"]}),
            200,
            &[
                "/issueChangeLogs/0/issueId",
                "/issueChangeLogs/0/changeHistories/0/items",
            ],
        ),
        (
            "POST",
            "/jql/match",
            "/jql/match".into(),
            json!({"issueIds": [id], "jqls": ["labels = a"]}),
            200,
            &["/matches/0/matchedIssues/0"],
        ),
        (
            "GET",
            "/issueLinkType",
            "/issueLinkType".into(),
            none.clone(),
            200,
            &["/issueLinkTypes/0/name"],
        ),
    ];
    let mut faults = Vec::new();
    for (method, template, path, body, status, members) in cases {
        let reply = if body.is_null() {
            get(&sim, &path)
        } else {
            api(&sim, method, &path, &body)
        };
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
        for member in members {
            if reply.body.pointer(member).is_none() {
                faults.push(format!("{method} {template}: {member} is missing"));
            }
        }
        if let Some(spec) = &spec {
            let operation = &spec["paths"][format!("/rest/api/3{template}")][method.to_lowercase()];
            let schema = &operation["responses"][status.to_string()]["content"]["application/json"]["schema"];
            assert!(schema.is_object(), "{method} {template} has no schema for {status}");
            check(spec, schema, &reply.body, &format!("{method} {template}"), &mut faults);
        }
    }
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
