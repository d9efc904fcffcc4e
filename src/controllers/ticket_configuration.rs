//! Looks up in Jira what configurations name, and says in their status what is missing.
//!
//! Every configuration stands in the registry from the moment it is listed, resolved or not, so that findings can tell
//! a configuration that is not ready from one that does not exist.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::events::Recorder;
use kube::{Api, ResourceExt};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::context::Context;
use super::driver::{self, Objects, PassError, Reconciler, jittered, with_deadline};
use super::registry::{
    ConfigurationEntry, Connection, Fault, ObjectKey, ResolvedConfiguration, connection_key, identity_of, spec_allows,
};
use crate::api::ticket_configuration::{FindingCounts, Resolved};
use crate::api::{ConditionType, RECONCILE_ANNOTATION, Reason, TicketConfiguration, TicketConfigurationSpec};
use crate::domain::base::standing::{self, Progress, Standing, reason_of};
use crate::domain::configuration::{self, Problem};
use crate::domain::fields;
use crate::domain::render::template::{self, Compiled as Template};
use crate::jira::{Assignable, JiraError, MetadataError};
use crate::runtime::metrics::{ControllerName, Outcome};
use crate::runtime::readiness;
use crate::runtime::shutdown::Shutdown;

/// How often a configuration is looked up anew.
const RESOLVE_INTERVAL: Duration = Duration::from_mins(10);
/// How often the ConfigMap of a template is read.
const TEMPLATE_INTERVAL: Duration = Duration::from_mins(1);
/// How soon it is after an error, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(5));

/// Runs the controller until the shutdown.
pub async fn run(context: Context, shutdown: Shutdown) {
    let objects = Arc::new(Objects::default());
    let (wake, _) = broadcast::channel(1024);
    let controller = Arc::new(Controller {
        recorder: driver::recorder(context.client.clone()),
        context: context.clone(),
        objects: Arc::clone(&objects),
        memory: Mutex::default(),
        wake: wake.clone(),
    });
    let waking = tokio::spawn(wake_users(context.clone(), Arc::clone(&objects), wake.clone()));
    driver::run(&context, objects, controller, &wake, &shutdown).await;
    waking.abort();
}

/// Wakes the configurations that use a connection when it changes.
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
    recorder: Recorder,
    objects: Arc<Objects<TicketConfiguration>>,
    memory: Mutex<BTreeMap<ObjectKey, Memory>>,
    wake: broadcast::Sender<ObjectKey>,
}

/// What Jira last said about a configuration.
struct Memory {
    generation: Option<i64>,
    requested: Option<String>,
    connection: Arc<Connection>,
    result: Result<Arc<ResolvedConfiguration>, Problem>,
    next: Instant,
    failures: u32,
    /// When the counters were last written.
    counted: Option<Instant>,
}

/// How a configuration stands, for its status and for the registry.
struct Verdict {
    standing: Standing,
    resolved: Option<Resolved>,
    state: Result<Arc<ResolvedConfiguration>, Fault>,
}

impl Reconciler<TicketConfiguration> for Controller {
    const NAME: ControllerName = ControllerName::TicketConfiguration;

    fn seen(&self, key: &ObjectKey, object: &Arc<TicketConfiguration>) {
        let generation = object.metadata.generation.unwrap_or_default();
        let known = self.context.configurations.get(key);
        if known.is_none_or(|entry| entry.generation != generation || entry.identity != identity_of(object)) {
            self.context.configurations.put(key.clone(), entry(key, object, None));
        }
    }

    fn gone(&self, key: &ObjectKey) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.context.configurations.remove(key);
        self.context.tallies.remove(key);
        // The one that waited for this one's identity may have it now.
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
    ) -> Result<(Outcome, Duration), PassError> {
        // What a connection is can be told only when all of them have been listed.
        self.context.readiness.wait(readiness::CONNECTIONS).await;
        if self.awaits_connection(&key, &object) {
            // Whatever was said before stands until the connection is known; it wakes this configuration.
            return Ok((Outcome::Unchanged, Duration::from_secs(5)));
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let verdict = self.judge(&key, &object, &mut memory).await;
        self.publish(&key, &object, &verdict.state);
        let counts = self.counts(&key, &object, memory.as_ref());
        let written = self.report(&key, &object, &verdict, counts).await;
        let mut wait = jittered(RESOLVE_INTERVAL).min(self.context.settings.status_interval);
        if let Some(memory) = &mut memory {
            wait = wait.min(memory.next.saturating_duration_since(Instant::now()));
            if counts.is_some() && matches!(written, Ok((Outcome::Changed, _))) {
                memory.counted = Some(Instant::now());
            }
        }
        if let Some(memory) = memory.filter(|_| self.objects.contains(&key)) {
            self.memory
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, memory);
        }
        let (outcome, again) = written?;
        Ok((outcome, again.unwrap_or(wait).max(Duration::from_millis(100))))
    }
}

impl Controller {
    async fn judge(&self, key: &ObjectKey, object: &TicketConfiguration, memory: &mut Option<Memory>) -> Verdict {
        let connection = match self.connection(key, object) {
            Ok(connection) => connection,
            Err(problem) => return Verdict::of_problem(&problem),
        };
        self.resolve(object, connection, memory).await;
        let result = memory.as_ref().map(|memory| memory.result.clone());
        let configuration = match result.expect("it was resolved just now") {
            Ok(configuration) => configuration,
            Err(problem) => return Verdict::of_problem(&problem),
        };
        let settings = &self.context.settings;
        let not_shared =
            configuration::not_shared(&object.spec, &key.namespace, &settings.shared_configuration_namespaces);
        let remarks: Vec<String> = configuration.remark.iter().cloned().chain(not_shared).collect();
        let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        let project = &configuration.project;
        Verdict {
            standing: configuration::usable(&object.spec, project, settings.dry_run, remark.as_deref()),
            resolved: Some(configuration::resolved(&object.spec, project)),
            state: Ok(configuration),
        }
    }

    /// Whether the connection exists and has not been tested yet by this process.
    fn awaits_connection(&self, key: &ObjectKey, object: &TicketConfiguration) -> bool {
        let entry = self.context.connections.get(&connection_key(key, &object.spec));
        !object.spec.suspend && entry.is_some_and(|entry| entry.state.is_none())
    }

    /// The connection, if the configuration may be acted upon and the connection works.
    fn connection(&self, key: &ObjectKey, object: &TicketConfiguration) -> Result<Arc<Connection>, Problem> {
        configuration::check_spec(&object.spec)?;
        let identity = identity_of(object);
        let rank = |key: &ObjectKey, object: &TicketConfiguration| {
            (
                object.metadata.creation_timestamp.as_ref().map(|time| time.0),
                key.clone(),
            )
        };
        let all = self.objects.all();
        let mut others = all
            .iter()
            .filter(|(other, object)| other != key && identity_of(object) == identity);
        if let Some((first, _)) =
            others.find(|(other, earlier)| configuration::came_first(rank(other, earlier), rank(key, object)))
        {
            return Err(configuration::identity_taken(&identity, &first.to_string()));
        }
        let wanted = connection_key(key, &object.spec);
        let Some(entry) = self.context.connections.get(&wanted) else {
            let message = format!("JiraConnection {wanted} does not exist, or is in a namespace that is not watched");
            return Err(Problem::stalled(Reason::ConnectionNotFound, message));
        };
        if !spec_allows(
            &wanted,
            &entry.spec,
            &key.namespace,
            &self.context.namespaces.of(&key.namespace),
        ) {
            // Told by retry rather than by event when the labels of the namespace arrive or change.
            let message = format!(
                "JiraConnection {wanted} does not allow namespace {} (allowedNamespaces)",
                key.namespace
            );
            return Err(Problem::stalled(Reason::ConnectionNotAllowed, message));
        }
        match entry.state.clone() {
            Some(Ok(connection)) => Ok(connection),
            None => Err(Problem::waiting(
                Reason::ConnectionNotReady,
                format!("JiraConnection {wanted} is being tested"),
            )),
            Some(Err(Fault {
                reason,
                message,
                stalled,
            })) => {
                let message = format!("JiraConnection {wanted}: {reason}: {message}");
                let progress = if stalled {
                    Progress::Stalled
                } else {
                    Progress::Reconciling
                };
                Err(Problem {
                    reason: Reason::ConnectionNotReady,
                    message,
                    progress,
                })
            }
        }
    }

    /// Asks Jira, where what it said is old or was said of something else.
    async fn resolve(&self, object: &TicketConfiguration, connection: Arc<Connection>, memory: &mut Option<Memory>) {
        let (generation, now) = (object.metadata.generation, Instant::now());
        let requested = object.annotations().get(RECONCILE_ANNOTATION).cloned();
        let fresh = memory.as_ref().is_some_and(|memory| {
            memory.generation == generation
                && memory.requested == requested
                && Arc::ptr_eq(&memory.connection, &connection)
                && now < memory.next
        });
        if fresh {
            return;
        }
        let spec = &object.spec;
        let asked_for = memory.as_ref().is_some_and(|memory| memory.requested != requested);
        let failed_before = memory.as_ref().is_some_and(|memory| memory.result.is_err());
        let about_template = |problem: &Problem| {
            matches!(
                problem.reason,
                Reason::TemplateInvalid | Reason::ConfigMapNotFound | Reason::ConfigMapUnavailable
            )
        };
        // Jira has nothing new to say where only the template was wrong.
        let refused_before = memory
            .as_ref()
            .is_some_and(|memory| memory.result.as_ref().is_err_and(|problem| !about_template(problem)));
        if asked_for || refused_before {
            connection.metadata.invalidate(&spec.project_key);
        }
        let found = look_up(spec, &connection).await;
        let before = memory.take();
        let known = before.as_ref().filter(|memory| memory.generation == generation);
        let known = known.and_then(|memory| memory.result.as_ref().ok()?.template.clone());
        let template = self.template(object, known).await;
        let found = found.and_then(|fresh| {
            Ok(ResolvedConfiguration {
                template: template?,
                ..fresh
            })
        });
        let result = found.map(|fresh| {
            let old = before.as_ref().and_then(|memory| memory.result.as_ref().ok());
            // Tickets are woken by another Arc: the same words are no reason.
            let kept = old.filter(|old| {
                old.remark == fresh.remark
                    && old.fields == fresh.fields
                    && old.template == fresh.template
                    && configuration::same(&old.project, &fresh.project)
            });
            kept.map_or_else(|| Arc::new(fresh), Arc::clone)
        });
        let same_generation = before.as_ref().is_some_and(|memory| memory.generation == generation);
        let failures = before
            .as_ref()
            .filter(|_| same_generation && failed_before)
            .map_or(0, |memory| memory.failures);
        let wait = match &result {
            Ok(_) if names_config_map(spec) => TEMPLATE_INTERVAL,
            Ok(_) => RESOLVE_INTERVAL,
            Err(problem) if about_template(problem) => TEMPLATE_INTERVAL,
            Err(_) => RETRY.0.saturating_mul(1 << failures.min(8)).min(RETRY.1),
        };
        *memory = Some(Memory {
            generation,
            requested,
            connection,
            next: Instant::now() + jittered(wait),
            failures: if result.is_ok() { 0 } else { failures + 1 },
            result,
            counted: before.and_then(|memory| memory.counted),
        });
    }

    /// Reads and compiles the template. One that is known stays when the API server cannot be asked.
    async fn template(
        &self,
        object: &TicketConfiguration,
        known: Option<Arc<Template>>,
    ) -> Result<Option<Arc<Template>>, Problem> {
        let Some(template) = &object.spec.template else {
            return Ok(None);
        };
        let mut data = None;
        if let Some(reference) = &template.config_map_ref {
            let namespace = object.namespace().unwrap_or_default();
            let api: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), &namespace);
            let name = format!("ConfigMap {namespace}/{}", reference.name);
            match with_deadline(api.get_opt(&reference.name)).await {
                Ok(Some(found)) => data = Some(found.data.unwrap_or_default()),
                Ok(None) => {
                    let message = format!("{name}, which template.configMapRef names, does not exist");
                    return Err(Problem::stalled(Reason::ConfigMapNotFound, message));
                }
                Err(PassError::Api(kube::Error::Api(status))) if status.code == 403 => {
                    let message = format!("the operator may not read {name}; docs/rbac.yaml has the rule it needs");
                    return Err(Problem::stalled(Reason::ConfigMapUnavailable, message));
                }
                Err(_) if known.is_some() => return Ok(known),
                Err(error) => {
                    let message = format!("{name} cannot be read: {error}");
                    return Err(Problem::waiting(Reason::ConfigMapUnavailable, message));
                }
            }
        }
        template::compile(template, data.as_ref())
            .map(|compiled| Some(Arc::new(compiled)))
            .map_err(|error| Problem::stalled(Reason::TemplateInvalid, error.to_string()))
    }

    /// Shares how the configuration stands, if that is news.
    fn publish(
        &self,
        key: &ObjectKey,
        object: &TicketConfiguration,
        state: &Result<Arc<ResolvedConfiguration>, Fault>,
    ) {
        if !self.objects.contains(key) {
            return;
        }
        let fresh = entry(key, object, Some(state.clone()));
        let same = self.context.configurations.get(key).is_some_and(|known| {
            known.generation == fresh.generation
                && known.identity == fresh.identity
                && match (&known.state, state) {
                    (Some(Ok(one)), Ok(other)) => Arc::ptr_eq(one, other),
                    (Some(Err(one)), Err(other)) => one == other,
                    _ => false,
                }
        });
        if !same {
            self.context.configurations.put(key.clone(), fresh);
        }
    }

    /// The counters, where they differ from the status and are due to be written.
    fn counts(&self, key: &ObjectKey, object: &TicketConfiguration, memory: Option<&Memory>) -> Option<FindingCounts> {
        let counts = self.context.tallies.get(key)?;
        let shown = object.status.as_ref().and_then(|status| status.findings);
        let interval = self.context.settings.status_interval;
        let due = memory?.counted.is_none_or(|at| at.elapsed() >= interval);
        (due && shown != Some(counts)).then_some(counts)
    }

    /// Writes the status where it differs, and tells of a new reason.
    async fn report(
        &self,
        key: &ObjectKey,
        object: &TicketConfiguration,
        verdict: &Verdict,
        counts: Option<FindingCounts>,
    ) -> Result<(Outcome, Option<Duration>), PassError> {
        let current = object.status.clone().unwrap_or_default();
        let generation = object.metadata.generation.unwrap_or_default();
        let mut next = current.clone();
        next.observed_generation = Some(generation);
        next.conditions = standing::conditions(&current.conditions, &verdict.standing, generation, Timestamp::now());
        next.resolved = verdict.resolved.clone().or(next.resolved);
        next.findings = counts.or(next.findings);
        if let ControlFlow::Break(done) = driver::write_status(&self.context.client, object, &current, &next).await? {
            return Ok(done);
        }
        let standing = &verdict.standing;
        let (reason, message) = (standing.reason.as_str(), standing.message.as_str());
        if reason_of(&current.conditions, ConditionType::Ready) != Some(reason) {
            let ObjectKey { namespace, name } = key;
            tracing::info!(
                kind = "TicketConfiguration",
                namespace,
                name,
                reason,
                detail = message,
                "configuration changed"
            );
            // A connection that is not ready has its own event.
            let warning = standing.progress != Progress::Ready && standing.progress != Progress::Resting;
            let waits = standing.reason == Reason::ConnectionNotReady && standing.progress == Progress::Reconciling;
            if !waits {
                driver::tell(&self.recorder, object, warning, reason, message).await;
            }
        }
        Ok((Outcome::Changed, None))
    }
}

/// Looks up in Jira what a spec names.
async fn look_up(spec: &TicketConfigurationSpec, connection: &Connection) -> Result<ResolvedConfiguration, Problem> {
    let metadata = &connection.metadata;
    let unavailable = |error: JiraError| configuration::lookup_problem(&MetadataError::from(error));
    let project = metadata
        .resolve(&spec.project_key, &spec.issue_type)
        .await
        .map_err(|error| configuration::lookup_problem(&error))?;
    let elsewhere = if fields::all_on_screen(spec, &project) {
        Vec::new()
    } else {
        fields::elsewhere(&metadata.site_fields().await.map_err(unavailable)?, &project)
    };
    let fields = configuration::check_fields(spec, &project, &elsewhere)?;
    let mut remarks = Vec::from_iter(configuration::check(spec, &project)?);
    if let Some(wish) = &spec.assignee
        && let Assignable::Refused(why) = metadata
            .assignee(&project.key, &wish.into())
            .await
            .map_err(unavailable)?
    {
        remarks.push(format!("issues are opened without assignee: {why}"));
    }
    // Whatever is read from now on can be compared.
    connection.gateway.want_fields(fields.ids());
    Ok(ResolvedConfiguration {
        project,
        template: None,
        fields,
        remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
    })
}

impl Verdict {
    fn of_problem(problem: &Problem) -> Self {
        let Problem {
            reason,
            message,
            progress,
        } = problem.clone();
        Self {
            standing: Standing {
                progress,
                reason,
                message: message.clone(),
            },
            resolved: None,
            state: Err(Fault {
                reason,
                message,
                stalled: progress == Progress::Stalled,
            }),
        }
    }
}

/// Whether the texts of the configuration can change without it.
fn names_config_map(spec: &TicketConfigurationSpec) -> bool {
    spec.template
        .as_ref()
        .is_some_and(|template| template.config_map_ref.is_some())
}

fn entry(
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
