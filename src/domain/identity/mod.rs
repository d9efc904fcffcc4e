//! What makes an issue ours, and the same issue for ever.
//!
//! An issue is found again by its **label**, a digest over the instance, the configuration's identity, the group value
//! and the slot. Labels can be copied by people, so a found issue is believed only when its **property** says the same
//! in clear. The **record** is written onto the findings before an issue is created, so that whoever comes after a
//! crash knows that a creation may have happened.
mod property;
mod record;
mod stored;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::api::SecurityFinding;

pub use property::{Claim, PROPERTY, Property, claim};
pub use record::Record;
pub use stored::{stored_ticket, ticket_of};

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
    /// What the findings of the ticket have in common, as `placement::group` makes it.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::jira::model::Issue;

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
