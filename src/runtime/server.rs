//! The HTTP port: liveness, readiness, metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics::Metrics;
use super::readiness::Readiness;
use super::shutdown::Shutdown;

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

/// The HTTP server, bound and not yet serving.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Binds the port. Port 0 binds any free port; the log names the address.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        tracing::info!(address = %format_args!("http://{address}"), "HTTP server listens");
        Ok(Self { listener })
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn serve(self, metrics: Arc<Metrics>, readiness: Readiness, shutdown: Shutdown) -> std::io::Result<()> {
        axum::serve(self.listener, router(metrics, readiness))
            .with_graceful_shutdown(shutdown.started())
            .await
    }
}

fn router(metrics: Arc<Metrics>, readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(Shared { metrics, readiness })
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, String) {
    let missing = shared.readiness.missing();
    if missing.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("waiting for {}\n", missing.join("\nwaiting for ")),
    )
}

async fn metrics_text(State(shared): State<Shared>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.encode())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::readiness::CRDS;
    use super::*;

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    }

    #[tokio::test]
    async fn it_is_alive_at_once_and_ready_when_the_gates_are_open() {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, readiness) = (server.listener.local_addr().unwrap(), Readiness::new(&[CRDS]));
        let (trigger, shutdown) = Shutdown::new();
        let serving = tokio::spawn(server.serve(Arc::default(), readiness.clone(), shutdown));
        assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"));
        let waiting = ask(address, "/readyz").await;
        assert!(
            waiting.starts_with("HTTP/1.1 503") && waiting.contains("waiting for CRDs"),
            "{waiting}"
        );
        readiness.set(CRDS);
        assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(ask(address, "/metrics").await.contains("# EOF"));
        trigger.start();
        serving.await.unwrap().unwrap();
    }
}
