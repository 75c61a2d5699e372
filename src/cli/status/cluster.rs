//! The status of the cluster: the manager, the engine, and a table of the objects.

use super::ages::Ages;
use crate::api::status::{
    Availability, ClusterStatus, EngineStatus, ManagerStatus, NodeStatus, ObjectStatus,
};
use crate::cli::output;
use crate::cli::reason::without_numbers;

/// The lines before the table.
pub(super) fn head(status: &ClusterStatus, ages: Ages) -> Vec<String> {
    let mut lines = manager(&status.manager);
    lines.extend(engine(&status.engine, ages));
    for rival in &status.manager.rivals {
        lines.push(format!("manager {} has {} containers: {}", rival.id, rival.containers, rival.reason));
    }
    lines
}

fn manager(manager: &ManagerStatus) -> Vec<String> {
    let ManagerStatus { id, cluster, version, state, .. } = manager;
    let mut lines = Vec::new();
    if !id.is_empty() {
        lines.push(format!("manager {id}, cluster {cluster}, version {version}"));
    }
    if !state.is_empty() {
        lines.push(format!("state {state}"));
    }
    lines
}

/// The endpoint in a line, and a line for each node that is not up.
pub(super) fn engine(engine: &EngineStatus, ages: Ages) -> Vec<String> {
    let EngineStatus { endpoint, connected, error, version, nodes, .. } = engine;
    let version = version.as_deref().map(|v| format!(", version {v}")).unwrap_or_default();
    let (up, others): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| node.availability == Availability::Up);
    let shown = match nodes.len() {
        0 => String::new(),
        n => format!(", {} of {n} nodes up", up.len()),
    };
    let connected = if *connected { "connected" } else { "unavailable" };
    let error = error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
    let first = format!("engine {endpoint} {connected}{version}{shown}{error}");
    std::iter::once(first).chain(others.into_iter().map(|node| self::node(node, ages))).collect()
}

/// A node that is not up: "node n2 down for 3m, lost in 2m (Unhealthy)"
fn node(node: &NodeStatus, ages: Ages) -> String {
    let NodeStatus { name, status, availability, since, lost_at, error, .. } = node;
    let age = ages.since(since).map(|age| format!(" for {age}")).unwrap_or_default();
    let what = match availability {
        Availability::Lost => format!("lost, as it has been down{age}"),
        Availability::Settling => format!("up{age}, and trusted once it has been up for a while"),
        other => format!("{other}{age}"),
    };
    let lost = lost_at.as_deref().and_then(|at| ages.until(at));
    let lost = lost.map(|left| format!(", lost in {left}")).unwrap_or_default();
    let error = error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("node {name} {what}{lost} ({status}{error})")
}

/// The table of the objects. Columns that add nothing are left out.
pub(super) fn rows(objects: &[ObjectStatus], ages: Ages) -> Vec<String> {
    let updated = objects.iter().any(|one| one.updated != one.ready);
    let unreachable = objects.iter().any(|one| unreachable(one) > 0);
    let mut head = vec!["NAME", "PHASE", "READY"];
    head.extend(unreachable.then_some("UNREACHABLE"));
    head.extend(updated.then_some("UPDATED"));
    head.push("RESTARTS");
    head.extend(["IMAGE", "AGE", "REASON"]);
    let row = |one: &ObjectStatus| {
        let mut cells = vec![one.name.clone(), one.phase.to_string(), format!("{}/{}", one.ready, one.count)];
        cells.extend(unreachable.then(|| self::unreachable(one).to_string()));
        cells.extend(updated.then(|| one.updated.to_string()));
        cells.push(one.restarts.to_string());
        // READY shows the numbers.
        let reason = without_numbers(&one.reason).to_owned();
        cells.extend([one.image.clone(), age(one, ages), reason]);
        output::row(&output::cells(&cells))
    };
    std::iter::once(head.join("\t")).chain(objects.iter().map(row)).collect()
}

/// How many of its containers are on nodes that do not answer.
fn unreachable(object: &ObjectStatus) -> usize {
    object.containers.iter().filter(|container| container.unreachable).count()
}

/// How long its newest container has been running.
fn age(object: &ObjectStatus, ages: Ages) -> String {
    let live = object.containers.iter().filter(|container| container.live());
    let newest = live.filter_map(|container| container.started_at.as_deref()).max();
    newest.and_then(|at| ages.since(at)).unwrap_or_else(|| "-".to_owned())
}

/// The lines after the table.
pub(super) fn foot(status: &ClusterStatus) -> Vec<String> {
    let unread = status.quarantined.iter().map(|one| format!("{} cannot be read: {}", one.name, one.reason));
    let unclaimed = status.unclaimed.iter().map(|container| {
        let reason =
            container.reason.as_deref().unwrap_or("no object with its name was submitted; it is left alone");
        format!("{} is unclaimed: {reason}", container.name)
    });
    unread.chain(unclaimed).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(changes: Value) -> ObjectStatus {
        let mut status = json!({
            "Name": "web", "Image": "nginx:2", "Count": 3, "Generation": 2, "Running": 3, "Ready": 3, "Updated": 3,
            "Phase": "converged", "Reason": "3 of 3 run, as wanted", "Plan": [],
            "Containers": [{"Name": "web.1.1", "State": "running", "Health": "none", "Image": "nginx:2",
                            "StartedAt": "2026-11-24T11:00:00Z"}],
        });
        status.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn the_table_has_a_column_for_updates_and_restarts_where_they_say_something() {
        let ages = Ages::at("2026-11-24T12:00:00Z");
        let plain = object(json!({}));
        assert_eq!(
            output::columns(&rows(std::slice::from_ref(&plain), ages)),
            [
                "NAME  PHASE      READY  RESTARTS  IMAGE    AGE  REASON",
                "web   converged  3/3    0         nginx:2  60m  3 of 3 run, as wanted",
            ]
        );
        let rolling = object(json!({"Name": "api", "Updated": 1, "Phase": "progressing", "Restarts": 4,
                                    "Reason": "3 of 3 run; 1 being created", "Containers": []}));
        assert_eq!(
            output::columns(&rows(&[plain, rolling], ages)),
            [
                "NAME  PHASE        READY  UPDATED  RESTARTS  IMAGE    AGE  REASON",
                "web   converged    3/3    3        0         nginx:2  60m  3 of 3 run, as wanted",
                "api   progressing  3/3    1        4         nginx:2  -    1 being created",
            ]
        );
    }

    #[test]
    fn containers_on_an_unreachable_node_are_counted_separately() {
        let container = |n: u32, unreachable: bool| {
            json!({"Name": format!("web.{n}.1"), "State": "running", "Health": "none", "Image": "nginx:2",
                   "StartedAt": "2026-11-24T11:00:00Z", "Unreachable": unreachable})
        };
        let reason = "1 of 3 run; node n2 has not answered since 2026-11-24T11:57:00Z (Unhealthy)";
        let away = object(json!({"Ready": 1, "Phase": "degraded", "Reason": reason,
                                 "Containers": [container(1, false), container(2, true), container(3, true)]}));
        assert_eq!(
            output::columns(&rows(&[away], Ages::at("2026-11-24T12:00:00Z"))),
            [
                "NAME  PHASE     READY  UNREACHABLE  UPDATED  RESTARTS  IMAGE    AGE  REASON",
                "web   degraded  1/3    2            3        0         nginx:2  60m  node n2 has not answered since \
                 2026-11-24T11:57:00Z (Unhealthy)",
            ]
        );
    }

    #[test]
    fn nodes_that_are_not_up_are_shown_with_since_when_and_until_when() {
        let node = |name: &str, availability: &str, more: Value| {
            let mut node = json!({"Name": name, "Address": "10.0.0.1:2376", "Status": "Unhealthy",
                                  "Availability": availability, "Since": "2026-11-24T11:57:00Z"});
            node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            node
        };
        let engine_status = json!({
            "Endpoint": "tcp://m:3376", "Connected": true, "Version": "swarm/1.2.9",
            "Nodes": [
                node("n1", "up", json!({"Status": "Healthy"})),
                node("n2", "down", json!({"LostAt": "2026-11-24T12:02:00Z", "Error": "no route to host"})),
                node("n3", "lost", json!({})),
                node("n4", "settling", json!({"Status": "Healthy"})),
            ],
        });
        let engine_status = serde_json::from_value(engine_status).unwrap();
        assert_eq!(
            engine(&engine_status, Ages::at("2026-11-24T12:00:00Z")),
            [
                "engine tcp://m:3376 connected, version swarm/1.2.9, 1 of 4 nodes up",
                "node n2 down for 3m, lost in 2m (Unhealthy: no route to host)",
                "node n3 lost, as it has been down for 3m (Unhealthy)",
                "node n4 up for 3m, and trusted once it has been up for a while (Healthy)",
            ]
        );
    }

    #[test]
    fn a_state_that_cannot_be_written_is_shown_with_the_manager() {
        let state = "/data/state.redb CANNOT BE WRITTEN (disk is full): submits are refused until it can be";
        let status = json!({
            "Manager": {"Id": "6d41b6e4", "Cluster": "prod", "Version": "0.1.0", "State": state, "Rivals": []},
            "Engine": {"Endpoint": "simulated://3", "Connected": true}, "Objects": [],
        });
        let lines = head(&serde_json::from_value(status).unwrap(), Ages::at("2026-11-24T12:00:00Z"));
        let [manager, shown, engine] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(manager, "manager 6d41b6e4, cluster prod, version 0.1.0");
        assert_eq!(*shown, format!("state {state}"));
        assert_eq!(engine, "engine simulated://3 connected");
    }
}
