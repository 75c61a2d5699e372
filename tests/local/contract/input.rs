//! Bad input is refused by field, value and what is allowed.

use serde_json::json;
use support::Daemon;

use super::*;

#[test]
fn bad_input_is_refused_by_field_value_and_what_is_allowed_and_changes_nothing() {
    let daemon = Daemon::simulated();
    daemon.client.submit(&object("kept", 1));
    let before = daemon.client.get("/objects").body;
    let long = format!("\"{}\"", "n".repeat(64));

    // The request, the field that the answer names, and parts of the answer's detail.
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
        ("null".to_owned(), "", vec!["given null", "object"]),
        (web("Env", r#"["=A"]"#), "Env[0]", vec!["=A", "NAME=VALUE"]),
    ];
    for (request, field, words) in &cases {
        let reply = daemon.client.post("/submit", request);
        assert!(matches!(reply.status, 400 | 422), "{request}\n{reply:?}");
        let (detail, named) = reply.problem();
        assert_eq!(&named, field, "{request}\n{reply:?}");
        for word in words {
            let detail = if *word == "did you mean" { detail.to_lowercase() } else { detail.clone() };
            assert!(detail.contains(word), "the detail lacks {word:?}\n{request}\n{reply:?}");
        }
    }

    // Invalid JSON is refused with its position.
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
    assert_eq!(daemon.client.post("/submit", &nested).status, 400, "nesting is limited");

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

    // And the number of objects.
    for (path, count, status, words) in [
        ("/submit", 10_001, 413, "allowed are up to 10000"),
        ("/submit?dry_run", 1_001, 422, "only dry runs have this limit"),
    ] {
        let objects: Vec<String> =
            (0..count).map(|n| format!("{{\"Name\":\"o{n}\",\"Image\":\"a\",\"Count\":1}}")).collect();
        let reply = daemon.client.post(path, format!("[{}]", objects.join(",")));
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        assert!(reply.problem().0.contains(words), "{path}: {reply:?}");
    }

    assert_eq!(daemon.client.get("/objects").body, before, "nothing was changed by any of these");
    assert_eq!(daemon.client.post("/submit", padded(MIB)).status, 201, "1 MiB itself is allowed");
}

#[test]
fn unsupported_parameters_and_bodies_are_refused_and_not_ignored() {
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
            let (detail, _) = reply.problem();
            assert!(detail.contains("takes no body") && !detail.contains("wait"), "{reply:?}");
        }
    }
    let of = |file: &str, arguments: &[&str]| {
        let arguments = [arguments, &["--data-binary", "@-"]].concat();
        daemon.client.request("/submit", &arguments, file.as_bytes())
    };
    let form = of("--x", &["--header", "Content-Type: multipart/form-data; boundary=x"]);
    assert_eq!(form.status, 415, "{form:?}");
    assert!(form.problem().0.contains("Content-Type") && form.problem().0.contains("-d @FILE"), "{form:?}");
    let gzip = of("\u{1f}\u{8b}", &["--header", "Content-Encoding: gzip"]);
    assert_eq!(gzip.status, 415, "{gzip:?}");
    assert!(gzip.problem().0.contains("send the body uncompressed"), "{gzip:?}");
    assert_eq!(of(&object("plain", 1).to_string(), &["--header", "Content-Encoding: identity"]).status, 201);
    for encoded in ["%7B%22Name%22%3A%22x%22%7D", "%5b%7b%7d%5d"] {
        let reply = of(encoded, &[]);
        assert!(reply.status == 400 && reply.problem().0.contains("--data-urlencode"), "{reply:?}");
    }
    let marked = of(&format!("\u{feff}{}", object("marked", 1)), &[]);
    assert_eq!(marked.status, 201, "{marked:?}");
    assert_eq!(daemon.object("web")["Generation"], 2, "nothing was changed");
}

#[test]
fn a_wrong_method_or_path_is_answered_with_the_valid_ones() {
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
    for path in ["/nonsense", "/status/unknown", "/objects/unknown", "/objects/we%20b", "/objects/%ff"] {
        let reply = daemon.client.get(path);
        assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
        reply.problem();
    }
    assert_eq!(daemon.client.get("/objects").json().as_array().map(Vec::len), Some(1));
}

#[test]
fn fields_that_would_make_a_submitter_root_are_refused_by_rule() {
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
    assert_eq!(daemon.client.get("/objects").json(), json!([]), "nothing was accepted");
    assert_eq!(daemon.status()["Objects"], json!([]));

    // Options that stay inside the container are accepted.
    let harmless = r#"{"Memory": 67108864, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "Tmpfs": {"/tmp": ""},
        "Binds": ["data:/data"], "Privileged": false, "NetworkMode": "bridge", "ReadonlyRootfs": true}"#;
    assert_eq!(daemon.client.post("/submit", text_with("HostConfig", harmless)).status, 201);
}

/// An object's JSON with one more field, or with another value for a field.
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
