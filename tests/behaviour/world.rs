//! What a test stands on: a namespace, a Jira, the operator, and short ways to say what is given and what is expected.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jira_findings_operator::api::{JiraConnection, SecurityFinding, TicketConfiguration};
use jira_sim::{Sim, SimConfig};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::ControlPlane;
use support::Operator;
use support::eventually;
use support::operator::OperatorBuilder;

/// The result of a test.
pub type Outcome = support::Result<()>;
/// A result inside a test.
pub type Result<T> = support::Result<T>;
/// How long anything may take before a test fails.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// A pause in the status sync of tests.
pub const INTERVAL: &str = "1s";

type Run = Box<dyn FnOnce(Arc<Plane>) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send>;

/// A test.
pub struct Test {
    pub name: String,
    pub run: Run,
}

/// Makes a test of an async function over a world.
pub fn test<F>(name: &str, run: fn(World) -> F) -> Test
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let title = name.to_owned();
    let run: Run = Box::new(move |plane| {
        Box::pin(async move {
            let world = World::new(plane, &title).await?;
            let logs = world.log_path();
            run(world)
                .await
                .map_err(|error| format!("{error}\n--- end of {}\n{}", logs.display(), tail(&logs)).into())
        })
    });
    Test {
        name: name.to_owned(),
        run,
    }
}

fn tail(path: &std::path::Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// The control plane all tests share.
pub struct Plane {
    pub processes: ControlPlane,
    pub admin: Client,
    kubeconfig: std::path::PathBuf,
}

impl Plane {
    /// Starts it, with the definitions applied and the identity of a deployment at hand.
    pub async fn start() -> Arc<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let assets = support::assets::locate().expect("etcd and kube-apiserver");
        let processes = ControlPlane::start(&assets).await.expect("the control plane starts");
        let admin = processes.admin_client();
        let root = support::assets::repository();
        support::manifests::apply_crds(&admin, &root.join("crds"))
            .await
            .expect("the definitions are accepted");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "jira-findings"}});
        support::manifests::apply_yaml(&admin, &namespace.to_string(), None)
            .await
            .expect("the namespace is made");
        let rbac = std::fs::read_to_string(root.join("docs/rbac.yaml")).expect("docs/rbac.yaml");
        support::manifests::apply_yaml(&admin, &rbac, None)
            .await
            .expect("the roles are accepted");
        let kubeconfig = processes
            .service_account_kubeconfig("jira-findings", "jira-findings-operator")
            .await
            .expect("a token for the operator");
        Arc::new(Self {
            processes,
            admin,
            kubeconfig,
        })
    }
}

/// What a test stands on.
pub struct World {
    plane: Arc<Plane>,
    pub namespace: String,
    pub instance: String,
    pub sim: Sim,
    pub client: Client,
    log: std::path::PathBuf,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl World {
    async fn new(plane: Arc<Plane>, name: &str) -> Result<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = support::cluster::create_namespace(&plane.admin, "t").await?;
        let sim = Sim::start(SimConfig::default()).await;
        let log = plane
            .processes
            .directory()
            .join(format!("operator-{number}-{}.log", name.replace("::", "-")));
        let client = plane.admin.clone();
        let world = Self {
            plane,
            instance: format!("t{number}"),
            namespace,
            sim,
            client,
            log,
        };
        world.secret(jira_sim::CLASSIC_TOKEN).await?;
        Ok(world)
    }

    pub fn log_path(&self) -> std::path::PathBuf {
        self.log.clone()
    }

    pub fn logs(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn findings(&self) -> Api<SecurityFinding> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn connections(&self) -> Api<JiraConnection> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn configurations(&self) -> Api<TicketConfiguration> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Writes the token into the Secret `jira`.
    pub async fn secret(&self, token: &str) -> Outcome {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "jira"}, "stringData": {"token": token},
        });
        support::manifests::apply_yaml(&self.client, &secret.to_string(), Some(&self.namespace)).await?;
        Ok(())
    }

    /// Creates the connection `acme`; `extra` is merged into its spec.
    pub async fn connection(&self, extra: Value) -> Outcome {
        let mut spec = json!({
            "url": self.sim.url(),
            "auth": {"basic": {"email": jira_sim::DEFAULT_EMAIL, "tokenSecretRef": {"name": "jira", "key": "token"}}},
            "requestTimeout": "3s",
            "rateLimit": {"requestsPerSecond": 100, "burst": 200},
        });
        merge(&mut spec, extra);
        let object: JiraConnection = serde_json::from_value(json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": {"name": "acme"}, "spec": spec,
        }))?;
        self.connections().create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// Creates a configuration for a project; `extra` is merged into its spec.
    pub async fn configuration(&self, name: &str, project: &str, extra: Value) -> Outcome {
        let mut spec = json!({
            "connectionRef": {"name": "acme"}, "projectKey": project, "issueType": "Bug",
            "statusSync": {"interval": INTERVAL},
        });
        merge(&mut spec, extra);
        let object: TicketConfiguration = serde_json::from_value(json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "TicketConfiguration",
            "metadata": {"name": name}, "spec": spec,
        }))?;
        self.configurations().create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// Creates a finding; `extra` is merged into its spec.
    pub async fn finding(&self, name: &str, extra: Value) -> Outcome {
        let mut spec = json!({"title": format!("Something is wrong with {name}"), "severity": "High"});
        merge(&mut spec, extra);
        let object: SecurityFinding = serde_json::from_value(json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
            "metadata": {"name": name}, "spec": spec,
        }))?;
        self.findings().create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// Changes a finding by a merge patch.
    pub async fn patch_finding(&self, name: &str, patch: Value) -> Outcome {
        self.findings()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Deletes a finding.
    pub async fn delete_finding(&self, name: &str) -> Outcome {
        self.findings().delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// A builder of the operator with what every test needs.
    pub fn builder(&self) -> OperatorBuilder {
        Operator::builder()
            .kubeconfig(&self.plane.kubeconfig)
            .log(&self.log)
            .watch_namespace(&self.namespace)
            .instance_id(&self.instance)
            .allow_host("127.0.0.1")
            .insecure_host("127.0.0.1")
            .gateway_url(&self.sim.url())
            .index_lag("2s")
            .send_window("2s")
            .status_interval("1s")
            .env("JFO_LOG", "info,jira_findings_operator=debug")
    }

    /// A client with the operator's identity.
    pub async fn as_operator(&self) -> Result<Client> {
        support::cluster::client(&std::fs::read_to_string(&self.plane.kubeconfig)?).await
    }

    /// Starts the operator.
    pub fn operator(&self) -> Result<Operator> {
        self.builder().start()
    }

    /// Waits until a finding is as wanted.
    pub async fn finding_is(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&SecurityFinding) -> bool + Sync,
    ) -> Result<SecurityFinding> {
        let api = self.findings();
        eventually(DEADLINE, &format!("{name} {what}"), || async {
            let finding = api.get(name).await?;
            if wanted(&finding) {
                Ok(Some(finding))
            } else {
                Err(summary(&finding).into())
            }
        })
        .await
    }

    /// Waits until the Ready condition of a finding has this reason.
    pub async fn finding_tells(&self, name: &str, reason: &str) -> Result<Condition> {
        let finding = self
            .finding_is(name, &format!("tells {reason}"), |finding| {
                ready(finding).is_some_and(|one| one.reason == reason)
            })
            .await?;
        Ok(ready(&finding)
            .cloned()
            .unwrap_or_else(|| unreachable!("it was just looked at")))
    }

    /// Waits until a finding is in step with its issue; gives the key.
    pub async fn in_sync(&self, name: &str) -> Result<String> {
        self.finding_tells(name, "InSync").await?;
        let finding = self.findings().get(name).await?;
        Ok(ticket_key(&finding).ok_or("a finding in step without a ticket")?)
    }

    /// Waits until the Ready condition of the connection has this reason.
    pub async fn connection_tells(&self, reason: &str) -> Result<Condition> {
        let api = self.connections();
        eventually(DEADLINE, &format!("the connection tells {reason}"), || async {
            let status = api.get("acme").await?.status.unwrap_or_default();
            condition(&status.conditions, reason)
        })
        .await
    }

    /// Waits until the Ready condition of a configuration has this reason.
    pub async fn configuration_tells(&self, name: &str, reason: &str) -> Result<Condition> {
        let api = self.configurations();
        eventually(DEADLINE, &format!("configuration {name} tells {reason}"), || async {
            let status = api.get(name).await?.status.unwrap_or_default();
            condition(&status.conditions, reason)
        })
        .await
    }
}

fn condition(conditions: &[Condition], reason: &str) -> Result<Option<Condition>> {
    let ready = conditions.iter().find(|one| one.type_ == "Ready");
    match ready {
        Some(ready) if ready.reason == reason => Ok(Some(ready.clone())),
        Some(ready) => Err(format!("{}: {}", ready.reason, ready.message).into()),
        None => Err("no condition".into()),
    }
}

/// The Ready condition of a finding.
pub fn ready(finding: &SecurityFinding) -> Option<&Condition> {
    finding
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")
}

/// The key of a finding's issue.
pub fn ticket_key(finding: &SecurityFinding) -> Option<String> {
    finding.status.as_ref()?.ticket.as_ref()?.key.clone()
}

/// The effective state of a finding.
pub fn state(finding: &SecurityFinding) -> &str {
    finding
        .status
        .as_ref()
        .and_then(|status| status.state)
        .map_or("none", |state| state.as_str())
}

/// A finding in one line, for messages.
pub fn summary(finding: &SecurityFinding) -> String {
    let ready = ready(finding).map(|one| format!("{} {}: {}", one.status, one.reason, one.message));
    format!(
        "state {}, ticket {:?}, ready {:?}",
        state(finding),
        ticket_key(finding),
        ready
    )
}

/// Merges JSON the way a merge patch does.
pub fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

/// Fails with a message unless a condition holds.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+).into());
        }
    };
}
