//! Randomness for the pure functions of `domain::base::backoff`.

use std::time::Duration;

use crate::domain::base::backoff::{self, Backoff};

/// A span moved by up to 20 % either way.
pub(crate) fn jittered(span: Duration) -> Duration {
    backoff::jittered(span, rand::random())
}

/// The wait after `failures` failures in a row, counted from 1, with jitter.
pub(crate) fn delay(backoff: Backoff, failures: u32) -> Duration {
    backoff.delay(failures, rand::random())
}
