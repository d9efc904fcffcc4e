//! Edits keep their distance, and nothing is lost by waiting.

use super::*;
use crate::api::RECONCILE_ANNOTATION;
use crate::api::Severity;

const INTERVAL: i64 = 600;

/// A ticket whose content was just edited, the first time after its creation.
fn edited(states: &[State]) -> World {
    let mut world = World::new(states, vec![]);
    world.settle();
    assert!(world.edited_at.is_empty(), "a creation is no edit");
    world.now += 5;
    world.change(0, |finding| finding.spec.title.push_str(" first"));
    world.settle();
    assert_eq!(world.edited_at, [world.now], "the first edit goes at once");
    world
}

/// One pass that is not waited after.
fn pass(world: &mut World) -> Plan {
    for _ in 0..10 {
        let plan = world.decide();
        if plan.steps.is_empty() {
            world.conclude(&plan);
            return plan;
        }
        plan.steps.iter().all(|step| world.act(step));
    }
    panic!("the pass does not end");
}

fn summary(world: &World) -> &str {
    world.issues[0].fields.summary.as_deref().unwrap()
}

#[test]
fn changes_meanwhile_go_into_one_edit_and_a_restart_keeps_the_pace() {
    let mut world = edited(&[State::Active]);
    let begun = world.now;
    let mut statuses = Vec::new();
    for part in [" a", " b", " c"] {
        world.now += 10;
        world.change(0, |finding| finding.spec.title.push_str(part));
        world.memory = Memory::default();
        let plan = world.decide();
        assert_eq!(plan.steps, [], "not even a read");
        assert_eq!(plan.wake_at.unwrap().as_second(), begun + INTERVAL);
        let Verdict::Ready(Reason::InSync, message) = &plan.verdict else {
            panic!("{plan:?}")
        };
        assert!(message.contains("the next edit is due at") && message.contains("minUpdateInterval"));
        world.conclude(&plan);
        statuses.push(world.members[0].status.clone());
    }
    assert!(
        statuses.windows(2).all(|pair| pair[0] == pair[1]),
        "nothing new is told while it waits"
    );
    let plan = world.settle();
    assert_eq!(world.edited_at, [begun, begun + INTERVAL]);
    assert!(summary(&world).ends_with("first a b c"));
    assert_eq!(
        plan.verdict,
        Verdict::Ready(Reason::InSync, "in step with SEC-10000".into())
    );
}

#[test]
fn a_wish_that_passes_before_it_is_due_costs_nothing() {
    let mut world = edited(&[State::Active]);
    let title = world.members[0].spec.title.clone();
    world.change(0, |finding| finding.spec.title.push('!'));
    pass(&mut world);
    world.change(0, |finding| finding.spec.title = title);
    let plan = pass(&mut world);
    assert_eq!(
        plan.verdict,
        Verdict::Ready(Reason::InSync, "in step with SEC-10000".into())
    );
    assert_eq!(plan.wake_at, None);
    assert_eq!(world.edited_at.len(), 1);
    assert_eq!(pass(&mut world).verdict, Verdict::Unchanged);
}

#[test]
fn severity_state_and_a_persons_wish_do_not_wait() {
    let mut world = edited(&[State::Active]);
    let begun = world.now;
    let asks = |finding: &mut SecurityFinding| {
        let annotations = finding.metadata.annotations.get_or_insert_default();
        annotations.insert(RECONCILE_ANNOTATION.into(), "now".into());
    };
    type Change = Box<dyn Fn(&mut SecurityFinding)>;
    let changes: [Change; 3] = [
        Box::new(|finding| finding.spec.severity = Severity::Critical),
        Box::new(|finding| finding.spec.state = State::InProgress),
        Box::new(asks),
    ];
    for (at, hurry) in changes.into_iter().enumerate() {
        world.change(0, |finding| {
            finding.spec.title.push('!');
            finding.metadata.generation = finding.metadata.generation.map(|one| one + 1);
        });
        assert_eq!(pass(&mut world).steps, []);
        assert_eq!(world.edited_at.len(), 1 + at, "it waits");
        world.change(0, hurry);
        pass(&mut world);
        assert_eq!(world.edited_at.len(), 2 + at, "it goes at once");
        assert!(summary(&world).ends_with(&"!".repeat(at + 1)));
    }
    assert_eq!(world.now, begun);
    world.change(0, |finding| finding.spec.title.push('?'));
    pass(&mut world);
    assert_eq!(world.edited_at.len(), 4, "the next one waits again");
    // The close: edited, then moved.
    world.change(0, |finding| finding.spec.state = State::Fixed);
    pass(&mut world);
    assert!(summary(&world).ends_with('?'));
    assert_eq!(world.issues[0].fields.status.as_ref().unwrap().name, "Done");
}

#[test]
fn our_own_labels_are_put_back_without_waiting() {
    let mut world = edited(&[State::Active]);
    world.change(0, |finding| finding.spec.title.push('!'));
    world.issues[0]
        .fields
        .labels
        .retain(|label| label.starts_with("jfo-t-"));
    world.read("10000");
    let plan = pass(&mut world);
    assert_eq!(world.issues[0].fields.labels.len(), 2);
    assert_eq!(world.edited_at.len(), 1, "that is no edit of the content");
    assert!(plan.wake_at.is_some());
    world.settle();
    assert!(summary(&world).ends_with('!'));
}

#[test]
fn what_a_person_changed_is_put_right_when_it_is_due_also_after_a_restart() {
    let mut world = edited(&[State::Active]);
    world.issues[0].fields.description = None;
    world.read("10000");
    let plan = pass(&mut world);
    assert!(plan.wake_at.is_some());
    assert_eq!(world.issues[0].fields.description, None);
    world.memory = Memory::default();
    world.settle();
    assert!(world.issues[0].fields.description.is_some());
    assert_eq!(world.edited_at.len(), 2);
}

#[test]
fn one_that_joins_waits_unless_it_is_more_severe() {
    for (severity, at_once) in [(Severity::default(), false), (Severity::Critical, true)] {
        let mut world = edited(&[State::Active, State::Active]);
        let joins = world.members.pop().unwrap();
        // It was alone before; its content says so.
        pass(&mut world);
        world.now += INTERVAL;
        world.settle();
        world.change(0, |finding| finding.spec.title.push('!'));
        world.settle();
        let edits = world.edited_at.len();
        let mut joins = joins.as_ref().clone();
        joins.status = None;
        joins.spec.severity = severity;
        world.members.insert(0, Arc::new(joins));
        let stored = world.members[1].status.clone();
        let plan = pass(&mut world);
        assert_eq!(world.edited_at.len() > edits, at_once, "{severity:?}");
        assert_eq!(plan.wake_at.is_some(), !at_once);
        if !at_once {
            let sync = |at: usize| world.members[at].status.as_ref().unwrap().sync.clone().unwrap();
            assert_eq!(
                sync(0).fields,
                stored.unwrap().sync.unwrap().fields,
                "it knows what the others know"
            );
            assert_eq!(sync(0).fields, sync(1).fields);
        }
        world.settle();
        assert!(world.decide().steps.is_empty());
    }
}

proptest! {
    /// Whatever changes when, edits of the content keep their distance, and in the end the issue says what it should.
    #[test]
    fn edits_keep_their_distance(changes in prop::collection::vec((1..900i64, any::<bool>()), 1..12)) {
        let mut world = World::new(&[State::Active], vec![]);
        world.settle();
        for (pause, restart) in changes {
            // Time goes by, with a pass whenever one is due.
            let until = world.now + pause;
            while let Some(at) = pass(&mut world).wake_at.map(jiff::Timestamp::as_second).filter(|at| *at <= until) {
                world.now = at.max(world.now + 1);
            }
            world.now = until;
            world.change(0, |finding| finding.spec.title.push('!'));
            if restart {
                world.memory = Memory::default();
            }
            pass(&mut world);
        }
        world.settle();
        prop_assert!(world.edited_at.windows(2).all(|pair| pair[1] - pair[0] >= INTERVAL), "{:?}", world.edited_at);
        let wanted = world.desired().summary;
        prop_assert_eq!(summary(&world), wanted.as_str());
    }
}
