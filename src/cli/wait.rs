//! Waiting until a change has converged.
//!
//! The wait begins when the daemon has acknowledged a change with its generation, so after a broken connection or a
//! restart of the daemon the client simply asks again; [`question`] explains why that is harmless. All objects are waited
//! for concurrently: [`queue`] decides which one to ask about next and bounds the questions in flight. A watch of the status
//! feeds the display and hints which question is worth asking; without it, the wait only takes longer.

use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::outcome::{Settled, WaitOutcome};
use self::question::{Answered, WaitProgress};
use self::queue::Queue;
use super::display::Display;
use super::exit::{INTERRUPTED, TERMINATED};
use crate::api::change::Receipt;
use crate::api::status::StatusChange;
use crate::client::{ClientError, Daemon};
use crate::clock;

pub(super) mod outcome;
pub(super) mod question;
mod queue;
pub(super) mod summary;
mod watch;

/// The display is drawn at most this often.
const PAINT: Duration = Duration::from_millis(100);
/// After the end of the wait, answers to earlier questions are still accepted for this long.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaitLimits {
    /// The longest wait.
    pub(super) wait: Duration,
    /// End with the first object that has failed.
    pub(super) fail_fast: bool,
}

/// A wait that has ended.
pub(super) struct Waited {
    pub(super) settled: Vec<Settled>,
    pub(super) after: Duration,
    /// The exit code, if the user stopped it.
    pub(super) interrupted: Option<u8>,
}

/// Waits until all `receipts` are settled or the limits are reached.
pub(super) async fn wait(
    daemon: &Daemon,
    receipts: &[Receipt],
    limits: WaitLimits,
    display: Display,
) -> anyhow::Result<Waited> {
    let began = clock::monotonic();
    let mut waiting = Waiting {
        daemon,
        receipts,
        limits,
        until: began + limits.wait,
        display,
        queue: Queue::new(receipts, began),
        settled: Vec::new(),
    };
    let ended = waiting.run().await;
    waiting.display.end();
    Ok(Waited { interrupted: ended?, settled: waiting.settled, after: began.elapsed() })
}

struct Waiting<'a> {
    daemon: &'a Daemon,
    receipts: &'a [Receipt],
    limits: WaitLimits,
    until: Instant,
    display: Display,
    queue: Queue,
    settled: Vec<Settled>,
}

impl Waiting<'_> {
    /// Returns the exit code if the user stopped it.
    async fn run(&mut self) -> anyhow::Result<Option<u8>> {
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
                return Ok(None);
            }
            let over = self.until + GRACE;
            if now >= over || now >= self.until && self.queue.drained(self.until) {
                self.give_up();
                return Ok(None);
            }
            let end = if now < self.until { self.until } else { over };
            // A question that is due and was not asked waits for something else.
            let wake =
                self.queue.wake(self.until).filter(|wake| *wake > now).map_or(end, |wake| wake.min(end));
            tokio::select! {
                Some(answered) = questions.next() => self.take(answered)?,
                Some(change) = changes.next() => self.show(&change),
                _ = paint.tick() => self.display.paint(),
                () = sleep_until(wake) => {}
                code = &mut interrupted => return Ok(Some(code)),
            }
        }
    }

    fn done(&self) -> bool {
        self.settled.len() == self.receipts.len()
            || self.limits.fail_fast && self.settled.iter().any(|one| one.outcome.failed())
    }

    /// Processes an answer.
    fn take(&mut self, answered: Answered) -> anyhow::Result<()> {
        let now = clock::monotonic();
        let (place, spec, found) = match answered {
            Answered::Specs(specs) => {
                for (name, spec) in specs {
                    self.display.monitor(&name, spec.monitor);
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
            self.display.monitor(name, spec.monitor);
            self.queue.know(name, spec);
        }
        match found {
            Ok(WaitProgress::Settled(outcome, reason)) => {
                self.queue.settle(place);
                self.settle(Settled { name: name.clone(), outcome, reason });
            }
            Ok(WaitProgress::Spec) => self.queue.go_on(place, now),
            Ok(WaitProgress::NotYet(reason)) => self.queue.not_yet(place, reason, now),
            Err(error) => {
                let Some(pause) = error.passes_after() else {
                    return Err(error).with_context(|| {
                        format!("generation {generation} of {name} was accepted; its outcome is unknown")
                    });
                };
                self.trouble(&error, receipt);
                let reason = format!("{error}; generation {generation} of {name} was accepted before");
                self.queue.failed(place, reason, now + pause);
            }
        }
        Ok(())
    }

    /// Reports unanswered questions once.
    fn trouble(&mut self, error: &ClientError, receipt: &Receipt) {
        let Receipt { name, generation, .. } = receipt;
        let taken = match self.receipts {
            [_] => format!("generation {generation} of {name} was"),
            all => format!("all {} objects were", all.len()),
        };
        self.display.trouble(format!("{error}; {taken} accepted before; retrying until the wait ends"));
    }

    fn settle(&mut self, settled: Settled) {
        self.display.settled(&settled);
        self.settled.push(settled);
    }

    /// Shows a change of the status.
    fn show(&mut self, change: &StatusChange) {
        let now = clock::monotonic();
        match change {
            StatusChange::Object { object } => {
                self.display.show(object);
                self.queue.hint(object, now);
            }
            StatusChange::Gone { name } => self.queue.gone(name, now),
            StatusChange::Engine { .. } | StatusChange::Other => {}
        }
    }

    /// Times out all objects that are not settled.
    fn give_up(&mut self) {
        for (place, reason) in self.queue.unsettled() {
            let Some(Receipt { name, .. }) = self.receipts.get(place) else { continue };
            self.settle(Settled { name: name.clone(), outcome: WaitOutcome::TimedOut, reason });
        }
    }
}

/// Resolves to the exit code when the user stops the program.
async fn interrupted() -> u8 {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // The signals then end the program themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => INTERRUPTED,
        _ = terminate.recv() => TERMINATED,
    }
}
