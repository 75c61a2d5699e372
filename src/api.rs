//! The wire contract: one struct per response.

pub mod event;
pub mod status;
