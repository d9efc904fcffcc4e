//! What makes an issue ours, and the same issue for ever.
//!
//! An issue is found again by its **label**, a digest over the instance, the configuration's identity, the group value
//! and the slot. Labels can be copied by people, so a found issue is believed only when its **property** says the same
//! in clear. The **record** is written onto the findings before an issue is created, so that whoever comes after a
//! crash knows that a creation may have happened.

use std::collections::BTreeMap;

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::{RECORD_ANNOTATION, SecurityFinding};
use crate::jira::model::Issue;

/// Key of the issue property that proves an issue is ours.
pub const PROPERTY: &str = "jira-findings.dev";
/// Beginning of the label that finds one ticket.
pub const LABEL_PREFIX: &str = "jfo-";
/// Beginning of the label that all issues of an installation share.
pub const INSTANCE_LABEL_PREFIX: &str = "jira-findings-";
/// Characters of the digest that are kept: 130 bits.
const DIGEST_CHARACTERS: usize = 26;

/// The unit of Jira work. Passes over one key never run side by side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketKey {
    /// Identity of the configuration.
    pub configuration: String,
    /// What the findings of the ticket have in common, as [`super::group`] makes it.
    pub group: Vec<String>,
    /// Which of several tickets of one group this is.
    pub slot: u32,
}

impl TicketKey {
    /// The label by which the ticket's issue is found: `jfo-` and 26 base32 characters of a SHA-256 over
    /// length-prefixed parts, so that no two keys can spell the same input.
    pub fn label(&self, instance: &str) -> String {
        let mut digest = Sha256::new();
        let mut part = |text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        part(instance);
        part(&self.configuration);
        part(&self.group.len().to_string());
        self.group.iter().for_each(|value| part(value));
        part(&self.slot.to_string());
        let mut text = BASE32_NOPAD.encode(&digest.finalize()).to_lowercase();
        text.truncate(DIGEST_CHARACTERS);
        format!("{LABEL_PREFIX}{text}")
    }
}

impl std::fmt::Display for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}#{}", self.configuration, self.group.join("/"), self.slot)
    }
}

/// The label that every issue of an installation carries; the status sync asks for it.
pub fn instance_label(instance: &str) -> String {
    format!("{INSTANCE_LABEL_PREFIX}{instance}")
}

/// Whether a label is the operator's own. Such labels are dropped from any input.
pub fn is_reserved_label(label: &str) -> bool {
    let label = label.to_lowercase();
    label.starts_with(LABEL_PREFIX) || label.starts_with(INSTANCE_LABEL_PREFIX)
}

/// What stays the same when the same problem is reported again.
pub fn fingerprint(finding: &SecurityFinding) -> &str {
    finding
        .spec
        .fingerprint
        .as_deref()
        .or(finding.metadata.name.as_deref())
        .unwrap_or_default()
}

/// The issue property: the identity in clear, and what was pushed last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Property {
    /// The installation.
    pub instance: String,
    /// Identity of the configuration.
    pub configuration: String,
    /// The group value.
    pub group: Vec<String>,
    /// The slot.
    #[serde(default)]
    pub slot: u32,
    /// Which of the issues opened one after the other this is, from 1.
    pub incarnation: u32,
    /// The state that was pushed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<crate::api::State>,
    /// How often a state was pushed; tells whether a stored merge base is older than the last push.
    #[serde(default)]
    pub pushes: u32,
    /// Short hashes of the values that were written last, by field. It goes along with each edit, so that a value is
    /// known as ours though the process died before a finding knew of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub written: BTreeMap<String, String>,
    /// The issue existed before and became the ticket because a finding named it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

impl Property {
    /// The property of an issue of this key.
    pub fn new(instance: &str, key: &TicketKey, incarnation: u32, state: Option<crate::api::State>) -> Self {
        Self {
            instance: instance.to_owned(),
            configuration: key.configuration.clone(),
            group: key.group.clone(),
            slot: key.slot,
            incarnation,
            state,
            pushes: 0,
            written: BTreeMap::new(),
            adopted: false,
        }
    }

    /// The property that claims an existing issue for this key. No state was ever pushed to it.
    pub fn adopting(instance: &str, key: &TicketKey) -> Self {
        Self {
            adopted: true,
            ..Self::new(instance, key, 1, None)
        }
    }

    /// The property of an issue, if it carries a readable one.
    pub fn of(issue: &Issue) -> Option<Self> {
        serde_json::from_value(issue.properties.get(PROPERTY)?.clone()).ok()
    }

    /// Whether an issue with this property is the ticket `key` of `instance`.
    pub fn proves(&self, instance: &str, key: &TicketKey) -> bool {
        self.instance == instance
            && self.configuration == key.configuration
            && self.group == key.group
            && self.slot == key.slot
    }
}

/// Of the issues found for a key, the one to keep, and how many others claim the same identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// The issue to keep: of the wanted (or highest) incarnation, the one with the lowest id.
    pub issue: Option<Issue>,
    /// Its incarnation.
    pub incarnation: u32,
    /// Keys of further issues with the same identity and incarnation.
    pub duplicates: Vec<String>,
}

/// Picks the ticket's issue among those found. Only issues whose property proves them are accepted. Without a wanted
/// incarnation the highest wins.
pub fn claim<'a>(
    found: impl IntoIterator<Item = &'a Issue>,
    instance: &str,
    key: &TicketKey,
    wanted: Option<u32>,
) -> Claim {
    let mut proven: Vec<(u32, u64, &Issue)> = found
        .into_iter()
        .filter_map(|issue| {
            let property = Property::of(issue)?;
            let fits = property.proves(instance, key) && wanted.is_none_or(|wanted| wanted == property.incarnation);
            fits.then(|| (property.incarnation, issue.id.parse().unwrap_or(u64::MAX), issue))
        })
        .collect();
    proven.sort_by_key(|&(incarnation, id, _)| (std::cmp::Reverse(incarnation), id));
    proven.dedup_by_key(|&mut (_, id, _)| id);
    let Some(&(incarnation, _, kept)) = proven.first() else {
        return Claim::default();
    };
    let duplicates = proven.iter().skip(1).filter(|(other, ..)| *other == incarnation);
    Claim {
        issue: Some(kept.clone()),
        incarnation,
        duplicates: duplicates.map(|(.., issue)| issue.key.clone()).collect(),
    }
}

/// The write-ahead record: stamped on every member before an issue is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Names this attempt. Settling it writes the nonce into the status.
    pub nonce: String,
    /// When it was stamped, by this process's clock; for people, never compared.
    pub time: Timestamp,
    /// Identity of the configuration.
    pub configuration: String,
    /// The group value.
    pub group: Vec<String>,
    /// The slot.
    pub slot: u32,
    /// The incarnation that is being created.
    pub incarnation: u32,
    /// The label the issue will carry.
    pub label: String,
    /// The project the issue will be in.
    pub project: String,
    /// Atlassian's id of the site the issue will be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The highest issue number of the project known before the attempt.
    pub highest: u64,
}

impl Record {
    /// The record of a finding, if it carries one that can be read.
    pub fn of(finding: &SecurityFinding) -> Option<Self> {
        let text = finding.metadata.annotations.as_ref()?.get(RECORD_ANNOTATION)?;
        serde_json::from_str(text).ok()
    }

    /// The record of a finding if its outcome has not been written into the status.
    pub fn open_on(finding: &SecurityFinding) -> Option<Self> {
        let settled = finding
            .status
            .as_ref()
            .and_then(|status| status.ticket.as_ref()?.attempt.as_deref());
        Self::of(finding).filter(|record| settled != Some(record.nonce.as_str()))
    }

    /// The key of the ticket the record is about.
    pub fn key(&self) -> TicketKey {
        TicketKey {
            configuration: self.configuration.clone(),
            group: self.group.clone(),
            slot: self.slot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &[&str]) -> TicketKey {
        TicketKey {
            configuration: "a/b".into(),
            group: group.iter().map(ToString::to_string).collect(),
            slot: 0,
        }
    }

    fn issue(id: &str, property: Option<&Property>) -> Issue {
        let properties = property
            .map(|p| BTreeMap::from([(PROPERTY.to_owned(), serde_json::to_value(p).unwrap())]))
            .unwrap_or_default();
        Issue {
            id: id.into(),
            key: format!("SEC-{id}"),
            properties,
            ..Issue::default()
        }
    }

    #[test]
    fn labels_are_stable_legal_and_differ_where_the_parts_differ() {
        assert_eq!(key(&["ns", "f"]).label("prod"), key(&["ns", "f"]).label("prod"));
        let labels: std::collections::BTreeSet<String> = [
            key(&["ns", "f"]).label("prod"),
            key(&["ns", "f"]).label("test"),
            key(&["nsf", ""]).label("prod"),
            key(&["n", "sf"]).label("prod"),
            key(&["nsf"]).label("prod"),
            TicketKey {
                slot: 1,
                ..key(&["ns", "f"])
            }
            .label("prod"),
            TicketKey {
                configuration: "a/".into(),
                ..key(&["bns", "f"])
            }
            .label("prod"),
        ]
        .into();
        assert_eq!(labels.len(), 7);
        for label in labels {
            assert_eq!(label.len(), LABEL_PREFIX.len() + DIGEST_CHARACTERS);
            assert!(
                label
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            );
        }
    }

    #[test]
    fn the_label_of_a_known_key_never_changes() {
        // A change here would orphan every ticket of every installation.
        assert_eq!(key(&["ns", "f"]).label("prod"), "jfo-4kbnhcaurxkmz2q6ojmr7svdvu");
    }

    #[test]
    fn only_the_property_of_an_adopted_issue_says_so() {
        let key = key(&["ns", "f"]);
        let created = serde_json::to_value(Property::new("prod", &key, 1, None)).unwrap();
        assert_eq!(created.get("adopted"), None);
        assert!(!serde_json::from_value::<Property>(created).unwrap().adopted);
        let adopted = Property::adopting("prod", &key);
        assert_eq!(serde_json::to_value(&adopted).unwrap()["adopted"], true);
        assert!(adopted.proves("prod", &key));
    }

    #[test]
    fn only_a_matching_property_proves_an_issue() {
        let key = key(&["ns", "f"]);
        let ours = Property::new("prod", &key, 1, None);
        let copied_label = issue("5", None);
        let other_cluster = issue(
            "6",
            Some(&Property {
                instance: "test".into(),
                ..ours.clone()
            }),
        );
        let real = issue("12", Some(&ours));
        let found = [&copied_label, &other_cluster, &real];
        assert_eq!(claim(found, "prod", &key, Some(1)).issue.unwrap().id, "12");
        assert_eq!(claim(found, "prod", &key, Some(2)).issue, None);
    }

    #[test]
    fn of_two_equal_issues_the_lowest_id_is_kept_and_the_other_reported() {
        let key = key(&["ns", "f"]);
        let ours = Property::new("prod", &key, 1, None);
        let newer = Property {
            incarnation: 2,
            ..ours.clone()
        };
        let (a, b, c) = (
            issue("100", Some(&ours)),
            issue("99", Some(&ours)),
            issue("101", Some(&newer)),
        );
        let claimed = claim([&a, &b, &b], "prod", &key, Some(1));
        assert_eq!(claimed.issue.unwrap().id, "99");
        assert_eq!(claimed.duplicates, ["SEC-100"]);
        assert_eq!(claim([&a, &b, &c], "prod", &key, None).incarnation, 2);
    }
}
