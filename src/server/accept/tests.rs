//! The server as its clients see it: real sockets, real TLS, docker-machine's certificates.

use std::io::{Read, Seek};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use bytes::Bytes;
use futures_util::stream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::certificates::testing::{Authority, FIXTURE, Leaf, openssl};
use crate::certificates::{Files, Identity, generate, provider};
use crate::server::connection::{AnswerDeadline, BodyError};
use crate::server::peer::Peer;

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST_GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A running server.
struct Site {
    address: SocketAddr,
    tls: Arc<ArcSwap<Tls>>,
    stop: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

type Client = TlsStream<TcpStream>;

impl Site {
    fn start(limits: Limits) -> Site {
        Site::start_as(&FIXTURE.server, limits)
    }

    fn start_as(files: &Files, limits: Limits) -> Site {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let tls = Arc::new(ArcSwap::from_pointee(Tls::new(&Identity::load(files).unwrap()).unwrap()));
        let stop = CancellationToken::new();
        let served =
            tokio::spawn(serve(listeners, tls.clone(), router(), limits, Arc::default(), stop.clone()));
        Site { address, tls, stop, served }
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn client(&self) -> Client {
        self.client_as(&FIXTURE.client).await
    }

    async fn client_as(&self, files: &Files) -> Client {
        self.client_with(Identity::load(files).unwrap().client_config().unwrap()).await.unwrap()
    }

    async fn client_with(&self, config: Arc<ClientConfig>) -> io::Result<Client> {
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(config).connect(name, self.tcp().await).await
    }

    /// Stops the server and tells how long that took.
    async fn stop(self) -> Duration {
        let begin = Instant::now();
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
        begin.elapsed()
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(async || "hello\n"))
        .route(
            "/peer",
            get(async |Extension(peer): Extension<Arc<Peer>>| {
                format!("{} {} {}\n", peer.subject, peer.fingerprint, peer.health_only)
            }),
        )
        .route("/length", any(length))
        .route("/ignore", any(async || (StatusCode::PAYLOAD_TOO_LARGE, "too large\n".repeat(1000))))
        .route("/hang", get(async || sleep(ms(60_000)).await))
        .route(
            "/work",
            get(async || {
                sleep(ms(300)).await;
                "done\n"
            }),
        )
        .route(
            "/wait",
            get(async |Extension(deadline): Extension<AnswerDeadline>| {
                deadline.allow(ms(400));
                sleep(ms(400)).await;
                "waited\n"
            }),
        )
        .route("/big", get(async || vec![b'x'; 64 << 20]))
        .route(
            "/stream",
            get(async || {
                Body::from_stream(stream::unfold((), async |()| {
                    sleep(ms(20)).await;
                    Some((Ok::<_, io::Error>(Bytes::from("line\n")), ()))
                }))
            }),
        )
}

async fn length(request: Request<Body>) -> impl IntoResponse {
    match to_bytes(request.into_body(), 1 << 20).await {
        Ok(bytes) => (StatusCode::OK, format!("{}\n", bytes.len())),
        Err(e) if BodyError::is_too_slow(&e) => (StatusCode::REQUEST_TIMEOUT, format!("{e}\n")),
        Err(e) => (StatusCode::BAD_REQUEST, format!("{e}\n")),
    }
}

/// Sends `request` and reads one answer by its `Content-Length`.
async fn ask(client: &mut Client, request: &str) -> io::Result<String> {
    client.write_all(request.as_bytes()).await?;
    answer(client).await
}

async fn answer(client: &mut Client) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        if let Some(head) = text.windows(4).position(|w| w == b"\r\n\r\n") {
            let length = String::from_utf8_lossy(&text[..head]).lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap())
            });
            if text.len() >= head + 4 + length.unwrap_or(0) {
                return Ok(String::from_utf8(text).unwrap());
            }
        }
        if client.read_buf(&mut text).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// How long until the server closes; panics if it does not within five seconds.
async fn until_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Duration {
    let begin = Instant::now();
    let mut rest = Vec::new();
    let _ = timeout(ms(5000), stream.read_to_end(&mut rest)).await.expect("the server closes");
    begin.elapsed()
}

/// Runs a program, without input, beside the server.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

// Who is let in.

#[tokio::test]
async fn a_client_of_the_ca_is_let_in_and_known() {
    let site = Site::start(Limits::default());
    let mut client = site.client().await;
    let said = ask(&mut client, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let print = openssl(&FIXTURE.authority.path(""), "x509 -in cert.pem -noout -fingerprint -sha256");
    let print = print.trim().split_once('=').unwrap().1.replace(':', "").to_lowercase();
    assert!(said.ends_with(&format!("O=alice.<bootstrap> {print} false\n")), "{said}");
    assert_eq!(client.get_ref().1.alpn_protocol(), None, "nothing was asked for");
}

/// What the server logs of a client, or `None` if it is let in.
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

fn client_config(
    version: &'static rustls::SupportedProtocolVersion,
    files: Option<&Files>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in Identity::load(&FIXTURE.server).unwrap().authorities().roots.iter() {
        roots.roots.push(certificate.clone());
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match files {
        Some(files) => builder.with_client_cert_resolver(Identity::load(files).unwrap().resolver()),
        None => builder.with_no_client_auth(),
    })
}

#[tokio::test]
async fn each_refused_certificate_gets_its_sentence() {
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
        assert_eq!(refused(Some(&FIXTURE.client)).await, "", "the right one passes");
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
    // A client that trusts another CA than ours.
    let distrust =
        Identity::load(&Files { ca: other.ca, ..FIXTURE.client.clone() }).unwrap().client_config().unwrap();
    let said = refusal(&tls, distrust).await.unwrap();
    assert!(said.contains("does not trust this daemon's certificate"), "{said}");
}

#[tokio::test]
async fn a_refused_client_gets_nothing_and_disturbs_nobody() {
    let site = Site::start(Limits::default());
    let Ok(mut nobody) = site.client_with(client_config(&rustls::version::TLS13, None)).await else {
        panic!("TLS 1.3 notices later")
    };
    let said = ask(&mut nobody, GET).await.unwrap_err().to_string();
    assert!(said.contains("CertificateRequired"), "the alert arrives, not a reset: {said}");
    assert!(ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"));
}

#[tokio::test]
async fn the_daemons_own_certificate_is_let_in_for_its_health() {
    let site = Site::start(Limits::default());
    let identity = Identity::load(&FIXTURE.server).unwrap();
    let mut client = site.client_with(identity.pinned_client_config().unwrap()).await.unwrap();
    let said = ask(&mut client, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(said.contains("O=alice.swarm-master ") && said.ends_with(" true\n"), "{said}");

    // Under whatever name, but only to the holder of that very certificate.
    let pinned = identity.pinned_client_config().unwrap();
    let name = ServerName::try_from("some.other.name").unwrap();
    TlsConnector::from(pinned).connect(name, site.tcp().await).await.unwrap();
    let elsewhere = Identity::load(&FIXTURE.client).unwrap().pinned_client_config().unwrap();
    assert!(site.client_with(elsewhere).await.is_err());
}

#[tokio::test]
async fn an_own_certificate_that_is_for_clients_too_is_for_health_only() {
    let both = Leaf { usage: Some("serverAuth,clientAuth"), ..Leaf::default() };
    let before = FIXTURE.authority.issue_again("before-renewal", "server", &both);
    let files = FIXTURE.authority.issue_again("both", "server", &both);
    let site = Site::start_as(&files, Limits::default());
    for own in [&files, &before] {
        let said = ask(&mut site.client_as(own).await, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        assert!(said.ends_with(" true\n"), "{}: {said}", own.cert.display());
    }
    let said = ask(&mut site.client().await, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(said.ends_with(" false\n"), "{said}");
}

#[tokio::test]
async fn an_expired_own_certificate_still_answers_the_health_check() {
    let expired = FIXTURE.authority.issue_again(
        "own-expired",
        "server",
        &Leaf { days: -1, usage: Some("serverAuth"), ..Leaf::default() },
    );
    let site = Site::start_as(&expired, Limits::default());
    let config = Identity::load(&expired).unwrap().pinned_client_config().unwrap();
    let mut client = site.client_with(config).await.unwrap();
    let said = ask(&mut client, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(said.ends_with(" true\n"), "{said}");
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let site = Site::start(Limits::default());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = client_config(version, Some(&FIXTURE.client));
        for _ in 0..3 {
            let mut client = site.client_with(config.clone()).await.unwrap();
            assert!(ask(&mut client, LAST_GET).await.unwrap().ends_with("hello\n"));
            assert_eq!(client.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
    // OpenSSL reconnects five times with the session it has got, if it has got one.
    let mut command = Command::new("openssl");
    command.args(["s_client", "-reconnect", "-tls1_2", "-connect", &site.address.to_string()]);
    command.arg("-cert").arg(&FIXTURE.client.cert).arg("-key").arg(&FIXTURE.client.key);
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!((text.matches("New, TLSv1.2").count(), text.matches("Reused").count()), (6, 0), "{text}");
}

#[tokio::test]
async fn a_new_identity_holds_from_the_next_connection_on() {
    let site = Site::start(Limits::default());
    let mut before = site.client().await;
    ask(&mut before, GET).await.unwrap();
    let base = tempfile::tempdir().unwrap();
    let made = generate::ensure(&base.path().join("certificates"), &[]).unwrap();
    site.tls.store(Arc::new(Tls::new(&Identity::load(&made.server()).unwrap()).unwrap()));
    assert!(ask(&mut site.client_as(&made.client()).await, GET).await.unwrap().ends_with("hello\n"));
    assert!(ask(&mut before, GET).await.unwrap().ends_with("hello\n"), "the old connection goes on");
}

// The client of the README.

async fn curl(site: &Site, url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let url = url.replace("HOST", &format!("127.0.0.1:{}", site.address.port()));
    let mut command = Command::new("curl");
    command.args(["-sS", "-m", "10", &url]).args(arguments);
    let output = run(command).await;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[tokio::test]
async fn curl_gets_in_with_the_generated_set_as_pem_and_as_pkcs12() {
    let base = tempfile::tempdir().unwrap();
    let made = generate::ensure(&base.path().join("certificates"), &[]).unwrap();
    let site = Site::start_as(&made.server(), Limits::default());
    let path = |name: &str| made.directory.join(name).display().to_string();
    let (ca, cert, key, pfx) = (path("ca.pem"), path("cert.pem"), path("key.pem"), path("cert.pfx"));
    let data = ["-d", r#"{"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5}"#, "--cacert", &ca];
    let p12 = ["--cert", &pfx, "--cert-type", "P12", "--pass", generate::PFX_PASSWORD];
    assert_eq!(
        curl(&site, "https://HOST/length", &[&data[..], &p12].concat()).await,
        (Some(0), "53\n".to_owned())
    );
    let pem = ["--cert", &cert, "--key", &key];
    for protocol in [&["--http1.1"][..], &["--http2"], &["--tlsv1.2", "--tls-max", "1.2"]] {
        assert_eq!(
            curl(&site, "https://HOST/length", &[&data[..], &pem, protocol].concat()).await,
            (Some(0), "53\n".to_owned())
        );
    }
    let (code, said) = curl(&site, "https://HOST/", &["--cacert", &ca]).await;
    assert!(code != Some(0) && said.contains("certificate required"), "{said}");
}

#[tokio::test]
async fn plain_http_is_told_what_to_use() {
    let site = Site::start(Limits::default());
    let (code, said) = curl(&site, "http://HOST/submit", &["-i", "-d", "{}"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("HTTP/1.0 400 Bad Request")
            && said.contains("use https:// and a client certificate"),
        "{said}"
    );
    // What is neither is closed without a word.
    let mut noise = site.tcp().await;
    noise.write_all(&[0, 1, 2, 3]).await.unwrap();
    assert!(until_closed(&mut noise).await < ms(1000));
}

// Slow and silent clients.

#[tokio::test]
async fn silent_clients_keep_nobody_waiting_and_are_cut() {
    let site = Site::start(Limits { handshake: ms(500), ..Limits::default() });
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(site.tcp().await);
    }
    // One stops in the middle of the handshake.
    let mut half = site.tcp().await;
    half.write_all(&[TLS_RECORD, 3, 1, 2, 0]).await.unwrap();
    let begin = Instant::now();
    assert!(ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"));
    assert!(begin.elapsed() < ms(400), "{:?}", begin.elapsed());
    for stream in silent.iter_mut().chain([&mut half]) {
        until_closed(stream).await;
    }
    assert!((ms(400)..ms(2000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

const TLS_RECORD: u8 = 0x16;

#[tokio::test]
async fn a_head_that_trickles_is_cut() {
    let site = Site::start(Limits { head: ms(400), idle: ms(3000), ..Limits::default() });
    // On the first request of a connection, and on a later one.
    for earlier in [0, 1] {
        let mut client = site.client().await;
        for _ in 0..earlier {
            ask(&mut client, GET).await.unwrap();
        }
        let begin = Instant::now();
        let (mut reader, mut writer) = tokio::io::split(client);
        let trickle = tokio::spawn(async move {
            for byte in GET.bytes() {
                if writer.write_all(&[byte]).await.is_err() {
                    break;
                }
                sleep(ms(50)).await;
            }
        });
        until_closed(&mut reader).await;
        assert!((ms(350)..ms(1500)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
        trickle.abort();
    }
    // The first head is due from the handshake on.
    assert!(until_closed(&mut site.client().await).await < ms(1500));
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_its_time_and_then_closed_in_order() {
    let site = Site::start(Limits { head: ms(150), idle: ms(700), ..Limits::default() });
    let mut client = site.client().await;
    ask(&mut client, GET).await.unwrap();
    sleep(ms(350)).await;
    ask(&mut client, GET).await.expect("idle for longer than a head may take, yet not for too long");
    let begin = Instant::now();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "TLS is closed in order");
    assert!((ms(600)..ms(2000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let site = Site::start(Limits { stall: ms(300), connections: 1, ..Limits::default() });
    let mut deaf = site.client().await;
    deaf.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // There is room for one: the next is served once the deaf one is gone.
    let begin = Instant::now();
    assert!(ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"));
    assert!((ms(250)..ms(3000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let mut got = Vec::new();
    assert!(deaf.read_to_end(&mut got).await.is_err(), "the answer was cut, not completed");
    assert!(got.len() < 64 << 20);
}

#[tokio::test]
async fn a_slow_reader_that_does_read_is_served_to_the_end() {
    let site = Site::start(Limits { stall: ms(300), ..Limits::default() });
    let mut client = site.client().await;
    client.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
    let begin = Instant::now();
    loop {
        match client.read(&mut buffer).await.unwrap() {
            0 => break,
            n => total += n,
        }
        if begin.elapsed() < ms(1000) {
            sleep(ms(20)).await;
        }
    }
    assert!(total > 64 << 20, "{total}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_408() {
    let site = Site::start(Limits { body: ms(300), handler: ms(100), ..Limits::default() });
    let begin = Instant::now();
    let head = "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    let said = ask(&mut site.client().await, head).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 408 ") && said.ends_with("not complete within 300ms\n"), "{said}");
    assert!((ms(250)..ms(1500)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_reaches_a_client_that_still_sends() {
    let site = Site::start(Limits::default());
    for _ in 0..5 {
        let (mut reader, mut writer) = tokio::io::split(site.client().await);
        let sending = tokio::spawn(async move {
            let _ = writer
                .write_all(b"POST /ignore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n")
                .await;
            writer.write_all(&vec![b'x'; 8 << 20]).await
        });
        let mut said = Vec::new();
        let _ = reader.read_to_end(&mut said).await;
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("HTTP/1.1 413 ") && said.ends_with("too large\n"), "{} bytes", said.len());
        sending.await.unwrap().expect("the server reads on while the client sends");
    }
}

#[tokio::test]
async fn a_handler_that_hangs_is_a_503_unless_it_was_asked_to_wait() {
    let site = Site::start(Limits { handler: ms(200), ..Limits::default() });
    let mut client = site.client().await;
    let said = ask(&mut client, "GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("application/problem+json"), "{said}");
    assert!(said.contains("\"No answer in time\"") && said.ends_with("}\n"), "{said}");
    let said = ask(&mut client, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(said.ends_with("waited\n"), "{said}");
}

#[tokio::test]
async fn a_stream_may_go_on_for_longer_than_any_deadline() {
    let all = ms(200);
    let site = Site::start(Limits {
        handler: all,
        body: all,
        head: all,
        idle: all,
        stall: all,
        ..Limits::default()
    });
    let mut client = site.client().await;
    client.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let begin = Instant::now();
    let mut buffer = [0; 1024];
    while begin.elapsed() < ms(1000) {
        assert_ne!(client.read(&mut buffer).await.unwrap(), 0);
    }
}

// How many.

#[tokio::test]
async fn an_identity_that_asks_too_often_is_told_when_to_come_back() {
    let two = 2.try_into().unwrap();
    let site = Site::start(Limits { requests_per_second: two, request_burst: two, ..Limits::default() });
    let mut client = site.client().await;
    for _ in 0..2 {
        assert!(ask(&mut client, GET).await.unwrap().starts_with("HTTP/1.1 200 "));
    }
    // Also on another connection.
    let said = ask(&mut site.client().await, GET).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 429 ") && said.contains("application/problem+json"), "{said}");
    assert!(said.contains("retry-after: 1\r\n"), "{said}");
    let other = FIXTURE.authority.issue_again(
        "bob",
        "cert",
        &Leaf { subject: "/O=bob.<bootstrap>", ..Leaf::default() },
    );
    assert!(ask(&mut site.client_as(&other).await, GET).await.unwrap().starts_with("HTTP/1.1 200 "));
    sleep(ms(600)).await;
    assert!(ask(&mut client, GET).await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_address_with_all_its_connections_gets_no_more_until_one_ends() {
    let site = Site::start(Limits { connections_per_address: 2, ..Limits::default() });
    let mut first = site.client().await;
    let mut second = site.client().await;
    ask(&mut second, GET).await.unwrap();
    assert!(until_closed(&mut site.tcp().await).await < ms(1000), "closed at once");
    assert!(ask(&mut first, LAST_GET).await.unwrap().ends_with("hello\n"));
    until_closed(&mut first).await;
    sleep(ms(50)).await;
    assert!(ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"));
}

/// From an address of this machine that is not 127.0.0.1.
async fn tcp_from(host: u8, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// The first message of a client.
fn client_hello() -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let config = client_config(&rustls::version::TLS13, None);
    let mut hello = Vec::new();
    rustls::ClientConnection::new(config, name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn clients_without_a_certificate_take_no_place_from_those_who_have_one() {
    let (handshakes, half) = (8, 4);
    let limits = Limits { handshakes, handshakes_per_address: half, connections: 4, ..Limits::default() };
    let site = Site::start(limits);
    // Silent, in the middle of a first message, and from several addresses.
    let mut crowd = Vec::new();
    for i in 0..60 {
        let mut tcp = tcp_from(2 + i % 5, site.address).await;
        if i % 2 == 0 {
            tcp.write_all(&client_hello()[..20]).await.unwrap();
        }
        crowd.push(tcp);
    }
    let begin = Instant::now();
    let mut client = site.client().await;
    assert!(ask(&mut client, GET).await.unwrap().ends_with("hello\n"));
    assert!(begin.elapsed() < ms(1000), "{:?}", begin.elapsed());
    // The oldest gave way, long before their time was over, and as many are left as there is room for.
    for gone in &mut crowd[..60 - handshakes] {
        assert!(until_closed(gone).await < ms(1000));
    }
    let mut open = 0;
    for left in &mut crowd[60 - handshakes..] {
        open += usize::from(timeout(ms(20), left.read(&mut [0])).await.is_err());
    }
    assert!((half..=handshakes).contains(&open), "{open}");
    assert!(ask(&mut client, GET).await.unwrap().ends_with("hello\n"), "who is in stays in");
}

#[tokio::test]
async fn copies_of_one_first_message_are_answered_at_a_rate() {
    let limits = Limits { failed_handshakes_per_address: (2, 5), ..Limits::default() };
    let site = Site::start(limits);
    let hello = client_hello();
    let mut copies = Vec::new();
    for _ in 0..40 {
        let mut tcp = tcp_from(2, site.address).await;
        tcp.write_all(&hello).await.unwrap();
        copies.push(tcp);
    }
    // From another address it goes on as ever.
    let begin = Instant::now();
    assert!(ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"));
    assert!(begin.elapsed() < ms(1000), "{:?}", begin.elapsed());
    let mut answered = 0;
    for copy in &mut copies {
        answered += usize::from(timeout(ms(5), copy.read(&mut [0])).await.is_ok());
    }
    assert!((5..=10).contains(&answered), "{answered} of 40");
    // An address that has failed so often gets in again with time.
    drop(copies);
    let config = Identity::load(&FIXTURE.client).unwrap().client_config().unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = tcp_from(2, site.address).await;
    timeout(ms(5000), TlsConnector::from(config).connect(name, tcp)).await.unwrap().unwrap();
}

#[tokio::test]
async fn one_identity_has_half_of_the_connections_and_another_one_still_gets_in() {
    let site = Site::start(Limits { connections: 4, ..Limits::default() });
    // A second certificate of the same subject is no second share.
    let again = FIXTURE.authority.issue_again("again", "cert", &Leaf::default());
    let mut kept = vec![site.client().await, site.client_as(&again).await];
    for client in &mut kept {
        ask(client, GET).await.unwrap();
    }
    assert!(ask(&mut site.client().await, GET).await.is_err(), "it has its share");
    let bob = Leaf { subject: "/O=bob.<bootstrap>", ..Leaf::default() };
    let bob = FIXTURE.authority.issue_again("bob-too", "cert", &bob);
    assert!(ask(&mut site.client_as(&bob).await, GET).await.unwrap().ends_with("hello\n"));
    ask(&mut kept[0], LAST_GET).await.unwrap();
    until_closed(&mut kept[0]).await;
    assert!(
        ask(&mut site.client().await, GET).await.unwrap().ends_with("hello\n"),
        "and again when one ends"
    );
}

#[tokio::test]
async fn framing_that_http_forbids_is_refused() {
    let site = Site::start(Limits::default());
    for (what, head) in [
        ("two lengths", "Content-Length: 3\r\nContent-Length: 4\r\n"),
        ("a list of lengths", "Content-Length: 3, 4\r\n"),
        ("no number", "Content-Length: x\r\n"),
        ("a sign", "Content-Length: +3\r\n"),
        ("a line that goes on", "X: a\r\n b\r\n"),
        ("a space before the colon", "X : a\r\n"),
        ("a bare CR", "X: a\rb\r\n"),
        ("NUL", "X: a\0b\r\n"),
        ("an unknown coding", "Transfer-Encoding: gzip\r\n"),
        ("chunked is not last", "Transfer-Encoding: chunked, gzip\r\n"),
    ] {
        let mut client = site.client().await;
        let request = format!("POST /length HTTP/1.1\r\nHost: localhost\r\n{head}\r\nabcd");
        let said = timeout(ms(3000), ask(&mut client, &request)).await;
        let said = said.unwrap_or_else(|_| panic!("{what}: no answer")).unwrap_or_else(|e| e.to_string());
        assert!(said.starts_with("HTTP/1.1 4") && said.contains("connection: close"), "{what}: {said}");
    }
    for chunk in ["x\r\n", "-1\r\n", "fffffffffffffffff\r\n", "3\nabc\r\n0\r\n\r\n", "3 abc\r\n"] {
        let mut client = site.client().await;
        let request =
            format!("POST /length HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let said =
            timeout(ms(3000), ask(&mut client, &request)).await.expect("an answer").unwrap_or_default();
        assert!(!said.starts_with("HTTP/1.1 2"), "{chunk:?}: {said}");
    }
}

/// A certificate signed by another one than the CA itself, with these extensions.
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
async fn certificates_are_only_taken_for_what_they_are_for() {
    let tls = Tls::new(&Identity::load(&FIXTURE.server).unwrap()).unwrap();
    let leaf =
        |usage: &str| format!("basicConstraints=critical,CA:false\n{usage}extendedKeyUsage=clientAuth\n");
    let good = leaf("keyUsage=critical,digitalSignature\n");
    let refused = async |files: &Files| {
        let version = &rustls::version::TLS13;
        refusal(&tls, client_config(version, Some(files))).await.unwrap_or_default()
    };
    assert_eq!(refused(&issue("signs", "ca", &good)).await, "");
    assert_eq!(refused(&issue("no-usage", "ca", &leaf(""))).await, "", "what is not said is not limited");
    let said = refused(&issue("encrypts", "ca", &leaf("keyUsage=critical,keyEncipherment\n"))).await;
    assert!(said.contains("lacks digitalSignature"), "{said}");
    let own_ca = "basicConstraints=critical,CA:true\nkeyUsage=critical,digitalSignature,keyCertSign\n";
    assert_ne!(refused(&issue("leaf-ca", "ca", own_ca)).await, "", "a CA is no client");

    for (name, extensions, taken) in [
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
        let said = refused(&Files { cert: FIXTURE.authority.path(&chain), ..below }).await;
        assert_eq!(said.is_empty(), taken, "{name}: {said}");
    }
    // One level of authorities, and two are shown.
    issue("top", "ca", "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign\n");
    issue("second", "top", "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n");
    let below = issue("below-second", "second", &good);
    let pem = |name: &str| std::fs::read_to_string(FIXTURE.authority.path(name)).unwrap();
    let whole = ["below-second.pem", "second.pem", "top.pem"].map(pem).concat();
    std::fs::write(FIXTURE.authority.path("long-chain.pem"), whole).unwrap();
    assert_ne!(refused(&Files { cert: FIXTURE.authority.path("long-chain.pem"), ..below }).await, "");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let site = Site::start(Limits::default());
    let mut client = site.client().await;
    client
        .write_all(format!("{GET}GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n{LAST_GET}").as_bytes())
        .await
        .unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).await.unwrap();
    let bodies: Vec<_> = said.split("\r\n\r\n").skip(1).collect();
    assert_eq!(bodies.len(), 3, "{said}");
    assert!(
        bodies[0].starts_with("hello") && bodies[1].starts_with("O=alice") && bodies[2] == "hello\n",
        "{said}"
    );
}

#[tokio::test]
async fn a_head_without_bound_is_refused_with_431() {
    let site = Site::start(Limits::default());
    let (mut reader, mut writer) = tokio::io::split(site.client().await);
    tokio::spawn(async move {
        let _ = writer
            .write_all(format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).as_bytes())
            .await;
        sleep(ms(5000)).await;
    });
    let mut said = Vec::new();
    let _ = reader.read_to_end(&mut said).await;
    assert!(said.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&said));
}

// The end.

#[tokio::test]
async fn a_stop_closes_the_idle_and_lets_the_busy_finish() {
    let site = Site::start(Limits::default());
    let mut idle = site.client().await;
    ask(&mut idle, GET).await.unwrap();
    let _fresh = site.client().await;
    let _silent = site.tcp().await;
    let mut busy = site.client().await;
    busy.write_all(b"GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut streaming = site.client().await;
    streaming.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    sleep(ms(100)).await;

    let address = site.address;
    let stopped = tokio::spawn(site.stop());
    assert!(until_closed(&mut idle).await < ms(150), "the idle one closes at once");
    assert!(TcpStream::connect(address).await.is_err(), "nobody new is let in");
    let said = answer(&mut busy).await.unwrap();
    assert!(said.ends_with("done\n") && said.contains("connection: close"), "{said}");
    let mut text = String::new();
    streaming.read_to_string(&mut text).await.expect("the stream ends in order");
    assert!(text.contains("line\n") && text.ends_with("\r\n0\r\n\r\n"), "{text}");
    assert!(stopped.await.unwrap() < ms(1500));
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_it_may() {
    let site = Site::start(Limits { drain: ms(300), ..Limits::default() });
    let mut hanging = site.client().await;
    hanging.write_all(b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    sleep(ms(100)).await;
    let took = site.stop().await;
    assert!((ms(250)..ms(1500)).contains(&took), "{took:?}");
    until_closed(&mut hanging).await;
}

#[tokio::test]
async fn a_stop_under_load_loses_no_request_that_was_taken() {
    static ANSWERED: AtomicUsize = AtomicUsize::new(0);
    let many = 100_000.try_into().unwrap();
    let site = Site::start(Limits { requests_per_second: many, request_burst: many, ..Limits::default() });
    let mut clients = JoinSet::new();
    for _ in 0..20 {
        let mut client = site.client().await;
        clients.spawn(async move {
            loop {
                match ask(&mut client, GET).await {
                    Ok(said) => {
                        assert!(said.ends_with("hello\n"), "{said}");
                        ANSWERED.fetch_add(1, Ordering::Relaxed);
                        if said.contains("connection: close") {
                            return;
                        }
                    }
                    // Closed between two requests, never within an answer.
                    Err(_) => return,
                }
            }
        });
    }
    sleep(ms(300)).await;
    assert!(site.stop().await < ms(1500));
    timeout(ms(5000), async { while clients.join_next().await.transpose().unwrap().is_some() {} })
        .await
        .unwrap();
    assert!(ANSWERED.load(Ordering::Relaxed) > 20);
}

// Out of descriptors.

/// Runs [`descriptors_run_out`] in a process of its own that may have few files open.
#[tokio::test]
async fn without_descriptors_it_waits_and_comes_back() {
    let test = "server::accept::tests::descriptors_run_out";
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -n 64; exec "$0" --exact "$1" --ignored --test-threads 1"#])
        .arg(program)
        .arg(test);
    command.env("SCSM_TEST_FILES", &FIXTURE.server.cert);
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
#[ignore = "run by without_descriptors_it_waits_and_comes_back"]
async fn descriptors_run_out() {
    let file =
        |name| std::path::Path::new(&std::env::var_os("SCSM_TEST_FILES").unwrap()).with_file_name(name);
    let server = Files { ca: file("ca.pem"), cert: file("server.pem"), key: file("server-key.pem") };
    let client = Files { ca: file("ca.pem"), cert: file("cert.pem"), key: file("cert-key.pem") };
    let site = Site::start_as(&server, Limits::default());
    let config = Identity::load(&client).unwrap().client_config().unwrap();

    let statistics = std::fs::File::open("/proc/self/stat").unwrap();

    // The process has both ends of each connection, so this ends soon.
    let mut crowd = Vec::new();
    while let Ok(stream) = TcpStream::connect(site.address).await {
        crowd.push(stream);
        assert!(crowd.len() < 100);
    }
    drop(crowd.pop());
    let waiting = TcpStream::connect(site.address).await.expect("the kernel still takes it");
    let before = processor_time(&statistics);
    sleep(ms(1500)).await;
    let spent = processor_time(&statistics) - before;
    assert!(spent < ms(200), "it spins: {spent:?}");
    assert!(!site.served.is_finished());

    crowd.clear();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client =
        timeout(ms(5000), TlsConnector::from(config).connect(name, waiting)).await.unwrap().unwrap();
    assert!(ask(&mut client, GET).await.unwrap().ends_with("hello\n"));
}

/// What the process has spent, of `/proc/self/stat`, which was opened in better times.
fn processor_time(mut statistics: &std::fs::File) -> Duration {
    let mut text = String::new();
    statistics.rewind().unwrap();
    statistics.read_to_string(&mut text).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ms(ticks * 10)
}
