//! A streamed answer: `curl -N` in its own process, and a strict parser of its output.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::process::{CapturedOutput, signal, wait};
use super::{Client, holds_within};

/// A stream that is being read. Dropping it ends it.
pub struct Stream {
    child: Child,
    output: CapturedOutput,
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSentEvent {
    pub id: Option<String>,
    pub event: String,
    pub data: Value,
}

impl Client {
    /// Runs `curl -N`, which does not buffer.
    pub fn stream(&self, path: &str, arguments: &[&str]) -> Stream {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--no-buffer", "--include"]).args(self.trust());
        command.args(arguments).arg(format!("{}{path}", self.url()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let output = CapturedOutput::from(child.stdout.take().unwrap());
        Stream { child, output }
    }

    /// The same, for server-sent events.
    pub fn event_stream(&self, path: &str, arguments: &[&str]) -> Stream {
        let accept = ["--header", "Accept: text/event-stream"];
        self.stream(path, &[&accept[..], arguments].concat())
    }
}

impl Stream {
    /// The answer's head in lower case, once it is complete.
    pub fn head(&self) -> Option<String> {
        self.output.text().split_once("\r\n\r\n").map(|(head, _)| head.to_ascii_lowercase())
    }

    /// The body so far.
    pub fn body(&self) -> String {
        self.output.text().split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// The JSON lines so far, without an incomplete last line.
    pub fn lines(&self) -> Vec<Value> {
        let body = self.body();
        let complete = body.rfind('\n').map_or("", |end| &body[..end]);
        let json =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        complete.lines().filter(|line| !line.is_empty()).map(json).collect()
    }

    /// The server-sent events so far. The parser is strict: it rejects what the WHATWG rules only tolerate.
    pub fn events(&self) -> Vec<ServerSentEvent> {
        let body = self.body();
        let complete = body.rfind("\n\n").map_or("", |end| &body[..end + 2]);
        complete
            .split_terminator("\n\n")
            .filter(|block| *block != ": keep-alive")
            .map(ServerSentEvent::parse)
            .collect()
    }

    /// Waits until the lines so far meet the condition, and returns them.
    #[track_caller]
    pub fn until(&self, deadline: Duration, what: &str, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let held = holds_within(deadline, || condition(&self.lines()));
        assert!(held.is_some(), "not within {deadline:?}: {what}\n{}", self.output.text());
        self.lines()
    }

    /// Waits for the head, and returns the status.
    #[track_caller]
    pub fn answered(&self, deadline: Duration) -> u16 {
        holds_within(deadline, || self.head().is_some());
        let head = self.head().unwrap_or_else(|| panic!("no answer within {deadline:?}"));
        head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap()
    }

    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Ends it at any point.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until the server ends it.
    pub fn ended(&mut self, deadline: Duration) -> Option<ExitStatus> {
        wait(&mut self.child, deadline)
    }
}

impl ServerSentEvent {
    fn parse(block: &str) -> Self {
        let (mut id, mut event, mut data) = (None, None, None);
        for line in block.split('\n') {
            let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field: {block:?}"));
            let place = match field {
                "id" => &mut id,
                "event" => &mut event,
                "data" => &mut data,
                _ => panic!("an unknown field: {block:?}"),
            };
            assert!(place.replace(value.to_owned()).is_none(), "a field twice: {block:?}");
            assert!(!value.contains('\r'), "{block:?}");
        }
        let data: Value = serde_json::from_str(&data.unwrap()).unwrap();
        let event = event.unwrap();
        assert_eq!(data["Kind"], event.as_str(), "{block:?}");
        if let Some(id) = &id {
            assert_eq!(data["Id"].to_string().trim_matches('"'), id, "{block:?}");
        }
        Self { id, event, data }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.kill();
    }
}
