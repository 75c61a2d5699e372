//! Connections: accept loop, handshake, limits and TLS. It knows neither objects nor plans.

pub mod accept;
pub mod connection;
pub mod fair_share;
pub mod limits;
pub mod peer;
pub(crate) mod problem;
pub mod request_check;
mod throttle;
pub mod tls;
