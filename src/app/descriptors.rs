//! How many files the process may have open, connections included.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Without a limit there are as many as anybody needs.
const UNLIMITED: usize = 1 << 20;
/// Below this, fewer clients are served than with the usual limit.
const USUAL: usize = 1024;

/// Raises the soft limit of open files to the hard one, and returns what holds then. The soft one is there for
/// programs that use `select`, which this one does not.
pub(super) fn raise_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            debug!("the limit of open files stays as it is: {error}");
            current
        }
    };
    let descriptors = raised.map_or(UNLIMITED, |limit| usize::try_from(limit).unwrap_or(UNLIMITED));
    if descriptors < USUAL {
        warn!(
            descriptors,
            "few files may be open at once, so fewer clients than usual are served: raise the hard limit (ulimit -Hn, LimitNOFILE=)"
        );
    }
    descriptors
}
