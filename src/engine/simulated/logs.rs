//! The log of a simulated container: invented lines that say so, one every two seconds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::event::SimulatedEvent;
use super::world::World;
use crate::clock::Clock;
use crate::core::container::{Container, ContainerId};
use crate::core::time::Time;
use crate::engine::logs::{LogLine, LogLines, LogRequest, LogStream, LogTime, LogsError};

/// The time between two lines.
const PERIOD: Duration = Duration::from_secs(2);
/// Every nth line is on standard error.
const STDERR_EVERY: u64 = 5;

/// The number of lines that a container has written: one at its start, then one per period. An ended container has written
/// only the first one, as the simulation does not record when containers end.
fn written(container: &Container, now: Time) -> u64 {
    match (started(container), container.live()) {
        (None, _) => 0,
        (Some(_), false) => 1,
        (Some(started), true) => now.since(started).as_secs() / PERIOD.as_secs() + 1,
    }
}

fn started(container: &Container) -> Option<Time> {
    let at = container.detail.as_ref()?.started_at.as_deref()?;
    LogTime::parse(at).map(|at| Time(at.0 / 1_000_000))
}

/// The line with this number, from 0.
fn line(container: &Container, number: u64) -> Option<LogLine> {
    let at = started(container)? + PERIOD * u32::try_from(number).unwrap_or(u32::MAX);
    let Container { name, image, node, .. } = container;
    let node = node.as_deref().unwrap_or_default();
    let (stream, text) = match number {
        0 => (
            LogStream::Stdout,
            format!("simulated: {name} of {image} started on {node}; nothing is really running"),
        ),
        n if n % STDERR_EVERY == 0 => {
            (LogStream::Stderr, format!("simulated: line {n} of {name}, to standard error"))
        }
        n => (LogStream::Stdout, format!("simulated: line {n} of {name}")),
    };
    Some(LogLine { stream, at: Some(at.into()), text })
}

pub(super) fn lines(
    world: Arc<Mutex<World>>,
    events: broadcast::Receiver<SimulatedEvent>,
    clock: Clock,
    id: ContainerId,
    request: LogRequest,
) -> Result<LogLines, LogsError> {
    let container = lock(&world).read(&id)?;
    let there = written(&container, clock.now());
    let tail = request.tail.map_or(there, u64::from);
    let next = there.saturating_sub(tail);
    let wanted = move |line: &LogLine| request.since.is_none_or(|since| line.at >= Some(since));
    let reading = (world, events, next);
    let lines = stream::unfold(reading, move |(world, mut events, next)| {
        let id = id.clone();
        async move {
            loop {
                let container = lock(&world).read(&id).ok()?;
                if next < written(&container, clock.now()) {
                    return Some((Ok(line(&container, next)?), (world, events, next + 1)));
                }
                if !request.follow || !container.live() {
                    return None;
                }
                let due = started(&container)? + PERIOD * u32::try_from(next).unwrap_or(u32::MAX);
                // It may end before that.
                let event = timeout(due.since(clock.now()), events.recv()).await;
                if matches!(event, Ok(Err(broadcast::error::RecvError::Closed))) {
                    return None;
                }
            }
        }
    });
    Ok(lines.filter(move |line| std::future::ready(line.as_ref().is_ok_and(wanted))).boxed())
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::engine::Engine;
    use crate::engine::simulated::SimulatedEngine;
    use crate::engine::simulated::world::Fate;

    const ALL: LogRequest = LogRequest { tail: None, since: None, follow: false };

    async fn started_engine() -> (SimulatedEngine, ContainerId) {
        let engine = SimulatedEngine::new(1, Clock::starting_at(Time(1_764_000_000_000)));
        let id = engine.put("default", "web.1.1").unwrap();
        engine.kill(&id);
        assert!(engine.start_again(&id));
        (engine, id)
    }

    async fn read(engine: &SimulatedEngine, id: &ContainerId, request: LogRequest) -> Vec<String> {
        let lines = engine.logs(id, request).await.unwrap();
        lines.map(|line| line.unwrap().text).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_marked_as_simulated_and_selected_like_by_a_real_engine() {
        let (engine, id) = started_engine().await;
        sleep(Duration::from_secs(7)).await;
        let all = read(&engine, &id, ALL).await;
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|line| line.starts_with("simulated: ")), "{all:?}");
        assert_eq!(read(&engine, &id, LogRequest { tail: Some(2), ..ALL }).await, all[2..]);
        let since = Some(LogTime::from(Time(1_764_000_000_000) + Duration::from_secs(4)));
        assert_eq!(read(&engine, &id, LogRequest { since, ..ALL }).await, all[2..]);
        engine.lose("n1", Fate::GoOn);
        assert!(matches!(engine.logs(&id, ALL).await, Err(LogsError::NodeAway(_))));
        assert!(matches!(engine.logs(&"none".into(), ALL).await, Err(LogsError::Gone)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_followed_log_continues_until_the_container_ends() {
        let (engine, id) = started_engine().await;
        let mut lines = engine.logs(&id, LogRequest { follow: true, ..ALL }).await.unwrap();
        for _ in 0..3 {
            lines.next().await.unwrap().unwrap();
        }
        assert_eq!(engine.clock.now().since(Time(1_764_000_000_000)), PERIOD * 2);
        engine.kill(&id);
        assert_eq!(lines.next().await, None);
    }
}
