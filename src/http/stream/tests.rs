use std::sync::Arc;

use axum::http::HeaderValue;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::*;
use crate::certificates::Fingerprint;
use crate::core::time::Time;
use crate::server::fair_share::FairShare;

fn headers(accept: &[&'static str]) -> HeaderMap {
    accept.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value))).collect()
}

#[test]
fn server_sent_events_are_used_only_if_they_are_requested() {
    for accept in [
        &["text/event-stream"][..],
        &["Text/Event-Stream; q=0.9"],
        &["application/json, text/event-stream"],
        &["application/json", "text/event-stream"],
    ] {
        assert_eq!(Format::asked_for(&headers(accept)), Format::ServerSentEvents, "{accept:?}");
    }
    for accept in [&[][..], &["*/*"], &["application/x-ndjson"], &["text/event-streams"], &["text/html,*/*"]]
    {
        assert_eq!(Format::asked_for(&headers(accept)), Format::Lines, "{accept:?}");
    }
}

fn item(number: u32) -> Item {
    Item { id: Some(number.to_string()), kind: "object".into(), json: format!("{{\"N\":{number}}}\n").into() }
}

/// Two items, one of them 40 s later, and no end.
fn two_items() -> impl Stream<Item = Item> + Send {
    let second = stream::once(async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        item(2)
    });
    stream::once(std::future::ready(item(1))).chain(second).chain(stream::pending())
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_kept_alive_and_holds_its_permit_until_it_is_dropped() {
    for (accept, wanted) in [
        ("*/*", "0 {\"N\":1}\n|15 \n|30 \n|40 {\"N\":2}\n|55 \n|"),
        (
            "text/event-stream",
            "0 id: 1\nevent: object\ndata: |0 {\"N\":1}\n|0 \n|15 : keep-alive\n\n|30 : keep-alive\n\n|\
             40 id: 2\nevent: object\ndata: |40 {\"N\":2}\n|40 \n|55 : keep-alive\n\n|",
        ),
    ] {
        let places = FairShare::new(1);
        let place = places.try_acquire(&"a".into()).unwrap();
        let mut body = response(&headers(&[accept]), two_items(), place, end_in(3600)).into_body();
        let begun = Instant::now();
        let mut text = String::new();
        while text.split('|').count() < wanted.split('|').count() {
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            text += &format!("{} {}|", begun.elapsed().as_secs(), String::from_utf8_lossy(&piece));
        }
        assert_eq!(text, wanted);
        assert_eq!(places.in_use(), 1);
        drop(body);
        assert_eq!(places.in_use(), 0);
    }
}

/// The end for a client whose certificate is valid for this many more seconds.
fn end_in(seconds: u64) -> End {
    let clock = Clock::starting_at(Time(1_764_000_000_000));
    let peer = Peer {
        address: "127.0.0.1:1".parse().unwrap(),
        subject: "O=a".to_owned(),
        fingerprint: Fingerprint([0; 32]),
        identity: "O=a".into(),
        health_only: false,
        not_after: clock.now().system() + Duration::from_secs(seconds),
    };
    End::of(&Arc::new(peer), clock)
}

/// The whole text of a stream, and when it ended, in seconds.
async fn whole(
    accept: &'static str,
    items: impl Stream<Item = Item> + Send + 'static,
    end: End,
) -> (String, u64) {
    let begun = Instant::now();
    let permits = FairShare::new(1);
    let permit = permits.try_acquire(&"a".into()).unwrap();
    let body = response(&headers(&[accept]), items, permit, end).into_body();
    let text = body.collect().await.unwrap().to_bytes();
    assert_eq!(permits.in_use(), 0, "its permit is free");
    (String::from_utf8(text.to_vec()).unwrap(), begun.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_clients_certificate_and_gives_the_reason() {
    let (text, after) = whole("*/*", two_items(), end_in(20)).await;
    assert_eq!(after, 20);
    assert!(
        text.starts_with("{\"N\":1}\n\n{\"Kind\":\"end\",\"Text\":\"the client certificate has expired"),
        "{text}"
    );
    let (text, _) = whole("text/event-stream", two_items(), end_in(20)).await;
    let last = text.rsplit_once("event: end\ndata: ").unwrap().1;
    assert!(last.starts_with("{\"Kind\":\"end\"") && last.ends_with("}\n\n"), "{text}");
    // Also if there is always another item.
    let busy = stream::unfold(0, async |number| {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Some((item(number), number + 1))
    });
    let (text, after) = whole("*/*", busy, end_in(20)).await;
    assert_eq!((after, text.lines().count()), (20, 67));
}

#[tokio::test(start_paused = true)]
async fn plain_text_has_no_blank_lines_and_ends_with_a_remark() {
    let permit = FairShare::new(1).try_acquire(&"a".into()).unwrap();
    let answer = response_as(Format::Text, two_items(), permit, end_in(60));
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&text).unwrap();
    let kept_alive = text.strip_prefix("{\"N\":1}\n{\"N\":2}\n# the client certificate has expired");
    assert!(kept_alive.is_some_and(|rest| rest.lines().count() == 1), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_a_maximum_duration() {
    let day = 24 * 60 * 60;
    let (text, after) = whole("*/*", stream::pending(), end_in(day)).await;
    assert_eq!(after, LONGEST.as_secs());
    assert!(text.ends_with("\"a stream lasts 12h at most: reconnect to continue\"}\n"), "{text}");
}

#[tokio::test]
async fn a_stalled_reader_causes_no_work() {
    let made = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = made.clone();
    let endless = stream::repeat_with(move || item(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
    let place = FairShare::new(1).try_acquire(&"a".into()).unwrap();
    let mut body = response(&HeaderMap::new(), endless, place, end_in(3600)).into_body();
    for taken in 1..=3 {
        body.frame().await.unwrap().unwrap();
        assert_eq!(made.load(std::sync::atomic::Ordering::Relaxed), taken);
    }
}

#[test]
fn the_header_precedes_the_parameter_and_both_are_parsed_strictly() {
    let since = |header: Option<&'static str>, query: &str| {
        let headers = header.map(|value| (LAST_EVENT_ID, HeaderValue::from_static(value)));
        let query = Query::parse(Some(query), &["since"]).unwrap();
        super::since::<u64>(&headers.into_iter().collect(), &query)
            .map_err(|problem| problem.into_response().status())
    };
    let bad = Err(StatusCode::BAD_REQUEST);
    assert_eq!(since(None, ""), Ok(None));
    assert_eq!(since(None, "since=4"), Ok(Some(4)));
    assert_eq!(since(Some("7"), "since=4"), Ok(Some(7)));
    assert_eq!(since(Some("x"), "since=4"), bad);
    assert_eq!(since(None, "since=x"), bad);
}
