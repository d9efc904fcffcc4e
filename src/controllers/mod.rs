//! The controllers: they watch, ask `domain` what to do, and do it through `jira`.

pub mod context;
mod driver;
pub mod jira_connection;
pub mod registry;
pub mod ticket;
pub mod ticket_configuration;
