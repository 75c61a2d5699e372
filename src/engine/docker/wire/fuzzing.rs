//! Decoding of answers, for [`crate::fuzzing`]: the result must not depend on how a stream is cut.

use super::events::Reader;
use super::{Framing, ListReader, LogReader, created_id, has_terminal, is_object, read_info, read_inspected};
use super::{error_message, read_version};

const CLUSTER: &str = "c";

/// Reads the rest of an input in one piece, and in pieces of the size in its first byte.
fn in_pieces<T: PartialEq + std::fmt::Debug>(input: &[u8], mut read: impl FnMut(&[&[u8]]) -> T) {
    let Some((size, text)) = input.split_first() else { return };
    let pieces: Vec<&[u8]> = text.chunks(usize::from(*size).max(1)).collect();
    assert_eq!(read(&pieces), read(&[text]));
}

/// A list of containers.
pub fn list(input: &[u8]) {
    for swarm in [false, true] {
        in_pieces(input, |pieces| {
            let mut reader = ListReader::new(CLUSTER, swarm);
            pieces.iter().try_for_each(|piece| reader.push(piece))?;
            reader.finish().map(|list| (list.containers, list.unclear, list.unknown))
        });
    }
}

/// Answers that are read whole.
pub fn inspect(answer: &[u8]) {
    if let Ok(Some(container)) = read_inspected(CLUSTER, answer) {
        assert!(is_object(answer) && !container.id.0.is_empty());
    }
    if let Ok(version) = read_version(answer) {
        let info = read_info(answer, version, "1.41".to_owned());
        assert!(info.is_err() || is_object(answer));
    }
    let _ = (created_id(answer), has_terminal(answer), error_message(answer));
}

/// The event stream.
pub fn events(input: &[u8]) {
    in_pieces(input, |pieces| {
        let mut reader = Reader::new(CLUSTER.to_owned());
        let read = pieces.iter().try_for_each(|piece| reader.push(piece));
        (reader.ready, read.map_err(|error| error.to_string()))
    });
}

/// A container's log.
pub fn logs(input: &[u8]) {
    for framing in [Framing::Multiplexed, Framing::Raw] {
        in_pieces(input, |pieces| {
            let mut reader = LogReader::new(framing);
            let read = pieces.iter().try_for_each(|piece| reader.push(piece)).and_then(|()| reader.finish());
            (std::iter::from_fn(|| reader.next()).collect::<Vec<_>>(), read)
        });
    }
}
