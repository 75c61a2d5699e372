//! `GET /plan` and `?dry_run`: what would be done, with nothing done.
//!
//! A forecast is much work for one thread. So it is made in turn with all that is expensive, within a [`Budget`] and
//! for [`FORECAST`] at the most; submits and the status are not held up by it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout_at};
use utoipa::ToSchema;

use super::change::{Receipt, refused};
use super::problem::Problem;
use super::query::Query;
use super::{Api, reply};
use crate::clock;
use crate::core::container::Container;
use crate::core::desired::Desired;
use crate::core::name::ObjectName;
use crate::core::object::Object;
use crate::core::prospects::Prospects;
use crate::core::transaction::{self, Change, Effect, Transaction};
use crate::planner::forecast::{Budget, Forecast, Present, forecast};
use crate::server::peer::Peer;

/// The most objects of one dry run.
pub(super) const DRY_RUN_OBJECTS: usize = 1_000;
/// The most containers of one dry run, the sum of `Count`: as many as an answer has lines, twice one object's.
const DRY_RUN_CONTAINERS: u64 = 20_000;
/// Objects of one forecast that the endpoint is asked about; for those after them the image counts as missing.
const OBJECTS_ASKED_ABOUT: usize = 32;
/// Such questions at once, and the longest time that all of them take.
const QUESTIONS_AT_ONCE: usize = 4;
const QUESTIONS: Duration = Duration::from_secs(3);
/// The longest that one forecast is worked on. What it has not come to by then is left out, as `Truncated` says.
const FORECAST: Duration = Duration::from_secs(5);

/// The answer to `GET /plan`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Plan {
    /// Objects for which something would be done.
    changes: usize,
    /// All that there are, and what is to come for each.
    objects: Vec<Planned<Named>>,
}

/// The answer to a change that was only rehearsed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Rehearsed {
    /// Always true: nothing was stored or done.
    dry_run: bool,
    /// Objects that would be changed, or for which something would be done.
    changes: usize,
    /// What would be said of each, and what would be done for it.
    objects: Vec<Planned<Receipt>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    name: String,
    generation: u64,
}

/// An object, and what is to come for it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Planned<Head> {
    #[serde(flatten)]
    head: Head,
    #[serde(flatten)]
    forecast: Forecast,
}

/// What would be done now
#[utoipa::path(
    get,
    path = "/plan",
    responses(
        (status = 200, description = "The steps that are to come for each object, a line each.", body = Plan),
        (status = 400, description = "A query parameter is not known."),
    )
)]
pub(super) async fn all(
    State(api): State<Api>,
    Extension(peer): Extension<Arc<Peer>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let _permit = api.expensive.permit(&peer).await?;
    let objects: Vec<Arc<Object>> = {
        let objects = api.sources.objects.borrow().clone();
        let present = api.cache.present().borrow().clone();
        let concerned =
            |(name, object): &(&ObjectName, &Arc<Object>)| object.is_shown(present.contains(*name));
        objects.iter().filter(concerned).map(|(_, object)| object.clone()).collect()
    };
    let head = |object: &Object| Named { name: object.spec.name.to_string(), generation: object.generation };
    let heads = objects.iter().map(|object| head(object)).collect::<Vec<_>>();
    let objects = planned(heads, foretell(&api, objects).await?);
    let changes = objects.iter().filter(|one| !one.forecast.plan.is_empty()).count();
    Ok(reply::ok(&Plan { changes, objects }))
}

/// Answers what a change would do. Whatever would have it refused has it refused here, too.
pub(super) async fn dry_run(api: &Api, transaction: &Transaction) -> Result<Response, Problem> {
    let count = |change: &Change| match change {
        Change::Put(spec) => u64::from(spec.count),
        _ => 0,
    };
    let containers: u64 = transaction.changes.iter().map(count).sum();
    if containers > DRY_RUN_CONTAINERS {
        let detail = format!(
            "the sum of Count is {containers}; allowed in one dry run are up to {DRY_RUN_CONTAINERS}: try it in several \
             parts; nothing was done"
        );
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Dry run too large", detail).at("Count"));
    }
    let before =
        Desired { objects: api.store.objects().borrow().clone(), quarantined: api.store.quarantined() };
    let (_, committed) = transaction::apply(&before, transaction, api.sources.clock.wall())
        .map_err(|rejected| refused(api, rejected.into()))?;
    let forecasts = foretell(api, committed.iter().map(|one| one.object.clone()).collect()).await?;
    let objects = planned(committed.iter().map(Receipt::of).collect(), forecasts);
    let changed = committed.iter().zip(&objects).filter(|(committed, planned)| {
        committed.effect != Effect::Unchanged || !planned.forecast.plan.is_empty()
    });
    Ok(reply::ok(&Rehearsed { dry_run: true, changes: changed.count(), objects }))
}

fn planned<Head>(heads: Vec<Head>, forecasts: Vec<Forecast>) -> Vec<Planned<Head>> {
    heads.into_iter().zip(forecasts).map(|(head, forecast)| Planned { head, forecast }).collect()
}

/// Asks the endpoint what creates of these objects would meet, as long as that is a few questions. What it does not
/// answer in time stays unknown.
async fn prospects(api: &Api, objects: &[Arc<Object>]) -> BTreeMap<ObjectName, Prospects> {
    let until = clock::monotonic() + QUESTIONS;
    let trusted = api.sources.distrust().is_none();
    let asked = objects.iter().filter(|object| trusted && object.wanted() > 0).take(OBJECTS_ASKED_ABOUT);
    let ask = |object: &Arc<Object>| {
        let (engine, object) = (api.engine.clone(), object.clone());
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

/// Foretells what is to come for each of these objects, in the world as it is now.
async fn foretell(api: &Api, objects: Vec<Arc<Object>>) -> Result<Vec<Forecast>, Problem> {
    let mut prospects = prospects(api, &objects).await;
    let (sources, cache) = (api.sources.clone(), api.cache.clone());
    let cancelled = Arc::new(AtomicBool::new(false));
    // The client may leave, which drops this.
    let _ended = SetOnDrop(cancelled.clone());
    let mut budget = Budget { cancelled: cancelled.clone(), ..Budget::default() };
    let timer = Handle::current();
    api.expensive
        .in_turn(move || {
            let out_of_time = timer.spawn(async move {
                sleep(FORECAST).await;
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
