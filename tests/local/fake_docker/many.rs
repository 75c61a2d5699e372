//! Many cases at once: each on a thread, with a runtime and a paused clock of its own.

use std::collections::VecDeque;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::lock;

/// What one case may really take, on a machine with much else to do. Simulated time is free; a loop in which none
/// passes is a hang.
const STUCK: Duration = Duration::from_secs(120);
/// How often that is looked at.
const WATCH: Duration = Duration::from_millis(20);
/// The name of the threads that run cases.
const CASE: &str = "case";

/// Runs a case on a paused clock. An error holds the words with which it panicked.
pub(crate) fn paused<T>(case: impl Future<Output = T>) -> Result<T, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(case))).map_err(|panic| {
        let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
        panic.downcast_ref::<String>().cloned().or(words).unwrap_or_else(|| "it panicked".to_owned())
    })
}

/// Runs all cases, as many at once as there are processors; fails where one makes no progress. The results come in
/// any order.
pub(crate) fn run_all<C, T>(cases: Vec<C>, run: fn(C) -> T) -> Vec<(C, T)>
where
    C: Copy + Display + Send + 'static,
    T: Send + 'static,
{
    hush_cases();
    let queue = Arc::new(Mutex::new(VecDeque::from(cases)));
    let results = Arc::new(Mutex::new(Vec::new()));
    let workers: Vec<_> = (0..thread::available_parallelism().map_or(1, usize::from))
        .map(|_| {
            let (queue, results) = (queue.clone(), results.clone());
            let current = Arc::new(Mutex::new(None));
            let shown = current.clone();
            let work = move || {
                loop {
                    let Some(case) = lock(&queue).pop_front() else { return };
                    *lock(&shown) = Some((case, Instant::now()));
                    let result = run(case);
                    lock(&results).push((case, result));
                }
            };
            (thread::Builder::new().name(CASE.to_owned()).spawn(work).unwrap(), current)
        })
        .collect();
    while !workers.iter().all(|(worker, _)| worker.is_finished()) {
        thread::sleep(WATCH);
        for (worker, current) in &workers {
            let stuck = (*lock(current)).filter(|(_, since): &(C, Instant)| since.elapsed() > STUCK);
            if let Some((case, _)) = stuck.filter(|_| !worker.is_finished()) {
                panic!("{case}: no time passes in it any more");
            }
        }
    }
    for (worker, _) in workers {
        worker.join().unwrap();
    }
    std::mem::take(&mut *lock(&results))
}

/// A case that panics has failed, and its words are kept: no need to say them twice.
fn hush_cases() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if thread::current().name() != Some(CASE) {
            loud(panic);
        }
    }));
}
