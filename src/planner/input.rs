//! The input of the planner.

use std::sync::Arc;

use crate::core::availability::Nodes;
use crate::core::container::Container;
use crate::core::evidence::Evidence;
use crate::core::exclusive::InTheWay;
use crate::core::memory::Memory;
use crate::core::object::Object;
use crate::core::plan::Action;
use crate::core::time::{Time, WallOffset};

/// The input of the planner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    /// What is wanted.
    pub(crate) object: &'a Object,
    /// Its containers as observed, in any order.
    pub(crate) containers: &'a [Arc<Container>],
    /// The steps under way.
    pub(crate) under_way: &'a [Action],
    /// Whether the observation can be trusted.
    pub(crate) evidence: &'a Evidence,
    /// The nodes.
    pub(crate) nodes: &'a Nodes,
    /// What a new container needs and departing containers of other objects still have.
    pub(crate) in_the_way: &'a InTheWay,
    /// What is remembered.
    pub(crate) memory: &'a Memory,
    /// The present.
    pub(crate) now: Time,
    /// How far the wall clock is ahead of `now`, for times in messages.
    pub(crate) offset: WallOffset,
}
