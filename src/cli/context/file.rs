//! The file with the contexts.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_saphyr::UserMessageFormatter;

use crate::cli::environment::variable;
use crate::client::Address;
use crate::core::submission::strict::{did_you_mean, shown};

/// The largest file, in bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// The name that means no context.
pub(in crate::cli) const NONE: &str = "default";

/// All contexts.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Contexts {
    /// The current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) current: Option<String>,
    /// By name.
    #[serde(default)]
    pub(in crate::cli) contexts: BTreeMap<String, Context>,
}

/// The address of a daemon, and the certificates for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Context {
    /// HOST:PORT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) addr: Option<Place>,
    /// The directory with ca.pem, cert.pem and key.pem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) cert_path: Option<PathBuf>,
}

/// An address in the usual notation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(in crate::cli) struct Place(pub(in crate::cli) Address);

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Place, String> {
        text.parse().map(Place)
    }
}

impl From<Place> for String {
    fn from(Place(address): Place) -> String {
        address.to_string()
    }
}

/// The path of the file.
pub(in crate::cli) fn path() -> anyhow::Result<PathBuf> {
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")));
    let config = config.context("neither XDG_CONFIG_HOME nor HOME is set, so contexts cannot be stored")?;
    Ok(config.join("swarm-cluster-state-manager/config.yaml"))
}

impl Contexts {
    /// Reads the file; a missing one has no contexts.
    pub(in crate::cli) fn read(path: &Path) -> anyhow::Result<Contexts> {
        let mut text = String::new();
        let read = File::open(path).and_then(|f| f.take(FILE_MAX_BYTES + 1).read_to_string(&mut text));
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Contexts::default());
            }
            read => drop(read.with_context(|| format!("cannot read {}", path.display()))?),
        }
        ensure!(
            text.len() as u64 <= FILE_MAX_BYTES,
            "{} is larger than {FILE_MAX_BYTES} bytes",
            path.display()
        );
        Contexts::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> anyhow::Result<Contexts> {
        // A file with only comments is empty.
        let options = serde_saphyr::options! { with_snippet: false };
        let read = serde_saphyr::from_str_with_options::<Option<Contexts>>(text, options);
        match read {
            Ok(contexts) => Ok(contexts.unwrap_or_default()),
            Err(error) => bail!("{}", error.render_with_formatter(&UserMessageFormatter)),
        }
    }

    /// Writes the file atomically.
    pub(in crate::cli) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_saphyr::to_string(self).context("cannot serialize the contexts as YAML")?;
        let new = path.with_extension("yaml.new");
        let write = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// The context of this name.
    pub(in crate::cli) fn named(&self, name: &str, path: &Path) -> anyhow::Result<&Context> {
        self.contexts.get(name).with_context(|| {
            let known = self.contexts.keys().map(String::as_str);
            let hint = match did_you_mean(name, known.clone()) {
                Some(near) => format!("did you mean '{near}'?"),
                None if self.contexts.is_empty() => {
                    "there are none: `context set NAME` creates one".to_owned()
                }
                None => format!("known contexts: {}", known.collect::<Vec<_>>().join(", ")),
            };
            format!("unknown context '{}' in {}; {hint}", shown(name), path.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_file_has_its_line() {
        for (text, expected) in [
            ("contexts:\n  prod:\n    adr: a:1\n", "line 3"),
            ("contexts:\n  prod:\n    addr: http://a\n", "line 3"),
            ("curent: prod\n", "line 1"),
            ("contexts:\n  a: [\n", "line 2"),
            ("contexts: {a: {}, a: {}}\n", "line 1"),
        ] {
            let error = format!("{:#}", Contexts::parse(text).unwrap_err());
            assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn contexts_are_written_and_read_back() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("below/config.yaml");
        assert_eq!(Contexts::read(&path).unwrap(), Contexts::default());
        let addr = Some(Place("manager.example:4000".parse().unwrap()));
        let contexts = Contexts {
            current: Some("prod".to_owned()),
            contexts: [
                ("prod".to_owned(), Context { addr, cert_path: Some("/certs with blanks".into()) }),
                ("05".to_owned(), Context::default()),
            ]
            .into(),
        };
        contexts.write(&path).unwrap();
        assert_eq!(Contexts::read(&path).unwrap(), contexts);
        for empty in ["", "# nothing\n", "---\n"] {
            fs::write(&path, empty).unwrap();
            assert_eq!(Contexts::read(&path).unwrap(), Contexts::default(), "{empty:?}");
        }
        let error = contexts.named("prd", &path).unwrap_err().to_string();
        assert!(error.contains("did you mean 'prod'?") && error.contains("config.yaml"), "{error}");
    }
}
