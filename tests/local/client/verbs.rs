//! Reading and changing objects: `get`, `scale`, `diff`, and the inputs of `submit`.

use std::fs;

use serde_json::{Value, json};
use support::Daemon;

use super::{User, object};

#[test]
fn the_output_of_get_can_be_changed_and_submitted() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    user.runs(&["get"]).ends_with(0).says("no objects");
    let web = format!("{}Env: [A=on, 'B=05', 'C=a b']\nLabels: {{yes: '5'}}\n", object("web", "nginx:1", 2));
    user.runs(&["submit", &user.file("web.yaml", &web)]).ends_with(0);
    user.runs(&["submit", &user.file("api.yaml", &object("api", "api:1", 1))]).ends_with(0);

    let table = user.runs(&["get"]).ends_with(0).says("NAME  COUNT  IMAGE    GENERATION");
    assert!(table.says("web   2      nginx:1  1").err.is_empty());
    assert_eq!(user.runs(&["get", "web"]).ends_with(0).out.lines().count(), 2);

    // Without a change: unchanged in each format, for one object and all.
    for (line, name) in [
        (&["get", "web", "-o", "yaml"] as &[_], "got.yaml"),
        (&["get", "-o", "yaml"], "all.yaml"),
        (&["get", "web", "-o", "json"], "got.json"),
        (&["get", "api", "web", "--output=json"], "all.json"),
    ] {
        let got = user.runs(line).ends_with(0).out;
        let ran = user.runs(&["submit", &user.file(name, &got)]).ends_with(0);
        assert!(ran.out.contains("web unchanged: generation 1"), "{got}\n{ran:?}");
    }
    let one: Value = serde_json::from_str(&user.runs(&["get", "web", "-o", "json"]).out).unwrap();
    assert_eq!((&one["Generation"], &one["Env"][0]), (&json!(1), &json!("A=on")));
    let all: Value = serde_json::from_str(&user.runs(&["get", "-o", "json"]).out).unwrap();
    assert_eq!((&all[0]["Name"], &all[1]["Name"]), (&json!("api"), &json!("web")));

    // With a change: accepted once, and refused if another change was faster.
    let got = user.runs(&["get", "web", "-o", "yaml"]).ends_with(0).out;
    assert!(got.starts_with("Name: web\nImage: nginx:1\nCount: 2\nGeneration: 1\n"), "{got}");
    let edited = user.file("edited.yaml", &got.replace("nginx:1", "nginx:2"));
    user.runs(&["submit", &edited]).ends_with(0).says("web updated: generation 2");
    let late = user.file("late.yaml", &got.replace("Count: 2", "Count: 3"));
    user.runs(&["submit", &late]).ends_with(1).complains("it is at generation 2");

    user.runs(&["get", "wbe"]).ends_with(1).complains("did you mean 'web'?");
    user.runs(&["get", "web", "-o", "xml"]).ends_with(1);
}

#[test]
fn scale_changes_the_count_and_nothing_else() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = format!("{}Env: [A=1]\n", object("web", "nginx:1", 2));
    user.runs(&["submit", "--wait=50s", &user.file("web.yaml", &web)]).ends_with(0);
    let before = daemon.client.get("/objects/web").json();

    let ran = user.runs(&["scale", "web", "4", "--wait=50s"]).ends_with(0).says("web updated: generation 2");
    assert!(ran.last().contains("4 of 4 run"), "{ran:?}");
    user.runs(&["scale", "web", "4"]).ends_with(0).says("web unchanged: generation 2");
    let mut expected = before;
    expected["Count"] = json!(4);
    expected["Generation"] = json!(2);
    assert_eq!(daemon.client.get("/objects/web").json(), expected);
    user.runs(&["scale", "web", "0", "--wait=50s"]).ends_with(0).says("generation 3");

    user.runs(&["scale", "missing", "1"]).ends_with(1).complains("missing");
    user.runs(&["scale", "web"]).ends_with(1);
    for bad in ["-1", "10001", "1e9", "x"] {
        let ran = user.runs(&["scale", "web", bad]).ends_with(1);
        let expected = format!("invalid value '{bad}' for '<COUNT>': expected a number from 0 to 10000");
        assert!(ran.err.contains(&expected), "{ran:?}");
    }
}

#[test]
fn a_number_that_is_not_allowed_is_refused_with_the_range() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    for (line, range) in [
        (&["submit", "--if-match=x", "-"] as &[_], "a generation, which is a number from 1, as in `get`"),
        (&["rollback", "web", "--to=-1"], "a generation, which is a number from 1, as in `history`"),
        (&["events", "--tail=1e3"], "a number from 0 to 10000"),
        (&["logs", "web", "--tail=x"], "a number from 0 to 10000"),
        (&["convert", "--count=10001", "--", "docker", "run", "nginx"], "a number from 0 to 10000"),
    ] {
        let ran = user.runs(line).ends_with(1);
        assert!(ran.err.contains(&format!("expected {range}")), "{ran:?}");
    }
}

#[test]
fn hints_name_subcommands_instead_of_requests() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    for line in [&["status", "nope"] as &[_], &["scale", "nope", "1"], &["delete", "nope"], &["logs", "nope"]]
    {
        let ran = user.runs(line).ends_with(1);
        ran.complains("there is no object 'nope'; `swarm-cluster-state-manager status` lists the objects");
    }
    user.runs(&["submit", "--wait=50s", &user.file("web.yaml", &object("web", "nginx:1", 1))]).ends_with(0);
    let ran = user.runs(&["logs", "web", "--container=nothing"]).ends_with(1);
    ran.complains("`swarm-cluster-state-manager status web` lists its containers");
    let ran = user.runs(&["logs", "web", "--since=2026-11-26T16:00:00"]).ends_with(1);
    assert!(ran.err.contains("a time with a zone, such as 2026-11-26T16:00:00Z"), "{ran:?}");
    assert!(!ran.err.contains("%2B"), "{ran:?}");
    user.runs(&["logs", "web", "--since=2026-11-26T16:00:00+01:00"]).ends_with(0);
}

#[test]
fn a_backup_that_cannot_be_written_leaves_no_file() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let directory = user.files.path().join("directory");
    fs::create_dir(&directory).unwrap();
    user.runs(&["backup", directory.to_str().unwrap()]).ends_with(1).complains("cannot write");
    let left: Vec<_> = fs::read_dir(user.files.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["directory"]);
}

#[test]
fn concurrent_scales_lose_no_change() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    user.runs(&["submit", &user.file("web.yaml", &object("web", "nginx:1", 1))]).ends_with(0);
    // Four at once, each of which conflicts at most three times.
    let runs: Vec<_> = ["2", "3", "4", "5"].into_iter().map(|n| user.starts(&["scale", "web", n])).collect();
    let accepted: Vec<String> = runs.into_iter().map(|run| run.ends().ends_with(0).out).collect();
    assert!(accepted.iter().all(|out| out.starts_with("web updated: generation ")), "{accepted:?}");
    assert_eq!(daemon.client.get("/objects/web").json()["Generation"], 5, "{accepted:?}");
}

#[test]
fn commands_of_docker_and_kubectl_are_aliases() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = user.file("web.yaml", &object("web", "nginx", 2));
    user.runs(&["apply", "-f", &web, "--wait=50s"]).ends_with(0).says("web created: generation 1");
    let status = user.runs(&["status"]).ends_with(0).out;
    for alias in ["ps", "ls", "describe"] {
        let ran = user.runs(&[alias]).ends_with(0);
        assert_eq!(ran.out.lines().count(), status.lines().count(), "{ran:?}");
    }
    user.runs(&["describe", "web"]).ends_with(0).says("web.1.1");
    user.runs(&["rm", "web"]).ends_with(0).says("web deleted");
    for wrong in [&["apply", "--bogus"] as &[_], &["ps", "--bogus"], &["rm"]] {
        user.runs(wrong).ends_with(1);
    }
}

#[test]
fn version_shows_client_daemon_and_engine_and_without_a_daemon_only_the_client() {
    let own = format!("client {}\n", env!("CARGO_PKG_VERSION"));
    let daemon = Daemon::simulated();
    daemon.connected();
    let user = User::of(&daemon);
    let ran = user.runs(&["version"]).ends_with(0).says(&own).says("engine simulated ");
    assert!(
        ran.out.contains(&format!("daemon {} at {}\n", env!("CARGO_PKG_VERSION"), user.address)),
        "{ran:?}"
    );
    let client = user.runs(&["version", "--client"]).ends_with(0);
    assert_eq!(client.out, own);
    drop(daemon);
    let ran = user.runs(&["version"]).ends_with(1).complains("no client certificate: ");
    assert_eq!(ran.out, own);
    user.runs(&["version", "--bogus"]).ends_with(1);
}

#[test]
fn diff_shows_each_field_that_differs_and_no_stated_default() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = format!("{}Env: [A=1, B=2]\nHostConfig: {{Memory: 67108864}}\n", object("web", "nginx:1", 2));
    let file = user.file("web.yaml", &web);
    let new = user.runs(&["diff", &file]).ends_with(1);
    assert!(new.out.starts_with("web (new)\n+ Count: 2\n+ Env: A=1\n+ Env: B=2\n"), "{new:?}");
    assert!(new.out.lines().skip(1).all(|line| line.starts_with("+ ")), "{new:?}");
    assert!(daemon.status()["Objects"].as_array().unwrap().is_empty(), "a diff changes nothing");

    user.runs(&["submit", &file]).ends_with(0);
    assert_eq!(user.runs(&["diff", &file]).ends_with(0).out, "");
    let stated = user.file("stated.yaml", &format!("{web}Tty: false\nPull: missing\nHistory: 1\nCmd: []\n"));
    assert_eq!(user.runs(&["diff", &stated]).ends_with(0).out, "");
    let changed =
        web.replace("nginx:1", "nginx:2").replace("B=2", "C=3").replace("{Memory: 67108864}", "{Init: true}");
    let changed = user.file("changed.yaml", &format!("{changed}Tty: false\nPull: missing\n"));
    let ran = user.runs(&["diff", "-f", &changed]).ends_with(1);
    let expected = "web (generation 1)\n- Env: B=2\n+ Env: C=3\n+ HostConfig.Init: true\n- HostConfig.Memory: 67108864\n\
                    - Image: nginx:1\n+ Image: nginx:2\n";
    assert_eq!(ran.out, expected);

    // An object that --prune would delete is shown as a whole.
    let api = user.file("api.yaml", &object("w-api", "api:1", 1));
    let ran = user.runs(&["diff", "--prune=w", &api]).ends_with(1).says("w-api (new)");
    assert!(ran.out.contains("web (generation 1, would be deleted)\n- Count: 2\n"), "{ran:?}");

    user.runs(&["diff"]).ends_with(2);
    user.runs(&["diff", "nowhere.yaml"]).ends_with(2).complains("nowhere.yaml");
    user.runs_with(&["diff", "-"], "Name: web\nImage: nginx\nCount: x").ends_with(2).complains("Count");
}

#[test]
fn files_are_given_like_to_kubectl() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let directory = user.files.path().join("all");
    fs::create_dir_all(directory.join("below")).unwrap();
    for (name, content) in [
        ("b.yml", object("b", "nginx", 0)),
        ("a.yaml", object("a", "nginx", 0)),
        ("c.json", json!({"Name": "c", "Image": "nginx", "Count": 0}).to_string()),
        ("README.md", "not an object".to_owned()),
        ("below/d.yaml", "not: read".to_owned()),
    ] {
        fs::write(directory.join(name), content).unwrap();
    }
    let (directory, one) =
        (directory.display().to_string(), user.file("one.yaml", &object("one", "nginx", 0)));
    let ran =
        user.runs_with(&["submit", &one, "-f", &directory, "--filename", "-"], &object("last", "nginx", 0));
    let names: Vec<&str> = ran.out.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["one", "a", "b", "c", "last"], "{ran:?}");

    let empty = user.files.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let empty = empty.display().to_string();
    user.runs(&["submit", &empty]).ends_with(1).complains("contains no *.json, *.yaml or *.yml file");
    user.runs_with(&["submit", "-", "-f", "-"], "").ends_with(1).complains("standard input is given 2 times");
}

#[test]
fn a_dry_run_exits_with_0_if_the_submit_would_be_accepted_and_with_1_if_not() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = user.file("web.yaml", &object("web", "nginx", 2));
    let ran =
        user.runs(&["submit", "--dry-run", &web]).ends_with(0).says("web would be created: generation 1");
    assert!(ran.last().contains("2 to create, 0 to replace, 0 to remove"), "{ran:?}");
    assert!(daemon.status()["Objects"].as_array().unwrap().is_empty(), "nothing was changed");
    user.runs(&["submit", "--wait=50s", &web]).ends_with(0);
    assert_eq!(user.runs(&["submit", "--dry-run", &web]).ends_with(0).last(), "nothing would change");
    let newer = user.file("newer.yaml", &object("web", "nginx:2", 2));
    let ran = user.runs(&["submit", "--dry-run", &newer]).ends_with(0);
    assert!(ran.last().contains("0 to create, 2 to replace, 0 to remove"), "{ran:?}");
    for refused in [&["--create-only"] as &[_], &["--if-match=7"]] {
        let line: Vec<&str> = ["submit", "--dry-run", &web].iter().chain(refused).copied().collect();
        user.runs(&line).ends_with(1).complains("Precondition failed");
    }
    user.runs_with(&["submit", "--dry-run", "-"], "Name: web\nImage: nginx").ends_with(1).complains("Count");
}

#[test]
fn with_output_json_a_change_prints_the_daemons_answer_and_keeps_its_exit_code() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let json = |line: &[&str], code: i32| {
        let ran = user.runs(&[line, &["--output=json"]].concat()).ends_with(code);
        serde_json::from_str::<Value>(&ran.out).unwrap_or_else(|error| panic!("{line:?}: {error}: {ran:?}"))
    };
    let web = user.file("web.yaml", &object("web", "nginx", 2));
    let both =
        user.file("both.yaml", &format!("{}---\n{}", object("web", "nginx", 2), object("api", "nosuch", 1)));

    let plan = json(&["plan", &web], 1);
    assert_eq!((&plan["DryRun"], &plan["Objects"][0]["Result"]), (&json!(true), &json!("created")));
    assert_eq!(json(&["submit", "--dry-run", &web], 0), plan);
    let diff = json(&["diff", &web], 1);
    assert_eq!((&diff[0]["Name"], &diff[0]["Result"]), (&json!("web"), &json!("created")));
    assert!(
        diff[0]["Differences"].as_array().unwrap().contains(&json!({"Field": "Count", "After": 2})),
        "{diff}"
    );

    assert_eq!(json(&["submit", &web], 0), json!({"Name": "web", "Generation": 1, "Result": "created"}));
    let waited = json(&["submit", "--wait=50s", &web], 0);
    assert_eq!((&waited["Result"], &waited["Outcome"]), (&json!("unchanged"), &json!("converged")));
    assert_eq!(json(&["diff", &web], 0), json!([]));
    let scaled = json(&["scale", "web", "3", "--wait=50s"], 0);
    assert_eq!((&scaled["Generation"], &scaled["Outcome"]), (&json!(2), &json!("converged")));
    let rollback = json(&["rollback", "web", "--wait=50s"], 0);
    assert_eq!((&rollback["RolledBackTo"], &rollback["Outcome"]), (&json!(1), &json!("converged")));

    // An accepted change that failed is printed on standard output, too.
    let failed = json(&["submit", "--wait=50s", &both], 2);
    let outcomes: Vec<&Value> =
        failed["Objects"].as_array().unwrap().iter().map(|one| &one["Outcome"]).collect();
    assert_eq!(outcomes, [&json!("converged"), &json!("failed")], "{failed}");
    let slow = user.file("slow.yaml", &object("slow", "slow", 30));
    assert_eq!(json(&["submit", "--wait=50ms", &slow], 3)["Outcome"], "timed_out");
    // A refused change is an error as usual.
    for refused in
        [&["submit", "--create-only", &web] as &[_], &["scale", "missing", "1"], &["rollback", "missing"]]
    {
        let ran = user.runs(&[refused, &["-o", "json"]].concat()).ends_with(1);
        assert!(ran.out.is_empty() && ran.err.starts_with("error: "), "{ran:?}");
    }
    user.runs_with(&["submit", "-o", "json", "-"], "Name: a\nImage: b")
        .ends_with(1)
        .complains("standard input");
}

#[test]
fn versions_and_contexts_are_printed_as_json() {
    let daemon = Daemon::simulated();
    daemon.connected();
    let user = User::of(&daemon);
    let json = |line: &[&str], code: i32| {
        let ran = super::CommandResult::of(super::run(
            user.program().env("XDG_CONFIG_HOME", user.files.path()).args(line),
        ));
        serde_json::from_str::<Value>(&ran.ends_with(code).out).unwrap()
    };
    let own = env!("CARGO_PKG_VERSION");
    let all = json(&["version", "-o", "json"], 0);
    assert_eq!((&all["Client"]["Version"], &all["Daemon"]["Version"]), (&json!(own), &json!(own)));
    assert_eq!((&all["Daemon"]["Addr"], &all["Engine"]["Kind"]), (&json!(user.address), &json!("simulated")));
    let client = json!({"Client": {"Version": own}});
    assert_eq!(json(&["version", "--client", "-o", "json"], 0), client);
    assert_eq!(json(&["version", "-o", "json", "--addr=127.0.0.1:1"], 1), client);

    assert_eq!(json(&["context", "ls", "-o", "json"], 0), json!([]));
    for line in [&["context", "set", "prod", "--addr", "a"] as &[_], &["context", "use", "prod"]] {
        super::CommandResult::of(super::run(
            user.program().env("XDG_CONFIG_HOME", user.files.path()).args(line),
        ))
        .ends_with(0);
    }
    let prod = json!([{"Name": "prod", "Addr": "a:3476", "CertPath": null, "Current": true}]);
    assert_eq!(json(&["context", "ls", "-o", "json"], 0), prod);
}
