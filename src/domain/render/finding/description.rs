//! The description: facts, findings, text, advice, evidence, references, and who keeps it.

use super::super::adf::{Block, Cell, CodeBlock, Doc, Flow, Inline, Level, List, Table};
use super::super::{limits, markdown};
use super::{Member, TicketContent, Vulnerability, given, shared, versioned};

/// What the description, remediation and evidence of one finding may take of the document, so that
/// none of them crowds out the others.
const DESCRIPTION: usize = 12_000;
const REMEDIATION: usize = 5_000;
const EVIDENCE: usize = 5_000;
const FACTS: usize = 6_000;

/// References and tags beyond these are counted, not listed.
const MAX_REFERENCES: usize = 15;
const MAX_TAGS: usize = 20;

pub(super) fn of(content: &TicketContent<'_>) -> Doc {
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
pub(in crate::domain::render) fn below_section(mut document: Doc) -> Doc {
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
