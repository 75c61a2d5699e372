//! Ends of an object's containers that this manager did not cause: what is reported, how often they happened, and whether a
//! slot has been steady since.
//!
//! A container that ends after a minute, repeatedly, is ready most of the time and is replaced at once each time. Its ends are
//! remembered here, so that the object does not count as converged in between.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::backoff::STABLE_RUN;
use crate::core::container::{Container, Detail};
use crate::core::signal::Signal;
use crate::core::time::Time;

/// Ends of a slot further apart than this are unrelated.
const WINDOW: Duration = Duration::from_secs(600);
/// The longest run required of a slot before it counts as steady again.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// The most ends remembered per slot.
const MAX_RECENT: usize = 8;
/// The most ends that wait to be reported. A worker takes them in each pass.
const MAX_UNREPORTED: usize = 1_000;

/// The last end of a container of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastExit {
    /// The container's name.
    pub(crate) container: String,
    /// When it ended, RFC 3339, by the engine's clock, if known.
    pub(crate) finished: Option<String>,
    /// When its end was observed.
    pub(crate) seen: Time,
    /// How it ended, in a sentence that begins with the container's name.
    pub(crate) reason: String,
}

/// The kind of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndKind {
    /// The process ended.
    Ended,
    /// The process ended, and the engine started it again by its restart policy.
    Restarted,
    /// The process runs, and its health check fails.
    Unhealthy,
    /// The container was removed, not by this manager.
    Vanished,
}

/// An observed end that is not reported yet, since an inspect has to explain it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) kind: EndKind,
    pub(super) container: String,
    pub(super) slot: u32,
    /// A user asked for it through the engine.
    pub(super) asked: bool,
    pub(super) ran: Option<Duration>,
    /// Its last observed exit code, for a container that is running again.
    pub(super) exit_code: Option<i64>,
    /// It had ended before this process started: news only if that was after the last report of an earlier process.
    pub(super) found: bool,
    pub(super) at: Time,
}

/// What is remembered of a slot.
#[derive(Debug, Clone, Default)]
struct Slot {
    /// The last end, as a message.
    last: Option<String>,
    /// No container has run since.
    empty: bool,
    /// Unrequested ends and how long each container had run; oldest first, within [`WINDOW`].
    recent: Vec<(Time, Duration)>,
}

/// The ends of an object's containers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    restarts: u64,
    last: Option<LastExit>,
    slots: BTreeMap<u32, Slot>,
    unreported: Vec<(EndKind, String)>,
    /// Until when an earlier process reported what happened.
    reported_until: Option<Time>,
}

impl Ends {
    pub(super) fn reported_until(reported_until: Option<Time>) -> Ends {
        Ends { reported_until, ..Ends::default() }
    }

    /// Ends of an earlier spec do not count against a new one.
    pub(super) fn forgive(&mut self) {
        self.restarts = 0;
        self.slots.clear();
    }

    /// Counts an unrequested end; `ran` is how long the container had run.
    pub(super) fn count(&mut self, slot: u32, times: u64, ran: Duration, now: Time) {
        self.restarts += times;
        let recent = &mut self.slots.entry(slot).or_default().recent;
        recent.retain(|(at, _)| now.since(*at) <= WINDOW);
        recent.push((now, ran));
        if recent.len() > MAX_RECENT {
            recent.remove(0);
        }
    }

    /// Records an end that can be reported now.
    pub(super) fn report(&mut self, seen: Seen, container: Option<&Container>) {
        let Seen { kind, container: name, slot, .. } = &seen;
        let finished = container.and_then(|c| c.detail.as_ref()?.finished_at.clone());
        if seen.found && !self.is_news(finished.as_deref()) {
            return;
        }
        let message = message(&seen, container);
        let of_slot = self.slots.entry(*slot).or_default();
        (of_slot.last, of_slot.empty) = (Some(message.clone()), true);
        self.last =
            Some(LastExit { container: name.clone(), finished, seen: seen.at, reason: message.clone() });
        if self.unreported.len() < MAX_UNREPORTED {
            self.unreported.push((*kind, message));
        }
    }

    /// Whether a container that ended before this process started did so after the last report of an earlier process.
    fn is_news(&self, finished: Option<&str>) -> bool {
        let finished = finished.and_then(|at| humantime::parse_rfc3339(at).ok());
        self.reported_until.zip(finished).is_some_and(|(reported, finished)| finished > reported.system())
    }

    /// A new container runs in the slot, or this manager removes it: the last end is not the cause of the next create.
    pub(super) fn replaced(&mut self, slot: u32) {
        if let Some(slot) = self.slots.get_mut(&slot) {
            slot.empty = false;
        }
    }

    /// Ends to report, each once.
    pub(crate) fn take_unreported(&mut self) -> Vec<(EndKind, String)> {
        std::mem::take(&mut self.unreported)
    }

    /// How often containers of the present spec ended or turned unhealthy unrequested.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }

    /// The last end.
    pub(crate) fn last(&self) -> Option<&LastExit> {
        self.last.as_ref()
    }

    /// Why a slot is empty, as a message, if its last container ended by itself.
    pub(crate) fn cause_of(&self, slot: u32) -> Option<&str> {
        self.slots.get(&slot).filter(|slot| slot.empty)?.last.as_deref()
    }

    /// The last end in a slot, as a message.
    pub(crate) fn last_of(&self, slot: u32) -> Option<&str> {
        self.slots.get(&slot)?.last.as_deref()
    }

    /// How often a slot's containers ended recently, and how long the next one must run before the slot counts as steady:
    /// twice the longest run, at least [`STABLE_RUN`], at most five minutes. `None` for fewer than two ends: a single one may
    /// be bad luck.
    pub(crate) fn unsteady(&self, slot: u32) -> Option<(usize, Duration)> {
        let recent = &self.slots.get(&slot)?.recent;
        let longest = recent.iter().map(|(_, ran)| *ran).max().filter(|_| recent.len() > 1)?;
        Some((recent.len(), (longest * 2).clamp(STABLE_RUN, LONGEST_ASKED)))
    }
}

/// The message for an end, which begins with the container's name.
pub(super) fn message(seen: &Seen, container: Option<&Container>) -> String {
    let Seen { kind, container: name, asked, ran, exit_code, .. } = seen;
    let detail = container.and_then(|container| container.detail.as_deref());
    // The engine knows better than an observer that only sees samples.
    let ran = detail.and_then(run_of).or(*ran);
    let after = ran.map(|ran| format!(" after {}", rounded(ran))).unwrap_or_default();
    if *kind == EndKind::Vanished {
        return format!("{name} was removed{after} by someone else");
    }
    if *kind == EndKind::Unhealthy {
        let output = detail.and_then(|detail| detail.health_output.as_deref()).unwrap_or_default();
        return match output {
            "" => format!("{name} is unhealthy"),
            output => format!("{name} is unhealthy: its health check says: {output}"),
        };
    }
    let code = detail.and_then(|detail| detail.exit_code).or(*exit_code);
    let oom = detail.is_some_and(|detail| detail.oom_killed);
    let signal = container.and_then(|container| container.signalled).filter(|_| *asked);
    let how = match (signal, code) {
        (Some(signalled), Some(code)) => {
            format!("was sent {} through the engine and ended with exit code {code}", signalled.signal)
        }
        (Some(signalled), None) => format!("was sent {} through the engine and ended", signalled.signal),
        (None, Some(code)) if oom => format!("ran out of memory and ended with exit code {code}"),
        (None, Some(code)) => match killed_by(code) {
            Some(signal) => format!("ended with exit code {code} ({signal})"),
            None => format!("ended with exit code {code}"),
        },
        (None, None) => "ended".to_owned(),
    };
    let error = detail.and_then(|detail| detail.error.as_deref()).filter(|error| !error.is_empty());
    let error = error.map(|error| format!(" ({error})")).unwrap_or_default();
    let again = match kind {
        EndKind::Restarted => {
            let restarts = detail.map_or(0, |detail| detail.restarts);
            match restarts {
                1 => ", and its restart policy has restarted it once".to_owned(),
                n => format!(", and its restart policy has restarted it {n} times"),
            }
        }
        _ => String::new(),
    };
    format!("{name} {how}{error}{after}{again}")
}

/// How long the process of an ended container ran.
fn run_of(detail: &Detail) -> Option<Duration> {
    let moment = |text: &Option<String>| humantime::parse_rfc3339(text.as_deref()?).ok();
    moment(&detail.finished_at)?.duration_since(moment(&detail.started_at)?).ok()
}

/// The signal that ended a process, by the convention of shells and Docker: 128 plus its number.
fn killed_by(code: i64) -> Option<Signal> {
    u8::try_from(code.checked_sub(128)?).ok().filter(|number| (1..=31).contains(number)).map(Signal)
}

/// Whole seconds, or milliseconds below one.
fn rounded(ran: Duration) -> humantime::FormattedDuration {
    let millis = u64::try_from(ran.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(match millis {
        0..1_000 => Duration::from_millis(millis),
        more => Duration::from_secs(more / 1_000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_end_is_tolerated_and_a_second_within_ten_minutes_is_not() {
        let mut ends = Ends::default();
        ends.count(1, 1, SECOND * 61, Time(61_000));
        assert_eq!(ends.unsteady(1), None);
        ends.count(1, 1, SECOND * 61, Time(122_000));
        assert_eq!(ends.unsteady(1), Some((2, SECOND * 122)));
        assert_eq!((ends.unsteady(2), ends.restarts()), (None, 2));
        // Half an hour later the earlier ends no longer count.
        ends.count(1, 1, SECOND * 1_800, Time(1_922_000));
        assert_eq!(ends.unsteady(1), None);
        ends.forgive();
        assert_eq!(ends.restarts(), 0);
    }

    #[test]
    fn the_required_run_is_bounded() {
        let mut ends = Ends::default();
        (1..100).for_each(|second| ends.count(1, 1, Duration::ZERO, Time(second * 1_000)));
        assert_eq!(ends.unsteady(1), Some((MAX_RECENT, STABLE_RUN)));
        ends.count(1, 1, SECOND * 10_000, Time(100_000));
        assert_eq!(ends.unsteady(1), Some((MAX_RECENT, LONGEST_ASKED)));
    }

    #[test]
    fn exit_codes_above_128_name_their_signal() {
        for (code, name) in [(137, Some("SIGKILL")), (143, Some("SIGTERM")), (139, Some("SIGSEGV"))] {
            assert_eq!(killed_by(code).map(|signal| signal.to_string()).as_deref(), name);
        }
        for code in [0, 1, 127, 128, 160, 255, -1] {
            assert_eq!(killed_by(code), None, "{code}");
        }
    }
}
