//! The certificate set that the daemon generates if none is configured, with docker-machine's file names: `ca.pem`,
//! `ca-key.pem`, `cert.pem`, `key.pem`, `cert.pfx` (the same client, password `swarm`),
//! `server.pem`, `server-key.pem`.
//!
//! Runs once at start and blocks on the disk. A new set is written to a temporary directory and renamed into place, so
//! that a crash leaves a complete set or none. An existing set is used unchanged; only `server.pem` is renewed, with the
//! same CA and key, when it lacks an address in use or is about to expire. An incomplete set is never completed or
//! overwritten: clients may have copies of the old files.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

use super::details::Details;
use super::error::{CertificateError, Role};
use super::identity::Files;
use super::issue::{self, RENEW_BEFORE, Set};
use super::pem;
use crate::clock;

const CA: &str = "ca.pem";
const CA_KEY: &str = "ca-key.pem";
const CLIENT: &str = "cert.pem";
const CLIENT_KEY: &str = "key.pem";
const CLIENT_PFX: &str = "cert.pfx";
const SERVER: &str = "server.pem";
const SERVER_KEY: &str = "server-key.pem";
const NAMES: [&str; 7] = [CA, CA_KEY, CLIENT, CLIENT_KEY, CLIENT_PFX, SERVER, SERVER_KEY];

/// Keys and the directory are readable only by the user that runs the daemon.
const PRIVATE_FILE: u32 = 0o600;
const PUBLIC_FILE: u32 = 0o644;
const DIRECTORY: u32 = 0o700;

/// A complete set on disk.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// The directory of the set.
    pub(crate) directory: PathBuf,
    /// Whether this call generated the set.
    pub(crate) made_now: bool,
    /// What was done to `server.pem` and why, if it had to be renewed.
    pub(crate) server_renewed: Option<String>,
}

impl Made {
    /// The daemon's files.
    pub(crate) fn server(&self) -> Files {
        self.files(SERVER, SERVER_KEY)
    }

    /// The last moment at which the client certificate is valid, if it can be read.
    pub(crate) fn client_not_after(&self) -> Option<SystemTime> {
        read(&self.client().cert).ok().map(|(_, details)| details.not_after)
    }

    /// A client's files.
    pub(crate) fn client(&self) -> Files {
        self.files(CLIENT, CLIENT_KEY)
    }

    fn files(&self, cert: &str, key: &str) -> Files {
        let path = |name| self.directory.join(name);
        Files { ca: path(CA), cert: path(cert), key: path(key) }
    }
}

/// Uses the set in `directory`, or generates one if the directory is empty or does not exist.
///
/// The server certificate is valid for `localhost`, `127.0.0.1`, `::1`, this machine's host name, and `hosts`, where
/// an unspecified address (`0.0.0.0`, `::`) stands for the address that this machine has towards its network.
pub(crate) fn ensure(directory: &Path, hosts: &[ServerName<'static>]) -> Result<Made, CertificateError> {
    // A symbolic link cannot be replaced by a directory; its target can.
    let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let in_use = in_use(hosts);
    let now = clock::system_now();
    let made_now = !complete(&directory)? && make(&directory, &names(&in_use), now)?;
    let server_renewed = renew_server(&directory, &in_use, now)?;
    Ok(Made { directory, made_now, server_renewed })
}

/// Whether the complete set exists; false if no file of it does.
fn complete(directory: &Path) -> Result<bool, CertificateError> {
    let there = |name: &&&str| directory.join(name).exists();
    let present = NAMES.iter().find(there);
    let missing = NAMES.iter().find(|name| !there(name));
    match (present, missing) {
        (Some(_), None) => Ok(true),
        (Some(present), Some(missing)) => {
            Err(CertificateError::Partial { directory: directory.into(), missing, present })
        }
        (None, _) => match fs::read_dir(directory).ok().and_then(|mut names| names.next()) {
            Some(Ok(other)) => Err(CertificateError::Occupied {
                directory: directory.into(),
                holds: other.file_name().to_string_lossy().into_owned(),
            }),
            _ => Ok(false),
        },
    }
}

/// Generates a set in a temporary directory and renames it into place. False if another process was faster.
fn make(directory: &Path, names: &[ServerName<'static>], now: SystemTime) -> Result<bool, CertificateError> {
    let set = Set::make(names, now)?;
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(DIRECTORY).create(parent).map_err(writing(parent))?;
    let draft = draft(directory);
    let done = write_set(&draft, &set).and_then(|()| match fs::rename(&draft, directory) {
        Ok(()) => sync(parent).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && complete(directory)? => Ok(false),
        Err(source) => Err(CertificateError::Write { path: directory.into(), source }),
    });
    if !matches!(done, Ok(true)) {
        // Nothing refers to the temporary directory, so a failure to remove it does no harm.
        let _ = fs::remove_dir_all(&draft);
    }
    done
}

fn write_set(directory: &Path, set: &Set) -> Result<(), CertificateError> {
    DirBuilder::new().mode(DIRECTORY).create(directory).map_err(writing(directory))?;
    let files: [(&str, &[u8], u32); 7] = [
        (CA, set.ca.as_bytes(), PUBLIC_FILE),
        (CA_KEY, set.ca_key.as_bytes(), PRIVATE_FILE),
        (CLIENT, set.client.as_bytes(), PUBLIC_FILE),
        (CLIENT_KEY, set.client_key.as_bytes(), PRIVATE_FILE),
        (CLIENT_PFX, &set.client_pfx, PRIVATE_FILE),
        (SERVER, set.server.as_bytes(), PUBLIC_FILE),
        (SERVER_KEY, set.server_key.as_bytes(), PRIVATE_FILE),
    ];
    for (name, content, mode) in files {
        write_new(&directory.join(name), content, mode)?;
    }
    sync(directory)
}

/// Renews `server.pem` if necessary, and returns a sentence about it for the log.
fn renew_server(
    directory: &Path,
    in_use: &[ServerName<'static>],
    now: SystemTime,
) -> Result<Option<String>, CertificateError> {
    let server = directory.join(SERVER);
    let Some(reason) = outdated(&server, in_use, now)? else { return Ok(None) };
    let text = |role, name: &str| {
        let path = directory.join(name);
        fs::read_to_string(&path).map_err(|source| CertificateError::Unreadable { role, path, source })
    };
    let content = issue::server_again(
        &text(Role::Authority, CA)?,
        &text(Role::Key, CA_KEY)?,
        &text(Role::Key, SERVER_KEY)?,
        &names(in_use),
        now,
    )?;
    let draft = draft(&server);
    write_new(&draft, content.as_bytes(), PUBLIC_FILE)?;
    fs::rename(&draft, &server).map_err(writing(&server))?;
    sync(directory)?;
    let until = humantime::format_rfc3339_seconds(read(&server)?.1.not_after);
    let server = server.display();
    Ok(Some(format!("renewed the certificate in {server}, as {reason}; the new one is valid until {until}")))
}

fn read(file: &Path) -> Result<(CertificateDer<'static>, Details), CertificateError> {
    let certificates = pem::read(Role::Certificate, file)?.certificates;
    let first = certificates.into_iter().next();
    let certificate = first.ok_or_else(|| bad(file, "no certificate in it"))?;
    let details = Details::read(&certificate).map_err(|detail| bad(file, detail))?;
    Ok((certificate, details))
}

fn bad(file: &Path, detail: impl ToString) -> CertificateError {
    CertificateError::BadCertificate {
        role: Role::Certificate,
        path: file.into(),
        detail: detail.to_string(),
    }
}

fn outdated(
    server: &Path,
    in_use: &[ServerName<'static>],
    now: SystemTime,
) -> Result<Option<String>, CertificateError> {
    let (certificate, details) = read(server)?;
    if details.not_after < now + RENEW_BEFORE {
        let date = humantime::format_rfc3339_seconds(details.not_after);
        return Ok(Some(format!("it was valid only until {date}")));
    }
    let parsed = ParsedCertificate::try_from(&certificate).map_err(|e| bad(server, e))?;
    let lacking = in_use.iter().find(|name| verify_server_name(&parsed, name).is_err());
    Ok(lacking.map(|name| format!("it was not valid for {}", name.to_str())))
}

/// The names that the certificate must contain: the requested ones, with the machine's own address in place of an
/// unspecified one. The host name is not required: in a container it changes with each start, and no client uses it.
fn in_use(hosts: &[ServerName<'static>]) -> Vec<ServerName<'static>> {
    let resolve = |host: &ServerName<'static>| match host {
        ServerName::IpAddress(ip) if IpAddr::from(*ip).is_unspecified() => match IpAddr::from(*ip) {
            // Listening on `::` accepts IPv4 as well.
            IpAddr::V6(_) => {
                vec![outward(Ipv6Addr::UNSPECIFIED.into()), outward(Ipv4Addr::UNSPECIFIED.into())]
            }
            any => vec![outward(any)],
        }
        .into_iter()
        .flatten()
        .map(ServerName::from)
        .collect(),
        other => vec![other.clone()],
    };
    hosts.iter().flat_map(resolve).collect()
}

/// All names of a new server certificate, each once.
fn names(in_use: &[ServerName<'static>]) -> Vec<ServerName<'static>> {
    let fixed = [
        ServerName::try_from("localhost").ok(),
        Some(ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST))),
        Some(ServerName::from(IpAddr::from(Ipv6Addr::LOCALHOST))),
        issue::host_name(),
    ];
    let mut seen = BTreeSet::new();
    let all = fixed.into_iter().flatten().chain(in_use.iter().cloned());
    all.filter(|name| seen.insert(name.to_str().into_owned())).collect()
}

/// The address of this machine on its network. Connecting a UDP socket (here to an address reserved for documentation)
/// looks up the route and sends nothing.
fn outward(any: IpAddr) -> Option<IpAddr> {
    let far: IpAddr = match any {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(far, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

/// A unique path next to `path`: two daemons in two containers may have the same process id.
fn draft(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let nanos = clock::system_now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    path.with_file_name(format!(".{name}.new-{}-{nanos}", process::id()))
}

/// Creates a file with its final mode, writes and syncs it. Fails if it exists.
fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), CertificateError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(writing(path))
}

fn sync(directory: &Path) -> Result<(), CertificateError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(writing(directory))
}

fn writing(path: &Path) -> impl Fn(io::Error) -> CertificateError + '_ {
    move |source| CertificateError::Write { path: path.into(), source }
}

#[cfg(test)]
mod tests;
