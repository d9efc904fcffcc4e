//! The controller of connections: reads the Secret, tests the credential, and reports the result in the status.
//!
//! The Secret is read by name again and again and never watched, so that a rotated credential needs no restart and the
//! operator needs no right to see other Secrets. Jira is called only when a call may give another result. When Jira
//! refuses a call of a connection in use, the connection is tested at once.

mod known;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::time::Instant;

use self::known::Known;
use self::look::FAULT_SPACING;
use super::call::CallError;
use super::context::Context;
use super::driver::{self, Objects, Reconciler};
use super::registry::{ConnectionEntry, ObjectKey};
use super::status;
use crate::api::{ConditionType, JiraConnection};
use crate::domain::base::standing::reason_of;
use crate::domain::connection::status::{next_status, standing};
use crate::jira::Limiters;
use crate::runtime::metrics::{ControllerName, Outcome};
use crate::runtime::readiness;
use crate::runtime::shutdown::Shutdown;

/// Runs the controller until the shutdown.
pub async fn run(context: Context, shutdown: Shutdown) {
    let objects = Arc::new(Objects::default());
    let (wake, _) = broadcast::channel(1024);
    let controller = Arc::new(Controller {
        context: context.clone(),
        objects: Arc::clone(&objects),
        limiters: Limiters::default(),
        known: Mutex::default(),
        faulted: Arc::default(),
        versions: AtomicU64::new(1),
        wake: wake.clone(),
    });
    driver::run(&context, objects, controller, &wake, &shutdown).await;
}

/// The controller. No two of its locks are held at the same time.
struct Controller {
    context: Context,
    objects: Arc<Objects<JiraConnection>>,
    limiters: Limiters,
    /// What is known about each connection; taken out while a pass works on the connection.
    known: Mutex<BTreeMap<ObjectKey, Known>>,
    /// Connections with a client that Jira has refused since the last test.
    faulted: Arc<Mutex<BTreeSet<ObjectKey>>>,
    /// The next version of a shared connection.
    versions: AtomicU64,
    wake: broadcast::Sender<ObjectKey>,
}

impl Reconciler<JiraConnection> for Controller {
    const NAME: ControllerName = ControllerName::JiraConnection;

    fn seen(&self, key: &ObjectKey, object: &Arc<JiraConnection>) {
        if self.context.connections.get(key).is_none() {
            let entry = ConnectionEntry {
                spec: object.spec.clone(),
                version: 0,
                state: None,
            };
            self.context.connections.put(key.clone(), entry);
        }
    }

    fn gone(&self, key: &ObjectKey) {
        self.known.lock().remove(key);
        self.faulted.lock().remove(key);
        self.context.connections.remove(key);
    }

    fn listed(&self) {
        self.context.readiness.set(readiness::CONNECTIONS);
    }

    async fn reconcile(&self, key: ObjectKey, object: Arc<JiraConnection>) -> Result<(Outcome, Duration), CallError> {
        let before = self.known.lock().remove(&key);
        let known = match self.look(&key, &object, before).await {
            Ok(known) => known,
            Err((before, error)) => {
                self.remember(&key, before);
                return Err(error);
            }
        };
        self.share(&key, &known);
        let reported = self.report(&object, &known).await;
        let wait = known.look_at.saturating_duration_since(Instant::now());
        self.remember(&key, Some(known));
        let (outcome, again) = reported?;
        // A fault that the client met during this pass, or too soon after the last test.
        let faulted = self.faulted.lock().contains(&key);
        let wait = if faulted { wait.min(FAULT_SPACING) } else { wait };
        Ok((outcome, again.unwrap_or(wait).max(Duration::from_millis(100))))
    }
}

impl Controller {
    fn remember(&self, key: &ObjectKey, known: Option<Known>) {
        if let Some(known) = known.filter(|_| self.objects.contains(key)) {
            self.known.lock().insert(key.clone(), known);
        }
    }

    /// Puts the connection into the registry, if the entry there differs.
    fn share(&self, key: &ObjectKey, known: &Known) {
        if !self.objects.contains(key) {
            return;
        }
        let state = match &known.outcome {
            Ok(working) => Ok(Arc::clone(&working.connection)),
            Err(diagnosis) => Err(diagnosis.fault.clone()),
        };
        let same = self.context.connections.get(key).is_some_and(|entry| {
            entry.spec == known.inputs.spec
                && entry.version == known.version
                && driver::same_state(entry.state.as_ref(), &state)
        });
        if !same {
            let entry = ConnectionEntry {
                spec: known.inputs.spec.clone(),
                version: known.version,
                state: Some(state),
            };
            self.context.connections.put(key.clone(), entry);
        }
    }

    /// Writes the status where it differs, and announces a new reason of the `Ready` condition.
    async fn report(&self, object: &JiraConnection, known: &Known) -> Result<(Outcome, Option<Duration>), CallError> {
        let current = object.status.clone().unwrap_or_default();
        let generation = object.metadata.generation.unwrap_or_default();
        let next = next_status(&current, &object.spec, generation, known.discovered(), Timestamp::now());
        let written = match driver::write_status(&self.context.client, object, &current, &next).await? {
            ControlFlow::Continue(written) => written,
            ControlFlow::Break(outcome) => return Ok(outcome),
        };
        let standing = standing(&object.spec, known.discovered());
        if reason_of(&current.conditions, ConditionType::Ready) != Some(standing.reason.as_str()) {
            status::announce(&self.context.recorder, &*written, &standing, true).await;
        }
        Ok((Outcome::Changed, None))
    }
}
