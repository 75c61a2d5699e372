//! What the integration tests stand on: the daemon's binary, a real Docker Engine, curl and openssl.
//!
//! Nothing here is a stand-in. A test starts the built binary ([`daemon`]), speaks to it with curl ([`client`])
//! and looks at the engine with the `docker` command ([`engine`]), with openssl's certificates ([`certificates`])
//! and containers of a small program of our own ([`image`]); where it needs an engine with mutual TLS it starts
//! one ([`dockerd`]), and where it needs an engine that comes and goes it puts a [`relay`] before one. Tests are
//! told apart by the cluster name, so that any number of them may share the engine; what a test started is
//! gone when its values are dropped, also after a failure.

// Each test binary compiles this module anew and uses another part of it.
#![allow(dead_code, unused_imports)]

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod daemon;
pub(crate) mod dockerd;
pub(crate) mod documented;
pub(crate) mod engine;
pub(crate) mod events;
pub(crate) mod image;
pub(crate) mod kept;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod registry;
pub(crate) mod relay;
pub(crate) mod stream;

pub(crate) use certificates::Certificates;
pub(crate) use client::{Client, Reply};
pub(crate) use daemon::Daemon;
pub(crate) use dockerd::Dockerd;
pub(crate) use engine::{Cluster, Container, Engine};
pub(crate) use events::Events;
pub(crate) use registry::Registry;
pub(crate) use relay::Relay;
pub(crate) use stream::{Sent, Stream};

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The prefix of the labels by which the manager knows its containers.
pub(crate) const LABELS: &str = "io.github.swarm-cluster-state-manager";
/// Long enough for all that should take a second, also on a busy machine with two cores.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Waits until `condition` holds and returns how long that took; `None` if it did not within `deadline`.
pub(crate) fn holds_within(deadline: Duration, mut condition: impl FnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    loop {
        if condition() {
            return Some(start.elapsed());
        }
        if start.elapsed() > deadline {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// A name that no other test has, in this process or beside it: `WORD-PROCESS-ORDINAL`.
pub(crate) fn unique(word: &str) -> String {
    static ORDINAL: AtomicU32 = AtomicU32::new(0);
    format!("{word}-{}-{}", std::process::id(), ORDINAL.fetch_add(1, Ordering::Relaxed))
}

/// Where built things (image, certificates) outlive a test run; below `target/`.
pub(crate) fn cache() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&directory).expect("the target directory is writable");
    directory
}

/// Held while something in the [`cache`] is made: several test processes may run at once.
pub(crate) fn lock(name: &str) -> File {
    let file = File::create(cache().join(format!("{name}.lock"))).expect("the lock file can be made");
    file.lock().expect("the lock file can be locked");
    file
}

/// A number from the environment.
pub(crate) fn set<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value:?}")))
}

/// Whether the tests that need Docker are to be left out, and says so where they are.
pub(crate) fn docker_left_out() -> bool {
    let left_out =
        std::env::var_os("SCSM_SKIP_DOCKER").is_some_and(|value| !value.is_empty() && value != "0");
    if left_out {
        eprintln!("left out, as SCSM_SKIP_DOCKER is set");
    }
    left_out
}
