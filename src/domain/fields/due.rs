//! The due date of an issue.

use jiff::civil::Date;
use jiff::{SignedDuration, tz::TimeZone};

use crate::api::fields::DueDate;
use crate::api::{SecurityFinding, Severity};

/// The earliest due date of the findings: first seen, else created, plus the period; by the calendar of UTC.
pub(super) fn due_date(periods: &DueDate, findings: &[&SecurityFinding], severity: Severity) -> Option<Date> {
    let period = SignedDuration::try_from(periods.of(severity)?.0).ok()?;
    let since = |finding: &&SecurityFinding| {
        let seen = finding.spec.first_seen.as_ref();
        seen.or(finding.metadata.creation_timestamp.as_ref()).map(|time| time.0)
    };
    let first = findings.iter().filter_map(since).min()?;
    let due = first.checked_add(period).ok()?;
    Some(due.to_zoned(TimeZone::UTC).date())
}
