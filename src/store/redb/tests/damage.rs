//! A damaged state file: it reads as one of the commits, or it is refused.

use std::panic;

use support::by_tier;

use super::*;

/// The file of a small store and its committed states, newest last; the store is closed in order, or killed.
async fn sample(in_order: bool) -> (Vec<u8>, Vec<String>) {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    let mut states = Vec::new();
    for change in [put("web", 1), put("web", 2), put("db", 1), Change::Delete(name("db")), put("cache", 3)] {
        store.commit(change).await;
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

/// How a file with these bytes is read.
fn reading(dir: &Path, bytes: &[u8], states: &[String]) -> &'static str {
    fs::write(dir.join(file::FILE), bytes).unwrap();
    let _ = fs::remove_file(dir.join(mark::FILE));
    match export(dir) {
        Ok((desired, _)) if Some(&text(&desired)) == states.last() => "opens as it was",
        Ok((desired, _)) if states.contains(&text(&desired)) => "opens at an earlier commit",
        Ok((desired, _)) => panic!("reads as something that was never committed: {}", text(&desired)),
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains("restore"), "no advice: {message}");
            "refuses"
        }
    }
}

/// Damages the bytes at each position (in the quick tier at one of five), in parallel, and counts how the result is read.
fn at_every_position(
    what: &str,
    bytes: &[u8],
    states: &[String],
    damage: impl Fn(&mut Vec<u8>, usize) + Sync,
) {
    let (next, step) = (AtomicUsize::new(0), by_tier(5, 1));
    let counts = std::sync::Mutex::new(std::collections::BTreeMap::<&str, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let dir = directory();
                loop {
                    let position = next.fetch_add(step, Ordering::Relaxed);
                    if position >= bytes.len() {
                        break;
                    }
                    let mut damaged = bytes.to_vec();
                    damage(&mut damaged, position);
                    let reading = panic::catch_unwind(|| reading(dir.path(), &damaged, states))
                        .unwrap_or_else(|_| panic!("{what} at {position}"));
                    *counts.lock().unwrap().entry(reading).or_default() += 1;
                }
            });
        }
    });
    let counts = counts.into_inner().unwrap();
    println!("{what}: {counts:?}");
    assert!(counts.contains_key("refuses"), "some damage is detected: {counts:?}");
    assert_eq!(counts.values().sum::<usize>(), bytes.len().div_ceil(step));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_flipped_byte_or_cut_short_reads_as_a_commit_or_not_at_all() {
    // The messages of redb's panics are in the errors; do not print a backtrace for each.
    panic::set_hook(Box::new(|info| {
        if !info.location().is_some_and(|position| position.file().contains("/redb-")) {
            eprintln!("{info}");
        }
    }));
    for in_order in [true, false] {
        let (bytes, states) = sample(in_order).await;
        let how = if in_order { "closed in order" } else { "killed" };
        tokio::task::block_in_place(|| {
            at_every_position(&format!("{how}, a byte flipped"), &bytes, &states, |bytes, position| {
                bytes[position] ^= 0xff
            });
            at_every_position(&format!("{how}, cut"), &bytes, &states, |bytes, position| {
                bytes.truncate(position)
            });
        });
    }
    let _ = panic::take_hook();
}
