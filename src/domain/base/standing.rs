//! The standing of an object in the terms of kstatus, its conditions, and the smallest patch of its status.
//!
//! `Ready` is always present. `Reconciling` and `Stalled` are present only while they are `True`, and never both. The
//! transition time of a condition moves only when its status changes.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Map, Value, json};

use super::fault::{Fault, Needs};
use crate::api::{ConditionType, Reason};

/// Longest message of a condition that the operator writes, in characters.
const MAX_MESSAGE_CHARS: usize = 2000;

/// Whether an object is as its spec wants it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the object is as its spec wants it, and who has to act if not.
    pub progress: Progress,
    /// Reason of the `Ready` condition, and of `Reconciling` or `Stalled` beside it.
    pub reason: Reason,
    /// Message of the same conditions.
    pub message: String,
}

/// Whether an object is as its spec wants it, and who has to act if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The object is as its spec wants it.
    Ready,
    /// Not yet: the operator goes on by itself.
    Reconciling,
    /// Not: a person must act.
    Stalled,
    /// Not, and nobody needs to act: a person wants it so.
    Resting,
}

impl Standing {
    /// The object is as its spec wants it.
    pub fn ready(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Progress::Ready, reason, message)
    }

    /// The operator goes on by itself.
    pub fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Progress::Reconciling, reason, message)
    }

    /// A person must act.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Progress::Stalled, reason, message)
    }

    /// Nothing happens, because a person wants it so.
    pub fn resting(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Progress::Resting, reason, message)
    }

    fn new(progress: Progress, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            progress,
            reason,
            message: message.into(),
        }
    }

    /// Whether a person should take note: an event about this standing is a warning.
    pub fn is_warning(&self) -> bool {
        matches!(self.progress, Progress::Reconciling | Progress::Stalled)
    }
}

impl From<&Fault> for Standing {
    fn from(fault: &Fault) -> Self {
        let of = match fault.needs {
            Needs::Time => Self::waiting,
            Needs::Person => Self::stalled,
            Needs::Nothing => Self::resting,
        };
        of(fault.reason, fault.message.clone())
    }
}

/// A condition beside `Ready`, `Reconciling` and `Stalled` that is present only while it is `True`, for example
/// `DuplicatesFound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Type of the condition.
    pub kind: ConditionType,
    /// Reason of the condition.
    pub reason: Reason,
    /// Message of the condition.
    pub message: String,
}

/// The conditions of an object: `Ready`; `Reconciling` or `Stalled` while true; `extras`. All other conditions of the
/// operator's vocabulary are removed. Conditions of types that the operator does not know belong to somebody else and
/// are kept.
pub fn conditions(
    current: &[Condition],
    standing: &Standing,
    extras: &[Extra],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let beside = match standing.progress {
        Progress::Ready | Progress::Resting => None,
        Progress::Reconciling => Some(ConditionType::Reconciling),
        Progress::Stalled => Some(ConditionType::Stalled),
    };
    let why = (standing.reason, standing.message.as_str());
    let ready = standing.progress == Progress::Ready;
    let mut all = vec![condition(current, ConditionType::Ready, ready, why, generation, now)];
    all.extend(beside.map(|kind| condition(current, kind, true, why, generation, now)));
    all.extend(extras.iter().map(|extra| {
        let why = (extra.reason, extra.message.as_str());
        condition(current, extra.kind, true, why, generation, now)
    }));
    let foreign = |one: &&Condition| ConditionType::ALL.iter().all(|kind| kind.as_str() != one.type_);
    all.extend(current.iter().filter(foreign).cloned());
    all
}

/// One condition. A condition that had the same status before keeps its transition time.
fn condition(
    current: &[Condition],
    kind: ConditionType,
    holds: bool,
    (reason, message): (Reason, &str),
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let status = if holds { "True" } else { "False" };
    let before = current
        .iter()
        .find(|one| one.type_ == kind.as_str() && one.status == status);
    Condition {
        type_: kind.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: cut(message),
        observed_generation: generation,
        last_transition_time: before.map_or(Time(now), |one| one.last_transition_time.clone()),
    }
}

/// The reason of the stored condition of a type.
pub fn reason_of(conditions: &[Condition], kind: ConditionType) -> Option<&str> {
    conditions
        .iter()
        .find(|one| one.type_ == kind.as_str())
        .map(|one| one.reason.as_str())
}

fn cut(message: &str) -> String {
    if message.chars().count() <= MAX_MESSAGE_CHARS {
        return message.to_owned();
    }
    message
        .chars()
        .take(MAX_MESSAGE_CHARS - 3)
        .chain("...".chars())
        .collect()
}

/// The merge patch that turns one document into the other; `None` when they are equal.
pub fn merge_patch(from: &Value, to: &Value) -> Option<Value> {
    match (from, to) {
        (from, to) if from == to => None,
        (Value::Object(from), Value::Object(to)) => {
            let mut patch = Map::new();
            for (key, value) in to {
                let difference = match from.get(key) {
                    Some(before) => merge_patch(before, value),
                    None => Some(value.clone()),
                };
                patch.extend(difference.map(|difference| (key.clone(), difference)));
            }
            patch.extend(
                from.keys()
                    .filter(|key| !to.contains_key(*key))
                    .map(|key| (key.clone(), Value::Null)),
            );
            Some(Value::Object(patch))
        }
        (_, to) => Some(to.clone()),
    }
}

/// The patch of a status subresource that applies only to the version it was computed from; `None` when there is
/// nothing to write.
pub fn status_patch<S: serde::Serialize>(current: &S, next: &S, resource_version: &str) -> Option<Value> {
    let value = |status: &S| serde_json::to_value(status).expect("a status is plain data");
    let difference = merge_patch(&value(current), &value(next))?;
    Some(json!({ "metadata": { "resourceVersion": resource_version }, "status": difference }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalled(message: &str) -> Standing {
        Standing::stalled(Reason::SecretNotFound, message)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn types(conditions: &[Condition]) -> Vec<&str> {
        conditions.iter().map(|one| one.type_.as_str()).collect()
    }

    #[test]
    fn a_transition_time_moves_only_with_the_status() {
        let first = conditions(&[], &stalled("a"), &[], Some(1), at(10));
        let second = conditions(&first, &stalled("b"), &[], Some(2), at(20));
        assert_eq!(second.len(), 2);
        assert!(
            second
                .iter()
                .all(|one| one.last_transition_time.0 == at(10) && one.message == "b")
        );
        let ready = Standing::ready(Reason::Connected, "c");
        let third = conditions(&second, &ready, &[], Some(2), at(30));
        assert_eq!(types(&third), ["Ready"]);
        assert_eq!(
            (third[0].status.as_str(), third[0].last_transition_time.0),
            ("True", at(30))
        );
    }

    #[test]
    fn only_what_is_true_and_what_belongs_to_others_is_beside_ready() {
        let duplicates = Extra {
            kind: ConditionType::DuplicatesFound,
            reason: Reason::DuplicatesFound,
            message: "SEC-2".to_owned(),
        };
        let foreign = Condition {
            type_: "Audited".to_owned(),
            ..condition(&[], ConditionType::Ready, true, (Reason::Ready, ""), None, at(1))
        };
        let waiting = Standing::waiting(Reason::Creating, "");
        let first = conditions(&[foreign], &waiting, &[duplicates], Some(1), at(10));
        assert_eq!(types(&first), ["Ready", "Reconciling", "DuplicatesFound", "Audited"]);
        let second = conditions(&first, &stalled(""), &[], Some(1), at(20));
        assert_eq!(types(&second), ["Ready", "Stalled", "Audited"]);
        assert_eq!(second[0].last_transition_time.0, at(10), "Ready stayed False");
        let resting = conditions(&second, &Standing::resting(Reason::Suspended, ""), &[], Some(1), at(30));
        assert_eq!(types(&resting), ["Ready", "Audited"]);
    }

    #[test]
    fn a_fault_says_who_has_to_act() {
        let progress = |fault: &Fault| Standing::from(fault).progress;
        assert_eq!(
            progress(&Fault::passing(Reason::RateLimited, "")),
            Progress::Reconciling
        );
        assert_eq!(progress(&Fault::lasting(Reason::FieldInvalid, "")), Progress::Stalled);
        assert_eq!(progress(&Fault::intended(Reason::Suspended, "")), Progress::Resting);
    }

    #[test]
    fn the_same_standing_needs_no_patch() {
        let waiting = Standing::waiting(Reason::RateLimited, "a");
        let first = conditions(&[], &waiting, &[], Some(1), at(10));
        let again = conditions(&first, &waiting, &[], Some(1), at(99));
        assert_eq!(status_patch(&first, &again, "7"), None);
    }

    #[test]
    fn a_patch_names_only_what_differs() {
        let from = json!({"a": 1, "b": {"c": 1, "d": 2}, "gone": true});
        let to = json!({"a": 1, "b": {"c": 1, "d": 3}, "new": []});
        assert_eq!(
            merge_patch(&from, &to),
            Some(json!({"b": {"d": 3}, "new": [], "gone": null}))
        );
        assert_eq!(merge_patch(&to, &to), None);
    }
}
