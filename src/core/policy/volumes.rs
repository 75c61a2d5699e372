//! The volumes that a create body names.

use std::collections::BTreeSet;

use crate::core::docker_models::{ContainerCreateBody, MountType};

/// Whether a text is a volume name by Docker's own rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. A single letter is not: on a Windows
/// node it is a drive.
pub(crate) fn is_a_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.len() > 1
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The volume name and the path in the container of an entry of `Binds`; `None` if the entry names no volume.
pub(crate) fn of_bind(bind: &str) -> Option<(&str, &str)> {
    let (source, rest) = bind.split_once(':')?;
    let target = rest.split(':').next().unwrap_or_default();
    is_a_name(source).then_some((source, target))
}

/// The names of all volumes that a create body mounts.
pub(crate) fn named(body: &ContainerCreateBody) -> BTreeSet<&str> {
    let Some(config) = &body.host_config else { return BTreeSet::new() };
    let binds = config.binds.iter().flatten().filter_map(|bind| of_bind(bind)).map(|(name, _)| name);
    let mounts = config.mounts.iter().flatten();
    let mounts = mounts.filter(|mount| mount.typ == Some(MountType::VOLUME));
    let mounts = mounts.filter_map(|mount| mount.source.as_deref()).filter(|name| !name.is_empty());
    binds.chain(mounts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_has_a_name_of_dockers_grammar() {
        for name in ["db", "data", "site.example.com_data", "A-1", "0a"] {
            assert!(is_a_name(name), "{name}");
        }
        for other in ["", "c", "C", ".x", "-x", "a/b", r"\\.\pipe\x", "~", "../x", "a b", "é1", "a\n"] {
            assert!(!is_a_name(other), "{other}");
        }
    }

    #[test]
    fn a_bind_is_split() {
        assert_eq!(of_bind("data:/x:ro"), Some(("data", "/x")));
        for path in ["/data", "c:/:c:/h", r"C:\x:/h", "/:/h", "data", ":/x"] {
            assert_eq!(of_bind(path), None, "{path}");
        }
    }
}
