//! The address of a daemon: a host and a port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::uri::Authority;
use rustls::pki_types::ServerName;

/// The default port of the daemon.
const DEFAULT_PORT: u16 = 3476;

/// A host by name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name, or an address without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl FromStr for Address {
    type Err = String;

    /// Parses `HOST`, `HOST:PORT` or `https://HOST:PORT`. An unspecified address, as in the daemon's own flag, means this
    /// machine.
    fn from_str(text: &str) -> Result<Address, String> {
        let wanted = || {
            format!(
                "expected HOST:PORT or https://HOST:PORT, such as localhost:{DEFAULT_PORT}; the port is optional"
            )
        };
        if text.starts_with("http://") {
            return Err("the daemon speaks HTTPS only: use https:// or omit the scheme".to_owned());
        }
        let place = text.strip_prefix("https://").unwrap_or(text);
        let place = place.strip_suffix('/').unwrap_or(place);
        // As in Go programs, `:3476` means this machine.
        let place = if place.starts_with(':') { format!("localhost{place}") } else { place.to_owned() };
        let authority: Authority =
            Some(place).filter(|p| !p.contains('@')).and_then(|p| p.parse().ok()).ok_or_else(wanted)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = match (authority.port(), authority.as_str() == authority.host()) {
            (Some(port), _) if port.as_u16() > 0 => port.as_u16(),
            (None, true) => DEFAULT_PORT,
            _ => return Err(wanted()),
        };
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.to_string(),
            _ => host.to_owned(),
        };
        // The daemon's certificate must contain it.
        match ServerName::try_from(host.as_str()) {
            Ok(_) => Ok(Address { host, port }),
            Err(_) => Err(wanted()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_in_all_usual_forms() {
        for (given, meant) in [
            ("127.0.0.1:3476", "127.0.0.1:3476"),
            ("manager.example:4000", "manager.example:4000"),
            ("https://manager.example:4000/", "manager.example:4000"),
            ("https://manager.example", "manager.example:3476"),
            ("manager", "manager:3476"),
            ("0.0.0.0:3476", "127.0.0.1:3476"),
            ("[::]:3476", "[::1]:3476"),
            ("[2001:db8::1]:99", "[2001:db8::1]:99"),
            (":3477", "localhost:3477"),
        ] {
            assert_eq!(given.parse::<Address>().unwrap().to_string(), meant, "{given}");
        }
        for bad in [
            "",
            ":",
            "host:",
            "host:0",
            "host:99999",
            "http://host:1",
            "host:1/path",
            "user@host:1",
            "two words:1",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad} was taken");
        }
    }
}
