//! Clients without a certificate, slow clients, and shutdown under load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use support::daemon::Setup;
use support::process::text;
use support::{Certificates, Client, Daemon, Reply};

use super::*;

#[test]
fn a_client_without_a_certificate_of_the_ca_gets_no_answer() {
    let certificates = Certificates::docker_machine();
    let stranger = Certificates::stranger();
    let daemon = Setup::new().flag("--swarm-manager=simulated://3").certificates(&certificates).start();
    let anonymous = Client::without_certificate(&daemon.url, &certificates);
    let stranger_client = anonymous.clone().with("--cert", stranger.cert()).with("--key", stranger.key());
    let body = object("web", 1).to_string();
    for (who, client) in [("no certificate", &anonymous), ("another CA", &stranger_client)] {
        for version in ["1.2", "1.3"] {
            for path in ["/submit", "/status", "/healthz", "/"] {
                let arguments = ["--tls-max", version, "--data-binary", "@-"];
                let output = client.curl(path, &arguments, body.as_bytes());
                let error = text(&output.stderr);
                // 35: the handshake failed; 56: with TLS 1.3 a client notices when it reads; 98: newer versions of
                // curl have a code for "a client certificate is required".
                let code = output.status.code();
                assert!(matches!(code, Some(35 | 56 | 98)), "{who}, TLS {version}, {path}: {code:?} {error}");
                assert!(error.contains("alert"), "{who}, TLS {version}, {path}: {error}");
                assert!(!error.contains("HTTP/1.1"), "no HTTP answer: {error}");
            }
        }
    }
    assert_eq!(daemon.client.get("/objects").json(), json!([]));
    for version in ["1.2", "1.3"] {
        let reply = daemon.client.request("/healthz", &["--tls-max", version], b"");
        assert_eq!(reply.status, 200, "TLS {version}, with the right certificate: {reply:?}");
    }
    assert_eq!(Client::with_bundle(&daemon.url, &certificates).get("/status").status, 200, "with the bundle");
    // Plain HTTP gets an answer that names HTTPS, and changes nothing.
    let plain = Client::without_certificate(&daemon.url.replace("https:", "http:"), &certificates);
    let reply = plain.post("/submit", &body);
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(reply.body.to_lowercase().contains("https"), "{reply:?}");
    assert_eq!(daemon.client.get("/objects").json(), json!([]));
}

/// A connection after the handshake that sends only what a test requests: `openssl s_client`.
struct SlowClient {
    child: Child,
}

impl SlowClient {
    fn connect(daemon: &Daemon) -> Self {
        let made = daemon.certificates();
        let child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", daemon.url.trim_start_matches("https://"), "-CAfile"])
            .arg(made.ca())
            .arg("-cert")
            .arg(made.cert())
            .arg("-key")
            .arg(made.key())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child }
    }

    fn send(mut self, text: &str) -> Self {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        self
    }
}

impl Drop for SlowClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The head of a submit whose body does not follow.
const HALF_A_SUBMIT: &str = "POST /submit HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"Name\": ";

fn address(daemon: &Daemon) -> &str {
    daemon.url.trim_start_matches("https://")
}

#[test]
fn silent_and_slow_clients_delay_no_one_and_are_disconnected() {
    let daemon = Daemon::simulated();
    let mut silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(address(&daemon)).unwrap()).collect();
    let _slow: Vec<SlowClient> = (0..4).map(|_| SlowClient::connect(&daemon).send(HALF_A_SUBMIT)).collect();
    for _ in 0..5 {
        let begun = Instant::now();
        assert_eq!(daemon.client.get("/healthz").status, 200);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
    // A handshake has 10 s.
    let begun = Instant::now();
    let first = &mut silent[0];
    first.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let end = first.read(&mut [0; 1]);
    assert!(
        matches!(end, Ok(0))
            || end.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
        "a client that never starts a handshake is disconnected: {end:?} after {:?}",
        begun.elapsed()
    );
    assert_eq!(daemon.client.get("/healthz").status, 200);
}

#[test]
fn sigterm_ends_the_daemon_in_time_under_load() {
    let mut daemon = Daemon::simulated();
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address(&daemon)).unwrap()).collect();
    let slow = [SlowClient::connect(&daemon).send(HALF_A_SUBMIT), SlowClient::connect(&daemon)];
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = daemon.client.clone();
    thread::scope(|scope| {
        for worker in 0..3 {
            let (client, stop, answered) = (&client, &stop, &answered);
            scope.spawn(move || {
                let mut count = 0;
                while !stop.load(Ordering::SeqCst) {
                    count += 1;
                    let body = object(&format!("load-{worker}"), count % 50).to_string();
                    // Requests fail after the stop; before it all succeed.
                    let reply = client.try_request("/submit", &["--data-binary", "@-"], body.as_bytes());
                    if let Ok(Reply { status: 200 | 201, .. }) = reply {
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        thread::sleep(Duration::from_secs(1));
        daemon.signal("TERM");
        let begun = Instant::now();
        let status = daemon.ended(STOP);
        eprintln!("SIGTERM under load: ended after {:?}", begun.elapsed());
        stop.store(true, Ordering::SeqCst);
        let status = status.unwrap_or_else(|| panic!("not within {STOP:?}\n{}", daemon.log()));
        assert!(status.success(), "{status}\n{}", daemon.log());
    });
    assert!(answered.load(Ordering::SeqCst) > 3, "there was load");
    assert!(TcpStream::connect(address(&daemon)).is_err(), "the port is closed");
    drop((silent, slow));
}

#[test]
fn sigint_stops_the_daemon_too_and_a_second_sigterm_ends_it_at_once() {
    let mut daemon = Daemon::simulated();
    daemon.signal("INT");
    let status = daemon.ended(STOP).expect("SIGINT ends it");
    assert!(status.success(), "{status}");

    let mut daemon = Daemon::simulated();
    // This request delays the stop.
    let slow = SlowClient::connect(&daemon).send(HALF_A_SUBMIT);
    thread::sleep(Duration::from_millis(500));
    daemon.signal("TERM");
    assert!(daemon.ended(Duration::from_millis(700)).is_none(), "it waits for the request under way");
    daemon.signal("TERM");
    let begun = Instant::now();
    assert!(
        daemon.ended(Duration::from_secs(2)).is_some(),
        "it did not end at the second signal\n{}",
        daemon.log()
    );
    eprintln!("second SIGTERM: ended after {:?}", begun.elapsed());
    drop(slow);
}
