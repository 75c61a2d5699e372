//! Composition: what is started, in which order, who watches it, and how it ends.
//!
//! [`start`] does all that can fail for a reason the user has to mend: certificates, addresses, the data
//! directory. [`App::run`] then lives until a signal or a death. Two runtimes share the process: the control
//! runtime observes and reconciles, the serving runtime does TLS and HTTP; so that a flood of requests takes
//! the threads of the second and never those of the first.
//!
//! The loops have no end of their own: the observer, the chronicle, the dispatcher, the writer of the state, the
//! reporter of the status and the server. When one of them ends all the same the process ends, with an error:
//! there is never a live server over a dead loop.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use arc_swap::ArcSwap;
use rustls::pki_types::ServerName;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::event::EventKind;
use crate::certificates::{Files, Identity, generate};
use crate::cli::Settings;
use crate::clock::Clock;
use crate::control::{self, Control, Parts, Tasks};
use crate::core::identity;
use crate::engine::docker::transport::{Address, Transport};
use crate::engine::docker::{DockerEngine, OwnData};
use crate::engine::endpoint::Endpoint;
use crate::engine::simulated::SimulatedEngine;
use crate::engine::{self, Engine};
use crate::http::{self, Answers, Api, Expensive};
use crate::logs::{self, Logs};
use crate::server::accept::{self, Limits};
use crate::server::fair_share::FairShare;
use crate::server::tls::Tls;
use crate::status::{self, StatusReader};
use crate::store::memory::MemoryStore;
use crate::store::ownership::Ownership;
use crate::store::redb::{self, Lock, RedbStore, Writer};
use crate::store::{self, Store};
use crate::telemetry::{Expiry, Exposition, Metrics};

mod descriptors;

/// Threads of each runtime. Control needs one, and a second for when that one decodes a long list.
const THREADS: usize = 2;
/// Steps that are under way when the signal comes may take this long to end. What does not is in doubt, and
/// found by the next start.
const FINISH_STEPS: Duration = Duration::from_secs(5);
/// The last lines of the log have this long to reach the disk.
const WRITE_LOG: Duration = Duration::from_secs(1);
/// The end of the runtimes, with whatever still blocks in them; all in all a stop takes less than 8 s.
const RUNTIME_END: Duration = Duration::from_millis(500);

/// A daemon that is ready to run.
pub struct App {
    settings: Settings,
    tls: Tls,
    engine: Arc<dyn Engine>,
    metrics: Arc<Metrics>,
    expiries: Vec<Expiry>,
    listeners: Vec<TcpListener>,
    clock: Clock,
    control: Runtime,
    serving: Runtime,
    client: ClientFiles,
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

/// What a client on this machine presents, for the banner.
struct ClientFiles {
    words: String,
    /// Where the certificates are, and whether they are new.
    note: String,
}

/// Prepares everything. An error here is for the user to mend.
pub fn start(settings: Settings) -> anyhow::Result<App> {
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
    let (files, client) = certificates(&settings)?;
    let identity = Identity::load(&files)?;
    let tls = Tls::new(&identity)?;
    let clock = {
        let _inside = control.enter();
        Clock::start()
    };
    let mut expiries = vec![("server", identity.not_after()), ("ca", identity.authorities_not_after())];
    let engine = engine(&settings, &identity, own_data(&settings, &files), &mut expiries, clock)?;
    let metrics = Arc::new(Metrics::new());
    let engine = Arc::new(engine::MeasuredEngine::new(engine, metrics.clone()));
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

/// The files given, or the set of the data directory, made where there is none yet.
fn certificates(settings: &Settings) -> anyhow::Result<(Files, ClientFiles)> {
    match (&settings.files, &settings.data_dir) {
        (Some(files), _) => {
            let ca = files.ca.display();
            let client = ClientFiles {
                words: format!("--cacert {ca} --cert CLIENT-CERT.pem --key CLIENT-KEY.pem"),
                note: format!(
                    "as given; clients need a certificate signed by {ca}, such as docker-machine's"
                ),
            };
            Ok((files.clone(), client))
        }
        (None, Some(dir)) => {
            let dir = absolute(dir)?.join("certs");
            // For an address that listens on all, the certificate names the machine's own.
            let hosts: Vec<ServerName<'static>> = settings.addresses.iter().map(|a| a.ip().into()).collect();
            let made = generate::ensure(&dir, &hosts)?;
            let shown = made.client();
            let client = ClientFiles {
                words: format!(
                    "--cacert {} --cert {} --key {}",
                    quoted(&shown.ca.display().to_string()),
                    quoted(&shown.cert.display().to_string()),
                    quoted(&shown.key.display().to_string())
                ),
                note: format!(
                    "{} ({})",
                    dir.display(),
                    if made.made_now { "made now" } else { "made earlier" }
                ),
            };
            Ok((made.server(), client))
        }
        (None, None) => bail!("neither certificates nor a data directory to make them in"),
    }
}

fn absolute(dir: &std::path::Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(dir).with_context(|| format!("--data-dir={} is no path", dir.display()))
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// What no submitted object may reach through a volume: the data directory, certificates and keys.
fn own_data(settings: &Settings, files: &Files) -> OwnData {
    let mut paths: Vec<PathBuf> = settings.data_dir.iter().cloned().collect();
    for files in std::iter::once(files).chain(&settings.engine_files) {
        paths.extend([files.ca.clone(), files.cert.clone(), files.key.clone()]);
    }
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    OwnData::of_this_process(paths.into_iter().map(absolute).collect())
}

/// The engine. Where it is spoken to with certificates, their ends are put among the `expiries`.
fn engine(
    settings: &Settings,
    own: &Identity,
    data: OwnData,
    expiries: &mut Vec<Expiry>,
    clock: Clock,
) -> anyhow::Result<Arc<dyn Engine>> {
    let address = match &settings.endpoint {
        Endpoint::Simulated(nodes) => {
            warn!(nodes, "the engine is simulated: no container is really run");
            return Ok(Arc::new(SimulatedEngine::new(*nodes, clock)));
        }
        Endpoint::Unix(path) => Address::Unix(path.clone()),
        Endpoint::Tcp { host, port } => {
            let tls = if settings.allow_plain_engine {
                warn!(endpoint = %settings.endpoint, "speaking plain TCP with the engine: whoever can reach it is root there");
                None
            } else {
                let separate = settings.engine_files.as_ref().map(Identity::load).transpose()?;
                let identity = separate.as_ref().unwrap_or(own);
                expiries.push(("engine_client", identity.not_after()));
                expiries.push(("engine_ca", identity.authorities_not_after()));
                Some(identity.client_config()?)
            };
            Address::Tcp { host: host.clone(), port: *port, tls }
        }
    };
    Ok(Arc::new(DockerEngine::new(Transport::new(address)).protecting(data)))
}

impl App {
    /// Runs until a signal asks to stop, or a part dies.
    pub fn run(self) -> anyhow::Result<()> {
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
        // Before anybody is told that it runs: from then on a signal means an orderly stop.
        let signals = {
            let _inside = control.enter();
            Signals {
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
        greet(&settings, &listeners, &client, &store.durability())?;

        let logs = Logs::new(engine.clone(), sources.clone());
        let descriptors = descriptors::raise_limit();
        let limits = Limits::for_descriptors(descriptors, settings.parallel);
        let log_readers = FairShare::new(logs::at_once(limits.left_of(descriptors, settings.parallel)));
        let long = FairShare::new(http::long_running_requests(limits.connections));
        let exposition = Arc::new(Exposition::new(&metrics, sources.clone(), long.clone(), expiries));
        let answers = Arc::new(Answers::new(&sources));
        let router = http::router(Api {
            answers,
            store,
            sources,
            cache,
            engine,
            feed,
            long,
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
        let loops = Loops { tasks, reporter, writer };
        let result = control.block_on(supervise(signals, loops, server, stop));
        serving.shutdown_timeout(RUNTIME_END);
        control.shutdown_timeout(RUNTIME_END);
        result
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// What runs beside the server.
struct Loops {
    tasks: Tasks,
    reporter: JoinHandle<()>,
    writer: Option<Writer>,
}

/// Watches the loops and the signals.
async fn supervise(
    mut signals: Signals,
    loops: Loops,
    mut server: JoinHandle<Result<(), accept::ServeError>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Loops { mut tasks, mut reporter, writer } = loops;
    // It stops last: what the others still do stands in its log.
    let all_done = CancellationToken::new();
    let writer_end = all_done.clone();
    let mut writer = tokio::spawn(async move {
        match writer {
            Some(writer) => writer.run(writer_end).await,
            None => writer_end.cancelled().await,
        }
    });
    tokio::select! {
        _ = signals.terminate.recv() => info!("SIGTERM: stopping; a second one ends at once"),
        _ = signals.interrupt.recv() => info!("SIGINT: stopping; a second one ends at once"),
        ended = tasks.watch() => return Err(ended.into()),
        ended = &mut reporter => match ended {
            Ok(()) => bail!("the reporter of the status ended"),
            Err(error) => bail!("the reporter of the status died: {error}"),
        },
        ended = &mut writer => match ended {
            Ok(()) => bail!("the writer of the state ended"),
            Err(error) => bail!("the writer of the state died: {error}"),
        },
        ended = &mut server => return Err(match ended {
            Ok(Ok(())) => anyhow!("the server ended"),
            Ok(Err(error)) => error.into(),
            Err(error) => anyhow!("the server died: {error}"),
        }),
    }
    stop.cancel();
    let orderly = async {
        let steps = timeout(FINISH_STEPS, tasks.finish_steps()).await;
        if steps.is_err() {
            warn!(
                "steps were still under way after {}: the next start finds what became of them",
                humantime::format_duration(FINISH_STEPS)
            );
        }
        let served = server.await;
        all_done.cancel();
        if timeout(WRITE_LOG, &mut writer).await.is_err() {
            warn!("the end of the log could not be written in time");
        }
        served
    };
    tokio::select! {
        ended = orderly => ended.context("the server died while stopping")?.context("the server failed while stopping")?,
        _ = signals.terminate.recv() => bail!("a second SIGTERM: ended at once"),
        _ = signals.interrupt.recv() => bail!("a second SIGINT: ended at once"),
    }
    reporter.abort();
    info!("stopped");
    Ok(())
}

/// Says where everything is, with a command to paste.
fn greet(
    settings: &Settings,
    listeners: &[TcpListener],
    client: &ClientFiles,
    durability: &str,
) -> anyhow::Result<()> {
    let mut text = format!("swarm-cluster-state-manager {}\n", env!("CARGO_PKG_VERSION"));
    let mut bound: Vec<SocketAddr> = Vec::new();
    for listener in listeners {
        let address = listener.local_addr().context("an address that was bound is not known")?;
        text += &format!("  listening on  https://{address} (mutual TLS)\n");
        bound.push(address);
    }
    let simulated = if matches!(settings.endpoint, Endpoint::Simulated(_)) {
        " (SIMULATED: no container is really run)"
    } else {
        ""
    };
    text += &format!("  engine        {}{simulated}\n", settings.endpoint);
    text += &format!("  certificates  {}\n", client.note);
    text += &format!("  state         {durability}\n");
    if let Some(first) = bound.first() {
        let host = if first.ip().is_unspecified() {
            format!("127.0.0.1:{}", first.port())
        } else {
            first.to_string()
        };
        text += &format!(
            "\nTry it:\n  curl https://{host}/submit {words} -d '{{\"Name\": \"nginx\", \"Image\": \"nginx:1.9.6\", \"Count\": 5}}'\n  \
             curl https://{host}/status {words}\n",
            words = client.words
        );
    }
    let mut stdout = std::io::stdout().lock();
    // Nobody has to be listening there.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    Ok(())
}
