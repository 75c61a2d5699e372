//! The certificates of the daemon: configured, or generated in the data directory.

use std::path::PathBuf;

use anyhow::{Context, bail};
use rustls::pki_types::ServerName;
use tracing::info;

use crate::app::banner::{ClientFiles, quoted};
use crate::app::expiry;
use crate::app::settings::Settings;
use crate::certificates::{Files, generate};

/// The configured files, or the set in the data directory, which is generated if it does not exist.
pub(super) fn certificates(settings: &Settings) -> anyhow::Result<(Files, ClientFiles)> {
    match (&settings.files, &settings.data_dir) {
        (Some(files), _) => {
            let ca = files.ca.display();
            let client = ClientFiles {
                options: Some(format!("--cacert {ca} --cert CLIENT-CERT.pem --key CLIENT-KEY.pem")),
                note: format!(
                    "as configured; clients need a certificate signed by {ca}, such as docker-machine's"
                ),
            };
            Ok((files.clone(), client))
        }
        (None, Some(dir)) => {
            let dir = absolute(dir)?.join("certs");
            // For an unspecified address, the certificate contains the machine's own.
            let hosts: Vec<ServerName<'static>> = settings.addresses.iter().map(|a| a.ip().into()).collect();
            let made = generate::ensure(&dir, &hosts)?;
            if let Some(renewed) = &made.server_renewed {
                info!("{renewed}");
            }
            let shown = made.client();
            let mut client = ClientFiles {
                options: Some(format!(
                    "--cacert {} --cert {} --key {}",
                    quoted(&shown.ca.display().to_string()),
                    quoted(&shown.cert.display().to_string()),
                    quoted(&shown.key.display().to_string())
                )),
                note: format!(
                    "{} ({})",
                    dir.display(),
                    if made.made_now { "generated now" } else { "generated earlier" }
                ),
            };
            if let Some(not_after) = made.client_not_after() {
                expiry::of_client(&shown.cert, not_after, &mut client);
            }
            Ok((made.server(), client))
        }
        (None, None) => bail!("neither certificates nor a data directory to generate them in"),
    }
}

pub(super) fn absolute(dir: &std::path::Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(dir).with_context(|| format!("--data-dir={} is not a path", dir.display()))
}
