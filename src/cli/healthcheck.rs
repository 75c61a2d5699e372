//! `healthcheck`: requests `/healthz` of a daemon, from within its container.
//!
//! The container has the daemon's files and no client certificate. So the check presents the daemon's own certificate and
//! accepts only the same certificate from the server; names and addresses in it do not matter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use clap::Args;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use tokio::time::timeout;

use super::exit::fail;
use super::flags::{TlsFlags, address, default_data_dir};
use super::runtime::block_on;
use crate::certificates::{Files, Identity};
use crate::connector::{Connector, Target};

/// The deadline of each step.
const DEADLINE: Duration = Duration::from_secs(5);
/// The largest answer; one line is usual.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

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
    let identity = match Identity::load(&files) {
        Ok(identity) => identity,
        Err(error) => {
            let advice = "give the daemon's --data-dir, or its --tlscacert, --tlscert and --tlskey";
            return fail(1, &format!("no certificates for the health check: {error}; {advice}"));
        }
    };
    match block_on(ask(address, &identity)) {
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
async fn ask(address: SocketAddr, identity: &Identity) -> anyhow::Result<String> {
    let tls = Some(identity.pinned_client_config()?.into());
    let host = match address {
        SocketAddr::V6(ip) if ip.scope_id() > 0 => format!("{}%{}", ip.ip(), ip.scope_id()),
        address => address.ip().to_string(),
    };
    let target = Target::Tcp { host, port: address.port(), tls };
    let connection = Connector::new(target, DEADLINE).connect().await?;
    let (mut requests, connection) = http1::handshake(connection).await?;
    tokio::spawn(connection);
    let request = Request::get("/healthz")
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let silent = |_| anyhow!("no answer within {}", humantime::format_duration(DEADLINE));
    let answer = timeout(DEADLINE, requests.send_request(request)).await.map_err(silent)??;
    let (head, body) = answer.into_parts();
    let body = timeout(DEADLINE, Limited::new(body, ANSWER_MAX_BYTES).collect()).await.map_err(silent)?;
    let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
    let mut answer = format!("{:?} {}\r\n", head.version, head.status);
    for (name, value) in &head.headers {
        answer += &format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    Ok(answer + "\r\n" + &String::from_utf8_lossy(&body))
}
