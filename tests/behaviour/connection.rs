//! Connections: proven before they are trusted, and flipped at once when they are not any more.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::ensure;
use crate::world::{Outcome, Test, World, test};

pub fn tests() -> Vec<Test> {
    vec![
        test(
            "connection::a_wrong_token_is_told_and_rotation_needs_no_restart",
            wrong_token,
        ),
        test(
            "connection::a_revoked_token_flips_the_connection_and_loses_nothing",
            revoked_token,
        ),
        test("connection::what_is_missing_is_named", what_is_missing),
        test("connection::a_scoped_token_goes_to_the_gateway", scoped_token),
        test("connection::a_host_must_be_allowed", hosts),
        test("connection::captcha_and_strangers_are_told", captcha_and_strangers),
        test("connection::suspend_stops_traffic", suspend),
    ]
}

async fn patch(world: &World, spec: serde_json::Value) -> Outcome {
    let patch = Patch::Merge(json!({"spec": spec}));
    world
        .connections()
        .patch("acme", &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

async fn wrong_token(world: World) -> Outcome {
    world.secret("wrong").await?;
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    let told = world.connection_tells("Unauthorized").await?;
    ensure!(
        told.status == "False" && told.message.contains("scope"),
        "{}",
        told.message
    );
    ensure!(!told.message.contains("wrong\""), "{}", told.message);
    world.configuration_tells("shop", "ConnectionNotReady").await?;
    let told = world.finding_tells("f", "ConfigurationNotReady").await?;
    ensure!(
        told.message.contains("token"),
        "the finding tells why: {}",
        told.message
    );
    world.secret(jira_sim::CLASSIC_TOKEN).await?;
    world.connection_tells("Connected").await?;
    world.in_sync("f").await?;
    let logs = world.logs();
    ensure!(!logs.contains(jira_sim::CLASSIC_TOKEN), "the token is in the log");
    Ok(())
}

async fn revoked_token(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    for at in 0..3 {
        world.finding(&format!("f{at}"), json!({})).await?;
    }
    let mut keys = Vec::new();
    for at in 0..3 {
        keys.push(world.in_sync(&format!("f{at}")).await?);
    }
    ensure!(
        world.sim.replace_token(jira_sim::CLASSIC_TOKEN, "fresh-token"),
        "the old token is worth nothing now"
    );
    // The next poll meets an empty answer or a 404; none of that is believed.
    world.connection_tells("Unauthorized").await?;
    world.finding("late", json!({})).await?;
    world.finding_tells("late", "ConfigurationNotReady").await?;
    for at in 0..3 {
        let finding = world.findings().get(&format!("f{at}")).await?;
        let ready = crate::world::ready(&finding).ok_or("no condition")?;
        ensure!(
            ready.reason == "InSync",
            "a broken connection is no message per finding: {}",
            ready.reason
        );
    }
    world.secret("fresh-token").await?;
    world.connection_tells("Connected").await?;
    world.in_sync("late").await?;
    ensure!(world.sim.issues().len() == 4, "{} issues", world.sim.issues().len());
    Ok(())
}

async fn what_is_missing(world: World) -> Outcome {
    let _operator = world.operator()?;
    world
        .connection(json!({"auth": {"basic": {"tokenSecretRef": {"name": "nope"}}}}))
        .await?;
    let told = world.connection_tells("SecretNotFound").await?;
    ensure!(told.message.contains("nope"), "{}", told.message);
    patch(
        &world,
        json!({"auth": {"basic": {"tokenSecretRef": {"name": "jira", "key": "other"}}}}),
    )
    .await?;
    let told = world.connection_tells("SecretKeyMissing").await?;
    ensure!(told.message.contains("other"), "{}", told.message);
    patch(
        &world,
        json!({"auth": {"basic": {"tokenSecretRef": {"name": "jira", "key": "token"}}}}),
    )
    .await?;
    world.connection_tells("Connected").await?;
    Ok(())
}

async fn scoped_token(world: World) -> Outcome {
    world.secret(jira_sim::SCOPED_TOKEN).await?;
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.connection_tells("Unauthorized").await?;
    patch(&world, json!({"auth": {"basic": {"scoped": true}}})).await?;
    world.connection_tells("Connected").await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    world.in_sync("f").await?;
    let create = world
        .sim
        .log()
        .into_iter()
        .find(jira_sim::LogEntry::is_create)
        .ok_or("no creation")?;
    ensure!(create.gateway, "it went through the gateway");
    Ok(())
}

async fn hosts(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({"url": "https://evil.example.org"})).await?;
    let told = world.connection_tells("HostNotAllowed").await?;
    ensure!(
        told.message.contains("evil.example.org") && told.message.contains("allow-host"),
        "{}",
        told.message
    );
    patch(&world, json!({"url": "http://localhost:1"})).await?;
    world.connection_tells("HostNotAllowed").await?;
    patch(&world, json!({"url": "http://127.0.0.1:1"})).await?;
    world.connection_tells("SiteUnreachable").await?;
    // What answers there does not speak TLS.
    patch(&world, json!({"url": world.sim.url().replace("http://", "https://")})).await?;
    world.connection_tells("TlsFailed").await?;
    patch(&world, json!({"url": world.sim.url()})).await?;
    world.connection_tells("Connected").await?;
    Ok(())
}

async fn captcha_and_strangers(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({"expectedAccountId": "somebody-else"})).await?;
    let told = world.connection_tells("UnexpectedAccount").await?;
    ensure!(told.message.contains("somebody-else"), "{}", told.message);
    patch(&world, json!({"expectedAccountId": jira_sim::DEFAULT_ACCOUNT})).await?;
    world.connection_tells("Connected").await?;
    world.sim.set_captcha(true);
    let asked = json!({"metadata": {"annotations": {"jira-findings.dev/reconcile-requested-at": "now"}}});
    world
        .connections()
        .patch("acme", &PatchParams::default(), &Patch::Merge(asked))
        .await?;
    world.connection_tells("CaptchaRequired").await?;
    Ok(())
}

async fn suspend(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({"suspend": true})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    world.connection_tells("Suspended").await?;
    world.finding_tells("f", "ConfigurationNotReady").await?;
    ensure!(world.sim.log().is_empty(), "no call is made");
    patch(&world, json!({"suspend": false})).await?;
    world.in_sync("f").await?;
    Ok(())
}
