//! The issue property that proves whose an issue is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::jira::model::Issue;

use super::TicketKey;

/// Key of the issue property that proves an issue is ours.
pub const PROPERTY: &str = "jira-findings.dev";

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
