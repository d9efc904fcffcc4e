//! Which findings share an issue.
//!
//! A group value is the namespace, or `*` where namespaces share their issues, followed by each path and the value that the
//! finding has there. Without grouping it is namespace and fingerprint. The paths are part of the group value, so that a
//! configuration whose grouping changes opens other issues, and no issue of an old group is taken for that of a new group.

use std::sync::LazyLock;

use kube::CustomResourceExt;
use serde_json::Value;

use crate::api::grouping::Grouping;
use crate::api::{NamespaceSelection, NamespacesFrom, SecurityFinding};
use crate::domain::base::hash::short_hash;

use crate::domain::identity::fingerprint;

/// Stands for the namespace where namespaces share their issues; no namespace has this name.
const ALL_NAMESPACES: &str = "*";
/// Beginning of the paths that name a label of the finding.
const LABELS: &str = "metadata.labels.";
/// Longest value, in characters. A longer value is cut, and followed by a hash of the whole value.
const MAX_VALUE: usize = 200;

/// What a finding has in common with the other findings of its tickets.
pub(crate) fn group_of(finding: &SecurityFinding, grouping: Option<&Grouping>) -> Vec<String> {
    let namespace = finding.metadata.namespace.clone().unwrap_or_default();
    let values = grouping
        .map(|grouping| values(finding, &grouping.by))
        .unwrap_or_default();
    if values.iter().all(|(_, value)| value.is_empty()) {
        return vec![namespace, fingerprint(finding).to_owned()];
    }
    let across = grouping.is_some_and(|grouping| grouping.across_namespaces);
    let first = if across { ALL_NAMESPACES.to_owned() } else { namespace };
    let values = values.into_iter().flat_map(|(path, value)| [path, value]);
    std::iter::once(first).chain(values).collect()
}

/// Most open findings in one ticket of this group.
pub(crate) fn room(group: &[String], grouping: Option<&Grouping>) -> usize {
    let limit = grouping.filter(|_| is_shared(group));
    // Two objects with one fingerprint are one problem, and never two tickets.
    limit.map_or(usize::MAX, |grouping| {
        usize::try_from(grouping.max_findings).unwrap_or(usize::MAX).max(1)
    })
}

/// Whether a group was made by grouping, and not of a fingerprint.
pub(crate) const fn is_shared(group: &[String]) -> bool {
    group.len() > 2
}

/// The values that the findings of a group share, for people.
pub(crate) fn shown(group: &[String]) -> Vec<&str> {
    if is_shared(group) {
        group.iter().skip(2).step_by(2).map(String::as_str).collect()
    } else {
        group.iter().map(String::as_str).collect()
    }
}

/// Whether a group may have findings of this namespace.
fn reaches(group: &[String], namespace: &str) -> bool {
    group
        .first()
        .is_some_and(|first| first == namespace || (first == ALL_NAMESPACES && is_shared(group)))
}

/// The one namespace that a group's findings are in; `None` where they may be in any.
pub(crate) fn namespace_of(group: &[String]) -> Option<&str> {
    group
        .first()
        .map(String::as_str)
        .filter(|first| *first != ALL_NAMESPACES)
}

/// Whether a finding that holds this group can be a member of it: it is in a namespace of the group, or it is the finding
/// that the group was made of.
pub(crate) fn may_hold(finding: &SecurityFinding, group: &[String]) -> bool {
    let namespace = finding.metadata.namespace.as_deref().unwrap_or_default();
    if is_shared(group) {
        reaches(group, namespace)
    } else {
        *group == group_of(finding, None)
    }
}

/// Checks the paths of a grouping.
///
/// # Errors
///
/// What is wrong, and with which path.
pub(crate) fn check(grouping: &Grouping, namespaces: &NamespaceSelection) -> Result<(), String> {
    for path in &grouping.by {
        if path.strip_prefix(LABELS).is_some_and(|label| !label.is_empty()) {
            continue;
        }
        known(path, &SPEC)?;
    }
    if grouping.across_namespaces && namespaces.from == NamespacesFrom::Same {
        return Err(
            "grouping.acrossNamespaces has no effect while findingNamespaces takes findings of one namespace; remove \
             it, or set findingNamespaces"
                .to_owned(),
        );
    }
    Ok(())
}

/// The schema of a finding's spec.
static SPEC: LazyLock<Value> = LazyLock::new(|| {
    let crd = serde_json::to_value(SecurityFinding::crd()).unwrap_or_default();
    let at = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    crd.pointer(at).cloned().unwrap_or_default()
});

/// Whether a path leads to a value.
fn known(path: &str, schema: &Value) -> Result<(), String> {
    let mut at = schema;
    let mut rest = Some(path);
    while let Some(here) = rest {
        if at.get("additionalProperties").is_some() {
            return Ok(());
        }
        let (name, below) = match here.split_once('.') {
            Some((name, below)) => (name, Some(below)),
            None => (here, None),
        };
        let Some(members) = at.get("properties").and_then(Value::as_object) else {
            return Err(format!("grouping.by: {path:?} leads below a value"));
        };
        let Some(next) = members.get(name) else {
            let names: Vec<&str> = members.keys().map(String::as_str).collect();
            return Err(format!(
                "grouping.by: findings have no {path:?}; instead of {name:?} it can be {}{}",
                names.join(", "),
                if at == schema {
                    " or metadata.labels.<label>"
                } else {
                    ""
                }
            ));
        };
        at = next;
        rest = below;
    }
    let holds = |member: &str| at.get(member).is_some();
    if holds("properties") || holds("additionalProperties") {
        return Err(format!("grouping.by: {path:?} is not one value; add a name below it"));
    }
    Ok(())
}

/// Each path, in order, and what the finding has there; nothing where it has nothing.
fn values(finding: &SecurityFinding, by: &[String]) -> Vec<(String, String)> {
    let spec = serde_json::to_value(&finding.spec).unwrap_or_default();
    let mut paths: Vec<&String> = by.iter().collect();
    paths.sort();
    paths.dedup();
    let value = |path: &String| match path.strip_prefix(LABELS) {
        Some(label) => finding.metadata.labels.as_ref()?.get(label).cloned(),
        None => text_at(&spec, path),
    };
    let all = paths.into_iter().map(|path| {
        let value = value(path).unwrap_or_default();
        (path.clone(), short(value.trim()))
    });
    all.collect()
}

fn text_at(value: &Value, path: &str) -> Option<String> {
    // A name in a map may hold dots itself.
    if let Some(whole) = value.get(path) {
        return text_of(whole);
    }
    let (name, below) = path.split_once('.')?;
    text_at(value.get(name)?, below)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let mut texts: Vec<String> = items.iter().filter_map(text_of).collect();
            texts.sort();
            Some(texts.join(", "))
        }
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
    }
}

fn short(value: &str) -> String {
    if value.chars().count() <= MAX_VALUE {
        return value.to_owned();
    }
    let beginning: String = value.chars().take(MAX_VALUE).collect();
    format!("{beginning}… {}", short_hash(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finding(name: &str, spec: Value) -> SecurityFinding {
        let mut spec = spec;
        spec["title"] = json!("t");
        serde_json::from_value(json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
            "metadata": {"name": name, "namespace": "shop", "labels": {"example.com/team": "web"}}, "spec": spec,
        }))
        .unwrap()
    }

    fn by(paths: &[&str]) -> Grouping {
        Grouping {
            by: paths.iter().map(ToString::to_string).collect(),
            max_findings: 50,
            across_namespaces: false,
        }
    }

    #[test]
    fn findings_that_agree_in_all_values_are_of_one_group() {
        let asset =
            |name: &str, cve: &str| finding(cve, json!({"asset": {"name": name}, "vulnerability": {"id": cve}}));
        let by_asset = by(&["asset.name"]);
        let group = |finding: &SecurityFinding, grouping: &Grouping| group_of(finding, Some(grouping));
        assert_eq!(group(&asset("web", "a"), &by_asset), ["shop", "asset.name", "web"]);
        assert_eq!(
            group(&asset("web", "a"), &by_asset),
            group(&asset("web", "b"), &by_asset)
        );
        assert_ne!(
            group(&asset("web", "a"), &by_asset),
            group(&asset("api", "a"), &by_asset)
        );
        let both = by(&["vulnerability.id", "asset.name"]);
        assert_eq!(
            group(&asset("web", "a"), &both),
            group(&asset("web", "a"), &by(&["asset.name", "vulnerability.id"]))
        );
        assert_eq!(shown(&group(&asset("web", "a"), &both)), ["web", "a"]);
        let across = Grouping {
            across_namespaces: true,
            ..by_asset
        };
        assert_eq!(group(&asset("web", "a"), &across), ["*", "asset.name", "web"]);
    }

    #[test]
    fn labels_maps_lists_and_numbers_can_be_grouped_by() {
        let one = finding(
            "f",
            json!({"properties": {"a.b/c": "x"}, "tags": ["z", "y"], "asset": {"port": 8443}, "severity": "High"}),
        );
        let group = |path: &str| group_of(&one, Some(&by(&[path])))[2].clone();
        assert_eq!(group("metadata.labels.example.com/team"), "web");
        assert_eq!(group("properties.a.b/c"), "x");
        assert_eq!(group("tags"), "y, z");
        assert_eq!(group("asset.port"), "8443");
        assert_eq!(group("severity"), "High");
    }

    #[test]
    fn a_finding_without_any_of_the_values_stands_alone() {
        let bare = finding("f", json!({}));
        assert_eq!(
            group_of(&bare, Some(&by(&["asset.name", "vulnerability.id"]))),
            ["shop", "f"]
        );
        assert_eq!(
            room(&["shop".into(), "f".into()], Some(&by(&["asset.name"]))),
            usize::MAX
        );
        let half = finding("f", json!({"asset": {"name": "web"}}));
        assert_eq!(
            group_of(&half, Some(&by(&["asset.name", "vulnerability.id"]))),
            ["shop", "asset.name", "web", "vulnerability.id", ""]
        );
    }

    #[test]
    fn long_values_stay_apart() {
        let named = |end: &str| finding("f", json!({"location": format!("{}{end}", "é".repeat(300))}));
        let group = |end: &str| group_of(&named(end), Some(&by(&["location"])));
        assert_ne!(group("a"), group("b"));
        assert!(group("a")[2].chars().count() < 230);
    }

    #[test]
    fn paths_that_lead_nowhere_are_named_with_what_there_is() {
        let namespaces = NamespaceSelection::default();
        let told = |path: &str| check(&by(&[path]), &namespaces);
        for path in [
            "asset.name",
            "properties.a.b",
            "tags",
            "severity",
            "metadata.labels.a/b",
            "firstSeen",
        ] {
            assert_eq!(told(path), Ok(()), "{path}");
        }
        assert!(told("asset.nmae").unwrap_err().contains("region"));
        assert!(told("asset").unwrap_err().contains("not one value"));
        assert!(told("severity.level").unwrap_err().contains("below a value"));
        let across = Grouping {
            across_namespaces: true,
            ..by(&["severity"])
        };
        assert!(check(&across, &namespaces).unwrap_err().contains("findingNamespaces"));
    }
}
