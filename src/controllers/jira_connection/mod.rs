//! Keeps connections usable: reads the Secret, tests the credential, and says in the status how each one stands.
//!
//! The Secret is read by name again and again, never watched, so that rotation needs no restart and the operator needs
//! no right to see other Secrets. Jira is asked only when something may have changed; a refusal met anywhere in use is
//! heard of through the client and looked into at once.

mod probe;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::broadcast;
use tokio::time::Instant;

use self::probe::{Asked, Credential};
use super::call::{CallError, with_deadline};
use super::context::Context;
use super::driver::{self, Objects, Reconciler};
use super::random::{delay, jittered};
use super::registry::{Connection, ConnectionEntry, ObjectKey};
use super::status;
use crate::api::{ACCEPT_SITE_ANNOTATION, ConditionType, JiraConnection, JiraConnectionSpec, RECONCILE_ANNOTATION};
use crate::domain::base::backoff::Backoff;
use crate::domain::base::standing::reason_of;
use crate::domain::connection::{self, Cure, Diagnosis, Discovered};
use crate::jira::{JiraClient, Limiters};
use crate::runtime::metrics::{ControllerName, Outcome};
use crate::runtime::readiness;
use crate::runtime::shutdown::Shutdown;

/// How often the Secret of a working connection is read.
const SECRET_INTERVAL: Duration = Duration::from_mins(5);
/// How long a refused credential that did not change is believed to be still refused.
const ASK_INTERVAL: Duration = Duration::from_mins(5);
/// How soon a connection that does not work is looked at again, at first and at most.
const RETRY: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_mins(1));
/// How long nothing happens where only a change of the spec can help.
const IDLE_INTERVAL: Duration = Duration::from_mins(10);
/// Faults met in use are looked into no more often than this: one endpoint may refuse what `/myself` grants.
const FAULT_SPACING: Duration = Duration::from_secs(10);

/// Runs the controller until the shutdown.
pub async fn run(context: Context, shutdown: Shutdown) {
    let objects = Arc::new(Objects::default());
    let (wake, _) = broadcast::channel(1024);
    let controller = Arc::new(Controller {
        context: context.clone(),
        objects: Arc::clone(&objects),
        limiters: Limiters::default(),
        memory: Mutex::default(),
        faulted: Arc::default(),
        versions: AtomicU64::new(1),
        wake: wake.clone(),
    });
    driver::run(&context, objects, controller, &wake, &shutdown).await;
}

struct Controller {
    context: Context,
    objects: Arc<Objects<JiraConnection>>,
    limiters: Limiters,
    memory: Mutex<BTreeMap<ObjectKey, Memory>>,
    /// Connections whose client has met a fault since they were last looked at.
    faulted: Arc<Mutex<BTreeSet<ObjectKey>>>,
    versions: AtomicU64,
    wake: broadcast::Sender<ObjectKey>,
}

/// What was found out about a connection. Lives in this process only.
struct Memory {
    seen: Seen,
    /// Of the token that Jira was asked with; `None` when it was not asked.
    digest: Option<[u8; 32]>,
    outcome: Result<Discovered, Diagnosis>,
    client: Option<JiraClient>,
    connection: Option<Arc<Connection>>,
    version: u64,
    asked_at: Instant,
    look_at: Instant,
    failures: u32,
}

/// What a user can change, as it was when the connection was looked at.
#[derive(Clone, PartialEq)]
struct Seen {
    spec: JiraConnectionSpec,
    requested: Option<String>,
    accepted_site: Option<String>,
}

impl Seen {
    fn of(object: &JiraConnection) -> Self {
        let annotation = |name: &str| object.annotations().get(name).cloned();
        Self {
            spec: object.spec.clone(),
            requested: annotation(RECONCILE_ANNOTATION),
            accepted_site: annotation(ACCEPT_SITE_ANNOTATION),
        }
    }

    /// Whether a client made for the one serves the other as well.
    fn same_client(&self, other: &Self) -> bool {
        let part = |seen: &Self| {
            let spec = &seen.spec;
            let names = (
                spec.url.clone(),
                spec.cloud_id.clone(),
                spec.expected_account_id.clone(),
            );
            (names, spec.auth.clone(), spec.request_timeout, spec.rate_limit)
        };
        part(self) == part(other)
    }
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
        self.memory.lock().remove(key);
        self.faulted.lock().remove(key);
        self.context.connections.remove(key);
    }

    fn listed(&self) {
        self.context.readiness.set(readiness::CONNECTIONS);
    }

    async fn reconcile(&self, key: ObjectKey, object: Arc<JiraConnection>) -> Result<(Outcome, Duration), CallError> {
        let before = self.memory.lock().remove(&key);
        let memory = match self.look(&key, &object, before).await {
            Ok(memory) => memory,
            Err((before, error)) => {
                self.remember(&key, before);
                return Err(error);
            }
        };
        self.publish(&key, &memory);
        let written = self.report(&object, &memory).await;
        let wait = memory.look_at.saturating_duration_since(Instant::now());
        self.remember(&key, Some(memory));
        let (outcome, again) = written?;
        // A fault that was met meanwhile, or too soon after the last look.
        let faulted = self.faulted.lock().contains(&key);
        let wait = if faulted { wait.min(FAULT_SPACING) } else { wait };
        Ok((outcome, again.unwrap_or(wait).max(Duration::from_millis(100))))
    }
}

impl Controller {
    fn remember(&self, key: &ObjectKey, memory: Option<Memory>) {
        let Some(memory) = memory.filter(|_| self.objects.contains(key)) else {
            return;
        };
        self.memory.lock().insert(key.clone(), memory);
    }

    /// Looks at the connection where that is due. On an error of the API server gives back what was known.
    async fn look(
        &self,
        key: &ObjectKey,
        object: &JiraConnection,
        before: Option<Memory>,
    ) -> Result<Memory, (Option<Memory>, CallError)> {
        let (seen, now) = (Seen::of(object), Instant::now());
        let faulted = before
            .as_ref()
            .is_none_or(|memory| memory.asked_at + FAULT_SPACING <= now)
            && self.faulted.lock().remove(key);
        let before = match before {
            Some(memory) if memory.seen == seen && !faulted && now < memory.look_at => return Ok(memory),
            before => before,
        };
        let forced = faulted
            || before.as_ref().is_some_and(|memory| {
                memory.seen.requested != seen.requested || memory.seen.accepted_site != seen.accepted_site
            });
        let settings = &self.context.settings;
        let site = match connection::permitted_site(&seen.spec, &settings.allowed_hosts, &settings.insecure_hosts) {
            Ok(site) => site,
            Err(diagnosis) => return Ok(Self::failed(before, seen, None, diagnosis)),
        };
        let credential = match self.credential(key, &seen.spec).await {
            Ok(Ok(credential)) => credential,
            Ok(Err(diagnosis)) => return Ok(Self::failed(before, seen, None, diagnosis)),
            Err(error) => {
                if faulted {
                    self.faulted.lock().insert(key.clone());
                }
                return Err((before, error));
            }
        };
        let digest: [u8; 32] = Sha256::digest(secrecy::ExposeSecret::expose_secret(&credential.token)).into();
        let same = before
            .as_ref()
            .is_some_and(|memory| memory.digest == Some(digest) && memory.seen.same_client(&seen));
        let before = match before {
            Some(memory) if same && !forced && !memory.wants_asking(now) => return Ok(memory.looked_again(seen)),
            before => before,
        };
        let old = before
            .as_ref()
            .filter(|_| same)
            .and_then(|memory| memory.client.clone());
        let asked = Asked {
            site: &site,
            spec: &seen.spec,
            recorded: object.status.as_ref().and_then(|status| status.site.as_ref()),
            accepted_site: seen.accepted_site.as_deref(),
            gateway_url: &settings.gateway_url,
            limiters: &self.limiters,
            stats: self.context.metrics.calls(),
        };
        let (client, result) = probe::probe(&asked, &credential, old).await;
        Ok(match result {
            Err(diagnosis) => Memory {
                client,
                ..Self::failed(before, seen, Some(digest), diagnosis)
            },
            Ok(found) => self.connected(key, before.filter(|_| same), seen, digest, client, found),
        })
    }

    /// The credential in the Secret. The outer error is one of the API server that says nothing about the Secret.
    async fn credential(
        &self,
        key: &ObjectKey,
        spec: &JiraConnectionSpec,
    ) -> Result<Result<Credential, Diagnosis>, CallError> {
        let Some(basic) = &spec.auth.basic else {
            return Ok(Err(connection::auth_missing()));
        };
        let reference = &basic.token_secret_ref;
        let api: Api<Secret> = Api::namespaced(self.context.client.clone(), &key.namespace);
        let secret = match with_deadline(api.get_opt(&reference.name)).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Ok(Err(connection::secret_not_found(&key.namespace, &reference.name))),
            Err(error) if error.code() == Some(403) => {
                return Ok(Err(connection::secret_forbidden(&key.namespace, &reference.name)));
            }
            Err(error) => return Err(error),
        };
        let version = format!("{}@{}", reference.name, secret.resource_version().unwrap_or_default());
        let bytes = secret
            .data
            .as_ref()
            .and_then(|data| data.get(&reference.key))
            .map(|bytes| bytes.0.as_slice());
        let token = connection::token(&reference.name, &reference.key, bytes);
        Ok(token.map(|token| Credential {
            email: basic.email.clone(),
            token: token.into(),
            version,
        }))
    }

    fn failed(before: Option<Memory>, seen: Seen, digest: Option<[u8; 32]>, diagnosis: Diagnosis) -> Memory {
        // A changed spec or reason is looked at soon again.
        let same = before.as_ref().filter(|memory| {
            memory.seen.spec == seen.spec
                && memory
                    .outcome
                    .as_ref()
                    .err()
                    .is_some_and(|one| one.fault.reason == diagnosis.fault.reason)
        });
        let failures = same.map_or(1, |memory| memory.failures.saturating_add(1));
        let now = Instant::now();
        Memory {
            seen,
            digest,
            version: before.map_or(0, |memory| memory.version),
            look_at: now + retry_after(diagnosis.cure, failures),
            outcome: Err(diagnosis),
            client: None,
            connection: None,
            asked_at: now,
            failures,
        }
    }

    fn connected(
        &self,
        key: &ObjectKey,
        before: Option<Memory>,
        seen: Seen,
        digest: [u8; 32],
        client: Option<JiraClient>,
        found: probe::Found,
    ) -> Memory {
        let now = Instant::now();
        let kept = before
            .and_then(|memory| Some((memory.connection?, memory.version)))
            .filter(|(connection, _)| {
                let same_site = connection.cloud_id == found.discovered.site.cloud_id;
                same_site && connection.account_id == found.discovered.account.id
            });
        let (connection, version) = kept.unwrap_or_else(|| {
            let connection = probe::connection(key.clone(), &seen.spec, &found);
            self.hear_faults(key.clone(), connection.gateway.client());
            (Arc::new(connection), self.versions.fetch_add(1, Ordering::Relaxed))
        });
        Memory {
            seen,
            digest: Some(digest),
            outcome: Ok(found.discovered),
            client,
            connection: Some(connection),
            version,
            asked_at: now,
            look_at: now + jittered(SECRET_INTERVAL),
            failures: 0,
        }
    }

    /// Has the connection looked at as soon as its client is refused. Ends with the client.
    fn hear_faults(&self, key: ObjectKey, client: &JiraClient) {
        let mut faults = client.faults();
        let (faulted, wake) = (Arc::clone(&self.faulted), self.wake.clone());
        tokio::spawn(async move {
            while faults.changed().await.is_ok() {
                if faults.borrow_and_update().is_some() {
                    faulted.lock().insert(key.clone());
                    let _ = wake.send(key.clone());
                }
            }
        });
    }

    /// Shares how the connection stands, if that is news.
    fn publish(&self, key: &ObjectKey, memory: &Memory) {
        if !self.objects.contains(key) {
            return;
        }
        let state = match (&memory.outcome, &memory.connection) {
            (Ok(_), Some(connection)) => Ok(Arc::clone(connection)),
            (Err(diagnosis), _) => Err(diagnosis.fault.clone()),
            (Ok(_), None) => unreachable!("a connection that answered is there"),
        };
        let known = self.context.connections.get(key);
        let same = known.is_some_and(|entry| {
            entry.spec == memory.seen.spec
                && entry.version == memory.version
                && match (&entry.state, &state) {
                    (Some(Ok(one)), Ok(other)) => Arc::ptr_eq(one, other),
                    (Some(Err(one)), Err(other)) => one == other,
                    _ => false,
                }
        });
        if !same {
            let entry = ConnectionEntry {
                spec: memory.seen.spec.clone(),
                version: memory.version,
                state: Some(state),
            };
            self.context.connections.put(key.clone(), entry);
        }
    }

    /// Writes the status where it differs, and tells of a new reason.
    async fn report(&self, object: &JiraConnection, memory: &Memory) -> Result<(Outcome, Option<Duration>), CallError> {
        let current = object.status.clone().unwrap_or_default();
        let generation = object.metadata.generation.unwrap_or_default();
        let next = connection::next_status(&current, &object.spec, generation, &memory.outcome, Timestamp::now());
        let written = match driver::write_status(&self.context.client, object, &current, &next).await? {
            ControlFlow::Continue(written) => written,
            ControlFlow::Break(outcome) => return Ok(outcome),
        };
        let standing = connection::standing(&object.spec, &memory.outcome);
        if reason_of(&current.conditions, ConditionType::Ready) != Some(standing.reason.as_str()) {
            status::announce(&self.context.recorder, &*written, &standing, true).await;
        }
        Ok((Outcome::Changed, None))
    }
}

impl Memory {
    /// Whether Jira is to be asked although nothing has changed.
    fn wants_asking(&self, now: Instant) -> bool {
        match &self.outcome {
            Ok(_) => false,
            Err(diagnosis) => diagnosis.cure == Cure::AskAgain || self.asked_at + ASK_INTERVAL <= now,
        }
    }

    /// The same again, after a look that found no reason to ask Jira.
    fn looked_again(self, seen: Seen) -> Self {
        let failures = self.failures.saturating_add(1);
        let wait = match &self.outcome {
            Ok(_) => jittered(SECRET_INTERVAL),
            Err(diagnosis) => retry_after(diagnosis.cure, failures),
        };
        Self {
            seen,
            failures,
            look_at: Instant::now() + wait,
            ..self
        }
    }
}

/// When to look again at a connection that does not work.
fn retry_after(cure: Cure, failures: u32) -> Duration {
    match cure {
        Cure::Spec | Cure::Suspended => jittered(IDLE_INTERVAL),
        Cure::Person | Cure::AskAgain => delay(RETRY, failures),
    }
}
