//! How far the log of a container was read.

use crate::engine::logs::LogTime;

/// The time of the last line that was read, and how many lines had exactly that time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen(Option<(LogTime, u32)>);

impl Seen {
    /// Where to continue; `None` if nothing was read.
    pub(crate) fn last(self) -> Option<LogTime> {
        self.0.map(|(at, _)| at)
    }

    /// Records a line.
    pub(crate) fn note(&mut self, at: Option<LogTime>) {
        let Some(at) = at else { return };
        self.0 = Some(match self.0 {
            Some((last, count)) if at == last => (last, count.saturating_add(1)),
            Some((last, count)) if at < last => (last, count),
            _ => (at, 1),
        });
    }

    /// Whether a line of a repeated request was read before. To be called for each line, in order, on a copy made at the time of
    /// the request.
    pub(crate) fn covers(&mut self, at: Option<LogTime>) -> bool {
        let (Some(at), Some((last, count))) = (at, self.0) else { return false };
        if at == last && count > 0 {
            self.0 = Some((last, count - 1));
            return true;
        }
        at < last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_requested_again_repeats_no_line_and_skips_none() {
        let at = |nanos| Some(LogTime(nanos));
        let mut seen = Seen::default();
        assert_eq!(seen.last(), None);
        [at(5), at(7), None, at(7), at(6)].into_iter().for_each(|at| seen.note(at));
        assert_eq!(seen.last(), at(7));
        // An engine that is asked for lines since that time includes lines of exactly that time.
        let mut before = seen;
        let new: Vec<bool> =
            [at(6), at(7), at(7), at(7), at(8), None].into_iter().map(|at| before.covers(at)).collect();
        assert_eq!(new, [true, true, true, false, false, false]);
        assert!(!Seen::default().covers(at(1)));
    }
}
