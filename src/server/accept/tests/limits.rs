//! Limits per address, per identity and in total.

use super::*;
use crate::certificates::testing::Leaf;

#[tokio::test]
async fn an_identity_that_asks_too_often_is_told_when_to_come_back() {
    let two = 2.try_into().unwrap();
    let site = Site::start(Limits { requests_per_second: two, request_burst: two, ..Limits::default() });
    let mut client = site.client().await;
    for _ in 0..2 {
        assert!(ask(&mut client, GET).await.unwrap().starts_with("HTTP/1.1 200 "));
    }
    // Also on another connection.
    let said = ask(&mut site.client().await, GET).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 429 ") && said.contains("application/problem+json"), "{said}");
    assert!(said.contains("retry-after: 1\r\n"), "{said}");
    let other = FIXTURE.authority.issue_again(
        "bob",
        "cert",
        &Leaf { subject: "/O=bob.<bootstrap>", ..Leaf::default() },
    );
    assert!(ask(&mut site.client_as(&other).await, GET).await.unwrap().starts_with("HTTP/1.1 200 "));
    sleep(ms(600)).await;
    assert!(ask(&mut client, GET).await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_address_with_all_its_connections_gets_no_more_until_one_ends() {
    let site = Site::start(Limits { connections_per_address: 2, ..Limits::default() });
    let mut first = site.client().await;
    let mut second = site.client().await;
    ask(&mut second, GET).await.unwrap();
    assert!(until_closed(&mut site.tcp().await).await < ms(1000), "closed at once");
    assert!(ask(&mut first, LAST_GET).await.unwrap().ends_with("hello\n"));
    until_closed(&mut first).await;
    sleep(ms(50)).await;
    assert!(ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"));
}

/// From an address of this machine that is not 127.0.0.1.
async fn tcp_from(host: u8, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// The first message of a client.
fn client_hello() -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let config = client_config(&rustls::version::TLS13, None);
    let mut hello = Vec::new();
    rustls::ClientConnection::new(config, name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn clients_without_a_certificate_take_no_place_from_those_who_have_one() {
    let (handshakes, half) = (8, 4);
    let limits = Limits { handshakes, handshakes_per_address: half, connections: 4, ..Limits::default() };
    let site = Site::start(limits);
    // Silent, in the middle of a first message, and from several addresses.
    let mut crowd = Vec::new();
    for i in 0..60 {
        let mut tcp = tcp_from(2 + i % 5, site.address).await;
        if i % 2 == 0 {
            tcp.write_all(&client_hello()[..20]).await.unwrap();
        }
        crowd.push(tcp);
    }
    let begin = Instant::now();
    let mut client = site.client().await;
    assert!(ask(&mut client, GET).await.unwrap().ends_with("hello\n"));
    assert!(begin.elapsed() < ms(1000), "{:?}", begin.elapsed());
    // The oldest gave way, long before their time was over, and as many are left as there is room for.
    for gone in &mut crowd[..60 - handshakes] {
        assert!(until_closed(gone).await < ms(1000));
    }
    let mut open = 0;
    for left in &mut crowd[60 - handshakes..] {
        open += usize::from(timeout(ms(20), left.read(&mut [0])).await.is_err());
    }
    assert!((half..=handshakes).contains(&open), "{open}");
    assert!(ask(&mut client, GET).await.unwrap().ends_with("hello\n"), "who is in stays in");
}

#[tokio::test]
async fn copies_of_one_first_message_are_answered_at_a_rate() {
    let limits = Limits { failed_handshakes_per_address: (2, 5), ..Limits::default() };
    let site = Site::start(limits);
    let hello = client_hello();
    let mut copies = Vec::new();
    for _ in 0..40 {
        let mut tcp = tcp_from(2, site.address).await;
        tcp.write_all(&hello).await.unwrap();
        copies.push(tcp);
    }
    // From another address it goes on as ever.
    let begin = Instant::now();
    assert!(ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"));
    assert!(begin.elapsed() < ms(1000), "{:?}", begin.elapsed());
    let mut answered = 0;
    for copy in &mut copies {
        answered += usize::from(timeout(ms(5), copy.read(&mut [0])).await.is_ok());
    }
    assert!((5..=10).contains(&answered), "{answered} of 40");
    // An address that has failed so often gets in again with time.
    drop(copies);
    let config = Identity::load(&FIXTURE.client).unwrap().client_config().unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = tcp_from(2, site.address).await;
    timeout(ms(5000), TlsConnector::from(config).connect(name, tcp)).await.unwrap().unwrap();
}

#[tokio::test]
async fn one_identity_has_half_of_the_connections_and_another_one_still_gets_in() {
    let site = Site::start(Limits { connections: 4, ..Limits::default() });
    // A second certificate of the same subject is no second share.
    let again = FIXTURE.authority.issue_again("again", "cert", &Leaf::default());
    let mut kept = vec![site.client().await, site.client_as(&again).await];
    for client in &mut kept {
        ask(client, GET).await.unwrap();
    }
    assert!(ask(&mut site.client().await, GET).await.is_err(), "it has its share");
    let bob = Leaf { subject: "/O=bob.<bootstrap>", ..Leaf::default() };
    let bob = FIXTURE.authority.issue_again("bob-too", "cert", &bob);
    assert!(ask(&mut site.client_as(&bob).await, GET).await.unwrap().ends_with("hello\n"));
    ask(&mut kept[0], LAST_GET).await.unwrap();
    until_closed(&mut kept[0]).await;
    assert!(
        ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"),
        "and again when one ends"
    );
}
