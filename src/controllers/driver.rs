//! What the controllers of connections and configurations share: a watch and a kube `Controller` for each watched
//! namespace, and one map of the objects of all namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use kube::core::NamespaceResourceScope;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::broadcast;

use super::call::CallError;
use super::context::Context;
use super::random::jittered;
use super::registry::ObjectKey;
use super::status::{self, Written};
use crate::domain::base::fault::Fault;
use crate::runtime::metrics::{ControllerName, Outcome};
use crate::runtime::shutdown::Shutdown;

/// How many objects of one kind and namespace are worked on at once.
const CONCURRENCY: u16 = 8;
/// How soon a pass follows that could not write a status because somebody else had written the object. By then the watch
/// has brought the newer copy.
const CONFLICT_DELAY: Duration = Duration::from_secs(1);
/// How soon a pass follows a pass that failed.
const ERROR_DELAY: Duration = Duration::from_secs(5);

/// A namespaced kind of objects with a controller.
pub(crate) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// What a controller does with its objects.
pub(crate) trait Reconciler<K: Kind>: Send + Sync + 'static {
    /// Name of the controller in metrics.
    const NAME: ControllerName;

    /// The watch shows an object. Called for each object of the first list before the first pass.
    fn seen(&self, key: &ObjectKey, object: &Arc<K>);

    /// The watch shows that an object does not exist any more.
    fn gone(&self, key: &ObjectKey);

    /// The watches have listed the objects of all namespaces for the first time.
    fn listed(&self);

    /// One pass over an object. Returns whether the pass wrote anything, and how soon the next pass is due.
    fn reconcile(
        &self,
        key: ObjectKey,
        object: Arc<K>,
    ) -> impl Future<Output = Result<(Outcome, Duration), CallError>> + Send;
}

/// The objects of one kind, of all namespaces.
#[derive(Debug)]
pub(crate) struct Objects<K>(RwLock<BTreeMap<ObjectKey, Arc<K>>>);

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K> Objects<K> {
    /// All objects.
    pub(crate) fn all(&self) -> Vec<(ObjectKey, Arc<K>)> {
        let objects = self.0.read();
        objects
            .iter()
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect()
    }

    /// Whether the object exists.
    pub(crate) fn contains(&self, key: &ObjectKey) -> bool {
        self.0.read().contains_key(key)
    }

    fn keys_in(&self, namespace: Option<&str>) -> Vec<ObjectKey> {
        let objects = self.0.read();
        objects
            .keys()
            .filter(|key| namespace.is_none_or(|one| one == key.namespace))
            .cloned()
            .collect()
    }

    fn put(&self, key: ObjectKey, object: Arc<K>) {
        self.0.write().insert(key, object);
    }

    fn remove(&self, key: &ObjectKey) {
        self.0.write().remove(key);
    }
}

/// Carries the events of one watch to the map of objects and to the controller.
struct Follower<K: Kind, R> {
    objects: Arc<Objects<K>>,
    reconciler: Arc<R>,
    namespace: Option<String>,
    /// The objects of a list that is under way.
    listing: BTreeSet<ObjectKey>,
    /// How many watches have not listed their objects yet.
    unlisted: Arc<AtomicUsize>,
    was_listed: bool,
}

impl<K: Kind, R: Reconciler<K>> Follower<K, R> {
    fn follow(&mut self, event: &watcher::Event<K>) {
        match event {
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(object) => {
                self.listing.insert(self.note(object));
            }
            watcher::Event::Apply(object) => {
                self.note(object);
            }
            watcher::Event::Delete(object) => self.forget(&key_of(object)),
            watcher::Event::InitDone => {
                let listing = std::mem::take(&mut self.listing);
                for key in self.objects.keys_in(self.namespace.as_deref()) {
                    if !listing.contains(&key) {
                        self.forget(&key);
                    }
                }
                let last = || self.unlisted.fetch_sub(1, Ordering::AcqRel) == 1;
                if !std::mem::replace(&mut self.was_listed, true) && last() {
                    self.reconciler.listed();
                }
            }
        }
    }

    fn note(&self, object: &K) -> ObjectKey {
        let key = key_of(object);
        let object = Arc::new(object.clone());
        self.objects.put(key.clone(), Arc::clone(&object));
        self.reconciler.seen(&key, &object);
        key
    }

    fn forget(&self, key: &ObjectKey) {
        self.objects.remove(key);
        self.reconciler.gone(key);
    }
}

fn key_of<K: Resource>(object: &K) -> ObjectKey {
    let meta = object.meta();
    ObjectKey {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
    }
}

/// Runs the controllers of one kind, one for each watched namespace, until the shutdown.
///
/// An object whose key is sent to `wake` gets a pass at once.
pub(crate) async fn run<K: Kind, R: Reconciler<K>>(
    context: &Context,
    objects: Arc<Objects<K>>,
    reconciler: Arc<R>,
    wake: &broadcast::Sender<ObjectKey>,
    shutdown: &Shutdown,
) {
    let watched = &context.settings.watch_namespaces;
    let namespaces: Vec<Option<String>> = if watched.is_empty() {
        vec![None]
    } else {
        watched.iter().cloned().map(Some).collect()
    };
    let unlisted = Arc::new(AtomicUsize::new(namespaces.len()));
    let controllers = namespaces.into_iter().map(|namespace| {
        let follower = Follower {
            objects: Arc::clone(&objects),
            reconciler: Arc::clone(&reconciler),
            namespace,
            listing: BTreeSet::new(),
            unlisted: Arc::clone(&unlisted),
            was_listed: false,
        };
        drive(context, follower, wake.subscribe(), shutdown)
    });
    futures::future::join_all(controllers).await;
}

fn drive<K: Kind, R: Reconciler<K>>(
    context: &Context,
    mut follower: Follower<K, R>,
    wake: broadcast::Receiver<ObjectKey>,
    shutdown: &Shutdown,
) -> impl Future<Output = ()> + use<K, R> {
    let client = context.watch_client.clone();
    let api: Api<K> = match &follower.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let (reconciler, objects) = (Arc::clone(&follower.reconciler), Arc::clone(&follower.objects));
    let namespace = follower.namespace.clone();
    let (store, writer) = reflector::store();
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .inspect_ok(move |event| follower.follow(event))
        .inspect_err(|error| tracing::warn!(kind = %K::kind(&()), %error, "watch failed; it is started again"))
        .applied_objects();
    let metrics = Arc::clone(&context.metrics);
    Controller::for_stream(stream, store)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .reconcile_on(woken(wake, objects, namespace))
        .graceful_shutdown_on(shutdown.clone().started())
        .run(
            move |object: Arc<K>, reconciler: Arc<R>| {
                let metrics = Arc::clone(&metrics);
                pass(object, reconciler, metrics).boxed()
            },
            // `pass` has logged the error.
            |_, _: &CallError, _| Action::requeue(jittered(ERROR_DELAY)),
            reconciler,
        )
        .for_each(|result| async {
            // A queue error is a failed watch, which is logged above. An object that is gone needs no pass.
            if let Err(controller::Error::RunnerError(error)) = result {
                tracing::error!(%error, "controller failed");
            }
        })
}

async fn pass<K: Kind, R: Reconciler<K>>(
    object: Arc<K>,
    reconciler: Arc<R>,
    metrics: Arc<crate::runtime::metrics::Metrics>,
) -> Result<Action, CallError> {
    let key = key_of(&*object);
    let result = reconciler.reconcile(key.clone(), object).await;
    let outcome = result.as_ref().map_or(Outcome::Error, |(outcome, _)| *outcome);
    metrics.reconciled(R::NAME, outcome);
    match result {
        Ok((_, next)) => Ok(Action::requeue(next)),
        Err(error) => {
            let ObjectKey { namespace, name } = key;
            tracing::warn!(kind = %K::kind(&()), namespace, name, %error, "pass failed; another one follows");
            Err(error)
        }
    }
}

/// The objects that get a pass because of `wake`: after a gap in the channel, all objects.
fn woken<K: Kind>(
    wake: broadcast::Receiver<ObjectKey>,
    objects: Arc<Objects<K>>,
    namespace: Option<String>,
) -> impl Stream<Item = ObjectRef<K>> + Send + 'static {
    keys(wake)
        .flat_map(move |key| {
            let known = objects.keys_in(namespace.as_deref());
            let keys = known
                .into_iter()
                .filter(|one| key.as_ref().is_none_or(|key| key == one))
                .collect::<Vec<_>>();
            stream::iter(keys)
        })
        .map(|key| ObjectRef::new(&key.name).within(&key.namespace))
}

/// The keys that come through a channel; `None` where the channel has dropped keys.
pub(crate) fn keys(receiver: broadcast::Receiver<ObjectKey>) -> BoxStream<'static, Option<ObjectKey>> {
    stream::unfold(receiver, |mut receiver| async {
        match receiver.recv().await {
            Ok(key) => Some((Some(key), receiver)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some((None, receiver)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    })
    .boxed()
}

/// Whether an entry of a registry says the same as a newer state. Readers compare working states by their `Arc`.
pub(crate) fn same_state<T>(entry: Option<&Result<Arc<T>, Fault>>, newer: &Result<Arc<T>, Fault>) -> bool {
    match (entry, newer) {
        (Some(Ok(one)), Ok(other)) => Arc::ptr_eq(one, other),
        (Some(Err(one)), Err(other)) => one == other,
        _ => false,
    }
}

/// Writes a status where `next` differs from `current`, and returns the object as written. Breaks where nothing was
/// written, with the outcome of the pass and how soon the next pass is due.
///
/// # Errors
///
/// When the API server refuses the patch or does not answer in time.
pub(crate) async fn write_status<K: Kind, S: Serialize>(
    client: &Client,
    object: &K,
    current: &S,
    next: &S,
) -> Result<ControlFlow<(Outcome, Option<Duration>), Box<K>>, CallError> {
    match status::write(client, object, current, next).await {
        Written::Done(written) => Ok(ControlFlow::Continue(written)),
        Written::Unchanged => Ok(ControlFlow::Break((Outcome::Unchanged, None))),
        Written::Outdated | Written::Gone => Ok(ControlFlow::Break((Outcome::Unchanged, Some(CONFLICT_DELAY)))),
        Written::Refused(error) => Err(error),
    }
}
