//! Signals, as Docker writes them.

use std::fmt;

/// A Linux signal by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub u8);

impl Signal {
    /// Interrupt from the keyboard.
    pub(crate) const INT: Signal = Signal(2);
    /// Ends a process unconditionally.
    pub(crate) const KILL: Signal = Signal(9);
    /// Asks a process to end; what `docker stop` sends by default.
    pub const TERM: Signal = Signal(15);

    /// Parses a signal in any form that Docker accepts or reports: `15`, `TERM`, `SIGTERM`, `SIGRTMIN+3`.
    pub(crate) fn parse(text: &str) -> Option<Signal> {
        let upper = text.trim().to_ascii_uppercase();
        if let Ok(number) = upper.parse::<u8>() {
            return (1..=RTMAX).contains(&number).then_some(Signal(number));
        }
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let real_time =
            |rest: &str| if rest.is_empty() { Some(0) } else { rest.get(1..)?.parse::<u8>().ok() };
        if let Some(rest) = name.strip_prefix("RTMIN") {
            return real_time(rest).map(|n| RTMIN.saturating_add(n)).filter(|n| *n <= RTMAX).map(Signal);
        }
        if let Some(rest) = name.strip_prefix("RTMAX") {
            return real_time(rest).and_then(|n| RTMAX.checked_sub(n)).filter(|n| *n >= RTMIN).map(Signal);
        }
        let number = NAMES.iter().position(|known| *known == name)? + 1;
        u8::try_from(number).ok().map(Signal)
    }
}

/// As Docker writes it: `SIGTERM`, and of one without a name `signal 34`.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::from(self.0).checked_sub(1).and_then(|i| NAMES.get(i)) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// The first and the last real-time signal, as glibc and Docker count them: signal(7).
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

/// The names of the signals 1 to 31 on x86-64 and ARM: signal(7).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_docker_uses_is_read() {
        for (text, number) in [
            ("15", 15),
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigquit", 3),
            ("SIGSYS", 31),
            ("SIGRTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("SIGRTMAX", 64),
        ] {
            assert_eq!(Signal::parse(text), Some(Signal(number)), "{text}");
        }
        for text in ["", "0", "65", "SIG", "SIGNOPE", "RTMIN+31", "RTMAX-31", "RTMIN+x", "-9"] {
            assert_eq!(Signal::parse(text), None, "{text}");
        }
    }
}
