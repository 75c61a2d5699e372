//! The four outcomes of an engine call that changes something.

/// The outcome of a call that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It is done, or was done already.
    Done(T),
    /// A definite no: nothing happened.
    Refused(Refusal),
    /// The call never reached the endpoint. The text says why.
    NotSent(String),
    /// It is not known whether it happened, or still will. The text says why.
    InDoubt(String),
}

/// A definite no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Refusal {
    /// What kind of no.
    pub kind: RefusalKind,
    /// The engine's own words.
    pub words: String,
}

/// Kinds of definite no that are answered differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The name is held by a container.
    NameTaken,
    /// The image is not there, or cannot be had.
    NoImage,
    /// The scheduler finds no place for it.
    NoPlace,
    /// No node is there at present to place anything on: this says nothing of what was asked for.
    NoNode,
    /// What was asked for cannot be, however often it is tried: a spec that the engine, its policy or ours rejects, a
    /// command that the image does not have.
    Impossible,
    /// Any other: it may pass.
    Other,
}

impl<T> Outcome<T> {
    /// A refusal with this message.
    pub fn refused(kind: RefusalKind, message: impl Into<String>) -> Outcome<T> {
        Outcome::Refused(Refusal { kind, words: message.into() })
    }

    /// The word for it in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Done(_) => "done",
            Outcome::Refused(_) => "refused",
            Outcome::NotSent(_) => "not_sent",
            Outcome::InDoubt(_) => "in_doubt",
        }
    }

    /// The same outcome with another yield.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Outcome::Done(value) => Outcome::Done(f(value)),
            Outcome::Refused(refusal) => Outcome::Refused(refusal),
            Outcome::NotSent(why) => Outcome::NotSent(why),
            Outcome::InDoubt(why) => Outcome::InDoubt(why),
        }
    }
}
