//! The catalog: every finding that this process knows, and the ticket that each belongs to.
//!
//! One lock guards all of it: the findings as the watch shows them, the copies that this process has written and the
//! watch has not shown yet, which findings are not listed yet, and which tickets wait for that. Where a finding belongs
//! is computed while the lock is held, against the configurations as they are then, so that a finding that arrives
//! while a configuration changes is placed by the new one, either at once or by `place_all`.
//!
//! Lock order: the locks of the registry of configurations and of the labels of namespaces are taken while this lock is
//! held, never the other way round. Nothing else is called under it, and no method waits for anything but the lock.

mod index;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use crate::api::SecurityFinding;
use crate::api::security_finding::SelectionStatus;
use crate::controllers::context::NamespaceLabels;
use crate::controllers::registry::{ConfigurationEntry, Configurations, ObjectKey, Snapshot};
use crate::domain::base::standing::Standing;
use crate::domain::identity::TicketKey;
use crate::domain::placement::assign::{Place, Placement, assign};
use crate::domain::placement::lane::Lane;
use crate::domain::placement::scope::{Scope, Unlisted};
use crate::domain::placement::select::{Candidate, Candidates};

use index::Index;

/// What one pass is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum WorkKey {
    /// A ticket, with all its findings.
    Ticket(TicketKey),
    /// A finding that has no ticket; only its status is written.
    Loose(ObjectKey),
}

/// What to queue, and how urgently.
pub(super) type Work = Vec<(WorkKey, Lane)>;

/// A finding of a ticket.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The newest copy that this process has.
    pub finding: Arc<SecurityFinding>,
    /// Why the configuration takes the finding; `None` where no configuration was chosen since the start of the process.
    pub selection: Option<Arc<SelectionStatus>>,
}

/// A finding without a ticket.
#[derive(Clone, Debug)]
pub(super) struct Loose {
    /// The newest copy that this process has.
    pub finding: Arc<SecurityFinding>,
    /// What the status of the finding says.
    pub standing: Standing,
    /// Why no configuration takes the finding, or which one would.
    pub selection: Option<Arc<SelectionStatus>>,
}

/// What follows from the list of a scope.
#[derive(Debug)]
pub(super) struct Listed {
    /// What to queue.
    pub work: Work,
    /// Whether the findings of all scopes have been listed now.
    pub complete: bool,
}

/// Every finding that this process knows, and the ticket that each belongs to.
pub(super) struct Catalog {
    configurations: Arc<Configurations>,
    namespaces: Arc<NamespaceLabels>,
    /// Namespaces whose configurations may take findings of other namespaces.
    shared_namespaces: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    index: Index,
    unlisted: Unlisted,
    /// Tickets that were to be passed before all their findings were listed.
    held: BTreeSet<TicketKey>,
    /// The configurations that findings are placed by.
    candidates: Arc<Candidates>,
    /// The configurations that `candidates` was made of.
    snapshot: Snapshot<ConfigurationEntry>,
    /// The candidates by which all findings have been placed at last.
    placed_by: Arc<Candidates>,
}

impl Catalog {
    /// An empty catalog in which none of `scopes` has been listed.
    pub(super) fn new(
        configurations: Arc<Configurations>,
        namespaces: Arc<NamespaceLabels>,
        shared_namespaces: Vec<String>,
        scopes: impl IntoIterator<Item = Scope>,
    ) -> Self {
        let state = State {
            unlisted: Unlisted::new(scopes),
            ..State::default()
        };
        Self {
            configurations,
            namespaces,
            shared_namespaces,
            state: Mutex::new(state),
        }
    }

    /// Takes in a finding as the watch shows it. Nothing is to be queued where the finding has not changed, or where it is
    /// the status that this process has written itself.
    pub(super) fn apply(&self, mut finding: SecurityFinding) -> Work {
        finding.metadata.managed_fields = None;
        let shown = Arc::new(finding);
        let mut state = self.lock_to_place();
        let before = state.index.get(&ObjectKey::of(shown.as_ref()));
        let written = before.and_then(|entry| entry.still_ahead(&shown)).cloned();
        let newest = written.as_ref().unwrap_or(&shown);
        let placement = self.placement(&state, newest);
        let assignment = state.index.settle(newest, placement);
        let before = before.filter(|entry| entry.assignment == assignment);
        if before.is_some_and(|entry| entry.shown.metadata.resource_version == shown.metadata.resource_version) {
            return Work::new();
        }
        let only_status = before.is_some_and(|entry| differs_only_in_status(&entry.shown, &shown));
        let lane = Lane::of(newest);
        let touched = state.index.put(shown, written, assignment);
        if only_status {
            Work::new()
        } else {
            queued(touched, lane)
        }
    }

    /// Takes in a finding as this process has just written it. It counts until the watch shows it, or a newer copy.
    /// A copy of an object that was replaced or removed meanwhile is dropped.
    pub(super) fn remember(&self, mut written: SecurityFinding) -> Work {
        written.metadata.managed_fields = None;
        let written = Arc::new(written);
        let mut state = self.lock_to_place();
        let Some(entry) = state.index.get(&ObjectKey::of(written.as_ref())) else {
            return Work::new();
        };
        if !is_ahead(&written, entry.newest()) {
            return Work::new();
        }
        let placement = self.placement(&state, &written);
        let assignment = state.index.settle(&written, placement);
        let stays = entry.assignment == assignment;
        let (shown, lane) = (Arc::clone(&entry.shown), Lane::of(&written));
        let touched = state.index.put(shown, Some(written), assignment);
        if stays { Work::new() } else { queued(touched, lane) }
    }

    /// Removes a finding that is gone.
    pub(super) fn delete(&self, key: &ObjectKey) -> Option<(WorkKey, Lane)> {
        let work = self.state.lock().index.remove(key)?;
        Some((work, Lane::Normal))
    }

    /// The findings of a scope have been listed: those that are not in `listed` are gone, as a watch that starts anew
    /// shows no deletions. After the first list of a scope, what waited for it goes on.
    pub(super) fn relist(&self, scope: &Scope, listed: &HashSet<ObjectKey>) -> Listed {
        let mut state = self.lock_to_place();
        let gone: Vec<ObjectKey> = state
            .index
            .all()
            .map(|(key, _)| key)
            .filter(|key| scope.contains(&key.namespace) && !listed.contains(*key))
            .cloned()
            .collect();
        let left: Vec<WorkKey> = gone.iter().filter_map(|key| state.index.remove(key)).collect();
        let mut work = queued(left, Lane::Normal);
        if state.unlisted.note_listed(scope) {
            work.extend(self.place(&mut state));
            let held = std::mem::take(&mut state.held);
            work.extend(held.into_iter().map(|key| (WorkKey::Ticket(key), Lane::Normal)));
        }
        Listed {
            work,
            complete: state.unlisted.is_empty(),
        }
    }

    /// Places every finding anew after a change of the configurations. Costs nothing where the part of the configurations
    /// that decides about places has not changed.
    pub(super) fn place_all(&self) -> Work {
        let mut state = self.lock_to_place();
        if Arc::ptr_eq(&state.candidates, &state.placed_by) {
            return Work::new();
        }
        self.place(&mut state)
    }

    /// Whether the pass of a ticket must wait until all findings are listed that the ticket may have. The ticket is queued
    /// once they are.
    pub(super) fn hold(&self, key: &TicketKey) -> bool {
        let mut state = self.state.lock();
        let waits = state.unlisted.concerns(&key.group);
        if waits {
            state.held.insert(key.clone());
        }
        waits
    }

    /// The findings of a ticket, those that are being deleted too, by namespace and name.
    pub(super) fn members(&self, key: &TicketKey) -> Vec<Member> {
        let state = self.state.lock();
        let members = state.index.members(key).map(|(key, entry)| Member {
            key: key.clone(),
            finding: Arc::clone(entry.newest()),
            selection: entry.assignment.selection.clone(),
        });
        members.collect()
    }

    /// A finding whose status says why it has no ticket; `None` where the finding has a ticket or is unknown, or where
    /// its status says nothing about that.
    pub(super) fn without_ticket(&self, key: &ObjectKey) -> Option<Loose> {
        let state = self.state.lock();
        let entry = state.index.get(key)?;
        Some(Loose {
            finding: Arc::clone(entry.newest()),
            standing: entry.assignment.place.as_ref().err()?.clone()?,
            selection: entry.assignment.selection.clone(),
        })
    }

    /// The tickets of a configuration, each with its lane.
    pub(super) fn tickets_of(&self, configuration: &str) -> Vec<(TicketKey, Lane)> {
        let state = self.state.lock();
        let tickets = state.index.tickets_of(configuration).map(|key| {
            let findings = state.index.members(key).map(|(_, entry)| entry.newest().as_ref());
            (key.clone(), Lane::of_all(findings))
        });
        tickets.collect()
    }

    /// The ticket of an issue on a site, as far as the statuses of findings name it.
    pub(super) fn ticket_of_issue(&self, site: &str, id: &str) -> Option<TicketKey> {
        self.state.lock().index.ticket_of_issue(site, id).cloned()
    }

    /// The ids of all issues on a site.
    pub(super) fn issues_of(&self, site: &str) -> Vec<String> {
        self.state.lock().index.issues_of(site).cloned().collect()
    }

    /// Calls `look` with every finding that has a ticket. The catalog is locked meanwhile.
    pub(super) fn for_each_ticketed(&self, mut look: impl FnMut(&TicketKey, &SecurityFinding)) {
        let state = self.state.lock();
        for (_, entry) in state.index.all() {
            if let Ok(key) = &entry.assignment.place {
                look(key, entry.newest());
            }
        }
    }

    /// Locks the catalog in order to place findings, by the configurations as they are now.
    fn lock_to_place(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        let snapshot = self.configurations.snapshot();
        if !Arc::ptr_eq(&snapshot, &state.snapshot) {
            let candidates: Candidates = snapshot.iter().map(|(key, entry)| self.candidate(key, entry)).collect();
            if candidates != *state.candidates {
                state.candidates = Arc::new(candidates);
            }
            state.snapshot = snapshot;
        }
        state
    }

    fn candidate(&self, key: &ObjectKey, entry: &ConfigurationEntry) -> Candidate {
        let shared = self.shared_namespaces.contains(&key.namespace);
        Candidate::new(&key.namespace, &key.name, &entry.identity, &entry.spec, shared)
    }

    fn placement(&self, state: &State, finding: &SecurityFinding) -> Placement {
        let namespace = finding.metadata.namespace.as_deref().unwrap_or_default();
        let mut placement = assign(finding, &self.namespaces.of(namespace), &state.candidates);
        if let Place::Group { group, .. } = &placement.place
            && state.unlisted.concerns(group)
        {
            // Which ticket of the group has room is known once all findings of the group are.
            placement.place = Place::Nowhere(None);
        }
        placement
    }

    /// Places every finding anew. Findings that are new to a group come in the order in which they were created, so that
    /// they get the same tickets again after a restart.
    fn place(&self, state: &mut State) -> Work {
        state.placed_by = Arc::clone(&state.candidates);
        let mut moved: Vec<(Option<Timestamp>, ObjectKey, Lane, Placement)> = Vec::new();
        for (key, entry) in state.index.all() {
            let finding = entry.newest();
            let placement = self.placement(state, finding);
            if !entry.assignment.agrees_with(&placement) {
                let created = finding.metadata.creation_timestamp.as_ref().map(|time| time.0);
                moved.push((created, key.clone(), Lane::of(finding), placement));
            }
        }
        moved.sort_by(|(created, key, ..), (other_created, other, ..)| (created, key).cmp(&(other_created, other)));
        let touched = moved
            .into_iter()
            .map(|(_, key, lane, placement)| queued(state.index.reassign(&key, placement), lane));
        touched.flatten().collect()
    }
}

fn queued(keys: Vec<WorkKey>, lane: Lane) -> Work {
    keys.into_iter().map(|key| (key, lane)).collect()
}

/// Whether `written` is a newer copy of the same object than `other`. The answer to a write may arrive after the watch
/// has shown a still newer copy.
fn is_ahead(written: &SecurityFinding, other: &SecurityFinding) -> bool {
    written.metadata.uid == other.metadata.uid && version(written) > version(other)
}

/// Resource versions of one kind can be compared as numbers (Kubernetes 1.35 promises it; etcd always did).
fn version(finding: &SecurityFinding) -> u64 {
    let version = finding.metadata.resource_version.as_deref();
    version.and_then(|version| version.parse().ok()).unwrap_or_default()
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
