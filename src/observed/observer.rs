//! Keeps the cache true: the one task that asks the engine what is there.
//!
//! It connects, opens the event stream, then lists everything; so that nothing falls between the two. From
//! then on an event means "look at this object again", the resync period means "look at everything", and the
//! end of the stream means "begin again". Where no engine answers it says so in the cache and keeps trying.
//! It never changes anything on the engine.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep_until};
use tracing::{debug, info, warn};

use super::{Cache, Trouble};
use crate::clock::{Clock, Time};
use crate::engine::{Engine, EngineError, Hint};
use crate::model::{Container, ContainerId, ObjectName, State};

/// The wait between two tries to reach an engine that does not answer: short, since a socket costs nothing to
/// try and people wait for it.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest such wait.
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// With hints about more objects than this at once, one list of everything is cheaper.
const MANY_OBJECTS: usize = 8;
/// Events are taken up for this long before a list is asked for, so that a burst costs one list.
const GATHER: Duration = Duration::from_millis(10);
/// Inspects for the status page, at once.
const DETAILS_AT_ONCE: usize = 4;
/// Inspects for the status page after one list. The rest come after the next lists.
const DETAILS_A_LIST: usize = 200;

/// What the observer needs.
pub struct Observer {
    /// The engine to ask.
    pub engine: Arc<dyn Engine>,
    /// How the engine is called in messages.
    pub endpoint: String,
    /// The cluster label.
    pub cluster: String,
    /// Where to put what was found.
    pub cache: Arc<Cache>,
    /// The period of complete lists.
    pub resync: Duration,
    /// The time.
    pub clock: Clock,
}

impl Observer {
    /// Observes for ever.
    pub async fn run(self) {
        let mut retry = FIRST_RETRY;
        let mut trouble: Option<(Time, String)> = None;
        loop {
            let connected = self.clock.now();
            let Err(error) = self.observe(&mut trouble).await;
            let now = self.clock.now();
            if now.since(connected) > LONGEST_RETRY {
                retry = FIRST_RETRY;
            }
            let (since, said) = trouble.get_or_insert((now, String::new()));
            if *said != error.0 {
                warn!(endpoint = %self.endpoint, error = %error, "the engine does not answer; trying again until it does");
                said.clone_from(&error.0);
            }
            let (since, retry_at) = (*since, now + retry);
            self.cache.set_engine(|state| state.trouble = Some(Trouble { error: error.0, since, retry_at }));
            sleep_until(self.clock.instant(retry_at)).await;
            retry = (retry * 2).min(LONGEST_RETRY);
        }
    }

    /// One connection's life; ends with the reason for its end.
    async fn observe(
        &self,
        trouble: &mut Option<(Time, String)>,
    ) -> Result<std::convert::Infallible, EngineError> {
        let info = self.engine.info().await?;
        let mut hints = self.engine.hints(&self.cluster).await?;
        self.list(None).await?;
        if let Some((since, _)) = trouble.take() {
            let gone =
                humantime::format_duration(Duration::from_secs(self.clock.now().since(since).as_secs()));
            info!(endpoint = %self.endpoint, version = %info.version, "the engine answers again after {gone}");
        } else {
            info!(endpoint = %self.endpoint, kind = ?info.kind, version = %info.version, api = %info.api, "the engine answers");
        }
        self.cache.set_engine(|state| {
            state.info = Some(info);
            state.trouble = None;
        });
        let mut details = JoinSet::new();
        self.look_at_details(&mut details);

        let first = tokio::time::Instant::now() + self.resync;
        let mut resync = interval_at(first, self.resync);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                hint = hints.next() => {
                    let Some(hint) = hint else { return Err(EngineError("its event stream ended".to_owned())) };
                    self.follow(gather(hint?, &mut hints).await?).await?;
                }
                _ = resync.tick() => {
                    // Whether it answers, the list decides.
                    match self.engine.info().await {
                        Ok(info) => self.cache.set_engine(|state| state.info = Some(info)),
                        Err(error) => debug!(%error, "the engine does not tell who it is"),
                    }
                    self.list(None).await?;
                }
            }
            self.look_at_details(&mut details);
        }
    }

    async fn list(&self, object: Option<&ObjectName>) -> Result<(), EngineError> {
        let begun = self.cache.begin_look();
        let at = self.clock.now();
        let list = self.engine.list(&self.cluster, object).await?;
        self.cache.listed(begun, object, list);
        if object.is_none() {
            self.cache.set_engine(|state| state.listed = Some(at));
        }
        Ok(())
    }

    /// Looks where the hints point.
    async fn follow(&self, hints: Hints) -> Result<(), EngineError> {
        debug!(?hints, "looking again after events");
        for id in &hints.signalled {
            self.cache.signalled(id);
        }
        // Docker announces an end before its list shows it, and nothing more comes after that. An inspect waits
        // until the end is done, so it goes first.
        for id in &hints.ended {
            look_at(&*self.engine, &self.cache, &self.cluster, id).await;
        }
        if hints.everything || hints.objects.len() > MANY_OBJECTS {
            return self.list(None).await;
        }
        for object in &hints.objects {
            self.list(Some(object)).await?;
        }
        Ok(())
    }

    /// Asks for what the status page shows and a list does not tell, once for each state of a container: in a
    /// task of its own, so that an inspect that hangs holds nothing up but the next ones.
    fn look_at_details(&self, task: &mut JoinSet<()>) {
        while task.try_join_next().is_some() {}
        if !task.is_empty() {
            return;
        }
        let wanting: Vec<_> = self
            .cache
            .all()
            .into_iter()
            .filter(|c| c.detail.is_none() && (c.dead() || c.state == State::Running))
            .take(DETAILS_A_LIST)
            .collect();
        if wanting.is_empty() {
            return;
        }
        let (engine, cache, cluster) = (self.engine.clone(), self.cache.clone(), self.cluster.clone());
        task.spawn(async move {
            let (engine, cache, cluster) = (&*engine, &*cache, &*cluster);
            let look = |container: Arc<Container>| async move {
                look_at(engine, cache, cluster, &container.id).await
            };
            stream::iter(wanting).for_each_concurrent(DETAILS_AT_ONCE, look).await;
        });
    }
}

/// Inspects one container. One that fails costs a detail; what is there, the lists say.
async fn look_at(engine: &dyn Engine, cache: &Cache, cluster: &str, id: &ContainerId) {
    let begun = cache.begin_look();
    match engine.inspect(cluster, &id.0).await {
        Ok(found) => cache.inspected(begun, id, found),
        Err(error) => debug!(container = id.short(), %error, "not inspected"),
    }
}

/// Hints that came close together.
#[derive(Debug, Default)]
struct Hints {
    everything: bool,
    objects: BTreeSet<ObjectName>,
    ended: BTreeSet<ContainerId>,
    signalled: BTreeSet<ContainerId>,
}

impl Hints {
    fn add(&mut self, hint: Hint) {
        match hint {
            Hint::Everything => self.everything = true,
            Hint::Object(object) => {
                self.objects.insert(object);
            }
            Hint::Signalled(id) => {
                self.signalled.insert(id);
            }
            Hint::Ended(object, id) => {
                self.objects.insert(object);
                self.ended.insert(id);
            }
        }
    }
}

/// Takes up the hints that come close together.
async fn gather(
    first: Hint,
    stream: &mut BoxStream<'static, Result<Hint, EngineError>>,
) -> Result<Hints, EngineError> {
    let mut hints = Hints::default();
    hints.add(first);
    let until = tokio::time::Instant::now() + GATHER;
    while let Ok(Some(hint)) = tokio::time::timeout_at(until, stream.next()).await {
        hints.add(hint?);
    }
    Ok(hints)
}
