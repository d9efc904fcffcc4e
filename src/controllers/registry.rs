//! What the controllers know of connections and configurations, shared in memory.
//!
//! Each entry has one writer, the controller of its kind. Readers share the entries and never wait for a writer: a change
//! replaces the whole map, and whoever holds a snapshot keeps it as it was. Readers subscribe to `changes`, which names
//! the entry that changed, and read the entry anew.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::broadcast;

use crate::api::ticket_configuration::FindingCounts;
use crate::api::{JiraConnectionSpec, Reason, TicketConfigurationSpec};
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
    /// The spec that `state` was found with.
    pub spec: JiraConnectionSpec,
    /// Changes with every new client, that is with each change of the spec or the credential.
    pub version: u64,
    /// The usable connection, or why there is none. `None`: the connection has not been tested yet.
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
    /// The configuration with its names looked up in Jira, or why it cannot be used. `None`: not looked up yet.
    pub state: Option<Result<Arc<ResolvedConfiguration>, Fault>>,
}

impl ConfigurationEntry {
    /// The key of the connection that the configuration names.
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

/// All entries, by key, as they were when the snapshot was taken.
pub type Snapshot<T> = Arc<BTreeMap<ObjectKey, Arc<T>>>;

/// A set of entries with a broadcast of changes.
///
/// Its lock guards nothing but the replacement of the map. No other lock is taken while it is held, so that it may be
/// taken under any other lock.
pub struct Registry<T> {
    entries: RwLock<Snapshot<T>>,
    changes: broadcast::Sender<ObjectKey>,
}

/// Connections by key.
pub type Connections = Registry<ConnectionEntry>;
/// Configurations by key.
pub type Configurations = Registry<ConfigurationEntry>;

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self {
            entries: RwLock::default(),
            changes: broadcast::channel(1024).0,
        }
    }
}

impl<T> Registry<T> {
    /// One entry.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<T>> {
        self.entries.read().get(key).cloned()
    }

    /// All entries. Costs nothing; two snapshots between which nothing changed are the same allocation.
    pub fn snapshot(&self) -> Snapshot<T> {
        Arc::clone(&self.entries.read())
    }

    /// Puts an entry and names it to the readers.
    pub fn put(&self, key: ObjectKey, entry: T) {
        Arc::make_mut(&mut self.entries.write()).insert(key.clone(), Arc::new(entry));
        let _ = self.changes.send(key);
    }

    /// Removes an entry and names it to the readers.
    pub fn remove(&self, key: &ObjectKey) {
        let removed = {
            let mut entries = self.entries.write();
            entries.contains_key(key) && Arc::make_mut(&mut entries).remove(key).is_some()
        };
        if removed {
            let _ = self.changes.send(key.clone());
        }
    }

    /// The keys of entries as they change. A reader that falls behind gets the number of changes it missed and should
    /// read all entries.
    pub fn changes(&self) -> broadcast::Receiver<ObjectKey> {
        self.changes.subscribe()
    }
}

impl Configurations {
    /// The configuration of an identity. Where several configurations have the identity, the one that may use it.
    pub fn by_identity(&self, identity: &str) -> Option<Arc<ConfigurationEntry>> {
        let refused = |entry: &ConfigurationEntry| matches!(&entry.state, Some(Err(fault)) if fault.reason == Reason::IdentityTaken);
        let entries = self.entries.read();
        let claiming = entries.values().filter(|entry| entry.identity == identity);
        claiming.min_by_key(|entry| refused(entry)).cloned()
    }

    /// The configurations that name a connection.
    pub fn by_connection(&self, connection: &ObjectKey) -> Vec<Arc<ConfigurationEntry>> {
        let snapshot = self.snapshot();
        let using = snapshot.values().filter(|entry| entry.connection_key() == *connection);
        using.cloned().collect()
    }
}

/// How many findings each configuration has.
#[derive(Debug, Default)]
pub struct FindingTallies(RwLock<BTreeMap<ObjectKey, FindingCounts>>);

impl FindingTallies {
    /// The counts of a configuration; `None` before they have been counted.
    pub fn get(&self, configuration: &ObjectKey) -> Option<FindingCounts> {
        self.0.read().get(configuration).copied()
    }

    /// Replaces the counts of a configuration.
    pub fn set(&self, configuration: ObjectKey, counts: FindingCounts) {
        self.0.write().insert(configuration, counts);
    }

    /// Forgets a configuration.
    pub fn remove(&self, configuration: &ObjectKey) {
        self.0.write().remove(configuration);
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            namespace: "shop".into(),
            name: name.into(),
        }
    }

    fn entry(name: &str, identity: &str, fault: Option<Reason>) -> ConfigurationEntry {
        let spec = json!({"connectionRef": {"name": "acme"}, "projectKey": "SEC", "issueType": "Bug"});
        ConfigurationEntry {
            key: key(name),
            identity: identity.into(),
            spec: Arc::new(serde_json::from_value(spec).unwrap()),
            generation: 1,
            state: fault.map(|reason| Err(Fault::lasting(reason, "no"))),
        }
    }

    #[test]
    fn a_snapshot_stays_as_it_was() {
        let registry = Configurations::default();
        registry.put(key("a"), entry("a", "a", None));
        let before = registry.snapshot();
        assert!(Arc::ptr_eq(&before, &registry.snapshot()), "nothing is copied");
        registry.put(key("b"), entry("b", "b", None));
        assert_eq!((before.len(), registry.snapshot().len()), (1, 2));
        assert!(
            Arc::ptr_eq(&before[&key("a")], &registry.get(&key("a")).unwrap()),
            "an entry that did not change is shared"
        );
    }

    #[test]
    fn the_configuration_that_may_use_an_identity_is_found_by_it() {
        let registry = Configurations::default();
        registry.put(key("a"), entry("a", "same", Some(Reason::IdentityTaken)));
        registry.put(key("b"), entry("b", "same", Some(Reason::ConnectionNotReady)));
        assert_eq!(registry.by_identity("same").unwrap().key, key("b"));
        assert!(registry.by_identity("other").is_none());
        assert_eq!(registry.by_connection(&key("acme")).len(), 2);
        assert_eq!(registry.by_connection(&key("other")).len(), 0);
    }

    #[test]
    fn only_what_was_there_is_told_to_be_removed() {
        let registry = Configurations::default();
        let mut changes = registry.changes();
        registry.remove(&key("a"));
        registry.put(key("a"), entry("a", "a", None));
        registry.remove(&key("a"));
        assert_eq!(changes.try_recv().unwrap(), key("a"));
        assert_eq!(changes.try_recv().unwrap(), key("a"));
        assert!(changes.try_recv().is_err());
    }
}
