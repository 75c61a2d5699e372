//! Writes one transaction.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use redb::{Database, Durability};

use super::tables::{CONTAINERS, EVENTS, FORMAT, IDENTITY, IDENTITY_KEY, META, OBJECTS};
use crate::api::event::Event;
use crate::core::desired::Quarantined;
use crate::core::name::ObjectName;
use crate::core::object::Object;
use crate::crash_points;
use crate::store::ownership::Unwritten;
use crate::store::record;
use crate::store::redb::mark::Mark;

/// One transaction.
#[derive(Debug, Default)]
pub(in crate::store::redb) struct Batch {
    /// Changed objects.
    pub(in crate::store::redb) objects: Vec<Arc<Object>>,
    /// Names of dropped tombstones.
    pub(in crate::store::redb) forgotten: Vec<ObjectName>,
    /// New events.
    pub(in crate::store::redb) events: Vec<Arc<Event>>,
    /// The first event that is kept.
    pub(in crate::store::redb) oldest_event: u64,
    /// No event before the next batch will have a greater number.
    pub(in crate::store::redb) promised_event: u64,
    /// Changes of the identity and of the recorded containers.
    pub(in crate::store::redb) ownership: Unwritten,
}

/// Commits one transaction, which is on disk when this returns.
pub(super) fn write(
    database: &Database,
    mark: Mark,
    batch: &Batch,
    quarantined: &BTreeMap<ObjectName, Quarantined>,
) -> Result<(), redb::Error> {
    let json = |error: serde_json::Error| redb::Error::Io(error.into());
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", FORMAT)?;
        meta.insert("store", mark.store)?;
        meta.insert("commit", mark.commit)?;
        meta.insert("last-event", batch.promised_event)?;
        let mut objects = transaction.open_table(OBJECTS)?;
        for object in &batch.objects {
            objects.insert(object.spec.name.as_str(), record::encode(object).map_err(json)?.as_str())?;
        }
        for (name, unreadable) in quarantined {
            objects.insert(name.as_str(), &*unreadable.stored)?;
        }
        for name in &batch.forgotten {
            objects.remove(name.as_str())?;
        }
        if let Some(identity) = &batch.ownership.identity {
            let text = serde_json::to_string(identity).map_err(json)?;
            transaction.open_table(IDENTITY)?.insert(IDENTITY_KEY, text.as_str())?;
        }
        if !batch.ownership.records.is_empty() {
            let mut containers = transaction.open_table(CONTAINERS)?;
            for (id, there) in &batch.ownership.records {
                match there {
                    true => drop(containers.insert(&*id.0, ())?),
                    false => drop(containers.remove(&*id.0)?),
                }
            }
        }
        let mut events = transaction.open_table(EVENTS)?;
        for event in &batch.events {
            events.insert(event.id, serde_json::to_string(&**event).map_err(json)?.as_str())?;
        }
        let gone: RangeInclusive<u64> = 0..=batch.oldest_event.saturating_sub(1);
        if batch.oldest_event > 0 {
            events.retain_in(gone, |_, _| false)?;
        }
    }
    crash_points::point("amid-commit");
    transaction.commit()?;
    Ok(())
}
