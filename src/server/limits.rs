//! The server's bounds in one place, each with its unit and its reason. Tests put milliseconds in.

use std::num::NonZeroU32;
use std::time::Duration;

/// Connections of clients that have shown a certificate, at once. Half of the usual limit of 1024 descriptors, so that
/// however many clients come, the calls to the engine and the store still get theirs. One identity may have half of
/// what the others leave.
pub const CONNECTIONS: usize = 512;
/// Connections at once of one address (of one /64 in IPv6): half of all, so that no single machine locks the
/// others out, and so many because behind a proxy or NAT all clients have one address.
pub const CONNECTIONS_PER_ADDRESS: usize = 256;
/// Connections at once whose client has not shown a certificate yet, beside [`CONNECTIONS`]: a quarter of the usual
/// limit of descriptors. The oldest gives way to a new one.
pub const HANDSHAKES: usize = 256;
/// Of these of one address (of one /64 in IPv6): half of all, so that a burst of clients behind one proxy gets through
/// and no machine alone drops the handshakes of others.
pub const HANDSHAKES_PER_ADDRESS: usize = 128;
/// Handshakes of one address that may fail, a second and at once. Each costs about a millisecond of a processor: a
/// burst a fifth of a second, a flood a fiftieth of a core. Handshakes that succeed do not count.
pub const FAILED_HANDSHAKES_PER_ADDRESS: (u32, u32) = (20, 200);
/// Handshakes that may fail in all, a second and at once, before addresses wait that have no connection with a
/// certificate: a tenth of a core.
pub const FAILED_HANDSHAKES: (u32, u32) = (100, 400);
/// Descriptors that no client gets: standard streams, listeners, two runtimes, the state's files and signals take
/// some twenty, the observer two connections to the engine. Each engine call at once (`--parallel`) takes one more.
pub const RESERVED_DESCRIPTORS: usize = 32;
/// Clients that are served however few descriptors there are.
const FEWEST: usize = 4;
/// From connecting to the end of the handshake. A handshake is two round trips; ten seconds forgive a satellite.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the first byte of a request to the end of its head, and from the handshake to the end of the first one.
pub const HEAD: Duration = Duration::from_secs(10);
/// Without any request on a connection that has had one.
pub const IDLE: Duration = Duration::from_secs(60);
/// From the end of the head to the end of the body: a body of 1 MiB at 35 kB/s.
pub const BODY: Duration = Duration::from_secs(30);
/// From a request to the head of its answer, reading the body apart. A handler that is asked to wait says so
/// through [`AnswerDeadline`](crate::server::connection::AnswerDeadline).
pub const HANDLER: Duration = Duration::from_secs(30);
/// Without the client taking a single byte of an answer that is ready for it.
pub const STALL: Duration = Duration::from_secs(30);
/// After this time of silence keep-alive probes are sent. Without a reply for as long again the connection is closed, and
/// its permits are returned.
pub const VANISHED: Duration = Duration::from_secs(30);
/// After an answer that ends the connection while the client still sends: so long is read and thrown away, since
/// closing at once would reset the connection and destroy the answer on its way.
pub const LINGER: Duration = Duration::from_secs(2);
/// From the stop signal to the end of the last connection. Below the eight seconds that the process has.
pub const DRAIN: Duration = Duration::from_secs(5);
/// Requests a second of one identity: a hundred scripts that poll twice a second.
pub const REQUESTS_PER_SECOND: NonZeroU32 = at_least_one(200);
/// Requests of one identity at once, before the rate counts.
pub const REQUEST_BURST: NonZeroU32 = at_least_one(400);

/// What a client may take up, in time and in number. The defaults are the constants of this module.
#[derive(Debug, Clone)]
pub struct Limits {
    /// See [`CONNECTIONS`].
    pub connections: usize,
    /// See [`CONNECTIONS_PER_ADDRESS`].
    pub connections_per_address: usize,
    /// See [`HANDSHAKES`].
    pub handshakes: usize,
    /// See [`HANDSHAKES_PER_ADDRESS`].
    pub handshakes_per_address: usize,
    /// See [`FAILED_HANDSHAKES_PER_ADDRESS`].
    pub failed_handshakes_per_address: (u32, u32),
    /// See [`FAILED_HANDSHAKES`].
    pub failed_handshakes: (u32, u32),
    /// See [`HANDSHAKE`].
    pub handshake: Duration,
    /// See [`HEAD`].
    pub head: Duration,
    /// See [`IDLE`].
    pub idle: Duration,
    /// See [`BODY`].
    pub body: Duration,
    /// See [`HANDLER`].
    pub handler: Duration,
    /// See [`STALL`].
    pub stall: Duration,
    /// See [`VANISHED`].
    pub vanished: Duration,
    /// See [`LINGER`].
    pub linger: Duration,
    /// See [`DRAIN`].
    pub drain: Duration,
    /// See [`REQUESTS_PER_SECOND`].
    pub requests_per_second: NonZeroU32,
    /// See [`REQUEST_BURST`].
    pub request_burst: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: CONNECTIONS,
            connections_per_address: CONNECTIONS_PER_ADDRESS,
            handshakes: HANDSHAKES,
            handshakes_per_address: HANDSHAKES_PER_ADDRESS,
            failed_handshakes_per_address: FAILED_HANDSHAKES_PER_ADDRESS,
            failed_handshakes: FAILED_HANDSHAKES,
            handshake: HANDSHAKE,
            head: HEAD,
            idle: IDLE,
            body: BODY,
            handler: HANDLER,
            stall: STALL,
            vanished: VANISHED,
            linger: LINGER,
            drain: DRAIN,
            requests_per_second: REQUESTS_PER_SECOND,
            request_burst: REQUEST_BURST,
        }
    }
}

impl Limits {
    /// The defaults, or fewer connections where the process may have only so many open files: a third of what is left
    /// for clients goes to handshakes, the rest to those who have shown a certificate.
    pub fn for_descriptors(descriptors: usize, engine_calls: usize) -> Limits {
        let for_clients = descriptors.saturating_sub(RESERVED_DESCRIPTORS + engine_calls);
        let handshakes = (for_clients / 3).clamp(FEWEST, HANDSHAKES);
        let connections = for_clients.saturating_sub(handshakes).clamp(FEWEST, CONNECTIONS);
        Limits {
            connections,
            connections_per_address: connections.div_ceil(2),
            handshakes,
            handshakes_per_address: handshakes.div_ceil(2),
            ..Limits::default()
        }
    }

    /// How many of these open files are left beside clients and engine calls.
    pub fn left_of(&self, descriptors: usize, engine_calls: usize) -> usize {
        descriptors.saturating_sub(self.connections + self.handshakes + RESERVED_DESCRIPTORS + engine_calls)
    }
}

const fn at_least_one(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(descriptors: usize) -> [usize; 4] {
        let Limits { connections, connections_per_address, handshakes, handshakes_per_address, .. } =
            Limits::for_descriptors(descriptors, 8);
        [connections, connections_per_address, handshakes, handshakes_per_address]
    }

    #[test]
    fn connections_follow_the_limit_of_open_files() {
        assert_eq!(shares(1 << 20), [512, 256, 256, 128]);
        assert_eq!(shares(1024), [512, 256, 256, 128]);
        assert_eq!(shares(256), [144, 72, 72, 36]);
        assert_eq!(shares(64), [16, 8, 8, 4]);
        assert_eq!(shares(0), [4, 2, 4, 2]);
        for descriptors in 60..2048 {
            let [connections, _, handshakes, _] = shares(descriptors);
            assert!(connections + handshakes + RESERVED_DESCRIPTORS + 8 <= descriptors, "{descriptors}");
        }
    }
}
