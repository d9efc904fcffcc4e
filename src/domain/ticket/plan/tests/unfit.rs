//! What Jira would refuse is not sent, and what a dry run says.

use super::*;

#[test]
fn what_jira_would_refuse_is_not_sent_while_states_still_flow() {
    let mut world = World::new(&[State::Active], vec![]);
    world.project.priorities = serde_json::from_value(json!([{"id": "2", "name": "High"}])).unwrap();
    let wish = |world: &mut World, priority: &str| {
        let priority = Some(priority.to_owned());
        world.change(0, |finding| finding.spec.ticket.priority = priority);
    };
    wish(&mut world, "P1");
    let plan = world.settle();
    match &plan.verdict {
        Verdict::Stalled(Reason::FieldInvalid, message) => assert!(message.ends_with("it has High"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!((world.issues.len(), world.writes), (0, 0), "nothing was sent");
    wish(&mut world, "high");
    world.settle();
    assert_eq!(world.issues.len(), 1);
    wish(&mut world, "P1");
    let plan = world.settle();
    assert!(
        matches!(plan.verdict, Verdict::Stalled(Reason::FieldInvalid, _)),
        "{plan:?}"
    );
    world.change(0, |finding| finding.spec.state = State::Fixed);
    let plan = world.settle();
    assert!(matches!(plan.verdict, Verdict::Ready(Reason::Closed, _)), "{plan:?}");
    assert_eq!(world.issues[0].fields.status.as_ref().unwrap().name, "Done");
}

#[test]
fn a_dry_run_says_what_would_be_done() {
    use crate::api::preview::PreviewAction;
    let mut world = World::new(&[State::Active], vec![]);
    let action = |world: &mut World, mode: &str| {
        world.spec.mode = serde_json::from_value(json!(mode)).unwrap();
        let plan = world.settle();
        plan.preview.map(|preview| preview.action)
    };
    assert_eq!(action(&mut world, "DryRun"), Some(PreviewAction::Open));
    assert_eq!(world.writes, 0);
    assert_eq!(action(&mut world, "Live"), None);
    assert_eq!(action(&mut world, "DryRun"), Some(PreviewAction::Nothing));
    world.change(0, |finding| finding.spec.title = "another".into());
    assert_eq!(action(&mut world, "DryRun"), Some(PreviewAction::Update));
    world.change(0, |finding| finding.spec.state = State::Fixed);
    assert_eq!(action(&mut world, "DryRun"), Some(PreviewAction::Close));
    assert_eq!(action(&mut world, "Live"), None);
    world.change(0, |finding| finding.spec.state = State::Active);
    assert_eq!(action(&mut world, "DryRun"), Some(PreviewAction::Reopen));
}
