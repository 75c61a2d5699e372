//! What the daemon prints when it is ready: where everything is, and commands to paste.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::app::settings::Settings;
use crate::engine::endpoint::Endpoint;

/// What a client on this machine needs, for the banner.
pub(super) struct ClientFiles {
    /// curl's options, unless curl would fail.
    pub(super) options: Option<String>,
    /// Where the certificates are, and whether they are new.
    pub(super) note: String,
}

impl ClientFiles {
    /// Notes that a certificate has expired.
    pub(super) fn has_expired(&mut self, file: &Path) {
        self.options = None;
        let name = file.file_name().unwrap_or_default().display();
        self.note += &format!("; {name} has expired, see the log");
    }
}

/// Quotes a word for a shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Prints where everything is, with commands to paste.
pub(super) fn greet(
    settings: &Settings,
    listeners: &[TcpListener],
    client: &ClientFiles,
    durability: &str,
) -> anyhow::Result<()> {
    let mut text = format!("swarm-cluster-state-manager {}\n", env!("CARGO_PKG_VERSION"));
    let mut bound: Vec<SocketAddr> = Vec::new();
    for listener in listeners {
        let address = listener.local_addr().context("the address of a listener is unknown")?;
        text += &format!("  listening on  https://{address} (mutual TLS)\n");
        bound.push(address);
    }
    let simulated = if matches!(settings.endpoint, Endpoint::Simulated(_)) {
        " (SIMULATED: no real containers run)"
    } else {
        ""
    };
    text += &format!("  engine        {}{simulated}\n", settings.endpoint);
    text += &format!("  certificates  {}\n", client.note);
    text += &format!("  state         {durability}\n");
    if let (Some(first), Some(options)) = (bound.first(), &client.options) {
        let host = if first.ip().is_unspecified() {
            format!("127.0.0.1:{}", first.port())
        } else {
            first.to_string()
        };
        text += &format!(
            "\nTry it:\n  curl https://{host}/submit {options} -d '{{\"Name\": \"nginx\", \"Image\": \"nginx:1.9.6\", \"Count\": 5}}'\n  \
             curl https://{host}/status {options}\n"
        );
    }
    let mut stdout = std::io::stdout().lock();
    // Standard output may be closed.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    Ok(())
}
