//! An existing issue becomes a ticket because a finding names it; nothing is ever opened in its place.

use std::time::Duration;

use jira_sim::{Fault, FaultKind};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::eventually;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Result, Test, World, merge, ready, state, summary, test, ticket_key};

pub fn tests() -> Vec<Test> {
    vec![
        test("adoption::what_people_wrote_stays_and_status_flows", adopts),
        test("adoption::people_are_ahead_of_a_finding_without_news", people_are_ahead),
        test("adoption::forbidden_unless_the_configuration_allows_it", forbidden),
        test("adoption::an_issue_that_does_not_fit_is_refused", unfit),
        test("adoption::of_two_claimants_one_wins", two_claimants),
        test(
            "adoption::another_installations_issue_is_left_alone",
            other_installation,
        ),
        test("adoption::a_claim_survives_a_crash", crash),
        test("adoption::a_claim_lost_in_a_crash_is_still_closed", crash_then_deleted),
        test("adoption::a_refused_claim_is_told", refused_claim),
        test("adoption::delete_closes_and_coming_back_finds_it", delete_closes),
    ]
}

/// Calls Jira as a person.
async fn person(world: &World, method: &str, path: &str, body: &Value) -> Result<Value> {
    let url = format!("{}/rest/api/3/{path}", world.sim.url());
    let request = reqwest::Client::new().request(method.parse()?, url);
    let request = request.basic_auth(jira_sim::HUMAN_EMAIL, Some(jira_sim::HUMAN_TOKEN));
    let answer = request.json(body).send().await?.error_for_status()?;
    Ok(serde_json::from_str(&answer.text().await?).unwrap_or_default())
}

/// A person opens an issue; gives its key.
async fn opened(world: &World, project: &str, issue_type: &str) -> Result<String> {
    let text = json!({"type": "text", "text": "What a person wrote."});
    let fields = json!({
        "project": {"key": project}, "issuetype": {"name": issue_type}, "summary": "A person's words",
        "labels": ["theirs"],
        "description": {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [text]}]},
    });
    let created = person(world, "POST", "issue", &json!({ "fields": fields })).await?;
    Ok(created["key"].as_str().ok_or("no key")?.to_owned())
}

async fn configured(world: &World, extra: Value) -> Outcome {
    world.connection(json!({})).await?;
    let mapping = json!([{"state": "Active", "jiraStatuses": ["To Do"]}]);
    let mut spec = json!({"adoption": "Allowed", "minUpdateInterval": "0s", "statusSync": {"mapping": mapping}});
    merge(&mut spec, extra);
    world.configuration("shop", "SEC", spec).await
}

async fn names(world: &World, name: &str, key: &str) -> Outcome {
    world.finding(name, json!({"ticket": {"issueKey": key}})).await
}

/// What must hold of an adopted issue for ever.
fn is_theirs_and_ours(world: &World, key: &str) -> Outcome {
    let issue = world.sim.issue(key).ok_or("gone")?;
    let text = issue.description.to_string();
    ensure!(issue.summary == "A person's words", "{}", issue.summary);
    ensure!(
        text.contains("What a person wrote.") && text.len() < 200,
        "the description was written"
    );
    let ours = |prefix: &str| issue.labels.iter().filter(|label| label.starts_with(prefix)).count();
    ensure!(
        ours("theirs") == 1 && ours("jfo-") == 1 && ours("jira-findings-") == 1,
        "labels {:?}",
        issue.labels
    );
    let property = issue.properties.get("jira-findings.dev").ok_or("no property")?;
    ensure!(property["adopted"] == json!(true), "{property}");
    ensure!(property["instance"] == json!(world.instance), "{property}");
    Ok(())
}

/// No issue but those that people opened.
fn none_opened(world: &World, people: usize) -> Outcome {
    let there = world.sim.issues().len();
    ensure!(there == people, "{there} issues, people opened {people}");
    Ok(())
}

async fn issue_is(world: &World, key: &str, status: &str) -> Outcome {
    eventually(DEADLINE, &format!("{key} is {status}"), || async {
        let now = world.sim.issue(key).ok_or("gone")?.status;
        if now == status { Ok(Some(())) } else { Err(now.into()) }
    })
    .await
}

async fn gone(world: &World, name: &str) -> Outcome {
    let api = world.findings();
    eventually(DEADLINE, &format!("{name} is gone"), || async {
        match api.get_opt(name).await? {
            None => Ok(Some(())),
            Some(finding) => Err(summary(&finding).into()),
        }
    })
    .await
}

async fn adopts(world: World) -> Outcome {
    let key = opened(&world, "SEC", "Bug").await?;
    let _operator = world.operator()?;
    configured(&world, json!({})).await?;
    names(&world, "f", &key).await?;
    ensure!(world.in_sync("f").await? == key, "another issue");
    let finding = world.findings().get("f").await?;
    let ticket = finding.status.and_then(|status| status.ticket).ok_or("no ticket")?;
    ensure!(ticket.adopted, "{ticket:?}");
    is_theirs_and_ours(&world, &key)?;

    world.sim.human_transition(&key, "In Progress");
    world
        .finding_is("f", "follows the issue", |finding| state(finding) == "InProgress")
        .await?;
    let news = json!({"spec": {"title": "Another title", "description": "Another text", "state": "Fixed"}});
    world.patch_finding("f", news).await?;
    issue_is(&world, &key, "Done").await?;
    world.finding_tells("f", "Closed").await?;
    world
        .patch_finding("f", json!({"spec": {"title": "A third title", "state": "Active"}}))
        .await?;
    issue_is(&world, &key, "To Do").await?;
    world.finding_tells("f", "InSync").await?;
    is_theirs_and_ours(&world, &key)?;
    none_opened(&world, 1)
}

async fn people_are_ahead(world: World) -> Outcome {
    let (doing, done) = (opened(&world, "SEC", "Bug").await?, opened(&world, "SEC", "Bug").await?);
    world.sim.human_transition(&doing, "In Progress");
    world.sim.human_transition(&done, "Done");
    let _operator = world.operator()?;
    configured(&world, json!({})).await?;
    names(&world, "doing", &doing).await?;
    names(&world, "done", &done).await?;
    world.in_sync("doing").await?;
    world.in_sync("done").await?;
    let (one, two) = (
        world.findings().get("doing").await?,
        world.findings().get("done").await?,
    );
    ensure!(state(&one) == "InProgress", "{}", summary(&one));
    ensure!(state(&two) == "Fixed", "{}", summary(&two));
    issue_is(&world, &doing, "In Progress").await?;
    issue_is(&world, &done, "Done").await?;
    none_opened(&world, 2)
}

async fn forbidden(world: World) -> Outcome {
    let key = opened(&world, "SEC", "Bug").await?;
    let _operator = world.operator()?;
    configured(&world, json!({"adoption": "Forbidden"})).await?;
    names(&world, "f", &key).await?;
    let told = world.finding_tells("f", "AdoptionForbidden").await?;
    ensure!(told.message.contains(&key), "{}", told.message);
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(issue.properties.is_empty() && issue.labels == ["theirs"], "{issue:?}");
    let allow = Patch::Merge(json!({"spec": {"adoption": "Allowed"}}));
    world
        .configurations()
        .patch("shop", &PatchParams::default(), &allow)
        .await?;
    ensure!(world.in_sync("f").await? == key, "another issue");
    none_opened(&world, 1)
}

async fn unfit(world: World) -> Outcome {
    let elsewhere = opened(&world, "STRICT", "Bug").await?;
    let task = opened(&world, "SEC", "Task").await?;
    let moved = opened(&world, "SEC", "Bug").await?;
    let moved_to = world.sim.move_issue(&moved, "STRICT");
    let _operator = world.operator()?;
    configured(&world, json!({})).await?;
    names(&world, "elsewhere", &elsewhere).await?;
    names(&world, "task", &task).await?;
    names(&world, "moved", &moved).await?;
    names(&world, "nowhere", "SEC-99").await?;
    let told = |text: String, parts: [&str; 2]| -> Outcome {
        ensure!(parts.iter().all(|part| text.contains(part)), "{text}");
        Ok(())
    };
    for (name, parts) in [
        ("elsewhere", [elsewhere.as_str(), "STRICT"]),
        ("task", [task.as_str(), "Task"]),
        ("moved", [moved.as_str(), moved_to.as_str()]),
        ("nowhere", ["SEC-99", "does not exist"]),
    ] {
        told(world.finding_tells(name, "IssueNotAdoptable").await?.message, parts)?;
        let finding = world.findings().get(name).await?;
        ensure!(finding.metadata.finalizers.is_none(), "{name} is held");
    }
    none_opened(&world, 3)?;
    for key in [&elsewhere, &task, &moved] {
        let issue = world.sim.issue(key).ok_or("gone")?;
        ensure!(issue.properties.is_empty() && issue.labels == ["theirs"], "{issue:?}");
    }
    // The wrong key is corrected.
    let right = opened(&world, "SEC", "Bug").await?;
    world
        .patch_finding("nowhere", json!({"spec": {"ticket": {"issueKey": right}}}))
        .await?;
    ensure!(world.in_sync("nowhere").await? == right, "another issue");
    // The type of the issue is corrected, and a fresh look asked for.
    person(
        &world,
        "PUT",
        &format!("issue/{task}"),
        &json!({"fields": {"issuetype": {"id": "10004"}}}),
    )
    .await?;
    let ask = json!({"metadata": {"annotations": {"jira-findings.dev/reconcile-requested-at": "now"}}});
    world.patch_finding("task", ask).await?;
    ensure!(world.in_sync("task").await? == task, "another issue");
    none_opened(&world, 4)
}

async fn two_claimants(world: World) -> Outcome {
    let first = opened(&world, "SEC", "Bug").await?;
    // Moved away and back: it answers to both keys.
    let away = world.sim.move_issue(&first, "STRICT");
    let second = world.sim.move_issue(&away, "SEC");
    world.sim.set_latency(Duration::from_millis(50));
    configured(&world, json!({})).await?;
    for at in 0..6 {
        names(&world, &format!("f{at}"), if at % 2 == 0 { &first } else { &second }).await?;
    }
    let _operator = world.operator()?;
    let api = world.findings();
    let all = eventually(DEADLINE, "all have an answer", || async {
        let all = api.list(&kube::api::ListParams::default()).await?.items;
        let told = |reason: &str| {
            all.iter()
                .filter(|one| ready(one).is_some_and(|ready| ready.reason == reason))
                .count()
        };
        let answered = (told("InSync"), told("IssueAlreadyClaimed"));
        if answered.0 + answered.1 == 6 {
            Ok(Some(all))
        } else {
            Err(format!("{answered:?}").into())
        }
    })
    .await?;
    let winners: Vec<_> = all.iter().filter(|one| ticket_key(one).is_some()).collect();
    ensure!(winners.len() == 1, "{} winners", winners.len());
    let winner = winners
        .first()
        .and_then(|one| one.metadata.name.clone())
        .ok_or("no name")?;
    for loser in all.iter().filter(|one| ticket_key(one).is_none()) {
        let message = ready(loser).map(|one| one.message.clone()).unwrap_or_default();
        let claimant = format!(
            "{}/{winner} under configuration {}/shop",
            world.namespace, world.namespace
        );
        ensure!(message.contains(&claimant), "{message}");
        ensure!(loser.metadata.finalizers.is_none(), "a loser is held");
    }
    is_theirs_and_ours(&world, &second)?;
    none_opened(&world, 1)
}

async fn other_installation(world: World) -> Outcome {
    let key = opened(&world, "SEC", "Bug").await?;
    let claim = json!({
        "instance": "elsewhere", "configuration": "team/theirs", "group": ["team", "x"], "slot": 0, "incarnation": 1,
    });
    person(
        &world,
        "PUT",
        &format!("issue/{key}/properties/jira-findings.dev"),
        &claim,
    )
    .await?;
    let _operator = world.operator()?;
    configured(&world, json!({})).await?;
    names(&world, "f", &key).await?;
    let told = world.finding_tells("f", "IssueAlreadyClaimed").await?.message;
    for part in [key.as_str(), "team/x", "team/theirs", "installation elsewhere"] {
        ensure!(told.contains(part), "{told}");
    }
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(issue.labels == ["theirs"], "{issue:?}");
    none_opened(&world, 1)
}

/// Starts a claim and dies with its answer on the way; search does not know of it.
async fn killed_while_claiming(world: &World, extra: Value) -> Result<(String, support::Operator)> {
    let key = opened(world, "SEC", "Bug").await?;
    world.sim.set_index_lag(Duration::from_mins(5));
    world
        .sim
        .fault(Fault::once("editIssue", FaultKind::ApplyThenDelay { millis: 20_000 }));
    configured(world, extra).await?;
    names(world, "f", &key).await?;
    let mut operator = world.operator()?;
    eventually(DEADLINE, "the claim is written", || async {
        let issue = world.sim.issue(&key).ok_or("gone")?;
        Ok((!issue.properties.is_empty()).then_some(()))
    })
    .await?;
    operator.kill()?;
    let finding = world.findings().get("f").await?;
    ensure!(ticket_key(&finding).is_none(), "it knows of its ticket already");
    ensure!(finding.metadata.finalizers.is_some(), "it is not held");
    Ok((key, operator))
}

async fn crash(world: World) -> Outcome {
    let (key, mut operator) = killed_while_claiming(&world, json!({})).await?;
    operator.restart()?;
    ensure!(world.in_sync("f").await? == key, "another issue");
    is_theirs_and_ours(&world, &key)?;
    none_opened(&world, 1)
}

async fn crash_then_deleted(world: World) -> Outcome {
    let (key, mut operator) = killed_while_claiming(&world, json!({"deletionPolicy": "Delete"})).await?;
    world.delete_finding("f").await?;
    operator.restart()?;
    gone(&world, "f").await?;
    issue_is(&world, &key, "Done").await?;
    is_theirs_and_ours(&world, &key)?;
    none_opened(&world, 1)
}

/// Jira's own refusals of the claim: told, tried again when asked.
async fn refused_claim(world: World) -> Outcome {
    let key = opened(&world, "SEC", "Bug").await?;
    world.sim.deny(jira_sim::DEFAULT_ACCOUNT, "EDIT_ISSUES");
    let _operator = world.operator()?;
    configured(&world, json!({})).await?;
    names(&world, "f", &key).await?;
    let told = world.finding_tells("f", "RejectedByJira").await?.message;
    ensure!(told.contains("permission"), "{told}");
    world.sim.allow(jira_sim::DEFAULT_ACCOUNT, "EDIT_ISSUES");
    let ask = json!({"metadata": {"annotations": {"jira-findings.dev/reconcile-requested-at": "now"}}});
    world.patch_finding("f", ask).await?;
    ensure!(world.in_sync("f").await? == key, "another issue");
    none_opened(&world, 1)
}

async fn delete_closes(world: World) -> Outcome {
    let key = opened(&world, "SEC", "Bug").await?;
    let _operator = world.operator()?;
    configured(&world, json!({"deletionPolicy": "Delete"})).await?;
    names(&world, "f", &key).await?;
    world.in_sync("f").await?;
    world.delete_finding("f").await?;
    gone(&world, "f").await?;
    let issue = world.sim.issue(&key).ok_or("the issue was deleted")?;
    ensure!(issue.status == "Done" && issue.comments.len() == 1, "{}", issue.status);
    // It finds the issue again, by its label: it names none now.
    world.finding("f", json!({})).await?;
    ensure!(world.in_sync("f").await? == key, "another issue");
    issue_is(&world, &key, "To Do").await?;
    let finding = world.findings().get("f").await?;
    let ticket = finding.status.and_then(|status| status.ticket).ok_or("no ticket")?;
    ensure!(ticket.adopted, "{ticket:?}");
    is_theirs_and_ours(&world, &key)?;
    none_opened(&world, 1)
}
