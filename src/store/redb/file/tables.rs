//! The tables of the state file, and the version of them.

use redb::TableDefinition;

/// The version of the tables. Raise it whenever an older program would misread them.
pub(super) const FORMAT: u64 = 2;
/// The previous format, without identity and records of containers.
pub(super) const FORMAT_WITHOUT_IDENTITY: u64 = 1;

/// Numbers by name: the format, the store's number, its commits, and the last reserved event number.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Objects by name, see [`record`](crate::store::record).
pub(super) const OBJECTS: TableDefinition<'_, &str, &str> = TableDefinition::new("objects");
/// The tail of the event log by number, as JSON.
pub(super) const EVENTS: TableDefinition<'_, u64, &str> = TableDefinition::new("events");

/// The identity, as JSON, under one key.
pub(super) const IDENTITY: TableDefinition<'_, &str, &str> = TableDefinition::new("identity");
pub(super) const IDENTITY_KEY: &str = "identity";
/// The ids of containers that were created or adopted.
pub(super) const CONTAINERS: TableDefinition<'_, &str, ()> = TableDefinition::new("containers");
