//! `import`: turns a scanner's report into `SecurityFinding` manifests.
//!
//! Promises: the same report gives the same bytes, whatever the order of its entries; a re-scan
//! that finds the same things gives objects of the same names, so that `kubectl apply` updates
//! instead of adding; two different findings never become one object. Nothing is sent anywhere:
//! the manifests go to standard output.

mod manifest;
mod trivy;

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use crate::api::Severity;

use manifest::Settings;

/// Turn a scanner's report into `SecurityFinding` manifests on standard output.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Which scanner wrote the report.
    #[command(subcommand)]
    pub scanner: Scanner,
}

/// The scanners whose reports are understood.
#[derive(Debug, Clone, Subcommand)]
pub enum Scanner {
    /// A JSON report of `trivy image`, `fs`, `config`, `repo` or `k8s`.
    Trivy(ReportArgs),
}

/// What to read and how to name the result.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// The report; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Namespace to put into the manifests. Without it they go where `kubectl` is pointed at.
    #[arg(long, short, value_parser = dns_label)]
    pub namespace: Option<String>,

    /// Beginning of all names, at most 24 characters.
    #[arg(long, value_parser = name_prefix)]
    pub name_prefix: Option<String>,

    /// Leave out what is less severe.
    #[arg(long, value_parser = severities(), ignore_case = true, default_value = "Unknown")]
    pub min_severity: Severity,

    /// A label for every manifest; may be repeated.
    #[arg(long = "label", short = 'l', value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,

    /// Name of the cluster the assets belong to. Part of the identity: findings of two clusters stay apart.
    #[arg(long)]
    pub cluster: Option<String>,
}

/// The severities by name, in any case.
fn severities() -> impl TypedValueParser<Value = Severity> {
    let names = Severity::ALL.map(Severity::as_str);
    PossibleValuesParser::new(names).map(|name| {
        let mut all = Severity::ALL.into_iter();
        all.find(|one| one.as_str().eq_ignore_ascii_case(&name))
            .unwrap_or_default()
    })
}

/// What became of the entries of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportSummary {
    /// Entries in the report.
    pub entries: usize,
    /// Manifests written.
    pub findings: usize,
    /// Entries equal to another in every respect.
    pub duplicates: usize,
    /// Entries left out for their severity.
    pub below_severity: usize,
    /// Checks that passed, and entries without an identifier.
    pub skipped: usize,
}

/// Why a report was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not JSON.
    #[error("{} is not JSON; run trivy with --format json", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where it stops being JSON.
        source: serde_json::Error,
    },
    /// The file is JSON of another kind.
    #[error("{} is not a Trivy report: it has none of Results, Resources, Vulnerabilities and Misconfigurations", path.display())]
    NotTrivy {
        /// The file.
        path: PathBuf,
    },
    /// A manifest cannot be written as YAML.
    #[error("cannot write a manifest as YAML: {0}")]
    Yaml(String),
    /// The output cannot be written.
    #[error("cannot write the manifests")]
    Write(#[from] io::Error),
}

/// Reads the report and writes the manifests to `out`, a line about it to standard error.
///
/// Nothing is written to `out` unless the whole report was understood.
pub fn run(args: &ImportArgs, out: &mut impl Write) -> Result<ImportSummary, ImportError> {
    let Scanner::Trivy(report) = &args.scanner;
    let text = read(&report.file)?;
    let (yaml, summary) = import_trivy(&text, report)?;
    out.write_all(yaml.as_bytes())?;
    out.flush()?;
    eprintln!(
        "{} findings of {} entries, {} duplicates merged, {} below {}, {} passed or unusable",
        summary.findings,
        summary.entries,
        summary.duplicates,
        summary.below_severity,
        report.min_severity.as_str(),
        summary.skipped
    );
    Ok(summary)
}

fn read(path: &Path) -> Result<String, ImportError> {
    let mut text = String::new();
    let result = if path == Path::new("-") {
        io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    result.map_err(|source| ImportError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(text)
}

fn import_trivy(text: &str, args: &ReportArgs) -> Result<(String, ImportSummary), ImportError> {
    let report = serde_json::from_str(text.trim_start_matches('\u{FEFF}')).map_err(|source| ImportError::NotJson {
        path: args.file.clone(),
        source,
    })?;
    let read = trivy::findings(&report, args.cluster.as_deref()).ok_or_else(|| ImportError::NotTrivy {
        path: args.file.clone(),
    })?;
    let mut summary = ImportSummary {
        entries: read.entries,
        skipped: read.skipped,
        ..ImportSummary::default()
    };
    let (wanted, others): (Vec<_>, Vec<_>) = read
        .findings
        .into_iter()
        .partition(|finding| finding.severity >= args.min_severity);
    summary.below_severity = others.len();
    let settings = Settings {
        namespace: args.namespace.as_deref(),
        name_prefix: args.name_prefix.as_deref(),
        labels: &args.labels,
    };
    let count = wanted.len();
    let manifests = manifest::manifests(wanted, &settings);
    summary.findings = manifests.len();
    summary.duplicates = count - manifests.len();
    let mut yaml = String::new();
    for manifest in &manifests {
        yaml.push_str("---\n");
        serde_saphyr::to_fmt_writer(&mut yaml, manifest).map_err(|error| ImportError::Yaml(error.to_string()))?;
    }
    Ok((yaml, summary))
}

fn dns_label(text: &str) -> Result<String, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let valid =
        (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-');
    if valid {
        Ok(text.to_owned())
    } else {
        Err("must be lower-case letters, digits and inner hyphens, at most 63".to_owned())
    }
}

fn name_prefix(text: &str) -> Result<String, String> {
    if text.len() > manifest::LONGEST_PREFIX {
        return Err(format!("must have at most {} characters", manifest::LONGEST_PREFIX));
    }
    dns_label(text.trim_end_matches('-'))
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    let word = |text: &str| {
        let ends = |c: char| c.is_ascii_alphanumeric();
        text.len() <= 63
            && text.starts_with(ends)
            && text.ends_with(ends)
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_valid =
        prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(|part| dns_label(part).is_ok()));
    if word(name) && prefix_valid && (value.is_empty() || word(value)) {
        Ok((key.to_owned(), value.to_owned()))
    } else {
        Err("must be a valid Kubernetes label: letters, digits and inner '-', '_', '.', at most 63".to_owned())
    }
}

#[cfg(test)]
mod tests;
