//! One object that is waited for: its progress, and its line of the display.

use std::time::Duration;

use tokio::time::Instant;

use crate::cli::reason;
use crate::cli::wait::outcome::WaitOutcome;
use crate::cli::wait::question::MONITOR;
use crate::client::answers::{Object, Receipt};
use crate::core::sanitize;

/// The stage of an object; what needs attention first comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Settled: it does not work, or a later generation replaced it.
    Failed,
    /// Something is wrong with it; it may recover.
    Failing,
    /// Steps are in progress.
    InProgress,
    /// Converged, and monitored for `Update.Monitor`.
    Monitored,
    /// Nothing has happened yet.
    Waiting,
    /// Settled: converged.
    Converged,
}

impl Stage {
    /// All stages, in the order of the display.
    pub(super) const ALL: [Stage; 6] = [
        Stage::Failed,
        Stage::Failing,
        Stage::InProgress,
        Stage::Monitored,
        Stage::Waiting,
        Stage::Converged,
    ];

    /// The name that follows a number of objects.
    pub(super) fn name(self) -> &'static str {
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

/// The known state of an object.
#[derive(Debug)]
pub(super) struct WaitedObject {
    pub(super) name: String,
    deleted: bool,
    seen: Option<Seen>,
    /// The greatest number of containers seen.
    most: u64,
    /// When it was first seen converged, and whether it was seen in another phase before.
    converged: Option<(Instant, bool)>,
    /// How long it must stay converged.
    pub(super) monitor: Duration,
    outcome: Option<(WaitOutcome, String)>,
    /// The last line printed, if there is no terminal.
    pub(super) said: String,
}

/// The last status.
#[derive(Debug)]
struct Seen {
    count: u64,
    ready: u64,
    updated: u64,
    left: u64,
    phase: String,
    reason: String,
    /// No step is in progress or about to begin.
    idle: bool,
}

/// How much of an object is done: the numbers for the bar, and a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) done: u64,
    pub(super) of: u64,
    pub(super) text: String,
}

impl WaitedObject {
    pub(super) fn new(receipt: &Receipt) -> WaitedObject {
        WaitedObject {
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

    pub(super) fn see(&mut self, status: &Object, now: Instant) {
        let left = u64::try_from(status.containers.len()).unwrap_or(u64::MAX);
        self.most = self.most.max(left);
        self.converged = match status.phase.as_str() {
            "converged" => self.converged.or(Some((now, self.seen.is_some()))),
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

    pub(super) fn settle(&mut self, outcome: WaitOutcome, reason: &str) {
        self.outcome = Some((outcome, sanitize::escape(reason).into_owned()));
        if outcome == WaitOutcome::Converged && self.deleted {
            self.seen = None;
        }
        // The watch may lag behind: by now exactly Count containers run.
        if let Some(seen) = self.seen.as_mut().filter(|_| outcome == WaitOutcome::Converged) {
            (seen.ready, seen.updated) = (seen.count, seen.count);
        }
    }

    pub(super) fn settled(&self) -> bool {
        self.outcome.is_some()
    }

    pub(super) fn stage(&self) -> Stage {
        match (&self.outcome, &self.seen) {
            (Some((WaitOutcome::Converged, _)), _) => Stage::Converged,
            (Some((WaitOutcome::Failed | WaitOutcome::RolledBack, _)), _) => Stage::Failed,
            (_, None) => Stage::Waiting,
            (Some((WaitOutcome::TimedOut, _)) | None, Some(seen)) => match seen.phase.as_str() {
                "degraded" | "blocked" => Stage::Failing,
                "converged" if !self.deleted => Stage::Monitored,
                _ if seen.idle && seen.left == 0 && !self.deleted => Stage::Waiting,
                _ => Stage::InProgress,
            },
        }
    }

    /// How much longer it must stay converged, if the beginning was seen.
    pub(super) fn left_to_monitor(&self, now: Instant) -> Option<String> {
        let (since, true) = self.converged? else { return None };
        let left = self.monitor.saturating_sub(now.saturating_duration_since(since));
        (!left.is_zero()).then(|| short(left))
    }

    /// Ready and wanted containers; none for a deleted object.
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

    /// How much is done; `None` before the first report.
    pub(super) fn amount(&self) -> Option<Amount> {
        if self.deleted {
            let left = self.left();
            let text = format!("{left} of {} left", self.most);
            return Some(Amount { done: self.most - left, of: self.most, text }).filter(|a| a.of > 0);
        }
        let Seen { count, ready, updated, .. } = self.seen.as_ref()?;
        // As long as old containers are ready, the new ones count.
        let done = *updated.min(ready).min(count);
        let text = match ready > updated {
            true => format!("{updated}/{count} updated, {ready} ready"),
            false => format!("{ready}/{count} ready"),
        };
        Some(Amount { done, of: *count, text })
    }

    /// What is happening now.
    pub(super) fn news(&self, now: Instant) -> String {
        match &self.outcome {
            Some((WaitOutcome::Converged, _)) if self.deleted => return "deleted".to_owned(),
            Some((WaitOutcome::Converged, _)) => return "converged".to_owned(),
            Some((outcome, why)) => return format!("{}: {}", outcome.word(), reason::without_numbers(why)),
            None => {}
        }
        let Some(seen) = &self.seen else { return "waiting".to_owned() };
        match self.stage() {
            Stage::Monitored => match self.left_to_monitor(now) {
                Some(left) => format!("converged, monitoring for {left} more"),
                None => "converged, monitoring".to_owned(),
            },
            _ if seen.phase == "deleting" => reason::of_deletion(&seen.reason).to_owned(),
            Stage::InProgress if seen.idle && seen.ready > seen.updated => {
                "monitoring the new containers".to_owned()
            }
            _ => reason::without_numbers(&seen.reason).to_owned(),
        }
    }
}

/// A duration in whole seconds, or in milliseconds if it is less than one.
pub(super) fn short(duration: Duration) -> String {
    let rounded = match duration.as_secs() {
        0 => Duration::from_millis(duration.subsec_millis().into()),
        // Rounded up: that much is left.
        secs => Duration::from_secs(secs + u64::from(duration.subsec_nanos() > 0)),
    };
    humantime::format_duration(rounded).to_string().replace(' ', "")
}
