//! The desired state: a snapshot of all objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::name::ObjectName;
use crate::core::object::Objects;

/// An object that is stored and cannot be read. Its containers are left alone until it is submitted anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// Why it cannot be read.
    pub why: String,
    /// Its generation, as far as that can be read; the next submit continues from there.
    pub generation: u64,
    /// What is stored.
    pub stored: Arc<str>,
}

/// All that is wanted.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The objects, and the tombstones of deleted ones.
    pub objects: Arc<Objects>,
    /// What could not be read.
    pub quarantined: Arc<BTreeMap<ObjectName, Quarantined>>,
}
