//! Which transition leads towards where a finding's state wants its issue.

use serde_json::{Map, Value, json};

use crate::api::ticket_configuration::StatusSync;
use crate::api::{Reason, State};
use crate::jira::model::{FieldMeta, StatusDetails, Transition};

use crate::domain::base::fault::Fault;
use crate::domain::state::table::{category_key, default_category, names_status, resolution_names};

/// The outcome of a choice.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// Take this transition with these fields.
    Take {
        /// Id of the transition.
        transition: String,
        /// Fields for its screen.
        fields: Map<String, Value>,
    },
    /// There is no way, or no single one.
    Blocked(Fault),
}

/// Chooses among the transitions Jira offers now (their ids differ from workflow to workflow, trap T11).
///
/// A mapped state goes to the first of its statuses. An unmapped one goes to the one status of its default category
/// that can be reached; where there are several, a person must say which is meant.
pub fn choose(
    issue: &str,
    status: &StatusDetails,
    transitions: &[Transition],
    goal: State,
    sync: &StatusSync,
) -> Choice {
    let available: Vec<&Transition> = transitions
        .iter()
        .filter(|transition| transition.is_available)
        .collect();
    let mapped = sync
        .mapping
        .iter()
        .find(|entry| entry.state == goal)
        .and_then(|entry| entry.jira_statuses.first());
    let (wanted, candidates): (String, Vec<&Transition>) = if let Some(name) = mapped {
        let leads = available.iter().filter(|transition| names_status(name, &transition.to));
        (name.clone(), leads.copied().collect())
    } else {
        let category = default_category(goal);
        let leads = available.iter().filter(|transition| transition.to.category == category);
        (
            format!("a status of category {}", category_key(category)),
            leads.copied().collect(),
        )
    };
    let mut targets: Vec<&StatusDetails> = candidates.iter().map(|transition| &transition.to).collect();
    targets.sort_by(|a, b| a.id.cmp(&b.id));
    targets.dedup_by(|a, b| a.id == b.id);
    if targets.len() > 1 {
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        let message = format!(
            "{issue} could go to {} for state {goal}; name the one you mean in statusSync.mapping",
            names.join(" or ")
        );
        return Choice::Blocked(Fault::lasting(Reason::StateNotMapped, message));
    }
    let mut refusals = Vec::new();
    // A transition that asks for nothing is tried before one that does.
    let mut ordered = candidates;
    ordered.sort_by_key(|transition| transition.fields.values().filter(|field| field.required).count());
    for transition in ordered {
        match screen_fields(transition, goal) {
            Ok(fields) => {
                return Choice::Take {
                    transition: transition.id.clone(),
                    fields,
                };
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    let from = &status.name;
    let message = if refusals.is_empty() {
        let mut reachable: Vec<&str> = available.iter().map(|transition| transition.to.name.as_str()).collect();
        reachable.sort_unstable();
        reachable.dedup();
        let reachable = if reachable.is_empty() {
            "none; the operator's account may lack the Transition Issues permission".to_owned()
        } else {
            reachable.join(", ")
        };
        format!("no transition leads from {from} to {wanted} (state {goal}); possible from there: {reachable}")
    } else {
        format!("{issue} cannot go from {from} to {wanted}: {}", refusals.join("; "))
    };
    Choice::Blocked(Fault::lasting(Reason::TransitionBlocked, message))
}

/// The fields a transition's screen wants, as far as they can be given: the resolution.
fn screen_fields(transition: &Transition, goal: State) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    for (id, field) in &transition.fields {
        if id == "resolution" {
            match resolution(field, goal) {
                Some(id) => {
                    fields.insert("resolution".to_owned(), json!({ "id": id }));
                }
                None if field.required => {
                    return Err(format!(
                        "transition {:?} needs a resolution and none of {} fits state {goal}",
                        transition.name,
                        names(field)
                    ));
                }
                None => {}
            }
        } else if field.required && !field.has_default_value {
            return Err(format!(
                "transition {:?} needs the field {} ({id})",
                transition.name, field.name
            ));
        }
    }
    Ok(fields)
}

fn resolution(field: &FieldMeta, goal: State) -> Option<String> {
    let named = |wanted: &&str| {
        let values = field.allowed_values.iter();
        let mut fitting =
            values.filter(|value| text(value, "name").is_some_and(|name| name.to_lowercase() == **wanted));
        fitting.next().and_then(|value| text(value, "id"))
    };
    resolution_names(goal)
        .iter()
        .find_map(|wanted| named(wanted).map(str::to_owned))
}

fn names(field: &FieldMeta) -> String {
    let names: Vec<&str> = field
        .allowed_values
        .iter()
        .filter_map(|value| text(value, "name"))
        .collect();
    names.join(", ")
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ticket_configuration::StatusMapping;
    use crate::jira::model::StatusCategory;

    fn status(id: &str, name: &str, category: StatusCategory) -> StatusDetails {
        StatusDetails {
            id: id.into(),
            name: name.into(),
            category,
        }
    }

    fn transition(id: &str, to: StatusDetails) -> Transition {
        Transition {
            id: id.into(),
            name: format!("to {}", to.name),
            to,
            is_available: true,
            ..Transition::default()
        }
    }

    fn choice(transitions: &[Transition], sync: &StatusSync) -> Choice {
        choose(
            "SEC-1",
            &status("1", "To Do", StatusCategory::New),
            transitions,
            State::Fixed,
            sync,
        )
    }

    #[test]
    fn the_only_status_of_the_category_is_taken_and_several_are_asked_about() {
        let done = transition("31", status("3", "Done", StatusCategory::Done));
        let closed = transition("41", status("4", "Closed", StatusCategory::Done));
        let sync = StatusSync::default();
        assert!(
            matches!(choice(std::slice::from_ref(&done), &sync), Choice::Take { transition, .. } if transition == "31")
        );
        let Choice::Blocked(fault) = choice(&[done.clone(), closed.clone()], &sync) else {
            panic!()
        };
        assert_eq!(fault.reason, Reason::StateNotMapped);
        assert!(fault.message.contains("Done or Closed"), "{}", fault.message);
        let mapping = vec![StatusMapping {
            state: State::Fixed,
            jira_statuses: vec!["closed".into(), "Done".into()],
        }];
        let mapped = StatusSync { mapping, ..sync };
        assert!(matches!(choice(&[done, closed], &mapped), Choice::Take { transition, .. } if transition == "41"));
    }

    #[test]
    fn no_way_names_where_one_could_go() {
        let doing = transition("21", status("2", "In Progress", StatusCategory::Indeterminate));
        let Choice::Blocked(fault) = choice(&[doing], &StatusSync::default()) else {
            panic!()
        };
        assert_eq!(fault.reason, Reason::TransitionBlocked);
        assert!(
            fault.message.contains("from To Do") && fault.message.contains("In Progress"),
            "{}",
            fault.message
        );
    }

    #[test]
    fn a_required_resolution_is_given_by_outcome_and_an_unknown_field_blocks() {
        let mut done = transition("31", status("3", "Done", StatusCategory::Done));
        let field = FieldMeta {
            required: true,
            allowed_values: vec![
                json!({"id": "1", "name": "Won't Do"}),
                json!({"id": "2", "name": "Done"}),
            ],
            ..FieldMeta::default()
        };
        done.fields.insert("resolution".into(), field);
        let Choice::Take { fields, .. } = choice(std::slice::from_ref(&done), &StatusSync::default()) else {
            panic!()
        };
        assert_eq!(fields["resolution"], json!({"id": "2"}));
        let ignored = choose(
            "SEC-1",
            &status("1", "To Do", StatusCategory::New),
            std::slice::from_ref(&done),
            State::Ignored,
            &StatusSync::default(),
        );
        assert!(matches!(ignored, Choice::Take { fields, .. } if fields["resolution"] == json!({"id": "1"})));
        done.fields.insert(
            "cf".into(),
            FieldMeta {
                required: true,
                name: "Root cause".into(),
                ..FieldMeta::default()
            },
        );
        let Choice::Blocked(fault) = choice(&[done], &StatusSync::default()) else {
            panic!()
        };
        assert!(fault.message.contains("Root cause"), "{}", fault.message);
    }
}
