//! An orderly end: the first signal lets work in flight finish, the second ends the process at once.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long work in flight may take to finish.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(25);

/// Whether the process is about to end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    started: watch::Receiver<bool>,
}

/// Starts a shutdown. Dropping the trigger starts the shutdown as well.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Starts the shutdown.
    pub fn start(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// A shutdown and its trigger.
    pub fn new() -> (Trigger, Self) {
        let (sender, started) = watch::channel(false);
        (Trigger(sender), Self { started })
    }

    /// Whether no new work may be begun.
    pub fn has_started(&self) -> bool {
        *self.started.borrow() || self.started.has_changed().is_err()
    }

    /// Waits until no new work may be begun.
    pub async fn started(mut self) {
        let _ = self.started.wait_for(|started| *started).await;
    }
}

/// Starts the shutdown at the first SIGTERM or SIGINT and ends the process at the second.
///
/// # Errors
///
/// When the handlers of the signals cannot be installed.
pub fn on_signals(trigger: Trigger) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let name = next().await;
        tracing::info!(signal = name, "shutting down: finishing what is in flight");
        trigger.start();
        let name = next().await;
        tracing::warn!(signal = name, "second signal: exiting at once");
        std::process::exit(130);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_start() {
        let (trigger, shutdown) = Shutdown::new();
        assert!(!shutdown.has_started());
        trigger.start();
        assert!(shutdown.has_started());
        shutdown.clone().started().await;
        shutdown.started().await;
    }
}
