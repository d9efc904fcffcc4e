//! Each preset makes an issue worth reading of a finding it is meant for.

use futures::future::try_join_all;
use jira_findings_operator::api::template::Preset;
use serde_json::{Value, json};

use crate::ensure;
use crate::world::{Outcome, Test, World, merge, test};

pub fn tests() -> Vec<Test> {
    vec![test("presets::each_makes_an_issue_that_says_what_matters", each)]
}

/// A finding as producers report it, what the summary says, and what the description says besides.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn fitting(preset: Preset) -> (Value, &'static str, &'static [&'static str]) {
    match preset {
        Preset::RegistryScanVulnerability => (
            json!({"title": "busybox: use-after-free in awk applet", "category": "Vulnerability", "asset": {"name": "web:1.4.2", "kind": "ContainerImage", "digest": "sha256:abc"},
                "location": "lib/apk/db/installed", "description": "A **use-after-free** | awk <b>applet</b>",
                "vulnerability": {"id": "CVE-2021-42378", "package": "busybox", "installedVersion": "1.31.1-r10", "fixedVersion": "1.31.1-r11"}}),
            "[High] Vulnerable packages in web:1.4.2: CVE-2021-42378 in busybox",
            &[
                "CVE-2021-42378",
                "1.31.1-r10",
                "1.31.1-r11",
                "sha256:abc",
                "lib/apk/db/installed",
                "use-after-free | awk applet",
            ],
        ),
        Preset::CloudMisconfiguration => (
            json!({"title": "S3 bucket is public", "category": "Misconfiguration", "remediation": "Block **public** access.",
                "asset": {"name": "acme-logs", "kind": "AwsS3Bucket", "account": "123456789012", "region": "eu-central-1"},
                "control": {"id": "S3.2", "name": "No public read", "framework": "AWS FSBP"}}),
            "[High] S3 bucket is public (acme-logs)",
            &[
                "acme-logs",
                "AwsS3Bucket",
                "123456789012",
                "eu-central-1",
                "Block public access.",
                "AWS FSBP S3.2",
            ],
        ),
        Preset::IacMisconfiguration => (
            json!({"title": "Container runs as root", "category": "Misconfiguration", "location": "deploy/web.yaml:12", "evidence": "image: web\nuser: 0",
                "source": {"name": "trivy", "ruleId": "KSV-0012"}, "remediation": "Set runAsNonRoot."}),
            "[High] Container runs as root in deploy/web.yaml:12",
            &["KSV-0012", "Set runAsNonRoot.", "image: web\nuser: 0"],
        ),
        Preset::VulnerabilityByFinding => (
            json!({"title": "Log4Shell", "category": "Vulnerability", "asset": {"name": "shop", "ip": "10.0.0.7", "port": 8443}, "remediation": "Update log4j.",
                "vulnerability": {"id": "CVE-2021-44228", "cvss": "10.0", "package": "log4j-core", "identifiers": ["GHSA-jfh8-c2jp-5v3q"]}}),
            "[High] CVE-2021-44228: Log4Shell",
            &[
                "10.0",
                "GHSA-jfh8-c2jp-5v3q",
                "10.0.0.7",
                "8443",
                "log4j-core",
                "Update log4j.",
            ],
        ),
        Preset::HostEndpoint => (
            json!({"title": "Weak TLS", "asset": {"name": "web-1", "ip": "10.0.0.8", "port": 443, "owner": "platform"}, "evidence": "TLSv1.0", "remediation": "Switch off TLS 1.0."}),
            "[High] Weak TLS on web-1 (10.0.0.8, port 443)",
            &["10.0.0.8", "443", "platform", "TLSv1.0", "Switch off TLS 1.0."],
        ),
        Preset::Compliance => (
            json!({"title": "Audit log is off", "category": "Compliance", "asset": {"name": "cluster-1"}, "evidence": "--audit-log-path is not set", "remediation": "Set it.",
                "control": {"id": "1.2.16", "name": "Ensure that auditing is on", "framework": "CIS 1.8", "expected": "a path"}}),
            "[High] CIS 1.8 1.2.16: Ensure that auditing is on",
            &[
                "1.2.16",
                "CIS 1.8",
                "a path",
                "cluster-1",
                "--audit-log-path is not set",
                "Set it.",
            ],
        ),
        Preset::StaticCodeAnalysis => (
            json!({"title": "SQL injection", "category": "CodeIssue", "asset": {"name": "acme/shop"}, "location": "src/db.py:42", "evidence": "cursor.execute(\"… %s\" % name)",
                "source": {"name": "CodeQL", "ruleId": "py/sql-injection"}, "remediation": "Use parameters.", "references": ["https://cwe.mitre.org/data/definitions/89.html"]}),
            "[High] SQL injection in src/db.py:42",
            &[
                "py/sql-injection",
                "acme/shop",
                "cursor.execute",
                "Use parameters.",
                "https://cwe.mitre.org/data/definitions/89.html",
            ],
        ),
        Preset::RuntimeAlert => (
            json!({"title": "Shell in a container", "category": "RuntimeAlert", "asset": {"name": "web", "kind": "Deployment", "namespace": "shop", "cluster": "prod"}, "location": "/bin/sh",
                "firstSeen": "2026-03-10T23:30:00Z", "evidence": "uid=0 /bin/sh", "tags": ["MITRE_T1059"]}),
            "[High] Shell in a container in shop/web",
            &[
                "prod",
                "Deployment web",
                "/bin/sh",
                "2026-03-10",
                "MITRE_T1059",
                "uid=0 /bin/sh",
            ],
        ),
        Preset::ApiVulnerability => (
            json!({"title": "Broken object level authorization", "category": "ApiVulnerability", "asset": {"name": "orders-api"}, "location": "GET /orders/{id}",
                "evidence": "200 OK", "remediation": "Check the owner."}),
            "[High] Broken object level authorization: GET /orders/{id}",
            &["orders-api", "GET /orders/{id}", "200 OK", "Check the owner."],
        ),
        Preset::Minimal | Preset::Unrecognised => (
            json!({"title": "A secret of ours", "description": "Nobody outside may read this.", "source": {"name": "trivy", "url": "https://scanner.example/1"}}),
            "[High] Security finding ",
            &["Open in trivy", "Active"],
        ),
    }
}

/// The words of a document, cells apart by a space.
fn words(node: &Value, into: &mut String) {
    if let Some(text) = node["text"].as_str() {
        into.push_str(text);
    }
    for child in node["content"].as_array().into_iter().flatten() {
        words(child, into);
    }
    if node["type"] == "paragraph" || node["type"] == "heading" || node["type"] == "codeBlock" {
        into.push('\n');
    }
}

async fn each(world: World) -> Outcome {
    let _operator = world.operator()?;
    world.connection(json!({})).await?;
    for preset in Preset::ALL {
        let name = preset.as_str().to_lowercase();
        let spec = json!({"template": {"preset": preset.as_str()}});
        world.configuration(&name, "SEC", spec).await?;
        let mut finding = json!({"ticket": {"configurationRef": {"name": name}}});
        merge(&mut finding, fitting(preset).0);
        world.finding(&name, finding).await?;
    }
    let names = Preset::ALL.map(|preset| preset.as_str().to_lowercase());
    let keys = try_join_all(names.iter().map(|name| world.in_sync(name))).await?;
    for (preset, key) in Preset::ALL.into_iter().zip(keys) {
        let (_, summary, expected) = fitting(preset);
        let issue = world.sim.issue(&key).ok_or("gone")?;
        ensure!(issue.summary.starts_with(summary), "{preset:?}: {}", issue.summary);
        let blocks = issue.description["content"].as_array().ok_or("no description")?;
        let table = blocks.iter().find(|block| block["type"] == "table");
        let rows = table.and_then(|table| table["content"].as_array()).ok_or("no table")?;
        ensure!(
            rows.len() > 1 && rows.iter().all(|row| row["type"] == "tableRow"),
            "{preset:?}: no rows"
        );
        let mut text = String::new();
        words(&issue.description, &mut text);
        for part in expected {
            ensure!(text.contains(part), "{preset:?}: {part} in\n{text}");
        }
        for raw in ["{{", "{%", "<b>", "|---"] {
            ensure!(!text.contains(raw), "{preset:?}: {raw} in\n{text}");
        }
        let secret = preset != Preset::Minimal || !(text.contains("outside") || issue.summary.contains("ours"));
        ensure!(secret, "Minimal repeats the report: {text}");
    }
    Ok(())
}
