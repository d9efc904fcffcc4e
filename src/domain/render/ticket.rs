//! From the findings of a ticket to its texts.

use serde_json::Value;

use crate::api::SecurityFinding;
use crate::api::security_finding as api;

use super::adf::{Block, Doc, Inline};
use super::finding::{Asset, Member, Rendered, Source, TicketContent, Vulnerability, render};

/// The texts of the issue that stands for these findings. The first one gives title and description.
pub fn ticket(findings: &[&SecurityFinding]) -> Rendered {
    let Some(first) = findings.first() else {
        return render(&TicketContent::default());
    };
    let spec = &first.spec;
    let severity = findings
        .iter()
        .map(|finding| finding.spec.severity)
        .max()
        .unwrap_or_default();
    let first_seen = spec.first_seen.as_ref().map(|time| time.0.to_string());
    let members: Vec<Member<'_>> = if findings.len() > 1 {
        findings.iter().map(|finding| member(finding)).collect()
    } else {
        Vec::new()
    };
    render(&TicketContent {
        title: &spec.title,
        description: spec.description.as_deref(),
        severity: severity.as_str(),
        category: spec.category.as_str(),
        asset: spec.asset.as_ref().map(asset).unwrap_or_default(),
        location: spec.location.as_deref(),
        vulnerability: spec.vulnerability.as_ref().map(vulnerability),
        remediation: spec.remediation.as_deref(),
        evidence: spec.evidence.as_deref(),
        references: &spec.references,
        tags: &spec.tags,
        source: spec.source.as_ref().map(source).unwrap_or_default(),
        first_seen: first_seen.as_deref(),
        namespace: first.metadata.namespace.as_deref().unwrap_or_default(),
        name: first.metadata.name.as_deref().unwrap_or_default(),
        members: &members,
    })
}

/// A document of one paragraph of plain text.
pub fn plain(text: &str) -> Value {
    Doc {
        blocks: vec![Block::paragraph(vec![Inline::text(text)])],
    }
    .to_value()
}

fn member(finding: &SecurityFinding) -> Member<'_> {
    let spec = &finding.spec;
    Member {
        title: &spec.title,
        severity: spec.severity.as_str(),
        state: spec.state.as_str(),
        asset: spec.asset.as_ref().map(asset).unwrap_or_default(),
        location: spec.location.as_deref(),
        vulnerability: spec.vulnerability.as_ref().map(vulnerability),
        namespace: finding.metadata.namespace.as_deref().unwrap_or_default(),
        name: finding.metadata.name.as_deref().unwrap_or_default(),
    }
}

fn asset(asset: &api::Asset) -> Asset<'_> {
    Asset {
        name: asset.name.as_deref(),
        kind: asset.kind.as_deref(),
        namespace: asset.namespace.as_deref(),
        cluster: asset.cluster.as_deref(),
        image: asset.image.as_deref(),
        digest: asset.digest.as_deref(),
        region: asset.region.as_deref(),
        account: asset.account.as_deref(),
        ip: asset.ip.as_deref(),
        port: asset.port.and_then(|port| u16::try_from(port).ok()),
        owner: asset.owner.as_deref(),
    }
}

fn vulnerability(vulnerability: &api::Vulnerability) -> Vulnerability<'_> {
    Vulnerability {
        id: vulnerability.id.as_deref(),
        identifiers: &vulnerability.identifiers,
        cvss: vulnerability.cvss.as_deref(),
        package: vulnerability.package.as_deref(),
        installed_version: vulnerability.installed_version.as_deref(),
        fixed_version: vulnerability.fixed_version.as_deref(),
    }
}

fn source(source: &api::Source) -> Source<'_> {
    Source {
        name: Some(&source.name),
        version: source.version.as_deref(),
        rule_id: source.rule_id.as_deref(),
        url: source.url.as_deref(),
    }
}
