//! A flag of `docker run`, and what it does to a draft.

use anyhow::{Context, bail};
use serde_json::json;

use super::draft::Draft;
use super::values;

/// A flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Its name and its aliases.
    pub(super) names: &'static [&'static str],
    pub(super) short: Option<char>,
    pub(super) action: Action,
}

/// Puts a value into the draft.
type Handler = fn(&mut Draft<'_>, &str) -> anyhow::Result<()>;

/// What a flag does. Paths are those of the create body, with dots.
#[derive(Debug)]
pub(super) enum Action {
    /// Sets a string.
    Text(&'static str),
    /// Adds a string to a list.
    Texts(&'static str),
    /// Sets an integer.
    Number(&'static str),
    /// Sets a size in bytes.
    Size(&'static str),
    /// The same; -1 means no limit.
    SizeOrNone(&'static str),
    /// Sets a duration in nanoseconds.
    Nanoseconds(&'static str),
    /// A switch that sets true, or unsets the field.
    True(&'static str),
    /// A switch that sets true or false.
    Either(&'static str),
    /// Adds `KEY=VALUE`, or `KEY` with an empty value, to a map.
    Pairs(&'static str),
    /// Calls a function with the value.
    Call(Handler),
    /// Calls a function with the value of a switch.
    Switch(fn(&mut Draft<'_>, bool)),
    /// A switch without effect.
    Nothing,
    /// Has no equivalent in an object, for this reason.
    LeftOut(&'static str),
    /// The same, for a switch.
    LeftOutSwitch(&'static str),
    /// Not allowed, for this reason.
    Refused(&'static str),
}

impl Flag {
    pub(super) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// Whether it takes no value.
    pub(super) fn is_switch(&self) -> bool {
        matches!(
            self.action,
            Action::True(_)
                | Action::Either(_)
                | Action::Nothing
                | Action::Switch(_)
                | Action::LeftOutSwitch(_)
        )
    }

    /// The note if it is left out.
    pub(super) fn left_out(&self) -> Option<String> {
        match self.action {
            Action::LeftOut(why) | Action::LeftOutSwitch(why) => {
                Some(format!("note: --{} is left out: {why}", self.name()))
            }
            _ => None,
        }
    }

    /// Puts the value into the draft. An error names the flag.
    pub(super) fn apply(&self, draft: &mut Draft<'_>, value: &str) -> anyhow::Result<()> {
        self.act(draft, value).with_context(|| format!("--{} {value}", self.name()))
    }

    fn act(&self, draft: &mut Draft<'_>, value: &str) -> anyhow::Result<()> {
        match &self.action {
            Action::Text(path) => draft.set_text(path, value),
            Action::Texts(path) => draft.add(path, json!(value)),
            Action::Number(path) => draft.set(path, json!(values::integer(value)?)),
            Action::Size(path) => draft.set(path, json!(values::size(value)?)),
            Action::SizeOrNone(path) => draft.set(path, json!(values::size_or_none(value)?)),
            Action::Nanoseconds(path) => draft.set(path, json!(values::nanoseconds(value)?)),
            Action::True(path) => match values::truth(value)? {
                true => draft.set(path, json!(true)),
                false => draft.unset(path),
            },
            Action::Either(path) => draft.set(path, json!(values::truth(value)?)),
            Action::Pairs(path) => {
                let (key, value) = value.split_once('=').unwrap_or((value, ""));
                draft.entry(path, key, json!(value));
            }
            Action::Call(handle) => handle(draft, value)?,
            Action::Switch(handle) => handle(draft, values::truth(value)?),
            Action::Nothing => drop(values::truth(value)?),
            Action::LeftOut(_) | Action::LeftOutSwitch(_) => draft.notes.extend(self.left_out()),
            Action::Refused(why) => bail!("cannot be converted: {why}"),
        }
        Ok(())
    }
}
