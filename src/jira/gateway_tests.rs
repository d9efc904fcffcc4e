use futures::future::join_all;
use serde_json::{Value, json};

use super::test_server::{Received, Server, reply};
use super::*;

/// The keys or ids that a bulkfetch asks for.
fn asked(request: &Received) -> Vec<String> {
    serde_json::from_value(request.body["issueIdsOrKeys"].clone()).unwrap_or_default()
}

#[tokio::test]
async fn many_look_ups_share_few_searches() {
    let server = Server::start(|request| {
        let jql = request.body["jql"].as_str().unwrap_or_default();
        let labels = jql.split('"').skip(1).step_by(2);
        let issues: Vec<Value> = labels
            .filter(|label| label.ends_with('7'))
            .map(|label| json!({"id": label, "key": "SEC-1", "fields": {"labels": [label, "other"]}}))
            .collect();
        reply(200, &json!({"issues": issues, "isLast": true}))
    })
    .await;
    let gateway = Gateway::new(server.client());
    let found = join_all((0..250).map(|n| gateway.look_up(format!("jfo-{n}")))).await;
    assert_eq!(server.count("/search/jql"), 2);
    for (n, issues) in found.into_iter().enumerate() {
        let issues = issues.unwrap();
        assert_eq!(issues.len(), usize::from(n % 10 == 7), "{n}");
        assert!(issues.iter().all(|issue| issue.id == format!("jfo-{n}")));
    }
}

#[tokio::test]
async fn reads_share_calls_and_tell_absence() {
    let server = Server::start(|request| {
        let ids = asked(request);
        let issues: Vec<Value> = ids
            .iter()
            .filter(|id| *id != "13")
            .map(|id| json!({"id": id, "key": "S-9"}))
            .collect();
        reply(200, &json!({"issues": issues}))
    })
    .await;
    let gateway = Gateway::new(server.client());
    let read = join_all((0..150).map(|n| gateway.read_issue(n.to_string()))).await;
    for (n, issue) in read.into_iter().enumerate() {
        assert_eq!(issue.unwrap().is_some(), n != 13);
    }
    let calls = server.count("/bulkfetch");
    assert!(calls <= 3, "{calls} calls");
    let many = gateway
        .read_issues((0..150).map(|n| n.to_string()).collect())
        .await
        .unwrap();
    assert_eq!((many.len(), many["13"].is_none()), (150, true));
    assert_eq!(server.count("/bulkfetch") - calls, 2);
}

#[tokio::test]
async fn a_failure_goes_to_everyone_who_waits() {
    let server = Server::start(|_| reply(403, &json!({"errorMessages": ["no"]}))).await;
    let gateway = Gateway::new(server.client());
    for result in join_all((0..5).map(|n| gateway.look_up(n.to_string()))).await {
        assert_eq!(result.unwrap_err().reason(), "Forbidden");
    }
    assert_eq!(server.received().len(), 1);
}

/// A project whose issues 1 to 12, 250 and 540 exist, so that no gap is as long as 300; 250 is ours.
fn project(request: &Received) -> axum::http::Response<axum::body::Body> {
    let exists = |number: u64| number <= 12 || number == 250 || number == 540;
    let issues: Vec<Value> = asked(request)
        .iter()
        .filter_map(|key| model::split_key(key).map(|(_, number)| number))
        .filter(|number| exists(*number))
        .map(|number| {
            let properties = if number == 250 {
                json!({ISSUE_PROPERTY: {"a": 1}})
            } else {
                json!({})
            };
            json!({"id": number, "key": format!("SEC-{number}"), "properties": properties})
        })
        .collect();
    reply(200, &json!({"issues": issues}))
}

#[tokio::test]
async fn a_walk_ends_after_300_absent_keys_and_is_shared() {
    let server = Server::start(project).await;
    let gateway = Gateway::new(server.client());
    let walked = gateway.walk("SEC".into(), 1000).await.unwrap();
    assert_eq!(
        (server.count("/bulkfetch"), walked.issues.len(), walked.highest),
        (3, 0, 1000)
    );

    let walks = join_all([10, 40, 11].map(|after| gateway.walk("SEC".into(), after))).await;
    for walked in walks {
        let walked = walked.unwrap();
        assert_eq!((walked.highest, walked.issues.len()), (540, 1));
        assert_eq!(walked.issues[0].key, "SEC-250");
    }
    // From 11 on: the last present is 540, so the keys up to 840 at least are read, once for all three.
    assert_eq!(server.count("/bulkfetch") - 3, 9);
    assert_eq!(asked(&server.received()[3])[0], "SEC-11");
}

#[tokio::test]
async fn a_moved_issue_lengthens_a_walk() {
    let server = Server::start(|request| {
        let moved = asked(request).contains(&"SEC-205".to_owned());
        let issues = if moved {
            json!([{"id": "1", "key": "OPS-3", "properties": {ISSUE_PROPERTY: 1}}])
        } else {
            json!([])
        };
        reply(200, &json!({"issues": issues}))
    })
    .await;
    let walked = Gateway::new(server.client()).walk("SEC".into(), 0).await.unwrap();
    assert_eq!(
        (walked.issues.len(), walked.highest, server.count("/bulkfetch")),
        (1, 0, 6)
    );
}

#[tokio::test]
async fn the_highest_number_is_asked_for_once_and_then_raised() {
    let server = Server::start(|_| reply(200, &json!({"issues": [{"id": 1, "key": "SEC-41"}], "isLast": true}))).await;
    let gateway = Gateway::new(server.client());
    gateway.note_key("SEC-7");
    let both = join_all([gateway.highest_known("SEC"), gateway.highest_known("SEC")]).await;
    assert!(both.into_iter().all(|highest| highest == Ok(41)));
    gateway.note_key("SEC-52");
    gateway.note_key("not a key");
    assert_eq!(gateway.highest_known("SEC").await, Ok(52));
    assert_eq!(server.count("/search/jql"), 1);
}

#[tokio::test]
async fn issues_by_creator_are_those_with_our_property() {
    let server = Server::start(|_| {
        reply(
            200,
            &json!({"isLast": true, "issues": [{"id": 1, "properties": {ISSUE_PROPERTY: {}}}, {"id": 2}]}),
        )
    })
    .await;
    let gateway = Gateway::new(server.client());
    let found = join_all([5, 9].map(|minutes| gateway.look_up_by_creator("SEC".into(), minutes))).await;
    for issues in found {
        assert_eq!(
            issues
                .unwrap()
                .iter()
                .map(|issue| issue.id.as_str())
                .collect::<Vec<_>>(),
            ["1"]
        );
    }
    assert_eq!(server.count("/search/jql"), 1);
    assert!(server.received()[0].body["jql"].as_str().unwrap().contains("-9m"));
}
