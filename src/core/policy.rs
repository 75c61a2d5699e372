//! What a submitter may not ask for: everything that would make it root on a node.
//!
//! Every struct of the create body is destructured without a rest pattern: a new field in Docker's model fails the build here
//! until it is decided. Names that only the endpoint can resolve (networks, volumes) are checked before each create, in
//! [`engine::docker`](crate::engine::docker).

use std::collections::BTreeSet;

use self::host_config::host_config;
use self::labels::labels;
use self::network::{endpoint, names_the_host};
use self::rules::{HOST_PATHS, MANAGER_DATA, NAMESPACES, RESCHEDULE, SCHEDULER_ENV, refuse, unless};
use crate::core::docker_models::{ContainerCreateBody, HealthConfig, NetworkingConfig};
use crate::core::spec::{Constraint, Spec};
use crate::core::submission::Submission;

mod host_config;
mod labels;
mod log_options;
mod mount;
mod network;
mod rules;
mod tmpfs;
pub(crate) mod volumes;

pub(crate) use rules::Violation;

/// Words that a classic Swarm manager takes as commands to its scheduler if an `Env` entry begins with one of them and a
/// colon. It compares exactly; here any case is refused, in case a manager reads it differently.
const SCHEDULER_WORDS: [&str; 4] = ["constraint", "affinity", "reschedule", "whitelist"];

/// Checks a whole submission. The first refused field is reported.
pub(crate) fn authorize(submission: &Submission) -> Result<(), Violation> {
    match submission {
        Submission::One(spec) => authorize_spec(spec),
        Submission::Many(specs) => specs
            .iter()
            .enumerate()
            .try_for_each(|(i, spec)| authorize_spec(spec).map_err(|violation| violation.at_index(i))),
    }
}

/// Checks what a client asks for now: a submitted spec, or an earlier one to roll back to. Stored specs are never checked,
/// so that a change of the policy makes none of them unreadable.
pub(crate) fn authorize_spec(spec: &Spec) -> Result<(), Violation> {
    check(&spec.template.body, &spec.template.constraints)
}

/// Checks a create body and its constraints.
fn check(body: &ContainerCreateBody, constraints: &[Constraint]) -> Result<(), Violation> {
    let ContainerCreateBody {
        env,
        labels: own_labels,
        volumes,
        healthcheck,
        networking_config,
        host_config,
        // Text for the process and its streams, not resolved on the node.
        hostname: _,
        domainname: _,
        user: _,
        attach_stdin: _,
        attach_stdout: _,
        attach_stderr: _,
        exposed_ports: _,
        tty: _,
        open_stdin: _,
        stdin_once: _,
        cmd: _,
        args_escaped: _,
        working_dir: _,
        entrypoint: _,
        network_disabled: _,
        on_build: _,
        stop_signal: _,
        stop_timeout: _,
        shell: _,
        // Checked by the parser.
        image: _,
    } = body;
    for (i, entry) in env.iter().flatten().enumerate() {
        let Some((word, _)) = entry.split_once(':') else { continue };
        let word = word.trim().to_ascii_lowercase();
        if SCHEDULER_WORDS.contains(&word.as_str()) {
            let rule = if word == "reschedule" { &RESCHEDULE } else { &SCHEDULER_ENV };
            return refuse(format!("Env[{i}]"), rule);
        }
    }
    labels("Labels", own_labels.iter().flatten().map(|(name, _)| name))?;
    for (i, constraint) in constraints.iter().enumerate() {
        if constraint.0.starts_with("reschedule") {
            return refuse(format!("Constraints[{i}]"), &RESCHEDULE);
        }
    }
    // `Volumes` creates anonymous volumes, which is allowed, unless a colon smuggles in a path of the node, as in
    // `docker run -v`.
    for volume in volumes.iter().flatten() {
        unless(!volume.contains(':'), "Volumes", &HOST_PATHS)?;
    }
    if let Some(HealthConfig {
        // Runs in the container.
        test: _,
        interval: _,
        timeout: _,
        retries: _,
        start_period: _,
        start_interval: _,
    }) = healthcheck
    {}
    if let Some(NetworkingConfig { endpoints_config: Some(endpoints) }) = networking_config {
        for (network, settings) in endpoints {
            let unnamed = network.is_empty();
            unless(!unnamed && !names_the_host(network), "NetworkingConfig.EndpointsConfig", &NAMESPACES)?;
            endpoint(settings)?;
        }
    }
    host_config.as_ref().map_or(Ok(()), self::host_config)
}

/// Refuses mounts of volumes that hold this daemon's own data.
pub(crate) fn check_volumes(body: &ContainerCreateBody, own: &BTreeSet<String>) -> Result<(), Violation> {
    let Some(config) = &body.host_config else { return Ok(()) };
    for bind in config.binds.iter().flatten() {
        let name = volumes::of_bind(bind).map(|(name, _)| name);
        if name.is_some_and(|name| own.contains(name)) {
            return Err(manager_data("HostConfig.Binds"));
        }
    }
    for (i, mount) in config.mounts.iter().flatten().enumerate() {
        if mount.source.as_ref().is_some_and(|name| own.contains(name)) {
            return Err(manager_data(&format!("HostConfig.Mounts[{i}].Source")));
        }
    }
    Ok(())
}

/// The violation of a field that would expose a manager's own data.
pub(crate) fn manager_data(field: &str) -> Violation {
    Violation { field: field.to_owned(), rule: MANAGER_DATA.name, why: MANAGER_DATA.why }
}

#[cfg(test)]
mod tests;
