//! Tickets whose findings name an existing issue.

use super::*;

fn stalled(plan: &Plan) -> Option<(Reason, &str)> {
    match &plan.verdict {
        Verdict::Stalled(reason, message) => Some((*reason, message)),
        _ => None,
    }
}

#[test]
fn a_named_issue_that_cannot_be_adopted_is_told_and_none_is_opened_instead() {
    type Spoil = fn(&mut World);
    let cases: [(Spoil, Reason, &str); 7] = [
        (
            |world| world.spec.adoption = Adoption::Forbidden,
            Reason::AdoptionForbidden,
            "SEC-42",
        ),
        (
            |world| world.issues.clear(),
            Reason::IssueNotAdoptable,
            "SEC-42 does not exist",
        ),
        (
            |world| world.issues[0].fields.project.as_mut().unwrap().id = "2".into(),
            Reason::IssueNotAdoptable,
            "project",
        ),
        (
            |world| world.issues[0].fields.issuetype.as_mut().unwrap().id = "2".into(),
            Reason::IssueNotAdoptable,
            "issue type",
        ),
        (
            |world| world.change(1, |finding| finding.spec.ticket.issue_key = Some("SEC-7".into())),
            Reason::IssueNotAdoptable,
            "SEC-42, SEC-7",
        ),
        (
            |world| {
                let other = TicketKey {
                    group: vec!["shop".into(), "another".into()],
                    ..world.key.clone()
                };
                let value = serde_json::to_value(Property::adopting(INSTANCE, &other)).unwrap();
                world.issues[0].properties.insert(PROPERTY.into(), value);
            },
            Reason::IssueAlreadyClaimed,
            "shop/another under configuration shop/c;",
        ),
        (
            |world| {
                let value = serde_json::to_value(Property::adopting("elsewhere", &world.key)).unwrap();
                world.issues[0].properties.insert(PROPERTY.into(), value);
            },
            Reason::IssueAlreadyClaimed,
            "of installation elsewhere",
        ),
    ];
    for (spoil, reason, text) in cases {
        let mut world = World::named(&[State::Active, State::Active], StatusCategory::New, vec![]);
        spoil(&mut world);
        let before = world.issues.clone();
        let plan = world.pass();
        let (told, message) = stalled(&plan).unwrap_or_else(|| panic!("{plan:?}"));
        assert_eq!(told, reason, "{message}");
        assert!(message.contains(text), "{message}");
        assert_eq!(world.issues, before, "{reason}");
        assert!(!has_finalizer(&world.members[0]), "{reason}");
    }
}

#[test]
fn a_refused_adoption_is_tried_again_after_its_pause_and_when_it_may_have_been_cured() {
    let mut world = World::named(&[State::Active], StatusCategory::New, vec![]);
    let issue = world.issues.remove(0);
    let plan = world.pass();
    assert_eq!(plan.wake_at.map(Timestamp::as_second), Some(world.now + 3_600));
    world.issues.push(issue);
    assert!(stalled(&world.pass()).is_some(), "the refusal stands");
    let refused = world.memory.clone();
    for cure in 0..3 {
        let mut memory = refused.clone();
        let mut now = world.now;
        match cure {
            0 => memory.note_wish(),
            1 => now += 3_601,
            _ => world.change(0, |finding| finding.spec.title.push('!')),
        }
        let (before, was) = (
            std::mem::replace(&mut world.memory, memory),
            std::mem::replace(&mut world.now, now),
        );
        assert!(!world.decide().steps.is_empty(), "cure {cure}");
        (world.memory, world.now) = (before, was);
    }
    world.pass();
    assert!(stored_ticket(&world.members, &world.key).is_some_and(|ticket| ticket.adopted));
}

#[test]
fn a_key_named_later_is_not_heard_by_a_finding_with_a_ticket() {
    let mut world = World::new(&[State::Active], vec![]);
    world.settle();
    world.change(0, |finding| finding.spec.ticket.issue_key = Some("SEC-42".into()));
    world.memory = Memory::default();
    let plan = world.settle();
    assert!(stalled(&plan).is_none(), "{plan:?}");
    assert_eq!(world.issues.len(), 1);
}

#[test]
fn a_dry_run_tells_which_issue_would_be_adopted() {
    let mut world = World::named(&[State::Active], StatusCategory::New, vec![]);
    world.spec.mode = Mode::DryRun;
    let plan = world.pass();
    assert_eq!(
        plan.verdict,
        Verdict::Ready(Reason::DryRun, "dry run: would adopt SEC-42".into())
    );
    assert!(world.issues[0].properties.is_empty());
}
