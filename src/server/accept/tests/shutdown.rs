//! The stop of the server.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn a_stop_closes_idle_connections_and_lets_busy_ones_finish() {
    let server = TestServer::start(Limits::default());
    let mut idle = server.client().await;
    send(&mut idle, GET).await.unwrap();
    let _fresh = server.client().await;
    let _silent = server.tcp().await;
    let mut busy = server.client().await;
    busy.write_all(b"GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut streaming = server.client().await;
    streaming.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    sleep(ms(100)).await;

    let address = server.address;
    let stopped = tokio::spawn(server.stop());
    assert!(until_closed(&mut idle).await < ms(150), "the idle connection closes at once");
    assert!(TcpStream::connect(address).await.is_err(), "no new connection is accepted");
    let response = read_response(&mut busy).await.unwrap();
    assert!(response.ends_with("done\n") && response.contains("connection: close"), "{response}");
    let mut text = String::new();
    streaming.read_to_string(&mut text).await.expect("the stream ends in order");
    assert!(text.contains("line\n") && text.ends_with("\r\n0\r\n\r\n"), "{text}");
    assert!(stopped.await.unwrap() < ms(1500));
}

#[tokio::test]
async fn a_stop_waits_at_most_for_the_drain_time() {
    let server = TestServer::start(Limits { drain: ms(300), ..Limits::default() });
    let mut hanging = server.client().await;
    hanging.write_all(b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    sleep(ms(100)).await;
    let took = server.stop().await;
    assert!((ms(250)..ms(1500)).contains(&took), "{took:?}");
    until_closed(&mut hanging).await;
}

#[tokio::test]
async fn a_stop_under_load_loses_no_accepted_request() {
    static ANSWERED: AtomicUsize = AtomicUsize::new(0);
    let many = 100_000.try_into().unwrap();
    let server =
        TestServer::start(Limits { requests_per_second: many, request_burst: many, ..Limits::default() });
    let mut clients = JoinSet::new();
    for _ in 0..20 {
        let mut client = server.client().await;
        clients.spawn(async move {
            loop {
                match send(&mut client, GET).await {
                    Ok(response) => {
                        assert!(response.ends_with("hello\n"), "{response}");
                        ANSWERED.fetch_add(1, Ordering::Relaxed);
                        if response.contains("connection: close") {
                            return;
                        }
                    }
                    // Closed between two requests, never within a response.
                    Err(_) => return,
                }
            }
        });
    }
    sleep(ms(300)).await;
    assert!(server.stop().await < ms(1500));
    timeout(ms(5000), async { while clients.join_next().await.transpose().unwrap().is_some() {} })
        .await
        .unwrap();
    assert!(ANSWERED.load(Ordering::Relaxed) > 20);
}
