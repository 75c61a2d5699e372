//! `context`: named daemons.

use std::path::{PathBuf, absolute};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::file::{Contexts, NONE, Place};
use super::arguments::object_name;
use super::exit::{REFUSED, finish};
use super::format::TextFormat;
use super::output;
use crate::client::Address;
use crate::core::name::ObjectName;

pub(super) mod file;

/// Flags of `context`.
#[derive(Debug, Args)]
pub(super) struct ContextFlags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the contexts; the current one has an asterisk.
    Ls {
        /// The output format.
        #[arg(long, short, value_name = "FORMAT", default_value = "text")]
        output: TextFormat,
    },
    /// Select the current context; `default` selects none.
    Use {
        /// The context.
        #[arg(value_name = "NAME", value_parser = object_name)]
        name: ObjectName,
    },
    /// Create or change a context.
    Set(SetFlags),
    /// Remove contexts.
    Rm {
        /// The contexts.
        #[arg(required = true, value_name = "NAME", value_parser = object_name)]
        names: Vec<ObjectName>,
    },
}

#[derive(Debug, Args)]
struct SetFlags {
    /// The context.
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: ObjectName,
    /// The daemon's address: HOST:PORT or https://HOST:PORT.
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "cert_path")]
    addr: Option<Address>,
    /// The directory with ca.pem, cert.pem and key.pem.
    #[arg(long, value_name = "DIR")]
    cert_path: Option<PathBuf>,
}

pub(super) fn run(flags: &ContextFlags) -> ExitCode {
    let done = match &flags.command {
        Command::Ls { output } => list(*output),
        Command::Use { name } => choose(name),
        Command::Set(flags) => set(flags),
        Command::Rm { names } => remove(names),
    };
    finish(done, REFUSED)
}

fn list(format: TextFormat) -> anyhow::Result<()> {
    let Contexts { current, contexts } = Contexts::read(&file::path()?)?;
    if format == TextFormat::Json {
        let one = |(name, context): (&String, &file::Context)| {
            let current = current.as_ref() == Some(name);
            json!({"Name": name, "Addr": context.addr, "CertPath": context.cert_path, "Current": current})
        };
        return Ok(output::json(&Value::from_iter(contexts.iter().map(one)).to_string())?);
    }
    if contexts.is_empty() {
        return Ok(output::line(
            "no contexts: `context set NAME --addr HOST:PORT --cert-path DIR` creates one",
        )?);
    }
    let mut rows = vec!["NAME\tADDR\tCERT PATH".to_owned()];
    for (name, context) in &contexts {
        let mark = if current.as_ref() == Some(name) { " *" } else { "" };
        let addr = context.addr.as_ref().map(|Place(address)| address.to_string()).unwrap_or_default();
        let certs = context.cert_path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        rows.push(output::row(&[&format_args!("{name}{mark}"), &addr, &certs]));
    }
    Ok(output::table(&rows)?)
}

fn choose(name: &ObjectName) -> anyhow::Result<()> {
    let path = file::path()?;
    let mut contexts = Contexts::read(&path)?;
    if name.as_str() == NONE {
        contexts.current = None;
        contexts.write(&path)?;
        return Ok(output::line("there is no current context")?);
    }
    contexts.named(name.as_str(), &path)?;
    contexts.current = Some(name.to_string());
    contexts.write(&path)?;
    Ok(output::line(format_args!("the current context is {name}"))?)
}

fn set(flags: &SetFlags) -> anyhow::Result<()> {
    let SetFlags { name, addr, cert_path } = flags;
    if name.as_str() == NONE {
        bail!("'{NONE}' means no context: choose another name");
    }
    let path = file::path()?;
    let mut contexts = Contexts::read(&path)?;
    let context = contexts.contexts.entry(name.to_string()).or_default();
    if let Some(address) = addr {
        context.addr = Some(Place(address.clone()));
    }
    if let Some(directory) = cert_path {
        let whole = absolute(directory).with_context(|| directory.display().to_string())?;
        ensure!(whole.is_dir(), "{} is not a directory", whole.display());
        context.cert_path = Some(whole);
    }
    contexts.write(&path)?;
    let hint = match contexts.current.as_deref() == Some(name.as_str()) {
        true => String::new(),
        false => format!("; `context use {name}` selects it"),
    };
    Ok(output::line(format_args!("context {name} set in {}{hint}", path.display()))?)
}

fn remove(names: &[ObjectName]) -> anyhow::Result<()> {
    let path = file::path()?;
    let mut contexts = Contexts::read(&path)?;
    for name in names {
        contexts.named(name.as_str(), &path)?;
    }
    for name in names {
        contexts.contexts.remove(name.as_str());
        contexts.current.take_if(|current| current == name.as_str());
    }
    contexts.write(&path)?;
    for name in names {
        output::line(format_args!("context {name} removed"))?;
    }
    Ok(())
}
