//! One ticket: what this process remembers of it, what is decided for it, and what its findings report.

pub mod memory;
pub mod plan;
pub mod status;
