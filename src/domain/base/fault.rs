//! Why something cannot be used.

use crate::api::Reason;

/// Why something cannot be used, in words for a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The reason.
    pub reason: Reason,
    /// What is wrong and how to cure it.
    pub message: String,
    /// True when only a person can cure it.
    pub stalled: bool,
}

impl Fault {
    /// A fault that passes, or is tried again by itself.
    pub fn passing(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            stalled: false,
        }
    }

    /// A fault that a person must cure.
    pub fn lasting(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            stalled: true,
        }
    }
}
