//! Mounts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::difference::{Difference, differs};
use super::json::{at, is_empty, items, text, texts};
use crate::core::policy::volumes;
use crate::core::submission::strict::shown;

/// Compares the mounts by their paths in the container.
pub(super) fn mounts(wanted: &Value, found: &Value) -> Result<(), Difference> {
    let config = at(wanted, &["HostConfig"]);
    let made_config = at(found, &["HostConfig"]);
    let set = |value| texts(value).map(str::to_owned).collect::<BTreeSet<String>>();
    if set(at(config, &["Binds"])) != set(at(made_config, &["Binds"])) {
        return Err(differs("HostConfig.Binds", at(made_config, &["Binds"]), at(config, &["Binds"])));
    }
    let specs = |value| items(at(value, &["Mounts"])).collect::<Vec<_>>();
    let (requested, made) = (specs(config), specs(made_config));
    if requested.len() != made.len() {
        return Err(differs("HostConfig.Mounts", at(made_config, &["Mounts"]), at(config, &["Mounts"])));
    }
    for (i, (requested, made)) in requested.iter().zip(&made).enumerate() {
        let paths: [&[&str]; 6] = [
            &["Type"],
            &["Source"],
            &["Target"],
            &["ReadOnly"],
            &["VolumeOptions", "Subpath"],
            &["ImageOptions", "Subpath"],
        ];
        for path in paths {
            let (requested, made) = (at(requested, path), at(made, path));
            let nothing = |value: &Value| is_empty(value) || value == &Value::Bool(false) || value == "";
            if requested != made && !(nothing(requested) && nothing(made)) {
                return Err(differs(&format!("HostConfig.Mounts[{i}].{}", path.join(".")), made, requested));
            }
        }
    }

    // Target to volume name and read-only flag.
    let mut named: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    for bind in texts(at(config, &["Binds"])) {
        if let Some((name, target)) = volumes::of_bind(bind) {
            let read_only = bind.split(':').nth(2).is_some_and(|mode| mode.split(',').any(|m| m == "ro"));
            named.insert(clean(target), (name, read_only));
        }
    }
    let mut images: BTreeSet<String> = BTreeSet::new();
    for mount in &requested {
        let name = text(at(mount, &["Source"]));
        if text(at(mount, &["Type"])) == "image" {
            images.insert(clean(text(at(mount, &["Target"]))));
        }
        if text(at(mount, &["Type"])) == "volume" && !name.is_empty() {
            let read_only = at(mount, &["ReadOnly"]).as_bool().unwrap_or_default();
            named.insert(clean(text(at(mount, &["Target"]))), (name, read_only));
        }
    }
    for mount in items(at(found, &["Mounts"])) {
        let target = clean(text(at(mount, &["Destination"])));
        let name = text(at(mount, &["Name"]));
        // There is no type before API 1.25.
        let kind = match text(at(mount, &["Type"])) {
            "" if name.is_empty() => "bind",
            "" => "volume",
            kind => kind,
        };
        let as_requested = match (kind, named.remove(&target)) {
            ("tmpfs", None) => true,
            // The spec, which includes the image, was compared above.
            ("image", None) => images.remove(&target),
            ("volume", None) => is_anonymous(name),
            ("volume", Some((wanted, read_only))) => {
                let writable = at(mount, &["RW"]).as_bool().unwrap_or(true);
                name == wanted && !(read_only && writable)
            }
            _ => false,
        };
        if !as_requested {
            let mounted =
                format!("{kind} {}", if name.is_empty() { text(at(mount, &["Source"])) } else { name });
            return Err(Difference {
                field: format!("the mount at {}", shown(&target)),
                found: shown(&mounted),
                wanted: "another one".to_owned(),
            });
        }
    }
    match named.into_iter().next() {
        None => Ok(()),
        Some((target, (name, _))) => Err(Difference {
            field: format!("the mount at {}", shown(&target)),
            found: "missing".to_owned(),
            wanted: format!("volume {}", shown(name)),
        }),
    }
}

/// Whether an engine generated the name of a volume.
fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A path as engines normalize it: without `.`, `..` and empty segments.
fn clean(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}
