//! The status of one object, with its containers.

use super::ages::Ages;
use crate::api::status::{ContainerStatus, LastExitStatus, ObjectStatus};
use crate::cli::output;

/// The lines before the containers.
pub(super) fn head(object: &ObjectStatus, ages: Ages) -> Vec<String> {
    let ObjectStatus { name, phase, reason, image, generation, restarts, .. } = object;
    let retry = object.next_retry.as_deref().and_then(|at| ages.until(at));
    let retry = retry.map(|left| format!(", next try in {left}")).unwrap_or_default();
    let mut lines = vec![
        format!("{name} {phase}: {reason}"),
        format!("{}; image {image}, generation {generation}, restarts {restarts}{retry}", amounts(object)),
    ];
    if let Some(LastExitStatus { container, at, reason }) = &object.last_exit {
        let ago = ages.since(at).map(|age| format!(", {age} ago")).unwrap_or_default();
        lines.push(format!("last exit: {container}{ago}: {reason}"));
    }
    lines
}

/// "3 of 3 ready, 1 of the new spec, 1 extra during the update"
fn amounts(object: &ObjectStatus) -> String {
    let ObjectStatus { count, ready, updated, containers, .. } = object;
    let live = containers.iter().filter(|container| container.live());
    let (unreachable, live): (Vec<_>, Vec<_>) = live.partition(|container| container.unreachable);
    let live = u64::try_from(live.len()).unwrap_or(u64::MAX);
    let mut text = format!("{ready} of {count} ready");
    if !unreachable.is_empty() {
        text += &format!(", {} unreachable", unreachable.len());
    }
    let updating = *count > 0 && live > *updated;
    if updating {
        text += &format!(", {updated} of the new spec");
    }
    match live.saturating_sub(*count) {
        0 => {}
        extra if updating => text += &format!(", {extra} extra during the update"),
        extra => text += &format!(", {extra} to be removed"),
    }
    text
}

/// The table of the containers, cut to the width of the terminal. The output of a failing health check follows on its own
/// line.
pub(super) fn containers(containers: &[ContainerStatus], ages: Ages, width: Option<usize>) -> Vec<String> {
    if containers.is_empty() {
        return Vec::new();
    }
    let any = |test: fn(&ContainerStatus) -> bool| containers.iter().any(test);
    let (nodes, ports) = (any(|one| one.node.is_some()), any(|one| !one.ports.is_empty()));
    let (exits, errors) = (any(|one| one.finished_at.is_some()), any(|one| one.error.is_some()));
    let mut head = vec!["CONTAINER", "STATE", "HEALTH", "AGE", "RESTARTS"];
    head.extend(ports.then_some("PORTS"));
    head.extend(nodes.then_some("NODE"));
    head.push("IMAGE");
    head.extend(exits.then_some("LAST EXIT"));
    head.extend(errors.then_some("ERROR"));
    let row = |one: &ContainerStatus| {
        let mut cells = vec![one.name.clone(), state(one), one.health.to_string(), age(one, ages)];
        cells.push(one.restarts.to_string());
        cells.extend(ports.then(|| one.ports.join(", ")));
        cells.extend(nodes.then(|| one.node.clone().unwrap_or_else(|| "-".to_owned())));
        cells.push(one.image.clone());
        cells.extend(exits.then(|| last_exit(one, ages)));
        cells.extend(errors.then(|| one.error.clone().unwrap_or_default()));
        output::row(&output::cells(&cells))
    };
    let rows: Vec<String> = std::iter::once(head.join("\t")).chain(containers.iter().map(row)).collect();
    let rows = output::columns(&rows);
    let mut lines = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        lines.push(output::cut(row, width).into_owned());
        // The first row is the header.
        let container = i.checked_sub(1).and_then(|i| containers.get(i));
        if let Some(said) = container.and_then(|one| one.health_output.as_deref()) {
            lines.push(format!("    health check: {}", said.trim()));
        }
    }
    lines
}

fn state(container: &ContainerStatus) -> String {
    if container.unreachable {
        return "unreachable".to_owned();
    }
    match container.exit_code.filter(|_| !container.live()) {
        Some(code) => format!("{} ({code})", container.state),
        None => container.state.to_string(),
    }
}

/// How long it has been running.
fn age(container: &ContainerStatus, ages: Ages) -> String {
    let started = container.started_at.as_deref().filter(|_| container.live());
    started.and_then(|at| ages.since(at)).unwrap_or_else(|| "-".to_owned())
}

fn last_exit(container: &ContainerStatus, ages: Ages) -> String {
    let Some(age) = container.finished_at.as_deref().and_then(|at| ages.since(at)) else {
        return "-".to_owned();
    };
    let memory = if container.oom_killed { ", out of memory" } else { "" };
    format!("{age} ago{memory}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at_noon() -> Ages {
        Ages::at("2026-11-24T12:00:00Z")
    }

    fn container(name: &str, changes: Value) -> Value {
        let mut container = json!({"Name": name, "State": "running", "Health": "none", "Image": "nginx:2",
                                   "StartedAt": "2026-11-24T11:57:00Z"});
        container.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        container
    }

    fn object(containers: &[Value], changes: Value) -> ObjectStatus {
        let mut status = json!({
            "Name": "web", "Image": "nginx:2", "Count": 3, "Generation": 2, "Running": 4, "Ready": 3, "Updated": 1,
            "Phase": "progressing", "Reason": "3 of 3 run; 1 being created", "Containers": containers,
        });
        status.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn an_update_is_shown_in_numbers_of_containers() {
        let four: Vec<Value> = (1..5).map(|i| container(&format!("web.{i}.1"), json!({}))).collect();
        let rolling = object(
            &four,
            json!({"Restarts": 2, "NextRetry": "2026-11-24T12:00:08Z",
                   "LastExit": {"Container": "web.1.1", "At": "2026-11-24T11:55:00Z", "Reason": "exit code 137"}}),
        );
        assert_eq!(
            head(&rolling, at_noon()),
            [
                "web progressing: 3 of 3 run; 1 being created",
                "3 of 3 ready, 1 of the new spec, 1 extra during the update; image nginx:2, generation 2, restarts 2, \
                 next try in 8s",
                "last exit: web.1.1, 5m ago: exit code 137",
            ]
        );
        let scaled = object(&four, json!({"Count": 2, "Updated": 4}));
        assert!(head(&scaled, at_noon())[1].starts_with("3 of 2 ready, 2 to be removed; "));
        let steady = object(&four, json!({"Count": 4, "Ready": 4, "Updated": 4}));
        assert!(head(&steady, at_noon())[1].starts_with("4 of 4 ready; image nginx:2, generation 2"));
    }

    #[test]
    fn containers_on_a_node_that_does_not_answer_are_unreachable() {
        let away = json!({"Node": "n2", "Unreachable": true, "Error": "its node does not answer"});
        let all = [container("web.1.1", json!({"Node": "n1"})), container("web.2.1", away)];
        let object = object(&all, json!({"Count": 1, "Ready": 1, "Updated": 1}));
        assert!(head(&object, at_noon())[1].starts_with("1 of 1 ready, 1 unreachable; image nginx:2"));
        assert_eq!(
            super::containers(&object.containers, at_noon(), None),
            [
                "CONTAINER  STATE        HEALTH  AGE  RESTARTS  NODE  IMAGE    ERROR",
                "web.1.1    running      none    3m   0         n1    nginx:2",
                "web.2.1    unreachable  none    3m   0         n2    nginx:2  its node does not answer",
            ]
        );
    }

    #[test]
    fn empty_columns_are_left_out_and_a_failing_health_check_has_its_own_line() {
        let plain = object(&[container("web.1.1", json!({}))], json!({}));
        assert_eq!(
            super::containers(&plain.containers, at_noon(), None),
            [
                "CONTAINER  STATE    HEALTH  AGE  RESTARTS  IMAGE",
                "web.1.1    running  none    3m   0         nginx:2",
            ]
        );
        let all = [
            container(
                "web.1.1",
                json!({"Health": "unhealthy", "HealthOutput": "connection refused\n", "Node": "n1", "Restarts": 2,
                       "Ports": ["0.0.0.0:8080->80/tcp", "443/tcp"], "FinishedAt": "2026-11-24T10:00:00Z"}),
            ),
            container(
                "web.2.1",
                json!({"State": "exited", "ExitCode": 137, "OomKilled": true, "Error": "out of memory",
                       "FinishedAt": "2026-11-24T11:59:30Z"}),
            ),
        ];
        let all = object(&all, json!({}));
        let lines = super::containers(&all.containers, at_noon(), None);
        assert_eq!(
            lines,
            [
                "CONTAINER  STATE         HEALTH     AGE  RESTARTS  PORTS                          NODE  IMAGE    \
                 LAST EXIT               ERROR",
                "web.1.1    running       unhealthy  3m   2         0.0.0.0:8080->80/tcp, 443/tcp  n1    nginx:2  2h ago",
                "    health check: connection refused",
                "web.2.1    exited (137)  none       -    0                                        -     nginx:2  \
                 30s ago, out of memory  out of memory",
            ]
        );
        let cut = super::containers(&all.containers, at_noon(), Some(40));
        assert_eq!(cut[1], "web.1.1    running       unhealthy  3m …");
    }
}
