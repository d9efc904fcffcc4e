//! Applying YAML the way `kubectl apply --server-side` does.

use std::fs;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::runtime::wait::conditions::is_crd_established;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use crate::error::Result;
use crate::wait::until;

/// The field manager of everything applied from here.
pub const FIELD_MANAGER: &str = "demo";

const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// The documents of a YAML text; empty ones are left out.
pub fn parse(text: &str) -> Result<Vec<DynamicObject>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    let documents = documents.into_iter().filter(|document| !document.is_null());
    Ok(documents
        .map(serde_json::from_value)
        .collect::<std::result::Result<_, _>>()?)
}

/// Applies every document of a YAML text; namespaced objects go to `namespace` where one is given.
pub async fn apply_yaml(client: &Client, text: &str, namespace: Option<&str>) -> Result<Vec<DynamicObject>> {
    let mut applied = Vec::new();
    for object in parse(text)? {
        applied.push(apply(client, object, namespace).await?);
    }
    Ok(applied)
}

/// Applies one object; a namespaced one goes to `namespace` where one is given.
pub async fn apply(client: &Client, mut object: DynamicObject, namespace: Option<&str>) -> Result<DynamicObject> {
    let name = object
        .metadata
        .name
        .clone()
        .ok_or("an object without a name cannot be applied")?;
    let types = object
        .types
        .as_ref()
        .ok_or_else(|| format!("{name} has no apiVersion and kind"))?;
    let gvk = GroupVersionKind::try_from(types)?;
    let (resource, capabilities) = pinned_kind(client, &gvk).await?;
    let api: Api<DynamicObject> = if capabilities.scope == Scope::Cluster {
        Api::all_with(client.clone(), &resource)
    } else {
        let namespace = namespace.map(String::from).or_else(|| object.namespace());
        object.metadata.namespace = Some(namespace.ok_or_else(|| format!("{} {name} has no namespace", gvk.kind))?);
        Api::namespaced_with(client.clone(), &object.namespace().unwrap_or_default(), &resource)
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &params, &Patch::Apply(&object))
        .await
        .map_err(|error| format!("cannot apply {} {name}: {error}", gvk.kind).into())
}

/// Applies the definitions of a directory (`crds/`) and waits until the API server serves them.
pub async fn apply_crds(client: &Client, directory: &Path) -> Result<Vec<String>> {
    apply_definitions(client, read_directory(directory)?).await
}

/// Applies definitions of custom resources and waits until the API server serves them; returns their names.
pub async fn apply_definitions(client: &Client, definitions: Vec<DynamicObject>) -> Result<Vec<String>> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let mut names = Vec::new();
    for object in definitions {
        let applied = apply(client, object, None).await?;
        names.push(applied.name_any());
    }
    for name in &names {
        until(&api, name, ESTABLISHED_WITHIN, is_crd_established()).await?;
    }
    Ok(names)
}

/// The objects of all YAML files of a directory, by file name.
pub fn read_directory(directory: &Path) -> Result<Vec<DynamicObject>> {
    let entries = fs::read_dir(directory).map_err(|error| format!("cannot read {}: {error}", directory.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let mut objects = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path)?;
        objects.extend(parse(&text).map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(objects)
}
