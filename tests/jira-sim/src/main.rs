//! `jira-sim`: the simulator as a process of its own, for demos and for
//! clients in other languages.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use jira_sim::{CLASSIC_TOKEN, DEFAULT_EMAIL, SCOPED_TOKEN, Sim, SimConfig, Site};

/// A stateful, strict stand-in for Jira Cloud.
#[derive(Parser)]
struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// JSON description of the site; `GET /_sim/site` shows the default one.
    #[arg(long)]
    site: Option<PathBuf>,
    /// Milliseconds until search sees a change.
    #[arg(long, default_value_t = 0)]
    index_lag: u64,
    /// Milliseconds added to every request.
    #[arg(long, default_value_t = 0)]
    latency: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let site = match &options.site {
        Some(file) => serde_json::from_str(&std::fs::read_to_string(file)?)?,
        None => Site::default_site(),
    };
    let sim = Sim::spawn(SimConfig {
        site,
        listen: options.listen,
        index_lag: Duration::from_millis(options.index_lag),
        latency: Duration::from_millis(options.latency),
        ..SimConfig::default()
    })?;
    println!("url     {}", sim.url());
    println!("gateway {}", sim.gateway_base());
    if options.site.is_none() {
        println!("email   {DEFAULT_EMAIL}");
        println!("token   {CLASSIC_TOKEN} (scoped, for the gateway: {SCOPED_TOKEN})");
    }
    loop {
        std::thread::park();
    }
}
