//! Starting, stopping and removing containers.

use std::time::Duration;

use http::Method;
use tokio::time::timeout;

use super::answer::{no_answer, reply_of};
use super::docker_engine::DockerEngine;
use super::wire;
use crate::core::container::ContainerId;
use crate::core::outcome::Outcome;
use crate::engine::reply::{self, Call, Reply};

/// A start or a removal on a busy node.
const CHANGE: Duration = Duration::from_secs(60);
/// The time for a stop beyond the container's grace period.
const STOP_SLACK: Duration = Duration::from_secs(30);
/// Docker's default grace period.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

impl DockerEngine {
    pub(super) async fn start_container(&self, id: &ContainerId) -> Outcome<()> {
        let path = format!("/containers/{}/start", id.0);
        self.change(Call::Start, CHANGE, Method::POST, &path).await
    }

    pub(super) async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        // No timeout is sent: the engine then uses the container's own.
        let deadline = grace.max(DEFAULT_GRACE) + STOP_SLACK;
        let path = format!("/containers/{}/stop", id.0);
        self.change(Call::Stop, deadline, Method::POST, &path).await
    }

    pub(super) async fn remove_container(&self, id: &ContainerId) -> Outcome<()> {
        let path = format!("/containers/{}?v=true&force=true", id.0);
        self.change(Call::Remove, CHANGE, Method::DELETE, &path).await
    }

    /// Sends a request whose answer is only yes or no. 304, nothing to do, is a yes.
    async fn change(&self, call: Call, deadline: Duration, method: Method, path: &str) -> Outcome<()> {
        let reply = match timeout(deadline, self.ask(method, path, None)).await {
            Ok(Ok((200..=299 | 304, _))) => return Outcome::Done(()),
            Ok(Ok((status, body))) => Reply::Status(status, wire::error_message(&body)),
            Ok(Err(error)) => reply_of(error),
            Err(_) => Reply::Broken(no_answer(deadline)),
        };
        reply::read(call, reply)
    }
}
