//! From the findings of a ticket to its texts.

use serde_json::Value;

use crate::api::SecurityFinding;
use crate::api::security_finding as api;
use crate::domain::state::table::is_open;

use super::adf::{Block, Doc, Inline};
use super::finding::{self, Asset, Member, Rendered, Source, TicketContent, Vulnerability, render};

/// The texts of the issue that stands for these findings. Of several findings, what all of them say is said once, and
/// the rest stands in a table with a row for each.
pub fn ticket(findings: &[&SecurityFinding]) -> Rendered {
    with_content(findings, render)
}

/// The summary of the issue that stands for these findings, without the work for its description.
pub fn summary(findings: &[&SecurityFinding]) -> String {
    with_content(findings, finding::summary)
}

fn with_content<T>(findings: &[&SecurityFinding], render: impl FnOnce(&TicketContent<'_>) -> T) -> T {
    let Some(first) = findings.first() else {
        return render(&TicketContent::default());
    };
    let all = Common(findings);
    // What an issue says of severity is what its priority comes from: that of the findings that are open.
    let open = findings.iter().filter(|finding| is_open(finding.spec.state));
    let severity = |finding: &&SecurityFinding| finding.spec.severity;
    let severity = open.map(severity).max().or_else(|| findings.iter().map(severity).max());
    let first_seen = findings
        .iter()
        .filter_map(|finding| finding.spec.first_seen.as_ref())
        .map(|time| time.0)
        .min();
    let first_seen = first_seen.map(|time| time.to_string());
    let members: Vec<Member<'_>> = if findings.len() > 1 {
        findings.iter().map(|finding| member(finding)).collect()
    } else {
        Vec::new()
    };
    let union = |list: fn(&SecurityFinding) -> &Vec<String>| {
        let mut union: Vec<String> = Vec::new();
        for entry in findings.iter().flat_map(|finding| list(finding)) {
            if !union.contains(entry) {
                union.push(entry.clone());
            }
        }
        union
    };
    let (references, tags) = (union(|one| &one.spec.references), union(|one| &one.spec.tags));
    render(&TicketContent {
        title: &first.spec.title,
        description: all.say(|one| one.spec.description.as_deref()),
        severity: severity.unwrap_or_default().as_str(),
        category: all.say(|one| Some(one.spec.category.as_str())).unwrap_or_default(),
        asset: all.asset(),
        location: all.say(|one| one.spec.location.as_deref()),
        vulnerability: all.vulnerability(),
        remediation: all.say(|one| one.spec.remediation.as_deref()),
        evidence: all.say(|one| one.spec.evidence.as_deref()),
        references: &references,
        tags: &tags,
        source: all.say(|one| one.spec.source.as_ref()).map(source).unwrap_or_default(),
        first_seen: first_seen.as_deref(),
        namespace: first.metadata.namespace.as_deref().unwrap_or_default(),
        name: first.metadata.name.as_deref().unwrap_or_default(),
        members: &members,
    })
}

/// What several findings have in common.
struct Common<'a>(&'a [&'a SecurityFinding]);

impl<'a> Common<'a> {
    /// A value, if all findings have the same.
    fn say<T: PartialEq>(&self, of: impl Fn(&'a SecurityFinding) -> Option<T>) -> Option<T> {
        let mut values = self.0.iter().map(|finding| of(finding));
        let first = values.next()??;
        values.all(|value| value.as_ref() == Some(&first)).then_some(first)
    }

    fn asset(&self) -> Asset<'a> {
        let text = |of: fn(&'a api::Asset) -> Option<&'a str>| self.say(|one| of(one.spec.asset.as_ref()?));
        Asset {
            name: text(|asset| asset.name.as_deref()),
            kind: text(|asset| asset.kind.as_deref()),
            namespace: text(|asset| asset.namespace.as_deref()),
            cluster: text(|asset| asset.cluster.as_deref()),
            image: text(|asset| asset.image.as_deref()),
            digest: text(|asset| asset.digest.as_deref()),
            region: text(|asset| asset.region.as_deref()),
            account: text(|asset| asset.account.as_deref()),
            ip: text(|asset| asset.ip.as_deref()),
            port: self.say(|one| u16::try_from(one.spec.asset.as_ref()?.port?).ok()),
            owner: text(|asset| asset.owner.as_deref()),
        }
    }

    fn vulnerability(&self) -> Option<Vulnerability<'a>> {
        let of = |one: &'a SecurityFinding| one.spec.vulnerability.as_ref();
        let text = |of_it: fn(&'a api::Vulnerability) -> Option<&'a str>| self.say(|one| of_it(of(one)?));
        let common = Vulnerability {
            id: text(|vulnerability| vulnerability.id.as_deref()),
            identifiers: self
                .say(|one| Some(of(one)?.identifiers.as_slice()))
                .unwrap_or_default(),
            cvss: text(|vulnerability| vulnerability.cvss.as_deref()),
            package: text(|vulnerability| vulnerability.package.as_deref()),
            installed_version: text(|vulnerability| vulnerability.installed_version.as_deref()),
            fixed_version: text(|vulnerability| vulnerability.fixed_version.as_deref()),
        };
        self.0.iter().any(|one| of(one).is_some()).then_some(common)
    }
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
