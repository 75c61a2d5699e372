//! The stop of the server.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn a_stop_closes_the_idle_and_lets_the_busy_finish() {
    let site = Site::start(Limits::default());
    let mut idle = site.client().await;
    ask(&mut idle, GET).await.unwrap();
    let _fresh = site.client().await;
    let _silent = site.tcp().await;
    let mut busy = site.client().await;
    busy.write_all(b"GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut streaming = site.client().await;
    streaming.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    sleep(ms(100)).await;

    let address = site.address;
    let stopped = tokio::spawn(site.stop());
    assert!(until_closed(&mut idle).await < ms(150), "the idle one closes at once");
    assert!(TcpStream::connect(address).await.is_err(), "nobody new is let in");
    let said = answer(&mut busy).await.unwrap();
    assert!(said.ends_with("done\n") && said.contains("connection: close"), "{said}");
    let mut text = String::new();
    streaming.read_to_string(&mut text).await.expect("the stream ends in order");
    assert!(text.contains("line\n") && text.ends_with("\r\n0\r\n\r\n"), "{text}");
    assert!(stopped.await.unwrap() < ms(1500));
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_it_may() {
    let site = Site::start(Limits { drain: ms(300), ..Limits::default() });
    let mut hanging = site.client().await;
    hanging.write_all(b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    sleep(ms(100)).await;
    let took = site.stop().await;
    assert!((ms(250)..ms(1500)).contains(&took), "{took:?}");
    until_closed(&mut hanging).await;
}

#[tokio::test]
async fn a_stop_under_load_loses_no_request_that_was_taken() {
    static ANSWERED: AtomicUsize = AtomicUsize::new(0);
    let many = 100_000.try_into().unwrap();
    let site = Site::start(Limits { requests_per_second: many, request_burst: many, ..Limits::default() });
    let mut clients = JoinSet::new();
    for _ in 0..20 {
        let mut client = site.client().await;
        clients.spawn(async move {
            loop {
                match ask(&mut client, GET).await {
                    Ok(said) => {
                        assert!(said.ends_with("hello\n"), "{said}");
                        ANSWERED.fetch_add(1, Ordering::Relaxed);
                        if said.contains("connection: close") {
                            return;
                        }
                    }
                    // Closed between two requests, never within an answer.
                    Err(_) => return,
                }
            }
        });
    }
    sleep(ms(300)).await;
    assert!(site.stop().await < ms(1500));
    timeout(ms(5000), async { while clients.join_next().await.transpose().unwrap().is_some() {} })
        .await
        .unwrap();
    assert!(ANSWERED.load(Ordering::Relaxed) > 20);
}
