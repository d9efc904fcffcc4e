//! Everything that is said to Jira Cloud, and nothing else: this module knows no Kubernetes.
//!
//! [`JiraClient`] makes single calls and classifies their failures by what they mean ([`JiraError`]). [`Gateway`] sits
//! on top, one per connection, and merges the reads of many callers into few calls. [`Metadata`] remembers what a
//! project accepts. The numbered traps (T1, T2, ...) in comments are these:
//!
//! * T1: `POST` has no idempotency key, so a `POST` whose reply was lost must never be repeated blindly.
//! * T2: to a bad credential Jira answers reads as to a stranger, with 200 and nothing or with 404.
//! * T3: 404 means deleted, hidden or anonymous.
//! * T4: search lags and flickers; a known issue is read by id.
//! * T8: keys change, ids do not.
//! * T15: creating checks the create screen, editing checks none.
//! * T20: names are renamed and translated, ids are not.
//! * T23: scoped and classic tokens use different base URLs, and the wrong pair fails like T2.
//! * T24: error bodies may be HTML, empty or of several shapes.

mod auth;
mod batch;
mod classify;
mod client;
#[cfg(test)]
mod client_tests;
mod error;
mod gateway;
#[cfg(test)]
mod gateway_tests;
pub mod jql;
mod limiter;
mod metadata;
pub mod model;
mod stats;
#[cfg(test)]
mod test_server;
mod transport;
mod walk;

pub use auth::{CloudIdError, Credentials, resolve_cloud_id, scoped_api_base};
pub use client::{
    BulkFetched, ClientSettings, CreatePermit, JiraClient, NewComment, SearchAll, SearchPage, SearchRequest,
};
pub use error::{Call, ConnectKind, Executed, JiraError, LoginReason, MAX_MESSAGE_CHARS, RateLimitReason};
pub use gateway::{Gateway, ISSUE_PROPERTY};
pub use limiter::{Limiter, Limiters, Paused, RateSettings};
pub use metadata::{Assignable, AssigneeWish, Metadata, MetadataError, ProjectMeta};
pub use stats::{CallCount, CallStats};
pub use transport::{ClientBuildError, ConnectionFault};
pub use walk::WalkResult;
