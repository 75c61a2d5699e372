//! Words that people of docker, kubectl and nomad type as a command, and what to do here instead.

use crate::core::submission::strict::{did_you_mean, shown};

/// What to do instead of a command that there is not.
fn instead(word: &str) -> Option<&'static str> {
    Some(match word {
        "run" | "create" | "up" | "start" | "deploy" => {
            "write an object with Name, Image and Count into a file, and `submit FILE`; `convert -- docker run ...` writes one \
             for you, and `scale NAME COUNT` starts more of one that is there"
        }
        "down" => {
            "`delete NAME` removes an object and its containers; `scale NAME 0` only stops its containers"
        }
        "stop" | "kill" | "pause" => {
            "`scale NAME 0` stops the containers of an object and keeps it, `delete NAME` removes it, and `docker stop` \
             has a container replaced"
        }
        "restart" => {
            "change the object, such as a label with the time, and `submit FILE`: its containers are replaced one after the \
             other; `docker restart CONTAINER` restarts one"
        }
        "exec" | "attach" | "cp" | "port" | "top" | "stats" => {
            "`status NAME` lists the containers; use docker's own command on one of them"
        }
        "edit" | "set" | "patch" | "update" | "replace" => {
            "`get NAME -o yaml > FILE`, change the file, `submit FILE`; `scale NAME COUNT` changes only the count"
        }
        "inspect" => "`get NAME -o yaml` shows what was submitted, `status NAME -o json` how it is doing",
        "watch" | "rollout" => {
            "`status --watch` shows what changes, `history NAME` and `rollback NAME` earlier specs"
        }
        "undo" => "`rollback NAME` brings an earlier spec back",
        "info" | "node" | "nodes" => "`status` shows the engine and its nodes",
        "pull" => "images are pulled when they are needed; `Pull` of an object says whether each time",
        "daemon" | "server" | "serve" | "agent" => "the program runs the daemon when it is given no command",
        _ => return None,
    })
}

/// What is wrong with a word that is no command, and what to do. `known` are the commands.
pub(super) fn unknown<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let hint = match (instead(word), did_you_mean(word, known)) {
        (Some(instead), _) => instead.to_owned(),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => "`help` lists the commands".to_owned(),
    };
    format!("there is no command `{}`: {hint}", shown(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_another_program_is_answered_with_what_to_do_and_a_near_miss_with_the_command() {
        let known = ["submit", "status", "scale"];
        assert_eq!(unknown("sumbit", known), "there is no command `sumbit`: did you mean `submit`?");
        assert!(unknown("edit", known).contains("get NAME -o yaml"), "no near miss of something else");
        assert!(unknown("stop", known).contains("scale NAME 0"));
        assert_eq!(
            unknown("frobnicate", known),
            "there is no command `frobnicate`: `help` lists the commands"
        );
    }
}
