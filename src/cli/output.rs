//! Standard output, line by line, as long as it is open.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::time::sleep;

use crate::core::sanitize;

/// How often to check whether standard output is closed, while there is nothing to write.
const POLL: Duration = Duration::from_millis(500);

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    /// The reader has closed it, as `head` does. That is no failure.
    #[error("standard output is closed")]
    Closed,
    /// Writing failed.
    #[error("cannot write to standard output: {0}")]
    Failed(io::Error),
}

/// Whether a command ended because no one reads its output any more, which is no failure.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OutputError::Closed))
}

/// Writes a line to standard output, with all control characters escaped.
pub(super) fn line(text: impl Display) -> Result<(), OutputError> {
    raw(format!("{}\n", sanitize::escape(&text.to_string())).as_bytes())
}

/// Writes a line of JSON unchanged.
pub(super) fn json(line: &str) -> Result<(), OutputError> {
    raw(format!("{line}\n").as_bytes())
}

/// A row of a table.
pub(super) fn row(cells: &[&dyn Display]) -> String {
    let cells: Vec<String> =
        cells.iter().map(|cell| sanitize::escape(&cell.to_string()).into_owned()).collect();
    cells.join("\t")
}

/// Cells for [`row`].
pub(super) fn cells(texts: &[String]) -> Vec<&dyn Display> {
    texts.iter().map(|text| text as &dyn Display).collect()
}

/// Aligns rows made by [`row`].
pub(super) fn columns(rows: &[String]) -> Vec<String> {
    let mut table = tabwriter::TabWriter::new(Vec::new()).padding(2);
    // Writing to memory cannot fail.
    let _ = rows.iter().try_for_each(|row| writeln!(table, "{row}"));
    let _ = table.flush();
    let columns = String::from_utf8(table.into_inner().unwrap_or_default()).unwrap_or_default();
    // An empty last cell leaves no trailing blanks.
    columns.lines().map(|row| row.trim_end().to_owned()).collect()
}

/// Writes rows made by [`row`] in columns, cut to the width of a terminal.
pub(super) fn table(rows: &[String]) -> Result<(), OutputError> {
    let width = width();
    columns(rows).iter().try_for_each(|row| line(cut(row, width)))
}

/// The width of the terminal, if standard output is one.
pub(super) fn width() -> Option<usize> {
    let term = console::Term::stdout();
    let (_, columns) = term.size_checked().filter(|_| term.is_term())?;
    Some(columns.into()).filter(|columns| *columns > 0)
}

/// A line cut to the width, if there is one.
pub(super) fn cut(line: &str, width: Option<usize>) -> Cow<'_, str> {
    match width {
        Some(width) => console::truncate_str(line, width, "…"),
        None => Cow::Borrowed(line),
    }
}

/// Writes bytes unchanged.
pub(super) fn raw(bytes: &[u8]) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => OutputError::Closed,
        _ => OutputError::Failed(e),
    })
}

/// Writes a line to standard error, escaped; errors are ignored.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", sanitize::escape(&text.to_string()));
}

/// Writes several lines to standard error, escaped; errors are ignored.
pub(super) fn paragraph(text: impl Display) {
    let text = text.to_string();
    let lines: Vec<_> = text.split('\n').map(sanitize::escape).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// Resolves when standard output is closed. A pipe reports that only to writers, so this polls while there is nothing to
/// write.
pub(super) async fn closed() -> OutputError {
    loop {
        let stdout = io::stdout();
        let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
        let result = poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        let [stdout] = &polled;
        if result.is_ok() && stdout.revents().contains(PollFlags::ERR) {
            return OutputError::Closed;
        }
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_for_a_terminal_only() {
        assert_eq!(cut("web  日本語", Some(8)), "web  日…");
        assert_eq!(cut("web  日本語", Some(11)), "web  日本語");
        assert_eq!(cut(&"x".repeat(500), None).len(), 500);
    }

    #[test]
    fn a_cell_cannot_break_the_table() {
        let row = row(&[&"a\tb", &7, &"c\nd\u{1b}[2J", &""]);
        assert_eq!(row, "a\\tb\t7\tc\\nd\\u{1b}[2J\t");
    }
}
