//! One run: a burst of new findings, and what it costs the operator until each of them has its issue.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use jira_sim::{CLASSIC_TOKEN, DEFAULT_EMAIL, Sim, SimConfig};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::{Api, Client};
use serde::Serialize;
use serde_json::{Value, json};
use support::manifests::{apply, apply_definitions, parse};
use support::{ControlPlane, Operator, Result, eventually};

use crate::findings::finding;
use crate::usage::Usage;

const READY_WITHIN: Duration = Duration::from_mins(1);
/// For each finding, on top of [`READY_WITHIN`]: the limiter lets 100 calls pass in a second.
const TICKETED_WITHIN: Duration = Duration::from_millis(250);
/// How many findings are created at the same time.
const CREATORS: usize = 16;
/// A pause between two looks at all findings.
const LOOK: Duration = Duration::from_millis(500);
/// The operator is idle when it used at most [`IDLE_CPU`] in this time.
const IDLE: Duration = Duration::from_secs(2);
const IDLE_CPU: Duration = Duration::from_millis(20);
const STOPPED_WITHIN: Duration = Duration::from_secs(40);

/// What one run measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    /// The binary.
    pub(crate) operator: String,
    /// From 1.
    pub(crate) round: u32,
    /// How many findings were created.
    pub(crate) findings: u32,
    /// CPU of the operator from before the first finding until it is idle again, for each finding, in milliseconds.
    pub(crate) cpu_ms_per_finding: f64,
    /// Findings that got their issue in a second, from the creation of the first finding to the last issue.
    pub(crate) findings_per_second: f64,
    /// Peak of the operator's resident memory since its start, in MiB.
    pub(crate) peak_rss_mib: f64,
    /// Calls of Jira for each finding.
    pub(crate) jira_calls_per_finding: f64,
}

/// Starts a control plane, a simulator and the operator; creates the findings; waits until each has a ticket in its
/// status and the operator is idle.
pub(crate) async fn run(assets: &Path, binary: &Path, round: u32, count: u32) -> Result<Run> {
    let plane = ControlPlane::start(assets).await?;
    let client = plane.admin_client();
    apply_definitions(&client, definitions(binary)?).await?;
    let namespace = plane.create_namespace("bench").await?;
    let kubeconfig = plane.directory().join("admin.kubeconfig");
    plane.kubeconfig(&kubeconfig)?;
    let sim = Sim::start(SimConfig::default()).await;
    for object in setup(&sim.url()) {
        apply(&client, serde_json::from_value(object)?, Some(&namespace)).await?;
    }
    let mut operator = Operator::builder()
        .binary(binary)
        .kubeconfig(&kubeconfig)
        .watch_namespace(&namespace)
        .instance_id(&namespace)
        .allow_host("127.0.0.1")
        .insecure_host("127.0.0.1")
        .gateway_url(&sim.url())
        .log(plane.directory().join("operator.log"))
        .start()?;

    let outcome = measure(&client, &namespace, &sim, &mut operator, count).await;
    let (before, after, took) =
        outcome.map_err(|error| format!("{error}\n--- operator\n{}", tail(&operator.logs())))?;
    operator.stop(STOPPED_WITHIN).await?;
    let per_finding = |amount: f64| amount / f64::from(count);
    let calls = u32::try_from(after.calls - before.calls)?;
    Ok(Run {
        operator: binary.display().to_string(),
        round,
        findings: count,
        cpu_ms_per_finding: per_finding(after.usage.cpu.saturating_sub(before.usage.cpu).as_secs_f64() * 1000.0),
        findings_per_second: f64::from(count) / took.as_secs_f64(),
        peak_rss_mib: f64::from(u32::try_from(after.usage.peak_rss_kib)?) / 1024.0,
        jira_calls_per_finding: per_finding(f64::from(calls)),
    })
}

/// A reading of all counters at one moment.
struct Reading {
    usage: Usage,
    calls: usize,
}

/// The counters before and after the burst, and the time from the creation of the first finding to the last issue.
async fn measure(
    client: &Client,
    namespace: &str,
    sim: &Sim,
    operator: &mut Operator,
    count: u32,
) -> Result<(Reading, Reading, Duration)> {
    let configurations = objects(client, namespace, "TicketConfiguration", "ticketconfigurations");
    eventually(READY_WITHIN, "the configuration to be ready", || async {
        let status = configurations.get("images").await?.data["status"].take();
        let ready = status["conditions"].as_array().into_iter().flatten();
        let mut ready = ready.filter(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        match ready.next() {
            Some(_) => Ok(Some(())),
            None => Err(status.to_string().into()),
        }
    })
    .await?;
    idle(operator).await?;
    let before = reading(operator, sim)?;

    let findings = objects(client, namespace, "SecurityFinding", "securityfindings");
    let start = Instant::now();
    stream::iter(0..count)
        .map(|number| {
            let findings = &findings;
            async move {
                let object: DynamicObject = serde_json::from_value(finding(number))?;
                findings.create(&PostParams::default(), &object).await?;
                Result::Ok(())
            }
        })
        .buffer_unordered(CREATORS)
        .try_collect::<()>()
        .await?;
    let end = start + READY_WITHIN + TICKETED_WITHIN * count;
    loop {
        if let Some(status) = operator.try_wait()? {
            return Err(format!("the operator ended with {status}").into());
        }
        let items = findings.list(&ListParams::default()).await?.items;
        let waiting: Vec<_> = items
            .iter()
            .filter(|finding| finding.data.pointer("/status/ticket/id").is_none_or(Value::is_null))
            .collect();
        match waiting.first() {
            None => break,
            Some(finding) if Instant::now() >= end => {
                let status = &finding.data["status"];
                return Err(format!("{} of {count} findings have no ticket; one has {status}", waiting.len()).into());
            }
            Some(_) => tokio::time::sleep(LOOK).await,
        }
    }
    let created = sim.log().into_iter().filter(|entry| !entry.created.is_empty());
    let last = created.filter_map(|entry| entry.finished).max();
    let took = last.ok_or("the simulator logged no creation")? - start;
    let issues = sim.issues().len();
    if issues != count as usize {
        return Err(format!("{count} findings have {issues} issues").into());
    }
    idle(operator).await?;
    Ok((before, reading(operator, sim)?, took))
}

fn reading(operator: &Operator, sim: &Sim) -> Result<Reading> {
    Ok(Reading {
        usage: Usage::of(operator.id())?,
        calls: sim.requests(),
    })
}

/// Waits until the operator uses next to no CPU.
async fn idle(operator: &Operator) -> Result<()> {
    let end = Instant::now() + READY_WITHIN;
    let mut last = Usage::of(operator.id())?.cpu;
    while Instant::now() < end {
        tokio::time::sleep(IDLE).await;
        let cpu = Usage::of(operator.id())?.cpu;
        if cpu.saturating_sub(last) <= IDLE_CPU {
            return Ok(());
        }
        last = cpu;
    }
    Err("the operator does not become idle".into())
}

/// The definitions that the binary itself prints.
fn definitions(binary: &Path) -> Result<Vec<DynamicObject>> {
    let output = Command::new(binary)
        .arg("crds")
        .output()
        .map_err(|error| format!("cannot start {}: {error}", binary.display()))?;
    if !output.status.success() {
        return Err(format!("{} crds ended with {}", binary.display(), output.status).into());
    }
    parse(&String::from_utf8(output.stdout)?)
}

/// The objects that a user writes. The limits of the connection are the highest that the definition allows, because
/// CPU is measured and not the limiter.
fn setup(jira: &str) -> [Value; 3] {
    [
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "jira"},
            "stringData": {"token": CLASSIC_TOKEN},
        }),
        json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "JiraConnection", "metadata": {"name": "acme"},
            "spec": {
                "url": jira,
                "auth": {"basic": {"email": DEFAULT_EMAIL, "tokenSecretRef": {"name": "jira", "key": "token"}}},
                "rateLimit": {"requestsPerSecond": 100, "burst": 200},
            },
        }),
        json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "TicketConfiguration", "metadata": {"name": "images"},
            "spec": {
                "connectionRef": {"name": "acme"},
                "projectKey": "SEC",
                "issueType": "Bug",
                "template": {"preset": "RegistryScanVulnerability"},
            },
        }),
    ]
}

fn objects(client: &Client, namespace: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("jira-findings.dev", "v1alpha1", kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
