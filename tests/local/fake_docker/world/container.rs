//! A container, and what lists show of it.

use std::time::Duration;

use serde_json::{Map, Value};
use swarm_cluster_state_manager::core::labels::{LABEL_OBJECT, LABEL_PREFIX};
use tokio::time::Instant;

/// The state of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Created,
    Running,
    Exited(i32),
}

impl Life {
    /// Docker's name of the state.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Life::Created => "created",
            Life::Running => "running",
            Life::Exited(_) => "exited",
        }
    }
}

/// An earlier state that a cache shows until it catches up.
#[derive(Debug, Clone, Copy)]
struct Stale {
    shown: Life,
    until: Instant,
}

/// A container.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) labels: Map<String, Value>,
    pub(crate) command: Vec<String>,
    /// The create body, as the engine understood it.
    pub(crate) body: Value,
    pub(crate) created: Instant,
    pub(crate) started: Option<Instant>,
    pub(crate) ended: Option<Instant>,
    pub(crate) life: Life,
    /// Whether a removal is under way.
    pub(crate) removing: bool,
    /// Whether a Swarm manager does not know it yet.
    pub(crate) hidden: bool,
    /// When its end is complete; an inspect waits for that.
    pub(crate) settled: Instant,
    state: Stale,
    status: Stale,
}

impl Container {
    /// A container made from a create body.
    pub(super) fn new(id: String, name: &str, body: Value, now: Instant) -> Container {
        let command = body["Cmd"].as_array().into_iter().flatten();
        let fresh = Stale { shown: Life::Created, until: now };
        Container {
            id,
            name: name.to_owned(),
            image: body["Image"].as_str().unwrap_or_default().to_owned(),
            labels: body["Labels"].as_object().cloned().unwrap_or_default(),
            command: command.filter_map(|word| word.as_str().map(str::to_owned)).collect(),
            body,
            created: now,
            started: None,
            ended: None,
            life: Life::Created,
            removing: false,
            hidden: false,
            settled: now,
            state: fresh,
            status: fresh,
        }
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name)?.as_str()
    }

    /// The manager's object that it belongs to.
    pub(crate) fn object(&self) -> Option<&str> {
        self.label(LABEL_OBJECT)
    }

    pub(super) fn slot(&self) -> Option<&str> {
        self.label(&format!("{LABEL_PREFIX}slot"))
    }

    /// Whether it runs, or was created to run.
    pub(crate) fn live(&self) -> bool {
        matches!(self.life, Life::Created | Life::Running)
    }

    /// Its `State` in a list.
    pub(crate) fn listed_state(&self, now: Instant) -> Life {
        if now < self.state.until { self.state.shown } else { self.life }
    }

    /// The state from which a list builds its `Status`.
    pub(crate) fn listed_status(&self, now: Instant) -> Life {
        if now < self.status.until { self.status.shown } else { self.life }
    }

    /// Makes lists show something else for a while.
    pub(crate) fn mislead(&mut self, state: Life, status: Life, until: Instant) {
        self.state = Stale { shown: state, until };
        self.status = Stale { shown: status, until };
    }

    pub(super) fn enter(&mut self, life: Life, now: Instant, lag: Lag) {
        self.state = Stale { shown: self.listed_state(now), until: now + lag.state };
        self.status = Stale { shown: self.listed_status(now), until: now + lag.status };
        self.life = life;
        match life {
            Life::Created => {}
            Life::Running => (self.started, self.ended) = (Some(now), None),
            Life::Exited(_) => self.ended = Some(now),
        }
    }

    /// Makes lists that show an earlier state catch up after this lag.
    pub(super) fn catch_up(&mut self, now: Instant, lag: Lag) {
        for (stale, lag) in [(&mut self.state, lag.state), (&mut self.status, lag.status)] {
            if stale.until > now {
                stale.until = now + lag;
            }
        }
    }
}

/// How long a list shows the earlier state after a change. Its two fields come from two caches.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lag {
    pub(crate) state: Duration,
    pub(crate) status: Duration,
}
