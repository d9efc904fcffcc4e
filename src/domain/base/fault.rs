//! Why something cannot be used: the one type for it, whatever cannot be used.

use crate::api::Reason;

/// Why a connection, a configuration, a field or an issue cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Reason of the condition that reports the fault.
    pub reason: Reason,
    /// What is wrong, where, and how to repair it.
    pub message: String,
    /// What makes the fault go away.
    pub needs: Needs,
}

/// What makes a fault go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Time: the operator tries again by itself.
    Time,
    /// A person who changes something in the cluster or in Jira.
    Person,
    /// Nothing: a person wants it so, for example by `spec.suspend`.
    Nothing,
}

impl Fault {
    /// A fault that goes away by itself, or that the operator tries to get past again and again.
    pub fn passing(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(reason, message, Needs::Time)
    }

    /// A fault that a person must repair.
    pub fn lasting(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(reason, message, Needs::Person)
    }

    /// A state that a person has asked for and that nobody needs to repair.
    pub fn intended(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(reason, message, Needs::Nothing)
    }

    /// A fault with what makes it go away.
    pub fn new(reason: Reason, message: impl Into<String>, needs: Needs) -> Self {
        Self {
            reason,
            message: message.into(),
            needs,
        }
    }

    /// Whether only a person can repair the fault.
    pub fn is_stalled(&self) -> bool {
        self.needs == Needs::Person
    }
}
