//! Separate engines: one that requires client certificates, and one that pulls from a registry.

use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::daemon::Setup;
use support::objects::{ids, object, object_with, runs};
use support::process::{run, text};
use support::{Certificates, Dockerd, Engine, Registry, SOON, unique};

/// A pull that works again is noticed within this time, also on a busy machine.
const REPLACED: Duration = Duration::from_secs(5);

#[test]
fn the_originals_command_line_and_curl_calls_work_unchanged() {
    let Some(machine) = Engine::local_as_root() else { return };
    let certificates = Certificates::docker_machine();
    let mut dockerd = Dockerd::new(&machine, &certificates);
    let cluster = dockerd.engine().cluster("original");
    // The daemon may start before the engine.
    let daemon = Setup::new()
        .flag(format!("--cluster={}", cluster.name()))
        .flag(format!("--swarm-manager={}", dockerd.endpoint()))
        .certificates(&certificates)
        .start();
    let in_certificates = |line: &str| -> Value {
        let line = line.replace("https://HOST:3476", &daemon.url);
        let output = run(Command::new("sh").args(["-c", &line]).current_dir(certificates.directory()));
        assert!(output.status.success(), "{line}\n{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}\n{}", text(&output.stdout)))
    };
    let submit = |object: &str| {
        in_certificates(&format!(
            "curl https://HOST:3476/submit -d '{object}' --cacert ca.pem --cert cert.pfx --cert-type P12 --pass swarm"
        ))
    };
    let status = || {
        in_certificates(
            "curl https://HOST:3476/status --cacert ca.pem --cert cert.pfx --cert-type P12 --pass swarm",
        )
    };

    assert_eq!(status()["Engine"]["Connected"], false);
    dockerd.start();
    dockerd.engine().docker(&["tag", "scsm-test:1", "nginx:1.9.6"]);
    dockerd.engine().docker(&["tag", "scsm-test:2", "nginx:1.9.7"]);

    let answer = submit(r#"{"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5}"#);
    assert_eq!((&answer["Name"], &answer["Result"]), (&json!("nginx"), &json!("created")), "{answer}");
    let five = runs(&daemon, &cluster, 5);
    let names: Vec<&str> = five.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["nginx.1.1", "nginx.2.1", "nginx.3.1", "nginx.4.1", "nginx.5.1"]);
    daemon.converges("nginx", SOON);
    let seen = status();
    assert_eq!(seen["Engine"]["Endpoint"], dockerd.endpoint(), "{seen}");
    assert_eq!(seen["Engine"]["Connected"], true, "{seen}");
    let nginx = &seen["Objects"][0];
    let counted = [&nginx["Name"], &nginx["Image"], &nginx["Count"], &nginx["Running"], &nginx["Phase"]];
    assert_eq!(
        counted.map(Value::clone),
        [json!("nginx"), json!("nginx:1.9.6"), json!(5), json!(5), json!("converged")]
    );

    // The containers stop with the engine; the daemon replaces them after its restart.
    dockerd.stop();
    daemon.wait_until(SOON, "the engine is disconnected", || status()["Engine"]["Connected"] == false);
    dockerd.start();
    let again = runs(&daemon, &cluster, 5);
    assert!(
        again.iter().all(|container| !ids(&five).contains(&container.id.as_str())),
        "all are new: {again:?}"
    );
    daemon.converges("nginx", SOON);

    submit(r#"{"Name": "nginx", "Image": "nginx:1.9.7", "Count": 2, "Update": {"Monitor": "300ms"}}"#);
    daemon.wait_until(SOON, "two of the new image run", || {
        let running = cluster.running();
        running.len() == 2 && running.iter().all(|container| container.image == "nginx:1.9.7")
    });
    submit(r#"{"Name": "nginx", "Image": "nginx:1.9.7", "Count": 0}"#);
    runs(&daemon, &cluster, 0);
}

#[test]
fn an_engine_with_mutual_tls_is_used_only_with_the_right_certificates() {
    let Some(machine) = Engine::local_as_root() else { return };
    let (certificates, stranger) = (Certificates::docker_machine(), Certificates::stranger());
    let mut dockerd = Dockerd::new(&machine, &certificates);
    dockerd.start();
    let endpoint = dockerd.endpoint();
    let name = unique("tls");
    let engine_flags = |trust: &Certificates, identity: &Certificates| {
        [
            format!("--engine-tlscacert={}", trust.ca().display()),
            format!("--engine-tlscert={}", identity.cert().display()),
            format!("--engine-tlskey={}", identity.key().display()),
        ]
    };
    for (trust, identity, what) in [
        (&stranger, &certificates, "an engine of another CA"),
        (&certificates, &stranger, "an engine that does not trust this client"),
    ] {
        let cluster = dockerd.engine().cluster("untrusted");
        let setup = Setup::new().flag(format!("--cluster={}", cluster.name()));
        let setup = engine_flags(trust, identity).into_iter().fold(setup, Setup::flag);
        let daemon = setup.flag(format!("--swarm-manager={endpoint}")).start();
        daemon.client.submit(&object(&name, 1));
        daemon.wait_until(SOON, what, || {
            let engine = &daemon.status()["Engine"];
            let error = engine["Error"].as_str().unwrap_or_default().to_lowercase();
            engine["Connected"] == false
                && (error.contains("certificate") || error.contains("issuer") || error.contains("ca"))
        });
        eprintln!("{what}: {}", daemon.status()["Engine"]["Error"]);
        assert!(cluster.containers().is_empty());
    }

    // Clients of one CA, the engine of another.
    let cluster = dockerd.engine().cluster("trusted");
    let setup = Setup::new().managing(&cluster).certificates(&stranger);
    let daemon = engine_flags(&certificates, &certificates).into_iter().fold(setup, Setup::flag).start();
    daemon.client.submit(&object(&name, 2));
    runs(&daemon, &cluster, 2);
    drop(daemon);

    // What `docker-machine env` sets is enough.
    let daemon = Setup::new()
        .flag(format!("--cluster={}", cluster.name()))
        .env("DOCKER_HOST", &endpoint)
        .env("DOCKER_TLS_VERIFY", "1")
        .env("DOCKER_CERT_PATH", certificates.directory())
        .start();
    assert_eq!(daemon.connected()["Endpoint"], endpoint);
}

#[test]
fn missing_images_are_pulled_and_the_registrys_errors_are_in_the_status() {
    let Some(machine) = Engine::local_as_root() else { return };
    let certificates = Certificates::docker_machine();
    let mut dockerd = Dockerd::new(&machine, &certificates);
    dockerd.start();
    let engine = dockerd.engine();
    let registry = Registry::start();
    let cluster = engine.cluster("pull");
    let daemon = Setup::new().managing(&cluster).certificates(&certificates).start();
    let names = ["good", "cut", "absent", "refused", "never"].map(|word| (word, unique(word)));
    let name = |word: &str| names.iter().find(|(known, _)| *known == word).unwrap().1.clone();
    // Nothing listens on port 1: the connection is refused at once.
    let nowhere = "127.0.0.1:1/scsm-test:1".to_owned();
    for (word, image) in [
        ("cut", registry.image("cut")),
        ("absent", registry.image("absent")),
        ("refused", nowhere),
        ("good", registry.image("good")),
    ] {
        daemon.client.submit(&object_with(&name(word), 3, json!({"Image": image})));
    }
    daemon.client.submit(&object_with(
        &name("never"),
        3,
        json!({"Image": "scsm-test:unknown", "Pull": "never"}),
    ));

    let took = daemon.converges(&name("good"), SOON);
    eprintln!("pulled, and three run after {took:?}");
    assert_eq!(registry.pulls("good"), 1, "one pull for all three");
    for (word, error) in [
        ("cut", "unknown blob"),
        ("absent", "manifest unknown"),
        ("refused", "connection refused"),
        ("never", "no such image"),
    ] {
        daemon.wait_until(SOON, &format!("{word}: the reason contains {error:?}"), || {
            let shown = daemon.object(&name(word));
            shown["Reason"].as_str().is_some_and(|reason| reason.to_lowercase().contains(error))
                && shown["NextRetry"].is_string()
        });
        let shown = daemon.object(&name(word));
        eprintln!("{word}: {}: {}", shown["Phase"], shown["Reason"]);
        assert!(["blocked", "degraded"].contains(&shown["Phase"].as_str().unwrap()), "{shown}");
    }
    // The back-off applies to the object, not to each of its three containers.
    thread::sleep(Duration::from_secs(4));
    for word in ["cut", "absent"] {
        let pulls = registry.pulls(word);
        assert!((2..=5).contains(&pulls), "{word}: {pulls} pulls\n{}", daemon.diagnostics());
    }
    assert_eq!(cluster.containers().len(), 3, "only those of the good image");

    // The image arrives by another way; the next attempt finds it.
    engine.docker(&["tag", "scsm-test:1", "scsm-test:unknown"]);
    daemon.converges(&name("never"), Duration::from_secs(30));
    // Another reference is tried at once.
    daemon.client.submit(&object_with(&name("absent"), 3, json!({"Image": registry.image("good")})));
    let took = daemon.converges(&name("absent"), SOON);
    assert!(took < REPLACED, "{took:?}");
}
