//! The `jira-findings-operator` binary.

use std::process::ExitCode;

use clap::Parser;
use jira_findings_operator::cli::Cli;

fn main() -> ExitCode {
    // Two providers could be compiled in by way of dependencies; the choice is made here, once.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("error: a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli.execute()),
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}
