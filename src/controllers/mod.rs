//! The controllers: they watch, ask `domain` what to do, and do it through `jira`.

pub(crate) mod call;
pub mod configuration;
pub mod connection;
pub mod context;
mod driver;
pub(crate) mod events;
pub(crate) mod random;
pub mod registry;
pub(crate) mod status;
pub mod ticket;
