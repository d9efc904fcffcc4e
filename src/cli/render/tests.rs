use std::path::Path;

use serde_json::Value;

use super::input::Input;
use super::*;
use crate::api::SecurityFinding;
use crate::domain::render::template;

const CONFIGURATION: &str = "
kind: TicketConfiguration
metadata: {name: c, namespace: shop}
spec:
  connectionRef: {name: acme}
  projectKey: SEC
  issueType: Bug
  fields: {labels: [web]}
  priority: {remap: {Critical: P1, High: P2, Medium: P3, Low: P4, Informational: P5, Unknown: P5}}
  template:
    configMapRef: {name: texts}
    description: |
      | Asset | Description |
      |---|---|
      {{ dynamic_template }}
---
kind: ConfigMap
metadata: {name: texts}
data: {summary: '{{ severity }} {{ finding.title }}', perFinding: '| {{ asset }} | {{ vulnerability.description }} |'}
";
const FINDING: &str = "
kind: SecurityFinding
metadata: {name: f, namespace: shop}
spec: {title: <b>t</b>, severity: High, description: 'one|two **bold**', asset: {name: web}}
---
";

fn input(texts: &[&str]) -> Input {
    let mut input = Input::default();
    for text in texts {
        input.add(text).unwrap();
    }
    input
}

#[test]
fn the_preview_shows_summary_fields_and_description() {
    let view = input(&[CONFIGURATION, FINDING, FINDING]).view().unwrap();
    let text = view.text(Output::All);
    for part in [
        "Summary: High <b>t</b>\n",
        "Project: SEC\nIssue type: Bug\nPriority: P2\nLabels: web\n\n",
        "| **Asset** | **Description** |\n|---|---|\n| web | one\\|two **bold** |\n| web | one",
        "\"type\": \"doc\"",
    ] {
        assert!(
            text.replace("| Asset | Description |", "| **Asset** | **Description** |")
                .contains(part),
            "{part}\n{text}"
        );
    }
    let html = view.html();
    assert!(
        html.contains("<h1>High &lt;b&gt;t&lt;/b&gt;</h1>") && html.contains("<strong>bold</strong>"),
        "{html}"
    );
    assert!(serde_json::from_str::<Value>(&view.text(Output::Adf)).is_ok());
}

#[test]
fn fields_are_shown_as_their_templates_give_them() {
    let fields = "fields: {labels: ['{{ asset }} x', web], dueDate: {High: 7d}, components: ['{{ asset }}', fixed], \
             custom: [{field: Team, value: '{{ finding.title }}, {{ location }}'}]}\n  assignee: {unassigned: true}";
    let configuration = CONFIGURATION.replace("fields: {labels: [web]}", fields);
    let finding = FINDING.replace("severity: High,", "severity: High, firstSeen: '2026-03-10T23:30:00Z',");
    let view = input(&[&configuration, &finding]).view().unwrap();
    let text = view.text(Output::Markdown);
    for part in [
        "Assignee: Unassigned\nLabels: web, web-x\n",
        "components: web, fixed\n",
        "Team: <b>t</b>,\n",
        "dueDate: 2026-03-17\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(view.html().contains("<dt>Team</dt><dd>&lt;b&gt;t&lt;/b&gt;,</dd>"));
    let field = configuration.replace("priority: {", "priority: {field: Urgency, ");
    let text = input(&[&field, &finding]).view().unwrap().text(Output::Markdown);
    assert!(text.contains("Urgency: P2\n") && !text.contains("Priority:"), "{text}");
    let wrong = configuration.replace("{{ location }}", "{{ place }}");
    let error = input(&[&wrong, &finding]).view().err().unwrap();
    assert!(
        error.starts_with("fields.Team, line 1: there is no variable place"),
        "{error}"
    );
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let error = |texts: &[&str]| input(texts).view().err().unwrap();
    assert!(error(&[FINDING]).contains("0 TicketConfigurations"));
    assert!(error(&[CONFIGURATION]).contains("no SecurityFinding"));
    let (alone, _) = CONFIGURATION.split_once("---\nkind").unwrap();
    assert!(error(&[alone, FINDING]).contains("ConfigMap texts"));
    let wrong = CONFIGURATION.replace("vulnerability.description", "vulnerability.descripton");
    assert_eq!(
        error(&[&wrong, FINDING]),
        "perFinding of ConfigMap texts, line 1: there is no variable vulnerability.descripton (docs/templates.md lists \
             them all)"
    );
    let grouped = CONFIGURATION.replacen("spec:\n", "spec:\n  grouping: {by: [asset.nam]}\n", 1);
    let told = error(&[&grouped, FINDING]);
    assert!(told.contains("findings have no \"asset.nam\""), "{told}");
}

/// The presets that are meant for such a finding; the first ones would do for any.
fn fits(preset: crate::api::template::Preset, finding: &SecurityFinding) -> bool {
    use crate::api::security_finding::Category;
    use crate::api::template::Preset;
    match preset {
        Preset::Minimal | Preset::HostEndpoint => true,
        Preset::RegistryScanVulnerability | Preset::VulnerabilityByFinding => {
            finding.spec.category == Category::Vulnerability
        }
        Preset::CloudMisconfiguration | Preset::IacMisconfiguration | Preset::Compliance => {
            finding.spec.category == Category::Misconfiguration
        }
        Preset::StaticCodeAnalysis => finding.spec.category != Category::Vulnerability,
        Preset::RuntimeAlert | Preset::ApiVulnerability | Preset::Unrecognised => false,
    }
}

#[test]
fn every_finding_of_real_reports_renders_under_the_presets_that_fit_and_in_a_group() {
    use crate::api::template::{Preset, Template};
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/trivy");
    let mut reports = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/trivy-report.json")];
    match std::fs::read_dir(&directory) {
        Ok(entries) => reports.extend(entries.map(|entry| entry.unwrap().path())),
        Err(_) => eprintln!(
            "SKIPPED: no samples at {}, only the example is rendered",
            directory.display()
        ),
    }
    let compiled = Preset::ALL.map(|preset| {
        let template = Template {
            preset: Some(preset),
            ..Template::default()
        };
        template::compile(&template, None).unwrap()
    });
    let (mut count, whole) = (0, reports.len() > 1);
    for report in reports {
        let mut yaml = Vec::new();
        let args = <crate::cli::Cli as clap::Parser>::try_parse_from(
            [Path::new("x"), Path::new("import"), Path::new("trivy"), &report].map(Path::as_os_str),
        );
        let crate::cli::Command::Import(args) = args.unwrap().command else {
            panic!("import was asked for");
        };
        crate::cli::import::run(&args, &mut yaml).unwrap();
        let findings = input(&[&String::from_utf8(yaml).unwrap()]).findings;
        let all: Vec<&SecurityFinding> = findings.iter().map(AsRef::as_ref).collect();
        for (preset, compiled) in Preset::ALL.iter().zip(&compiled) {
            let ones = all
                .iter()
                .filter(|finding| fits(*preset, finding))
                .map(std::slice::from_ref);
            for members in ones
                .chain([&all[..all.len().min(40)]])
                .filter(|members| !members.is_empty())
            {
                let rendered = compiled.render(members, &[]).unwrap();
                crate::domain::render::schema_check::assert_valid(&rendered.description);
                let size = crate::domain::render::adf::size_of(&rendered.description);
                assert!(size <= crate::domain::render::limits::MAX_DOCUMENT, "{size}");
                assert!(!rendered.summary.is_empty() && rendered.summary.encode_utf16().count() <= 254);
                count += 1;
            }
        }
    }
    assert!(count > 1_000 || !whole, "{count}");
}
