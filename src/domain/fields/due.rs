//! The due date of an issue.

use jiff::civil::Date;
use jiff::{SignedDuration, tz::TimeZone};

use crate::api::SecurityFinding;
use crate::api::fields::DueDate;
use crate::domain::state::table::is_open;

/// The earliest due date of the findings that are open, of all where none is: first seen, else created, plus the period
/// of the finding's own severity; by the calendar of UTC.
pub(super) fn due_date(periods: &DueDate, findings: &[&SecurityFinding]) -> Option<Date> {
    let is_due = |finding: &&SecurityFinding| {
        let period = SignedDuration::try_from(periods.of(finding.spec.severity)?.0).ok()?;
        let seen = finding.spec.first_seen.as_ref();
        let since = seen.or(finding.metadata.creation_timestamp.as_ref())?.0;
        since.checked_add(period).ok()
    };
    let open = |finding: &&&SecurityFinding| is_open(finding.spec.state);
    let due = if findings.iter().any(|finding| open(&finding)) {
        findings.iter().filter(open).filter_map(is_due).min()
    } else {
        findings.iter().filter_map(is_due).min()
    };
    Some(due?.to_zoned(TimeZone::UTC).date())
}
