//! A tiny HTTP server for the tests of this module: a closure answers every request, and all are recorded.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use serde_json::Value;

use super::{CallStats, ClientSettings, Credentials, JiraClient, Limiters, RateSettings};

pub(super) const ACCOUNT: &str = "acc-1";

/// A request as received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) body: Value,
}

pub(super) struct Server {
    url: reqwest::Url,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Received) -> Response<Body> + Send + Sync + 'static) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&received), Arc::new(answer));
        let app = axum::Router::new().fallback(move |request: Request| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let request = Received {
                    path: parts.uri.path().to_owned(),
                    body: serde_json::from_slice(&body).unwrap_or_default(),
                };
                log.lock().unwrap().push(request.clone());
                answer(&request)
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, received }
    }

    pub(super) fn settings(&self) -> ClientSettings {
        const PLENTY: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
        ClientSettings {
            site_url: self.url.clone(),
            api_base: self.url.clone(),
            credentials: Credentials::Basic {
                email: "bot@example.com".into(),
                token: "s3cret".into(),
            },
            expected_account: Some(ACCOUNT.into()),
            request_timeout: Duration::from_secs(5),
            limiter: Limiters::default().get(
                &self.url,
                "bot",
                RateSettings {
                    requests_per_second: PLENTY,
                    burst: PLENTY,
                },
            ),
            user_agent: "test".into(),
            stats: CallStats::default(),
        }
    }

    pub(super) fn client(&self) -> JiraClient {
        JiraClient::new(self.settings()).unwrap()
    }

    /// How many requests came for a path.
    pub(super) fn count(&self, path: &str) -> usize {
        self.received
            .lock()
            .unwrap()
            .iter()
            .filter(|request| request.path.ends_with(path))
            .count()
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// A reply made for the expected account.
pub(super) fn reply(status: u16, body: &Value) -> Response<Body> {
    let builder = Response::builder().status(status).header("X-AAccountId", ACCOUNT);
    builder.body(Body::from(body.to_string())).unwrap()
}

/// A reply that names no account.
pub(super) fn anonymous(status: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .body(Body::from(body.to_string()))
        .unwrap()
}
