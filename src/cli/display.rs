//! The state of objects during a wait: a live display on a terminal, one line per change elsewhere.
//!
//! Reports only update the known state of each object; [`Display::paint`] draws at the caller's pace. So a thousand
//! objects that change together are drawn once.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use self::screen::Screen;
use self::waited_object::{Stage, WaitedObject};
use super::output;
use super::wait::outcome::Settled;
use crate::client::answers::{Object, Receipt};
use crate::clock;
use crate::core::sanitize;

mod frame;
mod screen;
#[cfg(test)]
mod tests;
mod waited_object;

/// The display.
pub(super) struct Display {
    objects: Vec<WaitedObject>,
    /// Name to index in `objects`.
    places: HashMap<String, usize>,
    began: Instant,
    /// The longest wait.
    wait: Duration,
    /// If standard output is a terminal.
    screen: Option<Screen>,
    /// Nothing but problems is reported.
    quiet: bool,
    /// The last reported problem.
    trouble: String,
}

impl Display {
    /// Shows nothing until there is something to report.
    pub(super) fn new(receipts: &[Receipt], wait: Duration) -> Display {
        let objects: Vec<WaitedObject> = receipts.iter().map(WaitedObject::new).collect();
        let places = objects.iter().enumerate().map(|(i, one)| (one.name.clone(), i)).collect();
        Display {
            objects,
            places,
            began: clock::monotonic(),
            wait,
            screen: Screen::of_stdout(),
            quiet: false,
            trouble: String::new(),
        }
    }

    /// Reports problems only, on standard error.
    pub(super) fn quiet(receipts: &[Receipt], wait: Duration) -> Display {
        Display { screen: None, quiet: true, ..Display::new(receipts, wait) }
    }

    fn object(&mut self, name: &str) -> Option<&mut WaitedObject> {
        self.objects.get_mut(*self.places.get(name)?)
    }

    /// Sets how long this object must stay converged.
    pub(super) fn monitor(&mut self, name: &str, monitor: Duration) {
        if let Some(object) = self.object(name) {
            object.monitor = monitor;
        }
    }

    /// Shows the status of an object.
    pub(super) fn show(&mut self, status: &Object) {
        let now = clock::monotonic();
        let Some(object) = self.object(&status.name) else { return };
        object.see(status, now);
        let text = match (object.settled(), object.stage()) {
            (true, _) => None,
            (_, Stage::Monitored) => object
                .left_to_monitor(now)
                .map(|left| format!("converged, monitoring for {left} more: {}", status.reason)),
            _ => Some(format!("{}: {}", status.phase, status.reason)),
        };
        if let Some(text) = text {
            self.say(&status.name, &text);
        }
    }

    /// Shows the outcome of an object.
    pub(super) fn settled(&mut self, settled: &Settled) {
        let Settled { name, outcome, reason } = settled;
        let Some(object) = self.object(name) else { return };
        object.settle(*outcome, reason);
        let text = format!("{}: {reason}", outcome.word());
        // The display cuts long lines and may have no room for this object.
        let failed = outcome.failed();
        match &mut self.screen {
            Some(screen) if failed && self.objects.len() > 1 => {
                screen.above(&sanitize::escape(&format!("{name} {text}")));
            }
            Some(_) => {}
            None => self.say(name, &text),
        }
    }

    /// Prints one line if there is no terminal, unless it repeats the last one.
    fn say(&mut self, name: &str, text: &str) {
        if self.quiet || self.screen.is_some() {
            return;
        }
        let Some(object) = self.object(name).filter(|object| object.said != text) else { return };
        object.said = text.to_owned();
        // A closed standard output does not change the exit code.
        let _ = output::line(format_args!("{name} {text}"));
    }

    /// Reports a problem that concerns no single object, unless it repeats the last one.
    pub(super) fn trouble(&mut self, text: String) {
        if self.trouble != text {
            match &mut self.screen {
                Some(screen) => screen.above(&sanitize::escape(&text)),
                None => output::note(&text),
            }
            self.trouble = text;
        }
    }

    /// Draws the present state, if there is a terminal and something changed.
    pub(super) fn paint(&mut self) {
        let Some(screen) = &mut self.screen else { return };
        let (rows, columns) = screen.size();
        let now = clock::monotonic();
        let elapsed = now.saturating_duration_since(self.began);
        screen.paint(frame::lines(&self.objects, now, elapsed, self.wait, rows, columns));
    }

    /// Draws the final state and leaves the cursor on an empty line below it.
    pub(super) fn end(&mut self) {
        self.paint();
        if let Some(screen) = &mut self.screen {
            screen.leave();
        }
    }
}
