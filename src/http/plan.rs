//! `GET /plan` and `?dry_run`: what would be done.
//!
//! A forecast is CPU-bound. It runs on the thread for expensive requests, within a [`Budget`] and for [`FORECAST_TIME`] at
//! most, so that it does not delay submits and the status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout_at};

use super::caller::Caller;
use super::query::{NoParameters, Parameters};
use super::reply;
use super::state::ApiState;
use crate::api::plan::{DryRun, DryRunObject, ForecastSteps, PendingChanges, PendingObject};
use crate::api::problem::{Problem, ProblemKind};
use crate::clock;
use crate::core::access::Access;
use crate::core::container::Container;
use crate::core::desired::Desired;
use crate::core::name::ObjectName;
use crate::core::object::Object;
use crate::core::prospects::Prospects;
use crate::core::transaction::{self, Change, Committed, Effect, Transaction};
use crate::planner::forecast::{Budget, Forecast, Present, forecast};

/// The most objects of one dry run.
pub(super) const DRY_RUN_OBJECTS: usize = 1_000;
/// The most containers of one dry run, the sum of `Count`: as many as a response has lines, twice the most of one object.
const DRY_RUN_CONTAINERS: u64 = 20_000;
/// The endpoint is asked about the images of this many objects; those of the others count as missing.
const OBJECTS_ASKED_ABOUT: usize = 32;
/// How many of these requests run at once, and how long all of them may take.
const QUESTIONS_AT_ONCE: usize = 4;
const QUESTIONS: Duration = Duration::from_secs(3);
/// The longest that one forecast may take. Steps that it has not reached are left out, and `Truncated` is set.
const FORECAST_TIME: Duration = Duration::from_secs(5);

impl From<Forecast> for ForecastSteps {
    fn from(forecast: Forecast) -> ForecastSteps {
        let Forecast { plan, waiting, warnings, truncated } = forecast;
        ForecastSteps { plan, waiting, warnings, truncated }
    }
}

/// What would be done now
#[utoipa::path(
    get,
    path = "/plan",
    responses(
        (status = 200, description = "The pending steps of each object, one line each.", body = PendingChanges),
        (status = 400, description = "Unknown query parameter."),
    )
)]
pub(super) async fn all(
    State(state): State<ApiState>,
    caller: Caller,
    _: Parameters<NoParameters>,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, None)?;
    let _permit = state.expensive.permit(&caller).await?;
    let objects: Vec<Arc<Object>> = {
        let objects = state.status.objects.borrow().clone();
        let present = state.cache.present().borrow().clone();
        let concerned =
            |(name, object): &(&ObjectName, &Arc<Object>)| object.is_shown(present.contains(*name));
        objects.iter().filter(concerned).map(|(_, object)| object.clone()).collect()
    };
    let forecasts = foretell(&state, objects.clone()).await?;
    let pending = |(object, forecast): (&Arc<Object>, Forecast)| PendingObject {
        name: object.spec.name.to_string(),
        generation: object.generation,
        forecast: forecast.into(),
    };
    let objects: Vec<PendingObject> = objects.iter().zip(forecasts).map(pending).collect();
    let changes = objects.iter().filter(|one| !one.forecast.plan.is_empty()).count() as u64;
    Ok(reply::ok(&PendingChanges { changes, objects }))
}

/// Responds with what a change would do. It is refused for the same reasons as the change itself.
pub(super) async fn dry_run(state: &ApiState, transaction: &Transaction) -> Result<Response, Problem> {
    let count = |change: &Change| match change {
        Change::Put(spec) => u64::from(spec.count),
        _ => 0,
    };
    let containers: u64 = transaction.changes.iter().map(count).sum();
    if containers > DRY_RUN_CONTAINERS {
        let detail = format!(
            "the sum of Count is {containers}; allowed in one dry run are up to {DRY_RUN_CONTAINERS}: take fewer \
             objects at a time; only dry runs have this limit; nothing was done"
        );
        return Err(Problem::new(ProblemKind::DryRunTooLarge, detail).at("Count"));
    }
    let before =
        Desired { objects: state.store.objects().borrow().clone(), quarantined: state.store.quarantined() };
    let (_, committed) = transaction::apply(&before, transaction, state.status.clock.wall())
        .map_err(|rejected| state.refused(rejected.into()))?;
    let forecasts = foretell(state, committed.iter().map(|one| one.object.clone()).collect()).await?;
    let changed = committed
        .iter()
        .zip(&forecasts)
        .filter(|(one, forecast)| one.effect != Effect::Unchanged || !forecast.plan.is_empty());
    let changes = changed.count() as u64;
    let planned = |(one, forecast): (&Committed, Forecast)| DryRunObject {
        receipt: reply::receipt(one),
        forecast: forecast.into(),
    };
    let objects = committed.iter().zip(forecasts).map(planned).collect();
    Ok(reply::ok(&DryRun { dry_run: true, changes, objects }))
}

/// Asks the endpoint whether creates of these objects would succeed. What it does not answer in time stays unknown.
async fn prospects(state: &ApiState, objects: &[Arc<Object>]) -> BTreeMap<ObjectName, Prospects> {
    let until = clock::monotonic() + QUESTIONS;
    let trusted = state.status.distrust().is_none();
    let asked = objects.iter().filter(|object| trusted && object.wanted() > 0).take(OBJECTS_ASKED_ABOUT);
    let ask = |object: &Arc<Object>| {
        let (engine, object) = (state.engine.clone(), object.clone());
        async move {
            let asked = timeout_at(until, engine.prospects(&object.spec.template)).await;
            asked.ok().map(|prospects| (object.spec.name.clone(), prospects))
        }
    };
    stream::iter(asked.map(ask).collect::<Vec<_>>())
        .buffer_unordered(QUESTIONS_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}

/// Sets its flag when it is dropped.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The steps that follow for each of these objects from the observed state.
async fn foretell(state: &ApiState, objects: Vec<Arc<Object>>) -> Result<Vec<Forecast>, Problem> {
    let mut prospects = prospects(state, &objects).await;
    let (sources, cache) = (state.status.clone(), state.cache.clone());
    let cancelled = Arc::new(AtomicBool::new(false));
    // Also when the client leaves, which drops this future.
    let _ended = SetOnDrop(cancelled.clone());
    let mut budget = Budget { cancelled: cancelled.clone(), ..Budget::default() };
    let timer = Handle::current();
    state
        .expensive
        .in_turn(move || {
            let out_of_time = timer.spawn(async move {
                sleep(FORECAST_TIME).await;
                cancelled.store(true, Ordering::Relaxed);
            });
            let engine = cache.engine().borrow().clone();
            let evidence = engine.evidence(sources.clock.offset());
            let present = Present { evidence: &evidence, nodes: &engine.nodes, now: sources.clock.now() };
            let mut there: BTreeMap<ObjectName, Vec<Arc<Container>>> = BTreeMap::new();
            for container in cache.all() {
                there.entry(container.identity.object.clone()).or_default().push(container);
            }
            let mut one = |object: &Arc<Object>| {
                let containers = there.remove(&object.spec.name).unwrap_or_default();
                let prospects = prospects.remove(&object.spec.name).unwrap_or_default();
                forecast(object, containers, prospects, present, &mut budget)
            };
            let made = objects.iter().map(&mut one).collect();
            out_of_time.abort();
            made
        })
        .await
}
