//! The `jira-findings-operator` binary.

fn main() {}
