//! Everything a decision rests on, gathered into one value. Reads memory only: no call is made here.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::SecurityFinding;
use crate::api::fields::Assignee;
use crate::controllers::registry::{ConfigurationEntry, Connection, Fault, ResolvedConfiguration};
use crate::domain::content::{self, Desired};
use crate::domain::identity::TicketKey;
use crate::domain::identity::stored_ticket;
use crate::domain::placement::group;
use crate::domain::ticket::memory::Memory;
use crate::domain::ticket::plan::{ConfigurationView, ConnectionView, Observed, Plan, Timing, decide, open_record};

use super::Tickets;
use super::catalog::Member;

/// What the issue of a ticket should say, and what that was made of. Kept through a pass, so that the content is made
/// once for each change and not once for each round.
pub(super) struct Content {
    findings: Vec<Arc<SecurityFinding>>,
    configuration: Arc<ConfigurationEntry>,
    desired: Arc<Desired>,
}

/// What was observed, owned.
pub(super) struct World {
    pub members: Vec<Member>,
    pub findings: Vec<Arc<SecurityFinding>>,
    pub configuration: Option<Arc<ConfigurationEntry>>,
    pub resolved: Option<Arc<ResolvedConfiguration>>,
    desired: Option<Arc<Desired>>,
    pub connection: Option<Result<Arc<Connection>, Fault>>,
    instance: String,
    dry_run: bool,
    timing: Timing,
}

impl World {
    /// Decides what is to be done.
    pub(super) fn decide(&self, key: &TicketKey, memory: &Memory, now: Timestamp) -> Plan {
        let configuration = self.configuration.as_ref().map(|entry| ConfigurationView {
            spec: &entry.spec,
            generation: entry.generation,
            state: match (&entry.state, &self.desired) {
                (Some(Ok(_)), Some(desired)) => Some(Ok(desired)),
                (Some(Err(fault)), _) => Some(Err(fault.clone())),
                (None | Some(Ok(_)), _) => None,
            },
        });
        let connection = self.connection.as_ref().map(|connection| match connection {
            Ok(connection) => Ok(ConnectionView {
                cloud_id: connection.cloud_id.clone(),
                request_timeout: connection.request_timeout,
            }),
            Err(fault) => Err(fault.clone()),
        });
        let observed = Observed {
            instance: &self.instance,
            key,
            members: &self.findings,
            configuration,
            connection,
            memory,
            dry_run: self.dry_run,
            timing: self.timing,
        };
        decide(&observed, now)
    }

    /// What the issue should say, when that can be told.
    pub(super) fn desired(&self) -> Option<&Desired> {
        self.desired.as_deref()
    }

    /// Whether labels can be sent with a creation; yes, where that is not known.
    pub(super) fn labels_on_screen(&self) -> bool {
        self.resolved
            .as_ref()
            .is_none_or(|resolved| resolved.project.labels_on_screen())
    }

    /// Whom the issue is to be assigned to.
    pub(super) fn assignee(&self) -> Option<&Assignee> {
        let spec = self.configuration.as_ref().map(|entry| &*entry.spec);
        content::assignee(&self.findings, spec)
    }

    /// The connection, when it can be used.
    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        self.connection.as_ref()?.as_ref().ok()
    }
}

impl Tickets {
    /// Observes a ticket; `None` when it has no finding any more. Takes note of an open record, so that the span in
    /// which its issue may turn up is counted from the first time this process saw it. `content` is what an earlier round
    /// made of the findings.
    pub(super) fn observe(&self, key: &TicketKey, memory: &mut Memory, content: &mut Option<Content>) -> Option<World> {
        let members = self.catalog.members(key);
        if members.is_empty() {
            return None;
        }
        let findings: Vec<Arc<SecurityFinding>> = members.iter().map(|member| Arc::clone(&member.finding)).collect();
        if let Some(record) = open_record(&findings, key, memory) {
            memory.note_record(&record, self.clock.now());
        }
        if group::is_shared(&key.group) && stored_ticket(&findings, key).is_none() {
            memory.note_gathering(findings.len(), self.clock.now());
        } else {
            memory.gathering = None;
        }
        let settings = &self.context.settings;
        let configuration = self.context.configurations.by_identity(&key.configuration);
        let resolved = configuration.as_ref().and_then(|entry| entry.state.clone()?.ok());
        let desired = configuration
            .as_ref()
            .zip(resolved.as_ref())
            .map(|(entry, resolved)| self.content(key, &findings, entry, resolved, content));
        let connection =
            configuration
                .as_ref()
                .map(|entry| match self.context.connections.get(&entry.connection_key()) {
                    Some(connection) => connection.state.clone(),
                    None => Some(Err(Fault::passing(
                        crate::api::Reason::ConnectionNotFound,
                        format!("JiraConnection {} does not exist", entry.connection_key()),
                    ))),
                });
        Some(World {
            members,
            findings,
            configuration,
            resolved,
            desired,
            connection: connection.flatten(),
            instance: settings.instance_id.clone(),
            dry_run: settings.dry_run,
            timing: Timing {
                send_window: settings.send_window,
                request_timeout: std::time::Duration::ZERO,
                index_lag: settings.index_lag,
            },
        })
    }

    /// What the issue should say: as made before, while nothing that it is made of has changed.
    fn content(
        &self,
        key: &TicketKey,
        findings: &[Arc<SecurityFinding>],
        entry: &Arc<ConfigurationEntry>,
        resolved: &ResolvedConfiguration,
        known: &mut Option<Content>,
    ) -> Arc<Desired> {
        let same = |known: &&Content| {
            Arc::ptr_eq(&known.configuration, entry) && content::same_content(&known.findings, findings, key)
        };
        if let Some(known) = known.as_ref().filter(same) {
            return Arc::clone(&known.desired);
        }
        let desired = content::desired(
            findings,
            &entry.spec,
            resolved.template.as_deref(),
            entry.generation,
            &resolved.project,
            &self.context.settings.instance_id,
            key,
        );
        let desired = Arc::new(desired.with_fields(&resolved.fields, findings, &key.group));
        *known = Some(Content {
            findings: findings.to_vec(),
            configuration: Arc::clone(entry),
            desired: Arc::clone(&desired),
        });
        desired
    }
}
