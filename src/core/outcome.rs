//! The four outcomes of an engine call that changes something.

use strum::IntoStaticStr;

/// The outcome of a call that changes something.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome<T> {
    /// It is done, or was done already.
    Done(T),
    /// The endpoint refused: nothing happened.
    Refused(Refusal),
    /// The call never reached the endpoint. The text says why.
    NotSent(String),
    /// It is unknown whether it happened, or still will. The text says why.
    InDoubt(String),
}

/// A refusal by the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Its kind.
    pub(crate) kind: RefusalKind,
    /// The engine's message.
    pub(crate) message: String,
}

/// Kinds of refusals that are handled differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    /// The name is held by a container.
    NameTaken,
    /// The image does not exist, or cannot be obtained.
    NoImage,
    /// The scheduler finds no node for it.
    NoPlace,
    /// There is no node at present: this says nothing about the spec.
    NoNode,
    /// It can never succeed: a spec that the engine, its policy or ours rejects, a command that the image does not have.
    Impossible,
    /// Any other, which may be temporary.
    Other,
}

impl<T> Outcome<T> {
    /// A refusal with this message.
    pub(crate) fn refused(kind: RefusalKind, message: impl Into<String>) -> Outcome<T> {
        Outcome::Refused(Refusal { kind, message: message.into() })
    }

    /// The word for it in metrics.
    pub(crate) fn word(&self) -> &'static str {
        self.into()
    }

    /// Maps the value of a successful call.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Outcome::Done(value) => Outcome::Done(f(value)),
            Outcome::Refused(refusal) => Outcome::Refused(refusal),
            Outcome::NotSent(why) => Outcome::NotSent(why),
            Outcome::InDoubt(why) => Outcome::InDoubt(why),
        }
    }
}
