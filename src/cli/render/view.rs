//! The issue that a configuration would make of findings, computed without a cluster and without Jira.

use super::input::Input;
use crate::api::{Reason, SecurityFinding, Severity, TicketConfigurationSpec};
use crate::app::resolve;
use crate::domain::base::fault::Fault;
use crate::domain::configuration::field_values;
use crate::domain::content::{self, Desired};
use crate::domain::fields;
use crate::domain::identity::is_reserved_label;
use crate::domain::placement::group;
use crate::domain::state::urgency;
use crate::jira::ProjectMeta;
use crate::jira::model::{IssueTypeMeta, Priority};

/// The issue that a configuration would make of findings.
pub(super) struct IssueView {
    /// Key of the project.
    pub project: String,
    issue_type: String,
    /// Summary, description, priority and labels.
    pub desired: Desired,
    assignee: Option<String>,
    /// Names and values of the fields in `spec.fields`.
    others: Vec<(String, String)>,
}

impl IssueView {
    /// Names and values of all fields but summary and description. The labels by which the operator finds the issue
    /// depend on the installation and are left out.
    pub(super) fn fields(&self) -> Vec<(String, String)> {
        let labels = self.desired.labels.iter().map(String::as_str);
        let labels: Vec<&str> = labels.filter(|label| !is_reserved_label(label)).collect();
        let mut fields = vec![
            ("Project".to_owned(), self.project.clone()),
            ("Issue type".to_owned(), self.issue_type.clone()),
        ];
        if let Some(priority) = &self.desired.priority {
            fields.push(("Priority".to_owned(), priority.clone()));
        }
        if let Some(assignee) = &self.assignee {
            fields.push(("Assignee".to_owned(), assignee.clone()));
        }
        if !labels.is_empty() {
            fields.push(("Labels".to_owned(), labels.join(", ")));
        }
        fields.extend(self.others.iter().cloned());
        fields
    }
}

impl Input {
    /// The issue that the one configuration makes of all findings.
    ///
    /// # Errors
    ///
    /// When an object is missing, the grouping is wrong, or a template has an error.
    pub(super) fn view(&self) -> Result<IssueView, String> {
        let [configuration] = self.configurations.as_slice() else {
            let count = self.configurations.len();
            return Err(format!("the files hold {count} TicketConfigurations; give exactly one"));
        };
        let first = self.findings.first().ok_or("the files hold no SecurityFinding")?;
        let spec = &configuration.spec;
        let data = resolve::config_map_of(spec)
            .map(|name| self.config_map(name))
            .transpose()?;
        let template = spec.template.as_ref();
        let template = template.map(|template| resolve::compile(template, data.as_ref()));
        let template = template.transpose().map_err(message)?;
        if let Some(grouping) = &spec.grouping {
            group::check(grouping, &spec.finding_namespaces)?;
        }
        let key = resolve::ticket_of(configuration, first);
        let elsewhere = |finding: &SecurityFinding| resolve::ticket_of(configuration, finding) != key;
        if let Some(other) = self.findings.iter().find(|finding| elsewhere(finding)) {
            let name = |finding: &SecurityFinding| finding.metadata.name.clone().unwrap_or_default();
            eprintln!(
                "by spec.grouping, {} and {} have issues of their own; they are shown as one",
                name(first),
                name(other)
            );
        }
        let values = field_values(spec).map_err(message)?;
        let others = fields::told(spec, &values, &urgency::shown(&self.findings), &key.group)
            .map_err(|error| error.to_string())?;
        let project = self.project(spec);
        let desired = content::desired(&self.findings, spec, template.as_deref(), 0, &project, "preview", &key)
            .with_fields(&fields::untyped(spec, values), &self.findings, &key.group);
        match &desired.fault {
            Some(fault) if fault.reason == Reason::TemplateInvalid => return Err(fault.message.clone()),
            _ => {}
        }
        let assignee = content::assignee(&self.findings, Some(spec)).map(content::assignee_name);
        Ok(IssueView {
            project: spec.project_key.clone(),
            issue_type: spec.issue_type.clone(),
            desired,
            assignee,
            others,
        })
    }

    /// A project that has the key, the issue type and the priorities that spec and findings name.
    fn project(&self, spec: &TicketConfigurationSpec) -> ProjectMeta {
        let named = |name: &str| Priority {
            id: name.to_owned(),
            name: name.to_owned(),
        };
        let remap = spec.priority.remap.iter();
        let remapped = remap.flat_map(|remap| Severity::ALL.map(|severity| named(remap.of(severity))));
        let wished = self
            .findings
            .iter()
            .filter_map(|finding| finding.spec.ticket.priority.as_deref());
        ProjectMeta {
            project_id: String::new(),
            key: spec.project_key.clone(),
            name: spec.project_key.clone(),
            issue_type: IssueTypeMeta {
                id: String::new(),
                name: spec.issue_type.clone(),
                subtask: false,
            },
            fields: Vec::new(),
            statuses: Vec::new(),
            priorities: remapped.chain(wished.map(named)).collect(),
        }
    }
}

fn message(fault: Fault) -> String {
    fault.message
}
