//! Nouns and decisions, without I/O, clocks or randomness.
//!
//! A value of these types has been parsed and needs no further check. [`submission`] turns bytes into
//! [`Spec`](spec::Spec)s.

pub(crate) mod access;
pub(crate) mod availability;
pub(crate) mod backoff;
pub(crate) mod claim;
pub mod condition;
pub mod container;
pub(crate) mod desired;
pub(crate) mod docker_models;
pub mod engine_kind;
pub mod evidence;
pub(crate) mod exclusive;
pub(crate) mod identity;
pub(crate) mod image_reference;
pub mod labels;
pub mod manager_id;
pub(crate) mod memory;
pub mod name;
pub mod node;
pub(crate) mod object;
pub mod outcome;
pub(crate) mod plan;
pub(crate) mod policy;
pub mod prospects;
pub mod sanitize;
pub mod signal;
pub mod spec;
pub mod submission;
pub mod time;
pub mod transaction;
