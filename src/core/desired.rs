//! The desired state: a snapshot of all objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::name::ObjectName;
use crate::core::object::Objects;

/// A stored object that cannot be read. Its containers are left alone until it is submitted again.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// Why it cannot be read.
    pub(crate) why: String,
    /// Its generation if that can be read, else 0; the next submit continues from there.
    pub(crate) generation: u64,
    /// The stored form.
    pub(crate) stored: Arc<str>,
}

/// The desired state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desired {
    /// The objects, and the tombstones of deleted ones.
    pub(crate) objects: Arc<Objects>,
    /// Objects that could not be read.
    pub(crate) quarantined: Arc<BTreeMap<ObjectName, Quarantined>>,
}
