//! The arrows between the modules, proven over their `use` lines and paths:
//! `api <- domain <- controllers -> jira`, and `runtime` at the edge.

use std::fs;
use std::path::{Path, PathBuf};

/// What a module must not name, and why.
const FORBIDDEN: &[(&str, &[&str])] = &[
    // Types only.
    (
        "api",
        &[
            "crate::domain",
            "crate::jira",
            "crate::controllers",
            "crate::runtime",
            "crate::cli",
            "kube::Client",
            "reqwest",
            "tokio",
        ],
    ),
    // No I/O, no clock, no randomness. The shapes of Jira's answers are values like any other.
    (
        "domain",
        &[
            "crate::controllers",
            "crate::runtime",
            "crate::cli",
            "kube::Client",
            "kube::Api",
            "kube::api",
            "reqwest::Client",
            "tokio",
            "rand::",
            "Timestamp::now",
            "SystemTime",
            "Instant::now",
            "crate::jira::JiraClient",
            "crate::jira::Gateway",
            "std::fs",
            "std::net",
            "std::env",
        ],
    ),
    // Knows nothing of Kubernetes.
    (
        "jira",
        &[
            "crate::api",
            "crate::domain",
            "crate::controllers",
            "crate::runtime",
            "crate::cli",
            "kube::",
            "k8s_openapi",
        ],
    ),
    ("runtime", &["crate::domain", "crate::controllers", "crate::cli"]),
    ("controllers", &["crate::cli"]),
];

fn files(below: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn no_arrow_points_the_wrong_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (module, forbidden) in FORBIDDEN {
        for path in files(&root.join(module)) {
            // Tests may read samples and know the time.
            let text = fs::read_to_string(&path).unwrap();
            let is_test = path
                .file_stem()
                .is_some_and(|stem| stem.to_string_lossy().contains("test") || stem == "schema_check");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            seen += 1;
            for line in code
                .lines()
                .filter(|line| !is_test && !line.trim_start().starts_with("//"))
            {
                for name in forbidden.iter().filter(|name| line.contains(**name)) {
                    wrong.push(format!("{}: {name}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(seen > 40, "only {seen} files were read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
