//! A terminal whose last lines are redrawn.

use std::fmt::Write;

use console::{Term, measure_text_width};

use crate::cli::output;

/// The assumed size of a terminal that does not report it.
const SIZE: (usize, usize) = (24, 80);

/// The terminal.
pub(super) struct Screen {
    term: Term,
    drawing: Drawing,
}

/// The lines on the screen, and the output that changes them.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    lines: Vec<String>,
    /// The width for which they were drawn.
    columns: usize,
}

impl Screen {
    /// Standard output, if that is a terminal that can move its cursor.
    pub(super) fn of_stdout() -> Option<Screen> {
        let term = Term::stdout();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        (term.is_term() && !dumb).then(|| Screen { term, drawing: Drawing::default() })
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> (usize, usize) {
        match self.term.size_checked() {
            Some((rows @ 1.., columns @ 1..)) => (rows.into(), columns.into()),
            _ => SIZE,
        }
    }

    /// Replaces the drawn lines.
    pub(super) fn paint(&mut self, lines: Vec<String>) {
        let (_, columns) = self.size();
        self.write(|drawing| drawing.paint(lines, columns));
    }

    /// Writes a permanent line above the drawing. It may be wider than the terminal.
    pub(super) fn above(&mut self, line: &str) {
        let (_, columns) = self.size();
        self.write(|drawing| drawing.above(line, columns));
    }

    /// Keeps the drawing and erases what was typed below it, such as `^C`.
    pub(super) fn leave(&mut self) {
        self.write(|_| "\r\u{1b}[J".to_owned());
    }

    fn write(&mut self, change: impl FnOnce(&mut Drawing) -> String) {
        let text = change(&mut self.drawing);
        if !text.is_empty() {
            // A closed standard output does not change the exit code.
            let _ = output::raw(text.as_bytes());
        }
    }
}

impl Drawing {
    /// Nothing if the same lines are drawn already.
    pub(super) fn paint(&mut self, lines: Vec<String>, columns: usize) -> String {
        if self.lines == lines && self.columns == columns {
            return String::new();
        }
        let mut text = self.back(columns);
        for line in &lines {
            // Overwrite the line, then erase the rest of a longer one: no flicker.
            let _ = writeln!(text, "{line}\u{1b}[K");
        }
        text.push_str("\u{1b}[J");
        (self.lines, self.columns) = (lines, columns);
        text
    }

    pub(super) fn above(&mut self, line: &str, columns: usize) -> String {
        let mut text = self.back(columns);
        let _ = writeln!(text, "\u{1b}[J{line}");
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        self.columns = columns;
        text
    }

    /// Moves the cursor to the start of the drawing. Its lines take more rows on a terminal that became narrower.
    fn back(&self, columns: usize) -> String {
        let rows_of = |line: &String| measure_text_width(line).div_ceil(columns.max(1)).max(1);
        match self.lines.iter().map(rows_of).sum::<usize>() {
            0 => String::new(),
            rows => format!("\r\u{1b}[{rows}A"),
        }
    }
}
