//! The arrows between modules, read from the `use` lines and paths of the source.
//!
//! `api <- domain <- app <- controllers -> jira`; `cli` is above them, `runtime` at the edge. Neither the top-level
//! folders nor the folders of `domain` and `jira` depend on each other in a circle, also not by way of a file beside them.
//! Files that lie side by side, and test modules, may use what they like.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Which top-level folders a top-level folder may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("jira", &[]),
    ("domain", &["api", "jira"]),
    ("app", &["api", "domain", "jira"]),
    ("runtime", &["jira"]),
    ("controllers", &["api", "domain", "app", "jira", "runtime"]),
    ("cli", &["api", "domain", "app", "controllers", "jira", "runtime"]),
];

/// Folders whose subfolders must not use each other in a circle.
const ACYCLIC_WITHIN: &[&str] = &["domain", "jira"];

/// Paths that a top-level folder must not name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    // Types only.
    ("api", &["kube::Client", "reqwest", "tokio"]),
    // No I/O, no clock, no randomness. The shapes of Jira's answers are values like any other.
    (
        "domain",
        &[
            "kube::Client",
            "kube::Api",
            "kube::api",
            "kube::runtime",
            "reqwest::Client",
            "tokio",
            "rand",
            "Timestamp::now",
            "SystemTime",
            "Instant::now",
            "jira::JiraClient",
            "jira::Gateway",
            "jira::Metadata",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
        ],
    ),
    // No watch and no API server.
    ("app", &["kube", "k8s_openapi"]),
    // Knows nothing of Kubernetes.
    ("jira", &["kube", "k8s_openapi"]),
];

/// The source files: path below `src`, with `/`, and text.
type Sources = BTreeMap<String, String>;

/// One path in the code of a file, such as `crate::domain::base` or `Timestamp::now`.
#[derive(Debug)]
struct Named {
    segments: Vec<String>,
    line: usize,
    /// Whether the path is re-exported by `pub use`.
    reexport: bool,
}

/// A file without its test modules.
struct Module {
    file: String,
    /// The path of the module below the crate.
    path: Vec<String>,
    named: Vec<Named>,
    /// Modules that exist in tests only.
    test_modules: Vec<Vec<String>>,
}

/// One folder, or a file beside the folders, uses another.
#[derive(Debug)]
struct Arrow {
    from: String,
    from_folder: bool,
    to: String,
    place: String,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} ({})", self.from, self.to, self.place)
    }
}

/// Everything that is wrong with the arrows of these files, one line for each fault.
fn faults(sources: &Sources) -> Vec<String> {
    let modules = modules(sources);
    let mut faults = Vec::new();
    let top = arrows(&modules, None);
    for arrow in &top {
        let rule = ALLOWED.iter().find(|(folder, _)| *folder == arrow.from);
        if !rule.is_some_and(|(_, allowed)| allowed.contains(&arrow.to.as_str())) {
            faults.push(format!("not allowed: {arrow}"));
        }
    }
    faults.extend(circle(&top));
    for folder in ACYCLIC_WITHIN {
        faults.extend(circle(&arrows(&modules, Some(folder))));
    }
    for module in &modules {
        let rules = FORBIDDEN.iter().filter(|(folder, _)| *folder == module.path[0]);
        for name in rules.flat_map(|(_, names)| *names) {
            let wanted: Vec<&str> = name.split("::").collect();
            for named in module.named.iter().filter(|named| contains(&named.segments, &wanted)) {
                faults.push(format!("{}:{} must not name {name}", module.file, named.line));
            }
        }
    }
    faults
}

/// Whether a path has these segments one after the other. A name of one segment must begin the path, unless it is a type.
fn contains(segments: &[String], wanted: &[&str]) -> bool {
    let is_crate = wanted.len() == 1 && wanted[0].starts_with(char::is_lowercase);
    let mut windows = segments.windows(wanted.len());
    let fits = |window: &[String]| window.iter().eq(wanted.iter());
    if is_crate {
        windows.next().is_some_and(fits)
    } else {
        windows.any(fits)
    }
}

/// The modules of the crate, without those of tests and without files beside the folders.
fn modules(sources: &Sources) -> Vec<Module> {
    let all: Vec<Module> = sources
        .iter()
        .filter(|(file, _)| file.contains('/'))
        .map(|(file, text)| Module::read(file, text))
        .collect();
    let tests: Vec<Vec<String>> = all.iter().flat_map(|module| module.test_modules.clone()).collect();
    let is_test = |module: &Module| tests.iter().any(|test| module.path.starts_with(test));
    all.into_iter().filter(|module| !is_test(module)).collect()
}

impl Module {
    fn read(file: &str, text: &str) -> Self {
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
        let path: Vec<String> = stem.split('/').map(str::to_owned).collect();
        let mut module = Self {
            file: file.to_owned(),
            path: path.clone(),
            named: Vec::new(),
            test_modules: Vec::new(),
        };
        module.walk(&path, tokens);
        module
    }

    /// Collects the paths in the tokens of the module at `here`.
    fn walk(&mut self, here: &[String], tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut public = false;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Punct(punct) if punct.as_char() == '#' && is_cfg_test(tokens.get(at + 1)) => {
                    at = self.skip_item(here, &tokens, at + 2);
                    continue;
                }
                TokenTree::Ident(ident) if ident == "mod" => {
                    if let (Some(name), Some(TokenTree::Group(group))) = (tokens.get(at + 1), tokens.get(at + 2)) {
                        self.walk(&child(here, &name.to_string()), group.stream());
                        at += 2;
                    }
                }
                TokenTree::Ident(ident) if ident == "pub" => public = true,
                TokenTree::Ident(ident) if ident == "use" => {
                    at = self.path(here, &[], &tokens, at + 1, public);
                    public = false;
                    continue;
                }
                TokenTree::Ident(_) => {
                    public = false;
                    at = self.path(here, &[], &tokens, at, false);
                    continue;
                }
                TokenTree::Group(group) => self.walk(here, group.stream()),
                _ => {}
            }
            at += 1;
        }
    }

    /// Reads a path, or a tree of paths in a `use`, that begins at `at`. Returns where it ends.
    fn path(&mut self, here: &[String], prefix: &[String], tokens: &[TokenTree], mut at: usize, public: bool) -> usize {
        let mut segments = prefix.to_vec();
        let Some(first) = tokens.get(at) else { return at + 1 };
        let line = first.span().start().line;
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(ident)) => segments.push(ident.to_string()),
                // `{a, b::c}` at the end of a `use`.
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for one in inner
                        .split(|token| is_punct(Some(token), ','))
                        .filter(|one| !one.is_empty())
                    {
                        self.path(here, &segments, one, 0, public);
                    }
                    return at + 1;
                }
                _ => break,
            }
            at += 1;
            if !(is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')) {
                break;
            }
            at += 2;
        }
        if segments.len() > 1 || !prefix.is_empty() {
            self.named.push(Named {
                segments: absolute(here, segments),
                line,
                reexport: public,
            });
        }
        at.max(1)
    }

    /// Skips the item that begins at `at` and exists in tests only. Returns where it ends.
    fn skip_item(&mut self, here: &[String], tokens: &[TokenTree], mut at: usize) -> usize {
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Ident(ident) if ident == "mod" => {
                    if let Some(name) = tokens.get(at) {
                        self.test_modules.push(child(here, &name.to_string()));
                    }
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
                TokenTree::Punct(punct) if punct.as_char() == ';' => break,
                _ => {}
            }
        }
        at
    }
}

fn child(here: &[String], name: &str) -> Vec<String> {
    here.iter().cloned().chain([name.to_owned()]).collect()
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_cfg_test(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.stream().to_string().replace(' ', "") == "cfg(test)")
}

/// A path with `self` and `super` at its beginning replaced: `crate::…`.
fn absolute(here: &[String], segments: Vec<String>) -> Vec<String> {
    let mut module = here.to_vec();
    let mut rest = segments.as_slice();
    let relative = matches!(rest[0].as_str(), "self" | "super");
    while let Some(first) = rest.first().filter(|first| matches!(first.as_str(), "self" | "super")) {
        if first == "super" {
            module.pop();
        }
        rest = &rest[1..];
    }
    if !relative {
        return segments;
    }
    let start = ["crate".to_owned()];
    start.iter().chain(&module).chain(rest).cloned().collect()
}

/// The arrows between top-level folders, or between the children of one of them.
fn arrows(modules: &[Module], within: Option<&str>) -> Vec<Arrow> {
    let depth = usize::from(within.is_some());
    let inside: Vec<&Module> = modules
        .iter()
        .filter(|module| within.is_none_or(|folder| module.path[0] == folder))
        .collect();
    let nodes: BTreeSet<&str> = inside
        .iter()
        .filter_map(|module| module.path.get(depth).map(String::as_str))
        .collect();
    // `pub use client::JiraClient` in `jira/mod.rs`: `crate::jira::JiraClient` is in `jira/client`.
    let mut exported: BTreeMap<&str, &str> = BTreeMap::new();
    for module in inside.iter().filter(|module| module.path.len() == depth) {
        for named in module.named.iter().filter(|named| named.reexport) {
            let local = named.segments.iter().map(String::as_str);
            let mut local = local.skip_while(|segment| *segment == "crate" || within == Some(*segment));
            if let (Some(node), Some(name)) = (local.next(), named.segments.last()) {
                exported.insert(name, node);
            }
        }
    }
    let mut arrows = Vec::new();
    for module in inside {
        let Some(from) = module.path.get(depth) else { continue };
        for named in &module.named {
            let path = &named.segments;
            let within_folder = within.is_none_or(|folder| path.get(1).is_some_and(|top| top == folder));
            if path[0] != "crate" || !within_folder {
                continue;
            }
            let Some(name) = path.get(1 + depth).map(String::as_str) else {
                continue;
            };
            let to = nodes.get(name).or_else(|| exported.get(name)).copied();
            if let Some(to) = to.filter(|to| to != from) {
                arrows.push(Arrow {
                    from: from.clone(),
                    from_folder: module.file.matches('/').count() > depth,
                    to: to.to_owned(),
                    place: format!("{}:{}", module.file, named.line),
                });
            }
        }
    }
    arrows
}

/// The shortest circle of arrows that leads through a folder, if there is one.
fn circle(arrows: &[Arrow]) -> Option<String> {
    let folders = arrows.iter().filter(|arrow| arrow.from_folder);
    let starts: BTreeSet<&str> = folders.map(|arrow| arrow.from.as_str()).collect();
    let circles = starts.into_iter().filter_map(|start| {
        let mut came_by: BTreeMap<&str, &Arrow> = BTreeMap::new();
        let mut waiting = VecDeque::from([start]);
        while let Some(node) = waiting.pop_front() {
            for arrow in arrows.iter().filter(|arrow| arrow.from == node) {
                if !came_by.contains_key(arrow.to.as_str()) {
                    came_by.insert(&arrow.to, arrow);
                    waiting.push_back(&arrow.to);
                }
            }
        }
        let mut steps = vec![*came_by.get(start)?];
        while steps[0].from != start {
            steps.insert(0, came_by[steps[0].from.as_str()]);
        }
        Some(steps)
    });
    let shortest = circles.min_by_key(Vec::len)?;
    let steps: Vec<String> = shortest
        .iter()
        .map(|arrow| format!("{} ({})", arrow.to, arrow.place))
        .collect();
    Some(format!("circle: {} -> {}", shortest[0].from, steps.join(" -> ")))
}

fn read(below: &Path, prefix: &str, sources: &mut Sources) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            read(&path, &format!("{name}/"), sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_arrow_of_the_source_is_allowed_and_none_closes_a_circle() {
    let mut sources = Sources::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
    assert!(sources.len() > 100, "only {} files were read", sources.len());
    let seen: BTreeSet<String> = modules(&sources)
        .into_iter()
        .map(|module| module.path[0].clone())
        .collect();
    let ruled: BTreeSet<String> = ALLOWED.iter().map(|(folder, _)| (*folder).to_owned()).collect();
    assert_eq!(seen, ruled, "every top-level folder has a rule");
    let faults = faults(&sources);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    let owned = files
        .iter()
        .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()));
    faults(&owned.collect())
}

#[test]
fn an_arrow_against_the_rules_is_found_in_uses_and_in_code() {
    let found = faults_of(&[
        ("api/mod.rs", "//! crate::domain in a comment\npub mod x;\n"),
        (
            "api/x.rs",
            "use std::fmt;\nfn f() -> crate::domain::base::X { \"crate::cli\" }\n",
        ),
        ("domain/base/mod.rs", "pub struct X;"),
        ("jira/client.rs", "use crate::{api::x, jira::model};\n"),
        ("jira/model.rs", ""),
    ]);
    assert_eq!(
        found,
        [
            "not allowed: api -> domain (api/x.rs:2)",
            "not allowed: jira -> api (jira/client.rs:1)"
        ]
    );
}

#[test]
fn a_circle_is_found_with_its_files_and_lines() {
    let found = faults_of(&[
        ("domain/base/mod.rs", "mod words;\n"),
        ("domain/base/words.rs", "\nuse super::super::ticket::Plan;\n"),
        ("domain/state/mod.rs", "use crate::domain::base::words;"),
        ("domain/ticket/mod.rs", "use crate::domain::{\n    state,\n};"),
        // By way of what `jira/mod.rs` exports, and in a macro.
        (
            "jira/mod.rs",
            "mod error; mod reads; mod stats;\npub use reads::Gateway;\npub use error::{Error, Kind};",
        ),
        ("jira/reads/gateway.rs", "use super::super::Error;"),
        (
            "jira/error.rs",
            "use super::stats::Count;\nfn f() { vec![crate::jira::Gateway::new()] }",
        ),
        ("jira/stats.rs", "use super::Kind;"),
    ]);
    assert_eq!(
        found,
        [
            "circle: base -> ticket (domain/base/words.rs:2) -> state (domain/ticket/mod.rs:2) -> base (domain/state/mod.rs:1)",
            "circle: reads -> error (jira/reads/gateway.rs:1) -> reads (jira/error.rs:2)",
        ]
    );
}

#[test]
fn a_forbidden_name_is_found_in_a_list_and_not_in_tests() {
    let found = faults_of(&[
        (
            "domain/base/mod.rs",
            "#[cfg(test)]\nmod tests;\nuse std::{fmt, fs};\nfn f() { Timestamp::now(); }\n",
        ),
        ("domain/base/tests.rs", "use std::fs;\nuse crate::cli::Cli;"),
        (
            "domain/base/x.rs",
            "fn f() { g(random::x, my::rand::x) }\n#[cfg(test)]\nmod t { use tokio::fs; }\nuse rand::rng;",
        ),
        ("app/mod.rs", "use kube::Client;"),
    ]);
    assert_eq!(
        found,
        [
            "app/mod.rs:1 must not name kube",
            "domain/base/mod.rs:4 must not name Timestamp::now",
            "domain/base/mod.rs:3 must not name std::fs",
            "domain/base/x.rs:4 must not name rand",
        ]
    );
}
