//! How long to wait before trying again.

use std::time::Duration;

/// Wait after the first failure.
const BASE: Duration = Duration::from_secs(1);
/// Longest wait.
const CAP: Duration = Duration::from_mins(5);

/// The wait after `failures` failures in a row (from 1): doubling from one second to five minutes. `jitter` from 0 to 1
/// spreads it between 70 % and 130 %, so that what failed together is not tried together.
pub fn delay(failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let plain = BASE.saturating_mul(1 << doublings).min(CAP);
    plain.mul_f64(0.7 + 0.6 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let plain: Vec<u64> = (1..=12).map(|failures| delay(failures, 0.5).as_secs()).collect();
        assert_eq!(plain, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert!(delay(u32::MAX, 1.0) <= CAP.mul_f64(1.3));
        assert!(delay(1, 0.0) >= BASE.mul_f64(0.7));
    }
}
