//! Published and exposed ports.

use std::net::IpAddr;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::draft::Draft;
use super::tree::put;

const BINDINGS: &str = "HostConfig.PortBindings";

/// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, where both ports may be ranges, or `published=HOST,target=CONTAINER,protocol=...`.
pub(super) fn publish(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let standard = if text.contains('=') { from_pairs(text)? } else { text.to_owned() };
    let (address, host, container) = parts(&standard);
    let (container, protocol) = protocol(container)?;
    let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    ensure!(address.is_empty() || address.parse::<IpAddr>().is_ok(), "invalid IP address {address:?}");
    ensure!(!container.is_empty(), "the container port is missing");
    let (first, last) = range(container).context("invalid container port")?;
    let hosts = match host {
        "" => None,
        host => Some(range(host).context("invalid host port")?),
    };
    if let Some((from, to)) = hosts {
        ensure!(
            to - from == last - first || first == last,
            "the ranges {container} and {host} have different lengths"
        );
    }
    for (offset, port) in (first..=last).enumerate() {
        let port = format!("{port}/{protocol}");
        let host = match hosts {
            None => String::new(),
            // For one container port, any host port of the range will do.
            Some((from, to)) if first == last && from != to => format!("{from}-{to}"),
            Some((from, _)) => (u32::from(from) + u32::try_from(offset)?).to_string(),
        };
        draft.entry("ExposedPorts", &port, json!({}));
        let mut binding = json!({"HostPort": host});
        if !address.is_empty() {
            put(&mut binding, &["HostIp"], address);
        }
        let mut bindings = match draft.get_entry(BINDINGS, &port) {
            Some(Value::Array(bindings)) => bindings.clone(),
            _ => Vec::new(),
        };
        bindings.push(binding);
        draft.entry(BINDINGS, &port, bindings.into());
    }
    Ok(())
}

/// `PORT[-PORT][/PROTOCOL]`.
pub(super) fn expose(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    ensure!(!text.contains(':'), "expected PORT or PORT-PORT, optionally followed by /udp or /sctp");
    let (ports, protocol) = protocol(text)?;
    let (first, last) = range(ports)?;
    for port in first..=last {
        draft.entry("ExposedPorts", &format!("{port}/{protocol}"), json!({}));
    }
    Ok(())
}

fn from_pairs(text: &str) -> anyhow::Result<String> {
    let (mut published, mut target, mut protocol) = ("", "", "tcp");
    for pair in text.split(',') {
        match pair.split_once('=') {
            Some(("published", value)) => published = value,
            Some(("target", value)) => target = value,
            Some(("protocol", value)) => protocol = value,
            Some((other, _)) => bail!("unknown option {other:?}; expected published, target or protocol"),
            None => bail!("expected NAME=VALUE instead of {pair:?}"),
        }
    }
    Ok(format!("{published}:{target}/{protocol}"))
}

/// The address, the host port and the container port; the address may contain colons.
fn parts(text: &str) -> (&str, &str, &str) {
    let (rest, container) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, host) = rest.rsplit_once(':').unwrap_or(("", rest));
    (address, host, container)
}

fn protocol(text: &str) -> anyhow::Result<(&str, String)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_ascii_lowercase() };
    ensure!(
        ["tcp", "udp", "sctp"].contains(&protocol.as_str()),
        "unknown protocol {protocol:?}; expected tcp, udp or sctp"
    );
    Ok((port, protocol))
}

fn range(text: &str) -> anyhow::Result<(u16, u16)> {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let port = digits.then(|| text.parse().ok()).flatten();
        port.with_context(|| format!("invalid port {text:?}; expected a number up to 65535"))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    ensure!(first <= last, "the range {text} is reversed");
    Ok((first, last))
}
