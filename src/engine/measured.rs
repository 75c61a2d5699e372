//! Counts and times the calls of any engine for `/metrics`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::logs::{LogLines, LogRequest, LogsError};
use crate::core::container::{Container, ContainerId};
use crate::core::name::ObjectName;
use crate::core::outcome::Outcome;
use crate::core::prospects::Prospects;
use crate::core::spec::{Pull, Template};
use crate::engine::error::EngineError;
use crate::engine::{Engine, EngineEvent, EngineInfo, Lookup, NewContainer};
use crate::telemetry::Metrics;

/// An engine with metrics.
pub(crate) struct MeasuredEngine {
    engine: Arc<dyn Engine>,
    metrics: Arc<Metrics>,
}

impl MeasuredEngine {
    /// Counts the calls of `engine` in `metrics`.
    pub(crate) fn new(engine: Arc<dyn Engine>, metrics: Arc<Metrics>) -> MeasuredEngine {
        MeasuredEngine { engine, metrics }
    }

    async fn question<T, E>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let ongoing = self.metrics.engine_calls.begin(call);
        let answer = work.await;
        ongoing.ended(if answer.is_ok() { "done" } else { "failed" });
        answer
    }

    async fn change<T>(&self, call: &'static str, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let ongoing = self.metrics.engine_calls.begin(call);
        let outcome = work.await;
        ongoing.ended(outcome.word());
        outcome
    }
}

#[async_trait]
impl Engine for MeasuredEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.question("info", self.engine.info()).await
    }

    /// The complete list and the list of one object are separate: the time of the first depends on the cluster.
    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        let call = if object.is_none() { "list" } else { "list_object" };
        self.question(call, self.engine.list(cluster, object)).await
    }

    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Lookup, EngineError> {
        self.question("inspect", self.engine.inspect(cluster, name_or_id)).await
    }

    async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        self.change("pull", self.engine.ensure_image(image, pull)).await
    }

    async fn prospects(&self, template: &Template) -> Prospects {
        self.engine.prospects(template).await
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        self.change("create", self.engine.create(new)).await
    }

    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
        self.change("verify", self.engine.verify(id, template)).await
    }

    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        self.change("start", self.engine.start(id)).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        self.change("stop", self.engine.stop(id, grace)).await
    }

    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        self.change("remove", self.engine.remove(id)).await
    }

    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        let stream = self.question("events", self.engine.events(cluster)).await?;
        let events = self.metrics.engine_events.clone();
        let count = move |event: &Result<EngineEvent, EngineError>| {
            if event.is_ok() {
                events.inc();
            }
        };
        Ok(stream.inspect(count).boxed())
    }

    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        self.question("logs", self.engine.logs(id, request)).await
    }
}
