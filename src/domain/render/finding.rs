//! The summary and description an issue has where no template says otherwise.
//!
//! Written for the developer who gets the ticket and has never heard of the operator: what is
//! wrong, where, how bad, what to do, and where to read more; then who keeps the text.

use serde_json::Value;

use super::adf::{Block, Cell, CodeBlock, Doc, Flow, Inline, Level, List, Table};
use super::{limits, markdown};

/// What a ticket tells of its finding, or findings.
///
/// `description` and `remediation` are Markdown, everything else is plain text. Blank texts count as absent.
#[derive(Debug, Clone, Default)]
pub struct TicketContent<'a> {
    /// What was found, in one line.
    pub title: &'a str,
    /// Markdown.
    pub description: Option<&'a str>,
    /// Highest severity, as the API spells it: `High`.
    pub severity: &'a str,
    /// As the API spells it: `Vulnerability`.
    pub category: &'a str,
    /// Where it was found.
    pub asset: Asset<'a>,
    /// File, line, path or address within the asset.
    pub location: Option<&'a str>,
    /// The known weakness, if it is one.
    pub vulnerability: Option<Vulnerability<'a>>,
    /// What to do; Markdown.
    pub remediation: Option<&'a str>,
    /// What the scanner saw; shown as it is.
    pub evidence: Option<&'a str>,
    /// Addresses to read more.
    pub references: &'a [String],
    /// Tags of the producer.
    pub tags: &'a [String],
    /// Who found it.
    pub source: Source<'a>,
    /// When it was first seen, in the form to be shown.
    pub first_seen: Option<&'a str>,
    /// Namespace of the `SecurityFinding`.
    pub namespace: &'a str,
    /// Name of the `SecurityFinding`.
    pub name: &'a str,
    /// All findings of the ticket when it stands for several; otherwise empty.
    pub members: &'a [Member<'a>],
}

/// The thing a finding is about.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields carry the names and meanings of the API")]
pub struct Asset<'a> {
    pub name: Option<&'a str>,
    pub kind: Option<&'a str>,
    pub namespace: Option<&'a str>,
    pub cluster: Option<&'a str>,
    pub image: Option<&'a str>,
    pub digest: Option<&'a str>,
    pub region: Option<&'a str>,
    pub account: Option<&'a str>,
    pub ip: Option<&'a str>,
    pub port: Option<u16>,
    pub owner: Option<&'a str>,
}

/// A known weakness in a package.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields carry the names and meanings of the API")]
pub struct Vulnerability<'a> {
    pub id: Option<&'a str>,
    pub identifiers: &'a [String],
    pub cvss: Option<&'a str>,
    pub package: Option<&'a str>,
    pub installed_version: Option<&'a str>,
    pub fixed_version: Option<&'a str>,
}

/// The tool that found it.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields carry the names and meanings of the API")]
pub struct Source<'a> {
    pub name: Option<&'a str>,
    pub version: Option<&'a str>,
    pub rule_id: Option<&'a str>,
    pub url: Option<&'a str>,
}

/// One finding of a ticket that stands for several.
#[derive(Debug, Clone, Default)]
pub struct Member<'a> {
    /// What was found.
    pub title: &'a str,
    /// Its severity.
    pub severity: &'a str,
    /// Its state, as the API spells it.
    pub state: &'a str,
    /// Where it was found.
    pub asset: Asset<'a>,
    /// File, line, path or address within the asset.
    pub location: Option<&'a str>,
    /// The known weakness, if it is one.
    pub vulnerability: Option<Vulnerability<'a>>,
    /// Namespace of the `SecurityFinding`.
    pub namespace: &'a str,
    /// Name of the `SecurityFinding`.
    pub name: &'a str,
}

/// The texts of an issue.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// One line that Jira accepts.
    pub summary: String,
    /// An ADF document that Jira accepts.
    pub description: Value,
}

/// What the description, remediation and evidence of one finding may take of the document, so that
/// none of them crowds out the others.
const DESCRIPTION: usize = 12_000;
const REMEDIATION: usize = 5_000;
const EVIDENCE: usize = 5_000;
const FACTS: usize = 6_000;

/// References and tags beyond these are counted, not listed.
const MAX_REFERENCES: usize = 15;
const MAX_TAGS: usize = 20;

/// Renders the default summary and description.
pub fn render(content: &TicketContent<'_>) -> Rendered {
    Rendered {
        summary: summary(content),
        description: description(content).to_value(),
    }
}

fn summary(content: &TicketContent<'_>) -> String {
    let severity = content.severity.trim();
    let mark = if severity.is_empty() {
        String::new()
    } else {
        format!("[{severity}] ")
    };
    let subject = if content.members.len() > 1 {
        group_subject(content)
    } else {
        single_subject(content)
    };
    let fallback = format!("{mark}Security finding {}/{}", content.namespace, content.name);
    limits::summary(
        &if subject.trim().is_empty() {
            String::new()
        } else {
            format!("{mark}{subject}")
        },
        &fallback,
    )
}

/// `CVE-2021-42378 in busybox 1.31.1-r10 (juice-shop:v12.10.2): use-after-free in awk applet`
fn single_subject(content: &TicketContent<'_>) -> String {
    let place = content
        .asset
        .short()
        .map(|place| format!(" ({place})"))
        .unwrap_or_default();
    let vulnerability = content.vulnerability.clone().unwrap_or_default();
    let Some(id) = given(vulnerability.id) else {
        return format!("{}{place}", content.title.trim());
    };
    let package = given(vulnerability.package)
        .map(|package| format!(" in {}", versioned(package, vulnerability.installed_version)));
    let title = bare_title(content.title, id, vulnerability.package);
    let title = if title.is_empty() {
        String::new()
    } else {
        format!(": {title}")
    };
    format!("{id}{}{place}{title}", package.unwrap_or_default())
}

/// What the members have in common, without counting them: a number in the summary would change, and notify
/// everybody, with every member that comes or goes.
fn group_subject(content: &TicketContent<'_>) -> String {
    let place = shared(content.members, |member| member.asset.short());
    let at = place.map(|place| format!(" ({place})")).unwrap_or_default();
    if let Some(id) = shared(content.members, |member| member.vulnerability_id().map(str::to_owned)) {
        let package = shared(content.members, |member| member.package().map(str::to_owned));
        let title = bare_title(content.title, &id, package.as_deref());
        let title = if title.is_empty() {
            String::new()
        } else {
            format!(": {title}")
        };
        let package = package.map_or_else(|| " in several places".to_owned(), |package| format!(" in {package}"));
        return format!("{id}{package}{at}{title}");
    }
    if let Some(package) = shared(content.members, |member| member.package().map(str::to_owned)) {
        return format!("Several findings for {package}{at}");
    }
    if let Some(title) = shared(content.members, |member| given(Some(member.title)).map(str::to_owned)) {
        return format!("{title}{at}");
    }
    match shared(content.members, |member| member.asset.short()) {
        Some(place) => format!("Several findings in {place}"),
        None => format!("{} and other findings", content.title.trim()),
    }
}

impl Member<'_> {
    fn vulnerability_id(&self) -> Option<&str> {
        self.vulnerability
            .as_ref()
            .and_then(|vulnerability| given(vulnerability.id))
    }

    fn package(&self) -> Option<&str> {
        self.vulnerability
            .as_ref()
            .and_then(|vulnerability| given(vulnerability.package))
    }
}

fn shared(members: &[Member<'_>], of: impl Fn(&Member<'_>) -> Option<String>) -> Option<String> {
    let first = of(members.first()?)?;
    members
        .iter()
        .all(|member| of(member).as_ref() == Some(&first))
        .then_some(first)
}

/// The title without the identifier and package which stand before it anyway.
fn bare_title<'a>(title: &'a str, id: &str, package: Option<&str>) -> &'a str {
    let mut rest = title.trim();
    for known in [Some(id), package].into_iter().flatten() {
        if let Some(after) = rest
            .get(..known.len())
            .filter(|start| start.eq_ignore_ascii_case(known))
            .map(|_| &rest[known.len()..])
            && (after.is_empty() || after.starts_with([':', ' ', '-']))
        {
            rest = after.trim_start_matches([':', ' ', '-']);
        }
    }
    rest
}

fn versioned(package: &str, version: Option<&str>) -> String {
    given(version).map_or_else(|| package.to_owned(), |version| format!("{package} {version}"))
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

impl Asset<'_> {
    /// A name short enough for a board: `shop/web`, `web:1.4.2`, `10.0.0.7:443`.
    fn short(&self) -> Option<String> {
        if let Some(name) = given(self.name) {
            return Some(match given(self.namespace) {
                Some(namespace) => format!("{namespace}/{name}"),
                None if given(self.image) == Some(name) => short_image(name).to_owned(),
                None => name.to_owned(),
            });
        }
        if let Some(image) = given(self.image) {
            return Some(short_image(image).to_owned());
        }
        let address = given(self.ip).map(|ip| match self.port {
            Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
            Some(port) => format!("{ip}:{port}"),
            None => ip.to_owned(),
        });
        address.or_else(|| given(self.account).or(given(self.cluster)).map(str::to_owned))
    }

    fn full(&self) -> Option<String> {
        let name = given(self.name).or(given(self.image));
        let named = match (given(self.namespace), name) {
            (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
            (namespace, name) => name.or(namespace).map(str::to_owned),
        };
        match (given(self.kind), named) {
            (Some(kind), Some(name)) => Some(format!("{kind} {name}")),
            (kind, name) => name.or(kind.map(str::to_owned)),
        }
    }
}

/// An image without its registry and digest: `registry.example.com/shop/web:1.4.2@sha256:…` is `web:1.4.2`.
fn short_image(image: &str) -> &str {
    let tagged = image.split_once('@').map_or(image, |(name, _)| name);
    tagged.rsplit_once('/').map_or(tagged, |(_, name)| name)
}

fn description(content: &TicketContent<'_>) -> Doc {
    let object = format!("securityfinding/{}/{}", content.namespace, content.name);
    let pointer = || Doc {
        blocks: vec![Block::paragraph(vec![
            Inline::em("Shortened; the full text is in "),
            Inline::code(&object),
            Inline::em("."),
        ])],
    };
    let several = content.members.len() > 1;
    let footer = footer(content, &object);

    let mut blocks = vec![];
    blocks.extend(limits::fit(facts(content), FACTS, pointer()).blocks);
    if several {
        blocks.push(Block::heading(3, "Findings"));
        blocks.push(members(content.members));
    }
    section(
        &mut blocks,
        "Description",
        below_section(markdown::from_markdown(content.description.unwrap_or_default())),
        DESCRIPTION,
        &pointer,
    );
    section(&mut blocks, "Remediation", remediation(content), REMEDIATION, &pointer);
    if let Some(evidence) = content.evidence.filter(|evidence| !evidence.trim().is_empty()) {
        let code = Doc {
            blocks: vec![Block::Flow(Flow::Code(CodeBlock::new(
                evidence.trim_matches(['\n', '\r']),
                None,
            )))],
        };
        section(&mut blocks, "Evidence", code, EVIDENCE, &pointer);
    }
    section(
        &mut blocks,
        "References",
        references(content.references),
        FACTS,
        &pointer,
    );

    let footer_size: usize = limits::document_size(&Doc { blocks: footer.clone() });
    let mut document = limits::fit(Doc { blocks }, limits::MAX_DOCUMENT - footer_size, pointer());
    document.blocks.extend(footer);
    document
}

fn section(blocks: &mut Vec<Block>, title: &str, text: Doc, room: usize, pointer: &dyn Fn() -> Doc) {
    if !text.is_empty() {
        blocks.push(Block::heading(3, title));
        blocks.extend(limits::fit(text, room, pointer()).blocks);
    }
}

/// Headings of the producer's text go below those of the sections.
pub(super) fn below_section(mut document: Doc) -> Doc {
    for block in &mut document.blocks {
        if let Block::Heading(level, _) = block {
            *level = Level::new(level.get().saturating_add(3));
        }
    }
    document
}

/// The producer's advice; without one, what a fixed version implies.
fn remediation(content: &TicketContent<'_>) -> Doc {
    let given_text = below_section(markdown::from_markdown(content.remediation.unwrap_or_default()));
    if !given_text.is_empty() {
        return given_text;
    }
    let Some(vulnerability) = &content.vulnerability else {
        return Doc::default();
    };
    let Some(package) = given(vulnerability.package) else {
        return Doc::default();
    };
    let line = match given(vulnerability.fixed_version) {
        Some(fixed) => {
            let mut line = vec![Inline::text("Update "), Inline::code(package)];
            if let Some(installed) = given(vulnerability.installed_version) {
                line.extend([Inline::text(" from "), Inline::code(installed)]);
            }
            line.extend([Inline::text(" to "), Inline::code(fixed), Inline::text(" or later.")]);
            line
        }
        None => vec![
            Inline::text("No fixed version of "),
            Inline::code(package),
            Inline::text(" is known yet."),
        ],
    };
    Doc {
        blocks: vec![Block::paragraph(line)],
    }
}

fn facts(content: &TicketContent<'_>) -> Doc {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut fact = |name: &str, value: Vec<Inline>| {
        if !value.is_empty() {
            rows.push(vec![Cell::header(name), Cell::new(value)]);
        }
    };
    let plain = |value: Option<&str>| given(value).map(Inline::lines).unwrap_or_default();
    let several = content.members.len() > 1;
    let asset = &content.asset;

    let mut severity = vec![];
    if let Some(value) = given(Some(content.severity)) {
        severity.push(Inline::strong(value));
    }
    if let Some(cvss) = content
        .vulnerability
        .as_ref()
        .and_then(|vulnerability| given(vulnerability.cvss))
    {
        severity.push(Inline::text(&format!(" (CVSS {cvss})")));
    }
    fact("Severity", severity);
    fact("Category", plain(given(Some(content.category))));
    if !several {
        fact(
            "Asset",
            asset.full().map(|name| vec![Inline::text(&name)]).unwrap_or_default(),
        );
        fact(
            "Image",
            code(given(asset.image).filter(|image| given(asset.name) != Some(image))),
        );
        fact("Digest", code(asset.digest));
        fact(
            "Address",
            match (given(asset.ip), asset.port) {
                (Some(ip), Some(port)) => vec![Inline::text(&format!("{ip}, port {port}"))],
                (Some(ip), None) => vec![Inline::text(ip)],
                (None, Some(port)) => vec![Inline::text(&format!("port {port}"))],
                (None, None) => vec![],
            },
        );
        fact("Location", code(content.location));
    }
    fact("Cluster", plain(asset.cluster));
    fact("Account", plain(asset.account));
    fact("Region", plain(asset.region));
    fact("Owner", plain(asset.owner));
    if let Some(vulnerability) = &content.vulnerability {
        if !several {
            fact("Package", package(vulnerability));
        }
        let mut identifiers: Vec<&str> = given(vulnerability.id).into_iter().collect();
        for other in vulnerability.identifiers.iter().filter_map(|other| given(Some(other))) {
            if !identifiers.contains(&other) {
                identifiers.push(other);
            }
        }
        fact("Identifiers", listed(&identifiers));
    }
    let source = &content.source;
    if let Some(name) = given(source.name) {
        let name = versioned(name, source.version);
        let mut value = vec![
            source
                .url
                .map_or_else(|| Inline::text(&name), |url| Inline::link(&name, url)),
        ];
        if let Some(rule) = given(source.rule_id) {
            value.extend([Inline::text(", rule "), Inline::code(rule)]);
        }
        fact("Found by", value);
    }
    fact("First seen", plain(content.first_seen));
    let tags: Vec<&str> = content.tags.iter().filter_map(|tag| given(Some(tag))).collect();
    fact("Tags", listed(&tags));
    if rows.is_empty() {
        Doc::default()
    } else {
        Doc {
            blocks: vec![Block::Table(Table { rows })],
        }
    }
}

fn code(value: Option<&str>) -> Vec<Inline> {
    given(value).map(|value| vec![Inline::code(value)]).unwrap_or_default()
}

fn listed(values: &[&str]) -> Vec<Inline> {
    if values.is_empty() {
        return vec![];
    }
    let mut text = values.iter().take(MAX_TAGS).copied().collect::<Vec<_>>().join(", ");
    if values.len() > MAX_TAGS {
        text = format!("{text} and {} more", values.len() - MAX_TAGS);
    }
    vec![Inline::text(&text)]
}

/// `busybox 1.31.1-r10 → 1.31.1-r11`
fn package(vulnerability: &Vulnerability<'_>) -> Vec<Inline> {
    let Some(package) = given(vulnerability.package) else {
        return vec![];
    };
    let mut value = vec![Inline::code(&versioned(package, vulnerability.installed_version))];
    match given(vulnerability.fixed_version) {
        Some(fixed) => value.extend([Inline::text(" → "), Inline::code(fixed)]),
        None => value.push(Inline::text(", no fix known")),
    }
    value
}

/// One row per finding; the title only where the findings do not share it.
fn members(members: &[Member<'_>]) -> Block {
    let same_title = shared(members, |member| Some(member.title.trim().to_owned())).is_some();
    let with_package = members.iter().any(|member| member.vulnerability.is_some());
    let mut names = vec!["Severity", "State"];
    if !same_title {
        names.push("Finding");
    }
    if with_package {
        names.push("Package");
    }
    names.extend(["Asset", "Location", "Object"]);
    let mut rows = vec![names.into_iter().map(Cell::header).collect::<Vec<_>>()];
    for member in members {
        let vulnerability = member.vulnerability.clone().unwrap_or_default();
        let mut row = vec![
            Cell::new(vec![Inline::text(member.severity)]),
            Cell::new(vec![Inline::text(member.state)]),
        ];
        if !same_title {
            let id = given(vulnerability.id).filter(|id| !member.title.contains(id));
            let title = id.map_or_else(|| member.title.to_owned(), |id| format!("{id}: {}", member.title));
            row.push(Cell::new(vec![Inline::text(&limits::summary(&title, "-"))]));
        }
        if with_package {
            row.push(Cell::new(package(&vulnerability)));
        }
        row.push(Cell::new(
            member
                .asset
                .full()
                .map(|name| vec![Inline::text(&name)])
                .unwrap_or_default(),
        ));
        row.push(Cell::new(code(member.location)));
        row.push(Cell::new(vec![Inline::text(&format!(
            "{}/{}",
            member.namespace, member.name
        ))]));
        rows.push(row);
    }
    Block::Table(Table { rows })
}

fn references(references: &[String]) -> Doc {
    let references: Vec<&str> = references
        .iter()
        .filter_map(|reference| given(Some(reference)))
        .collect();
    if references.is_empty() {
        return Doc::default();
    }
    let items = references
        .iter()
        .take(MAX_REFERENCES)
        .map(|url| vec![Flow::Paragraph(vec![Inline::url(url)])]);
    let mut blocks = vec![Block::Flow(Flow::List(List {
        start: None,
        items: items.collect(),
    }))];
    if references.len() > MAX_REFERENCES {
        let line = format!("… {} more in the finding", references.len() - MAX_REFERENCES);
        blocks.push(Block::paragraph(vec![Inline::em(&line)]));
    }
    Doc { blocks }
}

fn footer(content: &TicketContent<'_>, object: &str) -> Vec<Block> {
    let mut line = vec![
        Inline::em("Kept up to date by jira-findings-operator from "),
        Inline::code(object),
    ];
    if content.members.len() > 1 {
        line.push(Inline::em(&format!(" and {} more", content.members.len() - 1)));
    }
    line.push(Inline::em(
        "; changes made to this text here may be overwritten. Write in comments instead.",
    ));
    vec![Block::Rule, Block::paragraph(line)]
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::render::{adf, schema_check::assert_valid};

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
}
