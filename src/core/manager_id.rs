//! The id of a manager.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The label that names the manager which created a container. Containers of versions without manager ids lack it.
pub(crate) const LABEL_MANAGER: &str = "io.github.swarm-cluster-state-manager.manager";
/// The length of a manager id, in characters: 128 bits in hexadecimal.
const LENGTH: usize = 32;

/// The id of a manager: 128 random bits in lowercase hexadecimal. It lasts as long as the manager's state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ManagerId(Arc<str>);

impl ManagerId {
    /// The allowed form, for messages.
    pub(crate) const ALLOWED: &'static str = "32 characters of 0-9 and a-f, as /status shows them";

    /// The id of these bits.
    pub(crate) fn of_bits(bits: u128) -> ManagerId {
        ManagerId(format!("{bits:032x}").into())
    }

    /// Parses an id; `None` if `text` is not one.
    pub(crate) fn parse(text: &str) -> Option<ManagerId> {
        let hexadecimal = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        (text.len() == LENGTH && hexadecimal).then(|| ManagerId(text.into()))
    }

    /// Reads the label. `None` if it is malformed: no manager created such a container.
    pub(crate) fn read_label<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Option<Option<ManagerId>> {
        match label(LABEL_MANAGER) {
            None => Some(None),
            Some(text) => ManagerId::parse(text).map(Some),
        }
    }

    /// The id as text.
    #[cfg(test)]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ManagerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ManagerId {
    type Error = String;

    fn try_from(text: String) -> Result<ManagerId, String> {
        ManagerId::parse(&text).ok_or_else(|| format!("a manager id is {}", ManagerId::ALLOWED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_any_bits_is_well_formed() {
        for bits in [0, 1, u128::MAX] {
            let id = ManagerId::of_bits(bits);
            assert_eq!(ManagerId::parse(id.as_str()), Some(id.clone()));
        }
        assert_ne!(ManagerId::of_bits(1), ManagerId::of_bits(2));
    }

    #[test]
    fn a_label_is_absent_an_id_or_malformed() {
        let id = ManagerId::of_bits(0xabc);
        let read =
            |value: Option<&str>| ManagerId::read_label(|name| value.filter(|_| name == LABEL_MANAGER));
        assert_eq!(read(None), Some(None));
        assert_eq!(read(Some(id.as_str())), Some(Some(id.clone())));
        let upper = id.as_str().to_uppercase();
        for malformed in ["", "x", &format!("{id}0"), &upper.replace(|c: char| c.is_ascii_digit(), "A")] {
            assert_eq!(read(Some(malformed)), None, "{malformed}");
        }
    }
}
