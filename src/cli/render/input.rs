//! Reads the files that are to be rendered.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::api::{SecurityFinding, TicketConfiguration};

/// The text of a file; `-` is standard input.
pub(super) fn read(file: &Path) -> std::io::Result<String> {
    if file != Path::new("-") {
        return std::fs::read_to_string(file);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The objects in the files.
#[derive(Default)]
pub(super) struct Input {
    pub configurations: Vec<TicketConfiguration>,
    pub config_maps: Vec<ConfigMap>,
    pub findings: Vec<Arc<SecurityFinding>>,
}

impl Input {
    /// Adds the objects of a YAML text with one or more documents, each an object or a list of objects. Objects of kinds
    /// that are not needed are skipped, with a note on standard error.
    ///
    /// # Errors
    ///
    /// When the text is not YAML, or an object is not one of its kind.
    pub(super) fn add(&mut self, yaml: &str) -> Result<(), String> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).map_err(|error| error.to_string())?;
        for document in documents {
            let items = match document["items"].as_array() {
                Some(items) if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items.clone(),
                _ => vec![document],
            };
            for item in items {
                self.object(item)?;
            }
        }
        Ok(())
    }

    fn object(&mut self, object: Value) -> Result<(), String> {
        fn typed<T: serde::de::DeserializeOwned>(kind: &str, object: Value) -> Result<T, String> {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            serde_json::from_value(object).map_err(|error| format!("{kind} {name}: {error}"))
        }
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "TicketConfiguration" => self.configurations.push(typed(&kind, object)?),
            "ConfigMap" => self.config_maps.push(typed(&kind, object)?),
            "SecurityFinding" => self.findings.push(Arc::new(typed(&kind, object)?)),
            "" if object.is_null() => {}
            other => eprintln!("skipped an object of kind {other:?}"),
        }
        Ok(())
    }

    /// The data of a ConfigMap in the files.
    ///
    /// # Errors
    ///
    /// When the files have no ConfigMap of this name.
    pub(super) fn config_map(&self, name: &str) -> Result<BTreeMap<String, String>, String> {
        let found = self
            .config_maps
            .iter()
            .find(|one| one.metadata.name.as_deref() == Some(name));
        let found = found.ok_or_else(|| {
            format!("template.configMapRef names ConfigMap {name}, which is in none of the files; give it with -f")
        })?;
        Ok(found.data.clone().unwrap_or_default())
    }
}
