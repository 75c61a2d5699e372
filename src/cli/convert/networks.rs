//! Networks, addresses and names.

use std::net::IpAddr;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::csv;
use super::draft::{Attachment, Draft, Networks};
use super::tree::{field, push, put};

/// `NAME`, or `name=NAME,alias=...,ip=...`.
pub(super) fn network(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    ensure!(!text.is_empty(), "expected the name of a network");
    if !text.contains('=') {
        draft.networks.attachments.push(Attachment { network: text.to_owned(), endpoint: Value::Null });
        return Ok(());
    }
    let (mut network, mut endpoint) = (String::new(), Value::Null);
    for field in csv::fields(text)? {
        let (key, value) =
            field.split_once('=').with_context(|| format!("expected NAME=VALUE instead of {field:?}"))?;
        match key.to_ascii_lowercase().as_str() {
            "name" => network = value.to_owned(),
            "alias" => push(&mut endpoint, &["Aliases"], value),
            "ip" => address(&mut endpoint, "IPv4Address", value)?,
            "ip6" => address(&mut endpoint, "IPv6Address", value)?,
            "link-local-ip" => push(&mut endpoint, &["IPAMConfig", "LinkLocalIPs"], value),
            "mac-address" => put(&mut endpoint, &["MacAddress"], value),
            "driver-opt" => {
                let (name, value) = value.split_once('=').context("expected driver-opt=NAME=VALUE")?;
                put(&mut endpoint, &["DriverOpts", name], value);
            }
            "gw-priority" => put(&mut endpoint, &["GwPriority"], super::values::integer(value)?),
            other => bail!("unknown option {other:?}"),
        }
    }
    ensure!(!network.is_empty(), "name=NETWORK is missing");
    draft.networks.attachments.push(Attachment { network, endpoint });
    Ok(())
}

pub(super) fn alias(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    push(&mut draft.networks.first, &["Aliases"], text);
    Ok(())
}

pub(super) fn ip(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    address(&mut draft.networks.first, "IPv4Address", text)
}

pub(super) fn ip6(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    address(&mut draft.networks.first, "IPv6Address", text)
}

pub(super) fn link_local_ip(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    ip_address(text)?;
    push(&mut draft.networks.first, &["IPAMConfig", "LinkLocalIPs"], text);
    Ok(())
}

pub(super) fn mac_address(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let is_one = parts.len() == 6
        && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()));
    ensure!(is_one, "expected an address such as 92:d0:c6:0a:29:33");
    put(&mut draft.networks.first, &["MacAddress"], text);
    Ok(())
}

pub(super) fn dns(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    draft.add("HostConfig.Dns", json!(ip_address(text.trim())?.to_string()));
    Ok(())
}

/// `HOST:ADDRESS` or `HOST=ADDRESS`.
pub(super) fn add_host(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let parts = text.split_once('=').or_else(|| text.split_once(':'));
    let (host, address) = parts.filter(|(host, _)| !host.is_empty()).context("expected HOST:ADDRESS")?;
    let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    if address != "host-gateway" {
        ip_address(address)?;
    }
    draft.add("HostConfig.ExtraHosts", json!(format!("{host}:{address}")));
    Ok(())
}

fn ip_address(text: &str) -> anyhow::Result<IpAddr> {
    text.parse().ok().with_context(|| format!("{text:?} is not an IP address"))
}

fn address(endpoint: &mut Value, field: &str, text: &str) -> anyhow::Result<()> {
    let address = ip_address(text)?;
    ensure!(address.is_ipv4() == (field == "IPv4Address"), "{text} is an address of the other IP version");
    put(endpoint, &["IPAMConfig", field], text);
    Ok(())
}

/// Whether every engine has the network; such networks have no aliases and no fixed addresses.
fn is_built_in(network: &str) -> bool {
    matches!(network, "default" | "bridge" | "host" | "none") || network.starts_with("container:")
}

pub(super) fn finish(draft: &mut Draft<'_>) -> anyhow::Result<()> {
    let Networks { mut attachments, first } = std::mem::take(&mut draft.networks);
    if attachments.is_empty() && first.is_null() {
        return Ok(());
    }
    if attachments.is_empty() {
        attachments.push(Attachment { network: "default".to_owned(), endpoint: Value::Null });
    }
    if let (Some(attachment), Value::Object(first)) = (attachments.first_mut(), first) {
        for (name, value) in first {
            let known = field(&attachment.endpoint, &name);
            ensure!(
                known.is_none(),
                "{name} of network {} is given twice: in --network and by a separate flag",
                attachment.network
            );
            put(&mut attachment.endpoint, &[name.as_str()], value);
        }
    }
    let built_in = attachments.iter().filter(|attachment| is_built_in(&attachment.network)).count();
    ensure!(built_in == 0 || attachments.len() == 1, "only user-defined networks can be combined");
    for (i, Attachment { network, endpoint }) in attachments.iter().enumerate() {
        let twice = attachments.iter().take(i).any(|other| other.network == *network);
        ensure!(!twice, "network {network} is given twice");
        let own = if is_built_in(network) {
            endpoint.get("Aliases").or_else(|| endpoint.get("IPAMConfig"))
        } else {
            None
        };
        ensure!(
            own.is_none(),
            "aliases and addresses need a user-defined network (`docker network create`): set one with --network"
        );
        if i == 0 && network != "default" {
            draft.set("HostConfig.NetworkMode", json!(network));
        }
        if endpoint.is_null() && attachments.len() == 1 {
            continue;
        }
        let network = if network == "default" { "bridge" } else { network };
        draft.entry(
            "NetworkingConfig.EndpointsConfig",
            network,
            match endpoint {
                Value::Null => json!({}),
                endpoint => endpoint.clone(),
            },
        );
    }
    Ok(())
}
