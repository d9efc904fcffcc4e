//! Logs: one line, or one JSON object, per event.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The variable that holds the filter, in the syntax of `tracing-subscriber` (`info,kube=debug`).
pub const FILTER_VARIABLE: &str = "JFO_LOG";

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging to standard error.
///
/// # Errors
///
/// When the filter cannot be read, or logging was started before.
pub fn start(format: LogFormat) -> Result<(), String> {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(text) if !text.trim().is_empty() => text
            .parse::<EnvFilter>()
            .map_err(|error| format!("{FILTER_VARIABLE}: {error}"))?,
        _ => EnvFilter::new("info"),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
    };
    started.map_err(|error| error.to_string())
}
