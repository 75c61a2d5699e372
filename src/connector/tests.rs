//! Connections to a listener that completes no handshake.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::RootCertStore;
use tokio::net::TcpListener;

use super::*;
use crate::certificates::provider;

fn config() -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    Arc::new(builder.unwrap().with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn every_connection_asks_for_the_tls_configuration() {
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok(connection) = listener.accept().await {
            drop(connection);
        }
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let (counter, config) = (asked.clone(), config());
    let tls = Tls::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        config.clone()
    });
    let target = Target::Tcp { host: "127.0.0.1".to_owned(), port, tls: Some(tls) };
    let connector = Connector::new(target, Duration::from_secs(10));
    for connections in 1..=2 {
        assert!(connector.connect().await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), connections);
    }
}

#[tokio::test]
async fn a_handshake_has_the_deadline_of_the_connect() {
    let (_silent, port) = listener().await;
    let target = Target::Tcp { host: "127.0.0.1".to_owned(), port, tls: Some(config().into()) };
    let connected = Connector::new(target, Duration::from_millis(50)).connect().await;
    let error = connected.err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("no connection within 50ms"));
}
