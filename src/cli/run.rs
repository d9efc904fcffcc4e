//! `run`: the operator itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Config, ResourceExt};
use tokio::task::JoinSet;

use crate::api::{JiraConnection, Period, SecurityFinding, TicketConfiguration};
use crate::controllers::context::{Context, NamespaceLabels, Settings};
use crate::controllers::{configuration, connection, events, ticket};
use crate::runtime::metrics::Metrics;
use crate::runtime::readiness::{self, Readiness};
use crate::runtime::server::Server;
use crate::runtime::shutdown::{self, DRAIN_LIMIT, Shutdown};
use crate::runtime::telemetry::LogFormat;

/// How often the operator looks for missing custom resource definitions.
const CRD_INTERVAL: Duration = Duration::from_secs(2);
/// How often the labels of namespaces are read where they cannot be watched.
const NAMESPACE_INTERVAL: Duration = Duration::from_mins(1);
/// How long one call to the API server may take.
const API_DEADLINE: Duration = Duration::from_secs(30);
/// Longest instance id.
const MAX_INSTANCE_ID: usize = 40;

/// Settings of `run`. Each has an environment variable as well.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Host that connections may name, such as acme.atlassian.net; repeatable, or separated by commas.
    /// `*.example.com` allows every host below example.com.
    #[arg(
        long = "allow-host",
        env = "JFO_ALLOW_HOST",
        value_delimiter = ',',
        value_name = "HOST"
    )]
    allow_hosts: Vec<String>,
    /// Host, or host:port, that may be reached over plain http. For tests. The host must be allowed by `--allow-host` as well.
    #[arg(
        long = "insecure-host",
        env = "JFO_INSECURE_HOST",
        value_delimiter = ',',
        value_name = "HOST[:PORT]"
    )]
    insecure_hosts: Vec<String>,
    /// Where API tokens with scopes are sent.
    #[arg(
        long,
        env = "JFO_GATEWAY_URL",
        default_value = "https://api.atlassian.com",
        value_name = "URL"
    )]
    gateway_url: String,
    /// Where health and metrics are served.
    #[arg(
        long,
        env = "JFO_HTTP_ADDRESS",
        default_value = "0.0.0.0:8080",
        value_name = "IP:PORT"
    )]
    http_address: SocketAddr,
    /// Namespace to work in; repeatable. Default: the whole cluster.
    #[arg(
        long = "watch-namespace",
        env = "JFO_WATCH_NAMESPACE",
        value_delimiter = ',',
        value_name = "NAMESPACE"
    )]
    watch_namespaces: Vec<String>,
    /// Namespace whose configurations may take findings of other namespaces; repeatable.
    #[arg(
        long = "shared-configuration-namespace",
        env = "JFO_SHARED_CONFIGURATION_NAMESPACE",
        value_delimiter = ',',
        value_name = "NAMESPACE"
    )]
    shared_configuration_namespaces: Vec<String>,
    /// Name of this installation, by which its issues are found. Never change the name. Lower-case letters, digits and
    /// hyphens.
    #[arg(long, env = "JFO_INSTANCE_ID", value_parser = instance_id, value_name = "ID")]
    instance_id: String,
    /// Writes nothing to Jira, whatever the `mode` of a configuration.
    #[arg(long, env = "JFO_DRY_RUN")]
    dry_run: bool,
    /// How long Jira's search may lag behind its issues.
    #[arg(long, env = "JFO_INDEX_LAG", default_value = "2m", value_name = "PERIOD")]
    index_lag: Period,
    /// How long after its record a creation may still be sent.
    #[arg(long, env = "JFO_SEND_WINDOW", default_value = "20s", value_name = "PERIOD")]
    send_window: Period,
    /// How often the counters in the status of configurations are updated, at most.
    #[arg(long, env = "JFO_STATUS_INTERVAL", default_value = "5m", value_name = "PERIOD")]
    status_interval: Period,
    /// How many tickets the operator works on at once.
    #[arg(long, env = "JFO_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Format of log lines.
    #[arg(long, env = "JFO_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

fn instance_id(text: &str) -> Result<String, String> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = text
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if text.len() > MAX_INSTANCE_ID {
        return Err(format!("must be at most {MAX_INSTANCE_ID} characters"));
    }
    if !inner || !edge(text.chars().next()) || !edge(text.chars().last()) {
        return Err("must be lower-case letters, digits and hyphens, and begin and end with a letter or digit".into());
    }
    Ok(text.to_owned())
}

impl RunArgs {
    /// Checks the flags.
    ///
    /// # Errors
    ///
    /// When a value is wrong, or two values contradict each other; the text names the flag.
    pub fn settings(self) -> Result<Settings, String> {
        let allowed_hosts = cleaned(self.allow_hosts);
        let insecure_hosts = cleaned(self.insecure_hosts);
        if allowed_hosts.is_empty() {
            return Err(
                "no host is allowed: give --allow-host (JFO_ALLOW_HOST), for example acme.atlassian.net".into(),
            );
        }
        if let Some(wrong) = allowed_hosts.iter().find(|host| !is_host_pattern(host)) {
            return Err(format!(
                "--allow-host {wrong:?} must be a host such as acme.atlassian.net, or *.example.com; no scheme, port or path"
            ));
        }
        if let Some(wrong) = insecure_hosts
            .iter()
            .find(|host| !is_host(host.split(':').next().unwrap_or_default()))
        {
            return Err(format!(
                "--insecure-host {wrong:?} must be a host or host:port, without scheme or wildcard"
            ));
        }
        let gateway = reqwest::Url::parse(&self.gateway_url).map_err(|error| format!("--gateway-url: {error}"))?;
        let insecure_gateway = gateway.scheme() == "http" && is_insecure(&gateway, &insecure_hosts);
        if gateway.scheme() != "https" && !insecure_gateway {
            return Err("--gateway-url must be https, unless its host is named by --insecure-host".into());
        }
        if self.send_window.0.is_zero() {
            return Err("--send-window must be longer than 0s".into());
        }
        if self.status_interval.0.is_zero() {
            return Err("--status-interval must be longer than 0s".into());
        }
        let watch_namespaces = cleaned(self.watch_namespaces);
        let shared_configuration_namespaces = cleaned(self.shared_configuration_namespaces);
        let watched = |name: &String| watch_namespaces.is_empty() || watch_namespaces.contains(name);
        if let Some(unseen) = shared_configuration_namespaces.iter().find(|name| !watched(name)) {
            return Err(format!(
                "--shared-configuration-namespace {unseen} is not watched: name it by --watch-namespace too"
            ));
        }
        Ok(Settings {
            instance_id: self.instance_id,
            allowed_hosts,
            insecure_hosts,
            gateway_url: self.gateway_url.trim_end_matches('/').to_owned(),
            watch_namespaces,
            shared_configuration_namespaces,
            dry_run: self.dry_run,
            index_lag: self.index_lag.0,
            send_window: self.send_window.0,
            status_interval: self.status_interval.0,
            concurrency: usize::from(self.concurrency),
        })
    }
}

/// The values in lower case, without white space around them, empty values and repetitions, in the order given.
fn cleaned(values: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let trimmed = values.into_iter().map(|value| value.trim().to_ascii_lowercase());
    trimmed
        .filter(|value| !value.is_empty() && seen.insert(value.clone()))
        .collect()
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

fn is_host_pattern(text: &str) -> bool {
    is_host(text.strip_prefix("*.").unwrap_or(text))
}

fn is_insecure(url: &reqwest::Url, insecure_hosts: &[String]) -> bool {
    crate::domain::connection::site::is_listed_insecure(
        url.host_str().unwrap_or_default(),
        url.port_or_known_default(),
        insecure_hosts,
    )
}

/// Runs the operator until a signal ends it.
///
/// # Errors
///
/// When the operator cannot start; the text says why.
pub async fn run(args: RunArgs) -> Result<(), String> {
    let http_address = args.http_address;
    let settings = Arc::new(args.settings()?);
    let (trigger, shutdown) = Shutdown::new();
    shutdown::on_signals(trigger).map_err(|error| format!("cannot wait for signals: {error}"))?;

    let gates = [
        readiness::CRDS,
        readiness::CONNECTIONS,
        readiness::CONFIGURATIONS,
        readiness::FINDINGS,
    ];
    let readiness = Readiness::new(&gates);
    let metrics = Arc::new(Metrics::new());
    let server = Server::bind(http_address)
        .await
        .map_err(|error| format!("--http-address {http_address}: {error}"))?;
    // The server outlives the controllers: while they drain, the probes are still answered.
    let (stop_server, server_shutdown) = Shutdown::new();
    let serving = tokio::spawn(server.serve(Arc::clone(&metrics), readiness.clone(), server_shutdown));

    let (client, watch_client) = clients().await?;
    let context = Context {
        recorder: events::recorder(client.clone()),
        client,
        watch_client,
        settings: Arc::clone(&settings),
        connections: Arc::default(),
        configurations: Arc::default(),
        namespaces: Arc::default(),
        tallies: Arc::default(),
        metrics,
        readiness: readiness.clone(),
    };
    tracing::info!(
        instance = settings.instance_id,
        version = env!("CARGO_PKG_VERSION"),
        dry_run = settings.dry_run,
        "starting"
    );
    tokio::select! {
        () = wait_for_crds(&context) => work(context, &shutdown).await,
        () = shutdown.clone().started() => {}
    }
    stop_server.start();
    // HTTP connections that are kept open do not delay the exit.
    let _ = tokio::time::timeout(Duration::from_secs(1), serving).await;
    tracing::info!("stopped");
    Ok(())
}

/// Runs the controllers until the shutdown, then waits for the work in flight for at most [`DRAIN_LIMIT`].
async fn work(context: Context, shutdown: &Shutdown) {
    let mut tasks = JoinSet::new();
    tasks.spawn(named(
        "JiraConnection controller",
        connection::run(context.clone(), shutdown.clone()),
    ));
    tasks.spawn(named(
        "TicketConfiguration controller",
        configuration::run(context.clone(), shutdown.clone()),
    ));
    tasks.spawn(named("ticket controller", {
        let (context, shutdown) = (context.clone(), shutdown.clone());
        async move {
            let listed = async {
                context.readiness.wait(readiness::CONNECTIONS).await;
                context.readiness.wait(readiness::CONFIGURATIONS).await;
            };
            tokio::select! {
                () = listed => {}
                () = shutdown.clone().started() => return,
            }
            ticket::run(context.clone(), shutdown).await;
        }
    }));
    let feeding = tokio::spawn(feed_namespaces(context));
    // A controller ends by itself only by a panic. The process then ends as well, so that it is restarted.
    let ended_early = tokio::select! {
        ended = tasks.join_next() => !shutdown.has_started() && ended.is_some(),
        () = shutdown.clone().started() => false,
    };
    feeding.abort();
    if ended_early {
        tracing::error!("a controller ended by itself; the process exits to be restarted");
        std::process::exit(1);
    }
    let drained = tokio::time::timeout(DRAIN_LIMIT, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        let seconds = DRAIN_LIMIT.as_secs();
        tracing::warn!(
            seconds,
            "work in flight did not finish in time; it is taken up at the next start"
        );
    }
}

async fn named(name: &'static str, controller: impl Future<Output = ()>) {
    controller.await;
    tracing::debug!(name, "ended");
}

/// One client for calls, which must end, and one for watches, which must not.
async fn clients() -> Result<(Client, Client), String> {
    let unusable = |error: &dyn std::fmt::Display| format!("no way to reach the API server: {error}");
    let watching = Config::infer().await.map_err(|error| unusable(&error))?;
    let mut calling = watching.clone();
    calling.read_timeout = Some(API_DEADLINE);
    calling.write_timeout = Some(API_DEADLINE);
    calling.reset_reader_on_write = true;
    // The caller decides about retries, because the caller knows what the call means.
    calling.default_retry = false;
    let calling = Client::try_from(calling).map_err(|error| unusable(&error))?;
    let watching = Client::try_from(watching).map_err(|error| unusable(&error))?;
    Ok((calling, watching))
}

/// Waits until the API server has the definitions of all three kinds.
async fn wait_for_crds(context: &Context) {
    let mut told = Vec::new();
    loop {
        let missing = missing_crds(context).await;
        if missing.is_empty() {
            context.readiness.set(readiness::CRDS);
            return;
        }
        if missing != told {
            tracing::warn!(missing = missing.join(", "), "waiting for CRDs");
            context.readiness.explain(readiness::CRDS, missing.join(", "));
            told = missing;
        }
        tokio::time::sleep(CRD_INTERVAL).await;
    }
}

async fn missing_crds(context: &Context) -> Vec<String> {
    let mut missing = Vec::new();
    let namespace = context.settings.watch_namespaces.first();
    missing.extend(missing_kind::<JiraConnection>(context, namespace).await);
    missing.extend(missing_kind::<TicketConfiguration>(context, namespace).await);
    missing.extend(missing_kind::<SecurityFinding>(context, namespace).await);
    missing
}

async fn missing_kind<K>(context: &Context, namespace: Option<&String>) -> Option<String>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let client = context.client.clone();
    let api: Api<K> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let kind = K::plural(&());
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.code == 404 => Some(kind.into_owned()),
        Err(error) => Some(format!("{kind} ({})", with_causes(&error))),
    }
}

/// An error and its causes, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    // Some errors repeat the text of their cause.
    words.dedup_by(|cause, error| error.contains(cause.as_str()));
    words.join(": ")
}

/// Keeps the labels of namespaces up to date. Without the permission to read namespaces, selectors by label match nothing;
/// a warning is logged once.
async fn feed_namespaces(context: Context) {
    if context.settings.watch_namespaces.is_empty() {
        watch_namespaces(context).await;
    } else {
        read_namespaces(context).await;
    }
}

async fn watch_namespaces(context: Context) {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(context.watch_client.clone());
    let mut told = false;
    loop {
        let events = watcher(api.clone(), watcher::Config::default());
        let mut events = std::pin::pin!(events.default_backoff().applied_objects());
        loop {
            match events.try_next().await {
                Ok(Some(namespace)) => note(&context, &namespace),
                Ok(None) => break,
                Err(error) if !std::mem::replace(&mut told, true) => {
                    tracing::warn!(%error, "labels of namespaces cannot be watched; selectors by label match nothing");
                }
                Err(error) => tracing::debug!(%error, "labels of namespaces cannot be watched"),
            }
        }
    }
}

async fn read_namespaces(context: Context) {
    let api: Api<Namespace> = Api::all(context.client.clone());
    let mut told = false;
    loop {
        for name in &context.settings.watch_namespaces {
            match api.get_metadata(name).await {
                Ok(namespace) => note(&context, &namespace),
                Err(error) if !std::mem::replace(&mut told, true) => {
                    tracing::warn!(%error, name, "labels of a namespace cannot be read; selectors by label match nothing");
                }
                Err(error) => tracing::debug!(%error, name, "labels of a namespace cannot be read"),
            }
        }
        tokio::time::sleep(NAMESPACE_INTERVAL).await;
    }
}

fn note(context: &Context, namespace: &PartialObjectMeta<Namespace>) {
    let labels: BTreeMap<String, String> = namespace.labels().clone();
    NamespaceLabels::set(&context.namespaces, &namespace.name_any(), labels);
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Harness {
        #[command(flatten)]
        args: RunArgs,
    }

    fn settings(flags: &[&str]) -> Result<Settings, String> {
        let base = ["run", "--instance-id", "prod"];
        let parsed = Harness::try_parse_from(base.iter().chain(flags)).map_err(|error| error.to_string())?;
        parsed.args.settings()
    }

    #[test]
    fn lists_are_given_by_repetition_or_commas() {
        let settings = settings(&[
            "--allow-host",
            "A.example.com, *.b.example.com",
            "--allow-host",
            "c.example.com",
        ]);
        assert_eq!(
            settings.unwrap().allowed_hosts,
            ["a.example.com", "*.b.example.com", "c.example.com"]
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        let host = ["--allow-host", "a.example.com"];
        let cases: [(&[&str], &str); 7] = [
            (&["--allow-host", ""], "--allow-host"),
            (&["--allow-host", "https://a.example.com"], "--allow-host"),
            (&["--insecure-host", "*.a.example.com"], "--insecure-host"),
            (&["--gateway-url", "http://127.0.0.1:1"], "--gateway-url"),
            (&["--send-window", "0s"], "--send-window"),
            (
                &["--watch-namespace", "a", "--shared-configuration-namespace", "b"],
                "--watch-namespace",
            ),
            (&["--concurrency", "0"], "--concurrency"),
        ];
        for (flags, named) in cases {
            let with_host: Vec<&str> = if flags[0] == "--allow-host" {
                vec![]
            } else {
                host.to_vec()
            };
            let refused = settings(&[with_host.as_slice(), flags].concat()).unwrap_err();
            assert!(refused.contains(named), "{refused}");
        }
    }

    #[test]
    fn the_instance_id_can_be_part_of_a_label() {
        for good in ["a", "prod-eu-1", "0"] {
            assert!(instance_id(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "Prod", "a b", "a.b", &"a".repeat(41)] {
            assert!(instance_id(bad).is_err(), "{bad}");
        }
    }
}
