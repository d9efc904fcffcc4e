//! The controllers: they watch, ask `domain` what to do, and do it through `jira`.

pub(crate) mod call;
pub mod context;
mod driver;
pub(crate) mod events;
pub mod jira_connection;
pub(crate) mod random;
pub mod registry;
pub(crate) mod status;
pub mod ticket;
pub mod ticket_configuration;
