//! Events that were not followed yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};

use crate::clock;
use crate::core::container::ContainerId;
use crate::core::name::ObjectName;
use crate::core::signal::Signal;
use crate::engine::EngineEvent;
use crate::engine::error::EngineError;

/// With events about more objects than this at once, a list of everything is cheaper.
pub(super) const MANY_OBJECTS: usize = 8;
/// Events are gathered for this long before a list, so that a burst costs one list.
const GATHER: Duration = Duration::from_millis(10);
/// The most containers whose events are remembered at once. For more, everything is listed.
const MANY_CONTAINERS: usize = 1_000;
/// Signals remembered per container and burst of events.
const MAX_SIGNALS: usize = 8;

/// What a burst of events is about.
#[derive(Debug, Default)]
pub(super) struct Burst {
    pub(super) everything: bool,
    pub(super) objects: BTreeSet<ObjectName>,
    pub(super) ended: BTreeSet<ContainerId>,
    pub(super) destroyed: BTreeSet<ContainerId>,
    /// In order.
    pub(super) signalled: BTreeMap<ContainerId, Vec<Signal>>,
}

/// Adds one, or records that there are more than `many`.
fn add<T: Ord>(noted: &mut BTreeSet<T>, new: T, many: usize, everything: &mut bool) {
    if noted.len() <= many {
        noted.insert(new);
    }
    *everything |= noted.len() > many;
}

/// The event stream, and the events that were not followed yet.
pub(super) struct PendingEvents {
    stream: BoxStream<'static, Result<EngineEvent, EngineError>>,
    pub(super) burst: Burst,
}

impl PendingEvents {
    pub(super) fn of(stream: BoxStream<'static, Result<EngineEvent, EngineError>>) -> PendingEvents {
        PendingEvents { stream, burst: Burst::default() }
    }

    fn add(&mut self, event: Option<Result<EngineEvent, EngineError>>) -> Result<(), EngineError> {
        let event = event.ok_or_else(|| EngineError::unanswered("its event stream ended"))??;
        let Burst { everything, objects, ended, destroyed, signalled } = &mut self.burst;
        match event {
            EngineEvent::Everything => *everything = true,
            EngineEvent::Object(object) => add(objects, object, MANY_OBJECTS, everything),
            EngineEvent::Signalled(id, signal) if signalled.len() < MANY_CONTAINERS => {
                let signals = signalled.entry(id).or_default();
                // Of a flood of signals the last ones suffice.
                if signals.len() == MAX_SIGNALS {
                    signals.remove(0);
                }
                signals.push(signal);
            }
            EngineEvent::Signalled(..) => *everything = true,
            EngineEvent::Ended(object, id) => {
                add(objects, object, MANY_OBJECTS, everything);
                add(ended, id, MANY_CONTAINERS, everything);
            }
            EngineEvent::Destroyed(object, id) => {
                add(objects, object, MANY_OBJECTS, everything);
                add(destroyed, id, MANY_CONTAINERS, everything);
            }
        }
        Ok(())
    }

    /// Waits for an event, unless one is pending, then gathers those that follow closely.
    pub(super) async fn gather(&mut self) -> Result<(), EngineError> {
        if !self.waiting() {
            let event = self.stream.next().await;
            self.add(event)?;
        }
        let until = clock::monotonic() + GATHER;
        while let Ok(event) = tokio::time::timeout_at(until, self.stream.next()).await {
            self.add(event)?;
        }
        Ok(())
    }

    fn waiting(&self) -> bool {
        let Burst { everything, objects, ended, destroyed, signalled } = &self.burst;
        *everything
            || !(objects.is_empty() && ended.is_empty() && destroyed.is_empty() && signalled.is_empty())
    }

    pub(super) fn take(&mut self) -> Burst {
        std::mem::take(&mut self.burst)
    }

    /// Takes the events that have arrived. An error means that the connection has ended: answers just before that may be those
    /// of another incarnation of the endpoint.
    pub(super) fn check(&mut self) -> Result<(), EngineError> {
        while let Some(event) = self.stream.next().now_or_never() {
            self.add(event)?;
        }
        Ok(())
    }
}
