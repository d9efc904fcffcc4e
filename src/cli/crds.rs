//! `crds`: the custom resource definitions, to be applied or committed.

use std::io::Write;

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
        let value = serde_json::to_value(&crd).map_err(|error| error.to_string())?;
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&value).map_err(|error| error.to_string())?);
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    Ok(text)
}

/// Prints the definitions.
///
/// # Errors
///
/// When standard output cannot be written.
pub fn print() -> Result<(), String> {
    std::io::stdout().write_all(yaml()?.as_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_definitions_are_the_generated_ones() {
        let committed = include_str!("../../crds/crds.yaml");
        assert!(committed == yaml().unwrap(), "crds/crds.yaml is out of date: cargo run -- crds > crds/crds.yaml");
    }
}
