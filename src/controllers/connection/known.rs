//! What this process knows about a connection, and when the connection is looked at again.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio::time::Instant;

use crate::api::{ACCEPT_SITE_ANNOTATION, JiraConnection, JiraConnectionSpec, RECONCILE_ANNOTATION};
use crate::app::connect::Connection;
use crate::controllers::random::{delay, jittered};
use crate::domain::base::backoff::Backoff;
use crate::domain::connection::diagnosis::{Cure, Diagnosis};
use crate::domain::connection::status::Discovered;
use crate::jira::JiraClient;

/// How often the Secret of a working connection is read.
pub(super) const SECRET_INTERVAL: Duration = Duration::from_mins(5);
/// How long a refused credential that has not changed is not tried again.
const TEST_INTERVAL: Duration = Duration::from_mins(5);
/// How soon a connection that does not work is looked at again.
const RETRY: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_mins(1));
/// How soon a connection is looked at again where only a change of the spec can help.
const IDLE_INTERVAL: Duration = Duration::from_mins(10);

/// What this process knows about a connection.
pub(super) struct Known {
    /// What the connection was like when it was last looked at.
    pub inputs: Inputs,
    /// SHA-256 of the token that Jira was called with; `None` when Jira was not called.
    pub digest: Option<[u8; 32]>,
    /// The connection as the last test found it.
    pub outcome: Result<Working, Diagnosis>,
    /// The client of the last test, also when the test failed.
    pub client: Option<JiraClient>,
    /// Changes with every new connection that is shared.
    pub version: u64,
    /// When the connection was last tested, or found to be unfit for a test.
    pub tested_at: Instant,
    /// When to look at the connection again.
    pub look_at: Instant,
    /// Looks in a row that found the same fault; 0 while the connection works.
    pub failures: u32,
}

/// A connection that works.
pub(super) struct Working {
    /// What the test found out.
    pub discovered: Discovered,
    /// What the other controllers use; the same while credential, settings, site and account are the same.
    pub connection: Arc<Connection>,
}

/// The parts of a connection that a person can change.
#[derive(Clone, PartialEq)]
pub(super) struct Inputs {
    pub spec: JiraConnectionSpec,
    /// Value of the annotation that asks for a reconciliation.
    pub requested: Option<String>,
    /// Value of the annotation that accepts another site.
    pub accepted_site: Option<String>,
}

impl Inputs {
    pub(super) fn of(object: &JiraConnection) -> Self {
        let annotation = |name: &str| object.annotations().get(name).cloned();
        Self {
            spec: object.spec.clone(),
            requested: annotation(RECONCILE_ANNOTATION),
            accepted_site: annotation(ACCEPT_SITE_ANNOTATION),
        }
    }

    /// Whether a client made for one of the two specs serves the other as well.
    pub(super) fn same_client(&self, other: &Self) -> bool {
        let part = |inputs: &Self| {
            let spec = &inputs.spec;
            let names = (
                spec.url.clone(),
                spec.cloud_id.clone(),
                spec.expected_account_id.clone(),
            );
            (names, spec.auth.clone(), spec.request_timeout, spec.rate_limit)
        };
        part(self) == part(other)
    }

    /// Whether a person has asked for a test by annotation since `self`.
    pub(super) fn asks_for_test(&self, newer: &Self) -> bool {
        self.requested != newer.requested || self.accepted_site != newer.accepted_site
    }
}

impl Known {
    /// What the last test found out, for the status.
    pub(super) fn discovered(&self) -> Result<&Discovered, &Diagnosis> {
        self.outcome.as_ref().map(|working| &working.discovered)
    }

    /// What is known after a look that found a fault. `digest` is the token's, if Jira was called.
    pub(super) fn of_fault(
        before: Option<&Self>,
        inputs: Inputs,
        digest: Option<[u8; 32]>,
        client: Option<JiraClient>,
        diagnosis: Diagnosis,
    ) -> Self {
        // A connection with a changed spec or another fault is looked at again soon.
        let same = before.filter(|known| {
            let fault = known.outcome.as_ref().err().map(|earlier| earlier.fault.reason);
            known.inputs.spec == inputs.spec && fault == Some(diagnosis.fault.reason)
        });
        let failures = same.map_or(1, |known| known.failures.saturating_add(1));
        let now = Instant::now();
        Self {
            inputs,
            digest,
            version: before.map_or(0, |known| known.version),
            look_at: now + retry_after(diagnosis.cure, failures),
            outcome: Err(diagnosis),
            client,
            tested_at: now,
            failures,
        }
    }

    /// Whether Jira is called although no input and no credential has changed.
    pub(super) fn wants_test(&self, now: Instant) -> bool {
        match &self.outcome {
            Ok(_) => false,
            Err(diagnosis) => diagnosis.cure == Cure::AskAgain || self.tested_at + TEST_INTERVAL <= now,
        }
    }

    /// The same knowledge, after a look that found no reason to call Jira.
    pub(super) fn looked_again(self, inputs: Inputs) -> Self {
        let failures = self.failures.saturating_add(1);
        let (failures, wait) = match &self.outcome {
            Ok(_) => (0, jittered(SECRET_INTERVAL)),
            Err(diagnosis) => (failures, retry_after(diagnosis.cure, failures)),
        };
        Self {
            inputs,
            failures,
            look_at: Instant::now() + wait,
            ..self
        }
    }
}

/// How soon a connection that does not work is looked at again.
fn retry_after(cure: Cure, failures: u32) -> Duration {
    match cure {
        Cure::Spec | Cure::Suspended => jittered(IDLE_INTERVAL),
        Cure::Person | Cure::AskAgain => delay(RETRY, failures),
    }
}
