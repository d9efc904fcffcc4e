//! The process around the controllers: logs, metrics, HTTP server, readiness, shutdown.

pub mod metrics;
pub mod readiness;
pub mod server;
pub mod shutdown;
pub mod telemetry;
