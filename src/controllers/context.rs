//! What every controller is handed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::runtime::events::Recorder;
use parking_lot::RwLock;

use crate::runtime::metrics::Metrics;
use crate::runtime::readiness::Readiness;

use super::registry::{Configurations, Connections, FindingTallies};

/// Settings of the process, checked once at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names this installation; part of every label in Jira, and never changed.
    pub instance_id: String,
    /// Hosts that a connection may name. An entry `*.example.com` allows every host below it.
    pub allowed_hosts: Vec<String>,
    /// Hosts that may be reached over plain http. For tests.
    pub insecure_hosts: Vec<String>,
    /// Where API tokens with scopes are sent, without trailing slash.
    pub gateway_url: String,
    /// Namespaces to work in. Empty: the whole cluster.
    pub watch_namespaces: Vec<String>,
    /// Namespaces whose configurations may take findings of other namespaces.
    pub shared_configuration_namespaces: Vec<String>,
    /// Whether nothing is written to Jira, whatever the `mode` of a configuration.
    pub dry_run: bool,
    /// How long Jira's search may lag behind its issues (trap T4).
    pub index_lag: Duration,
    /// How long after its record a creation may still be sent.
    pub send_window: Duration,
    /// How often counters in a configuration's status are brought up to date, at most.
    pub status_interval: Duration,
    /// How many tickets are worked on at once.
    pub concurrency: usize,
}

/// What every controller is handed. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Client for the API server, with deadlines.
    pub client: Client,
    /// Client for watches: without a deadline on replies, which would end a quiet watch.
    pub watch_client: Client,
    /// Recorder of events, the only one of the process, so that repeated events aggregate.
    pub recorder: Recorder,
    /// Settings of the process.
    pub settings: Arc<Settings>,
    /// Connections as they stand; written by the connection controller.
    pub connections: Arc<Connections>,
    /// Configurations as they stand; written by the configuration controller.
    pub configurations: Arc<Configurations>,
    /// Labels of namespaces, for selectors.
    pub namespaces: Arc<NamespaceLabels>,
    /// How many findings each configuration has; written by the ticket controller.
    pub tallies: Arc<FindingTallies>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// What the process still waits for. Each controller opens the gate of its own first list.
    pub readiness: Readiness,
}

/// The labels of the namespaces seen so far.
///
/// No other lock is taken while its lock is held, so that it may be taken under any other lock.
#[derive(Default)]
pub struct NamespaceLabels(RwLock<BTreeMap<String, Arc<BTreeMap<String, String>>>>);

impl NamespaceLabels {
    /// The labels of a namespace; none where the namespace has not been seen.
    pub fn of(&self, namespace: &str) -> Arc<BTreeMap<String, String>> {
        self.0.read().get(namespace).cloned().unwrap_or_default()
    }

    /// Replaces the labels of a namespace. Returns whether that changed anything.
    pub fn set(&self, namespace: &str, labels: BTreeMap<String, String>) -> bool {
        let mut all = self.0.write();
        let differs = all.get(namespace).is_none_or(|before| **before != labels);
        if differs {
            all.insert(namespace.to_owned(), Arc::new(labels));
        }
        differs
    }
}
