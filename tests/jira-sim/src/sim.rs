//! The handle that a test holds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::actions::{self, IssueView};
use crate::faults::Fault;
use crate::log::Entry;
use crate::server::{self, Shared};
use crate::site::Site;
use crate::state::{Behaviour, State};

/// How a simulator behaves at first.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// The site.
    pub site: Site,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Time until search sees a change (T4).
    pub index_lag: Duration,
    /// Every n-th search misses a hit; 0 for never (T4).
    pub flicker_every: u64,
    /// Added to every request.
    pub latency: Duration,
    /// Whether Jira's own rate limits are enforced (T14).
    pub rate_limits: bool,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            site: Site::default_site(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            index_lag: Duration::ZERO,
            flicker_every: 0,
            latency: Duration::ZERO,
            rate_limits: false,
        }
    }
}

/// A running simulator; stops when dropped. It has a thread of its own, so
/// that it answers even while the test's runtime is blocked.
pub struct Sim {
    shared: Shared,
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<Infallible>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sim {
    /// Starts; as [`Sim::spawn`], for asynchronous tests.
    #[allow(
        clippy::unused_async,
        reason = "reads well beside other harness parts that must wait"
    )]
    pub async fn start(config: SimConfig) -> Self {
        Self::spawn(config).expect("a loopback port can be bound")
    }

    /// Binds, starts the thread, returns at once.
    pub fn spawn(config: SimConfig) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let behaviour = Behaviour {
            index_lag: config.index_lag,
            flicker_every: config.flicker_every,
            latency: config.latency,
            tenant_info: true,
            captcha: false,
            rate_limits: config.rate_limits,
            clock_offset: SignedDuration::ZERO,
        };
        let shared = Arc::new(Mutex::new(State::new(
            config.site,
            format!("http://{address}"),
            behaviour,
        )));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let state = shared.clone();
        let thread = std::thread::Builder::new().name("jira-sim".into()).spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    server::serve(listener, state, stopped).await;
                }
            });
        })?;
        Ok(Self {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    fn st(&self) -> MutexGuard<'_, State> {
        server::lock(&self.shared)
    }

    /// `http://127.0.0.1:PORT`, of the site and of the gateway alike.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The gateway's base for scoped tokens: `…/ex/jira/{cloudId}`.
    pub fn gateway_base(&self) -> String {
        format!("{}/ex/jira/{}", self.url(), self.st().site.cloud_id)
    }

    /// Every issue there ever was, by id; deleted ones are marked.
    pub fn issues(&self) -> Vec<IssueView> {
        let st = self.st();
        st.issues
            .values()
            .map(|r| actions::view(&st, &r.now, r.deleted))
            .collect()
    }

    /// One living issue by id, key or former key.
    pub fn issue(&self, id_or_key: &str) -> Option<IssueView> {
        let st = self.st();
        st.find(id_or_key).map(|i| actions::view(&st, i, false))
    }

    /// Living issues with this label.
    pub fn issues_with_label(&self, label: &str) -> Vec<IssueView> {
        self.issues()
            .into_iter()
            .filter(|i| !i.deleted && i.labels.iter().any(|l| l == label))
            .collect()
    }

    /// A person moves an issue to a status (name or id), past screens and
    /// workflow.
    pub fn human_transition(&self, key: &str, status: &str) {
        actions::transition(&mut self.st(), key, status, None).expect("the issue and the status exist");
    }

    /// As [`Sim::human_transition`], choosing the resolution by name.
    pub fn human_resolve(&self, key: &str, status: &str, resolution: &str) {
        actions::transition(&mut self.st(), key, status, Some(resolution)).expect("issue, status, resolution exist");
    }

    /// A person comments; gives the comment's id.
    pub fn human_comment(&self, key: &str, text: &str) -> String {
        actions::comment(&mut self.st(), key, text).expect("the issue exists")
    }

    /// A person edits fields, in the API's own shapes.
    pub fn human_edit(&self, key: &str, fields: &Value) {
        let none = Map::new();
        let fields = fields.as_object().unwrap_or(&none);
        actions::edit(&mut self.st(), key, fields).expect("the fields are valid");
    }

    /// The issue is gone for good.
    pub fn delete_issue(&self, key: &str) {
        actions::delete(&mut self.st(), key).expect("the issue exists");
    }

    /// A person moves an issue to another project; gives the new key.
    pub fn move_issue(&self, key: &str, project: &str) -> String {
        actions::relocate(&mut self.st(), key, project).expect("the issue and the project exist")
    }

    /// The token stops working.
    pub fn revoke_token(&self, token: &str) -> bool {
        actions::revoke_token(&mut self.st(), token)
    }

    /// The token gets another text.
    pub fn replace_token(&self, old: &str, new: &str) -> bool {
        actions::replace_token(&mut self.st(), old, new)
    }

    /// Every login is refused unseen (`AUTHENTICATION_DENIED`).
    pub fn set_captcha(&self, on: bool) {
        self.st().behaviour.captcha = on;
    }

    /// The address now belongs to another site, as far as its id tells.
    pub fn set_cloud_id(&self, cloud_id: &str) {
        self.st().site.cloud_id = cloud_id.into();
    }

    /// Whether `/_edge/tenant_info` answers.
    pub fn set_tenant_info(&self, on: bool) {
        self.st().behaviour.tenant_info = on;
    }

    /// Time until search sees a change; holds for past changes too.
    pub fn set_index_lag(&self, lag: Duration) {
        self.st().behaviour.index_lag = lag;
    }

    /// Every n-th search misses a hit; 0 for never.
    pub fn set_flicker_every(&self, every: u64) {
        self.st().behaviour.flicker_every = every;
    }

    /// Added to every request from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.st().behaviour.latency = latency;
    }

    /// Whether Jira's own rate limits are enforced.
    pub fn set_rate_limits(&self, on: bool) {
        self.st().behaviour.rate_limits = on;
    }

    /// Sets the site's clock ahead of (or behind) this machine's (T7).
    pub fn set_clock_offset(&self, offset: SignedDuration) {
        self.st().behaviour.clock_offset = offset;
    }

    /// Renames a priority; whether there was one.
    pub fn rename_priority(&self, old: &str, new: &str) -> bool {
        actions::rename(&mut self.st(), "priority", old, new)
    }

    /// Renames a status everywhere; whether there was one.
    pub fn rename_status(&self, old: &str, new: &str) -> bool {
        actions::rename(&mut self.st(), "status", old, new)
    }

    /// Withholds a permission, `KEY` or `KEY:PROJECT` (`BROWSE_PROJECTS:SEC`).
    pub fn deny(&self, account: &str, permission: &str) {
        actions::permit(&mut self.st(), account, permission, false);
    }

    /// Gives a withheld permission back.
    pub fn allow(&self, account: &str, permission: &str) {
        actions::permit(&mut self.st(), account, permission, true);
    }

    /// Changes the site itself: screens, workflows, users.
    pub fn change_site(&self, change: impl FnOnce(&mut Site)) {
        change(&mut self.st().site);
    }

    /// Sets a fault; gives its number.
    pub fn fault(&self, fault: Fault) -> u64 {
        self.st().faults.add(fault)
    }

    /// Drops every connection, or stops doing so.
    pub fn outage(&self, on: bool) {
        self.st().faults.outage = on;
    }

    /// Takes all faults away, and the outage.
    pub fn clear_faults(&self) {
        self.st().faults.clear();
    }

    /// All logged requests, in order of arrival.
    pub fn log(&self) -> Vec<Entry> {
        self.st().log.entries().to_vec()
    }

    /// Logged requests of a method on a route template; an operation name
    /// stands for the template too.
    pub fn count(&self, method: &str, route: &str) -> usize {
        let hit = |e: &&Entry| e.method == method && (e.route == route || e.operation == route);
        self.st().log.entries().iter().filter(hit).count()
    }

    /// Number of logged requests.
    pub fn requests(&self) -> usize {
        self.st().log.entries().len()
    }

    /// Forgets all finished requests.
    pub fn clear_log(&self) {
        self.st().log.clear();
    }

    /// Creates that were open at some moment from `from` to `to`.
    pub fn open_creates_between(&self, from: Instant, to: Instant) -> Vec<Entry> {
        let open = |e: &&Entry| e.is_create() && e.started <= to && e.finished.is_none_or(|f| f >= from);
        self.st().log.entries().iter().filter(open).cloned().collect()
    }

    /// Creates that have arrived and are not answered yet.
    pub fn creates_in_flight(&self) -> usize {
        self.st()
            .log
            .entries()
            .iter()
            .filter(|e| e.is_create() && e.finished.is_none())
            .count()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
