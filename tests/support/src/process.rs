//! Child processes that never outlive the process that started them.
//!
//! A drop or a panic runs our destructors, but Ctrl-C and SIGKILL do not. So every child is started through a small
//! shell script that first leaves a guard behind and then *becomes* the program (`exec`). The guard reads from a pipe
//! whose writing end is ours: when this process ends, however it ends, the pipe closes and the guard kills the child.
//! A line on the pipe dismisses it. Because of the `exec`, the pid we know is the program's own, so a kill reaches the
//! program at once and not a wrapper around it.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::wait::INTERVAL;

/// Becomes `"$@"` after leaving a guard that kills it when the pipe on standard input closes without a word.
const GUARDED: &str = r#"
exec 3<&0 </dev/null
( trap '' HUP INT TERM; read -r _ <&3 || kill -KILL $$ ) >/dev/null 2>&1 &
exec 3<&-
exec "$@"
"#;

/// Removes the directory `$1` when the pipe closes without a word, also when files still appear in it for a moment.
const JANITOR: &str = r#"
trap '' HUP INT TERM
read -r _ && exit 0
tries=0
until rm -rf -- "$1" 2>/dev/null; do tries=$((tries + 1)); [ "$tries" -lt 1000 ] || exit 1; done
"#;

/// A running program that dies with this process.
#[derive(Debug)]
pub struct Guarded {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
}

impl Guarded {
    /// Starts `program` with both outputs appended to the file `log`.
    pub fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        envs: &[(String, String)],
        log: &Path,
    ) -> Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        let child = Command::new("/bin/sh")
            .args(["-c", GUARDED, "guard"])
            .arg(program)
            .args(args)
            .envs(envs.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            // A group of its own: Ctrl-C in the terminal is for us, and we decide about the children.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let name = program
            .file_name()
            .map_or_else(|| program.display().to_string(), |n| n.to_string_lossy().into());
        Ok(Self {
            name,
            child,
            status: None,
        })
    }

    /// The process id of the program itself.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the program ended, or nothing while it runs.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
            if self.status.is_some() {
                self.dismiss_guard();
            }
        }
        Ok(self.status)
    }

    /// Waits until the program ends.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= end {
                return Err(format!("{} (pid {}) still runs after {deadline:?}", self.name, self.id()).into());
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// SIGKILL, at once; returns when the process is gone.
    pub fn kill(&mut self) -> Result<()> {
        if self.try_wait()?.is_none() {
            self.child.kill()?;
            self.dismiss_guard();
            self.status = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// Sends a signal by name, such as `TERM`, `STOP` or `CONT`.
    pub fn signal(&mut self, signal: &str) -> Result<()> {
        if self.try_wait()?.is_some() {
            return Err(format!("{} has already ended", self.name).into());
        }
        let pid = self.id().to_string();
        let sent = Command::new("/bin/sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "kill", signal, &pid])
            .status()?;
        if sent.success() {
            Ok(())
        } else {
            Err(format!("cannot send {signal} to {}", self.name).into())
        }
    }

    /// SIGTERM, then waits for an orderly end.
    pub async fn stop(&mut self, deadline: Duration) -> Result<ExitStatus> {
        if self.try_wait()?.is_none() {
            self.signal("TERM")?;
        }
        self.wait(deadline).await
    }

    fn dismiss_guard(&mut self) {
        if let Some(mut pipe) = self.child.stdin.take() {
            // A guard that is gone already needs no dismissal.
            let _ = pipe.write_all(b"\n");
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Nothing can be reported from here; the guard still stands when this fails.
        let _ = self.kill();
    }
}

/// A temporary directory that is removed even when this process is killed.
#[derive(Debug)]
pub struct Scratch {
    dir: Option<tempfile::TempDir>,
    janitor: Child,
}

impl Scratch {
    /// Makes the directory, named `<prefix>…` under the system's temporary directory.
    pub fn new(prefix: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix(prefix).tempdir()?;
        let janitor = Command::new("/bin/sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self {
            dir: Some(dir),
            janitor,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.as_ref().expect("the directory is only taken on drop").path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.dir.take());
        if let Some(mut pipe) = self.janitor.stdin.take() {
            let _ = pipe.write_all(b"\n");
        }
        let _ = self.janitor.wait();
    }
}
