//! What the planner reads.

use std::sync::Arc;

use crate::core::availability::Nodes;
use crate::core::container::Container;
use crate::core::evidence::Evidence;
use crate::core::exclusive::InTheWay;
use crate::core::memory::Memory;
use crate::core::object::Object;
use crate::core::plan::Action;
use crate::core::time::{Time, WallOffset};

/// What the planner reads.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What is wanted.
    pub object: &'a Object,
    /// Its containers as observed, in any order.
    pub containers: &'a [Arc<Container>],
    /// What was begun and has not ended.
    pub under_way: &'a [Action],
    /// Whether the observation may be believed.
    pub evidence: &'a Evidence,
    /// The nodes they are on.
    pub nodes: &'a Nodes,
    /// What other objects' containers that are going still have and a new container needs.
    pub in_the_way: &'a InTheWay,
    /// What is remembered.
    pub memory: &'a Memory,
    /// The present.
    pub now: Time,
    /// How far the wall clock is ahead of `now`, for times in messages.
    pub offset: WallOffset,
}
