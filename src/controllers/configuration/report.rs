//! The status of configurations.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Controller;
use super::known::Known;
use crate::api::ticket_configuration::FindingCounts;
use crate::api::{ConditionType, Reason, TicketConfiguration};
use crate::app::resolve::ResolvedConfiguration;
use crate::controllers::call::CallError;
use crate::controllers::registry::ObjectKey;
use crate::controllers::{driver, status};
use crate::domain::base::fault::Fault;
use crate::domain::base::standing::{self, Progress, Standing, reason_of};
use crate::domain::configuration;
use crate::runtime::metrics::Outcome;

impl Controller {
    /// The counters of findings, where they differ from the status and `--status-interval` has passed since they were
    /// last written.
    pub(super) fn counts(
        &self,
        key: &ObjectKey,
        object: &TicketConfiguration,
        known: Option<&Known>,
    ) -> Option<FindingCounts> {
        let counts = self.context.tallies.get(key)?;
        let written = object.status.as_ref().and_then(|status| status.findings);
        let interval = self.context.settings.status_interval;
        let due = known?.counted.is_none_or(|at| at.elapsed() >= interval);
        (due && written != Some(counts)).then_some(counts)
    }

    /// Writes the status where it differs, and announces a new reason of the `Ready` condition.
    pub(super) async fn report(
        &self,
        key: &ObjectKey,
        object: &TicketConfiguration,
        result: &Result<Arc<ResolvedConfiguration>, Fault>,
        counts: Option<FindingCounts>,
    ) -> Result<(Outcome, Option<Duration>), CallError> {
        let standing = self.standing(key, object, result);
        let current = object.status.clone().unwrap_or_default();
        let generation = object.metadata.generation.unwrap_or_default();
        let mut next = current.clone();
        next.observed_generation = Some(generation);
        next.conditions = standing::conditions(&current.conditions, &standing, &[], Some(generation), Timestamp::now());
        if let Ok(resolved) = result {
            next.resolved = Some(configuration::resolved(&object.spec, &resolved.project));
        }
        next.findings = counts.or(next.findings);
        let written = match driver::write_status(&self.context.client, object, &current, &next).await? {
            ControlFlow::Continue(written) => written,
            ControlFlow::Break(outcome) => return Ok(outcome),
        };
        if reason_of(&current.conditions, ConditionType::Ready) != Some(standing.reason.as_str()) {
            // A connection that is not ready has an event of its own.
            let waits = standing.reason == Reason::ConnectionNotReady && standing.progress == Progress::Reconciling;
            status::announce(&self.context.recorder, &*written, &standing, !waits).await;
        }
        Ok((Outcome::Changed, None))
    }

    fn standing(
        &self,
        key: &ObjectKey,
        object: &TicketConfiguration,
        result: &Result<Arc<ResolvedConfiguration>, Fault>,
    ) -> Standing {
        let resolved = match result {
            Ok(resolved) => resolved,
            Err(fault) => return Standing::from(fault),
        };
        let settings = &self.context.settings;
        let not_shared =
            configuration::not_shared(&object.spec, &key.namespace, &settings.shared_configuration_namespaces);
        let remarks: Vec<String> = resolved.remark.iter().cloned().chain(not_shared).collect();
        let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        configuration::usable(&object.spec, &resolved.project, settings.dry_run, remark.as_deref())
    }
}
