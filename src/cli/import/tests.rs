use std::{collections::BTreeSet, path::PathBuf};

use clap::Parser;
use serde_json::{Value, json};

use super::*;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    import: ImportArgs,
}

fn args(rest: &[&str]) -> ReportArgs {
    let line = ["import", "trivy", "report.json"].iter().chain(rest);
    let Scanner::Trivy(args) = CommandLine::try_parse_from(line)
        .expect("valid arguments")
        .import
        .scanner;
    args
}

fn import(report: &Value, rest: &[&str]) -> (Vec<Value>, ImportSummary) {
    let (yaml, summary) = import_trivy(&report.to_string(), &args(rest)).expect("a report");
    (parse(&yaml), summary)
}

fn parse(yaml: &str) -> Vec<Value> {
    if yaml.is_empty() {
        Vec::new()
    } else {
        serde_saphyr::from_multiple(yaml).expect("YAML")
    }
}

fn names(manifests: &[Value]) -> BTreeSet<String> {
    manifests
        .iter()
        .map(|manifest| manifest["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn example() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/trivy-report.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn samples() -> Vec<(String, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/trivy");
    let Ok(entries) = std::fs::read_dir(&directory) else {
        support::skipped("importing real Trivy reports: no samples");
        return Vec::new();
    };
    let mut samples: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    samples.sort();
    samples
}

/// Turns every array of the report around.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().rev().map(reversed).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, member)| (key.clone(), reversed(member)))
            .collect(),
        other => other.clone(),
    }
}

/// The bounds of the API.
fn assert_bounds(manifest: &Value) {
    let spec = &manifest["spec"];
    let within = |value: &Value, longest: usize| {
        if let Some(text) = value.as_str() {
            assert!(!text.trim().is_empty() && text.chars().count() <= longest, "{text}");
            assert!(
                !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'),
                "{text:?}"
            );
        }
    };
    assert!(dns_label(manifest["metadata"]["name"].as_str().unwrap()).is_ok());
    assert!(spec["title"].is_string() && spec["fingerprint"].is_string());
    for (field, longest) in [
        ("title", 512),
        ("description", 65_536),
        ("fingerprint", 253),
        ("location", 1024),
        ("evidence", 32_768),
    ] {
        within(&spec[field], longest);
    }
    within(&spec["source"]["name"], 63);
    for value in spec["asset"].as_object().unwrap().values() {
        within(value, 1024);
    }
    for (list, most, longest) in [
        (&spec["references"], 50, 2048),
        (&spec["tags"], 50, 128),
        (&spec["vulnerability"]["identifiers"], 50, 128),
    ] {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(list.len() <= most);
        list.iter().for_each(|value| within(value, longest));
    }
    for (key, value) in spec["properties"].as_object().into_iter().flatten() {
        assert!(key.len() <= 128 && value.is_string());
        within(value, 4096);
    }
    assert!(spec["vulnerability"]["cvss"].is_string() || spec["vulnerability"]["cvss"].is_null());
}

#[test]
fn the_example_gives_every_entry() {
    let (manifests, summary) = import(
        &example(),
        &["--namespace", "shop", "--label", "team=web", "--name-prefix", "web"],
    );
    assert_eq!((summary.entries, summary.findings, summary.duplicates), (15, 15, 0));
    assert_eq!(names(&manifests).len(), 15);
    manifests.iter().for_each(assert_bounds);
    let zlib = manifests
        .iter()
        .find(|manifest| manifest["spec"]["vulnerability"]["package"] == "zlib")
        .unwrap();
    let name = zlib["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("web-cve-2022-37434-zlib-"), "{name}");
    assert_eq!(zlib["metadata"]["namespace"], "shop");
    assert_eq!(zlib["metadata"]["labels"], json!({"team": "web"}));
    let spec = &zlib["spec"];
    assert_eq!(
        (&spec["severity"], &spec["category"], &spec["state"]),
        (&json!("Critical"), &json!("Vulnerability"), &json!("Active"))
    );
    assert_eq!(spec["vulnerability"]["cvss"], "9.8");
    assert_eq!(spec["asset"]["kind"], "ContainerImage");
    assert_eq!(manifests[0]["spec"]["severity"], "Critical", "worst first");
}

#[test]
fn a_repeated_import_gives_the_same_bytes_in_any_order() {
    for (name, text) in samples()
        .into_iter()
        .chain([("example".to_owned(), example().to_string())])
    {
        let first = import_trivy(&text, &args(&[])).unwrap();
        assert_eq!(first, import_trivy(&text, &args(&[])).unwrap(), "{name}");
        let turned = reversed(&serde_json::from_str(&text).unwrap());
        assert_eq!(
            first,
            import_trivy(&turned.to_string(), &args(&[])).unwrap(),
            "{name} turned around"
        );
    }
}

#[test]
fn a_later_scan_gives_the_same_names() {
    let before = example();
    let mut after = before.clone();
    after["CreatedAt"] = json!("2027-01-01T00:00:00Z");
    after["Metadata"]["RepoDigests"] = json!([]);
    after["Results"][0]["Target"] = json!("registry.example.com/shop/web:1.4.2 (alpine 3.17.9)");
    after["Results"][0]["Vulnerabilities"][0]["Layer"]["Digest"] = json!("sha256:0");
    after["Results"][0]["Vulnerabilities"][0]["Severity"] = json!("LOW");
    after["Results"][0]["Vulnerabilities"][1]["FixedVersion"] = json!("9");
    after["Results"][2]["Misconfigurations"][0]["ID"] = json!("DS002");
    after["Results"][2]["Misconfigurations"][0]["AVDID"] = json!("AVD-DS-0002");
    assert_eq!(names(&import(&before, &[]).0), names(&import(&after, &[]).0));
}

#[test]
fn every_sample_is_imported_without_loss() {
    for (name, text) in samples() {
        let report: Value = serde_json::from_str(&text).unwrap();
        let (manifests, summary) = import(&report, &[]);
        assert_eq!(names(&manifests).len(), manifests.len(), "{name}");
        assert_eq!(
            summary.findings + summary.duplicates + summary.skipped,
            summary.entries,
            "{name}"
        );
        manifests.iter().for_each(assert_bounds);
        eprintln!("{name}: {summary:?}");
        match name.as_str() {
            "juice-shop-v12.10.2.json" => assert_eq!((summary.findings, summary.duplicates), (185, 0)),
            "legacy_many_vulns.json" => assert_eq!(summary.findings, 93),
            _ => {}
        }
    }
}

#[test]
fn yaml_says_what_was_meant() {
    for (name, text) in samples()
        .into_iter()
        .chain([("example".to_owned(), example().to_string())])
    {
        let read = trivy::findings(&serde_json::from_str(&text).unwrap(), None).unwrap();
        let settings = Settings {
            namespace: Some("yes"),
            name_prefix: None,
            labels: &[("a".into(), "1.10".into())],
        };
        let meant = manifest::manifests(read.findings, &settings);
        let mut yaml = String::new();
        for manifest in &meant {
            yaml.push_str("---\n");
            serde_saphyr::to_fmt_writer(&mut yaml, manifest).unwrap();
        }
        assert_eq!(parse(&yaml), meant, "{name}");
    }
}

#[test]
fn texts_that_look_like_other_types_stay_texts() {
    let texts = [
        "1.10",
        "true",
        "null",
        "0o17",
        "12:30:45",
        "on",
        "2026-01-01",
        "~",
        "1e3",
        "=",
        "<<",
        "- a",
        "# b",
        "---",
        "0x1F",
        ".5",
    ];
    let report = |text: &str| {
        json!({"ArtifactName": text, "Results": [{"Target": text, "Vulnerabilities": [{"VulnerabilityID": text,
            "PkgName": text, "InstalledVersion": text, "FixedVersion": text, "Title": text, "Description": text}]}]})
    };
    for text in texts {
        let (yaml, _) = import_trivy(&report(text).to_string(), &args(&[])).unwrap();
        let spec = &parse(&yaml)[0]["spec"];
        for value in [
            &spec["title"],
            &spec["description"],
            &spec["asset"]["name"],
            &spec["vulnerability"]["installedVersion"],
        ] {
            assert_eq!(value, text, "{yaml}");
        }
    }
}

#[test]
fn the_same_weakness_elsewhere_is_another_finding() {
    let mut other = example();
    other["ArtifactName"] = json!("registry.example.com/shop/api:2.0.0");
    let (ours, theirs) = (names(&import(&example(), &[]).0), names(&import(&other, &[]).0));
    assert!(ours.is_disjoint(&theirs));
    let clusters = names(&import(&example(), &["--cluster", "blue"]).0);
    assert!(ours.is_disjoint(&clusters));
}

#[test]
fn entries_alike_in_identity_are_told_apart_by_what_they_say() {
    let check =
        |message: &str| json!({"ID": "KSV001", "Status": "FAIL", "Severity": "LOW", "Title": "t", "Message": message});
    let report =
        |entries: Value| json!({"ArtifactName": "a", "Results": [{"Target": "x", "Misconfigurations": entries}]});
    let (two, summary) = import(&report(json!([check("a"), check("b"), check("b")])), &[]);
    assert_eq!((summary.findings, summary.duplicates), (2, 1));
    let (turned, _) = import(&report(json!([check("b"), check("a")])), &[]);
    assert_eq!(two, turned);
}

#[test]
fn passed_checks_and_low_severities_are_left_out() {
    let mut report = example();
    report["Results"][2]["Misconfigurations"][0]["Status"] = json!("PASS");
    let (manifests, summary) = import(&report, &["--min-severity", "high"]);
    assert_eq!((summary.entries, summary.skipped), (15, 1));
    assert_eq!(summary.findings + summary.below_severity, 14);
    assert!(
        manifests
            .iter()
            .all(|manifest| ["High", "Critical"].contains(&manifest["spec"]["severity"].as_str().unwrap()))
    );
}

#[test]
fn long_and_dirty_values_are_cut_to_the_bounds() {
    let long = "ä\u{1b}[31m\u{0}\u{202E}x\n".repeat(70_000);
    let many: Vec<String> = (0..200).map(|n| format!("https://a.example/{n}")).collect();
    let report = json!({"ArtifactName": long, "ArtifactType": long, "ClusterName": long, "Results": [{"Target": long, "Class": long, "Type": long,
        "Vulnerabilities": [{"VulnerabilityID": long, "PkgName": long, "InstalledVersion": long, "FixedVersion": long, "PkgPath": long,
            "Title": long, "Description": long, "References": many, "VendorIDs": many, "PrimaryURL": long, "Status": long, "Severity": long}],
        "Misconfigurations": [{"ID": long, "Message": long, "Description": long, "Resolution": long}],
        "Secrets": [{"RuleID": long, "Match": long, "Title": long}],
        "Licenses": [{"Name": long, "PkgName": long}]}]});
    let (manifests, summary) = import(&report, &[]);
    assert_eq!(summary.findings, 4);
    manifests.iter().for_each(assert_bounds);
}

#[test]
fn both_nests_of_clusters_are_read() {
    let results = json!([{"Target": "redis:5 (debian 10)", "Class": "os-pkgs", "Vulnerabilities": [
        {"VulnerabilityID": "CVE-2020-27350", "PkgName": "apt", "InstalledVersion": "1", "Severity": "LOW"}]}]);
    let resource = json!({"Namespace": "shop", "Kind": "Deployment", "Name": "cache", "Results": results});
    let old = import(
        &json!({"ClusterName": "blue", "Vulnerabilities": [resource], "Misconfigurations": null}),
        &[],
    )
    .0;
    let new = import(&json!({"ClusterName": "blue", "Resources": [resource]}), &[]).0;
    assert_eq!(old, new);
    assert_eq!(
        old[0]["spec"]["asset"],
        json!({"cluster": "blue", "kind": "Deployment", "namespace": "shop", "name": "cache", "image": "redis:5"})
    );
}

#[test]
fn what_is_no_report_is_refused_by_name() {
    let error = |text: &str| import_trivy(text, &args(&[])).unwrap_err().to_string();
    assert!(error("not json").contains("report.json is not JSON"));
    assert!(error("{\"runs\": []}").contains("not a Trivy report"));
    assert!(error("[1]").contains("not a Trivy report"));
    assert!(error("3").contains("not a Trivy report"));
    assert_eq!(import(&json!([]), &[]).1.entries, 0);
    assert_eq!(import(&json!({"SchemaVersion": 2, "Results": null}), &[]).1.entries, 0);
}

#[test]
fn bad_arguments_are_refused() {
    for bad in [
        ["--namespace", "A"],
        ["--label", "x"],
        ["--label", "-=x"],
        ["--label", "a b=c"],
        ["--name-prefix", "-x"],
        ["--min-severity", "awful"],
    ] {
        let line = ["import", "trivy", "-"].iter().chain(&bad);
        assert!(CommandLine::try_parse_from(line).is_err(), "{bad:?}");
    }
    assert!(CommandLine::try_parse_from(["import", "trivy", "-", "-l", "a.example/b=c", "-l", "d="]).is_ok());
}

#[test]
fn run_reads_a_file_and_writes_all_of_it() {
    let file = format!("{}/examples/trivy-report.json", env!("CARGO_MANIFEST_DIR"));
    let line = CommandLine::try_parse_from(["import", "trivy", &file]).unwrap();
    let mut out = Vec::new();
    let summary = run(&line.import, &mut out).unwrap();
    assert_eq!(parse(std::str::from_utf8(&out).unwrap()).len(), summary.findings);
    let missing = CommandLine::try_parse_from(["import", "trivy", "/nowhere/report.json"]).unwrap();
    assert!(matches!(
        run(&missing.import, &mut Vec::new()),
        Err(ImportError::Read { .. })
    ));
}
