use std::path::Path;

use serde_json::json;

use super::super::input;
use super::*;

mod every_flag;

/// An environment with two variables and some files.
struct TestInput;

impl LocalInput for TestInput {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "HOME" => Some("/root".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn text(&self, path: &str) -> anyhow::Result<String> {
        match path {
            "env" => Ok("\u{feff}# a comment\n\n  A=1\nB=  2\nHOME\nNOPE\nC=x y \r\n".to_owned()),
            "spaces" => Ok("A B=1\n".to_owned()),
            "labels" => Ok("team=shop\nflag\n".to_owned()),
            "profile.json" => Ok("{\n  \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}\n".to_owned()),
            other => anyhow::bail!("cannot read {other}"),
        }
    }

    fn absolute(&self, path: &str) -> anyhow::Result<String> {
        Ok(format!("/here/{path}"))
    }
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

fn converted(line: &[&str]) -> anyhow::Result<(Value, Vec<String>)> {
    let Converted { object, notes } = convert(&words(line), None, 1, &TestInput)?;
    Ok((object, notes))
}

/// `docker run OPTIONS --name x a`: the object without name, count and image, and the notes.
#[track_caller]
fn run(options: &[&str]) -> (Value, Vec<String>) {
    let line = [&["docker", "run"], options, &["--name", "x", "a"]].concat();
    let (mut object, notes) = converted(&line).unwrap_or_else(|e| panic!("{options:?}: {e:#}"));
    let fields = object.as_object_mut().unwrap();
    let own: Vec<_> = ["Name", "Count", "Image"].iter().map(|name| fields.remove(*name).unwrap()).collect();
    assert_eq!(own, [json!("x"), json!(1), json!("a")], "{options:?}");
    (object, notes)
}

#[track_caller]
fn error(line: &[&str]) -> String {
    match converted(line) {
        Ok((object, _)) => panic!("{line:?} is no error: {object}"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn ports_are_parsed_in_all_forms() {
    let ports = |options: &[&str]| run(options).0["HostConfig"]["PortBindings"].clone();
    for (publish, expected) in [
        ("8080:80", json!({"80/tcp": [{"HostPort": "8080"}]})),
        ("80/udp", json!({"80/udp": [{"HostPort": ""}]})),
        ("53:53/UDP", json!({"53/udp": [{"HostPort": "53"}]})),
        ("127.0.0.1:8080:80", json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]})),
        ("127.0.0.1::80", json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]})),
        ("[::1]:8080:80", json!({"80/tcp": [{"HostIp": "::1", "HostPort": "8080"}]})),
        ("8080-8081:80-81", json!({"80/tcp": [{"HostPort": "8080"}], "81/tcp": [{"HostPort": "8081"}]})),
        ("8080-8089:80", json!({"80/tcp": [{"HostPort": "8080-8089"}]})),
        ("7000-7001", json!({"7000/tcp": [{"HostPort": ""}], "7001/tcp": [{"HostPort": ""}]})),
        ("published=8080,target=80", json!({"80/tcp": [{"HostPort": "8080"}]})),
        ("target=80,protocol=udp", json!({"80/udp": [{"HostPort": ""}]})),
    ] {
        assert_eq!(ports(&["-p", publish]), expected, "{publish}");
    }
    let twice = json!({"80/tcp": [{"HostPort": "8080"}, {"HostPort": "9090"}]});
    assert_eq!(ports(&["-p", "8080:80", "-p", "9090:80"]), twice);
    for publish in [
        "",
        "x",
        "80:",
        "70000",
        "a:80:80",
        "80:80/icmp",
        "1-3:80-81",
        "81-80",
        "80:80:80:80:x",
        "published=1",
        "a=1",
    ] {
        let message = error(&["docker", "run", "-p", publish, "a"]);
        assert!(message.starts_with(&format!("--publish {publish}")), "{message}");
    }
}

#[test]
fn options_end_at_the_image() {
    for (line, image, cmd) in [
        (vec!["docker", "run", "a", "-d", "--rm"], "a", json!(["-d", "--rm"])),
        (vec!["docker", "run", "-d", "--", "a", "--x"], "a", json!(["--x"])),
        (vec!["docker", "run", "a:1", "--", "x"], "a:1", json!(["--", "x"])),
        (vec!["docker", "container", "run", "a", "sh", "-c", "a b"], "a", json!(["sh", "-c", "a b"])),
        (vec!["sudo", "/usr/bin/docker", "create", "-e", "--rm", "a"], "a", Value::Null),
        (vec!["podman", "run", "--replace", "a"], "a", Value::Null),
    ] {
        let (object, _) = converted(&line).unwrap_or_else(|e| panic!("{line:?}: {e:#}"));
        assert_eq!((object["Image"].as_str(), &object["Cmd"]), (Some(image), &cmd), "{line:?}");
    }
}

#[test]
fn every_object_has_a_name() {
    let named = |line: &[&str], name: Option<&str>| {
        let converted = convert(&words(line), name, 7, &TestInput).unwrap();
        assert_eq!(converted.object["Count"], 7);
        (converted.object["Name"].as_str().unwrap().to_owned(), converted.notes.join("\n"))
    };
    assert_eq!(named(&["docker", "run", "--name", "/web", "a"], None), ("web".to_owned(), String::new()));
    let (name, note) = named(&["docker", "run", "--name", "web", "a"], Some("shop"));
    assert!(name == "shop" && note.contains("--name web is left out"), "{name}: {note}");
    let (name, note) = named(&["docker", "run", "localhost:5000/team/api:1.2"], None);
    assert!(name == "api" && note.contains("named api"), "{name}: {note}");
    assert!(error(&["docker", "run", "--name", "-web", "a"]).contains("convert --name"));
}

#[test]
fn fields_that_the_policy_refuses_are_kept_with_a_warning() {
    let options =
        ["-v", "/etc:/etc", "--privileged", "--network", "host", "--mount", "type=bind,source=/,target=/x"];
    let (object, notes) = run(&options);
    assert_eq!(object["HostConfig"]["Binds"], json!(["/etc:/etc"]));
    assert_eq!(
        (&object["HostConfig"]["Privileged"], &object["HostConfig"]["NetworkMode"]),
        (&json!(true), &json!("host"))
    );
    for field in
        ["HostConfig.Binds", "HostConfig.Privileged", "HostConfig.NetworkMode", "HostConfig.Mounts[0].Type"]
    {
        let warning = format!("warning: the daemon will refuse this: {field} is refused by the rule");
        assert!(notes.iter().any(|note| note.starts_with(&warning)), "{field}: {notes:?}");
    }
    assert_eq!(notes.len(), 4, "{notes:?}");
}

#[test]
fn a_constraint_for_a_swarm_manager_becomes_an_entry_of_constraints() {
    let (object, _) = run(&["-e", "constraint:node==n1", "-e", "A=1"]);
    assert_eq!(object, json!({"Constraints": ["node==n1"], "Env": ["A=1"]}));
    let (_, notes) = run(&["-e", "affinity:container==db"]);
    assert!(notes.iter().any(|note| note.contains("no-scheduler-env")), "{notes:?}");
}

#[test]
fn several_containers_cannot_share_a_port_or_an_address() {
    let convert = |more: &[&str], count| {
        let line = words(&[&["docker", "run", "--name", "x"], more, &["a"]].concat());
        convert(&line, None, count, &TestInput).map(|converted| converted.notes.join("\n"))
    };
    assert_eq!(convert(&["-p", "80:80"], 1).unwrap(), "");
    assert_eq!(convert(&["-p", "80-89:80"], 2).unwrap(), "");
    let warned = convert(&["-p", "80:80"], 2).unwrap();
    assert!(
        warned.starts_with("warning: this does not work on a single host: HostConfig.PortBindings.80/tcp"),
        "{warned}"
    );
    let error = convert(&["--network", "n", "--ip", "10.0.0.1"], 2).unwrap_err().to_string();
    assert!(error.contains("address 10.0.0.1 in network n with Count 2"), "{error}");
}

#[test]
fn an_error_names_its_flag() {
    for (line, expected) in [
        (vec!["docker", "run", "--bogus", "a"], "unknown flag --bogus of docker run"),
        (vec!["docker", "run", "--memry", "1g", "a"], "did you mean --memory?"),
        (vec!["docker", "run", "-dx", "a"], "docker run has no flag -x (in -dx)"),
        (vec!["docker", "run", "-d"], "docker run needs an image"),
        (vec!["docker", "run", "-e"], "--env needs a value"),
        (vec!["docker", "run", "--env"], "--env needs a value"),
        (vec!["docker", "create", "-d", "a"], "docker create has no flag --detach"),
        (vec!["docker", "run", "-d=maybe", "a"], "--detach maybe"),
        (vec!["docker", "run", "-m", "much", "a"], "--memory much: invalid size"),
        (vec!["docker", "run", "--cpus", "many", "a"], "--cpus many"),
        (vec!["docker", "run", "--pids-limit", "1.5", "a"], "--pids-limit 1.5: \"1.5\" is not an integer"),
        (
            vec!["docker", "run", "--health-interval", "-1s", "a"],
            "--health-interval -1s: the duration -1s is negative",
        ),
        (vec!["docker", "run", "--no-healthcheck", "--health-retries=1", "a"], "are mutually exclusive"),
        (vec!["docker", "run", "--rm", "--restart=always", "a"], "--restart and --rm are mutually exclusive"),
        (vec!["docker", "run", "--restart=sometimes", "a"], "--restart sometimes: expected no, always"),
        (vec!["docker", "run", "--restart=always:3", "a"], "only on-failure"),
        (vec!["docker", "run", "--pull=maybe", "a"], "--pull maybe: expected always"),
        (vec!["docker", "run", "--link", "db:db", "a"], "--link db:db: cannot be converted: a link exposes"),
        (vec!["docker", "run", "--use-api-socket=true", "a"], "root on its node"),
        (
            vec!["docker", "run", "-v", "a:b", "a"],
            "--volume a:b: the path in the container must begin with /",
        ),
        (vec!["docker", "run", "-v", "a:/b:ro:z", "a"], "too many colons"),
        (vec!["docker", "run", "--mount", "type=volume", "a"], "the target is missing"),
        (vec!["docker", "run", "--mount", "target=/x,bogus=1", "a"], "unknown option \"bogus\""),
        (
            vec!["docker", "run", "--mount", "type=bind,source=/a,target=/b,volume-nocopy", "a"],
            "does not apply to type bind",
        ),
        (vec!["docker", "run", "--env-file", "nowhere", "a"], "--env-file nowhere: cannot read nowhere"),
        (vec!["docker", "run", "--env-file", "spaces", "a"], "contains whitespace"),
        (vec!["docker", "run", "-e", "=1", "a"], "--env =1: expected NAME=VALUE"),
        (vec!["docker", "run", "--network-alias", "x", "a"], "set one with --network"),
        (vec!["docker", "run", "--network=host", "--network=n", "a"], "can be combined"),
        (vec!["docker", "run", "--network=n", "--network=n", "a"], "network n is given twice"),
        (vec!["docker", "run", "--ip", "::1", "--network", "n", "a"], "of the other IP version"),
        (vec!["docker", "run", "--dns", "here", "a"], "--dns here: \"here\" is not an IP address"),
        (vec!["docker", "run", "--ulimit", "files=1", "a"], "unknown limit \"files\""),
        (vec!["docker", "run", "--ulimit", "nofile=2:1", "a"], "soft limit 2 is greater"),
        (vec!["docker", "run", "--log-driver=none", "--log-opt=a=b", "a"], "has no options"),
        (vec!["docker", "run", "--stop-timeout", "-1", "a"], "StopTimeout: given -1"),
        (vec!["docker", "run", "Nginx"], "lower case"),
        (vec!["docker", "compose", "up"], "compose files cannot be converted"),
        (vec!["docker-compose", "up"], "compose files cannot be converted"),
        (vec!["docker", "exec", "-it", "a"], "docker exec creates no container"),
        (vec!["docker", "service", "create", "a"], "services in swarm mode"),
        (vec!["kubectl", "run", "a"], "\"kubectl\" is not docker"),
        (vec!["docker"], "expected a `docker run`"),
    ] {
        let error = error(&line);
        assert!(error.contains(expected), "{line:?}: {error}");
    }
}

#[test]
fn the_yaml_reads_back_as_the_same_object() {
    let awkward = [
        "on", "05", "1_000", "0x10", "12:30:45", "~", "null", "- x", "a: b #c", "x\ny\n", " \t", "é\u{1b}",
        "{}", "'\"", "1e3",
    ];
    let mut line = vec!["docker", "run", "--name", "x", "-p", "80:80", "-v", "/cache", "a"];
    line.extend(awkward);
    let converted = convert(&words(&line), None, 1, &TestInput).unwrap();
    for format in [DocumentFormat::Yaml, DocumentFormat::Json] {
        let text = converted.written(format).unwrap();
        let name = if format == DocumentFormat::Json { "x.json" } else { "x.yaml" };
        let read = input::parse(Path::new(name), &text).unwrap();
        assert_eq!(read, std::slice::from_ref(&converted.object), "{text}");
        assert!(
            text.trim_start_matches("{\n").trim_start().trim_start_matches('"').starts_with("Name"),
            "{text}"
        );
    }
}
