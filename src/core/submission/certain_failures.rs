//! Refuses values with which every Docker Engine fails to create or to start the container.
//!
//! It is no complete check: what one version of the engine accepts, or ignores in some network mode, is left to the engine. As
//! all checks of a submit, it does not apply to stored objects.

use crate::core::docker_models::{ContainerCreateBody, HostConfig, MountType};
use crate::core::sanitize::shown;
use crate::core::signal::Signal;
use crate::core::submission::strict::FieldError;

/// Names of signals that only Docker has beside those of [`Signal`].
const MORE_SIGNALS: [&str; 4] = ["CLD", "IOT", "POLL", "UNUSED"];

/// Refuses the first such value.
pub(super) fn check(body: &ContainerCreateBody) -> Result<(), FieldError> {
    for (field, texts) in [("Cmd", &body.cmd), ("Entrypoint", &body.entrypoint), ("Env", &body.env)] {
        if let Some((i, text)) = texts.iter().flatten().enumerate().find(|(_, text)| text.contains('\0')) {
            return refuse(format!("{field}[{i}]"), text, "a text without NUL (\\u0000)");
        }
    }
    for (field, text) in [("User", &body.user), ("WorkingDir", &body.working_dir)] {
        if let Some(text) = text.as_ref().filter(|text| text.contains('\0')) {
            return refuse(field, text, "a text without NUL (\\u0000)");
        }
    }
    for (i, entry) in body.env.iter().flatten().enumerate() {
        if entry.is_empty() || entry.starts_with('=') {
            return refuse(format!("Env[{i}]"), entry, "NAME=VALUE, such as \"MODE=test\"");
        }
    }
    if let Some(dir) = body.working_dir.as_ref().filter(|dir| !dir.is_empty() && !is_absolute(dir)) {
        return refuse("WorkingDir", dir, "an absolute path, such as \"/app\"");
    }
    if let Some(signal) = body.stop_signal.as_ref().filter(|text| !text.is_empty() && !is_signal(text)) {
        return refuse("StopSignal", signal, "a signal by its name or number, such as \"SIGTERM\" or \"15\"");
    }
    body.host_config.as_ref().map_or(Ok(()), host_config)
}

fn host_config(config: &HostConfig) -> Result<(), FieldError> {
    // In other modes, and networks of other drivers, the engine ignores the protocol.
    let bridge = matches!(config.network_mode.as_deref(), None | Some("" | "default" | "bridge"));
    for (port, bindings) in config.port_bindings.iter().flatten() {
        let field = || format!("HostConfig.PortBindings.{}", shown(port));
        let (number, protocol) = split_protocol(port);
        if !number.is_empty() && !is_port(number) {
            return refuse(
                field(),
                port,
                "PORT or PORT/PROTOCOL with a port up to 65535, such as \"80/tcp\"",
            );
        }
        let known = ["tcp", "udp", "sctp"].iter().any(|known| protocol.eq_ignore_ascii_case(known));
        let published = bindings.as_ref().is_some_and(|bindings| !bindings.is_empty());
        if bridge && published && !number.is_empty() && !known {
            return refuse(field(), port, "the protocol tcp, udp or sctp, such as \"80/tcp\"");
        }
        for (i, binding) in bindings.iter().flatten().enumerate() {
            let host_port = binding.host_port.as_deref().unwrap_or_default();
            if !is_port_range(split_protocol(host_port).0) {
                let field = format!("{}[{i}].HostPort", field());
                return refuse(
                    field,
                    host_port,
                    "a port up to 65535 or a range, such as \"8080\" or \"8000-8010\"",
                );
            }
        }
    }
    for (i, bind) in config.binds.iter().flatten().enumerate() {
        if let Some((source, _)) = bind.split_once(':').filter(|(source, _)| is_wrong_volume_name(source)) {
            return refuse(format!("HostConfig.Binds[{i}]"), source, VOLUME_NAME);
        }
    }
    for (i, mount) in config.mounts.iter().flatten().enumerate() {
        let source = mount.source.as_deref().unwrap_or_default();
        if mount.typ == Some(MountType::VOLUME) && is_wrong_volume_name(source) {
            return refuse(format!("HostConfig.Mounts[{i}].Source"), source, VOLUME_NAME);
        }
    }
    Ok(())
}

fn refuse(field: impl Into<String>, given: &str, allowed: &str) -> Result<(), FieldError> {
    Err(FieldError::new(field, format!("given {:?}; allowed is {allowed}", shown(given))))
}

const VOLUME_NAME: &str =
    "a volume name of letters, digits, '_', '.' and '-' that begins with a letter or digit";

/// Neither the name of a volume nor, which is for the policy, a path of the node.
fn is_wrong_volume_name(source: &str) -> bool {
    let path = source.contains(['/', '\\', ':']) || source.starts_with(['.', '~', '$', '%']);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let name = source.starts_with(|c: char| c.is_ascii_alphanumeric()) && source.bytes().all(plain);
    !(source.is_empty() || path || name)
}

/// On Linux or on Windows.
fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':')
}

/// Docker accepts any number but 0.
fn is_signal(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let more = MORE_SIGNALS.contains(&upper.strip_prefix("SIG").unwrap_or(&upper));
    more || Signal::parse(text).is_some() || text.parse::<i64>().is_ok_and(|number| number != 0)
}

/// The port and the protocol of `80/tcp`, as Docker splits them.
fn split_protocol(port: &str) -> (&str, &str) {
    let mut parts = port.split('/');
    let number = parts.next().unwrap_or_default();
    let protocol = parts.next().filter(|protocol| !protocol.is_empty()).unwrap_or("tcp");
    (number, protocol)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// Also an empty one, which is any port.
fn is_port_range(text: &str) -> bool {
    let mut ends = text.split('-');
    match (ends.next().unwrap_or_default(), ends.next()) {
        ("", None) => true,
        (port, None) => is_port(port),
        (first, Some(last)) => match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) => first <= last,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::core::submission::{object, submitted};

    fn refused(more: &Value) -> Option<String> {
        let mut value = json!({"Name": "x", "Image": "a", "Count": 1});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert!(object(&value).is_ok(), "a stored object stays readable: {value}");
        submitted(&value).err().map(|error| error.with_field())
    }

    #[test]
    fn what_fails_with_every_engine_is_refused_with_what_is_allowed() {
        let published =
            |port: &str, host: &str| json!({"HostConfig": {"PortBindings": {port: [{"HostPort": host}]}}});
        let mount = |source: &str| json!({"HostConfig": {"Mounts": [{"Type": "volume", "Source": source, "Target": "/d"}]}});
        let ports = "HostConfig.PortBindings";
        for (object, message) in [
            (
                json!({"Cmd": ["a", "b\0"]}),
                r#"Cmd[1]: given "b\0"; allowed is a text without NUL"#.to_owned(),
            ),
            (json!({"Entrypoint": ["\0"]}), "Entrypoint[0]: given".to_owned()),
            (json!({"Env": ["A=1", "B=\0"]}), "Env[1]: given".to_owned()),
            (json!({"Env": ["=A"]}), r#"Env[0]: given "=A"; allowed is NAME=VALUE"#.to_owned()),
            (json!({"Env": [""]}), "Env[0]: given".to_owned()),
            (
                json!({"WorkingDir": "app"}),
                r#"WorkingDir: given "app"; allowed is an absolute path"#.to_owned(),
            ),
            (
                json!({"StopSignal": "SIGFOO"}),
                r#"StopSignal: given "SIGFOO"; allowed is a signal"#.to_owned(),
            ),
            (json!({"StopSignal": "0"}), "StopSignal: given".to_owned()),
            (
                published("80/tcp", "99999"),
                format!("{ports}.80/tcp[0].HostPort: given \"99999\"; allowed is a port"),
            ),
            (published("80/tcp", "9-8"), format!("{ports}.80/tcp[0].HostPort: given")),
            (published("80/tcp", "http"), format!("{ports}.80/tcp[0].HostPort: given")),
            (
                published("80/foo", "80"),
                format!("{ports}.80/foo: given \"80/foo\"; allowed is the protocol tcp"),
            ),
            (published("70000/tcp", ""), format!("{ports}.70000/tcp: given")),
            (mount("a b"), "HostConfig.Mounts[0].Source: given \"a b\"; allowed is a volume name".to_owned()),
            (
                json!({"HostConfig": {"Binds": ["d:/d", "a b:/x"]}}),
                "HostConfig.Binds[1]: given \"a b\"".to_owned(),
            ),
        ] {
            let given = refused(&object).unwrap_or_default();
            assert!(given.starts_with(&message), "{object}: {given}");
        }
    }

    #[test]
    fn what_docker_accepts_is_not_refused() {
        let published =
            |port: &str, host: &str| json!({"HostConfig": {"PortBindings": {port: [{"HostPort": host}]}}});
        for object in [
            json!({"Env": ["A", "A=", "A==b", "a b=c"], "Labels": {"a": "\0"}}),
            json!({"WorkingDir": "/app", "StopSignal": "sigterm"}),
            json!({"WorkingDir": "C:\\app", "StopSignal": "SIGRTMIN+3"}),
            json!({"WorkingDir": "", "StopSignal": ""}),
            json!({"StopSignal": "SIGPOLL"}),
            json!({"StopSignal": "65"}),
            published("80", ""),
            published("80/TCP", "8000-8010"),
            published("80/", "080/tcp"),
            json!({"HostConfig": {"PortBindings": {"80/foo": []}}}),
            json!({"HostConfig": {"NetworkMode": "none", "PortBindings": {"80/foo": [{"HostPort": "80"}]}}}),
            json!({"HostConfig": {"PortBindings": {"80/sctp": [{}], "81/udp": null}}}),
            // For the policy.
            json!({"HostConfig": {"Binds": ["/a b:/x", "~:/y", "data:/z", "..:/u"]}}),
        ] {
            assert_eq!(refused(&object), None, "{object}");
        }
    }
}
