//! What happens to objects while they are waited for: a bar each on a terminal, elsewhere a line a change.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use super::wait::Settled;
use crate::client::answers::Object;
use crate::sanitize;

/// One object's line.
const BAR: &str = "{prefix} [{bar:24}] {pos}/{len} {wide_msg}";

/// The display.
pub(super) struct Progress {
    /// By the object's name.
    shown: BTreeMap<String, Shown>,
    /// Where there is a terminal.
    bars: Option<MultiProgress>,
    /// The trouble that was last told of.
    trouble: String,
}

struct Shown {
    /// What was last said.
    words: String,
    bar: ProgressBar,
}

impl Progress {
    /// For these objects. Nothing is shown until there is something to say.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Progress {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let bars = Some(bars).filter(|bars| !bars.is_hidden());
        let width = names.clone().map(str::len).max().unwrap_or_default();
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style.progress_chars("=> ");
        let shown = |name: &str| {
            let bar = match &bars {
                Some(bars) => bars.add(ProgressBar::new(0)),
                None => ProgressBar::hidden(),
            };
            bar.set_style(style.clone());
            bar.set_prefix(format!("{:width$}", sanitize::escape(name)));
            (name.to_owned(), Shown { words: String::new(), bar })
        };
        Progress { shown: names.map(shown).collect(), bars, trouble: String::new() }
    }

    /// An object is doing like this.
    pub(super) fn show(&mut self, object: &Object) {
        let Object { name, phase, reason, .. } = object;
        if let Some(shown) = self.shown.get(name) {
            shown.bar.set_length(object.count);
            shown.bar.set_position(object.ready);
        }
        self.say(name, &format!("{phase}: {reason}"));
    }

    /// An object's outcome is known.
    pub(super) fn settled(&mut self, settled: &Settled) {
        let Settled { name, outcome, reason } = settled;
        self.say(name, &format!("{}: {reason}", outcome.word()));
        if let Some(shown) = self.shown.get(name) {
            shown.bar.abandon();
        }
    }

    fn say(&mut self, name: &str, words: &str) {
        // A bar writes to the terminal by itself.
        let words = sanitize::escape(words).into_owned();
        let Some(shown) = self.shown.get_mut(name).filter(|shown| shown.words != words) else { return };
        if self.bars.is_some() {
            shown.bar.set_message(words.clone());
        } else {
            // Whoever reads no more still gets the exit code.
            let _ = output::line(format_args!("{name} {words}"));
        }
        shown.words = words;
    }

    /// Something is wrong beside the objects; told once as long as it is the same.
    pub(super) fn trouble(&mut self, words: String) {
        if self.trouble != words {
            match &self.bars {
                Some(bars) => drop(bars.println(sanitize::escape(&words))),
                None => output::note(&words),
            }
            self.trouble = words;
        }
    }
}
