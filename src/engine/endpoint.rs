//! The address of the engine: the value of `--swarm-manager`.

use std::fmt;
use std::str::FromStr;

/// The address of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A socket on this machine.
    Unix(std::path::PathBuf),
    /// `HOST:PORT`, with TLS unless plain TCP is allowed.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A simulated cluster of this many nodes.
    Simulated(u32),
}

/// The most nodes of a simulated cluster.
pub(crate) const MAX_SIMULATED_NODES: u32 = 1_000;

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        let wanted = "expected unix:///PATH, tcp://HOST:PORT or simulated://NODES";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("no scheme in {text:?}: {wanted}"));
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Endpoint::Unix(rest.into())),
            "unix" => Err(format!("{text:?} is not an absolute path: {wanted}")),
            "tcp" => {
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                let (host, port) = rest.rsplit_once(':').ok_or_else(|| {
                    format!("no port in {text:?}: {wanted}; Docker with TLS usually listens on 2376, a Swarm manager on 3376")
                })?;
                let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
                let port = port.parse().ok().filter(|p| *p > 0);
                match (host, port) {
                    ("", _) => Err(format!("no host in {text:?}: {wanted}")),
                    (_, None) => Err(format!("no valid port in {text:?}: {wanted}")),
                    (host, Some(port)) => Ok(Endpoint::Tcp { host: host.to_owned(), port }),
                }
            }
            "simulated" => rest
                .parse()
                .ok()
                .filter(|n| (1..=MAX_SIMULATED_NODES).contains(n))
                .map(Endpoint::Simulated)
                .ok_or_else(|| {
                    format!("no number of nodes from 1 to {MAX_SIMULATED_NODES} in {text:?}: {wanted}")
                }),
            other => Err(format!("unknown scheme {other:?}: {wanted}")),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Endpoint::Simulated(nodes) => write!(f, "simulated://{nodes}"),
        }
    }
}
