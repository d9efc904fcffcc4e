//! Decisions: pure functions over values. No I/O, no clock, no randomness; what they need is an argument.

pub mod backoff;
pub mod configuration;
pub mod connection;
pub mod content;
pub mod fault;
pub mod fields;
pub mod group;
pub mod identity;
pub mod memory;
pub mod ownership;
pub mod plan;
pub mod render;
pub mod select;
pub mod standing;
pub mod state;
pub mod status;
pub mod sync;
pub mod transition;
