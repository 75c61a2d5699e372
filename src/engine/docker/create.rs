//! Creating a container, and verifying it before its start.

use std::time::Duration;

use http::Method;
use tokio::time::timeout;

use super::answer::{no_answer, refusal};
use super::docker_engine::DockerEngine;
use super::transport::TransportError;
use super::{api_fields, verify, wire};
use crate::core::container::ContainerId;
use crate::core::outcome::{Outcome, RefusalKind};
use crate::core::spec::Template;
use crate::engine::reply::{self, Call, Reply};
use crate::engine::{Engine, Lookup, NewContainer};

/// A classic Swarm manager asks a registry before a create, and pulls during it.
const CREATE: Duration = Duration::from_secs(120);

fn impossible<T>(message: String) -> Outcome<T> {
    Outcome::refused(RefusalKind::Impossible, message)
}

impl DockerEngine {
    pub(super) async fn create_container(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        if !self.is_swarm() && !new.constraints().is_empty() {
            return impossible(
                "a plain Docker Engine has a single node, so Constraints do not apply".to_owned(),
            );
        }
        let body = match wire::create_body(&new, self.is_swarm()) {
            Ok(body) => body,
            Err(error) => return impossible(format!("cannot serialize the create body: {error}")),
        };
        if let Some(message) = self.too_new(new.template) {
            return impossible(message);
        }
        match self.resolve(&new.template.body).await {
            Outcome::Done(()) => {}
            Outcome::Refused(refusal) => return Outcome::Refused(refusal),
            Outcome::NotSent(why) | Outcome::InDoubt(why) => return Outcome::NotSent(why),
        }
        let path = format!("/containers/create?name={}", new.identity.container_name());
        let asked = self.ask(Method::POST, &path, Some(body));
        let reply = match timeout(CREATE, asked).await {
            Ok(Ok((201, body))) => match wire::created_id(&body) {
                Some(id) => return Outcome::Done(id),
                None => Reply::Broken("it was created, but the answer has no id".to_owned()),
            },
            Ok(Ok((status, body))) => {
                let reply = Reply::Status(status, wire::error_message(&body));
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
            Outcome::Done(()) => Outcome::InDoubt("done already, but the answer has no id".to_owned()),
            Outcome::Refused(refusal) => Outcome::Refused(refusal),
            Outcome::NotSent(why) => Outcome::NotSent(why),
            Outcome::InDoubt(why) => Outcome::InDoubt(why),
        }
    }

    /// Why the endpoint would drop a field of the template; `None` if it has all fields.
    fn too_new(&self, template: &Template) -> Option<String> {
        let spoken = **self.api.load().as_ref()?;
        let (field, message) = api_fields::too_new(template, &spoken.to_string())?;
        Some(format!("{field}: {message} ({})", self.transport.address()))
    }

    /// Settles a create after a plain engine's error that leaves open whether a container was created. The answer was
    /// complete, so the create has ended: an inspect of the name gives the result.
    async fn settle(&self, new: &NewContainer<'_>, reply: Reply) -> Outcome<ContainerId> {
        let (status, message) = match reply {
            Reply::Status(status, message) => (status, message),
            Reply::InStream(why) | Reply::NeverSent(why) | Reply::Broken(why) => {
                return Outcome::InDoubt(why);
            }
        };
        match self.inspect(new.cluster, &new.identity.container_name()).await {
            Ok(Lookup::NotFound) => {
                let kind = match reply::is_rejection(&message) {
                    true => RefusalKind::Impossible,
                    false => RefusalKind::Other,
                };
                Outcome::refused(kind, message)
            }
            Ok(Lookup::Ours(found)) if found.identity == *new.identity => Outcome::Done(found.id.clone()),
            Ok(Lookup::Ours(_) | Lookup::Foreign) => Outcome::refused(RefusalKind::NameTaken, message),
            Err(error) => Outcome::InDoubt(format!(
                "{status}: {message}; it is unknown whether it was created: {error}"
            )),
        }
    }

    pub(super) async fn verify_container(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
        let path = format!("/containers/{}/json", id.0);
        let (status, body) = match self.answer(&path).await {
            Ok(answer) => answer,
            Err(TransportError::NeverSent(why)) => return Outcome::NotSent(reply::unreachable(&why)),
            Err(TransportError::Broken(why)) => {
                return Outcome::NotSent(format!("asked for its inspect: {why}"));
            }
        };
        if status == 404 {
            return Outcome::refused(RefusalKind::Other, wire::error_message(&body));
        }
        let found: serde_json::Value = match (status, serde_json::from_slice(&body)) {
            (200, Ok(found)) => found,
            (200, Err(error)) => return Outcome::NotSent(format!("cannot read its inspect: {error}")),
            (status, _) => {
                return Outcome::NotSent(format!("the engine answered {}", refusal(status, &body)));
            }
        };
        let wanted = match serde_json::to_value(&template.body) {
            Ok(wanted) => wanted,
            Err(error) => return impossible(format!("cannot serialize the create body: {error}")),
        };
        if let Err(difference) = verify::difference(&wanted, &found) {
            return impossible(difference.to_string());
        }
        for network in verify::attached(&found) {
            match self.is_named(&network.id, &network.name).await {
                Ok(true) => {}
                Ok(false) => {
                    return impossible(format!(
                        "the created container is attached to another network than {}; it is not started",
                        network.name
                    ));
                }
                Err(error) => return Outcome::NotSent(error.to_string()),
            }
        }
        Outcome::Done(())
    }
}
