//! The status of a connection.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::diagnosis::Diagnosis;
use crate::api::jira_connection::{Account, Site};
use crate::api::{JiraConnectionSpec, JiraConnectionStatus, NamespacesFrom, Reason};
use crate::domain::base::standing::{self, Standing};

/// What the test of a working connection found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The account that the token belongs to.
    pub account: Account,
    /// Address, cloudId and version of the site.
    pub site: Site,
    /// Name and `resourceVersion` of the Secret, as `name@version`.
    pub credential_version: String,
}

/// The standing of a connection after a test.
pub fn standing(spec: &JiraConnectionSpec, outcome: Result<&Discovered, &Diagnosis>) -> Standing {
    match outcome {
        Ok(found) => {
            let remark = match spec.allowed_namespaces.from {
                NamespacesFrom::Unrecognised => {
                    "; this version of the operator does not know the value of allowedNamespaces.from and reads it as Same"
                }
                _ => "",
            };
            let message = format!(
                "connected to {} as {}{remark}",
                found.site.base_url, found.account.display_name
            );
            Standing::ready(Reason::Connected, message)
        }
        Err(diagnosis) => Standing::from(&diagnosis.fault),
    }
}

/// The next status of a connection after a test. `syncCursor`, which another controller writes, is kept.
/// `lastProbeTime` moves only together with another member, so that a test without news needs no patch.
pub fn next_status(
    current: &JiraConnectionStatus,
    spec: &JiraConnectionSpec,
    generation: i64,
    outcome: Result<&Discovered, &Diagnosis>,
    now: Timestamp,
) -> JiraConnectionStatus {
    let mut next = current.clone();
    next.observed_generation = Some(generation);
    next.conditions = standing::conditions(
        &current.conditions,
        &standing(spec, outcome),
        &[],
        Some(generation),
        now,
    );
    if let Ok(found) = outcome {
        next.account = Some(found.account.clone());
        next.site = Some(found.site.clone());
        next.credential_version = Some(found.credential_version.clone());
    }
    if next != *current {
        next.last_probe_time = Some(Time(now));
    }
    next
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::connection::credential::secret_not_found;

    fn spec() -> JiraConnectionSpec {
        serde_json::from_value(json!({
            "url": "https://a",
            "auth": {"basic": {"email": "a@example.com", "tokenSecretRef": {"name": "jira"}}},
        }))
        .unwrap()
    }

    fn found() -> Discovered {
        Discovered {
            account: Account {
                id: "1".into(),
                display_name: "Bot".into(),
            },
            site: Site {
                base_url: "https://a".into(),
                cloud_id: "c".into(),
                version: None,
            },
            credential_version: "jira/token@7".into(),
        }
    }

    #[test]
    fn a_repeated_test_changes_nothing_and_the_cursor_is_kept() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let cursor = Some(Time(at(1)));
        let current = JiraConnectionStatus {
            sync_cursor: cursor.clone(),
            ..Default::default()
        };
        let first = next_status(&current, &spec(), 3, Ok(&found()), at(10));
        let second = next_status(&first, &spec(), 3, Ok(&found()), at(20));
        assert_eq!(first, second);
        assert_eq!(
            (second.sync_cursor.clone(), second.last_probe_time.clone()),
            (cursor, Some(Time(at(10))))
        );
        let lost = secret_not_found("ns", "jira");
        let third = next_status(&second, &spec(), 3, Err(&lost), at(30));
        assert_eq!(third.site, second.site);
        assert_eq!(third.last_probe_time, Some(Time(at(30))));
    }
}
