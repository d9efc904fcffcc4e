//! The three-way merge between a finding's own state and its issue's status.
//!
//! The base is what both sides last agreed on, raw: the finding's state and the ids of the issue's status and
//! resolution. Only a raw change counts as a move, so editing the mapping moves nothing, and an issue that a person
//! moves between two statuses of one state moves nothing either.

use crate::api::State;
use crate::api::security_finding::{StateSource, SyncBase};
use crate::api::ticket_configuration::{ConflictPolicy, Direction, StatusSync};
use crate::jira::model::{Resolution, StatusCategory, StatusDetails};

use crate::domain::state::table::{from_jira, is_open, is_satisfied};

/// The issue's side of a merge.
#[derive(Clone, Copy, Debug)]
pub struct IssueSide<'a> {
    /// Its status now.
    pub status: &'a StatusDetails,
    /// Its resolution now.
    pub resolution: Option<&'a Resolution>,
    /// The state the operator last pushed to it, as its property says.
    pub pushed: Option<State>,
    /// How often the operator has pushed to it, as its property says.
    pub pushes: u32,
}

/// What a merge decides for one finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Neither side moved, or status does not flow: nothing changes.
    Keep,
    /// The sides agree: the base is brought up to date, the effective state is the finding's own.
    Agree,
    /// The issue moved: its word is the effective state, the base is brought up to date.
    Pull(State),
    /// The finding moved: the issue should follow.
    Push,
}

/// Merges one finding with its issue.
pub fn merge(own: State, base: Option<&SyncBase>, issue: IssueSide<'_>, sync: &StatusSync) -> Merge {
    if !sync.enabled {
        return Merge::Keep;
    }
    // After a restore the stored base may be older than the last push; then the issue's property is the base.
    let base = base.filter(|base| base.pushes >= issue.pushes);
    let (finding_moved, issue_moved) = if issue.pushed.is_none() && base.is_none_or(is_blank) {
        first_meeting(own, issue, sync)
    } else {
        (finding_moved(own, base, issue.pushed), issue_moved(base, issue, sync))
    };
    let satisfied = is_satisfied(own, issue.status, &sync.mapping);
    let (may_push, may_pull) = (may_push(sync), may_pull(sync));
    match (finding_moved, issue_moved) {
        (false, false) => Merge::Keep,
        _ if satisfied => Merge::Agree,
        (false, true) if may_pull => pull(issue, sync),
        (true, false) if may_push => Merge::Push,
        (true, true) if may_push && may_pull => match sync.conflict_policy {
            ConflictPolicy::FindingWins => Merge::Push,
            ConflictPolicy::JiraWins | ConflictPolicy::Unrecognised => pull(issue, sync),
        },
        (true, true) if may_pull => pull(issue, sync),
        (true, true) if may_push => Merge::Push,
        _ => Merge::Keep,
    }
}

/// Whether the issue follows its findings.
pub const fn may_push(sync: &StatusSync) -> bool {
    sync.enabled && matches!(sync.direction, Direction::Bidirectional | Direction::ToJira)
}

/// Whether findings follow their issue.
pub const fn may_pull(sync: &StatusSync) -> bool {
    sync.enabled && !matches!(sync.direction, Direction::ToJira)
}

/// Whether a finding's own state differs from what was last agreed. Without a base, the state pushed last counts.
pub fn finding_moved(own: State, base: Option<&SyncBase>, pushed: Option<State>) -> bool {
    match base.and_then(|base| base.state) {
        Some(agreed) => agreed != own,
        None => pushed != Some(own),
    }
}

/// Whether an issue's status or resolution differs from what was last agreed. Without a base, an issue that stands
/// where the operator put it has not moved, and one that was never moved has not either.
fn issue_moved(base: Option<&SyncBase>, issue: IssueSide<'_>, sync: &StatusSync) -> bool {
    match base.and_then(|base| base.status_id.as_deref().map(|id| (id, base.resolution_id.as_deref()))) {
        Some((status, resolution)) => {
            status != issue.status.id || resolution != issue.resolution.map(|resolution| resolution.id.as_str())
        }
        None => issue
            .pushed
            .is_some_and(|pushed| !is_satisfied(pushed, issue.status, &sync.mapping)),
    }
}

/// Whether nothing was ever agreed about status.
const fn is_blank(base: &SyncBase) -> bool {
    base.state.is_none() && base.status_id.is_none()
}

/// Who counts as moved where nothing was ever agreed and nothing pushed, as on an issue that a person made: a finding
/// says `Active` and an issue waits until somebody moves them. An open finding and an issue that is done contradict each
/// other, whoever was first.
fn first_meeting(own: State, issue: IssueSide<'_>, sync: &StatusSync) -> (bool, bool) {
    let contradicts = is_open(own) && issue.status.category == StatusCategory::Done;
    let agrees = is_satisfied(own, issue.status, &sync.mapping);
    let issue_moved = !is_satisfied(State::Active, issue.status, &sync.mapping);
    (own != State::Active || contradicts || agrees, issue_moved)
}

fn pull(issue: IssueSide<'_>, sync: &StatusSync) -> Merge {
    Merge::Pull(from_jira(issue.status, issue.resolution, &sync.mapping))
}

/// Whose word a state is after a merge.
pub const fn source_of(merge: Merge) -> Option<StateSource> {
    match merge {
        Merge::Keep | Merge::Push => None,
        Merge::Agree => Some(StateSource::Finding),
        Merge::Pull(_) => Some(StateSource::JiraStatus),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(id: &str, category: StatusCategory) -> StatusDetails {
        StatusDetails {
            id: id.into(),
            name: format!("status {id}"),
            category,
        }
    }

    fn base(state: State, status: &str) -> SyncBase {
        SyncBase {
            state: Some(state),
            status_id: Some(status.into()),
            ..SyncBase::default()
        }
    }

    fn side(status: &StatusDetails) -> IssueSide<'_> {
        IssueSide {
            status,
            resolution: None,
            pushed: None,
            pushes: 0,
        }
    }

    #[test]
    fn one_side_moves_and_the_other_follows() {
        let (todo, done) = (status("1", StatusCategory::New), status("3", StatusCategory::Done));
        let sync = StatusSync::default();
        let agreed = base(State::Active, "1");
        assert_eq!(merge(State::Active, Some(&agreed), side(&todo), &sync), Merge::Keep);
        assert_eq!(merge(State::Fixed, Some(&agreed), side(&todo), &sync), Merge::Push);
        assert_eq!(
            merge(State::Active, Some(&agreed), side(&done), &sync),
            Merge::Pull(State::Fixed)
        );
        assert_eq!(merge(State::Fixed, Some(&agreed), side(&done), &sync), Merge::Agree);
    }

    #[test]
    fn a_conflict_goes_to_the_policy() {
        let doing = status("2", StatusCategory::Indeterminate);
        let agreed = base(State::Active, "1");
        let mut sync = StatusSync::default();
        assert_eq!(
            merge(State::Fixed, Some(&agreed), side(&doing), &sync),
            Merge::Pull(State::InProgress)
        );
        sync.conflict_policy = ConflictPolicy::FindingWins;
        assert_eq!(merge(State::Fixed, Some(&agreed), side(&doing), &sync), Merge::Push);
    }

    #[test]
    fn directions_hold_back_one_way_only() {
        let (todo, done) = (status("1", StatusCategory::New), status("3", StatusCategory::Done));
        let agreed = base(State::Active, "1");
        let from = StatusSync {
            direction: Direction::FromJira,
            ..StatusSync::default()
        };
        let to = StatusSync {
            direction: Direction::ToJira,
            ..StatusSync::default()
        };
        assert_eq!(merge(State::Fixed, Some(&agreed), side(&todo), &from), Merge::Keep);
        assert_eq!(
            merge(State::Active, Some(&agreed), side(&done), &from),
            Merge::Pull(State::Fixed)
        );
        assert_eq!(merge(State::Fixed, Some(&agreed), side(&todo), &to), Merge::Push);
        assert_eq!(merge(State::Active, Some(&agreed), side(&done), &to), Merge::Keep);
        let off = StatusSync {
            enabled: false,
            ..StatusSync::default()
        };
        assert_eq!(merge(State::Fixed, Some(&agreed), side(&done), &off), Merge::Keep);
    }

    #[test]
    fn switched_on_again_it_catches_up_with_what_happened_meanwhile() {
        // While the switch was off the finding was fixed; the base still says Active.
        let todo = status("1", StatusCategory::New);
        let agreed = base(State::Active, "1");
        assert_eq!(
            merge(State::Fixed, Some(&agreed), side(&todo), &StatusSync::default()),
            Merge::Push
        );
    }

    #[test]
    fn after_a_restore_our_own_close_is_not_read_as_a_persons() {
        // No status was restored; the property says that Fixed was pushed, and the issue stands there.
        let done = status("3", StatusCategory::Done);
        let issue = IssueSide {
            pushed: Some(State::Fixed),
            ..side(&done)
        };
        let sync = StatusSync::default();
        assert_eq!(merge(State::Fixed, None, issue, &sync), Merge::Keep);
        // The finding is open again: it moved, the issue did not.
        assert_eq!(merge(State::Active, None, issue, &sync), Merge::Push);
        // An older status was restored: it knows nothing of the push that the property tells of.
        let issue = IssueSide { pushes: 1, ..issue };
        assert_eq!(
            merge(State::Active, Some(&base(State::Active, "1")), issue, &sync),
            Merge::Push
        );
    }

    #[test]
    fn a_new_issue_takes_the_findings_state() {
        let todo = status("1", StatusCategory::New);
        let sync = StatusSync::default();
        assert_eq!(merge(State::Active, None, side(&todo), &sync), Merge::Agree);
        assert_eq!(merge(State::InProgress, None, side(&todo), &sync), Merge::Push);
    }

    #[test]
    fn an_issue_that_a_person_made_keeps_its_place_unless_the_finding_has_news() {
        let todo = status("1", StatusCategory::New);
        let doing = status("2", StatusCategory::Indeterminate);
        let done = status("3", StatusCategory::Done);
        let mut sync = StatusSync::default();
        assert_eq!(merge(State::Active, None, side(&todo), &sync), Merge::Agree);
        assert_eq!(
            merge(State::Active, None, side(&doing), &sync),
            Merge::Pull(State::InProgress)
        );
        assert_eq!(merge(State::InProgress, None, side(&doing), &sync), Merge::Agree);
        assert_eq!(merge(State::Fixed, None, side(&todo), &sync), Merge::Push);
        assert_eq!(
            merge(State::Active, None, side(&done), &sync),
            Merge::Pull(State::Fixed)
        );
        assert_eq!(
            merge(State::Fixed, None, side(&doing), &sync),
            Merge::Pull(State::InProgress)
        );
        // A base that status never flowed into says nothing.
        let blank = SyncBase::default();
        assert_eq!(
            merge(State::Active, Some(&blank), side(&doing), &sync),
            Merge::Pull(State::InProgress)
        );
        sync.conflict_policy = ConflictPolicy::FindingWins;
        assert_eq!(merge(State::Active, None, side(&done), &sync), Merge::Push);
        assert_eq!(
            merge(State::Active, None, side(&doing), &sync),
            Merge::Pull(State::InProgress)
        );
        sync.direction = Direction::FromJira;
        assert_eq!(
            merge(State::Active, None, side(&done), &sync),
            Merge::Pull(State::Fixed)
        );
        sync.direction = Direction::ToJira;
        assert_eq!(merge(State::Active, None, side(&doing), &sync), Merge::Keep);
        assert_eq!(merge(State::Active, None, side(&done), &sync), Merge::Push);
    }

    proptest::proptest! {
        /// After what a merge decides has been done, merging again decides nothing.
        #[test]
        fn merging_twice_is_merging_once(own in 0..4usize, agreed in 0..4usize, was in 0..3usize, now in 0..3usize,
                                         finding_wins: bool, direction in 0..3usize) {
            let states = [State::Active, State::InProgress, State::Fixed, State::Ignored];
            let statuses =
                [status("1", StatusCategory::New), status("2", StatusCategory::Indeterminate), status("3", StatusCategory::Done)];
            let sync = StatusSync {
                conflict_policy: if finding_wins { ConflictPolicy::FindingWins } else { ConflictPolicy::JiraWins },
                direction: [Direction::Bidirectional, Direction::FromJira, Direction::ToJira][direction],
                ..StatusSync::default()
            };
            let old = base(states[agreed], &statuses[was].id);
            let (next_base, next_status) = match merge(states[own], Some(&old), side(&statuses[now]), &sync) {
                Merge::Keep => return Ok(()),
                Merge::Agree | Merge::Pull(_) => (base(states[own], &statuses[now].id), &statuses[now]),
                Merge::Push => {
                    let target = statuses.iter().find(|one| is_satisfied(states[own], one, &[])).unwrap();
                    (base(states[own], &target.id), target)
                }
            };
            proptest::prop_assert_eq!(merge(states[own], Some(&next_base), side(next_status), &sync), Merge::Keep);
        }
    }
}
