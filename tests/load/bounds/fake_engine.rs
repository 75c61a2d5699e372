//! An engine that misbehaves on purpose, over plain TCP: hand-written HTTP, one thread per connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// How it misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A create is refused with a message that repeats the request.
    RepeatsWhatItRefuses,
    /// Each byte of an event is a chunk of its own.
    EventsByteByByte,
    /// `/info` names 50,000 nodes of a classic Swarm manager.
    ManyNodes,
    /// `/version` and `/info` have a version of 7 MB.
    LongVersion,
    /// The list of containers has no end.
    EndlessList,
}

/// The length of an endless answer, after which the engine gives up: twice what any client should read.
const ENDLESS_BYTES: usize = 400 << 20;
/// How long events are sent.
const EVENTS: Duration = Duration::from_secs(8);

pub(crate) struct FakeEngine {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    fault: Fault,
    misbehaves: AtomicBool,
    ended: AtomicBool,
}

impl FakeEngine {
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let misbehaves = AtomicBool::new(fault == Fault::RepeatsWhatItRefuses);
        let shared = Arc::new(Shared { fault, misbehaves, ended: AtomicBool::new(false) });
        let of_loop = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if of_loop.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = of_loop.clone();
                // A client that disconnects ends its thread with an error.
                thread::spawn(move || shared.converse(stream));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("tcp://{}", self.address)
    }

    pub(crate) fn misbehave(&self) {
        self.shared.misbehaves.store(true, Ordering::Relaxed);
    }

    pub(crate) fn behave(&self) {
        self.shared.misbehaves.store(false, Ordering::Relaxed);
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the loop.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn bad(&self, fault: Fault) -> bool {
        self.fault == fault && self.misbehaves.load(Ordering::Relaxed)
    }

    fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let (mut length, mut header) = (0, String::new());
            while reader.read_line(&mut header)? > 2 {
                if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                header.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let mut words = line.split(' ');
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let path = target.split('?').next().unwrap_or_default();
            let path = match path.strip_prefix("/v") {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                    rest.find('/').map_or("", |at| &rest[at..])
                }
                _ => path,
            };
            self.answer(&mut stream, method, path, &body)?;
        }
    }

    fn answer(&self, stream: &mut TcpStream, method: &str, path: &str, body: &[u8]) -> std::io::Result<()> {
        let version = match self.bad(Fault::LongVersion) {
            true => "9".repeat(7_000_000),
            false => "20.10.24".to_owned(),
        };
        match (method, path) {
            (_, "/_ping") => whole(stream, 200, b"OK"),
            (_, "/version") => {
                let version =
                    json!({"Version": version, "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux"});
                whole(stream, 200, version.to_string().as_bytes())
            }
            (_, "/info") => whole(stream, 200, self.info(&version).to_string().as_bytes()),
            (_, "/containers/json") if self.bad(Fault::EndlessList) => self.endless(stream),
            (_, "/containers/json") => whole(stream, 200, b"[]"),
            (_, "/events") => self.events(stream),
            ("POST", "/containers/create") => {
                let asked: Value = serde_json::from_slice(body).unwrap_or_default();
                let network = asked["HostConfig"]["NetworkMode"].as_str().unwrap_or_default().to_owned();
                let message = json!({"message": format!("network {network} not found")});
                whole(stream, 404, message.to_string().as_bytes())
            }
            (_, path) if path.starts_with("/images/") => whole(stream, 200, br#"{"Id": "sha256:1"}"#),
            _ => whole(stream, 404, br#"{"message": "no such thing"}"#),
        }
    }

    fn info(&self, version: &str) -> Value {
        if !self.bad(Fault::ManyNodes) {
            return json!({"ID": "fake", "ServerVersion": version, "NCPU": 2});
        }
        let mut rows = vec![json!(["Nodes", "50000"])];
        for i in 0..50_000 {
            rows.push(json!([format!(" node-{i}"), format!("10.0.{}.{}:2376", i / 256, i % 256)]));
            rows.push(json!(["  └ Status", "Healthy"]));
        }
        json!({"ID": "fake", "ServerVersion": "swarm/1.2.9", "SystemStatus": rows})
    }

    fn endless(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[")?;
        let one = json!({"Id": "a".repeat(64), "Names": ["/other"], "State": "running", "Status": "Up", "Labels": {}});
        let piece = format!("{one},").repeat(100);
        let mut written = 0;
        while written < ENDLESS_BYTES && self.misbehaves.load(Ordering::Relaxed) {
            stream.write_all(piece.as_bytes())?;
            written += piece.len();
        }
        Err(std::io::ErrorKind::ConnectionAborted.into())
    }

    fn events(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        let event =
            format!("{}\n", json!({"Type": "network", "Action": "x", "Actor": {"ID": "y".repeat(100)}}));
        let chunks: Vec<u8> =
            event.bytes().flat_map(|byte| [b"1\r\n", &[byte][..], b"\r\n"].concat()).collect();
        let begun = std::time::Instant::now();
        loop {
            if self.ended.load(Ordering::Relaxed) {
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            if self.bad(Fault::EventsByteByByte) && begun.elapsed() < EVENTS + Duration::from_secs(10) {
                for _ in 0..20 {
                    stream.write_all(&chunks)?;
                }
                thread::sleep(Duration::from_millis(2));
            } else {
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn whole(stream: &mut TcpStream, status: u16, body: &[u8]) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} X\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}
