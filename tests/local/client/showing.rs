//! The output: lines for pipelines, a display on a terminal, silence after a closed pipe.

use serde_json::Value;
use support::Daemon;
use support::daemon::program;
use support::process::run;

use super::{CommandResult, User, object};

#[test]
fn a_pipeline_gets_one_line_per_change_and_a_terminal_a_display() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = user.file("web.yaml", &object("web", "nginx", 12).replace("100ms", "1s"));
    let ran = user.runs(&["submit", "--wait=50s", &web]).ends_with(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "web created: generation 1");
    assert!(lines.iter().any(|line| line.starts_with("web progressing: ")), "{ran:?}");
    assert_eq!(
        lines[lines.len() - 3],
        "web converged, monitoring for 1s more: 12 of 12 run, as wanted",
        "{ran:?}"
    );
    assert_eq!(lines[lines.len() - 2], "web converged: 12 of 12 run, as wanted", "{ran:?}");
    assert!(lines.windows(2).all(|pair| pair[0] != pair[1]), "no line is repeated: {ran:?}");
    assert!(!ran.out.contains('\u{1b}') && ran.err.is_empty(), "no control characters: {ran:?}");

    let api = user.file("api.yaml", &object("api", "api:1", 12));
    let mut terminal = user.shell(&format!("script -qec \"$SCSM submit --wait=50s {api}\" /dev/null"));
    let ran = CommandResult::of(run(terminal.env("TERM", "xterm"))).ends_with(0);
    assert!(ran.out.contains(" of 50s\u{1b}[K"), "the elapsed time and the limit: {ran:?}");
    assert!(ran.out.contains("api [============] 12/12 ready  converged\u{1b}[K"), "{ran:?}");
    assert!(ran.last().contains("converged after ") && ran.last().contains("api: 12 of 12 run"), "{ran:?}");
}

#[test]
fn a_terminal_shows_only_as_many_objects_as_it_has_rows_and_no_line_is_too_wide() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let name = |i: usize| format!("{}-{i}", "web".repeat(9));
    let all: Vec<String> = (0..30).map(|i| object(&name(i), "nginx", 1)).collect();
    let many = user.file("many.yaml", &all.join("---\n"));
    let script = format!("stty rows 10 cols 70; $SCSM submit --wait=50s {many}");
    let ran =
        CommandResult::of(run(user.shell("script -qec \"$DISPLAYED\" /dev/null").env("DISPLAYED", script)))
            .ends_with(0);
    // The display follows the lines with the accepted changes.
    let (_, drawn) = ran.out.split_once(&format!("{} created: generation 1\r\n", name(29))).unwrap();
    assert!(drawn.contains("\r\u{1b}[Jconverged after "), "the last line has its own row: {ran:?}");
    let frames: Vec<&str> = drawn.split("\u{1b}[J").filter(|frame| frame.contains("\u{1b}[K")).collect();
    for frame in &frames {
        let lines: Vec<&str> = frame.lines().map(|line| line.trim_end_matches("\u{1b}[K")).collect();
        assert_eq!(lines.len(), 8, "a head, six objects, and the number of others: {frame:?}");
        let width = |line: &str| line.trim_start_matches("\r\u{1b}[8A").chars().count();
        assert!(lines.iter().all(|line| width(line) < 70), "{frame:?}");
        assert!(lines[7].starts_with("and 24 more: "), "{frame:?}");
    }
    assert!(frames.last().unwrap().contains("and 24 more: 24 converged"), "{ran:?}");
}

#[test]
fn a_closed_pipe_ends_output_silently_and_keeps_the_exit_code() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    // More than a pipe holds.
    user.file("many.yaml", &object("many", "nginx", 400));
    user.file("none.yaml", &object("none", "nosuch", 1));
    let ran = |script: &str| CommandResult::of(run(&mut user.shell(script)));
    ran("$SCSM submit --wait=50s many.yaml | true; exit ${PIPESTATUS[0]}").ends_with(0);
    ran("$SCSM submit --wait=50s none.yaml | true; exit ${PIPESTATUS[0]}").ends_with(2);
    for quiet in [
        "status --output=json",
        "status many",
        "events --tail=10000 --output=json",
        "completions bash",
        "man",
    ] {
        let ran = ran(&format!("$SCSM {quiet} | true; exit ${{PIPESTATUS[0]}}")).ends_with(0);
        assert!(ran.err.is_empty(), "{quiet}: {ran:?}");
    }
    // A command that follows ends as well, even if it has nothing more to write.
    for follow in ["events --follow --tail=1", "status many --watch"] {
        let ran = ran(&format!("$SCSM {follow} | head --lines=1; exit ${{PIPESTATUS[0]}}")).ends_with(0);
        assert!(ran.out.lines().count() == 1 && ran.err.is_empty(), "{follow}: {ran:?}");
    }
}

#[test]
fn json_output_is_the_daemons_answer() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    user.runs(&["submit", "--wait=50s", &user.file("web.yaml", &object("web", "nginx", 2))]).ends_with(0);
    let json = |line: &[&str]| serde_json::from_str::<Value>(&user.runs(line).ends_with(0).out).unwrap();
    assert_eq!(json(&["status", "--output=json"])["Objects"][0]["Name"], "web");
    assert_eq!(json(&["status", "web", "--output=json"])["Phase"], "converged");
    assert_eq!(json(&["history", "web", "--output=json"])["Revisions"][0]["Object"]["Image"], "nginx");
}

#[test]
fn a_watch_prints_the_status_and_then_each_change() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = user.file("web.yaml", &object("web", "nginx", 2));
    user.runs(&["submit", "--wait=50s", &web]).ends_with(0);
    let watch = user.starts(&["status", "--watch"]);
    watch.says("engine simulated://3 connected");
    watch.says("web converged 2/2 generation 1: ");
    user.runs(&["submit", &user.file("web.yaml", &object("web", "nginx", 3))]).ends_with(0);
    watch.says("web converged 3/3 generation 2: ");
    user.runs(&["delete", "web"]).ends_with(0);
    watch.says("web gone");
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let place = tempfile::tempdir().unwrap();
    let pages = place.path().join("man1");
    // Values of variables do not appear in the manual.
    run(program().arg("man").arg(&pages).env("SCSM_ADDR", "203.0.113.99:1"));
    let help = CommandResult::of(run(program().arg("--help"))).out;
    let commands = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut names: Vec<String> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|word| !word.is_empty()))
        .map(|word| format!("swarm-cluster-state-manager-{word}.1"))
        .filter(|page| !page.ends_with("-help.1"))
        .collect();
    assert!(names.len() >= 10, "{help}");
    names.push("swarm-cluster-state-manager.1".to_owned());
    for name in names {
        let page = std::fs::read_to_string(pages.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}: {page}");
        assert!(!page.contains("203.0.113.99"), "{name}");
    }
    let submit = std::fs::read_to_string(pages.join("swarm-cluster-state-manager-submit.1")).unwrap();
    assert!(submit.contains("SCSM_CERT_PATH") && submit.contains("rolled back"), "{submit}");
}
