//! The status of the cluster: the manager, the engine, and a table of the objects.

use super::ages::Ages;
use crate::cli::output;
use crate::cli::reason::without_numbers;
use crate::client::answers::{Cluster, Engine, Manager, Object};

/// The lines before the table.
pub(super) fn head(status: &Cluster) -> Vec<String> {
    let mut lines = manager(&status.manager);
    lines.push(engine(&status.engine));
    for rival in &status.manager.rivals {
        lines.push(format!("manager {} has {} containers: {}", rival.id, rival.containers, rival.reason));
    }
    lines
}

fn manager(manager: &Manager) -> Vec<String> {
    let Manager { id, cluster, version, state, .. } = manager;
    let mut lines = Vec::new();
    if !id.is_empty() {
        lines.push(format!("manager {id}, cluster {cluster}, version {version}"));
    }
    if !state.is_empty() {
        lines.push(format!("state {state}"));
    }
    lines
}

/// The endpoint, in a line.
pub(super) fn engine(engine: &Engine) -> String {
    let Engine { endpoint, connected, error, version, nodes } = engine;
    let version = version.as_deref().map(|v| format!(", version {v}")).unwrap_or_default();
    let nodes = match nodes.len() {
        0 => String::new(),
        n => {
            let states = nodes.iter().map(|node| format!("{} {}", node.name, node.status));
            format!(", {n} nodes ({})", states.collect::<Vec<_>>().join(", "))
        }
    };
    let connected = if *connected { "connected" } else { "not connected" };
    let error = error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
    format!("engine {endpoint} {connected}{version}{nodes}{error}")
}

/// The table of the objects. Columns that add nothing are left out.
pub(super) fn rows(objects: &[Object], ages: Ages) -> Vec<String> {
    let updated = objects.iter().any(|one| one.updated != one.ready);
    let restarts = objects.iter().any(|one| one.restarts.is_some());
    let mut head = vec!["NAME", "PHASE", "READY"];
    head.extend(updated.then_some("UPDATED"));
    head.extend(restarts.then_some("RESTARTS"));
    head.extend(["IMAGE", "AGE", "REASON"]);
    let row = |one: &Object| {
        let mut cells = vec![one.name.clone(), one.phase.clone(), format!("{}/{}", one.ready, one.count)];
        cells.extend(updated.then(|| one.updated.to_string()));
        cells.extend(restarts.then(|| one.restarts.map_or("-".to_owned(), |n| n.to_string())));
        // READY shows the numbers.
        let reason = without_numbers(&one.reason).to_owned();
        cells.extend([one.image.clone(), age(one, ages), reason]);
        output::row(&output::cells(&cells))
    };
    std::iter::once(head.join("\t")).chain(objects.iter().map(row)).collect()
}

/// How long its newest container has been running.
fn age(object: &Object, ages: Ages) -> String {
    let live = object.containers.iter().filter(|container| container.live());
    let newest = live.filter_map(|container| container.started_at.as_deref()).max();
    newest.and_then(|at| ages.since(at)).unwrap_or_else(|| "-".to_owned())
}

/// The lines after the table.
pub(super) fn foot(status: &Cluster) -> Vec<String> {
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

    fn object(changes: Value) -> Object {
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
                "NAME  PHASE      READY  IMAGE    AGE  REASON",
                "web   converged  3/3    nginx:2  60m  3 of 3 run, as wanted",
            ]
        );
        let rolling = object(json!({"Name": "api", "Updated": 1, "Phase": "progressing", "Restarts": 4,
                                    "Reason": "3 of 3 run; 1 being created", "Containers": []}));
        assert_eq!(
            output::columns(&rows(&[plain, rolling], ages)),
            [
                "NAME  PHASE        READY  UPDATED  RESTARTS  IMAGE    AGE  REASON",
                "web   converged    3/3    3        -         nginx:2  60m  3 of 3 run, as wanted",
                "api   progressing  3/3    1        4         nginx:2  -    1 being created",
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
        let lines = head(&serde_json::from_value(status).unwrap());
        let [manager, shown, engine] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(manager, "manager 6d41b6e4, cluster prod, version 0.1.0");
        assert_eq!(*shown, format!("state {state}"));
        assert_eq!(engine, "engine simulated://3 connected");
    }
}
