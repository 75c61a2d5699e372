//! The past lines of several containers in order of time.
//!
//! Each log is ordered by itself: so the next line of each is kept, and the earliest of them comes first.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;

use super::query::LogPermit;
use crate::core::container::{Container, ContainerId};
use crate::engine::Engine;
use crate::engine::logs::{LogLine, LogLines, LogRequest, LogTime, LogsError};

/// The next item.
#[derive(Debug)]
pub(super) enum Merged {
    Line(ContainerId, Arc<str>, LogLine),
    /// This log cannot be read, or not to its end.
    Failed(ContainerId, Arc<str>, LogsError),
}

/// The merged logs.
pub(super) struct Merge {
    engine: Arc<dyn Engine>,
    request: LogRequest,
    logs: Vec<Log>,
}

struct Log {
    id: ContainerId,
    name: Arc<str>,
    state: ReadState,
    /// Its next line, and the time that orders it.
    next: Option<(LogTime, LogLine)>,
    /// The time of the line before.
    last: LogTime,
    /// How many more lines are accepted.
    left: u32,
    failed: Option<LogsError>,
    place: Option<LogPermit>,
}

enum ReadState {
    Unasked,
    Reading(LogLines),
    Ended,
}

impl Merge {
    /// The last `request.tail` lines of each of these containers.
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        request: LogRequest,
        of: Vec<(Arc<Container>, LogPermit)>,
    ) -> Merge {
        let log = |(container, place): (Arc<Container>, LogPermit)| Log {
            id: container.id.clone(),
            name: container.name.as_str().into(),
            state: ReadState::Unasked,
            next: None,
            last: LogTime(0),
            left: request.tail.unwrap_or(u32::MAX),
            failed: None,
            place: Some(place),
        };
        Merge { engine, request, logs: of.into_iter().map(log).collect() }
    }

    /// The next line, or failure; `None` at the end of all of them.
    pub(super) async fn next(&mut self) -> Option<Merged> {
        let Merge { engine, request, logs } = self;
        join_all(logs.iter_mut().map(|log| log.read_on(&**engine, *request))).await;
        if let Some(log) = logs.iter_mut().find(|log| log.failed.is_some()) {
            return Some(Merged::Failed(log.id.clone(), log.name.clone(), log.failed.take()?));
        }
        let waiting = logs.iter_mut().filter(|log| log.next.is_some());
        let first = waiting.min_by_key(|log| log.next.as_ref().map(|(at, _)| *at))?;
        let (_, line) = first.next.take()?;
        Some(Merged::Line(first.id.clone(), first.name.clone(), line))
    }
}

impl Log {
    /// Reads the next line, if there is one.
    async fn read_on(&mut self, engine: &dyn Engine, request: LogRequest) {
        if self.next.is_some() {
            return;
        }
        if matches!(self.state, ReadState::Unasked) {
            match engine.logs(&self.id, request).await {
                Ok(lines) => self.state = ReadState::Reading(lines),
                Err(error) => self.end(Some(error)),
            }
        }
        let ReadState::Reading(lines) = &mut self.state else { return };
        if self.left == 0 {
            return self.end(None);
        }
        match lines.next().await {
            Some(Ok(line)) => {
                self.left -= 1;
                // A line without a time follows the one before it.
                self.last = line.at.unwrap_or(self.last).max(self.last);
                self.next = Some((self.last, line));
            }
            Some(Err(error)) => self.end(Some(error)),
            None => self.end(None),
        }
    }

    fn end(&mut self, failed: Option<LogsError>) {
        // A container that was removed meanwhile is no failure.
        self.failed = failed.filter(|error| *error != LogsError::Gone);
        self.state = ReadState::Ended;
        self.place = None;
    }
}
