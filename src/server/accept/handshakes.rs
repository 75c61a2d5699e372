//! Handshakes under way. They have their own limits, so that clients without a certificate take nothing from those with
//! one.
//!
//! A new handshake is always accepted. If a limit is reached, in all or for an address, the oldest handshake is dropped: a
//! regular one takes a few round trips, so the oldest is silent or slow. If the limit in all is reached, it is the oldest
//! of the address with the most handshakes.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::server::accept::connection_limits::neighbourhood;
use crate::server::limits::Limits;

pub(super) struct Handshakes {
    limit: usize,
    per_address: usize,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    next: u64,
    /// By age, oldest first.
    by_age: BTreeMap<u64, (IpAddr, CancellationToken)>,
    per_address: HashMap<IpAddr, usize>,
}

impl Handshakes {
    pub(super) fn new(limits: &Limits) -> Arc<Handshakes> {
        Arc::new(Handshakes {
            limit: limits.handshakes,
            per_address: limits.handshakes_per_address,
            pending: Mutex::default(),
        })
    }

    /// Registers a new connection, in place of the oldest one if there is no room.
    pub(super) fn begin(self: &Arc<Self>, ip: IpAddr) -> Handshake {
        let ip = neighbourhood(ip);
        let mut pending = self.pending();
        if pending.per_address.get(&ip).copied().unwrap_or(0) >= self.per_address {
            pending.evict_oldest_of(ip);
        } else if pending.by_age.len() >= self.limit
            && let Some(crowded) = pending.most_crowded()
        {
            pending.evict_oldest_of(crowded);
        }
        let id = pending.next;
        pending.next += 1;
        let evicted = CancellationToken::new();
        pending.by_age.insert(id, (ip, evicted.clone()));
        *pending.per_address.entry(ip).or_default() += 1;
        Handshake { all: self.clone(), id, evicted }
    }

    /// Drops the oldest to free a descriptor. False if no handshake is under way.
    pub(super) fn evict_one(&self) -> bool {
        let mut pending = self.pending();
        match pending.most_crowded() {
            Some(crowded) => {
                pending.evict_oldest_of(crowded);
                true
            }
            None => false,
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn evict_oldest_of(&mut self, address: IpAddr) {
        let oldest = self.by_age.iter().find(|(_, (ip, _))| *ip == address).map(|(id, _)| *id);
        if let Some(evicted) = oldest.and_then(|id| self.remove(id)) {
            evicted.cancel();
        }
    }

    /// The address with the most handshakes; among equals, the one with the oldest.
    fn most_crowded(&self) -> Option<IpAddr> {
        let most = self.per_address.values().max()?;
        let crowded = |ip: &IpAddr| self.per_address.get(ip) == Some(most);
        self.by_age.values().map(|(ip, _)| *ip).find(crowded)
    }

    fn remove(&mut self, id: u64) -> Option<CancellationToken> {
        let (ip, evicted) = self.by_age.remove(&id)?;
        match self.per_address.get_mut(&ip) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.per_address.remove(&ip)),
        }
        Some(evicted)
    }
}

/// A connection that is not authenticated yet. Dropping it makes room for another one.
pub(super) struct Handshake {
    all: Arc<Handshakes>,
    id: u64,
    evicted: CancellationToken,
}

impl Handshake {
    /// Completes when a newer connection displaces this one.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.all.pending().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshakes(limit: usize, per_address: usize) -> Arc<Handshakes> {
        let limits = Limits { handshakes: limit, handshakes_per_address: per_address, ..Limits::default() };
        Handshakes::new(&limits)
    }

    fn ip(host: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, host])
    }

    fn evicted(all: &[Handshake]) -> Vec<bool> {
        all.iter().map(|one| one.evicted.is_cancelled()).collect()
    }

    #[test]
    fn an_address_at_its_limit_evicts_its_own_oldest_handshake() {
        let handshakes = handshakes(10, 2);
        let all = [1, 2, 1, 1].map(|host| handshakes.begin(ip(host)));
        assert_eq!(evicted(&all), [true, false, false, false]);
    }

    #[test]
    fn at_the_total_limit_the_most_crowded_address_is_evicted_from() {
        let handshakes = handshakes(4, 3);
        let all = [9, 1, 1, 2, 3].map(|host| handshakes.begin(ip(host)));
        assert_eq!(evicted(&all), [false, true, false, false, false]);
    }

    #[test]
    fn of_many_addresses_with_one_handshake_each_the_oldest_is_evicted() {
        let handshakes = handshakes(100, 10);
        let all: Vec<Handshake> = (0..=255).map(|host| handshakes.begin(ip(host))).collect();
        assert_eq!(evicted(&all).iter().filter(|evicted| !**evicted).count(), 100);
        assert!(!all.last().unwrap().evicted.is_cancelled(), "the newest is never evicted");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let handshakes = handshakes(100, 2);
        let all: Vec<Handshake> =
            (1..=5).map(|host| handshakes.begin(format!("2001:db8::{host}").parse().unwrap())).collect();
        assert_eq!(evicted(&all), [true, true, true, false, false]);
    }

    #[test]
    fn completed_handshakes_are_forgotten() {
        let handshakes = handshakes(10, 2);
        drop((0..50).map(|host| handshakes.begin(ip(host % 3))).collect::<Vec<_>>());
        let pending = handshakes.pending();
        assert!(pending.by_age.is_empty() && pending.per_address.is_empty());
    }
}
