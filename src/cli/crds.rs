//! `crds`: the custom resource definitions, to be applied or committed.

use std::io::Write;

use serde_json::Value;

use crate::api::all_crds;

/// All definitions as one multi-document YAML text. The same types give the same text.
///
/// # Errors
///
/// When a definition cannot be written as YAML.
pub fn yaml() -> Result<String, String> {
    let mut text = String::new();
    for crd in all_crds() {
        // By way of a JSON value: its maps are sorted, so that the order does not depend on that of fields in Rust.
        let mut value = serde_json::to_value(&crd).map_err(|error| error.to_string())?;
        drop_unknown_formats(&mut value);
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&value).map_err(|error| error.to_string())?);
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    Ok(text)
}

/// Drops the formats of unsigned numbers, which API servers warn about; the bounds say the same.
fn drop_unknown_formats(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members
                .get("format")
                .and_then(Value::as_str)
                .is_some_and(|format| format.starts_with("uint"))
            {
                members.remove("format");
            }
            members.values_mut().for_each(drop_unknown_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_unknown_formats),
        _ => {}
    }
}

/// Prints the definitions.
///
/// # Errors
///
/// When standard output cannot be written.
pub fn print() -> Result<(), String> {
    std::io::stdout()
        .write_all(yaml()?.as_bytes())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_definitions_are_the_generated_ones() {
        let committed = include_str!("../../crds/crds.yaml");
        assert!(
            committed == yaml().unwrap(),
            "crds/crds.yaml is out of date: cargo run -- crds > crds/crds.yaml"
        );
    }

    #[test]
    fn an_optional_choice_is_explained_by_its_field() {
        assert!(yaml().unwrap().contains("description: Default `CreateOnly`."));
    }
}
