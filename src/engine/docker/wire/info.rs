//! The endpoint's identity: `/version`, and `/info` with the node table of a Swarm manager.

use super::lenient::Json;
use crate::core::engine_kind::EngineKind;
use crate::core::node::{Node, NodeState};
use crate::core::sanitize::{self, MESSAGE_MAX_BYTES, NAME_MAX_BYTES};
use crate::engine::EngineInfo;

/// The most nodes of one endpoint. Classic Swarm was tested with 1,000; each container is looked up among all.
pub(in crate::engine::docker) const NODES_MAX: usize = 2_000;
/// The most lines of the node table: a node has ten properties, the manager a few.
const ROWS_MAX: usize = 16 * NODES_MAX;

/// The content of `/version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::docker) struct Version {
    /// The API version, such as `1.41`.
    pub(in crate::engine::docker) api: String,
    /// The version of the engine.
    pub(in crate::engine::docker) engine: Option<String>,
}

/// Reads `/version`.
pub(in crate::engine::docker) fn read_version(answer: &[u8]) -> Result<Version, String> {
    let answer = String::from_utf8_lossy(answer);
    let fields = Json::new(&answer).fields(|name| matches!(name, "ApiVersion" | "Version"));
    let fields = fields.ok_or("cannot read its /version: not a JSON object")?;
    let engine = fields.text("Version", NAME_MAX_BYTES).filter(|version| !version.is_empty());
    Ok(Version { api: fields.text("ApiVersion", NAME_MAX_BYTES).unwrap_or_default(), engine })
}

/// Reads `/info`.
pub(in crate::engine::docker) fn read_info(
    answer: &[u8],
    version: Version,
    api: String,
) -> Result<EngineInfo, String> {
    let answer = String::from_utf8_lossy(answer);
    let fields = Json::new(&answer).fields(|name| matches!(name, "ID" | "ServerVersion" | "SystemStatus"));
    let fields = fields.ok_or("cannot read its /info: not a JSON object")?;
    let found = fields.text("ServerVersion", NAME_MAX_BYTES).filter(|version| !version.is_empty());
    // A Swarm manager must be recognized, as its lists have another meaning.
    let version =
        found.or(version.engine).ok_or("neither its /info nor its /version contains its version")?;
    let kind = match version.starts_with("swarm/") {
        true => EngineKind::ClassicSwarm,
        false => EngineKind::Docker,
    };
    let nodes = match kind {
        EngineKind::ClassicSwarm => {
            fields.get("SystemStatus").map(read_nodes).transpose()?.unwrap_or_default()
        }
        _ => Vec::new(),
    };
    Ok(EngineInfo {
        kind,
        id: fields.text("ID", NAME_MAX_BYTES).unwrap_or_default(),
        version,
        api,
        nodes,
        own_volumes: Default::default(),
    })
}

/// Reads a Swarm manager's table: one line per node, indented by one space, then its properties after `└`.
fn read_nodes(table: Json<'_>) -> Result<Vec<Node>, String> {
    let too_many = || {
        format!(
            "it has more than {NODES_MAX} nodes, which is the limit: no decisions are made on a part of them"
        )
    };
    let rows = table.elements(ROWS_MAX).unwrap_or_default();
    if rows.len() > ROWS_MAX {
        return Err(too_many());
    }
    let mut nodes: Vec<Node> = Vec::new();
    for row in rows {
        let cells = row.elements(2).unwrap_or_default();
        let [name, value] = cells.as_slice() else { continue };
        // Leading blanks distinguish the rows.
        let Some(name) = name.text(MESSAGE_MAX_BYTES) else { continue };
        let text = |max| value.text(max).map(|text| text.trim().to_owned()).unwrap_or_default();
        if let Some(property) = name.trim_start().strip_prefix('└') {
            let Some(node) = nodes.last_mut() else { continue };
            match property.trim() {
                "Status" => node.state = NodeState::of_word(text(NAME_MAX_BYTES)),
                "Error" => {
                    node.error = Some(text(MESSAGE_MAX_BYTES)).filter(|e| !e.is_empty() && e != "(none)");
                }
                _ => {}
            }
        } else if name.starts_with(' ') {
            if nodes.len() == NODES_MAX {
                return Err(too_many());
            }
            // The name of a node that the manager has not reached yet is "(unknown)".
            let name = Some(sanitize::name(&name)).filter(|name| name != "(unknown)").unwrap_or_default();
            let state = NodeState::of_word(String::new());
            nodes.push(Node { name, address: text(NAME_MAX_BYTES), state, error: None });
        }
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(info: &str) -> Result<EngineInfo, String> {
        let version = Version { api: "1.40".to_owned(), engine: None };
        read_info(info.as_bytes(), version, "1.40".to_owned())
    }

    #[test]
    fn a_swarm_managers_node_table_is_read() {
        let body = r#"{"ServerVersion": "swarm/1.2.9", "SystemStatus": [["Role", "primary"], ["Nodes", "2"],
            [" node-1", "10.99.0.11:2376"], ["  └ ID", "SI65"], ["  └ Status", "Unhealthy"], ["  └ Error", "refused"],
            [" node-2", "10.99.0.12:2376"], ["  └ Status", "Healthy"], ["  └ Error", "(none)"]]}"#;
        let info = read(body).unwrap();
        assert_eq!(info.kind, EngineKind::ClassicSwarm);
        let nodes: Vec<_> =
            info.nodes.iter().map(|n| (n.name.as_str(), n.state.word(), n.error.as_deref())).collect();
        assert_eq!(nodes, [("node-1", "Unhealthy", Some("refused")), ("node-2", "Healthy", None)]);
    }

    #[test]
    fn rows_of_other_shapes_do_not_affect_the_rest() {
        let body = r#"{"ServerVersion": "swarm/1.2.9", "ID": 7, "Containers": "many", "SystemStatus": [null, 5, [], ["x"],
            ["  └ Status", "Healthy"], [" node-1", "a:1"], ["  └ Status", "Hibernating\u001b[2J\n"], {"a": 1},
            ["  └ Error", null], [" node-2", null], ["  └ Status", ["Healthy"]], ["a", "b", "c"]]}"#;
        let info = read(body).unwrap();
        assert_eq!(info.id, "7");
        let nodes: Vec<_> = info.nodes.iter().map(|n| (n.name.as_str(), n.state.word())).collect();
        assert_eq!(nodes, [("node-1", "Hibernating\\u{1b}[2J\\n"), ("node-2", "")]);
        for table in ["null", "7", "{}", "\"x\""] {
            let body = format!(r#"{{"ServerVersion": "swarm/1.2.9", "SystemStatus": {table}}}"#);
            assert!(read(&body).unwrap().nodes.is_empty(), "{table}");
        }
    }

    #[test]
    fn the_kind_comes_from_either_answer_or_is_an_error() {
        let version = |text: &str| read_version(text.as_bytes());
        assert_eq!(version(r#"{"ApiVersion": 1.41, "Version": null}"#).unwrap().api, "1.41");
        assert_eq!(version(r#"{"Components": [{}]}"#).unwrap().api, "");
        assert!(version("<html>").is_err());
        let swarm = version(r#"{"ApiVersion": "1.40", "Version": "swarm/1.2.9"}"#).unwrap();
        let info = read_info(br#"{"ServerVersion": ["?"]}"#, swarm, String::new()).unwrap();
        assert_eq!(info.kind, EngineKind::ClassicSwarm);
        assert!(read("{}").is_err());
    }

    #[test]
    fn nodes_and_texts_are_bounded() {
        let table = |nodes: usize| {
            let row = |n| format!(r#"[" node-{n}", "10.0.0.1:{n}"], ["  └ Status", "Healthy"]"#);
            let rows: Vec<String> = (0..nodes).map(row).collect();
            format!(r#"{{"ServerVersion": "swarm/1.2.9", "SystemStatus": [{}]}}"#, rows.join(","))
        };
        assert_eq!(read(&table(NODES_MAX)).unwrap().nodes.len(), NODES_MAX);
        for nodes in [NODES_MAX + 1, 50_000] {
            let error = read(&table(nodes)).unwrap_err();
            assert!(error.contains("more than 2000 nodes"), "{error}");
        }
        let long = "9".repeat(7 << 20);
        let info = read(&format!(r#"{{"ServerVersion": "{long}", "ID": "{long}"}}"#)).unwrap();
        assert!(info.version.len() <= NAME_MAX_BYTES && info.id.len() <= NAME_MAX_BYTES);
    }
}
