//! The table at the end.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::burst::Run;

type Column = (&'static str, fn(&Run) -> f64);

const COLUMNS: [Column; 4] = [
    ("ms CPU/finding", |run| run.cpu_ms_per_finding),
    ("findings/s", |run| run.findings_per_second),
    ("peak RSS MiB", |run| run.peak_rss_mib),
    ("Jira calls/finding", |run| run.jira_calls_per_finding),
];

/// A line for each run, then the medians of each operator and its CPU relative to the first operator.
pub(crate) fn table(operators: &[PathBuf], runs: &[Run]) -> String {
    let width = runs.iter().map(|run| run.operator.len()).max().unwrap_or_default();
    let heads = COLUMNS.map(|(head, _)| format!("{head:>20}")).concat();
    let mut text = format!("{:width$} {:>7}{heads} {:>10}\n", "operator", "round", "relative");
    for run in runs {
        let cells = COLUMNS.map(|(_, value)| format!("{:>20.2}", value(run))).concat();
        let _ = writeln!(text, "{:width$} {:>7}{cells}", run.operator, run.round);
    }
    let all: Vec<_> = operators.iter().map(|operator| medians(operator, runs)).collect();
    for (operator, medians) in operators.iter().zip(&all) {
        let cells = medians.map(|value| format!("{value:>20.2}")).concat();
        let relative = medians[0] / all[0][0];
        let name = operator.display().to_string();
        let _ = writeln!(text, "{name:width$} {:>7}{cells} {relative:>10.2}", "median");
    }
    text
}

fn medians(operator: &Path, runs: &[Run]) -> [f64; 4] {
    COLUMNS.map(|(_, value)| {
        let own = runs.iter().filter(|run| Path::new(&run.operator) == operator);
        let mut values: Vec<f64> = own.map(value).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        }
    })
}
