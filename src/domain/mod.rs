//! Decisions: pure functions over values. No I/O, no clock, no randomness; what they need is an argument.

pub mod identity;
pub mod render;
pub mod select;
pub mod state;
