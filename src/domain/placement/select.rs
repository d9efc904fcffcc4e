//! Which configuration takes a finding, and why the others do not.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::api::ticket_configuration::{FindingSelector, TicketConfigurationSpec};
use crate::api::{NamespaceSelection, NamespacesFrom, SecurityFinding};

/// Most reasons that are written into a status.
const MAX_REASONS: usize = 8;

/// A configuration as the choice needs it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Namespace of the configuration.
    pub namespace: &'a str,
    /// Name of the configuration.
    pub name: &'a str,
    /// Name under which its tickets are found.
    pub identity: &'a str,
    /// Its spec.
    pub spec: &'a TicketConfigurationSpec,
    /// Whether it may take findings of other namespaces.
    pub shared: bool,
}

/// The outcome of a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Position of the chosen candidate in what was offered.
    pub chosen: Option<usize>,
    /// One line for each configuration that was looked at, the chosen one first.
    pub reasons: Vec<String>,
}

/// Chooses the configuration of a finding. A finding that names one gets that one or none; otherwise the highest
/// weight wins, then the first by namespace and name.
pub fn select(
    finding: &SecurityFinding,
    namespace_labels: &BTreeMap<String, String>,
    candidates: &[Candidate<'_>],
) -> Selection {
    let namespace = finding.metadata.namespace.as_deref().unwrap_or_default();
    let named = finding.spec.ticket.configuration_ref.as_ref();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&at| {
        let candidate = &candidates[at];
        (
            std::cmp::Reverse(candidate.spec.weight),
            candidate.namespace,
            candidate.name,
        )
    });
    let mut selection = Selection::default();
    let mut refused = Vec::new();
    for at in order {
        let candidate = &candidates[at];
        let title = format!("{}/{}", candidate.namespace, candidate.name);
        let is_named = named.is_some_and(|named| {
            named.name == candidate.name && named.namespace.as_deref().unwrap_or(namespace) == candidate.namespace
        });
        if named.is_some() && !is_named {
            continue;
        }
        let why_not = reaches(candidate, namespace, namespace_labels).or_else(|| {
            if is_named {
                None
            } else {
                mismatch(&candidate.spec.selector, finding)
            }
        });
        match why_not {
            Some(reason) => refused.push(format!("{title}: {reason}")),
            None if selection.chosen.is_none() => {
                selection.chosen = Some(at);
                let how = if is_named {
                    "named by the finding".to_owned()
                } else {
                    format!("matches, weight {}", candidate.spec.weight)
                };
                selection.reasons.push(format!("{title}: {how}"));
            }
            None => refused.push(format!(
                "{title}: matches too, but comes later (weight {})",
                candidate.spec.weight
            )),
        }
    }
    if let (Some(named), None, true) = (named, selection.chosen, refused.is_empty()) {
        let at = named.namespace.as_deref().unwrap_or(namespace);
        refused.push(format!("{at}/{}: named by the finding, does not exist", named.name));
    }
    let more = (refused.len() + selection.reasons.len()).saturating_sub(MAX_REASONS);
    selection.reasons.extend(refused);
    selection.reasons.truncate(MAX_REASONS);
    if more > 0 {
        selection.reasons.push(format!("and {more} more"));
    }
    selection
}

/// Whether a configuration reaches a namespace; the reason when it does not.
pub fn reaches(candidate: &Candidate<'_>, namespace: &str, labels: &BTreeMap<String, String>) -> Option<String> {
    if candidate.namespace == namespace {
        return None;
    }
    if !namespace_matches(&candidate.spec.finding_namespaces, labels) {
        return Some(format!(
            "does not take findings of namespace {namespace} (findingNamespaces)"
        ));
    }
    (!candidate.shared).then(|| {
        format!(
            "namespace {} is not one whose configurations the operator shares",
            candidate.namespace
        )
    })
}

/// Whether a choice of namespaces other than the own one includes `namespace`.
pub fn namespace_matches(selection: &NamespaceSelection, labels: &BTreeMap<String, String>) -> bool {
    match selection.from {
        NamespacesFrom::Same | NamespacesFrom::Unrecognised => false,
        NamespacesFrom::All => true,
        NamespacesFrom::Selector => selection
            .selector
            .as_ref()
            .is_some_and(|selector| labels_match(selector, labels)),
    }
}

fn labels_match(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let exact = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    exact
        && selector
            .match_expressions
            .iter()
            .flatten()
            .all(|requirement| requirement_holds(requirement, labels))
}

fn requirement_holds(requirement: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let listed = || value.is_some_and(|value| requirement.values.iter().flatten().any(|one| one == value));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// Why a selector does not take a finding, naming the first part that fails.
fn mismatch(selector: &FindingSelector, finding: &SecurityFinding) -> Option<String> {
    let none = BTreeMap::new();
    let labels = finding.metadata.labels.as_ref().unwrap_or(&none);
    let spec = &finding.spec;
    let source = spec.source.as_ref().map_or("", |source| source.name.as_str());
    if let Some((key, value)) = selector
        .match_labels
        .iter()
        .find(|(key, value)| labels.get(*key) != Some(value))
    {
        return Some(format!("label {key} is not {value:?} (matchLabels)"));
    }
    if let Some(requirement) = selector
        .match_expressions
        .iter()
        .find(|one| !requirement_holds(one, labels))
    {
        return Some(format!(
            "label {} does not satisfy {} (matchExpressions)",
            requirement.key, requirement.operator
        ));
    }
    if let Some(lowest) = selector.min_severity.filter(|lowest| spec.severity < *lowest) {
        return Some(format!("severity {} is below {lowest} (minSeverity)", spec.severity));
    }
    if !selector.severities.is_empty() && !selector.severities.contains(&spec.severity) {
        return Some(format!("severity {} is not listed (severities)", spec.severity));
    }
    if !selector.categories.is_empty() && !selector.categories.contains(&spec.category) {
        return Some(format!(
            "category {} is not listed (categories)",
            spec.category.as_str()
        ));
    }
    if !selector.sources.is_empty() && !selector.sources.iter().any(|one| one == source) {
        return Some(format!("source {source:?} is not listed (sources)"));
    }
    let created = finding.metadata.creation_timestamp.as_ref();
    match (&selector.created_after, created) {
        (Some(after), Some(created)) if created.0 <= after.0 => Some(format!(
            "created at {}, not after {} (createdAfter)",
            created.0, after.0
        )),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "`json!` reads best where it is passed")]
mod tests {
    use serde_json::json;

    use super::*;

    fn finding(spec: serde_json::Value) -> SecurityFinding {
        let mut object = json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
            "metadata": {"name": "f", "namespace": "shop", "labels": {"team": "web"}},
            "spec": {"title": "t", "severity": "High"},
        });
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn spec(extra: serde_json::Value) -> TicketConfigurationSpec {
        let mut object = json!({"connectionRef": {"name": "acme"}, "projectKey": "SEC", "issueType": "Bug"});
        for (key, value) in extra.as_object().unwrap() {
            object[key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn candidate<'a>(namespace: &'a str, name: &'a str, spec: &'a TicketConfigurationSpec) -> Candidate<'a> {
        Candidate {
            namespace,
            name,
            identity: name,
            spec,
            shared: false,
        }
    }

    #[test]
    fn the_highest_weight_wins_then_the_first_by_name() {
        let (light, heavy) = (spec(json!({"weight": 1})), spec(json!({"weight": 9})));
        let candidates = [
            candidate("shop", "a", &light),
            candidate("shop", "z", &heavy),
            candidate("shop", "b", &heavy),
        ];
        let selection = select(&finding(json!({})), &BTreeMap::new(), &candidates);
        assert_eq!(selection.chosen, Some(2));
        assert_eq!(selection.reasons[0], "shop/b: matches, weight 9");
        assert_eq!(selection.reasons.len(), 3);
    }

    #[test]
    fn each_part_of_the_selector_refuses_by_name() {
        let cases = [
            (json!({"matchLabels": {"team": "api"}}), "matchLabels"),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["web"]}]}),
                "matchExpressions",
            ),
            (json!({"minSeverity": "Critical"}), "minSeverity"),
            (json!({"severities": ["Low"]}), "severities"),
            (json!({"categories": ["Secret"]}), "categories"),
            (json!({"sources": ["trivy"]}), "sources"),
        ];
        for (selector, part) in cases {
            let spec = spec(json!({"selector": selector}));
            let selection = select(&finding(json!({})), &BTreeMap::new(), &[candidate("shop", "c", &spec)]);
            assert_eq!(selection.chosen, None, "{part}");
            assert!(selection.reasons[0].contains(part), "{:?}", selection.reasons);
        }
    }

    #[test]
    fn other_namespaces_need_both_the_wish_and_the_permission() {
        let all = spec(json!({"findingNamespaces": {"from": "All"}}));
        let own = spec(json!({}));
        let finding = finding(json!({}));
        let none = BTreeMap::new();
        assert_eq!(
            select(&finding, &none, &[candidate("security", "c", &own)]).chosen,
            None
        );
        assert_eq!(
            select(&finding, &none, &[candidate("security", "c", &all)]).chosen,
            None
        );
        let shared = Candidate {
            shared: true,
            ..candidate("security", "c", &all)
        };
        assert_eq!(select(&finding, &none, &[shared]).chosen, Some(0));
    }

    #[test]
    fn a_named_configuration_is_taken_or_none_is() {
        let picky = spec(json!({"minSeverity": "Critical", "weight": 1}));
        let any = spec(json!({"weight": 900}));
        let named = finding(json!({"ticket": {"configurationRef": {"name": "picky"}}}));
        let candidates = [candidate("shop", "any", &any), candidate("shop", "picky", &picky)];
        assert_eq!(select(&named, &BTreeMap::new(), &candidates).chosen, Some(1));
        let missing = finding(json!({"ticket": {"configurationRef": {"name": "gone"}}}));
        let selection = select(&missing, &BTreeMap::new(), &candidates);
        assert_eq!(selection.chosen, None);
        assert!(selection.reasons[0].contains("does not exist"));
    }
}
