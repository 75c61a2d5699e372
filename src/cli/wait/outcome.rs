//! What became of an object that was waited for.

use crate::cli::exit::{FAILED, TIMED_OUT};

/// The outcome of a change; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum WaitOutcome {
    Converged,
    TimedOut,
    /// A later generation restored an earlier spec.
    RolledBack,
    /// It does not work, or a later generation replaced it.
    Failed,
}

impl WaitOutcome {
    /// For people.
    pub(in crate::cli) fn word(self) -> &'static str {
        match self {
            WaitOutcome::Converged => "converged",
            WaitOutcome::TimedOut => "timed out",
            WaitOutcome::RolledBack => "rolled back",
            WaitOutcome::Failed => "failed",
        }
    }

    /// In JSON, as the daemon writes it.
    pub(in crate::cli) fn json(self) -> &'static str {
        match self {
            WaitOutcome::Converged => "converged",
            WaitOutcome::TimedOut => "timed_out",
            WaitOutcome::RolledBack => "rolled_back",
            WaitOutcome::Failed => "failed",
        }
    }

    /// It will not converge any more.
    pub(in crate::cli) fn failed(self) -> bool {
        matches!(self, WaitOutcome::RolledBack | WaitOutcome::Failed)
    }

    pub(in crate::cli) fn exit_code(self) -> u8 {
        match self {
            WaitOutcome::Converged => 0,
            WaitOutcome::TimedOut => TIMED_OUT,
            WaitOutcome::RolledBack | WaitOutcome::Failed => FAILED,
        }
    }
}

/// The outcome of one object, and why.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Settled {
    pub(in crate::cli) name: String,
    pub(in crate::cli) outcome: WaitOutcome,
    pub(in crate::cli) reason: String,
}
