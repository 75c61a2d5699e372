//! What happens to objects while they are waited for: a display that fits the terminal, elsewhere one line per change.
//!
//! Reports only update what is known of each object; [`Progress::paint`] draws, at the caller's pace. So a thousand
//! objects that change at once cost one drawing.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use self::object::{Stage, Watched};
use self::screen::Screen;
use super::output;
use super::wait::Settled;
use crate::client::answers::{Object, Receipt};
use crate::clock;
use crate::core::sanitize;

mod frame;
mod object;
mod screen;
#[cfg(test)]
mod tests;

pub(super) use object::{MONITOR, beside_numbers};

/// The display.
pub(super) struct Progress {
    objects: Vec<Watched>,
    /// Their places in `objects`.
    places: HashMap<String, usize>,
    began: Instant,
    /// How long is waited at the most.
    wait: Duration,
    /// Where there is a terminal.
    screen: Option<Screen>,
    /// The problem that was reported last.
    trouble: String,
}

impl Progress {
    /// For what was taken, from now on. Nothing is shown until there is something to say.
    pub(super) fn new(receipts: &[Receipt], wait: Duration) -> Progress {
        let objects: Vec<Watched> = receipts.iter().map(Watched::new).collect();
        let places = objects.iter().enumerate().map(|(i, one)| (one.name.clone(), i)).collect();
        Progress {
            objects,
            places,
            began: clock::monotonic(),
            wait,
            screen: Screen::of_stdout(),
            trouble: String::new(),
        }
    }

    fn object(&mut self, name: &str) -> Option<&mut Watched> {
        self.objects.get_mut(*self.places.get(name)?)
    }

    /// How long this object has to stay converged.
    pub(super) fn monitor(&mut self, name: &str, monitor: Duration) {
        if let Some(object) = self.object(name) {
            object.monitor = monitor;
        }
    }

    /// An object is doing like this.
    pub(super) fn show(&mut self, status: &Object) {
        let now = clock::monotonic();
        let Some(object) = self.object(&status.name) else { return };
        object.see(status, now);
        let words = match (object.settled(), object.stage()) {
            (true, _) => None,
            (_, Stage::Monitored) => object
                .left_to_monitor(now)
                .map(|left| format!("converged, watching {left} more: {}", status.reason)),
            _ => Some(format!("{}: {}", status.phase, status.reason)),
        };
        if let Some(words) = words {
            self.say(&status.name, &words);
        }
    }

    /// An object's outcome is known.
    pub(super) fn settled(&mut self, settled: &Settled) {
        let Settled { name, outcome, reason } = settled;
        let Some(object) = self.object(name) else { return };
        object.settle(*outcome, reason);
        let words = format!("{}: {reason}", outcome.word());
        // The display may have no room for it, and cuts it in any case.
        let told = outcome.failed();
        match &mut self.screen {
            Some(screen) if told && self.objects.len() > 1 => {
                screen.above(&sanitize::escape(&format!("{name} {words}")));
            }
            Some(_) => {}
            None => self.say(name, &words),
        }
    }

    /// One line where there is no terminal, unless it was said already.
    fn say(&mut self, name: &str, words: &str) {
        if self.screen.is_some() {
            return;
        }
        let Some(object) = self.object(name).filter(|object| object.said != words) else { return };
        object.said = words.to_owned();
        // A reader that has left still gets the exit code.
        let _ = output::line(format_args!("{name} {words}"));
    }

    /// Something is wrong beside the objects; reported once as long as it is the same.
    pub(super) fn trouble(&mut self, words: String) {
        if self.trouble != words {
            match &mut self.screen {
                Some(screen) => screen.above(&sanitize::escape(&words)),
                None => output::note(&words),
            }
            self.trouble = words;
        }
    }

    /// Draws how everything is now, where there is a terminal and something has changed.
    pub(super) fn paint(&mut self) {
        let Some(screen) = &mut self.screen else { return };
        let (rows, columns) = screen.size();
        let now = clock::monotonic();
        let elapsed = now.saturating_duration_since(self.began);
        screen.paint(frame::lines(&self.objects, now, elapsed, self.wait, rows, columns));
    }

    /// Draws how everything is in the end, and leaves the cursor on an empty line below it.
    pub(super) fn end(&mut self) {
        self.paint();
        if let Some(screen) = &mut self.screen {
            screen.leave();
        }
    }
}
