//! A recording of `docker events`. Tests measure with the engine's clock.

use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::engine::Cluster;
use super::process::CapturedOutput;
use super::{LABELS, holds_within};

/// A recording of one cluster's containers.
pub struct Events {
    child: Child,
    lines: Option<CapturedOutput>,
}

/// One event of a container.
#[derive(Clone, Debug)]
pub struct Event {
    /// `create`, `start`, `kill`, `die`, `stop`, `destroy`, …
    pub action: String,
    pub id: String,
    pub name: String,
    pub slot: String,
    pub image: String,
    /// With `die` only.
    pub exit_code: Option<String>,
    /// With `kill` only: the signal's number.
    pub signal: Option<String>,
    /// Since the epoch, by the engine's clock.
    pub at: Duration,
}

impl Events {
    pub fn record(cluster: &Cluster) -> Self {
        // The engine repeats events since that time, so none is lost while the command starts.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let since = format!("--since={}.{:09}", now.as_secs(), now.subsec_nanos());
        let filter = format!("--filter={}", cluster.filter());
        let mut child = cluster
            .engine()
            .command(&["events", &since, &filter, "--filter=type=container", "--format={{json .}}"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = Some(CapturedOutput::from(child.stdout.take().unwrap()));
        Self { child, lines }
    }

    /// All so far, in the engine's order.
    pub fn all(&self) -> Vec<Event> {
        let text = self.lines.as_ref().map(CapturedOutput::text).unwrap_or_default();
        // The last line may be incomplete.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(Event::parse).collect()
    }

    /// Those with one of these actions.
    pub fn of(&self, actions: &[&str]) -> Vec<Event> {
        self.all().into_iter().filter(|event| actions.contains(&event.action.as_str())).collect()
    }

    /// Waits for the first event that matches.
    #[track_caller]
    pub fn wait_for(&self, deadline: Duration, what: &str, matches: impl Fn(&Event) -> bool) -> Event {
        let mut found = None;
        holds_within(deadline, || {
            found = self.all().into_iter().find(&matches);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no event within {deadline:?}: {what}; recorded: {:#?}", self.all()))
    }

    /// The number of running containers after each start and end; `count` is the number when the recording began.
    pub fn running_over_time(&self, mut count: usize) -> Vec<usize> {
        let changes = self.of(&["start", "die"]);
        let after = changes.iter().map(|event| {
            count = if event.action == "start" { count + 1 } else { count - 1 };
            count
        });
        after.collect()
    }
}

impl Event {
    fn parse(line: &str) -> Self {
        let event: Value = serde_json::from_str(line).unwrap();
        let attribute = |name: &str| event["Actor"]["Attributes"][name].as_str().map(str::to_owned);
        Self {
            action: event["Action"].as_str().unwrap().to_owned(),
            id: event["Actor"]["ID"].as_str().unwrap().to_owned(),
            name: attribute("name").unwrap_or_default(),
            slot: attribute(&format!("{LABELS}.slot")).unwrap_or_default(),
            image: attribute("image").unwrap_or_default(),
            exit_code: attribute("exitCode"),
            signal: attribute("signal"),
            at: Duration::from_nanos(event["timeNano"].as_u64().unwrap()),
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
