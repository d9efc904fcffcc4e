//! What users copy: every object of our kinds in the examples and the documentation is one that we would read, and
//! the reference names everything that can be said about fields.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{JiraConnection, SecurityFinding, TicketConfiguration};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|one| one == ending) {
            found.push(path);
        }
    }
    found
}

/// Reads an object and writes it again: what is lost on the way is a member that does not exist.
fn check<T: DeserializeOwned + serde::Serialize>(place: &str, document: &Value) {
    let object: T = serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{place}: {error}"));
    let back = serde_json::to_value(object).unwrap();
    same(place, &document["spec"], &back["spec"]);
}

fn same(place: &str, written: &Value, read: &Value) {
    match written {
        Value::Object(members) => {
            for (name, member) in members {
                let place = format!("{place}.{name}");
                assert!(read.get(name).is_some() || member.is_null(), "{place} does not exist");
                same(&place, member, &read[name]);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                same(&format!("{place}[{at}]"), item, &read[at]);
            }
        }
        _ => {}
    }
}

/// How many objects of our kinds there were.
fn objects(place: &str, yaml: &str) -> usize {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{place} is not YAML: {error}"));
    let ours = documents.iter().filter(|document| {
        document["apiVersion"]
            .as_str()
            .is_some_and(|one| one.starts_with("jira-findings.dev/"))
    });
    ours.map(|document| match document["kind"].as_str().unwrap_or_default() {
        "JiraConnection" => check::<JiraConnection>(place, document),
        "TicketConfiguration" => check::<TicketConfiguration>(place, document),
        "SecurityFinding" => check::<SecurityFinding>(place, document),
        other => panic!("{place}: there is no kind {other}"),
    })
    .count()
}

#[test]
fn examples_and_documented_manifests_are_read() {
    let mut count = 0;
    for file in files(&root().join("examples"), "yaml") {
        count += objects(&file.display().to_string(), &std::fs::read_to_string(&file).unwrap());
    }
    assert!(count > 3, "{count} objects in the examples");
    let mut pages = files(&root().join("docs"), "md");
    pages.push(root().join("README.md"));
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            if block.contains("apiVersion: jira-findings.dev") {
                count += objects(&page.display().to_string(), block);
            }
        }
    }
    assert!(count > 4, "{count} objects");
}

#[test]
fn the_reference_names_every_member_and_type_of_fields() {
    let text = include_str!("../docs/templates.md");
    let schema = serde_json::to_value(schemars::schema_for!(crate::api::fields::Fields)).unwrap();
    let members = schema["properties"].as_object().unwrap().keys().map(String::as_str);
    let types = [
        "string",
        "textarea",
        "number",
        "date",
        "datetime",
        "url",
        "select",
        "multiselect",
        "radiobuttons",
        "multicheckboxes",
        "cascadingselect",
        "userpicker",
        "multiuserpicker",
        "grouppicker",
        "version",
        "multiversion",
        "labels",
    ];
    for name in members.chain(types) {
        assert!(
            text.contains(&format!("| `{name}` |")),
            "docs/templates.md says nothing of {name}"
        );
    }
}
