//! The three kinds users write, and the public vocabulary of their statuses.
//!
//! Types only: no client, no I/O, no decisions. The doc comments here become the texts of `kubectl explain`.

pub mod common;
pub mod conditions;
pub mod fields;
pub mod grouping;
pub mod jira_connection;
pub mod preview;
pub mod security_finding;
pub mod template;
pub mod ticket_configuration;
pub mod update_policy;

pub use common::{NamespaceSelection, NamespacesFrom, Period, Severity, State};
pub use conditions::{ConditionType, Reason};
pub use jira_connection::{JiraConnection, JiraConnectionSpec, JiraConnectionStatus};
pub use security_finding::{SecurityFinding, SecurityFindingSpec, SecurityFindingStatus};
pub use ticket_configuration::{TicketConfiguration, TicketConfigurationSpec, TicketConfigurationStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The API group of all three kinds.
pub const GROUP: &str = "jira-findings.dev";
/// The one served version.
pub const VERSION: &str = "v1alpha1";
/// Field manager of every write the operator makes.
pub const FIELD_MANAGER: &str = "jira-findings-operator";
/// Finalizer on a finding that has, or may have, an issue in Jira.
pub const FINALIZER: &str = "jira-findings.dev/ticket";
/// Annotation whose change asks for a fresh pass over an object.
pub const RECONCILE_ANNOTATION: &str = "jira-findings.dev/reconcile-requested-at";
/// Annotation that opens the ticket of a finding whose `ticket.create` is `Manual`.
pub const CREATE_ANNOTATION: &str = "jira-findings.dev/create-requested";
/// Annotation on a connection that accepts another site: its value is that site's cloudId.
pub const ACCEPT_SITE_ANNOTATION: &str = "jira-findings.dev/accept-site";

/// All custom resource definitions, in the order they should be applied.
pub fn all_crds() -> Vec<CustomResourceDefinition> {
    vec![
        JiraConnection::crd(),
        TicketConfiguration::crd(),
        SecurityFinding::crd(),
    ]
}
