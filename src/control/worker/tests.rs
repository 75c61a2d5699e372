//! Workers on a simulated engine.

use crate::clock::Clock;
use crate::control::progress::Progresses;
use crate::control::{self, Control, Parts};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::*;
use crate::core::condition::Phase;
use crate::core::container::ContainerId;
use crate::core::spec::{Pull, Template};
use crate::core::submission;
use crate::core::submission::Submission;
use crate::core::time::Time;
use crate::core::transaction::{Change, Transaction};
use crate::engine::error::EngineError;
use crate::engine::simulated::SimulatedEngine;
use crate::engine::{Engine, EngineEvent, EngineInfo, Lookup, NewContainer};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use tokio_util::sync::CancellationToken;

/// A simulated engine; `create` panics if it is `fatal`.
struct Fragile {
    inner: SimulatedEngine,
    fatal: bool,
}

#[async_trait]
impl Engine for Fragile {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.inner.info().await
    }
    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        self.inner.list(cluster, object).await
    }
    async fn inspect(&self, cluster: &str, key: &str) -> Result<Lookup, EngineError> {
        self.inner.inspect(cluster, key).await
    }
    async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        self.inner.ensure_image(image, pull).await
    }
    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        assert!(!self.fatal, "a create that panics");
        self.inner.create(new).await
    }
    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
        self.inner.verify(id, template).await
    }
    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        self.inner.start(id).await
    }
    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        self.inner.stop(id, grace).await
    }
    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        self.inner.remove(id).await
    }
    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        self.inner.events(cluster).await
    }
}

fn start(fatal: bool) -> (Arc<MemoryStore>, Control) {
    let clock = Clock::starting_at(Time(1_000_000));
    let store = Arc::new(MemoryStore::new(clock));
    let control = control::start(Parts {
        engine: Arc::new(Fragile { inner: SimulatedEngine::new(3, clock), fatal }),
        store: store.clone(),
        endpoint: "simulated://3".into(),
        cluster: "test".to_owned(),
        resync: Duration::from_secs(10),
        lost_after: Duration::from_secs(30),
        parallel: 8,
        metrics: Arc::default(),
        clock,
        stop: CancellationToken::new(),
    });
    (store, control)
}

fn put(name: &str, count: u32) -> Change {
    let text = format!(r#"{{"Name": "{name}", "Image": "a", "Count": {count}}}"#);
    match submission::read(text.as_bytes()).unwrap() {
        Submission::One(spec) => Change::Put(spec),
        Submission::Many(_) => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_submitted_object_runs_and_a_deleted_one_is_removed_with_its_worker() {
    let (store, mut control) = start(false);
    let (progresses, mut present) = (&mut control.progresses, control.cache.present());
    let name = ObjectName::parse("web").unwrap();
    for count in [40, 3, 7] {
        store.commit(Transaction::of([put("web", count)])).await.unwrap();
        let generation = store.objects().borrow()[&name].generation;
        let wanted = usize::try_from(count).unwrap();
        let converged = |progresses: &Arc<Progresses>| {
            progresses.get(&name).is_some_and(|p| {
                p.observed_generation == generation
                    && p.condition.phase == Phase::Converged
                    && p.condition.ready == wanted
            })
        };
        tokio::time::timeout(Duration::from_secs(60), progresses.wait_for(converged)).await.unwrap().unwrap();
    }
    store.commit(Transaction::of([Change::Delete(name.clone())])).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), present.wait_for(|p| p.is_empty())).await.unwrap().unwrap();
    tokio::time::timeout(Duration::from_secs(60), progresses.wait_for(|b| b.is_empty()))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_ends_the_dispatcher() {
    let (store, mut control) = start(true);
    store.commit(Transaction::of([put("web", 1)])).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), control.tasks.watch()).await.unwrap();
    assert!(ended.to_string().starts_with("the worker of 'web' panicked"));
}
