//! States of findings and statuses of issues: what each means, how both sides are merged, how an issue gets there.

pub mod sync;
pub mod table;
pub mod transition;
pub mod urgency;
