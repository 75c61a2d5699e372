//! A registry on a loopback port: it serves the test program as an image, and fails on request.
//!
//! Engines accept plain HTTP from 127.0.0.0/8, so it needs no certificate. It has the tags of one repository:
//! `good` is the image; `cut` has a layer that never arrives, which an engine reports in the middle of a
//! stream that began with 200; every other tag is unknown.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::image;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// The layer of the tag `cut`.
const MISSING_LAYER: &[u8] = b"a layer that never arrives";
const REPOSITORY: &str = "scsm-test";

/// Serves until the test process ends.
pub struct Registry {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

/// The parts of the image, and the manifests by tag.
struct Blobs {
    parts: Vec<Vec<u8>>,
    manifests: Vec<(&'static str, Vec<u8>)>,
}

impl Registry {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, blobs) = (Arc::clone(&requests), Arc::new(Blobs::new()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, blobs) = (Arc::clone(&seen), Arc::clone(&blobs));
                thread::spawn(move || serve(stream, &seen, &blobs));
            }
        });
        Self { port, requests }
    }

    /// The reference of an image here.
    pub fn image(&self, tag: &str) -> String {
        format!("127.0.0.1:{}/{REPOSITORY}:{tag}", self.port)
    }

    /// How often an engine has resolved a tag: it does so once per pull, with HEAD.
    pub fn pulls(&self, tag: &str) -> usize {
        let request = format!("HEAD /v2/{REPOSITORY}/manifests/{tag}");
        self.requests.lock().unwrap().iter().filter(|line| **line == request).count()
    }
}

impl Blobs {
    fn new() -> Self {
        let layer = image::layer();
        let (good, cut) = (config(&digest(&layer)), config(&digest(MISSING_LAYER)));
        let manifests = vec![
            ("good", manifest(&good, layer.len(), &digest(&layer))),
            ("cut", manifest(&cut, MISSING_LAYER.len(), &digest(MISSING_LAYER))),
        ];
        Self { parts: vec![layer, good, cut], manifests }
    }

    fn answer(&self, path: &str) -> Option<(&'static str, Vec<u8>)> {
        match path.strip_prefix(&format!("/v2/{REPOSITORY}/"))?.split_once('/')? {
            // After resolving a tag, the engine requests the manifest by its digest.
            ("manifests", wanted) => {
                let fits = |(tag, manifest): &&(&str, Vec<u8>)| *tag == wanted || digest(manifest) == wanted;
                self.manifests.iter().find(fits).map(|(_, manifest)| (MANIFEST, manifest.clone()))
            }
            ("blobs", wanted) => {
                let part = self.parts.iter().find(|part| digest(part) == wanted);
                part.map(|part| ("application/octet-stream", part.clone()))
            }
            _ => None,
        }
    }
}

fn config(layer: &str) -> Vec<u8> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {"Entrypoint": ["/server"]},
        "rootfs": {"type": "layers", "diff_ids": [layer]}, "history": [{"created_by": "a test"}],
    });
    config.to_string().into_bytes()
}

fn manifest(config: &[u8], layer_bytes: usize, layer: &str) -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": config.len(), "digest": digest(config)},
        "layers": [{"mediaType": LAYER, "size": layer_bytes, "digest": layer}],
    });
    manifest.to_string().into_bytes()
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>, blobs: &Blobs) {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            // An engine tries TLS first; a closed connection makes it fall back to plain HTTP.
            Ok(length @ 1..) if head.first().or(chunk.first()).is_some_and(u8::is_ascii_alphabetic) => {
                head.extend_from_slice(&chunk[..length]);
            }
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1");
    seen.lock().unwrap().push(line.to_owned());
    let (method, path) = line.split_once(' ').unwrap_or_default();
    let answer = if path == "/v2/" { Some(("application/json", b"{}".to_vec())) } else { blobs.answer(path) };
    let (status, kind, body) = match answer {
        Some((kind, body)) => ("200 OK", kind, body),
        None => {
            let unknown = r#"{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}"#;
            ("404 Not Found", "application/json", unknown.as_bytes().to_vec())
        }
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\
         Docker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n\r\n",
        body.len(),
        digest(&body)
    );
    if method != "HEAD" {
        let _ = stream.write_all(&body);
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
