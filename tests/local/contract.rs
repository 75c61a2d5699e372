//! The HTTP contract, without Docker: a daemon on the simulated engine, told by curl. What it takes, what it
//! refuses and in which words, who may speak to it at all, and how it behaves towards clients that do not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::daemon::Setup;
use support::process::{run, text};
use support::{Certificates, Client, Daemon, Reply, SOON};

const MIB: usize = 1024 * 1024;
/// DESIGN 7: so long may a stop take, with clients at work.
const STOP: Duration = Duration::from_secs(8);

fn object(name: &str, count: u32) -> Value {
    json!({"Name": name, "Image": "nginx:1.9.6", "Count": count, "Update": {"Monitor": "100ms"}})
}

/// An object's text with one more field, or with another value for one.
fn text_with(field: &str, value: &str) -> String {
    let mut fields = vec![
        ("Name".to_owned(), r#""web""#.to_owned()),
        ("Image".to_owned(), r#""nginx:1.9.6""#.to_owned()),
        ("Count".to_owned(), "1".to_owned()),
    ];
    fields.retain(|(known, _)| known != field);
    fields.push((field.to_owned(), value.to_owned()));
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", fields.join(", "))
}

// ---- The whole, simulated

#[test]
fn the_simulated_engine_runs_the_whole_and_says_that_it_is_simulated() {
    let daemon = Daemon::simulated();
    let said = format!("{}{}", daemon.banner(), daemon.log()).to_lowercase();
    assert!(said.contains("simulated"), "it does not pretend: {said}");
    let engine = daemon.connected();
    assert!(engine["Kind"].as_str().unwrap().to_lowercase().contains("simulated"), "{engine}");
    assert_eq!(engine["Endpoint"], "simulated://3");
    assert_eq!(engine["Nodes"].as_array().map(Vec::len), Some(3), "{engine}");

    let answer = daemon.client.post("/submit", object("nginx", 5).to_string());
    assert_eq!((answer.status, answer.content_type.as_str()), (201, "application/json"), "{answer:?}");
    assert_eq!(answer.json(), json!({"Name": "nginx", "Generation": 1, "Result": "created"}));
    daemon.converges("nginx", SOON);
    let shown = daemon.object("nginx");
    for (field, value) in [
        ("Name", json!("nginx")),
        ("Image", json!("nginx:1.9.6")),
        ("Count", json!(5)),
        ("Generation", json!(1)),
        ("ObservedGeneration", json!(1)),
        ("Running", json!(5)),
        ("Ready", json!(5)),
        ("Updated", json!(5)),
        ("Phase", json!("converged")),
    ] {
        assert_eq!(shown[field], value, "{field} of {shown}");
    }
    let nodes: std::collections::BTreeSet<&str> =
        shown["Containers"].as_array().unwrap().iter().map(|row| row["Node"].as_str().unwrap()).collect();
    assert_eq!(nodes.len(), 3, "they are spread over the nodes: {nodes:?}");

    let answer = daemon.client.post("/submit", object("nginx", 5).to_string());
    assert_eq!((answer.status, &answer.json()["Result"]), (200, &json!("unchanged")));
    let answer = daemon.client.post("/submit", object("nginx", 2).to_string());
    assert_eq!((answer.status, &answer.json()["Result"]), (200, &json!("updated")));
    daemon.wait_until(SOON, "two are left", || {
        daemon.object("nginx")["Containers"].as_array().unwrap().len() == 2
    });
    let mut newer = object("nginx", 2);
    newer["Image"] = json!("nginx:1.9.7");
    assert_eq!(daemon.client.submit(&newer)["Generation"], 3);
    daemon.wait_until(SOON, "both are new", || {
        let shown = daemon.object("nginx");
        shown["Phase"] == "converged"
            && shown["Containers"]
                .as_array()
                .unwrap()
                .iter()
                .all(|row| row["State"] != "running" || row["Image"] == "nginx:1.9.7")
    });
    let reply = daemon.client.delete("/objects/nginx");
    assert!(matches!(reply.status, 200 | 202 | 204), "{reply:?}");
    daemon.wait_until(SOON, "it is gone", || daemon.client.get("/status/nginx").status == 404);
    assert_eq!(daemon.client.get("/objects/nginx").status, 404);
    assert_eq!(daemon.client.delete("/objects/nginx").status, 404);
}

#[test]
fn the_printed_commands_can_be_pasted() {
    let daemon = Daemon::simulated();
    for command in daemon.printed_curls() {
        let output = run(Command::new("sh").args(["-c", &command]));
        assert!(output.status.success(), "{command}\n{}", text(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{command}\nanswers no JSON ({error}): {}", text(&output.stdout)));
        assert!(answer["status"].is_null(), "{command}\nanswers an error: {answer}");
    }
    assert_eq!(daemon.client.get("/objects").json().as_array().map(Vec::len), Some(1), "one of them submits");
}

#[test]
fn objects_are_shown_as_submitted_with_their_generation() {
    let daemon = Daemon::simulated();
    let mut web = object("web", 1);
    web["Env"] = json!(["A=1"]);
    web["HostConfig"] = json!({"Memory": 67_108_864});
    let answer = daemon.client.post("/submit", json!([web, object("db", 0)]).to_string());
    assert_eq!(answer.status, 201, "{answer:?}");
    let results: Vec<Value> = answer.json().as_array().unwrap().clone();
    assert_eq!(results[0], json!({"Name": "web", "Generation": 1, "Result": "created"}));
    assert_eq!(results[1]["Name"], "db", "in the order of the array: {results:?}");

    let shown = daemon.client.get("/objects/web").json();
    for (field, value) in web.as_object().unwrap() {
        assert_eq!(&shown[field], value, "{field} of {shown}");
    }
    assert_eq!(shown["Generation"], 1);
    let all = daemon.client.get("/objects").json();
    let names: Vec<&Value> = all.as_array().unwrap().iter().map(|object| &object["Name"]).collect();
    assert_eq!(names, ["db", "web"]);
    let names: Vec<Value> =
        daemon.status()["Objects"].as_array().unwrap().iter().map(|object| object["Name"].clone()).collect();
    assert_eq!(names, ["db", "web"]);

    // One bad object in an array: none of them is taken.
    let reply = daemon.client.post("/submit", json!([object("new", 1), object("bad name", 1)]).to_string());
    assert_eq!(reply.problem().1, "[1].Name", "{reply:?}");
    assert_eq!(daemon.client.get("/objects/new").status, 404);
}

#[test]
fn any_content_type_is_taken_and_liveness_and_readiness_are_told_apart() {
    let daemon = Daemon::simulated();
    let body = object("web", 1).to_string();
    for content_type in
        ["application/json", "application/x-www-form-urlencoded", "text/plain", "nonsense", ""]
    {
        let header = format!("Content-Type: {content_type}");
        let reply =
            daemon.client.request("/submit", &["--header", &header, "--data-binary", "@-"], body.as_bytes());
        assert!(matches!(reply.status, 200 | 201), "{content_type:?}: {reply:?}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(daemon.client.get(path).status, 200, "{path}");
    }
}

// ---- 4. Bad input

#[test]
fn bad_input_is_refused_by_field_value_and_what_is_allowed_and_changes_nothing() {
    let daemon = Daemon::simulated();
    daemon.client.submit(&object("kept", 1));
    let before = daemon.client.get("/objects").body;
    let long = format!("\"{}\"", "n".repeat(64));

    // The request's text, the field that the answer names, and what else the answer's detail says.
    let web = |field: &str, value: &str| text_with(field, value);
    let twice = r#"{"Name": "web", "Image": "nginx:1.9.6", "Count": 1, "Count": 2}"#.to_owned();
    let cases: Vec<(String, &str, Vec<&str>)> = vec![
        (web("Imag", r#""x""#), "Imag", vec!["Imag", "did you mean", "Image"]),
        (web("image", r#""x""#), "image", vec!["image", "did you mean", "Image"]),
        (web("Replicas", "3"), "Replicas", vec!["Replicas"]),
        (web("HostConfig", r#"{"Memry": 1}"#), "HostConfig.Memry", vec!["Memry", "did you mean", "Memory"]),
        (web("Update", r#"{"Paralelism": 1}"#), "Update.Paralelism", vec!["did you mean", "Parallelism"]),
        (twice, "", vec!["Count", "twice"]),
        (web("HostConfig", r#"{"Memory": 1, "Memory": 2}"#), "", vec!["Memory", "twice"]),
        (web("Count", "-1"), "Count", vec!["-1", "0", "10000"]),
        (web("Count", "1.5"), "Count", vec!["1.5", "0", "10000"]),
        (web("Count", r#""5""#), "Count", vec!["\"5\"", "0", "10000"]),
        (web("Count", "10001"), "Count", vec!["10001", "10000"]),
        (web("Count", "1e400"), "", vec!["number"]),
        (web("Count", "null"), "Count", vec!["Count"]),
        (web("Count", "[1]"), "Count", vec!["0", "10000"]),
        (web("Name", r#""""#), "Name", vec!["\"\"", "a-z"]),
        (web("Name", r#""-web""#), "Name", vec!["-web", "a-z"]),
        (web("Name", r#"".web""#), "Name", vec![".web", "a-z"]),
        (web("Name", r#""we b""#), "Name", vec!["we b", "a-z"]),
        (web("Name", r#""we/b""#), "Name", vec!["we/b", "a-z"]),
        (web("Name", r#""wéb""#), "Name", vec!["wéb", "a-z"]),
        (web("Name", &long), "Name", vec!["nnnn", "63"]),
        (web("Name", "7"), "Name", vec!["7", "string"]),
        (web("Image", r#""""#), "Image", vec!["\"\""]),
        (web("Image", "7"), "Image", vec!["7", "string"]),
        (web("Cmd", r#"{"a": 1}"#), "Cmd", vec!["Cmd"]),
        (web("Env", r#"["A=1", 7]"#), "Env[1]", vec!["7", "string"]),
        (web("StopTimeout", r#""10""#), "StopTimeout", vec!["\"10\""]),
        (web("HostConfig", r#"{"Memory": "64m"}"#), "HostConfig.Memory", vec!["64m"]),
        (web("HostConfig", "[]"), "HostConfig", vec!["object"]),
        (
            web("Update", r#"{"Order": "new-first"}"#),
            "Update.Order",
            vec!["new-first", "start-first", "stop-first"],
        ),
        (web("Update", r#"{"Monitor": "soon"}"#), "Update.Monitor", vec!["soon", "5s"]),
        (web("OnNodeLost", r#""panic""#), "OnNodeLost", vec!["panic", "replace", "hold"]),
        (web("Pull", r#""alwys""#), "Pull", vec!["alwys", "always", "missing", "never"]),
        (web("Constraints", r#"["node 3"]"#), "Constraints[0]", vec!["node 3", "=="]),
        (r#"{"Image": "nginx:1.9.6", "Count": 1}"#.to_owned(), "Name", vec!["Name"]),
        (r#"{"Name": "web", "Count": 1}"#.to_owned(), "Image", vec!["Image"]),
        (r#"{"Name": "web", "Image": "nginx:1.9.6"}"#.to_owned(), "Count", vec!["Count"]),
        (r#""web""#.to_owned(), "", vec!["object"]),
        ("[]".to_owned(), "", vec!["array"]),
        ("null".to_owned(), "", vec!["object"]),
    ];
    for (request, field, words) in &cases {
        let reply = daemon.client.post("/submit", request);
        assert!(matches!(reply.status, 400 | 422), "{request}\n{reply:?}");
        let (detail, named) = reply.problem();
        assert_eq!(&named, field, "{request}\n{reply:?}");
        for word in words {
            let said = if *word == "did you mean" { detail.to_lowercase() } else { detail.clone() };
            assert!(said.contains(word), "the detail does not say {word:?}\n{request}\n{reply:?}");
        }
    }

    // Broken JSON: where.
    for (request, line, column) in [
        ("{\"Name\": \"web\",\n  \"Image\": nginx}", "line 2", "column"),
        ("{\"Name\": \"web\",\n\n \"Count\": 1", "line 3", "column"),
        ("Name=web&Count=5", "line 1", "column 1"),
        ("{\"Name\": \"web\"} {}", "line 1", "column 17"),
        ("{'Name': 'web'}", "line 1", "column 2"),
    ] {
        let reply = daemon.client.post("/submit", request);
        assert_eq!(reply.status, 400, "{request:?}: {reply:?}");
        let (detail, _) = reply.problem();
        assert!(detail.contains(line) && detail.contains(column), "{request:?}: {detail}");
    }
    let empty = daemon.client.post("/submit", "");
    assert_eq!((empty.status, empty.problem().0.contains("empty")), (400, true), "{empty:?}");
    let not_text = daemon.client.post("/submit", b"{\"Name\": \"\xff\xfe\"}");
    assert_eq!(not_text.status, 400, "{not_text:?}");
    not_text.problem();
    let nested = "[".repeat(100_000);
    assert_eq!(daemon.client.post("/submit", &nested).status, 400, "nesting has an end");

    // Size, to the byte.
    let padded = |length: usize| {
        let text = object("large", 0).to_string();
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    let reply = daemon.client.post("/submit", padded(MIB + 1));
    assert_eq!(reply.status, 413, "{reply:?}");
    assert!(reply.problem().0.contains("1 MiB") || reply.problem().0.contains("1048576"), "{reply:?}");
    let chunked = ["--header", "Transfer-Encoding: chunked", "--data-binary", "@-"];
    assert_eq!(daemon.client.request("/submit", &chunked, padded(2 * MIB).as_bytes()).status, 413);

    assert_eq!(daemon.client.get("/objects").body, before, "nothing was changed by any of these");
    assert_eq!(daemon.client.post("/submit", padded(MIB)).status, 201, "1 MiB itself is allowed");
}

#[test]
fn what_a_request_does_not_take_is_refused_and_not_ignored() {
    let daemon = Daemon::simulated();
    daemon.client.submit(&object("web", 1));
    daemon.client.submit(&object("web", 2));
    for path in
        ["/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/status", "/objects", "/plan", "/backup"]
    {
        let reply = daemon.client.get(&format!("{path}?bogus=1"));
        assert_eq!(reply.status, 400, "{path}: {reply:?}");
        assert!(reply.problem().0.contains("bogus"), "{path}: {reply:?}");
    }
    let chunked = ["--header", "Transfer-Encoding: chunked"];
    for (method, path) in [("GET", "/status"), ("DELETE", "/objects/web"), ("POST", "/objects/web/rollback")]
    {
        for more in [&[] as &[&str], &chunked] {
            let arguments = [&["--request", method, "--data-binary", "@-"], more].concat();
            let reply = daemon.client.request(path, &arguments, br#"{"to": 1}"#);
            assert_eq!(reply.status, 400, "{method} {path} {more:?}: {reply:?}");
            assert!(reply.problem().0.contains("takes no body"), "{reply:?}");
        }
    }
    let of = |file: &str, arguments: &[&str]| {
        let arguments = [arguments, &["--data-binary", "@-"]].concat();
        daemon.client.request("/submit", &arguments, file.as_bytes())
    };
    let form = of("--x", &["--header", "Content-Type: multipart/form-data; boundary=x"]);
    assert_eq!(form.status, 415, "{form:?}");
    assert!(form.problem().0.contains("Content-Type") && form.problem().0.contains("-d @FILE"), "{form:?}");
    for encoded in ["%7B%22Name%22%3A%22x%22%7D", "%5b%7b%7d%5d"] {
        let reply = of(encoded, &[]);
        assert!(reply.status == 400 && reply.problem().0.contains("--data-urlencode"), "{reply:?}");
    }
    let marked = of(&format!("\u{feff}{}", object("marked", 1)), &[]);
    assert_eq!(marked.status, 201, "{marked:?}");
    assert_eq!(daemon.object("web")["Generation"], 2, "nothing of it was done");
}

#[test]
fn wrong_methods_and_paths_are_told_what_there_is() {
    let daemon = Daemon::simulated();
    daemon.client.submit(&object("web", 1));
    for (method, path, allowed) in [
        ("GET", "/submit", "post"),
        ("PUT", "/submit", "post"),
        ("POST", "/status", "get"),
        ("DELETE", "/status/web", "get"),
        ("DELETE", "/objects", "get"),
        ("POST", "/objects/web", "delete"),
        ("POST", "/healthz", "get"),
    ] {
        let reply = daemon.client.request(path, &["--request", method], b"");
        assert_eq!(reply.status, 405, "{method} {path}: {reply:?}");
        let (detail, _) = reply.problem();
        assert!(detail.contains(method), "{method} {path}: {detail}");
        let allow = reply.headers.iter().find(|line| line.starts_with("allow:"));
        assert!(allow.is_some_and(|line| line.contains(allowed)), "{method} {path}: {:?}", reply.headers);
    }
    for path in ["/nonsense", "/status/unheard-of", "/objects/unheard-of", "/objects/we%20b", "/objects/%ff"]
    {
        let reply = daemon.client.get(path);
        assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
        reply.problem();
    }
    assert_eq!(daemon.client.get("/objects").json().as_array().map(Vec::len), Some(1));
}

#[test]
fn what_would_make_a_submitter_root_is_refused_by_rule() {
    let daemon = Daemon::simulated();
    let inside =
        |field: &str, value: &str| (format!("HostConfig.{field}"), format!("{{\"{field}\": {value}}}"));
    let bind = r#"[{"Type": "bind", "Source": "/", "Target": "/host"}]"#;
    let bind_by_another_name = r#"[{"Type": "volume", "Source": "v", "Target": "/host", "VolumeOptions":
        {"DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "/"}}}}]"#;
    let mut cases: Vec<(String, String, String)> = [
        inside("Privileged", "true"),
        inside("CapAdd", r#"["SYS_ADMIN"]"#),
        inside("SecurityOpt", r#"["seccomp=unconfined"]"#),
        inside("SecurityOpt", r#"["apparmor:unconfined"]"#),
        inside("SecurityOpt", r#"["label:disable"]"#),
        inside("MaskedPaths", "[]"),
        inside("ReadonlyPaths", "[]"),
        inside("Binds", r#"["/:/host"]"#),
        inside("Binds", r#"["/var/run/docker.sock:/docker.sock:ro"]"#),
        inside("Mounts", bind),
        inside("Mounts", bind_by_another_name),
        inside("VolumesFrom", r#"["other"]"#),
        inside(
            "Devices",
            r#"[{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]"#,
        ),
        inside("DeviceCgroupRules", r#"["a *:* rwm"]"#),
        inside("DeviceRequests", r#"[{"Count": -1, "Capabilities": [["gpu"]]}]"#),
        inside("NetworkMode", r#""host""#),
        inside("NetworkMode", r#""container:other""#),
        inside("PidMode", r#""host""#),
        inside("PidMode", r#""host:x""#),
        inside("IpcMode", r#""bogus""#),
        inside("LogConfig", r#"{"Type": "json-file", "Config": {"max-file": "2000000"}}"#),
        inside("PidMode", r#""container:other""#),
        inside("IpcMode", r#""host""#),
        inside("IpcMode", r#""container:other""#),
        inside("UTSMode", r#""host""#),
        inside("UsernsMode", r#""host""#),
        inside("CgroupnsMode", r#""host""#),
        inside("CgroupParent", r#""/""#),
        inside("Runtime", r#""other""#),
        inside("Sysctls", r#"{"kernel.core_pattern": "|/x"}"#),
    ]
    .map(|(named, value)| (named, "HostConfig".to_owned(), value))
    .to_vec();
    for (named, field, value) in [
        ("Labels", "Labels", r#"{"com.docker.swarm.id": "x"}"#),
        ("Labels", "Labels", r#"{"io.github.swarm-cluster-state-manager.object": "other"}"#),
        ("Env", "Env", r#"["constraint:node==n1"]"#),
        ("Env", "Env", r#"["affinity:container==db"]"#),
        ("Env", "Env", r#"["reschedule:on-node-failure"]"#),
    ] {
        cases.push((named.to_owned(), field.to_owned(), value.to_owned()));
    }
    for (named, field, value) in &cases {
        let reply = daemon.client.post("/submit", text_with(field, value));
        assert_eq!(reply.status, 403, "{field}: {value}\n{reply:?}");
        let (detail, path) = reply.problem();
        assert!(path.starts_with(named.as_str()), "the field {path:?} is not in {named:?}: {reply:?}");
        assert!(detail.contains("rule"), "the rule is named: {detail}");
    }
    assert_eq!(daemon.client.get("/objects").json(), json!([]), "nothing was taken");
    assert_eq!(daemon.status()["Objects"], json!([]));

    // What stays inside the container is nobody's business.
    let harmless = r#"{"Memory": 67108864, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "Tmpfs": {"/tmp": ""},
        "Binds": ["data:/data"], "Privileged": false, "NetworkMode": "bridge", "ReadonlyRootfs": true}"#;
    assert_eq!(daemon.client.post("/submit", text_with("HostConfig", harmless)).status, 201);
}

// ---- Who may speak at all

#[test]
fn without_a_certificate_of_its_ca_nobody_gets_an_answer() {
    let certificates = Certificates::docker_machine();
    let stranger = Certificates::stranger();
    let daemon = Setup::new().flag("--swarm-manager=simulated://3").certificates(&certificates).start();
    let nobody = Client::without_certificate(&daemon.url, &certificates);
    let somebody_else = nobody.clone().with("--cert", stranger.cert()).with("--key", stranger.key());
    let body = object("web", 1).to_string();
    for (who, client) in [("nobody", &nobody), ("somebody else", &somebody_else)] {
        for version in ["1.2", "1.3"] {
            for path in ["/submit", "/status", "/healthz", "/"] {
                let arguments = ["--tls-max", version, "--data-binary", "@-"];
                let output = client.curl(path, &arguments, body.as_bytes());
                let said = text(&output.stderr);
                // 35: the handshake failed; 56: TLS 1.3 tells a client only when it reads; 98: newer curls' own
                // code for "a client certificate is required".
                let code = output.status.code();
                assert!(matches!(code, Some(35 | 56 | 98)), "{who}, TLS {version}, {path}: {code:?} {said}");
                assert!(said.contains("alert"), "{who}, TLS {version}, {path}: {said}");
                assert!(!said.contains("HTTP/1.1"), "no word of HTTP: {said}");
            }
        }
    }
    assert_eq!(daemon.client.get("/objects").json(), json!([]));
    for version in ["1.2", "1.3"] {
        let reply = daemon.client.request("/healthz", &["--tls-max", version], b"");
        assert_eq!(reply.status, 200, "TLS {version}, with the right certificate: {reply:?}");
    }
    assert_eq!(
        Client::with_bundle(&daemon.url, &certificates).get("/status").status,
        200,
        "and with the bundle"
    );
    // Plain HTTP is told what to use, and hurts nobody.
    let plain = Client::without_certificate(&daemon.url.replace("https:", "http:"), &certificates);
    let reply = plain.post("/submit", &body);
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(reply.body.to_lowercase().contains("https"), "{reply:?}");
    assert_eq!(daemon.client.get("/objects").json(), json!([]));
}

// ---- 6. Clients that are slow, silent or many, and the stop

/// A connection that has shaken hands and says what it is told, or nothing: `openssl s_client`.
struct SlowClient {
    child: Child,
}

impl SlowClient {
    fn connect(daemon: &Daemon) -> Self {
        let made = daemon.made();
        let child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", daemon.url.trim_start_matches("https://"), "-CAfile"])
            .arg(made.ca())
            .arg("-cert")
            .arg(made.cert())
            .arg("-key")
            .arg(made.key())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child }
    }

    fn say(mut self, words: &str) -> Self {
        self.child.stdin.as_mut().unwrap().write_all(words.as_bytes()).unwrap();
        self
    }
}

impl Drop for SlowClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The head of a submit whose body does not follow.
const HALF_A_SUBMIT: &str = "POST /submit HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"Name\": ";

fn address(daemon: &Daemon) -> &str {
    daemon.url.trim_start_matches("https://")
}

#[test]
fn silent_and_slow_clients_stop_nobody_and_are_shown_out() {
    let daemon = Daemon::simulated();
    let mut silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(address(&daemon)).unwrap()).collect();
    let _slow: Vec<SlowClient> = (0..4).map(|_| SlowClient::connect(&daemon).say(HALF_A_SUBMIT)).collect();
    for _ in 0..5 {
        let begun = Instant::now();
        assert_eq!(daemon.client.get("/healthz").status, 200);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
    // A handshake has 10 s.
    let begun = Instant::now();
    let first = &mut silent[0];
    first.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let end = first.read(&mut [0; 1]);
    assert!(
        matches!(end, Ok(0))
            || end.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
        "a client that never shakes hands is shown out: {end:?} after {:?}",
        begun.elapsed()
    );
    assert_eq!(daemon.client.get("/healthz").status, 200);
}

#[test]
fn sigterm_ends_it_in_time_under_load() {
    let mut daemon = Daemon::simulated();
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address(&daemon)).unwrap()).collect();
    let slow = [SlowClient::connect(&daemon).say(HALF_A_SUBMIT), SlowClient::connect(&daemon)];
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = daemon.client.clone();
    thread::scope(|scope| {
        for worker in 0..3 {
            let (client, stop, answered) = (&client, &stop, &answered);
            scope.spawn(move || {
                let mut count = 0;
                while !stop.load(Ordering::SeqCst) {
                    count += 1;
                    let body = object(&format!("load-{worker}"), count % 50).to_string();
                    // At the end there is nobody to answer; before it every answer is a good one.
                    let reply = client.try_request("/submit", &["--data-binary", "@-"], body.as_bytes());
                    if let Ok(Reply { status: 200 | 201, .. }) = reply {
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        thread::sleep(Duration::from_secs(1));
        daemon.signal("TERM");
        let begun = Instant::now();
        let status = daemon.ended(STOP);
        eprintln!("SIGTERM under load: ended after {:?}", begun.elapsed());
        stop.store(true, Ordering::SeqCst);
        let status = status.unwrap_or_else(|| panic!("not within {STOP:?}\n{}", daemon.log()));
        assert!(status.success(), "{status}\n{}", daemon.log());
    });
    assert!(answered.load(Ordering::SeqCst) > 3, "there was load");
    assert!(TcpStream::connect(address(&daemon)).is_err(), "nobody listens any more");
    drop((silent, slow));
}

#[test]
fn sigint_is_a_stop_too_and_a_second_sigterm_ends_it_now() {
    let mut daemon = Daemon::simulated();
    daemon.signal("INT");
    let status = daemon.ended(STOP).expect("SIGINT ends it");
    assert!(status.success(), "{status}");

    let mut daemon = Daemon::simulated();
    // This one keeps it from ending at once.
    let slow = SlowClient::connect(&daemon).say(HALF_A_SUBMIT);
    thread::sleep(Duration::from_millis(500));
    daemon.signal("TERM");
    assert!(
        daemon.ended(Duration::from_millis(700)).is_none(),
        "it waits for the client that is in the middle of a request"
    );
    daemon.signal("TERM");
    let begun = Instant::now();
    assert!(
        daemon.ended(Duration::from_secs(2)).is_some(),
        "it did not end at the second signal\n{}",
        daemon.log()
    );
    eprintln!("second SIGTERM: ended after {:?}", begun.elapsed());
    drop(slow);
}

#[test]
fn the_log_is_one_json_object_a_line_with_a_line_for_every_action() {
    let daemon = Setup::new().flag("--swarm-manager=simulated://3").flag("--log-format=json").start();
    let mut web = object("web", 2);
    web["Env"] = json!(["PASSWORD=correct-horse"]);
    daemon.client.submit(&web);
    daemon.converges("web", SOON);
    let log = daemon.log();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(entry["level"].is_string(), "{line}");
    }
    for slot in 1..=2 {
        let action = |line: &&str| line.contains("create") && line.contains(&format!("web.{slot}.1"));
        assert!(log.lines().any(|line| action(&line)), "no line for the create of web.{slot}.1:\n{log}");
    }
    assert!(!log.contains("correct-horse"), "values of Env are nobody's business");
    assert!(!daemon.client.get("/status").body.contains("correct-horse"));

    let text = Setup::new().flag("--swarm-manager=simulated://1").flag("--log-format=text").start();
    assert!(text.log().lines().all(|line| serde_json::from_str::<Value>(line).is_err()), "{}", text.log());
}
