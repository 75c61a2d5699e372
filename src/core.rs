//! Nouns and decisions, without I/O, clocks or randomness.
//!
//! A value of these types has been parsed and needs no further check. [`submission`] turns bytes into
//! [`Spec`](spec::Spec)s.

pub mod availability;
pub mod backoff;
pub mod claim;
pub mod condition;
pub mod container;
pub mod desired;
pub mod docker_models;
pub mod engine_kind;
pub mod evidence;
pub mod exclusive;
pub mod identity;
pub mod image_reference;
pub mod labels;
pub mod manager_id;
pub mod memory;
pub mod name;
pub mod node;
pub mod object;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod prospects;
pub mod sanitize;
pub mod signal;
pub mod spec;
pub mod submission;
pub mod time;
pub mod transaction;
