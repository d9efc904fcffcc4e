//! From findings of any scanner to objects: names, bounds, duplicates.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::api::Severity;
use crate::domain::render::escape;

/// Name of an object: prefix, readable part, hash, within a DNS label.
const LONGEST_NAME: usize = 63;
/// 60 bits: among a million findings the chance of a clash is below one in a million.
const HASH_LENGTH: usize = 12;
/// Leaves half of the name to the readable part.
pub const LONGEST_PREFIX: usize = 24;

/// What all manifests share.
pub struct Settings<'a> {
    pub namespace: Option<&'a str>,
    pub name_prefix: Option<&'a str>,
    pub labels: &'a [(String, String)],
}

/// One finding as read.
pub struct Finding {
    /// What makes it this finding and no other, over re-scans.
    pub identity: Vec<String>,
    /// Looked at only where two entries of one report have the same identity.
    pub detail: Vec<String>,
    pub severity: Severity,
    /// The beginning of the object's name.
    pub readable: String,
    /// The specification, without the fingerprint.
    pub spec: Map<String, Value>,
}

/// The manifests of all findings, worst first, then by name. Equal entries become one.
///
/// Entries that share an identity but differ in anything are all told apart by their detail, and
/// where that is equal, too, by their whole content: by what they say, never by their order.
pub fn manifests(findings: Vec<Finding>, settings: &Settings<'_>) -> Vec<Value> {
    let mut by_identity: BTreeMap<Vec<String>, BTreeMap<String, Finding>> = BTreeMap::new();
    for finding in findings {
        let content = Value::Object(finding.spec.clone()).to_string();
        by_identity
            .entry(finding.identity.clone())
            .or_default()
            .insert(content, finding);
    }
    let mut result = Vec::new();
    for (identity, group) in by_identity {
        let alone = group.len() == 1;
        let mut details: BTreeMap<&[String], usize> = BTreeMap::new();
        for finding in group.values() {
            *details.entry(&finding.detail).or_default() += 1;
        }
        let ambiguous: BTreeSet<Vec<String>> = details
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|(detail, _)| detail.to_vec())
            .collect();
        for (content, finding) in group {
            let mut full = identity.clone();
            if !alone {
                full.push("detail".to_owned());
                full.extend(finding.detail.iter().cloned());
                if ambiguous.contains(&finding.detail) {
                    full.push(content);
                }
            }
            result.push((Reverse(finding.severity), object(&full, finding, settings)));
        }
    }
    result.sort_by(|(a, first), (b, second)| {
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        a.cmp(b).then_with(|| name(first).cmp(&name(second)))
    });
    result.into_iter().map(|(_, object)| object).collect()
}

fn object(identity: &[String], finding: Finding, settings: &Settings<'_>) -> Value {
    let digest = digest(identity);
    let mut spec = finding.spec;
    spec.insert("fingerprint".into(), HEXLOWER.encode(&digest).into());
    let mut metadata = json!({"name": name(&digest, &finding.readable, settings.name_prefix)});
    if let Some(namespace) = settings.namespace {
        metadata["namespace"] = namespace.into();
    }
    if !settings.labels.is_empty() {
        let labels: Map<String, Value> = settings
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect();
        metadata["labels"] = labels.into();
    }
    json!({"apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding", "metadata": metadata, "spec": spec})
}

/// A hash in which no two lists of parts can look alike: each part is preceded by its length.
fn digest(parts: &[String]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().to_vec()
}

fn name(digest: &[u8], readable: &str, prefix: Option<&str>) -> String {
    let mut hash = BASE32_NOPAD.encode(digest).to_ascii_lowercase();
    hash.truncate(HASH_LENGTH);
    let mut name = String::new();
    for part in [prefix.unwrap_or_default(), readable] {
        for character in part.chars() {
            if character.is_ascii_alphanumeric() {
                name.push(character.to_ascii_lowercase());
            } else if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
        }
        if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(LONGEST_NAME - HASH_LENGTH - 1);
    let name = name.trim_matches('-');
    if name.is_empty() {
        format!("finding-{hash}")
    } else {
        format!("{name}-{hash}")
    }
}

/// The fields of an object; blank values are left out, long ones cut to what the API takes.
#[derive(Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// One line of at most `longest` characters.
    pub fn line(&mut self, name: &str, value: Option<&str>, longest: usize) {
        self.put(name, escape::one_line(value.unwrap_or_default()).trim(), longest);
    }

    /// Text of several lines.
    pub fn text(&mut self, name: &str, value: Option<&str>, longest: usize) {
        let text = escape::clean(value.unwrap_or_default());
        self.put(name, text.trim_matches('\n').trim_end(), longest);
    }

    fn put(&mut self, name: &str, value: &str, longest: usize) {
        if !value.trim().is_empty() {
            self.0.insert(name.into(), cut(value, longest).into());
        }
    }

    /// A list of lines, without repetitions. Lines which are too long are left out if `whole`, since half an
    /// address leads nowhere, and cut otherwise.
    pub fn list<'a>(
        &mut self,
        name: &str,
        values: impl Iterator<Item = &'a str>,
        most: usize,
        longest: usize,
        whole: bool,
    ) {
        let mut list: Vec<String> = Vec::new();
        for value in values {
            let value = escape::one_line(value).trim().to_owned();
            if value.is_empty() || (whole && value.chars().count() > longest) {
                continue;
            }
            let value = cut(&value, longest);
            if !list.contains(&value) {
                list.push(value);
            }
        }
        list.truncate(most);
        if !list.is_empty() {
            self.0.insert(name.into(), list.into());
        }
    }

    /// An object within this one, if there is anything in it.
    pub fn object(&mut self, name: &str, fields: Self) {
        if !fields.0.is_empty() {
            self.0.insert(name.into(), fields.0.into());
        }
    }

    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

/// At most `longest` characters, the last one an ellipsis if something was cut.
fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(longest.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        let digest = digest(&["x".to_owned()]);
        for (readable, prefix) in [
            ("CVE-2021-42378 busybox", None),
            ("", None),
            ("---", Some("team")),
            ("@angular/core ÄÖ 漢字", Some("a")),
            (&*"x".repeat(300), Some(&*"p".repeat(LONGEST_PREFIX))),
            (&*"-x".repeat(300), None),
        ] {
            let name = name(&digest, readable, prefix);
            assert!(super::super::dns_label(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        let parts = |a: &str, b: &str| digest(&[a.to_owned(), b.to_owned()]);
        assert_ne!(parts("ab", "c"), parts("a", "bc"));
    }

    #[test]
    fn cuts_are_at_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüx", 3), "äö…");
    }
}
