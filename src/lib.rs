//! jira-findings-operator: one Jira issue per security finding, kept true from both sides.
//!
//! The map, which is also the direction of dependencies (`docs/architecture.md` tells it at length):
//!
//! * [`api`]: the three kinds users write. Types only.
//! * [`domain`]: decisions. Pure functions: arguments in, values out.
//! * [`jira`]: the outside world. Knows nothing of Kubernetes.
//! * [`app`]: what controllers and subcommands share: testing a connection, resolving a configuration.
//! * [`controllers`]: watch, observe, ask `domain`, act through `jira`, report.
//! * [`runtime`]: the process: telemetry, metrics, HTTP server, shutdown.
//! * [`cli`]: the subcommands.

pub mod api;
pub mod app;
pub mod cli;
pub mod controllers;
pub mod domain;
pub mod jira;
pub mod runtime;

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod documents;
