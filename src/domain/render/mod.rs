//! From what a producer wrote to what a Jira issue shows.
//!
//! All text that arrives here is hostile until proven otherwise: it comes from scanners, images
//! and the people who wrote the scanned code. This module promises that whatever goes in,
//!
//! * the description is a document valid by the Atlassian Document Format (ADF) schema,
//! * it is not longer than the limit it was given, and says so where something was cut,
//! * the summary is one line that Jira accepts,
//! * nothing in either mentions a person, links to anything but `http(s)`, or holds control
//!   characters or invisible direction changes.

pub mod adf;
pub mod escape;
pub mod finding;
pub mod limits;
pub mod markdown;
mod presets;
mod splice;
pub mod template;
mod ticket;
pub mod values;
mod variables;

pub use ticket::{plain, ticket};

#[cfg(test)]
pub(crate) mod schema_check;
#[cfg(test)]
mod template_tests;
