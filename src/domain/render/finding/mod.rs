//! The summary and description an issue has where no template says otherwise.
//!
//! Written for the developer who gets the ticket and has never heard of the operator: what is
//! wrong, where, how bad, what to do, and where to read more; then who keeps the text.

mod description;
mod summary;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub(super) use description::below_section;

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

/// Renders the default summary.
pub fn summary(content: &TicketContent<'_>) -> String {
    summary::of(content)
}

/// Renders the default summary and description.
pub fn render(content: &TicketContent<'_>) -> Rendered {
    Rendered {
        summary: summary(content),
        description: description::of(content).to_value(),
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
