//! Named gates that open once: what the process waits for before it is ready.
//!
//! The controllers wait for the same gates, so that no decision is made from half a list.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The gate of the custom resource definitions.
pub const CRDS: &str = "CRDs";
/// The gate of the first list of connections.
pub const CONNECTIONS: &str = "first list of JiraConnections";
/// The gate of the first list of configurations.
pub const CONFIGURATIONS: &str = "first list of TicketConfigurations";
/// The gate of the first list of findings.
pub const FINDINGS: &str = "first list of SecurityFindings";

#[derive(Clone, Debug, Default)]
struct Gate {
    open: bool,
    detail: Option<String>,
}

/// A set of named gates. Cheap to clone; clones share the gates.
#[derive(Clone, Debug)]
pub struct Readiness {
    gates: Arc<watch::Sender<BTreeMap<&'static str, Gate>>>,
}

impl Readiness {
    /// Gates of these names, all closed.
    pub fn new(names: &[&'static str]) -> Self {
        let gates = names.iter().map(|name| (*name, Gate::default())).collect();
        Self {
            gates: Arc::new(watch::Sender::new(gates)),
        }
    }

    /// Opens a gate. A gate never closes again.
    pub fn set(&self, name: &'static str) {
        self.gates.send_if_modified(|gates| {
            let gate = gates.entry(name).or_default();
            gate.detail = None;
            !std::mem::replace(&mut gate.open, true)
        });
    }

    /// Sets what a closed gate waits for, for `/readyz`.
    pub fn explain(&self, name: &'static str, detail: String) {
        self.gates
            .send_modify(|gates| gates.entry(name).or_default().detail = Some(detail));
    }

    /// The closed gates, each with what it waits for.
    pub fn missing(&self) -> Vec<String> {
        let closed = |(name, gate): (&&'static str, &Gate)| match &gate.detail {
            _ if gate.open => None,
            Some(detail) => Some(format!("{name}: {detail}")),
            None => Some((*name).to_owned()),
        };
        self.gates.borrow().iter().filter_map(closed).collect()
    }

    /// Waits until a gate is open.
    pub async fn wait(&self, name: &'static str) {
        let open = |gates: &BTreeMap<&'static str, Gate>| gates.get(name).is_some_and(|gate| gate.open);
        let _ = self.gates.subscribe().wait_for(open).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_opens_once_and_names_what_it_waits_for() {
        let readiness = Readiness::new(&[CRDS, CONNECTIONS]);
        readiness.explain(CRDS, "securityfindings".to_owned());
        assert_eq!(readiness.missing(), ["CRDs: securityfindings", CONNECTIONS]);
        readiness.set(CRDS);
        readiness.wait(CRDS).await;
        assert_eq!(readiness.missing(), [CONNECTIONS]);
        readiness.set(CONNECTIONS);
        readiness.wait(CONNECTIONS).await;
        assert!(readiness.missing().is_empty());
    }
}
