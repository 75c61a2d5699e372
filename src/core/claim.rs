//! Decides whether a container with our cluster's labels is ours.
//!
//! Labels alone are no proof: `docker commit` passes them on to an image and from there to each of its containers, and anyone
//! can copy them. A container is ours if its id is recorded, or if its name is exactly the one that its labels stand for; an
//! engine gives a name to one container at a time. Any other container with our labels is a copy, which is never counted and
//! never touched.

use std::fmt;

use crate::core::labels::ContainerIdentity;

/// Who created a container, by its manager label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// A version without manager ids: the manager of the cluster adopts it.
    Unlabelled,
    /// This manager, or one whose containers it took over.
    Us,
    /// Another manager.
    Other,
}

/// A container with our cluster's labels, and what is known about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelledContainer<'a> {
    /// Its name, without a node prefix.
    pub(crate) name: &'a str,
    /// What its labels say.
    pub(crate) identity: &'a ContainerIdentity,
    /// Who created it, by its labels.
    pub(crate) maker: Maker,
    /// Whether its id is recorded as created or adopted by us.
    pub(crate) recorded: bool,
    /// The present name of a recorded container with the same labels that was renamed.
    pub(crate) renamed_original: Option<&'a str>,
}

/// The owner of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// This manager: the container is counted, and may be started, stopped and removed.
    Ours,
    /// Another manager: its object is held, and the container is never touched.
    Rival,
    /// The container merely carries our labels: it is not counted and never touched.
    Copy(NotOurs),
}

/// Why a container with our labels is a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotOurs {
    /// Its name is not the one that its labels stand for.
    OtherName {
        /// The name that its labels stand for.
        expected: String,
    },
    /// The container that was created with these labels still exists under another name.
    OriginalRenamed {
        /// The present name of the original.
        original: String,
    },
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has this cluster's labels and was not created by this manager: ")?;
        match self {
            NotOurs::OtherName { expected } => write!(f, "its labels are those of {expected}")?,
            NotOurs::OriginalRenamed { original } => {
                write!(f, "the container that was created with its labels is now called {original}")?;
            }
        }
        f.write_str(". It is not counted and never touched")
    }
}

/// Decides who owns a container.
pub(crate) fn claim(known: LabelledContainer<'_>) -> Claim {
    let LabelledContainer { name, identity, maker, recorded, renamed_original } = known;
    if recorded {
        return Claim::Ours;
    }
    if !identity.names(name) {
        return Claim::Copy(NotOurs::OtherName { expected: identity.container_name() });
    }
    match (maker, renamed_original) {
        (Maker::Other, _) => Claim::Rival,
        (Maker::Us | Maker::Unlabelled, Some(original)) => {
            Claim::Copy(NotOurs::OriginalRenamed { original: original.to_owned() })
        }
        (Maker::Us | Maker::Unlabelled, None) => Claim::Ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::name::ObjectName;
    use crate::core::spec::TemplateHash;

    #[test]
    fn a_container_is_ours_by_its_recorded_id_or_by_the_name_that_its_labels_stand_for() {
        let identity = ContainerIdentity {
            object: ObjectName::parse("web").unwrap(),
            slot: 1,
            attempt: 2,
            template: TemplateHash::from_label("t"),
        };
        let other_name = || Claim::Copy(NotOurs::OtherName { expected: "web.1.2".to_owned() });
        let renamed = || Claim::Copy(NotOurs::OriginalRenamed { original: "kept".to_owned() });
        use Maker::{Other, Unlabelled, Us};
        let table = [
            // name, maker, recorded, renamed original
            ("web.1.2", Us, true, None, Claim::Ours),
            ("kept", Us, true, None, Claim::Ours),
            ("kept", Unlabelled, true, None, Claim::Ours),
            ("web.1.2", Us, true, Some("kept"), Claim::Ours),
            ("web.1.2", Us, false, None, Claim::Ours),
            ("web.1.2", Unlabelled, false, None, Claim::Ours),
            ("web.1.2", Us, false, Some("kept"), renamed()),
            ("web.1.2", Unlabelled, false, Some("kept"), renamed()),
            ("debug", Us, false, None, other_name()),
            ("debug", Unlabelled, false, None, other_name()),
            ("web.1.3", Us, false, None, other_name()),
            ("WEB.1.2", Us, false, None, other_name()),
            ("project_web.1.2_1", Us, false, None, other_name()),
            ("web.1.2", Other, false, None, Claim::Rival),
            ("web.1.2", Other, false, Some("kept"), Claim::Rival),
            ("debug", Other, false, None, other_name()),
        ];
        for (name, maker, recorded, renamed_original, expected) in table {
            let known = LabelledContainer { name, identity: &identity, maker, recorded, renamed_original };
            assert_eq!(claim(known), expected, "{name} {maker:?} {recorded} {renamed_original:?}");
        }
    }
}
