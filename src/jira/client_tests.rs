use serde_json::json;

use super::test_server::{ACCOUNT, Server, anonymous, reply};
use super::*;
use crate::jira::model::{CreateIssue, EditIssue};

fn search() -> SearchRequest {
    SearchRequest {
        jql: jql::by_labels(&["a"]),
        ..SearchRequest::default()
    }
}

#[tokio::test]
async fn a_create_is_sent_exactly_once_whatever_happens() {
    for status in [500, 503, 429, 408, 409] {
        let server = Server::start(move |_| reply(status, &json!({"errorMessages": ["no"]}))).await;
        let client = server.client();
        let permit = client.create_permit("SEC").await.unwrap();
        let error = client.create_issue(permit, &CreateIssue::default()).await.unwrap_err();
        assert_eq!(server.received().len(), 1, "{status}");
        let unknown = matches!(status, 408 | 500 | 503);
        assert_eq!(error.executed() == Executed::Unknown, unknown, "{error}");
        assert_eq!(client.stats().snapshot()[0].count, 1);
    }
}

#[tokio::test]
async fn a_create_without_connection_was_not_executed() {
    let server = Server::start(|_| reply(200, &json!({}))).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = ClientSettings {
        api_base: format!("http://{closed}").parse().unwrap(),
        ..server.settings()
    };
    let client = JiraClient::new(settings).unwrap();
    let permit = client.create_permit("SEC").await.unwrap();
    let error = client.create_issue(permit, &CreateIssue::default()).await.unwrap_err();
    assert!(
        matches!(
            error,
            JiraError::Connect {
                kind: ConnectKind::Refused,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.executed(), Executed::No);
}

#[tokio::test]
async fn an_edit_is_repeated_once_after_a_5xx_and_comments_never() {
    let server = Server::start(|_| reply(502, &json!({}))).await;
    let client = server.client();
    client.edit_issue("10", &EditIssue::default()).await.unwrap_err();
    assert_eq!(server.count("/issue/10"), 2);
    client.add_comment("10", &NewComment::default()).await.unwrap_err();
    assert_eq!(server.count("/comment"), 1);
    client
        .transition("10", "31", &serde_json::Map::new(), &[])
        .await
        .unwrap_err();
    assert_eq!(server.count("/transitions"), 1);
}

#[tokio::test]
async fn a_read_is_tried_three_times() {
    let server = Server::start(|_| reply(503, &json!({}))).await;
    let error = server.client().get_issue("10", &[], &[]).await.unwrap_err();
    assert_eq!((error.reason(), server.received().len()), ("Unavailable", 3));
}

#[tokio::test]
async fn emptiness_and_absence_from_strangers_are_not_believed() {
    let absent = json!({"errorMessages": ["Issue does not exist"], "errors": {}});
    let server = Server::start(move |request| match request.path.as_str() {
        "/rest/api/3/myself" => anonymous(401, &json!({"errorMessages": ["log in"]})),
        "/rest/api/3/search/jql" => anonymous(200, &json!({"issues": [], "isLast": true})),
        "/rest/api/3/issue/bulkfetch" => anonymous(200, &json!({"issues": [], "issueErrors": []})),
        _ => anonymous(404, &absent),
    })
    .await;
    let client = server.client();
    let faults = client.faults();
    assert_eq!(client.search(&search()).await.unwrap_err().reason(), "Unauthorized");
    assert_eq!(
        client.bulk_fetch(&["1"], &[], &[]).await.unwrap_err().reason(),
        "Unauthorized"
    );
    assert_eq!(
        client.get_issue("1", &[], &[]).await.unwrap_err().reason(),
        "Unauthorized"
    );
    let fault = faults.borrow().clone().unwrap();
    assert_eq!(fault.reason, "Unauthorized");
    assert!(!format!("{fault:?}").contains("s3cret"));
}

#[tokio::test]
async fn the_right_account_is_believed_with_and_without_header() {
    let absent = json!({"errorMessages": ["Issue does not exist"], "errors": {}});
    let server = Server::start(move |request| match request.path.as_str() {
        "/rest/api/3/myself" => anonymous(200, &json!({"accountId": ACCOUNT})),
        "/rest/api/3/search/jql" => anonymous(200, &json!({"issues": [], "isLast": true})),
        "/rest/api/3/issue/bulkfetch" => reply(200, &json!({"issues": []})),
        _ => reply(404, &absent),
    })
    .await;
    let client = server.client();
    assert!(client.bulk_fetch(&["1"], &[], &[]).await.unwrap().issues.is_empty());
    assert_eq!(client.get_issue("1", &[], &[]).await.unwrap_err().reason(), "NotFound");
    assert_eq!(server.count("/myself"), 0, "the header was enough");
    assert!(client.search(&search()).await.unwrap().issues.is_empty());
    assert_eq!(server.count("/myself"), 1);
}

#[tokio::test]
async fn another_account_is_a_fault() {
    let server = Server::start(|request| {
        if request.path.ends_with("/myself") {
            return anonymous(200, &json!({"accountId": "someone-else"}));
        }
        axum::http::Response::builder()
            .header("x-aaccountid", "someone-else")
            .body(json!({"issues": []}).to_string().into())
            .unwrap()
    })
    .await;
    let client = server.client();
    assert_eq!(client.search(&search()).await.unwrap_err().reason(), "Anonymous");
    assert_eq!(client.myself().await.unwrap_err().reason(), "Anonymous");
    assert!(client.faults().borrow().is_some());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = Server::start(|_| {
        let redirect = axum::http::Response::builder()
            .status(301)
            .header("location", "https://new.example/rest");
        redirect.body(axum::body::Body::empty()).unwrap()
    })
    .await;
    let client = server.client();
    let error = client.server_info().await.unwrap_err();
    assert!(
        matches!(&error, JiraError::Redirected { location, .. } if location == "new.example"),
        "{error}"
    );
    assert!(error.is_connection_fault() && client.faults().borrow().is_some());
}

#[tokio::test]
async fn lists_are_paged_to_their_end() {
    let server = Server::start(|_| reply(200, &json!({"fields": [{"fieldId": "a"}], "total": 3}))).await;
    assert_eq!(server.client().create_fields("SEC", "1").await.unwrap().len(), 3);
    assert_eq!(server.received().len(), 3, "a short page is no end");
}

#[tokio::test]
async fn metadata_names_what_exists() {
    let server = Server::start(|request| match request.path.trim_start_matches("/rest/api/3") {
        "/project/SEC" => reply(200, &json!({"id": 7, "key": "SEC", "name": "Security"})),
        "/issue/createmeta/SEC/issuetypes" => reply(
            200,
            &json!({"issueTypes": [{"id": "1", "name": "Bug"}, {"id": "2", "name": "Task"}], "total": 2}),
        ),
        "/issue/createmeta/SEC/issuetypes/1" => reply(
            200,
            &json!({"total": 2, "fields": [
            {"fieldId": "priority", "required": true, "allowedValues": [{"id": "3", "name": "High"}]},
            {"fieldId": "summary", "required": true}]}),
        ),
        "/project/SEC/statuses" => reply(
            200,
            &json!([{"id": "1", "statuses": [
            {"id": "5", "name": "Done", "statusCategory": {"key": "done", "id": 3}}]}]),
        ),
        "/resolution/search" => reply(200, &json!({"values": [], "isLast": true})),
        _ => reply(404, &json!({"errorMessages": ["No project could be found"]})),
    })
    .await;
    let metadata = Metadata::new(server.client(), std::time::Duration::from_hours(1));
    let wrong = metadata.resolve("SEC", "Bugg").await.unwrap_err().to_string();
    assert_eq!(
        wrong,
        "issue type 'Bugg' does not exist in project SEC; it has: Bug, Task"
    );
    assert!(
        metadata
            .resolve("sec", "Bug")
            .await
            .unwrap_err()
            .to_string()
            .contains("case-sensitive")
    );
    let meta = metadata.resolve("SEC", "bug").await.unwrap();
    assert_eq!((meta.project_id.as_str(), meta.issue_type.id.as_str()), ("7", "1"));
    assert_eq!(
        meta.required_fields()
            .map(|field| field.field_id.as_str())
            .collect::<Vec<_>>(),
        ["priority"]
    );
    assert_eq!((meta.priorities.len(), meta.labels_on_screen()), (1, false));
    assert_eq!(meta.statuses[0].category, model::StatusCategory::Done);
    let calls = server.received().len();
    metadata.resolve("SEC", "bug").await.unwrap();
    assert_eq!(server.received().len(), calls);
    metadata.invalidate("SEC");
    metadata.resolve("SEC", "bug").await.unwrap();
    assert!(server.received().len() > calls);
}

#[tokio::test]
async fn settings_show_no_token() {
    let server = Server::start(|_| reply(200, &json!({}))).await;
    let shown = format!("{:?} {:?}", server.settings(), server.client());
    assert!(!shown.contains("s3cret") && !shown.contains("czNjcmV0"), "{shown}");
}

#[test]
fn times_of_jira_are_read() {
    let time = model::parse_time("2026-09-25T22:42:39.399-0300").unwrap();
    assert_eq!(time.to_string(), "2026-09-26T01:42:39.399Z");
    assert_eq!(model::parse_time("2026-09-26T01:42:39.399Z").unwrap(), time);
    assert!(model::parse_time("yesterday").is_err());
}
