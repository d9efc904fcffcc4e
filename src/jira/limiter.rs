//! The rate limit of one site and account, shared by every worker and every connection that uses them.
//!
//! Two parts: a token bucket that keeps us polite, and pauses after a 429. A pause covers what Jira's reason names: one
//! endpoint, one issue, or everything. Time is tokio's, so that tests can turn it.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use governor::clock::{Clock, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use reqwest::Url;
use tokio::time::Instant;

use super::error::RateLimitReason;

/// Longest pause that a caller waits out; a longer one is refused with [`Paused`] so that no worker is held by it.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// First pause after a 429 that names no time.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause of our own choosing.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A pause is never longer than this, whatever Jira says: quotas are reset every hour.
const PAUSE_CAP: Duration = Duration::from_hours(1);
/// After so long without another 429 the pauses start small again.
const FORGIVEN_AFTER: Duration = Duration::from_mins(1);

/// How fast one connection wants to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateSettings {
    /// Steady rate over all calls.
    pub requests_per_second: NonZeroU32,
    /// Calls that may be made at once after a quiet time.
    pub burst: NonZeroU32,
}

impl Default for RateSettings {
    /// 8 calls a second, 16 at once: well below what Jira grants a whole site.
    fn default() -> Self {
        const STEADY: NonZeroU32 = NonZeroU32::new(8).unwrap();
        const BURST: NonZeroU32 = NonZeroU32::new(16).unwrap();
        Self {
            requests_per_second: STEADY,
            burst: BURST,
        }
    }
}

impl RateSettings {
    fn lower(self, other: Self) -> Self {
        Self {
            requests_per_second: self.requests_per_second.min(other.requests_per_second),
            burst: self.burst.min(other.burst),
        }
    }
}

type SiteAndAccount = (String, String);

/// The limiters of the process, by base URL and account.
#[derive(Debug, Clone, Default)]
pub struct Limiters {
    shared: Arc<Mutex<HashMap<SiteAndAccount, Weak<Shared>>>>,
}

impl Limiters {
    /// The limiter of a site and account. Connections with the same key share one, and the lowest of their settings
    /// wins for as long as the connection that asked for it keeps its limiter.
    pub fn get(&self, base_url: &Url, account: &str, settings: RateSettings) -> Arc<Limiter> {
        let key = (
            base_url.as_str().trim_end_matches('/').to_owned(),
            account.to_lowercase(),
        );
        let mut limiters = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        limiters.retain(|_, shared| shared.strong_count() > 0);
        let shared = limiters.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let shared = Arc::new(Shared::new(settings));
            limiters.insert(key, Arc::downgrade(&shared));
            shared
        });
        let lease = shared.join(settings);
        Arc::new(Limiter { shared, lease })
    }
}

/// One connection's hold on the shared limit of a site and account; its settings count until it is dropped.
#[derive(Debug)]
pub struct Limiter {
    shared: Arc<Shared>,
    lease: u64,
}

/// A pause after a 429 lasts longer than a caller should wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused {
    /// What is paused.
    pub reason: RateLimitReason,
    /// How much longer.
    pub left: Duration,
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>;

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Held while waiting for a token: callers are served in the order in which they came.
    queue: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    settings: RateSettings,
    leases: BTreeMap<u64, RateSettings>,
    next_lease: u64,
    bucket: Arc<Bucket>,
    pauses: HashMap<Scope, Pause>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Scope {
    Endpoint(&'static str),
    Issue(String),
    Site,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    /// 429s in a row.
    strikes: u32,
}

#[derive(Debug, Clone)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

fn bucket(settings: RateSettings) -> Arc<Bucket> {
    let quota = Quota::per_second(settings.requests_per_second).allow_burst(settings.burst);
    Arc::new(RateLimiter::direct_with_clock(
        quota,
        TokioClock { start: Instant::now() },
    ))
}

impl Shared {
    fn new(settings: RateSettings) -> Self {
        let state = State {
            settings,
            leases: BTreeMap::new(),
            next_lease: 0,
            bucket: bucket(settings),
            pauses: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
            queue: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, settings: RateSettings) -> u64 {
        let mut state = self.state();
        let lease = state.next_lease;
        state.next_lease += 1;
        state.leases.insert(lease, settings);
        state.settle();
        lease
    }

    fn leave(&self, lease: u64) {
        let mut state = self.state();
        state.leases.remove(&lease);
        state.settle();
    }
}

impl State {
    /// Takes the lowest settings of all leases; a bucket is replaced only when they changed.
    fn settle(&mut self) {
        let lowest = self
            .leases
            .values()
            .copied()
            .reduce(RateSettings::lower)
            .unwrap_or(self.settings);
        if lowest != self.settings {
            self.settings = lowest;
            self.bucket = bucket(lowest);
        }
    }

    /// The pause that ends last among those that apply.
    fn pause(&self, endpoint: &'static str, issue: Option<&str>) -> Option<(RateLimitReason, Instant)> {
        let issue = issue.map(|id| (RateLimitReason::Issue, Scope::Issue(id.to_owned())));
        let scopes = [
            Some((RateLimitReason::Site, Scope::Site)),
            Some((RateLimitReason::Endpoint, Scope::Endpoint(endpoint))),
            issue,
        ];
        let until = scopes.into_iter().flatten().filter_map(|(reason, scope)| {
            self.pauses
                .get(&scope)
                .filter(|pause| pause.until > Instant::now())
                .map(|pause| (reason, pause.until))
        });
        until.max_by_key(|(_, until)| *until)
    }
}

impl Limiter {
    /// Waits until a call may be made: until no pause applies to this endpoint and issue, and the bucket has a token.
    /// Callers get their tokens in order. `endpoint` names method and path template.
    pub async fn ready(&self, endpoint: &'static str, issue: Option<&str>) -> Result<(), Paused> {
        loop {
            self.wait_out(endpoint, issue).await?;
            self.take_token().await;
            // A pause may have begun while this caller waited for its token; the token is then lost, which is fine.
            if self.shared.state().pause(endpoint, issue).is_none() {
                return Ok(());
            }
        }
    }

    async fn wait_out(&self, endpoint: &'static str, issue: Option<&str>) -> Result<(), Paused> {
        loop {
            let Some((reason, until)) = self.shared.state().pause(endpoint, issue) else {
                return Ok(());
            };
            let left = until.saturating_duration_since(Instant::now());
            if left > LONGEST_WAIT {
                return Err(Paused { reason, left });
            }
            tokio::time::sleep_until(until).await;
        }
    }

    async fn take_token(&self) {
        let _turn = self.shared.queue.lock().await;
        loop {
            let bucket = Arc::clone(&self.shared.state().bucket);
            let Err(not_until) = bucket.check() else { return };
            let now = bucket.clock().now();
            let wait: Duration = not_until.earliest_possible().duration_since(now).into();
            // Tokio's timers count in milliseconds; a shorter wait would spin.
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }

    /// Takes note of a 429: pauses what `reason` names for at least `retry_after`, or for a growing time where none is
    /// given, with jitter on top so that not everyone comes back at once.
    pub fn penalize(
        &self,
        endpoint: &'static str,
        issue: Option<&str>,
        reason: RateLimitReason,
        retry_after: Option<Duration>,
    ) {
        let scope = match (reason, issue) {
            (RateLimitReason::Issue, Some(issue)) => Scope::Issue(issue.to_owned()),
            (RateLimitReason::Issue, None) | (RateLimitReason::Endpoint, _) => Scope::Endpoint(endpoint),
            (RateLimitReason::Site, _) => Scope::Site,
        };
        let now = Instant::now();
        let mut state = self.shared.state();
        state.pauses.retain(|_, pause| pause.until + FORGIVEN_AFTER > now);
        let strikes = state.pauses.get(&scope).map_or(0, |pause| pause.strikes);
        let own = FIRST_PAUSE.saturating_mul(1 << strikes.min(8)).min(LONGEST_PAUSE);
        let least = retry_after.unwrap_or(own).min(PAUSE_CAP);
        let until = now + least + least.mul_f64(rand::random_range(0.0..0.3));
        let entry = state.pauses.entry(scope).or_insert(Pause { until, strikes: 0 });
        entry.until = entry.until.max(until);
        // Calls that were in flight together and failed together are one strike.
        entry.strikes = strikes + 1;
        tracing::debug!(
            endpoint,
            ?reason,
            pause_ms = u64::try_from(least.as_millis()).unwrap_or(u64::MAX),
            "paused"
        );
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.shared.leave(self.lease);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(rate: u32, burst: u32) -> RateSettings {
        RateSettings {
            requests_per_second: rate.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
        }
    }

    fn limiter(rate: u32, burst: u32) -> Arc<Limiter> {
        Limiters::default().get(&"https://a.example".parse().unwrap(), "bot", settings(rate, burst))
    }

    #[tokio::test(start_paused = true)]
    async fn the_bucket_lets_a_burst_pass_and_then_keeps_the_rate() {
        let limiter = limiter(10, 5);
        let start = Instant::now();
        for _ in 0..5 {
            limiter.ready("get_issue", None).await.unwrap();
        }
        assert!(start.elapsed() < Duration::from_millis(5));
        for _ in 0..10 {
            limiter.ready("get_issue", None).await.unwrap();
        }
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(990) && took < Duration::from_millis(1200),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_covers_what_its_reason_names() {
        let limiter = limiter(100, 100);
        let start = Instant::now();
        limiter.penalize(
            "edit_issue",
            Some("1"),
            RateLimitReason::Issue,
            Some(Duration::from_secs(5)),
        );
        limiter.penalize("search", None, RateLimitReason::Endpoint, Some(Duration::from_secs(9)));
        limiter.ready("edit_issue", Some("2")).await.unwrap();
        limiter.ready("get_issue", None).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
        limiter.ready("edit_issue", Some("1")).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(5) && start.elapsed() < Duration::from_secs(7));
        limiter.ready("search", None).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(9));
        limiter.penalize("x", None, RateLimitReason::Site, Some(Duration::from_secs(20)));
        limiter.ready("get_issue", None).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(29));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_pause_is_told_instead_of_waited_for() {
        let limiter = limiter(100, 100);
        limiter.penalize("search", None, RateLimitReason::Site, Some(Duration::from_mins(10)));
        let paused = limiter.ready("get_issue", None).await.unwrap_err();
        assert_eq!(paused.reason, RateLimitReason::Site);
        assert!(paused.left >= Duration::from_mins(10));
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_shares_one_limiter_and_the_lower_setting_wins_while_it_lives() {
        let limiters = Limiters::default();
        let site = "https://a.example".parse().unwrap();
        let fast = limiters.get(&site, "bot", settings(100, 50));
        let slow = limiters.get(&site, "Bot", settings(1, 80));
        let other = limiters.get(&site, "else", settings(100, 50));
        assert!(Arc::ptr_eq(&fast.shared, &slow.shared) && !Arc::ptr_eq(&fast.shared, &other.shared));
        assert_eq!(fast.shared.state().settings, settings(1, 50));
        drop(slow);
        assert_eq!(fast.shared.state().settings, settings(100, 50));
    }
}
