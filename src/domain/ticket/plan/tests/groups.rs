//! Tickets with several findings: those that join, those that leave, and what all of them together ask of the issue.

use super::*;

impl World {
    fn joins(&mut self, state: State) {
        let at = self.writes + 100 + self.members.len() + usize::try_from(self.now).unwrap();
        self.members.push(finding(at, state));
        self.now += 1;
    }

    fn is_deleted(&mut self, at: usize) {
        let now = self.now();
        if has_finalizer(&self.members[at]) {
            self.change(at, |finding| finding.metadata.deletion_timestamp = Some(Time(now)));
        } else {
            self.members.remove(at);
        }
    }

    fn polls(&mut self) {
        if let Some(id) = self.issues.first().map(|issue| issue.id.clone()) {
            self.read(&id);
        }
    }

    fn issue_is(&self) -> StatusCategory {
        self.issues[0].fields.status.as_ref().unwrap().category
    }
}

#[derive(Clone, Debug)]
enum Event {
    Joins(State),
    Leaves(usize),
    Moves(usize, State),
    PersonMoves(StatusCategory),
    Restart,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any_state().prop_map(Event::Joins),
        (0..4usize).prop_map(Event::Leaves),
        (0..4usize, any_state()).prop_map(|(at, state)| Event::Moves(at, state)),
        any_category().prop_map(Event::PersonMoves),
        Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_issue_is_open_as_long_as_a_member_is(
        states in prop::collection::vec(any_state(), 1..4), fates in prop::collection::vec(any_fate(), 0..3),
        events in prop::collection::vec((any_event(), any::<bool>()), 0..8), finding_wins: bool, maintain: bool,
    ) {
        let mut world = World::new(&states, fates);
        world.spec.auto_maintain = maintain;
        if finding_wins {
            world.spec.status_sync.conflict_policy = ConflictPolicy::FindingWins;
        }
        world.settle();
        for (event, rests) in events {
            match event {
                Event::Joins(state) => world.joins(state),
                Event::Leaves(at) if at < world.members.len() => world.is_deleted(at),
                Event::Moves(at, state) if at < world.members.len() => {
                    world.change(at, |finding| finding.spec.state = state);
                }
                Event::PersonMoves(category) => world.person_moves(category),
                Event::Restart => world.memory = Memory::default(),
                _ => continue,
            }
            if rests {
                world.settle();
            }
        }
        // The poll reads an issue that changed, whenever the process was restarted.
        world.polls();
        world.settle();
        prop_assert!(world.issues.len() <= 1);
        prop_assert!(world.members.iter().all(|member| !is_leaving(member)));
        let ticketed = |member: &Arc<SecurityFinding>| ticket_of(member, &world.key).is_some();
        if world.members.iter().any(ticketed) {
            prop_assert!(world.members.iter().all(|member| ticketed(member) && has_finalizer(member)));
            let open = world.effective().into_iter().any(is_open);
            prop_assert_eq!(open, world.issue_is() != StatusCategory::Done, "{:?}", world.effective());
        }
        let before: Vec<_> = world.members.iter().map(|member| member.status.clone()).collect();
        let writes = world.writes;
        world.memory = Memory::default();
        world.settle();
        let after: Vec<_> = world.members.iter().map(|member| member.status.clone()).collect();
        prop_assert_eq!(before, after);
        prop_assert_eq!(writes, world.writes);
    }
}

#[test]
fn a_newcomer_opens_an_issue_that_a_person_closed_without_it() {
    let mut world = World::new(&[State::Active], vec![]);
    world.settle();
    world.person_moves(StatusCategory::Done);
    world.settle();
    assert_eq!(world.effective(), [State::Fixed]);
    world.joins(State::Active);
    world.settle();
    assert_eq!(world.issue_is(), StatusCategory::New);
    assert_eq!(world.effective(), [State::Active, State::Active]);
}

#[test]
fn a_newcomer_takes_the_word_of_an_issue_that_is_being_worked_on() {
    let mut world = World::new(&[State::Active], vec![]);
    world.settle();
    world.person_moves(StatusCategory::Indeterminate);
    world.settle();
    world.joins(State::Active);
    world.joins(State::Fixed);
    world.settle();
    assert_eq!(world.issue_is(), StatusCategory::Indeterminate);
    assert_eq!(world.effective(), [State::InProgress, State::InProgress, State::Fixed]);
}

#[test]
fn the_issue_closes_when_the_last_open_member_is_deleted() {
    for maintain in [true, false] {
        let mut world = World::new(&[State::Fixed, State::Active], vec![]);
        world.spec.auto_maintain = maintain;
        world.settle();
        assert_eq!(world.issue_is(), StatusCategory::New);
        world.is_deleted(1);
        world.settle();
        assert_eq!(world.members.len(), 1);
        assert_eq!(world.issue_is(), StatusCategory::Done);
    }
}

#[test]
fn a_close_by_a_person_sets_every_open_member_and_leaves_the_others() {
    let mut world = World::new(&[State::Active, State::InProgress, State::Ignored], vec![]);
    world.settle();
    world.person_moves(StatusCategory::Done);
    world.settle();
    assert_eq!(world.effective(), [State::Fixed, State::Fixed, State::Ignored]);
    world.person_moves(StatusCategory::New);
    world.settle();
    assert_eq!(world.effective(), [State::Active, State::Active, State::Ignored]);
}

#[test]
fn a_group_waits_a_moment_for_more_of_its_findings_and_a_full_one_does_not() {
    let mut world = World::new(&[State::Active], vec![]);
    world.spec.grouping = serde_json::from_value(json!({"by": ["asset.name"], "maxFindings": 2})).unwrap();
    world.key.group = ["shop", "asset.name", "web"].map(str::to_owned).to_vec();
    let now = world.now();
    world.memory.note_gathering(1, now);
    let plan = world.decide();
    assert_eq!(plan.steps, []);
    assert!(plan.wake_at.is_some_and(|at| at > now));
    world.joins(State::Active);
    assert_eq!(world.decide().steps, [Step::LookUp]);
}

#[test]
fn a_record_is_handed_to_those_who_stay() {
    let mut world = World::new(&[State::Active], vec![Fate::LostBeforeApplying]);
    for _ in 0..3 {
        let plan = world.decide();
        plan.steps.iter().all(|step| world.act(step));
    }
    world.joins(State::Active);
    world.is_deleted(0);
    let plan = world.decide();
    assert_eq!(plan.steps, [Step::Hold]);
    plan.steps.iter().all(|step| world.act(step));
    let plan = world.decide();
    assert!(matches!(plan.steps[..], [Step::HandOver { .. }]), "{plan:?}");
    plan.steps.iter().all(|step| world.act(step));
    assert_eq!(world.decide().steps, [Step::Release { partial: true }]);
    world.settle();
    assert_eq!((world.members.len(), world.issues.len()), (1, 1));
}
