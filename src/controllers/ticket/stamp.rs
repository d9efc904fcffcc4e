//! The marks on the findings themselves: finalizer and write-ahead record, put there and taken away.

use futures::StreamExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::{FIELD_MANAGER, FINALIZER, RECORD_ANNOTATION, Reason, SecurityFinding};
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

impl Tickets {
    /// Stamps every present finding with the record and the finalizer, if they are as they were when it was decided.
    /// False: somebody else wrote one of them, or it cannot be written.
    pub(super) async fn stamp_all(&self, memory: &mut Memory, world: &World, record: &Record) -> bool {
        let text = serde_json::to_string(record).unwrap_or_default();
        self.mark(memory, present(world), Some(&text)).await
    }

    /// Puts the finalizer on present findings that lack it.
    pub(super) async fn hold(&self, memory: &mut Memory, world: &World) -> bool {
        let lacking = present(world).filter(|member| !has_finalizer(&member.finding));
        self.mark(memory, lacking, None).await
    }

    async fn mark<'a>(
        &self,
        memory: &mut Memory,
        members: impl Iterator<Item = &'a Member>,
        record: Option<&str>,
    ) -> bool {
        let mut marks = Vec::new();
        for member in members {
            let mut finalizers: Vec<String> = member.finding.metadata.finalizers.clone().unwrap_or_default();
            if !has_finalizer(&member.finding) {
                finalizers.push(FINALIZER.to_owned());
            }
            let mut patch = json!({"metadata": {
                "resourceVersion": member.finding.metadata.resource_version,
                "finalizers": finalizers,
            }});
            if let Some(record) = record {
                patch["metadata"]["annotations"] = json!({RECORD_ANNOTATION: record});
            }
            marks.push(async move { self.patch_finding(member, &patch).await });
        }
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

    /// Patches a finding's metadata and remembers it as written. The error is `None` when the finding was not as
    /// expected any more, and the API server's word when it refuses.
    async fn patch_finding(&self, member: &Member, patch: &Value) -> Result<(), Option<String>> {
        let api: Api<SecurityFinding> = Api::namespaced(self.context.client.clone(), &member.key.namespace);
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match api.patch(&member.key.name, &parameters, &Patch::Merge(patch)).await {
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
            if let Err(refused) = self.patch_finding(member, &patch).await {
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
