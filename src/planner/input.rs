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
pub struct Input<'a> {
    /// What is wanted.
    pub object: &'a Object,
    /// Its containers as observed, in any order.
    pub containers: &'a [Arc<Container>],
    /// The steps under way.
    pub under_way: &'a [Action],
    /// Whether the observation can be trusted.
    pub evidence: &'a Evidence,
    /// The nodes.
    pub nodes: &'a Nodes,
    /// What a new container needs and departing containers of other objects still have.
    pub in_the_way: &'a InTheWay,
    /// What is remembered.
    pub memory: &'a Memory,
    /// The present.
    pub now: Time,
    /// How far the wall clock is ahead of `now`, for times in messages.
    pub offset: WallOffset,
}
