//! The one place that writes the status of objects.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::events::Recorder;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::{CallError, with_deadline};
use super::events::{self, Notice};
use crate::api::FIELD_MANAGER;
use crate::domain::base::standing::{Standing, status_patch};

/// What became of a status that was to be written.
#[derive(Debug)]
pub(crate) enum Written<K> {
    /// The status stands already as wanted; no call was made.
    Unchanged,
    /// The status was written. The object is the API server's answer.
    Done(Box<K>),
    /// Somebody else has written the object since it was read (HTTP 409). The watch brings the newer copy.
    Outdated,
    /// The object does not exist any more (HTTP 404).
    Gone,
    /// The API server refused the patch, or did not answer in time.
    Refused(CallError),
}

/// Writes a status where `next` differs from `current`: a merge patch of the differences to the status subresource,
/// which applies only to the `resourceVersion` of `object`.
pub(crate) async fn write<K, S>(client: &Client, object: &K, current: &S, next: &S) -> Written<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let version = object.resource_version().unwrap_or_default();
    let Some(patch) = status_patch(current, next, &version) else {
        return Written::Unchanged;
    };
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let (name, patch) = (object.name_any(), Patch::Merge(patch));
    match with_deadline(api.patch_status(&name, &parameters, &patch)).await {
        Ok(written) => Written::Done(Box::new(written)),
        Err(error) => match error.code() {
            Some(409) => Written::Outdated,
            Some(404) => Written::Gone,
            _ => Written::Refused(error),
        },
    }
}

/// Logs a new standing of an object and publishes an event about the object.
pub(crate) async fn announce<K>(recorder: &Recorder, object: &K, standing: &Standing, event: bool)
where
    K: Resource<DynamicType = ()>,
{
    let meta = object.meta();
    let (kind, namespace, name) = (K::kind(&()), meta.namespace.as_deref(), meta.name.as_deref());
    let (reason, detail) = (standing.reason.as_str(), standing.message.as_str());
    if standing.is_warning() {
        tracing::warn!(%kind, namespace, name, reason, detail, "not usable");
    } else {
        tracing::info!(%kind, namespace, name, reason, detail, "status changed");
    }
    if event {
        let notice = Notice {
            warning: standing.is_warning(),
            reason: standing.reason,
            message: &standing.message,
            related: None,
        };
        events::publish(recorder, object, notice).await;
    }
}
