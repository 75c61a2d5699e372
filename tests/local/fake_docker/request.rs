//! The requests of Docker's API that the client sends, parsed.

use std::collections::BTreeMap;

use axum::extract::Query;
use http::{Method, Uri};
use serde_json::Value;

use super::faults::Call;

/// Filters of a list or an event stream, by field.
pub(crate) type Filters = BTreeMap<String, Vec<String>>;

/// A request for a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logs {
    pub(crate) key: String,
    pub(crate) follow: bool,
    pub(crate) tail: String,
    pub(crate) since: String,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Ping,
    Version,
    Info,
    Events { filters: Filters },
    List { all: bool, filters: Filters },
    Inspect { key: String },
    InspectImage { image: String },
    Networks { filters: Filters },
    Network { key: String },
    Volumes { filters: Filters },
    Pull { image: String },
    Create { name: String, body: Value },
    Start { key: String },
    Stop { key: String },
    Remove { key: String, force: bool },
    Logs(Logs),
    Unknown,
}

impl Request {
    /// Parses a request, with or without a version before the path.
    pub(crate) fn read(method: &Method, uri: &Uri, body: &[u8]) -> Request {
        let path = uri.path();
        let path = match path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) {
            Some((version, rest)) if version.starts_with(|c: char| c.is_ascii_digit()) => rest,
            _ => path.trim_start_matches('/'),
        };
        let Query(query) = Query::<BTreeMap<String, String>>::try_from_uri(uri).unwrap_or_default();
        let flag = |name: &str| matches!(query.get(name).map(String::as_str), Some("1" | "true"));
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        let filters = || read_filters(query.get("filters").map_or("{}", String::as_str));
        let between = |start: &str, end: &str| {
            path.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).map(str::to_owned)
        };
        match (method.as_str(), path) {
            ("GET", "_ping") => return Request::Ping,
            ("GET", "version") => return Request::Version,
            ("GET", "info") => return Request::Info,
            ("GET", "events") => return Request::Events { filters: filters() },
            ("GET", "containers/json") => return Request::List { all: flag("all"), filters: filters() },
            ("GET", "networks") => return Request::Networks { filters: filters() },
            ("GET", "volumes") => return Request::Volumes { filters: filters() },
            ("POST", "images/create") => {
                return Request::Pull { image: format!("{}:{}", text("fromImage"), text("tag")) };
            }
            ("POST", "containers/create") => {
                let body = serde_json::from_slice(body).unwrap_or_default();
                return Request::Create { name: text("name"), body };
            }
            _ => {}
        }
        if let Some(key) = between("containers/", "/logs") {
            return Request::Logs(Logs {
                key,
                follow: flag("follow"),
                tail: text("tail"),
                since: text("since"),
            });
        }
        let get = |start, end| between(start, end).filter(|_| method == Method::GET);
        let post = |end| between("containers/", end).filter(|_| method == Method::POST);
        let delete = || between("containers/", "").filter(|_| method == Method::DELETE);
        None.or_else(|| get("containers/", "/json").map(|key| Request::Inspect { key }))
            .or_else(|| get("images/", "/json").map(|image| Request::InspectImage { image }))
            .or_else(|| get("networks/", "").map(|key| Request::Network { key }))
            .or_else(|| post("/start").map(|key| Request::Start { key }))
            .or_else(|| post("/stop").map(|key| Request::Stop { key }))
            .or_else(|| delete().map(|key| Request::Remove { key, force: flag("force") }))
            .unwrap_or(Request::Unknown)
    }

    /// The kind of call; `None` for calls that the client does not make.
    pub(crate) fn call(&self) -> Option<Call> {
        Some(match self {
            Request::Ping | Request::Unknown => return None,
            Request::Networks { .. } | Request::Network { .. } | Request::Volumes { .. } => return None,
            Request::Version => Call::Version,
            Request::Info => Call::Info,
            Request::Events { .. } => Call::Events,
            Request::List { .. } => Call::List,
            Request::Inspect { .. } => Call::Inspect,
            Request::InspectImage { .. } => Call::InspectImage,
            Request::Pull { .. } => Call::Pull,
            Request::Create { .. } => Call::Create,
            Request::Start { .. } => Call::Start,
            Request::Stop { .. } => Call::Stop,
            Request::Remove { .. } => Call::Remove,
            Request::Logs(_) => Call::Logs,
        })
    }
}

/// `{"label": ["a=b"]}`, or `{"label": {"a=b": true}}` from older clients.
fn read_filters(text: &str) -> Filters {
    let filters: BTreeMap<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let values = |value: Value| match value {
        Value::Array(values) => values.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        Value::Object(values) => values.into_iter().map(|(value, _)| value).collect(),
        _ => Vec::new(),
    };
    filters.into_iter().map(|(field, value)| (field, values(value))).collect()
}
