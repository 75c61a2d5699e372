//! Runs many cases in parallel, each with its own runtime and paused clock.

use std::collections::VecDeque;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::lock;

/// The limit of real time for one case, on a busy machine. Simulated time costs nothing; a loop in which no simulated
/// time passes is a hang.
const STUCK: Duration = Duration::from_secs(120);
/// How often the limit is checked.
const POLL: Duration = Duration::from_millis(20);
/// The name of the threads that run cases.
const CASE: &str = "case";

/// Runs a case on a paused clock. The error is the message of a panic.
pub(crate) fn paused<T>(case: impl Future<Output = T>) -> Result<T, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(case))).map_err(|panic| {
        let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        panic.downcast_ref::<String>().cloned().or(message).unwrap_or_else(|| "it panicked".to_owned())
    })
}

/// Runs all cases, as many in parallel as there are processors; panics if one makes no progress. The results are in any
/// order.
pub(crate) fn run_all<C, T>(cases: Vec<C>, run: fn(C) -> T) -> Vec<(C, T)>
where
    C: Copy + Display + Send + 'static,
    T: Send + 'static,
{
    silence_panics();
    let queue = Arc::new(Mutex::new(VecDeque::from(cases)));
    let results = Arc::new(Mutex::new(Vec::new()));
    let workers: Vec<_> = (0..thread::available_parallelism().map_or(1, usize::from))
        .map(|_| {
            let (queue, results) = (queue.clone(), results.clone());
            let current = Arc::new(Mutex::new(None));
            let running = current.clone();
            let work = move || {
                loop {
                    let Some(case) = lock(&queue).pop_front() else { return };
                    *lock(&running) = Some((case, Instant::now()));
                    let result = run(case);
                    lock(&results).push((case, result));
                }
            };
            (thread::Builder::new().name(CASE.to_owned()).spawn(work).unwrap(), current)
        })
        .collect();
    while !workers.iter().all(|(worker, _)| worker.is_finished()) {
        thread::sleep(POLL);
        for (worker, current) in &workers {
            let stuck = (*lock(current)).filter(|(_, since): &(C, Instant)| since.elapsed() > STUCK);
            if let Some((case, _)) = stuck.filter(|_| !worker.is_finished()) {
                panic!("{case}: it makes no progress");
            }
        }
    }
    for (worker, _) in workers {
        worker.join().unwrap();
    }
    std::mem::take(&mut *lock(&results))
}

/// A panic of a case is part of its result, so it is not printed.
fn silence_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if thread::current().name() != Some(CASE) {
            default(panic);
        }
    }));
}
