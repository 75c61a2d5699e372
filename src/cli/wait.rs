//! Waiting until what was submitted has come about.
//!
//! This begins when the daemon has acknowledged a change, with its generation. So a connection that breaks, or a daemon
//! that is restarted, only means to ask again; [`question`] says why that is harmless. All objects are waited for at
//! once: [`queue`] decides which one is asked about next, with a bound on the questions under way. A watch of the status
//! shows what happens meanwhile, and tells where a question is worth it; without it, everything only takes longer.

use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::output;
use super::progress::Progress;
use super::{FAILED, TIMED_OUT};
use crate::client::answers::{Change, Receipt};
use crate::client::{ClientError, Daemon};
use crate::clock;

mod question;
mod queue;
mod watch;

pub(super) use question::status;
use question::{Answered, Found};
use queue::Queue;

/// How often the display is drawn at the most.
const PAINT: Duration = Duration::from_millis(100);
/// After the wait, answers of questions that were asked before its end are still taken for so long.
const GRACE: Duration = Duration::from_secs(5);
/// Exit codes of a program that was ended by SIGINT and SIGTERM, as shells have them.
pub(super) const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;

/// How to wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For so long at the most.
    pub(super) wait: Duration,
    /// Only until the first object has failed.
    pub(super) fail_fast: bool,
}

impl Patience {
    /// As the flags say, if there is anything to wait for.
    pub(super) fn of(wait: Option<Duration>, fail_fast: bool) -> Option<Patience> {
        wait.map(|wait| Patience { wait, fail_fast })
    }
}

/// What has become of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Converged,
    TimedOut,
    /// A later generation has an earlier spec again.
    RolledBack,
    /// It does not work, or something else is wanted by now.
    Failed,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Outcome::Converged => "converged",
            Outcome::TimedOut => "timed out",
            Outcome::RolledBack => "rolled back",
            Outcome::Failed => "failed",
        }
    }

    /// It will not come about.
    pub(super) fn failed(self) -> bool {
        matches!(self, Outcome::RolledBack | Outcome::Failed)
    }

    fn code(self) -> u8 {
        match self {
            Outcome::Converged => 0,
            Outcome::TimedOut => TIMED_OUT,
            Outcome::RolledBack | Outcome::Failed => FAILED,
        }
    }
}

/// What has become of one object, and why.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) name: String,
    pub(super) outcome: Outcome,
    pub(super) reason: String,
}

/// Waits until all of `receipts` are settled or the patience ends, and says which: the exit code.
pub(super) async fn wait(daemon: &Daemon, receipts: &[Receipt], patience: Patience) -> anyhow::Result<u8> {
    let began = clock::monotonic();
    let mut waiting = Waiting {
        daemon,
        receipts,
        patience,
        until: began + patience.wait,
        progress: Progress::new(receipts, patience.wait),
        queue: Queue::new(receipts, began),
        settled: Vec::new(),
    };
    let ended = waiting.run().await;
    waiting.progress.end();
    let after = began.elapsed();
    Ok(match ended? {
        End::Settled => conclude(&waiting.settled, receipts.len(), after),
        End::Interrupted(code) => {
            farewell(receipts, &waiting.settled, after);
            code
        }
    })
}

/// Why the waiting has ended.
enum End {
    /// Everything is settled, or enough of it.
    Settled,
    /// The user has stopped it: the exit code.
    Interrupted(u8),
}

struct Waiting<'a> {
    daemon: &'a Daemon,
    receipts: &'a [Receipt],
    patience: Patience,
    until: Instant,
    progress: Progress,
    queue: Queue,
    settled: Vec<Settled>,
}

impl Waiting<'_> {
    async fn run(&mut self) -> anyhow::Result<End> {
        let daemon = self.daemon;
        let mut interrupted = pin!(interrupted());
        let mut changes = pin!(watch::changes(daemon, self.receipts));
        let mut questions = FuturesUnordered::new();
        if self.queue.many() {
            // One question for all of them.
            questions.push(Either::Left(question::specs(daemon)));
        }
        let mut paint = interval(PAINT);
        paint.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = clock::monotonic();
            while let Some(asked) = self.queue.next(now, self.until) {
                questions.push(Either::Right(question::ask(daemon, asked)));
            }
            if self.done() {
                return Ok(End::Settled);
            }
            let over = self.until + GRACE;
            if now >= over || now >= self.until && self.queue.drained(self.until) {
                self.give_up();
                return Ok(End::Settled);
            }
            let end = if now < self.until { self.until } else { over };
            // One that may be asked now, and was not, waits for something else.
            let wake =
                self.queue.wake(self.until).filter(|wake| *wake > now).map_or(end, |wake| wake.min(end));
            tokio::select! {
                Some(answered) = questions.next() => self.take(answered)?,
                Some(change) = changes.next() => self.show(&change),
                _ = paint.tick() => self.progress.paint(),
                () = sleep_until(wake) => {}
                code = &mut interrupted => return Ok(End::Interrupted(code)),
            }
        }
    }

    fn done(&self) -> bool {
        self.settled.len() == self.receipts.len()
            || self.patience.fail_fast && self.settled.iter().any(|one| one.outcome.failed())
    }

    /// Takes note of an answer.
    fn take(&mut self, answered: Answered) -> anyhow::Result<()> {
        let now = clock::monotonic();
        let (place, spec, found) = match answered {
            Answered::Specs(specs) => {
                for (name, spec) in specs {
                    self.progress.monitor(&name, spec.monitor);
                    self.queue.know(&name, spec);
                }
                self.queue.begin();
                return Ok(());
            }
            Answered::One { place, spec, found } => (place, spec, found),
        };
        let Some(receipt) = self.receipts.get(place) else { return Ok(()) };
        let Receipt { name, generation, .. } = receipt;
        if let Some(spec) = spec {
            self.progress.monitor(name, spec.monitor);
            self.queue.know(name, spec);
        }
        match found {
            Ok(Found::Settled(outcome, reason)) => {
                self.queue.settle(place);
                self.settle(Settled { name: name.clone(), outcome, reason });
            }
            Ok(Found::Spec) => self.queue.go_on(place, now),
            Ok(Found::NotYet(reason)) => self.queue.not_yet(place, reason, now),
            Err(error) => {
                let Some(pause) = error.passes_after() else {
                    return Err(error).with_context(|| {
                        format!("generation {generation} of {name} was taken; its outcome is unknown")
                    });
                };
                self.trouble(&error, receipt);
                let reason = format!("{error}; generation {generation} of {name} was taken before that");
                self.queue.failed(place, reason, now + pause);
            }
        }
        Ok(())
    }

    /// Reports a question that was not answered: once, however many they are.
    fn trouble(&mut self, error: &ClientError, receipt: &Receipt) {
        let Receipt { name, generation, .. } = receipt;
        let taken = match self.receipts {
            [_] => format!("generation {generation} of {name} was"),
            all => format!("all {} objects were", all.len()),
        };
        self.progress
            .trouble(format!("{error}; {taken} taken before that; asking again until the wait is over"));
    }

    fn settle(&mut self, settled: Settled) {
        self.progress.settled(&settled);
        self.settled.push(settled);
    }

    /// Shows what a watch tells.
    fn show(&mut self, change: &Change) {
        let now = clock::monotonic();
        match change {
            Change::Object { object } => {
                self.progress.show(object);
                self.queue.hint(object, now);
            }
            Change::Gone { name } => self.queue.gone(name, now),
            Change::Engine { .. } | Change::Other => {}
        }
    }

    /// The wait is over for all that is not settled.
    fn give_up(&mut self) {
        for (place, reason) in self.queue.unsettled() {
            let Some(Receipt { name, .. }) = self.receipts.get(place) else { continue };
            self.settle(Settled { name: name.clone(), outcome: Outcome::TimedOut, reason });
        }
    }
}

/// Ends when the user stops the program: the exit code.
async fn interrupted() -> u8 {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // The signals end the program by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => INTERRUPTED,
        _ = terminate.recv() => TERMINATED,
    }
}

/// Objects that ended in the same way and are named in the last line, beside the one whose reason it gives.
const OTHERS_NAMED: usize = 5;

/// The last line: the outcome, and the reason.
fn conclude(settled: &[Settled], total: usize, after: Duration) -> u8 {
    let after = after.as_secs_f64();
    // The first of the worst.
    let Some(worst) = settled.iter().rev().max_by_key(|one| one.outcome) else { return 0 };
    let converged = settled.iter().filter(|one| one.outcome == Outcome::Converged).count();
    let Settled { name, outcome, reason } = worst;
    let word = outcome.word();
    match (converged, total) {
        // A reader that has left still gets the exit code.
        (1, 1) => drop(output::line(format_args!("{word} after {after:.1} s: {name}: {reason}"))),
        (n, total) if n == total => {
            drop(output::line(format_args!("{word} after {after:.1} s: all {n} objects")))
        }
        (_, 1) => output::note(format_args!("error: {word} after {after:.1} s: {name}: {reason}")),
        (n, total) => {
            let open = match total - settled.len() {
                0 => String::new(),
                open => format!("; {open} not settled yet, which are worked on further"),
            };
            let others: Vec<&str> = settled
                .iter()
                .filter(|one| one.outcome == *outcome && one.name != *name)
                .map(|one| one.name.as_str())
                .collect();
            let named = others.iter().take(OTHERS_NAMED).copied().collect::<Vec<_>>().join(", ");
            let others = match others.len() {
                0 => String::new(),
                n if n > OTHERS_NAMED => format!("; {word} as well: {named} and {} more", n - OTHERS_NAMED),
                _ => format!("; {word} as well: {named}"),
            };
            output::note(format_args!(
                "error: {word} after {after:.1} s: {name}: {reason} ({n} of {total} objects converged{open}{others})"
            ));
        }
    }
    outcome.code()
}

/// What becomes of what was taken when the user waits no longer.
fn farewell(receipts: &[Receipt], settled: &[Settled], after: Duration) {
    let after = after.as_secs_f64();
    output::note(format_args!("stopped waiting after {after:.1} s"));
    // What has not changed has nothing to be undone.
    let changed: Vec<Receipt> = receipts.iter().filter(|one| one.result != "unchanged").cloned().collect();
    let receipts = changed.as_slice();
    if receipts.is_empty() {
        output::note(
            "Nothing was changed; what was submitted before is worked on further: look with `status`",
        );
        return;
    }
    let converged = settled.iter().filter(|one| one.outcome == Outcome::Converged).count();
    let (what, name) = match receipts {
        [one] => {
            let what = if one.deleted() { "The deletion" } else { "The change" };
            (format!("{what} of {} was taken and is", one.name), one.name.as_str())
        }
        all => {
            (format!("All {} changes were taken ({converged} converged so far) and are", all.len()), "NAME")
        }
    };
    // There is no earlier spec to roll back to.
    let new = |one: &Receipt| one.result == "created";
    let undo = match receipts {
        all if all.iter().all(new) => format!("`delete {name}`"),
        all if all.iter().any(new) => format!("`rollback {name}`, or `delete {name}` where it is new"),
        _ => format!("`rollback {name}`"),
    };
    output::note(format_args!("{what} worked on further: look with `status {name}`, undo it with {undo}"));
}
