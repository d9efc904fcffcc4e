//! Each type of field is sent in its own shape and read back as what was meant; what cannot be is told.

use serde_json::{Value, json};

use crate::ensure;
use crate::world::{Outcome, Test, World, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("field_types::each_is_created_and_read_back_typed", each),
        test("field_types::each_refusal_says_what_to_do", refusals),
    ]
}

async fn each(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("top", "FLD", json!({})).await?;
    let by = |name: &str| json!({"ticket": {"configurationRef": {"name": name}}});
    world.finding("top", by("top")).await?;
    let parent = world.in_sync("top").await?;
    let custom: Vec<Value> = [
        ("Line", "one line"),
        ("Notes", "A **text**\n\n- of lines"),
        ("Score", "7.5"),
        ("Seen on", "2026-11-30"),
        ("Seen at", "2026-11-30T14:39:00Z"),
        ("Runbook", "https://acme.test/run"),
        ("Region", "europe"),
        ("Way", "Africa"),
        ("Regions", "Europe, Africa"),
        ("Boxes", "Africa\nEurope"),
        ("Place", "Europe > Rome"),
        ("Contact", jira_sim::HUMAN_ACCOUNT),
        ("Crew", "staff"),
        ("Since", "1.0"),
        ("Backports", "1.0, 2.0"),
        ("Tags", "two, one"),
    ]
    .map(|(field, value)| json!({"field": field, "value": value}))
    .into_iter()
    .chain([
        json!({"field": "Contacts", "json": [jira_sim::HUMAN_ACCOUNT, jira_sim::DEFAULT_ACCOUNT]}),
        json!({"field": "Matrix", "json": {"rows": [1, 2]}}),
    ])
    .collect();
    let fields = json!({"labels": ["web"], "components": ["cluster"], "fixVersions": ["2.0"], "affectsVersions": ["1.0"],
        "parent": parent, "environment": "kernel **6.1**", "securityLevel": "Internal", "dueDate": {"High": "7d"}, "custom": custom});
    world.configuration("all", "FLD", json!({ "fields": fields })).await?;
    world.configuration_tells("all", "Ready").await?;
    let mut finding = by("all");
    finding["firstSeen"] = json!("2026-03-10T23:30:00Z");
    world.finding("f", finding).await?;
    let key = world.in_sync("f").await?;
    let issue = world.sim.issue(&key).ok_or("gone")?;
    let shown = |id: &str| issue.fields.get(id).cloned().unwrap_or_default();
    ensure!(issue.labels.iter().any(|label| label == "web"), "{:?}", issue.labels);
    ensure!(issue.due_date.as_deref() == Some("2026-03-17"), "{:?}", issue.due_date);
    for (id, pointer, expected) in [
        ("components", "/0/name", json!("cluster")),
        ("fixVersions", "/0/name", json!("2.0")),
        ("versions", "/0/name", json!("1.0")),
        ("parent", "/key", json!(parent)),
        ("environment", "/content/0/content/1/marks/0/type", json!("strong")),
        ("security", "/name", json!("Internal")),
        ("customfield_10071", "", json!("one line")),
        ("customfield_10060", "/content/1/type", json!("bulletList")),
        ("customfield_10072", "", json!(7.5)),
        ("customfield_10061", "", json!("2026-11-30")),
        ("customfield_10062", "", json!("2026-11-30T14:39:00.000+0000")),
        ("customfield_10063", "", json!("https://acme.test/run")),
        ("customfield_10073", "/value", json!("Europe")),
        ("customfield_10074", "/value", json!("Africa")),
        ("customfield_10064", "/1/value", json!("Africa")),
        ("customfield_10075", "/1/value", json!("Africa")),
        ("customfield_10065", "/value", json!("Europe")),
        ("customfield_10065", "/child/value", json!("Rome")),
        ("customfield_10066", "/displayName", json!("Mia Krystof")),
        ("customfield_10076", "/1/displayName", json!("Mia Krystof")),
        ("customfield_10077", "", json!({"name": "staff"})),
        ("customfield_10078", "/name", json!("1.0")),
        ("customfield_10079", "/1/name", json!("2.0")),
        ("customfield_10070", "", json!(["one", "two"])),
        ("customfield_10080", "", json!({"rows": [1, 2]})),
    ] {
        let value = shown(id);
        ensure!(value.pointer(pointer) == Some(&expected), "{id}{pointer}: {value}");
    }
    Ok(())
}

async fn refusals(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let long = "x".repeat(256);
    let custom: Vec<Value> = [
        ("Line", long.as_str()),
        ("Score", "many"),
        ("Runbook", "acme.test"),
        ("Seen at", "noon"),
        ("Region", "Mars"),
        ("Place", "Europe > Oslo"),
        ("Since", "0.9"),
        ("Contact", "mia@acme.test"),
        ("Matrix", "text"),
        ("Tags", "a b"),
    ]
    .map(|(field, value)| json!({"field": field, "value": value}))
    .to_vec();
    let told = [
        ("Line", "256 of 255 characters"),
        ("Score", "\"many\" is not a number"),
        ("Runbook", "begins with https://"),
        ("Seen at", "2026-11-30T14:39:00Z"),
        ("Region", "it can be Europe, \"Asia, Pacific\", Africa"),
        ("Place", "it can be Berlin, Rome"),
        ("Since", "archived"),
        ("Contact", "account id"),
        ("Matrix", "take json"),
        ("Tags", "space"),
        ("securityLevel", "it can be Internal, Reporter only"),
    ];
    // One configuration for each, so that no message is cut short by another.
    for (at, (field, part)) in told.into_iter().enumerate() {
        let fields = match custom.get(at) {
            Some(one) => json!({"custom": [one]}),
            None => json!({"securityLevel": "Secret"}),
        };
        let name = format!("c{at}");
        world.configuration(&name, "FLD", json!({ "fields": fields })).await?;
        let condition = world.configuration_tells(&name, "FieldInvalid").await?;
        let message = condition.message;
        ensure!(
            message.contains(field) && message.contains(part),
            "{field}, {part}: {message}"
        );
    }
    ensure!(
        !world.sim.log().iter().any(jira_sim::LogEntry::is_create),
        "nothing was tried"
    );
    Ok(())
}
