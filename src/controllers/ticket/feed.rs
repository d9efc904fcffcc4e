//! What makes tickets be looked at: events of findings, and changes of configurations and connections.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use crate::api::SecurityFinding;
use crate::controllers::registry::{ConfigurationEntry, ObjectKey};
use crate::domain::base::members::is_leaving;
use crate::domain::identity::TicketKey;
use crate::domain::placement::group;
use crate::domain::state::table::is_open;
use crate::domain::ticket::plan::Verdict;
use crate::runtime::readiness;

use super::assign::{Choice, Place, Placement, assign, kept};
use super::index::WorkKey;
use super::queue::Lane;
use super::{Tickets, lock};

/// Starts the watches: one for the cluster, or one for each namespace.
pub(super) fn spawn(tickets: &Arc<Tickets>, tasks: &mut JoinSet<()>) {
    let namespaces = tickets.context.settings.watch_namespaces.clone();
    let scopes: Vec<Option<String>> = if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.into_iter().map(Some).collect()
    };
    lock(&tickets.unlisted).extend(scopes.iter().cloned());
    for scope in scopes {
        tasks.spawn(watch_findings(Arc::clone(tickets), scope));
    }
    tasks.spawn(watch_configurations(Arc::clone(tickets)));
    tasks.spawn(watch_connections(Arc::clone(tickets)));
}

/// Feeds the index from one watch. A re-list is compared with the index once it is complete.
async fn watch_findings(tickets: Arc<Tickets>, scope: Option<String>) {
    let client = tickets.context.watch_client.clone();
    let api: Api<SecurityFinding> = match &scope {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(finding)) => tickets.seen(finding),
            Ok(watcher::Event::Delete(finding)) => tickets.gone(&ObjectKey::of(&finding)),
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(finding)) => {
                listed.insert(ObjectKey::of(&finding));
                tickets.seen(finding);
            }
            Ok(watcher::Event::InitDone) => {
                let in_scope = |key: &ObjectKey| scope.as_ref().is_none_or(|namespace| *namespace == key.namespace);
                let touched = lock(&tickets.index).retain(in_scope, &listed);
                lock(&tickets.written).retain(|key, _| !in_scope(key) || listed.contains(key));
                touched
                    .into_iter()
                    .for_each(|key| tickets.queue.push(key, Lane::Normal));
                listed = HashSet::new();
                tickets.listed(scope.clone());
            }
            Err(error) => tracing::warn!(%error, "the watch of SecurityFindings failed; it is started again"),
        }
    }
}

async fn watch_configurations(tickets: Arc<Tickets>) {
    let mut changes = tickets.context.configurations.changes();
    let mut specs: Vec<(ObjectKey, i64)> = Vec::new();
    loop {
        let changed = match changes.recv().await {
            Ok(key) => Some(key),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return,
        };
        let all = tickets.context.configurations.all();
        let now: Vec<(ObjectKey, i64)> = all.iter().map(|(key, entry)| (key.clone(), entry.generation)).collect();
        // Where findings belong depends on the specs alone; what a configuration resolves to wakes its own tickets.
        if now != specs {
            specs = now;
            tickets.assign_all(&all);
        }
        let identities: HashSet<&str> = all
            .iter()
            .filter(|(key, _)| changed.as_ref().is_none_or(|changed| changed == key))
            .map(|(_, entry)| entry.identity.as_str())
            .collect();
        tickets.wake(|ticket| identities.contains(ticket.configuration.as_str()));
    }
}

async fn watch_connections(tickets: Arc<Tickets>) {
    let mut changes = tickets.context.connections.changes();
    loop {
        let changed = match changes.recv().await {
            Ok(key) => Some(key),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return,
        };
        let all = tickets.context.configurations.all();
        let uses = |entry: &ConfigurationEntry| {
            changed
                .as_ref()
                .is_none_or(|changed| *changed == entry.connection_key())
        };
        let identities: HashSet<&str> = all
            .iter()
            .filter(|(_, entry)| uses(entry))
            .map(|(_, entry)| entry.identity.as_str())
            .collect();
        tickets.forget_trouble(&identities);
        tickets.wake(|ticket| identities.contains(ticket.configuration.as_str()));
    }
}

impl Tickets {
    /// All findings of a scope have been listed: what waited for them goes on.
    fn listed(&self, scope: Option<String>) {
        let (first, all) = {
            let mut unlisted = lock(&self.unlisted);
            (unlisted.remove(&scope), unlisted.is_empty())
        };
        if first {
            self.assign_all(&self.context.configurations.all());
            let held = std::mem::take(&mut *lock(&self.held));
            held.into_iter().for_each(|key| self.queue.push(key, Lane::Normal));
        }
        if all {
            self.context.readiness.set(readiness::FINDINGS);
        }
    }

    /// Whether all findings that a group may have are known. Before that nothing is decided for it: one fixed finding
    /// of fifty would look like the whole.
    pub(super) fn is_listed(&self, group: &[String]) -> bool {
        let unlisted = lock(&self.unlisted);
        match group::namespace_of(group) {
            Some(namespace) => !unlisted.contains(&None) && !unlisted.contains(&Some(namespace.to_owned())),
            None => unlisted.is_empty(),
        }
    }

    /// Takes in a finding as the watch shows it.
    fn seen(&self, mut finding: SecurityFinding) {
        finding.metadata.managed_fields = None;
        let key = ObjectKey::of(&finding);
        self.catch_up(&key, &finding);
        let finding = Arc::new(finding);
        let newest = newer(&finding, lock(&self.written).get(&key));
        let placement = self.placement(&newest, &self.context.configurations.all());
        let mut index = lock(&self.index);
        let assignment = index.settle(&finding, placement);
        let unchanged = index.get(&key).is_some_and(|old| {
            old.finding.metadata.resource_version == finding.metadata.resource_version && old.assignment == assignment
        });
        if unchanged {
            return;
        }
        // What this process wrote itself comes back here; it changed nothing that this process does not know.
        let ours = index
            .get(&key)
            .is_some_and(|old| old.assignment == assignment && differs_only_in_status(&old.finding, &finding));
        let lane = lane_of(&finding);
        let touched = index.put(finding, assignment);
        drop(index);
        if !ours {
            touched.into_iter().for_each(|key| self.queue.push(key, lane));
        }
    }

    /// Forgets what was written before the watch showed this copy.
    fn catch_up(&self, key: &ObjectKey, finding: &SecurityFinding) {
        let mut written = lock(&self.written);
        if let Some(ours) = written.get(key) {
            let replaced = ours.metadata.uid != finding.metadata.uid;
            if replaced || version(finding) >= version(ours) {
                written.remove(key);
            }
        }
    }

    fn gone(&self, key: &ObjectKey) {
        lock(&self.written).remove(key);
        let touched = lock(&self.index).remove(key);
        if let Some(work) = touched {
            self.queue.push(work, Lane::Normal);
        }
    }

    fn placement(&self, finding: &SecurityFinding, configurations: &[(ObjectKey, ConfigurationEntry)]) -> Placement {
        let mut placement = self.choose(finding, configurations, assign);
        if let Place::Group { group, .. } = &placement.place
            && !self.is_listed(group)
        {
            // Which of the group's tickets has room is known once all its findings are.
            placement.place = Place::Nowhere(Verdict::Keep);
        }
        placement
    }

    /// The ticket a finding has, or may have because of a record that is open.
    pub(super) fn kept(
        &self,
        finding: &SecurityFinding,
        configurations: &[(ObjectKey, ConfigurationEntry)],
    ) -> Option<TicketKey> {
        self.choose(finding, configurations, kept)
    }

    fn choose<T>(
        &self,
        finding: &SecurityFinding,
        configurations: &[(ObjectKey, ConfigurationEntry)],
        how: impl Fn(&SecurityFinding, Choice<'_>) -> T,
    ) -> T {
        let namespace = finding.metadata.namespace.as_deref().unwrap_or_default();
        let choice = Choice {
            configurations,
            shared_namespaces: &self.context.settings.shared_configuration_namespaces,
            namespace_labels: &self.context.namespaces.of(namespace),
        };
        how(finding, choice)
    }

    /// Looks anew where every finding belongs. Only after a configuration came, went or changed its spec, and once all
    /// findings are listed. Those that are new to a group come in the order they were created in, so that they come
    /// into the same tickets again after a restart.
    fn assign_all(&self, configurations: &[(ObjectKey, ConfigurationEntry)]) {
        let mut index = lock(&self.index);
        let mut placed: Vec<(ObjectKey, Arc<SecurityFinding>, Placement)> = {
            let written = lock(&self.written);
            let all = index.all().map(|(key, indexed)| {
                let newest = newer(&indexed.finding, written.get(key));
                let placement = self.placement(&newest, configurations);
                (key.clone(), Arc::clone(&indexed.finding), placement)
            });
            all.collect()
        };
        let created = |finding: &SecurityFinding| finding.metadata.creation_timestamp.as_ref().map(|time| time.0);
        placed.sort_by(|(key, one, _), (other, two, _)| (created(one), key).cmp(&(created(two), other)));
        let mut touched: Vec<(WorkKey, Lane)> = Vec::new();
        for (key, finding, placement) in placed {
            let assignment = index.settle(&finding, placement);
            if index.get(&key).is_some_and(|indexed| indexed.assignment != assignment) {
                let lane = lane_of(&finding);
                touched.extend(index.put(finding, assignment).into_iter().map(|key| (key, lane)));
            }
        }
        drop(index);
        touched.into_iter().for_each(|(key, lane)| self.queue.push(key, lane));
    }

    /// Queues the tickets that match.
    fn wake(&self, matches: impl Fn(&TicketKey) -> bool) {
        let keys: Vec<(TicketKey, Lane)> = {
            let index = lock(&self.index);
            let keys = index.tickets().filter(|key| matches(key));
            keys.map(|key| {
                let lanes = index.members(key).into_iter().map(|member| lane_of(&member.finding));
                (key.clone(), lanes.min().unwrap_or(Lane::Normal))
            })
            .collect()
        };
        keys.into_iter()
            .for_each(|(key, lane)| self.queue.push(WorkKey::Ticket(key), lane));
    }

    /// A connection changed: what failed because of it is tried again at once.
    fn forget_trouble(&self, identities: &HashSet<&str>) {
        let mut memories = lock(&self.memories);
        for (key, memory) in memories.iter_mut() {
            if identities.contains(key.configuration.as_str()) {
                memory.trouble = None;
            }
        }
    }
}

/// How urgent a finding's ticket is.
pub(super) fn lane_of(finding: &SecurityFinding) -> Lane {
    let ticketed = finding.status.as_ref().is_some_and(|status| status.ticket.is_some());
    let spec = &finding.spec;
    if is_leaving(finding) || spec.severity == crate::api::Severity::Critical || (ticketed && !is_open(spec.state)) {
        Lane::Urgent
    } else if ticketed || spec.severity == crate::api::Severity::High {
        Lane::Normal
    } else {
        Lane::Backlog
    }
}

fn differs_only_in_status(old: &SecurityFinding, new: &SecurityFinding) -> bool {
    old.spec == new.spec
        && old.status != new.status
        && old.metadata.generation == new.metadata.generation
        && old.metadata.annotations == new.metadata.annotations
        && old.metadata.labels == new.metadata.labels
        && old.metadata.finalizers == new.metadata.finalizers
        && old.metadata.deletion_timestamp == new.metadata.deletion_timestamp
}

/// The newer of two copies of a finding: what the watch has shown, and what this process has written. The answer to a
/// write may arrive after the watch has shown a still newer copy.
pub(super) fn newer(shown: &Arc<SecurityFinding>, written: Option<&Arc<SecurityFinding>>) -> Arc<SecurityFinding> {
    match written {
        Some(written) if written.metadata.uid == shown.metadata.uid && version(written) > version(shown) => {
            Arc::clone(written)
        }
        _ => Arc::clone(shown),
    }
}

/// Resource versions of one kind can be compared as numbers (Kubernetes 1.35 promises it; etcd always did).
fn version(finding: &SecurityFinding) -> u64 {
    finding
        .metadata
        .resource_version
        .as_deref()
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}
