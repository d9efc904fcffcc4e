//! Status, both ways, and the price of nothing.

use std::time::Duration;

use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use support::eventually;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Test, World, state, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("sync::status_flows_both_ways", status_flows_both_ways),
        test(
            "sync::what_does_not_change_costs_nothing",
            what_does_not_change_costs_nothing,
        ),
        test("sync::a_restart_costs_nothing_either", a_restart_costs_nothing_either),
        test("sync::an_edit_is_read_back_once", an_edit_is_read_back_once),
        test("sync::a_mapping_is_followed", a_mapping_is_followed),
        test(
            "sync::switched_off_and_on_again_it_catches_up",
            switched_off_and_on_again,
        ),
        test(
            "sync::a_workflow_without_a_way_is_told",
            a_workflow_without_a_way_is_told,
        ),
        test("sync::a_moved_issue_is_followed", a_moved_issue_is_followed),
        test(
            "sync::a_deleted_issue_is_told_and_not_opened_again",
            a_deleted_issue_is_told,
        ),
    ]
}

async fn set_up(world: &World, project: &str, extra: serde_json::Value) -> Outcome {
    world.connection(json!({})).await?;
    world.configuration("shop", project, extra).await
}

async fn issue_is(world: &World, key: &str, status: &str) -> Outcome {
    eventually(DEADLINE, &format!("{key} is {status}"), || async {
        let now = world.sim.issue(key).ok_or("gone")?.status;
        if now == status { Ok(Some(())) } else { Err(now.into()) }
    })
    .await
}

async fn status_flows_both_ways(world: World) -> Outcome {
    let _operator = world.operator()?;
    // Two statuses of SEC mean "not begun"; which one a reopened issue goes to must be said.
    let mapping = json!({"statusSync": {"mapping": [{"state": "Active", "jiraStatuses": ["To Do", "Backlog"]}]}});
    set_up(&world, "SEC", mapping).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    world.sim.human_transition(&key, "In Progress");
    let finding = world
        .finding_is("f", "follows the board", |finding| state(finding) == "InProgress")
        .await?;
    let status = finding.status.ok_or("no status")?;
    ensure!(
        format!("{:?}", status.state_source) == "Some(JiraStatus)",
        "{:?}",
        status.state_source
    );
    world.patch_finding("f", json!({"spec": {"state": "Fixed"}})).await?;
    issue_is(&world, &key, "Done").await?;
    world.finding_tells("f", "Closed").await?;
    // Found again: one transition leads back.
    world.patch_finding("f", json!({"spec": {"state": "Active"}})).await?;
    world
        .finding_is("f", "is open again", |finding| state(finding) == "Active")
        .await?;
    eventually(DEADLINE, "the issue is open again", || async {
        let now = world.sim.issue(&key).ok_or("gone")?.status;
        if now == "Done" { Err(now.into()) } else { Ok(Some(())) }
    })
    .await?;
    ensure!(world.sim.issues().len() == 1, "no second issue");
    world.sim.human_transition(&key, "Done");
    world
        .finding_is("f", "follows a person's close", |finding| state(finding) == "Fixed")
        .await?;
    Ok(())
}

/// Waits for three polls to pass and tells how many other calls were made meanwhile.
async fn three_polls(world: &World) -> support::Result<Vec<String>> {
    let polls = || {
        world
            .sim
            .log()
            .iter()
            .filter(|entry| entry.path.ends_with("/search/jql"))
            .count()
    };
    let before = polls();
    eventually(DEADLINE, "three polls", || async {
        Ok((polls() >= before + 3).then_some(()))
    })
    .await?;
    let others = world
        .sim
        .log()
        .into_iter()
        .filter(|entry| !entry.path.ends_with("/search/jql"));
    Ok(others.map(|entry| format!("{} {}", entry.method, entry.path)).collect())
}

async fn versions(world: &World) -> support::Result<Vec<Option<String>>> {
    let all = world.findings().list(&ListParams::default()).await?.items;
    Ok(all
        .into_iter()
        .map(|finding| finding.metadata.resource_version)
        .collect())
}

async fn quiet(world: &World) -> Outcome {
    // The first polls may read what was just written; then there is silence.
    eventually(DEADLINE, "silence", || async {
        world.sim.clear_log();
        let calls = three_polls(world).await?;
        if calls.is_empty() {
            Ok(Some(()))
        } else {
            Err(calls.join(", ").into())
        }
    })
    .await
}

async fn what_does_not_change_costs_nothing(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(&world, "SEC", json!({})).await?;
    for at in 0..5 {
        world.finding(&format!("f{at}"), json!({})).await?;
    }
    for at in 0..5 {
        world.in_sync(&format!("f{at}")).await?;
    }
    quiet(&world).await?;
    let before = versions(&world).await?;
    world.sim.clear_log();
    let calls = three_polls(&world).await?;
    ensure!(calls.is_empty(), "calls beyond the poll: {calls:?}");
    ensure!(versions(&world).await? == before, "the API server was written to");
    Ok(())
}

async fn an_edit_is_read_back_once(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(&world, "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    world.in_sync("f").await?;
    quiet(&world).await?;
    world.sim.clear_log();
    world
        .patch_finding("f", json!({"spec": {"description": "Now it says more."}}))
        .await?;
    eventually(DEADLINE, "the issue says so", || async {
        let issue = world.sim.issues().pop().ok_or("no issue")?;
        Ok(issue.description.to_string().contains("Now it says more").then_some(()))
    })
    .await?;
    // What the polls show is our own write, whose outcome is known already.
    three_polls(&world).await?;
    three_polls(&world).await?;
    let (edits, reads) = (
        world.sim.count("PUT", "editIssue"),
        world.sim.count("POST", "bulkFetchIssues"),
    );
    ensure!((edits, reads) == (1, 2), "{edits} edits, {reads} reads");
    Ok(())
}

async fn a_restart_costs_nothing_either(world: World) -> Outcome {
    let mut operator = world.operator()?;
    set_up(&world, "SEC", json!({})).await?;
    for at in 0..5 {
        world.finding(&format!("f{at}"), json!({})).await?;
    }
    for at in 0..5 {
        world.in_sync(&format!("f{at}")).await?;
    }
    operator.stop(Duration::from_secs(30)).await?;
    let before = versions(&world).await?;
    world.sim.clear_log();
    operator.restart()?;
    quiet(&world).await?;
    ensure!(versions(&world).await? == before, "the API server was written to");
    let writes: Vec<String> = world
        .sim
        .log()
        .into_iter()
        .filter(|entry| entry.method == "PUT" || entry.is_create())
        .map(|entry| entry.path)
        .collect();
    ensure!(writes.is_empty(), "{writes:?}");
    Ok(())
}

async fn a_mapping_is_followed(world: World) -> Outcome {
    let _operator = world.operator()?;
    let mapping = json!({"statusSync": {"mapping": [
        {"state": "Active", "jiraStatuses": ["to do", "Backlog"]},
        {"state": "WaitingForThirdParty", "jiraStatuses": ["In Progress"]},
        {"state": "AcceptedRisk", "jiraStatuses": ["Done"]},
    ]}});
    set_up(&world, "SEC", mapping).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    world.sim.human_transition(&key, "Backlog");
    world
        .finding_is("f", "shows the board", |finding| {
            let ticket = finding.status.as_ref().and_then(|status| status.ticket.as_ref());
            ticket
                .and_then(|ticket| ticket.status.as_ref())
                .is_some_and(|status| status.name == "Backlog")
        })
        .await?;
    ensure!(
        state(&world.findings().get("f").await?) == "Active",
        "a move inside one state's list moves nothing"
    );
    world.sim.human_transition(&key, "In Progress");
    world
        .finding_is("f", "waits", |finding| state(finding) == "WaitingForThirdParty")
        .await?;
    world
        .patch_finding("f", json!({"spec": {"state": "AcceptedRisk"}}))
        .await?;
    issue_is(&world, &key, "Done").await
}

async fn switched_off_and_on_again(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(&world, "SEC", json!({})).await?;
    world.finding("pulled", json!({})).await?;
    world.finding("pushed", json!({})).await?;
    let pulled = world.in_sync("pulled").await?;
    let pushed = world.in_sync("pushed").await?;
    let switch = |enabled: bool| {
        let patch = Patch::Merge(json!({"spec": {"statusSync": {"enabled": enabled}}}));
        let api = world.configurations();
        async move { api.patch("shop", &PatchParams::default(), &patch).await }
    };
    let generation = switch(false).await?.metadata.generation;
    let api = world.configurations();
    eventually(DEADLINE, "the switch is seen", || async {
        let status = api.get("shop").await?.status.unwrap_or_default();
        Ok((status.observed_generation == generation).then_some(()))
    })
    .await?;
    world.sim.human_transition(&pulled, "In Progress");
    world
        .patch_finding("pushed", json!({"spec": {"state": "Fixed"}}))
        .await?;
    world
        .finding_is("pushed", "is looked at", |finding| {
            finding
                .status
                .as_ref()
                .is_some_and(|status| status.observed_generation == finding.metadata.generation)
        })
        .await?;
    ensure!(
        world.sim.issue(&pushed).ok_or("gone")?.status == "To Do",
        "nothing flows to Jira"
    );
    ensure!(
        state(&world.findings().get("pulled").await?) == "Active",
        "nothing flows from Jira"
    );
    switch(true).await?;
    world
        .finding_is("pulled", "catches up", |finding| state(finding) == "InProgress")
        .await?;
    issue_is(&world, &pushed, "Done").await
}

async fn a_workflow_without_a_way_is_told(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(
        &world,
        "STRICT",
        json!({"statusSync": {"conflictPolicy": "FindingWins"}}),
    )
    .await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    world.patch_finding("f", json!({"spec": {"state": "Fixed"}})).await?;
    let told = world.finding_tells("f", "TransitionBlocked").await?;
    ensure!(
        told.message.contains("Open") && told.message.contains("In Progress"),
        "{}",
        told.message
    );
    // A person moves it to where one step leads on; the required resolution is given.
    world.sim.human_transition(&key, "In Review");
    issue_is(&world, &key, "Done").await?;
    world.finding_tells("f", "Closed").await?;
    ensure!(
        world.sim.issue(&key).ok_or("gone")?.resolution.is_some(),
        "the resolution is set"
    );
    Ok(())
}

async fn a_moved_issue_is_followed(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(&world, "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    world.sim.move_issue(&key, "TEAM");
    let finding = world
        .finding_is("f", "follows the move", |finding| {
            crate::world::ticket_key(finding).is_some_and(|now| now.starts_with("TEAM-"))
        })
        .await?;
    let ticket = finding.status.and_then(|status| status.ticket).ok_or("no ticket")?;
    ensure!(ticket.project.as_deref() == Some("TEAM"), "{:?}", ticket.project);
    Ok(())
}

async fn a_deleted_issue_is_told(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(&world, "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    world.sim.delete_issue(&key);
    world.patch_finding("f", json!({"spec": {"title": "changed"}})).await?;
    let told = world.finding_tells("f", "IssueLost").await?;
    ensure!(
        told.status == "False" && told.message.contains(&key),
        "{}",
        told.message
    );
    ensure!(world.sim.issues().iter().all(|issue| issue.deleted), "no new issue");
    Ok(())
}
