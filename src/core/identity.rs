//! The identity of this manager and what its state is for: stored with the state, checked at each start.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::core::engine_kind::EngineKind;
use crate::core::manager_id::ManagerId;
use crate::core::name::ObjectName;

/// The most managers that may be taken over. Each one means a lost state; more than this is a mistake.
pub(crate) const MAX_TAKEN_OVER: usize = 64;
/// The most bytes kept of an engine's id; Docker's ids have 59 or 36.
const MAX_ENGINE_ID_BYTES: usize = 256;

/// The identity of this manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Identity {
    /// The id that its containers carry.
    pub(crate) manager: ManagerId,
    /// Managers whose containers belong to this one as well.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) taken_over: BTreeSet<ManagerId>,
    /// The cluster that the state is for.
    pub(crate) cluster: String,
    /// The engine that the state is for, once it has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<EngineIdentity>,
}

/// Which engine answers at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EngineIdentity {
    /// What kind of endpoint it is.
    pub(crate) kind: EngineKind,
    /// The engine's own id; empty if it has none, like a classic Swarm manager.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) id: String,
}

impl EngineIdentity {
    /// An identity as an endpoint reports it.
    pub(crate) fn new(kind: EngineKind, id: &str) -> EngineIdentity {
        EngineIdentity {
            kind,
            id: id.chars().filter(char::is_ascii_graphic).take(MAX_ENGINE_ID_BYTES).collect(),
        }
    }

    /// Its name on the command line: its id, or its kind if it has none.
    pub(crate) fn word(&self) -> &str {
        match (self.id.as_str(), self.kind) {
            ("", EngineKind::Docker) => "docker",
            ("", EngineKind::ClassicSwarm) => "classic-swarm",
            ("", EngineKind::Simulated) => "simulated",
            (id, _) => id,
        }
    }

    /// Whether this is certainly another engine than `other`. Two engines of a kind cannot be distinguished if one has no id.
    pub(crate) fn differs_from(&self, other: &EngineIdentity) -> bool {
        let both_named = !self.id.is_empty() && !other.id.is_empty();
        self.kind != other.kind || (both_named && self.id != other.id)
    }
}

/// What the command line says about the identity.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    /// The cluster to manage.
    pub(crate) cluster: ObjectName,
    /// Whether the endpoint is a simulated one.
    pub(crate) simulated: bool,
    /// Managers to take over.
    pub(crate) take_over: BTreeSet<ManagerId>,
    /// Take over the containers of all other managers found in this run.
    pub(crate) take_over_any: bool,
    /// Clusters or engines that the state may have been for and no longer is.
    pub(crate) adopt_state: Vec<String>,
}

impl Claims {
    /// The claims of a manager of this cluster without further flags.
    #[cfg(test)]
    pub(crate) fn of_cluster(cluster: ObjectName) -> Claims {
        Claims {
            cluster,
            simulated: false,
            take_over: BTreeSet::new(),
            take_over_any: false,
            adopt_state: Vec::new(),
        }
    }

    fn adopts(&self, word: &str) -> bool {
        self.adopt_state.iter().any(|adopted| adopted == word)
    }
}

/// Why a start is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The state is for another cluster.
    #[error(
        "the state in {place} is for the cluster '{stored}', and --cluster is '{given}': start with --cluster={stored}, or \
         give this one another --data-dir. If the state is to be used for '{given}' from now on, start once with \
         --adopt-state={stored}: its objects are then created in '{given}', and what runs in '{stored}' is left alone"
    )]
    OtherCluster {
        /// Where the state is.
        place: String,
        /// The cluster that it is for.
        stored: String,
        /// The cluster that was asked for.
        given: String,
    },
    /// Too many takeovers.
    #[error("more than {MAX_TAKEN_OVER} managers were taken over: --take-over accepts no more")]
    TooManyTakenOver,
}

/// The outcome of settling the stored identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The identity from now on.
    pub(crate) identity: Identity,
    /// The cluster has changed: tombstones of the old one do not apply to this one.
    pub(crate) other_cluster: bool,
}

/// Settles a stored identity with the command line. A state of a version that stored none takes the present ones, and a
/// `new` manager id.
pub(crate) fn settle(
    stored: Option<Identity>,
    new: impl FnOnce() -> ManagerId,
    claims: &Claims,
    place: &str,
) -> Result<Settled, IdentityError> {
    let cluster = claims.cluster.to_string();
    let simulated = || EngineIdentity::new(EngineKind::Simulated, "");
    let mut identity = stored.unwrap_or_else(|| Identity {
        manager: new(),
        taken_over: BTreeSet::new(),
        cluster: cluster.clone(),
        engine: None,
    });
    let other_cluster = identity.cluster != cluster;
    if other_cluster && !claims.adopts(&identity.cluster) {
        return Err(IdentityError::OtherCluster {
            place: place.to_owned(),
            stored: identity.cluster,
            given: cluster,
        });
    }
    identity.cluster = cluster;
    if claims.simulated {
        identity.engine = Some(simulated());
    } else if identity.engine.as_ref().is_some_and(|engine| claims.adopts(engine.word())) {
        // The next engine that answers is accepted.
        identity.engine = None;
    }
    let own = identity.manager.clone();
    identity.taken_over.extend(claims.take_over.iter().filter(|id| **id != own).cloned());
    if identity.taken_over.len() > MAX_TAKEN_OVER {
        return Err(IdentityError::TooManyTakenOver);
    }
    Ok(Settled { identity, other_cluster })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> ManagerId {
        ManagerId::of_bits(7)
    }

    fn claims(cluster: &str) -> Claims {
        Claims::of_cluster(ObjectName::parse(cluster).unwrap())
    }

    fn stored(cluster: &str, engine: Option<&str>) -> Identity {
        Identity {
            manager: ManagerId::of_bits(1),
            taken_over: BTreeSet::new(),
            cluster: cluster.to_owned(),
            engine: engine.map(|id| EngineIdentity::new(EngineKind::Docker, id)),
        }
    }

    #[test]
    fn a_state_without_an_identity_takes_the_present_one() {
        let settled = settle(None, new, &claims("a"), "/x").unwrap();
        assert_eq!((settled.identity.cluster.as_str(), settled.other_cluster), ("a", false));
        assert_eq!(settled.identity.engine, None);
    }

    #[test]
    fn another_cluster_is_refused_unless_it_is_adopted_by_name() {
        let before = stored("a", Some("E1"));
        let error = settle(Some(before.clone()), new, &claims("b"), "/x").unwrap_err().to_string();
        for words in ["/x", "'a'", "--cluster=a", "--data-dir", "--adopt-state=a"] {
            assert!(error.contains(words), "{words}: {error}");
        }
        let adopting = |word: &str| Claims { adopt_state: vec![word.to_owned()], ..claims("b") };
        assert!(settle(Some(before.clone()), new, &adopting("c"), "/x").is_err());
        let settled = settle(Some(before.clone()), new, &adopting("a"), "/x").unwrap();
        assert_eq!((settled.identity.cluster.as_str(), settled.other_cluster), ("b", true));
        assert_eq!(settled.identity.manager, before.manager);
        // A flag left in a unit file has no further effect.
        let again = settle(Some(settled.identity.clone()), new, &adopting("a"), "/x").unwrap();
        assert_eq!((again.identity, again.other_cluster), (settled.identity, false));
    }

    #[test]
    fn an_engine_is_forgotten_if_it_is_adopted_by_its_id() {
        let before = stored("a", Some("E1"));
        let adopting = |word: &str| Claims { adopt_state: vec![word.to_owned()], ..claims("a") };
        let engine =
            |word: &str| settle(Some(before.clone()), new, &adopting(word), "/x").unwrap().identity.engine;
        assert_eq!(engine("E2"), before.engine);
        assert_eq!(engine("E1"), None);
    }

    #[test]
    fn takeovers_are_added_once_and_bounded() {
        let before = stored("a", None);
        let one = ManagerId::of_bits(2);
        let taking = Claims { take_over: [one.clone(), before.manager.clone()].into(), ..claims("a") };
        let settled = settle(Some(before), new, &taking, "/x").unwrap();
        assert_eq!(settled.identity.taken_over, BTreeSet::from([one]));
        let many = (0..=MAX_TAKEN_OVER).map(|n| ManagerId::of_bits(n as u128 + 10)).collect();
        let error = settle(Some(settled.identity), new, &Claims { take_over: many, ..claims("a") }, "/x");
        assert_eq!(error, Err(IdentityError::TooManyTakenOver));
    }

    #[test]
    fn only_kind_and_id_distinguish_engines() {
        let engine = EngineIdentity::new;
        assert!(engine(EngineKind::Docker, "a").differs_from(&engine(EngineKind::Docker, "b")));
        assert!(engine(EngineKind::Docker, "a").differs_from(&engine(EngineKind::ClassicSwarm, "")));
        assert!(!engine(EngineKind::Docker, "a").differs_from(&engine(EngineKind::Docker, "")));
        assert!(!engine(EngineKind::ClassicSwarm, "").differs_from(&engine(EngineKind::ClassicSwarm, "")));
    }
}
