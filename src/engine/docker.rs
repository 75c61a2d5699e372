//! A Docker Engine, or a classic Swarm manager in front of many.
//!
//! Requests go over a transport of our own ([`transport`]), and answers are read here (`wire`), field by field and while
//! they arrive: bollard's models fail on a word that they do not know, and do not fit what a classic Swarm manager says.
//! Only the body of a create is one of them.
//!
//! Every call has a deadline over the whole of it, body included, and what its answer means is looked up in
//! [`reply`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};
use tracing::warn;

use self::own::OwnData;
use self::transport::{Transport, TransportError};
use super::logs::{LogLines, LogRequest, LogsError};
use crate::clock;
use crate::core::container::{Container, ContainerId};
use crate::core::engine_kind::EngineKind;
use crate::core::name::ObjectName;
use crate::core::outcome::{Outcome, Refusal, RefusalKind};
use crate::core::prospects::Prospects;
use crate::core::sanitize;
use crate::core::spec::{Pull, Template};
use crate::engine::error::EngineError;
use crate::engine::reply::{self, Call, Reply};
use crate::engine::{Engine, EngineEvent, EngineInfo, Lookup, NewContainer};

mod api_fields;
mod logs;
pub mod own;
mod resolve;
pub mod transport;
mod verify;
mod wire;

#[cfg(any(test, fuzzing))]
pub use wire::fuzzing;

/// The oldest API spoken: Docker Engine 1.12, and what classic Swarm managers were made for.
const OLDEST_API: Api = Api(1, 24);
/// The newest API spoken: that of bollard's models.
const NEWEST_API: Api = Api(1, 53);

/// Small questions: who are you, what is this container.
const QUESTION: Duration = Duration::from_secs(10);
/// A list of ten thousand containers over a slow line.
const LIST: Duration = Duration::from_secs(60);
/// A create. A classic Swarm manager asks a registry before it, and pulls within it.
const CREATE: Duration = Duration::from_secs(120);
/// A start or a removal on a busy node.
const CHANGE: Duration = Duration::from_secs(60);
/// A pull, whole.
const PULL: Duration = Duration::from_secs(30 * 60);
/// A plain engine tells of a pull's progress all the time; one that falls silent for so long has been forgotten by
/// its registry. A Swarm manager tells of its beginning and its end only.
const PULL_SILENCE: Duration = Duration::from_secs(5 * 60);
/// Pulls under way at once, over all images: they share one line.
const PULLS_AT_ONCE: usize = 4;
/// What a stop may take beyond the container's own grace period.
const STOP_SLACK: Duration = Duration::from_secs(30);
/// Docker's grace period where a container has none of its own.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// An answer that is read whole: no create reply, no inspect and no `/info` comes near it.
const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;
/// As much as is read of an error: what it means stands at its beginning.
const ERROR_MAX_BYTES: usize = 64 * 1024;
/// An answer that is decoded while it arrives is decoded in slices of this size, some 100 µs each; between them
/// others have their turn.
const SLICE_BYTES: usize = 64 * 1024;
/// Inspects of what a list does not say enough about, at once.
const INSPECTS_AT_ONCE: usize = 8;

/// An API version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Api(u32, u32);

impl Api {
    fn parse(text: &str) -> Option<Api> {
        let (major, minor) = text.split_once('.')?;
        Some(Api(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl std::fmt::Display for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The engine over HTTP.
pub struct DockerEngine {
    transport: Transport,
    kind: ArcSwapOption<EngineKind>,
    /// The version spoken; none before the first answer.
    api: ArcSwapOption<Api>,
    own: OwnData,
    /// The volumes that hold it; none before they have been looked for.
    own_volumes: ArcSwapOption<BTreeSet<String>>,
    /// The engine's id, by which it is told from another at the same address.
    identity: ArcSwapOption<String>,
    /// A list of everything was read in which nothing was unknown. From then on an entry that cannot be read hides
    /// nothing: what was there is remembered by the caller, and is not missing before an inspect says so.
    listed: AtomicBool,
    /// How many entries of the last list could not be read.
    unknown: AtomicUsize,
    pulls: Semaphore,
}

impl DockerEngine {
    /// An engine reached over `transport`. Nothing is sent yet.
    pub fn new(transport: Transport) -> DockerEngine {
        DockerEngine {
            transport,
            kind: ArcSwapOption::empty(),
            api: ArcSwapOption::empty(),
            own: OwnData::default(),
            own_volumes: ArcSwapOption::empty(),
            identity: ArcSwapOption::empty(),
            listed: AtomicBool::new(false),
            unknown: AtomicUsize::new(0),
            pulls: Semaphore::new(PULLS_AT_ONCE),
        }
    }

    /// Keeps this data from submitted objects.
    pub fn protecting(self, own: OwnData) -> DockerEngine {
        DockerEngine { own, ..self }
    }

    fn is_swarm(&self) -> bool {
        self.kind.load().as_deref() == Some(&EngineKind::ClassicSwarm)
    }

    /// Sends a request of our own and reads the whole answer: its status and its body. Of an error only the beginning.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(u16, Vec<u8>), TransportError> {
        let response = self.transport.request(method, path, body).await?;
        let status = response.status().as_u16();
        Ok((status, read_whole(response).await?))
    }

    /// The answer to a question, which is whole before the deadline.
    async fn answer(&self, path: &str) -> Result<(u16, Vec<u8>), TransportError> {
        let asked = timeout(QUESTION, self.ask(Method::GET, path, None)).await;
        asked.unwrap_or_else(|_| Err(TransportError::Broken(no_answer(QUESTION))))
    }

    /// Sends a request whose answer says nothing but yes or no. A container that is already so is a yes.
    async fn change(&self, call: Call, deadline: Duration, method: Method, path: &str) -> Outcome<()> {
        let reply = match timeout(deadline, self.ask(method, path, None)).await {
            Ok(Ok((200..=299 | 304, _))) => return Outcome::Done(()),
            Ok(Ok((status, body))) => Reply::Status(status, wire::words(&body)),
            Ok(Err(error)) => reply_of(error),
            Err(_) => Reply::Broken(no_answer(deadline)),
        };
        reply::read(call, reply)
    }

    /// Why the endpoint would drop a part of a template; nothing where it knows all of it.
    fn too_new(&self, template: &Template) -> Option<String> {
        let spoken = **self.api.load().as_ref()?;
        let (field, message) = too_new(template, &spoken.to_string())?;
        Some(format!("{field}: {message} ({})", self.transport.address()))
    }

    /// Settles a create that a plain engine answered with an error which does not say whether a container was made. The
    /// answer was whole, so nothing is still under way: what is there by the name is all there is.
    async fn settle(&self, new: &NewContainer<'_>, reply: Reply) -> Outcome<ContainerId> {
        let (status, words) = match reply {
            Reply::Status(status, words) => (status, words),
            Reply::InStream(why) | Reply::NeverSent(why) | Reply::Broken(why) => {
                return Outcome::InDoubt(why);
            }
        };
        match self.inspect(new.cluster, &new.identity.container_name()).await {
            Ok(Lookup::NotFound) => {
                let kind = match reply::is_rejection(&words) {
                    true => RefusalKind::Impossible,
                    false => RefusalKind::Other,
                };
                Outcome::Refused(Refusal { kind, words })
            }
            Ok(Lookup::Ours(found)) if found.identity == *new.identity => Outcome::Done(found.id.clone()),
            Ok(Lookup::Ours(_) | Lookup::Foreign) => {
                Outcome::Refused(Refusal { kind: RefusalKind::NameTaken, words })
            }
            Err(error) => {
                Outcome::InDoubt(format!("{status}: {words}; whether it was created is unknown: {error}"))
            }
        }
    }

    async fn has_image(&self, image: &str) -> Outcome<bool> {
        match self.answer(&format!("/images/{image}/json")).await {
            Ok((200, body)) if wire::is_object(&body) => Outcome::Done(true),
            Ok((200, _)) => Outcome::InDoubt("its answer about the image cannot be read".to_owned()),
            Ok((404, _)) => Outcome::Done(false),
            Ok((400, body)) => {
                Outcome::Refused(Refusal { kind: RefusalKind::Impossible, words: refusal(400, &body) })
            }
            Ok((status @ 400..=499, body)) => {
                Outcome::Refused(Refusal { kind: RefusalKind::NoImage, words: refusal(status, &body) })
            }
            Ok((status, body)) => Outcome::InDoubt(refusal(status, &body)),
            Err(TransportError::NeverSent(why)) => Outcome::NotSent(why),
            Err(TransportError::Broken(why)) => Outcome::InDoubt(why),
        }
    }

    async fn pull(&self, image: &str) -> Outcome<()> {
        let _place = self.pulls.acquire().await;
        match timeout(PULL, self.follow_pull(image)).await {
            Ok(Ok(())) => Outcome::Done(()),
            Ok(Err(reply)) => reply::read(Call::Pull, reply),
            Err(_) => reply::read(Call::Pull, Reply::Broken(no_answer(PULL))),
        }
    }

    async fn follow_pull(&self, image: &str) -> Result<(), Reply> {
        let (name, tag) = name_and_tag(image);
        let silence = if self.is_swarm() { PULL } else { PULL_SILENCE };
        let silent = |_| Reply::Broken(no_answer(silence));
        let path = wire::pull_path(name, tag);
        let asked = self.transport.request(Method::POST, &path, None);
        let response = timeout(silence, asked).await.map_err(silent)?.map_err(reply_of)?;
        let mut spoke = clock::monotonic();
        if !response.status().is_success() {
            let status = response.status().as_u16();
            let body = timeout(silence, read_whole(response)).await.map_err(silent)?.map_err(reply_of)?;
            return Err(Reply::Status(status, wire::words(&body)));
        }
        // Errors come inside a 200 stream.
        let reply = |error| match error {
            wire::ProgressError::Failed(why) => Reply::InStream(why),
            wire::ProgressError::Unreadable(why) => Reply::Broken(why),
        };
        let (mut body, mut progress) = (response.into_body(), wire::Progress::new());
        while let Some(frame) = timeout_at(spoke + silence, body.frame()).await.map_err(silent)? {
            let frame = frame.map_err(|e| reply_of(broke_off(&e)))?;
            if progress.push(&frame.into_data().unwrap_or_default()).map_err(reply)? {
                spoke = clock::monotonic();
            }
            tokio::task::yield_now().await;
        }
        progress.finish().map_err(reply)
    }

    /// Reads a list while it arrives.
    async fn read_list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<wire::List, EngineError> {
        let path = wire::list_path(cluster, object);
        let response = self.transport.request(Method::GET, &path, None).await?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return Err(EngineError::new(refusal(status, &read_whole(response).await?)));
        }
        let mut reader = wire::ListReader::new(cluster, self.is_swarm());
        let mut body = response.into_body();
        let failed = |error: wire::ListError| EngineError::new(error.to_string());
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(|e| broke_off(&e))?.into_data().unwrap_or_default();
            for slice in data.chunks(SLICE_BYTES) {
                // The filter is asked again there: an endpoint may ignore those it does not know.
                reader.push(slice).map_err(failed)?;
                tokio::task::yield_now().await;
            }
        }
        reader.finish().map_err(failed)
    }

    /// Finds out about entries of a list that may be ours and do not say.
    async fn clear_up(
        &self,
        cluster: &str,
        object: Option<&ObjectName>,
        list: wire::List,
    ) -> Result<Vec<Container>, EngineError> {
        let wire::List { mut containers, unclear, mut unknown } = list;
        let found: Vec<_> = stream::iter(unclear)
            .map(|key| async move { self.inspect(cluster, &key).await })
            .buffered(INSPECTS_AT_ONCE)
            .collect()
            .await;
        for holder in found {
            match holder {
                Ok(Lookup::Ours(container)) => containers.push(*container),
                Ok(Lookup::Foreign | Lookup::NotFound) => {}
                Err(_) => unknown += 1,
            }
        }
        if unknown == 0 {
            if object.is_none() {
                self.listed.store(true, Ordering::Relaxed);
                self.unknown.store(0, Ordering::Relaxed);
            }
        } else if self.listed.load(Ordering::Relaxed) {
            // Once, and not with each list.
            if object.is_none() && self.unknown.swap(unknown, Ordering::Relaxed) != unknown {
                warn!(
                    entries = unknown,
                    "the engine lists what cannot be read; known containers stay as they were"
                );
            }
        } else {
            return Err(EngineError::new(format!(
                "its list has entries that cannot be read ({unknown} of them): until they can be, nothing can be called missing"
            )));
        }
        Ok(containers)
    }
}

/// The field of a template that an endpoint drops which speaks this API version, and why that is; nothing where it knows
/// all of it or speaks no version.
pub fn too_new(template: &Template, api: &str) -> Option<(String, String)> {
    let spoken = Api::parse(api)?;
    let body = serde_json::to_value(&template.body).ok()?;
    let (field, since) = api_fields::unknown(&body, spoken)?;
    Some((field, format!("the endpoint speaks API {spoken}, which does not know it; it needs {since}")))
}

/// Reads an answer to its end; of an error only the beginning.
async fn read_whole(response: Response<Incoming>) -> Result<Vec<u8>, TransportError> {
    let error = response.status().is_client_error() || response.status().is_server_error();
    let (mut body, mut whole) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        whole.extend_from_slice(&frame.map_err(|e| broke_off(&e))?.into_data().unwrap_or_default());
        if error && whole.len() >= ERROR_MAX_BYTES {
            whole.truncate(ERROR_MAX_BYTES);
            break;
        }
        if whole.len() > ANSWER_MAX_BYTES {
            return Err(TransportError::Broken(format!(
                "the answer is longer than {ANSWER_MAX_BYTES} bytes"
            )));
        }
    }
    Ok(whole)
}

fn broke_off(error: &hyper::Error) -> TransportError {
    TransportError::Broken(format!("the answer broke off: {}", transport::root_cause(error)))
}

fn reply_of(error: TransportError) -> Reply {
    match error {
        TransportError::NeverSent(why) => Reply::NeverSent(why),
        TransportError::Broken(why) => Reply::Broken(why),
    }
}

/// An answer that is an error, in one clause.
fn refusal(status: u16, body: &[u8]) -> String {
    sanitize::message(&format!("{status}: {}", wire::words(body).trim()))
}

fn no_answer(deadline: Duration) -> String {
    format!("no answer within {}", humantime::format_duration(deadline))
}

/// Splits an image reference for `/images/create`, which would fetch all tags where none is given.
fn name_and_tag(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    match image.get(last..).and_then(|path| path.rfind(':')) {
        Some(colon) => {
            (image.get(..last + colon).unwrap_or(image), image.get(last + colon + 1..).unwrap_or_default())
        }
        None => (image, "latest"),
    }
}

#[async_trait]
impl Engine for DockerEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let (status, body) = self.answer("/version").await?;
        if status != 200 {
            return Err(EngineError::new(refusal(status, &body)));
        }
        let version = wire::read_version(&body).map_err(EngineError::new)?;
        let theirs = Api::parse(&version.api).ok_or_else(|| {
            EngineError::new(format!(
                "it answers, but not as Docker does: its API version is {:?}",
                version.api
            ))
        })?;
        if theirs < OLDEST_API {
            return Err(EngineError::new(format!(
                "it speaks API {theirs}; the oldest that can be used is {OLDEST_API}"
            )));
        }
        let api = theirs.min(NEWEST_API);
        self.transport.speak(&api.to_string());
        self.api.store(Some(Arc::new(api)));

        let (status, body) = self.answer("/info").await?;
        if status != 200 {
            return Err(EngineError::new(refusal(status, &body)));
        }
        let info = wire::read_info(&body, version, api.to_string()).map_err(EngineError::new)?;
        self.kind.store(Some(Arc::new(info.kind)));
        if self.identity.swap(Some(Arc::new(info.id.clone()))).is_none_or(|id| *id != info.id) {
            self.listed.store(false, Ordering::Relaxed);
        }
        self.find_own_volumes().await;
        Ok(EngineInfo { own_volumes: self.own_volumes(), ..info })
    }

    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        let work = async {
            let list = self.read_list(cluster, object).await?;
            self.clear_up(cluster, object, list).await
        };
        timeout(LIST, work).await.unwrap_or_else(|_| Err(EngineError::new(no_answer(LIST))))
    }

    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Lookup, EngineError> {
        match self.answer(&format!("/containers/{name_or_id}/json")).await? {
            (200, body) => Ok(match wire::read_inspected(cluster, &body).map_err(EngineError::new)? {
                Some(container) => Lookup::Ours(Box::new(container)),
                None => Lookup::Foreign,
            }),
            (404, _) => Ok(Lookup::NotFound),
            (status, body) => Err(EngineError::new(refusal(status, &body))),
        }
    }

    async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        // A Swarm manager pulls by itself on the node it chooses; asked to pull, it pulls on all of them.
        if self.is_swarm() && pull != Pull::Always {
            return Outcome::Done(());
        }
        if pull == Pull::Always {
            return self.pull(image).await;
        }
        match self.has_image(image).await {
            Outcome::Done(true) => Outcome::Done(()),
            Outcome::Done(false) if pull == Pull::Never => Outcome::Refused(Refusal {
                kind: RefusalKind::Impossible,
                words: format!("No such image: {image}, and its object says Pull \"never\""),
            }),
            Outcome::Done(false) => self.pull(image).await,
            other => other.map(|_| ()),
        }
    }

    async fn prospects(&self, template: &Template) -> Prospects {
        let (image, resolved) =
            futures_util::join!(self.has_image(&template.image), self.resolve(&template.body));
        let image = match image {
            Outcome::Done(there) => Some(there),
            Outcome::Refused(_) | Outcome::NotSent(_) | Outcome::InDoubt(_) => None,
        };
        let refusal = match resolved {
            Outcome::Refused(refusal) => Some(refusal.words),
            Outcome::Done(()) | Outcome::NotSent(_) | Outcome::InDoubt(_) => None,
        };
        Prospects { image, refusal }
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        if !self.is_swarm() && !new.constraints().is_empty() {
            let words = "a plain Docker Engine is one node and cannot choose by Constraints".to_owned();
            return Outcome::Refused(Refusal { kind: RefusalKind::Impossible, words });
        }
        let body = match wire::create_body(&new, self.is_swarm()) {
            Ok(body) => body,
            Err(error) => {
                let words = format!("the create body cannot be written: {error}");
                return Outcome::Refused(Refusal { kind: RefusalKind::Impossible, words });
            }
        };
        if let Some(words) = self.too_new(new.template) {
            return Outcome::Refused(Refusal { kind: RefusalKind::Impossible, words });
        }
        match self.resolve(&new.template.body).await {
            Outcome::Done(()) => {}
            Outcome::Refused(refusal) => return Outcome::Refused(refusal),
            Outcome::NotSent(why) | Outcome::InDoubt(why) => return Outcome::NotSent(why),
        }
        let path = format!("/containers/create?name={}", new.identity.container_name());
        let asked = self.ask(Method::POST, &path, Some(body));
        let reply = match tokio::time::timeout(CREATE, asked).await {
            Ok(Ok((201, body))) => match wire::created_id(&body) {
                Some(id) => return Outcome::Done(id),
                None => Reply::Broken("it was created, but the answer does not tell its id".to_owned()),
            },
            Ok(Ok((status, body))) => {
                let reply = Reply::Status(status, wire::words(&body));
                if !self.is_swarm() && reply::is_doubtful_answer(&reply) {
                    return self.settle(&new, reply).await;
                }
                reply
            }
            Ok(Err(TransportError::NeverSent(why))) => Reply::NeverSent(why),
            Ok(Err(TransportError::Broken(why))) => Reply::Broken(why),
            Err(_) => Reply::Broken(no_answer(CREATE)),
        };
        match reply::read(Call::Create, reply) {
            Outcome::Done(()) => {
                Outcome::InDoubt("done already, but the answer does not tell its id".to_owned())
            }
            Outcome::Refused(refusal) => Outcome::Refused(refusal),
            Outcome::NotSent(why) => Outcome::NotSent(why),
            Outcome::InDoubt(why) => Outcome::InDoubt(why),
        }
    }

    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
        let path = format!("/containers/{}/json", id.0);
        let ask = self.ask(Method::GET, &path, None);
        let (status, body) = match tokio::time::timeout(QUESTION, ask).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(TransportError::NeverSent(why) | TransportError::Broken(why))) => {
                return Outcome::NotSent(why);
            }
            Err(_) => return Outcome::NotSent(no_answer(QUESTION)),
        };
        if status == 404 {
            let words = wire::words(&body);
            return Outcome::Refused(Refusal { kind: RefusalKind::Other, words });
        }
        let found: serde_json::Value = match (status, serde_json::from_slice(&body)) {
            (200, Ok(found)) => found,
            (200, Err(error)) => return Outcome::NotSent(format!("its inspect cannot be read: {error}")),
            (status, _) => return Outcome::NotSent(format!("{status}: {}", wire::words(&body))),
        };
        let refused = |words: String| Outcome::Refused(Refusal { kind: RefusalKind::Impossible, words });
        let wanted = match serde_json::to_value(&template.body) {
            Ok(wanted) => wanted,
            Err(error) => return refused(format!("the create body cannot be written: {error}")),
        };
        if let Err(difference) = verify::difference(&wanted, &found) {
            return refused(difference.to_string());
        }
        for network in verify::attached(&found) {
            match self.is_named(&network.id, &network.name).await {
                Ok(true) => {}
                Ok(false) => {
                    return refused(format!(
                        "the container that the engine created is attached to another network than {}; it is not started",
                        network.name
                    ));
                }
                Err(error) => return Outcome::NotSent(error.to_string()),
            }
        }
        Outcome::Done(())
    }

    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        let path = format!("/containers/{}/start", id.0);
        self.change(Call::Start, CHANGE, Method::POST, &path).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        // No timeout is sent: the engine then keeps to the container's own.
        let deadline = grace.max(DEFAULT_GRACE) + STOP_SLACK;
        let path = format!("/containers/{}/stop", id.0);
        self.change(Call::Stop, deadline, Method::POST, &path).await
    }

    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        let path = format!("/containers/{}?v=true&force=true", id.0);
        self.change(Call::Remove, CHANGE, Method::DELETE, &path).await
    }

    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        let path = wire::events_path(cluster);
        let asked = timeout(QUESTION, self.transport.request(Method::GET, &path, None)).await;
        let response = asked.map_err(|_| EngineError::new(no_answer(QUESTION)))??;
        if !response.status().is_success() {
            return Err(EngineError::new(format!("its event stream answers {}", response.status())));
        }
        Ok(wire::events(response.into_body(), cluster.to_owned()))
    }

    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        self.read_logs(id, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_split_so_that_one_tag_is_fetched() {
        for (image, name, tag) in [
            ("nginx", "nginx", "latest"),
            ("nginx:1.9.6", "nginx", "1.9.6"),
            ("host:5000/nginx", "host:5000/nginx", "latest"),
            ("host:5000/a/nginx:1", "host:5000/a/nginx", "1"),
            ("nginx@sha256:abc", "nginx", "sha256:abc"),
        ] {
            assert_eq!(name_and_tag(image), (name, tag), "{image}");
        }
    }

    #[test]
    fn api_versions_are_ordered_as_numbers() {
        assert!(Api::parse("1.9").unwrap() < Api::parse("1.41").unwrap());
        assert_eq!(Api::parse("1.41").map(|v| v.to_string()).as_deref(), Some("1.41"));
        assert_eq!(Api::parse("x"), None);
    }
}
