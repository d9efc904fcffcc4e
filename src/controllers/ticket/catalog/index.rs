//! The findings of the catalog, the tickets that they belong to, and the issues that their statuses name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::api::SecurityFinding;
use crate::api::security_finding::SelectionStatus;
use crate::controllers::registry::ObjectKey;
use crate::domain::base::standing::Standing;
use crate::domain::identity::TicketKey;
use crate::domain::placement::assign::{Place, Placement};
use crate::domain::placement::slots::{lowest_with_room, takes_room};

use super::{WorkKey, is_ahead};

/// Where a finding belongs, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Assignment {
    /// The ticket of the finding, or what its status says when it has none (`None`: nothing is written).
    pub place: Result<TicketKey, Option<Standing>>,
    /// Why this configuration takes the finding, and why the others do not; `None` where no configuration was chosen since
    /// the start of the process.
    pub selection: Option<Arc<SelectionStatus>>,
}

impl Assignment {
    /// Whether `settle` would return this assignment again for a finding that has it.
    pub(super) fn agrees_with(&self, placement: &Placement) -> bool {
        let stays = match (&placement.place, &self.place) {
            (Place::Ticket(key), Ok(own)) => key == own,
            (Place::Nowhere(standing), Err(own)) => standing == own,
            (
                Place::Group {
                    configuration, group, ..
                },
                Ok(own),
            ) => *configuration == own.configuration && *group == own.group,
            _ => false,
        };
        let chosen = placement.selection.as_ref();
        stays && chosen.is_none_or(|chosen| self.selection.as_deref() == Some(chosen))
    }

    /// What to queue for a finding with this assignment.
    pub(super) fn work_key(&self, finding: &ObjectKey) -> WorkKey {
        match &self.place {
            Ok(key) => WorkKey::Ticket(key.clone()),
            Err(_) => WorkKey::Loose(finding.clone()),
        }
    }
}

/// A finding.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The finding as the watch has last shown it.
    pub shown: Arc<SecurityFinding>,
    /// The finding as this process has last written it, until the watch has caught up.
    written: Option<Arc<SecurityFinding>>,
    /// Where the finding belongs, computed from its newest copy.
    pub assignment: Assignment,
}

impl Entry {
    /// The newest copy that this process has.
    pub(super) fn newest(&self) -> &Arc<SecurityFinding> {
        self.written.as_ref().unwrap_or(&self.shown)
    }

    /// The copy that this process has written, if it is newer than `shown`, which the watch shows now.
    pub(super) fn still_ahead(&self, shown: &SecurityFinding) -> Option<&Arc<SecurityFinding>> {
        self.written.as_ref().filter(|written| is_ahead(written, shown))
    }
}

/// The findings of one ticket.
#[derive(Debug, Default)]
struct Members {
    keys: BTreeSet<ObjectKey>,
    /// How many findings of the ticket are open; they decide whether there is room for another.
    open: usize,
    /// Issues, by site and id, that findings of the ticket name or have named.
    issues: BTreeSet<(String, String)>,
}

/// The findings, the tickets and the issues. An event touches only the finding that it is about.
#[derive(Debug, Default)]
pub(super) struct Index {
    findings: HashMap<ObjectKey, Entry>,
    /// Ordered by the identity of the configuration, then by group and slot.
    tickets: BTreeMap<TicketKey, Members>,
    /// The ticket of each issue, by site and id.
    issues: HashMap<String, HashMap<String, TicketKey>>,
}

impl Index {
    /// Chooses the ticket of a finding: in a group, the one that the finding was given before, else the one with the
    /// lowest slot that has room, else a new one.
    pub(super) fn settle(&self, finding: &SecurityFinding, placement: Placement) -> Assignment {
        // An object that was deleted and made anew under the same name is another finding.
        let before = self
            .findings
            .get(&ObjectKey::of(finding))
            .filter(|entry| entry.newest().metadata.uid == finding.metadata.uid)
            .map(|entry| &entry.assignment);
        let place = match placement.place {
            Place::Ticket(key) => Ok(key),
            Place::Nowhere(standing) => Err(standing),
            Place::Group {
                configuration,
                group,
                room,
            } => {
                let given = before
                    .and_then(|assignment| assignment.place.as_ref().ok())
                    .filter(|key| key.configuration == configuration && key.group == group);
                let slot = given.map_or_else(|| self.slot_with_room(&configuration, &group, room), |key| key.slot);
                Ok(TicketKey {
                    configuration,
                    group,
                    slot,
                })
            }
        };
        // No configuration is chosen anew for a finding that keeps its ticket; the old choice explains it.
        let known = before
            .filter(|assignment| assignment.place == place)
            .and_then(|assignment| assignment.selection.as_ref());
        let selection = match placement.selection {
            Some(selection) if known.is_some_and(|known| **known == selection) => known.cloned(),
            Some(selection) => Some(Arc::new(selection)),
            None => known.cloned(),
        };
        Assignment { place, selection }
    }

    fn slot_with_room(&self, configuration: &str, group: &[String], room: usize) -> u32 {
        let at = |slot: u32| TicketKey {
            configuration: configuration.to_owned(),
            group: group.to_vec(),
            slot,
        };
        let tickets = self.tickets.range(at(0)..=at(u32::MAX));
        lowest_with_room(tickets.map(|(key, members)| (key.slot, members.open)), room)
    }

    /// Puts a finding, with where it belongs. Returns what to look at: the place of the finding, and the one it left.
    pub(super) fn put(
        &mut self,
        shown: Arc<SecurityFinding>,
        written: Option<Arc<SecurityFinding>>,
        assignment: Assignment,
    ) -> Vec<WorkKey> {
        let key = ObjectKey::of(shown.as_ref());
        let work = assignment.work_key(&key);
        let mut touched = vec![work.clone()];
        if let Some(old) = self.findings.remove(&key) {
            let left = old.assignment.work_key(&key);
            self.leave(&left, &key, &old, &work);
            if left != work {
                touched.push(left);
            }
        }
        let entry = Entry {
            shown,
            written,
            assignment,
        };
        if let WorkKey::Ticket(ticket) = &work {
            let finding = entry.newest();
            let members = self.tickets.entry(ticket.clone()).or_default();
            members.open += usize::from(takes_room(finding));
            members.keys.insert(key.clone());
            if let Some((site, id)) = issue_of(finding) {
                members.issues.insert((site.clone(), id.clone()));
                self.issues.entry(site).or_default().insert(id, ticket.clone());
            }
        }
        self.findings.insert(key, entry);
        touched
    }

    /// Puts a finding anew, where it belongs now. Returns what to look at.
    pub(super) fn reassign(&mut self, key: &ObjectKey, placement: Placement) -> Vec<WorkKey> {
        let Some(entry) = self.findings.get(key) else {
            return Vec::new();
        };
        let assignment = self.settle(entry.newest(), placement);
        let (shown, written) = (Arc::clone(&entry.shown), entry.written.clone());
        self.put(shown, written, assignment)
    }

    /// Removes a finding. Returns what to look at.
    pub(super) fn remove(&mut self, key: &ObjectKey) -> Option<WorkKey> {
        let old = self.findings.remove(key)?;
        let work = old.assignment.work_key(key);
        let nowhere = WorkKey::Loose(key.clone());
        self.leave(&work, key, &old, &nowhere);
        Some(work)
    }

    /// Takes a finding out of the ticket it was in. A ticket without findings is forgotten, unless the finding goes to
    /// the same ticket again.
    fn leave(&mut self, left: &WorkKey, key: &ObjectKey, old: &Entry, next: &WorkKey) {
        let WorkKey::Ticket(ticket) = left else { return };
        let Some(members) = self.tickets.get_mut(ticket) else {
            return;
        };
        if members.keys.remove(key) {
            members.open -= usize::from(takes_room(old.newest()));
        }
        if !members.keys.is_empty() || left == next {
            return;
        }
        let named = std::mem::take(&mut members.issues);
        self.tickets.remove(ticket);
        for (site, id) in named {
            let Some(here) = self.issues.get_mut(&site) else {
                continue;
            };
            // Another ticket may have taken the issue over.
            if here.get(&id) == Some(ticket) {
                here.remove(&id);
            }
            if here.is_empty() {
                self.issues.remove(&site);
            }
        }
    }

    /// One finding.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Entry> {
        self.findings.get(key)
    }

    /// All findings, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&ObjectKey, &Entry)> {
        self.findings.iter()
    }

    /// The findings of a ticket, by namespace and name.
    pub(super) fn members(&self, key: &TicketKey) -> impl Iterator<Item = (&ObjectKey, &Entry)> {
        let keys = self.tickets.get(key).into_iter().flat_map(|members| &members.keys);
        keys.filter_map(|key| self.findings.get_key_value(key))
    }

    /// The tickets of a configuration.
    pub(super) fn tickets_of(&self, configuration: &str) -> impl Iterator<Item = &TicketKey> {
        let first = TicketKey {
            configuration: configuration.to_owned(),
            group: Vec::new(),
            slot: 0,
        };
        self.tickets
            .range(first..)
            .map(|(key, _)| key)
            .take_while(move |key| key.configuration == configuration)
    }

    /// The ticket of an issue on a site.
    pub(super) fn ticket_of_issue(&self, site: &str, id: &str) -> Option<&TicketKey> {
        self.issues.get(site)?.get(id)
    }

    /// The ids of all issues on a site.
    pub(super) fn issues_of(&self, site: &str) -> impl Iterator<Item = &String> {
        self.issues.get(site).into_iter().flat_map(HashMap::keys)
    }
}

/// The issue that the status of a finding names, by site and id.
fn issue_of(finding: &SecurityFinding) -> Option<(String, String)> {
    let ticket = finding.status.as_ref()?.ticket.as_ref()?;
    Some((ticket.site.clone()?, ticket.id.clone()?))
}
