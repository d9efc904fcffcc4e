//! The content of an issue: what it should say, whose value counts in each field, and what is sent.

mod base;
mod change;
mod compare;
#[cfg(test)]
mod compare_tests;
mod policy;
mod requests;
#[cfg(test)]
mod tests;
mod wanted;

pub use base::{
    Resolved, Sent, SentFields, differs, has_content, note_change, postpone, sent_by_creation, settle, written,
};
pub use change::{Change, Entries};
pub use compare::{Assignment, assignment, change, completion};
pub use policy::{ASSIGNEE, POLICY, has_unrecognised, policy_of};
pub use requests::{assign, claiming, creation, property_entry};
pub use wanted::{Desired, assignee, assignee_name, desired, hash_of_document, same_content};
