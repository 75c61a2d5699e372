//! The engine: which implementation, and with which certificates.

use std::path::PathBuf;
use std::sync::Arc;

use tracing::warn;

use crate::app::settings::Settings;
use crate::certificates::{Files, Identity};
use crate::clock::Clock;
use crate::connector::Target;
use crate::engine::Engine;
use crate::engine::docker::transport::Transport;
use crate::engine::docker::{DockerEngine, OwnData};
use crate::engine::endpoint::Endpoint;
use crate::engine::simulated::SimulatedEngine;
use crate::telemetry::Expiry;

/// What no submitted object may reach through a volume: the data directory, certificates and keys.
pub(super) fn own_data(settings: &Settings, files: &Files) -> OwnData {
    let mut paths: Vec<PathBuf> = settings.data_dir.iter().cloned().collect();
    for files in std::iter::once(files).chain(&settings.engine_files) {
        paths.extend([files.ca.clone(), files.cert.clone(), files.key.clone()]);
    }
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    OwnData::of_this_process(paths.into_iter().map(absolute).collect())
}

/// The engine. Adds the expiry of its certificates to `expiries`.
pub(super) fn engine(
    settings: &Settings,
    own: &Identity,
    data: OwnData,
    expiries: &mut Vec<Expiry>,
    clock: Clock,
) -> anyhow::Result<Arc<dyn Engine>> {
    let target = match &settings.endpoint {
        Endpoint::Simulated(nodes) => {
            warn!(nodes, "the engine is simulated: no real containers run");
            return Ok(Arc::new(SimulatedEngine::new(*nodes, clock)));
        }
        Endpoint::Unix(path) => Target::Unix(path.clone()),
        Endpoint::Tcp { host, port } => {
            let tls = if settings.allow_plain_engine {
                warn!(endpoint = %settings.endpoint, "the connection to the engine is plain TCP: anyone who can reach the engine is root on its host");
                None
            } else {
                let separate = settings.engine_files.as_ref().map(Identity::load).transpose()?;
                let identity = separate.as_ref().unwrap_or(own);
                expiries.push(("engine_client", identity.not_after()));
                expiries.push(("engine_ca", identity.authorities_not_after()));
                Some(identity.client_config()?.into())
            };
            Target::Tcp { host: host.clone(), port: *port, tls }
        }
    };
    Ok(Arc::new(DockerEngine::new(Transport::new(target)).protecting(data)))
}
