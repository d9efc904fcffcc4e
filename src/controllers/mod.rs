//! The controllers: they watch, ask `domain` what to do, and do it through `jira`.

pub mod context;
pub mod registry;
pub mod ticket;
