//! Volumes, mounts and tmpfs.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::csv;
use super::draft::Draft;
use super::tree::{self, put};
use super::values;

const BINDS: &str = "HostConfig.Binds";

/// `PATH` for an anonymous volume, or `SOURCE:PATH[:OPTIONS]`.
pub(super) fn volume(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target) = match parts.as_slice() {
        [target] => (None, *target),
        [source, target] | [source, target, _] => (Some(*source), *target),
        _ => bail!("expected SOURCE:PATH or SOURCE:PATH:OPTIONS; there are too many colons"),
    };
    ensure!(target.starts_with('/'), "the path in the container must begin with /, unlike {target:?}");
    let Some(source) = source else {
        draft.entry("Volumes", target, json!({}));
        return Ok(());
    };
    ensure!(!source.is_empty(), "there is no volume before the colon");
    let bind = match text.split_once(':') {
        Some((source, rest)) if source.starts_with('.') => {
            format!("{}:{rest}", draft.input.absolute(source)?)
        }
        _ => text.to_owned(),
    };
    let bind = json!(bind);
    let known = draft.get(BINDS).and_then(Value::as_array).is_some_and(|binds| binds.contains(&bind));
    if !known {
        draft.add(BINDS, bind);
    }
    Ok(())
}

/// `PATH[:OPTIONS]`.
pub(super) fn tmpfs(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    ensure!(path.starts_with('/'), "expected a path that begins with /");
    draft.entry("HostConfig.Tmpfs", path, json!(options));
    Ok(())
}

/// `type=volume,source=NAME,target=PATH,...`.
pub(super) fn mount(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    let mut mount = json!({"Type": "volume"});
    for field in csv::fields(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
            None => (field.to_ascii_lowercase(), None),
        };
        self::field(&mut mount, &key, value).with_context(|| format!("in the field {field}"))?;
    }
    let text = |name| tree::field(&mount, name).and_then(Value::as_str).map(str::to_owned);
    let (kind, source) = (text("Type").unwrap_or_default(), text("Source"));
    let is = |kinds: &[&str]| kinds.contains(&kind.as_str());
    ensure!(is(&["volume", "bind", "tmpfs", "image", "npipe", "cluster"]), "unknown type {kind:?}");
    ensure!(text("Target").is_some(), "the target is missing");
    ensure!(source.is_none() || !is(&["tmpfs"]), "a tmpfs has no source");
    ensure!(source.is_some() || !is(&["bind", "image"]), "the source is missing");
    for (other, options) in [
        ("bind", "BindOptions"),
        ("volume", "VolumeOptions"),
        ("tmpfs", "TmpfsOptions"),
        ("image", "ImageOptions"),
    ] {
        let given = tree::field(&mount, options).is_some();
        ensure!(!given || other == kind, "an option of type {other} does not apply to type {kind}");
    }
    if let Some(source) = source.filter(|source| kind == "bind" && source.starts_with('.')) {
        put(&mut mount, &["Source"], draft.input.absolute(&source)?);
    }
    draft.add("HostConfig.Mounts", mount);
    Ok(())
}

fn field(mount: &mut Value, key: &str, value: Option<&str>) -> anyhow::Result<()> {
    let truth = || value.map_or(Ok(true), values::truth);
    // Switches may stand alone.
    match key {
        "readonly" | "ro" => {
            if truth()? {
                put(mount, &["ReadOnly"], true);
            }
            return Ok(());
        }
        "volume-nocopy" => {
            put(mount, &["VolumeOptions", "NoCopy"], truth()?);
            return Ok(());
        }
        "bind-nonrecursive" => {
            put(mount, &["BindOptions", "NonRecursive"], truth()?);
            return Ok(());
        }
        "bind-create-src" => {
            put(mount, &["BindOptions", "CreateMountpoint"], truth()?);
            return Ok(());
        }
        _ => {}
    }
    let value = value.context("expected NAME=VALUE")?;
    let pair = || value.split_once('=').unwrap_or((value, ""));
    match key {
        "type" => put(mount, &["Type"], value.to_ascii_lowercase()),
        "source" | "src" => put(mount, &["Source"], value),
        "target" | "dst" | "destination" => put(mount, &["Target"], value),
        "consistency" => put(mount, &["Consistency"], value.to_ascii_lowercase()),
        "bind-propagation" => put(mount, &["BindOptions", "Propagation"], value.to_ascii_lowercase()),
        "bind-recursive" => match value {
            "enabled" => {}
            "disabled" => put(mount, &["BindOptions", "NonRecursive"], true),
            "writable" => put(mount, &["BindOptions", "ReadOnlyNonRecursive"], true),
            "readonly" => put(mount, &["BindOptions", "ReadOnlyForceRecursive"], true),
            _ => bail!("expected enabled, disabled, writable or readonly"),
        },
        "volume-subpath" => put(mount, &["VolumeOptions", "Subpath"], value),
        "volume-label" => put(mount, &["VolumeOptions", "Labels", pair().0], pair().1),
        "volume-driver" => put(mount, &["VolumeOptions", "DriverConfig", "Name"], value),
        "volume-opt" => put(mount, &["VolumeOptions", "DriverConfig", "Options", pair().0], pair().1),
        "image-subpath" => put(mount, &["ImageOptions", "Subpath"], value),
        "tmpfs-size" => put(mount, &["TmpfsOptions", "SizeBytes"], values::size(value)?),
        "tmpfs-mode" => {
            let mode = u32::from_str_radix(value, 8).context("expected an octal mode such as 1777")?;
            put(mount, &["TmpfsOptions", "Mode"], mode);
        }
        other => bail!("unknown option {other:?}"),
    }
    Ok(())
}
