//! The write-ahead record of a creation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::{RECORD_ANNOTATION, SecurityFinding};

use super::TicketKey;

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
