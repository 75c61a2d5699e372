//! Images: is one present, and pulling it.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use tokio::time::{timeout, timeout_at};

use super::answer::{broke_off, no_answer, read_whole, refusal, reply_of};
use super::docker_engine::DockerEngine;
use super::transport::TransportError;
use super::wire;
use crate::clock;
use crate::core::outcome::{Outcome, RefusalKind};
use crate::core::prospects::Prospects;
use crate::core::spec::{Pull, Template};
use crate::engine::reply::{self, Call, Reply};

/// A whole pull.
const PULL: Duration = Duration::from_secs(30 * 60);
/// A plain engine reports the progress of a pull continuously; if it is silent for this long, the pull hangs. A Swarm manager
/// reports only the beginning and the end.
const PULL_SILENCE: Duration = Duration::from_secs(5 * 60);

impl DockerEngine {
    pub(super) async fn provide(&self, image: &str, pull: Pull) -> Outcome<()> {
        // A Swarm manager pulls by itself on the chosen node; an explicit pull would pull on all nodes.
        if self.is_swarm() && pull != Pull::Always {
            return Outcome::Done(());
        }
        if pull == Pull::Always {
            return self.pull(image).await;
        }
        match self.has_image(image).await {
            Outcome::Done(true) => Outcome::Done(()),
            Outcome::Done(false) if pull == Pull::Never => Outcome::refused(
                RefusalKind::Impossible,
                format!("No such image: {image}, and the object sets Pull to \"never\""),
            ),
            Outcome::Done(false) => self.pull(image).await,
            other => other.map(|_| ()),
        }
    }

    pub(super) async fn foresee(&self, template: &Template) -> Prospects {
        let (image, resolved) =
            futures_util::join!(self.has_image(&template.image), self.resolve(&template.body));
        let image = match image {
            Outcome::Done(present) => Some(present),
            Outcome::Refused(_) | Outcome::NotSent(_) | Outcome::InDoubt(_) => None,
        };
        let refusal = match resolved {
            Outcome::Refused(refusal) => Some(refusal.message),
            Outcome::Done(()) | Outcome::NotSent(_) | Outcome::InDoubt(_) => None,
        };
        Prospects { image, refusal }
    }

    async fn has_image(&self, image: &str) -> Outcome<bool> {
        match self.answer(&format!("/images/{image}/json")).await {
            Ok((200, body)) if wire::is_object(&body) => Outcome::Done(true),
            Ok((200, _)) => Outcome::InDoubt("cannot read its answer about the image".to_owned()),
            Ok((404, _)) => Outcome::Done(false),
            Ok((400, body)) => Outcome::refused(RefusalKind::Impossible, refusal(400, &body)),
            Ok((status @ 400..=499, body)) => Outcome::refused(RefusalKind::NoImage, refusal(status, &body)),
            Ok((status, body)) => Outcome::InDoubt(refusal(status, &body)),
            Err(TransportError::NeverSent(why)) => Outcome::NotSent(reply::unreachable(&why)),
            Err(TransportError::Broken(why)) => Outcome::InDoubt(why),
        }
    }

    async fn pull(&self, image: &str) -> Outcome<()> {
        let _permit = self.pulls.acquire().await;
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
        let mut heard = clock::monotonic();
        if !response.status().is_success() {
            let status = response.status().as_u16();
            let body = timeout(silence, read_whole(response)).await.map_err(silent)?.map_err(reply_of)?;
            return Err(Reply::Status(status, wire::error_message(&body)));
        }
        // Errors arrive inside a 200 stream.
        let reply = |error| match error {
            wire::PullError::Failed(why) => Reply::InStream(why),
            wire::PullError::Unreadable(why) => Reply::Broken(why),
        };
        let (mut body, mut progress) = (response.into_body(), wire::PullProgress::new());
        while let Some(frame) = timeout_at(heard + silence, body.frame()).await.map_err(silent)? {
            let frame = frame.map_err(|e| reply_of(broke_off(&e)))?;
            if progress.push(&frame.into_data().unwrap_or_default()).map_err(reply)? {
                heard = clock::monotonic();
            }
            tokio::task::yield_now().await;
        }
        progress.finish().map_err(reply)
    }
}

/// Splits an image reference for `/images/create`, which fetches all tags if none is given.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_tag_fetches_latest_only() {
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
}
