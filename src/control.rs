//! The loop: observe, plan, act.

pub mod actuator;
pub mod cache;
pub mod context;
pub mod dispatcher;
pub mod engine_events;
pub mod engine_state;
pub mod heartbeat;
pub mod observer;
pub mod progress;
mod record;
#[cfg(test)]
mod two_managers;
pub mod worker;
