//! The process: what it waits for, what it tells, how it ends.

use std::time::Duration;

use serde_json::{Value, json};
use support::{ControlPlane, Operator, eventually};

use crate::ensure;
use crate::world::{DEADLINE, Outcome, Test, World, test};

pub fn tests() -> Vec<Test> {
    vec![
        test("process::without_definitions_it_waits_and_says_so", without_definitions),
        test("process::it_tells_how_it_is_and_drains_on_sigterm", tells_and_drains),
        test("process::wrong_settings_are_refused_in_words", wrong_settings),
        test("process::manifests_of_the_demo_are_accepted", examples),
    ]
}

/// The address the operator listens at, from its log.
async fn address(operator: &Operator) -> support::Result<String> {
    let log = operator.wait_for_log("HTTP server listens", DEADLINE).await?;
    let line = log
        .lines()
        .rev()
        .find(|line| line.contains("HTTP server listens"))
        .ok_or("no address")?
        .to_owned();
    let at = line.find("http://").ok_or("no address")?;
    Ok(line[at..]
        .chars()
        .take_while(|c| !c.is_whitespace() && *c != '"')
        .collect())
}

async fn get(url: &str) -> support::Result<(u16, String)> {
    let answer = reqwest::get(url).await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

async fn without_definitions(world: World) -> Outcome {
    // A cluster of its own: the shared one has the definitions.
    let cluster = ControlPlane::start(&support::assets::locate()?).await?;
    let kubeconfig = cluster.directory().join("admin.kubeconfig");
    cluster.kubeconfig(&kubeconfig)?;
    let operator = world.builder().kubeconfig(&kubeconfig).start()?;
    let url = address(&operator).await?;
    let (status, text) = get(&format!("{url}/readyz")).await?;
    ensure!(status == 503 && text.contains("CRDs"), "{status} {text}");
    let (status, _) = get(&format!("{url}/livez")).await?;
    ensure!(status == 200, "it lives while it waits: {status}");
    let crds = support::assets::repository().join("crds");
    support::manifests::apply_crds(&cluster.admin_client(), &crds).await?;
    eventually(DEADLINE, "it is ready", || async {
        let (status, text) = get(&format!("{url}/readyz")).await?;
        if status == 200 { Ok(Some(())) } else { Err(text.into()) }
    })
    .await
}

async fn tells_and_drains(world: World) -> Outcome {
    let mut operator = world.builder().flag("log-format", "json").start()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    let url = address(&operator).await?;
    let (status, metrics) = get(&format!("{url}/metrics")).await?;
    ensure!(
        status == 200 && metrics.contains("jfo_tickets_created_total 1"),
        "{metrics}"
    );
    ensure!(
        !metrics.contains("\"f\"") && !metrics.contains(&key),
        "no label names an object"
    );
    let counts = eventually(DEADLINE, "the configuration counts", || async {
        let status = world.configurations().get("shop").await?.status.unwrap_or_default();
        Ok(status.findings.filter(|findings| findings.ticketed == 1))
    })
    .await?;
    ensure!(
        counts.matched == 1 && counts.pending == 0 && counts.failed == 0,
        "{counts:?}"
    );
    let log = world.logs();
    for line in log.lines() {
        serde_json::from_str::<Value>(line).map_err(|error| format!("{error}: {line}"))?;
    }
    ensure!(
        log.lines()
            .any(|line| line.contains(&key) && line.contains("\"issue\"")),
        "the log names the issue"
    );
    // A creation under way at SIGTERM is finished and told.
    let slow = jira_sim::FaultKind::ApplyThenDelay { millis: 1_500 };
    world.sim.fault(jira_sim::Fault::once("createIssue", slow));
    world.finding("late", json!({})).await?;
    eventually(DEADLINE, "the creation is under way", || async {
        Ok((world.sim.creates_in_flight() > 0).then_some(()))
    })
    .await?;
    let status = operator.stop(Duration::from_secs(20)).await?;
    ensure!(status.success(), "{status}");
    let late = world.findings().get("late").await?;
    ensure!(
        crate::world::ticket_key(&late).is_some(),
        "{}",
        crate::world::summary(&late)
    );
    Ok(())
}

async fn wrong_settings(_: World) -> Outcome {
    let binary = support::operator::binary("jira-findings-operator")?;
    for (arguments, named) in [
        (vec!["run"], "--instance-id"),
        (vec!["run", "--instance-id", "prod"], "--allow-host"),
        (
            vec!["run", "--instance-id", "Not Good", "--allow-host", "a.test"],
            "instance-id",
        ),
        (
            vec![
                "run",
                "--instance-id",
                "a",
                "--allow-host",
                "a.test",
                "--index-lag",
                "soon",
            ],
            "index-lag",
        ),
        (
            vec![
                "run",
                "--instance-id",
                "a",
                "--allow-host",
                "a.test",
                "--concurrency",
                "0",
            ],
            "concurrency",
        ),
    ] {
        let output = tokio::process::Command::new(&binary).args(&arguments).output().await?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            !output.status.success() && text.contains(named),
            "{arguments:?}: {text}"
        );
    }
    Ok(())
}

async fn examples(world: World) -> Outcome {
    let directory = support::assets::repository().join("examples/demo");
    let mut objects = 0;
    for entry in std::fs::read_dir(&directory)? {
        // The demo puts the address of its simulator in place of this word.
        let text = std::fs::read_to_string(entry?.path())?.replace("JIRA_URL", "https://acme.atlassian.net");
        objects += support::manifests::apply_yaml(&world.client, &text, Some(&world.namespace))
            .await?
            .len();
    }
    ensure!(objects >= 3, "{objects} objects in {}", directory.display());
    Ok(())
}
