//! One error type for test code: whatever went wrong, as text.

use std::error::Error;

/// A result whose error is anything that can be printed.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
