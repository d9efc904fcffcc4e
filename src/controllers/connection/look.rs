//! One look at a connection: reads the Secret, and tests the connection where a test may give another result.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Controller;
use super::known::{Inputs, Known, SECRET_INTERVAL, Working};
use crate::api::{JiraConnection, JiraConnectionSpec};
use crate::app::connect::{self, Connection, Credential, Target, Tested};
use crate::controllers::call::{CallError, with_deadline};
use crate::controllers::random::jittered;
use crate::controllers::registry::ObjectKey;
use crate::domain::connection::diagnosis::Diagnosis;
use crate::domain::connection::{credential, site};
use crate::jira::JiraClient;

/// Faults that the client meets in use lead to a test no more often than this: one endpoint may refuse what `/myself`
/// grants.
pub(super) const FAULT_SPACING: Duration = Duration::from_secs(10);

impl Controller {
    /// Looks at the connection where a look is due. When the API server gives no answer about the Secret, what was known
    /// before is given back with the error.
    pub(super) async fn look(
        &self,
        key: &ObjectKey,
        object: &JiraConnection,
        before: Option<Known>,
    ) -> Result<Known, (Option<Known>, CallError)> {
        let (inputs, now) = (Inputs::of(object), Instant::now());
        let faulted = before
            .as_ref()
            .is_none_or(|known| known.tested_at + FAULT_SPACING <= now)
            && self.faulted.lock().remove(key);
        let before = match before {
            Some(known) if known.inputs == inputs && !faulted && now < known.look_at => return Ok(known),
            before => before,
        };
        let forced = faulted || before.as_ref().is_some_and(|known| known.inputs.asks_for_test(&inputs));
        let settings = &self.context.settings;
        let site = match site::permitted(&inputs.spec, &settings.allowed_hosts, &settings.insecure_hosts) {
            Ok(site) => site,
            Err(diagnosis) => return Ok(Known::of_fault(before.as_ref(), inputs, None, None, diagnosis)),
        };
        let credential = match self.credential(key, &inputs.spec).await {
            Ok(Ok(credential)) => credential,
            Ok(Err(diagnosis)) => return Ok(Known::of_fault(before.as_ref(), inputs, None, None, diagnosis)),
            Err(error) => {
                if faulted {
                    self.faulted.lock().insert(key.clone());
                }
                return Err((before, error));
            }
        };
        let digest: [u8; 32] = Sha256::digest(secrecy::ExposeSecret::expose_secret(&credential.token)).into();
        let same = before
            .as_ref()
            .is_some_and(|known| known.digest == Some(digest) && known.inputs.same_client(&inputs));
        let before = match before {
            Some(known) if same && !forced && !known.wants_test(now) => return Ok(known.looked_again(inputs)),
            before => before,
        };
        let earlier = before.as_ref().filter(|_| same).and_then(|known| known.client.clone());
        let target = Target {
            site: &site,
            spec: &inputs.spec,
            recorded: object.status.as_ref().and_then(|status| status.site.as_ref()),
            accepted_site: inputs.accepted_site.as_deref(),
            gateway_url: &settings.gateway_url,
            limiters: &self.limiters,
            stats: self.context.metrics.calls(),
        };
        let (client, result) = connect::test(&target, &credential, earlier).await;
        Ok(match result {
            Err(diagnosis) => Known::of_fault(before.as_ref(), inputs, Some(digest), client, diagnosis),
            Ok(tested) => self.connected(key, before.filter(|_| same), inputs, digest, client, tested),
        })
    }

    /// The credential in the Secret, or what is wrong with the Secret. The outer error is an error of the API server that
    /// says nothing about the Secret.
    async fn credential(
        &self,
        key: &ObjectKey,
        spec: &JiraConnectionSpec,
    ) -> Result<Result<Credential, Diagnosis>, CallError> {
        let Some(basic) = &spec.auth.basic else {
            return Ok(Err(credential::auth_missing()));
        };
        let reference = &basic.token_secret_ref;
        let api: Api<Secret> = Api::namespaced(self.context.client.clone(), &key.namespace);
        let secret = match with_deadline(api.get_opt(&reference.name)).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Ok(Err(credential::secret_not_found(&key.namespace, &reference.name))),
            Err(error) if error.code() == Some(403) => {
                return Ok(Err(credential::secret_forbidden(&key.namespace, &reference.name)));
            }
            Err(error) => return Err(error),
        };
        let version = format!("{}@{}", reference.name, secret.resource_version().unwrap_or_default());
        let bytes = secret
            .data
            .as_ref()
            .and_then(|data| data.get(&reference.key))
            .map(|bytes| bytes.0.as_slice());
        let token = credential::token(&reference.name, &reference.key, bytes);
        Ok(token.map(|token| Credential {
            email: basic.email.clone(),
            token: token.into(),
            version,
        }))
    }

    /// What is known after a successful test. The shared connection stays the same while credential, settings, site and
    /// account do.
    fn connected(
        &self,
        key: &ObjectKey,
        before: Option<Known>,
        inputs: Inputs,
        digest: [u8; 32],
        client: Option<JiraClient>,
        tested: Tested,
    ) -> Known {
        let now = Instant::now();
        let kept = before
            .and_then(|known| Some((known.outcome.ok()?.connection, known.version)))
            .filter(|(connection, _)| {
                let same_site = connection.cloud_id == tested.discovered.site.cloud_id;
                same_site && connection.account_id == tested.discovered.account.id
            });
        let (connection, version) = kept.unwrap_or_else(|| {
            let connection = Connection::new(&inputs.spec, &tested);
            self.watch_faults(key.clone(), connection.gateway.client());
            (Arc::new(connection), self.versions.fetch_add(1, Ordering::Relaxed))
        });
        Known {
            inputs,
            digest: Some(digest),
            outcome: Ok(Working {
                discovered: tested.discovered,
                connection,
            }),
            client,
            version,
            tested_at: now,
            look_at: now + jittered(SECRET_INTERVAL),
            failures: 0,
        }
    }

    /// Has the connection looked at as soon as Jira refuses a call of the client. Ends with the client.
    fn watch_faults(&self, key: ObjectKey, client: &JiraClient) {
        let mut faults = client.faults();
        let (faulted, wake) = (Arc::clone(&self.faulted), self.wake.clone());
        tokio::spawn(async move {
            while faults.changed().await.is_ok() {
                if faults.borrow_and_update().is_some() {
                    faulted.lock().insert(key.clone());
                    let _ = wake.send(key.clone());
                }
            }
        });
    }
}
