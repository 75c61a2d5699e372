//! From the bytes of a submit to [`Spec`]s.
//!
//! One object or an array of them, whatever the `Content-Type` said. Our own fields are read here, all others
//! into Docker's create body. What a client asks for now is also checked for the grammar of image references and the sizes of its
//! texts; what is stored already is not. Whether the client may have it is another question, for
//! [`policy`](crate::core::policy).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::core::name::ObjectName;
use crate::core::object::MAX_OBJECTS;
use crate::core::spec::Spec;
use crate::core::submission::strict::{FieldError, Item, shown};

mod canonical;
mod certain_failures;
mod error;
mod fields;
mod foreign;
mod forms;
mod inspect;
pub(crate) mod limits;
mod neutral;
mod object;
pub(crate) mod strict;
mod update;
mod wording;

pub(crate) use canonical::as_stored;
pub(crate) use error::SubmissionError;
pub(crate) use fields::GENERATION;
pub(crate) use fields::MAX_HISTORY;
#[cfg(test)]
pub(crate) use fields::OWN;
pub(crate) use object::{fits_one_host, object, submitted};
pub(crate) use update::seconds_or_duration;
pub(crate) use wording::{same_template, with_template_text_of, without_defaults};

/// The content of a submit.
#[derive(Debug)]
pub enum Submission {
    /// One object; the answer is one as well.
    One(Box<Spec>),
    /// An array, committed as one transaction.
    Many(Vec<Spec>),
}

/// The generations that a submit's objects must have, if they say so; 0 means that the object must not exist.
pub(crate) type Generations = BTreeMap<ObjectName, u64>;

/// Parses a submit's body.
pub fn read(body: &[u8]) -> Result<Submission, SubmissionError> {
    read_at_most(body, MAX_OBJECTS).map(|(submission, _)| submission)
}

/// Parses a submit's body; an array may hold up to `most` objects. Objects are parsed one by one: a refused body costs no more
/// than the objects before the mistake.
pub(crate) fn read_at_most(body: &[u8], most: usize) -> Result<(Submission, Generations), SubmissionError> {
    let mut one = None;
    let mut specs = Vec::new();
    let mut generations = Generations::new();
    let mut names = BTreeSet::new();
    strict::parse_each(body, |item| -> Result<(), SubmissionError> {
        let i = specs.len();
        match item {
            Item::Only(value) => {
                let spec = submitted(&value)?;
                generations.extend(generation(&value)?.map(|generation| (spec.name.clone(), generation)));
                one = Some(spec);
            }
            Item::Next(_) if i >= most => return Err(SubmissionError::TooMany(most)),
            Item::Next(value) => {
                let spec = submitted(&value).map_err(|e| inside(i, e))?;
                if !names.insert(spec.name.clone()) {
                    let message = format!(
                        "given \"{}\" a second time; each object of an array has its own name",
                        spec.name
                    );
                    return Err(FieldError::new(format!("[{i}].Name"), message).into());
                }
                let generation = generation(&value).map_err(|e| inside(i, e.into()))?;
                generations.extend(generation.map(|generation| (spec.name.clone(), generation)));
                specs.push(spec);
            }
            Item::End if specs.is_empty() => {
                let message = "given an empty array; allowed is one object or an array of at least one";
                return Err(FieldError::new("", message).into());
            }
            Item::End => {}
        }
        Ok(())
    })?;
    let submission = match one {
        Some(spec) => Submission::One(Box::new(spec)),
        None => Submission::Many(specs),
    };
    Ok((submission, generations))
}

/// An error of the object at this index of an array.
fn inside(index: usize, error: SubmissionError) -> SubmissionError {
    match error {
        SubmissionError::Field(error) => error.at_index(index).into(),
        other => other,
    }
}

/// The generation that an object of a submit must have.
fn generation(object: &Value) -> Result<Option<u64>, FieldError> {
    match object.get(GENERATION) {
        None | Some(Value::Null) => Ok(None),
        Some(given) => forms::plain(given).as_u64().map(Some).ok_or_else(|| {
            let message = format!(
                "given {}; allowed is a whole number: the generation that the object has, or 0 where there is to be none",
                shown(&given.to_string())
            );
            FieldError::new(GENERATION, message)
        }),
    }
}

#[cfg(test)]
mod tests;
