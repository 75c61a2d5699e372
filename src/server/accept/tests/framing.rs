//! Plain HTTP, and requests that are malformed, pipelined or without bounds.

use super::*;

#[tokio::test]
async fn plain_http_is_told_what_to_use() {
    let site = Site::start(Limits::default());
    let (code, said) = curl(&site, "http://HOST/submit", &["-i", "-d", "{}"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("HTTP/1.0 400 Bad Request")
            && said.contains("use https:// and a client certificate"),
        "{said}"
    );
    // What is neither is closed without a word.
    let mut noise = site.tcp().await;
    noise.write_all(&[0, 1, 2, 3]).await.unwrap();
    assert!(until_closed(&mut noise).await < ms(1000));
}

#[tokio::test]
async fn framing_that_http_forbids_is_refused() {
    let site = Site::start(Limits::default());
    for (what, head) in [
        ("two lengths", "Content-Length: 3\r\nContent-Length: 4\r\n"),
        ("a list of lengths", "Content-Length: 3, 4\r\n"),
        ("no number", "Content-Length: x\r\n"),
        ("a sign", "Content-Length: +3\r\n"),
        ("a line that goes on", "X: a\r\n b\r\n"),
        ("a space before the colon", "X : a\r\n"),
        ("a bare CR", "X: a\rb\r\n"),
        ("NUL", "X: a\0b\r\n"),
        ("an unknown coding", "Transfer-Encoding: gzip\r\n"),
        ("chunked is not last", "Transfer-Encoding: chunked, gzip\r\n"),
    ] {
        let mut client = site.client().await;
        let request = format!("POST /length HTTP/1.1\r\nHost: localhost\r\n{head}\r\nabcd");
        let said = timeout(ms(3000), ask(&mut client, &request)).await;
        let said = said.unwrap_or_else(|_| panic!("{what}: no answer")).unwrap_or_else(|e| e.to_string());
        assert!(said.starts_with("HTTP/1.1 4") && said.contains("connection: close"), "{what}: {said}");
    }
    for chunk in ["x\r\n", "-1\r\n", "fffffffffffffffff\r\n", "3\nabc\r\n0\r\n\r\n", "3 abc\r\n"] {
        let mut client = site.client().await;
        let request =
            format!("POST /length HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let said =
            timeout(ms(3000), ask(&mut client, &request)).await.expect("an answer").unwrap_or_default();
        assert!(!said.starts_with("HTTP/1.1 2"), "{chunk:?}: {said}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let site = Site::start(Limits::default());
    let mut client = site.client().await;
    client
        .write_all(format!("{GET}GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n{LAST_GET}").as_bytes())
        .await
        .unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).await.unwrap();
    let bodies: Vec<_> = said.split("\r\n\r\n").skip(1).collect();
    assert_eq!(bodies.len(), 3, "{said}");
    assert!(
        bodies[0].starts_with("hello") && bodies[1].starts_with("O=alice") && bodies[2] == "hello\n",
        "{said}"
    );
}

#[tokio::test]
async fn a_head_without_bound_is_refused_with_431() {
    let site = Site::start(Limits::default());
    let (mut reader, mut writer) = tokio::io::split(site.client().await);
    tokio::spawn(async move {
        let _ = writer
            .write_all(format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).as_bytes())
            .await;
        sleep(ms(5000)).await;
    });
    let mut said = Vec::new();
    let _ = reader.read_to_end(&mut said).await;
    assert!(said.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&said));
}
