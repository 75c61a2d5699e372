//! Mount options of a file system in memory.
//!
//! The engine passes them to `mount`, where some are commands: `remount` acts on what is already mounted at the path, so that
//! `/sys/` with `remount,rw` makes the node's own `/sys` writable, and likewise a volume that is mounted read-only.

/// Options without a value that concern only the new file system.
const FLAGS: [&str; 18] = [
    "ro",
    "rw",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "sync",
    "async",
    "dirsync",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
];
/// Options with a number, which may have a unit or a percent sign behind it.
const NUMBERS: [&str; 6] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"];

/// Whether all of these comma-separated options are allowed.
pub(super) fn allowed(options: &str) -> bool {
    options.is_empty() || options.split(',').all(is_allowed)
}

fn is_allowed(option: &str) -> bool {
    match option.split_once('=') {
        None => FLAGS.contains(&option),
        Some((name, number)) => {
            let plain = number.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'.'));
            NUMBERS.contains(&name) && !number.is_empty() && plain
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_acts_on_an_existing_mount() {
        for good in ["", "size=1m", "rw,noexec,nosuid,size=65536k", "mode=1777,uid=1000,gid=1000", "size=50%"]
        {
            assert!(allowed(good), "{good}");
        }
        for bad in [
            "remount",
            "remount,rw",
            "rw,remount",
            "size=1m,remount",
            "REMOUNT",
            " remount",
            "bind",
            "rbind",
            "move",
            "shared",
            "rshared",
            "slave",
            "private",
            "unbindable",
            "defaults",
            "context=x",
            "mpol=bind:0",
            "size=",
            "size=1,",
            ",",
            "size=1 remount",
            "ro=1",
            "mode=1\nremount",
        ] {
            assert!(!allowed(bad), "{bad:?}");
        }
    }
}
