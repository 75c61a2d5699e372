//! A backup: the desired state as text, one line per object, in a format that outlives that of the state file.
//!
//! The first line identifies the format, the last one has a digest of all lines before it; so a truncated or modified backup is
//! refused as a whole. It contains the objects with their revisions, and the tombstones. It may contain secrets if the objects
//! do.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::core::desired::Desired;
use crate::core::identity::Identity;
use crate::core::name::ObjectName;
use crate::core::time::Time;
use crate::store::record;

/// The version of this format. Raise it whenever an older program would misread it.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Head {
    /// Distinguishes a backup from other text.
    backup_of: String,
    format: u32,
    /// When it was created, RFC 3339.
    at: String,
    /// How many objects follow, tombstones included.
    objects: usize,
    /// The identity of the manager; missing in backups of versions without identities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    name: String,
    /// The stored form; a string if that is not even JSON.
    stored: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Foot {
    sha256: String,
}

/// Why a text is refused as a backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// It is no backup.
    #[error("this is no backup of {}: its first line does not say so", env!("CARGO_PKG_NAME"))]
    Other,
    /// A newer version wrote it.
    #[error(
        "this backup was written by a newer version (format {0}; this one knows {FORMAT}): restore it with that version"
    )]
    Newer(u32),
    /// It is damaged.
    #[error("this backup is damaged: {0}; use another one")]
    Damaged(String),
}

/// The content of a backup.
#[derive(Debug)]
pub(crate) struct Backup {
    /// The desired state.
    pub(crate) desired: Desired,
    /// The identity of the manager.
    pub(crate) identity: Option<Identity>,
    /// When it was created, RFC 3339.
    pub(crate) at: String,
}

/// Writes a backup. The time goes into its first line.
pub(crate) fn write(
    desired: &Desired,
    identity: Option<&Identity>,
    now: Time,
) -> Result<String, serde_json::Error> {
    let unreadable = desired.quarantined.iter().filter(|(name, _)| !desired.objects.contains_key(*name));
    let objects = desired.objects.len() + unreadable.clone().count();
    let backup_of = env!("CARGO_PKG_NAME").to_owned();
    let mut text = String::new();
    let identity = identity.cloned();
    push(&mut text, &Head { backup_of, format: FORMAT, at: now.rfc3339(), objects, identity })?;
    for (name, object) in desired.objects.iter() {
        let stored = serde_json::from_str(&record::encode(object)?)?;
        push(&mut text, &Line { name: name.to_string(), stored })?;
    }
    for (name, found) in unreadable {
        let stored = serde_json::from_str(&found.stored).unwrap_or_else(|_| Value::from(&*found.stored));
        push(&mut text, &Line { name: name.to_string(), stored })?;
    }
    let sha256 = digest(&text);
    push(&mut text, &Foot { sha256 })?;
    Ok(text)
}

/// A text with the last line that a backup of it has.
#[cfg(any(test, fuzzing))]
pub(crate) fn with_digest(text: &str) -> String {
    format!("{text}{{\"Sha256\":\"{}\"}}\n", digest(text))
}

fn push(text: &mut String, line: &impl Serialize) -> Result<(), serde_json::Error> {
    text.push_str(&serde_json::to_string(line)?);
    text.push('\n');
    Ok(())
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// Reads a backup.
pub(crate) fn read(text: &str) -> Result<Backup, BackupError> {
    let damaged = |why: &str| BackupError::Damaged(why.to_owned());
    let (first, _) = text.split_once('\n').ok_or(BackupError::Other)?;
    let head: Head = serde_json::from_str(first).map_err(|_| BackupError::Other)?;
    if head.backup_of != env!("CARGO_PKG_NAME") {
        return Err(BackupError::Other);
    }
    if head.format > FORMAT {
        return Err(BackupError::Newer(head.format));
    }
    let ended = text.strip_suffix('\n').ok_or_else(|| damaged("its end is missing"))?;
    let (body, last) = ended.rsplit_once('\n').ok_or_else(|| damaged("its end is missing"))?;
    let body = text.get(..=body.len()).unwrap_or_default();
    let foot: Foot = serde_json::from_str(last).map_err(|_| damaged("its last line is no digest"))?;
    if foot.sha256 != digest(body) {
        return Err(damaged("its digest does not match"));
    }
    let (mut objects, mut quarantined) =
        (crate::core::object::Objects::new(), std::collections::BTreeMap::new());
    for line in body.lines().skip(1) {
        let line: Line = serde_json::from_str(line).map_err(|e| damaged(&e.to_string()))?;
        let name = ObjectName::parse(&line.name)
            .ok_or_else(|| BackupError::Damaged(format!("{:?} is not a name", line.name)))?;
        let stored = match line.stored {
            Value::String(text) => text,
            json => json.to_string(),
        };
        match record::decode(&name, &stored) {
            Ok(object) => drop(objects.insert(name, Arc::new(object))),
            Err(unreadable) => drop(quarantined.insert(name, unreadable)),
        }
    }
    if objects.len() + quarantined.len() != head.objects {
        return Err(damaged("the number of objects is not the one in its first line"));
    }
    let desired = Desired { objects: Arc::new(objects), quarantined: Arc::new(quarantined) };
    Ok(Backup { desired, identity: head.identity, at: head.at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::desired::Quarantined;
    use crate::core::transaction::{Change, Transaction, apply};

    fn some() -> Desired {
        let spec = |text: &str| {
            Change::Put(Box::new(
                crate::core::submission::object(&serde_json::from_str(text).unwrap()).unwrap(),
            ))
        };
        let changes = [
            spec(r#"{"Name": "web", "Image": "a", "Count": 1, "Env": ["A=\u00e9\n"]}"#),
            spec(r#"{"Name": "web", "Image": "b", "Count": 2}"#),
            spec(r#"{"Name": "old", "Image": "b", "Count": 2}"#),
            Change::Delete(ObjectName::parse("old").unwrap()),
        ];
        let (mut desired, _) = apply(&Desired::default(), &Transaction::of(changes), Time(5)).unwrap();
        let unreadable = |stored: &str, generation| {
            let name = ObjectName::parse("x").unwrap();
            let found = record::decode(&name, stored).unwrap_err();
            assert_eq!(found.generation, generation);
            found
        };
        let put_aside: [(&str, Quarantined); 2] =
            [("odd", unreadable(r#"{"Generation":7,"Later":true}"#, 7)), ("worse", unreadable("no json", 0))];
        desired.quarantined =
            Arc::new(put_aside.map(|(name, found)| (ObjectName::parse(name).unwrap(), found)).into());
        desired
    }

    #[test]
    fn a_backup_is_read_back_completely() {
        let desired = some();
        let identity = crate::store::ownership::Ownership::ephemeral("blue").identity();
        let text = write(&desired, Some(&identity), Time(7)).unwrap();
        let Backup { desired: read, identity: who, at } = read(&text).unwrap();
        assert_eq!((&read.objects, who), (&desired.objects, Some(identity)));
        let stored = |d: &Desired| d.quarantined.values().map(|q| q.stored.clone()).collect::<Vec<_>>();
        assert_eq!(stored(&read), stored(&desired));
        assert_eq!(at, "1970-01-01T00:00:00.007Z");
    }

    #[test]
    fn a_truncated_or_modified_backup_is_refused_at_every_byte() {
        let text = write(&some(), None, Time(7)).unwrap();
        for end in 0..text.len() {
            assert!(read(&String::from_utf8_lossy(&text.as_bytes()[..end])).is_err(), "cut at {end}");
            let mut changed = text.clone().into_bytes();
            changed[end] ^= 1;
            assert!(read(&String::from_utf8_lossy(&changed)).is_err(), "changed at {end}");
        }
        assert!(matches!(read("{}\n"), Err(BackupError::Other)));
        let newer = text.replacen(r#""Format":1"#, r#""Format":2"#, 1);
        assert!(matches!(read(&newer), Err(BackupError::Newer(2))));
    }
}
