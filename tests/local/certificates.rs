//! The certificates that the tests use.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::daemon::Setup;
use support::process::succeed;
use support::{Certificates, holds_within};

/// Checks the test support: the certificates have docker-machine's properties.
#[test]
fn the_certificates_have_docker_machines_properties() {
    let certificates = Certificates::docker_machine();
    let shown =
        |file: &Path| succeed(Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(file));
    for file in [certificates.ca(), certificates.server(), certificates.cert()] {
        let text = shown(&file);
        let subject = text.lines().find(|line| line.contains("Subject:")).unwrap();
        assert!(subject.contains("O = ") && !subject.contains("CN"), "{subject}");
        assert!(text.contains("(2048 bit)"), "{text}");
    }
    assert!(shown(&certificates.server()).contains("IP Address:127.0.0.1"));
    assert!(shown(&certificates.cert()).contains("TLS Web Client Authentication"));
    assert!(holds_within(Duration::ZERO, || certificates.pfx().exists()).is_some());
}

#[test]
fn a_renewed_certificate_is_logged_with_the_reason_and_its_expiry() {
    let data = tempfile::tempdir().unwrap();
    let setup = || Setup::in_directory(data.path()).flag("--swarm-manager=simulated://1");
    drop(setup().start());
    let daemon = setup().flag("--addr=127.0.0.2:0").start();
    let server = data.path().join("certs/server.pem");
    let renewed = format!(
        "renewed the certificate in {}, as it was not valid for 127.0.0.2; the new one is valid until 20",
        server.display()
    );
    let logged = holds_within(Duration::from_secs(5), || daemon.log().contains(&renewed));
    assert!(logged.is_some(), "{}", daemon.log());
}
