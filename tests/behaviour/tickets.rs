//! From findings to issues.

use serde_json::json;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Test, World, test, ticket_key};

pub fn tests() -> Vec<Test> {
    vec![
        test("tickets::a_finding_becomes_an_issue", a_finding_becomes_an_issue),
        test(
            "tickets::findings_of_one_fingerprint_share_an_issue",
            findings_of_one_fingerprint_share_an_issue,
        ),
        test(
            "tickets::content_follows_the_finding_and_peoples_labels_stay",
            content_follows_the_finding,
        ),
        test("tickets::wishes_are_heard", wishes_are_heard),
        test("tickets::a_dry_run_writes_nothing", a_dry_run_writes_nothing),
        test(
            "tickets::the_heaviest_configuration_takes_a_finding",
            the_heaviest_configuration_takes_a_finding,
        ),
        test(
            "tickets::a_project_without_priority_and_one_without_labels",
            odd_projects,
        ),
        test("tickets::the_real_report_of_a_shop", the_real_report_of_a_shop),
    ]
}

fn remap() -> serde_json::Value {
    json!({"priority": {"remap": {
        "Critical": "Highest", "High": "High", "Medium": "Medium", "Low": "Low", "Informational": "Lowest", "Unknown": "Medium",
    }}})
}

async fn a_finding_becomes_an_issue(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", remap()).await?;
    let spec = json!({
        "title": "busybox: use-after-free", "severity": "Critical", "category": "Vulnerability",
        "description": "It **matters**.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        "vulnerability": {"id": "CVE-2021-42378", "package": "busybox", "installedVersion": "1.31.1-r10", "fixedVersion": "1.31.1-r11"},
        "references": ["https://example.org/advisory"],
    });
    world.finding("busybox", spec).await?;
    let key = world.in_sync("busybox").await?;
    let issues = world.sim.issues();
    ensure!(issues.len() == 1, "there are {} issues", issues.len());
    let issue = &issues[0];
    ensure!(
        issue.key == key && issue.summary.contains("CVE-2021-42378"),
        "{issue:?}"
    );
    ensure!(
        issue.priority.as_deref() == Some("Highest"),
        "priority {:?}",
        issue.priority
    );
    ensure!(
        issue.labels.iter().any(|label| label.starts_with("jfo-")),
        "{:?}",
        issue.labels
    );
    ensure!(
        issue.labels.contains(&format!("jira-findings-{}", world.instance)),
        "{:?}",
        issue.labels
    );
    let finding = world.findings().get("busybox").await?;
    let ticket = finding.status.and_then(|status| status.ticket).ok_or("no ticket")?;
    ensure!(
        ticket.url == Some(format!("{}/browse/{key}", world.sim.url())),
        "{:?}",
        ticket.url
    );
    ensure!(
        ticket.status.is_some_and(|status| status.name == "To Do"),
        "the status of the issue is told"
    );
    ensure!(
        ticket.incarnation == 1 && ticket.site.is_some(),
        "incarnation and site are told"
    );
    Ok(())
}

async fn findings_of_one_fingerprint_share_an_issue(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("one", json!({"fingerprint": "same"})).await?;
    world.finding("two", json!({"fingerprint": "same"})).await?;
    let first = world.in_sync("one").await?;
    let second = world.in_sync("two").await?;
    ensure!(first == second && world.sim.issues().len() == 1, "{first} and {second}");
    world.patch_finding("one", json!({"spec": {"state": "Fixed"}})).await?;
    world
        .finding_is("one", "is fixed", |finding| crate::world::state(finding) == "Fixed")
        .await?;
    ensure!(
        world.sim.issues()[0].status == "To Do",
        "an open member keeps the ticket open"
    );
    world.patch_finding("two", json!({"spec": {"state": "Fixed"}})).await?;
    world.finding_tells("two", "Closed").await?;
    world.finding_tells("one", "Closed").await?;
    ensure!(
        world.sim.issues()[0].status == "Done",
        "the last open member closes the ticket"
    );
    Ok(())
}

async fn content_follows_the_finding(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let labels = json!({"fields": {"labels": ["security", "jfo-forged", "jira-findings-forged"]}});
    let mut extra = remap();
    crate::world::merge(&mut extra, labels);
    world.configuration("shop", "SEC", extra).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    let labels = world.sim.issue(&key).ok_or("gone")?.labels;
    ensure!(labels.contains(&"security".to_owned()), "{labels:?}");
    ensure!(
        !labels.iter().any(|label| label.contains("forged")),
        "reserved labels are dropped: {labels:?}"
    );
    let theirs: Vec<String> = labels.iter().cloned().chain(["theirs".to_owned()]).collect();
    world.sim.human_edit(&key, &json!({"labels": theirs}));
    world.sim.clear_log();
    world
        .patch_finding("f", json!({"spec": {"severity": "Low", "title": "Now it is less bad"}}))
        .await?;
    let sim = &world.sim;
    support::eventually(DEADLINE, "the issue follows", || async {
        let issue = sim.issue(&key).ok_or("gone")?;
        let follows = issue.summary.contains("Now it is less bad") && issue.priority.as_deref() == Some("Low");
        if follows {
            Ok(Some(()))
        } else {
            Err(format!("{} {:?}", issue.summary, issue.priority).into())
        }
    })
    .await?;
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(
        issue.labels.contains(&"theirs".to_owned()),
        "a person's label stays: {:?}",
        issue.labels
    );
    let edits = world
        .sim
        .log()
        .into_iter()
        .filter(|entry| entry.method == "PUT")
        .count();
    ensure!(edits == 1, "one edit, not {edits}");
    Ok(())
}

async fn wishes_are_heard(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world
        .configuration("shop", "SEC", json!({"selector": {"minSeverity": "Medium"}}))
        .await?;
    world.finding("manual", json!({"ticket": {"create": "Manual"}})).await?;
    world.finding("never", json!({"ticket": {"create": "Never"}})).await?;
    world.finding("harmless", json!({"severity": "Low"})).await?;
    world.finding("fixed", json!({"state": "Fixed"})).await?;
    world
        .finding("lost", json!({"ticket": {"configurationRef": {"name": "gone"}}}))
        .await?;
    world.finding_tells("manual", "ManualCreate").await?;
    world.finding_tells("never", "CreateNever").await?;
    world.finding_tells("fixed", "NothingToOpen").await?;
    let told = world.finding_tells("harmless", "NotSelected").await?;
    ensure!(told.message.contains("minSeverity"), "{}", told.message);
    let told = world.finding_tells("lost", "ConfigurationNotFound").await?;
    ensure!(
        told.status == "False" && told.message.contains("gone"),
        "{}",
        told.message
    );
    ensure!(world.sim.issues().is_empty(), "no ticket was wanted");
    let asked = json!({"metadata": {"annotations": {"jira-findings.dev/create-requested": "now"}}});
    world.patch_finding("manual", asked).await?;
    world.in_sync("manual").await?;
    world
        .configuration("gone", "TEAM", json!({"issueType": "Task", "weight": 1}))
        .await?;
    let key = world.in_sync("lost").await?;
    ensure!(key.starts_with("TEAM-"), "{key}");
    Ok(())
}

async fn a_dry_run_writes_nothing(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({"mode": "DryRun"})).await?;
    world.finding("f", json!({})).await?;
    let told = world.finding_tells("f", "DryRun").await?;
    ensure!(told.message.contains("would open a Bug in SEC"), "{}", told.message);
    let finding = world.findings().get("f").await?;
    ensure!(
        finding.metadata.finalizers.is_none() && finding.metadata.annotations.is_none(),
        "no stamp"
    );
    ensure!(world.sim.issues().is_empty(), "no issue");
    world
        .configurations()
        .patch(
            "shop",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(json!({"spec": {"mode": "Live"}})),
        )
        .await?;
    world.in_sync("f").await?;
    Ok(())
}

async fn the_heaviest_configuration_takes_a_finding(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("light", "SEC", json!({"weight": 1})).await?;
    world
        .configuration("heavy", "TEAM", json!({"weight": 9, "issueType": "Task"}))
        .await?;
    world.configuration_tells("heavy", "Ready").await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    ensure!(key.starts_with("TEAM-"), "{key}");
    let selection = world
        .findings()
        .get("f")
        .await?
        .status
        .and_then(|status| status.selection)
        .ok_or("no selection")?;
    ensure!(
        selection.configuration == Some(format!("{}/heavy", world.namespace)),
        "{selection:?}"
    );
    ensure!(
        selection.reasons.iter().any(|reason| reason.contains("/light")),
        "{selection:?}"
    );
    Ok(())
}

async fn odd_projects(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let mut team = remap();
    crate::world::merge(
        &mut team,
        json!({"issueType": "Task", "selector": {"matchLabels": {"to": "team"}}}),
    );
    world.configuration("team", "TEAM", team).await?;
    world.configuration("unlabelled", "NOLBL", json!({"weight": 1})).await?;
    let told = world.configuration_tells("team", "Ready").await?;
    ensure!(
        told.message.to_lowercase().contains("priorit"),
        "a project without priorities is told: {}",
        told.message
    );
    world.finding("plain", json!({})).await?;
    let key = world.in_sync("plain").await?;
    ensure!(key.starts_with("NOLBL-"), "{key}");
    let labels = world.sim.issue(&key).ok_or("gone")?.labels;
    ensure!(
        labels.iter().any(|label| label.starts_with("jfo-")),
        "labels come by an edit: {labels:?}"
    );
    let mut spec = json!({"apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
        "metadata": {"name": "labelled", "labels": {"to": "team"}}, "spec": {"title": "t", "severity": "High"}});
    spec["metadata"]["namespace"] = json!(world.namespace);
    world
        .findings()
        .create(&kube::api::PostParams::default(), &serde_json::from_value(spec)?)
        .await?;
    let key = world.in_sync("labelled").await?;
    ensure!(key.starts_with("TEAM-"), "{key}");
    Ok(())
}

async fn the_real_report_of_a_shop(world: World) -> Outcome {
    let root = support::assets::repository();
    let report = root.join("../shared/samples/trivy/juice-shop-v12.10.2.json");
    let (report, expected) = if report.is_file() {
        (report, 185)
    } else {
        support::skipped("ticketing the real report of a shop: a small report of our own is used instead");
        (root.join("examples/trivy-report.json"), 15)
    };
    let output = tokio::process::Command::new(support::operator::binary("jira-findings-operator")?)
        .args(["import", "trivy"])
        .arg(&report)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "import: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", remap()).await?;
    let _operator = world.operator()?;
    let manifests = String::from_utf8(output.stdout)?;
    let applied = support::manifests::apply_yaml(&world.client, &manifests, Some(&world.namespace)).await?;
    ensure!(applied.len() == expected, "{} findings", applied.len());
    let api = world.findings();
    let findings = support::eventually(DEADLINE * 2, "every finding has its issue", || async {
        let all = api.list(&kube::api::ListParams::default()).await?.items;
        let ready = all
            .iter()
            .filter(|one| crate::world::ready(one).is_some_and(|ready| ready.reason == "InSync"))
            .count();
        if ready == expected {
            Ok(Some(all))
        } else {
            Err(format!("{ready} of {expected}").into())
        }
    })
    .await?;
    let keys: std::collections::BTreeSet<String> = findings.iter().filter_map(ticket_key).collect();
    ensure!(keys.len() == expected, "{} issues for {expected} findings", keys.len());
    ensure!(
        world.sim.issues().len() == expected,
        "{} issues in Jira",
        world.sim.issues().len()
    );
    let searches = world
        .sim
        .log()
        .into_iter()
        .filter(|entry| entry.path.ends_with("/search/jql"))
        .count();
    ensure!(searches <= expected, "look-ups are shared: {searches} searches");
    if let Ok(schema) = std::fs::read_to_string(root.join("../shared/jira/adf-schema-v1.json")) {
        let validator = jsonschema::validator_for(&serde_json::from_str(&schema)?)?;
        for issue in world.sim.issues() {
            let description = issue.description.clone();
            ensure!(
                validator.is_valid(&description),
                "{} has an invalid description",
                issue.key
            );
        }
    }
    Ok(())
}
