//! What users are told: the status of each finding, events, and the tallies of configurations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::Api;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;

use crate::api::ticket_configuration::FindingCounts;
use crate::api::{ConditionType, Reason, SecurityFinding, SecurityFindingStatus, TicketConfiguration};
use crate::controllers::call::with_deadline;
use crate::controllers::events::{self, Notice};
use crate::controllers::registry::ObjectKey;
use crate::controllers::status::{Written, write};
use crate::domain::base::members::is_leaving;
use crate::domain::identity::TicketKey;
use crate::domain::identity::{stored_ticket, ticket_of};
use crate::domain::placement::lane::Lane;
use crate::domain::ticket::memory::{IssueKnowledge, Memory};
use crate::domain::ticket::plan::{Plan, Verdict};
use crate::domain::ticket::status::{FindingReport, TicketReport, next};
use crate::jira::Assignable;

use crate::runtime::metrics::{ControllerName, Outcome};

use super::catalog::{Loose, WorkKey};
use super::observe::World;
use super::{Tickets, lock};

/// How often the id of a new issue is written in one pass; about twenty seconds.
const MUST_ATTEMPTS: usize = 10;

/// How long it is remembered that an issue was handled; what is older than that no search of a poll that works shows.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(1);

impl Tickets {
    /// Ends a pass: writes each member's status where it differs, and plans the next look.
    pub(super) async fn conclude(&self, key: &TicketKey, memory: &mut Memory, world: &World, plan: &Plan) {
        let connection = world.connection();
        let shared = stored_ticket(&world.findings, key).cloned();
        let duplicates = memory.duplicates.clone();
        let assignee_missing = memory.assignee_missing.clone();
        let ticket = TicketReport {
            key,
            issue: &memory.issue,
            found: memory.found.as_ref(),
            incarnation: memory.incarnation,
            settled: &memory.settled,
            site: connection.map(|connection| connection.cloud_id.as_str()),
            base_url: connection.map(|connection| connection.base_url.as_str()),
            shared: shared.as_ref(),
            duplicates: duplicates.as_deref(),
            // Before there is an issue, there is nothing to assign.
            assignee_missing: assignee_missing
                .as_deref()
                .filter(|_| shared.is_some() || memory.found.is_some()),
            assignee_wished: world.assignee().is_some_and(|wish| wish.unassigned != Some(true))
                // Somebody was just found, and is assigned.
                && !matches!(memory.assignable, Some((_, Assignable::Account(_)))),
        };
        if let (Some(connection), Some(issue)) = (connection, memory.issue.present()) {
            self.watermarks.note(&connection.cloud_id, issue);
        }
        let new_issue = memory.found.is_some();
        let mut plans = plan.members.iter();
        let mut stored = true;
        for member in &world.members {
            let leaving = is_leaving(&member.finding);
            let decided = if leaving { None } else { plans.next() };
            let report = FindingReport {
                verdict: &plan.verdict,
                selection: member.selection.as_deref(),
                state: decided.map(|decided| (decided.state, decided.source, decided.base.as_ref())),
                preview: plan.preview.as_deref(),
                ticket: Some(&ticket),
            };
            let must = new_issue && ticket_of(&member.finding, key).is_none();
            stored &= self.write_status(&member.key, &member.finding, &report, must).await;
        }
        if stored {
            // Everything that was learned stands in the statuses now; what is left is kept for the next pass.
            memory.note_stored();
            let at_rest = matches!(plan.verdict, Verdict::Ready(..) | Verdict::Unchanged) && plan.wake_at.is_none();
            if at_rest {
                *memory = Memory {
                    newest: memory.newest,
                    ..Memory::default()
                };
            } else if memory.blocked.is_none() && memory.refusal.is_none() {
                // What is known may have changed when the ticket is looked at again; what was not used is read again.
                memory.suspect_lost |= memory.issue.present().is_some() && plan.members.is_empty();
                memory.issue = IssueKnowledge::Unknown;
            }
        } else {
            self.look_again(key, Duration::from_millis(250));
        }
        if !stored {
            self.context.metrics.reconciled(ControllerName::Ticket, Outcome::Error);
        } else if matches!(plan.verdict, Verdict::Keep | Verdict::Unchanged) {
            self.context
                .metrics
                .reconciled(ControllerName::Ticket, Outcome::Unchanged);
        }
        if let Some(at) = plan.wake_at {
            let lane = Lane::of_all(world.findings.iter().map(AsRef::as_ref));
            self.queue
                .push_at(WorkKey::Ticket(key.clone()), lane, self.clock.instant(at));
        }
    }

    /// Asks for another pass soon.
    pub(super) fn look_again(&self, key: &TicketKey, after: Duration) {
        self.queue
            .push_at(WorkKey::Ticket(key.clone()), Lane::Urgent, Instant::now() + after);
    }

    /// Tells a finding without a ticket why it has none.
    pub(super) async fn report_loose(&self, key: &ObjectKey) {
        let Some(Loose {
            finding,
            standing,
            selection,
        }) = self.catalog.without_ticket(key)
        else {
            return;
        };
        let report = FindingReport {
            verdict: &Verdict::from(standing),
            selection: selection.as_deref(),
            state: None,
            preview: None,
            ticket: None,
        };
        if !self.write_status(key, &finding, &report, false).await {
            let again = WorkKey::Loose(key.clone());
            self.queue
                .push_at(again, Lane::Backlog, Instant::now() + Duration::from_secs(1));
        }
    }

    /// Writes a status if it differs. What `must` be written, the id of a new issue, is written until it is stored, on
    /// fresh copies; everything else is dropped when the finding changed meanwhile. False: look again.
    async fn write_status(
        &self,
        key: &ObjectKey,
        finding: &Arc<SecurityFinding>,
        report: &FindingReport<'_>,
        must: bool,
    ) -> bool {
        let mut current = Arc::clone(finding);
        let mut pause = Duration::from_millis(50);
        for _ in 0..MUST_ATTEMPTS {
            let status = next(&current, report, self.clock.now());
            if current.status.as_ref() == Some(&status) {
                return true;
            }
            let before = current.status.clone().unwrap_or_default();
            match write(&self.context.client, current.as_ref(), &before, &status).await {
                Written::Done(written) => {
                    self.remember(*written);
                    self.context
                        .metrics
                        .reconciled(ControllerName::Ticket, Outcome::Changed);
                    self.announce(&current, &status, report.verdict).await;
                    return true;
                }
                Written::Unchanged | Written::Gone => return true,
                Written::Outdated => {}
                Written::Refused(error) => {
                    tracing::warn!(%error, namespace = %key.namespace, name = %key.name, "a status was not written");
                }
            }
            if !must {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
            let api: Api<SecurityFinding> = Api::namespaced(self.context.client.clone(), &key.namespace);
            match with_deadline(api.get_opt(&key.name)).await {
                Ok(Some(fresh)) => current = Arc::new(fresh),
                Ok(None) => return true,
                Err(error) => tracing::warn!(%error, finding = %key, "the id of a new issue is not stored yet"),
            }
        }
        // The process keeps the id; another pass goes on.
        false
    }

    /// One event when a finding comes to need a person; not one for each pass.
    async fn announce(&self, finding: &SecurityFinding, status: &SecurityFindingStatus, verdict: &Verdict) {
        let Verdict::Stalled(reason, message) = verdict else {
            return;
        };
        let was = finding.status.iter().flat_map(|status| &status.conditions);
        let mut was = was.filter(|condition| condition.type_ == ConditionType::Ready.as_str());
        if was.any(|condition| condition.reason == reason.as_str()) {
            return;
        }
        let key = status.ticket.as_ref().and_then(|ticket| ticket.key.as_deref());
        tracing::warn!(namespace = finding.namespace(), name = finding.name_any(), issue = key, reason = %reason, detail = message, "a finding needs a person");
        self.warn(finding, *reason, message, None).await;
    }

    /// Publishes a warning about an object.
    pub(super) async fn warn<K>(&self, object: &K, reason: Reason, message: &str, related: Option<ObjectReference>)
    where
        K: Resource<DynamicType = ()>,
    {
        let notice = Notice {
            warning: true,
            reason,
            message,
            related,
        };
        events::publish(&self.context.recorder, object, notice).await;
    }

    /// Publishes a warning about a configuration, where people look when a namespace goes away. `related` is the finding
    /// that the warning concerns, so that warnings about several findings are not counted as one event.
    pub(super) async fn warn_on_configuration(
        &self,
        key: &ObjectKey,
        reason: Reason,
        message: &str,
        related: Option<ObjectReference>,
    ) {
        let api: Api<TicketConfiguration> = Api::namespaced(self.context.client.clone(), &key.namespace);
        match with_deadline(api.get_opt(&key.name)).await {
            Ok(Some(configuration)) => self.warn(&configuration, reason, message, related).await,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "an event was not published"),
        }
    }
}

impl Tickets {
    /// Forgets what is not needed any more, so that memory follows the work and not the number of findings.
    fn forget(&self) {
        let settings = &self.context.settings;
        let keep = (settings.index_lag + settings.send_window) * 2;
        let span = SignedDuration::try_from(keep).unwrap_or_default();
        let horizon = self.clock.now().checked_sub(span).ok();
        lock(&self.memories).retain(|_, memory| !memory.rests() || memory.newest >= horizon);
        let long_ago = self.clock.now().checked_sub(KNOWN_FOR).unwrap_or(Timestamp::MIN);
        self.watermarks.forget_before(long_ago);
        lock(&self.released).retain(|_, (_, at)| at.elapsed() < keep);
    }
}

/// Counts, now and then, how the findings of each configuration stand.
pub(super) async fn tally(tickets: Arc<Tickets>) {
    let mut ticks = tokio::time::interval(tickets.context.settings.status_interval.min(Duration::from_secs(5)));
    loop {
        ticks.tick().await;
        let mut counts: BTreeMap<String, FindingCounts> = BTreeMap::new();
        tickets.catalog.for_each_ticketed(|key, finding| {
            let counts = counts.entry(key.configuration.clone()).or_default();
            let status = finding.status.as_ref();
            let has = |type_: ConditionType| {
                status.is_some_and(|status| status.conditions.iter().any(|one| one.type_ == type_.as_str()))
            };
            counts.matched += 1;
            if ticket_of(finding, key).is_some() {
                counts.ticketed += 1;
            } else if !has(ConditionType::Stalled) {
                counts.pending += 1;
            }
            if has(ConditionType::Stalled) {
                counts.failed += 1;
            }
        });
        tickets.forget();
        for (key, entry) in tickets.context.configurations.snapshot().iter() {
            tickets
                .context
                .tallies
                .set(key.clone(), counts.get(&entry.identity).copied().unwrap_or_default());
        }
    }
}
