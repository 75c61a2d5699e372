//! Plain HTTP, and requests that are malformed, pipelined or without bounds.

use super::*;

#[tokio::test]
async fn plain_http_is_answered_with_a_hint_to_https() {
    let server = TestServer::start(Limits::default());
    let (code, response) = curl(&server, "http://HOST/submit", &["-i", "-d", "{}"]).await;
    assert_eq!(code, Some(0), "{response}");
    assert!(
        response.starts_with("HTTP/1.0 400 Bad Request")
            && response.contains("use https:// and a client certificate"),
        "{response}"
    );
    // Other data closes the connection without a response.
    let mut noise = server.tcp().await;
    noise.write_all(&[0, 1, 2, 3]).await.unwrap();
    assert!(until_closed(&mut noise).await < ms(1000));
}

#[tokio::test]
async fn invalid_framing_is_refused() {
    let server = TestServer::start(Limits::default());
    for (what, head) in [
        ("two lengths", "Content-Length: 3\r\nContent-Length: 4\r\n"),
        ("a list of lengths", "Content-Length: 3, 4\r\n"),
        ("no number", "Content-Length: x\r\n"),
        ("a sign", "Content-Length: +3\r\n"),
        ("a continued line", "X: a\r\n b\r\n"),
        ("a space before the colon", "X : a\r\n"),
        ("a bare CR", "X: a\rb\r\n"),
        ("NUL", "X: a\0b\r\n"),
        ("an unknown coding", "Transfer-Encoding: gzip\r\n"),
        ("chunked is not last", "Transfer-Encoding: chunked, gzip\r\n"),
    ] {
        let mut client = server.client().await;
        let request = format!("POST /length HTTP/1.1\r\nHost: localhost\r\n{head}\r\nabcd");
        let response = timeout(ms(3000), send(&mut client, &request)).await;
        let response =
            response.unwrap_or_else(|_| panic!("{what}: no response")).unwrap_or_else(|e| e.to_string());
        assert!(
            response.starts_with("HTTP/1.1 4") && response.contains("connection: close"),
            "{what}: {response}"
        );
    }
    for chunk in ["x\r\n", "-1\r\n", "fffffffffffffffff\r\n", "3\nabc\r\n0\r\n\r\n", "3 abc\r\n"] {
        let mut client = server.client().await;
        let request =
            format!("POST /length HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let response =
            timeout(ms(3000), send(&mut client, &request)).await.expect("a response").unwrap_or_default();
        assert!(!response.starts_with("HTTP/1.1 2"), "{chunk:?}: {response}");
    }
}

#[tokio::test]
async fn two_lengths_and_encoded_transfers_are_refused_and_the_connection_is_closed() {
    let server = TestServer::start(Limits::default());
    let body = "3\r\nabc\r\n0\r\n\r\n";
    let before = "POST /checked HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{}\n";
    for (headers, status, title) in [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400, "Ambiguous length"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400, "Ambiguous length"),
        ("Transfer-Encoding: gzip, chunked\r\n", 501, "Unsupported transfer coding"),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501, "Unsupported transfer coding"),
    ] {
        for previous in ["", before] {
            let request = format!("POST /checked HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}");
            // In two reads, the first of which ends within the head of the refused request.
            let all = format!("{previous}{request}{GET}");
            let (first, second) = all.split_at(previous.len() + 60);
            let mut client = server.client().await;
            client.write_all(first.as_bytes()).await.unwrap();
            client.flush().await.unwrap();
            sleep(ms(50)).await;
            client.write_all(second.as_bytes()).await.unwrap();
            let mut response = String::new();
            let _ = timeout(ms(5000), client.read_to_string(&mut response)).await.expect("it is closed");
            let last = response.rfind("HTTP/1.1 ").map(|at| &response[at..]).unwrap_or_default();
            assert!(
                last.starts_with(&format!("HTTP/1.1 {status} "))
                    && last.contains("connection: close")
                    && last.contains(title),
                "{headers:?}: {response}"
            );
            assert_eq!(response.matches("HTTP/1.1 200").count(), usize::from(!previous.is_empty()));
        }
    }
    let request =
        format!("POST /checked HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let response = send(&mut server.client().await, &request).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200") && response.contains("connection: close"), "{response}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start(Limits::default());
    let mut client = server.client().await;
    client
        .write_all(format!("{GET}GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n{LAST_GET}").as_bytes())
        .await
        .unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    let bodies: Vec<_> = response.split("\r\n\r\n").skip(1).collect();
    assert_eq!(bodies.len(), 3, "{response}");
    assert!(
        bodies[0].starts_with("hello") && bodies[1].starts_with("O=alice") && bodies[2] == "hello\n",
        "{response}"
    );
}

#[tokio::test]
async fn an_endless_request_head_is_refused_with_431() {
    let server = TestServer::start(Limits::default());
    let (mut reader, mut writer) = tokio::io::split(server.client().await);
    tokio::spawn(async move {
        let _ = writer
            .write_all(format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).as_bytes())
            .await;
        sleep(ms(5000)).await;
    });
    let mut response = Vec::new();
    let _ = reader.read_to_end(&mut response).await;
    assert!(response.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&response));
}
