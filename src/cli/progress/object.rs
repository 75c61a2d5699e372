//! One object that is waited for: how far it is, and what its line says.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::change::Receipt;
use crate::api::status::{ObjectStatus, Phase};
use crate::cli::wait::Outcome;
use crate::core::sanitize;

/// `Update.Monitor` where the object does not say otherwise.
pub(in crate::cli) const MONITOR: Duration = Duration::from_secs(5);

/// How far an object is; what needs attention first comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Its outcome is that it does not work, or that something else is wanted by now.
    Failed,
    /// Something is wrong with it, which may pass.
    Failing,
    /// Steps are under way.
    InProgress,
    /// It is as wanted, and has to stay so for a while.
    Monitored,
    /// Nothing has happened yet.
    Waiting,
    /// Its outcome is that it is as wanted.
    Converged,
}

impl Stage {
    /// All of them, in the order of the display.
    pub(super) const ALL: [Stage; 6] = [
        Stage::Failed,
        Stage::Failing,
        Stage::InProgress,
        Stage::Monitored,
        Stage::Waiting,
        Stage::Converged,
    ];

    /// The word that follows a number of objects.
    pub(super) fn word(self) -> &'static str {
        match self {
            Stage::Failed => "failed",
            Stage::Failing => "failing",
            Stage::InProgress => "in progress",
            Stage::Monitored => "monitored",
            Stage::Waiting => "waiting",
            Stage::Converged => "converged",
        }
    }
}

/// What is known of an object.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) name: String,
    deleted: bool,
    seen: Option<Seen>,
    /// The most containers that were seen of it.
    most: u64,
    /// When it was first seen converged, and whether it was seen otherwise before.
    converged: Option<(Instant, bool)>,
    /// How long it has to stay so.
    pub(super) monitor: Duration,
    outcome: Option<(Outcome, String)>,
    /// What was last said of it, where there is no terminal.
    pub(super) said: String,
}

/// What its status says.
#[derive(Debug)]
struct Seen {
    count: u64,
    ready: u64,
    updated: u64,
    left: u64,
    phase: Phase,
    reason: String,
    /// No step is under way or about to begin.
    idle: bool,
}

/// How much of an object is done: the numbers of its bar, and in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) done: u64,
    pub(super) of: u64,
    pub(super) words: String,
}

impl Watched {
    pub(super) fn new(receipt: &Receipt) -> Watched {
        Watched {
            name: receipt.name.clone(),
            deleted: receipt.deleted(),
            seen: None,
            most: 0,
            converged: None,
            monitor: MONITOR,
            outcome: None,
            said: String::new(),
        }
    }

    pub(super) fn see(&mut self, status: &ObjectStatus, now: Instant) {
        let left = u64::try_from(status.containers.len()).unwrap_or(u64::MAX);
        self.most = self.most.max(left);
        self.converged = match status.phase {
            Phase::Converged => self.converged.or(Some((now, self.seen.is_some()))),
            _ => None,
        };
        self.seen = Some(Seen {
            count: status.count,
            ready: status.ready,
            updated: status.updated,
            left,
            phase: status.phase.clone(),
            reason: sanitize::escape(&status.reason).into_owned(),
            idle: status.plan.is_empty(),
        });
    }

    pub(super) fn settle(&mut self, outcome: Outcome, reason: &str) {
        self.outcome = Some((outcome, sanitize::escape(reason).into_owned()));
        if outcome == Outcome::Converged && self.deleted {
            self.seen = None;
        }
        // The watch may be some changes behind: exactly so many run, and no others.
        if let Some(seen) = self.seen.as_mut().filter(|_| outcome == Outcome::Converged) {
            (seen.ready, seen.updated) = (seen.count, seen.count);
        }
    }

    pub(super) fn settled(&self) -> bool {
        self.outcome.is_some()
    }

    pub(super) fn stage(&self) -> Stage {
        match (&self.outcome, &self.seen) {
            (Some((Outcome::Converged, _)), _) => Stage::Converged,
            (Some((Outcome::Failed | Outcome::RolledBack, _)), _) => Stage::Failed,
            (_, None) => Stage::Waiting,
            (Some((Outcome::TimedOut, _)) | None, Some(seen)) => match seen.phase {
                Phase::Degraded | Phase::Blocked => Stage::Failing,
                Phase::Converged if !self.deleted => Stage::Monitored,
                _ if seen.idle && seen.left == 0 && !self.deleted => Stage::Waiting,
                _ => Stage::InProgress,
            },
        }
    }

    /// How long it has to stay converged still, where it is known when that began.
    pub(super) fn left_to_monitor(&self, now: Instant) -> Option<String> {
        let (since, true) = self.converged? else { return None };
        let left = self.monitor.saturating_sub(now.saturating_duration_since(since));
        (!left.is_zero()).then(|| short(left))
    }

    /// Containers that are ready, and those that are wanted; of a deleted object, none.
    pub(super) fn ready(&self) -> (u64, u64) {
        let counted = self.seen.as_ref().filter(|_| !self.deleted);
        counted.map_or((0, 0), |seen| (seen.ready.min(seen.count), seen.count))
    }

    /// How many containers of a deleted object are left.
    pub(super) fn left(&self) -> u64 {
        self.seen.as_ref().filter(|_| self.deleted).map_or(0, |seen| seen.left)
    }

    pub(super) fn deleted(&self) -> bool {
        self.deleted
    }

    /// How much is done; `None` where nothing was reported yet.
    pub(super) fn amount(&self) -> Option<Amount> {
        if self.deleted {
            let left = self.left();
            let words = format!("{left} of {} left", self.most);
            return Some(Amount { done: self.most - left, of: self.most, words }).filter(|a| a.of > 0);
        }
        let Seen { count, ready, updated, .. } = self.seen.as_ref()?;
        // While old containers are ready still, the new ones are what counts.
        let done = *updated.min(ready).min(count);
        let words = match ready > updated {
            true => format!("{updated}/{count} updated, {ready} ready"),
            false => format!("{ready}/{count} ready"),
        };
        Some(Amount { done, of: *count, words })
    }

    /// What is happening.
    pub(super) fn news(&self, now: Instant) -> String {
        match &self.outcome {
            Some((Outcome::Converged, _)) if self.deleted => return "deleted".to_owned(),
            Some((Outcome::Converged, _)) => return "converged".to_owned(),
            Some((outcome, reason)) => return format!("{}: {}", outcome.word(), beside_numbers(reason)),
            None => {}
        }
        let Some(seen) = &self.seen else { return "waiting".to_owned() };
        match self.stage() {
            Stage::Monitored => match self.left_to_monitor(now) {
                Some(left) => format!("converged, watching {left} more"),
                None => "converged, watching".to_owned(),
            },
            _ if seen.phase == Phase::Deleting => deleting(&seen.reason),
            Stage::InProgress if seen.idle && seen.ready > seen.updated => {
                "watching the new containers".to_owned()
            }
            _ => beside_numbers(&seen.reason).to_owned(),
        }
    }
}

/// A reason without the numbers that it begins with, as the line has these already.
pub(in crate::cli) fn beside_numbers(reason: &str) -> &str {
    match reason.split_once("; ") {
        Some((numbers, rest))
            if numbers.starts_with(|c: char| c.is_ascii_digit()) && numbers.contains(" of ") =>
        {
            rest
        }
        _ => reason,
    }
}

/// What is said of a deletion beside how much is left.
fn deleting(reason: &str) -> String {
    reason.splitn(3, "; ").nth(2).unwrap_or("stopping").to_owned()
}

/// A duration in whole seconds, or in milliseconds where it is less than one.
pub(super) fn short(duration: Duration) -> String {
    let rounded = match duration.as_secs() {
        0 => Duration::from_millis(duration.subsec_millis().into()),
        // Up, as that much is left.
        secs => Duration::from_secs(secs + u64::from(duration.subsec_nanos() > 0)),
    };
    humantime::format_duration(rounded).to_string().replace(' ', "")
}
