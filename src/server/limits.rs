//! The server's limits, each with its unit and its reason. Tests use milliseconds.

use std::num::NonZeroU32;
use std::time::Duration;

/// Concurrent connections with a client certificate: half of the usual limit of 1024 descriptors, so that calls to the
/// engine and the store always have some. One identity may use half of what the others leave.
pub(crate) const CONNECTIONS: usize = 512;
/// Concurrent connections per address (per /64 in IPv6): half of all, so that no single machine locks the others out.
/// Not fewer, because all clients behind a proxy or NAT share one address.
pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 256;
/// Concurrent handshakes, in addition to [`CONNECTIONS`]: a quarter of the usual limit of descriptors. A new one replaces
/// the oldest.
pub(crate) const HANDSHAKES: usize = 256;
/// Concurrent handshakes per address (per /64 in IPv6): half of all, so that a burst of clients behind one proxy gets
/// through and no single machine displaces the handshakes of others.
pub(crate) const HANDSHAKES_PER_ADDRESS: usize = 128;
/// Failed handshakes per address: rate per second, and burst. Each costs about 1 ms of CPU, so a burst costs 0.2 s and a
/// flood 2 % of a core. Successful handshakes do not count.
pub(crate) const FAILED_HANDSHAKES_PER_ADDRESS: (u32, u32) = (20, 200);
/// Failed handshakes of all addresses: rate per second, and burst, before addresses without an authenticated connection
/// wait. A tenth of a core.
pub(crate) const FAILED_HANDSHAKES: (u32, u32) = (100, 400);
/// Descriptors reserved for the daemon: about twenty for standard streams, listeners, runtimes, state files and signals,
/// and two for the observer. Each concurrent engine call (`--parallel`) needs one more.
pub(crate) const RESERVED_DESCRIPTORS: usize = 32;
/// The minimum number of clients, however few descriptors there are.
const FEWEST: usize = 4;
/// From the connection to the end of the handshake. A handshake takes two round trips; ten seconds suffice for a
/// satellite link.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the first byte of a request to the end of its head; for the first request, from the handshake.
pub(crate) const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may be idle between requests.
pub(crate) const IDLE: Duration = Duration::from_secs(60);
/// From the end of the head to the end of the body: a body of 1 MiB at 35 kB/s.
pub(crate) const BODY: Duration = Duration::from_secs(30);
/// From a request to the head of its response, without the time to read the body. A handler that waits extends it
/// through [`AnswerDeadline`](crate::server::connection::AnswerDeadline).
pub(crate) const HANDLER: Duration = Duration::from_secs(30);
/// How long a client may take no byte of a response.
pub(crate) const STALL: Duration = Duration::from_secs(30);
/// The kernel sends keep-alive probes after this time of silence, and closes the connection after the same time without
/// a reply, which returns its permits.
pub(crate) const VANISHED: Duration = Duration::from_secs(30);
/// How long to read and discard after a response that ends the connection while the client still sends. Closing at once
/// would reset the connection and destroy the response in flight.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
/// From the stop signal to the end of the last connection; below the eight seconds of the whole shutdown.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
/// Requests per second and identity: a hundred scripts that poll twice a second.
pub(crate) const REQUESTS_PER_SECOND: NonZeroU32 = at_least_one(200);
/// The burst of requests per identity, before the rate applies.
pub(crate) const REQUEST_BURST: NonZeroU32 = at_least_one(400);

/// The limits. The defaults are the constants of this module.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// See [`CONNECTIONS`].
    pub(crate) connections: usize,
    /// See [`CONNECTIONS_PER_ADDRESS`].
    pub(crate) connections_per_address: usize,
    /// See [`HANDSHAKES`].
    pub(crate) handshakes: usize,
    /// See [`HANDSHAKES_PER_ADDRESS`].
    pub(crate) handshakes_per_address: usize,
    /// See [`FAILED_HANDSHAKES_PER_ADDRESS`].
    pub(crate) failed_handshakes_per_address: (u32, u32),
    /// See [`FAILED_HANDSHAKES`].
    pub(crate) failed_handshakes: (u32, u32),
    /// See [`HANDSHAKE`].
    pub(crate) handshake: Duration,
    /// See [`HEAD`].
    pub(crate) head: Duration,
    /// See [`IDLE`].
    pub(crate) idle: Duration,
    /// See [`BODY`].
    pub(crate) body: Duration,
    /// See [`HANDLER`].
    pub(crate) handler: Duration,
    /// See [`STALL`].
    pub(crate) stall: Duration,
    /// See [`VANISHED`].
    pub(crate) vanished: Duration,
    /// See [`LINGER`].
    pub(crate) linger: Duration,
    /// See [`DRAIN`].
    pub(crate) drain: Duration,
    /// See [`REQUESTS_PER_SECOND`].
    pub(crate) requests_per_second: NonZeroU32,
    /// See [`REQUEST_BURST`].
    pub(crate) request_burst: NonZeroU32,
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
    /// The defaults, with fewer connections if the process may open few files: a third of the descriptors left for
    /// clients go to handshakes, the rest to authenticated connections.
    pub(crate) fn for_descriptors(descriptors: usize, engine_calls: usize) -> Limits {
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

    /// How many of these descriptors clients and engine calls leave.
    pub(crate) fn left_of(&self, descriptors: usize, engine_calls: usize) -> usize {
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
