//! Metrics for Prometheus. Every label has a closed set of values; no label names an object.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::jira::CallStats;

/// The controller that a pass belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ControllerName {
    /// Connections.
    JiraConnection,
    /// Configurations.
    TicketConfiguration,
    /// Tickets.
    Ticket,
}

/// The outcome of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// Something was written.
    Changed,
    /// There was nothing to write.
    Unchanged,
    /// The pass failed; another one follows.
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    controller: ControllerName,
    outcome: Outcome,
}

/// The metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<PassLabels, Counter>,
    calls: CallStats,
    /// Issues created in Jira.
    pub tickets_created: Counter,
    /// Tickets that wait for a worker.
    pub queue_depth: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("jfo");
        let reconciles = Family::default();
        let (calls, tickets_created, queue_depth) = (CallStats::default(), Counter::default(), Gauge::default());
        registry.register(
            "reconciles",
            "Passes by controller and how they ended",
            reconciles.clone(),
        );
        registry.register("tickets_created", "Issues created in Jira", tickets_created.clone());
        registry.register(
            "ticket_queue_depth",
            "Tickets that wait for a worker",
            queue_depth.clone(),
        );
        registry.register_collector(Box::new(Calls(calls.clone())));
        Self {
            registry,
            reconciles,
            calls,
            tickets_created,
            queue_depth,
        }
    }

    /// Counts a pass.
    pub fn reconciled(&self, controller: ControllerName, outcome: Outcome) {
        self.reconciles.get_or_create(&PassLabels { controller, outcome }).inc();
    }

    /// The counters that every Jira client is built with.
    pub fn calls(&self) -> CallStats {
        self.calls.clone()
    }

    /// All metrics in the text format of `OpenMetrics`.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        text
    }
}

/// The calls to Jira, read on each scrape.
#[derive(Debug)]
struct Calls(CallStats);

impl Collector for Calls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let snapshot = self.0.snapshot();
        let help = "Calls to Jira by operation and how they ended";
        let mut family = encoder.encode_descriptor("jira_calls", help, None, MetricType::Counter)?;
        for one in &snapshot {
            let labels = [("operation", one.operation), ("outcome", one.outcome)];
            ConstCounter::new(one.count).encode(family.encode_family(&labels)?)?;
        }
        let help = "Time spent in calls to Jira by operation and how they ended";
        let mut family =
            encoder.encode_descriptor("jira_call_duration", help, Some(&Unit::Seconds), MetricType::Counter)?;
        for one in &snapshot {
            let labels = [("operation", one.operation), ("outcome", one.outcome)];
            ConstCounter::new(one.total.as_secs_f64()).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_counted_by_closed_labels() {
        let metrics = Metrics::new();
        metrics.reconciled(ControllerName::JiraConnection, Outcome::Unchanged);
        let text = metrics.encode();
        let line = "jfo_reconciles_total{controller=\"JiraConnection\",outcome=\"Unchanged\"} 1";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("jfo_ticket_queue_depth 0"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
