//! Standard output, line by line, for as long as somebody reads it.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::time::sleep;

use crate::core::sanitize;

/// How often it is looked whether anybody still reads, where there may be nothing to write for hours.
const LOOK: Duration = Duration::from_millis(500);

/// Nothing more can be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    /// Whoever read it has enough, as `head` does. That is no failure.
    #[error("standard output is closed")]
    Closed,
    /// It cannot be written to.
    #[error("standard output cannot be written: {0}")]
    Failed(io::Error),
}

/// Whether a command ended because no one reads its output any more, which is no failure.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OutputError::Closed))
}

/// Writes a line to standard output. Whatever the daemon or somebody else put into it, it is one line, and nothing
/// that a terminal obeys.
pub(super) fn line(text: impl Display) -> Result<(), OutputError> {
    raw(format!("{}\n", sanitize::escape(&text.to_string())).as_bytes())
}

/// Writes a line of JSON as it came.
pub(super) fn json(line: &str) -> Result<(), OutputError> {
    raw(format!("{line}\n").as_bytes())
}

/// A row of a table.
pub(super) fn row(cells: &[&dyn Display]) -> String {
    let cells: Vec<String> =
        cells.iter().map(|cell| sanitize::escape(&cell.to_string()).into_owned()).collect();
    cells.join("\t")
}

/// Cells that are texts, for [`row`].
pub(super) fn cells(texts: &[String]) -> Vec<&dyn Display> {
    texts.iter().map(|text| text as &dyn Display).collect()
}

/// Puts rows made by [`row`] in columns.
pub(super) fn columns(rows: &[String]) -> Vec<String> {
    let mut table = tabwriter::TabWriter::new(Vec::new()).padding(2);
    // Into memory: nothing can fail.
    let _ = rows.iter().try_for_each(|row| writeln!(table, "{row}"));
    let _ = table.flush();
    let columns = String::from_utf8(table.into_inner().unwrap_or_default()).unwrap_or_default();
    // A last cell that is empty leaves no blanks behind.
    columns.lines().map(|row| row.trim_end().to_owned()).collect()
}

/// Writes rows made by [`row`], in columns. A terminal gets no more of each than fits into its width.
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

/// A line that fits into the width, if there is one.
pub(super) fn cut(line: &str, width: Option<usize>) -> Cow<'_, str> {
    match width {
        Some(width) => console::truncate_str(line, width, "…"),
        None => Cow::Borrowed(line),
    }
}

/// Writes bytes as they are.
pub(super) fn raw(bytes: &[u8]) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => OutputError::Closed,
        _ => OutputError::Failed(e),
    })
}

/// Writes a line to standard error, as [`line`] does. One that cannot be written to leaves nobody to tell.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", sanitize::escape(&text.to_string()));
}

/// Writes lines of our own to standard error.
pub(super) fn paragraph(text: impl Display) {
    let text = text.to_string();
    let lines: Vec<_> = text.split('\n').map(sanitize::escape).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// Ends when nobody reads standard output any more. A pipe tells that to whoever writes into it, and so not to one that
/// waits for something to write.
pub(super) async fn closed() -> OutputError {
    loop {
        let stdout = io::stdout();
        let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
        let told = poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        let [stdout] = &polled;
        if told.is_ok() && stdout.revents().contains(PollFlags::ERR) {
            return OutputError::Closed;
        }
        sleep(LOOK).await;
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
    fn a_cell_is_one_cell_whatever_is_in_it() {
        let row = row(&[&"a\tb", &7, &"c\nd\u{1b}[2J", &""]);
        assert_eq!(row, "a\\tb\t7\tc\\nd\\u{1b}[2J\t");
    }
}
