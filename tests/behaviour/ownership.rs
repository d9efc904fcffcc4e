//! Who owns a field of an open issue, and at what pace the issue is edited.

use std::time::{Duration, Instant};

use jira_sim::IssueView;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::eventually;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Result, Test, World, merge, ready, state, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("ownership::a_persons_edit_survives", a_persons_edit_survives),
        test(
            "ownership::what_is_always_ours_is_put_back_once",
            what_is_always_ours_is_put_back_once,
        ),
        test(
            "ownership::what_is_written_once_is_never_sent_again",
            what_is_written_once,
        ),
        test("ownership::labels_come_and_go_as_their_policy_says", labels_come_and_go),
        test("ownership::an_assignee_follows_the_wish", an_assignee_follows_the_wish),
        test(
            "ownership::edits_are_coalesced_also_over_a_restart",
            edits_are_coalesced,
        ),
        test("ownership::severity_does_not_wait", severity_does_not_wait),
        test(
            "ownership::an_edit_whose_report_is_lost_is_no_persons",
            an_edit_whose_report_is_lost,
        ),
    ]
}

fn remap() -> Value {
    json!({"Critical": "Highest", "High": "High", "Medium": "Medium", "Low": "Low", "Informational": "Lowest", "Unknown": "Medium"})
}

async fn start(world: &World, spec: Value) -> Result<String> {
    let mut all = json!({"minUpdateInterval": "0s", "priority": {"remap": remap()}});
    merge(&mut all, spec);
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", all).await?;
    world
        .finding("f", json!({"title": "first", "description": "one"}))
        .await?;
    world.in_sync("f").await
}

async fn issue_is(
    world: &World,
    key: &str,
    what: &str,
    wanted: impl Fn(&IssueView) -> bool + Sync,
) -> Result<IssueView> {
    eventually(DEADLINE, &format!("{key} {what}"), || async {
        let issue = world.sim.issue(key).ok_or("gone")?;
        if wanted(&issue) {
            Ok(Some(issue))
        } else {
            Err(format!("{} {:?} {:?}", issue.summary, issue.labels, issue.assignee).into())
        }
    })
    .await
}

fn says(issue: &IssueView, text: &str) -> bool {
    issue.description.to_string().contains(text)
}

fn edits(world: &World) -> usize {
    world.sim.log().iter().filter(|entry| entry.method == "PUT").count()
}

fn document(text: &str) -> Value {
    json!({"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]})
}

/// Waits until the operator has read the issue as it is now: what a person does after all else reaches the finding.
async fn has_been_read(world: &World, key: &str) -> Outcome {
    let (status, wanted) = match world.sim.issue(key).ok_or("gone")?.status.as_str() {
        "In Progress" => ("To Do", "Active"),
        _ => ("In Progress", "InProgress"),
    };
    world.sim.human_transition(key, status);
    world
        .finding_is("f", "follows the board", |finding| state(finding) == wanted)
        .await?;
    Ok(())
}

async fn configure(world: &World, spec: Value) -> Outcome {
    let patch = Patch::Merge(json!({"spec": spec}));
    world
        .configurations()
        .patch("shop", &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

async fn a_persons_edit_survives(world: World) -> Outcome {
    let _operator = world.operator()?;
    let key = start(&world, json!({})).await?;
    world.sim.human_edit(
        &key,
        &json!({"summary": "a person's words", "priority": {"name": "Low"}}),
    );
    has_been_read(&world, &key).await?;
    world
        .patch_finding(
            "f",
            json!({"spec": {"title": "second", "description": "two", "severity": "Critical"}}),
        )
        .await?;
    let issue = issue_is(&world, &key, "has the new description", |issue| says(issue, "two")).await?;
    ensure!(issue.summary == "a person's words", "{}", issue.summary);
    ensure!(issue.priority.as_deref() == Some("Low"), "{:?}", issue.priority);
    Ok(())
}

async fn what_is_always_ours_is_put_back_once(world: World) -> Outcome {
    let _operator = world.operator()?;
    let key = start(&world, json!({"updatePolicy": {"summary": "Always"}})).await?;
    let (ours, before) = (world.sim.issue(&key).ok_or("gone")?.summary, edits(&world));
    world.sim.human_edit(
        &key,
        &json!({"summary": "a person's words", "description": document("mine")}),
    );
    issue_is(&world, &key, "is as it was", |issue| {
        issue.summary == ours && says(issue, "one")
    })
    .await?;
    has_been_read(&world, &key).await?;
    has_been_read(&world, &key).await?;
    ensure!(edits(&world) - before == 1, "{} edits", edits(&world) - before);
    // And once more, when the same is tried again.
    world.sim.human_edit(&key, &json!({"summary": "a person's words"}));
    issue_is(&world, &key, "is as it was again", |issue| issue.summary == ours).await?;
    has_been_read(&world, &key).await?;
    ensure!(edits(&world) - before == 2, "{} edits", edits(&world) - before);
    Ok(())
}

async fn what_is_written_once(world: World) -> Outcome {
    let _operator = world.operator()?;
    let policy = json!({"summary": "CreateOnly", "description": "CreateOnly", "priority": "CreateOnly"});
    let key = start(&world, json!({"updatePolicy": policy})).await?;
    let first = world.sim.issue(&key).ok_or("gone")?;
    world
        .patch_finding(
            "f",
            json!({"spec": {"title": "second", "description": "two", "severity": "Critical"}}),
        )
        .await?;
    has_been_read(&world, &key).await?;
    let now = world.sim.issue(&key).ok_or("gone")?;
    ensure!(
        now.summary == first.summary && now.priority == first.priority,
        "{} {:?}",
        now.summary,
        now.priority
    );
    ensure!(
        now.description == first.description && edits(&world) == 0,
        "{} edits",
        edits(&world)
    );
    Ok(())
}

async fn labels_come_and_go(world: World) -> Outcome {
    let _operator = world.operator()?;
    let key = start(&world, json!({"fields": {"labels": ["a", "b"]}})).await?;
    let without = |gone: &str| {
        let labels = world.sim.issue(&key).map(|issue| issue.labels).unwrap_or_default();
        let kept: Vec<String> = labels.into_iter().filter(|label| label != gone).collect();
        world.sim.human_edit(&key, &json!({"labels": kept}));
    };
    let has = |label: &'static str| move |issue: &IssueView| issue.labels.iter().any(|one| one == label);
    without("a");
    has_been_read(&world, &key).await?;
    ensure!(
        !has("a")(&world.sim.issue(&key).ok_or("gone")?),
        "a person took it away"
    );

    // Always: what is ours comes back. What a person took away before is a person's no longer.
    configure(&world, json!({"updatePolicy": {"labels": "Always"}})).await?;
    without("b");
    issue_is(&world, &key, "has its labels back", has("b")).await?;

    // CreateOnly: new ones are not added, and what people do stands; only the operator's own come back.
    configure(
        &world,
        json!({"updatePolicy": {"labels": "CreateOnly"}, "fields": {"labels": ["b", "c"]}}),
    )
    .await?;
    let own = world
        .sim
        .issue(&key)
        .and_then(|issue| issue.labels.into_iter().find(|label| label.starts_with("jfo-")));
    let own = own.ok_or("no label of the operator")?;
    without("b");
    without(&own);
    issue_is(&world, &key, "has the operator's label back", |issue| {
        issue.labels.contains(&own)
    })
    .await?;
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(!has("b")(&issue) && !has("c")(&issue), "{:?}", issue.labels);
    Ok(())
}

async fn an_assignee_follows_the_wish(world: World) -> Outcome {
    let _operator = world.operator()?;
    let (bot, person) = (jira_sim::DEFAULT_ACCOUNT, jira_sim::HUMAN_ACCOUNT);
    let spec = json!({"assignee": {"accountId": bot}, "updatePolicy": {"assignee": "UnlessEdited"}});
    let key = start(&world, spec).await?;
    let wish = |account: &str| json!({"spec": {"ticket": {"assignee": {"accountId": account}}}});
    let is = |account: &'static str| move |issue: &IssueView| issue.assignee.as_deref() == Some(account);
    issue_is(&world, &key, "is the bot's", is(bot)).await?;
    world.patch_finding("f", wish(person)).await?;
    issue_is(&world, &key, "is the person's", is(person)).await?;
    // What is seen in the moment after an edit counts as what Jira made of it.
    has_been_read(&world, &key).await?;
    // A person gives it back; a new wish does not take it away.
    world.sim.human_edit(&key, &json!({"assignee": null}));
    has_been_read(&world, &key).await?;
    world.patch_finding("f", wish(bot)).await?;
    has_been_read(&world, &key).await?;
    let assignee = world.sim.issue(&key).ok_or("gone")?.assignee;
    ensure!(assignee.is_none(), "{assignee:?}");
    configure(&world, json!({"updatePolicy": {"assignee": "Always"}})).await?;
    issue_is(&world, &key, "is the bot's again", is(bot)).await?;
    has_been_read(&world, &key).await?;
    world.sim.human_edit(&key, &json!({"assignee": {"accountId": person}}));
    issue_is(&world, &key, "is put back", is(bot)).await?;
    Ok(())
}

async fn edits_are_coalesced(world: World) -> Outcome {
    let mut operator = world.operator()?;
    let pace = Duration::from_secs(6);
    let key = start(&world, json!({"minUpdateInterval": "6s"})).await?;
    // The creation does not count.
    world
        .patch_finding("f", json!({"spec": {"description": "two"}}))
        .await?;
    issue_is(&world, &key, "has the first edit", |issue| says(issue, "two")).await?;
    let begun = Instant::now();
    for text in ["three", "four", "five"] {
        world.patch_finding("f", json!({"spec": {"description": text}})).await?;
        world
            .finding_is("f", "tells when the edit is due", |finding| {
                ready(finding).is_some_and(|one| {
                    one.message.contains("minUpdateInterval") && one.observed_generation == finding.metadata.generation
                })
            })
            .await?;
    }
    operator.kill()?;
    operator.restart()?;
    issue_is(&world, &key, "has the last text", |issue| says(issue, "five")).await?;
    // Times are kept to the second.
    ensure!(
        begun.elapsed() > pace.saturating_sub(Duration::from_secs(2)),
        "after {:?}",
        begun.elapsed()
    );
    ensure!(edits(&world) == 2, "{} edits", edits(&world));
    world.finding_tells("f", "InSync").await?;
    Ok(())
}

async fn severity_does_not_wait(world: World) -> Outcome {
    let _operator = world.operator()?;
    let key = start(&world, json!({"minUpdateInterval": "1h"})).await?;
    world
        .patch_finding("f", json!({"spec": {"description": "two"}}))
        .await?;
    issue_is(&world, &key, "has the first edit", |issue| says(issue, "two")).await?;
    world
        .patch_finding("f", json!({"spec": {"description": "three"}}))
        .await?;
    let waits = |finding: &_| ready(finding).is_some_and(|one| one.message.contains("minUpdateInterval"));
    world.finding_is("f", "waits", waits).await?;
    world
        .patch_finding("f", json!({"spec": {"severity": "Critical"}}))
        .await?;
    let issue = issue_is(&world, &key, "has the new priority", |issue| {
        issue.priority.as_deref() == Some("Highest")
    })
    .await?;
    ensure!(
        says(&issue, "three") && edits(&world) == 2,
        "it goes along with the severity"
    );
    // Somebody asks for a fresh look.
    world
        .patch_finding("f", json!({"spec": {"description": "four"}}))
        .await?;
    world.finding_is("f", "waits", waits).await?;
    world
        .patch_finding(
            "f",
            json!({"metadata": {"annotations": {"jira-findings.dev/reconcile-requested-at": "now"}}}),
        )
        .await?;
    issue_is(&world, &key, "has the text that was asked for", |issue| {
        says(issue, "four")
    })
    .await?;
    Ok(())
}

/// The process dies after an edit and before the finding knows of it: what stands in Jira is ours all the same.
async fn an_edit_whose_report_is_lost(world: World) -> Outcome {
    let mut operator = world.operator()?;
    let key = start(&world, json!({})).await?;
    for round in 0..3 {
        let (text, severity) = if round % 2 == 0 {
            ("two", "Low")
        } else {
            ("one", "Medium")
        };
        world.sim.set_latency(Duration::from_millis(150));
        let before = edits(&world);
        world
            .patch_finding("f", json!({"spec": {"title": text, "severity": severity}}))
            .await?;
        eventually(DEADLINE, "the edit is made", || async {
            Ok((edits(&world) > before).then_some(()))
        })
        .await?;
        operator.kill()?;
        world.sim.set_latency(Duration::ZERO);
        operator.restart()?;
    }
    world
        .patch_finding("f", json!({"spec": {"title": "the last", "severity": "Critical"}}))
        .await?;
    let issue = issue_is(&world, &key, "is as the finding", |issue| {
        issue.summary.contains("the last")
    })
    .await?;
    ensure!(issue.priority.as_deref() == Some("Highest"), "{:?}", issue.priority);
    Ok(())
}
