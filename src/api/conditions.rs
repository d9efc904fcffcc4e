//! The public vocabulary: condition types and reasons, in one place.
//!
//! Conditions follow kstatus: `Ready` is always there; `Reconciling` and `Stalled` only while they are true, and never
//! both. The other types appear only while they are true.

use std::fmt;

macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            /// Every word of this vocabulary.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word as it stands in an object.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

vocabulary! {
    /// Types of conditions.
    ConditionType {
        /// Whether the object is as it should be.
        Ready,
        /// Work is under way or will be tried again by itself.
        Reconciling,
        /// Nothing more will happen before a person acts.
        Stalled,
        /// More than one issue carries the same identity; the oldest is kept, nothing is deleted.
        DuplicatesFound,
        /// The workflow has no way from the issue's status to the wanted one.
        TransitionBlocked,
        /// The issue was opened without the assignee that was asked for.
        AssigneeNotSet,
    }
}

vocabulary! {
    /// Reasons of conditions; also reasons of events and values of metric labels.
    Reason {
        // All kinds
        /// All is as it should be.
        Ready,
        /// `suspend` is set.
        Suspended,
        /// A value of the spec is not known to this version of the operator.
        UnrecognisedValue,

        // JiraConnection
        /// `/myself` answered with an account.
        Connected,
        /// The host of `spec.url` is not on the operator's allow-list.
        HostNotAllowed,
        /// `spec.url` is plain http and its host is not listed as insecure.
        InsecureUrl,
        /// The Secret does not exist.
        SecretNotFound,
        /// The Secret has no such key, or it is empty.
        SecretKeyMissing,
        /// The operator may not read the Secret.
        SecretForbidden,
        /// Jira refused the credentials.
        Unauthorized,
        /// Jira wants a CAPTCHA solved before it checks the credentials again.
        CaptchaRequired,
        /// The token lacks a scope.
        ScopeMissing,
        /// The token belongs to another account than `expectedAccountId`.
        UnexpectedAccount,
        /// The site cannot be reached.
        SiteUnreachable,
        /// The site's certificate is not accepted.
        TlsFailed,
        /// The site answers with a redirect; it was probably renamed.
        SiteMoved,
        /// What answers is not Jira Cloud, or not in a state to talk.
        SiteUnavailable,
        /// The site's cloudId cannot be discovered; set `spec.cloudId`.
        CloudIdUnknown,
        /// The connection leads to another site than the one its tickets are in.
        SiteChanged,

        // TicketConfiguration
        /// The connection named does not exist.
        ConnectionNotFound,
        /// The connection does not allow this namespace.
        ConnectionNotAllowed,
        /// The connection is not ready.
        ConnectionNotReady,
        /// The project does not exist or cannot be seen.
        ProjectNotFound,
        /// The project has no such issue type.
        IssueTypeNotFound,
        /// The project has no such priority.
        PriorityNotFound,
        /// A status of the mapping does not exist for this issue type.
        StatusNotFound,
        /// Jira requires fields that this configuration does not fill.
        RequiredFieldsMissing,
        /// A field of the configuration does not exist, or Jira would refuse its value.
        FieldInvalid,
        /// A path of `grouping.by` leads nowhere, or the grouping contradicts another part of the spec.
        GroupingInvalid,
        /// Two configurations have the same identity.
        IdentityTaken,
        /// A template has an error; the message names part, line and variable.
        TemplateInvalid,
        /// The ConfigMap of the template does not exist.
        ConfigMapNotFound,
        /// The ConfigMap of the template cannot be read.
        ConfigMapUnavailable,
        /// `findingNamespaces` reaches beyond what the operator allows.
        NamespaceNotShared,
        /// Jira could not be asked for the project's metadata.
        MetadataUnavailable,
        /// `mode` is `DryRun`.
        DryRun,

        // SecurityFinding
        /// Finding and issue agree.
        InSync,
        /// No configuration selects the finding.
        NotSelected,
        /// `ticket.create` is `Manual` and nobody has asked for the ticket yet.
        ManualCreate,
        /// `ticket.create` is `Never`.
        CreateNever,
        /// Finding and issue are closed.
        Closed,
        /// The finding is closed and never had a ticket; none is opened.
        NothingToOpen,
        /// The configuration named or held does not exist.
        ConfigurationNotFound,
        /// The configuration is not ready.
        ConfigurationNotReady,
        /// The issue is about to be created.
        Creating,
        /// It is not known yet whether a creation succeeded; Jira is being searched.
        OutcomeUnknown,
        /// Jira refused the issue; the message names the field and the cure.
        RejectedByJira,
        /// Jira could not be reached or failed; it is tried again.
        JiraUnavailable,
        /// Jira asks for fewer calls; it is tried again.
        RateLimited,
        /// The operator's account lacks a permission.
        PermissionDenied,
        /// The issue cannot be seen any more: deleted, or hidden from the operator's account.
        IssueLost,
        /// The issue carries neither the property nor the label of the ticket; nothing is written to it.
        IssueNotOurs,
        /// The finding names an existing issue, and the configuration does not allow that.
        AdoptionForbidden,
        /// The existing issue that the finding names cannot be its ticket.
        IssueNotAdoptable,
        /// The existing issue that the finding names is the ticket of another finding.
        IssueAlreadyClaimed,
        /// The issue was created and cannot be read.
        CreatedIssueNotVisible,
        /// No Jira status is known for the finding's state.
        StateNotMapped,
        /// The workflow has no way from the issue's status to the wanted one.
        TransitionBlocked,
        /// More than one issue carries the same identity.
        DuplicatesFound,
        /// The issue was opened without the assignee that was asked for.
        AssigneeNotSet,
        /// The finding is being deleted.
        Deleting,
        /// The finding was deleted and its issue could not be closed in time; it is left open.
        IssueLeftOpen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_explained_to_those_who_meet_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
        let text = std::fs::read_to_string(path).unwrap();
        let missing: Vec<&str> = Reason::ALL
            .iter()
            .map(|reason| reason.as_str())
            .filter(|reason| !text.contains(&format!("`{reason}`")))
            .collect();
        assert!(missing.is_empty(), "docs/operations.md does not explain {missing:?}");
    }
}
