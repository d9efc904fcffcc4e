//! Pieces of messages.

/// Most allowed values that a message lists.
pub(crate) const MAX_LISTED: usize = 10;

/// Names separated by commas: the first `most`, and how many more there are.
pub(crate) fn listed(names: &[String], most: usize) -> String {
    let shown = names
        .iter()
        .take(most)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(most) {
        0 if names.is_empty() => "none".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
