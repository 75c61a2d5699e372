//! Fields that list entries and inspects share.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::container::{ContainerId, ContainerState};
use crate::core::labels::LABEL_PREFIX;
use crate::core::sanitize::NAME_MAX_BYTES;
use crate::core::time::Time;
use crate::engine::docker::wire::lenient::{Fields, Json};

/// The longest name with a node and links.
pub(super) const PATH_MAX_BYTES: usize = 4 * NAME_MAX_BYTES;
/// The longest id; Docker's have 64 characters.
const ID_MAX_BYTES: usize = 128;
/// The last second of the year 9999, the latest that can be formatted.
const LAST_SECOND: u64 = 253_402_300_799;

pub(super) fn seconds(since_epoch: u64) -> Time {
    Time(since_epoch.min(LAST_SECOND) * 1000)
}

pub(in crate::engine::docker::wire) fn read_id(id: Json<'_>) -> Option<ContainerId> {
    let id = id.text(ID_MAX_BYTES)?;
    is_key(&id).then(|| id.as_str().into())
}

/// Whether a text may be used as an id or a name in the path of a request.
pub(super) fn is_key(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= NAME_MAX_BYTES
        && text.bytes().all(plain)
}

/// Our labels; empty if the value is no text. `None` if there are no labels.
pub(super) fn read_labels(labels: Json<'_>) -> Option<BTreeMap<String, String>> {
    let labels = labels.fields(|name| name.starts_with(LABEL_PREFIX))?;
    let text = |value: Json<'_>| value.text(NAME_MAX_BYTES).unwrap_or_default();
    Some(labels.into_entries().map(|(name, value)| (name, text(value))).collect())
}

/// The state of a word; `None` if it is unknown.
pub(super) fn state_of(word: &str) -> Option<ContainerState> {
    match word {
        "stopping" => Some(ContainerState::Running),
        word => word.parse().ok(),
    }
}

/// The id of an image, such as `sha256:…`.
pub(super) fn image_id(fields: &Fields<'_>, name: &str) -> Option<Arc<str>> {
    fields.text(name, NAME_MAX_BYTES).filter(|id| !id.is_empty()).map(Into::into)
}
