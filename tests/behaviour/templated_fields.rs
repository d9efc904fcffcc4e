//! Values of fields that come out of findings, and what a dry run shows of them.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::eventually;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Test, World, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("templated_fields::values_are_typed_and_stay_literal", literal),
        test(
            "templated_fields::what_jira_would_refuse_is_told_on_the_finding",
            refused,
        ),
        test(
            "templated_fields::what_becomes_empty_is_cleared_where_it_is_ours",
            cleared,
        ),
        test("templated_fields::a_wrong_template_is_told_on_the_configuration", wrong),
        test("templated_fields::priorities_go_where_they_are_wanted", priorities),
        test(
            "templated_fields::a_dry_run_writes_nothing_and_shows_the_issue",
            dry_run,
        ),
    ]
}

/// A custom field.
fn custom(field: &str, value: &str) -> Value {
    json!({"field": field, "value": value})
}

/// A field of an issue, as Jira shows it.
fn shown(world: &World, key: &str, field: &str) -> Value {
    let issue = world.sim.issue(key);
    issue
        .and_then(|issue| issue.fields.get(field).cloned())
        .unwrap_or_default()
}

fn properties(all: Value) -> Value {
    json!({ "properties": all })
}

async fn change_spec(world: &World, spec: Value) -> Outcome {
    let patch = Patch::Merge(json!({ "spec": spec }));
    world
        .configurations()
        .patch("shop", &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

async fn literal(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let fields = json!({"fields": {
        "labels": ["{{ finding.tags }}", "sev-{{ severity }}"],
        "custom": [
            custom("customfield_10067", "{{ finding.properties.owner }}"),
            custom("Notes", "# {{ finding.properties.owner }}\n\n{{ finding.description }}"),
            custom("Seen on", "{{ finding.firstSeen | date }}"),
            custom("Seen at", "{{ finding.firstSeen }}"),
            custom("Runbook", "https://acme.test/{{ finding.name }}"),
            custom("Regions", "{{ finding.properties.region }}"),
            custom("Tags", "{{ finding.properties.tag }}, own"),
        ],
    }});
    world.configuration("shop", "FLD", fields).await?;
    world.configuration_tells("shop", "Ready").await?;
    let hostile = "a, b\n{{ 7*7 }} {\"id\": 1}";
    let finding = json!({
        "firstSeen": "2026-03-10T23:30:00Z", "tags": ["one, two", "jfo-x", "three"], "description": "**bold**",
        "properties": {"owner": hostile, "region": "Asia, Pacific", "tag": "x, y"},
    });
    world.finding("f", finding).await?;
    let key = world.in_sync("f").await?;
    let field = |id: &str| shown(&world, &key, id);
    ensure!(
        field("customfield_10067") == "a, b {{ 7*7 }} {\"id\": 1}",
        "{}",
        field("customfield_10067")
    );
    let notes = field("customfield_10060").to_string();
    ensure!(notes.contains("{{ 7*7 }}") && notes.contains("strong"), "{notes}");
    ensure!(
        field("customfield_10061") == "2026-03-10",
        "{}",
        field("customfield_10061")
    );
    ensure!(field("customfield_10063") == "https://acme.test/f", "the address");
    ensure!(
        field("customfield_10064").as_array().map(Vec::len) == Some(1),
        "{}",
        field("customfield_10064")
    );
    ensure!(
        field("customfield_10070") == json!(["own", "x,-y"]),
        "{}",
        field("customfield_10070")
    );
    let labels = world.sim.issue(&key).ok_or("gone")?.labels;
    let theirs: Vec<&String> = labels.iter().filter(|label| !label.starts_with('j')).collect();
    ensure!(theirs == ["one,-two", "sev-High", "three"], "{labels:?}");
    Ok(())
}

async fn refused(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let spec = json!({"issueType": "Vulnerability", "fields": {"custom": [
        custom("Team", "{{ finding.properties.team }}"), custom("Cost centre", "{{ finding.properties.cost }}"),
    ]}});
    world.configuration("shop", "REQ", spec).await?;
    world.configuration_tells("shop", "Ready").await?;
    world
        .finding("wrong", properties(json!({"team": "Marketing", "cost": "1"})))
        .await?;
    world.finding("empty", properties(json!({"team": "Web"}))).await?;
    let told = world.finding_tells("wrong", "FieldInvalid").await?;
    for part in [
        "fields.Team",
        "\"Marketing\"",
        "Platform, Payments, Web",
        "finding.properties.team",
    ] {
        ensure!(told.message.contains(part), "{part} in {}", told.message);
    }
    let told = world.finding_tells("empty", "RequiredFieldsMissing").await?;
    for part in ["Cost centre (customfield_10042)", "finding.properties.cost"] {
        ensure!(told.message.contains(part), "{part} in {}", told.message);
    }
    world
        .finding("good", properties(json!({"team": "web", "cost": "7"})))
        .await?;
    let key = world.in_sync("good").await?;
    ensure!(shown(&world, &key, "customfield_10041")["value"] == "Web", "the team");
    world.configuration_tells("shop", "Ready").await?;
    ensure!(world.sim.issues().len() == 1, "one issue");
    // A change of the finding cures one, a change of the configuration the other.
    world
        .patch_finding("wrong", json!({"spec": {"properties": {"team": "Payments"}}}))
        .await?;
    world.in_sync("wrong").await?;
    let fields = json!({"custom": [
        custom("Team", "{{ finding.properties.team }}"),
        custom("Cost centre", "{{ finding.properties.cost | default('none') }}"),
    ]});
    change_spec(&world, json!({"fields": fields})).await?;
    let key = world.in_sync("empty").await?;
    ensure!(shown(&world, &key, "customfield_10042") == "none", "the cost centre");
    // With an issue, the content waits and the status still follows.
    world
        .patch_finding("good", json!({"spec": {"properties": {"team": "Marketing"}}}))
        .await?;
    world.finding_tells("good", "FieldInvalid").await?;
    world.patch_finding("good", json!({"spec": {"state": "Fixed"}})).await?;
    world.finding_tells("good", "Closed").await?;
    Ok(())
}

async fn cleared(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let spec = json!({"minUpdateInterval": "0s", "fields": {"custom": [
        custom("Place", "{{ finding.properties.place }}"), custom("Regions", "{{ finding.properties.place }}"),
        custom("customfield_10067", "{{ finding.properties.owner }}"),
    ]}});
    world.configuration("shop", "FLD", spec).await?;
    world
        .finding("f", properties(json!({"place": "Africa", "owner": "A"})))
        .await?;
    let key = world.in_sync("f").await?;
    ensure!(shown(&world, &key, "customfield_10065")["id"] == "10312", "the place");
    world.sim.human_edit(&key, &json!({"customfield_10067": "a person's"}));
    world
        .patch_finding("f", json!({"spec": {"properties": {"place": "", "owner": ""}}}))
        .await?;
    eventually(DEADLINE, "the place goes", || async {
        let regions = shown(&world, &key, "customfield_10064");
        let gone = regions.is_null() || regions == json!([]);
        Ok((gone && shown(&world, &key, "customfield_10065").is_null()).then_some(()))
    })
    .await?;
    world.in_sync("f").await?;
    ensure!(
        shown(&world, &key, "customfield_10067") == "a person's",
        "the owner is a person's"
    );
    Ok(())
}

async fn wrong(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let spec = json!({"fields": {"custom": [custom("customfield_10067", "\n{{ finding.owner }}")]}});
    world.configuration("shop", "FLD", spec).await?;
    let told = world.configuration_tells("shop", "TemplateInvalid").await?;
    ensure!(
        told.message
            .starts_with("fields.customfield_10067, line 2: there is no variable finding.owner"),
        "{}",
        told.message
    );
    Ok(())
}

async fn priorities(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let all =
        |to: &str| json!({"Critical": to, "High": to, "Medium": to, "Low": to, "Informational": to, "Unknown": to});
    let field = json!({"priority": {"field": "place", "remap": all("Europe")}});
    world.configuration("shop", "FLD", field).await?;
    world.configuration_tells("shop", "Ready").await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    ensure!(shown(&world, &key, "customfield_10065")["id"] == "10310", "the field");
    change_spec(&world, json!({"priority": {"remap": all("Mars")}})).await?;
    let told = world.configuration_tells("shop", "FieldInvalid").await?;
    ensure!(
        told.message.contains("priority.remap: \"Mars\"") && told.message.contains("Europe, \"Asia, Pacific\", Africa"),
        "{}",
        told.message
    );
    change_spec(&world, json!({"priority": {"field": null, "remap": all("Low")}})).await?;
    world.configuration_tells("shop", "Ready").await?;
    world
        .finding(
            "own",
            json!({"ticket": {"priority": "highest", "labels": ["mine", "jfo-no"]}}),
        )
        .await?;
    world.finding("odd", json!({"ticket": {"priority": "P1"}})).await?;
    let key = world.in_sync("own").await?;
    let finding = world.findings().get("own").await?;
    let ticket = finding.status.and_then(|status| status.ticket);
    ensure!(
        ticket.as_ref().and_then(|ticket| ticket.priority.as_deref()) == Some("Highest"),
        "{ticket:?}"
    );
    let labels = world.sim.issue(&key).ok_or("gone")?.labels;
    ensure!(
        labels.contains(&"mine".to_owned()) && !labels.contains(&"jfo-no".to_owned()),
        "{labels:?}"
    );
    let told = world.finding_tells("odd", "FieldInvalid").await?;
    ensure!(
        told.message.contains("\"P1\"") && told.message.contains("Highest, High, Medium, Low, Lowest"),
        "{}",
        told.message
    );
    Ok(())
}

async fn dry_run(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let spec = json!({"mode": "DryRun", "fields": {
        "labels": ["{{ asset }}"], "dueDate": {"High": "7d"},
        "custom": [custom("Regions", "{{ finding.properties.region }}")],
    }, "assignee": {"unassigned": true}});
    world.configuration("shop", "FLD", spec).await?;
    let finding = json!({
        "asset": {"name": "web 1"}, "firstSeen": "2026-03-10T23:30:00Z", "properties": {"region": "Europe"},
    });
    world.finding("f", finding).await?;
    world.finding_tells("f", "DryRun").await?;
    let shown = world
        .findings()
        .get("f")
        .await?
        .status
        .and_then(|status| status.preview);
    let shown = serde_json::to_value(shown)?;
    for (path, expected) in [
        ("/action", json!("Open")),
        ("/project", json!("FLD")),
        ("/issueType", json!("Bug")),
        ("/assignee", json!("Unassigned")),
        ("/labels", json!(["web-1"])),
        ("/fields", json!({"Regions": "Europe", "Due date": "2026-03-17"})),
    ] {
        ensure!(shown.pointer(path) == Some(&expected), "{path} in {shown}");
    }
    ensure!(
        shown["summary"]
            .as_str()
            .is_some_and(|summary| summary.contains("Something is wrong with f")),
        "{shown}"
    );
    let writes = world
        .sim
        .log()
        .iter()
        .filter(|entry| entry.method == "PUT" || entry.is_create())
        .count();
    ensure!(writes == 0 && world.sim.issues().is_empty(), "{writes} writes");
    change_spec(&world, json!({"mode": "Live"})).await?;
    let key = world.in_sync("f").await?;
    let preview = |finding: &jira_findings_operator::api::SecurityFinding| {
        finding.status.as_ref().and_then(|status| status.preview.clone())
    };
    ensure!(
        preview(&world.findings().get("f").await?).is_none(),
        "it goes with the dry run"
    );
    change_spec(&world, json!({"mode": "DryRun"})).await?;
    world.configuration_tells("shop", "DryRun").await?;
    world
        .patch_finding("f", json!({"spec": {"title": "Another title"}}))
        .await?;
    let action = |wanted: &'static str| {
        move |finding: &jira_findings_operator::api::SecurityFinding| {
            let preview = finding.status.as_ref().and_then(|status| status.preview.clone());
            serde_json::to_value(preview).is_ok_and(|preview| preview["action"] == wanted)
        }
    };
    let finding = world.finding_is("f", "would be updated", action("Update")).await?;
    let told = preview(&finding)
        .and_then(|preview| preview.message)
        .unwrap_or_default();
    ensure!(told.contains("summary") && told.contains(&key), "{told}");
    world.patch_finding("f", json!({"spec": {"state": "Fixed"}})).await?;
    world.finding_is("f", "would be closed", action("Close")).await?;
    let edits = world.sim.log().iter().filter(|entry| entry.method == "PUT").count();
    ensure!(edits == 0, "{edits} edits");
    Ok(())
}
