//! Where a finding belongs: which configuration takes it, which findings share an issue, and how urgent its ticket is.

pub mod assign;
pub mod group;
pub mod lane;
pub mod scope;
pub mod select;
pub mod slots;
