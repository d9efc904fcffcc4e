//! How urgent a ticket is.

use std::time::Duration;

use crate::api::{SecurityFinding, Severity};
use crate::domain::base::members::is_leaving;
use crate::domain::state::table::is_open;

/// How urgent a ticket is. The most urgent lane comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Critical findings, findings that are fixed and findings that are deleted.
    Urgent,
    /// High findings and all others that have a ticket.
    Normal,
    /// Findings without a ticket that are neither Critical nor High.
    Backlog,
}

impl Lane {
    /// How long work that comes later in the `Urgent` lane may overtake work of this lane.
    pub(crate) const fn handicap(self) -> Duration {
        match self {
            Self::Urgent => Duration::ZERO,
            Self::Normal => Duration::from_mins(10),
            Self::Backlog => Duration::from_hours(1),
        }
    }

    /// The lane of a finding's ticket, as far as this finding decides it.
    pub(crate) fn of(finding: &SecurityFinding) -> Self {
        let ticketed = finding.status.as_ref().is_some_and(|status| status.ticket.is_some());
        let spec = &finding.spec;
        if is_leaving(finding) || spec.severity == Severity::Critical || (ticketed && !is_open(spec.state)) {
            Self::Urgent
        } else if ticketed || spec.severity == Severity::High {
            Self::Normal
        } else {
            Self::Backlog
        }
    }

    /// The lane of a ticket: that of its most urgent finding, and `Normal` where it has none.
    pub(crate) fn of_all<'a>(findings: impl IntoIterator<Item = &'a SecurityFinding>) -> Self {
        findings.into_iter().map(Self::of).min().unwrap_or(Self::Normal)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn finding(spec: Value, ticketed: bool) -> SecurityFinding {
        let mut object = json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
            "metadata": {"name": "f", "namespace": "shop"}, "spec": {"title": "t"},
        });
        for (name, value) in spec.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        if ticketed {
            object["status"] = json!({"ticket": {"configuration": "c", "group": ["shop", "f"], "id": "1"}});
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn what_is_critical_or_closes_overtakes() {
        assert_eq!(Lane::of(&finding(json!({"severity": "Critical"}), false)), Lane::Urgent);
        assert_eq!(Lane::of(&finding(json!({"state": "Fixed"}), true)), Lane::Urgent);
        assert_eq!(Lane::of(&finding(json!({"state": "Fixed"}), false)), Lane::Backlog);
        assert_eq!(Lane::of(&finding(json!({"severity": "Low"}), true)), Lane::Normal);
        assert_eq!(Lane::of(&finding(json!({"severity": "High"}), false)), Lane::Normal);
        assert_eq!(Lane::of(&finding(json!({"severity": "Low"}), false)), Lane::Backlog);
        let mut deleted = finding(json!({}), false);
        deleted.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        assert_eq!(Lane::of(&deleted), Lane::Urgent);
    }

    #[test]
    fn the_most_urgent_finding_decides_for_its_ticket() {
        let findings = [
            finding(json!({"severity": "Low"}), false),
            finding(json!({"severity": "Critical"}), false),
        ];
        assert_eq!(Lane::of_all(&findings), Lane::Urgent);
        assert_eq!(Lane::of_all([]), Lane::Normal);
    }
}
