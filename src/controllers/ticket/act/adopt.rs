//! Adoption: an existing issue that a finding names becomes its ticket.
//!
//! ```text
//! read by key ─> one at a time per issue ─> read by id, fit? ─> finalizers ─> property and labels in one edit ─> read: ours?
//! ```
//!
//! The property is the claim. A crash leaves either none, or one that the next pass finds by label or by reading again.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use crate::api::Reason;
use crate::controllers::registry::Connection;
use crate::domain::base::clock::later;
use crate::domain::base::fault::Fault;
use crate::domain::content;
use crate::domain::identity::{Property, TicketKey};
use crate::domain::ticket::memory::{Memory, Refusal};
use crate::domain::ticket::plan::refuse_adoption;
use crate::jira::JiraError;
use crate::jira::model::Issue;

use super::super::observe::World;
use super::super::{Tickets, lock};
use super::REFUSAL_STANDS;

/// Why an adoption ends here.
enum Stop {
    /// The issue cannot be the ticket.
    Refused(Fault),
    /// Jira failed, or refused the edit.
    Failed(JiraError),
    /// A finding is not as it was thought to be.
    Outdated,
    /// A finding could not be marked, and that is noted.
    Noted,
    /// Jira's answer is not plausible.
    Trouble(Fault),
}

impl From<JiraError> for Stop {
    fn from(error: JiraError) -> Self {
        Self::Failed(error)
    }
}

impl Tickets {
    /// Makes the issue `named` the ticket's issue.
    pub(super) async fn adopt(
        &self,
        key: &TicketKey,
        memory: &mut Memory,
        world: &World,
        connection: &Connection,
        named: &str,
    ) -> bool {
        match self.claim_issue(key, memory, world, connection, named).await {
            Ok(issue) => {
                tracing::info!(ticket = %key, issue = %issue.key, "adopted an issue");
                memory.refusal = None;
                memory.trouble = None;
                take(memory, issue);
                true
            }
            Err(Stop::Refused(fault)) => {
                tracing::info!(ticket = %key, issue = named, reason = %fault.reason, detail = %fault.message, "an issue is not adopted");
                let pause = REFUSAL_STANDS.mul_f64(0.8 + 0.4 * rand::random::<f64>());
                memory.refusal = Some(Refusal {
                    cause: world.desired().map(|desired| desired.cause.clone()).unwrap_or_default(),
                    fault,
                    retry_at: later(self.clock.now(), pause),
                });
                false
            }
            Err(Stop::Failed(error)) => {
                self.note_failure(memory, world, &error, true);
                false
            }
            Err(Stop::Outdated) => {
                memory.outdated = true;
                false
            }
            Err(Stop::Noted) => false,
            Err(Stop::Trouble(fault)) => {
                memory.note_trouble(fault, None, rand::random(), self.clock.now());
                false
            }
        }
    }

    async fn claim_issue(
        &self,
        key: &TicketKey,
        memory: &mut Memory,
        world: &World,
        connection: &Connection,
        named: &str,
    ) -> Result<Issue, Stop> {
        let instance = &self.context.settings.instance_id;
        let project = match &world.resolved {
            Some(resolved) => &resolved.project,
            None => return Err(Stop::Outdated),
        };
        let fit = |issue: Option<Issue>| match refuse_adoption(named, issue.as_ref(), instance, key, project) {
            Some(fault) => Err(Stop::Refused(fault)),
            None => issue.ok_or(Stop::Outdated),
        };
        let gateway = &connection.gateway;
        let named_issue = fit(gateway.read_issue(named.to_owned()).await?)?;
        let id = named_issue.id;
        // Two findings may name the issue, also by different keys if it was moved; the second one sees the first's claim.
        let _turn = self.turn(&connection.cloud_id, &id).await;
        let issue = fit(gateway.read_issue(id.clone()).await?)?;
        // From here on a claim may stand that the findings do not know of; whoever comes next is to look for it.
        memory.found_nothing_at = None;
        if !self.hold(memory, world).await {
            return Err(Stop::Noted);
        }
        if Property::of(&issue).is_some_and(|property| property.proves(instance, key)) {
            return Ok(issue);
        }
        let client = gateway.client();
        client.edit_issue(&id, &content::claiming(instance, key)).await?;
        let issue = fit(gateway.read_issue(id).await?)?;
        if Property::of(&issue).is_none() {
            let message = format!("the claim on {named} does not show in Jira yet");
            return Err(Stop::Trouble(Fault::passing(Reason::JiraUnavailable, message)));
        }
        Ok(issue)
    }

    /// Waits until nobody else in this process claims the issue.
    async fn turn(&self, site: &str, id: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut claims = lock(&self.claims);
            claims.retain(|_, one| Arc::strong_count(one) > 1);
            let issue = (site.to_owned(), id.to_owned());
            Arc::clone(claims.entry(issue).or_default())
        };
        turn.lock_owned().await
    }

    /// Looks whether the issue `named` was claimed for this ticket before a crash.
    pub(super) async fn find_claim(
        &self,
        key: &TicketKey,
        memory: &mut Memory,
        connection: &Connection,
        named: &str,
    ) -> Result<(), JiraError> {
        let issue = connection.gateway.read_issue(named.to_owned()).await?;
        let instance = &self.context.settings.instance_id;
        let ours = |issue: &Issue| Property::of(issue).is_some_and(|property| property.proves(instance, key));
        match issue.filter(ours) {
            Some(issue) => take(memory, issue),
            None => memory.found_nothing_at = Some(self.clock.now()),
        }
        Ok(())
    }
}

/// Takes note of an issue that is ours.
fn take(memory: &mut Memory, issue: Issue) {
    memory.incarnation = Property::of(&issue).map(|property| property.incarnation);
    memory.found = Some((issue.id.clone(), issue.key.clone()));
    memory.newest = None;
    memory.note_issue(issue);
}
