//! Waiting for conditions: never a fixed pause, always a deadline, always a word on what was seen last.

use std::fmt::Debug;
use std::time::Duration;

use kube::Api;
use kube::runtime::wait::{Condition, await_condition};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use crate::error::Result;

/// How often a condition is looked at.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// Looks again and again until `probe` finds something, up to a deadline.
///
/// A probe says `Ok(Some(value))` when it is done, `Ok(None)` when there is nothing yet, and `Err(what)` for what it saw
/// instead (or for a call that failed). An error does not end the wait: the last one is shown when the deadline passes.
pub async fn eventually<T, F>(deadline: Duration, description: &str, mut probe: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + deadline;
    let mut last = String::from("nothing yet");
    loop {
        match timeout(end.saturating_duration_since(Instant::now()).max(INTERVAL), probe()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => last = String::from("nothing yet"),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("the last look did not return; before it: {last}"),
        }
        if Instant::now() >= end {
            return Err(format!("waited {deadline:?} in vain for {description}; last seen: {last}").into());
        }
        sleep(INTERVAL).await;
    }
}

/// Watches one object until `condition` holds, and returns it; on expiry the error shows the object as it is then.
pub async fn until<K>(api: &Api<K>, name: &str, deadline: Duration, condition: impl Condition<K>) -> Result<Option<K>>
where
    K: Clone + Debug + Send + DeserializeOwned + kube::Resource + 'static,
{
    if let Ok(object) = timeout(deadline, await_condition(api.clone(), name, condition)).await {
        return Ok(object?);
    }
    let seen = api.get_opt(name).await?;
    Err(format!("waited {deadline:?} in vain for a condition of {name}; last seen: {seen:?}").into())
}
