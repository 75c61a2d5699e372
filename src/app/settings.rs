//! The settings of the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::certificates::Files;
use crate::core::identity::Claims;
use crate::engine::endpoint::Endpoint;

/// The settings of the daemon, from its flags and environment.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The addresses to listen on.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The endpoint.
    pub(crate) endpoint: Endpoint,
    /// The certificate files, if given.
    pub(crate) files: Option<Files>,
    /// The files for the endpoint, if they differ.
    pub(crate) engine_files: Option<Files>,
    /// Plain TCP to the endpoint is allowed.
    pub(crate) allow_plain_engine: bool,
    /// The data directory, unless it is `none`.
    pub(crate) data_dir: Option<PathBuf>,
    /// The value of the cluster label, and whose containers and state to take over.
    pub(crate) claims: Claims,
    /// The time between complete lists.
    pub(crate) resync: Duration,
    /// How long a node may be down before its containers no longer count.
    pub(crate) lost_after: Duration,
    /// The number of concurrent engine calls.
    pub(crate) parallel: usize,
}
