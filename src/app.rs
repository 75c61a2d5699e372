//! Composition: what is started, in which order, who watches it, and how it ends.
//!
//! [`start`] does everything that can fail because of the configuration: certificates, addresses, the data directory.
//! [`App::run`] then runs until a signal, or until a loop dies. The process has two runtimes: the control runtime observes
//! and reconciles, the serving runtime does TLS and HTTP, so that a flood of requests never takes the threads of the
//! control loop.
//!
//! The loops run forever: those of [`control`], the writer of the state, the reporter of the status and the
//! server. When one of them ends, the process ends with an error: there is never a live server over a dead loop.

use crate::app::certificates::absolute;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::settings::Settings;
use crate::api::event::EventKind;
use crate::certificates::Identity;
use crate::clock::Clock;
use crate::control::{self, Control, Parts};
use crate::core::identity;
use crate::engine::{Engine, MeasuredEngine};
use crate::http::{self, ApiState, Expensive, SharedResponses};
use crate::logs::{self, Logs};
use crate::server::accept;
use crate::server::fair_share::FairShare;
use crate::server::limits::Limits;
use crate::server::tls::Tls;
use crate::status::{self, StatusReader};
use crate::store::memory::MemoryStore;
use crate::store::ownership::Ownership;
use crate::store::redb::{self, Lock, RedbStore, Writer};
use crate::store::{self, Store};
use crate::telemetry::{Expiry, Exposition, Metrics};

mod banner;
mod certificates;
mod descriptors;
mod engine;
mod expiry;
pub(crate) mod settings;
mod supervision;

/// Threads of each runtime. Control needs one, and a second for when that one decodes a long list.
const THREADS: usize = 2;
/// The end of the runtimes, with whatever still blocks in them; all in all a stop takes less than 8 s.
const RUNTIME_END: Duration = Duration::from_millis(500);

/// A daemon that is ready to run.
pub(crate) struct App {
    settings: Settings,
    tls: Tls,
    engine: Arc<dyn Engine>,
    metrics: Arc<Metrics>,
    expiries: Vec<Expiry>,
    listeners: Vec<TcpListener>,
    clock: Clock,
    control: Runtime,
    serving: Runtime,
    client: banner::ClientFiles,
    state: State,
}

/// Where what was submitted is kept.
struct State {
    store: Arc<dyn Store>,
    /// Writes it to disk, where it lasts.
    writer: Option<Writer>,
    /// Keeps other processes out of the data directory.
    _lock: Option<Lock>,
}

/// Prepares everything. Every error here is a configuration error.
pub(crate) fn start(settings: Settings) -> anyhow::Result<App> {
    let control = runtime("control")?;
    let serving = runtime("serving")?;
    // Before certificates are made: an address that cannot be had leaves nothing behind.
    let listeners = {
        let _inside = serving.enter();
        accept::bind(&settings.addresses)?
    };
    let lock = || settings.data_dir.as_deref().map(Lock::take).transpose();
    // Where certificates are to be made the directory is needed now; else not before the given ones are found good.
    let early = settings.files.is_none().then(lock).transpose()?;
    let (files, mut client) = certificates::certificates(&settings)?;
    let identity = Identity::load(&files)?;
    expiry::of_authorities(&identity, settings.files.is_none(), &mut client);
    let tls = Tls::new(&identity)?;
    let clock = {
        let _inside = control.enter();
        Clock::start()
    };
    let mut expiries = vec![("server", identity.not_after()), ("ca", identity.authorities_not_after())];
    let engine =
        engine::engine(&settings, &identity, engine::own_data(&settings, &files), &mut expiries, clock)?;
    let metrics = Arc::new(Metrics::new());
    let engine = Arc::new(MeasuredEngine::new(engine, metrics.clone()));
    let lock = early.map_or_else(lock, Ok)?;
    let state = state(&settings, lock, clock)?;
    Ok(App { settings, tls, engine, metrics, expiries, listeners, clock, control, serving, client, state })
}

fn state(settings: &Settings, lock: Option<Lock>, clock: Clock) -> anyhow::Result<State> {
    Ok(match &settings.data_dir {
        None => {
            let settled = identity::settle(None, store::manager_id::random, &settings.claims, "memory")?;
            let any = settings.claims.take_over_any;
            let ownership = Ownership::new(settled.identity, BTreeSet::new(), any);
            State { store: Arc::new(MemoryStore::of(ownership, clock)), writer: None, _lock: lock }
        }
        Some(dir) => {
            let dir = redb::prepare(&absolute(dir)?, settings.claims.simulated)?;
            let (store, writer) = RedbStore::open(&dir, lock.as_ref(), &settings.claims, clock)?;
            State { store: Arc::new(store), writer: Some(writer), _lock: lock }
        }
    })
}

fn runtime(name: &str) -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name(name)
        .enable_all()
        .build()
        .with_context(|| format!("the {name} runtime cannot be started"))
}

impl App {
    /// Runs until a signal asks to stop, or a part dies.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let App {
            settings,
            tls,
            engine,
            metrics,
            expiries,
            listeners,
            clock,
            control,
            serving,
            client,
            state,
        } = self;
        let State { store, writer, _lock } = state;
        let store: Arc<dyn Store> = Arc::new(store::Measured::new(store, metrics.clone()));
        // Before readiness is announced: from then on a signal means an orderly stop.
        let signals = {
            let _inside = control.enter();
            supervision::Signals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            }
        };
        let endpoint: Arc<str> = settings.endpoint.to_string().into();
        let cluster = settings.claims.cluster.to_string();
        let stop = CancellationToken::new();
        let started = format!("version {} on {endpoint}", env!("CARGO_PKG_VERSION"));
        store.event_log().note_general(EventKind::Started, started);
        let Control { cache, progresses, heartbeat, tasks } = {
            let _inside = control.enter();
            control::start(Parts {
                engine: engine.clone(),
                store: store.clone(),
                endpoint: endpoint.clone(),
                cluster: cluster.clone(),
                resync: settings.resync,
                lost_after: settings.lost_after,
                parallel: settings.parallel,
                metrics: metrics.clone(),
                clock,
                stop: stop.clone(),
            })
        };
        let sources = StatusReader {
            store: store.clone(),
            objects: store.objects(),
            progresses,
            cache: cache.clone(),
            cluster: cluster.into(),
            heartbeat,
            clock,
        };
        let (feed, reporter) = status::watch::new(sources.clone());
        info!(endpoint = %endpoint, state = store.durability(), resync = ?settings.resync, lost_after = ?settings.lost_after,
              parallel = settings.parallel, cluster = %settings.claims.cluster,
              manager = %store.ownership().manager(), "starting");
        banner::greet(&settings, &listeners, &client, &store.durability())?;

        let logs = Logs::new(engine.clone(), sources.clone());
        let descriptors = descriptors::raise_limit();
        let limits = Limits::for_descriptors(descriptors, settings.parallel);
        let log_readers = FairShare::new(logs::at_once(limits.left_of(descriptors, settings.parallel)));
        let long = FairShare::new(http::long_running_requests(limits.connections));
        let exposition = Arc::new(Exposition::new(&metrics, sources.clone(), long.clone(), expiries));
        let shared = Arc::new(SharedResponses::new(&sources));
        let router = http::router(ApiState {
            shared,
            store,
            status: sources,
            cache,
            engine,
            status_feed: feed,
            long_running: long,
            logs,
            log_readers,
            exposition,
            expensive: Expensive::new().context("the thread for large requests cannot be prepared")?,
            stop: stop.clone(),
        });
        // With the server, whose clients it works for.
        let reporter = serving.spawn(reporter.run());
        let server = serving.spawn(accept::serve(
            listeners,
            Arc::new(ArcSwap::from_pointee(tls)),
            router,
            limits,
            metrics,
            stop.clone(),
        ));
        let loops = supervision::Loops { tasks, reporter, writer };
        let result = control.block_on(supervision::supervise(signals, loops, server, stop));
        serving.shutdown_timeout(RUNTIME_END);
        control.shutdown_timeout(RUNTIME_END);
        result
    }
}
