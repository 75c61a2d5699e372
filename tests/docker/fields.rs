//! The fields of an object in the containers that the engine creates.

use serde_json::{Value, json};
use support::daemon::Setup;
use support::{Daemon, Engine, LABELS, SOON, unique};

use support::objects::*;

#[test]
fn submitted_fields_arrive_in_the_container_and_its_labels_identify_it() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("fields");
    let daemon = Daemon::managing(&cluster);
    let name = unique("fields");
    daemon.client.submit(&object_with(
        &name,
        1,
        json!({
            "Cmd": ["--linger=1"], "Env": ["GREETING=hello world"], "Labels": {"team": "blue"}, "User": "65534",
            "WorkingDir": "/tmp", "StopSignal": "SIGINT", "StopTimeout": 7, "Hostname": "box",
            "Healthcheck": {"Test": ["CMD", "/server", "healthcheck"], "Interval": 500_000_000, "Retries": 2},
            "HostConfig": {"NetworkMode": "none", "Memory": 67_108_864, "CapDrop": ["ALL"], "ReadonlyRootfs": true},
        }),
    ));
    daemon.converges(&name, SOON);
    let container = runs(&daemon, &cluster, 1).remove(0);
    let inspect: Value = serde_json::from_str(&engine.docker(&["inspect", &container.id])).unwrap();
    let (config, host) = (&inspect[0]["Config"], &inspect[0]["HostConfig"]);
    assert_eq!(config["Cmd"], json!(["--linger=1"]));
    assert!(config["Env"].as_array().unwrap().contains(&json!("GREETING=hello world")), "{config}");
    assert_eq!(
        [
            &config["User"],
            &config["WorkingDir"],
            &config["StopSignal"],
            &config["StopTimeout"],
            &config["Hostname"]
        ],
        [&json!("65534"), &json!("/tmp"), &json!("SIGINT"), &json!(7), &json!("box")],
    );
    assert_eq!(config["Healthcheck"]["Interval"], 500_000_000);
    assert_eq!(
        [&host["NetworkMode"], &host["Memory"], &host["CapDrop"], &host["ReadonlyRootfs"]],
        [&json!("none"), &json!(67_108_864), &json!(["ALL"]), &json!(true)],
    );
    assert!(
        ["no", ""].contains(&host["RestartPolicy"]["Name"].as_str().unwrap()),
        "the daemon restarts, not the engine"
    );
    let label = |word: &str| config["Labels"][format!("{LABELS}.{word}")].as_str().unwrap_or_default();
    assert_eq!(
        ["cluster", "object", "slot", "attempt"].map(label),
        [cluster.name(), &name, "1", "1"],
        "{}",
        config["Labels"]
    );
    assert!(!label("template").is_empty());
    assert_eq!(config["Labels"]["team"], "blue");
    assert_eq!(container.name, format!("{name}.1.1"));
    daemon.wait_until(SOON, "the status shows its health", || {
        daemon.object(&name)["Containers"][0]["Health"] == "healthy"
    });
    assert_eq!(daemon.object(&name)["Ready"], 1);
}

#[test]
fn fields_that_the_engine_fills_in_or_normalises_are_accepted() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("normal");
    let daemon = Daemon::managing(&cluster);
    let (name, data, network) = (unique("normal"), unique("data"), unique("net"));
    engine.docker(&["network", "create", &network]);
    for host_config in [
        json!({}),
        json!({"CapDrop": ["chown", "NET_RAW"], "SecurityOpt": ["no-new-privileges"], "IpcMode": "shareable"}),
        json!({"Binds": [format!("{data}:/data/:ro")], "Tmpfs": {"/tmp": "size=1m"}, "CgroupnsMode": "private"}),
        json!({"Mounts": [{"Type": "volume", "Source": data, "Target": "/more"}, {"Type": "volume", "Target": "/anonymous"},
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 65536}}]}),
        json!({"PortBindings": {"80": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}, "PublishAllPorts": true}),
        json!({"LogConfig": {"Config": {"max-size": "1m"}}, "RestartPolicy": {"Name": "no"}}),
        json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}, "NetworkMode": network}),
        json!({"Memory": 67_108_864, "OomKillDisable": true, "MemorySwap": -1, "BlkioWeight": 300, "CpuShares": 3}),
        json!({"Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}], "ShmSize": 1_048_576, "Init": false}),
    ] {
        let object =
            object_with(&name, 1, json!({"HostConfig": host_config, "Volumes": {"/v": {}}, "Env": ["A=1"]}));
        let reply = daemon.client.post("/submit?wait=45s", object.to_string());
        assert_eq!(reply.status, 200, "{host_config}: {reply:?}");
    }
    let gone = daemon.client.request(&format!("/objects/{name}?wait=45s"), &["--request", "DELETE"], b"");
    assert_eq!(gone.status, 200, "{gone:?}");
    engine.docker(&["network", "rm", &network]);
    engine.docker(&["volume", "rm", &data]);
}

#[test]
fn an_object_that_the_engine_rejects_is_refused_with_the_engines_message() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("rejected");
    let daemon = Daemon::managing(&cluster);
    let (host, evil) =
        (engine.docker(&["network", "inspect", "host", "--format", "{{.Id}}"]), unique("evil"));
    engine.docker(&[
        "volume",
        "create",
        "--opt",
        "type=none",
        "--opt",
        "o=bind",
        "--opt",
        "device=/etc",
        &evil,
    ]);
    let cases = [
        (json!({"StorageOpt": {"size": "1G"}}), "storage-opt"),
        (json!({"Binds": ["data:/d:rshared"]}), "invalid volume specification"),
        (json!({"Binds": ["data:/d:bogus"]}), "invalid mode"),
        (json!({"Memory": 1000}), "Minimum memory"),
        (json!({"CpusetCpus": "99"}), "Requested CPUs"),
        (json!({"IOMaximumIOps": 5}), "QoS"),
        (json!({"NetworkMode": &host[..1]}), "no network has exactly this name"),
        (json!({"Binds": [format!("{evil}:/x")]}), "is not allowed for submitted objects"),
    ];
    let names: Vec<String> = cases.iter().map(|_| unique("no")).collect();
    let objects: Vec<Value> = cases
        .iter()
        .zip(&names)
        .map(|((host_config, _), name)| object_with(name, 1, json!({ "HostConfig": host_config })))
        .collect();
    daemon.client.submit(&Value::Array(objects));
    for ((host_config, words), name) in cases.iter().zip(&names) {
        daemon.wait_until(SOON, &format!("{host_config} is refused"), || {
            let reason = daemon.object(name)["Reason"].as_str().unwrap_or_default().to_owned();
            reason.contains(words) && !reason.contains("unknown") && !reason.contains("not known")
        });
    }
    assert!(cluster.running().is_empty(), "none of them runs: {:?}", cluster.running());
    engine.docker(&["volume", "rm", &evil]);
}

#[test]
fn no_log_level_logs_a_secret_of_an_object() {
    let Some(engine) = Engine::local() else { return };
    for filter in ["trace", "debug,bollard=trace,hyper_util=trace"] {
        let cluster = engine.cluster("secrets");
        let daemon = Setup::new().managing(&cluster).env("SCSM_LOG", filter).env("RUST_LOG", "trace").start();
        let secrets = json!({
            "Env": ["PASSWORD=s3cr3t-env"],
            "Labels": {"token": "s3cr3t-label"},
            "Healthcheck": {"Test": ["CMD", "/server", "s3cr3t-check"], "Interval": 3_600_000_000_000_i64},
        });
        daemon.client.submit(&object_with("web", 1, secrets));
        runs(&daemon, &cluster, 1);
        daemon.client.delete("/objects/web");
        daemon.wait_until(SOON, "it is gone", || cluster.containers().is_empty());
        let log = daemon.log();
        assert!(log.contains("following events"), "details are logged: {log}");
        assert!(!log.contains("s3cr3t"), "{log}");
    }
}
