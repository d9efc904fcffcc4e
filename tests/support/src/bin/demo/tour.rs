//! The tour, and Jira as a person uses it.

use std::time::Duration;

use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::{Result, eventually};

use crate::{Demo, SOON, key};

/// The person who uses the board.
const PERSON: (&str, &str) = ("mia@acme.test", "mia-token");

impl Demo {
    /// A person moves an issue, comments; a finding is fixed, another deleted; each time the effect is awaited.
    pub(crate) async fn tour(&self) -> Result<()> {
        let items = self.findings().list(&ListParams::default()).await?.items;
        let ticketed: Vec<_> = items
            .iter()
            .filter_map(|finding| Some((finding.name_any(), key(finding)?)))
            .take(3)
            .collect();
        let [(moved, moved_key), (fixed, fixed_key), (deleted, deleted_key)] = ticketed.as_slice() else {
            return Err("the tour needs three findings".into());
        };

        println!("\n1. {moved_key} is moved to In Progress on the board");
        self.transition(moved_key, "In Progress").await?;
        eventually(SOON, &format!("{moved} to say InProgress"), || async {
            let status = self.findings().get(moved).await?.data["status"].clone();
            let arrived = status["state"] == "InProgress" && status["ticket"]["status"]["name"] == "In Progress";
            if arrived {
                Ok(Some(()))
            } else {
                Err(status.to_string().into())
            }
        })
        .await?;
        println!("   {moved}: status.state is InProgress");

        println!("2. a person comments on {moved_key}");
        let text = json!({"type": "text", "text": "We are on it."});
        let body =
            json!({"body": {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [text]}]}});
        let comments = format!("/rest/api/3/issue/{moved_key}/comment");
        self.jira("POST", &comments, &body).await?;
        let held = self.jira("GET", &comments, &Value::Null).await?;
        println!(
            "   {moved_key} has {} comment(s), and the operator leaves them alone",
            held["total"]
        );

        println!("3. {fixed} is fixed, as its scanner says");
        let patch = Patch::Merge(json!({"spec": {"state": "Fixed"}}));
        self.findings().patch(fixed, &PatchParams::default(), &patch).await?;
        self.closed(fixed_key).await?;

        println!("4. {deleted} is deleted");
        self.findings().delete(deleted, &DeleteParams::default()).await?;
        eventually(SOON, &format!("{deleted} to go"), || async {
            Ok(self.findings().get_opt(deleted).await?.is_none().then_some(()))
        })
        .await?;
        self.closed(deleted_key).await?;
        println!("\nThe tour is over; every effect came.");
        Ok(())
    }

    async fn closed(&self, key: &str) -> Result<()> {
        let path = format!("/rest/api/3/issue/{key}?fields=status");
        let name = eventually(SOON, &format!("{key} to be done"), || async {
            let status = self.jira("GET", &path, &Value::Null).await?["fields"]["status"].clone();
            let done = status["statusCategory"]["key"] == "done";
            if done {
                Ok(Some(status["name"].clone()))
            } else {
                Err(status.to_string().into())
            }
        })
        .await?;
        println!("   {key} is {name} in Jira");
        Ok(())
    }

    async fn transition(&self, key: &str, to: &str) -> Result<()> {
        let path = format!("/rest/api/3/issue/{key}/transitions");
        let known = self.jira("GET", &path, &Value::Null).await?;
        let all = known["transitions"].as_array().cloned().unwrap_or_default();
        let wanted = all.iter().find(|transition| transition["to"]["name"] == to);
        let id = &wanted.ok_or_else(|| format!("{key} cannot go to {to}: {known}"))?["id"];
        self.jira("POST", &path, &json!({"transition": {"id": id}}))
            .await
            .map(drop)
    }

    /// One call of Jira's API, as a person.
    pub(crate) async fn jira(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.request(method.parse()?, format!("{}{path}", self.jira));
        let mut request = request
            .basic_auth(PERSON.0, Some(PERSON.1))
            .timeout(Duration::from_secs(10));
        if !body.is_null() {
            request = request.json(body);
        }
        let reply = request.send().await?;
        let (status, text) = (reply.status(), reply.text().await?);
        if !status.is_success() {
            return Err(format!("{method} {path}: {status} {text}").into());
        }
        Ok(if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        })
    }
}
