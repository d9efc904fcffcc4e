use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::domain::render::{adf, limits, schema_check::assert_valid};

fn busybox() -> TicketContent<'static> {
    TicketContent {
        title: "busybox: use-after-free in awk applet",
        description: Some("A **use-after-free** in awk.\n\n# Impact\n\nCode execution."),
        severity: "High",
        category: "Vulnerability",
        asset: Asset {
            name: Some("registry.example.com/shop/web:1.4.2"),
            kind: Some("ContainerImage"),
            image: Some("registry.example.com/shop/web:1.4.2"),
            ..Asset::default()
        },
        vulnerability: Some(Vulnerability {
            id: Some("CVE-2021-42378"),
            cvss: Some("7.2"),
            package: Some("busybox"),
            installed_version: Some("1.31.1-r10"),
            fixed_version: Some("1.31.1-r11"),
            ..Vulnerability::default()
        }),
        source: Source {
            name: Some("trivy"),
            ..Source::default()
        },
        namespace: "shop",
        name: "cve-2021-42378-busybox",
        ..TicketContent::default()
    }
}

fn text(rendered: &Rendered) -> String {
    assert_valid(&rendered.description);
    assert!(adf::size_of(&rendered.description) <= limits::MAX_DOCUMENT);
    assert!(rendered.summary.encode_utf16().count() <= limits::MAX_SUMMARY);
    adf::plain_text(&rendered.description)
}

#[test]
fn a_vulnerability_reads_well_on_a_board() {
    let rendered = render(&busybox());
    assert_eq!(
        rendered.summary,
        "[High] CVE-2021-42378 in busybox 1.31.1-r10 (web:1.4.2): use-after-free in awk applet"
    );
    let shown = text(&rendered);
    for part in [
        "High (CVSS 7.2)",
        "busybox 1.31.1-r10 → 1.31.1-r11",
        "Impact\nCode execution.",
        "Update busybox from 1.31.1-r10 to 1.31.1-r11 or later.",
        "trivy",
        "securityfinding/shop/cve-2021-42378-busybox",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}

#[test]
fn a_package_that_the_title_names_is_not_repeated() {
    for (title, expected) in [
        (
            "CVE-2021-42378 in busybox: use-after-free",
            "CVE-2021-42378 in busybox 1.31.1-r10 (web:1.4.2): use-after-free",
        ),
        (
            "Use-after-free in busybox's awk",
            "CVE-2021-42378 (web:1.4.2): Use-after-free in busybox's awk",
        ),
        (
            "Flaw in busybox-extras",
            "CVE-2021-42378 in busybox 1.31.1-r10 (web:1.4.2): Flaw in busybox-extras",
        ),
        ("busybox", "CVE-2021-42378 in busybox 1.31.1-r10 (web:1.4.2)"),
    ] {
        let rendered = render(&TicketContent { title, ..busybox() });
        assert_eq!(rendered.summary, format!("[High] {expected}"));
    }
}

#[test]
fn other_findings_are_named_by_title_and_place() {
    let content = TicketContent {
        title: "Container runs as root",
        severity: "Medium",
        asset: Asset {
            name: Some("web"),
            kind: Some("Deployment"),
            namespace: Some("shop"),
            ..Asset::default()
        },
        ..TicketContent::default()
    };
    let rendered = render(&content);
    assert_eq!(rendered.summary, "[Medium] Container runs as root (shop/web)");
    assert!(text(&rendered).contains("Deployment shop/web"));
}

#[test]
fn plain_values_are_not_markdown() {
    let content = TicketContent {
        title: "**x** | [y](https://evil.example)",
        location: Some("| a | <b>*c*</b>"),
        evidence: Some("```\n# not a heading\n```"),
        ..busybox()
    };
    let rendered = render(&content);
    let shown = text(&rendered);
    assert!(
        shown.contains("| a | <b>*c*</b>") && shown.contains("```\n# not a heading\n```"),
        "{shown}"
    );
    assert!(rendered.summary.contains("**x** | [y](https://evil.example)"));
    assert!(
        !rendered
            .description
            .to_string()
            .contains("\"href\":\"https://evil.example")
    );
}

#[test]
fn a_group_lists_its_members_and_says_what_they_share() {
    let names: Vec<String> = (0..400).map(|number| format!("finding-{number}")).collect();
    let members: Vec<Member<'_>> = names
        .iter()
        .map(|name| Member {
            title: "busybox: use-after-free in awk applet",
            severity: "High",
            state: "Active",
            asset: Asset {
                name: Some(name),
                ..Asset::default()
            },
            vulnerability: busybox().vulnerability,
            namespace: "shop",
            name,
            ..Member::default()
        })
        .collect();
    let rendered = render(&TicketContent {
        members: &members,
        ..busybox()
    });
    assert_eq!(
        rendered.summary,
        "[High] CVE-2021-42378 in busybox: use-after-free in awk applet"
    );
    let shown = text(&rendered);
    assert!(
        shown.contains("more rows") && shown.contains("Code execution.") && shown.contains("and 399 more"),
        "{shown}"
    );
}

#[test]
fn nothing_at_all_still_gives_an_issue() {
    let rendered = render(&TicketContent {
        namespace: "a",
        name: "b",
        ..TicketContent::default()
    });
    assert_eq!(rendered.summary, "Security finding a/b");
    assert!(text(&rendered).contains("securityfinding/a/b"));
}

#[test]
fn a_huge_description_leaves_room_for_the_rest() {
    let huge = "word ".repeat(20_000);
    let long_lines = "0123456789\"\\\n".repeat(3_000);
    let references: Vec<String> = (0..50)
        .map(|n| format!("https://a.example/{n}/{}", "x".repeat(1900)))
        .collect();
    let content = TicketContent {
        description: Some(&huge),
        remediation: Some(&huge),
        evidence: Some(&long_lines),
        references: &references,
        ..busybox()
    };
    let shown = text(&render(&content));
    for part in ["Remediation", "Evidence", "Shortened; the full text", "Kept up to date"] {
        assert!(shown.contains(part), "{part}");
    }
}

#[test]
fn texts_of_real_reports_are_rendered() {
    let samples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/trivy");
    let Ok(files) = std::fs::read_dir(&samples) else {
        support::skipped("rendering texts of real reports: no samples");
        return;
    };
    let mut rendered = 0;
    for file in files {
        let path = file.expect("a readable directory").path();
        let report: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("JSON");
        let mut open = vec![&report];
        while let Some(value) = open.pop() {
            if let (Some(title), Some(text_given)) = (value["Title"].as_str(), value["Description"].as_str()) {
                let references: Vec<String> = value["References"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|reference| reference.as_str().map(str::to_owned))
                    .collect();
                let content = TicketContent {
                    title,
                    description: Some(text_given),
                    evidence: value["Message"].as_str(),
                    remediation: value["Resolution"].as_str(),
                    references: &references,
                    ..busybox()
                };
                text(&render(&content));
                rendered += 1;
            }
            match value {
                Value::Array(items) => open.extend(items),
                Value::Object(members) => open.extend(members.values()),
                _ => {}
            }
        }
    }
    assert!(rendered > 300, "{rendered}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_in_any_field_is_acceptable(
        fields in prop::collection::vec(any::<String>(), 12),
        lists in prop::collection::vec(any::<String>(), 0..30),
    ) {
        let member = Member { title: &fields[0], severity: &fields[1], name: &fields[2], ..Member::default() };
        let members = [member.clone(), Member { location: Some(&fields[3]), ..member }];
        let content = TicketContent {
            title: &fields[0],
            description: Some(&fields[1]),
            severity: &fields[2],
            category: &fields[3],
            asset: Asset { name: Some(&fields[4]), image: Some(&fields[5]), ip: Some(&fields[6]), port: Some(1), ..Asset::default() },
            location: Some(&fields[7]),
            vulnerability: Some(Vulnerability { id: Some(&fields[8]), identifiers: &lists, package: Some(&fields[9]), ..Vulnerability::default() }),
            evidence: Some(&fields[10]),
            references: &lists,
            tags: &lists,
            source: Source { name: Some(&fields[11]), url: Some(&fields[0]), ..Source::default() },
            members: if lists.len() > 15 { &members } else { &[] },
            ..TicketContent::default()
        };
        let rendered = render(&content);
        text(&rendered);
        prop_assert!(!rendered.summary.trim().is_empty());
    }
}
