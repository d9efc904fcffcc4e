//! Kubernetes events, all published through one recorder, so that repeated events become one event with a count.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use super::call::with_deadline;
use crate::api::{FIELD_MANAGER, Reason};

/// Longest note that the API server takes, in bytes.
const MAX_NOTE: usize = 1024;
/// What the operator was doing, in every event.
const ACTION: &str = "Reconcile";

/// What an event reports.
#[derive(Clone, Debug)]
pub(crate) struct Notice<'a> {
    /// Whether the event is a warning.
    pub warning: bool,
    /// Reason of the event.
    pub reason: Reason,
    /// Note of the event; cut to 1,024 bytes.
    pub message: &'a str,
    /// Another object that the event concerns.
    pub related: Option<ObjectReference>,
}

/// The recorder of the process. Clones share the memory of what was published.
pub(crate) fn recorder(client: Client) -> Recorder {
    let instance = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    Recorder::new(
        client,
        Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance,
        },
    )
}

/// Publishes an event about `object`. A failure is logged and has no other effect.
///
/// An event of the same type and reason about the same two objects within six minutes is counted on the first one, which
/// keeps its note. Where each note matters, name the object that makes the difference as `related`.
pub(crate) async fn publish<K: Resource<DynamicType = ()>>(recorder: &Recorder, object: &K, notice: Notice<'_>) {
    let event = Event {
        type_: if notice.warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: notice.reason.as_str().to_owned(),
        note: Some(cut(notice.message).to_owned()),
        action: ACTION.to_owned(),
        secondary: notice.related,
    };
    if let Err(error) = with_deadline(recorder.publish(&event, &object.object_ref(&()))).await {
        tracing::debug!(%error, reason = %notice.reason, "event not published");
    }
}

fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_NOTE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let umlauts = "ü".repeat(600);
        assert_eq!(cut(&umlauts), "ü".repeat(512));
        assert_eq!(cut(&format!("a{umlauts}")).len(), 1023);
    }
}
