//! Decisions: pure functions over values. No I/O, no clock, no randomness; what they need is an argument.

pub mod base;
pub mod configuration;
pub mod connection;
pub mod content;
pub mod fields;
pub mod identity;
pub mod placement;
pub mod render;
pub mod state;
pub mod ticket;
