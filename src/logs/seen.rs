//! How far the log of a container was told.

use crate::engine::logs::LogTime;

/// The time of the last line that was told, and how many were of exactly that time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen(Option<(LogTime, u32)>);

impl Seen {
    /// Where to read on; nothing where nothing was told.
    pub fn last(self) -> Option<LogTime> {
        self.0.map(|(at, _)| at)
    }

    /// Takes note of a line that is told.
    pub fn note(&mut self, at: Option<LogTime>) {
        let Some(at) = at else { return };
        self.0 = Some(match self.0 {
            Some((last, count)) if at == last => (last, count.saturating_add(1)),
            Some((last, count)) if at < last => (last, count),
            _ => (at, 1),
        });
    }

    /// Whether a line of a log that is read on was told before. To be asked of each of its lines, in order, of a copy
    /// made when it was asked for.
    pub fn covers(&mut self, at: Option<LogTime>) -> bool {
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
    fn a_log_that_is_read_on_tells_no_line_twice_and_leaves_none_out() {
        let at = |nanos| Some(LogTime(nanos));
        let mut seen = Seen::default();
        assert_eq!(seen.last(), None);
        [at(5), at(7), None, at(7), at(6)].into_iter().for_each(|at| seen.note(at));
        assert_eq!(seen.last(), at(7));
        // An engine that is asked for what came since then begins with that time.
        let mut before = seen;
        let told: Vec<bool> =
            [at(6), at(7), at(7), at(7), at(8), None].into_iter().map(|at| before.covers(at)).collect();
        assert_eq!(told, [true, true, true, false, false, false]);
        assert!(!Seen::default().covers(at(1)));
    }
}
