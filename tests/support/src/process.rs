//! Runs other programs with a deadline. If one fails, its output is in the panic message.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A command that takes longer hangs; a failing registry lookup takes 20 s.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a command to its end, whatever its exit code.
pub fn run(command: &mut Command) -> Output {
    run_with_input(command, b"")
}

/// Runs a command that must succeed and returns its trimmed stdout.
pub fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}: {}", output.status, text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// Runs a command with `input` on its stdin.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let stdout = CapturedOutput::from(child.stdout.take().unwrap());
    let stderr = CapturedOutput::from(child.stderr.take().unwrap());
    let input = input.to_vec();
    // A program may end without reading its input.
    thread::spawn(move || drop(stdin.write_all(&input)));
    let status = wait(&mut child, DEADLINE).unwrap_or_else(|| {
        let _ = child.kill();
        panic!("{command:?} did not end within {DEADLINE:?}; its output: {}{}", stdout.text(), stderr.text())
    });
    Output { status, stdout: stdout.rest(), stderr: stderr.rest() }
}

/// Waits for a child's end; `None` after the deadline.
pub fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(3));
    }
    None
}

/// Sends a signal, by its name without `SIG`, to a process that this test started.
pub fn signal(child: &Child, name: &str) {
    succeed(Command::new("kill").args(["-s", name, &child.id().to_string()]));
}

/// Ends a child with SIGTERM, or with SIGKILL after `grace`.
pub fn end(child: &mut Child, grace: Duration) {
    if child.try_wait().is_ok_and(|status| status.is_some()) {
        return;
    }
    let _ = run(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]));
    if wait(child, grace).is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The output of a stream so far, read by a separate thread so that the writer never blocks.
pub struct CapturedOutput {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: thread::JoinHandle<()>,
}

impl CapturedOutput {
    pub fn from(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let captured = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                captured.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        Self { bytes, reader }
    }

    pub fn text(&self) -> String {
        text(&self.bytes.lock().unwrap())
    }

    /// All of it, once the writer has ended.
    pub fn rest(self) -> Vec<u8> {
        let _ = self.reader.join();
        std::mem::take(&mut self.bytes.lock().unwrap())
    }
}
