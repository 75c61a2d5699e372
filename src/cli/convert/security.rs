//! Security and storage options.

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::draft::Draft;

/// `no-new-privileges`, `NAME=VALUE` or `NAME:VALUE`; a seccomp profile is read from its file.
pub(super) fn option(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let parts = text.split_once('=').or_else(|| text.split_once(':'));
    let text = match parts {
        None if text == "no-new-privileges" => text.to_owned(),
        None => bail!("expected no-new-privileges or NAME=VALUE"),
        Some(("systempaths", "unconfined")) => {
            draft.set("HostConfig.MaskedPaths", json!([]));
            draft.set("HostConfig.ReadonlyPaths", json!([]));
            return Ok(());
        }
        Some(("seccomp", file)) if !["unconfined", "builtin"].contains(&file) => {
            let profile: Value = serde_json::from_str(&draft.input.text(file)?)
                .with_context(|| format!("the seccomp profile {file} is not JSON"))?;
            format!("seccomp={profile}")
        }
        Some(_) => text.to_owned(),
    };
    draft.add("HostConfig.SecurityOpt", json!(text));
    Ok(())
}

pub(super) fn add_capability(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    capability(draft, "HostConfig.CapAdd", text)
}

pub(super) fn drop_capability(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    capability(draft, "HostConfig.CapDrop", text)
}

/// Docker's client writes `net_admin` as `CAP_NET_ADMIN`, once.
fn capability(draft: &mut Draft<'_>, path: &str, text: &str) -> anyhow::Result<()> {
    let upper = text.trim().to_ascii_uppercase();
    let name = match upper.as_str() {
        "" => bail!("expected the name of a capability, such as NET_ADMIN"),
        "ALL" => upper,
        name if name.starts_with("CAP_") => upper,
        name => format!("CAP_{name}"),
    };
    let name = json!(name);
    if !draft.get(path).and_then(Value::as_array).is_some_and(|names| names.contains(&name)) {
        draft.add(path, name);
    }
    Ok(())
}

pub(super) fn storage_option(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let (name, value) = text.split_once('=').context("expected NAME=VALUE")?;
    draft.entry("HostConfig.StorageOpt", name, json!(value));
    Ok(())
}
