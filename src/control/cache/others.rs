//! Containers in the cluster that are not ours.

use std::collections::BTreeMap;

use crate::core::claim::NotOurs;
use crate::core::container::Container;
use crate::core::manager_id::ManagerId;

/// How many containers other managers have in this cluster.
pub(crate) type Rivals = BTreeMap<ManagerId, usize>;

/// A container that merely carries our labels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CopySeen {
    /// The container.
    pub(crate) container: Container,
    /// Why it is not ours.
    pub(crate) reason: NotOurs,
}
