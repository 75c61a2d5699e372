//! Devices, and limits by name or device.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::draft::Draft;
use super::tree::{field, put};
use super::{csv, values};

/// The limits that Linux has.
const LIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// `NAME=SOFT[:HARD]`; the last one of a name counts.
pub(super) fn ulimit(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let (name, limits) = text.split_once('=').context("expected NAME=SOFT:HARD, such as nofile=1024:2048")?;
    ensure!(LIMITS.contains(&name), "unknown limit {name:?}; expected one of {}", LIMITS.join(", "));
    let number = |text: &str| text.parse::<i64>().with_context(|| format!("{text:?} is not an integer"));
    let (soft, hard) = match limits.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(limits)?, number(limits)?),
    };
    ensure!(
        hard == -1 || (soft != -1 && soft <= hard),
        "the soft limit {soft} is greater than the hard limit {hard}"
    );
    let path = "HostConfig.Ulimits";
    let mut ulimits = draft.get(path).and_then(Value::as_array).cloned().unwrap_or_default();
    ulimits.retain(|limit| field(limit, "Name").is_none_or(|other| other != name));
    ulimits.push(json!({"Name": name, "Soft": soft, "Hard": hard}));
    draft.set(path, ulimits.into());
    Ok(())
}

/// `PATH[:PATH][:rwm]`, or the name of a CDI device.
pub(super) fn device(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    if !text.starts_with('/') && text.contains('=') {
        draft.add("HostConfig.DeviceRequests", json!({"Driver": "cdi", "DeviceIDs": [text]}));
        return Ok(());
    }
    let is_mode = |text: &str| !text.is_empty() && text.chars().all(|c| matches!(c, 'r' | 'w' | 'm'));
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, permissions) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, mode] if is_mode(mode) => (*host, *host, *mode),
        [host, container] => (*host, *container, "rwm"),
        [host, container, mode] if is_mode(mode) => (*host, *container, *mode),
        _ => bail!("expected PATH, PATH:PATH or PATH:PATH:rwm"),
    };
    ensure!(!host.is_empty() && container.starts_with('/'), "expected a path that begins with /");
    draft.add(
        "HostConfig.Devices",
        json!({"PathOnHost": host, "PathInContainer": container, "CgroupPermissions": permissions}),
    );
    Ok(())
}

/// `all`, a number, or `device=...,capabilities=...,driver=...,options=...`.
pub(super) fn gpus(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let count = |text: &str| match text {
        "all" => Ok(-1),
        number => values::integer(number).context("expected all or a number"),
    };
    let mut request = json!({});
    let mut seen: Vec<String> = Vec::new();
    for part in csv::fields(text)? {
        let (key, value) = part.split_once('=').unwrap_or(("count", &part));
        ensure!(!seen.iter().any(|other| other == key), "{key} is given twice");
        seen.push(key.to_owned());
        let list = || value.split(',').map(str::to_owned);
        match key {
            "count" => put(&mut request, &["Count"], count(value)?),
            "driver" => put(&mut request, &["Driver"], value),
            "device" => put(&mut request, &["DeviceIDs"], list().collect::<Vec<_>>()),
            "capabilities" => {
                put(
                    &mut request,
                    &["Capabilities"],
                    json!([list().chain(["gpu".to_owned()]).collect::<Vec<_>>()]),
                );
            }
            "options" => {
                for option in csv::fields(value)? {
                    let (name, value) = option.split_once('=').unwrap_or((&option, ""));
                    put(&mut request, &["Options", name], value);
                }
            }
            other => bail!("unknown option {other:?}"),
        }
    }
    if request.get("Count").is_none() && request.get("DeviceIDs").is_none() {
        put(&mut request, &["Count"], 1);
    }
    if request.get("Capabilities").is_none() {
        put(&mut request, &["Capabilities"], json!([["gpu"]]));
    }
    draft.set("HostConfig.DeviceRequests", json!([request]));
    Ok(())
}

pub(super) fn weight(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let (path, weight) = device_and_value(text)?;
    let weight = values::integer(weight)?;
    ensure!(weight == 0 || (10..=1000).contains(&weight), "expected a weight from 10 to 1000, or 0");
    draft.add("HostConfig.BlkioWeightDevice", json!({"Path": path, "Weight": weight}));
    Ok(())
}

pub(super) fn read_bps(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    rate(draft, "HostConfig.BlkioDeviceReadBps", text, values::size)
}

pub(super) fn write_bps(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    rate(draft, "HostConfig.BlkioDeviceWriteBps", text, values::size)
}

pub(super) fn read_iops(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    rate(draft, "HostConfig.BlkioDeviceReadIOps", text, values::integer)
}

pub(super) fn write_iops(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    rate(draft, "HostConfig.BlkioDeviceWriteIOps", text, values::integer)
}

fn rate(
    draft: &mut Draft<'_>,
    path: &str,
    text: &str,
    number: fn(&str) -> anyhow::Result<i64>,
) -> anyhow::Result<()> {
    let (device, rate) = device_and_value(text)?;
    let rate = number(rate)?;
    ensure!(rate >= 0, "a rate cannot be negative");
    draft.add(path, json!({"Path": device, "Rate": rate}));
    Ok(())
}

fn device_and_value(text: &str) -> anyhow::Result<(&str, &str)> {
    let parts = text.split_once(':').filter(|(path, _)| path.starts_with("/dev/"));
    parts.context("expected DEVICE:VALUE, with a device such as /dev/sda")
}
