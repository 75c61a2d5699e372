//! A set of certificates is generated once and as a whole, and is not changed afterwards.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use super::*;
use crate::certificates::Identity;
use crate::certificates::testing::openssl;

type Contents = BTreeMap<String, Vec<u8>>;

fn contents(directory: &Path) -> Contents {
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap_or_default())
    };
    fs::read_dir(directory).unwrap().map(entry).collect()
}

fn ip(text: &str) -> ServerName<'static> {
    ServerName::from(text.parse::<IpAddr>().unwrap())
}

#[test]
fn the_generated_set_is_like_docker_machines() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("deep/certificates");
    let made = ensure(&directory, &[ip("192.0.2.7"), ip("127.0.0.1")]).unwrap();
    assert!(made.made_now && made.server_renewed.is_none());
    assert_eq!(contents(&directory).into_keys().collect::<Vec<_>>(), {
        let mut names = NAMES.map(str::to_owned).to_vec();
        names.sort();
        names
    });
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in ["ca-key.pem", "key.pem", "cert.pfx", "server-key.pem"] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(contents(directory.parent().unwrap()).len(), 1, "no other file is left");

    let server = Identity::load(&made.server()).unwrap();
    let client = Identity::load(&made.client()).unwrap();
    assert!(client.details().subject.ends_with(".<bootstrap>"), "{}", client.details().subject);
    server.client_config().unwrap();

    // openssl accepts it.
    let verify = |purpose, name| {
        openssl(&directory, &format!("verify -x509_strict -CAfile ca.pem -purpose {purpose} {name}"))
    };
    assert!(verify("sslserver", "server.pem").contains("OK"));
    assert!(verify("sslclient", "server.pem").contains("OK"));
    assert!(verify("sslclient", "cert.pem").contains("OK"));
    let text = openssl(&directory, "x509 -in server.pem -noout -text");
    for part in
        ["DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1", "IP Address:192.0.2.7"]
    {
        assert_eq!(text.matches(part).count(), 1, "{part} in {text}");
    }
    let subject = |name| openssl(&directory, &format!("x509 -in {name} -noout -subject"));
    assert!(!subject("cert.pem").contains("CN ="), "{}", subject("cert.pem"));
    let text = openssl(&directory, "x509 -in ca.pem -noout -text");
    assert!(text.contains("CA:TRUE") && text.contains("Certificate Sign"), "{text}");
    let other = base.path().join("other");
    ensure(&other, &[]).unwrap();
    let name_of = |directory: &Path| openssl(directory, "x509 -in ca.pem -noout -subject");
    assert_ne!(name_of(&directory), name_of(&other), "each CA has its own name");
}

#[test]
fn openssl_reads_the_pkcs12_file_without_its_legacy_provider() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("certificates");
    ensure(&directory, &[]).unwrap();
    let text = openssl(&directory, "pkcs12 -in cert.pfx -passin pass:swarm -nodes -info");
    assert!(text.contains("pbeWithSHA1And3-KeyTripleDES-CBC") && text.contains("MAC: sha1"), "{text}");
    let pem = |name| fs::read_to_string(directory.join(name)).unwrap();
    assert!(
        text.contains(pem("cert.pem").trim()) && text.contains(pem("key.pem").trim()),
        "the same pair: {text}"
    );
}

#[test]
fn an_existing_set_is_left_alone() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("certificates");
    fs::create_dir(&directory).unwrap();
    assert!(ensure(&directory, &[ip("192.0.2.7")]).unwrap().made_now, "an empty directory is used");
    let before = contents(&directory);
    let again = ensure(&directory, &[ip("192.0.2.7"), ServerName::try_from("localhost").unwrap()]).unwrap();
    assert!(!again.made_now && again.server_renewed.is_none());
    assert_eq!(before, contents(&directory));
}

#[test]
fn a_new_address_renews_the_server_certificate_alone() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("certificates");
    ensure(&directory, &[]).unwrap();
    let before = contents(&directory);
    let made = ensure(&directory, &[ip("192.0.2.8")]).unwrap();
    let renewed = made.server_renewed.clone().unwrap();
    assert!(
        renewed.contains("server.pem, as it was not valid for 192.0.2.8; the new one is valid until 20"),
        "{renewed}"
    );
    let after = contents(&directory);
    let changed: Vec<_> =
        after.iter().filter(|(name, text)| before.get(*name) != Some(*text)).map(|(name, _)| name).collect();
    assert_eq!(changed, ["server.pem"]);
    Identity::load(&made.server()).expect("the key still belongs to the certificate");
    assert!(
        openssl(&directory, "verify -x509_strict -CAfile ca.pem -verify_ip 192.0.2.8 server.pem")
            .contains("OK")
    );
    assert!(ensure(&directory, &[ip("192.0.2.8")]).unwrap().server_renewed.is_none());
}

#[test]
fn a_server_certificate_near_its_end_is_renewed() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("certificates");
    ensure(&directory, &[]).unwrap();
    let later = SystemTime::now() + Duration::from_secs(800 * 24 * 60 * 60);
    let reason = renew_server(&directory, &[], later).unwrap().unwrap();
    assert!(reason.contains(", as it was valid only until 20"), "{reason}");
}

#[test]
fn the_unspecified_address_stands_for_the_machines_addresses() {
    let Some(own) = outward(Ipv4Addr::UNSPECIFIED.into()) else { return };
    assert!(in_use(&[ip("0.0.0.0")]).contains(&ServerName::from(own)));
    assert!(in_use(&[ip("::")]).contains(&ServerName::from(own)));
}

#[test]
fn an_incomplete_set_is_never_completed() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("certificates");
    ensure(&directory, &[]).unwrap();
    fs::remove_file(directory.join("ca-key.pem")).unwrap();
    let before = contents(&directory);
    let error = ensure(&directory, &[]).unwrap_err().to_string();
    assert!(error.contains("ca-key.pem is missing, ca.pem exists. Restore ca-key.pem"), "{error}");
    assert_eq!(before, contents(&directory));
}

#[test]
fn a_directory_with_other_files_is_not_touched() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("notes.txt"), "mine").unwrap();
    let error = ensure(base.path(), &[]).unwrap_err().to_string();
    assert!(error.contains("not empty (it contains notes.txt)"), "{error}");
    assert_eq!(contents(base.path()).len(), 1);
}

#[test]
fn two_concurrent_starts_generate_one_set_and_both_use_it() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("certificates");
    let made = thread::scope(|scope| {
        let starts: Vec<_> =
            (0..4).map(|_| scope.spawn(|| ensure(&directory, &[]).unwrap().made_now)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    assert_eq!(contents(base.path()).len(), 1, "no draft is left");
    Identity::load(&Made { directory, made_now: false, server_renewed: None }.client()).unwrap();
}

#[test]
fn a_directory_that_cannot_be_created_is_named() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("file"), "").unwrap();
    let error = ensure(&base.path().join("file/certificates"), &[]).unwrap_err().to_string();
    assert!(error.contains("file") && error.contains("cannot be written"), "{error}");
}
