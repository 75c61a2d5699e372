//! A damaged file: it reads as one of the commits, or it is refused.

use std::panic;

use super::*;

/// A small store and its committed states, newest last. `in_order`: closed as it should be.
async fn sample(in_order: bool) -> (Vec<u8>, Vec<String>) {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    let mut states = Vec::new();
    for change in [put("web", 1), put("web", 2), put("db", 1), Change::Delete(name("db")), put("cache", 3)] {
        store.take(change).await;
        states.push(text(&store.desired()));
    }
    let path = dir.path().join(file::FILE);
    let mut bytes = fs::read(&path).unwrap();
    store.close().await;
    if in_order {
        bytes = fs::read(&path).unwrap();
    }
    (bytes, states)
}

/// What becomes of a store whose bytes are these.
fn fate(dir: &Path, bytes: &[u8], states: &[String]) -> &'static str {
    fs::write(dir.join(file::FILE), bytes).unwrap();
    let _ = fs::remove_file(dir.join(mark::FILE));
    match export(dir) {
        Ok((desired, _)) if Some(&text(&desired)) == states.last() => "opens as it was",
        Ok((desired, _)) if states.contains(&text(&desired)) => "opens at an earlier commit",
        Ok((desired, _)) => panic!("reads as something that nobody committed: {}", text(&desired)),
        Err(error) => {
            let words = error.to_string();
            assert!(words.contains("restore"), "no way out: {words}");
            "refuses"
        }
    }
}

/// Does something to the bytes at each of `places`, over all processors, and counts the fates.
fn everywhere(what: &str, bytes: &[u8], states: &[String], spoil: impl Fn(&mut Vec<u8>, usize) + Sync) {
    let next = AtomicUsize::new(0);
    let counts = std::sync::Mutex::new(std::collections::BTreeMap::<&str, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let dir = directory();
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= bytes.len() {
                        break;
                    }
                    let mut spoilt = bytes.to_vec();
                    spoil(&mut spoilt, place);
                    let fate = panic::catch_unwind(|| fate(dir.path(), &spoilt, states))
                        .unwrap_or_else(|_| panic!("{what} at {place}"));
                    *counts.lock().unwrap().entry(fate).or_default() += 1;
                }
            });
        }
    });
    let counts = counts.into_inner().unwrap();
    println!("{what}, {} places: {counts:?}", bytes.len());
    assert!(counts.contains_key("refuses"), "the test does something: {counts:?}");
    assert_eq!(counts.values().sum::<usize>(), bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_flipped_and_every_length_cut_reads_as_a_commit_or_not_at_all() {
    // What redb says when it stumbles is in the error; a backtrace each time would only fill the log.
    panic::set_hook(Box::new(|info| {
        if !info.location().is_some_and(|place| place.file().contains("/redb-")) {
            eprintln!("{info}");
        }
    }));
    for in_order in [true, false] {
        let (bytes, states) = sample(in_order).await;
        let how = if in_order { "closed in order" } else { "killed" };
        tokio::task::block_in_place(|| {
            everywhere(&format!("{how}, a byte flipped"), &bytes, &states, |bytes, place| {
                bytes[place] ^= 0xff
            });
            everywhere(&format!("{how}, cut"), &bytes, &states, |bytes, place| bytes.truncate(place));
        });
    }
    let _ = panic::take_hook();
}
