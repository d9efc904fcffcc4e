//! Bad input gets a clear answer, and nothing is lost.

use kube::api::{Patch, PatchParams};
use serde_json::json;
use support::eventually;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Test, World, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("refusals::one_refused_field_holds_up_no_other", one_refused_field),
        test(
            "refusals::an_unknown_project_type_priority_and_status_are_named",
            unknown_names,
        ),
        test(
            "refusals::required_fields_are_named_before_the_first_ticket",
            required_fields,
        ),
        test(
            "refusals::a_field_that_jira_refuses_is_named_and_tried_again",
            refused_field,
        ),
        test("refusals::a_connection_to_another_site_writes_nothing", another_site),
        test("refusals::hostile_text_stays_text", hostile_text),
        test("refusals::an_outage_is_waited_out", an_outage),
        test("refusals::a_fresh_look_tries_again_what_was_refused", a_fresh_look),
    ]
}

/// One field that an edit may not set holds up no other, and is told.
async fn one_refused_field(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world
        .configuration("shop", "SEC", json!({"minUpdateInterval": "0s"}))
        .await?;
    world
        .finding("f", json!({"title": "first", "description": "one"}))
        .await?;
    let key = world.in_sync("f").await?;
    let refusal = jira_sim::FaultKind::Status {
        code: 400,
        body: json!({"errorMessages": [], "errors": {"summary": "It is not on the appropriate screen, or unknown."}}),
        headers: Vec::new(),
    };
    world.sim.fault(jira_sim::Fault::new("editIssue", refusal).times(1));
    world
        .patch_finding("f", json!({"spec": {"title": "second", "description": "two"}}))
        .await?;
    let told = world.finding_tells("f", "RejectedByJira").await?;
    ensure!(
        told.message.contains("summary") && told.message.contains("screen"),
        "{}",
        told.message
    );
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(
        issue.description.to_string().contains("two"),
        "the description was held up"
    );
    ensure!(issue.summary.contains("first"), "{}", issue.summary);
    // The next change tries it again, and what was written meanwhile is still ours.
    world
        .patch_finding("f", json!({"spec": {"title": "third", "description": "three"}}))
        .await?;
    world.in_sync("f").await?;
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(
        issue.summary.contains("third") && issue.description.to_string().contains("three"),
        "{}",
        issue.summary
    );
    Ok(())
}

async fn unknown_names(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("project", "NOPE", json!({})).await?;
    world.configuration("type", "SEC", json!({"issueType": "Bugg"})).await?;
    let remap = json!({"Critical": "Urgent", "High": "High", "Medium": "Medium", "Low": "Low",
        "Informational": "Lowest", "Unknown": "Medium"});
    world
        .configuration("priority", "SEC", json!({"priority": {"remap": remap}}))
        .await?;
    let mapping = json!([{"state": "Active", "jiraStatuses": ["Tomorrow"]}]);
    world
        .configuration("status", "SEC", json!({"statusSync": {"mapping": mapping}}))
        .await?;
    for (name, reason, named) in [
        ("project", "ProjectNotFound", "NOPE"),
        ("type", "IssueTypeNotFound", "Task"),
        ("priority", "PriorityNotFound", "Highest"),
        ("status", "StatusNotFound", "In Progress"),
    ] {
        let told = world.configuration_tells(name, reason).await?;
        ensure!(
            told.status == "False" && told.message.contains(named),
            "{name}: {}",
            told.message
        );
    }
    let named = json!({"ticket": {"configurationRef": {"name": "project"}}});
    world.finding("f", named).await?;
    let told = world.finding_tells("f", "ConfigurationNotReady").await?;
    ensure!(told.message.contains("NOPE"), "{}", told.message);
    let cure = Patch::Merge(json!({"spec": {"projectKey": "SEC"}}));
    world
        .configurations()
        .patch("project", &PatchParams::default(), &cure)
        .await?;
    world.in_sync("f").await?;
    Ok(())
}

async fn required_fields(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world
        .configuration("shop", "REQ", json!({"issueType": "Vulnerability"}))
        .await?;
    world.finding("f", json!({})).await?;
    let told = world.configuration_tells("shop", "RequiredFieldsMissing").await?;
    ensure!(
        told.message.contains("Team") && told.message.contains("customfield_10041"),
        "{}",
        told.message
    );
    ensure!(told.message.contains("Cost centre"), "{}", told.message);
    world.finding_tells("f", "ConfigurationNotReady").await?;
    ensure!(
        !world.sim.log().iter().any(jira_sim::LogEntry::is_create),
        "nothing was tried"
    );
    Ok(())
}

async fn refused_field(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.configuration_tells("shop", "Ready").await?;
    let refusal = jira_sim::FaultKind::Status {
        code: 400,
        body: json!({"errorMessages": [], "errors": {"labels": "The label is forbidden on Thursdays."}}),
        headers: Vec::new(),
    };
    world.sim.fault(jira_sim::Fault::once("createIssue", refusal));
    world.finding("f", json!({})).await?;
    let told = world.finding_tells("f", "RejectedByJira").await?;
    ensure!(
        told.message.contains("labels") && told.message.contains("Thursdays"),
        "{}",
        told.message
    );
    let stalled = world.findings().get("f").await?.status.unwrap_or_default();
    ensure!(
        stalled.conditions.iter().any(|one| one.type_ == "Stalled"),
        "a person must act"
    );
    world
        .patch_finding("f", json!({"spec": {"title": "Another title"}}))
        .await?;
    world.in_sync("f").await?;
    Ok(())
}

async fn another_site(world: World) -> Outcome {
    let mut operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    operator.kill()?;
    world.sim.set_cloud_id("another-site");
    world.sim.clear_log();
    operator.restart()?;
    let told = world.connection_tells("SiteChanged").await?;
    ensure!(told.status == "False", "{}", told.message);
    world.patch_finding("f", json!({"spec": {"state": "Fixed"}})).await?;
    world.finding_tells("f", "ConfigurationNotReady").await?;
    let writes = world
        .sim
        .log()
        .into_iter()
        .filter(|entry| entry.method == "PUT" || entry.path.contains("transitions"));
    ensure!(writes.count() == 0, "something was written to another site");
    ensure!(
        world.sim.issue(&key).ok_or("gone")?.status == "To Do",
        "the stranger's issue stays as it is"
    );
    Ok(())
}

async fn hostile_text(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    let hostile = "<script>alert(1)</script> [~accountid:5b10a2844c20165700ede21g] @everyone \
        \"; project = X OR labels = \"y {color:red} | pipe | [click](javascript:alert(1)) \u{202e}gnp \u{0}\u{1b}[31m";
    let spec = json!({
        "title": format!("{} \" AND project = \"OTHER", hostile.replace('\u{0}', " ").chars().take(300).collect::<String>()),
        "description": format!("{}\n\n{}", hostile.replace('\u{0}', " "), "A long line of words. ".repeat(4_700)),
        "evidence": hostile.replace('\u{0}', " "),
        "fingerprint": "a\"b\\c and (d)",
        "asset": {"name": hostile.replace('\u{0}', " ")},
        "references": ["javascript:alert(1)", "https://example.org/ok"],
    });
    world.finding("f", spec).await?;
    let key = world.in_sync("f").await?;
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(
        issue.summary.chars().count() <= 254 && !issue.summary.contains('\n'),
        "{}",
        issue.summary
    );
    let text = issue.description.clone().to_string();
    ensure!(text.chars().count() <= 32_767, "{} characters", text.chars().count());
    for forbidden in ["\"mention\"", "\"href\":\"javascript", "\\u001b", "\u{202e}"] {
        ensure!(!text.contains(forbidden), "{forbidden} in the description");
    }
    ensure!(
        !issue.summary.contains('\u{202e}') && !issue.summary.contains('\u{1b}'),
        "{}",
        issue.summary
    );
    Ok(())
}

async fn an_outage(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.configuration_tells("shop", "Ready").await?;
    world.sim.outage(true);
    world.finding("f", json!({})).await?;
    let told = world
        .finding_is("f", "tells that it waits", |finding| {
            let ready = crate::world::ready(finding);
            ready.is_some_and(|ready| ready.status == "False" && ready.reason != "Creating")
        })
        .await?;
    let status = told.status.unwrap_or_default();
    ensure!(
        status.conditions.iter().any(|one| one.type_ == "Reconciling"),
        "it goes on by itself"
    );
    world.sim.outage(false);
    eventually(DEADLINE, "the issue is opened", || async {
        Ok((world.sim.issues().len() == 1).then_some(()))
    })
    .await?;
    world.in_sync("f").await?;
    Ok(())
}

/// The cure was on Jira's side: nothing changed here, so a person asks.
async fn a_fresh_look(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "STRICT", json!({})).await?;
    world.configuration_tells("shop", "Ready").await?;
    let refusal = jira_sim::FaultKind::Status {
        code: 400,
        body: json!({"errorMessages": [], "errors": {"summary": "Not today."}}),
        headers: Vec::new(),
    };
    world.sim.fault(jira_sim::Fault::once("createIssue", refusal));
    world.finding("f", json!({})).await?;
    world.finding_tells("f", "RejectedByJira").await?;
    let ask = |value: &str| json!({"metadata": {"annotations": {"jira-findings.dev/reconcile-requested-at": value}}});
    world.patch_finding("f", ask("now")).await?;
    world.in_sync("f").await?;
    world.patch_finding("f", json!({"spec": {"state": "Fixed"}})).await?;
    world.finding_tells("f", "TransitionBlocked").await?;
    let asked = |world: &World| {
        world
            .sim
            .log()
            .iter()
            .filter(|entry| entry.path.ends_with("/transitions"))
            .count()
    };
    let before = asked(&world);
    world.patch_finding("f", ask("again")).await?;
    eventually(DEADLINE, "the workflow is asked again", || async {
        Ok((asked(&world) > before).then_some(()))
    })
    .await?;
    world
        .finding_is("f", "tells that the wish was heard", |finding| {
            let status = finding.status.as_ref();
            status.is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some("again"))
        })
        .await?;
    Ok(())
}
