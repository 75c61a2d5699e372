//! Binds all listen addresses before anything else starts.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// The backlog: connections that the kernel queues while the daemon is busy or full. The kernel caps it.
const BACKLOG: u32 = 1024;

/// A listen address that cannot be bound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// Another process listens there.
    #[error(
        "cannot listen on {address}: something else already does. Choose another with --addr or stop what listens there (`ss -ltnp 'sport = :{}'` shows it)",
        address.port()
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// This daemon already listens there, because of an earlier `--addr`.
    #[error(
        "cannot listen on {address}: an earlier --addr, {by}, takes it already. Leave one of the two out"
    )]
    Twice {
        /// The address.
        address: SocketAddr,
        /// The earlier address.
        by: SocketAddr,
    },
    /// No permission for the port.
    #[error(
        "cannot listen on {address}: ports below 1024 are for root. Choose a higher one with --addr, or give the program the capability CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// The address.
        address: SocketAddr,
    },
    /// The machine has no such address.
    #[error(
        "cannot listen on {address}: this machine has no address {}. Use one of its own (`ip addr` shows them), or 0.0.0.0 for all",
        address.ip()
    )]
    NotOurs {
        /// The address.
        address: SocketAddr,
    },
    /// Any other error.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
}

/// Binds all of `addresses`, or none. Call within a tokio runtime.
pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    let mut listeners: Vec<TcpListener> = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let listener = listen(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => match listeners.iter().find_map(|other| covers(other, address)) {
                Some(by) => BindError::Twice { address, by },
                None => BindError::InUse { address },
            },
            io::ErrorKind::PermissionDenied => BindError::Denied { address },
            io::ErrorKind::AddrNotAvailable => BindError::NotOurs { address },
            _ => BindError::Other { address, source },
        })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A daemon must be able to restart at once, while old connections are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The address of `listener`, if it also accepts connections to `address`.
fn covers(listener: &TcpListener, address: SocketAddr) -> Option<SocketAddr> {
    let by = listener.local_addr().ok()?;
    let same_ip = by.ip() == address.ip() || by.ip().is_unspecified() || address.ip().is_unspecified();
    (by.port() == address.port() && same_ip).then_some(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_advice() {
        let [taken] = &bind(&["127.0.0.1:0".parse().unwrap()]).unwrap()[..] else { panic!("one listener") };
        let address = taken.local_addr().unwrap();
        let message = bind(&[address]).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("cannot listen on {address}: something else already does")),
            "{message}"
        );
        assert!(message.contains("--addr"), "{message}");
    }

    #[tokio::test]
    async fn the_same_address_twice_has_its_own_message() {
        let free = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap()[0].local_addr().unwrap();
        let all = SocketAddr::new("0.0.0.0".parse().unwrap(), free.port());
        let message = bind(&[all, free]).unwrap_err().to_string();
        assert!(message.contains(&format!("an earlier --addr, {all}, takes it already")), "{message}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_has_its_own_message() {
        let message = bind(&["192.0.2.1:3476".parse().unwrap()]).unwrap_err().to_string();
        assert!(message.contains("this machine has no address 192.0.2.1"), "{message}");
    }
}
