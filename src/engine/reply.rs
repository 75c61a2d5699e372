//! The meaning of replies.
//!
//! One table for every call that changes something, for both kinds of endpoint. What matters is not success but certainty:
//! after [`Outcome::Refused`] and [`Outcome::NotSent`] nothing has happened; after [`Outcome::InDoubt`] the call may have
//! taken effect, or may still do so, and only the same name may be tried again.

use crate::core::outcome::{Outcome, RefusalKind};
use crate::core::sanitize;

/// The calls of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// `POST /containers/create`
    Create,
    /// `POST /containers/ID/start`
    Start,
    /// `POST /containers/ID/stop`
    Stop,
    /// `DELETE /containers/ID`
    Remove,
    /// `POST /images/create`
    Pull,
}

/// The reply to a call without a plain success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// An unsuccessful status code, with the engine's message.
    Status(u16, String),
    /// The engine's error message inside a stream that began with 200.
    InStream(String),
    /// The endpoint was not reached.
    NeverSent(String),
    /// An incomplete answer: cut off, unreadable or too late. The text says which.
    Broken(String),
}

/// The message of a call that was not sent.
pub(crate) fn unreachable(why: &str) -> String {
    sanitize::message(&format!("the engine cannot be reached: {why}"))
}

/// The meaning of a reply.
///
/// The texts are those of a classic Swarm manager, which answers every failed create with 500: if its scheduler refused,
/// nothing was created; "refresh didn't report it back" means that a container *was* created, and is in doubt like any other
/// 500.
pub(crate) fn read(call: Call, reply: Reply) -> Outcome<()> {
    let (status, message) = match reply {
        Reply::Status(status, message) => (status, message),
        Reply::InStream(message) => {
            return Outcome::refused(RefusalKind::NoImage, sanitize::message(&message));
        }
        Reply::NeverSent(why) => return Outcome::NotSent(unreachable(&why)),
        Reply::Broken(why) => return Outcome::InDoubt(sanitize::message(&why)),
    };
    let message = message.trim();
    let refused = |kind| Outcome::refused(kind, sanitize::message(message));
    match (call, status) {
        (Call::Start | Call::Stop, 304) => Outcome::Done(()),
        (Call::Stop | Call::Remove, 404) => Outcome::Done(()),
        (Call::Create, 404) => refused(RefusalKind::NoImage),
        (Call::Create, 409) => refused(RefusalKind::NameTaken),
        (Call::Create, 500) if message.contains("Conflict. The container name") => {
            refused(RefusalKind::NameTaken)
        }
        (Call::Create | Call::Pull, 500) if message.contains(NO_NODE) => refused(RefusalKind::NoNode),
        (Call::Create, 500) if scheduler_refused(message) => refused(RefusalKind::NoPlace),
        (Call::Create, 500) if image_does_not_exist(message) => refused(RefusalKind::Other),
        (Call::Create, 500) if engine_rejected(message) => refused(RefusalKind::Impossible),
        (Call::Pull, 404) => refused(RefusalKind::NoImage),
        (Call::Pull, 500) => refused(RefusalKind::NoImage),
        // "removal of container … is already in progress"
        (Call::Remove, 409) => Outcome::InDoubt(sanitize::message(message)),
        // A failed start is certain: the container exists and is not running. The engine answers 500 for a missing command,
        // a port in use, or a failed mount.
        (Call::Start, 400 | 500) if cannot_be_executed(message) => refused(RefusalKind::Impossible),
        (Call::Start, 500) if !connection_failed(message) => refused(RefusalKind::Other),
        (Call::Create | Call::Pull, 400) => refused(RefusalKind::Impossible),
        (_, 400..=499) => refused(RefusalKind::Other),
        _ => Outcome::InDoubt(sanitize::message(&format!("{status}: {message}"))),
    }
}

/// Whether an answer to a create leaves open whether a container was created, although the create has ended. A 502, 503 or 504
/// may come from a proxy while the create is in progress; an engine itself answers 500.
pub(super) fn is_doubtful_answer(reply: &Reply) -> bool {
    matches!(reply, Reply::Status(500, _)) && matches!(read(Call::Create, reply.clone()), Outcome::InDoubt(_))
}

/// Whether a Swarm manager could not reach a node, or lost the connection.
pub(super) fn connection_failed(message: &str) -> bool {
    ["Cannot connect to the Docker daemon", "error during connect", "An error occurred trying to connect"]
        .iter()
        .any(|text| message.contains(text))
}

/// Whether the registry has no such image, in the message of an engine that a Swarm manager passes on: the manager pulls
/// before it creates, so nothing was created. It is an ordinary refusal, as there is no pull of ours to repeat.
fn image_does_not_exist(message: &str) -> bool {
    ["manifest unknown", "pull access denied", "repository does not exist"]
        .iter()
        .any(|text| message.contains(text))
}

/// Whether the image has no such command, or it is not executable. A failed mount is also "no such file or directory", but may
/// succeed the next time.
fn cannot_be_executed(message: &str) -> bool {
    let why =
        ["no such file or directory", "executable file not found", "permission denied", "is a directory"];
    message.contains("exec: ") && why.iter().any(|text| message.contains(text))
}

/// Whether an engine behind a Swarm manager rejected the create body before it created anything.
fn engine_rejected(message: &str) -> bool {
    message.strip_prefix("Error response from daemon: ").is_some_and(is_rejection)
}

/// Whether an engine's message, without the prefix of a Swarm manager, rejects the create body itself.
pub(super) fn is_rejection(message: &str) -> bool {
    const REJECTIONS: &[&str] = &[
        "invalid volume specification",
        "invalid mode:",
        "invalid mount config",
        "invalid mount path",
        "Duplicate mount point",
        "--storage-opt is",
        "storage-opt is not supported",
        "Storage Option is not supported",
        "invalid CapAdd",
        "invalid CapDrop",
        "invalid --security-opt",
        "Invalid --security-opt",
        "invalid IPC mode",
        "invalid PID mode",
        "invalid UTS mode",
        "Invalid UTS mode",
        "invalid userns mode",
        "Invalid value",
        "Invalid QoS settings",
        "Invalid signal",
        "invalid signal",
        "Minimum memory",
        "Minimum kernel memory",
        "You should always set the Memory limit",
        "Requested CPUs are not available",
        "Requested memory nodes are not available",
        "Range of CPUs is from",
        "CPU cfs period",
        "CPU cfs quota",
        "SHM size",
        "in Healthcheck cannot be",
        "maximum retry count",
        "invalid restart policy",
        "bad format for add-host",
        "the working directory",
        "invalid environment variable",
        "invalid port specification",
        "Invalid port specification",
        "logger: ",
        "unknown log opt",
        "invalid reference format",
        "No command specified",
        "no command specified",
        "Unknown runtime specified",
        "unknown or invalid runtime name",
        "cannot be connected to network endpoints",
        "onflicting options",
        "invalid IPv4 address",
        "invalid IPv6 address",
        "invalid hostname format",
    ];
    REJECTIONS.iter().any(|text| message.contains(text))
}

/// The message of a Swarm manager that considers all nodes unhealthy, as it does for seconds after a failed pull.
const NO_NODE: &str = "No healthy node available";

fn scheduler_refused(message: &str) -> bool {
    ["Unable to find a node that satisfies", "no resources available to schedule container"]
        .iter()
        .any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::outcome::Refusal;

    fn kind(call: Call, reply: Reply) -> &'static str {
        match read(call, reply) {
            Outcome::Done(()) => "done",
            Outcome::Refused(r) => match r.kind {
                RefusalKind::NameTaken => "name taken",
                RefusalKind::NoImage => "no image",
                RefusalKind::NoPlace => "no place",
                RefusalKind::NoNode => "no node",
                RefusalKind::Impossible => "impossible",
                RefusalKind::Other => "refused",
            },
            Outcome::NotSent(_) => "not sent",
            Outcome::InDoubt(_) => "in doubt",
        }
    }

    #[test]
    fn messages_are_evaluated_before_they_are_escaped_and_cut() {
        let long = format!("x\n\u{1b}[2J{} manifest unknown", "y".repeat(1 << 20));
        for (call, status) in [
            (Call::Create, 400),
            (Call::Create, 500),
            (Call::Start, 500),
            (Call::Remove, 409),
            (Call::Stop, 503),
        ] {
            let outcome = read(call, Reply::Status(status, long.clone()));
            let text = match &outcome {
                Outcome::Refused(refusal) => &refusal.message,
                Outcome::InDoubt(why) => why,
                other => panic!("{other:?}"),
            };
            assert!(
                text.contains("x\\n\\u{1b}[2Jyyy") && text.len() <= sanitize::MESSAGE_MAX_BYTES,
                "{text}"
            );
            // The significant part is at the end.
            assert_eq!(
                matches!(outcome, Outcome::Refused(_)),
                matches!(status, 400 | 500),
                "{call:?} {status}"
            );
        }
        for reply in
            [Reply::InStream(long.clone()), Reply::NeverSent(long.clone()), Reply::Broken(long.clone())]
        {
            let (Outcome::NotSent(text)
            | Outcome::InDoubt(text)
            | Outcome::Refused(Refusal { message: text, .. })) = read(Call::Pull, reply)
            else {
                panic!("done");
            };
            assert!(text.len() <= sanitize::MESSAGE_MAX_BYTES && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn each_reply_has_its_outcome() {
        for (call, status, words, meaning) in [
            (Call::Create, 400, "invalid reference format", "impossible"),
            (Call::Create, 404, "No such image: nosuch:1", "no image"),
            (Call::Create, 409, "Conflict: The name nginx.1.1 is already assigned.", "name taken"),
            (
                Call::Create,
                500,
                "Conflict. The container name \"/x\" is already in use by container 1",
                "name taken",
            ),
            (
                Call::Create,
                500,
                "Unable to find a node that satisfies the following conditions \n[name==zzz]",
                "no place",
            ),
            (Call::Create, 500, "no resources available to schedule container", "no place"),
            (Call::Create, 500, "No healthy node available in the cluster", "no node"),
            (Call::Create, 500, "Container created but refresh didn't report it back", "in doubt"),
            (
                Call::Create,
                500,
                "Error response from daemon: manifest for nosuch:1 not found: manifest unknown: manifest unknown",
                "refused",
            ),
            (
                Call::Create,
                500,
                "Error response from daemon: invalid volume specification: 'data:/d:rshared': invalid mount config",
                "impossible",
            ),
            (Call::Create, 500, "Error response from daemon: invalid mode: bogus", "impossible"),
            (Call::Create, 500, "Error response from daemon: --storage-opt is not supported", "impossible"),
            (
                Call::Create,
                500,
                "Error response from daemon: Minimum memory limit allowed is 6MB",
                "impossible",
            ),
            (
                Call::Create,
                500,
                "Error response from daemon: invalid port specification: \"abc\"",
                "impossible",
            ),
            (Call::Create, 500, "Error response from daemon: Invalid signal: BOGUS", "impossible"),
            (Call::Create, 500, "Error response from daemon: context deadline exceeded", "in doubt"),
            (Call::Create, 500, "invalid mode: bogus", "in doubt"),
            (Call::Create, 500, "anything else", "in doubt"),
            (Call::Create, 503, "", "in doubt"),
            (Call::Start, 304, "", "done"),
            (Call::Start, 404, "No such container", "refused"),
            (
                Call::Start,
                500,
                "OCI runtime create failed: exec: \"/nope\": stat /nope: no such file or directory",
                "impossible",
            ),
            (Call::Start, 400, "exec: \"nope\": executable file not found in $PATH", "impossible"),
            (Call::Start, 400, "exec: \"/etc/passwd\": permission denied: unknown", "impossible"),
            (Call::Start, 500, "error mounting \"/x\": no such file or directory", "refused"),
            (
                Call::Start,
                500,
                "driver failed programming external connectivity: port is already allocated",
                "refused",
            ),
            (Call::Start, 403, "Address already in use", "refused"),
            (Call::Start, 404, "network shop not found", "refused"),
            (Call::Start, 500, "Cannot connect to the Docker daemon at tcp://10.99.0.12:2376.", "in doubt"),
            (Call::Start, 500, "error during connect: Post \"https://10.99.0.12:2376/\": EOF", "in doubt"),
            (Call::Stop, 304, "", "done"),
            (Call::Stop, 404, "No such container", "done"),
            (Call::Stop, 500, "cannot stop container", "in doubt"),
            (Call::Remove, 404, "No such container", "done"),
            (Call::Remove, 409, "removal of container x is already in progress", "in doubt"),
            (Call::Remove, 500, "driver failed to remove root filesystem", "in doubt"),
            (Call::Pull, 404, "pull access denied", "no image"),
            (Call::Pull, 500, "No healthy node available in the cluster", "no node"),
            (Call::Pull, 500, "lookup registry.invalid: no such host", "no image"),
        ] {
            let reply = Reply::Status(status, words.to_owned());
            assert_eq!(kind(call, reply), meaning, "{call:?} {status} {words}");
        }
        for call in [Call::Create, Call::Start, Call::Stop, Call::Remove, Call::Pull] {
            assert_eq!(kind(call, Reply::NeverSent(String::new())), "not sent", "{call:?}");
            assert_eq!(kind(call, Reply::Broken(String::new())), "in doubt", "{call:?}");
        }
        assert_eq!(kind(Call::Pull, Reply::InStream("manifest unknown".to_owned())), "no image");
    }
}
