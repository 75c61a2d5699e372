//! A terminal, of which the last lines are drawn again and again.

use std::fmt::Write;

use console::{Term, measure_text_width};

use crate::cli::output;

/// What a terminal that does not tell its size is taken for.
const SIZE: (usize, usize) = (24, 80);

/// The terminal.
pub(super) struct Screen {
    term: Term,
    drawing: Drawing,
}

/// What is drawn, and what a terminal has to be sent to draw something else.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    lines: Vec<String>,
    /// The width for which it was drawn.
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

    /// Draws these lines in the place of those before.
    pub(super) fn paint(&mut self, lines: Vec<String>) {
        let (_, columns) = self.size();
        self.write(|drawing| drawing.paint(lines, columns));
    }

    /// Writes a line above what is drawn, where it stays. It may be wider than the terminal.
    pub(super) fn above(&mut self, line: &str) {
        let (_, columns) = self.size();
        self.write(|drawing| drawing.above(line, columns));
    }

    /// Leaves what is drawn, and erases what was typed below it, such as `^C`.
    pub(super) fn leave(&mut self) {
        self.write(|_| "\r\u{1b}[J".to_owned());
    }

    fn write(&mut self, change: impl FnOnce(&mut Drawing) -> String) {
        let text = change(&mut self.drawing);
        if !text.is_empty() {
            // A reader that has left still gets the exit code.
            let _ = output::raw(text.as_bytes());
        }
    }
}

impl Drawing {
    /// Nothing where the same is drawn already.
    pub(super) fn paint(&mut self, lines: Vec<String>, columns: usize) -> String {
        if self.lines == lines && self.columns == columns {
            return String::new();
        }
        let mut text = self.back(columns);
        for line in &lines {
            // Written over, and what is left of a longer line is erased: nothing flickers.
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

    /// Moves the cursor to where the drawing begins. On a terminal that became narrower its lines take more rows.
    fn back(&self, columns: usize) -> String {
        let rows_of = |line: &String| measure_text_width(line).div_ceil(columns.max(1)).max(1);
        match self.lines.iter().map(rows_of).sum::<usize>() {
            0 => String::new(),
            rows => format!("\r\u{1b}[{rows}A"),
        }
    }
}
