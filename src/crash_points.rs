//! Crash points: `SCSM_DIE_AT=POINT:N` kills a debug build with SIGKILL when it passes a named point for the N-th time.
//!
//! A signal from outside cannot hit the moment between a commit and its response; a crash point can. The crash tests use
//! them.

/// Passes a named point.
#[cfg(not(debug_assertions))]
pub(crate) fn point(_name: &str) {}

/// Passes a named point.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ORDER: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
        let order = std::env::var("SCSM_DIE_AT").ok()?;
        let (point, times) = order.split_once(':')?;
        Some((point.to_owned(), AtomicU32::new(times.parse().ok()?)))
    });
    if let Some((point, left)) = &*ORDER
        && point == name
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        // If the kill fails, the test sees a process that is still alive.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}
