//! The nodes behind the endpoint, and the availability of each.
//!
//! A node that stops answering is not lost at once: its containers count as running for `--lost-after`. Only the time that
//! the node was observed down counts, and only two resync periods without trouble reset it; so a flapping node is lost
//! eventually, and is not trusted in the meantime. A node that the endpoint does not know yet (a classic Swarm manager
//! reports `Pending`), or no longer knows, hides its containers from every list: until it is lost, nothing can be called
//! missing.
//!
//! Pure: the observer passes in what the endpoint reported, and the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use strum::IntoStaticStr;

use crate::core::container::{Container, Visibility};
use crate::core::node::{Node, NodeState};
use crate::core::time::Time;

/// A node that the endpoint has not listed for this long is forgotten, with everything on it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// The availability of a node, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Availability {
    /// It answers.
    Up,
    /// It has answered again, but not for long.
    Settling,
    /// It does not answer; its containers count as running for a while.
    Down,
    /// The endpoint does not know, or no longer knows, what runs there.
    Unknown,
    /// It has not answered for so long that its containers do not count.
    Lost,
}

impl Availability {
    /// The word for it in the status.
    pub(crate) fn word(self) -> &'static str {
        self.into()
    }

    /// Whether its containers can be reached.
    pub(crate) fn reachable(self) -> bool {
        matches!(self, Availability::Up | Availability::Settling)
    }
}

/// The timeouts, from the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeTimeouts {
    /// How long a node may be unreachable before its containers do not count.
    pub(crate) lost_after: Duration,
    /// How long a node must be healthy before its downtime is forgotten.
    pub(crate) stable_after: Duration,
}

/// A node and what is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracked {
    /// What the endpoint last reported; a name that the endpoint no longer reports is kept.
    pub(crate) node: Node,
    /// Its availability.
    pub(crate) availability: Availability,
    /// Since when it has been healthy, or has not.
    pub(crate) since: Time,
    /// When its containers stop counting, while it does not answer.
    pub(crate) lost_at: Option<Time>,
    /// How long it was observed away in total since it was last stable.
    away: Duration,
    /// When the endpoint last listed it.
    named: Time,
    condition: Reported,
    /// It has been healthy at some time.
    known_healthy: bool,
}

/// How the report of the endpoint is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reported {
    Healthy,
    /// The endpoint calls it unhealthy, but the last error came from the node's own engine: a classic Swarm manager does so
    /// after a failed pull. An engine that answers is not gone.
    EngineAnswers,
    Down,
    Hidden,
}

impl Reported {
    fn of(node: &Node) -> Reported {
        match node.state {
            NodeState::Healthy => Reported::Healthy,
            NodeState::Pending | NodeState::Gone => Reported::Hidden,
            NodeState::Other(_)
                if node.error.as_deref().is_some_and(|e| e.starts_with("Error response from daemon")) =>
            {
                Reported::EngineAnswers
            }
            NodeState::Other(_) => Reported::Down,
        }
    }

    fn away(self) -> bool {
        matches!(self, Reported::Down | Reported::Hidden)
    }
}

/// All present and remembered nodes, by address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Nodes {
    known: BTreeMap<String, Tracked>,
    observed: Time,
}

impl Nodes {
    /// Records what the endpoint reports. Returns when the availability of a node changes next by itself.
    pub(crate) fn observe(&mut self, now: Time, reported: &[Node], timeouts: NodeTimeouts) -> Option<Time> {
        // Time without observation proves nothing: a long gap counts as a short one.
        let passed = now.since(std::mem::replace(&mut self.observed, now)).min(timeouts.stable_after);
        let named: BTreeSet<&str> = reported.iter().map(|node| node.address.as_str()).collect();
        for (address, tracked) in &mut self.known {
            if !named.contains(address.as_str()) {
                tracked.update(now, passed, Reported::Hidden, timeouts);
                tracked.node.state = NodeState::Gone;
            }
        }
        for node in reported {
            let condition = Reported::of(node);
            let tracked =
                self.known.entry(node.address.clone()).or_insert_with(|| Tracked::new(now, node, condition));
            let name = std::mem::take(&mut tracked.node.name);
            tracked.node = node.clone();
            tracked.named = now;
            if condition == Reported::Hidden && !name.is_empty() {
                tracked.node.name = name;
            }
            tracked.update(now, passed, condition, timeouts);
        }
        let forgotten =
            |t: &Tracked| t.availability == Availability::Lost && now.since(t.named) >= FORGOTTEN_AFTER;
        self.known.retain(|address, tracked| named.contains(address.as_str()) || !forgotten(tracked));
        self.known.values().filter_map(|tracked| tracked.changes_at(timeouts)).min()
    }

    /// All nodes, by address.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Tracked> {
        self.known.values()
    }

    /// Whether a node that is not lost yet may have containers that no list shows.
    pub(crate) fn may_hide_containers(&self) -> bool {
        self.all().any(|tracked| tracked.availability == Availability::Unknown)
    }

    /// The node of a container. Of two nodes with one name it is the better one, unless the list reports that the
    /// container's host is down.
    pub(crate) fn of(&self, container: &Container) -> Option<&Tracked> {
        let name = container.node.as_deref()?;
        let bearing = self.all().filter(|tracked| tracked.node.name == name);
        match container.visibility {
            Visibility::HostDown => bearing.max_by_key(|tracked| tracked.availability),
            Visibility::Clear | Visibility::Disputed => bearing.min_by_key(|tracked| tracked.availability),
        }
    }

    /// Whether a list would show the container if it existed.
    pub(crate) fn would_show(&self, container: &Container) -> bool {
        let name = container.node.as_deref();
        let bearing = self.all().filter(|tracked| Some(&*tracked.node.name) == name);
        bearing.map(|tracked| tracked.availability).min().is_none_or(Availability::reachable)
    }

    /// The availability of a container's node.
    pub(crate) fn availability(&self, container: &Container) -> Availability {
        let availability = self.of(container).map_or(Availability::Up, |tracked| tracked.availability);
        match container.visibility {
            // The list is newer than the report about the nodes.
            Visibility::HostDown => availability.max(Availability::Down),
            Visibility::Clear | Visibility::Disputed => availability,
        }
    }
}

impl Tracked {
    fn new(now: Time, node: &Node, condition: Reported) -> Tracked {
        let availability = match condition {
            Reported::Healthy => Availability::Up,
            Reported::EngineAnswers | Reported::Down => Availability::Down,
            Reported::Hidden => Availability::Unknown,
        };
        Tracked {
            node: node.clone(),
            availability,
            since: now,
            lost_at: None,
            away: Duration::ZERO,
            named: now,
            condition,
            known_healthy: false,
        }
    }

    /// Records its state, `passed` after the last observation.
    fn update(&mut self, now: Time, passed: Duration, condition: Reported, timeouts: NodeTimeouts) {
        if self.condition.away() && self.since < now {
            self.away += passed;
        }
        if (self.condition == Reported::Healthy) != (condition == Reported::Healthy) {
            self.since = now;
        }
        self.condition = condition;
        let lost = self.away >= timeouts.lost_after;
        self.availability = match condition {
            // A node that was never healthy has not been away.
            Reported::Healthy if self.availability == Availability::Up || !self.known_healthy => {
                Availability::Up
            }
            Reported::Healthy if now.since(self.since) >= timeouts.stable_after => Availability::Up,
            Reported::Healthy => Availability::Settling,
            Reported::EngineAnswers => Availability::Down,
            Reported::Down | Reported::Hidden if lost => Availability::Lost,
            Reported::Down => Availability::Down,
            Reported::Hidden => Availability::Unknown,
        };
        self.known_healthy |= condition == Reported::Healthy;
        if self.availability == Availability::Up {
            self.away = Duration::ZERO;
        }
        self.lost_at = (condition.away() && !lost).then(|| now + (timeouts.lost_after - self.away));
    }

    fn changes_at(&self, timeouts: NodeTimeouts) -> Option<Time> {
        match self.availability {
            Availability::Settling => Some(self.since + timeouts.stable_after),
            _ => self.lost_at,
        }
    }

    /// Whether its own engine answers although the endpoint calls it unhealthy.
    pub(crate) fn engine_answers(&self) -> bool {
        self.condition == Reported::EngineAnswers
    }

    /// Its name, or its address while the name is unknown.
    pub(crate) fn name(&self) -> &str {
        if self.node.name.is_empty() { &self.node.address } else { &self.node.name }
    }

    /// What is wrong with it, in the endpoint's words.
    pub(crate) fn trouble(&self) -> String {
        match &self.node.error {
            Some(error) => format!("{}: {error}", self.node.state.word()),
            None => self.node.state.word().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: NodeTimeouts =
        NodeTimeouts { lost_after: Duration::from_secs(30), stable_after: Duration::from_secs(20) };

    fn node(n: u32, status: &str, error: Option<&str>) -> Node {
        let name = if status == "Pending" { String::new() } else { format!("node-{n}") };
        Node {
            name,
            address: format!("10.99.0.1{n}:2376"),
            state: NodeState::of_word(status.to_owned()),
            error: error.map(str::to_owned),
        }
    }

    /// The availability of node 2 as its reported state changes: lines of `SECOND STATE AVAILABILITY`.
    fn check(lines: &str) {
        let mut nodes = Nodes::default();
        for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let now = Time(words[0].parse::<u64>().unwrap() * 1000);
            let mut reported = vec![node(1, "Healthy", None)];
            match words[1] {
                "gone" => {}
                "answering" => {
                    reported.push(node(2, "Unhealthy", Some("Error response from daemon: refused")))
                }
                status => reported.push(node(2, status, None)),
            }
            nodes.observe(now, &reported, TIMEOUTS);
            let second = nodes.all().find(|t| t.node.address.contains("12:"));
            let availability = second.map_or("none".to_owned(), |t| format!("{:?}", t.availability));
            assert_eq!(availability, words[2], "{line}");
        }
    }

    #[test]
    fn a_node_that_stays_down_is_lost_and_trusted_again_once_it_was_stable() {
        check(
            "0 Healthy Up
             10 Unhealthy Down
             25 Unhealthy Down
             39 Unhealthy Down
             40 Unhealthy Lost
             50 Healthy Settling
             69 Healthy Settling
             70 Healthy Up
             80 Unhealthy Down",
        );
    }

    #[test]
    fn a_flapping_node_is_lost_by_the_time_it_was_down() {
        check(
            "0 Healthy Up
             10 Unhealthy Down
             30 Healthy Settling
             35 Unhealthy Down
             44 Unhealthy Down
             45 Unhealthy Lost
             46 Healthy Settling
             47 Unhealthy Lost",
        );
    }

    #[test]
    fn a_node_that_the_manager_cannot_reach_hides_its_containers_until_it_is_lost() {
        check(
            "0 Healthy Up
             10 Pending Unknown
             25 Pending Unknown
             39 Pending Unknown
             40 Pending Lost
             41 Healthy Settling",
        );
        check("0 Pending Unknown \n 15 Pending Unknown \n 30 Pending Lost");
        check("0 Pending Unknown \n 5 Healthy Up");
    }

    #[test]
    fn a_node_that_is_no_longer_listed_is_unknown_then_lost_then_forgotten() {
        check(
            "0 Healthy Up
             10 gone Unknown
             25 gone Unknown
             40 gone Lost
             3599 gone Lost
             3600 gone none",
        );
    }

    #[test]
    fn a_lost_node_stays_lost_when_a_restarted_manager_does_not_know_it() {
        check(
            "0 Healthy Up
             10 Unhealthy Down
             25 Unhealthy Down
             40 Unhealthy Lost
             50 Pending Lost
             55 Healthy Settling",
        );
    }

    #[test]
    fn time_without_observation_does_not_count_as_downtime() {
        check(
            "0 Healthy Up
             10 Unhealthy Down
             310 Pending Unknown
             311 Healthy Settling",
        );
    }

    #[test]
    fn a_failed_pull_that_marks_a_node_unhealthy_never_makes_it_lost() {
        check(
            "0 Healthy Up
             10 answering Down
             50 answering Down
             90 answering Down
             91 Healthy Settling
             111 Healthy Up",
        );
    }

    #[test]
    fn the_next_change_is_announced() {
        let mut nodes = Nodes::default();
        assert_eq!(nodes.observe(Time(0), &[node(1, "Healthy", None)], TIMEOUTS), None);
        let down = [node(1, "Unhealthy", None)];
        assert_eq!(nodes.observe(Time(1_000), &down, TIMEOUTS), Some(Time(31_000)));
        assert_eq!(nodes.observe(Time(11_000), &down, TIMEOUTS), Some(Time(31_000)));
        assert_eq!(nodes.observe(Time(31_000), &down, TIMEOUTS), None);
        let up = [node(1, "Healthy", None)];
        assert_eq!(nodes.observe(Time(32_000), &up, TIMEOUTS), Some(Time(52_000)));
    }
}
