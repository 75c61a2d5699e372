//! Limits per address, per identity and in total.

use super::*;
use crate::certificates::testing::Leaf;

#[tokio::test]
async fn an_identity_above_its_rate_limit_is_answered_with_429_and_retry_after() {
    let two = 2.try_into().unwrap();
    let server =
        TestServer::start(Limits { requests_per_second: two, request_burst: two, ..Limits::default() });
    let mut client = server.client().await;
    for _ in 0..2 {
        assert!(send(&mut client, GET).await.unwrap().starts_with("HTTP/1.1 200 "));
    }
    // Also on another connection.
    let response = send(&mut server.client().await, GET).await.unwrap();
    assert!(
        response.starts_with("HTTP/1.1 429 ") && response.contains("application/problem+json"),
        "{response}"
    );
    assert!(response.contains("retry-after: 1\r\n"), "{response}");
    let other = FIXTURE.authority.issue_again(
        "bob",
        "cert",
        &Leaf { subject: "/O=bob.<bootstrap>", ..Leaf::default() },
    );
    assert!(send(&mut server.client_as(&other).await, GET).await.unwrap().starts_with("HTTP/1.1 200 "));
    sleep(ms(600)).await;
    assert!(send(&mut client, GET).await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_address_at_its_limit_gets_no_connection_until_one_ends() {
    let server = TestServer::start(Limits { connections_per_address: 2, ..Limits::default() });
    let mut first = server.client().await;
    let mut second = server.client().await;
    send(&mut second, GET).await.unwrap();
    assert!(until_closed(&mut server.tcp().await).await < ms(1000), "closed at once");
    assert!(send(&mut first, LAST_GET).await.unwrap().ends_with("hello\n"));
    until_closed(&mut first).await;
    sleep(ms(50)).await;
    assert!(send(&mut server.client().await, GET).await.unwrap().ends_with("hello\n"));
}

/// A connection from the loopback address 127.0.0.HOST.
async fn tcp_from(host: u8, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// The ClientHello of a client.
fn client_hello() -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let config = client_config(&rustls::version::TLS13, None);
    let mut hello = Vec::new();
    rustls::ClientConnection::new(config, name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn clients_without_a_certificate_take_no_connections_from_those_with_one() {
    let (handshakes, half) = (8, 4);
    let limits = Limits { handshakes, handshakes_per_address: half, connections: 4, ..Limits::default() };
    let server = TestServer::start(limits);
    // Silent clients, some in the middle of a ClientHello, from several addresses.
    let mut crowd = Vec::new();
    for i in 0..60 {
        let mut tcp = tcp_from(2 + i % 5, server.address).await;
        if i % 2 == 0 {
            tcp.write_all(&client_hello()[..20]).await.unwrap();
        }
        crowd.push(tcp);
    }
    let begin = Instant::now();
    let mut client = server.client().await;
    assert!(send(&mut client, GET).await.unwrap().ends_with("hello\n"));
    assert!(begin.elapsed() < ms(1000), "{:?}", begin.elapsed());
    // The oldest are evicted long before their deadline, and as many are left as the limit allows.
    for gone in &mut crowd[..60 - handshakes] {
        assert!(until_closed(gone).await < ms(1000));
    }
    let mut open = 0;
    for left in &mut crowd[60 - handshakes..] {
        open += usize::from(timeout(ms(20), left.read(&mut [0])).await.is_err());
    }
    assert!((half..=handshakes).contains(&open), "{open}");
    assert!(send(&mut client, GET).await.unwrap().ends_with("hello\n"), "an accepted client stays connected");
}

#[tokio::test]
async fn copies_of_one_client_hello_are_answered_at_a_limited_rate() {
    let limits = Limits { failed_handshakes_per_address: (2, 5), ..Limits::default() };
    let server = TestServer::start(limits);
    let hello = client_hello();
    let mut copies = Vec::new();
    for _ in 0..40 {
        let mut tcp = tcp_from(2, server.address).await;
        tcp.write_all(&hello).await.unwrap();
        copies.push(tcp);
    }
    // Another address is not affected.
    let begin = Instant::now();
    assert!(send(&mut server.client().await, GET).await.unwrap().ends_with("hello\n"));
    assert!(begin.elapsed() < ms(1000), "{:?}", begin.elapsed());
    let mut answered = 0;
    for copy in &mut copies {
        answered += usize::from(timeout(ms(5), copy.read(&mut [0])).await.is_ok());
    }
    assert!((5..=10).contains(&answered), "{answered} of 40");
    // The address is accepted again after a while.
    drop(copies);
    let config = Identity::load(&FIXTURE.client).unwrap().client_config().unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = tcp_from(2, server.address).await;
    timeout(ms(5000), TlsConnector::from(config).connect(name, tcp)).await.unwrap().unwrap();
}

#[tokio::test]
async fn one_identity_gets_half_of_the_connections_and_another_one_is_still_accepted() {
    let server = TestServer::start(Limits { connections: 4, ..Limits::default() });
    // A second certificate of the same subject has no second share.
    let again = FIXTURE.authority.issue_again("again", "cert", &Leaf::default());
    let mut kept = vec![server.client().await, server.client_as(&again).await];
    for client in &mut kept {
        send(client, GET).await.unwrap();
    }
    assert!(send(&mut server.client().await, GET).await.is_err(), "its share is used up");
    let bob = Leaf { subject: "/O=bob.<bootstrap>", ..Leaf::default() };
    let bob = FIXTURE.authority.issue_again("bob-too", "cert", &bob);
    assert!(send(&mut server.client_as(&bob).await, GET).await.unwrap().ends_with("hello\n"));
    send(&mut kept[0], LAST_GET).await.unwrap();
    until_closed(&mut kept[0]).await;
    assert!(
        send(&mut server.client().await, GET).await.unwrap().ends_with("hello\n"),
        "a connection is free after one ends"
    );
}
