//! The write-ahead record stands in the status: what users and agents do to an object meanwhile opens no second issue.

use std::time::Duration;

use jira_findings_operator::api::SecurityFinding;
use jira_sim::{Fault, FaultKind};
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::json;
use support::Operator;

use crate::ensure;
use crate::world::{Outcome, Result, Test, World, test, ticket_key};

pub fn tests() -> Vec<Test> {
    vec![
        test(
            "records::a_finding_replaced_while_its_creation_is_open_keeps_its_issue",
            replaced,
        ),
        test("records::a_finding_forced_away_and_made_again_owns_the_issue", forced),
        test(
            "records::a_grouped_field_edited_while_the_creation_is_open_opens_no_second_issue",
            edited,
        ),
        test(
            "records::a_manifest_copied_under_another_name_gets_an_issue_of_its_own",
            copied,
        ),
        test(
            "records::a_hit_of_a_search_that_cannot_be_read_opens_no_second_issue",
            unread,
        ),
    ]
}

fn has_record(finding: &SecurityFinding) -> bool {
    let ticket = finding.status.as_ref().and_then(|status| status.ticket.as_ref());
    ticket.is_some_and(|ticket| ticket.attempt.is_some())
}

/// Creates `f`, whose creation Jira executes and answers too late; returns once the record is open.
async fn open_creation(
    world: &World,
    configuration: serde_json::Value,
    spec: serde_json::Value,
) -> Result<SecurityFinding> {
    // Longer than the operator waits for the reply: a look-up by label finds nothing yet when the creation has failed.
    world.sim.set_index_lag(Duration::from_secs(5));
    world
        .sim
        .fault(Fault::once("createIssue", FaultKind::ApplyThenDelay { millis: 10_000 }));
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", configuration).await?;
    world.finding("f", spec).await?;
    world.finding_is("f", "has an open record", has_record).await
}

/// Starts the operator for a Jira whose search lags by five seconds.
fn slow_index(world: &World) -> Result<Operator> {
    world.builder().index_lag("6s").start()
}

async fn one_issue_owned_by(world: &World, name: &str) -> Outcome {
    let key = world.in_sync(name).await?;
    let issues = world.sim.issues();
    ensure!(issues.len() == 1, "{} issues", issues.len());
    ensure!(issues[0].key == key, "{name} has {key}, the issue is {}", issues[0].key);
    let finding = world.findings().get(name).await?;
    ensure!(!has_record(&finding), "the record is still open");
    ensure!(!finding.finalizers().is_empty(), "the finalizer is missing");
    Ok(())
}

async fn replaced(world: World) -> Outcome {
    let mut operator = slow_index(&world)?;
    let mut finding = open_creation(&world, json!({}), json!({})).await?;
    // What this process remembers is gone; only the status tells of the creation.
    operator.kill()?;
    // What `kubectl replace` does with a manifest from Git.
    finding.metadata.finalizers = None;
    finding.metadata.annotations = None;
    finding.status = None;
    world.findings().replace("f", &PostParams::default(), &finding).await?;
    operator.restart()?;
    one_issue_owned_by(&world, "f").await
}

async fn forced(world: World) -> Outcome {
    let _operator = slow_index(&world)?;
    let finding = open_creation(&world, json!({}), json!({})).await?;
    world
        .patch_finding("f", json!({"metadata": {"finalizers": null}}))
        .await?;
    world.delete_finding("f").await?;
    world.finding("f", json!({})).await?;
    let again = world.findings().get("f").await?;
    ensure!(again.uid() != finding.uid(), "the finding is still the same object");
    one_issue_owned_by(&world, "f").await
}

async fn edited(world: World) -> Outcome {
    let mut operator = slow_index(&world)?;
    let grouping = json!({"grouping": {"by": ["asset.name"], "maxFindings": 1}});
    open_creation(&world, grouping, json!({"asset": {"name": "web"}})).await?;
    operator.kill()?;
    world
        .patch_finding("f", json!({"spec": {"asset": {"name": "api"}}}))
        .await?;
    operator.restart()?;
    one_issue_owned_by(&world, "f").await
}

/// The search shows the issue, and `bulkfetch` leaves it out for a while.
async fn unread(world: World) -> Outcome {
    let mut operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    operator.kill()?;
    // The object comes back as it stands in Git, and the new process knows nothing of the issue.
    world
        .patch_finding("f", json!({"metadata": {"finalizers": null}}))
        .await?;
    world.delete_finding("f").await?;
    world.finding("f", json!({})).await?;
    let nothing = FaultKind::Status {
        code: 200,
        body: json!({"issues": [], "issueErrors": []}),
        headers: vec![("X-AAccountId".to_owned(), jira_sim::DEFAULT_ACCOUNT.to_owned())],
    };
    world.sim.fault(Fault::new("bulkFetchIssues", nothing).times(2));
    operator.restart()?;
    world.finding_tells("f", "OutcomeUnknown").await?;
    let again = world.in_sync("f").await?;
    ensure!(again == key, "{again} after {key}");
    ensure!(world.sim.issues().len() == 1, "a second issue");
    Ok(())
}

async fn copied(world: World) -> Outcome {
    let _operator = slow_index(&world)?;
    let finding = open_creation(&world, json!({}), json!({})).await?;
    let mut copy = SecurityFinding::new("g", finding.spec.clone());
    copy.metadata.annotations = finding.metadata.annotations.clone();
    copy.metadata.finalizers = finding.metadata.finalizers.clone();
    copy.status = finding.status.clone();
    world.findings().create(&PostParams::default(), &copy).await?;
    let (f, g) = (world.in_sync("f").await?, world.in_sync("g").await?);
    ensure!(f != g, "both have {f}");
    ensure!(world.sim.issues().len() == 2, "{} issues", world.sim.issues().len());
    let finding = world.findings().get("g").await?;
    ensure!(ticket_key(&finding) == Some(g), "g has another issue");
    Ok(())
}
