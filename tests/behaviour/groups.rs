//! Findings that share an issue.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use jira_findings_operator::api::SecurityFinding;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::eventually;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Result, Test, World, merge, state, summary, test, ticket_key};

pub fn tests() -> Vec<Test> {
    vec![
        test(
            "groups::a_group_of_120_has_three_tickets",
            a_group_of_120_has_three_tickets,
        ),
        test("groups::members_come_and_go", members_come_and_go),
        test(
            "groups::the_issue_speaks_for_all_members",
            the_issue_speaks_for_all_members,
        ),
        test(
            "groups::a_restart_knows_who_belongs_where",
            a_restart_knows_who_belongs_where,
        ),
        test("groups::killed_while_a_group_is_opened", killed_while_a_group_is_opened),
        test(
            "groups::another_grouping_leaves_the_board_alone",
            another_grouping_leaves_the_board_alone,
        ),
        test(
            "groups::namespaces_share_an_issue_where_they_may",
            namespaces_share_an_issue,
        ),
        test(
            "groups::a_path_that_leads_nowhere_is_told",
            a_path_that_leads_nowhere_is_told,
        ),
        test(
            "groups::hostile_tables_of_forty_findings",
            hostile_tables_of_forty_findings,
        ),
    ]
}

async fn set_up(world: &World, extra: Value) -> Outcome {
    world.connection(json!({})).await?;
    // Two statuses of SEC mean "not begun"; which one a reopened issue goes to must be said.
    let mut spec = json!({
        "grouping": {"by": ["asset.name"]}, "minUpdateInterval": "0s",
        "statusSync": {"mapping": [{"state": "Active", "jiraStatuses": ["To Do", "Backlog"]}]},
    });
    merge(&mut spec, extra);
    world.configuration("shop", "SEC", spec).await
}

async fn report(world: &World, names: &[String], spec: Value) -> Outcome {
    try_join_all(names.iter().map(|name| world.finding(name, spec.clone()))).await?;
    Ok(())
}

async fn say(world: &World, names: &[String], state: &str) -> Outcome {
    let patch = json!({"spec": {"state": state}});
    try_join_all(names.iter().map(|name| world.patch_finding(name, patch.clone()))).await?;
    Ok(())
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number:03}")).collect()
}

/// Waits until all findings of the namespace are as wanted; gives how many each issue has.
async fn all_are(
    world: &World,
    what: &str,
    wanted: impl Fn(&SecurityFinding) -> bool + Sync,
) -> Result<BTreeMap<String, usize>> {
    eventually(DEADLINE, &format!("all findings {what}"), || async {
        let all = world.findings().list(&ListParams::default()).await?.items;
        if let Some(other) = all.iter().find(|finding| !wanted(finding)) {
            return Err(format!("{:?}: {}", other.metadata.name, summary(other)).into());
        }
        let mut counts = BTreeMap::new();
        for finding in &all {
            *counts.entry(ticket_key(finding).unwrap_or_default()).or_insert(0) += 1;
        }
        Ok(Some(counts))
    })
    .await
}

fn tells(finding: &SecurityFinding, reason: &str) -> bool {
    crate::world::ready(finding)
        .is_some_and(|ready| ready.reason == reason && ready.observed_generation == finding.metadata.generation)
}

async fn issues_are(world: &World, wanted: &[(&str, usize)]) -> Outcome {
    eventually(DEADLINE, &format!("issues are {wanted:?}"), || async {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for issue in world.sim.issues() {
            *counts.entry(issue.status).or_insert(0) += 1;
        }
        let wanted: BTreeMap<String, usize> = wanted
            .iter()
            .map(|(status, count)| ((*status).to_owned(), *count))
            .collect();
        if counts == wanted {
            Ok(Some(()))
        } else {
            Err(format!("{counts:?}").into())
        }
    })
    .await
}

fn description(world: &World, key: &str) -> String {
    world
        .sim
        .issue(key)
        .map(|issue| issue.description.to_string())
        .unwrap_or_default()
}

async fn a_group_of_120_has_three_tickets(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(&world, json!({"grouping": {"maxFindings": 50}})).await?;
    let names = numbered("cve", 120);
    report(
        &world,
        &names,
        json!({"asset": {"name": "registry/shop:1"}, "category": "Vulnerability"}),
    )
    .await?;
    let counts = all_are(&world, "are in step", |finding| tells(finding, "InSync")).await?;
    let mut sizes: Vec<usize> = counts.values().copied().collect();
    sizes.sort_unstable();
    ensure!(sizes == [20, 50, 50], "{counts:?}");
    ensure!(world.sim.count("POST", "/rest/api/3/issue") == 3, "three creations");

    say(&world, &names[..119], "Fixed").await?;
    issues_are(&world, &[("Done", 2), ("To Do", 1)]).await?;
    all_are(&world, "are what was said", |finding| {
        state(finding) == finding.spec.state.as_str()
    })
    .await?;

    say(&world, &names[119..], "Fixed").await?;
    issues_are(&world, &[("Done", 3)]).await?;
    all_are(&world, "are closed", |finding| tells(finding, "Closed")).await?;

    say(&world, &names[7..8], "Active").await?;
    issues_are(&world, &[("Done", 2), ("To Do", 1)]).await?;
    let finding = world
        .finding_is(&names[7], "is open again", |finding| state(finding) == "Active")
        .await?;
    let key = ticket_key(&finding).ok_or("no ticket")?;
    let issue = world.sim.issue(&key).ok_or("no issue")?;
    ensure!(issue.status == "To Do", "{key} is {}", issue.status);
    ensure!(world.sim.issues().len() == 3, "nothing else was opened");
    Ok(())
}

async fn members_come_and_go(world: World) -> Outcome {
    let _operator = world.operator()?;
    let remap = json!({"priority": {"remap": {
        "Critical": "Highest", "High": "High", "Medium": "Medium", "Low": "Low", "Informational": "Lowest", "Unknown": "Medium",
    }}});
    set_up(&world, remap).await?;
    let asset = json!({"name": "web"});
    world
        .finding("one", json!({"asset": asset, "severity": "Low", "title": "First flaw"}))
        .await?;
    let key = world.in_sync("one").await?;
    let priority = async |wanted: &str| {
        eventually(DEADLINE, &format!("the priority is {wanted}"), || async {
            let now = world.sim.issue(&key).and_then(|issue| issue.priority);
            if now.as_deref() == Some(wanted) {
                Ok(Some(()))
            } else {
                Err(format!("{now:?}").into())
            }
        })
        .await
    };
    priority("Low").await?;

    world
        .finding(
            "two",
            json!({"asset": asset, "severity": "Critical", "title": "Second flaw"}),
        )
        .await?;
    ensure!(world.in_sync("two").await? == key, "it joins the issue");
    priority("Highest").await?;
    let text = description(&world, &key);
    ensure!(text.contains("First flaw") && text.contains("Second flaw"), "{text}");
    let joined = world.findings().get("two").await?;
    ensure!(joined.metadata.finalizers.is_some(), "a member is held");

    // The fixed one counts no more, and is still told of.
    world.patch_finding("two", json!({"spec": {"state": "Fixed"}})).await?;
    priority("Low").await?;
    world
        .patch_finding("one", json!({"spec": {"severity": "Medium"}}))
        .await?;
    priority("Medium").await?;

    world.delete_finding("two").await?;
    eventually(DEADLINE, "the issue speaks of it no more", || async {
        let text = description(&world, &key);
        if text.contains("Second flaw") {
            Err("it still does".into())
        } else {
            Ok(Some(()))
        }
    })
    .await?;
    let status = world.sim.issue(&key).ok_or("no issue")?.status;
    ensure!(status == "To Do", "{key} is {status}");

    // Where the last open one goes, nobody needs the issue any more.
    world
        .finding("three", json!({"asset": asset, "state": "Fixed"}))
        .await?;
    world
        .finding_is("three", "has the ticket", |finding| {
            ticket_key(finding).as_deref() == Some(&key)
        })
        .await?;
    world.delete_finding("one").await?;
    issues_are(&world, &[("Done", 1)]).await?;
    world.finding_tells("three", "Closed").await?;
    world.delete_finding("three").await?;
    eventually(DEADLINE, "the last finding is gone", || async {
        Ok(world.findings().get_opt("three").await?.is_none().then_some(()))
    })
    .await
}

async fn the_issue_speaks_for_all_members(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(&world, json!({})).await?;
    let names = numbered("f", 4);
    report(&world, &names, json!({"asset": {"name": "web"}})).await?;
    let counts = all_are(&world, "are in step", |finding| tells(finding, "InSync")).await?;
    let key = counts.keys().next().cloned().unwrap_or_default();
    say(&world, &names[..1], "Ignored").await?;
    all_are(&world, "are what was said", |finding| {
        state(finding) == finding.spec.state.as_str()
    })
    .await?;

    world.sim.human_transition(&key, "In Progress");
    let follows = |open: &'static str| {
        move |finding: &SecurityFinding| {
            let own = finding.spec.state.as_str();
            state(finding) == if own == "Active" { open } else { own }
        }
    };
    all_are(&world, "follow the board", follows("InProgress")).await?;
    world.sim.human_transition(&key, "Done");
    all_are(&world, "are closed by a person", follows("Fixed")).await?;

    // What a person closed is opened again by one that was not there.
    world.finding("newcomer", json!({"asset": {"name": "web"}})).await?;
    issues_are(&world, &[("To Do", 1)]).await?;
    all_are(&world, "are open again", follows("Active")).await?;
    ensure!(world.sim.issues().len() == 1, "nothing else was opened");
    Ok(())
}

async fn a_restart_knows_who_belongs_where(world: World) -> Outcome {
    let mut operator = world.operator()?;
    set_up(&world, json!({"grouping": {"maxFindings": 3}})).await?;
    let names = numbered("f", 7);
    report(&world, &names, json!({"asset": {"name": "web"}})).await?;
    let before = all_are(&world, "are in step", |finding| tells(finding, "InSync")).await?;
    ensure!(before.len() == 3, "{before:?}");
    operator.kill()?;
    let writes = |world: &World| {
        let log = world.sim.log();
        log.iter()
            .filter(|entry| entry.method == "PUT" || entry.is_create())
            .count()
    };
    let count = writes(&world);
    world.finding("late-0", json!({"asset": {"name": "web"}})).await?;
    world.finding("late-1", json!({"asset": {"name": "web"}})).await?;
    operator.restart()?;
    let after = all_are(&world, "are in step", |finding| tells(finding, "InSync")).await?;
    ensure!(after.values().all(|size| *size == 3), "{before:?}, then {after:?}");
    ensure!(after.keys().eq(before.keys()), "no other issue");
    ensure!(writes(&world) > count, "the text of one issue has changed");
    Ok(())
}

async fn killed_while_a_group_is_opened(world: World) -> Outcome {
    let mut operator = world.operator()?;
    set_up(&world, json!({"grouping": {"maxFindings": 5}})).await?;
    let names = numbered("f", 10);
    world.sim.set_latency(std::time::Duration::from_millis(300));
    report(&world, &names, json!({"asset": {"name": "web"}})).await?;
    for _ in 0..3 {
        let open = || async { Ok((world.sim.creates_in_flight() > 0 || world.sim.issues().len() > 1).then_some(())) };
        eventually(DEADLINE, "an issue is being created", open).await?;
        operator.kill()?;
        operator.restart()?;
    }
    world.sim.set_latency(std::time::Duration::ZERO);
    let counts = all_are(&world, "are in step", |finding| tells(finding, "InSync")).await?;
    ensure!(counts.values().eq(&[5, 5]), "{counts:?}");
    ensure!(
        world.sim.issues().len() == 2,
        "there are {} issues",
        world.sim.issues().len()
    );
    Ok(())
}

async fn another_grouping_leaves_the_board_alone(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(&world, json!({})).await?;
    let spec = |cve: &str| json!({"asset": {"name": "web"}, "vulnerability": {"id": cve}});
    world.finding("a", spec("CVE-1")).await?;
    world.finding("b", spec("CVE-2")).await?;
    let old = world.in_sync("a").await?;
    ensure!(world.in_sync("b").await? == old, "both share an issue");
    let writes = |world: &World| {
        world
            .sim
            .log()
            .iter()
            .filter(|entry| entry.method != "GET" && entry.route.contains("/issue"))
            .count()
    };
    let regroup = async |grouping: Value| {
        let patch = Patch::Merge(json!({"spec": {"grouping": grouping}}));
        let changed = world
            .configurations()
            .patch("shop", &PatchParams::default(), &patch)
            .await?;
        eventually(DEADLINE, "the configuration is looked up", || async {
            let status = world.configurations().get("shop").await?.status.unwrap_or_default();
            Ok((status.observed_generation == changed.metadata.generation).then_some(()))
        })
        .await
    };
    regroup(json!({"by": ["vulnerability.id"]})).await?;
    world.finding("c", spec("CVE-1")).await?;
    let new = world.in_sync("c").await?;
    ensure!(new != old, "a new group has a new issue");
    ensure!(
        world.in_sync("a").await? == old && world.in_sync("b").await? == old,
        "the others keep theirs"
    );
    let text = description(&world, &old);
    regroup(Value::Null).await?;
    world.finding("d", spec("CVE-1")).await?;
    let own = world.in_sync("d").await?;
    ensure!(own != old && own != new, "without grouping it has its own");
    ensure!(description(&world, &old) == text, "the old issue was not touched");
    let before = writes(&world);
    regroup(json!({"by": ["asset.name"]})).await?;
    world.finding("e", spec("CVE-3")).await?;
    ensure!(
        world.in_sync("e").await? == old,
        "back in the first grouping it joins the first issue"
    );
    let issues = world.sim.issues().len();
    ensure!(issues == 3, "{issues} issues");
    ensure!(
        writes(&world) - before <= 6,
        "{} writes for one newcomer",
        writes(&world) - before
    );
    // The old ticket ends with its findings.
    for name in ["a", "b", "e"] {
        world.patch_finding(name, json!({"spec": {"state": "Fixed"}})).await?;
    }
    eventually(DEADLINE, "the old issue is done", || async {
        let status = world.sim.issue(&old).ok_or("gone")?.status;
        if status == "Done" {
            Ok(Some(()))
        } else {
            Err(status.into())
        }
    })
    .await
}

async fn namespaces_share_an_issue(world: World) -> Outcome {
    let other = support::cluster::create_namespace(&world.client, "t").await?;
    let _operator = world
        .builder()
        .watch_namespace(&other)
        .flag("shared-configuration-namespace", &world.namespace)
        .start()?;
    set_up(
        &world,
        json!({"findingNamespaces": {"from": "All"}, "grouping": {"acrossNamespaces": true}}),
    )
    .await?;
    let asset = json!({"asset": {"name": "web"}});
    world.finding("here", asset.clone()).await?;
    let key = world.in_sync("here").await?;
    let mut finding = world.findings().get("here").await?;
    finding.metadata = serde_json::from_value(json!({"name": "there", "namespace": other}))?;
    finding.status = None;
    let there: kube::Api<SecurityFinding> = kube::Api::namespaced(world.client.clone(), &other);
    there.create(&kube::api::PostParams::default(), &finding).await?;
    eventually(DEADLINE, "the other namespace has the same issue", || async {
        let finding = there.get("there").await?;
        if ticket_key(&finding).as_deref() == Some(&key) {
            Ok(Some(()))
        } else {
            Err(summary(&finding).into())
        }
    })
    .await?;
    // It is closed when both have fixed it.
    world.patch_finding("here", json!({"spec": {"state": "Fixed"}})).await?;
    world
        .finding_is("here", "is fixed", |finding| state(finding) == "Fixed")
        .await?;
    issues_are(&world, &[("To Do", 1)]).await?;
    let fixed = Patch::Merge(json!({"spec": {"state": "Fixed"}}));
    there.patch("there", &PatchParams::default(), &fixed).await?;
    issues_are(&world, &[("Done", 1)]).await
}

async fn a_path_that_leads_nowhere_is_told(world: World) -> Outcome {
    let _operator = world.operator()?;
    set_up(&world, json!({"grouping": {"by": ["asset.nmae"]}})).await?;
    let told = world.configuration_tells("shop", "GroupingInvalid").await?;
    ensure!(
        told.message.contains("asset.nmae") && told.message.contains("region"),
        "{}",
        told.message
    );
    world.finding("f", json!({"asset": {"name": "web"}})).await?;
    let told = world.finding_tells("f", "ConfigurationNotReady").await?;
    ensure!(told.message.contains("asset.nmae"), "{}", told.message);
    // Corrected, it goes on by itself.
    let patch = Patch::Merge(json!({"spec": {"grouping": {"by": ["asset.name"]}}}));
    world
        .configurations()
        .patch("shop", &PatchParams::default(), &patch)
        .await?;
    world.in_sync("f").await?;
    let bare = json!({"spec": {"grouping": {"by": []}}});
    let refused = world
        .configurations()
        .patch("shop", &PatchParams::default(), &Patch::Merge(bare))
        .await;
    ensure!(refused.is_err(), "nothing to group by");
    Ok(())
}

/// The tables of a security product's own templates, over texts that nobody escaped.
async fn hostile_tables_of_forty_findings(world: World) -> Outcome {
    let _operator = world.operator()?;
    let template = json!({"template": {
        "summary": "Vulnerabilities found in {{ asset }}",
        "description": "**{{ count }}** findings in {{ asset }}\n\n| Vulnerability | Description | Solution |\n|---|---|---|\n{{ dynamic_template }}",
        "perFinding": "| {{ vulnerability.name }} | {{ vulnerability.description }} | {{ vulnerability.solution }} |\n",
    }});
    set_up(&world, template).await?;
    let nasty =
        "a | b <script>alert(1)</script>\n\n- größe\n- 日本語 🦀 \u{202e}rtl\n\n| x | y |\n|---|---|\n| 1 | 2 |\n";
    let names = numbered("f", 40);
    let creations = names.iter().map(|name| {
        let spec = json!({
            "title": format!("{name} | <b>bold</b>\u{301}"), "asset": {"name": "web|1"},
            "description": nasty.repeat(30_000 / nasty.len()), "remediation": "Update | now\n<br>\nor later",
        });
        world.finding(name, spec)
    });
    try_join_all(creations).await?;
    let counts = all_are(&world, "are in step", |finding| tells(finding, "InSync")).await?;
    ensure!(counts.len() == 1, "{counts:?}");
    let key = counts.keys().next().cloned().unwrap_or_default();
    let issue = world.sim.issue(&key).ok_or("no issue")?;
    let text = issue.description.to_string();
    let size = text.encode_utf16().count();
    ensure!(size <= 32_000, "{size} characters");
    let tables: Vec<&Value> = issue.description["content"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|block| block["type"] == "table")
        .collect();
    ensure!(tables.len() == 1, "{} tables", tables.len());
    let rows = tables[0]["content"].as_array().map_or(0, Vec::len);
    ensure!(rows > 2, "{rows} rows");
    ensure!(
        rows == 41 || text.contains(" more"),
        "{rows} rows and no word of the others"
    );
    let three = |row: &Value| row["content"].as_array().is_some_and(|cells| cells.len() == 3);
    ensure!(
        tables[0]["content"].as_array().into_iter().flatten().all(three),
        "a row lost a cell"
    );
    ensure!(
        !text.contains("<script>") && text.contains("größe"),
        "markup got through, or text was lost"
    );
    Ok(())
}
