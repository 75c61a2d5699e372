//! API versions.

use std::fmt;

/// The oldest API spoken: Docker Engine 1.12, for which classic Swarm managers were made.
pub(super) const OLDEST: ApiVersion = ApiVersion(1, 24);
/// The newest API spoken: that of bollard's models.
pub(super) const NEWEST: ApiVersion = ApiVersion(1, 53);

/// A version of the Docker API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(pub(super) u32, pub(super) u32);

impl ApiVersion {
    pub(super) fn parse(text: &str) -> Option<ApiVersion> {
        let (major, minor) = text.split_once('.')?;
        Some(ApiVersion(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_numbers() {
        assert!(ApiVersion::parse("1.9").unwrap() < ApiVersion::parse("1.41").unwrap());
        assert_eq!(ApiVersion::parse("1.41").map(|v| v.to_string()).as_deref(), Some("1.41"));
        assert_eq!(ApiVersion::parse("x"), None);
    }
}
