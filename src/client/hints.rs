//! The daemon's hints name requests; users of the subcommands need those.

/// Names the subcommand instead of each request that has one.
pub(super) fn with_subcommands(detail: &str) -> String {
    let mut parts = detail.split("GET /");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let in_path = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
        let (path, rest) = part.split_at(part.find(|c| !in_path(c)).unwrap_or(part.len()));
        let subcommand = match path.split_once('/').unwrap_or((path, "")) {
            ("objects" | "status", "") => "status".to_owned(),
            ("objects", name) => format!("get {name}"),
            ("status", name) => format!("status {name}"),
            _ => {
                text.push_str(&format!("GET /{part}"));
                continue;
            }
        };
        text.push_str(&format!("`swarm-cluster-state-manager {subcommand}`{rest}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_that_has_a_subcommand_is_replaced() {
        for (detail, shown) in [
            (
                "there is none; GET /objects lists all",
                "there is none; `swarm-cluster-state-manager status` lists all",
            ),
            ("see GET /status/web", "see `swarm-cluster-state-manager status web`"),
            ("(GET /objects/a-1), or", "(`swarm-cluster-state-manager get a-1`), or"),
            ("GET /nothing, GET /", "GET /nothing, GET /"),
            ("", ""),
        ] {
            assert_eq!(with_subcommands(detail), shown);
        }
    }
}
