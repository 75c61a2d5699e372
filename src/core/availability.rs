//! The nodes behind the endpoint, and how far each may be believed.
//!
//! A node that stops answering is not lost at once: its containers count as running for `--lost-after`. Only
//! the time that it was seen down is counted, and only two resync periods without trouble set the count back;
//! so a node that comes and goes is lost in the end, and is not believed while it does. A node that the
//! endpoint does not know yet (a classic Swarm manager says `Pending`), or no longer knows, hides its
//! containers from every list: until it is lost, nothing can be called missing.
//!
//! Pure: fed by the observer with what the endpoint said, and with the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use strum::IntoStaticStr;
use utoipa::ToSchema;

use crate::core::container::{Container, Visibility};
use crate::core::node::Node;
use crate::core::time::Time;

/// A node that the endpoint has not named for this long is forgotten, with whatever was on it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// How far a node may be believed; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// It is there.
    Up,
    /// It is back, and has not been for long.
    Settling,
    /// It does not answer, and its containers count as running for a while.
    Down,
    /// The endpoint does not know, or no longer knows, what runs there.
    Unknown,
    /// It has been away for so long that its containers do not count.
    Lost,
}

impl Availability {
    /// The word for it, as the status has it.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// True where containers can be reached.
    pub fn reachable(self) -> bool {
        matches!(self, Availability::Up | Availability::Settling)
    }
}

/// The waits that decide, from the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeTimeouts {
    /// How long a node may be away before its containers do not count.
    pub lost_after: Duration,
    /// How long a node must be well before what was counted against it is forgotten.
    pub stable_after: Duration,
}

/// One node and what is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// What the endpoint last said of it; its name stays, where the endpoint forgot it.
    pub node: Node,
    /// How far it may be believed.
    pub availability: Availability,
    /// Since when it is well, or is not.
    pub since: Time,
    /// When its containers stop counting, where that draws near.
    pub lost_at: Option<Time>,
    /// How long it was seen away, all in all, since it was last stable.
    away: Duration,
    /// When the endpoint last named it.
    named: Time,
    condition: Reported,
    /// Was well at some time.
    met: bool,
}

/// What the endpoint says of a node, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reported {
    Well,
    /// The endpoint calls it unhealthy, but the last error is one that the node's own engine answered with: a
    /// classic Swarm manager does so after a failed pull. An engine that answers is not gone.
    Sulking,
    Down,
    Hidden,
}

impl Reported {
    fn of(node: &Node) -> Reported {
        match node.status.as_str() {
            "Healthy" => Reported::Well,
            "Pending" => Reported::Hidden,
            _ if node.error.as_deref().is_some_and(|e| e.starts_with("Error response from daemon")) => {
                Reported::Sulking
            }
            _ => Reported::Down,
        }
    }

    fn away(self) -> bool {
        matches!(self, Reported::Down | Reported::Hidden)
    }
}

/// All nodes that are or were there, by address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nodes {
    known: BTreeMap<String, Tracked>,
    looked: Time,
}

impl Nodes {
    /// Takes note of what the endpoint says. Returns when to look again, where waiting longer changes something.
    pub fn observe(&mut self, now: Time, said: &[Node], patience: NodeTimeouts) -> Option<Time> {
        // What nobody looked at was not seen: a long gap counts as if it had been short.
        let passed = now.since(std::mem::replace(&mut self.looked, now)).min(patience.stable_after);
        let named: BTreeSet<&str> = said.iter().map(|node| node.address.as_str()).collect();
        for (address, tracked) in &mut self.known {
            if !named.contains(address.as_str()) {
                tracked.see(now, passed, Reported::Hidden, patience);
                tracked.node.status = "gone".to_owned();
            }
        }
        for node in said {
            let condition = Reported::of(node);
            let tracked =
                self.known.entry(node.address.clone()).or_insert_with(|| Tracked::new(now, node, condition));
            let name = std::mem::take(&mut tracked.node.name);
            tracked.node = node.clone();
            tracked.named = now;
            if condition == Reported::Hidden && !name.is_empty() {
                tracked.node.name = name;
            }
            tracked.see(now, passed, condition, patience);
        }
        let forgotten =
            |t: &Tracked| t.availability == Availability::Lost && now.since(t.named) >= FORGOTTEN_AFTER;
        self.known.retain(|address, tracked| named.contains(address.as_str()) || !forgotten(tracked));
        self.known.values().filter_map(|tracked| tracked.changes_at(patience)).min()
    }

    /// All nodes, by address.
    pub fn all(&self) -> impl Iterator<Item = &Tracked> {
        self.known.values()
    }

    /// True where a node that is not yet given up may have containers that no list shows.
    pub fn hide_something(&self) -> bool {
        self.all().any(|tracked| tracked.availability == Availability::Unknown)
    }

    /// The node a container is on. A name that two nodes bear stands for the better one, unless the list says
    /// that the container's host is down.
    pub fn of(&self, container: &Container) -> Option<&Tracked> {
        let name = container.node.as_deref()?;
        let bearing = self.all().filter(|tracked| tracked.node.name == name);
        match container.visibility {
            Visibility::HostDown => bearing.max_by_key(|tracked| tracked.availability),
            Visibility::Clear | Visibility::Disputed => bearing.min_by_key(|tracked| tracked.availability),
        }
    }

    /// True where a list would show a container if it were there.
    pub fn would_show(&self, container: &Container) -> bool {
        let name = container.node.as_deref();
        let bearing = self.all().filter(|tracked| Some(&*tracked.node.name) == name);
        bearing.map(|tracked| tracked.availability).min().is_none_or(Availability::reachable)
    }

    /// How far what is known of a container may be believed, as far as its node goes.
    pub fn availability(&self, container: &Container) -> Availability {
        let availability = self.of(container).map_or(Availability::Up, |tracked| tracked.availability);
        match container.visibility {
            // The list is newer than what the endpoint said of its nodes.
            Visibility::HostDown => availability.max(Availability::Down),
            Visibility::Clear | Visibility::Disputed => availability,
        }
    }
}

impl Tracked {
    fn new(now: Time, node: &Node, condition: Reported) -> Tracked {
        let availability = match condition {
            Reported::Well => Availability::Up,
            Reported::Sulking | Reported::Down => Availability::Down,
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
            met: false,
        }
    }

    /// Takes note of its condition, `passed` after the last look.
    fn see(&mut self, now: Time, passed: Duration, condition: Reported, patience: NodeTimeouts) {
        if self.condition.away() && self.since < now {
            self.away += passed;
        }
        if (self.condition == Reported::Well) != (condition == Reported::Well) {
            self.since = now;
        }
        self.condition = condition;
        let lost = self.away >= patience.lost_after;
        self.availability = match condition {
            // What is met for the first time has not been away.
            Reported::Well if self.availability == Availability::Up || !self.met => Availability::Up,
            Reported::Well if now.since(self.since) >= patience.stable_after => Availability::Up,
            Reported::Well => Availability::Settling,
            Reported::Sulking => Availability::Down,
            Reported::Down | Reported::Hidden if lost => Availability::Lost,
            Reported::Down => Availability::Down,
            Reported::Hidden => Availability::Unknown,
        };
        self.met |= condition == Reported::Well;
        if self.availability == Availability::Up {
            self.away = Duration::ZERO;
        }
        self.lost_at = (condition.away() && !lost).then(|| now + (patience.lost_after - self.away));
    }

    fn changes_at(&self, patience: NodeTimeouts) -> Option<Time> {
        match self.availability {
            Availability::Settling => Some(self.since + patience.stable_after),
            _ => self.lost_at,
        }
    }

    /// True where its own engine answers, though the endpoint calls it unhealthy.
    pub fn sulks(&self) -> bool {
        self.condition == Reported::Sulking
    }

    /// How people call it.
    pub fn name(&self) -> &str {
        if self.node.name.is_empty() { &self.node.address } else { &self.node.name }
    }

    /// What is wrong with it, in the endpoint's words.
    pub fn trouble(&self) -> String {
        match &self.node.error {
            Some(error) => format!("{}: {error}", self.node.status),
            None => self.node.status.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: NodeTimeouts =
        NodeTimeouts { lost_after: Duration::from_secs(30), stable_after: Duration::from_secs(20) };

    fn node(n: u32, status: &str, error: Option<&str>) -> Node {
        let name = if status == "Pending" { String::new() } else { format!("node-{n}") };
        Node {
            name,
            address: format!("10.99.0.1{n}:2376"),
            status: status.to_owned(),
            error: error.map(str::to_owned),
        }
    }

    /// What becomes of node 2 as its status changes: `SECOND STATUS STANDING` lines.
    fn story(lines: &str) {
        let mut nodes = Nodes::default();
        for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let now = Time(words[0].parse::<u64>().unwrap() * 1000);
            let mut said = vec![node(1, "Healthy", None)];
            match words[1] {
                "gone" => {}
                "sulking" => said.push(node(2, "Unhealthy", Some("Error response from daemon: refused"))),
                status => said.push(node(2, status, None)),
            }
            nodes.observe(now, &said, PATIENCE);
            let second = nodes.all().find(|t| t.node.address.contains("12:"));
            let availability = second.map_or("none".to_owned(), |t| format!("{:?}", t.availability));
            assert_eq!(availability, words[2], "{line}");
        }
    }

    #[test]
    fn a_node_that_stays_down_is_lost_and_once_back_is_believed_when_it_was_stable() {
        story(
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
    fn a_node_that_flaps_is_lost_by_the_time_it_was_away() {
        story(
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
    fn a_node_the_manager_does_not_reach_hides_what_runs_there_until_it_is_lost() {
        story(
            "0 Healthy Up
             10 Pending Unknown
             25 Pending Unknown
             39 Pending Unknown
             40 Pending Lost
             41 Healthy Settling",
        );
        story("0 Pending Unknown \n 15 Pending Unknown \n 30 Pending Lost");
        story("0 Pending Unknown \n 5 Healthy Up");
    }

    #[test]
    fn a_node_that_is_named_no_more_is_unknown_then_lost_then_forgotten() {
        story(
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
        story(
            "0 Healthy Up
             10 Unhealthy Down
             25 Unhealthy Down
             40 Unhealthy Lost
             50 Pending Lost
             55 Healthy Settling",
        );
    }

    #[test]
    fn a_gap_in_which_nobody_looked_is_not_time_seen_away() {
        story(
            "0 Healthy Up
             10 Unhealthy Down
             310 Pending Unknown
             311 Healthy Settling",
        );
    }

    #[test]
    fn a_failed_pull_that_marks_a_node_unhealthy_never_makes_it_lost() {
        story(
            "0 Healthy Up
             10 sulking Down
             50 sulking Down
             90 sulking Down
             91 Healthy Settling
             111 Healthy Up",
        );
    }

    #[test]
    fn it_is_told_when_to_look_again() {
        let mut nodes = Nodes::default();
        assert_eq!(nodes.observe(Time(0), &[node(1, "Healthy", None)], PATIENCE), None);
        let down = [node(1, "Unhealthy", None)];
        assert_eq!(nodes.observe(Time(1_000), &down, PATIENCE), Some(Time(31_000)));
        assert_eq!(nodes.observe(Time(11_000), &down, PATIENCE), Some(Time(31_000)));
        assert_eq!(nodes.observe(Time(31_000), &down, PATIENCE), None);
        let up = [node(1, "Healthy", None)];
        assert_eq!(nodes.observe(Time(32_000), &up, PATIENCE), Some(Time(52_000)));
    }
}
