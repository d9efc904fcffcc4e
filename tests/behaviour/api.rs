//! What the API server accepts, and with which words it refuses the rest.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::{Value, json};

use crate::ensure;
use crate::world::{Outcome, Test, World, merge, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("api::good_objects_are_accepted", good_objects),
        test("api::bad_objects_are_refused_with_what_must_be", bad_objects),
        test("api::identity_and_fingerprint_stay", immutable),
        test("api::the_operator_cannot_list_secrets", no_secrets),
    ]
}

fn good(kind: &str) -> Value {
    match kind {
        "JiraConnection" => json!({
            "url": "https://acme.atlassian.net",
            "auth": {"basic": {"email": "jira@acme.test", "tokenSecretRef": {"name": "jira"}}},
        }),
        "TicketConfiguration" => json!({"connectionRef": {"name": "acme"}, "projectKey": "SEC", "issueType": "Bug"}),
        _ => json!({"title": "t"}),
    }
}

async fn create(world: &World, kind: &str, name: &str, spec: Value) -> Result<DynamicObject, String> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("jira-findings.dev", "v1alpha1", kind));
    let api: kube::Api<DynamicObject> = kube::Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let object = DynamicObject::new(name, &resource).data(json!({"spec": spec}));
    let strict = PostParams::default();
    api.create(&strict, &object).await.map_err(|error| error.to_string())
}

async fn good_objects(world: World) -> Outcome {
    let extras = [
        (
            "JiraConnection",
            json!({"requestTimeout": "5m", "rateLimit": {"burst": 1}, "url": "http://127.0.0.1:8080"}),
        ),
        (
            "JiraConnection",
            json!({"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}),
        ),
        (
            "TicketConfiguration",
            json!({"statusSync": {"interval": "1h", "mapping": [
            {"state": "Active", "jiraStatuses": ["To Do", "Backlog"]}, {"state": "Fixed", "jiraStatuses": ["Done"]}]}}),
        ),
        (
            "TicketConfiguration",
            json!({"identity": "security/old-name", "deletionTimeout": "1d"}),
        ),
        (
            "TicketConfiguration",
            json!({"fields": {"components": ["a"], "dueDate": {"Critical": "7d"}, "parent": "SEC-1", "custom": [
                {"field": "Team", "value": "Web"}, {"field": "Odd", "json": {"any": ["thing", {"deep": 1}]}},
                {"field": "Regions", "json": ["a", "b"]}, {"field": "Score", "json": 7}]},
                "assignee": {"email": "mia@acme.test"}}),
        ),
        ("TicketConfiguration", json!({"assignee": {"unassigned": true}})),
        (
            "SecurityFinding",
            json!({"ticket": {"assignee": {"accountId": "712020:ab-c"}}}),
        ),
        (
            "SecurityFinding",
            json!({"severity": "Critical", "state": "AcceptedRisk", "asset": {"port": 443}}),
        ),
    ];
    for (at, (kind, extra)) in extras.into_iter().enumerate() {
        let mut spec = good(kind);
        merge(&mut spec, extra.clone());
        create(&world, kind, &format!("good-{at}"), spec)
            .await
            .map_err(|error| format!("{kind} {extra}: {error}"))?;
    }
    let made = create(&world, "TicketConfiguration", "defaults", good("TicketConfiguration")).await?;
    ensure!(made.data["spec"]["statusSync"]["interval"] == "1m", "{}", made.data);
    ensure!(
        made.data["spec"]["deletionPolicy"] == "Close" && made.data["spec"]["weight"] == 100,
        "{}",
        made.data
    );
    Ok(())
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn bad_objects(world: World) -> Outcome {
    let cases = [
        ("JiraConnection", json!({"url": "ftp://acme"}), "spec.url"),
        ("JiraConnection", json!({"url": "https://acme.test/path"}), "spec.url"),
        (
            "JiraConnection",
            json!({"auth": {"basic": null}}),
            "auth must have exactly one of",
        ),
        (
            "JiraConnection",
            json!({"auth": {"basic": {"email": "nobody"}}}),
            "spec.auth.basic.email",
        ),
        (
            "JiraConnection",
            json!({"requestTimeout": "6m"}),
            "requestTimeout must be from 1s to 5m",
        ),
        (
            "JiraConnection",
            json!({"requestTimeout": "soon"}),
            "spec.requestTimeout",
        ),
        (
            "JiraConnection",
            json!({"allowedNamespaces": {"from": "Selector"}}),
            "selector must be set",
        ),
        ("TicketConfiguration", json!({"projectKey": "sec"}), "spec.projectKey"),
        ("TicketConfiguration", json!({"mode": "Maybe"}), "spec.mode"),
        (
            "TicketConfiguration",
            json!({"priority": {"remap": {"High": "High"}}}),
            "Required",
        ),
        (
            "TicketConfiguration",
            json!({"statusSync": {"interval": "2h"}}),
            "interval must be from 1s to 1h",
        ),
        (
            "TicketConfiguration",
            json!({"statusSync": {"mapping": [
                {"state": "Active", "jiraStatuses": ["To Do"]}, {"state": "Fixed", "jiraStatuses": ["to do"]}]}}),
            "mapping must use each Jira status once",
        ),
        (
            "TicketConfiguration",
            json!({"statusSync": {"mapping": [
                {"state": "Active", "jiraStatuses": ["A"]}, {"state": "Active", "jiraStatuses": ["B"]}]}}),
            "Duplicate",
        ),
        (
            "TicketConfiguration",
            json!({"fields": {"custom": [{"field": "Team", "value": "a", "json": 1}]}}),
            "spec.fields.custom[0]",
        ),
        (
            "TicketConfiguration",
            json!({"fields": {"custom": [{"field": "Team"}]}}),
            "spec.fields.custom[0]",
        ),
        (
            "TicketConfiguration",
            json!({"fields": {"custom": [{"field": "Team", "value": "a"}, {"field": "Team", "value": "b"}]}}),
            "Duplicate",
        ),
        (
            "TicketConfiguration",
            json!({"fields": {"dueDate": {"High": "soon"}}}),
            "spec.fields.dueDate.High",
        ),
        (
            "TicketConfiguration",
            json!({"assignee": {"email": "mia@acme.test", "unassigned": true}}),
            "assignee must have exactly one of: accountId, email, unassigned",
        ),
        (
            "TicketConfiguration",
            json!({"assignee": {"unassigned": false}}),
            "unassigned must be true or absent",
        ),
        (
            "SecurityFinding",
            json!({"ticket": {"assignee": {"email": "nobody"}}}),
            "spec.ticket.assignee.email",
        ),
        ("SecurityFinding", json!({"title": ""}), "spec.title"),
        ("SecurityFinding", json!({"severity": "Apocalyptic"}), "spec.severity"),
        ("SecurityFinding", json!({"asset": {"port": 70_000}}), "spec.asset.port"),
        (
            "SecurityFinding",
            json!({"description": "x".repeat(140_000)}),
            "spec.description",
        ),
    ];
    for (at, (kind, extra, named)) in cases.into_iter().enumerate() {
        let mut spec = good(kind);
        merge(&mut spec, extra.clone());
        let shown: String = extra.to_string().chars().take(120).collect();
        match create(&world, kind, &format!("bad-{at}"), spec).await {
            Ok(_) => return Err(format!("{kind} {shown} was accepted").into()),
            Err(error) => ensure!(error.contains(named), "{kind} {shown}: {error}"),
        }
    }
    Ok(())
}

async fn immutable(world: World) -> Outcome {
    world.finding("f", json!({"fingerprint": "a"})).await?;
    let refused = world.patch_finding("f", json!({"spec": {"fingerprint": "b"}})).await;
    let error = refused.err().ok_or("the fingerprint was changed")?.to_string();
    ensure!(error.contains("fingerprint must stay as it is"), "{error}");
    world.configuration("c", "SEC", json!({})).await?;
    let patch = kube::api::Patch::Merge(json!({"spec": {"identity": "other"}}));
    let refused = world
        .configurations()
        .patch("c", &kube::api::PatchParams::default(), &patch)
        .await;
    let error = refused.err().ok_or("the identity was set later")?.to_string();
    ensure!(error.contains("identity must stay as it is"), "{error}");
    Ok(())
}

async fn no_secrets(world: World) -> Outcome {
    let client = world.as_operator().await?;
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> = kube::Api::namespaced(client, &world.namespace);
    secrets.get("jira").await?;
    let refused = secrets
        .list(&kube::api::ListParams::default())
        .await
        .err()
        .ok_or("Secrets can be listed")?;
    ensure!(refused.to_string().contains("forbidden"), "{refused}");
    Ok(())
}
