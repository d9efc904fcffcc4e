//! Where a finding belongs: which configuration takes it, and which findings share an issue.

pub mod group;
pub mod select;
