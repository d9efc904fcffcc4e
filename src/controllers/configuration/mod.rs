//! The controller of configurations: looks up in Jira what configurations name, and reports in their status what is
//! missing.
//!
//! Every configuration is in the registry from the moment it is listed, resolved or not, so that the ticket controller
//! can tell a configuration that is not ready from a configuration that does not exist.

mod known;
mod look_up;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::time::Instant;

use self::known::{Known, RESOLVE_INTERVAL};
use super::call::CallError;
use super::context::Context;
use super::driver::{self, Objects, Reconciler};
use super::random::jittered;
use super::registry::{ConfigurationEntry, ObjectKey, connection_key};
use crate::api::TicketConfiguration;
use crate::app::resolve::ResolvedConfiguration;
use crate::domain::base::fault::Fault;
use crate::domain::configuration::identity_of;
use crate::runtime::metrics::{ControllerName, Outcome};
use crate::runtime::readiness;
use crate::runtime::shutdown::Shutdown;

/// How soon a configuration is looked at again whose connection has not been tested yet.
const UNTESTED_PAUSE: Duration = Duration::from_secs(5);

/// Runs the controller until the shutdown.
pub async fn run(context: Context, shutdown: Shutdown) {
    let objects = Arc::new(Objects::default());
    let (wake, _) = broadcast::channel(1024);
    let controller = Arc::new(Controller {
        context: context.clone(),
        objects: Arc::clone(&objects),
        known: Mutex::default(),
        wake: wake.clone(),
    });
    let waking = tokio::spawn(wake_users(context.clone(), Arc::clone(&objects), wake.clone()));
    driver::run(&context, objects, controller, &wake, &shutdown).await;
    waking.abort();
}

/// Wakes the configurations that use a connection when the connection changes.
async fn wake_users(context: Context, objects: Arc<Objects<TicketConfiguration>>, wake: broadcast::Sender<ObjectKey>) {
    let mut changes = driver::keys(context.connections.changes());
    while let Some(changed) = changes.next().await {
        for (key, object) in objects.all() {
            let uses = |connection: &ObjectKey| connection_key(&key, &object.spec) == *connection;
            if changed.as_ref().is_none_or(uses) {
                let _ = wake.send(key);
            }
        }
    }
}

struct Controller {
    context: Context,
    objects: Arc<Objects<TicketConfiguration>>,
    /// What is known about each configuration; taken out while a pass works on the configuration.
    known: Mutex<BTreeMap<ObjectKey, Known>>,
    wake: broadcast::Sender<ObjectKey>,
}

impl Reconciler<TicketConfiguration> for Controller {
    const NAME: ControllerName = ControllerName::TicketConfiguration;

    fn seen(&self, key: &ObjectKey, object: &Arc<TicketConfiguration>) {
        let generation = object.metadata.generation.unwrap_or_default();
        let entry = self.context.configurations.get(key);
        if entry.is_none_or(|entry| entry.generation != generation || entry.identity != identity_of(object)) {
            let untested = entry_of(key, object, None);
            self.context.configurations.put(key.clone(), untested);
        }
    }

    fn gone(&self, key: &ObjectKey) {
        self.known.lock().remove(key);
        self.context.configurations.remove(key);
        self.context.tallies.remove(key);
        // A younger configuration with the same identity may use the identity now.
        for (other, _) in self.objects.all() {
            let _ = self.wake.send(other);
        }
    }

    fn listed(&self) {
        self.context.readiness.set(readiness::CONFIGURATIONS);
    }

    async fn reconcile(
        &self,
        key: ObjectKey,
        object: Arc<TicketConfiguration>,
    ) -> Result<(Outcome, Duration), CallError> {
        // Before all connections are listed, a connection that is not there may exist.
        self.context.readiness.wait(readiness::CONNECTIONS).await;
        if self.awaits_test(&key, &object) {
            // The status stays as it is. The test of the connection wakes the configuration.
            return Ok((Outcome::Unchanged, UNTESTED_PAUSE));
        }
        let mut known = self.known.lock().remove(&key);
        let result = self.resolve(&key, &object, &mut known).await;
        self.share(&key, &object, &result);
        let counts = self.counts(&key, &object, known.as_ref());
        let reported = self.report(&key, &object, &result, counts).await;
        let mut wait = jittered(RESOLVE_INTERVAL).min(self.context.settings.status_interval);
        if let Some(known) = &mut known {
            wait = wait.min(known.next.saturating_duration_since(Instant::now()));
            if counts.is_some() && matches!(reported, Ok((Outcome::Changed, _))) {
                known.counted = Some(Instant::now());
            }
        }
        if let Some(known) = known.filter(|_| self.objects.contains(&key)) {
            self.known.lock().insert(key, known);
        }
        let (outcome, again) = reported?;
        Ok((outcome, again.unwrap_or(wait).max(Duration::from_millis(100))))
    }
}

impl Controller {
    /// Whether the connection exists and has not been tested yet by this process.
    fn awaits_test(&self, key: &ObjectKey, object: &TicketConfiguration) -> bool {
        let entry = self.context.connections.get(&connection_key(key, &object.spec));
        !object.spec.suspend && entry.is_some_and(|entry| entry.state.is_none())
    }

    /// Puts the configuration into the registry, if the entry there differs.
    fn share(&self, key: &ObjectKey, object: &TicketConfiguration, state: &Result<Arc<ResolvedConfiguration>, Fault>) {
        if !self.objects.contains(key) {
            return;
        }
        let fresh = entry_of(key, object, Some(state.clone()));
        let same = self.context.configurations.get(key).is_some_and(|entry| {
            entry.generation == fresh.generation
                && entry.identity == fresh.identity
                && driver::same_state(entry.state.as_ref(), state)
        });
        if !same {
            self.context.configurations.put(key.clone(), fresh);
        }
    }
}

fn entry_of(
    key: &ObjectKey,
    object: &TicketConfiguration,
    state: Option<Result<Arc<ResolvedConfiguration>, Fault>>,
) -> ConfigurationEntry {
    ConfigurationEntry {
        key: key.clone(),
        identity: identity_of(object),
        spec: Arc::new(object.spec.clone()),
        generation: object.metadata.generation.unwrap_or_default(),
        state,
    }
}
