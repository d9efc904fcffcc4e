//! Which configuration takes a finding, and why the others do not.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Expression, Selector, SelectorExt};

use crate::api::grouping::Grouping;
use crate::api::security_finding::Category;
use crate::api::ticket_configuration::{FindingSelector, TicketConfigurationSpec};
use crate::api::{NamespaceSelection, NamespacesFrom, SecurityFinding, Severity};

/// Most reasons that are written into a status.
const MAX_REASONS: usize = 8;

/// The part of a configuration that decides which findings belong to it. Two candidates that are equal place every
/// finding alike, whatever else differs in their specs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    namespace: String,
    name: String,
    identity: String,
    weight: i32,
    selector: FindingSelector,
    /// `matchLabels` and `matchExpressions` of the selector; `None` where an expression is not valid.
    labels: Option<Vec<Expression>>,
    namespaces: Namespaces,
    grouping: Option<Grouping>,
    /// Whether it may take findings of other namespaces than its own.
    shared: bool,
}

impl Candidate {
    /// The candidate of a configuration. `shared`: the operator was told that the configurations of this namespace may
    /// take findings of other namespaces.
    pub(crate) fn new(
        namespace: &str,
        name: &str,
        identity: &str,
        spec: &TicketConfigurationSpec,
        shared: bool,
    ) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            weight: spec.weight,
            labels: expressions(&spec.selector),
            selector: spec.selector.clone(),
            namespaces: Namespaces::from(&spec.finding_namespaces),
            grouping: spec.grouping.clone(),
            shared,
        }
    }

    /// Identity of the configuration, which is part of the key of each of its tickets.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// Which findings share a ticket.
    pub(crate) const fn grouping(&self) -> Option<&Grouping> {
        self.grouping.as_ref()
    }

    /// Namespace and name of the configuration, as `<namespace>/<name>`.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Why findings of a namespace with these labels are not taken; `None` where they are.
    fn refuses_namespace<'a>(&'a self, namespace: &'a str, labels: &BTreeMap<String, String>) -> Option<Mismatch<'a>> {
        if self.namespace == namespace {
            None
        } else if !self.namespaces.include(labels) {
            Some(Mismatch::Namespace(namespace))
        } else if self.shared {
            None
        } else {
            Some(Mismatch::NotShared(&self.namespace))
        }
    }

    /// The first part of the selector that does not match a finding; `None` where all parts do.
    fn mismatch<'a>(&'a self, finding: &'a SecurityFinding) -> Option<Mismatch<'a>> {
        let selector = &self.selector;
        let none = BTreeMap::new();
        let labels = finding.metadata.labels.as_ref().unwrap_or(&none);
        let spec = &finding.spec;
        let Some(expressions) = &self.labels else {
            return Some(Mismatch::InvalidExpression);
        };
        if let Some(expression) = expressions.iter().find(|expression| !expression.matches(labels)) {
            return Some(Mismatch::Label(expression));
        }
        if let Some(lowest) = selector.min_severity.filter(|lowest| spec.severity < *lowest) {
            return Some(Mismatch::BelowSeverity(spec.severity, lowest));
        }
        if !selector.severities.is_empty() && !selector.severities.contains(&spec.severity) {
            return Some(Mismatch::Severity(spec.severity));
        }
        if !selector.categories.is_empty() && !selector.categories.contains(&spec.category) {
            return Some(Mismatch::Category(spec.category));
        }
        let source = spec.source.as_ref().map_or("", |source| source.name.as_str());
        if !selector.sources.is_empty() && !selector.sources.iter().any(|listed| listed == source) {
            return Some(Mismatch::Source(source));
        }
        let created = finding.metadata.creation_timestamp.as_ref();
        match (&selector.created_after, created) {
            (Some(after), Some(created)) if created.0 <= after.0 => Some(Mismatch::Created(created.0, after.0)),
            _ => None,
        }
    }
}

/// All configurations, in the order in which they are asked: the highest weight first, then by namespace and name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Candidates(Vec<Candidate>);

impl FromIterator<Candidate> for Candidates {
    fn from_iter<I: IntoIterator<Item = Candidate>>(candidates: I) -> Self {
        let mut all: Vec<Candidate> = candidates.into_iter().collect();
        all.sort_by(|a, b| (Reverse(a.weight), &a.namespace, &a.name).cmp(&(Reverse(b.weight), &b.namespace, &b.name)));
        Self(all)
    }
}

/// The outcome of a choice.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selection<'a> {
    /// The configuration that takes the finding.
    pub chosen: Option<&'a Candidate>,
    /// One line for each configuration that was considered, the chosen one first; at most eight, and the number of the
    /// others.
    pub reasons: Vec<String>,
}

/// Chooses the configuration of a finding. A finding that names a configuration (`ticket.configurationRef`) is taken by
/// that configuration or by none; otherwise the highest weight wins, then the first by namespace and name.
pub(crate) fn select<'a>(
    finding: &SecurityFinding,
    namespace_labels: &BTreeMap<String, String>,
    candidates: &'a Candidates,
) -> Selection<'a> {
    let namespace = finding.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(named) = &finding.spec.ticket.configuration_ref {
        let at = named.namespace.as_deref().unwrap_or(namespace);
        let candidate = candidates
            .0
            .iter()
            .find(|candidate| candidate.name == named.name && candidate.namespace == at);
        let refused = candidate.and_then(|candidate| candidate.refuses_namespace(namespace, namespace_labels));
        let why = match (candidate, &refused) {
            (None, _) => "named by the finding, does not exist".to_owned(),
            (Some(_), Some(refused)) => refused.to_string(),
            (Some(_), None) => "named by the finding".to_owned(),
        };
        return Selection {
            chosen: candidate.filter(|_| refused.is_none()),
            reasons: vec![format!("{at}/{}: {why}", named.name)],
        };
    }
    let mut chosen = None;
    let mut reasons = Vec::new();
    for candidate in &candidates.0 {
        if chosen.is_some() && reasons.len() >= MAX_REASONS {
            break;
        }
        let mismatch = candidate
            .refuses_namespace(namespace, namespace_labels)
            .or_else(|| candidate.mismatch(finding));
        let reason = match mismatch {
            None if chosen.is_none() => {
                chosen = Some(candidate);
                let reason = format!("{}: matches, weight {}", candidate.title(), candidate.weight);
                reasons.insert(0, reason);
                reasons.truncate(MAX_REASONS);
                continue;
            }
            // Only what is kept is worth its text.
            _ if reasons.len() >= MAX_REASONS => continue,
            None => format!("matches too, but comes later (weight {})", candidate.weight),
            Some(mismatch) => mismatch.to_string(),
        };
        reasons.push(format!("{}: {reason}", candidate.title()));
    }
    let more = candidates.0.len().saturating_sub(MAX_REASONS);
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    Selection { chosen, reasons }
}

/// Why a configuration does not take a finding.
enum Mismatch<'a> {
    Namespace(&'a str),
    NotShared(&'a str),
    Label(&'a Expression),
    InvalidExpression,
    BelowSeverity(Severity, Severity),
    Severity(Severity),
    Category(Category),
    Source(&'a str),
    Created(Timestamp, Timestamp),
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(namespace) => {
                write!(f, "does not take findings of namespace {namespace} (findingNamespaces)")
            }
            Self::NotShared(namespace) => {
                write!(
                    f,
                    "namespace {namespace} is not one whose configurations the operator shares"
                )
            }
            Self::Label(Expression::Equal(key, value)) => write!(f, "label {key} is not {value:?} (matchLabels)"),
            Self::Label(expression) => write!(f, "labels do not satisfy \"{expression}\" (matchExpressions)"),
            Self::InvalidExpression => f.write_str("an operator or its values are not valid (matchExpressions)"),
            Self::BelowSeverity(severity, lowest) => write!(f, "severity {severity} is below {lowest} (minSeverity)"),
            Self::Severity(severity) => write!(f, "severity {severity} is not listed (severities)"),
            Self::Category(category) => write!(f, "category {} is not listed (categories)", category.as_str()),
            Self::Source(source) => write!(f, "source {source:?} is not listed (sources)"),
            Self::Created(created, after) => write!(f, "created at {created}, not after {after} (createdAfter)"),
        }
    }
}

/// Which namespaces, besides the object's own, are included.
#[derive(Clone, Debug, PartialEq)]
enum Namespaces {
    None,
    All,
    Labelled(Selector),
}

impl Namespaces {
    fn include(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Labelled(selector) => selector.matches(labels),
        }
    }
}

impl From<&NamespaceSelection> for Namespaces {
    fn from(selection: &NamespaceSelection) -> Self {
        match selection.from {
            NamespacesFrom::Same | NamespacesFrom::Unrecognised => Self::None,
            NamespacesFrom::All => Self::All,
            NamespacesFrom::Selector => {
                let selector = selection.selector.clone().map(Selector::try_from);
                // A selector that is not valid includes nothing.
                selector.and_then(Result::ok).map_or(Self::None, Self::Labelled)
            }
        }
    }
}

/// Whether a choice of namespaces other than the object's own includes a namespace with these labels.
pub(crate) fn namespace_matches(selection: &NamespaceSelection, labels: &BTreeMap<String, String>) -> bool {
    Namespaces::from(selection).include(labels)
}

/// The requirements on labels, in the order in which they are named when they do not match.
fn expressions(selector: &FindingSelector) -> Option<Vec<Expression>> {
    let selector = LabelSelector {
        match_labels: Some(selector.match_labels.clone()),
        match_expressions: Some(selector.match_expressions.clone()),
    };
    let selector = Selector::try_from(selector).ok()?;
    Some(selector.into_iter().collect())
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

    fn candidate(namespace: &str, name: &str, spec: &TicketConfigurationSpec) -> Candidate {
        Candidate::new(namespace, name, name, spec, false)
    }

    fn candidates(all: impl IntoIterator<Item = Candidate>) -> Candidates {
        all.into_iter().collect()
    }

    fn chosen<'a>(selection: &Selection<'a>) -> Option<&'a str> {
        selection.chosen.map(Candidate::identity)
    }

    #[test]
    fn the_highest_weight_wins_then_the_first_by_name() {
        let (light, heavy) = (spec(json!({"weight": 1})), spec(json!({"weight": 9})));
        let all = candidates([
            candidate("shop", "a", &light),
            candidate("shop", "z", &heavy),
            candidate("shop", "b", &heavy),
        ]);
        let finding = finding(json!({}));
        let selection = select(&finding, &BTreeMap::new(), &all);
        assert_eq!(chosen(&selection), Some("b"));
        assert_eq!(selection.reasons[0], "shop/b: matches, weight 9");
        assert_eq!(selection.reasons.len(), 3);
    }

    #[test]
    fn each_part_of_the_selector_refuses_by_name() {
        let cases = [
            (
                json!({"matchLabels": {"team": "api"}}),
                "label team is not \"api\" (matchLabels)",
            ),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["web"]}]}),
                "labels do not satisfy \"team notin (web)\" (matchExpressions)",
            ),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "Near"}]}),
                "matchExpressions",
            ),
            (json!({"minSeverity": "Critical"}), "minSeverity"),
            (json!({"severities": ["Low"]}), "severities"),
            (json!({"categories": ["Secret"]}), "categories"),
            (json!({"sources": ["trivy"]}), "sources"),
        ];
        for (selector, part) in cases {
            let all = candidates([candidate("shop", "c", &spec(json!({"selector": selector})))]);
            let finding = finding(json!({}));
            let selection = select(&finding, &BTreeMap::new(), &all);
            assert_eq!(chosen(&selection), None, "{part}");
            assert!(selection.reasons[0].contains(part), "{:?}", selection.reasons);
        }
    }

    #[test]
    fn labels_match_as_everywhere_in_kubernetes() {
        let takes = |expression: serde_json::Value| {
            let all = candidates([candidate(
                "shop",
                "c",
                &spec(json!({"selector": {"matchExpressions": [expression]}})),
            )]);
            select(&finding(json!({})), &BTreeMap::new(), &all).chosen.is_some()
        };
        assert!(takes(
            json!({"key": "team", "operator": "In", "values": ["api", "web"]})
        ));
        assert!(!takes(json!({"key": "tier", "operator": "In", "values": ["web"]})));
        assert!(takes(json!({"key": "tier", "operator": "NotIn", "values": ["web"]})));
        assert!(takes(json!({"key": "team", "operator": "Exists"})));
        assert!(!takes(json!({"key": "tier", "operator": "Exists"})));
        assert!(takes(json!({"key": "tier", "operator": "DoesNotExist"})));
    }

    #[test]
    fn of_many_configurations_eight_are_named_and_the_chosen_one_among_them() {
        let (no, yes) = (
            spec(json!({"selector": {"minSeverity": "Critical"}, "weight": 9})),
            spec(json!({"weight": 1})),
        );
        let refusing = (0..10).map(|number| candidate("shop", &format!("n{number}"), &no));
        let all = candidates(refusing.chain([candidate("shop", "y", &yes), candidate("shop", "z", &yes)]));
        let finding = finding(json!({}));
        let selection = select(&finding, &BTreeMap::new(), &all);
        assert_eq!(chosen(&selection), Some("y"));
        assert_eq!(selection.reasons.len(), MAX_REASONS + 1);
        assert_eq!(selection.reasons[0], "shop/y: matches, weight 1");
        assert!(selection.reasons[1].starts_with("shop/n0: severity"));
        assert_eq!(selection.reasons[MAX_REASONS], "and 4 more");
    }

    #[test]
    fn other_namespaces_need_both_the_wish_and_the_permission() {
        let all = spec(json!({"findingNamespaces": {"from": "All"}}));
        let labelled = spec(json!({
            "findingNamespaces": {"from": "Selector", "selector": {"matchLabels": {"scan": "yes"}}},
        }));
        let own = spec(json!({}));
        let finding = finding(json!({}));
        let taken = |spec: &TicketConfigurationSpec, shared: bool, labels: &BTreeMap<String, String>| {
            let all = candidates([Candidate::new("security", "c", "c", spec, shared)]);
            select(&finding, labels, &all).chosen.is_some()
        };
        let (none, scanned) = (BTreeMap::new(), BTreeMap::from([("scan".to_owned(), "yes".to_owned())]));
        assert!(!taken(&own, true, &none));
        assert!(!taken(&all, false, &none));
        assert!(taken(&all, true, &none));
        assert!(!taken(&labelled, true, &none));
        assert!(taken(&labelled, true, &scanned));
    }

    #[test]
    fn a_finding_that_names_a_configuration_is_taken_by_that_one_or_by_none() {
        let picky = spec(json!({"selector": {"minSeverity": "Critical"}, "weight": 1}));
        let any = spec(json!({"weight": 900}));
        let named = finding(json!({"ticket": {"configurationRef": {"name": "picky"}}}));
        let all = candidates([candidate("shop", "any", &any), candidate("shop", "picky", &picky)]);
        let selection = select(&named, &BTreeMap::new(), &all);
        assert_eq!(chosen(&selection), Some("picky"));
        assert_eq!(selection.reasons, ["shop/picky: named by the finding"]);
        let missing = finding(json!({"ticket": {"configurationRef": {"name": "gone"}}}));
        let selection = select(&missing, &BTreeMap::new(), &all);
        assert_eq!(chosen(&selection), None);
        assert!(selection.reasons[0].contains("does not exist"));
    }

    #[test]
    fn only_what_places_findings_makes_two_candidates_differ() {
        let one = candidate("shop", "c", &spec(json!({})));
        assert_eq!(one, candidate("shop", "c", &spec(json!({"suspend": true}))));
        assert_ne!(one, candidate("shop", "c", &spec(json!({"weight": 7}))));
    }
}
