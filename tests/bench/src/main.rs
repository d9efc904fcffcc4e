//! `make bench`: the CPU that the operator spends on a burst of new findings.
//!
//! Each run starts a control plane and a Jira simulator of its own, so that no run inherits objects, definitions or
//! caches from another run. The operator runs as the administrator of the cluster, because the roles that it needs
//! differ between versions. Several binaries take turns within one invocation: what else the machine does at the time
//! then affects all of them alike.

mod burst;
mod findings;
mod report;
mod usage;

use std::path::PathBuf;

use clap::Parser;
use support::Result;
use support::assets::locate;
use support::operator::binary;

/// Measures the CPU that the operator spends on a burst of new findings.
#[derive(Debug, Parser)]
struct Args {
    /// Binary of the operator; repeat the flag to compare several. Default: the binary beside this program.
    #[arg(long, value_name = "PATH")]
    operator: Vec<PathBuf>,
    /// How many findings are created in each run.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    findings: u32,
    /// How many runs each binary gets.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Print JSON in place of a table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let operators = if args.operator.is_empty() {
        vec![binary("jira-findings-operator")?]
    } else {
        args.operator
    };
    let assets = locate()?;
    let mut runs = Vec::new();
    for round in 1..=args.rounds {
        for operator in &operators {
            eprintln!("round {round} of {}: {}", args.rounds, operator.display());
            runs.push(burst::run(&assets, operator, round, args.findings).await?);
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&runs)?);
    } else {
        print!("{}", report::table(&operators, &runs));
    }
    Ok(())
}
