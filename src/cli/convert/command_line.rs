//! Splits a command line into options, image and arguments, by the rules of docker's client.
//!
//! Options end at the first word that is none, which is the image; the container's command follows.

use anyhow::{Context, bail, ensure};

use super::flag::Flag;
use super::flags;
use crate::core::submission::strict::did_you_mean;

/// A command line in its parts.
#[derive(Debug)]
pub(super) struct CommandLine {
    pub(super) options: Vec<GivenFlag>,
    pub(super) image: String,
    pub(super) arguments: Vec<String>,
    /// Messages about options before the command.
    pub(super) notes: Vec<String>,
}

/// A given flag with its value.
#[derive(Debug)]
pub(super) struct GivenFlag {
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
            "service" | "stack" => bail!("{program} {command} concerns services in swarm mode: {EXPECTED}"),
            other => bail!("{program} {other} creates no container: {EXPECTED}"),
        }
        let command_name = format!("{program} {command}");
        let (options, rest) = options(rest, flags::FLAGS, &command_name)?;
        let run_only = options.iter().find(|given| command == "create" && flags::is_run_only(given.flag));
        if let Some(given) = run_only {
            bail!("{command_name} has no flag --{}", given.flag.name());
        }
        let (image, arguments) =
            rest.split_first().with_context(|| format!("{command_name} needs an image"))?;
        ensure!(!image.is_empty(), "{command_name} needs an image");
        Ok(CommandLine { options, image: image.clone(), arguments: arguments.to_vec(), notes })
    }
}

const EXPECTED: &str = "expected a `docker run` or `docker create` command line, such as `convert -- docker run -d -p 80:80 nginx`";
const COMPOSE: &str = "compose files cannot be converted: write each service as an object (examples/stack.yaml shows several in one \
                       file), or convert a `docker run` command line for each";

/// Reads the leading options and returns them with the rest of the words.
fn options<'w>(
    words: &'w [String],
    known: &'static [Flag],
    command: &str,
) -> anyhow::Result<(Vec<GivenFlag>, &'w [String])> {
    let mut options = Options { known, command, given: Vec::new() };
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        if word == "--" {
            return Ok((options.given, after));
        }
        let Some(text) = word.strip_prefix('-').filter(|text| !text.is_empty()) else { break };
        rest = match text.strip_prefix('-') {
            Some(long) => options.long(long, after)?,
            None => options.short(text, after)?,
        };
    }
    Ok((options.given, rest))
}

/// The options read so far.
struct Options<'a> {
    known: &'static [Flag],
    /// For messages.
    command: &'a str,
    given: Vec<GivenFlag>,
}

impl Options<'_> {
    /// Reads `--name`, `--name=value` or `--name value` and returns the rest of the words.
    fn long<'w>(&mut self, text: &str, after: &'w [String]) -> anyhow::Result<&'w [String]> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let flag = self.known.iter().find(|flag| flag.names.contains(&name));
        let flag = flag.with_context(|| self.unknown(name))?;
        match value {
            Some(value) => self.take(flag, value, after),
            None => self.take_separate(flag, after),
        }
    }

    /// Reads `-d`, `-dit`, `-p80:80`, `-p=80:80` or `-p 80:80`, also after other letters, and returns the rest of the words.
    fn short<'w>(&mut self, text: &str, after: &'w [String]) -> anyhow::Result<&'w [String]> {
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let flag = self.known.iter().find(|flag| flag.short == Some(letter));
            let flag =
                flag.with_context(|| format!("{} has no flag -{letter} (in -{text})", self.command))?;
            let rest = letters.as_str();
            if let Some(value) = rest.strip_prefix('=').filter(|value| !value.is_empty()) {
                return self.take(flag, value, after);
            }
            if rest.is_empty() || !flag.is_switch() {
                return match rest {
                    "" => self.take_separate(flag, after),
                    value => self.take(flag, value, after),
                };
            }
            self.take(flag, "true", after)?;
        }
        Ok(after)
    }

    /// Takes a flag whose value, if it needs one, is the next word.
    fn take_separate<'w>(
        &mut self,
        flag: &'static Flag,
        after: &'w [String],
    ) -> anyhow::Result<&'w [String]> {
        if flag.is_switch() {
            return self.take(flag, "true", after);
        }
        let (value, rest) =
            after.split_first().with_context(|| format!("--{} needs a value", flag.name()))?;
        self.take(flag, value, rest)
    }

    fn take<'w>(
        &mut self,
        flag: &'static Flag,
        value: &str,
        rest: &'w [String],
    ) -> anyhow::Result<&'w [String]> {
        self.given.push(GivenFlag { flag, value: value.to_owned() });
        Ok(rest)
    }

    /// The error for an unknown flag, with the nearest known one.
    fn unknown(&self, name: &str) -> String {
        let names = self.known.iter().flat_map(|flag| flag.names.iter().copied());
        let command = self.command;
        match did_you_mean(name, names) {
            Some(near) => format!("unknown flag --{name} of {command}; did you mean --{near}?"),
            None => format!("unknown flag --{name} of {command}"),
        }
    }
}
