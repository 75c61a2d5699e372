//! Reads all of a state file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, TableError};

use super::error::OpenError;
use super::tables::{
    CONTAINERS, EVENTS, FORMAT, FORMAT_WITHOUT_IDENTITY, IDENTITY, IDENTITY_KEY, META, OBJECTS,
};
use crate::api::event::Event;
use crate::core::container::ContainerId;
use crate::core::desired::Desired;
use crate::core::identity::Identity;
use crate::core::name::ObjectName;
use crate::core::object::Objects;
use crate::store::record;

/// The content of a state file.
#[derive(Debug, Default)]
pub(in crate::store::redb) struct Content {
    pub(in crate::store::redb) desired: Desired,
    /// The tail of the event log, oldest first.
    pub(in crate::store::redb) events: Vec<Event>,
    /// No event has a greater number.
    pub(in crate::store::redb) last_event: u64,
    /// The identity; `None` in a state of a version without identities.
    pub(in crate::store::redb) identity: Option<Identity>,
    /// Recorded containers.
    pub(in crate::store::redb) recorded: BTreeSet<ContainerId>,
}

/// Reads everything, with the store's number and its last commit.
pub(super) fn read(database: &Database, path: &Path) -> Result<(u64, u64, Content), OpenError> {
    let damaged = |error: redb::Error| OpenError::damaged(path, error);
    let reading = database.begin_read().map_err(|e| damaged(e.into()))?;
    let meta = reading.open_table(META).map_err(|e| damaged(e.into()))?;
    let number = |name: &str| {
        let found = meta.get(name).map_err(|e| damaged(e.into()))?;
        found.map(|n| n.value()).ok_or_else(|| OpenError::damaged(path, format!("it has no '{name}'")))
    };
    match number("format")? {
        FORMAT | FORMAT_WITHOUT_IDENTITY => {}
        found if found > FORMAT => return Err(OpenError::Newer { path: path.to_owned(), found }),
        found => return Err(OpenError::damaged(path, format!("its format is {found}"))),
    }
    let (mut objects, mut quarantined) = (Objects::new(), BTreeMap::new());
    let table = reading.open_table(OBJECTS).map_err(|e| damaged(e.into()))?;
    for entry in table.iter().map_err(|e| damaged(e.into()))? {
        let (name, stored) = entry.map_err(|e| damaged(e.into()))?;
        let name = ObjectName::parse(name.value())
            .ok_or_else(|| OpenError::damaged(path, format!("{:?} is no name", name.value())))?;
        match record::decode(&name, stored.value()) {
            Ok(object) => drop(objects.insert(name, Arc::new(object))),
            Err(unreadable) => drop(quarantined.insert(name, unreadable)),
        }
    }
    let mut events = Vec::new();
    let table = reading.open_table(EVENTS).map_err(|e| damaged(e.into()))?;
    for entry in table.iter().map_err(|e| damaged(e.into()))? {
        let (id, text) = entry.map_err(|e| damaged(e.into()))?;
        // An event of a newer version is no reason to refuse the state.
        match serde_json::from_str::<Event>(text.value()) {
            Ok(event) => events.push(event),
            Err(error) => {
                tracing::warn!(id = id.value(), %error, "an event in the state cannot be read: left out")
            }
        }
    }
    let desired = Desired { objects: Arc::new(objects), quarantined: Arc::new(quarantined) };
    let (identity, recorded) = read_ownership(&reading, path)?;
    let content = Content { desired, events, last_event: number("last-event")?, identity, recorded };
    Ok((number("store")?, number("commit")?, content))
}

/// The identity and the recorded containers. States of older versions lack these tables.
fn read_ownership(
    reading: &redb::ReadTransaction,
    path: &Path,
) -> Result<(Option<Identity>, BTreeSet<ContainerId>), OpenError> {
    let damaged = |error: redb::Error| OpenError::damaged(path, error);
    let identity = match reading.open_table(IDENTITY) {
        Ok(table) => {
            let stored = table.get(IDENTITY_KEY).map_err(|e| damaged(e.into()))?;
            let read = |text: &str| {
                serde_json::from_str(text)
                    .map_err(|error| OpenError::damaged(path, format!("its identity: {error}")))
            };
            stored.map(|text| read(text.value())).transpose()?
        }
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(damaged(error.into())),
    };
    let mut recorded = BTreeSet::new();
    match reading.open_table(CONTAINERS) {
        Ok(table) => {
            for entry in table.iter().map_err(|e| damaged(e.into()))? {
                let (id, _) = entry.map_err(|e| damaged(e.into()))?;
                recorded.insert(ContainerId::from(id.value()));
            }
        }
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(damaged(error.into())),
    }
    Ok((identity, recorded))
}
