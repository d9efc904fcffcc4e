//! Never a second issue: lost replies, errors after the fact, and a process that dies anywhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jira_sim::{Fault, FaultKind};
use kube::api::ListParams;
use serde_json::json;
use support::eventually;

use crate::ensure;
use crate::world::{Outcome, Test, World, ready, state, test};

/// Findings of the burst.
const BURST: usize = 300;

pub fn tests() -> Vec<Test> {
    vec![
        test("crash::a_reply_lost_after_the_fact_opens_no_second_issue", lost_reply),
        test("crash::an_error_after_the_fact_opens_no_second_issue", error_after),
        test("crash::a_timeout_opens_no_second_issue", timeout),
        test("crash::a_request_lost_before_the_fact_is_made_good", lost_request),
        test("crash::a_status_lost_in_a_restore_finds_its_issue_again", restore),
        test("crash::a_finding_that_comes_back_at_once_keeps_its_issue", comes_back),
        test("crash::kills_during_a_burst", kills),
        test("crash::soak_kills_during_a_burst", kills),
    ]
}

async fn one_issue_after(world: World, kind: FaultKind, code: &str) -> Outcome {
    world.sim.fault(Fault::once("createIssue", kind));
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("f", json!({})).await?;
    world.in_sync("f").await?;
    let creates = world
        .sim
        .log()
        .into_iter()
        .filter(jira_sim::LogEntry::is_create)
        .count();
    ensure!(
        world.sim.issues().len() == 1,
        "{} issues after {code}",
        world.sim.issues().len()
    );
    ensure!(creates <= 2, "{creates} creations after {code}");
    Ok(())
}

async fn lost_reply(world: World) -> Outcome {
    one_issue_after(world, FaultKind::ApplyThenDrop, "a lost reply").await
}

async fn error_after(world: World) -> Outcome {
    one_issue_after(world, FaultKind::ApplyThenStatus { code: 500 }, "an error 500").await
}

async fn timeout(world: World) -> Outcome {
    one_issue_after(world, FaultKind::ApplyThenDelay { millis: 10_000 }, "a timeout").await
}

async fn lost_request(world: World) -> Outcome {
    one_issue_after(world, FaultKind::DropBeforeApply, "a lost request").await
}

async fn restore(world: World) -> Outcome {
    let mut operator = world.operator()?;
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    world.finding("f", json!({"state": "Active"})).await?;
    let key = world.in_sync("f").await?;
    world.patch_finding("f", json!({"spec": {"state": "Fixed"}})).await?;
    world.finding_tells("f", "Closed").await?;
    operator.kill()?;
    // The object comes back as it was in Git: without status, finalizer and record.
    world
        .patch_finding("f", json!({"metadata": {"finalizers": null}}))
        .await?;
    world.delete_finding("f").await?;
    world.finding("f", json!({"state": "Fixed"})).await?;
    operator.restart()?;
    let finding = world
        .finding_is("f", "has its issue again", |finding| {
            crate::world::ticket_key(finding).is_some()
        })
        .await?;
    ensure!(crate::world::ticket_key(&finding) == Some(key), "another issue");
    ensure!(world.sim.issues().len() == 1, "a second issue");
    Ok(())
}

/// Deleted and applied again, faster than the search index follows.
async fn comes_back(world: World) -> Outcome {
    world.sim.set_index_lag(Duration::from_mins(2));
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    let mapping = json!({"statusSync": {"mapping": [{"state": "Active", "jiraStatuses": ["To Do"]}]}});
    world.configuration("shop", "SEC", mapping).await?;
    world.finding("f", json!({})).await?;
    let key = world.in_sync("f").await?;
    world.delete_finding("f").await?;
    let api = world.findings();
    eventually(Duration::from_secs(30), "f is gone", || async {
        Ok(api.get_opt("f").await?.is_none().then_some(()))
    })
    .await?;
    world.finding("f", json!({})).await?;
    let again = world.in_sync("f").await?;
    ensure!(again == key && world.sim.issues().len() == 1, "{again} after {key}");
    ensure!(
        world.sim.issue(&key).ok_or("gone")?.status == "To Do",
        "it is open again"
    );
    Ok(())
}

/// A small generator, so that a printed seed repeats a run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

async fn kills(world: World) -> Outcome {
    let kills: usize = std::env::var("SOAK_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(15);
    // Enough that the last kill still falls into the burst.
    let burst = BURST.max(kills * 20);
    let seed: u64 = match std::env::var("SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed,
        None => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)?
            .subsec_nanos()
            .into(),
    };
    println!("seed {seed}, {kills} kills (SEED repeats the moments)");
    let mut dice = Dice(seed | 1);
    world.sim.set_index_lag(Duration::from_secs(2));
    // Creations take a moment, so that many a kill falls while one is under way.
    world
        .sim
        .fault(Fault::new("createIssue", FaultKind::ApplyThenDelay { millis: 120 }).times(u64::MAX));
    world.connection(json!({})).await?;
    world.configuration("shop", "SEC", json!({})).await?;
    for at in 0..burst {
        world.finding(&format!("f{at:03}"), json!({})).await?;
    }
    let mut operator = world.operator()?;
    let mut open_at_kill = 0;
    for kill in 0..kills {
        let creates = || world.sim.log().iter().filter(|entry| entry.is_create()).count();
        let before = creates();
        let more = 1 + usize::try_from(dice.below(u64::try_from((burst / kills).max(2))?))?;
        let done = || world.sim.issues().len() >= burst;
        eventually(Duration::from_secs(90), "the burst goes on", || async {
            Ok((creates() >= before + more || done()).then_some(()))
        })
        .await?;
        // A random moment within the next round trip.
        let moment = Instant::now() + Duration::from_millis(dice.below(150));
        eventually(Duration::from_secs(1), "the moment", || async {
            Ok((Instant::now() >= moment).then_some(()))
        })
        .await?;
        let open = world.sim.creates_in_flight();
        operator.kill()?;
        open_at_kill += usize::from(open > 0);
        println!(
            "kill {}: {} issues, {open} creations open",
            kill + 1,
            world.sim.issues().len()
        );
        operator.restart()?;
    }
    let api = world.findings();
    let findings = eventually(Duration::from_mins(4), "all findings are in step", || async {
        let all = api.list(&ListParams::default()).await?.items;
        let told = all
            .iter()
            .filter(|one| ready(one).is_some_and(|ready| ready.reason == "InSync"))
            .count();
        if told == burst {
            Ok(Some(all))
        } else {
            Err(format!("{told} of {burst}").into())
        }
    })
    .await?;
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    for issue in world.sim.issues() {
        for label in issue.labels.iter().filter(|label| label.starts_with("jfo-")) {
            *labels.entry(label.clone()).or_default() += 1;
        }
    }
    ensure!(
        world.sim.issues().len() == burst,
        "{} issues for {burst} findings",
        world.sim.issues().len()
    );
    ensure!(
        labels.len() == burst && labels.values().all(|count| *count == 1),
        "an issue twice"
    );
    ensure!(
        findings.iter().all(|finding| state(finding) == "Active"),
        "a status is wrong"
    );
    println!("{open_at_kill} of {kills} kills fell while a creation was open");
    ensure!(
        open_at_kill * 3 >= kills,
        "only {open_at_kill} of {kills} kills fell while a creation was open"
    );
    Ok(())
}
