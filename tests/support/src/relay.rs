//! A unix socket in front of the engine's socket, which a test can close and reopen.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Dropping it cuts all connections and removes the socket.
pub struct Relay {
    socket: PathBuf,
    closed: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

impl Relay {
    /// Listens on `socket` and forwards each connection to `target`, which must be a `unix://` endpoint.
    pub fn open(socket: &Path, target: &str) -> Self {
        let target = target.strip_prefix("unix://").expect("the relay's target is a unix socket").to_owned();
        let listener = UnixListener::bind(socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let relay =
            Self { socket: socket.to_owned(), closed: Arc::clone(&closed), streams: Arc::clone(&streams) };
        thread::spawn(move || {
            while !closed.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((inbound, _)) => join(inbound, &target, &streams),
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        relay
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = std::fs::remove_file(&self.socket);
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn join(inbound: UnixStream, target: &str, streams: &Mutex<Vec<UnixStream>>) {
    let Ok(outbound) = UnixStream::connect(target) else { return };
    inbound.set_nonblocking(false).unwrap();
    let copy = |stream: &UnixStream| stream.try_clone().unwrap();
    streams.lock().unwrap().extend([copy(&inbound), copy(&outbound)]);
    let (inbound_too, outbound_too) = (copy(&inbound), copy(&outbound));
    thread::spawn(move || pour(inbound, outbound));
    thread::spawn(move || pour(outbound_too, inbound_too));
}

fn pour(mut from: UnixStream, mut to: UnixStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
