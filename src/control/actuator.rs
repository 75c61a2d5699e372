//! Performs steps; decides nothing.
//!
//! A worker hands over a step and gets a [`Report`] back. The cache is updated with what our calls changed, so that the next
//! pass sees it without waiting for a list. All workers share the limits kept here; the semaphores are fair, and each worker
//! asks for a bounded number of permits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::sync::{Mutex, Semaphore};

use crate::clock::Clock;
use crate::control::cache::Cache;
use crate::core::container::{Container, ContainerId, ContainerState};
use crate::core::labels::ContainerIdentity;
use crate::core::memory::report::Report;
use crate::core::object::Object;
use crate::core::outcome::{Outcome, RefusalKind};
use crate::core::plan::Action;
use crate::core::spec::{Pull, Template, TemplateHash};
use crate::engine::{Engine, Lookup, NewContainer};

/// Concurrent stops, over all objects. A stop mostly waits for the container's grace period, which costs the engine nothing,
/// so it needs no permit for calls that make the engine work.
const STOPS_AT_ONCE: usize = 256;
/// The grace period of a stop if the object does not set one: Docker's default.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

type PullKey = (String, Pull);
type SharedPull = Shared<BoxFuture<'static, Outcome<()>>>;

/// Performs steps on one engine.
pub(super) struct Actuator {
    engine: Arc<dyn Engine>,
    cache: Arc<Cache>,
    cluster: String,
    clock: Clock,
    calls: Semaphore,
    stops: Semaphore,
    pulls: Mutex<BTreeMap<PullKey, SharedPull>>,
}

impl Actuator {
    /// An actuator with up to `parallel` concurrent engine calls.
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        cache: Arc<Cache>,
        cluster: String,
        parallel: usize,
        clock: Clock,
    ) -> Actuator {
        Actuator {
            engine,
            cache,
            cluster,
            clock,
            calls: Semaphore::new(parallel),
            stops: Semaphore::new(STOPS_AT_ONCE),
            pulls: Mutex::default(),
        }
    }

    /// Performs one step of an object.
    pub(super) async fn perform(&self, object: &Object, action: &Action) -> Report {
        match action {
            Action::Pull { image, pull } => Report::Image(self.pull(image, *pull).await),
            Action::Create { identity, .. } => self.create(object, identity).await,
            Action::Start { id, template, .. } => {
                Report::Started(self.start(template_of(object, template), id).await)
            }
            Action::Remove { id, force, .. } => self.remove(object, id, *force).await,
        }
    }

    /// One pull per image at a time: concurrent requests for the same image share its outcome.
    async fn pull(&self, image: &str, pull: Pull) -> Outcome<()> {
        let key = (image.to_owned(), pull);
        let shared = {
            let mut pulls = self.pulls.lock().await;
            let begin = || {
                let (engine, image) = (self.engine.clone(), image.to_owned());
                async move { engine.ensure_image(&image, pull).await }.boxed().shared()
            };
            pulls.entry(key.clone()).or_insert_with(begin).clone()
        };
        let outcome = shared.clone().await;
        let mut pulls = self.pulls.lock().await;
        if pulls.get(&key).is_some_and(|current| current.ptr_eq(&shared)) {
            pulls.remove(&key);
        }
        outcome
    }

    async fn create(&self, object: &Object, identity: &ContainerIdentity) -> Report {
        let _permit = self.calls.acquire().await;
        let template = template_of(object, &identity.template);
        let manager = self.cache.ownership().manager();
        let new = NewContainer { identity, cluster: &self.cluster, manager: &manager, template };
        let made = match self.engine.create(new).await {
            Outcome::Refused(refusal) if refusal.kind == RefusalKind::NameTaken => {
                let holder = self.engine.inspect(&self.cluster, &identity.container_name()).await;
                match holder.map(|holder| self.cache.resolve_owner(holder)) {
                    // Another manager's: the planner holds the object once the cache has it.
                    Ok(Lookup::Ours(found)) if found.rival => {
                        self.cache.wrote(*found);
                        Outcome::Refused(refusal)
                    }
                    // An earlier create of this container did happen.
                    Ok(Lookup::Ours(found)) if found.identity == *identity => {
                        let id = found.id.clone();
                        self.cache.wrote(*found);
                        Outcome::Done(id)
                    }
                    // Ours, created from an older template by a create in doubt.
                    Ok(Lookup::Ours(found)) => {
                        self.cache.wrote(*found);
                        Outcome::Refused(refusal)
                    }
                    Ok(Lookup::Foreign) => Outcome::Refused(refusal),
                    Ok(Lookup::NotFound) => return Report::CreateInFlight(refusal.message),
                    Err(error) => Outcome::InDoubt(format!(
                        "{}; the holder of the name is unknown: {error}",
                        refusal.message
                    )),
                }
            }
            Outcome::Done(id) => {
                let now = self.clock.now();
                let created = Container::new(id.clone(), identity.clone(), &template.image, now);
                self.cache.wrote(Container { manager: Some(manager), ..created });
                Outcome::Done(id)
            }
            other => other,
        };
        let Outcome::Done(id) = made else { return Report::Created(made) };
        match self.start_now(template, &id).await {
            Outcome::Done(()) => Report::Created(Outcome::Done(id)),
            other => Report::CreatedNotStarted(id, other),
        }
    }

    async fn start(&self, template: &Template, id: &ContainerId) -> Outcome<()> {
        let _permit = self.calls.acquire().await;
        self.start_now(template, id).await
    }

    /// Starts a container after verifying that it is what its template asks for. One that is not is never started; the
    /// planner then has it removed by its full id.
    async fn start_now(&self, template: &Template, id: &ContainerId) -> Outcome<()> {
        let verified = self.engine.verify(id, template).await;
        if verified != Outcome::Done(()) {
            return verified;
        }
        let outcome = self.engine.start(id).await;
        if outcome != Outcome::Done(()) {
            return outcome;
        }
        // Only the engine knows whether it is still running, and whether it has a pending health check.
        let begun = self.cache.begin_list();
        match self.engine.inspect(&self.cluster, &id.0).await {
            Ok(found) => self.cache.inspected(begun, id, found),
            // A list will show it. Until then it counts as running, as it was just started.
            Err(_) => self.cache.changed(id, |container| {
                if container.state == ContainerState::Created {
                    container.state = ContainerState::Running;
                }
            }),
        }
        outcome
    }

    async fn remove(&self, object: &Object, id: &ContainerId, force: bool) -> Report {
        if !force {
            let grace = self.grace(object, id);
            let (stopped, took) = {
                let _permit = self.stops.acquire().await;
                let begun = self.clock.now();
                (self.engine.stop(id, grace).await, self.clock.now().since(begun))
            };
            match stopped {
                // A container that cannot be stopped, such as one that was never started, is just removed.
                Outcome::Done(()) | Outcome::Refused(_) => {}
                // It may still be stopping. Its removal would kill it, so it waits until this is known.
                other if took > grace => return Report::NotStopped(other),
                other => return Report::Removed(other),
            }
        }
        let _permit = self.calls.acquire().await;
        let outcome = self.engine.remove(id).await;
        if outcome == Outcome::Done(()) {
            self.cache.removed(id);
        }
        Report::Removed(outcome)
    }

    /// The grace period of a container: by its own spec, which may be older than the object's, or by the object's.
    fn grace(&self, object: &Object, id: &ContainerId) -> Duration {
        let present = object.spec.template.body.stop_timeout.and_then(|s| u64::try_from(s).ok());
        let own = self.cache.container(id).and_then(|c| c.detail.as_ref()?.stop_timeout);
        own.max(present.map(Duration::from_secs)).unwrap_or(DEFAULT_GRACE)
    }
}

/// The template of a step, which the object that was planned for has.
fn template_of<'a>(object: &'a Object, hash: &TemplateHash) -> &'a Template {
    object.template(hash).unwrap_or(&object.spec.template)
}
