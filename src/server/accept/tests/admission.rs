//! Which certificates are accepted, and for what.

use std::process::Command;

use rustls::HandshakeKind;

use super::*;
use crate::certificates::generate;
use crate::certificates::testing::{Authority, Leaf, openssl};

#[tokio::test]
async fn a_client_of_the_ca_is_accepted_and_identified() {
    let server = TestServer::start(Limits::default());
    let mut client = server.client().await;
    let response = send(&mut client, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let print = openssl(&FIXTURE.authority.path(""), "x509 -in cert.pem -noout -fingerprint -sha256");
    let print = print.trim().split_once('=').unwrap().1.replace(':', "").to_lowercase();
    assert!(response.ends_with(&format!("O=alice.<bootstrap> {print} false\n")), "{response}");
    assert_eq!(client.get_ref().1.alpn_protocol(), None, "the client requested no protocol");
}

/// The refusal that the server logs for a client, or `None` if it accepts the client.
async fn refusal(tls: &Tls, config: Arc<ClientConfig>) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tokio::spawn(async move {
        let tcp = TcpStream::connect(address).await.unwrap();
        let connected =
            TlsConnector::from(config).connect(ServerName::try_from("localhost").unwrap(), tcp).await;
        if let Ok(mut stream) = connected {
            let _ = stream.read(&mut [0]).await;
        }
    });
    let (tcp, address) = listener.accept().await.unwrap();
    let limits = Limits { linger: ms(100), ..Limits::default() };
    let result =
        handshake(tcp, address, tls, ConnectionProgress::new(), &limits, async |_: &TcpStream| Some(()))
            .await;
    client.abort();
    result.err().map(|refusal| refusal.reason().to_owned())
}

#[tokio::test]
async fn each_refused_certificate_has_its_own_reason() {
    let tls = Tls::new(&Identity::load(&FIXTURE.server).unwrap()).unwrap();
    let stranger = Authority::new();
    let other = stranger.issue("other", &Leaf::default());
    let expired = FIXTURE.authority.issue_again("expired", "cert", &Leaf { days: -1, ..Leaf::default() });
    let server = FIXTURE.authority.issue_again(
        "server2",
        "cert",
        &Leaf { usage: Some("serverAuth"), ..Leaf::default() },
    );
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let refused = async |files: Option<&Files>| {
            refusal(&tls, client_config(version, files)).await.unwrap_or_default()
        };
        assert_eq!(refused(Some(&FIXTURE.client)).await, "", "the right certificate is accepted");
        assert!(refused(None).await.contains("no client certificate"));
        let certificate = "certificate O=alice.<bootstrap>";
        assert_eq!(
            refused(Some(&other)).await,
            format!("{certificate} is not signed by the CA in --tlscacert; issue one with that CA")
        );
        let expiry = Identity::load(&expired).unwrap().not_after();
        let expiry = humantime::format_rfc3339_seconds(expiry);
        assert_eq!(
            refused(Some(&expired)).await,
            format!("{certificate} expired at {expiry}; issue a new one")
        );
        assert!(refused(Some(&server)).await.contains("lacks clientAuth"));
    }
    // A client that trusts another CA.
    let distrust =
        Identity::load(&Files { ca: other.ca, ..FIXTURE.client.clone() }).unwrap().client_config().unwrap();
    let response = refusal(&tls, distrust).await.unwrap();
    assert!(response.contains("does not trust this daemon's certificate"), "{response}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_and_disturbs_no_one() {
    let server = TestServer::start(Limits::default());
    let Ok(mut anonymous) = server.client_with(client_config(&rustls::version::TLS13, None)).await else {
        panic!("with TLS 1.3 the client notices later")
    };
    let response = send(&mut anonymous, GET).await.unwrap_err().to_string();
    assert!(response.contains("CertificateRequired"), "the alert arrives, not a reset: {response}");
    assert!(send(&mut server.client().await, GET).await.unwrap().ends_with("hello\n"));
}

#[tokio::test]
async fn the_daemons_own_certificate_is_accepted_for_the_health_check() {
    let server = TestServer::start(Limits::default());
    let identity = Identity::load(&FIXTURE.server).unwrap();
    let mut client = server.client_with(identity.pinned_client_config().unwrap()).await.unwrap();
    let response = send(&mut client, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(response.contains("O=alice.swarm-master ") && response.ends_with(" true\n"), "{response}");

    // The pinned client accepts any name, but only this certificate.
    let pinned = identity.pinned_client_config().unwrap();
    let name = ServerName::try_from("some.other.name").unwrap();
    TlsConnector::from(pinned).connect(name, server.tcp().await).await.unwrap();
    let elsewhere = Identity::load(&FIXTURE.client).unwrap().pinned_client_config().unwrap();
    assert!(server.client_with(elsewhere).await.is_err());
}

#[tokio::test]
async fn the_daemons_own_certificate_with_client_auth_is_for_health_only() {
    let both = Leaf { usage: Some("serverAuth,clientAuth"), ..Leaf::default() };
    let before = FIXTURE.authority.issue_again("before-renewal", "server", &both);
    let files = FIXTURE.authority.issue_again("both", "server", &both);
    let server = TestServer::start_with(&files, Limits::default());
    for own in [&files, &before] {
        let response =
            send(&mut server.client_as(own).await, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await
                .unwrap();
        assert!(response.ends_with(" true\n"), "{}: {response}", own.cert.display());
    }
    let response =
        send(&mut server.client().await, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(response.ends_with(" false\n"), "{response}");
}

#[tokio::test]
async fn an_expired_server_certificate_still_answers_the_health_check() {
    let expired = FIXTURE.authority.issue_again(
        "own-expired",
        "server",
        &Leaf { days: -1, usage: Some("serverAuth"), ..Leaf::default() },
    );
    let server = TestServer::start_with(&expired, Limits::default());
    let config = Identity::load(&expired).unwrap().pinned_client_config().unwrap();
    let mut client = server.client_with(config).await.unwrap();
    let response = send(&mut client, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(response.ends_with(" true\n"), "{response}");
}

#[tokio::test]
async fn no_tls_session_is_ever_resumed() {
    let server = TestServer::start(Limits::default());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = client_config(version, Some(&FIXTURE.client));
        for _ in 0..3 {
            let mut client = server.client_with(config.clone()).await.unwrap();
            assert!(send(&mut client, LAST_GET).await.unwrap().ends_with("hello\n"));
            assert_eq!(client.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
    // OpenSSL reconnects five times and offers its session, if it has one.
    let mut command = Command::new("openssl");
    command.args(["s_client", "-reconnect", "-tls1_2", "-connect", &server.address.to_string()]);
    command.arg("-cert").arg(&FIXTURE.client.cert).arg("-key").arg(&FIXTURE.client.key);
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!((text.matches("New, TLSv1.2").count(), text.matches("Reused").count()), (6, 0), "{text}");
}

#[tokio::test]
async fn a_new_identity_is_used_from_the_next_connection_on() {
    let server = TestServer::start(Limits::default());
    let mut before = server.client().await;
    send(&mut before, GET).await.unwrap();
    let base = tempfile::tempdir().unwrap();
    let made = generate::ensure(&base.path().join("certificates"), &[]).unwrap();
    server.tls.store(Arc::new(Tls::new(&Identity::load(&made.server()).unwrap()).unwrap()));
    assert!(send(&mut server.client_as(&made.client()).await, GET).await.unwrap().ends_with("hello\n"));
    assert!(send(&mut before, GET).await.unwrap().ends_with("hello\n"), "the old connection continues");
}

/// A certificate signed by `by`, with these extensions.
fn issue(name: &str, by: &str, extensions: &str) -> Files {
    let directory = FIXTURE.authority.path("");
    std::fs::write(directory.join(format!("{name}.ext")), extensions).unwrap();
    openssl(&directory, &format!("req -new -key cert-key.pem -subj /O=alice.{name} -out {name}.csr"));
    let by_key = if by == "ca" { "ca-key.pem" } else { "cert-key.pem" };
    openssl(
        &directory,
        &format!(
            "x509 -req -sha256 -in {name}.csr -CA {by}.pem -CAkey {by_key} -set_serial 4711 -days 30 -extfile {name}.ext -out {name}.pem"
        ),
    );
    Files { cert: FIXTURE.authority.path(&format!("{name}.pem")), ..FIXTURE.client.clone() }
}

#[tokio::test]
async fn certificates_are_accepted_only_for_their_purpose() {
    let tls = Tls::new(&Identity::load(&FIXTURE.server).unwrap()).unwrap();
    let leaf =
        |usage: &str| format!("basicConstraints=critical,CA:false\n{usage}extendedKeyUsage=clientAuth\n");
    let good = leaf("keyUsage=critical,digitalSignature\n");
    let refused = async |files: &Files| {
        let version = &rustls::version::TLS13;
        refusal(&tls, client_config(version, Some(files))).await.unwrap_or_default()
    };
    assert_eq!(refused(&issue("signs", "ca", &good)).await, "");
    assert_eq!(refused(&issue("no-usage", "ca", &leaf(""))).await, "", "without key usage there is no limit");
    let response = refused(&issue("encrypts", "ca", &leaf("keyUsage=critical,keyEncipherment\n"))).await;
    assert!(response.contains("lacks digitalSignature"), "{response}");
    let own_ca = "basicConstraints=critical,CA:true\nkeyUsage=critical,digitalSignature,keyCertSign\n";
    assert_ne!(refused(&issue("leaf-ca", "ca", own_ca)).await, "", "a CA certificate is refused");

    for (name, extensions, accepted) in [
        ("mid", "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n", true),
        ("mid-unlimited", "basicConstraints=critical,CA:true\n", true),
        (
            "mid-no-sign",
            "basicConstraints=critical,CA:true\nkeyUsage=critical,digitalSignature,cRLSign\n",
            false,
        ),
        (
            "mid-no-ca",
            "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature,keyCertSign\n",
            false,
        ),
    ] {
        issue(name, "ca", extensions);
        let below = issue(&format!("below-{name}"), name, &good);
        let chain = format!("{name}-chain.pem");
        let pem = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
        let whole = pem(&below.cert) + &pem(&FIXTURE.authority.path(&format!("{name}.pem")));
        std::fs::write(FIXTURE.authority.path(&chain), whole).unwrap();
        let response = refused(&Files { cert: FIXTURE.authority.path(&chain), ..below }).await;
        assert_eq!(response.is_empty(), accepted, "{name}: {response}");
    }
    // A path length of 0 allows no second level of authorities.
    issue("top", "ca", "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign\n");
    issue("second", "top", "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n");
    let below = issue("below-second", "second", &good);
    let pem = |name: &str| std::fs::read_to_string(FIXTURE.authority.path(name)).unwrap();
    let whole = ["below-second.pem", "second.pem", "top.pem"].map(pem).concat();
    std::fs::write(FIXTURE.authority.path("long-chain.pem"), whole).unwrap();
    assert_ne!(refused(&Files { cert: FIXTURE.authority.path("long-chain.pem"), ..below }).await, "");
}

#[tokio::test]
async fn curl_is_accepted_with_the_generated_pem_and_pkcs12_files() {
    let base = tempfile::tempdir().unwrap();
    let made = generate::ensure(&base.path().join("certificates"), &[]).unwrap();
    let server = TestServer::start_with(&made.server(), Limits::default());
    let path = |name: &str| made.directory.join(name).display().to_string();
    let (ca, cert, key, pfx) = (path("ca.pem"), path("cert.pem"), path("key.pem"), path("cert.pfx"));
    let data = ["-d", r#"{"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5}"#, "--cacert", &ca];
    let p12 = ["--cert", &pfx, "--cert-type", "P12", "--pass", "swarm"];
    assert_eq!(
        curl(&server, "https://HOST/length", &[&data[..], &p12].concat()).await,
        (Some(0), "53\n".to_owned())
    );
    let pem = ["--cert", &cert, "--key", &key];
    for protocol in [&["--http1.1"][..], &["--http1.0"], &["--http2"], &["--tlsv1.2", "--tls-max", "1.2"]] {
        assert_eq!(
            curl(&server, "https://HOST/length", &[&data[..], &pem, protocol].concat()).await,
            (Some(0), "53\n".to_owned())
        );
    }
    let (code, response) = curl(&server, "https://HOST/", &["--cacert", &ca]).await;
    assert!(code != Some(0) && response.contains("certificate required"), "{response}");
}
