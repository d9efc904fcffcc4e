//! The real binary as a child process.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::error::Result;
use crate::process::Guarded;
use crate::wait::eventually;

/// How to start an operator; every setting is a flag of `jira-findings-operator run`.
#[derive(Debug, Clone)]
pub struct OperatorBuilder {
    binary: Option<PathBuf>,
    log: Option<PathBuf>,
    args: Vec<String>,
    envs: Vec<(String, String)>,
}

/// A running operator; dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    binary: PathBuf,
    log: PathBuf,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    process: Guarded,
}

impl OperatorBuilder {
    /// The binary to run; without it `JFO_BINARY`, else the one in the directory of the running program.
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// The identity to use, as a kubeconfig.
    #[must_use]
    pub fn kubeconfig(self, path: &Path) -> Self {
        self.env("KUBECONFIG", &path.display().to_string())
    }

    /// The file that both outputs are appended to.
    #[must_use]
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// `--watch-namespace`; may be given several times.
    #[must_use]
    pub fn watch_namespace(self, namespace: &str) -> Self {
        self.flag("watch-namespace", namespace)
    }

    /// `--instance-id`
    #[must_use]
    pub fn instance_id(self, id: &str) -> Self {
        self.flag("instance-id", id)
    }

    /// `--allow-host`; may be given several times.
    #[must_use]
    pub fn allow_host(self, host: &str) -> Self {
        self.flag("allow-host", host)
    }

    /// `--insecure-host`; may be given several times.
    #[must_use]
    pub fn insecure_host(self, host: &str) -> Self {
        self.flag("insecure-host", host)
    }

    /// `--gateway-url`
    #[must_use]
    pub fn gateway_url(self, url: &str) -> Self {
        self.flag("gateway-url", url)
    }

    /// `--index-lag`, such as `2s`, in place of an earlier one.
    #[must_use]
    pub fn index_lag(mut self, duration: &str) -> Self {
        self.args.retain(|arg| !arg.starts_with("--index-lag="));
        self.flag("index-lag", duration)
    }

    /// `--send-window`, such as `1s`.
    #[must_use]
    pub fn send_window(self, duration: &str) -> Self {
        self.flag("send-window", duration)
    }

    /// `--status-interval`, such as `1s`.
    #[must_use]
    pub fn status_interval(self, duration: &str) -> Self {
        self.flag("status-interval", duration)
    }

    /// Any other flag with a value.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.args.push(format!("--{name}={value}"));
        self
    }

    /// Any other argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.envs.push((key.into(), value.into()));
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Operator> {
        let binary = match self.binary {
            Some(path) => path,
            None => binary("jira-findings-operator")?,
        };
        let log = self.log.ok_or("an operator needs a file for its log")?;
        let process = Guarded::spawn(&binary, &self.args, &self.envs, &log)?;
        Ok(Operator {
            binary,
            log,
            args: self.args,
            envs: self.envs,
            process,
        })
    }
}

impl Operator {
    /// `run` with `--http-address 127.0.0.1:0`, and nothing else yet.
    pub fn builder() -> OperatorBuilder {
        OperatorBuilder {
            binary: None,
            log: None,
            args: vec!["run".into(), "--http-address=127.0.0.1:0".into()],
            envs: Vec::new(),
        }
    }

    /// The process id of the operator itself.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, at once: the crash that tests are about.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGTERM, then waits for an orderly end.
    pub async fn stop(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.process.stop(deadline).await
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.process.wait(deadline).await
    }

    /// How it ended, or nothing while it runs.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Sends a signal by name, such as `STOP` and `CONT`.
    pub fn signal(&mut self, signal: &str) -> Result<()> {
        self.process.signal(signal)
    }

    /// Kills it if it still runs, and starts the same again; the log goes on in the same file.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process = Guarded::spawn(&self.binary, &self.args, &self.envs, &self.log)?;
        Ok(())
    }

    /// All that it wrote so far, over restarts.
    pub fn logs(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log has a line with `text`, and returns the line.
    pub async fn wait_for_log(&self, text: &str, deadline: Duration) -> Result<String> {
        eventually(deadline, &format!("`{text}` in the operator's log"), || async {
            Ok(self.logs().lines().find(|line| line.contains(text)).map(String::from))
        })
        .await
    }
}

/// A program of the workspace: `JFO_BINARY` for the operator, else beside the running program (or one directory up,
/// where test programs lie in `deps/`).
pub fn binary(name: &str) -> Result<PathBuf> {
    if name == "jira-findings-operator"
        && let Some(path) = env::var_os("JFO_BINARY")
    {
        return Ok(path.into());
    }
    let current = env::current_exe()?;
    let found = current
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| format!("there is no {name} beside {}; build it first", current.display()).into())
}
