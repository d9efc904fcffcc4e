//! What queues tickets: events of findings, and changes of configurations and connections.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use crate::api::SecurityFinding;
use crate::controllers::registry::{ConfigurationEntry, ObjectKey, Snapshot};
use crate::domain::placement::lane::Lane;
use crate::domain::placement::scope::Scope;
use crate::runtime::readiness;

use super::Tickets;
use super::catalog::WorkKey;
use super::mailbox::Signal;

/// Starts the watches: one for each scope of findings, and one for each kind of object that tickets depend on.
pub(super) fn spawn(tickets: &Arc<Tickets>, scopes: Vec<Scope>, tasks: &mut JoinSet<()>) {
    // Both subscribe before the first finding is placed, so that no change after that is missed.
    tasks.spawn(watch_configurations(
        Arc::clone(tickets),
        tickets.context.configurations.changes(),
        tickets.context.configurations.snapshot(),
    ));
    tasks.spawn(watch_connections(
        Arc::clone(tickets),
        tickets.context.connections.changes(),
    ));
    for scope in scopes {
        tasks.spawn(watch_findings(Arc::clone(tickets), scope));
    }
}

/// Feeds the catalog from one watch. A new list is compared with the catalog once it is complete.
async fn watch_findings(tickets: Arc<Tickets>, scope: Scope) {
    let client = tickets.context.watch_client.clone();
    let api: Api<SecurityFinding> = match &scope {
        Scope::Namespace(namespace) => Api::namespaced(client, namespace),
        Scope::Cluster => Api::all(client),
    };
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(finding)) => tickets.push_all(tickets.catalog.apply(finding)),
            Ok(watcher::Event::Delete(finding)) => tickets.push_all(tickets.catalog.delete(&ObjectKey::of(&finding))),
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(finding)) => {
                listed.insert(ObjectKey::of(&finding));
                tickets.push_all(tickets.catalog.apply(finding));
            }
            Ok(watcher::Event::InitDone) => {
                let after = tickets.catalog.relist(&scope, &std::mem::take(&mut listed));
                tickets.push_all(after.work);
                if after.complete {
                    tickets.context.readiness.set(readiness::FINDINGS);
                }
            }
            Err(error) => tracing::warn!(%error, "the watch of SecurityFindings failed; it is started again"),
        }
    }
}

/// Places the findings anew when a configuration changes, and queues the tickets of the configuration. `before`: the
/// configurations at the time of the subscription.
async fn watch_configurations(
    tickets: Arc<Tickets>,
    mut changes: Receiver<ObjectKey>,
    mut before: Snapshot<ConfigurationEntry>,
) {
    while let Some(changed) = next(&mut changes).await {
        tickets.push_all(tickets.catalog.place_all());
        let now = tickets.context.configurations.snapshot();
        // The tickets of a configuration that is gone say so.
        let identities: HashSet<&str> = match &changed {
            Some(key) => [now.get(key), before.get(key)]
                .into_iter()
                .flatten()
                .map(|entry| entry.identity.as_str())
                .collect(),
            None => now
                .values()
                .chain(before.values())
                .map(|entry| entry.identity.as_str())
                .collect(),
        };
        for identity in identities {
            tickets.queue_tickets_of(identity);
        }
        before = now;
    }
}

/// Queues the tickets of a connection that changes; what failed because of the connection is tried again at once.
async fn watch_connections(tickets: Arc<Tickets>, mut changes: Receiver<ObjectKey>) {
    while let Some(changed) = next(&mut changes).await {
        let using = match &changed {
            Some(key) => tickets.context.configurations.by_connection(key),
            None => tickets.context.configurations.snapshot().values().cloned().collect(),
        };
        let identities: HashSet<&str> = using.iter().map(|entry| entry.identity.as_str()).collect();
        for (key, lane) in identities
            .into_iter()
            .flat_map(|identity| tickets.catalog.tickets_of(identity))
        {
            tickets.mailbox.post(&key, Signal::ConnectionHealed);
            tickets.queue.push(WorkKey::Ticket(key), lane);
        }
    }
}

/// The key of the next entry that changed, or `Some(None)` where changes were missed; `None` at the end.
async fn next(changes: &mut Receiver<ObjectKey>) -> Option<Option<ObjectKey>> {
    match changes.recv().await {
        Ok(key) => Some(Some(key)),
        Err(RecvError::Lagged(_)) => Some(None),
        Err(RecvError::Closed) => None,
    }
}

impl Tickets {
    /// Queues what a change of the catalog touched.
    pub(super) fn push_all(&self, work: impl IntoIterator<Item = (WorkKey, Lane)>) {
        work.into_iter().for_each(|(key, lane)| self.queue.push(key, lane));
    }

    fn queue_tickets_of(&self, configuration: &str) {
        let tickets = self.catalog.tickets_of(configuration).into_iter();
        self.push_all(tickets.map(|(key, lane)| (WorkKey::Ticket(key), lane)));
    }
}
