//! The only place that writes to Jira, and that stamps and releases findings.
//!
//! Each step may be repeated after a crash. A step tells whether the pass goes on; what it learned stands in the
//! memory, and the next round decides on it.

mod adopt;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::fields::Assignee;
use crate::api::{Reason, State};
use crate::controllers::registry::Connection;
use crate::domain::base::clock::later;
use crate::domain::base::fault::Fault;
use crate::domain::base::hash::short_hash;
use crate::domain::base::members::is_leaving;
use crate::domain::content::ASSIGNEE;
use crate::domain::content::{self, Change};
use crate::domain::identity::{Property, Record, TicketKey, claim};
use crate::domain::identity::{stored_ticket, ticket_of};
use crate::domain::ticket::memory::{Attempt, Blocked, IssueKnowledge, Memory, Refusal};

use crate::domain::state::transition::{Choice, choose};
use crate::domain::ticket::plan::Step;
use crate::jira::model::Issue;
use crate::jira::{Assignable, Executed, JiraError};

use super::observe::World;
use super::{Tickets, lock};

/// How long a refusal by Jira stands before the same thing is tried once more.
const REFUSAL_STANDS: std::time::Duration = std::time::Duration::from_hours(1);
/// How far back issues are looked for that carry no label.
const ONE_YEAR_MINUTES: u32 = 525_600;
/// Key of the comment property that marks the comment which explains a close.
const CLOSE_COMMENT: &str = "jira-findings.dev/closed";

/// What the hits of a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    /// There is none.
    None,
    /// One was read and is the ticket's issue.
    Proven,
    /// One names the ticket's issue, which could not be read.
    Unread,
}

impl Tickets {
    /// Takes one step. Returns whether the pass goes on with the next.
    pub(super) async fn act(&self, key: &TicketKey, memory: &mut Memory, world: &World, step: &Step) -> bool {
        match step {
            Step::Release { partial } => return self.release(key, memory, world, *partial).await,
            Step::Hold => return self.hold(memory, world).await,
            Step::HandOver { record } => return self.stamp_all(memory, world, record).await,
            _ => {}
        }
        if let Step::LeaveOpen { message } = step {
            if !std::mem::replace(&mut memory.told_left_open, true) {
                self.leave_open(world, message).await;
            }
            return true;
        }
        if let Step::Settle { nonce } = step {
            memory.settle(nonce);
            return true;
        }
        let Some(connection) = world.connection().cloned() else {
            return false;
        };
        let outcome = match step {
            Step::LookUp => self.look_up(key, memory, world, &connection).await,
            Step::FindAttempt { record } => self.find_attempt(key, memory, world, &connection, record).await,
            Step::Create { incarnation } => return self.create(key, memory, world, &connection, *incarnation).await,
            Step::Adopt { key: named } => return self.adopt(key, memory, world, &connection, named).await,
            Step::FindClaim { key: named } => self.find_claim(key, memory, &connection, named).await,
            Step::Read { id } => read(memory, world, &connection, id).await,
            Step::ResolveAssignee => return self.resolve_assignee(memory, world, &connection).await,
            Step::Edit { id, change } => self.edit(memory, world, &connection, id, change).await,
            Step::Transition { id, goal } => return self.transition(key, memory, world, &connection, id, *goal).await,
            Step::ExplainClose { id } => explain_close(memory, world, &connection, id).await,
            Step::Delete { id } => match connection.gateway.client().delete_issue(id).await {
                Ok(()) | Err(JiraError::NotFound { .. }) => {
                    memory.issue = IssueKnowledge::Absent;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Step::Release { .. }
            | Step::Hold
            | Step::HandOver { .. }
            | Step::LeaveOpen { .. }
            | Step::Settle { .. } => Ok(()),
        };
        match outcome {
            Ok(()) => {
                // A read that works does not make a write work: the pauses between failing writes go on growing.
                if matches!(step, Step::Edit { .. } | Step::Delete { .. }) {
                    memory.trouble = None;
                }
                true
            }
            Err(error) => {
                let refusable = matches!(step, Step::Edit { .. });
                self.note_failure(memory, world, &error, refusable);
                false
            }
        }
    }

    /// Sends a change. What Jira refuses of it, by field, holds up nothing else: the rest is sent without.
    async fn edit(
        &self,
        memory: &mut Memory,
        world: &World,
        connection: &Connection,
        id: &str,
        change: &Change,
    ) -> Result<(), JiraError> {
        let Err(error) = self.send(memory, world, connection, id, change).await else {
            memory.refusal = None;
            return Ok(());
        };
        let resolved = memory.assignable.clone().zip(world.resolved.as_ref());
        let ours = change.fields.contains_key(ASSIGNEE);
        if let (Some(why), Some(((wish, _), resolved)), Some(said), true) =
            (refused_assignee(&error), resolved, world.assignee(), ours)
        {
            // It was assignable a moment ago; the rest goes without it.
            let project = &resolved.project.key;
            connection.metadata.refuse_assignee(project, &said.into(), why).await;
            memory.assignee_missing = Some(format!("the assignee was not changed: {why}"));
            memory.assignable = Some((wish, Assignable::Refused(why.to_owned())));
            return Ok(());
        }
        if let JiraError::Rejected { errors, .. } = &error
            && let Some(rest) = change.without(errors.keys().map(String::as_str))
            && let Err(again) = self.send(memory, world, connection, id, &rest).await
        {
            tracing::info!(error = %again, "what is left of an edit was not made either");
        }
        Err(error)
    }

    async fn send(
        &self,
        memory: &mut Memory,
        world: &World,
        connection: &Connection,
        id: &str,
        change: &Change,
    ) -> Result<(), JiraError> {
        let mut body = change.edit();
        let property = memory
            .issue
            .present()
            .zip(world.desired())
            .and_then(|(issue, desired)| content::written(desired, issue, change));
        body.properties.extend(property.as_ref().map(content::property_entry));
        connection.gateway.client().edit_issue(id, &body).await?;
        if let IssueKnowledge::Present(issue) = &mut memory.issue {
            change.apply_to(issue);
            let entry = property.as_ref().map(content::property_entry);
            issue.properties.extend(entry.map(|entry| (entry.key, entry.value)));
        }
        if let Some(desired) = world.desired() {
            content::note_change(&mut memory.sent, desired, change);
        }
        if !change.is_repair() {
            memory.edited = Some(self.clock.now());
        }
        Ok(())
    }

    /// Finds out whom the wish for an assignee means.
    async fn resolve_assignee(&self, memory: &mut Memory, world: &World, connection: &Connection) -> bool {
        let wish = world
            .assignee()
            .zip(world.desired().and_then(|one| one.hashes.get(ASSIGNEE)));
        let Some((wish, hash)) = wish else { return false };
        let Some(whom) = self.assignable(memory, world, connection, wish).await else {
            return false;
        };
        memory.assignee_missing = match &whom {
            Assignable::Refused(why) => Some(format!("the assignee was not changed: {why}")),
            Assignable::Account(_) | Assignable::Nobody => None,
        };
        memory.assignable = Some((hash.clone(), whom));
        true
    }

    /// Looks for the ticket's issue by label; where labels cannot be set on creation, among what we created.
    async fn look_up(
        &self,
        key: &TicketKey,
        memory: &mut Memory,
        world: &World,
        connection: &Connection,
    ) -> Result<(), JiraError> {
        let found = self.search(key, world, connection).await?;
        let mut hit = self.prove(key, memory, connection, &found, None).await?;
        let released = lock(&self.released).get(key).map(|(id, _)| id.clone());
        if let (Hit::None, Some(id)) = (&hit, released) {
            // The finding went and came back faster than the search index follows.
            let issue = connection.gateway.read_issue(id).await?;
            hit = self.prove(key, memory, connection, issue.as_slice(), None).await?;
        }
        if hit == Hit::None {
            memory.found_nothing_at = Some(self.clock.now());
        }
        Ok(())
    }

    async fn search(&self, key: &TicketKey, world: &World, connection: &Connection) -> Result<Vec<Issue>, JiraError> {
        let label = key.label(&self.context.settings.instance_id);
        let mut found = connection.gateway.look_up(label).await?;
        if !world.labels_on_screen() {
            // The label comes by an edit after the creation, which may never have been made.
            let project = world.configuration.as_ref().map(|entry| entry.spec.project_key.clone());
            let by_creator = connection
                .gateway
                .look_up_by_creator(project.unwrap_or_default(), ONE_YEAR_MINUTES);
            found.extend(by_creator.await?);
        }
        Ok(found)
    }

    /// Picks the ticket's issue among the hits of a search and reads it by id. A hit settles nothing by itself (trap T4):
    /// only an issue that was read and carries the property of the ticket does.
    async fn prove(
        &self,
        key: &TicketKey,
        memory: &mut Memory,
        connection: &Connection,
        hits: &[Issue],
        wanted: Option<u32>,
    ) -> Result<Hit, JiraError> {
        let instance = &self.context.settings.instance_id;
        let claim = claim(hits, instance, key, wanted);
        memory.duplicates = Some(claim.duplicates);
        let Some(hit) = claim.issue else {
            return Ok(Hit::None);
        };
        let read = connection.gateway.read_issue(hit.id).await?;
        let proven = |issue: &Issue| {
            Property::of(issue).is_some_and(|one| one.proves(instance, key) && one.incarnation == claim.incarnation)
        };
        if let Some(issue) = read.filter(proven) {
            tracing::info!(ticket = %key, issue = %issue.key, "found the issue of this ticket");
            memory.incarnation = Some(claim.incarnation);
            memory.found = Some((issue.id.clone(), issue.key.clone()));
            memory.newest = None;
            memory.note_issue(issue);
            return Ok(Hit::Proven);
        }
        let message = format!(
            "a search of Jira shows {} as the issue of this ticket, and reading it shows nothing; no other issue is \
             created before that is settled",
            hit.key
        );
        let fault = Fault::passing(Reason::OutcomeUnknown, message);
        memory.note_trouble(fault, None, rand::random(), self.clock.now());
        Ok(Hit::Unread)
    }

    /// Searches for the issue of a creation whose outcome is unknown: by label, and by walking the keys after the
    /// highest number known before it, as the search index lags and the keys do not.
    async fn find_attempt(
        &self,
        key: &TicketKey,
        memory: &mut Memory,
        world: &World,
        connection: &Connection,
        record: &Record,
    ) -> Result<(), JiraError> {
        let begun = self.clock.now();
        let mut found = self.search(key, world, connection).await?;
        let mut hit = self
            .prove(key, memory, connection, &found, Some(record.incarnation))
            .await?;
        let project = world.configuration.as_ref().map(|entry| &entry.spec.project_key);
        if hit == Hit::None && project == Some(&record.project) {
            let walked = connection.gateway.walk(record.project.clone(), record.highest).await?;
            found.extend(walked.issues.iter().cloned());
            hit = self
                .prove(key, memory, connection, &found, Some(record.incarnation))
                .await?;
        }
        match hit {
            Hit::Proven => {
                memory.settle(&record.nonce);
            }
            Hit::Unread => {}
            Hit::None => {
                if let Some(attempt) = memory.attempt.as_mut().filter(|one| one.record.nonce == record.nonce) {
                    attempt.searched = Some(begun);
                    attempt.searches += 1;
                }
            }
        }
        Ok(())
    }

    /// Creates the issue: the limiter grants the slot, every present member is stamped, the request leaves within the
    /// send window, and the outcome is settled or stays open for all to see.
    async fn create(
        &self,
        key: &TicketKey,
        memory: &mut Memory,
        world: &World,
        connection: &Arc<Connection>,
        incarnation: u32,
    ) -> bool {
        let (Some(desired), Some(resolved)) = (world.desired(), &world.resolved) else {
            return false;
        };
        let settings = &self.context.settings;
        let project = &resolved.project;
        let client = connection.gateway.client();
        let assignee = match world.assignee() {
            Some(wish) => match self.assignable(memory, world, connection, wish).await {
                Some(assignable) => Some((wish, assignable)),
                None => return false,
            },
            None => None,
        };
        let slot = async {
            let highest = connection.gateway.highest_known(&project.key).await?;
            let permit = client.create_permit(&project.key).await?;
            Ok::<_, JiraError>((highest, permit))
        };
        let (highest, permit) = match slot.await {
            Ok(granted) => granted,
            Err(error) => {
                self.note_failure(memory, world, &error, false);
                return false;
            }
        };
        let stamped_at = Instant::now();
        let record = self.record(key, &project.key, connection, incarnation, highest);
        if !self.stamp_all(memory, world, &record).await {
            // What is to be created may have changed. The stamps that were made speak of a creation that this process
            // knows was never sent.
            memory.settle(&record.nonce);
            return false;
        }
        memory.attempt = Some(Attempt {
            record: Box::new(record.clone()),
            first_seen: self.clock.now(),
            searched: None,
            searches: 0,
        });
        if stamped_at.elapsed() >= settings.send_window {
            tracing::warn!(ticket = %key, "stamping took longer than the send window; the creation is made anew");
            memory.settle(&record.nonce);
            return true;
        }
        let mut body = content::creation(desired, project, &settings.instance_id, key, incarnation);
        memory.assignee_missing = match &assignee {
            Some((_, assignable)) => content::assign(&mut body, assignable, project),
            None => None,
        };
        match client.create_issue(permit, &body).await {
            Ok(created) => {
                tracing::info!(ticket = %key, issue = %created.key, findings = %names(world), "created an issue");
                self.context.metrics.tickets_created.inc();
                connection.gateway.note_key(&created.key);
                memory.settle(&record.nonce);
                memory.refusal = None;
                memory.trouble = None;
                memory.incarnation = Some(incarnation);
                memory.newest = None;
                memory.found = Some((created.id.clone(), created.key.clone()));
                memory.sent = content::sent_by_creation(desired);
                memory.issue = IssueKnowledge::Unknown;
                self.read_created(memory, connection, &created.id, &created.key).await;
                true
            }
            Err(error) => {
                if error.executed() == Executed::No {
                    memory.settle(&record.nonce);
                    if let (Some((wish, Assignable::Account(_))), Some(why)) = (&assignee, refused_assignee(&error)) {
                        // It was assignable a moment ago; the ticket is worth more than its assignee (T16).
                        connection
                            .metadata
                            .refuse_assignee(&project.key, &(*wish).into(), why)
                            .await;
                        return true;
                    }
                    self.note_failure(memory, world, &error, true);
                } else {
                    tracing::warn!(ticket = %key, %error, "the outcome of a creation is unknown");
                    // Jira is searched at once; what is found settles it.
                    memory.found_nothing_at = None;
                    self.look_again(key, std::time::Duration::from_millis(200));
                }
                false
            }
        }
    }

    /// Whom a wish for an assignee means; `None` when Jira cannot be asked now.
    async fn assignable(
        &self,
        memory: &mut Memory,
        world: &World,
        connection: &Connection,
        wish: &Assignee,
    ) -> Option<Assignable> {
        let project = &world.resolved.as_ref()?.project.key;
        match connection.metadata.assignee(project, &wish.into()).await {
            Ok(assignable) => Some(assignable),
            Err(error) => {
                self.note_failure(memory, world, &error, false);
                None
            }
        }
    }

    /// The record of a creation that is about to be made.
    fn record(
        &self,
        key: &TicketKey,
        project: &str,
        connection: &Connection,
        incarnation: u32,
        highest: u64,
    ) -> Record {
        Record {
            nonce: format!("{:016x}", rand::random::<u64>()),
            time: Timestamp::from_second(self.clock.now().as_second()).ok().map(Time),
            configuration: key.configuration.clone(),
            group: key.group.clone(),
            slot: key.slot,
            incarnation,
            label: key.label(&self.context.settings.instance_id),
            project: project.to_owned(),
            site: Some(connection.cloud_id.clone()),
            highest,
        }
    }

    /// Reads an issue right after its creation. One that cannot be read is not believed lost.
    async fn read_created(&self, memory: &mut Memory, connection: &Connection, id: &str, issue_key: &str) {
        match connection.gateway.read_issue(id.to_owned()).await {
            Ok(Some(issue)) => memory.note_issue(issue),
            Ok(None) => {
                let message = format!(
                    "{issue_key} was created and cannot be read; give the operator's account the Browse Projects \
                     permission and a security level that lets it see its own issues"
                );
                let fault = Fault::lasting(Reason::CreatedIssueNotVisible, message);
                memory.note_trouble(
                    fault,
                    Some(std::time::Duration::from_mins(1)),
                    rand::random(),
                    self.clock.now(),
                );
            }
            Err(error) => tracing::debug!(issue = issue_key, %error, "the new issue is read later"),
        }
    }

    /// Moves the issue towards where a finding of state `goal` belongs, by one transition.
    async fn transition(
        &self,
        key: &TicketKey,
        memory: &mut Memory,
        world: &World,
        connection: &Arc<Connection>,
        id: &str,
        goal: State,
    ) -> bool {
        let Some(configuration) = &world.configuration else {
            return false;
        };
        let Some(issue) = memory.issue.present().cloned() else {
            return true;
        };
        let Some(status) = issue.fields.status.clone() else {
            return true;
        };
        let client = connection.gateway.client();
        let transitions = match client.transitions(id).await {
            Ok(transitions) => transitions,
            Err(error) => {
                self.note_failure(memory, world, &error, false);
                return false;
            }
        };
        let block = |memory: &mut Memory, fault: Fault| {
            tracing::info!(issue = %issue.key, reason = %fault.reason, detail = %fault.message, "the issue cannot be moved");
            memory.blocked = Some(Blocked {
                status_id: status.id.clone(),
                goal,
                generation: configuration.generation,
                fault,
            });
            false
        };
        let (transition, fields) =
            match choose(&issue.key, &status, &transitions, goal, &configuration.spec.status_sync) {
                Choice::Take { transition, fields } => (transition, fields),
                Choice::Blocked(fault) => return block(memory, fault),
            };
        let before = Property::of(&issue).unwrap_or_default();
        let incarnation = world
            .findings
            .iter()
            .filter_map(|one| ticket_of(one, key))
            .map(|ticket| ticket.incarnation)
            .max();
        let incarnation = incarnation.or(memory.incarnation).unwrap_or(1).max(before.incarnation);
        let known = Property::new(&self.context.settings.instance_id, key, incarnation, Some(goal));
        let pushes = before.pushes.max(stored_pushes(world)).saturating_add(1);
        let adopted = before.adopted || stored_ticket(&world.findings, key).is_some_and(|ticket| ticket.adopted);
        let property = content::property_entry(&Property {
            pushes,
            adopted,
            written: before.written,
            ..known
        });
        match client.transition(id, &transition, &fields, &[property]).await {
            Ok(()) => {
                tracing::info!(issue = %issue.key, from = %status.name, %goal, "moved an issue");
                memory.blocked = None;
                memory.trouble = None;
                memory.issue = IssueKnowledge::Unknown;
            }
            Err(JiraError::Rejected { errors, messages, .. }) => {
                let said: Vec<String> = errors
                    .into_iter()
                    .map(|(field, text)| format!("{field}: {text}"))
                    .chain(messages)
                    .collect();
                let message = format!(
                    "Jira refuses to move {} from {}: {}",
                    issue.key,
                    status.name,
                    said.join("; ")
                );
                return block(memory, Fault::lasting(Reason::TransitionBlocked, message));
            }
            Err(error) => {
                self.note_failure(memory, world, &error, false);
                return false;
            }
        }
        match read(memory, world, connection, id).await {
            Ok(()) => true,
            Err(error) => {
                self.note_failure(memory, world, &error, false);
                false
            }
        }
    }

    async fn leave_open(&self, world: &World, message: &str) {
        tracing::warn!(detail = message, "an issue is left open");
        let leaving = || world.members.iter().filter(|member| is_leaving(&member.finding));
        for member in leaving() {
            self.warn(member.finding.as_ref(), Reason::IssueLeftOpen, message, None)
                .await;
        }
        if let Some(entry) = &world.configuration {
            let related = leaving().next().map(|member| member.finding.object_ref(&()));
            self.warn_on_configuration(&entry.key, Reason::IssueLeftOpen, message, related)
                .await;
        }
    }

    /// Sorts a failed call: a refusal stands until something changes, a lost issue is read again, the rest is retried.
    fn note_failure(&self, memory: &mut Memory, world: &World, error: &JiraError, refusable: bool) {
        let now = self.clock.now();
        let cause = world.desired().map(|desired| desired.cause.clone()).unwrap_or_default();
        let refuse = |memory: &mut Memory, reason: Reason, message: String| {
            let retry_at = later(now, REFUSAL_STANDS.mul_f64(0.8 + 0.4 * rand::random::<f64>()));
            if !refusable {
                // Nothing that a change of the content could cure: it is tried again, more and more seldom.
                memory.note_trouble(Fault::lasting(reason, message), None, rand::random(), now);
                return;
            }
            memory.refusal = Some(Refusal {
                cause: cause.clone(),
                fault: Fault::lasting(reason, message),
                retry_at,
            });
        };
        tracing::info!(%error, findings = %names(world), "a call to Jira failed");
        match error {
            JiraError::Rejected { errors, messages, .. } => {
                let fields = errors
                    .iter()
                    .map(|(field, text)| format!("{}: {text}", field_name(world, field)));
                let said: Vec<String> = fields.chain(messages.iter().cloned()).collect();
                let message = format!("Jira refuses the issue: {}", said.join("; "));
                refuse(memory, Reason::RejectedByJira, message);
            }
            JiraError::Forbidden { .. } => refuse(memory, Reason::PermissionDenied, error.to_string()),
            JiraError::NotFound { .. } => {
                // Deleted, hidden or moved out of sight: the next round reads it by id and learns which.
                memory.issue = IssueKnowledge::Unknown;
                let fault = Fault::passing(Reason::JiraUnavailable, error.to_string());
                memory.note_trouble(fault, None, rand::random(), now);
            }
            _ => {
                let reason = match error {
                    JiraError::RateLimited { .. } => Reason::RateLimited,
                    error if error.is_connection_fault() => Reason::ConnectionNotReady,
                    _ => Reason::JiraUnavailable,
                };
                // What is known may have changed when it is tried again.
                memory.issue = IssueKnowledge::Unknown;
                memory.note_trouble(
                    Fault::passing(reason, error.to_string()),
                    error.retry_after(),
                    rand::random(),
                    now,
                );
            }
        }
    }
}

/// The findings of a ticket, for a log line; of many the first.
fn names(world: &World) -> String {
    let mut names: Vec<String> = world
        .members
        .iter()
        .take(3)
        .map(|member| member.key.to_string())
        .collect();
    if world.members.len() > names.len() {
        names.push(format!("{} more", world.members.len() - names.len()));
    }
    names.join(", ")
}

/// A field's name for people, with its id.
fn field_name(world: &World, id: &str) -> String {
    let name = world
        .resolved
        .as_ref()
        .and_then(|resolved| resolved.project.field(id))
        .map(|field| field.name.clone());
    name.filter(|name| !name.eq_ignore_ascii_case(id))
        .map_or_else(|| id.to_owned(), |name| format!("{name} ({id})"))
}

/// What Jira says of the assignee, where it refuses nothing else.
fn refused_assignee(error: &JiraError) -> Option<&str> {
    match error {
        JiraError::Rejected { errors, messages, .. } if errors.len() == 1 && messages.is_empty() => {
            errors.get("assignee").map(String::as_str)
        }
        _ => None,
    }
}

fn stored_pushes(world: &World) -> u32 {
    let bases = world
        .findings
        .iter()
        .filter_map(|one| one.status.as_ref()?.sync.as_ref());
    bases.map(|base| base.pushes).max().unwrap_or_default()
}

/// Reads the issue by id. Absence is believed only from a reply made for the right account, which the client proves.
async fn read(memory: &mut Memory, world: &World, connection: &Connection, id: &str) -> Result<(), JiraError> {
    // Lists that are no longer wished for are read too, as what is ours in them is to go.
    let bases = world
        .findings
        .iter()
        .filter_map(|one| one.status.as_ref()?.sync.as_ref());
    let lists: Vec<String> = bases.flat_map(|base| base.lists.keys().cloned()).collect();
    connection.gateway.want_fields(lists);
    match connection.gateway.read_issue(id.to_owned()).await? {
        Some(issue) => memory.note_issue(issue),
        None => memory.issue = IssueKnowledge::Absent,
    }
    memory.suspect_lost = false;
    memory.asked = false;
    Ok(())
}

/// Says in the issue why it is closed now. The comment carries a property, and the comments are read first, so that it
/// is there once, whatever was lost or crashed before.
async fn explain_close(memory: &mut Memory, world: &World, connection: &Connection, id: &str) -> Result<(), JiraError> {
    if memory.close_commented {
        return Ok(());
    }
    let client = connection.gateway.client();
    let names: Vec<String> = world.members.iter().map(|member| member.key.to_string()).collect();
    let marker = short_hash(names.join(",").as_bytes());
    let comments = client.comments(id, true).await?;
    let ours = |property: &crate::jira::model::EntityProperty| {
        property.key == CLOSE_COMMENT && property.value.get("of").and_then(Value::as_str) == Some(marker.as_str())
    };
    if !comments.iter().any(|comment| comment.properties.iter().any(ours)) {
        let text = format!(
            "The finding {} was deleted from the cluster, so this issue is closed.",
            names.join(", ")
        );
        let body = crate::domain::render::plain(&text);
        let properties = vec![crate::jira::model::EntityProperty {
            key: CLOSE_COMMENT.to_owned(),
            value: json!({ "of": marker }),
        }];
        client
            .add_comment(id, &crate::jira::NewComment { body, properties })
            .await?;
    }
    memory.close_commented = true;
    Ok(())
}
