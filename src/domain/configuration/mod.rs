//! What the spec of a configuration means, by itself and in a project as Jira describes the project.

use crate::domain::base::words::listed;
use crate::domain::content::has_unrecognised;
use crate::domain::fields::{self, FieldProblem, TypedFields, Values, describe, value_id, value_name};
use crate::domain::placement::group;

use crate::api::template::Preset;
use crate::api::ticket_configuration::{
    ConflictPolicy, DeletionPolicy, Direction, Mode, Resolved, TicketConfigurationSpec,
};
use crate::api::{NamespacesFrom, Reason, Severity, State, TicketConfiguration};
use crate::domain::base::fault::Fault;
use crate::domain::base::standing::Standing;
use crate::domain::state::table::names_status;
use crate::jira::model::FieldMeta;
use crate::jira::{MetadataError, ProjectMeta};

/// Most names of one sort that a status lists.
const MAX_STATUS_NAMES: usize = 100;
/// Fields that the operator sends with every creation.
const ALWAYS_SENT: [&str; 5] = ["project", "issuetype", "summary", "description", "labels"];
/// Id of the priority field.
const PRIORITY: &str = "priority";
/// Id of the assignee field.
const ASSIGNEE: &str = "assignee";

/// Checks a spec by itself.
///
/// # Errors
///
/// When a value is not known to this version of the operator, the grouping is wrong, or the configuration is suspended.
pub fn check_spec(spec: &TicketConfigurationSpec) -> Result<(), Fault> {
    let unknown = unrecognised(spec);
    if !unknown.is_empty() {
        return Err(Fault::lasting(
            Reason::UnrecognisedValue,
            format!(
                "this version of the operator does not know the value of {}",
                unknown.join(", ")
            ),
        ));
    }
    if let Some(grouping) = &spec.grouping {
        group::check(grouping, &spec.finding_namespaces)
            .map_err(|message| Fault::lasting(Reason::GroupingInvalid, message))?;
    }
    if spec.suspend {
        let message = "spec.suspend is set: findings keep what they have and wait".to_owned();
        return Err(Fault::intended(Reason::Suspended, message));
    }
    Ok(())
}

/// The members of a spec whose values are not known to this version of the operator.
fn unrecognised(spec: &TicketConfigurationSpec) -> Vec<&'static str> {
    let selector = &spec.selector;
    let checks = [
        (spec.mode == Mode::Unrecognised, "mode"),
        (
            spec.finding_namespaces.from == NamespacesFrom::Unrecognised,
            "findingNamespaces.from",
        ),
        (
            spec.status_sync.direction == Direction::Unrecognised,
            "statusSync.direction",
        ),
        (
            spec.status_sync.conflict_policy == ConflictPolicy::Unrecognised,
            "statusSync.conflictPolicy",
        ),
        (
            spec.status_sync
                .mapping
                .iter()
                .any(|one| one.state == State::Unrecognised),
            "statusSync.mapping",
        ),
        (
            spec.template
                .as_ref()
                .is_some_and(|template| template.preset == Some(Preset::Unrecognised)),
            "template.preset",
        ),
        (spec.deletion_policy == DeletionPolicy::Unrecognised, "deletionPolicy"),
        (has_unrecognised(&spec.update_policy), "updatePolicy"),
        (
            selector.min_severity == Some(Severity::Unrecognised),
            "selector.minSeverity",
        ),
        (
            selector.severities.contains(&Severity::Unrecognised),
            "selector.severities",
        ),
        (
            selector.categories.iter().any(|one| one.as_str() == "Unrecognised"),
            "selector.categories",
        ),
    ];
    checks
        .into_iter()
        .filter_map(|(unknown, name)| unknown.then_some(name))
        .collect()
}

/// The identity of a configuration: `spec.identity`, by default its namespace and name as `namespace/name`.
pub fn identity_of(configuration: &TicketConfiguration) -> String {
    let meta = &configuration.metadata;
    let namespace = meta.namespace.as_deref().unwrap_or("default");
    let name = meta.name.as_deref().unwrap_or_default();
    let by_name = || format!("{namespace}/{name}");
    configuration.spec.identity.clone().unwrap_or_else(by_name)
}

/// Compiles the templates in `spec.fields`.
///
/// # Errors
///
/// When one has an error (`TemplateInvalid`); the message names the field.
pub fn field_values(spec: &TicketConfigurationSpec) -> Result<Values, Fault> {
    fields::compile(&spec.fields).map_err(|error| Fault::lasting(Reason::TemplateInvalid, error.to_string()))
}

/// Whether `one` may use an identity rather than `other`: the older configuration may, and of two configurations of the
/// same age the first by namespace and name.
pub fn came_first<T: Ord, K: Ord>(one: (Option<T>, K), other: (Option<T>, K)) -> bool {
    // Without a creation time, which every stored object has, an object counts as the youngest.
    (one.0.is_none(), one) < (other.0.is_none(), other)
}

/// The fault of a configuration whose identity an older configuration has.
pub fn identity_taken(identity: &str, by: &str) -> Fault {
    Fault::lasting(
        Reason::IdentityTaken,
        format!("identity {identity:?} belongs to the older configuration {by}; give this one another identity"),
    )
}

/// A remark where `findingNamespaces` asks for more than the operator allows.
pub fn not_shared(spec: &TicketConfigurationSpec, namespace: &str, shared: &[String]) -> Option<String> {
    let others = matches!(
        spec.finding_namespaces.from,
        NamespacesFrom::All | NamespacesFrom::Selector
    );
    (others && !shared.iter().any(|one| one == namespace)).then(|| {
        format!(
            "{}: only findings of namespace {namespace} are taken, as the operator runs without \
             --shared-configuration-namespace {namespace}",
            Reason::NamespaceNotShared
        )
    })
}

/// The fault of a configuration whose project could not be looked up.
pub fn lookup_fault(error: &MetadataError) -> Fault {
    let reason = match error {
        MetadataError::ProjectNotFound { .. } | MetadataError::ProjectArchived { .. } => Reason::ProjectNotFound,
        MetadataError::IssueTypeNotFound { .. } | MetadataError::SubtaskType { .. } => Reason::IssueTypeNotFound,
        MetadataError::CannotCreate { .. } => Reason::PermissionDenied,
        MetadataError::Jira(_) => {
            let message = format!("Jira could not be asked what the project accepts: {error}");
            return Fault::passing(Reason::MetadataUnavailable, message);
        }
    };
    Fault::lasting(reason, error.to_string())
}

/// Checks a spec against the project. Returns a remark that belongs into the status; the configuration can be used all
/// the same.
///
/// # Errors
///
/// When Jira would refuse the issues of this configuration, or the project does not have a priority or a status that the
/// spec names.
pub fn check(spec: &TicketConfigurationSpec, project: &ProjectMeta) -> Result<Option<String>, Fault> {
    check_required(spec, project)?;
    let remark = check_priority(spec, project)?;
    check_statuses(spec, project)?;
    Ok(remark)
}

/// Types the fields of a spec for the project. `elsewhere` are the fields of the project that are not on its create screen
/// (trap T15).
///
/// # Errors
///
/// When a template has an error, the project does not have a field, or Jira would refuse a value.
pub fn check_fields(
    spec: &TicketConfigurationSpec,
    project: &ProjectMeta,
    elsewhere: &[FieldMeta],
) -> Result<TypedFields, Fault> {
    fields::resolve(spec, field_values(spec)?, project, elsewhere).map_err(|problems| {
        let told: Vec<String> = problems
            .iter()
            .map(|FieldProblem { field, message }| format!("{field}: {message}"))
            .collect();
        Fault::lasting(Reason::FieldInvalid, told.join("; "))
    })
}

fn check_required(spec: &TicketConfigurationSpec, project: &ProjectMeta) -> Result<(), Fault> {
    let filled =
        |field: &&FieldMeta| fields::fills(spec, field) || (spec.assignee.is_some() && field.field_id == ASSIGNEE);
    let missing: Vec<String> = required(spec, project)
        .filter(|field| !filled(field))
        .map(describe)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Fault::lasting(
        Reason::RequiredFieldsMissing,
        format!(
            "Jira requires fields for {} in {} that this configuration does not fill: {}. Fill them in spec.fields, make \
             them optional in the project's field configuration, give them a default, or choose another issue type",
            project.issue_type.name,
            project.key,
            missing.join("; "),
        ),
    ))
}

fn required<'a>(spec: &TicketConfigurationSpec, project: &'a ProjectMeta) -> impl Iterator<Item = &'a FieldMeta> {
    let sends_priority = spec.priority.remap.is_some() && spec.priority.field.is_none();
    project.fields.iter().filter(move |field| {
        let sent = ALWAYS_SENT.contains(&field.field_id.as_str()) || (sends_priority && field.field_id == PRIORITY);
        // Jira sets the reporter to the operator's account where none is sent.
        field.required && !field.has_default_value && !sent && field.field_id != "reporter"
    })
}

fn check_priority(spec: &TicketConfigurationSpec, project: &ProjectMeta) -> Result<Option<String>, Fault> {
    let Some(remap) = spec.priority.remap.as_ref().filter(|_| spec.priority.field.is_none()) else {
        return Ok(None);
    };
    let Some(field) = project.field(PRIORITY) else {
        return Ok(Some(format!(
            "issues of {} have no priority field, so none is sent",
            project.key
        )));
    };
    let names: Vec<String> = field.allowed_values.iter().filter_map(value_name).collect();
    let exists = |wanted: &str| {
        names.iter().any(|name| name.to_lowercase() == wanted.to_lowercase())
            || field
                .allowed_values
                .iter()
                .any(|value| value_id(value).as_deref() == Some(wanted))
    };
    let unknown: Vec<String> = Severity::ALL
        .iter()
        .map(|severity| (severity, remap.of(*severity)))
        .filter(|(_, wanted)| !exists(wanted))
        .map(|(severity, wanted)| format!("{wanted:?} (of {severity})"))
        .collect();
    if unknown.is_empty() {
        return Ok(None);
    }
    Err(Fault::lasting(
        Reason::PriorityNotFound,
        format!(
            "project {} has no priority {}; it has {}",
            project.key,
            unknown.join(", "),
            listed(&names, MAX_STATUS_NAMES)
        ),
    ))
}

fn check_statuses(spec: &TicketConfigurationSpec, project: &ProjectMeta) -> Result<(), Fault> {
    if !spec.status_sync.enabled {
        return Ok(());
    }
    let wanted = spec.status_sync.mapping.iter().flat_map(|one| &one.jira_statuses);
    let unknown: Vec<String> = wanted
        .filter(|wanted| !project.statuses.iter().any(|status| names_status(wanted, status)))
        .map(|wanted| format!("{wanted:?}"))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = project.statuses.iter().map(|status| status.name.clone()).collect();
    Err(Fault::lasting(
        Reason::StatusNotFound,
        format!(
            "{} in {} cannot be in status {}; it can be in {}",
            project.issue_type.name,
            project.key,
            unknown.join(", "),
            listed(&names, MAX_STATUS_NAMES)
        ),
    ))
}

/// Whether two answers of Jira describe the same project.
pub fn same(one: &ProjectMeta, other: &ProjectMeta) -> bool {
    one.project_id == other.project_id
        && one.key == other.key
        && one.name == other.name
        && one.issue_type == other.issue_type
        && one.fields == other.fields
        && one.statuses == other.statuses
        && one.priorities == other.priorities
}

/// What Jira has for the names in a spec, for the status.
pub fn resolved(spec: &TicketConfigurationSpec, project: &ProjectMeta) -> Resolved {
    let priorities = project
        .field(PRIORITY)
        .map(|field| field.allowed_values.iter().filter_map(value_name).collect::<Vec<_>>());
    Resolved {
        project_id: project.project_id.clone(),
        issue_type_id: project.issue_type.id.clone(),
        statuses: project
            .statuses
            .iter()
            .map(|status| status.name.clone())
            .take(MAX_STATUS_NAMES)
            .collect(),
        priorities: priorities
            .unwrap_or_default()
            .into_iter()
            .take(MAX_STATUS_NAMES)
            .collect(),
        required_fields: required(spec, project)
            .map(|field| field.name.clone())
            .take(MAX_STATUS_NAMES)
            .collect(),
    }
}

/// The standing of a configuration that can be used.
pub fn usable(spec: &TicketConfigurationSpec, project: &ProjectMeta, dry_run: bool, remark: Option<&str>) -> Standing {
    let place = format!(
        "{} issues to {} ({})",
        project.issue_type.name, project.key, project.name
    );
    let (reason, text) = if dry_run {
        (
            Reason::DryRun,
            format!("would write {place}; the operator runs with --dry-run"),
        )
    } else if spec.mode == Mode::Live {
        (Reason::Ready, format!("writes {place}"))
    } else {
        (Reason::DryRun, format!("would write {place}; mode is DryRun"))
    };
    let message = remark.map_or_else(|| text.clone(), |remark| format!("{text}; {remark}"));
    Standing::ready(reason, message)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "`json!` reads best where it is passed")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::base::fault::Needs;
    use crate::jira::model::{IssueTypeMeta, StatusCategory, StatusDetails};

    fn spec(extra: Value) -> TicketConfigurationSpec {
        let mut object = json!({"connectionRef": {"name": "acme"}, "projectKey": "SEC", "issueType": "Bug"});
        for (key, value) in extra.as_object().unwrap() {
            object[key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn world(fields: Value) -> ProjectMeta {
        ProjectMeta {
            project_id: "10000".into(),
            key: "SEC".into(),
            name: "Security".into(),
            issue_type: IssueTypeMeta {
                id: "1".into(),
                name: "Bug".into(),
                subtask: false,
            },
            fields: serde_json::from_value(fields).unwrap(),
            statuses: vec![StatusDetails {
                id: "3".into(),
                name: "To Do".into(),
                category: StatusCategory::New,
            }],
            priorities: vec![],
        }
    }

    fn remap(to: &str) -> Value {
        json!({"priority": {"remap": {
            "Critical": to, "High": to, "Medium": to, "Low": to, "Informational": to, "Unknown": to,
        }}})
    }

    #[test]
    fn required_fields_are_named_with_id_and_values() {
        let values: Vec<Value> = (0..12)
            .map(|n| json!({"id": n.to_string(), "value": format!("v{n}")}))
            .collect();
        let project = world(json!([
            {"fieldId": "summary", "name": "Summary", "required": true},
            {"fieldId": "reporter", "name": "Reporter", "required": true},
            {"fieldId": "customfield_1", "name": "Team", "required": true, "allowedValues": values},
            {"fieldId": "customfield_2", "name": "Filled", "required": true, "hasDefaultValue": true},
        ]));
        let problem = check(&spec(json!({})), &project).unwrap_err();
        assert_eq!(problem.reason, Reason::RequiredFieldsMissing);
        assert!(
            problem.message.contains("Team (customfield_1, one of v0,"),
            "{}",
            problem.message
        );
        assert!(problem.message.contains("v9 and 2 more"), "{}", problem.message);
        assert!(!problem.message.contains("Filled") && !problem.message.contains("Reporter"));
        assert_eq!(resolved(&spec(json!({})), &project).required_fields, ["Team"]);
    }

    #[test]
    fn priorities_are_found_by_name_or_id() {
        let project = world(json!([
            {"fieldId": "priority", "name": "Priority", "allowedValues": [{"id": "2", "name": "High"}]},
        ]));
        for good in ["High", "high", "2"] {
            assert_eq!(check(&spec(remap(good)), &project), Ok(None), "{good}");
        }
        let problem = check(&spec(remap("Highest")), &project).unwrap_err();
        assert_eq!(problem.reason, Reason::PriorityNotFound);
        assert!(problem.message.ends_with("it has High"), "{}", problem.message);
        let without = world(json!([]));
        assert!(
            check(&spec(remap("High")), &without)
                .unwrap()
                .unwrap()
                .contains("no priority field")
        );
    }

    #[test]
    fn statuses_of_the_mapping_must_exist() {
        let project = world(json!([]));
        let mapping =
            |name: &str| spec(json!({"statusSync": {"mapping": [{"state": "Active", "jiraStatuses": [name]}]}}));
        assert_eq!(check(&mapping("to do"), &project), Ok(None));
        assert_eq!(check(&mapping("3"), &project), Ok(None));
        let problem = check(&mapping("Backlog"), &project).unwrap_err();
        assert_eq!(problem.reason, Reason::StatusNotFound);
        assert!(problem.message.ends_with("it can be in To Do"), "{}", problem.message);
    }

    #[test]
    fn unknown_values_stall_and_suspend_rests() {
        let problem = check_spec(&spec(json!({"mode": "Later", "deletionPolicy": "Shred"}))).unwrap_err();
        assert_eq!(
            (problem.reason, problem.needs),
            (Reason::UnrecognisedValue, Needs::Person)
        );
        assert!(problem.message.ends_with("mode, deletionPolicy"), "{}", problem.message);
        let problem = check_spec(&spec(json!({"suspend": true}))).unwrap_err();
        assert_eq!((problem.reason, problem.needs), (Reason::Suspended, Needs::Nothing));
    }

    #[test]
    fn the_older_configuration_keeps_the_identity() {
        assert!(came_first((Some(1), "b/b"), (Some(2), "a/a")));
        assert!(came_first((Some(1), "a/a"), (Some(1), "a/b")));
        assert!(came_first((Some(9), "z"), (None::<i32>, "a")));
        assert!(!came_first((Some(2), "a/a"), (Some(1), "b/b")));
    }

    #[test]
    fn a_usable_configuration_says_where_it_writes() {
        let project = world(json!([]));
        let live = usable(&spec(json!({})), &project, false, None);
        assert_eq!(
            (live.reason, live.message.as_str()),
            (Reason::Ready, "writes Bug issues to SEC (Security)")
        );
        let dry = usable(&spec(json!({"mode": "DryRun"})), &project, false, Some("r"));
        assert_eq!(dry.reason, Reason::DryRun);
        assert!(dry.message.starts_with("would write Bug issues") && dry.message.ends_with("; r"));
    }

    #[test]
    fn namespaces_beyond_the_own_need_permission() {
        let all = spec(json!({"findingNamespaces": {"from": "All"}}));
        assert!(
            not_shared(&all, "shop", &[])
                .unwrap()
                .contains("--shared-configuration-namespace shop")
        );
        assert_eq!(not_shared(&all, "shop", &["shop".to_owned()]), None);
        assert_eq!(not_shared(&spec(json!({})), "shop", &[]), None);
    }
}
