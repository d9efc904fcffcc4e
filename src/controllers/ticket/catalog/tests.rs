use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::api::{FINALIZER, Reason};

const CLUSTER: [Scope; 1] = [Scope::Cluster];

/// A catalog of a whole cluster, with the configurations and labels that it reads.
struct World {
    configurations: Arc<Configurations>,
    catalog: Catalog,
}

impl World {
    /// Without configurations, and nothing listed.
    fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let configurations = Arc::new(Configurations::default());
        let catalog = Catalog::new(Arc::clone(&configurations), Arc::default(), Vec::new(), scopes);
        Self {
            configurations,
            catalog,
        }
    }

    /// With one configuration that takes all findings of the namespace `shop`, and an empty cluster listed.
    fn listed(spec: Value) -> Self {
        let world = Self::new(CLUSTER);
        world.configure("c", spec);
        assert!(world.catalog.relist(&Scope::Cluster, &HashSet::new()).complete);
        world
    }

    fn configure(&self, name: &str, spec: Value) {
        let mut object = json!({"connectionRef": {"name": "acme"}, "projectKey": "SEC", "issueType": "Bug"});
        for (member, value) in spec.as_object().unwrap() {
            object[member] = value.clone();
        }
        let key = key(name);
        let entry = ConfigurationEntry {
            key: key.clone(),
            identity: key.to_string(),
            spec: Arc::new(serde_json::from_value(object).unwrap()),
            generation: 1,
            state: None,
        };
        self.configurations.put(key, entry);
    }

    /// The names of the findings of a ticket.
    fn names(&self, ticket: &TicketKey) -> Vec<String> {
        let members = self.catalog.members(ticket);
        members.into_iter().map(|member| member.key.name).collect()
    }

    fn reason(&self, name: &str) -> Option<Reason> {
        self.catalog
            .without_ticket(&key(name))
            .map(|loose| loose.standing.reason)
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        namespace: "shop".into(),
        name: name.into(),
    }
}

/// A finding of the asset `web`.
fn finding(name: &str, version: u64) -> SecurityFinding {
    serde_json::from_value(json!({
        "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
        "metadata": {
            "name": name, "namespace": "shop", "uid": name, "resourceVersion": version.to_string(),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"title": "t", "asset": {"name": "web"}},
    }))
    .unwrap()
}

fn with_issue(mut finding: SecurityFinding, ticket: &TicketKey, id: &str) -> SecurityFinding {
    let status = json!({"ticket": {
        "configuration": ticket.configuration, "group": ticket.group, "slot": ticket.slot, "incarnation": 1,
        "site": "s", "id": id,
    }});
    finding.status = Some(serde_json::from_value(status).unwrap());
    finding
}

fn ticket(configuration: &str, group: &[&str], slot: u32) -> TicketKey {
    TicketKey {
        configuration: format!("shop/{configuration}"),
        group: group.iter().map(ToString::to_string).collect(),
        slot,
    }
}

fn own(name: &str) -> TicketKey {
    ticket("c", &["shop", name], 0)
}

fn web(slot: u32) -> TicketKey {
    ticket("c", &["shop", "asset.name", "web"], slot)
}

fn by_asset(room: u32) -> Value {
    json!({"grouping": {"by": ["asset.name"], "maxFindings": room}})
}

fn keys(work: impl IntoIterator<Item = (WorkKey, Lane)>) -> Vec<WorkKey> {
    work.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn a_finding_that_changes_places_is_looked_at_in_both() {
    let world = World::listed(by_asset(50));
    world.catalog.apply(finding("a", 1));
    world.catalog.apply(finding("b", 2));
    let mut moved = finding("a", 3);
    moved.spec.asset.as_mut().unwrap().name = Some("api".into());
    let api = ticket("c", &["shop", "asset.name", "api"], 0);
    let touched = keys(world.catalog.apply(moved));
    assert_eq!(touched, [WorkKey::Ticket(api.clone()), WorkKey::Ticket(web(0))]);
    assert_eq!(
        (world.names(&api), world.names(&web(0))),
        (vec!["a".into()], vec!["b".into()])
    );
}

#[test]
fn a_list_shows_what_is_gone() {
    let world = World::listed(json!({}));
    world.catalog.apply(finding("a", 1));
    world.catalog.apply(finding("b", 2));
    let elsewhere = Scope::Namespace("other".into());
    assert!(world.catalog.relist(&elsewhere, &HashSet::new()).work.is_empty());
    let after = world.catalog.relist(&Scope::Cluster, &HashSet::from([key("a")]));
    assert_eq!(keys(after.work), [WorkKey::Ticket(own("b"))]);
    assert_eq!(world.names(&own("a")), ["a"]);
    assert!(world.names(&own("b")).is_empty());
}

#[test]
fn a_copy_that_was_written_counts_until_the_watch_has_caught_up() {
    let world = World::listed(json!({}));
    world.catalog.apply(finding("a", 1));
    let version = || {
        let members = world.catalog.members(&own("a"));
        members[0].finding.metadata.resource_version.clone().unwrap()
    };
    assert!(
        world
            .catalog
            .remember(with_issue(finding("a", 5), &own("a"), "10"))
            .is_empty()
    );
    assert_eq!(version(), "5");
    assert_eq!(world.catalog.ticket_of_issue("s", "10"), Some(own("a")));
    // The answer to an earlier write arrives late, and the watch lags.
    world.catalog.remember(finding("a", 4));
    let mut lagging = finding("a", 3);
    lagging.spec.title = "changed".into();
    assert_eq!(keys(world.catalog.apply(lagging)), [WorkKey::Ticket(own("a"))]);
    assert_eq!(version(), "5");
    world.catalog.apply(with_issue(finding("a", 6), &own("a"), "10"));
    assert_eq!(version(), "6");
    // The watch has shown a newer copy before the answer to the write arrived.
    world.catalog.remember(finding("a", 5));
    assert_eq!(version(), "6");
}

#[test]
fn a_copy_of_another_object_or_of_none_is_dropped() {
    let world = World::listed(json!({}));
    assert!(world.catalog.remember(finding("a", 1)).is_empty());
    assert!(world.names(&own("a")).is_empty());
    let mut again = finding("a", 7);
    again.metadata.uid = Some("made anew".into());
    world.catalog.apply(again);
    world.catalog.remember(finding("a", 9));
    let members = world.catalog.members(&own("a"));
    assert_eq!(members[0].finding.metadata.uid.as_deref(), Some("made anew"));
}

#[test]
fn a_written_copy_that_belongs_elsewhere_moves_the_finding_at_once() {
    let world = World::listed(json!({}));
    world.catalog.apply(finding("a", 1));
    let elsewhere = ticket("other", &["shop", "a"], 0);
    let touched = keys(world.catalog.remember(with_issue(finding("a", 2), &elsewhere, "10")));
    assert_eq!(touched, [WorkKey::Ticket(elsewhere.clone()), WorkKey::Ticket(own("a"))]);
    assert_eq!(world.names(&elsewhere), ["a"]);
    assert!(world.names(&own("a")).is_empty());
}

#[test]
fn only_what_others_changed_is_queued() {
    let world = World::listed(json!({}));
    assert_eq!(world.catalog.apply(finding("a", 1)).len(), 1);
    assert!(world.catalog.apply(finding("a", 1)).is_empty(), "seen before");
    let written = with_issue(finding("a", 2), &own("a"), "10");
    world.catalog.remember(written.clone());
    assert!(
        world.catalog.apply(written.clone()).is_empty(),
        "a status that was written here"
    );
    let mut changed = written;
    changed.metadata.resource_version = Some("3".into());
    changed.spec.severity = crate::api::Severity::Critical;
    let work = world.catalog.apply(changed);
    assert_eq!(work, [(WorkKey::Ticket(own("a")), Lane::Urgent)]);
}

#[test]
fn a_change_that_a_write_met_is_queued_when_the_watch_shows_it() {
    let world = World::listed(json!({}));
    world.catalog.apply(finding("a", 1));
    // The id of a new issue is written onto a fresh copy, which a producer has changed meanwhile.
    let mut written = with_issue(finding("a", 3), &own("a"), "10");
    written.spec.title = "changed".into();
    world.catalog.remember(written.clone());
    assert_eq!(keys(world.catalog.apply(written)), [WorkKey::Ticket(own("a"))]);
}

#[test]
fn newcomers_take_the_lowest_slot_with_room_and_stay_there() {
    let world = World::listed(by_asset(3));
    for number in 0..7 {
        world.catalog.apply(finding(&format!("f{number}"), number));
    }
    assert_eq!(world.names(&web(0)), ["f0", "f1", "f2"]);
    assert_eq!(world.names(&web(1)), ["f3", "f4", "f5"]);
    assert_eq!(world.names(&web(2)), ["f6"]);
    // A finding that is fixed makes room, and stays a member.
    let mut fixed = finding("f1", 10);
    fixed.spec.state = crate::api::State::Fixed;
    world.catalog.apply(fixed);
    world.catalog.apply(finding("g", 11));
    assert_eq!(world.names(&web(0)), ["f0", "f1", "f2", "g"]);
    world.catalog.apply(finding("h", 12));
    assert_eq!(world.names(&web(2)), ["f6", "h"]);
    // A ticket that is gone leaves a gap.
    for name in ["f3", "f4", "f5"] {
        world.catalog.delete(&key(name));
    }
    world.catalog.apply(finding("i", 13));
    assert_eq!(world.names(&web(1)), ["i"]);
    // A copy that changes nothing about its place changes nothing about its slot.
    world.catalog.apply(finding("h", 14));
    assert_eq!(world.names(&web(2)), ["f6", "h"]);
}

#[test]
fn before_all_findings_of_a_group_are_listed_nothing_is_decided_for_it() {
    let scopes = Scope::of_watched(&["shop".into(), "bank".into()]);
    let world = World::new(scopes.clone());
    world.configure("c", by_asset(1));
    let mut older = finding("b", 2);
    older.metadata.creation_timestamp = Some(serde_json::from_value(json!("2025-01-01T00:00:00Z")).unwrap());
    world.catalog.apply(finding("a", 1));
    world.catalog.apply(older);
    assert!(world.names(&web(0)).is_empty() && world.reason("a").is_none());
    // A finding with an issue has its ticket, whose pass waits all the same.
    world.catalog.apply(with_issue(finding("d", 3), &own("d"), "10"));
    assert!(world.catalog.hold(&own("d")));
    let listed = HashSet::from([key("a"), key("b"), key("d")]);
    let after = world.catalog.relist(&scopes[0], &listed);
    assert!(!after.complete, "the other namespace is not listed");
    let touched = keys(after.work);
    assert!(touched.contains(&WorkKey::Ticket(own("d"))), "what waited goes on");
    assert!(!world.catalog.hold(&own("d")));
    // In the order of their creation.
    assert_eq!(
        (world.names(&web(0)), world.names(&web(1))),
        (vec!["b".into()], vec!["a".into()])
    );
    assert!(world.catalog.hold(&ticket("c", &["*", "asset.name", "web"], 0)));
    assert!(world.catalog.relist(&scopes[1], &HashSet::new()).complete);
    assert!(!world.catalog.hold(&ticket("c", &["*", "asset.name", "web"], 0)));
}

#[test]
fn a_configuration_that_changes_places_every_finding_anew() {
    let world = World::listed(json!({"selector": {"minSeverity": "Critical"}}));
    world.catalog.apply(finding("a", 1));
    world.catalog.apply(with_issue(finding("b", 2), &own("b"), "10"));
    assert_eq!(world.reason("a"), Some(Reason::NotSelected));
    world.catalog.place_all();
    assert!(world.catalog.place_all().is_empty(), "nothing has changed");
    world.configure("c", json!({"selector": {"minSeverity": "Critical"}, "suspend": true}));
    assert!(
        world.catalog.place_all().is_empty(),
        "nothing that decides about places"
    );
    world.configure("d", json!({}));
    let d = ticket("d", &["shop", "a"], 0);
    let touched = keys(world.catalog.place_all());
    assert_eq!(touched, [WorkKey::Ticket(d.clone()), WorkKey::Loose(key("a"))]);
    assert_eq!(world.names(&d), ["a"]);
    assert_eq!(world.names(&own("b")), ["b"], "it keeps its ticket");
}

#[test]
fn a_finding_that_arrives_while_a_configuration_changes_is_placed_by_the_new_one() {
    let world = World::listed(json!({"selector": {"minSeverity": "Critical"}}));
    world.catalog.place_all();
    world.configure("c", json!({}));
    // The change is not looked at yet.
    world.catalog.apply(finding("a", 1));
    assert_eq!(world.names(&own("a")), ["a"]);
    // The finding is placed already, others of before are not.
    assert!(world.catalog.place_all().is_empty());
}

#[test]
fn the_tickets_of_a_configuration_are_found_with_their_lanes() {
    let world = World::listed(json!({}));
    let mut critical = finding("b", 2);
    critical.spec.severity = crate::api::Severity::Critical;
    world.catalog.apply(finding("a", 1));
    world.catalog.apply(critical);
    world
        .catalog
        .apply(with_issue(finding("e", 3), &ticket("cc", &["shop", "e"], 0), "10"));
    let tickets = world.catalog.tickets_of("shop/c");
    assert_eq!(tickets, [(own("a"), Lane::Backlog), (own("b"), Lane::Urgent)]);
    assert_eq!(world.catalog.tickets_of("shop/cc").len(), 1);
    assert!(world.catalog.tickets_of("shop").is_empty());
    let mut counted = 0;
    world.catalog.for_each_ticketed(|_, _| counted += 1);
    assert_eq!(counted, 3);
}

#[test]
fn no_issue_is_kept_of_a_ticket_that_is_gone_whichever_finding_left_last() {
    let world = World::listed(by_asset(50));
    world.catalog.apply(with_issue(finding("a", 1), &web(0), "1"));
    world.catalog.apply(finding("b", 2));
    assert_eq!(world.catalog.issues_of("s"), ["1"]);
    for name in ["a", "b"] {
        assert_eq!(
            world.catalog.delete(&key(name)),
            Some((WorkKey::Ticket(web(0)), Lane::Normal))
        );
    }
    assert_eq!(world.catalog.issues_of("s"), Vec::<String>::new());
    assert_eq!(world.catalog.delete(&key("a")), None);
}

#[test]
fn an_issue_that_another_ticket_took_over_stays_known() {
    let world = World::listed(json!({}));
    world.catalog.apply(with_issue(finding("a", 1), &own("a"), "1"));
    let taker = ticket("d", &["shop", "a"], 0);
    world.catalog.apply(with_issue(finding("a", 2), &taker, "1"));
    assert_eq!(world.catalog.ticket_of_issue("s", "1"), Some(taker));
}

#[test]
fn a_deleted_finding_that_no_configuration_takes_still_has_a_ticket_whose_pass_releases_it() {
    let world = World::new(CLUSTER);
    world.catalog.relist(&Scope::Cluster, &HashSet::new());
    let mut deleted = finding("a", 1);
    deleted.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    deleted.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-02T00:00:00Z")).unwrap());
    let work = world.catalog.apply(deleted);
    let [(WorkKey::Ticket(ticket), Lane::Urgent)] = work.as_slice() else {
        panic!("{work:?}");
    };
    assert_eq!(world.names(ticket), ["a"]);
}

#[test]
fn managed_fields_are_not_kept() {
    let world = World::listed(json!({}));
    let managed = |version: u64| {
        let mut finding = finding("a", version);
        finding.metadata.managed_fields = Some(serde_json::from_value(json!([{"manager": "m"}])).unwrap());
        finding
    };
    world.catalog.apply(managed(1));
    assert_eq!(
        world.catalog.members(&own("a"))[0].finding.metadata.managed_fields,
        None
    );
    world.catalog.remember(managed(2));
    assert_eq!(
        world.catalog.members(&own("a"))[0].finding.metadata.managed_fields,
        None
    );
}
