//! The location of the state in a data directory: simulated endpoints have a separate directory, so that experiments are never
//! created on a real engine.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::file::{self, OpenError, StateFile};
use super::mark;
use crate::api::event::{Event, EventKind};

/// The directory of the state of simulated endpoints, in the data directory.
const SIMULATED: &str = "simulated";
/// The end of the first event of each start with a simulated endpoint.
const ON_SIMULATED: &str = " on simulated://";

/// The directory of the state of real or of simulated endpoints. It is not created.
pub(crate) fn place(dir: &Path, simulated: bool) -> PathBuf {
    if simulated { dir.join(SIMULATED) } else { dir.to_owned() }
}

/// The same, created if necessary. A state of simulated endpoints that an earlier version kept in the data directory itself is
/// moved there.
pub(crate) fn prepare(dir: &Path, simulated: bool) -> Result<PathBuf, OpenError> {
    let own = place(dir, true);
    if let Some(state) = misplaced(dir, &own)? {
        make(&own)?;
        for name in [mark::FILE, file::FILE] {
            match fs::rename(dir.join(name), own.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(OpenError::Io { path: dir.join(name), what: "moved", error });
                }
                _ => {}
            }
        }
        warn!(from = %state.display(), to = %own.display(), "this state was only ever used with simulated endpoints: moved");
    }
    if simulated {
        make(&own)?;
    }
    Ok(place(dir, simulated))
}

fn make(dir: &Path) -> Result<(), OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(OpenError::no_directory(dir))
}

/// The state file in the data directory itself, if an earlier version kept it there and all of its known starts had simulated
/// endpoints.
fn misplaced(dir: &Path, own: &Path) -> Result<Option<PathBuf>, OpenError> {
    let state = dir.join(file::FILE);
    let there = |path: &Path| path.try_exists().map_err(OpenError::io(path, "looked at"));
    if !there(&state)? || there(&own.join(file::FILE))? {
        return Ok(None);
    }
    // Opening the state reports any problem.
    let Ok((file, content)) = StateFile::open(dir) else { return Ok(None) };
    let simulated = content.identity.is_none() && only_simulated(&content.events);
    if let Err(error) = file.close() {
        warn!(%error, "the state file was not closed properly: the next start checks it");
    }
    Ok(simulated.then_some(state))
}

fn only_simulated(events: &[Event]) -> bool {
    let mut starts = events.iter().filter(|event| event.kind == EventKind::Started).peekable();
    starts.peek().is_some() && starts.all(|start| start.text.contains(ON_SIMULATED))
}
