//! The reconcile loop: observe, plan, act.
//!
//! [`start()`] composes it. The observer keeps the [`cache`] of our containers; the dispatcher keeps one worker per object;
//! a worker asks the planner what to do, and the actuator performs the steps.

mod actuator;
pub mod cache;
mod commits;
mod context;
mod dispatcher;
mod engine_events;
pub(crate) mod engine_state;
pub(crate) mod heartbeat;
mod observer;
pub mod progress;
mod start;
#[cfg(test)]
mod two_managers;
mod worker;

pub use start::{Control, Parts, TaskEnded, Tasks, start};
