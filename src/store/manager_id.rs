//! New manager ids.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::core::manager_id::ManagerId;

/// A new manager id. The standard library's hash keys come from the operating system's random numbers.
pub(crate) fn random() -> ManagerId {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    ManagerId::of_bits((half() << 64) | half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_new_ids_are_equal() {
        assert_ne!(random(), random());
    }
}
