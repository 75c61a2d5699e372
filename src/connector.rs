//! Connections to HTTP servers: to the engine, and from the subcommands to a daemon.
//!
//! A connection leads over a Unix socket, or over TCP with or without TLS. Name lookup, connect and handshake share one
//! deadline; an answer may have a bound in bytes. The TLS configuration is requested for each connection, so the files of
//! certificates are the caller's business.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::DuplexStream;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

mod wire;

pub(crate) use wire::Wire;

/// Idle connections of a pool are closed after this, before the daemon closes them.
const IDLE: Duration = Duration::from_secs(30);

/// Where connections lead.
#[derive(Clone)]
pub enum Target {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP; with TLS where there is a configuration.
    Tcp {
        /// Host name, or address without brackets. With TLS, the certificate of the server must be for it.
        host: String,
        /// Port.
        port: u16,
        /// The trusted CA and our certificate.
        tls: Option<Tls>,
    },
    /// A server within this process, for tests of a whole client on a paused clock, where sockets cannot be awaited.
    /// Each call is a connect; an error is a refused connection.
    Within(Arc<dyn Fn() -> io::Result<DuplexStream> + Send + Sync>),
}

/// Returns the TLS configuration for the next connection: it may be another one when certificates were replaced.
#[derive(Clone)]
pub struct Tls(Arc<dyn Fn() -> Arc<ClientConfig> + Send + Sync>);

impl Tls {
    /// Asks for the configuration at each connect.
    pub(crate) fn new(current: impl Fn() -> Arc<ClientConfig> + Send + Sync + 'static) -> Tls {
        Tls(Arc::new(current))
    }
}

impl From<Arc<ClientConfig>> for Tls {
    /// The same configuration for all connections.
    fn from(config: Arc<ClientConfig>) -> Tls {
        Tls::new(move || config.clone())
    }
}

/// Opens connections to one server.
#[derive(Clone)]
pub(crate) struct Connector {
    target: Target,
    deadline: Duration,
    answer_max_bytes: u64,
}

impl Connector {
    /// Connections to `target`. `deadline` is for name lookup, connect and TLS handshake together.
    pub(crate) fn new(target: Target, deadline: Duration) -> Connector {
        Connector { target, deadline, answer_max_bytes: u64::MAX }
    }

    /// Fails a connection whose answer is longer than this.
    #[must_use]
    pub(crate) fn with_answers_up_to(self, answer_max_bytes: u64) -> Connector {
        Connector { answer_max_bytes, ..self }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> io::Result<TokioIo<Wire>> {
        timeout(self.deadline, self.open()).await.unwrap_or_else(|_| {
            let within = humantime::format_duration(self.deadline);
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {within}")))
        })
    }

    async fn open(&self) -> io::Result<TokioIo<Wire>> {
        let max = self.answer_max_bytes;
        let wire = match &self.target {
            Target::Unix(path) => Wire::new(UnixStream::connect(path).await?, max),
            Target::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                match tls {
                    None => Wire::new(stream, max),
                    Some(Tls(current)) => {
                        // The zone of a link-local address, as in fe80::1%2, is only for the connect.
                        let name = host.split('%').next().unwrap_or(host).to_owned();
                        let name = ServerName::try_from(name)
                            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                        Wire::new(TlsConnector::from(current()).connect(name, stream).await?, max)
                    }
                }
            }
            Target::Within(connect) => Wire::new(connect()?, max),
        };
        Ok(TokioIo::new(wire))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect().await })
    }
}

/// Builds pools of HTTP/1.1 connections.
pub(crate) fn pools() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
    builder
}

/// The innermost error, which is the cause: the errors around it only say that a request failed.
pub fn cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

#[cfg(test)]
mod tests;
