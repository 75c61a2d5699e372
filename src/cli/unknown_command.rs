//! Commands of docker, kubectl and nomad that do not exist here, and what to use instead.

use crate::core::submission::strict::{did_you_mean, shown};

/// What to use instead of a command of another program.
fn instead(word: &str) -> Option<&'static str> {
    Some(match word {
        "run" | "create" | "up" | "start" | "deploy" => {
            "write an object with Name, Image and Count into a file, and `submit FILE`; `convert -- docker run ...` writes it \
             for you, and `scale NAME COUNT` starts more containers"
        }
        "down" => {
            "`delete NAME` deletes an object and its containers; `scale NAME 0` only stops its containers"
        }
        "stop" | "kill" | "pause" => {
            "`scale NAME 0` stops the containers of an object and keeps it, `delete NAME` deletes it; a container stopped with \
             `docker stop` is replaced"
        }
        "restart" => {
            "change the object, for example a label with the time, and `submit FILE`: its containers are replaced one after \
             the other; `docker restart CONTAINER` restarts one"
        }
        "exec" | "attach" | "cp" | "port" | "top" | "stats" => {
            "`status NAME` lists the containers; use docker's command on one of them"
        }
        "edit" | "set" | "patch" | "update" | "replace" => {
            "`get NAME -o yaml > FILE`, edit the file, `submit FILE`; `scale NAME COUNT` changes only the count"
        }
        "inspect" => "`get NAME -o yaml` shows what was submitted, `status NAME -o json` its state",
        "watch" | "rollout" => {
            "`status --watch` shows changes, `history NAME` the revisions, and `rollback NAME` restores an earlier one"
        }
        "undo" => "`rollback NAME` restores an earlier spec",
        "info" | "node" | "nodes" => "`status` shows the engine and its nodes",
        "pull" => "images are pulled when they are needed; the `Pull` of an object sets whether each time",
        "daemon" | "server" | "serve" | "agent" => "without a command, the program runs the daemon",
        _ => return None,
    })
}

/// The error for an unknown command. `known` are the commands.
pub(super) fn message<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let hint = match (instead(word), did_you_mean(word, known)) {
        (Some(instead), _) => instead.to_owned(),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => "`help` lists the commands".to_owned(),
    };
    format!("unknown command `{}`: {hint}", shown(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_other_programs_and_near_misses_get_a_hint() {
        let known = ["submit", "status", "scale"];
        assert_eq!(message("sumbit", known), "unknown command `sumbit`: did you mean `submit`?");
        assert!(message("edit", known).contains("get NAME -o yaml"), "an exact alias precedes similar names");
        assert!(message("stop", known).contains("scale NAME 0"));
        assert_eq!(message("frobnicate", known), "unknown command `frobnicate`: `help` lists the commands");
    }
}
