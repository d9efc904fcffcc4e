//! Templates of a configuration, from preset, spec and ConfigMap to the issue.

use kube::api::{Patch, PatchParams};
use serde_json::json;
use support::eventually;

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Test, World, state, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("templates::a_preset_and_own_texts_make_the_issue", preset_and_own),
        test("templates::a_wrong_template_is_told_and_stops_no_other", wrong_template),
        test(
            "templates::a_template_that_fails_for_one_finding_is_told_there",
            one_finding,
        ),
        test("templates::a_config_map_is_found_missed_and_followed", config_map),
    ]
}

async fn preset_and_own(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let template = json!({"template": {"preset": "RegistryScanVulnerability", "summary": "Look at {{ asset }}"}});
    world.configuration("shop", "SEC", template).await?;
    let hostile = "first | second\nthird <b>bold</b> {{ finding.title }} [~accountid:x]";
    world
        .finding("f", json!({"asset": {"name": "web:1.4.2"}, "description": hostile}))
        .await?;
    let key = world.in_sync("f").await?;
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(issue.summary == "Look at web:1.4.2", "{}", issue.summary);
    let text = issue.description.to_string();
    ensure!(text.contains("\"table\"") && text.contains("first | second"), "{text}");
    ensure!(
        text.contains("{{ finding.title }}"),
        "a finding's text is no template: {text}"
    );
    Ok(())
}

async fn wrong_template(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let wrong =
        json!({"template": {"description": "fine\n\n{{ finding.titel }}"}, "selector": {"minSeverity": "Critical"}});
    world.configuration("wrong", "SEC", wrong).await?;
    world.configuration("right", "SEC", json!({"weight": 1})).await?;
    let told = world.configuration_tells("wrong", "TemplateInvalid").await?;
    ensure!(
        told.message.contains("titel") && told.message.contains("description"),
        "{}",
        told.message
    );
    ensure!(told.message.contains('3'), "the line is named: {}", told.message);
    world.finding("other", json!({})).await?;
    world.in_sync("other").await?;
    world.finding("f", json!({"severity": "Critical"})).await?;
    world.finding_tells("f", "ConfigurationNotReady").await?;
    Ok(())
}

async fn one_finding(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    // Nothing tells before this finding comes that it divides by zero.
    let summary = "{% if finding.title == 'odd' %}{{ 1 // 0 }}{% endif %}{{ finding.title }}";
    let spec = json!({"template": {"summary": summary}, "minUpdateInterval": "0s"});
    world.configuration("shop", "SEC", spec).await?;
    world.finding("odd", json!({"title": "odd"})).await?;
    world.finding("even", json!({"title": "even"})).await?;
    let told = world.finding_tells("odd", "TemplateInvalid").await?;
    ensure!(told.message.contains("template.summary, line 1"), "{}", told.message);
    world.in_sync("even").await?;
    world.configuration_tells("shop", "Ready").await?;
    ensure!(world.sim.issues().len() == 1, "nothing was opened for the odd one");
    world
        .patch_finding("odd", json!({"spec": {"title": "no longer"}}))
        .await?;
    let key = world.in_sync("odd").await?;
    // With an issue, the content waits and the status flows.
    world.patch_finding("odd", json!({"spec": {"title": "odd"}})).await?;
    world.finding_tells("odd", "TemplateInvalid").await?;
    world.sim.human_transition(&key, "In Progress");
    world
        .finding_is("odd", "follows the board", |finding| state(finding) == "InProgress")
        .await?;
    let issue = world.sim.issue(&key).ok_or("gone")?;
    ensure!(issue.summary == "no longer", "{}", issue.summary);
    Ok(())
}

async fn config_map(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world
        .configuration("shop", "SEC", json!({"template": {"configMapRef": {"name": "texts"}}}))
        .await?;
    let told = world.configuration_tells("shop", "ConfigMapNotFound").await?;
    ensure!(told.message.contains("texts"), "{}", told.message);
    let write = |summary: &str| {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "texts"}, "data": {"summary": summary}});
        let (client, namespace) = (world.client.clone(), world.namespace.clone());
        async move { support::manifests::apply_yaml(&client, &map.to_string(), Some(&namespace)).await }
    };
    let ask = |value: &str| {
        let patch =
            Patch::Merge(json!({"metadata": {"annotations": {"jira-findings.dev/reconcile-requested-at": value}}}));
        let api = world.configurations();
        async move { api.patch("shop", &PatchParams::default(), &patch).await }
    };
    write("One: {{ finding.title }}").await?;
    ask("one").await?;
    world.configuration_tells("shop", "Ready").await?;
    world.finding("f", json!({"title": "it"})).await?;
    let key = world.in_sync("f").await?;
    ensure!(
        world.sim.issue(&key).ok_or("gone")?.summary == "One: it",
        "the text of the ConfigMap"
    );
    write("Two: {{ finding.title }}").await?;
    ask("two").await?;
    eventually(DEADLINE, "the issue follows the ConfigMap", || async {
        let summary = world.sim.issue(&key).ok_or("gone")?.summary;
        if summary == "Two: it" {
            Ok(Some(()))
        } else {
            Err(summary.into())
        }
    })
    .await
}
