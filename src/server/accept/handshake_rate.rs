//! The rate of failed handshakes, per address and in total.
//!
//! A handshake costs the server a signature and the client nothing: replaying a recorded first message would keep the
//! CPU busy. Each handshake therefore takes a token and returns it if it ends with a valid certificate. An address
//! without tokens waits for the next one, and counts as a handshake meanwhile. When the total runs out of tokens, an
//! address with an authenticated connection continues, and others wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::clock;
use crate::server::accept::connection_limits::neighbourhood;
use crate::server::limits::Limits;

/// Maximum number of addresses with their own bucket; all others share one. At 40 bytes each, that is 160 KiB.
const ADDRESSES: usize = 4096;
/// The shared bucket of all addresses beyond [`ADDRESSES`].
const OTHERS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
/// The interval between attempts to take a token.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

pub(super) struct HandshakeRate {
    address: Quota,
    whole: Quota,
    buckets: Mutex<Buckets>,
}

/// Tokens per second, and the maximum that accumulate.
#[derive(Debug, Clone, Copy)]
struct Quota {
    per_second: f64,
    burst: f64,
}

struct Buckets {
    whole: Bucket,
    addresses: HashMap<IpAddr, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(quota: Quota, now: Instant) -> Bucket {
        Bucket { tokens: quota.burst, at: now }
    }

    fn refill(&mut self, quota: Quota, now: Instant) {
        let earned = now.duration_since(self.at).as_secs_f64() * quota.per_second;
        self.tokens = (self.tokens + earned).min(quota.burst);
        self.at = now;
    }

    fn give_back(&mut self, quota: Quota) {
        self.tokens = (self.tokens + 1.0).min(quota.burst);
    }
}

impl HandshakeRate {
    pub(super) fn new(limits: &Limits) -> Arc<HandshakeRate> {
        let quota = |(per_second, burst): (u32, u32)| Quota {
            per_second: f64::from(per_second),
            burst: f64::from(burst),
        };
        let whole = quota(limits.failed_handshakes);
        Arc::new(HandshakeRate {
            address: quota(limits.failed_handshakes_per_address),
            whole,
            buckets: Mutex::new(Buckets {
                whole: Bucket::full(whole, clock::monotonic()),
                addresses: HashMap::new(),
            }),
        })
    }

    /// Waits for a token for a handshake of `ip`. `known`: the address has an authenticated connection. `None` if the
    /// client disconnects meanwhile.
    pub(super) async fn token(
        self: &Arc<Self>,
        ip: IpAddr,
        known: bool,
        client: &TcpStream,
    ) -> Option<Token> {
        loop {
            if let Some(token) = self.try_token(ip, known) {
                return Some(token);
            }
            sleep(LOOK_AGAIN).await;
            // A client that left with its first message unread takes no token.
            let state = timeout(Duration::ZERO, client.ready(Interest::READABLE)).await;
            if state.is_ok_and(|state| state.is_ok_and(|state| state.is_read_closed())) {
                return None;
            }
        }
    }

    fn try_token(self: &Arc<Self>, ip: IpAddr, known: bool) -> Option<Token> {
        let now = clock::monotonic();
        let mut buckets = self.buckets();
        let Buckets { whole, addresses } = &mut *buckets;
        if addresses.len() >= ADDRESSES {
            addresses.retain(|_, bucket| {
                bucket.refill(self.address, now);
                bucket.tokens < self.address.burst
            });
        }
        let ip =
            Some(neighbourhood(ip)).filter(|ip| addresses.len() < ADDRESSES || addresses.contains_key(ip));
        let ip = ip.unwrap_or(OTHERS);
        let own = addresses.entry(ip).or_insert_with(|| Bucket::full(self.address, now));
        own.refill(self.address, now);
        whole.refill(self.whole, now);
        if own.tokens < 1.0 || (whole.tokens < 1.0 && !known) {
            return None;
        }
        own.tokens -= 1.0;
        whole.tokens = (whole.tokens - 1.0).max(0.0);
        Some(Token { rate: self.clone(), ip })
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token of a handshake.
pub(super) struct Token {
    rate: Arc<HandshakeRate>,
    ip: IpAddr,
}

impl Token {
    /// The handshake succeeded and does not count.
    pub(super) fn give_back(self) {
        let mut buckets = self.rate.buckets();
        buckets.whole.give_back(self.rate.whole);
        if let Some(own) = buckets.addresses.get_mut(&self.ip) {
            own.give_back(self.rate.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> Arc<HandshakeRate> {
        HandshakeRate::new(&Limits {
            failed_handshakes_per_address: (2, 3),
            failed_handshakes: (4, 8),
            ..Limits::default()
        })
    }

    fn ip(host: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, host])
    }

    fn taken(rate: &Arc<HandshakeRate>, ip: IpAddr, known: bool) -> usize {
        std::iter::from_fn(|| rate.try_token(ip, known)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_tokens_for_failures_which_are_refilled_with_time() {
        let rate = rate();
        assert_eq!(taken(&rate, ip(1), false), 3);
        assert_eq!(taken(&rate, ip(2), false), 3, "another address has its own");
        tokio::time::advance(Duration::from_millis(499)).await;
        assert_eq!(taken(&rate, ip(1), false), 0);
        tokio::time::advance(Duration::from_millis(2)).await;
        assert_eq!(taken(&rate, ip(1), false), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_successful_handshake_costs_no_token() {
        let rate = rate();
        for _ in 0..100 {
            rate.try_token(ip(1), false).unwrap().give_back();
        }
        assert_eq!(taken(&rate, ip(1), false), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn when_many_addresses_fail_known_ones_are_not_affected() {
        let rate = rate();
        let all: usize = (1..=100).map(|host| taken(&rate, ip(host), false)).sum();
        assert_eq!(all, 8, "the total is bounded");
        assert_eq!(taken(&rate, ip(200), false), 0);
        assert_eq!(taken(&rate, ip(201), true), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_remembered_addresses_is_bounded() {
        let rate = HandshakeRate::new(&Limits {
            failed_handshakes_per_address: (1, 2),
            failed_handshakes: (1, 100_000),
            ..Limits::default()
        });
        for host in 0..3 * ADDRESSES as u32 {
            rate.try_token(IpAddr::from(host.to_be_bytes()), false);
        }
        assert!(rate.buckets().addresses.len() <= ADDRESSES + 1, "{}", rate.buckets().addresses.len());
        // Addresses with all their tokens are forgotten.
        tokio::time::advance(Duration::from_secs(10)).await;
        rate.try_token(ip(1), false);
        assert_eq!(rate.buckets().addresses.len(), 1);
    }
}
