//! Fields are typed by what Jira says of them, and told when Jira would refuse them.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::eventually;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Test, World, merge, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("fields::required_custom_fields_are_filled_by_name", required_fields),
        test(
            "fields::every_kind_is_sent_typed_and_a_person_keeps_an_edit",
            every_kind,
        ),
        test("fields::without_maintenance_they_are_written_once", written_once),
        test("fields::lists_are_shared_with_people", shared_lists),
        test(
            "fields::what_jira_would_refuse_is_told_before_the_first_ticket",
            refusals,
        ),
        test("fields::an_assignee_is_found_or_told_missing", assignees),
        test(
            "fields::an_assignee_that_jira_refuses_after_all_costs_no_ticket",
            late_refusal,
        ),
    ]
}

/// A custom field.
fn custom(field: &str, value: &str) -> Value {
    json!({"field": field, "value": value})
}

async fn start(world: &World, project: &str, extra: Value) -> Outcome {
    world.connection(json!({})).await?;
    world.configuration("shop", project, extra).await
}

/// A field of an issue, as Jira shows it.
fn shown(world: &World, key: &str, field: &str) -> Value {
    let issue = world.sim.issue(key);
    issue
        .and_then(|issue| issue.fields.get(field).cloned())
        .unwrap_or_default()
}

fn names(list: &Value) -> Vec<String> {
    let mut names: Vec<String> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// How many edits were sent to Jira.
fn edits(world: &World) -> usize {
    let log = world.sim.log();
    log.iter().filter(|entry| entry.method == "PUT").count()
}

async fn reconfigure(world: &World, spec: Value) -> Outcome {
    let patch = Patch::Merge(json!({ "spec": spec }));
    world
        .configurations()
        .patch("shop", &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

async fn required_fields(world: World) -> Outcome {
    let _operator = world.operator()?;
    let fields = json!({"issueType": "Vulnerability", "fields": {"custom": [
        custom("team", "payments"), custom("Cost centre", "4711"), {"field": "customfield_10043", "json": 7.5},
    ]}});
    start(&world, "REQ", fields).await?;
    world.configuration_tells("shop", "Ready").await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    ensure!(
        shown(&world, &key, "customfield_10041")["value"] == "Payments",
        "the team"
    );
    ensure!(shown(&world, &key, "customfield_10042") == "4711", "the cost centre");
    ensure!(shown(&world, &key, "customfield_10043") == 7.5, "the score");
    ensure!(edits(&world) == 0, "all was sent with the creation");
    Ok(())
}

async fn every_kind(world: World) -> Outcome {
    let _operator = world.operator()?;
    let spec = |owner: &str, runbook: &str| {
        json!({"fields": {
            "environment": "kernel **6.1**",
            "dueDate": {"High": "7d"},
            "custom": [
                custom("Notes", "See *there*."), custom("seen on", "2026-11-30"),
                custom("Seen at", "2026-11-30T14:39:00Z"), custom("Runbook", runbook),
                {"field": "Regions", "json": ["Europe", "Asia, Pacific"]}, custom("Place", "Africa"),
                custom("Contact", jira_sim::HUMAN_ACCOUNT), custom("customfield_10067", owner),
                custom("Reviewed by", "nobody yet"), custom("Tags", "one, two"),
            ],
        }})
    };
    start(&world, "FLD", spec("A", "https://acme.test/1")).await?;
    world.configuration_tells("shop", "Ready").await?;
    world.finding("f", json!({"firstSeen": "2026-03-10T23:30:00Z"})).await?;
    let key = world.in_sync("f").await?;
    let field = |id: &str| shown(&world, &key, id);
    ensure!(field("customfield_10060")["type"] == "doc", "Notes is a document");
    ensure!(field("customfield_10061") == "2026-11-30", "the day");
    ensure!(field("customfield_10063") == "https://acme.test/1", "the address");
    ensure!(
        field("customfield_10064").as_array().map(Vec::len) == Some(2),
        "{}",
        field("customfield_10064")
    );
    ensure!(field("customfield_10065")["id"] == "10312", "the place");
    ensure!(
        field("customfield_10066")["accountId"] == jira_sim::HUMAN_ACCOUNT,
        "the contact"
    );
    ensure!(field("customfield_10070") == json!(["one", "two"]), "the tags");
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(issue.due_date.as_deref() == Some("2026-03-17"), "{:?}", issue.due_date);
    // Two are not on the create screen: one edit followed the creation.
    ensure!(field("customfield_10069") == "nobody yet", "the reviewer");
    ensure!(field("environment")["type"] == "doc", "the environment");
    ensure!(edits(&world) == 1, "{} edits", edits(&world));

    world.sim.human_edit(&key, &json!({"customfield_10067": "a person's"}));
    reconfigure(&world, spec("B", "https://acme.test/2")).await?;
    eventually(DEADLINE, "the address follows", || async {
        Ok((shown(&world, &key, "customfield_10063") == "https://acme.test/2").then_some(()))
    })
    .await?;
    world.in_sync("f").await?;
    ensure!(field("customfield_10067") == "a person's", "a person's edit is kept");
    ensure!(edits(&world) == 2, "{} edits", edits(&world));
    Ok(())
}

async fn written_once(world: World) -> Outcome {
    let _operator = world.operator()?;
    let spec = |text: &str| json!({"autoMaintain": false, "fields": {"custom": [custom("customfield_10067", text), custom("Reviewed by", text)]}});
    start(&world, "FLD", spec("first")).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    let both = |key: &str| {
        let one = shown(&world, key, "customfield_10067");
        (one, shown(&world, key, "customfield_10069"))
    };
    ensure!(both(&key) == (json!("first"), json!("first")), "{:?}", both(&key));
    reconfigure(&world, spec("second")).await?;
    eventually(DEADLINE, "the change is seen", || async {
        let configuration = world.configurations().get("shop").await?;
        let observed = configuration.status.and_then(|status| status.observed_generation);
        Ok((observed == configuration.metadata.generation).then_some(()))
    })
    .await?;
    world.finding("g", json!({})).await?;
    let other = world.in_sync("g").await?;
    ensure!(both(&other) == (json!("second"), json!("second")), "{:?}", both(&other));
    ensure!(both(&key) == (json!("first"), json!("first")), "{:?}", both(&key));
    Ok(())
}

async fn shared_lists(world: World) -> Outcome {
    let _operator = world.operator()?;
    let spec = |components: &[&str]| json!({"fields": {"components": components, "fixVersions": ["2.0"], "affectsVersions": ["10200"]}, "minUpdateInterval": "0s"});
    start(&world, "SEC", spec(&["cluster"])).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    ensure!(names(&shown(&world, &key, "components")) == ["cluster"], "components");
    ensure!(names(&shown(&world, &key, "fixVersions")) == ["2.0"], "fixVersions");
    ensure!(names(&shown(&world, &key, "versions")) == ["1.0"], "versions");
    ensure!(edits(&world) == 0, "all was sent with the creation");
    world
        .sim
        .human_edit(&key, &json!({"fixVersions": [{"name": "1.0"}, {"name": "2.0"}]}));
    reconfigure(&world, spec(&["images"])).await?;
    eventually(DEADLINE, "the component follows", || async {
        Ok((names(&shown(&world, &key, "components")) == ["images"]).then_some(()))
    })
    .await?;
    reconfigure(&world, json!({"fields": null})).await?;
    eventually(DEADLINE, "ours go", || async {
        let gone = names(&shown(&world, &key, "components")).is_empty();
        Ok((gone && names(&shown(&world, &key, "versions")).is_empty()).then_some(()))
    })
    .await?;
    ensure!(
        names(&shown(&world, &key, "fixVersions")) == ["1.0"],
        "what a person added stays: {}",
        shown(&world, &key, "fixVersions")
    );
    Ok(())
}

async fn refusals(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let teams = json!({"fields": {"custom": [custom("Team", "Marketing"), custom("Cost centre", "1")]}});
    let cases = [
        ("REQ", teams, vec!["Team: ", "Marketing", "Platform, Payments, Web"]),
        (
            "FLD",
            json!({"fields": {"custom": [custom("Owner", "x"), custom("Seen on", "tomorrow"), custom("Colour", "red")]}}),
            vec![
                "customfield_10067, customfield_10068",
                "\"tomorrow\" is not a date",
                "Colour: there is no such field",
            ],
        ),
        (
            "SEC",
            json!({"fields": {"components": ["moon"], "fixVersions": ["3.0"], "custom": [custom("Summary", "x")]}}),
            vec![
                "components: \"moon\"",
                "cluster, images",
                "1.0, 2.0",
                "made from the finding",
            ],
        ),
    ];
    for (at, (project, spec, told)) in cases.into_iter().enumerate() {
        let name = format!("c{at}");
        let mut extra = if project == "REQ" {
            json!({"issueType": "Vulnerability"})
        } else {
            json!({})
        };
        merge(&mut extra, spec);
        world.configuration(&name, project, extra).await?;
        let condition = world.configuration_tells(&name, "FieldInvalid").await?;
        for part in told {
            ensure!(condition.message.contains(part), "{part} in {}", condition.message);
        }
    }
    let half = json!({"issueType": "Vulnerability", "fields": {"custom": [custom("Team", "Web")]}});
    world.configuration("half", "REQ", half).await?;
    let condition = world.configuration_tells("half", "RequiredFieldsMissing").await?;
    ensure!(
        condition.message.contains("Cost centre") && !condition.message.contains("Team"),
        "{}",
        condition.message
    );
    let created = world.sim.log().iter().any(jira_sim::LogEntry::is_create);
    ensure!(!created, "nothing was tried");
    Ok(())
}

/// The message of the condition `AssigneeNotSet`.
async fn not_set(world: &World, name: &str) -> Result<Option<String>, kube::Error> {
    let status = world.findings().get(name).await?.status.unwrap_or_default();
    let mut told = status
        .conditions
        .into_iter()
        .filter(|one| one.type_ == "AssigneeNotSet");
    Ok(told.next().map(|one| one.message))
}

async fn assignees(world: World) -> Outcome {
    let _operator = world.operator()?;
    start(&world, "SEC", json!({"assignee": {"email": "Mia@acme.test"}})).await?;
    let wish = |assignee: Value| json!({"ticket": {"assignee": assignee}});
    world.finding("default", json!({})).await?;
    world
        .finding("own", wish(json!({"accountId": jira_sim::DEFAULT_ACCOUNT})))
        .await?;
    world.finding("nobody", wish(json!({"unassigned": true}))).await?;
    world
        .finding("former", wish(json!({"accountId": "5b10a0effa615349cb016cd8"})))
        .await?;
    world
        .finding("stranger", wish(json!({"email": "stranger@acme.test"})))
        .await?;
    for (name, account) in [
        ("default", Some(jira_sim::HUMAN_ACCOUNT)),
        ("own", Some(jira_sim::DEFAULT_ACCOUNT)),
        ("nobody", None),
        ("former", None),
        ("stranger", None),
    ] {
        let key = world.in_sync(name).await?;
        let issue = world.sim.issue(&key).ok_or("gone")?;
        ensure!(issue.assignee.as_deref() == account, "{name}: {:?}", issue.assignee);
        let told = not_set(&world, name).await?;
        let expected = matches!(name, "former" | "stranger");
        ensure!(told.is_some() == expected, "{name}: {told:?}");
    }
    let told = not_set(&world, "stranger").await?.unwrap_or_default();
    ensure!(told.contains("stranger@acme.test"), "{told}");
    // It stays while it is true, and goes when somebody is assigned.
    world
        .patch_finding("stranger", json!({"spec": {"title": "Another title"}}))
        .await?;
    let key = world.in_sync("stranger").await?;
    eventually(DEADLINE, "the title follows", || async {
        Ok(world
            .sim
            .issue(&key)
            .filter(|issue| issue.summary.contains("Another title")))
    })
    .await?;
    world.in_sync("stranger").await?;
    ensure!(not_set(&world, "stranger").await?.is_some(), "nobody was assigned yet");
    world
        .sim
        .human_edit(&key, &json!({"assignee": {"accountId": jira_sim::HUMAN_ACCOUNT}}));
    eventually(DEADLINE, "the condition goes", || async {
        Ok(not_set(&world, "stranger").await?.is_none().then_some(()))
    })
    .await?;
    Ok(())
}

async fn late_refusal(world: World) -> Outcome {
    let _operator = world.operator()?;
    start(
        &world,
        "SEC",
        json!({"assignee": {"accountId": jira_sim::HUMAN_ACCOUNT}}),
    )
    .await?;
    world.configuration_tells("shop", "Ready").await?;
    world.sim.change_site(|site| {
        for project in &mut site.projects {
            project.assignable = Some(Vec::new());
        }
    });
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    ensure!(world.sim.issue(&key).ok_or("gone")?.assignee.is_none(), "nobody");
    let told = not_set(&world, "f").await?.unwrap_or_default();
    ensure!(told.contains("cannot be assigned"), "{told}");
    ensure!(world.sim.issues().len() == 1, "one issue");
    Ok(())
}
