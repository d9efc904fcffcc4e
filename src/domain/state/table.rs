//! The one table of finding states: which are open, and which Jira status category each one means by default.

use crate::api::State;
use crate::api::ticket_configuration::StatusMapping;
use crate::jira::model::{Resolution, StatusCategory, StatusDetails};

/// Whether a finding in this state still needs an issue that is not done.
pub const fn is_open(state: State) -> bool {
    matches!(
        state,
        State::Active
            | State::InProgress
            | State::Potential
            | State::WaitingForThirdParty
            | State::ExceptionRequested
            | State::Unrecognised
    )
}

/// The status category an issue should be in for a finding in this state, when no mapping says otherwise.
pub const fn default_category(state: State) -> StatusCategory {
    match state {
        State::Active | State::Potential | State::Unrecognised => StatusCategory::New,
        State::InProgress | State::WaitingForThirdParty | State::ExceptionRequested => StatusCategory::Indeterminate,
        State::Fixed | State::Ignored | State::AcceptedRisk | State::FalsePositive | State::Duplicate => {
            StatusCategory::Done
        }
    }
}

/// How urgent an open state is when several findings share a ticket: the highest wins.
pub const fn openness(state: State) -> u8 {
    match state {
        State::InProgress => 5,
        State::Active | State::Unrecognised => 4,
        State::WaitingForThirdParty => 3,
        State::ExceptionRequested => 2,
        State::Potential => 1,
        _ => 0,
    }
}

/// Names a status category the way Jira's API does.
pub const fn category_key(category: StatusCategory) -> &'static str {
    match category {
        StatusCategory::New => "new",
        StatusCategory::Indeterminate => "indeterminate",
        StatusCategory::Done => "done",
        StatusCategory::Undefined => "undefined",
    }
}

/// The status category that Jira's API names so.
pub fn category_of(key: &str) -> StatusCategory {
    let all = [StatusCategory::New, StatusCategory::Indeterminate, StatusCategory::Done];
    let named = all.into_iter().find(|category| category_key(*category) == key);
    named.unwrap_or(StatusCategory::Undefined)
}

/// Whether a configured name or id means this status. Names are compared without case.
pub fn names_status(wanted: &str, status: &StatusDetails) -> bool {
    wanted == status.id || wanted.to_lowercase() == status.name.to_lowercase()
}

/// Whether an issue in `status` is where a finding in `state` wants it.
pub fn is_satisfied(state: State, status: &StatusDetails, mapping: &[StatusMapping]) -> bool {
    match mapping.iter().find(|entry| entry.state == state) {
        Some(entry) => entry.jira_statuses.iter().any(|wanted| names_status(wanted, status)),
        None => status.category == default_category(state),
    }
}

/// What a Jira status says about a finding: by mapping, else by category and resolution.
pub fn from_jira(status: &StatusDetails, resolution: Option<&Resolution>, mapping: &[StatusMapping]) -> State {
    let mapped = mapping
        .iter()
        .find(|entry| entry.jira_statuses.iter().any(|wanted| names_status(wanted, status)));
    if let Some(entry) = mapped {
        return entry.state;
    }
    match status.category {
        StatusCategory::New | StatusCategory::Undefined => State::Active,
        StatusCategory::Indeterminate => State::InProgress,
        StatusCategory::Done => resolution.map_or(State::Fixed, |resolution| by_resolution(&resolution.name)),
    }
}

/// What a resolution says: people's "no" is not a fix.
fn by_resolution(name: &str) -> State {
    match name.to_lowercase().as_str() {
        "won't do" | "won't fix" | "wontfix" | "declined" | "rejected" => State::Ignored,
        "duplicate" => State::Duplicate,
        "cannot reproduce" | "invalid" | "not a bug" => State::FalsePositive,
        _ => State::Fixed,
    }
}

/// Resolutions that fit an outcome, best first; used where a transition's screen asks for one.
pub const fn resolution_names(state: State) -> &'static [&'static str] {
    match state {
        State::Duplicate => &["duplicate", "won't do", "won't fix", "done"],
        State::FalsePositive => &[
            "cannot reproduce",
            "invalid",
            "not a bug",
            "won't do",
            "won't fix",
            "done",
        ],
        State::Ignored | State::AcceptedRisk => &["won't do", "won't fix", "declined", "done"],
        _ => &["fixed", "done", "resolved", "complete", "completed"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(id: &str, name: &str, category: StatusCategory) -> StatusDetails {
        StatusDetails {
            id: id.to_owned(),
            name: name.to_owned(),
            category,
        }
    }

    #[test]
    fn mapping_is_by_name_without_case_or_by_id() {
        let mapping = [StatusMapping {
            state: State::InProgress,
            jira_statuses: vec!["in review".into(), "7".into()],
        }];
        let review = status("3", "In Review", StatusCategory::Indeterminate);
        let seven = status("7", "Whatever", StatusCategory::New);
        assert!(is_satisfied(State::InProgress, &review, &mapping));
        assert_eq!(from_jira(&seven, None, &mapping), State::InProgress);
        assert!(!is_satisfied(
            State::InProgress,
            &status("9", "Doing", StatusCategory::Indeterminate),
            &mapping
        ));
    }

    #[test]
    fn a_persons_no_is_not_a_fix() {
        let done = status("10", "Done", StatusCategory::Done);
        let resolution = |name: &str| Resolution {
            id: "1".into(),
            name: name.into(),
        };
        assert_eq!(from_jira(&done, Some(&resolution("Won't Do")), &[]), State::Ignored);
        assert_eq!(from_jira(&done, Some(&resolution("Duplicate")), &[]), State::Duplicate);
        assert_eq!(from_jira(&done, Some(&resolution("Done")), &[]), State::Fixed);
        assert_eq!(from_jira(&done, None, &[]), State::Fixed);
    }

    #[test]
    fn open_states_are_exactly_those_whose_category_is_not_done() {
        for state in [
            State::Active,
            State::InProgress,
            State::Fixed,
            State::Ignored,
            State::AcceptedRisk,
            State::FalsePositive,
            State::ExceptionRequested,
            State::Potential,
            State::WaitingForThirdParty,
            State::Duplicate,
        ] {
            assert_eq!(
                is_open(state),
                default_category(state) != StatusCategory::Done,
                "{state}"
            );
        }
    }
}
