//! The listener: reads requests, applies faults, writes the log.
//!
//! A request runs in a task of its own, so that it is carried out even where
//! the client has hung up meanwhile, as a real site does (T1).

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::auth::{self, Caller};
use crate::faults::{FaultKind, Target};
use crate::http::{Ctx, Reply, Request, pairs};
use crate::log::Entry;
use crate::routes::{self, Route};
use crate::state::State;

/// The state as the listener and the handle share it.
pub type Shared = Arc<Mutex<State>>;

/// Locks; a handler that panicked does not take the site down.
pub fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connection is to be closed without a reply.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// Serves until `stop` is resolved or its sender is gone.
pub async fn serve(listener: TcpListener, shared: Shared, stop: tokio::sync::oneshot::Receiver<Infallible>) {
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            if lock(&shared).faults.outage {
                continue;
            }
            let _ = stream.set_nodelay(true);
            let shared = shared.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(shared.clone(), request));
                let http = hyper::server::conn::http1::Builder::new();
                // An error is a client that went away or a drop on purpose.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    };
    tokio::select! {
        () = accept => {}
        _ = stop => {}
    }
}

async fn answer(shared: Shared, request: hyper::Request<Incoming>) -> Result<hyper::Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let text = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).map(String::from);
    let (gateway, path) = split_gateway(head.uri.path());
    let request = Request {
        method: head.method.as_str().into(),
        path,
        query: pairs(head.uri.query().unwrap_or_default()),
        authorization: text("authorization"),
        content_type: text("content-type"),
        body: body.collect().await.map_err(|_| Dropped)?.to_bytes().to_vec(),
        gateway,
    };
    let reply = tokio::spawn(process(shared, request))
        .await
        .map_err(|_| Dropped)?
        .ok_or(Dropped)?;
    let mut response = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(reply.body))).map_err(|_| Dropped)
}

fn split_gateway(path: &str) -> (Option<String>, String) {
    if let Some(rest) = path.strip_prefix("/ex/jira/") {
        let (cloud, rest) = rest.split_once('/').unwrap_or((rest, ""));
        return (Some(cloud.into()), format!("/{rest}"));
    }
    (None, path.into())
}

/// Handles one request; `None` closes the connection.
async fn process(shared: Shared, request: Request) -> Option<Reply> {
    let found = routes::find(&request.method, &request.path);
    let (template, operation) = found.as_ref().map_or(("", ""), |(r, _)| (r.template, r.operation));
    let own = request.path.starts_with("/_sim/") || operation == "board" || operation.starts_with("browse");
    if own {
        return Some(run(&mut lock(&shared), &request, &found, None));
    }
    let (seq, fault, latency) = {
        let mut st = lock(&shared);
        let seq = st.log.open(entry(&request, template, operation));
        if st.faults.outage {
            st.log.close(seq, None);
            return None;
        }
        let target = Target {
            method: &request.method,
            path: &request.path,
            route: template,
            operation,
            body: &request.body,
        };
        let mut fault = st.faults.strike(&target);
        if fault.is_none() && st.behaviour.rate_limits {
            let issue = template
                .contains("{issueIdOrKey}")
                .then(|| found.as_ref().ok()?.1.first().cloned())
                .flatten();
            fault = st.limiter.admit(&request.method, template, issue.as_deref());
        }
        if let Some(entry) = st.log.entry(seq) {
            entry.fault = fault.as_ref().map(|f| format!("{f:?}"));
        }
        (seq, fault, st.behaviour.latency)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let reply = match fault {
        None => Some(locked(&shared, &request, &found, seq)),
        Some(FaultKind::Status { code, body, headers }) => Some(refusal(code, &body, headers)),
        Some(FaultKind::Delay { millis }) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Some(locked(&shared, &request, &found, seq))
        }
        Some(FaultKind::ApplyThenDelay { millis }) => {
            let reply = locked(&shared, &request, &found, seq);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Some(reply)
        }
        Some(FaultKind::ApplyThenStatus { code }) => {
            locked(&shared, &request, &found, seq);
            Some(Reply::html(code, "<html><body>upstream error</body></html>".into()))
        }
        Some(FaultKind::ApplyThenDrop) => {
            locked(&shared, &request, &found, seq);
            None
        }
        Some(FaultKind::DropBeforeApply) => None,
    };
    lock(&shared).log.close(seq, reply.as_ref().map(|r| r.status));
    reply
}

fn refusal(code: u16, body: &Value, headers: Vec<(String, String)>) -> Reply {
    let mut reply = match body {
        Value::Null => Reply::empty(code),
        Value::String(text) => Reply::html(code, text.clone()),
        body => Reply::json(code, body),
    };
    reply.headers.extend(headers);
    reply
}

fn entry(request: &Request, route: &'static str, operation: &'static str) -> Entry {
    Entry {
        seq: 0,
        started: Instant::now(),
        finished: None,
        at: Timestamp::now(),
        millis: None,
        method: request.method.clone(),
        path: request.path.clone(),
        route,
        operation,
        query: request.query.clone(),
        gateway: request.gateway.is_some(),
        status: None,
        account: None,
        body: serde_json::from_slice(&request.body).ok(),
        applied: false,
        fault: None,
        created: Vec::new(),
    }
}

type Found = Result<(&'static Route, Vec<String>), Reply>;

fn locked(shared: &Shared, request: &Request, found: &Found, seq: u64) -> Reply {
    run(&mut lock(shared), request, found, Some(seq))
}

/// Carries a request out under the lock.
fn run(st: &mut State, request: &Request, found: &Found, seq: Option<u64>) -> Reply {
    let (route, params) = match found {
        Ok(found) => found,
        Err(reply) => return reply.clone(),
    };
    let api = route.template.starts_with("/rest/");
    let caller = if api {
        auth::resolve(st, request, route.scope)
    } else {
        Ok(Caller::Anonymous(None))
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(reply) => return reply,
    };
    let account = caller.account().map(String::from);
    let first_new = st.next_id;
    let mut cx = Ctx {
        st,
        req: request,
        caller,
        params: params.clone(),
    };
    let reply = (route.handler)(&mut cx).unwrap_or_else(|reply| reply);
    if let Some(seq) = seq {
        let created: Vec<String> = st
            .issues
            .range(first_new + 1..)
            .map(|(_, r)| r.now.key.clone())
            .collect();
        if let Some(entry) = st.log.entry(seq) {
            entry.applied = true;
            entry.account.clone_from(&account);
            entry.created = created;
        }
    }
    match account {
        Some(account) => reply.with("X-AAccountId", &account),
        None => reply,
    }
}
