//! The tour, and Jira as a person uses it.

use std::time::Duration;

use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::{Operator, Result, eventually};

use crate::{Demo, SOON, key};

/// The person who uses the board.
const PERSON: (&str, &str) = ("mia@acme.test", "mia-token");

impl Demo {
    /// Each side moves once in each way, and the operator dies once; each time the effect is awaited and read.
    pub(crate) async fn tour(&self, operator: &mut Operator, count: usize) -> Result<()> {
        let items = self.findings().list(&ListParams::default()).await?.items;
        let ticketed: Vec<_> = items
            .iter()
            .filter_map(|finding| Some((finding.name_any(), key(finding)?)))
            .take(4)
            .collect();
        let [
            (moved, moved_key),
            (fixed, fixed_key),
            (deleted, deleted_key),
            (late, late_key),
        ] = ticketed.as_slice()
        else {
            return Err("the tour needs four findings with tickets".into());
        };

        println!("\n1. a person moves {moved_key} to In Progress");
        self.transition(moved_key, "In Progress").await?;
        self.follows(moved, "InProgress", "In Progress").await?;

        println!("2. and comments on it");
        let text = json!({"type": "text", "text": "We are on it."});
        let body =
            json!({"body": {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [text]}]}});
        let comments = format!("/rest/api/3/issue/{moved_key}/comment");
        self.jira("POST", &comments, &body).await?;

        println!("3. {fixed} is fixed, as its scanner says");
        self.say(fixed, "Fixed").await?;
        self.arrives(fixed_key, "done").await?;

        println!("4. it is back");
        self.say(fixed, "Active").await?;
        self.arrives(fixed_key, "new").await?;

        println!("5. {deleted} is deleted");
        self.findings().delete(deleted, &DeleteParams::default()).await?;
        eventually(SOON, &format!("{deleted} to go"), || async {
            Ok(self.findings().get_opt(deleted).await?.is_none().then_some(()))
        })
        .await?;
        self.arrives(deleted_key, "done").await?;
        let said = self.comment_texts(deleted_key).await?;
        println!("   and says: {}", said.first().ok_or("no comment says why")?);

        println!("6. the operator is killed; {late} is fixed; the operator comes back");
        operator.kill()?;
        self.say(late, "Fixed").await?;
        operator.restart()?;
        self.arrives(late_key, "done").await?;

        let issues = self.issues().await?;
        if issues != count {
            return Err(format!("{count} findings have {issues} issues").into());
        }
        let said = self.comment_texts(moved_key).await?;
        if said != ["We are on it."] {
            return Err(format!("the comments of {moved_key} changed: {said:?}").into());
        }
        println!("\nAfter all that Jira has {issues} issues for {count} findings, and {moved_key} its one comment.");
        println!("The tour is over; every effect came.");
        Ok(())
    }

    /// Lets the producer of a finding say where it stands.
    async fn say(&self, finding: &str, state: &str) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": {"state": state}}));
        self.findings().patch(finding, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    async fn follows(&self, finding: &str, state: &str, jira_status: &str) -> Result<()> {
        eventually(SOON, &format!("{finding} to say {state}"), || async {
            let status = self.findings().get(finding).await?.data["status"].clone();
            let arrived = status["state"] == state && status["ticket"]["status"]["name"] == jira_status;
            if arrived {
                Ok(Some(()))
            } else {
                Err(status.to_string().into())
            }
        })
        .await?;
        println!("   {finding} says {state}");
        Ok(())
    }

    async fn issues(&self) -> Result<usize> {
        let jql = format!("labels = \"jira-findings-{}\"", self.namespace);
        let mut query = json!({"jql": jql, "maxResults": 100, "fields": ["status"]});
        let mut count = 0;
        loop {
            let page = self.jira("POST", "/rest/api/3/search/jql", &query).await?;
            count += page["issues"].as_array().map_or(0, Vec::len);
            if page["nextPageToken"].is_null() {
                return Ok(count);
            }
            query["nextPageToken"] = page["nextPageToken"].clone();
        }
    }

    /// The first text of each comment of an issue.
    async fn comment_texts(&self, key: &str) -> Result<Vec<String>> {
        let path = format!("/rest/api/3/issue/{key}/comment");
        let held = self.jira("GET", &path, &Value::Null).await?;
        let comments = held["comments"].as_array().cloned().unwrap_or_default();
        let text = |comment: &Value| {
            comment["body"]["content"][0]["content"][0]["text"]
                .as_str()
                .map(String::from)
        };
        Ok(comments.iter().filter_map(text).collect())
    }

    async fn arrives(&self, key: &str, category: &str) -> Result<()> {
        let path = format!("/rest/api/3/issue/{key}?fields=status");
        let name = eventually(SOON, &format!("{key} to be {category}"), || async {
            let status = self.jira("GET", &path, &Value::Null).await?["fields"]["status"].clone();
            if status["statusCategory"]["key"] == category {
                Ok(Some(status["name"].clone()))
            } else {
                Err(status.to_string().into())
            }
        })
        .await?;
        println!("   {key} is {} in Jira", name.as_str().unwrap_or_default());
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
