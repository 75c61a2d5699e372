//! Shared by the integration tests: the program under test, a real Docker Engine, curl and openssl.
//!
//! A test starts the built program ([`daemon`]), drives it with curl ([`client`], [`stream`]) or over a kept connection
//! ([`connection`]), and inspects the engine with the `docker` command ([`engine`], [`events`]). Certificates come from
//! openssl ([`certificates`]); containers run a small test program ([`image`], [`programs`]). A test that needs an engine
//! with mutual TLS starts one ([`dockerd`]); a test that disconnects its engine puts a [`relay`] in front of it. Tests are
//! separated by cluster name, so any number of them may share the engine. Everything that a test starts is removed when
//! its values are dropped, even after a failure. [`tier`] sets the amount of testing, [`skip`] what is skipped.

pub mod certificates;
pub mod client;
pub mod connection;
pub mod daemon;
pub mod dockerd;
pub mod documented;
pub mod earlier;
pub mod engine;
pub mod events;
pub mod image;
pub mod objects;
pub mod process;
pub mod programs;
pub mod registry;
pub mod relay;
pub mod runner;
pub mod skip;
pub mod stream;
pub mod tier;

pub use certificates::Certificates;
pub use client::{Client, Reply};
pub use daemon::Daemon;
pub use dockerd::Dockerd;
pub use engine::{Cluster, Container, Engine};
pub use events::Events;
pub use registry::Registry;
pub use relay::Relay;
pub use stream::{ServerSentEvent, Stream};
pub use tier::{alone, by_tier, chosen_seed};

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The prefix of the manager's container labels.
pub const LABELS: &str = "io.github.swarm-cluster-state-manager";
/// Long enough for everything that should take a second, even on a busy machine with two cores.
pub const SOON: Duration = Duration::from_secs(20);
/// How often a condition is checked.
const POLL: Duration = Duration::from_millis(20);

/// Waits until `condition` holds and returns how long that took; `None` if it did not within `deadline`.
pub fn holds_within(deadline: Duration, mut condition: impl FnMut() -> bool) -> Option<Duration> {
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

/// A name that no other test uses, in this or another process: `WORD-PROCESS-ORDINAL`.
pub fn unique(word: &str) -> String {
    static ORDINAL: AtomicU32 = AtomicU32::new(0);
    format!("{word}-{}-{}", std::process::id(), ORDINAL.fetch_add(1, Ordering::Relaxed))
}

/// Where built artifacts (image, certificates) outlive a test run: `target/tmp`.
pub fn cache() -> PathBuf {
    // The program is `target/PROFILE/NAME`.
    let directory = daemon::built_program().ancestors().nth(2).expect("a target directory").join("tmp");
    fs::create_dir_all(&directory).expect("the target directory is writable");
    directory
}

/// Held while something in the [`cache`] is built: several test processes may run at once.
pub fn lock(name: &str) -> File {
    let file = File::create(cache().join(format!("{name}.lock"))).expect("the lock file can be created");
    file.lock().expect("the lock file can be locked");
    file
}
