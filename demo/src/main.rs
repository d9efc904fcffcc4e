//! `make demo`: a cluster, a Jira and the operator, with a scanner's report in it.
//!
//! `DEMO_KUBECONFIG=path` uses a cluster of yours, keeps to one namespace of its own and removes all it made;
//! `ONCE=1` plays a tour, fails when an effect does not come, and ends.

mod show;
mod tour;

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Event, Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use support::assets::{locate, repository};
use support::cluster::create_namespace;
use support::manifests::{apply, apply_crds, apply_yaml, parse, read_directory};
use support::operator::binary;
use support::process::{Guarded, Scratch};
use support::{ControlPlane, Operator, Result, eventually};
use tokio::signal::unix::{SignalKind, signal};

const SOON: Duration = Duration::from_mins(1);
const ALL_TICKETED_WITHIN: Duration = Duration::from_mins(5);
/// How long the cluster is given to finish the removal of the namespace.
const REMOVED_WITHIN: Duration = Duration::from_secs(30);

/// Everything that the demo talks to.
struct Demo {
    client: Client,
    namespace: String,
    kubeconfig: PathBuf,
    jira: String,
    http: reqwest::Client,
}

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let once = env::var("ONCE").is_ok_and(|value| !value.is_empty() && value != "0");
    let given = env::var("DEMO_KUBECONFIG")
        .ok()
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let scratch = Scratch::new("jfo-demo-")?;

    let (control_plane, kubeconfig) = if let Some(path) = given {
        println!("cluster: {} ({})", context(&path)?, path.display());
        (None, path.canonicalize()?)
    } else {
        println!("cluster: starting an API server");
        let started = ControlPlane::start(&locate()?).await?;
        let path = scratch.path().join("kubeconfig");
        started.kubeconfig(&path)?;
        (Some(started), path)
    };
    // Read from the file, so that paths in it may be relative to it.
    let config = Kubeconfig::read_from(&kubeconfig)?;
    let client = Client::try_from(Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?)?;
    let before: Vec<_> = crds(&client)
        .list(&ListParams::default())
        .await?
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    let namespace = create_namespace(&client, "jira-findings-demo").await?;

    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let demo = Demo {
        client,
        namespace,
        kubeconfig,
        jira: format!("http://127.0.0.1:{port}"),
        http: reqwest::Client::new(),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let outcome = tokio::select! {
        outcome = demo.play(&scratch, port, once) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    let removed = if control_plane.is_none() {
        demo.remove(&before).await
    } else {
        Ok(())
    };
    outcome.and(removed)
}

impl Demo {
    async fn play(&self, scratch: &Scratch, port: u16, once: bool) -> Result<()> {
        let crd_dir = repository().join("crds");
        let existing: Vec<_> = crds(&self.client)
            .list(&ListParams::default())
            .await?
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        let wanted = read_directory(&crd_dir)?;
        if wanted.iter().any(|crd| !existing.contains(&crd.name_any())) {
            apply_crds(&self.client, &crd_dir).await?;
        }

        let address = format!("127.0.0.1:{port}");
        let sim_log = scratch.path().join("jira.log");
        let _sim = Guarded::spawn(&binary("jira-sim")?, ["--listen", &address], &[], &sim_log)?;
        eventually(SOON, "Jira's answer", || async {
            Ok(Some(self.jira("GET", "/rest/api/3/serverInfo", &Value::Null).await?))
        })
        .await?;
        println!("jira:    {}", self.jira);

        let log = scratch.path().join("operator.log");
        let mut operator = Operator::builder()
            .kubeconfig(&self.kubeconfig)
            .watch_namespace(&self.namespace)
            .instance_id(&self.namespace)
            .allow_host("127.0.0.1")
            .insecure_host(&address)
            .gateway_url(&self.jira)
            .index_lag("2s")
            .send_window("2s")
            .status_interval("1s")
            .log(&log)
            .start()?;
        println!("log:     {}", log.display());

        for file in ["connection.yaml", "configurations.yaml"] {
            let text = fs::read_to_string(repository().join("examples/demo").join(file))?;
            apply_yaml(
                &self.client,
                &text.replace("JIRA_URL", &self.jira),
                Some(&self.namespace),
            )
            .await?;
        }
        let count = self.import().await?;
        println!("report:  {count} findings");
        let mut shown = 0;
        let end = Instant::now() + ALL_TICKETED_WITHIN;
        loop {
            if let Some(status) = operator.try_wait()? {
                return Err(format!("the operator ended with {status}:\n{}", operator.logs()).into());
            }
            let items = self.findings().list(&ListParams::default()).await?.items;
            let ticketed = items.iter().filter(|finding| key(finding).is_some()).count();
            if ticketed == count {
                break;
            }
            if Instant::now() >= end {
                let waiting = items
                    .iter()
                    .find(|finding| key(finding).is_none())
                    .map(|finding| &finding.data["status"]);
                return Err(
                    format!("only {ticketed} of {count} are ticketed; one of the rest says {waiting:?}").into(),
                );
            }
            // Now and then, not each time.
            if ticketed >= shown + count.div_ceil(8) {
                println!("         {ticketed} of {count} ticketed");
                shown = ticketed;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        println!("         all {count} ticketed");
        self.counted(count).await?;
        self.table("jiraconnections,ticketconfigurations")?;
        self.table("securityfindings")?;
        if once {
            return self.tour(&mut operator, count).await;
        }
        self.hints().await?;
        std::future::pending().await
    }

    /// Waits until the configurations show the tickets in their counters, which follow at an interval.
    async fn counted(&self, count: usize) -> Result<()> {
        let configurations = self.objects("TicketConfiguration", "ticketconfigurations");
        eventually(SOON, "the counters of the configurations", || async {
            let items = configurations.list(&ListParams::default()).await?.items;
            let ticketed = items
                .iter()
                .filter_map(|one| one.data.pointer("/status/findings/ticketed")?.as_u64());
            Ok((ticketed.sum::<u64>() == count as u64).then_some(()))
        })
        .await
    }

    /// Imports the report with the product's own importer.
    async fn import(&self) -> Result<usize> {
        let full = repository().join("../shared/samples/trivy/juice-shop-v12.10.2.json");
        let report = if full.is_file() {
            full
        } else {
            repository().join("examples/trivy-report.json")
        };
        let output = Command::new(binary("jira-findings-operator")?)
            .args(["import", "trivy"])
            .arg(&report)
            .output()?;
        if !output.status.success() {
            return Err(format!("import trivy: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let objects = parse(&String::from_utf8(output.stdout)?)?;
        let count = objects.len();
        for object in objects {
            apply(&self.client, object, Some(&self.namespace)).await?;
        }
        if count == 0 {
            Err("the report has no findings".into())
        } else {
            Ok(count)
        }
    }

    fn findings(&self) -> Api<DynamicObject> {
        self.objects("SecurityFinding", "securityfindings")
    }

    fn objects(&self, kind: &str, plural: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("jira-findings.dev", "v1alpha1", kind);
        Api::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &ApiResource::from_gvk_with_plural(&kind, plural),
        )
    }

    /// Takes everything out of somebody else's cluster again; nobody answers for finalizers any more.
    async fn remove(&self, before: &[String]) -> Result<()> {
        println!("\nremoving {}", self.namespace);
        if let Ok(findings) = self.findings().list(&ListParams::default()).await {
            let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            for finding in findings {
                self.findings()
                    .patch(&finding.name_any(), &PatchParams::default(), &patch)
                    .await?;
            }
        }
        // One by one, as not every cluster empties a namespace by itself.
        let (delete, all) = (DeleteParams::default(), ListParams::default());
        for (kind, plural) in [
            ("SecurityFinding", "securityfindings"),
            ("TicketConfiguration", "ticketconfigurations"),
            ("JiraConnection", "jiraconnections"),
        ] {
            match self.objects(kind, plural).delete_collection(&delete, &all).await {
                Ok(_) => {}
                // The definitions were not applied yet.
                Err(kube::Error::Api(answer)) if answer.code == 404 => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (client, namespace) = (self.client.clone(), self.namespace.as_str());
        Api::<Secret>::namespaced(client.clone(), namespace)
            .delete_collection(&delete, &all)
            .await?;
        Api::<Event>::namespaced(client.clone(), namespace)
            .delete_collection(&delete, &all)
            .await?;
        for crd in read_directory(&repository().join("crds"))? {
            let name = crd.name_any();
            if !before.contains(&name) && crds(&self.client).get_opt(&name).await?.is_some() {
                crds(&self.client).delete(&name, &delete).await?;
                println!("removing {name}");
            }
        }
        let namespaces = Api::<Namespace>::all(client);
        namespaces.delete(namespace, &delete).await?;
        let gone = eventually(REMOVED_WITHIN, "the end of the namespace", || async {
            Ok(namespaces.get_opt(namespace).await?.is_none().then_some(()))
        })
        .await;
        match gone {
            Ok(()) => println!("nothing is left"),
            Err(_) => println!(
                "nothing is left but the empty namespace {namespace}, which the cluster has not finished removing (that \
                 takes a controller manager)"
            ),
        }
        Ok(())
    }
}

fn crds(client: &Client) -> Api<CustomResourceDefinition> {
    Api::all(client.clone())
}

fn key(finding: &DynamicObject) -> Option<String> {
    finding.data.pointer("/status/ticket/key")?.as_str().map(String::from)
}

fn context(kubeconfig: &Path) -> Result<String> {
    let known = Kubeconfig::read_from(kubeconfig)?;
    known
        .current_context
        .ok_or_else(|| format!("{} names no current context", kubeconfig.display()).into())
}
