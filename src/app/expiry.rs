//! Warnings at the start about the CA and the generated client certificate. [`Identity`] warns about the daemon's own.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tracing::warn;

use super::banner::ClientFiles;
use crate::certificates::Identity;
use crate::clock;

/// How long before the expiry to warn, as for the renewal of the generated server certificate.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Warns if a generated client certificate has expired or soon will.
pub(super) fn of_client(file: &Path, not_after: SystemTime, client: &mut ClientFiles) {
    let now = clock::system_now();
    warn_of(
        "the client certificate in",
        file,
        not_after,
        now,
        "issue a new one with the CA's key, see docs/deploy.md",
    );
    if not_after < now {
        client.has_expired(file);
    }
}

/// Warns if the CA has expired or soon will.
pub(super) fn of_authorities(identity: &Identity, generated: bool, client: &mut ClientFiles) {
    let (now, file) = (clock::system_now(), &identity.files().ca);
    let way_out = match generated {
        true => {
            "to make a new set, stop the daemon, move the directory away and start it; clients need the new files"
        }
        false => "replace it and the certificates that it has signed, and restart the daemon",
    };
    warn_of("the CA certificate in", file, identity.authorities_not_after(), now, way_out);
    if identity.authorities_last_not_after() < now {
        client.has_expired(file);
    }
}

fn warn_of(what: &str, file: &Path, not_after: SystemTime, now: SystemTime, way_out: &str) {
    if not_after < now + SOON {
        let verb = if not_after < now { "expired" } else { "expires" };
        let (file, date) = (file.display(), humantime::format_rfc3339_seconds(not_after));
        warn!("{what} {file} {verb} at {date}: {way_out}");
    }
}
