//! Which state of each issue the passes of tickets have handled.

use std::collections::HashMap;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::jira::model::Issue;

/// `updated` of each issue as it was last handled, by site and issue id. An issue that a search shows as not newer needs
/// no read. No other lock is taken while its lock is held.
#[derive(Debug, Default)]
pub(in super::super) struct Watermarks(Mutex<HashMap<String, HashMap<String, Timestamp>>>);

impl Watermarks {
    /// Whether an issue was handled as a search shows it: read by a pass, also after a write by the operator, or handed
    /// to a pass.
    pub(super) fn covers(&self, site: &str, issue: &Issue) -> bool {
        let handled = self.0.lock();
        let handled = handled.get(site).and_then(|issues| issues.get(&issue.id));
        let updated = issue.fields.updated;
        updated.is_some_and(|updated| handled.is_some_and(|handled| *handled >= updated))
    }

    /// Takes note that an issue is handled as it was read. An older copy than the one handled last changes nothing.
    pub(in super::super) fn note(&self, site: &str, issue: &Issue) {
        let Some(updated) = issue.fields.updated else { return };
        let mut sites = self.0.lock();
        let issues = match sites.get_mut(site) {
            Some(issues) => issues,
            None => sites.entry(site.to_owned()).or_default(),
        };
        let handled = issues.entry(issue.id.clone()).or_insert(updated);
        *handled = updated.max(*handled);
    }

    /// Forgets issues that were last updated before a moment. Such an issue is read again if a search shows it.
    pub(in super::super) fn forget_before(&self, moment: Timestamp) {
        let mut sites = self.0.lock();
        sites.values_mut().for_each(|issues| {
            issues.retain(|_, updated| *updated >= moment);
            issues.shrink_to_fit();
        });
        sites.retain(|_, issues| !issues.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(id: &str, updated: Option<&str>) -> Issue {
        let mut issue = Issue {
            id: id.into(),
            ..Issue::default()
        };
        issue.fields.updated = updated.map(|text| text.parse().unwrap());
        issue
    }

    #[test]
    fn an_issue_is_covered_until_it_is_newer() {
        let (old, new) = (Some("2026-01-01T00:00:00Z"), Some("2026-01-02T00:00:00Z"));
        let marks = Watermarks::default();
        assert!(!marks.covers("s", &issue("1", old)));
        marks.note("s", &issue("1", new));
        marks.note("s", &issue("1", old));
        assert!(marks.covers("s", &issue("1", old)));
        assert!(marks.covers("s", &issue("1", new)));
        assert!(!marks.covers("s", &issue("1", Some("2026-01-02T00:00:01Z"))));
        assert!(!marks.covers("s", &issue("1", None)), "its age is not known");
        assert!(!marks.covers("other", &issue("1", old)), "ids belong to a site");
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let marks = Watermarks::default();
        marks.note("s", &issue("1", Some("2026-01-01T00:00:00Z")));
        marks.note("s", &issue("2", Some("2026-01-02T00:00:00Z")));
        marks.note("t", &issue("1", Some("2026-01-01T00:00:00Z")));
        marks.forget_before("2026-01-02T00:00:00Z".parse().unwrap());
        assert!(!marks.covers("s", &issue("1", Some("2026-01-01T00:00:00Z"))));
        assert!(marks.covers("s", &issue("2", Some("2026-01-02T00:00:00Z"))));
        assert_eq!(marks.0.lock().len(), 1);
    }
}
