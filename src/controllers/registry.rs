//! What the controllers know of connections and configurations, shared in memory.
//!
//! Each entry has one writer, its own controller. Readers subscribe to `changes`, which names what changed, and read
//! the entry anew; a missed name is made good by the slow resync of the readers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use tokio::sync::broadcast;

use crate::api::ticket_configuration::FindingCounts;
use crate::api::{JiraConnection, JiraConnectionSpec, TicketConfigurationSpec};
pub use crate::app::connect::Connection;
pub use crate::app::resolve::ResolvedConfiguration;
pub use crate::domain::base::fault::Fault;

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object of a namespaced kind.
    pub fn of<K: kube::ResourceExt>(object: &K) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A connection as its controller last saw it.
#[derive(Clone)]
pub struct ConnectionEntry {
    /// The spec it speaks of.
    pub spec: JiraConnectionSpec,
    /// Changes with every new client (spec or credential changed), so that readers can tell.
    pub version: u64,
    /// The usable connection, or why there is none. `None`: not looked at yet.
    pub state: Option<Result<Arc<Connection>, Fault>>,
}

/// A configuration as its controller last saw it.
#[derive(Clone)]
pub struct ConfigurationEntry {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Name under which its tickets are found.
    pub identity: String,
    /// The spec.
    pub spec: Arc<TicketConfigurationSpec>,
    /// Generation of the spec.
    pub generation: i64,
    /// What it resolves to, or why it does not. `None`: not looked at yet.
    pub state: Option<Result<Arc<ResolvedConfiguration>, Fault>>,
}

impl ConfigurationEntry {
    /// The key of the connection it names.
    pub fn connection_key(&self) -> ObjectKey {
        connection_key(&self.key, &self.spec)
    }
}

/// The key of the connection a configuration names.
pub fn connection_key(configuration: &ObjectKey, spec: &TicketConfigurationSpec) -> ObjectKey {
    let reference = &spec.connection_ref;
    ObjectKey {
        namespace: reference
            .namespace
            .clone()
            .unwrap_or_else(|| configuration.namespace.clone()),
        name: reference.name.clone(),
    }
}

/// A set of entries with a broadcast of what changes.
pub struct Registry<T> {
    entries: RwLock<BTreeMap<ObjectKey, T>>,
    changes: broadcast::Sender<ObjectKey>,
}

/// Connections by key.
pub type Connections = Registry<ConnectionEntry>;
/// Configurations by key.
pub type Configurations = Registry<ConfigurationEntry>;

impl<T: Clone> Default for Registry<T> {
    fn default() -> Self {
        Self {
            entries: RwLock::default(),
            changes: broadcast::channel(1024).0,
        }
    }
}

impl<T: Clone> Registry<T> {
    /// One entry.
    pub fn get(&self, key: &ObjectKey) -> Option<T> {
        self.read().get(key).cloned()
    }

    /// All entries, by key.
    pub fn all(&self) -> Vec<(ObjectKey, T)> {
        self.read()
            .iter()
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect()
    }

    /// Puts an entry and tells the readers.
    pub fn put(&self, key: ObjectKey, entry: T) {
        self.entries
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(key.clone(), entry);
        let _ = self.changes.send(key);
    }

    /// Removes an entry and tells the readers.
    pub fn remove(&self, key: &ObjectKey) {
        let removed = self
            .entries
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(key)
            .is_some();
        if removed {
            let _ = self.changes.send(key.clone());
        }
    }

    /// The keys of entries as they change. A reader that lags is told how many it missed and should read all.
    pub fn changes(&self) -> broadcast::Receiver<ObjectKey> {
        self.changes.subscribe()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<ObjectKey, T>> {
        self.entries.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// How many findings each configuration has.
#[derive(Debug, Default)]
pub struct FindingTallies(RwLock<BTreeMap<ObjectKey, FindingCounts>>);

impl FindingTallies {
    /// The counts of a configuration; `None` before they have been counted.
    pub fn get(&self, configuration: &ObjectKey) -> Option<FindingCounts> {
        self.0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(configuration)
            .copied()
    }

    /// Replaces the counts of a configuration.
    pub fn set(&self, configuration: ObjectKey, counts: FindingCounts) {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(configuration, counts);
    }

    /// Forgets a configuration.
    pub fn remove(&self, configuration: &ObjectKey) {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(configuration);
    }
}

/// Whether a connection may be used from a namespace.
pub fn connection_allows(connection: &JiraConnection, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    spec_allows(&ObjectKey::of(connection), &connection.spec, namespace, labels)
}

/// Whether the connection of this key and spec may be used from a namespace.
pub fn spec_allows(
    connection: &ObjectKey,
    spec: &JiraConnectionSpec,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let chosen = || crate::domain::placement::select::namespace_matches(&spec.allowed_namespaces, labels);
    connection.namespace == namespace || chosen()
}
