//! Requests whose answers are read whole.

use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer::{no_answer, read_whole};
use super::docker_engine::DockerEngine;
use super::transport::TransportError;
use super::wire;
use crate::engine::reply;

/// The deadline of short questions: who are you, what is this container.
pub(super) const QUESTION: Duration = Duration::from_secs(10);

/// A question without a usable answer.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Unanswered {
    /// The status, if there was an answer.
    pub(super) status: Option<u16>,
    why: String,
}

impl DockerEngine {
    /// Sends a request and reads the whole answer: its status and its body. Of an error only the beginning.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(u16, Vec<u8>), TransportError> {
        let response = self.transport.request(method, path, body).await?;
        let status = response.status().as_u16();
        Ok((status, read_whole(response).await?))
    }

    /// Asks a question and reads the whole answer before the deadline.
    pub(super) async fn answer(&self, path: &str) -> Result<(u16, Vec<u8>), TransportError> {
        let asked = timeout(QUESTION, self.ask(Method::GET, path, None)).await;
        asked.unwrap_or_else(|_| Err(TransportError::Broken(no_answer(QUESTION))))
    }

    /// Asks a question and reads the answer leniently: only the fields in use have to be there.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T, Unanswered> {
        let unanswered = |status, why: String| Unanswered { status, why };
        let answer = self.answer(path).await;
        let (status, body) = answer.map_err(|error| match error {
            TransportError::NeverSent(why) => unanswered(None, reply::unreachable(&why)),
            TransportError::Broken(why) => unanswered(None, format!("asked for {what}: {why}")),
        })?;
        if status != 200 {
            let why =
                format!("the engine answered {status} when asked for {what}: {}", wire::error_message(&body));
            return Err(unanswered(Some(status), why));
        }
        serde_json::from_slice(&body).map_err(|error| {
            let why = format!("asked for {what}, cannot read the answer: {error}");
            unanswered(Some(status), why)
        })
    }
}
