//! The findings in memory, and which ticket each belongs to.
//!
//! Fed by the watch of findings and nothing else. An event touches only the finding it is about; a re-list is compared
//! with what was there, as a list that was swapped sends no deletions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::api::SecurityFinding;
use crate::api::security_finding::SelectionStatus;
use crate::controllers::registry::ObjectKey;
use crate::domain::base::members::is_leaving;
use crate::domain::identity::TicketKey;
use crate::domain::state::table::is_open;
use crate::domain::ticket::plan::Verdict;

use super::assign::{Place, Placement};

/// What a worker is handed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkKey {
    /// A ticket, with all its findings.
    Ticket(TicketKey),
    /// A finding that has no ticket and gets none; only its status is written.
    Loose(ObjectKey),
}

/// Where a finding belongs, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Its ticket, or what to tell it when it gets none.
    pub place: Result<TicketKey, Verdict>,
    /// Why this configuration, and why not the others; `None` where nothing was chosen anew.
    pub selection: Option<SelectionStatus>,
}

impl Assignment {
    /// What to queue for a finding with this assignment.
    pub fn work_key(&self, finding: &ObjectKey) -> WorkKey {
        match &self.place {
            Ok(key) => WorkKey::Ticket(key.clone()),
            Err(_) => WorkKey::Loose(finding.clone()),
        }
    }
}

/// A finding in the index.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// The finding.
    pub finding: Arc<SecurityFinding>,
    /// Where it belongs.
    pub assignment: Assignment,
}

/// The findings of one ticket.
#[derive(Debug, Default)]
struct Members {
    keys: BTreeSet<ObjectKey>,
    /// How many of them are open; they decide whether there is room for another.
    open: usize,
    /// Issues that findings of the ticket told of; those who told may leave first.
    issues: BTreeSet<(String, String)>,
}

/// The index.
#[derive(Debug, Default)]
pub struct Index {
    findings: HashMap<ObjectKey, Indexed>,
    tickets: BTreeMap<TicketKey, Members>,
    issues: HashMap<(String, String), TicketKey>,
}

impl Index {
    /// Chooses the slot of a finding that is to have a ticket of a group: the one it was given before, else the lowest
    /// with room, else a new one.
    pub fn settle(&self, finding: &SecurityFinding, placement: Placement) -> Assignment {
        let place = match placement.place {
            Place::Kept(key) => Ok(key),
            Place::Nowhere(verdict) => Err(verdict),
            Place::Group {
                configuration,
                group,
                room,
            } => {
                let before = self.findings.get(&ObjectKey::of(finding));
                // One that was deleted and made anew is another one.
                let same = before.filter(|old| old.finding.metadata.uid == finding.metadata.uid);
                let given = same.and_then(|old| old.assignment.place.as_ref().ok());
                let given = given.filter(|key| key.configuration == configuration && key.group == group);
                let slot = given.map_or_else(|| self.slot_with_room(&configuration, &group, room), |key| key.slot);
                Ok(TicketKey {
                    configuration,
                    group,
                    slot,
                })
            }
        };
        // A finding that keeps its ticket is not chosen for anew; why it was chosen is still told.
        let told = self.findings.get(&ObjectKey::of(finding)).map(|old| &old.assignment);
        let told = told
            .filter(|old| old.place == place)
            .and_then(|old| old.selection.clone());
        Assignment {
            place,
            selection: placement.selection.or(told),
        }
    }

    fn slot_with_room(&self, configuration: &str, group: &[String], room: usize) -> u32 {
        let at = |slot: u32| TicketKey {
            configuration: configuration.to_owned(),
            group: group.to_vec(),
            slot,
        };
        let mut lowest = 0;
        for (key, members) in self.tickets.range(at(0)..=at(u32::MAX)) {
            if key.slot > lowest || members.open < room {
                break;
            }
            lowest = key.slot.saturating_add(1);
        }
        lowest
    }

    /// Puts a finding, with where it belongs. Returns what to look at: its place, and the one it left.
    pub fn put(&mut self, finding: Arc<SecurityFinding>, assignment: Assignment) -> Vec<WorkKey> {
        let key = ObjectKey::of(finding.as_ref());
        let work = assignment.work_key(&key);
        let mut touched = vec![work.clone()];
        if let Some(old) = self.findings.get(&key) {
            let left = old.assignment.work_key(&key);
            if left != work {
                let before = Arc::clone(&old.finding);
                self.leave(&left, &key, &before);
                touched.push(left);
            }
        }
        if let WorkKey::Ticket(ticket) = &work {
            let members = self.tickets.entry(ticket.clone()).or_default();
            let before = self.findings.get(&key).filter(|_| members.keys.contains(&key));
            let was_open = before.is_some_and(|before| takes_room(&before.finding));
            members.open = members.open + usize::from(takes_room(&finding)) - usize::from(was_open);
            members.keys.insert(key.clone());
            if let Some(issue) = issue_of(&finding) {
                members.issues.insert(issue.clone());
                self.issues.insert(issue, ticket.clone());
            }
        }
        self.findings.insert(key, Indexed { finding, assignment });
        touched
    }

    /// Removes a finding. Returns what to look at.
    pub fn remove(&mut self, key: &ObjectKey) -> Option<WorkKey> {
        let old = self.findings.remove(key)?;
        let work = old.assignment.work_key(key);
        self.leave(&work, key, &old.finding);
        Some(work)
    }

    /// Compares with a full list of some scope: findings of that scope that are not in `listed` are gone.
    pub fn retain(&mut self, in_scope: impl Fn(&ObjectKey) -> bool, listed: &HashSet<ObjectKey>) -> Vec<WorkKey> {
        let gone: Vec<ObjectKey> = self
            .findings
            .keys()
            .filter(|key| in_scope(key) && !listed.contains(*key))
            .cloned()
            .collect();
        gone.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// One finding.
    pub fn get(&self, key: &ObjectKey) -> Option<&Indexed> {
        self.findings.get(key)
    }

    /// The findings of a ticket, in order.
    pub fn members(&self, key: &TicketKey) -> Vec<Indexed> {
        let keys = self.tickets.get(key).into_iter().flat_map(|members| &members.keys);
        keys.filter_map(|key| self.findings.get(key).cloned()).collect()
    }

    /// The ticket of an issue on a site.
    pub fn ticket_of_issue(&self, site: &str, id: &str) -> Option<&TicketKey> {
        self.issues.get(&(site.to_owned(), id.to_owned()))
    }

    /// The ids of all issues on a site.
    pub fn issues_of(&self, site: &str) -> Vec<String> {
        let here = self.issues.keys().filter(|(at, _)| at == site);
        here.map(|(_, id)| id.clone()).collect()
    }

    /// All findings, for the rare case that where they belong must be looked at anew.
    pub fn all(&self) -> impl Iterator<Item = (&ObjectKey, &Indexed)> {
        self.findings.iter()
    }

    /// All tickets.
    pub fn tickets(&self) -> impl Iterator<Item = &TicketKey> {
        self.tickets.keys()
    }

    fn leave(&mut self, work: &WorkKey, key: &ObjectKey, finding: &SecurityFinding) {
        let WorkKey::Ticket(ticket) = work else { return };
        let Some(members) = self.tickets.get_mut(ticket) else {
            return;
        };
        if members.keys.remove(key) {
            members.open -= usize::from(takes_room(finding));
        }
        if members.keys.is_empty() {
            let told = std::mem::take(&mut members.issues);
            self.tickets.remove(ticket);
            for issue in told {
                // Another ticket may have taken it over.
                if self.issues.get(&issue) == Some(ticket) {
                    self.issues.remove(&issue);
                }
            }
        }
    }
}

/// Whether a finding counts where a ticket takes only so many.
fn takes_room(finding: &SecurityFinding) -> bool {
    is_open(finding.spec.state) && !is_leaving(finding)
}

fn issue_of(finding: &SecurityFinding) -> Option<(String, String)> {
    let ticket = finding.status.as_ref()?.ticket.as_ref()?;
    Some((ticket.site.clone()?, ticket.id.clone()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str) -> Arc<SecurityFinding> {
        let mut finding =
            SecurityFinding::new(name, serde_json::from_value(serde_json::json!({"title": "t"})).unwrap());
        finding.metadata.namespace = Some("shop".into());
        Arc::new(finding)
    }

    fn ticket(name: &str) -> TicketKey {
        TicketKey {
            configuration: "c".into(),
            group: vec![name.into()],
            slot: 0,
        }
    }

    fn at(name: &str) -> Assignment {
        Assignment {
            place: Ok(ticket(name)),
            selection: None,
        }
    }

    #[test]
    fn a_finding_that_changes_places_is_looked_at_in_both() {
        let mut index = Index::default();
        index.put(finding("a"), at("one"));
        index.put(finding("b"), at("one"));
        let touched = index.put(finding("a"), at("two"));
        assert_eq!(
            touched,
            [WorkKey::Ticket(ticket("two")), WorkKey::Ticket(ticket("one"))]
        );
        assert_eq!(index.members(&ticket("one")).len(), 1);
        assert_eq!(index.members(&ticket("two")).len(), 1);
    }

    #[test]
    fn a_list_shows_what_is_gone() {
        let mut index = Index::default();
        index.put(finding("a"), at("one"));
        index.put(finding("b"), at("two"));
        let listed = HashSet::from([ObjectKey {
            namespace: "shop".into(),
            name: "a".into(),
        }]);
        assert_eq!(index.retain(|_| true, &listed), [WorkKey::Ticket(ticket("two"))]);
        assert_eq!(index.retain(|key| key.namespace == "other", &HashSet::new()), []);
        assert_eq!(index.tickets().count(), 1);
    }

    #[test]
    fn no_issue_is_kept_of_a_ticket_that_is_gone_whoever_left_last() {
        let mut index = Index::default();
        let mut told = (*finding("a")).clone();
        told.status = serde_json::from_value(serde_json::json!({
            "ticket": {"configuration": "c", "group": ["one"], "site": "s", "id": "1"},
        }))
        .unwrap();
        index.put(Arc::new(told), at("one"));
        index.put(finding("b"), at("one"));
        assert_eq!(index.issues_of("s"), ["1"]);
        for name in ["a", "b"] {
            index.remove(&ObjectKey::of(finding(name).as_ref()));
        }
        assert_eq!(index.issues_of("s"), Vec::<String>::new());
    }

    fn placed(room: usize) -> Placement {
        Placement {
            place: Place::Group {
                configuration: "c".into(),
                group: vec!["shop".into(), "asset.name".into(), "web".into()],
                room,
            },
            selection: None,
        }
    }

    fn slot(index: &mut Index, finding: &Arc<SecurityFinding>, room: usize) -> u32 {
        let assignment = index.settle(finding, placed(room));
        let slot = assignment.place.as_ref().unwrap().slot;
        index.put(Arc::clone(finding), assignment);
        slot
    }

    #[test]
    fn newcomers_take_the_lowest_slot_with_room_and_stay_there() {
        let mut index = Index::default();
        let all: Vec<_> = (0..7).map(|number| finding(&format!("f{number}"))).collect();
        let slots: Vec<u32> = all.iter().map(|one| slot(&mut index, one, 3)).collect();
        assert_eq!(slots, [0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(slot(&mut index, &all[6], 3), 2, "it stays, though seen again");
        // One of the first is fixed and makes room; it stays a member all the same.
        let mut fixed = (*all[1]).clone();
        fixed.spec.state = crate::api::State::Fixed;
        assert_eq!(slot(&mut index, &Arc::new(fixed), 3), 0);
        assert_eq!(slot(&mut index, &finding("g"), 3), 0);
        assert_eq!(slot(&mut index, &finding("h"), 3), 2);
        // A ticket that is gone leaves a gap.
        for name in ["f3", "f4", "f5"] {
            index.remove(&ObjectKey::of(finding(name).as_ref()));
        }
        assert_eq!(slot(&mut index, &finding("i"), 3), 1);
    }
}
