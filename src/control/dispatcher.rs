//! Keeps one worker per object.
//!
//! It starts a worker for every object that is wanted, or deleted with containers left, and ends when it is asked to stop. If a
//! worker dies, the dispatcher ends with an error, and the process with it: there is never a live server over a dead loop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use crate::control::context::WorkerContext;
use crate::control::heartbeat;
use crate::control::progress::Progress;
use crate::control::worker::Worker;
use crate::core::name::ObjectName;
use crate::core::object::Object;

/// A worker panicked.
#[derive(Debug, thiserror::Error)]
#[error("the worker of '{object}' panicked: {cause}")]
pub struct WorkerPanicked {
    object: String,
    cause: String,
}

/// Keeps a worker for each object, until it is asked to stop or a worker panics.
pub(super) async fn dispatch(context: WorkerContext) -> Result<(), WorkerPanicked> {
    let mut objects = context.store.objects();
    let mut present = context.cache.present();
    let mut workers: JoinSet<()> = JoinSet::new();
    let mut names: BTreeMap<ObjectName, Id> = BTreeMap::new();
    let mut beat = interval(heartbeat::PERIOD);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let wanted: BTreeSet<ObjectName> = {
            let objects = objects.borrow_and_update();
            let present = present.borrow_and_update();
            let needed = |(name, o): &(&ObjectName, &Arc<Object>)| o.is_shown(present.contains(*name));
            objects.iter().filter(needed).map(|(name, _)| name.clone()).collect()
        };
        for name in wanted {
            names.entry(name.clone()).or_insert_with(|| {
                let initial = Arc::new(Progress::initial());
                context
                    .progresses
                    .send_modify(|progresses| drop(Arc::make_mut(progresses).insert(name.clone(), initial)));
                workers.spawn(Worker::new(context.clone(), name).run()).id()
            });
        }
        // In a fixed order, so that a simulation with the same seed takes the same path.
        tokio::select! {
            biased;
            // First, since a store that ended reports changes continuously.
            () = context.stop.cancelled() => {
                // Each ends by itself once its steps have ended.
                while workers.join_next().await.is_some() {}
                return Ok(());
            }
            _ = beat.tick() => context.heartbeat.beat(context.clock.now()),
            _ = objects.changed() => {}
            _ = present.changed() => {}
            Some(ended) = workers.join_next_with_id() => {
                let (id, result) = match ended {
                    Ok((id, ())) => (id, Ok(())),
                    Err(error) => (error.id(), Err(error.to_string())),
                };
                let name = names.iter().find(|(_, of)| **of == id).map(|(name, _)| name.clone());
                if let Err(cause) = result {
                    return Err(WorkerPanicked { object: name.map(|n| n.to_string()).unwrap_or_default(), cause });
                }
                if let Some(name) = name {
                    names.remove(&name);
                    context.progresses.send_if_modified(|progresses| Arc::make_mut(progresses).remove(&name).is_some());
                }
            }
        }
    }
}
