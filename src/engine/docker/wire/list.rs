//! The list of containers, decoded while it arrives.
//!
//! Only our own containers are kept, and of these only the fields in use; so a large list costs time but no memory. An
//! unreadable entry does not affect the others; an entry that may be ours is kept aside for an inspect.

use std::collections::HashMap;

use super::container::{Entry, read_entry};
use super::framing::{Frame, Framer, FramingError, Shape};
use crate::core::container::{Container, ContainerId, Visibility};

/// The longest entry: the labels of a submit, and one line for each of 65,535 published ports.
const ENTRY_MAX_BYTES: usize = 8 * 1024 * 1024;
/// The most of our containers in a list: 1.5 times the supported 100,000.
pub(in crate::engine::docker) const CONTAINERS_MAX: usize = 150_000;
/// The most unclear entries of a list that are inspected.
const UNCLEAR_MAX: usize = 100;

/// Why a list is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::engine::docker) enum ListError {
    /// It is no list, or was cut off.
    #[error("cannot read its list: {0}")]
    Unreadable(String),
    /// More containers than [`CONTAINERS_MAX`].
    #[error(
        "its list has more than {CONTAINERS_MAX} containers of this cluster, which is the limit: no decisions are made on a part of them"
    )]
    TooMany,
}

/// The content of a list.
#[derive(Debug, Default)]
pub(in crate::engine::docker) struct List {
    /// Our containers, each once.
    pub(in crate::engine::docker) containers: Vec<Container>,
    /// Ids or names of entries that may be ours.
    pub(in crate::engine::docker) unclear: Vec<String>,
    /// The number of other entries that cannot be read.
    pub(in crate::engine::docker) unknown: usize,
}

/// Decodes a list piece by piece.
#[derive(Debug)]
pub(in crate::engine::docker) struct ListReader<'a> {
    framer: Framer,
    cluster: &'a str,
    swarm: bool,
    /// The most containers.
    max: usize,
    list: List,
    known: HashMap<ContainerId, usize>,
}

impl<'a> ListReader<'a> {
    /// Decodes a list of this cluster's containers, from a Swarm manager or not.
    pub(in crate::engine::docker) fn new(cluster: &'a str, swarm: bool) -> ListReader<'a> {
        let framer = Framer::new(Shape::Array, ENTRY_MAX_BYTES);
        ListReader {
            framer,
            cluster,
            swarm,
            max: CONTAINERS_MAX,
            list: List::default(),
            known: HashMap::new(),
        }
    }

    /// Processes the next piece.
    pub(in crate::engine::docker) fn push(&mut self, piece: &[u8]) -> Result<(), ListError> {
        let ListReader { framer, cluster, swarm, max, list, known } = self;
        framer
            .push(piece, |frame| {
                let entry = match frame {
                    Frame::Value(entry) => read_entry(cluster, *swarm, entry),
                    Frame::TooLong => Entry::Unclear(None),
                };
                match entry {
                    Entry::Ours(container) => take(list, known, *max, *container),
                    Entry::Foreign => {}
                    Entry::Unclear(Some(key)) if list.unclear.len() < UNCLEAR_MAX => list.unclear.push(key),
                    Entry::Unclear(_) => list.unknown += 1,
                }
            })
            .map_err(unreadable)?;
        if self.list.containers.len() > self.max {
            return Err(ListError::TooMany);
        }
        Ok(())
    }

    /// Ends the list.
    pub(in crate::engine::docker) fn finish(self) -> Result<List, ListError> {
        self.framer.finish().map_err(unreadable)?;
        Ok(self.list)
    }
}

fn unreadable(error: FramingError) -> ListError {
    ListError::Unreadable(error.to_string())
}

/// Adds a container. If its id is listed twice with different states, an inspect decides.
fn take(list: &mut List, known: &mut HashMap<ContainerId, usize>, max: usize, container: Container) {
    let containers = &mut list.containers;
    let next = containers.len();
    if let Some(same) = known.get(&container.id).and_then(|at| containers.get_mut(*at)) {
        if same.state != container.state {
            same.visibility = Visibility::Disputed;
        }
    } else if next <= max {
        // One too many is kept, which the reader reports after each piece.
        known.insert(container.id.clone(), next);
        containers.push(container);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::container::ContainerState;
    use crate::core::labels::ContainerIdentity;
    use crate::core::name::ObjectName;
    use crate::core::spec::TemplateHash;

    fn entry(n: usize, state: &str) -> String {
        let template = TemplateHash::from_label("t");
        let identity =
            ContainerIdentity { object: ObjectName::parse("web").unwrap(), slot: 1, attempt: 1, template };
        let labels: serde_json::Map<_, serde_json::Value> =
            identity.labels("c").map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
        let entry = json!({"Id": format!("id{n}"), "Names": ["/web.1.1"], "Labels": labels, "State": state});
        entry.to_string()
    }

    fn read(text: &str, piece: usize) -> Result<List, ListError> {
        let mut reader = ListReader::new("c", false);
        text.as_bytes().chunks(piece).try_for_each(|piece| reader.push(piece))?;
        reader.finish()
    }

    #[test]
    fn a_bad_entry_does_not_affect_the_others() {
        let text = format!(
            "[{},null,{{\"Id\": 7}},{{\"Names\": [\"/x\"]}},{},{{\"a\": }},{}]",
            entry(1, "running"),
            entry(2, "hibernating"),
            entry(3, "exited")
        );
        for piece in [1, 10, 1000, text.len()] {
            let list = read(&text, piece).unwrap();
            let states: Vec<_> = list.containers.iter().map(|c| (&*c.id.0, c.state, c.visibility)).collect();
            assert_eq!(
                states,
                [
                    ("id1", ContainerState::Running, Visibility::Clear),
                    ("id2", ContainerState::Created, Visibility::Disputed),
                    ("id3", ContainerState::Exited, Visibility::Clear)
                ]
            );
            assert_eq!((list.unclear, list.unknown), (vec!["7".to_owned(), "x".to_owned()], 2));
        }
    }

    #[test]
    fn a_duplicate_id_with_another_state_is_disputed() {
        let list =
            read(&format!("[{},{},{}]", entry(1, "running"), entry(1, "exited"), entry(2, "exited")), 99);
        let list = list.unwrap();
        let visibilities: Vec<_> = list.containers.iter().map(|c| (&*c.id.0, c.visibility)).collect();
        assert_eq!(visibilities, [("id1", Visibility::Disputed), ("id2", Visibility::Clear)]);
    }

    #[test]
    fn a_cut_off_or_endless_list_is_an_error() {
        for text in ["", "[", "null", "{}", "<html>", &format!("[{}", entry(1, "running"))] {
            assert!(read(text, 7).is_err(), "{text}");
        }
        let mut reader = ListReader { max: 100, ..ListReader::new("c", false) };
        reader.push(b"[").unwrap();
        let error = (0..).find_map(|n| reader.push(format!("{},", entry(n, "running")).as_bytes()).err());
        assert_eq!(error, Some(ListError::TooMany));
        assert_eq!(reader.list.containers.len(), 101);
    }

    #[test]
    fn foreign_containers_use_no_memory() {
        let mut reader = ListReader::new("another", false);
        reader.push(b"[").unwrap();
        (0..1000).for_each(|n| reader.push(format!("{},", entry(n, "running")).as_bytes()).unwrap());
        assert!(reader.list.containers.is_empty() && reader.known.is_empty() && reader.list.unknown == 0);
    }
}
