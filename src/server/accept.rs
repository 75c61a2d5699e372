//! The accept loop: from listening sockets to connections, each in a task of its own.
//!
//! [`serve`] owns one loop per listener and one task per connection, and returns when all of them have ended. A loop
//! accepts, counts and spawns; the handshake runs in the connection's own task, so that a silent or slow client does not
//! delay others. The stop signal ends the loops first, which closes the listeners, and then each connection after its
//! present response.
//!
//! Until its client has shown a certificate, a connection counts among the `handshakes`, of which a new one replaces the
//! oldest. After that it counts among the connections, of which each address has its share (`connection_limits`) and each
//! identity ([`FairShare`]). So clients without a certificate take nothing from those with one.
//!
//! A loop does not end before the stop signal, whatever `accept` returns; it does not wait for a client, and it does not
//! spin. Every connection is counted, and none outlives [`serve`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use self::connection_limits::{ConnectionLimits, Share};
use self::handshake::{HandshakeRefusal, handshake};
use self::handshake_rate::HandshakeRate;
use self::handshakes::{Handshake, Handshakes};
use super::fair_share::{FairShare, NoPermit, Permit};
use super::limits::Limits;
use super::peer::Peer;
use super::request_check::ServedNames;
use super::throttle::Throttle;
use crate::server::connection::{ConnectionProgress, Shared, serve_connection};
use crate::server::tls::Tls;
use crate::telemetry::Metrics;

mod bind;
mod connection_limits;
mod handshake;
mod handshake_rate;
mod handshakes;

pub(crate) use bind::bind;

/// The first wait after `accept` failed for lack of resources.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest wait, after which a freed descriptor is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// At most one log line per kind of problem and period.
const LOG_PERIOD: Duration = Duration::from_secs(10);
/// How often the rate limiter drops idle identities.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// For the last tasks to end after their connections were dropped; they only need one poll.
const CUT_GRACE: Duration = Duration::from_millis(250);

/// The server stopped without a stop signal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// An accept loop ended, which only a panic can cause.
    #[error("an accept loop of the HTTPS server ended unexpectedly: {0}")]
    LoopEnded(String),
}

/// Serves `router` on `listeners` until `shutdown`, then lets requests in flight finish, for `limits.drain` at
/// the most, and returns when no connection is left.
///
/// Each new connection uses the current value of `tls`. Each request has an `Arc<Peer>` and an
/// [`AnswerDeadline`](crate::server::connection::AnswerDeadline) among its extensions.
pub(crate) async fn serve(
    listeners: Vec<TcpListener>,
    tls: Arc<ArcSwap<Tls>>,
    router: Router,
    limits: Limits,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    metrics.connections_limit.set(i64::try_from(limits.connections).unwrap_or(i64::MAX));
    let throttle = Throttle::new(LOG_PERIOD);
    let server = Arc::new(Server {
        tls,
        slots: ConnectionLimits::new(&limits),
        permits: FairShare::new(limits.connections),
        handshakes: Handshakes::new(&limits),
        rate: HandshakeRate::new(&limits),
        shared: Arc::new(Shared::new(router, limits, shutdown.clone(), throttle, metrics)),
        connections: TaskTracker::new(),
        cut: CancellationToken::new(),
    });
    let mut loops = JoinSet::new();
    for listener in listeners {
        loops.spawn(accept_loop(listener, server.clone()));
    }
    let result = watch(&mut loops, &server, &shutdown).await;
    // The listeners close here, before the wait for connections.
    loops.shutdown().await;
    server.shared.stop.cancel();
    server.drain().await;
    result
}

struct Server {
    tls: Arc<ArcSwap<Tls>>,
    slots: Arc<ConnectionLimits>,
    permits: Arc<FairShare>,
    handshakes: Arc<Handshakes>,
    rate: Arc<HandshakeRate>,
    shared: Arc<Shared>,
    connections: TaskTracker,
    /// After the drain time, connections are dropped in any state.
    cut: CancellationToken,
}

impl Server {
    async fn drain(&self) {
        let limit = self.shared.limits.drain;
        self.connections.close();
        if timeout(limit, self.connections.wait()).await.is_err() {
            let left = self.connections.len();
            warn!(
                left,
                "closing connections that are still busy {} after the stop signal",
                humantime::format_duration(limit)
            );
            self.cut.cancel();
            if timeout(CUT_GRACE, self.connections.wait()).await.is_err() {
                warn!(
                    left = self.connections.len(),
                    "connections did not close: a handler blocks its thread"
                );
            }
        }
    }
}

/// Waits for the stop signal and runs periodic cleanup. An accept loop that ends earlier is an error.
async fn watch(
    loops: &mut JoinSet<()>,
    server: &Server,
    shutdown: &CancellationToken,
) -> Result<(), ServeError> {
    let mut housekeeping = interval(HOUSEKEEPING);
    housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            Some(ended) = loops.join_next() => {
                // The signal may have ended it at this moment.
                if shutdown.is_cancelled() {
                    return Ok(());
                }
                return Err(ServeError::LoopEnded(match ended {
                    Ok(()) => "it returned".to_owned(),
                    Err(e) => e.to_string(),
                }));
            }
            _ = housekeeping.tick() => server.shared.forget_quiet_identities(),
        }
    }
}

async fn accept_loop(listener: TcpListener, server: Arc<Server>) {
    let stop = server.shared.stop.clone();
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, address)) => {
                pause = FIRST_PAUSE;
                admit(tcp, address, &server);
            }
            Err(e) if concerns_one_client(&e) => {
                debug!("a client closed its connection before it was accepted: {e}")
            }
            Err(e) => {
                if let Some(more) = server.shared.throttle.pass("accept") {
                    warn!(
                        more,
                        "cannot accept connections ({e}); retrying. If files are the limit, raise it (ulimit -n)"
                    );
                }
                // Its descriptor will be free shortly.
                server.handshakes.evict_one();
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// These errors concern one connection that is already gone. All others (out of descriptors, buffers or memory) would
/// only repeat at once.
fn concerns_one_client(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};
    matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut)
}

/// Counts the connection among the handshakes and starts its task; closes it at once if its address has reached its
/// limit.
fn admit(tcp: TcpStream, address: SocketAddr, server: &Arc<Server>) {
    if server.slots.full(address.ip()) {
        refuse(
            server,
            "share",
            address,
            &format!("its address has {} connections already", server.shared.limits.connections_per_address),
        );
        return;
    }
    let pending = server.handshakes.begin(address.ip());
    server.connections.spawn(connection(tcp, address, server.clone(), pending));
}

fn refuse(server: &Server, kind: &'static str, address: SocketAddr, reason: &str) {
    server.shared.metrics.connection_refused(kind);
    server.shared.throttle.log(kind, address, "client refused", reason);
}

async fn connection(tcp: TcpStream, address: SocketAddr, server: Arc<Server>, pending: Handshake) {
    let open = server.shared.metrics.connection();
    tokio::select! {
        biased;
        () = server.cut.cancelled() => {}
        () = converse(tcp, address, &server, pending) => {}
    }
    drop(open);
}

async fn converse(tcp: TcpStream, address: SocketAddr, server: &Server, pending: Handshake) {
    // Responses are written completely; delaying them for a fuller packet only costs time.
    if let Err(e) = tcp.set_nodelay(true) {
        debug!(peer = %address, "TCP_NODELAY: {e}");
    }
    if let Err(e) = notice_vanished(&tcp, &server.shared.limits) {
        debug!(peer = %address, "the kernel's own timeout applies to a client that vanishes: {e}");
    }
    let progress = ConnectionProgress::new();
    let greeted = tokio::select! {
        biased;
        () = server.shared.stop.cancelled() => return,
        () = pending.evicted() => Err(HandshakeRefusal::crowded()),
        greeted = greet(tcp, address, progress.clone(), server) => greeted,
    };
    match greeted {
        Ok((stream, peer, names, places)) => {
            drop(pending);
            serve_connection(stream, Arc::new(peer), names, progress, &server.shared).await;
            drop(places);
        }
        // It counts as a handshake until the client has read the reason.
        Err(refusal) => tokio::select! {
            () = refusal.settle(address, &server.shared) => {}
            () = pending.evicted() => {}
        },
    }
}

/// Performs the handshake, and takes the client's permits for a connection.
async fn greet(
    tcp: TcpStream,
    address: SocketAddr,
    progress: Arc<ConnectionProgress>,
    server: &Server,
) -> Result<(handshake::Stream, Peer, ServedNames, (Share, Permit)), HandshakeRefusal> {
    let limits = &server.shared.limits;
    let tls = server.tls.load_full();
    let token = async |tcp: &TcpStream| {
        server.rate.token(address.ip(), server.slots.has_any(address.ip()), tcp).await
    };
    let (stream, peer, token) = handshake(tcp, address, &tls, progress, limits, token).await?;
    // An identity that reconnects all the time also uses up its rate.
    if server.shared.may_connect(&peer.identity) {
        token.give_back();
    }
    let Some(share) = server.slots.share(address.ip()) else {
        let reason = format!("its address has {} connections already", limits.connections_per_address);
        return Err(HandshakeRefusal::new("share", &reason));
    };
    if server.permits.in_use() >= limits.connections
        && let Some(more) = server.shared.throttle.pass("full")
    {
        warn!(more, "all {} connections are in use: new ones wait", limits.connections);
    }
    let permit = match timeout(limits.handshake, server.permits.acquire(&peer.identity)).await {
        Ok(Ok(permit)) => permit,
        Ok(Err(why @ (NoPermit::ShareUsed { .. } | NoPermit::Exhausted { .. }))) => {
            return Err(HandshakeRefusal::new("identity", &format!("too many connections: {why}")));
        }
        Err(_) => return Err(HandshakeRefusal::new("full", "no connection became free in time")),
    };
    Ok((stream, peer, tls.names().clone(), (share, permit)))
}

/// Detects clients that have vanished, such as machines that were turned off: the kernel would keep their connections for a
/// quarter of an hour or forever, with their permits for waits and streams.
///
/// If no data is in flight, as during a wait, the kernel sends keep-alive probes. If data is in flight, it gives up after
/// twice the time after which a client that does not read is cut off, and logged.
fn notice_vanished(tcp: &TcpStream, limits: &Limits) -> rustix::io::Result<()> {
    sockopt::set_tcp_keepidle(tcp, limits.vanished)?;
    sockopt::set_tcp_keepintvl(tcp, limits.vanished / 3)?;
    sockopt::set_tcp_keepcnt(tcp, 3)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(tcp, u32::try_from(2 * limits.stall.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

#[cfg(test)]
mod tests;
