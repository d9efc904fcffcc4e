//! What the tests, the demo and the benchmark share: a real control plane, the real binary as a child process, and
//! waits.
//!
//! Nothing started from here outlives the process that started it, see [`process`].

pub mod assets;
pub mod cluster;
mod error;
pub mod manifests;
pub mod operator;
pub mod process;
mod skip;
pub mod wait;

pub use cluster::ControlPlane;
pub use error::Result;
pub use operator::Operator;
pub use skip::skipped;
pub use wait::{eventually, until};
