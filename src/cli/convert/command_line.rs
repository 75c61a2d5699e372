//! From the words of a command line to its options, image and arguments, by the rules of docker's client.
//!
//! Options end at the first word that is none, which is the image; what follows it is the container's own command.

use anyhow::{Context, bail, ensure};

use super::flags::{self, Does, Flag};
use crate::core::submission::strict::did_you_mean;

/// A command line, taken apart.
#[derive(Debug)]
pub(super) struct CommandLine {
    pub(super) options: Vec<Given>,
    pub(super) image: String,
    pub(super) arguments: Vec<String>,
    /// What to say about options that stand before the command.
    pub(super) notes: Vec<String>,
}

/// An option that was given, with its value.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) flag: &'static Flag,
    pub(super) value: String,
}

impl CommandLine {
    pub(super) fn read(words: &[String]) -> anyhow::Result<CommandLine> {
        let words = match words {
            [first, rest @ ..] if first == "sudo" => rest,
            words => words,
        };
        let [program, rest @ ..] = words else { bail!(EXPECTED) };
        let program = program.rsplit('/').next().unwrap_or_default();
        match program {
            "docker" | "podman" => {}
            "docker-compose" | "podman-compose" => bail!(COMPOSE),
            other => bail!("{other:?} is not docker: {EXPECTED}"),
        }
        let (before, rest) = options(rest, flags::GLOBAL, program)?;
        let notes =
            before.iter().map(|given| given.flag.left_out()).collect::<Option<_>>().unwrap_or_default();
        let (command, rest) = match rest {
            [group, rest @ ..] if group == "container" => rest.split_first().context(EXPECTED)?,
            rest => rest.split_first().context(EXPECTED)?,
        };
        match command.as_str() {
            "run" | "create" => {}
            "compose" => bail!(COMPOSE),
            "service" | "stack" => bail!("{program} {command} is about services of swarm mode: {EXPECTED}"),
            other => bail!("{program} {other} creates no container: {EXPECTED}"),
        }
        let what = format!("{program} {command}");
        let (options, rest) = options(rest, flags::FLAGS, &what)?;
        let only_of_run = options.iter().find(|given| command == "create" && flags::of_run_only(given.flag));
        if let Some(given) = only_of_run {
            bail!("{what} has no flag --{}", given.flag.name());
        }
        let (image, arguments) = rest.split_first().with_context(|| format!("{what} needs an image"))?;
        ensure!(!image.is_empty(), "{what} needs an image");
        Ok(CommandLine { options, image: image.clone(), arguments: arguments.to_vec(), notes })
    }
}

const EXPECTED: &str = "expected is a `docker run` or `docker create` command line, such as `convert -- docker run -d -p 80:80 nginx`";
const COMPOSE: &str = "compose files are not converted: write each service as an object (examples/stack.yaml shows several in one \
                       file), or convert the `docker run` of each";

/// The options that the words begin with, and the words after them.
fn options<'w>(
    words: &'w [String],
    known: &'static [Flag],
    what: &str,
) -> anyhow::Result<(Vec<Given>, &'w [String])> {
    let mut given = Vec::new();
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        if word == "--" {
            return Ok((given, after));
        }
        let Some(text) = word.strip_prefix('-').filter(|text| !text.is_empty()) else { break };
        rest = match text.strip_prefix('-') {
            Some(long) => self::long(long, after, known, what, &mut given)?,
            None => short(text, after, known, what, &mut given)?,
        };
    }
    Ok((given, rest))
}

/// `--name`, `--name=value` or `--name value`.
fn long<'w>(
    text: &str,
    after: &'w [String],
    known: &'static [Flag],
    what: &str,
    given: &mut Vec<Given>,
) -> anyhow::Result<&'w [String]> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let flag =
        known.iter().find(|flag| flag.names.contains(&name)).with_context(|| unknown(name, known, what))?;
    let (value, rest) = match (value, flag.is_switch()) {
        (Some(value), _) => (value.to_owned(), after),
        (None, true) => ("true".to_owned(), after),
        (None, false) => {
            let (value, rest) = after.split_first().with_context(|| format!("--{name} needs a value"))?;
            (value.clone(), rest)
        }
    };
    given.push(Given { flag, value });
    Ok(rest)
}

/// `-d`, `-dit`, `-p80:80`, `-p=80:80` or `-p 80:80`, and all of that behind other letters.
fn short<'w>(
    text: &str,
    after: &'w [String],
    known: &'static [Flag],
    what: &str,
    given: &mut Vec<Given>,
) -> anyhow::Result<&'w [String]> {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let flag = known
            .iter()
            .find(|flag| flag.short == Some(letter))
            .with_context(|| format!("{what} has no flag -{letter} (in -{text})"))?;
        let rest = letters.as_str();
        if let Some(value) = rest.strip_prefix('=').filter(|value| !value.is_empty()) {
            given.push(Given { flag, value: value.to_owned() });
            return Ok(after);
        }
        if flag.is_switch() {
            given.push(Given { flag, value: "true".to_owned() });
        } else if rest.is_empty() {
            let (value, rest) = after.split_first().with_context(|| format!("-{letter} needs a value"))?;
            given.push(Given { flag, value: value.clone() });
            return Ok(rest);
        } else {
            given.push(Given { flag, value: rest.to_owned() });
            return Ok(after);
        }
    }
    Ok(after)
}

/// What to say of a flag that there is not, with the nearest that there is.
fn unknown(name: &str, known: &'static [Flag], what: &str) -> String {
    let names = known.iter().flat_map(|flag| flag.names.iter().copied());
    match did_you_mean(name, names) {
        Some(near) => format!("{what} has no flag --{name} that is known here; did you mean --{near}?"),
        None => format!("{what} has no flag --{name} that is known here"),
    }
}

impl Flag {
    pub(super) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// Whether it needs no value.
    fn is_switch(&self) -> bool {
        matches!(
            self.does,
            Does::True(_) | Does::Either(_) | Does::Nothing | Does::Switch(_) | Does::LeftOutSwitch(_)
        )
    }

    /// What to say where it is left out.
    pub(super) fn left_out(&self) -> Option<String> {
        match self.does {
            Does::LeftOut(why) | Does::LeftOutSwitch(why) => {
                Some(format!("note: --{} is left out: {why}", self.name()))
            }
            _ => None,
        }
    }
}
