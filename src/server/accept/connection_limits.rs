//! Counts the authenticated connections of each address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::server::limits::Limits;

pub(super) struct ConnectionLimits {
    per_address: usize,
    /// Connections by address; addresses without one are not in it, so it is never larger than the total.
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl ConnectionLimits {
    pub(super) fn new(limits: &Limits) -> Arc<ConnectionLimits> {
        Arc::new(ConnectionLimits {
            per_address: limits.connections_per_address,
            taken: Mutex::new(HashMap::new()),
        })
    }

    /// Whether the address has reached its share.
    pub(super) fn full(&self, ip: IpAddr) -> bool {
        self.taken().get(&neighbourhood(ip)).is_some_and(|count| *count >= self.per_address)
    }

    /// Whether the address has a connection.
    pub(super) fn has_any(&self, ip: IpAddr) -> bool {
        self.taken().contains_key(&neighbourhood(ip))
    }

    /// Takes one of the address's share without waiting; `None` if all are in use.
    pub(super) fn share(self: &Arc<Self>, ip: IpAddr) -> Option<Share> {
        let ip = neighbourhood(ip);
        let mut taken = self.taken();
        let count = taken.get(&ip).copied().unwrap_or(0);
        if count >= self.per_address {
            return None;
        }
        taken.insert(ip, count + 1);
        Some(Share { slots: self.clone(), ip })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's part of its address's share, returned when dropped.
pub(super) struct Share {
    slots: Arc<ConnectionLimits>,
    ip: IpAddr,
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.slots.taken().entry(self.ip) {
            match *count.get() {
                0 | 1 => drop(count.remove()),
                n => *count.get_mut() = n - 1,
            }
        }
    }
}

/// What counts as one address: a /64 in IPv6, since each machine can choose any address in its own.
pub(super) fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_share_which_is_freed_again() {
        let slots = ConnectionLimits::new(&Limits { connections_per_address: 2, ..Limits::default() });
        let [a, b]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let first = slots.share(a).expect("the first");
        let _second = slots.share(a).expect("the second");
        assert!(slots.share(a).is_none());
        assert!(slots.share(b).is_some(), "another address has its own share");
        drop(first);
        assert!(slots.share(a).is_some());
    }

    #[test]
    fn a_host_cannot_multiply_itself_within_its_ipv6_network() {
        let [a, b, c] =
            ["2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"].map(|ip| neighbourhood(ip.parse().unwrap()));
        assert_eq!(a, b);
        assert_ne!(a, c);
        assert_eq!(
            neighbourhood("::ffff:192.0.2.1".parse().unwrap()),
            "192.0.2.1".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let slots = ConnectionLimits::new(&Limits::default());
        for host in 0..=255 {
            drop(slots.share(IpAddr::from([192, 0, 2, host])));
        }
        assert!(slots.taken().is_empty());
    }
}
