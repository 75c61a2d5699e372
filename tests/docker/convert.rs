//! `convert`: docker's client and this one get the same command lines, and the containers that the engine creates are
//! compared.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::daemon::program;
use support::engine::Network;
use support::process::{run, run_with_input, succeed, text};
use support::{Daemon, Engine, unique};

/// A variable in the environment of both clients.
const FROM_THE_ENVIRONMENT: &str = "SHOP_COLOUR";

/// Containers that are created and never started, removed when dropped.
struct Created<'e> {
    engine: &'e Engine,
    names: [String; 2],
}

impl Drop for Created<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = self.engine.try_docker(&["rm", "--force", "--volumes", name]);
        }
    }
}

/// What `convert` prints on standard output, and on standard error.
#[track_caller]
fn converted(line: &[&str]) -> (Value, String) {
    let mut command = program();
    command.args(["convert", "--output", "json", "--"]).args(line).env(FROM_THE_ENVIRONMENT, "green");
    let output = run(&mut command);
    let notes = text(&output.stderr);
    assert!(output.status.success(), "{line:?}: {notes}");
    (serde_json::from_slice(&output.stdout).unwrap(), notes)
}

/// Creates a container with this body, as the daemon does, with curl.
#[track_caller]
fn create(engine: &Engine, name: &str, body: &Value) {
    let url = format!("http://docker/containers/create?name={name}");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "30"]);
    match engine.endpoint().strip_prefix("unix://") {
        Some(socket) => drop(curl.args(["--unix-socket", socket, &url])),
        None => {
            let host = engine.endpoint().trim_start_matches("tcp://");
            curl.arg(url.replace("http://docker", &format!("http://{host}")));
        }
    }
    curl.args(["--header", "Content-Type: application/json", "--data-binary", "@-"]);
    let output = run_with_input(&mut curl, body.to_string().as_bytes());
    assert!(output.status.success(), "{body}\n{}{}", text(&output.stdout), text(&output.stderr));
}

/// The configuration in an inspect, without unset fields and without the fields for an attached client, which only
/// `docker create` sets.
fn configuration(engine: &Engine, name: &str) -> Value {
    let found: Value = serde_json::from_str(&engine.docker(&["inspect", name])).unwrap();
    let found = &found[0];
    let (mut config, mut host) = (found["Config"].clone(), found["HostConfig"].clone());
    for field in ["AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"] {
        config.as_object_mut().unwrap().remove(field);
    }
    // The default is the beginning of the id.
    if found["Id"].as_str().unwrap().starts_with(config["Hostname"].as_str().unwrap()) {
        config.as_object_mut().unwrap().remove("Hostname");
    }
    // The default of docker's client is "no".
    if host["RestartPolicy"]["Name"] == "no" {
        host["RestartPolicy"]["Name"] = Value::Null;
    }
    // The engine lists these in random order.
    for field in ["Binds", "Ulimits"] {
        if let Some(items) = host[field].as_array_mut() {
            items.sort_by_key(ToString::to_string);
        }
    }
    if let Some(entries) = config["Env"].as_array_mut() {
        entries.sort_by_key(ToString::to_string);
    }
    let networks = found["NetworkSettings"]["Networks"].as_object().unwrap().iter();
    let networks = networks.map(|(network, endpoint)| {
        let id = &found["Id"].as_str().unwrap()[..12];
        let aliases = endpoint["Aliases"].as_array().into_iter().flatten();
        let aliases: Vec<&Value> = aliases.filter(|alias| *alias != id).collect();
        (network.clone(), serde_json::json!({"Aliases": aliases, "IPAMConfig": endpoint["IPAMConfig"]}))
    });
    let networks = Value::Object(networks.collect());
    without_unset(
        serde_json::json!({"Path": found["Path"], "Args": found["Args"], "Config": config, "HostConfig": host, "Networks": networks}),
    )
}

fn without_unset(value: Value) -> Value {
    let is_set = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_i64() != Some(0),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(true) => true,
    };
    match value {
        // An exposed port, or a volume, is an empty object.
        Value::Object(map) => {
            let map = map.into_iter().filter(|(_, v)| is_set(v) || v.as_object().is_some());
            Value::Object(
                map.map(|(k, v)| (k, without_unset(v)))
                    .filter(|(k, v)| is_set(v) || k.contains(['/', '-']))
                    .collect(),
            )
        }
        Value::Array(items) => items.into_iter().map(without_unset).collect(),
        other => other,
    }
}

/// Creates a container with both clients; the two must have the same configuration. Returns the notes of `convert`.
#[track_caller]
fn assert_same(engine: &Engine, options: &[&str], rest: &[&str]) -> String {
    let names = [unique("convert-docker"), unique("convert-ours")];
    let created = Created { engine, names };
    let [docker_name, converted_name] = &created.names;
    let name = format!("--name={docker_name}");
    let line = [&["create", &name], options, rest].concat();
    succeed(engine.command(&line).env(FROM_THE_ENVIRONMENT, "green"));
    let (object, notes) = converted(&[&["docker"], &line[..]].concat());
    assert_eq!(object["Name"].as_str(), Some(docker_name.as_str()));
    create(engine, converted_name, &object);
    let (expected, found) = (configuration(engine, docker_name), configuration(engine, converted_name));
    assert!(expected == found, "{options:?}\ndocker: {expected:#}\nours:   {found:#}");
    notes
}

#[test]
fn a_converted_object_creates_the_same_container_as_docker() {
    let Some(engine) = Engine::local() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let env = file("env", "# one\nFROM_FILE=a b \n  INDENTED=1\nSHOP_COLOUR\nUNSET_ANYWHERE\n");
    let labels = file("labels", "from.file=yes\nbare\n");
    let network = Network::create(&engine, &unique("convert"), &["--subnet=10.123.45.0/24"]);
    let notes = assert_same(
        &engine,
        &[
            "-it",
            "-p8080:80",
            "-p",
            "127.0.0.1:9000-9001:9000-9001/udp",
            "--publish=7000-7009:70",
            "-p",
            "[::1]:8443:443",
            "--expose=5000-5001",
            "-P",
            "-e",
            "A=1=2",
            "--env=SHOP_COLOUR",
            "-eUNSET_ANYWHERE",
            "--env-file",
            &env,
            "-v",
            "convert-data:/data:ro",
            "-v/anonymous",
            "--mount",
            "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770",
            "--mount=source=convert-more,dst=/more,readonly,volume-nocopy",
            "--tmpfs",
            "/run:size=64k,noexec",
            "--network",
            &network.name,
            "--network-alias=api",
            "--network-alias",
            "v2",
            "--ip=10.123.45.67",
            "-h",
            "web",
            "--domainname=example.com",
            "--dns",
            "192.0.2.53",
            "--dns-search=example.com",
            "--dns-option",
            "ndots:2",
            "--add-host",
            "db:192.0.2.1",
            "--add-host=six=[2001:db8::1]",
            "-u1000:1000",
            "-w",
            "/srv",
            "--group-add=audio",
            "-l",
            "team=shop",
            "--label=empty",
            "--label-file",
            &labels,
            "--restart=on-failure:3",
            "--stop-signal",
            "SIGQUIT",
            "--stop-timeout=20",
            "--init",
            "--read-only",
            "--health-cmd=curl -f localhost || exit 1",
            "--health-interval=1m30s",
            "--health-timeout",
            "1.5s",
            "--health-retries=3",
            "--health-start-period=10s",
            "-m512m",
            "--memory-reservation=256MB",
            "--memory-swap=1g",
            "--cpus=1.5",
            "-c",
            "512",
            "--cpuset-cpus=0",
            "--pids-limit=100",
            "--ulimit",
            "nofile=1024:2048",
            "--ulimit=core=0",
            "--shm-size=32m",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--log-driver=json-file",
            "--log-opt",
            "max-size=1m",
            "--log-opt=max-file=2",
            "--oom-score-adj=100",
            "--ipc=shareable",
            "--entrypoint",
            "/server",
        ],
        &["scsm-test:1", "serve", "--linger=1", "-d"],
    );
    assert!(!notes.contains("warning"), "the daemon accepts all of it: {notes}");
    engine.docker(&["volume", "rm", "--force", "convert-data", "convert-more"]);
}

#[test]
fn fields_that_the_daemon_refuses_are_converted_as_well() {
    let Some(engine) = Engine::local() else { return };
    let notes = assert_same(
        &engine,
        &[
            "--privileged",
            "--network=host",
            "--pid=host",
            "--uts=host",
            "--cap-add=NET_ADMIN",
            "--cap-add",
            "CAP_SYS_TIME",
            "--device=/dev/null:/dev/nothing:rw",
            "--device-cgroup-rule=c 42:* rmw",
            "--gpus=\"device=0,1\",capabilities=utility",
            "-v/etc:/host/etc:ro",
            "--mount=type=bind,source=/etc,target=/etc2,bind-propagation=rslave",
            "--security-opt=apparmor=unconfined",
            "--security-opt",
            "seccomp=unconfined",
            "--security-opt=systempaths=unconfined",
            "--no-healthcheck",
            "--entrypoint=",
            "--cpu-period=100000",
            "--cpu-quota=50000",
            "--init=false",
        ],
        &["scsm-test:1", "/server"],
    );
    for field in [
        "Privileged",
        "NetworkMode",
        "PidMode",
        "UTSMode",
        "CapAdd",
        "Devices",
        "DeviceRequests",
        "Binds",
        "Mounts",
    ] {
        let warning = format!("warning: the daemon will refuse this: HostConfig.{field}");
        assert!(notes.contains(&warning), "{field}: {notes}");
    }
}

#[test]
fn a_converted_command_line_can_be_submitted() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("convert");
    let daemon = Daemon::managing(&cluster);
    let name = unique("converted");
    let program = program();
    let script = format!(
        "'{0}' convert --count 2 -- docker run -dit --rm --name {name} --network none -e A=1 -l team=shop scsm-test:1 | \
         '{0}' submit --wait 50s -",
        Path::new(program.get_program()).display()
    );
    let mut shell = Command::new("bash");
    shell.args(["--noprofile", "--norc", "-o", "pipefail", "-c", &script]);
    shell.env("SCSM_ADDR", daemon.url.trim_start_matches("https://"));
    shell.env("SCSM_CERT_PATH", daemon.certificates().directory());
    let output = run(&mut shell);
    let notes = text(&output.stderr);
    assert!(output.status.success(), "{notes}\n{}", daemon.diagnostics());
    assert!(notes.contains("--rm is left out"), "{notes}");
    let running = cluster.running();
    assert_eq!(running.len(), 2);
    let found = engine.docker(&[
        "inspect",
        "--format",
        "{{.Config.Tty}} {{.Config.Env}} {{.Config.Labels.team}}",
        &running[0].id,
    ]);
    assert_eq!(found, "true [A=1] shop");
}
