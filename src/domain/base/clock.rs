//! Arithmetic on moments that never overflows.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A moment, some time later. Saturates at the end of time.
pub fn later(moment: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| moment.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}
