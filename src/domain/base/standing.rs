//! How an object stands, in the words of kstatus, and the smallest patch that says so.
//!
//! `Ready` is always there; `Reconciling` and `Stalled` only while they are true. A transition time moves only when the
//! status of its condition does.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Map, Value, json};

use crate::api::{ConditionType, Reason};

/// Longest message of a condition that the operator writes.
const MAX_MESSAGE_CHARS: usize = 2000;

/// How an object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is as it should be.
    pub progress: Progress,
    /// The reason.
    pub reason: Reason,
    /// In words.
    pub message: String,
}

impl Standing {
    /// The object is as it should be.
    pub fn ready(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Progress::Ready, reason, message)
    }

    /// The object is not as it should be yet; the operator goes on without a person.
    pub fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Progress::Reconciling, reason, message)
    }

    /// The object is not as it should be; a person must act.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Progress::Stalled, reason, message)
    }

    fn new(progress: Progress, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            progress,
            reason,
            message: message.into(),
        }
    }
}

/// Whether an object is as it should be, and who has to act if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is.
    Ready,
    /// Not yet; the operator goes on by itself.
    Reconciling,
    /// Not; a person must act.
    Stalled,
    /// Not, and nothing is to be done: somebody wants it so.
    Resting,
}

/// The conditions that say how an object stands. Conditions of other types are kept.
pub fn conditions(current: &[Condition], standing: &Standing, generation: i64, now: Timestamp) -> Vec<Condition> {
    let (ready, extra) = match standing.progress {
        Progress::Ready => (true, None),
        Progress::Reconciling => (false, Some(ConditionType::Reconciling)),
        Progress::Stalled => (false, Some(ConditionType::Stalled)),
        Progress::Resting => (false, None),
    };
    let make = |kind: ConditionType, holds: bool| {
        condition(
            current,
            kind,
            holds,
            (standing.reason, &standing.message),
            Some(generation),
            now,
        )
    };
    let ours = [ConditionType::Ready, ConditionType::Reconciling, ConditionType::Stalled];
    let mut all = vec![make(ConditionType::Ready, ready)];
    all.extend(extra.map(|kind| make(kind, true)));
    all.extend(
        current
            .iter()
            .filter(|one| ours.iter().all(|kind| kind.as_str() != one.type_))
            .cloned(),
    );
    all
}

/// One condition; where it had the same status before, it keeps its transition time.
pub fn condition(
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

/// The reason of a condition as it stands.
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

    fn standing(progress: Progress, message: &str) -> Standing {
        Standing {
            progress,
            reason: Reason::SecretNotFound,
            message: message.to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_transition_time_moves_only_with_the_status() {
        let first = conditions(&[], &standing(Progress::Stalled, "a"), 1, at(10));
        let second = conditions(&first, &standing(Progress::Stalled, "b"), 2, at(20));
        assert_eq!(second.len(), 2);
        assert!(
            second
                .iter()
                .all(|one| one.last_transition_time.0 == at(10) && one.message == "b")
        );
        let third = conditions(&second, &standing(Progress::Ready, "c"), 2, at(30));
        assert_eq!(third.len(), 1);
        assert_eq!(
            (third[0].status.as_str(), third[0].last_transition_time.0),
            ("True", at(30))
        );
    }

    #[test]
    fn the_same_standing_needs_no_patch() {
        let first = conditions(&[], &standing(Progress::Reconciling, "a"), 1, at(10));
        let again = conditions(&first, &standing(Progress::Reconciling, "a"), 1, at(99));
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
