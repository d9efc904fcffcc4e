//! JQL built from quoted parts. An unquoted word is a legal text search that finds nothing (T5), so no caller glues
//! queries together by hand.

/// Quotes a value: backslash and double quote are escaped, control characters dropped.
pub fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Issues that carry any of the labels. The list must not be empty: Jira refuses `in ()`.
pub fn by_labels<S: AsRef<str>>(labels: &[S]) -> String {
    let quoted: Vec<String> = labels.iter().map(|label| quote(label.as_ref())).collect();
    format!("labels in ({})", quoted.join(","))
}

/// Issues of one label that changed in the last `minutes`, oldest change first. Relative, so that no time zone matters.
pub fn poll(instance_label: &str, minutes: u32) -> String {
    format!(
        "labels = {} AND updated >= -{minutes}m ORDER BY updated ASC, key ASC",
        quote(instance_label)
    )
}

/// Issues that the caller itself created in a project in the last `minutes`, oldest first.
pub fn created_recently(project: &str, minutes: u32) -> String {
    let project = quote(project);
    format!("project = {project} AND creator = currentUser() AND created >= -{minutes}m ORDER BY created ASC, key ASC")
}

/// All issues of a project, newest first.
pub fn latest_in_project(project: &str) -> String {
    format!("project = {} ORDER BY created DESC", quote(project))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a quoted value back the way JQL does; `None` unless it is one whole literal.
    fn unquote(text: &str) -> Option<String> {
        let inner = text.strip_prefix('"')?.strip_suffix('"')?;
        let mut value = String::new();
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => return None,
                '\\' => value.push(chars.next()?),
                c => value.push(c),
            }
        }
        Some(value)
    }

    #[test]
    fn queries_read_as_documented() {
        assert_eq!(by_labels(&["a", "b"]), r#"labels in ("a","b")"#);
        assert_eq!(
            poll("x", 5),
            r#"labels = "x" AND updated >= -5m ORDER BY updated ASC, key ASC"#
        );
        assert_eq!(latest_in_project("AND"), r#"project = "AND" ORDER BY created DESC"#);
        assert_eq!(
            created_recently("SEC", 7),
            r#"project = "SEC" AND creator = currentUser() AND created >= -7m ORDER BY created ASC, key ASC"#
        );
    }

    proptest! {
        #[test]
        fn a_quoted_value_is_one_literal_and_reads_back(value in any::<String>()) {
            let expected: String = value.chars().filter(|c| !c.is_control()).collect();
            prop_assert_eq!(unquote(&quote(&value)), Some(expected));
        }
    }
}
