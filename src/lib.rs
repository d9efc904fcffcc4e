//! jira-findings-operator: one Jira issue per security finding, kept true from both sides.
