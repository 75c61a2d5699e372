//! The logs of an object: what its containers write, merged into one stream.
//!
//! [`Logs::read`] begins with the last lines of each container, in order of time (`merge`), and then follows (`follow`):
//! containers that the object gets join the stream, and those that end leave it. If the connection to the engine breaks, the
//! lines of a container are requested again, and none is repeated (`seen`).
//!
//! A stream works only while it is polled, and asks the engine for no more than is read: a slow reader holds up no one. It
//! keeps one line per container. What cannot be read is reported in the stream, as a note.

use futures_util::stream::{self, Stream};

use self::reading::Reading;

mod follow;
mod merge;
mod query;
mod reader;
mod reading;
mod seen;
mod source;

pub use query::{DEFAULT_TAIL, LogItem, LogPermit, LogPermits, LogQuery, MAX_CONTAINERS, MAX_TAIL, Missing};
pub(crate) use seen::Seen;
pub use source::Logs;

/// The most logs that are read at once, over all streams.
const MAX_AT_ONCE: usize = 2 * MAX_CONTAINERS;
/// The fewest, however few files may be open.
const MIN_AT_ONCE: usize = 4;

/// How many logs are read at once with this many descriptors left for connections.
pub(crate) fn at_once(descriptors: usize) -> usize {
    descriptors.clamp(MIN_AT_ONCE, MAX_AT_ONCE)
}

impl Logs {
    /// The lines, from now on. Nothing happens before the stream is polled.
    pub fn read(&self, query: LogQuery, permits: LogPermits) -> impl Stream<Item = LogItem> + Send + use<> {
        stream::unfold(Reading::new(self.clone(), query, permits), |mut reading| async move {
            let item = reading.next().await?;
            Some((item, reading))
        })
    }
}
