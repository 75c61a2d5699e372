//! Certificates as docker-machine makes them, made by openssl: RSA 2048, PKCS#1 keys, a subject with an `O` and
//! nothing else (no CN), addresses as IP SANs, and the client's bundle for curl with the password `swarm`.
//!
//! They are made once and kept in the target directory, since RSA keys take seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{run, succeed};
use super::{cache, lock};

/// The password of every `cert.pfx`.
pub const PASSWORD: &str = "swarm";

/// One CA with a server's and a client's certificate, under docker-machine's file names.
#[derive(Clone, Debug)]
pub struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// The files of a `docker-machine` user, with a server for 127.0.0.1.
    pub fn docker_machine() -> Self {
        Self::made("machine", "kelsey")
    }

    /// The same files of somebody else: another CA.
    pub fn stranger() -> Self {
        Self::made("stranger", "mallory")
    }

    /// Those that the daemon made in its data directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    pub fn cert(&self) -> PathBuf {
        self.directory.join("cert.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }

    pub fn pfx(&self) -> PathBuf {
        self.directory.join("cert.pfx")
    }

    pub fn server(&self) -> PathBuf {
        self.directory.join("server.pem")
    }

    pub fn server_key(&self) -> PathBuf {
        self.directory.join("server-key.pem")
    }

    /// The daemon's three TLS flags, as in the original's command line.
    pub fn server_flags(&self) -> [String; 3] {
        [
            format!("--tlscacert={}", self.ca().display()),
            format!("--tlscert={}", self.server().display()),
            format!("--tlskey={}", self.server_key().display()),
        ]
    }

    fn made(kind: &str, user: &str) -> Self {
        let _held = lock("certificates");
        let directory = cache().join(format!("certificates-{kind}"));
        let day = "86400";
        let fresh = |directory: &Path| {
            directory.join("cert.pfx").exists()
                && run(Command::new("openssl")
                    .args(["x509", "-noout", "-checkend", day, "-in"])
                    .arg(directory.join("server.pem")))
                .status
                .success()
        };
        if !fresh(&directory) {
            let _ = fs::remove_dir_all(&directory);
            let unfinished = cache().join(format!("certificates-{kind}.unfinished"));
            let _ = fs::remove_dir_all(&unfinished);
            fs::create_dir_all(&unfinished).unwrap();
            make(&unfinished, user);
            fs::rename(&unfinished, &directory).unwrap();
        }
        Self { directory }
    }
}

/// What docker-machine's `cert/generator.go` asks for, said in openssl's words.
const EXTENSIONS: &str = "
[req]
distinguished_name = none
[none]
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,digitalSignature,keyEncipherment,keyAgreement,keyCertSign
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment,keyAgreement
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = IP:127.0.0.1,IP:203.0.113.13,DNS:localhost
[client]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
";

fn make(directory: &Path, user: &str) {
    fs::write(directory.join("openssl.cnf"), EXTENSIONS).unwrap();
    let openssl = |line: &str| {
        succeed(Command::new("openssl").args(line.split_whitespace()).current_dir(directory));
    };
    for name in ["ca-key", "server-key", "key"] {
        rsa_key(directory, &format!("{name}.pem"));
    }
    openssl(&format!(
        "req -x509 -new -sha256 -days 30 -config openssl.cnf -extensions ca -subj /O={user} -key ca-key.pem -out ca.pem"
    ));
    for (subject, section, key, certificate) in [
        (format!("{user}.swarm-master"), "server", "server-key.pem", "server.pem"),
        (format!("{user}.<bootstrap>"), "client", "key.pem", "cert.pem"),
    ] {
        openssl(&format!("req -new -config openssl.cnf -subj /O={subject} -key {key} -out request.pem"));
        openssl(&format!(
            "x509 -req -sha256 -days 30 -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial \
             -extfile openssl.cnf -extensions {section} -out {certificate}"
        ));
    }
    openssl(&format!("pkcs12 -export -in cert.pem -inkey key.pem -out cert.pfx -passout pass:{PASSWORD}"));
}

/// A PKCS#1 key (`BEGIN RSA PRIVATE KEY`): since version 3 openssl must be asked for that form.
fn rsa_key(directory: &Path, name: &str) {
    let traditional = ["genrsa", "-traditional", "-out", name, "2048"];
    if !run(Command::new("openssl").args(traditional).current_dir(directory)).status.success() {
        succeed(Command::new("openssl").args(["genrsa", "-out", name, "2048"]).current_dir(directory));
    }
    let key = fs::read_to_string(directory.join(name)).unwrap();
    assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----"), "openssl made another form of key");
}
