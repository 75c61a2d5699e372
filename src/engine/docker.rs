//! A Docker Engine, or a classic Swarm manager in front of many.
//!
//! All requests use our own [`transport`], and answers are decoded in `wire`, field by field and while they arrive: bollard's
//! models fail on unknown words and do not fit the answers of a classic Swarm manager. Only the body of a create is one of
//! them.
//!
//! Every call has a deadline for the whole answer, and the meaning of the answer is defined in [`reply`](super::reply).

use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use http::Method;
use tokio::time::timeout;

use self::answer::{no_answer, refusal};
use self::request::QUESTION;
use super::logs::{LogLines, LogRequest, LogsError};
use crate::core::container::{Container, ContainerId};
use crate::core::name::ObjectName;
use crate::core::outcome::Outcome;
use crate::core::prospects::Prospects;
use crate::core::spec::{Pull, Template};
use crate::engine::error::EngineError;
use crate::engine::{Engine, EngineEvent, EngineInfo, Lookup, NewContainer};

mod answer;
mod api_fields;
mod api_version;
mod change;
mod create;
mod docker_engine;
mod image;
mod info;
mod list;
mod logs;
mod own_data;
mod own_volumes;
mod request;
mod resolve;
pub mod transport;
mod verify;
mod wire;

pub(crate) use api_fields::too_new;
pub use docker_engine::DockerEngine;
pub(crate) use own_data::OwnData;
#[cfg(any(test, fuzzing))]
pub(crate) use wire::fuzzing;

#[async_trait]
impl Engine for DockerEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.read_info().await
    }

    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        self.list_containers(cluster, object).await
    }

    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Lookup, EngineError> {
        match self.answer(&format!("/containers/{name_or_id}/json")).await? {
            (200, body) => Ok(match wire::read_inspected(cluster, &body).map_err(EngineError::new)? {
                Some(container) => Lookup::Ours(Box::new(container)),
                None => Lookup::Foreign,
            }),
            (404, _) => Ok(Lookup::NotFound),
            (status, body) => Err(EngineError::new(refusal(status, &body))),
        }
    }

    async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        self.provide(image, pull).await
    }

    async fn prospects(&self, template: &Template) -> Prospects {
        self.foresee(template).await
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        self.create_container(new).await
    }

    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
        self.verify_container(id, template).await
    }

    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        self.start_container(id).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        self.stop_container(id, grace).await
    }

    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        self.remove_container(id).await
    }

    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        let path = wire::events_path(cluster);
        let asked = timeout(QUESTION, self.transport.request(Method::GET, &path, None)).await;
        let response = asked.map_err(|_| EngineError::unanswered(no_answer(QUESTION)))??;
        if !response.status().is_success() {
            return Err(EngineError::new(format!("its event stream answers {}", response.status())));
        }
        Ok(wire::events(response.into_body(), cluster.to_owned()))
    }

    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        self.read_logs(id, request).await
    }
}
