//! Which of several tickets of one group takes a finding.

use crate::api::SecurityFinding;
use crate::domain::base::members::is_leaving;
use crate::domain::state::table::is_open;

/// Whether a finding counts towards the open findings that a ticket takes at most (`grouping.maxFindings`).
pub(crate) fn takes_room(finding: &SecurityFinding) -> bool {
    is_open(finding.spec.state) && !is_leaving(finding)
}

/// The lowest slot that has room for one more open finding: a slot without a ticket, or a ticket with fewer than `room`
/// open findings. `occupied` is each slot that has a ticket, in ascending order, with the number of its open findings.
pub(crate) fn lowest_with_room(occupied: impl IntoIterator<Item = (u32, usize)>, room: usize) -> u32 {
    let mut lowest = 0;
    for (slot, open) in occupied {
        if slot > lowest || open < room {
            break;
        }
        lowest = slot.saturating_add(1);
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_slot_with_room_is_taken() {
        assert_eq!(lowest_with_room([], 3), 0);
        assert_eq!(lowest_with_room([(0, 2)], 3), 0);
        assert_eq!(lowest_with_room([(0, 3), (1, 3)], 3), 2, "all are full");
        assert_eq!(lowest_with_room([(0, 3), (1, 1), (2, 0)], 3), 1);
        assert_eq!(lowest_with_room([(1, 0)], 3), 0, "a ticket that is gone leaves a gap");
        assert_eq!(lowest_with_room([(0, 3), (2, 0)], 3), 1);
    }

    #[test]
    fn only_an_open_finding_that_stays_takes_room() {
        let finding = |state: &str, deleted: bool| -> SecurityFinding {
            let mut finding: SecurityFinding = serde_json::from_value(serde_json::json!({
                "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
                "metadata": {"name": "f", "namespace": "shop"}, "spec": {"title": "t", "state": state},
            }))
            .unwrap();
            if deleted {
                finding.metadata.deletion_timestamp =
                    Some(serde_json::from_value(serde_json::json!("2026-01-01T00:00:00Z")).unwrap());
            }
            finding
        };
        assert!(takes_room(&finding("Active", false)));
        assert!(!takes_room(&finding("Fixed", false)));
        assert!(!takes_room(&finding("Active", true)));
    }
}
