//! How the daemon is found: flags, variables and defaults, and the errors.

use std::net::TcpListener;
use std::process::Command;

use support::daemon::{Setup, program};
use support::process::run;
use support::{Certificates, Daemon};

use super::{CommandResult, User};

fn status(environment: &[(&str, &str)], flags: &[&str]) -> CommandResult {
    let mut command: Command = program();
    command.arg("status").args(flags).envs(environment.iter().copied());
    CommandResult::of(run(&mut command))
}

#[test]
fn flags_precede_variables_and_those_precede_the_data_directory() {
    let daemon = Daemon::simulated();
    let certificates = daemon.certificates();
    let certs = certificates.directory().to_str().unwrap().to_owned();
    let data = certificates.directory().parent().unwrap().to_str().unwrap().to_owned();
    let port = daemon.url.rsplit(':').next().unwrap().to_owned();
    let here = format!("127.0.0.1:{port}");
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (addr, cert) = (("SCSM_ADDR", here.as_str()), ("SCSM_CERT_PATH", certs.as_str()));

    status(&[addr, cert], &[]).ends_with(0);
    status(&[addr, ("DOCKER_CERT_PATH", &certs)], &[]).ends_with(0);
    status(&[addr, ("SCSM_DATA_DIR", &data)], &[]).ends_with(0);
    status(&[addr], &[&format!("--data-dir={data}")]).ends_with(0);
    status(&[], &[&format!("--addr={here}"), &format!("--cert-path={certs}")]).ends_with(0);
    // Each precedes the next.
    status(&[("SCSM_ADDR", &elsewhere), cert], &[&format!("--addr={here}")]).ends_with(0);
    status(&[addr, ("SCSM_CERT_PATH", "/nowhere")], &[&format!("--cert-path={certs}")]).ends_with(0);
    status(&[addr, cert, ("DOCKER_CERT_PATH", "/nowhere")], &[]).ends_with(0);
    status(&[addr, ("SCSM_DATA_DIR", &data), ("DOCKER_CERT_PATH", "/nowhere")], &[]).ends_with(1);
    // Forms of the daemon's own variable, and forms that people write.
    for form in [
        format!("0.0.0.0:{port}"),
        format!("{here},203.0.113.13:3476"),
        format!("https://localhost:{port}"),
        format!("https://{here}/"),
        format!(":{port}"),
    ] {
        status(&[("SCSM_ADDR", &form), cert], &[]).ends_with(0);
    }
    // The daemon's other variables do not affect clients.
    status(&[addr, cert, ("SCSM_PARALLEL", "many"), ("SCSM_RESYNC", "soon")], &[]).ends_with(0);
}

#[test]
fn a_missing_certificate_or_daemon_is_named_with_advice() {
    let daemon = Daemon::simulated();
    let certificates = daemon.certificates();
    let certs = certificates.directory().to_str().unwrap().to_owned();
    let here = daemon.url.trim_start_matches("https://").to_owned();
    let addr = ("SCSM_ADDR", here.as_str());

    // No certificates.
    let missing = "no client certificate: /nowhere (from DOCKER_CERT_PATH) lacks ca.pem, cert.pem, key.pem; set the \
                   directory with --cert-path, SCSM_CERT_PATH or DOCKER_CERT_PATH";
    status(&[addr, ("DOCKER_CERT_PATH", "/nowhere")], &[]).ends_with(1).complains(missing);
    status(&[addr, ("SCSM_DATA_DIR", "/nowhere")], &[]).ends_with(1).complains("/nowhere/certs");
    status(&[addr, ("SCSM_DATA_DIR", "none")], &[]).ends_with(1).complains("--cert-path");
    // No daemon at the address.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let cert = ("SCSM_CERT_PATH", certs.as_str());
    status(&[("SCSM_ADDR", &closed), cert], &[])
        .ends_with(1)
        .complains(&format!("cannot reach the daemon at {closed}"));
    status(&[("SCSM_ADDR", "no-such-host.invalid:1"), cert], &[])
        .ends_with(1)
        .complains("no-such-host.invalid:1");
    // Another CA's certificates, on both sides.
    let stranger = Certificates::stranger();
    let theirs = stranger.directory().to_str().unwrap();
    let ran = status(&[addr, ("SCSM_CERT_PATH", theirs)], &[]).ends_with(1).complains("not signed by the CA");
    ran.complains(&format!("{theirs}/ca.pem")).complains("(certificates from SCSM_CERT_PATH)");
    let mixed = tempfile::tempdir().unwrap();
    for (name, from) in
        [("ca.pem", certificates.ca()), ("cert.pem", stranger.cert()), ("key.pem", stranger.key())]
    {
        std::fs::copy(from, mixed.path().join(name)).unwrap();
    }
    let mixed = mixed.path().to_str().unwrap();
    status(&[addr, ("SCSM_CERT_PATH", mixed)], &[]).ends_with(1).complains(&format!(
        "error: the daemon at {here} refuses the certificate in {mixed}/cert.pem: it is not signed by a CA that the daemon \
         trusts (--tlscacert)"
    ));
    std::fs::remove_file(format!("{mixed}/key.pem")).unwrap();
    let incomplete = format!("no client certificate: {mixed} (from --cert-path) lacks key.pem; ");
    status(&[addr], &[&format!("--cert-path={mixed}")]).ends_with(1).complains(&incomplete);
}

#[test]
fn the_daemons_certificate_must_name_the_host() {
    let certificates = Certificates::docker_machine();
    let daemon = Setup::new()
        .certificates(&certificates)
        .flag("--swarm-manager=simulated://1")
        .flag("--addr=127.0.0.2:0")
        .start();
    let user = User::with(&daemon.url, &certificates);
    let banner = daemon.banner();
    let other = banner.split("https://127.0.0.2:").nth(1).unwrap();
    let port = other.split(|sign: char| !sign.is_ascii_digit()).next().unwrap();
    // The certificate names 127.0.0.1, and this is another address of the same machine.
    let ran = user.runs(&["status", &format!("--addr=127.0.0.2:{port}")]).ends_with(1);
    ran.complains(&format!(
        "the certificate of the daemon at 127.0.0.2:{port} is not for this address, but for "
    ))
    .complains("127.0.0.1")
    .complains("use one of these with --addr");
}
