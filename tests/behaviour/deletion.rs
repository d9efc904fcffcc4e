//! What becomes of an issue when its finding goes.

use kube::api::{Patch, PatchParams};
use serde_json::json;
use support::eventually;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Test, World, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("deletion::close_closes_with_a_comment", close_closes),
        test("deletion::orphan_leaves_the_issue_alone", orphan_leaves),
        test("deletion::delete_deletes", delete_deletes),
        test("deletion::a_member_that_stays_keeps_the_issue", a_member_that_stays),
        test("deletion::what_blocks_it_ends_in_time", what_blocks_it_ends),
        test(
            "deletion::without_its_configuration_a_finding_is_let_go_after_the_limit",
            refused_is_let_go,
        ),
    ]
}

async fn gone(world: &World, name: &str) -> Outcome {
    let api = world.findings();
    eventually(DEADLINE, &format!("{name} is gone"), || async {
        match api.get_opt(name).await? {
            None => Ok(Some(())),
            Some(finding) => Err(crate::world::summary(&finding).into()),
        }
    })
    .await
}

async fn deleted_under(world: &World, policy: &str) -> support::Result<String> {
    world.connection(json!({})).await?;
    world
        .configuration("shop", "SEC", json!({"deletionPolicy": policy}))
        .await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    world.delete_finding("f").await?;
    gone(world, "f").await?;
    Ok(key)
}

async fn close_closes(world: World) -> Outcome {
    let _operator = world.operator()?;
    let key = deleted_under(&world, "Close").await?;
    let issue = world.sim.issue(&key).ok_or("the issue is gone")?;
    ensure!(issue.status == "Done", "{}", issue.status);
    ensure!(issue.comments.len() == 1, "{} comments", issue.comments.len());
    Ok(())
}

async fn orphan_leaves(world: World) -> Outcome {
    let _operator = world.operator()?;
    let key = deleted_under(&world, "Orphan").await?;
    let issue = world.sim.issue(&key).ok_or("the issue is gone")?;
    ensure!(issue.status == "To Do" && issue.comments.is_empty(), "{issue:?}");
    Ok(())
}

async fn delete_deletes(world: World) -> Outcome {
    let _operator = world.operator()?;
    let key = deleted_under(&world, "Delete").await?;
    ensure!(
        world.sim.issue(&key).is_none_or(|issue| issue.deleted),
        "the issue is still there"
    );
    Ok(())
}

async fn a_member_that_stays(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("one", json!({"fingerprint": "same"})).await?;
    world.finding("two", json!({"fingerprint": "same"})).await?;
    let key = world.in_sync("one").await?;
    world.in_sync("two").await?;
    world.delete_finding("one").await?;
    gone(&world, "one").await?;
    ensure!(
        world.sim.issue(&key).ok_or("gone")?.status == "To Do",
        "the issue stays open"
    );
    world.delete_finding("two").await?;
    gone(&world, "two").await?;
    ensure!(
        world.sim.issue(&key).ok_or("gone")?.status == "Done",
        "the last one closes it"
    );
    Ok(())
}

async fn what_blocks_it_ends(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world
        .configuration("shop", "SEC", json!({"deletionTimeout": "3s"}))
        .await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    world.sim.outage(true);
    world.delete_finding("f").await?;
    gone(&world, "f").await?;
    ensure!(
        world.sim.issue(&key).ok_or("gone")?.status == "To Do",
        "nothing could be done"
    );
    let logs = world.logs();
    ensure!(
        logs.contains("left open") && logs.contains(&key),
        "the log names the issue"
    );
    let events: kube::Api<k8s_openapi::api::events::v1::Event> =
        kube::Api::namespaced(world.client.clone(), &world.namespace);
    eventually(DEADLINE, "an event names the issue", || async {
        let all = events.list(&kube::api::ListParams::default()).await?.items;
        let named = all
            .iter()
            .any(|event| event.note.as_ref().is_some_and(|note| note.contains(&key)));
        Ok(named.then_some(()))
    })
    .await
}

/// Jira refused the creation, the configuration is gone: nothing holds the finding back.
async fn refused_is_let_go(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    let refusal = jira_sim::FaultKind::Status {
        code: 400,
        body: json!({"errorMessages": [], "errors": {"summary": "not this one"}}),
        headers: Vec::new(),
    };
    world.sim.fault(jira_sim::Fault::new("createIssue", refusal).times(100));
    world.finding("f", json!({})).await?;
    world.finding_tells("f", "RejectedByJira").await?;
    let patch = Patch::Merge(json!({"spec": {"suspend": true}}));
    world
        .configurations()
        .patch("shop", &PatchParams::default(), &patch)
        .await?;
    world
        .configurations()
        .delete("shop", &kube::api::DeleteParams::default())
        .await?;
    world.delete_finding("f").await?;
    gone(&world, "f").await
}
