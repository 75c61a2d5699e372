//! Slow and silent clients, and handlers that hang.

use super::*;

#[tokio::test]
async fn silent_clients_delay_no_one_and_are_cut() {
    let server = TestServer::start(Limits { handshake: ms(500), ..Limits::default() });
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(server.tcp().await);
    }
    // One client stops in the middle of the handshake.
    let mut half = server.tcp().await;
    half.write_all(&[TLS_RECORD, 3, 1, 2, 0]).await.unwrap();
    let begin = Instant::now();
    assert!(send(&mut server.client().await, GET).await.unwrap().ends_with("hello\n"));
    assert!(begin.elapsed() < ms(400), "{:?}", begin.elapsed());
    for stream in silent.iter_mut().chain([&mut half]) {
        until_closed(stream).await;
    }
    assert!((ms(400)..ms(2000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

const TLS_RECORD: u8 = 0x16;

#[tokio::test]
async fn a_slow_request_head_is_cut() {
    let server = TestServer::start(Limits { head: ms(400), idle: ms(3000), ..Limits::default() });
    // On the first request of a connection, and on a later one.
    for earlier in [0, 1] {
        let mut client = server.client().await;
        for _ in 0..earlier {
            send(&mut client, GET).await.unwrap();
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
    // The deadline of the first head begins with the handshake.
    assert!(until_closed(&mut server.client().await).await < ms(1500));
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_order_after_its_timeout() {
    let server = TestServer::start(Limits { head: ms(150), idle: ms(700), ..Limits::default() });
    let mut client = server.client().await;
    send(&mut client, GET).await.unwrap();
    sleep(ms(350)).await;
    send(&mut client, GET).await.expect("idle for longer than a head may take, but within the timeout");
    let begin = Instant::now();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "TLS is closed with an alert");
    assert!((ms(600)..ms(2000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_is_cut() {
    let server = TestServer::start(Limits { stall: ms(300), connections: 1, ..Limits::default() });
    let mut stalled = server.client().await;
    stalled.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // With a limit of one connection, the next client is served after the stalled one is cut.
    let begin = Instant::now();
    assert!(send(&mut server.client().await, GET).await.unwrap().ends_with("hello\n"));
    assert!((ms(250)..ms(3000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let mut got = Vec::new();
    assert!(stalled.read_to_end(&mut got).await.is_err(), "the response is cut, not completed");
    assert!(got.len() < 64 << 20);
}

#[tokio::test]
async fn a_slow_reader_is_served_to_the_end() {
    let server = TestServer::start(Limits { stall: ms(300), ..Limits::default() });
    let mut client = server.client().await;
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
async fn a_missing_body_is_answered_with_408() {
    let server = TestServer::start(Limits { body: ms(300), handler: ms(100), ..Limits::default() });
    let begin = Instant::now();
    let head = "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    let response = send(&mut server.client().await, head).await.unwrap();
    assert!(
        response.starts_with("HTTP/1.1 408 ") && response.ends_with("not complete within 300ms\n"),
        "{response}"
    );
    assert!((ms(250)..ms(1500)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_response_before_the_end_of_the_body_reaches_a_client_that_still_sends() {
    let server = TestServer::start(Limits::default());
    for _ in 0..5 {
        let (mut reader, mut writer) = tokio::io::split(server.client().await);
        let sending = tokio::spawn(async move {
            let _ = writer
                .write_all(b"POST /ignore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n")
                .await;
            writer.write_all(&vec![b'x'; 8 << 20]).await
        });
        let mut response = Vec::new();
        let _ = reader.read_to_end(&mut response).await;
        let response = String::from_utf8(response).unwrap();
        assert!(
            response.starts_with("HTTP/1.1 413 ") && response.ends_with("too large\n"),
            "{} bytes",
            response.len()
        );
        sending.await.unwrap().expect("the server reads on while the client sends");
    }
}

#[tokio::test]
async fn a_hanging_handler_is_answered_with_503_unless_it_may_wait() {
    let server = TestServer::start(Limits { handler: ms(200), ..Limits::default() });
    let mut client = server.client().await;
    let response = send(&mut client, "GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(
        response.starts_with("HTTP/1.1 503 ") && response.contains("application/problem+json"),
        "{response}"
    );
    assert!(response.contains("\"No answer in time\"") && response.ends_with("}\n"), "{response}");
    let response = send(&mut client, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(response.ends_with("waited\n"), "{response}");
}

#[tokio::test]
async fn a_stream_may_last_longer_than_any_deadline() {
    let all = ms(200);
    let server = TestServer::start(Limits {
        handler: all,
        body: all,
        head: all,
        idle: all,
        stall: all,
        ..Limits::default()
    });
    let mut client = server.client().await;
    client.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let begin = Instant::now();
    let mut buffer = [0; 1024];
    while begin.elapsed() < ms(1000) {
        assert_ne!(client.read(&mut buffer).await.unwrap(), 0);
    }
}
