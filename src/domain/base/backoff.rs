//! How long to wait before another attempt. Random numbers are arguments.

use std::time::Duration;

/// How far [`jittered`] moves a span at most, as a part of the span.
const SPREAD: f64 = 0.2;

/// Waits that double with each failure in a row, up to a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first failure.
    pub base: Duration,
    /// Longest wait, before jitter.
    pub cap: Duration,
}

impl Backoff {
    /// Waits from `base` to `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// The wait after `failures` failures in a row, counted from 1 (0 counts as 1), with the jitter of [`jittered`].
    pub fn delay(self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let plain = self.base.saturating_mul(1 << doublings).min(self.cap);
        jittered(plain, random)
    }
}

/// A span moved by up to 20 % either way, so that what began together does not stay together. `random` is a number from
/// 0 to 1: 0 gives 80 % of the span, 1 gives 120 %.
pub fn jittered(span: Duration, random: f64) -> Duration {
    span.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));
        let plain: Vec<u64> = (1..=12)
            .map(|failures| backoff.delay(failures, 0.5).as_secs())
            .collect();
        assert_eq!(plain, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(backoff.delay(0, 0.5), Duration::from_secs(1));
        assert!(backoff.delay(u32::MAX, 1.0) <= Duration::from_mins(6));
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        let moved = |random| jittered(Duration::from_secs(10), random);
        assert_eq!(moved(0.0), Duration::from_secs(8));
        assert_eq!(moved(1.0), Duration::from_secs(12));
        assert_eq!((moved(-1.0), moved(7.0)), (moved(0.0), moved(1.0)));
    }
}
