//! Containers, from a list and from an inspect: only the fields in use.

mod entry;
mod fields;
mod inspected;
#[cfg(test)]
mod tests;

pub(super) use entry::{Entry, read_entry};
pub(super) use fields::read_id;
pub(in crate::engine::docker) use inspected::read_inspected;
