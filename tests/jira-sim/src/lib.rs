//! A stateful, strict stand-in for Jira Cloud's REST API v3.
//!
//! It runs inside a test ([`Sim::start`]) or as the binary `jira-sim`. Its own
//! state sits behind one lock; replies are computed under it and no one sleeps
//! while holding it.
//!
//! # Over HTTP
//!
//! The API answers below `/rest/api/3` for classic tokens, and below
//! `/ex/jira/{cloudId}/rest/api/3` for scoped ones. `/` is a board and
//! `/browse/KEY` an issue page. Neither of those, nor the control calls below,
//! need a login, and none of them is struck by faults or logged.
//!
//! `GET /_sim/issues`, `/_sim/log`, `/_sim/faults`, `/_sim/site`; the log takes
//! `since=SEQ` and `operation=NAME`.
//!
//! `POST /_sim/{what}` with a JSON object:
//!
//! | what | body |
//! |---|---|
//! | `transition` | `{key, status, resolution?}` as a person, past screens and workflow |
//! | `comment` | `{key, text}` as a person |
//! | `edit` | `{key, fields}` as a person |
//! | `delete` | `{key}` |
//! | `move` | `{key, project}` → `{key}`; the old key goes on resolving |
//! | `fault` | a [`Fault`] → `{id}` |
//! | `clear-faults`, `clear-log` | `{}` |
//! | `outage` | `{on}` |
//! | `index-lag`, `latency`, `clock` | `{millis}` |
//! | `flicker` | `{every}`, 0 for never |
//! | `captcha`, `tenant-info`, `rate-limits` | `{on}` |
//! | `cloud-id` | `{cloudId}` |
//! | `revoke-token` | `{token}` |
//! | `replace-token` | `{old, new}` |
//! | `rename-priority`, `rename-status` | `{old, new}` |
//! | `deny`, `allow` | `{account, permission}` such as `BROWSE_PROJECTS:SEC` |

// Every operation has the same signature, also where it cannot fail.
#![allow(clippy::unnecessary_wraps)]
// `issue_type` is Jira's own word.
#![allow(clippy::struct_field_names)]

mod actions;
mod adf;
mod adf_html;
mod auth;
mod board;
mod comments;
mod control;
mod default_site;
mod faults;
mod fields;
mod http;
mod issues;
mod jql;
mod limits;
mod links;
mod log;
mod matching;
mod meta;
mod properties;
mod routes;
mod search;
mod server;
mod sim;
mod site;
mod state;
mod transitions;
mod view;

pub use actions::{CommentView, IssueView};
pub use adf::{MAX_ADF, plain_text, validate_adf};
pub use faults::{Fault, FaultKind};
pub use log::Entry as LogEntry;
pub use sim::{Sim, SimConfig};
pub use site::*;
