//! Plans are carried out against a small model of Jira: whatever happened before, carrying out what was decided and
//! deciding again gives nothing, and there is never more than one issue.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;
use serde_json::json;

use crate::api::ticket_configuration::{Adoption, ConflictPolicy, DeletionPolicy, Direction, TicketConfigurationSpec};
use crate::api::{FINALIZER, Reason, SecurityFinding, State};
use crate::domain::content::{Desired, claiming, creation, desired};
use crate::domain::content::{note_change, written};
use crate::domain::identity::{PROPERTY, Property, Record, TicketKey, claim};
use crate::domain::ticket::memory::{Attempt, IssueKnowledge, Memory, Refusal};

use crate::domain::state::table::{default_category, is_open};
use crate::domain::ticket::plan::*;
use crate::domain::ticket::status::{FindingReport, TicketReport, next};
use crate::jira::model::{Issue, IssueTypeMeta, StatusCategory, StatusDetails};
use crate::jira::{Assignable, ProjectMeta};

mod adoption;
mod groups;
mod pace;
mod unfit;

const INSTANCE: &str = "test";
const TIMING: Timing = Timing {
    send_window: Duration::from_secs(20),
    request_timeout: Duration::from_secs(30),
    index_lag: Duration::from_mins(2),
};

/// What becomes of the reply to a creation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Replied,
    LostAfterApplying,
    LostBeforeApplying,
    /// The process dies after the request, applied or not.
    DiedAfterApplying,
    DiedBeforeApplying,
}

struct World {
    key: TicketKey,
    members: Vec<Arc<SecurityFinding>>,
    spec: TicketConfigurationSpec,
    project: ProjectMeta,
    issues: Vec<Issue>,
    memory: Memory,
    now: i64,
    fates: Vec<Fate>,
    writes: usize,
    edited_at: Vec<i64>,
}

fn status(category: StatusCategory) -> StatusDetails {
    let (id, name) = match category {
        StatusCategory::Indeterminate => ("2", "In Progress"),
        StatusCategory::Done => ("3", "Done"),
        _ => ("1", "To Do"),
    };
    StatusDetails {
        id: id.into(),
        name: name.into(),
        category,
    }
}

fn finding(at: usize, state: State) -> Arc<SecurityFinding> {
    let finding = json!({
        "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
        "metadata": {"name": format!("f{at}"), "namespace": "shop", "generation": 1},
        "spec": {"title": "t", "fingerprint": "same", "state": state.as_str()},
    });
    Arc::new(serde_json::from_value(finding).unwrap())
}

impl World {
    fn new(states: &[State], fates: Vec<Fate>) -> Self {
        let members = states
            .iter()
            .enumerate()
            .map(|(at, state)| finding(at, *state))
            .collect();
        let key = TicketKey {
            configuration: "shop/c".into(),
            group: vec!["shop".into(), "same".into()],
            slot: 0,
        };
        Self {
            key,
            members,
            spec: serde_json::from_value(json!({
                "connectionRef": {"name": "acme"}, "projectKey": "SEC", "issueType": "Bug",
            }))
            .unwrap(),
            project: ProjectMeta {
                project_id: "1".into(),
                key: "SEC".into(),
                name: "Security".into(),
                issue_type: IssueTypeMeta {
                    id: "1".into(),
                    name: "Bug".into(),
                    subtask: false,
                },
                fields: Vec::new(),
                statuses: Vec::new(),
                priorities: Vec::new(),
            },
            issues: Vec::new(),
            memory: Memory::default(),
            now: 1_000_000,
            fates,
            writes: 0,
            edited_at: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap()
    }

    fn desired(&self) -> Desired {
        desired(&self.members, &self.spec, None, 1, &self.project, INSTANCE, &self.key)
    }

    fn decide(&mut self) -> Plan {
        if let Some(record) = open_record(&self.members, &self.key, &self.memory) {
            let now = self.now();
            self.memory.note_record(&record, now);
        }
        let desired = self.desired();
        let observed = Observed {
            instance: INSTANCE,
            key: &self.key,
            members: &self.members,
            configuration: Some(ConfigurationView {
                spec: &self.spec,
                generation: 1,
                state: Some(Ok(&desired)),
            }),
            connection: Some(Ok(ConnectionView {
                cloud_id: "site".into(),
                request_timeout: TIMING.request_timeout,
            })),
            memory: &self.memory,
            dry_run: false,
            timing: TIMING,
        };
        decide(&observed, self.now())
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut SecurityFinding)) {
        change(Arc::make_mut(&mut self.members[at]));
    }

    fn issue_mut(&mut self, id: &str) -> &mut Issue {
        self.issues.iter_mut().find(|issue| issue.id == id).unwrap()
    }

    fn read(&mut self, id: &str) {
        match self.issues.iter().find(|issue| issue.id == id) {
            Some(issue) => self.memory.issue = IssueKnowledge::Present(Box::new(issue.clone())),
            None => self.memory.issue = IssueKnowledge::Absent,
        }
    }

    fn found(&mut self, wanted: Option<u32>) -> bool {
        let claim = claim(&self.issues, INSTANCE, &self.key, wanted);
        assert!(claim.duplicates.is_empty(), "two issues for one thing");
        let Some(issue) = claim.issue else { return false };
        self.memory.found = Some((issue.id.clone(), issue.key.clone()));
        self.memory.incarnation = Some(claim.incarnation);
        self.memory.issue = IssueKnowledge::Present(Box::new(issue));
        true
    }

    /// Marks a member that is not being deleted.
    fn mark(&mut self, at: usize, record: Option<&Record>) {
        if is_leaving(&self.members[at]) {
            return;
        }
        self.change(at, |finding| {
            let Some(record) = record else {
                finding.metadata.finalizers = Some(vec![FINALIZER.into()]);
                return;
            };
            assert!(has_finalizer(finding), "the finalizer comes first");
            let ticket = finding.status.get_or_insert_default().ticket.get_or_insert_default();
            if ticket.id.is_none() {
                ticket.configuration.clone_from(&record.configuration);
                ticket.group.clone_from(&record.group);
                ticket.slot = record.slot;
            }
            ticket.attempt = Some(record.clone());
        });
    }

    fn create(&mut self, incarnation: u32) -> bool {
        let record = Record {
            nonce: format!("n{}", self.now + i64::try_from(self.issues.len()).unwrap()),
            time: Some(Time(self.now())),
            configuration: self.key.configuration.clone(),
            group: self.key.group.clone(),
            slot: 0,
            incarnation,
            label: self.key.label(INSTANCE),
            project: "SEC".into(),
            site: Some("site".into()),
            highest: 0,
        };
        (0..self.members.len()).for_each(|at| self.mark(at, Some(&record)));
        let first_seen = self.now();
        self.memory.attempt = Some(Attempt {
            record: Box::new(record.clone()),
            first_seen,
            searched: None,
            searches: 0,
        });
        let fate = self.fates.pop().unwrap_or(Fate::Replied);
        let applied = !matches!(fate, Fate::LostBeforeApplying | Fate::DiedBeforeApplying);
        if applied {
            let body = creation(&self.desired(), &self.project, INSTANCE, &self.key, incarnation);
            let id = (10_000 + self.issues.len()).to_string();
            let mut issue = Issue {
                id: id.clone(),
                key: format!("SEC-{id}"),
                ..Issue::default()
            };
            issue.fields.summary = body.fields["summary"].as_str().map(str::to_owned);
            issue.fields.description = body.fields.get("description").cloned();
            issue.fields.labels =
                serde_json::from_value(body.fields.get("labels").cloned().unwrap_or(json!([]))).unwrap();
            issue.fields.status = Some(status(StatusCategory::New));
            issue
                .properties
                .insert(PROPERTY.into(), body.properties[0].value.clone());
            self.issues.push(issue);
        }
        match fate {
            Fate::Replied => {
                let issue = self.issues.last().unwrap().clone();
                self.memory.settle(&record.nonce);
                self.memory.found = Some((issue.id.clone(), issue.key.clone()));
                self.memory.incarnation = Some(incarnation);
                true
            }
            Fate::LostAfterApplying | Fate::LostBeforeApplying => {
                self.memory.found_nothing_at = None;
                false
            }
            Fate::DiedAfterApplying | Fate::DiedBeforeApplying => {
                self.memory = Memory::default();
                false
            }
        }
    }

    fn take(&mut self, issue: Issue) {
        self.memory.found = Some((issue.id.clone(), issue.key.clone()));
        self.memory.incarnation = Some(1);
        self.memory.issue = IssueKnowledge::Present(Box::new(issue));
    }

    fn adopt(&mut self, key: &str) -> bool {
        let at = self.issues.iter().position(|issue| issue.key == key);
        let named = at.map(|at| &self.issues[at]);
        if let Some(fault) = refuse_adoption(key, named, INSTANCE, &self.key, &self.project) {
            self.memory.refusal = Some(Refusal {
                cause: self.desired().cause,
                fault,
                retry_at: Timestamp::from_second(self.now + 3_600).unwrap(),
            });
            return false;
        }
        self.memory.found_nothing_at = None;
        for at in 0..self.members.len() {
            self.change(at, |finding| finding.metadata.finalizers = Some(vec![FINALIZER.into()]));
        }
        let fate = self.fates.pop().unwrap_or(Fate::Replied);
        let issue = &mut self.issues[at.unwrap()];
        if !matches!(fate, Fate::LostBeforeApplying | Fate::DiedBeforeApplying) {
            let edit = claiming(INSTANCE, &self.key);
            issue
                .properties
                .insert(PROPERTY.into(), edit.properties[0].value.clone());
            let added = edit.update["labels"].as_array().unwrap().iter();
            issue
                .fields
                .labels
                .extend(added.map(|one| one["add"].as_str().unwrap().to_owned()));
        }
        let issue = issue.clone();
        match fate {
            Fate::Replied => {
                self.take(issue);
                true
            }
            Fate::LostAfterApplying | Fate::LostBeforeApplying => false,
            Fate::DiedAfterApplying | Fate::DiedBeforeApplying => {
                self.memory = Memory::default();
                false
            }
        }
    }

    /// An issue that a person made, which the findings name.
    fn named(states: &[State], category: StatusCategory, fates: Vec<Fate>) -> Self {
        let mut world = Self::new(states, fates);
        world.spec.adoption = Adoption::Allowed;
        let mut issue = Issue {
            id: "42".into(),
            key: "SEC-42".into(),
            ..Issue::default()
        };
        issue.fields.summary = Some("a person's".into());
        issue.fields.description = Some(json!("a person's"));
        issue.fields.labels = vec!["a-persons".into()];
        issue.fields.status = Some(status(category));
        issue.fields.project = serde_json::from_value(json!({"id": "1", "key": "SEC"})).unwrap();
        issue.fields.issuetype = serde_json::from_value(json!({"id": "1", "name": "Bug"})).unwrap();
        world.issues.push(issue);
        for at in 0..states.len() {
            world.change(at, |finding| finding.spec.ticket.issue_key = Some("SEC-42".into()));
        }
        world
    }

    /// Decides and acts until the first rest.
    fn pass(&mut self) -> Plan {
        for _ in 0..20 {
            let plan = self.decide();
            if plan.steps.is_empty() {
                self.conclude(&plan);
                return plan;
            }
            plan.steps.iter().all(|step| self.act(step));
        }
        panic!("it never comes to rest: {:?}", self.decide().steps);
    }

    fn act(&mut self, step: &Step) -> bool {
        match step {
            Step::LookUp => {
                if !self.found(None) {
                    self.memory.found_nothing_at = Some(self.now());
                }
            }
            Step::FindAttempt { record } => {
                let begun = self.now();
                if self.found(Some(record.incarnation)) {
                    self.memory.settle(&record.nonce);
                } else if let Some(attempt) = &mut self.memory.attempt {
                    attempt.searched = Some(begun);
                    attempt.searches += 1;
                }
            }
            Step::Settle { nonce } => {
                self.memory.settle(nonce);
            }
            Step::Create { incarnation } => return self.create(*incarnation),
            Step::Adopt { key } => return self.adopt(key),
            Step::FindClaim { key } => {
                let named = self.issues.iter().find(|issue| issue.key == *key).cloned();
                match named.filter(|issue| Property::of(issue).is_some_and(|one| one.proves(INSTANCE, &self.key))) {
                    Some(issue) => self.take(issue),
                    None => self.memory.found_nothing_at = Some(self.now()),
                }
            }
            Step::Read { id } => self.read(id),
            Step::ResolveAssignee => {
                let wish = self.desired().hashes["assignee"].clone();
                self.memory.assignable = Some((wish, Assignable::Account("somebody".into())));
            }
            Step::Edit { id, change } => {
                self.writes += 1;
                let desired = self.desired();
                note_change(&mut self.memory.sent, &desired, change);
                if !change.is_repair() {
                    self.memory.edited = Some(self.now());
                    self.edited_at.push(self.now);
                }
                let property = written(&desired, self.issue_mut(id), change);
                change.apply_to(self.issue_mut(id));
                if let Some(property) = property {
                    let value = serde_json::to_value(property).unwrap();
                    self.issue_mut(id).properties.insert(PROPERTY.into(), value);
                }
                self.read(id);
            }
            Step::Transition { id, goal } => {
                self.writes += 1;
                let issue = self.issue_mut(id);
                issue.fields.status = Some(status(default_category(*goal)));
                let mut property = Property::of(issue).unwrap_or_default();
                property.state = Some(*goal);
                property.pushes += 1;
                issue
                    .properties
                    .insert(PROPERTY.into(), serde_json::to_value(property).unwrap());
                self.read(id);
            }
            Step::ExplainClose { .. } => self.memory.close_commented = true,
            Step::Delete { id } => {
                self.issues.retain(|issue| issue.id != *id);
                self.memory.issue = IssueKnowledge::Absent;
            }
            Step::LeaveOpen { .. } => {}
            Step::Hold => (0..self.members.len()).for_each(|at| self.mark(at, None)),
            Step::HandOver { record } => {
                (0..self.members.len()).for_each(|at| self.mark(at, Some(record)));
            }
            Step::Release { partial } => {
                self.members.retain(|member| !is_leaving(member));
                return *partial;
            }
        }
        true
    }

    fn conclude(&mut self, plan: &Plan) {
        let shared = stored_ticket(&self.members, &self.key).cloned();
        let ticket = TicketReport {
            key: &self.key,
            issue: &self.memory.issue,
            found: self.memory.found.as_ref(),
            incarnation: self.memory.incarnation,
            settled: &self.memory.settled,
            site: Some("site"),
            base_url: Some("https://acme.test"),
            shared: shared.as_ref(),
            duplicates: None,
            assignee_missing: None,
            assignee_wished: false,
        };
        let mut plans = plan.members.iter();
        let now = self.now();
        let statuses: Vec<_> = self
            .members
            .iter()
            .map(|member| {
                let decided = if is_leaving(member) { None } else { plans.next() };
                let state = decided.map(|one| (one.state, one.source, one.base.as_ref()));
                let report = FindingReport {
                    verdict: &plan.verdict,
                    selection: None,
                    state,
                    preview: plan.preview.as_deref(),
                    ticket: Some(&ticket),
                };
                next(member, &report, now)
            })
            .collect();
        for (at, status) in statuses.into_iter().enumerate() {
            self.change(at, |finding| finding.status = Some(status));
        }
        self.memory.note_stored();
        if matches!(plan.verdict, Verdict::Ready(..) | Verdict::Unchanged) {
            self.memory = Memory::default();
        }
    }

    /// Passes until nothing is left to do, letting time go by where a plan waits.
    fn settle(&mut self) -> Plan {
        for _ in 0..100 {
            if self.members.is_empty() {
                return Plan {
                    steps: vec![],
                    verdict: Verdict::Keep,
                    wake_at: None,
                    members: vec![],
                    preview: None,
                };
            }
            let plan = self.decide();
            if plan.steps.is_empty() {
                self.conclude(&plan);
                match plan.wake_at {
                    Some(at) => self.now = at.as_second().max(self.now + 1),
                    None => return plan,
                }
                continue;
            }
            for step in &plan.steps {
                if !self.act(step) {
                    break;
                }
            }
        }
        panic!("it never comes to rest: {:?}", self.decide().steps);
    }

    fn person_moves(&mut self, category: StatusCategory) {
        if let Some(issue) = self.issues.first_mut() {
            issue.fields.status = Some(status(category));
            let id = issue.id.clone();
            self.read(&id);
        }
    }

    fn effective(&self) -> Vec<State> {
        self.members
            .iter()
            .map(|member| member.status.as_ref().unwrap().state.unwrap())
            .collect()
    }
}

fn any_state() -> impl Strategy<Value = State> {
    prop::sample::select(vec![
        State::Active,
        State::InProgress,
        State::Fixed,
        State::Ignored,
        State::Potential,
    ])
}

fn any_category() -> impl Strategy<Value = StatusCategory> {
    prop::sample::select(vec![
        StatusCategory::New,
        StatusCategory::Indeterminate,
        StatusCategory::Done,
    ])
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop::sample::select(vec![
        Fate::Replied,
        Fate::LostAfterApplying,
        Fate::LostBeforeApplying,
        Fate::DiedAfterApplying,
        Fate::DiedBeforeApplying,
    ])
}

#[derive(Clone, Debug)]
enum Happening {
    FindingMoves(usize, State),
    PersonMoves(StatusCategory),
    TitleChanges(usize),
    Restart,
    StatusLost,
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..2usize, any_state()).prop_map(|(at, state)| Happening::FindingMoves(at, state)),
        any_category().prop_map(Happening::PersonMoves),
        (0..2usize).prop_map(Happening::TitleChanges),
        Just(Happening::Restart),
        Just(Happening::StatusLost),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_comes_to_rest_with_one_issue(
        first in any_state(), second in any_state(), several: bool,
        fates in prop::collection::vec(any_fate(), 0..3),
        happenings in prop::collection::vec(any_happening(), 0..6),
        direction in 0..3usize, finding_wins: bool, sync: bool, maintain: bool,
    ) {
        let states = if several { vec![first, second] } else { vec![first] };
        let mut world = World::new(&states, fates);
        world.spec.status_sync.direction =
            [Direction::Bidirectional, Direction::FromJira, Direction::ToJira][direction];
        world.spec.status_sync.enabled = sync;
        world.spec.auto_maintain = maintain;
        if finding_wins {
            world.spec.status_sync.conflict_policy = ConflictPolicy::FindingWins;
        }
        world.settle();
        for happening in happenings {
            match happening {
                Happening::FindingMoves(at, state) if at < world.members.len() => {
                    world.change(at, |finding| finding.spec.state = state);
                }
                Happening::TitleChanges(at) if at < world.members.len() => {
                    world.change(at, |finding| finding.spec.title.push('!'));
                }
                Happening::PersonMoves(category) if sync => world.person_moves(category),
                Happening::Restart => world.memory = Memory::default(),
                Happening::StatusLost => {
                    world.memory = Memory::default();
                    for at in 0..world.members.len() {
                        world.change(at, |finding| {
                            finding.status = None;
                            finding.metadata.annotations = None;
                        });
                    }
                }
                _ => continue,
            }
            world.settle();
        }
        prop_assert!(world.issues.len() <= 1);
        // At rest: deciding again, also after a restart, does nothing and writes nothing.
        let before: Vec<_> = world.members.iter().map(|member| member.status.clone()).collect();
        let writes = world.writes;
        world.memory = Memory::default();
        world.settle();
        let after: Vec<_> = world.members.iter().map(|member| member.status.clone()).collect();
        prop_assert_eq!(before, after);
        prop_assert_eq!(writes, world.writes);
    }

    #[test]
    fn a_named_issue_is_adopted_once_and_never_deleted(
        first in any_state(), second in any_state(), several: bool, category in any_category(),
        fates in prop::collection::vec(any_fate(), 0..3), finding_wins: bool, lost: bool, early: bool,
    ) {
        let states = if several { vec![first, second] } else { vec![first] };
        let mut world = World::named(&states, category, fates);
        world.spec.deletion_policy = DeletionPolicy::Delete;
        if finding_wins {
            world.spec.status_sync.conflict_policy = ConflictPolicy::FindingWins;
        }
        let open = states.iter().any(|state| is_open(*state));
        if early {
            for _ in 0..2 {
                let plan = world.decide();
                plan.steps.iter().all(|step| world.act(step));
            }
        } else {
            world.settle();
            prop_assert_eq!(stored_ticket(&world.members, &world.key).is_some_and(|ticket| ticket.adopted), open);
        }
        if lost {
            world.memory = Memory::default();
            for at in 0..world.members.len() {
                world.change(at, |finding| finding.status = None);
            }
            world.settle();
        }
        prop_assert_eq!(world.issues.len(), 1);
        prop_assert_eq!(&world.issues[0].fields.description, &Some(json!("a person's")));
        prop_assert_eq!(world.issues[0].fields.summary.as_deref(), Some("a person's"));
        prop_assert!(world.issues[0].fields.labels.contains(&"a-persons".to_owned()));
        prop_assert_eq!(Property::of(&world.issues[0]).is_none_or(|property| property.adopted), true);
        let now = world.now();
        for at in 0..world.members.len() {
            world.change(at, |finding| finding.metadata.deletion_timestamp = Some(Time(now)));
        }
        world.settle();
        prop_assert_eq!(world.issues.len(), 1, "the issue is a person's");
        if Property::of(&world.issues[0]).is_some() {
            let done = world.issues[0].fields.status.as_ref().unwrap().category == StatusCategory::Done;
            prop_assert!(done, "it is closed");
        }
    }

    #[test]
    fn a_deleted_finding_is_let_go_with_its_issue_dealt_with(
        state in any_state(), fates in prop::collection::vec(any_fate(), 0..3), policy in 0..3usize, settled: bool,
    ) {
        let mut world = World::new(&[state], fates);
        world.spec.deletion_policy = [DeletionPolicy::Close, DeletionPolicy::Orphan, DeletionPolicy::Delete][policy];
        if settled {
            world.settle();
        } else {
            for _ in 0..3 {
                let plan = world.decide();
                plan.steps.iter().all(|step| world.act(step));
            }
        }
        let now = world.now();
        world.change(0, |finding| finding.metadata.deletion_timestamp = Some(Time(now)));
        let held = has_finalizer(&world.members[0]);
        world.settle();
        prop_assert_eq!(held, world.members.is_empty());
        prop_assert!(world.issues.len() <= 1);
        if let Some(issue) = world.issues.first() {
            let done = issue.fields.status.as_ref().unwrap().category == StatusCategory::Done;
            match world.spec.deletion_policy {
                DeletionPolicy::Close => prop_assert!(done),
                DeletionPolicy::Delete => prop_assert!(false, "the issue should be gone"),
                _ => {}
            }
        }
    }
}

#[test]
fn a_finding_is_ticketed_pushed_pulled_and_closed() {
    let mut world = World::new(&[State::Active], vec![]);
    world.settle();
    assert_eq!(world.issues.len(), 1);
    assert_eq!(world.effective(), [State::Active]);
    world.person_moves(StatusCategory::Indeterminate);
    world.settle();
    assert_eq!(world.effective(), [State::InProgress]);
    world.change(0, |finding| finding.spec.state = State::Fixed);
    let plan = world.settle();
    assert_eq!(
        plan.verdict,
        Verdict::Ready(Reason::Closed, "SEC-10000 is closed".into())
    );
    assert_eq!(world.issues[0].fields.status.as_ref().unwrap().name, "Done");
    world.change(0, |finding| finding.spec.state = State::Active);
    world.settle();
    assert_eq!(world.issues[0].fields.status.as_ref().unwrap().name, "To Do");
    assert_eq!(world.issues.len(), 1);
}

#[test]
fn a_shared_ticket_closes_with_its_last_open_member() {
    let mut world = World::new(&[State::Active, State::Active], vec![]);
    world.settle();
    world.change(0, |finding| finding.spec.state = State::Fixed);
    world.settle();
    assert_eq!(world.issues[0].fields.status.as_ref().unwrap().name, "To Do");
    assert_eq!(world.effective(), [State::Fixed, State::Active]);
    world.change(1, |finding| finding.spec.state = State::Fixed);
    world.settle();
    assert_eq!(world.issues[0].fields.status.as_ref().unwrap().name, "Done");
    assert!(world.effective().iter().all(|state| !is_open(*state)));
}

#[test]
fn an_unknown_outcome_waits_out_its_span_before_another_creation() {
    let mut world = World::new(&[State::Active], vec![Fate::LostBeforeApplying]);
    let begun = world.now;
    world.settle();
    assert_eq!(world.issues.len(), 1);
    assert!(world.now - begun >= i64::try_from(TIMING.unknown_span().as_secs()).unwrap());
}

#[test]
fn nothing_is_written_to_an_issue_of_another_site() {
    let mut world = World::new(&[State::Active], vec![]);
    world.settle();
    world.change(0, |finding| {
        finding.status.as_mut().unwrap().ticket.as_mut().unwrap().site = Some("elsewhere".into());
        finding.spec.state = State::Fixed;
    });
    let writes = world.writes;
    let plan = world.settle();
    assert!(
        matches!(plan.verdict, Verdict::Stalled(Reason::SiteChanged, _)),
        "{plan:?}"
    );
    assert_eq!(world.writes, writes);
}

#[test]
fn a_lost_issue_is_told_and_not_opened_again() {
    let mut world = World::new(&[State::Active], vec![]);
    world.settle();
    world.issues.clear();
    world.change(0, |finding| finding.spec.title.push('!'));
    let plan = world.settle();
    assert!(
        matches!(plan.verdict, Verdict::Stalled(Reason::IssueLost, _)),
        "{plan:?}"
    );
    assert!(world.issues.is_empty());
}

#[test]
fn nothing_is_written_to_an_issue_that_is_not_ours() {
    let mut world = World::new(&[State::Active], vec![]);
    world.settle();
    let foreign = Property::new("other-cluster", &world.key, 1, None);
    let value = serde_json::to_value(foreign).unwrap();
    world.issues[0].properties.insert(PROPERTY.into(), value);
    world.change(0, |finding| finding.spec.state = State::Fixed);
    let writes = world.writes;
    let plan = world.settle();
    assert!(
        matches!(plan.verdict, Verdict::Stalled(Reason::IssueNotOurs, _)),
        "{plan:?}"
    );
    assert_eq!(world.writes, writes);
    // Somebody removed the property; the label still says whose it is.
    world.issues[0].properties.clear();
    world.memory = Memory::default();
    world.settle();
    assert_eq!(world.issues[0].fields.status.as_ref().unwrap().name, "Done");
}
