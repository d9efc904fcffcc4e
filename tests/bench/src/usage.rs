//! What the kernel knows about a process.

use std::time::Duration;

use procfs::process::Process;
use support::Result;

/// Resources that a process used since its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Time in user and kernel mode, over all threads, in steps of 10 ms.
    pub(crate) cpu: Duration,
    /// Peak of the resident memory, in KiB.
    pub(crate) peak_rss_kib: u64,
}

impl Usage {
    /// Reads `/proc/PID/stat` and `/proc/PID/status`.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let process = Process::new(pid.try_into()?)?;
        let stat = process.stat()?;
        let ticks = stat.utime + stat.stime;
        Ok(Self {
            cpu: Duration::from_millis(ticks * 1000 / procfs::ticks_per_second()),
            peak_rss_kib: process.status()?.vmhwm.ok_or("a running process has a VmHWM")?,
        })
    }
}
