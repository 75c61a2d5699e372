//! Which files can be loaded, and the errors.

use std::fs;

use super::*;
use crate::certificates::testing::{Authority, FIXTURE, Leaf, openssl};

fn refusal(files: &Files) -> String {
    Identity::load(files).unwrap_err().to_string()
}

#[test]
fn docker_machines_files_load() {
    let text = fs::read_to_string(&FIXTURE.server.key).unwrap();
    assert!(text.starts_with("-----BEGIN RSA PRIVATE KEY-----"), "the key is PKCS#1");
    let identity = Identity::load(&FIXTURE.server).unwrap();
    assert_eq!(identity.details().subject, "O=alice.swarm-master");
    assert!(identity.not_after() > SystemTime::now());
    assert_eq!(identity.authorities().len(), 1);
}

#[test]
fn keys_load_in_all_three_formats() {
    let authority = Authority::new();
    let directory = authority.path("");
    openssl(&directory, "ecparam -name prime256v1 -genkey -out sec1-key.pem");
    let text = fs::read_to_string(authority.path("sec1-key.pem")).unwrap();
    assert!(text.contains("BEGIN EC PARAMETERS") && text.contains("BEGIN EC PRIVATE KEY"), "{text}");
    Identity::load(&authority.issue_again("sec1", "sec1", &Leaf::default())).unwrap();

    openssl(&directory, "pkcs8 -topk8 -nocrypt -in sec1-key.pem -out pkcs8-key.pem");
    let text = fs::read_to_string(authority.path("pkcs8-key.pem")).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----"), "{text}");
    Identity::load(&Files {
        key: authority.path("pkcs8-key.pem"),
        ..authority.issue_again("pkcs8", "sec1", &Leaf::default())
    })
    .unwrap();

    // PKCS#1, and all in one file.
    let files = authority.issue("both", &Leaf::default());
    let both = authority.path("all.pem");
    fs::write(&both, fs::read_to_string(&files.cert).unwrap() + &fs::read_to_string(&files.key).unwrap())
        .unwrap();
    Identity::load(&Files { cert: both.clone(), key: both, ..files }).unwrap();
}

#[test]
fn each_invalid_file_is_named_with_its_error() {
    let good = &FIXTURE.server;
    let path = |name| FIXTURE.authority.path(name);
    let file = |name, content: &str| {
        fs::write(path(name), content).unwrap();
        path(name)
    };
    let text = |path| fs::read_to_string(path).unwrap();
    let at = |name| path(name).display().to_string();

    let error = refusal(&Files { ca: path("nowhere.pem"), ..good.clone() });
    assert_eq!(
        error,
        format!("the CA certificate file {} does not exist: check the path", at("nowhere.pem"))
    );

    let error = refusal(&Files { cert: path(""), ..good.clone() });
    assert!(error.contains(&at("")) && error.contains("cannot be read (Is a directory"), "{error}");

    let error = refusal(&Files { ca: file("empty.pem", ""), ..good.clone() });
    assert!(
        error
            .ends_with("empty.pem contains no PEM CA certificate; it contains neither certificates nor keys"),
        "{error}"
    );

    let error = refusal(&Files { cert: good.key.clone(), ..good.clone() });
    assert!(
        error.ends_with("server-key.pem contains no PEM certificate; it contains a private key"),
        "{error}"
    );

    let error = refusal(&Files { key: good.cert.clone(), ..good.clone() });
    assert!(error.ends_with("server.pem contains no PEM private key; it contains certificates"), "{error}");

    let two = text(&good.key) + &text(&FIXTURE.client.key);
    let error = refusal(&Files { key: file("two.pem", &two), ..good.clone() });
    assert!(
        error.ends_with("two.pem contains 2 private keys: keep only the one that belongs to the certificate"),
        "{error}"
    );

    let error = refusal(&Files { key: FIXTURE.client.key.clone(), ..good.clone() });
    assert_eq!(
        error,
        format!(
            "the private key in {} does not belong to the certificate in {}: use the pair that was created together",
            FIXTURE.client.key.display(),
            good.cert.display()
        )
    );

    let cut: String = text(&good.cert).chars().take(400).collect();
    let error = refusal(&Files { cert: file("cut.pem", &cut), ..good.clone() });
    assert!(error.contains("cut.pem is damaged (missing section end marker"), "{error}");

    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let nonsense = file("nonsense.pem", nonsense);
    for files in
        [Files { cert: nonsense.clone(), ..good.clone() }, Files { ca: nonsense.clone(), ..good.clone() }]
    {
        let error = refusal(&files);
        assert!(error.contains("nonsense.pem contains a certificate that cannot be used"), "{error}");
    }

    let error = refusal(&Files { ca: "/dev/zero".into(), ..good.clone() });
    assert!(error.contains("/dev/zero is larger than 1048576 bytes"), "{error}");
}

#[test]
fn an_encrypted_key_has_its_own_message() {
    let directory = FIXTURE.authority.path("");
    for form in ["-traditional", ""] {
        openssl(
            &directory,
            &format!("rsa -aes128 -passout pass:secret {form} -in server-key.pem -out locked{form}.pem"),
        );
        let key = FIXTURE.authority.path(&format!("locked{form}.pem"));
        let error = refusal(&Files { key: key.clone(), ..FIXTURE.server.clone() });
        assert!(error.contains(&format!("{} is encrypted", key.display())), "{error}");
        assert!(error.contains("openssl pkey -in"), "{error}");
    }
}

#[test]
fn a_certificate_without_extensions_is_refused_with_a_hint() {
    let files = FIXTURE.authority.issue_again("version1", "server", &Leaf { usage: None, ..Leaf::default() });
    let error = refusal(&files);
    assert!(error.contains("version1.pem") && error.contains("X.509 version 1"), "{error}");
}

#[test]
fn an_expired_certificate_still_loads() {
    let files = FIXTURE.authority.issue_again("over", "server", &Leaf { days: -1, ..Leaf::default() });
    assert!(Identity::load(&files).unwrap().not_after() < SystemTime::now());
}

#[test]
fn no_subject_can_imitate_another() {
    let leaf = |subject| Leaf { subject, ..Leaf::default() };
    let subject = |name: &str, text| {
        let files = FIXTURE.authority.issue_again(name, "server", &leaf(text));
        Identity::load(&files).unwrap().details().subject.clone()
    };
    assert_eq!(subject("two-parts", "/O=ops/CN=bob"), "O=ops, CN=bob");
    assert_eq!(subject("comma", "/O=ops,CN=bob"), "O=ops\\,CN=bob");
    assert_eq!(subject("lines", "/O=ops\u{7}bell"), "O=ops\\u{7}bell");
    assert_eq!(subject("plain", "/O=alice.<bootstrap>"), "O=alice.<bootstrap>");
}
