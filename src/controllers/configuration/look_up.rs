//! Looks a configuration up: its connection, its names in Jira, its template.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};

use super::Controller;
use super::known::{Inputs, Known};
use crate::api::{Reason, TicketConfiguration};
use crate::app::connect::Connection;
use crate::app::resolve::{self, ResolvedConfiguration, config_map_of};
use crate::controllers::call::with_deadline;
use crate::controllers::registry::{ObjectKey, connection_key, spec_allows};
use crate::domain::base::fault::{Fault, Needs};
use crate::domain::configuration::{self, identity_of};
use crate::domain::render::template::Compiled;

impl Controller {
    /// The configuration as it can be used, or why it cannot. Jira and the ConfigMap of the template are asked only where
    /// the last look-up does not hold any more.
    pub(super) async fn resolve(
        &self,
        key: &ObjectKey,
        object: &TicketConfiguration,
        known: &mut Option<Known>,
    ) -> Result<Arc<ResolvedConfiguration>, Fault> {
        configuration::check_spec(&object.spec)?;
        self.check_identity(key, object)?;
        let connection = self.connection(key, object)?;
        let inputs = Inputs::of(object);
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh(&inputs, &connection)) {
            return known.result.clone();
        }
        let before = known.take();
        if before.as_ref().is_some_and(|known| known.distrusts_cache(&inputs)) {
            connection.metadata.invalidate(&object.spec.project_key);
        }
        let found = resolve::look_up(&object.spec, &connection).await;
        let earlier = before.as_ref().and_then(|known| known.template(&inputs));
        let template = self.template(object, earlier).await;
        // A fault in Jira comes before a fault in the template.
        let result = found.and_then(|found| {
            Ok(ResolvedConfiguration {
                template: template?,
                ..found
            })
        });
        let fresh = Known::of(before.as_ref(), &object.spec, inputs, connection, result);
        known.insert(fresh).result.clone()
    }

    /// Checks that no older configuration has the same identity.
    fn check_identity(&self, key: &ObjectKey, object: &TicketConfiguration) -> Result<(), Fault> {
        let identity = identity_of(object);
        let rank = |key: &ObjectKey, object: &TicketConfiguration| {
            (
                object.metadata.creation_timestamp.as_ref().map(|time| time.0),
                key.clone(),
            )
        };
        let all = self.objects.all();
        let mut rivals = all
            .iter()
            .filter(|(other, object)| other != key && identity_of(object) == identity);
        match rivals.find(|(other, rival)| configuration::came_first(rank(other, rival), rank(key, object))) {
            Some((first, _)) => Err(configuration::identity_taken(&identity, &first.to_string())),
            None => Ok(()),
        }
    }

    /// The connection that the configuration names, if the configuration may use it and it works.
    fn connection(&self, key: &ObjectKey, object: &TicketConfiguration) -> Result<Arc<Connection>, Fault> {
        let wanted = connection_key(key, &object.spec);
        let Some(entry) = self.context.connections.get(&wanted) else {
            let message = format!("JiraConnection {wanted} does not exist, or is in a namespace that is not watched");
            return Err(Fault::lasting(Reason::ConnectionNotFound, message));
        };
        let namespace = &key.namespace;
        if !spec_allows(&wanted, &entry.spec, namespace, &self.context.namespaces.of(namespace)) {
            // No event wakes the configuration when the labels of its namespace change; the resync does.
            let message = format!("JiraConnection {wanted} does not allow namespace {namespace} (allowedNamespaces)");
            return Err(Fault::lasting(Reason::ConnectionNotAllowed, message));
        }
        match &entry.state {
            Some(Ok(connection)) => Ok(Arc::clone(connection)),
            None => Err(Fault::passing(
                Reason::ConnectionNotReady,
                format!("JiraConnection {wanted} is being tested"),
            )),
            Some(Err(fault)) => {
                let message = format!("JiraConnection {wanted}: {}: {}", fault.reason, fault.message);
                // The configuration waits for a connection that is suspended: only the connection rests.
                let needs = if fault.is_stalled() { Needs::Person } else { Needs::Time };
                Err(Fault::new(Reason::ConnectionNotReady, message, needs))
            }
        }
    }

    /// The compiled template. The `earlier` one stays in use while the API server cannot be asked for the ConfigMap.
    async fn template(
        &self,
        object: &TicketConfiguration,
        earlier: Option<Arc<Compiled>>,
    ) -> Result<Option<Arc<Compiled>>, Fault> {
        let Some(template) = &object.spec.template else {
            return Ok(None);
        };
        let mut data = None;
        if let Some(config_map) = config_map_of(&object.spec) {
            let namespace = object.namespace().unwrap_or_default();
            let api: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), &namespace);
            let name = format!("ConfigMap {namespace}/{config_map}");
            match with_deadline(api.get_opt(config_map)).await {
                Ok(Some(found)) => data = Some(found.data.unwrap_or_default()),
                Ok(None) => {
                    let message = format!("{name}, which template.configMapRef names, does not exist");
                    return Err(Fault::lasting(Reason::ConfigMapNotFound, message));
                }
                Err(error) if error.code() == Some(403) => {
                    let message = format!("the operator may not read {name}; docs/rbac.yaml has the rule it needs");
                    return Err(Fault::lasting(Reason::ConfigMapUnavailable, message));
                }
                Err(_) if earlier.is_some() => return Ok(earlier),
                Err(error) => {
                    let message = format!("{name} cannot be read: {error}");
                    return Err(Fault::passing(Reason::ConfigMapUnavailable, message));
                }
            }
        }
        resolve::compile(template, data.as_ref()).map(Some)
    }
}
