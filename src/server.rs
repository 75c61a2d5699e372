//! Connections: accept loop, handshake, limits and TLS. It knows neither objects nor plans.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod fair_share;
pub(crate) mod limits;
pub(crate) mod peer;
pub(crate) mod problem;
pub(crate) mod request_check;
mod throttle;
pub(crate) mod tls;
