//! Logs of containers, each over its own connection.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::{Method, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{timeout, timeout_at};

use super::answer::{broke_off, no_answer, read_whole, refusal};
use super::docker_engine::DockerEngine;
use super::request::QUESTION;
use super::transport::TransportError;
use super::wire::{self, Framing, LogReadError, LogReader};
use crate::clock;
use crate::core::container::ContainerId;
use crate::engine::logs::{LogLines, LogRequest, LogsError};
use crate::engine::reply;

/// The longest silence in a log that is read to its end; long enough for a busy disk.
const SILENCE: Duration = Duration::from_secs(20);
/// The longest silence in a followed log. A container may be silent for days, but the connection may also have been lost
/// unnoticed: it is closed, and the caller opens a new one.
const FOLLOW_SILENCE: Duration = Duration::from_secs(5 * 60);
/// How much is decoded at once: its lines are kept until they are taken.
const SLICE_BYTES: usize = 8 * 1024;
/// The media type of framed logs since API 1.42. Older engines do not distinguish the forms.
const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";
/// An engine's message if the logging driver is write-only.
const NOT_READABLE: &str = "does not support reading";

impl DockerEngine {
    pub(super) async fn read_logs(
        &self,
        id: &ContainerId,
        request: LogRequest,
    ) -> Result<LogLines, LogsError> {
        let inspect = format!("/containers/{}/json", id.0);
        let (status, body) = timeout(QUESTION, self.ask_for_logs(&inspect))
            .await
            .map_err(|_| LogsError::Failed(no_answer(QUESTION)))??;
        if status != 200 {
            return Err(self.refused_logs(status, &body));
        }
        let terminal = wire::has_terminal(&body);
        let silence = if request.follow { FOLLOW_SILENCE } else { SILENCE };
        // A Swarm manager sends the response head only with the first line.
        let head = if request.follow && self.is_swarm() { FOLLOW_SILENCE } else { QUESTION };
        let path = wire::logs_path(id, request);
        let asked = timeout(head, self.transport.request_logs(Method::GET, &path)).await;
        let response = match asked {
            Ok(response) => response?,
            Err(_) if head > QUESTION => return Err(LogsError::Silent(head)),
            Err(_) => return Err(LogsError::Failed(no_answer(head))),
        };
        if !response.status().is_success() {
            let status = response.status().as_u16();
            let body = timeout(QUESTION, read_whole(response)).await;
            let body = body.map_err(|_| LogsError::Failed(no_answer(QUESTION)))??;
            return Err(self.refused_logs(status, &body));
        }
        let framing = match terminal && !says_multiplexed(&response) {
            true => Framing::Raw,
            false => Framing::Multiplexed,
        };
        Ok(lines(response.into_body(), framing, silence))
    }

    async fn ask_for_logs(&self, path: &str) -> Result<(u16, Vec<u8>), TransportError> {
        let response = self.transport.request_logs(Method::GET, path).await?;
        let status = response.status().as_u16();
        Ok((status, read_whole(response).await?))
    }

    fn refused_logs(&self, status: u16, body: &[u8]) -> LogsError {
        let text = wire::error_message(body);
        let message = refusal(status, body);
        // A Swarm manager may answer 404 for a container on such a node.
        let away = text.contains("unhealthy node") || reply::connection_failed(&text);
        match status {
            _ if self.is_swarm() && away => LogsError::NodeAway(message),
            _ if text.contains(NOT_READABLE) => LogsError::NotReadable(message),
            404 => LogsError::Gone,
            _ => LogsError::Failed(message),
        }
    }
}

impl From<TransportError> for LogsError {
    fn from(error: TransportError) -> Self {
        LogsError::failed(error.to_string())
    }
}

impl From<LogReadError> for LogsError {
    fn from(error: LogReadError) -> Self {
        match error {
            LogReadError::Engine(message) if message.contains(NOT_READABLE) => {
                LogsError::NotReadable(message)
            }
            error => LogsError::failed(error.to_string()),
        }
    }
}

fn says_multiplexed(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.starts_with(MULTIPLEXED))
}

/// An open stream of lines.
struct OpenLog {
    body: Incoming,
    reader: LogReader,
    /// Received and not decoded yet.
    ahead: bytes::Bytes,
    silence: Duration,
    /// How the body ended; reported after its last lines.
    ended: Option<Result<(), LogsError>>,
}

fn lines(body: Incoming, framing: Framing, silence: Duration) -> LogLines {
    let reader = LogReader::new(framing);
    let reading = OpenLog { body, reader, ahead: bytes::Bytes::new(), silence, ended: None };
    stream::unfold(Some(reading), |reading| async move {
        let mut reading = reading?;
        loop {
            if let Some(line) = reading.reader.next() {
                return Some((Ok(line), Some(reading)));
            }
            match reading.ended.take() {
                Some(Ok(())) => return None,
                Some(Err(error)) => return Some((Err(error), None)),
                None => reading.ended = reading.read_on().await,
            }
        }
    })
    .boxed()
}

impl OpenLog {
    /// Decodes the next part, or returns how the stream ended.
    async fn read_on(&mut self) -> Option<Result<(), LogsError>> {
        let deadline = clock::monotonic() + self.silence;
        if self.ahead.is_empty() {
            self.ahead = match timeout_at(deadline, self.body.frame()).await {
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(None) => return Some(self.reader.finish().map_err(LogsError::from)),
                Ok(Some(Err(error))) => {
                    // The partial last line may contain the cause.
                    let _ = self.reader.finish();
                    return Some(Err(broke_off(&error).into()));
                }
                Err(_) => return Some(Err(LogsError::Silent(self.silence))),
            };
        }
        let slice = self.ahead.split_to(self.ahead.len().min(SLICE_BYTES));
        self.reader.push(&slice).err().map(|error| Err(error.into()))
    }
}
