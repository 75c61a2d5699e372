//! `healthcheck`: requests `/healthz` of a daemon, from within its container.
//!
//! The container has the daemon's files and no client certificate. So the check presents the daemon's own certificate and
//! accepts only the same certificate from the server; names and addresses in it do not matter.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::exit::fail;
use super::flags::{TlsFlags, address, default_data_dir};
use crate::certificates::{Files, Identity};

/// The deadline of each step.
const DEADLINE: Duration = Duration::from_secs(5);
/// The largest answer; one line is usual.
const ANSWER_MAX_BYTES: u64 = 64 * 1024;

/// Flags of `healthcheck`.
#[derive(Debug, Args)]
pub(super) struct HealthcheckFlags {
    /// The address where the daemon listens. If there are several, the first is used.
    #[arg(long, env = "SCSM_ADDR", value_name = "IP:PORT", value_delimiter = ',', value_parser = address, default_value = "127.0.0.1:3476")]
    addr: Vec<SocketAddr>,
    #[command(flatten)]
    tls: TlsFlags,
    /// The daemon's data directory, with its generated certificates. [default: that of the daemon]
    #[arg(long, env = "SCSM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(super) fn run(flags: &HealthcheckFlags) -> ExitCode {
    let files = match files(flags) {
        Ok(files) => files,
        Err(message) => return fail(2, &message),
    };
    let Some(address) = flags.addr.first().copied().map(reachable) else {
        return fail(2, "--addr is empty");
    };
    match ask(address, &files) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => ExitCode::SUCCESS,
        Ok(answer) => fail(1, &format!("the daemon at {address} is unhealthy: {}", answer.trim_end())),
        Err(error) => fail(1, &format!("the daemon at {address} does not answer: {error:#}")),
    }
}

/// The given files, or those that the daemon generated.
fn files(flags: &HealthcheckFlags) -> Result<Files, String> {
    if let Some(files) = flags.tls.files()? {
        return Ok(files);
    }
    let certs = flags.data_dir.clone().map_or_else(default_data_dir, Ok)?.join("certs");
    Ok(Files { ca: certs.join("ca.pem"), cert: certs.join("server.pem"), key: certs.join("server-key.pem") })
}

/// The address to connect to for one that listens on all interfaces.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

/// Returns the whole answer, beginning with the status line.
fn ask(address: SocketAddr, files: &Files) -> anyhow::Result<String> {
    let config = Identity::load(files)?.pinned_client_config()?;
    let socket = TcpStream::connect_timeout(&address, DEADLINE)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    let connection = ClientConnection::new(config, ServerName::from(address.ip()))?;
    let mut stream = StreamOwned::new(connection, socket);
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    // The server may close the connection without a TLS goodbye.
    match stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
