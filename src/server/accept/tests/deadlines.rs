//! Slow and silent clients, and handlers that hang.

use super::*;

#[tokio::test]
async fn silent_clients_keep_nobody_waiting_and_are_cut() {
    let site = Site::start(Limits { handshake: ms(500), ..Limits::default() });
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(site.tcp().await);
    }
    // One stops in the middle of the handshake.
    let mut half = site.tcp().await;
    half.write_all(&[TLS_RECORD, 3, 1, 2, 0]).await.unwrap();
    let begin = Instant::now();
    assert!(ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"));
    assert!(begin.elapsed() < ms(400), "{:?}", begin.elapsed());
    for stream in silent.iter_mut().chain([&mut half]) {
        until_closed(stream).await;
    }
    assert!((ms(400)..ms(2000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

const TLS_RECORD: u8 = 0x16;

#[tokio::test]
async fn a_head_that_trickles_is_cut() {
    let site = Site::start(Limits { head: ms(400), idle: ms(3000), ..Limits::default() });
    // On the first request of a connection, and on a later one.
    for earlier in [0, 1] {
        let mut client = site.client().await;
        for _ in 0..earlier {
            ask(&mut client, GET).await.unwrap();
        }
        let begin = Instant::now();
        let (mut reader, mut writer) = tokio::io::split(client);
        let trickle = tokio::spawn(async move {
            for byte in GET.bytes() {
                if writer.write_all(&[byte]).await.is_err() {
                    break;
                }
                sleep(ms(50)).await;
            }
        });
        until_closed(&mut reader).await;
        assert!((ms(350)..ms(1500)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
        trickle.abort();
    }
    // The first head is due from the handshake on.
    assert!(until_closed(&mut site.client().await).await < ms(1500));
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_its_time_and_then_closed_in_order() {
    let site = Site::start(Limits { head: ms(150), idle: ms(700), ..Limits::default() });
    let mut client = site.client().await;
    ask(&mut client, GET).await.unwrap();
    sleep(ms(350)).await;
    ask(&mut client, GET).await.expect("idle for longer than a head may take, yet not for too long");
    let begin = Instant::now();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "TLS is closed in order");
    assert!((ms(600)..ms(2000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let site = Site::start(Limits { stall: ms(300), connections: 1, ..Limits::default() });
    let mut deaf = site.client().await;
    deaf.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // There is room for one: the next is served once the deaf one is gone.
    let begin = Instant::now();
    assert!(ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"));
    assert!((ms(250)..ms(3000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let mut got = Vec::new();
    assert!(deaf.read_to_end(&mut got).await.is_err(), "the answer was cut, not completed");
    assert!(got.len() < 64 << 20);
}

#[tokio::test]
async fn a_slow_reader_that_does_read_is_served_to_the_end() {
    let site = Site::start(Limits { stall: ms(300), ..Limits::default() });
    let mut client = site.client().await;
    client.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
    let begin = Instant::now();
    loop {
        match client.read(&mut buffer).await.unwrap() {
            0 => break,
            n => total += n,
        }
        if begin.elapsed() < ms(1000) {
            sleep(ms(20)).await;
        }
    }
    assert!(total > 64 << 20, "{total}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_408() {
    let site = Site::start(Limits { body: ms(300), handler: ms(100), ..Limits::default() });
    let begin = Instant::now();
    let head = "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    let said = ask(&mut site.client().await, head).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 408 ") && said.ends_with("not complete within 300ms\n"), "{said}");
    assert!((ms(250)..ms(1500)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_reaches_a_client_that_still_sends() {
    let site = Site::start(Limits::default());
    for _ in 0..5 {
        let (mut reader, mut writer) = tokio::io::split(site.client().await);
        let sending = tokio::spawn(async move {
            let _ = writer
                .write_all(b"POST /ignore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n")
                .await;
            writer.write_all(&vec![b'x'; 8 << 20]).await
        });
        let mut said = Vec::new();
        let _ = reader.read_to_end(&mut said).await;
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("HTTP/1.1 413 ") && said.ends_with("too large\n"), "{} bytes", said.len());
        sending.await.unwrap().expect("the server reads on while the client sends");
    }
}

#[tokio::test]
async fn a_handler_that_hangs_is_a_503_unless_it_was_asked_to_wait() {
    let site = Site::start(Limits { handler: ms(200), ..Limits::default() });
    let mut client = site.client().await;
    let said = ask(&mut client, "GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("application/problem+json"), "{said}");
    assert!(said.contains("\"No answer in time\"") && said.ends_with("}\n"), "{said}");
    let said = ask(&mut client, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(said.ends_with("waited\n"), "{said}");
}

#[tokio::test]
async fn a_stream_may_go_on_for_longer_than_any_deadline() {
    let all = ms(200);
    let site = Site::start(Limits {
        handler: all,
        body: all,
        head: all,
        idle: all,
        stall: all,
        ..Limits::default()
    });
    let mut client = site.client().await;
    client.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let begin = Instant::now();
    let mut buffer = [0; 1024];
    while begin.elapsed() < ms(1000) {
        assert_ne!(client.read(&mut buffer).await.unwrap(), 0);
    }
}
