//! What this process knows about a configuration, and when the configuration is looked up again.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio::time::Instant;

use crate::api::{RECONCILE_ANNOTATION, Reason, TicketConfiguration, TicketConfigurationSpec};
use crate::app::connect::Connection;
use crate::app::resolve::{ResolvedConfiguration, config_map_of};
use crate::controllers::random::{delay, jittered};
use crate::domain::base::backoff::Backoff;
use crate::domain::base::fault::Fault;
use crate::domain::render::template::Compiled;

/// How often a configuration is looked up in Jira again.
pub(super) const RESOLVE_INTERVAL: Duration = Duration::from_mins(10);
/// How often the ConfigMap of a template is read.
const TEMPLATE_INTERVAL: Duration = Duration::from_mins(1);
/// How soon a configuration that cannot be used is looked up again.
const RETRY: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_mins(5));

/// What the last look-up of a configuration found out.
pub(super) struct Known {
    inputs: Inputs,
    /// The connection that Jira was called over.
    connection: Arc<Connection>,
    /// The configuration as it can be used, or why it cannot.
    pub result: Result<Arc<ResolvedConfiguration>, Fault>,
    /// When to look the configuration up again.
    pub next: Instant,
    /// Look-ups of the same generation in a row that failed.
    failures: u32,
    /// When the counters of findings were last written to the status.
    pub counted: Option<Instant>,
}

/// The parts of a configuration that a person can change.
#[derive(Clone, PartialEq)]
pub(super) struct Inputs {
    generation: Option<i64>,
    /// Value of the annotation that asks for a reconciliation.
    requested: Option<String>,
}

impl Inputs {
    pub(super) fn of(object: &TicketConfiguration) -> Self {
        Self {
            generation: object.metadata.generation,
            requested: object.annotations().get(RECONCILE_ANNOTATION).cloned(),
        }
    }
}

impl Known {
    /// What is known after a look-up. A result that means the same as before is the same `Arc`, so that no ticket is
    /// woken for it.
    pub(super) fn of(
        before: Option<&Self>,
        spec: &TicketConfigurationSpec,
        inputs: Inputs,
        connection: Arc<Connection>,
        result: Result<ResolvedConfiguration, Fault>,
    ) -> Self {
        let result = result.map(|fresh| {
            let old = before.and_then(|known| known.result.as_ref().ok());
            let kept = old.filter(|old| old.is_same(&fresh));
            kept.map_or_else(|| Arc::new(fresh), Arc::clone)
        });
        let earlier = before.filter(|known| known.result.is_err() && known.inputs.generation == inputs.generation);
        let failures = match &result {
            Ok(_) => 0,
            Err(_) => earlier.map_or(0, |known| known.failures).saturating_add(1),
        };
        let wait = match &result {
            Ok(_) if config_map_of(spec).is_some() => jittered(TEMPLATE_INTERVAL),
            Ok(_) => jittered(RESOLVE_INTERVAL),
            Err(fault) if is_about_template(fault) => jittered(TEMPLATE_INTERVAL),
            Err(_) => delay(RETRY, failures),
        };
        Self {
            inputs,
            connection,
            result,
            next: Instant::now() + wait,
            failures,
            counted: before.and_then(|known| known.counted),
        }
    }

    /// Whether the last look-up still holds.
    pub(super) fn is_fresh(&self, inputs: &Inputs, connection: &Arc<Connection>) -> bool {
        self.inputs == *inputs && Arc::ptr_eq(&self.connection, connection) && Instant::now() < self.next
    }

    /// Whether the next look-up asks Jira for the project again, whatever the connection has cached: a person asked for
    /// it, or the last look-up failed because of something in Jira.
    pub(super) fn distrusts_cache(&self, inputs: &Inputs) -> bool {
        let refused = self.result.as_ref().is_err_and(|fault| !is_about_template(fault));
        refused || self.inputs.requested != inputs.requested
    }

    /// The template of the same generation, which stays in use while the API server cannot be asked for its ConfigMap.
    pub(super) fn template(&self, inputs: &Inputs) -> Option<Arc<Compiled>> {
        let resolved = self.result.as_ref().ok()?;
        resolved
            .template
            .clone()
            .filter(|_| self.inputs.generation == inputs.generation)
    }
}

/// Whether a fault lies in the template: Jira has nothing to do with it.
fn is_about_template(fault: &Fault) -> bool {
    matches!(
        fault.reason,
        Reason::TemplateInvalid | Reason::ConfigMapNotFound | Reason::ConfigMapUnavailable
    )
}
