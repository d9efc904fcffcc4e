//! The marks on the findings themselves: finalizer and write-ahead record, put there and taken away.

use futures::StreamExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::{FIELD_MANAGER, FINALIZER, Reason, SecurityFinding};
use crate::domain::base::fault::Fault;
use crate::domain::base::members::{has_finalizer, is_leaving};
use crate::domain::identity::ticket_of;
use crate::domain::identity::{Record, TicketKey};
use crate::domain::ticket::memory::Memory;

use super::catalog::Member;
use super::observe::World;
use super::{Tickets, lock};

/// How many findings of one ticket are marked at a time.
const AT_A_TIME: usize = 8;

/// What of a finding is patched.
#[derive(Clone, Copy)]
enum Part {
    /// The metadata, where the finalizer stands.
    Metadata,
    /// The status, where the record stands.
    Status,
}

impl Tickets {
    /// Writes the record into the status of every present finding, if it is as it was when the creation was decided.
    /// False: somebody else wrote one of the findings, or its status cannot be written.
    pub(super) async fn stamp_all(&self, memory: &mut Memory, world: &World, record: &Record) -> bool {
        let marks = present(world).map(|member| {
            let mut ticket = json!({ "attempt": record });
            let stored = member.finding.status.as_ref().and_then(|status| status.ticket.as_ref());
            if stored.is_none_or(|ticket| ticket.id.is_none()) {
                ticket["configuration"] = json!(record.configuration);
                ticket["group"] = json!(record.group);
                ticket["slot"] = json!(record.slot);
            }
            let patch = json!({
                "metadata": {"resourceVersion": member.finding.metadata.resource_version},
                "status": {"ticket": ticket},
            });
            (member, patch, Part::Status)
        });
        let marks: Vec<_> = marks.collect();
        self.mark(memory, marks).await
    }

    /// Puts the finalizer on present findings that lack it.
    pub(super) async fn hold(&self, memory: &mut Memory, world: &World) -> bool {
        let lacking = present(world).filter(|member| !has_finalizer(&member.finding));
        let marks = lacking.map(|member| {
            let mut finalizers: Vec<String> = member.finding.metadata.finalizers.clone().unwrap_or_default();
            finalizers.push(FINALIZER.to_owned());
            let patch = json!({"metadata": {
                "resourceVersion": member.finding.metadata.resource_version,
                "finalizers": finalizers,
            }});
            (member, patch, Part::Metadata)
        });
        let marks: Vec<_> = marks.collect();
        self.mark(memory, marks).await
    }

    async fn mark(&self, memory: &mut Memory, marks: Vec<(&Member, Value, Part)>) -> bool {
        let marks: Vec<_> = marks
            .into_iter()
            .map(|(member, patch, part)| async move { self.patch_finding(member, &patch, part).await })
            .collect();
        let marked: Vec<Result<(), Option<String>>> =
            futures::stream::iter(marks).buffer_unordered(AT_A_TIME).collect().await;
        let Some(refused) = marked.into_iter().find_map(Result::err) else {
            return true;
        };
        if let Some(message) = refused {
            let fault = Fault::lasting(Reason::PermissionDenied, message);
            memory.note_trouble(fault, None, rand::random(), self.clock.now());
        }
        // Somebody else wrote the finding; it is looked at again.
        memory.outdated = true;
        false
    }

    /// Patches a part of a finding and remembers it as written. The error is `None` when the finding was not as
    /// expected any more, and the API server's word when it refuses.
    async fn patch_finding(&self, member: &Member, patch: &Value, part: Part) -> Result<(), Option<String>> {
        let api: Api<SecurityFinding> = Api::namespaced(self.context.client.clone(), &member.key.namespace);
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(patch);
        let written = match part {
            Part::Metadata => api.patch(&member.key.name, &parameters, &patch).await,
            Part::Status => api.patch_status(&member.key.name, &parameters, &patch).await,
        };
        match written {
            Ok(written) => {
                self.remember(written);
                Ok(())
            }
            Err(kube::Error::Api(answer)) if answer.code == 409 || answer.code == 404 => Err(None),
            Err(error) => Err(Some(format!(
                "the API server does not let the operator mark {}: {error}",
                member.key
            ))),
        }
    }

    /// Keeps a finding as it was last written until the watch has caught up with it.
    pub(super) fn remember(&self, written: SecurityFinding) {
        self.push_all(self.catalog.remember(written));
    }

    /// Lets deleted findings go.
    pub(super) async fn release(&self, key: &TicketKey, memory: &mut Memory, world: &World, partial: bool) -> bool {
        let leaving = world
            .members
            .iter()
            .filter(|one| is_leaving(&one.finding) && has_finalizer(&one.finding));
        let mut all = true;
        for member in leaving {
            let finalizers = member.finding.metadata.finalizers.iter().flatten();
            let kept: Vec<&String> = finalizers.filter(|finalizer| *finalizer != FINALIZER).collect();
            let patch = json!({"metadata": {
                "resourceVersion": member.finding.metadata.resource_version,
                "finalizers": kept,
            }});
            tracing::info!(namespace = %member.key.namespace, name = %member.key.name, ticket = %key, "letting a deleted finding go");
            if let Err(refused) = self.patch_finding(member, &patch, Part::Metadata).await {
                if let Some(message) = refused {
                    tracing::warn!(detail = message, "a deleted finding cannot be let go");
                }
                all = false;
            }
        }
        memory.outdated = !all;
        if all && !partial {
            let issue = memory.issue.present().map(|issue| issue.id.clone());
            let stored = world.findings.iter().find_map(|one| ticket_of(one, key)?.id.clone());
            if let Some(id) = issue.or(stored) {
                lock(&self.released).insert(key.clone(), (id, Instant::now()));
            }
        }
        all && partial
    }
}

fn present(world: &World) -> impl Iterator<Item = &Member> {
    world.members.iter().filter(|member| !is_leaving(&member.finding))
}
