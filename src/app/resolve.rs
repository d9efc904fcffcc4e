//! From the spec of a configuration to what the spec means: its compiled templates, and the names in it looked up in
//! Jira.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::connect::Connection;
use crate::api::template::Template;
use crate::api::{Reason, SecurityFinding, TicketConfiguration, TicketConfigurationSpec};
use crate::domain::base::fault::Fault;
use crate::domain::configuration::{self, identity_of};
use crate::domain::fields::{self, TypedFields};
use crate::domain::identity::TicketKey;
use crate::domain::placement::group::group_of;
use crate::domain::render::template::{self, Compiled};
use crate::jira::{Assignable, JiraError, MetadataError, ProjectMeta};

/// A configuration whose names have been looked up in Jira.
#[derive(Debug)]
pub struct ResolvedConfiguration {
    /// The project and the issue type, as Jira describes them.
    pub project: Arc<ProjectMeta>,
    /// The compiled template of the issues' texts; `None` where the spec has no template.
    pub template: Option<Arc<Compiled>>,
    /// The fields of the spec, as Jira takes them.
    pub fields: TypedFields,
    /// A remark for the message of the `Ready` condition; the configuration can be used all the same.
    pub remark: Option<String>,
}

impl ResolvedConfiguration {
    /// Whether two answers of Jira and two templates mean the same issues.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.remark == other.remark
            && self.fields == other.fields
            && self.template == other.template
            && configuration::same(&self.project, &other.project)
    }
}

/// Compiles the template of a spec. `data` is the ConfigMap that [`config_map_of`] names, if it names one.
///
/// # Errors
///
/// When the template has an error (`TemplateInvalid`); the message names part, line and variable.
pub(crate) fn compile(template: &Template, data: Option<&BTreeMap<String, String>>) -> Result<Arc<Compiled>, Fault> {
    template::compile(template, data)
        .map(Arc::new)
        .map_err(|error| Fault::lasting(Reason::TemplateInvalid, error.to_string()))
}

/// The name of the ConfigMap that holds texts of the template, in the namespace of the configuration.
pub(crate) fn config_map_of(spec: &TicketConfigurationSpec) -> Option<&str> {
    let reference = spec.template.as_ref()?.config_map_ref.as_ref()?;
    Some(&reference.name)
}

/// The first ticket that a configuration has for a finding, and for the other findings of its group.
pub(crate) fn ticket_of(configuration: &TicketConfiguration, finding: &SecurityFinding) -> TicketKey {
    TicketKey {
        configuration: identity_of(configuration),
        group: group_of(finding, configuration.spec.grouping.as_ref()),
        slot: 0,
    }
}

/// Looks up in Jira what a spec names: project, issue type, fields, statuses, priorities, assignee. Metadata that the
/// connection has cached is not asked for again. The result has no template yet.
///
/// # Errors
///
/// When a name in the spec does not exist, Jira would refuse the issues of this configuration, or Jira cannot be asked.
pub(crate) async fn look_up(
    spec: &TicketConfigurationSpec,
    connection: &Connection,
) -> Result<ResolvedConfiguration, Fault> {
    let metadata = &connection.metadata;
    let unavailable = |error: JiraError| configuration::lookup_fault(&MetadataError::from(error));
    let project = metadata
        .resolve(&spec.project_key, &spec.issue_type)
        .await
        .map_err(|error| configuration::lookup_fault(&error))?;
    let elsewhere = if fields::all_on_screen(spec, &project) {
        Vec::new()
    } else {
        fields::elsewhere(&metadata.site_fields().await.map_err(unavailable)?, &project)
    };
    let fields = configuration::check_fields(spec, &project, &elsewhere)?;
    let mut remarks = Vec::from_iter(configuration::check(spec, &project)?);
    if let Some(wish) = &spec.assignee
        && let Assignable::Refused(why) = metadata
            .assignee(&project.key, &wish.into())
            .await
            .map_err(unavailable)?
    {
        remarks.push(format!("issues are opened without assignee: {why}"));
    }
    // From now on every read of an issue has the fields that the configuration writes, for comparison.
    connection.gateway.want_fields(fields.ids());
    Ok(ResolvedConfiguration {
        project,
        template: None,
        fields,
        remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
    })
}
