//! Merging of concurrent requests: while one call is in flight, all that arrives waits for the next one.
//!
//! A request is only ever answered by a call that **started after** the request arrived, so an answer is never older
//! than its question.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::error::JiraError;

type Answer<V> = oneshot::Sender<Result<V, JiraError>>;

/// A task that answers requests in batches. It ends when the batcher is dropped.
#[derive(Debug)]
pub(super) struct Batcher<K, V> {
    requests: mpsc::UnboundedSender<(K, Answer<V>)>,
}

impl<K, V> Batcher<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Default + Send + Sync + 'static,
{
    /// Starts the task. After a first request it waits `window` for others, then calls `fetch` with at most `max`
    /// different keys. A key that `fetch` does not answer gets `V::default()`; an error goes to everyone in the batch.
    pub(super) fn spawn<F, Fut>(window: Duration, max: usize, fetch: F) -> Self
    where
        F: Fn(Vec<K>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<HashMap<K, V>, JiraError>> + Send,
    {
        let (requests, mut inbox) = mpsc::unbounded_channel::<(K, Answer<V>)>();
        tokio::spawn(async move {
            while let Some((key, answer)) = inbox.recv().await {
                let mut waiting: HashMap<K, Vec<Answer<V>>> = HashMap::from([(key, vec![answer])]);
                if !window.is_zero() {
                    let deadline = tokio::time::Instant::now() + window;
                    while waiting.len() < max {
                        match tokio::time::timeout_at(deadline, inbox.recv()).await {
                            Ok(Some((key, answer))) => waiting.entry(key).or_default().push(answer),
                            Ok(None) | Err(_) => break,
                        }
                    }
                }
                while waiting.len() < max {
                    let Ok((key, answer)) = inbox.try_recv() else { break };
                    waiting.entry(key).or_default().push(answer);
                }
                waiting.retain(|_, answers| {
                    answers.retain(|answer| !answer.is_closed());
                    !answers.is_empty()
                });
                if waiting.is_empty() {
                    continue;
                }
                let found = fetch(waiting.keys().cloned().collect()).await;
                for (key, answers) in waiting {
                    for answer in answers {
                        let value = match &found {
                            Ok(found) => Ok(found.get(&key).cloned().unwrap_or_default()),
                            Err(error) => Err(error.clone()),
                        };
                        // A caller that has gone away needs no answer.
                        let _ = answer.send(value);
                    }
                }
            }
        });
        Self { requests }
    }

    /// Asks for one key and waits for the batch that answers it.
    pub(super) async fn ask(&self, key: K) -> Result<V, JiraError> {
        let (answer, reply) = oneshot::channel();
        self.requests.send((key, answer)).map_err(|_| JiraError::Stopped)?;
        reply.await.unwrap_or(Err(JiraError::Stopped))
    }
}
