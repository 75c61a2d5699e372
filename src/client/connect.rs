//! Connections to the daemon: name lookup, TCP connect and TLS handshake within one deadline.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Address;
use crate::certificates::{CertificateError, Identity};

/// The deadline for name lookup, TCP connect and TLS handshake; the daemon has the same for a handshake.
const CONNECT: Duration = Duration::from_secs(10);

/// Opens connections to one daemon.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    address: Address,
    tls: Arc<ClientConfig>,
}

impl Connector {
    pub(super) fn new(address: Address, identity: &Identity) -> Result<Connector, CertificateError> {
        Ok(Connector { address, tls: identity.client_config()? })
    }

    async fn connect(self) -> io::Result<Wire> {
        let Address { host, port } = &self.address;
        let name = self.address.server_name().ok_or(io::ErrorKind::InvalidInput)?;
        let tcp = TcpStream::connect((host.as_str(), *port)).await?;
        tcp.set_nodelay(true)?;
        Ok(Wire(TlsConnector::from(self.tls).connect(name, tcp).await?))
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
        let connect = self.clone().connect();
        Box::pin(async move {
            tokio::time::timeout(CONNECT, connect).await.map_or_else(
                |_| {
                    let message = format!("no connection within {}", humantime::format_duration(CONNECT));
                    Err(io::Error::new(io::ErrorKind::TimedOut, message))
                },
                |connected| connected.map(TokioIo::new),
            )
        })
    }
}

/// A connection, with the trait that the pool requires.
pub(super) struct Wire(TlsStream<TcpStream>);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
