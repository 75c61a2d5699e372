//! Starting, stopping and removing containers.

use std::future::Future;
use std::time::Duration;

use bollard::errors::Error as BollardError;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use tokio::time::timeout;

use super::answer::{explain, no_answer};
use super::docker_engine::DockerEngine;
use super::transport;
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
        self.change(Call::Start, CHANGE, self.docker.start_container(&id.0, None)).await
    }

    pub(super) async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        // No timeout is sent: the engine then uses the container's own.
        let deadline = grace.max(DEFAULT_GRACE) + STOP_SLACK;
        self.change(Call::Stop, deadline, self.docker.stop_container(&id.0, None)).await
    }

    pub(super) async fn remove_container(&self, id: &ContainerId) -> Outcome<()> {
        let options = RemoveContainerOptionsBuilder::default().v(true).force(true).build();
        self.change(Call::Remove, CHANGE, self.docker.remove_container(&id.0, Some(options))).await
    }

    /// The outcome of one of bollard's calls.
    async fn change<T>(
        &self,
        call: Call,
        deadline: Duration,
        work: impl Future<Output = Result<T, BollardError>>,
    ) -> Outcome<()> {
        let reply = match timeout(deadline, work).await {
            Ok(Ok(_)) => return Outcome::Done(()),
            Ok(Err(BollardError::DockerResponseServerError { status_code, message })) => {
                Reply::Status(status_code, message)
            }
            Ok(Err(BollardError::DockerStreamError { error })) => Reply::InStream(error),
            Ok(Err(BollardError::IOError { err })) if transport::never_sent(&err) => {
                Reply::NeverSent(err.to_string())
            }
            Ok(Err(error)) => Reply::Broken(explain(&error).0),
            Err(_) => Reply::Broken(no_answer(deadline)),
        };
        reply::read(call, reply)
    }
}
