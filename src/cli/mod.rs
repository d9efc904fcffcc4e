//! The subcommands of the binary.

pub mod crds;
pub mod import;
pub mod render;
pub mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::runtime::telemetry;

/// Opens one Jira issue per security finding in a Kubernetes cluster and keeps both sides true.
#[derive(Debug, Parser)]
#[command(name = "jira-findings-operator", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator.
    Run(Box<run::RunArgs>),
    /// Prints the custom resource definitions as YAML.
    Crds,
    /// Turns reports of scanners into findings.
    Import(import::ImportArgs),
    /// Shows the issue that a configuration would make of findings, without a cluster and without Jira.
    Render(render::RenderArgs),
}

impl Cli {
    /// Does what the command line asks for.
    pub async fn execute(self) -> ExitCode {
        let result = match self.command {
            Command::Run(args) => match telemetry::start(args.log_format) {
                Ok(()) => run::run(*args).await,
                Err(error) => Err(error),
            },
            Command::Crds => crds::print(),
            Command::Render(args) => render::run(&args, &mut std::io::stdout().lock()),
            Command::Import(args) => {
                let imported = import::run(&args, &mut std::io::stdout().lock());
                imported.map(|_| ()).map_err(|error| error.to_string())
            }
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
