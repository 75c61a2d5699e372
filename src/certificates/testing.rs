//! Certificates for tests, made by openssl as docker-machine makes them: RSA 2048, PKCS#1 keys, `O` only, no
//! `CN`, IP addresses as alternative names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::Files;

/// Serial numbers: tests sign at the same time with the same CA.
static SERIAL: AtomicU32 = AtomicU32::new(1);

/// What a leaf is to be like.
pub(crate) struct Leaf<'a> {
    pub(crate) subject: &'a str,
    /// openssl's words, such as `clientAuth`; none for a certificate without any extension (X.509 version 1).
    pub(crate) usage: Option<&'a str>,
    /// Negative: already expired.
    pub(crate) days: i32,
}

impl Default for Leaf<'_> {
    fn default() -> Self {
        Leaf { subject: "/O=alice.<bootstrap>", usage: Some("clientAuth"), days: 1080 }
    }
}

/// A CA in a directory of its own.
pub(crate) struct Authority {
    directory: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let directory = tempfile::tempdir().unwrap();
        openssl(
            directory.path(),
            "req -x509 -newkey rsa:2048 -nodes -sha256 -days 1080 -subj /O=alice -keyout ca-key.pem -out ca.pem",
        );
        Authority { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes `NAME.pem` and `NAME-key.pem`.
    pub(crate) fn issue(&self, name: &str, leaf: &Leaf<'_>) -> Files {
        let directory = self.directory.path();
        openssl(directory, &format!("genrsa -traditional -out {name}-key.pem 2048"));
        self.issue_again(name, name, leaf)
    }

    /// Makes `NAME.pem` for a key that exists as `KEY-key.pem`.
    pub(crate) fn issue_again(&self, name: &str, key: &str, leaf: &Leaf<'_>) -> Files {
        let directory = self.directory.path();
        openssl(directory, &format!("req -new -key {key}-key.pem -subj {} -out {name}.csr", leaf.subject));
        let extensions = match leaf.usage {
            Some(usage) => {
                let text = format!(
                    "basicConstraints=critical,CA:false\n\
                     keyUsage=critical,digitalSignature,keyEncipherment,keyAgreement\n\
                     extendedKeyUsage={usage}\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"
                );
                fs::write(directory.join(format!("{name}.ext")), text).unwrap();
                format!("-extfile {name}.ext")
            }
            None => String::new(),
        };
        let (days, serial) = (leaf.days, SERIAL.fetch_add(1, Ordering::Relaxed));
        openssl(
            directory,
            &format!(
                "x509 -req -sha256 -in {name}.csr -CA ca.pem -CAkey ca-key.pem -set_serial {serial} -days {days} {extensions} -out {name}.pem"
            ),
        );
        Files {
            ca: self.path("ca.pem"),
            cert: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{key}-key.pem")),
        }
    }
}

/// What most tests need, made once: keys of RSA 2048 take a while.
pub(crate) struct Fixture {
    pub(crate) authority: Authority,
    /// Only `serverAuth`, as docker-machine's server certificates often are.
    pub(crate) server: Files,
    pub(crate) client: Files,
}

pub(crate) static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let authority = Authority::new();
    let server = authority.issue(
        "server",
        &Leaf { subject: "/O=alice.swarm-master", usage: Some("serverAuth"), ..Leaf::default() },
    );
    let client = authority.issue("cert", &Leaf::default());
    Fixture { authority, server, client }
});

/// Runs openssl in `directory` with arguments that hold no spaces, and returns what it printed.
pub(crate) fn openssl(directory: &Path, arguments: &str) -> String {
    let (success, printed) = run_openssl(directory, arguments);
    assert!(success, "openssl {arguments}: {printed}");
    printed
}

/// Runs openssl as [`openssl`] does where it has to fail.
pub(crate) fn openssl_fails(directory: &Path, arguments: &str) -> String {
    let (success, printed) = run_openssl(directory, arguments);
    assert!(!success, "openssl {arguments}: {printed}");
    printed
}

fn run_openssl(directory: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(directory).output();
    let output = output.expect("the tests need the openssl command");
    let printed =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), printed)
}
