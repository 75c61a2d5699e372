//! Flags that set one field each, with special rules.

use anyhow::{Context, bail, ensure};
use serde_json::json;

use super::draft::Draft;
use super::values;

pub(super) fn name(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    draft.name = Some(text.strip_prefix('/').unwrap_or(text).to_owned()).filter(|name| !name.is_empty());
    Ok(())
}

pub(super) fn entrypoint(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    // An empty entrypoint resets that of the image.
    draft.set("Entrypoint", json!([text]));
    Ok(())
}

pub(super) fn restart(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let (name, most) = match text.split_once(':') {
        Some((name, most)) => (name, Some(most)),
        None => (text, None),
    };
    let policy = "HostConfig.RestartPolicy";
    match (name, most) {
        ("" | "no", None) => draft.unset(policy),
        ("always" | "unless-stopped", None) => draft.set(policy, json!({"Name": name})),
        ("on-failure", None) => draft.set(policy, json!({"Name": name})),
        ("on-failure", Some(most)) => {
            let most: u32 = most.parse().context("expected a number of retries after on-failure:")?;
            draft.set(policy, json!({"Name": name, "MaximumRetryCount": most}));
        }
        ("no" | "always" | "unless-stopped", Some(_)) => bail!("only on-failure takes a number of retries"),
        _ => bail!("expected no, always, unless-stopped, on-failure or on-failure:RETRIES"),
    }
    if draft.get(policy).is_some() {
        draft.notes.push(format!(
            "note: --restart {text} becomes RestartPolicy, which may be removed: the manager replaces ended containers anyway"
        ));
    }
    Ok(())
}

pub(super) fn pull(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    ensure!(["always", "missing", "never"].contains(&text), "expected always, missing or never");
    draft.set("Pull", json!(text));
    Ok(())
}

pub(super) fn cpus(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    draft.set("HostConfig.NanoCpus", json!(values::nano_cpus(text)?));
    Ok(())
}

pub(super) fn swappiness(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let percent = values::integer(text)?;
    ensure!((-1..=100).contains(&percent), "expected a number from 0 to 100, or -1 for the node's setting");
    match percent {
        -1 => draft.unset("HostConfig.MemorySwappiness"),
        percent => draft.set("HostConfig.MemorySwappiness", json!(percent)),
    }
    Ok(())
}

pub(super) fn health_command(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    match text {
        "" => draft.unset("Healthcheck.Test"),
        command => draft.set("Healthcheck.Test", json!(["CMD-SHELL", command])),
    }
    Ok(())
}

pub(super) fn health_retries(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let retries = values::integer(text)?;
    ensure!(retries >= 0, "a number of retries cannot be negative");
    draft.set("Healthcheck.Retries", json!(retries));
    Ok(())
}

pub(super) fn no_healthcheck(draft: &mut Draft<'_>, given: bool) {
    draft.no_healthcheck = given;
}

pub(super) fn remove(draft: &mut Draft<'_>, given: bool) {
    draft.remove = given;
}
