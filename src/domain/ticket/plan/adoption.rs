//! A ticket whose findings name an existing issue: which one, whether it may be theirs, and what is different with it.

use crate::api::ticket_configuration::{Adoption, TicketConfigurationSpec};
use crate::api::{Reason, SecurityFinding};
use crate::domain::base::fault::Fault;
use crate::domain::base::members::{has_finalizer, is_leaving};
use crate::domain::identity::stored_ticket;
use crate::domain::identity::{PROPERTY, Property, TicketKey};
use crate::jira::ProjectMeta;
use crate::jira::model::Issue;

use super::{Observed, Plan, Step, Verdict};

/// The key of the issue that the findings of a ticket name. None is opened in its place.
pub(super) fn named_issue<'a>(
    present: &[&'a SecurityFinding],
    spec: &TicketConfigurationSpec,
) -> Result<Option<&'a str>, Fault> {
    let mut keys: Vec<&str> = present
        .iter()
        .filter_map(|one| one.spec.ticket.issue_key.as_deref())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let Some(key) = keys.first().copied() else {
        return Ok(None);
    };
    if spec.adoption != Adoption::Allowed {
        let message = format!(
            "spec.ticket.issueKey names {key}, and the configuration does not allow that; set its spec.adoption to \
             Allowed, or remove spec.ticket.issueKey to have a new issue opened"
        );
        return Err(Fault::lasting(Reason::AdoptionForbidden, message));
    }
    if keys.len() > 1 {
        let message = format!(
            "the findings of this ticket name different issues in spec.ticket.issueKey: {}; name the same one in all",
            keys.join(", ")
        );
        return Err(Fault::lasting(Reason::IssueNotAdoptable, message));
    }
    Ok(Some(key))
}

/// A look for the issue that a finding about to go may have claimed before a crash: it was marked for that, and knows no
/// ticket.
pub(super) fn look_for_claim(seen: &Observed<'_>) -> Option<Plan> {
    let looked = seen.memory.found_nothing_at.is_some();
    let mut held = seen
        .members
        .iter()
        .filter(|one| !looked && is_leaving(one) && has_finalizer(one));
    let key = held.find_map(|one| one.spec.ticket.issue_key.clone())?;
    Some(Plan::step(Step::FindClaim { key }, Verdict::Keep))
}

/// Whether the ticket's issue is a person's: as stored, or as its property says.
pub(super) fn is_adopted(seen: &Observed<'_>, issue: &Issue) -> bool {
    stored_ticket(seen.members, seen.key).is_some_and(|ticket| ticket.adopted)
        || Property::of(issue).is_some_and(|property| property.adopted)
}

/// Why the issue that findings name as `named` cannot become the ticket `key`; `None` when it can, or is already.
pub fn refuse_adoption(
    named: &str,
    issue: Option<&Issue>,
    instance: &str,
    key: &TicketKey,
    project: &ProjectMeta,
) -> Option<Fault> {
    let unfit = |message: String| Some(Fault::lasting(Reason::IssueNotAdoptable, message));
    let Some(issue) = issue else {
        return unfit(format!(
            "{named} does not exist, or the operator's account cannot see it; correct spec.ticket.issueKey, or give the \
             account access, then set the annotation {}",
            crate::api::RECONCILE_ANNOTATION
        ));
    };
    let claimant = Property::of(issue);
    if claimant.as_ref().is_some_and(|claimant| claimant.proves(instance, key)) {
        return None;
    }
    let name = if issue.key.is_empty() || issue.key == named {
        named.to_owned()
    } else {
        format!("{named}, now {},", issue.key)
    };
    let fields = &issue.fields;
    if let Some(other) = fields.project.as_ref().filter(|other| other.id != project.project_id) {
        return unfit(format!(
            "{name} is in project {}, the configuration's is {}; name an issue of that project in spec.ticket.issueKey",
            other.key, project.key
        ));
    }
    if let Some(other) = fields
        .issuetype
        .as_ref()
        .filter(|other| other.id != project.issue_type.id)
    {
        return unfit(format!(
            "{name} is a {}, the configuration's issue type is {}; change the type of the issue, or name another in \
             spec.ticket.issueKey",
            other.name, project.issue_type.name
        ));
    }
    if fields.project.is_none() || fields.issuetype.is_none() {
        return unfit(format!("Jira does not tell project and issue type of {name}"));
    }
    if !issue.properties.contains_key(PROPERTY) {
        return None;
    }
    let message = match claimant {
        Some(claimant) => {
            let elsewhere = if claimant.instance == instance {
                String::new()
            } else {
                format!(" of installation {}", claimant.instance)
            };
            format!(
                "{name} is the ticket of {} under configuration {}{elsewhere}; name another issue in spec.ticket.issueKey",
                claimant.group.join("/"),
                claimant.configuration
            )
        }
        None => format!(
            "{name} carries the property {PROPERTY} with a value that cannot be read; name another issue in \
             spec.ticket.issueKey"
        ),
    };
    Some(Fault::lasting(Reason::IssueAlreadyClaimed, message))
}
