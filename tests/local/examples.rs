//! The files in `examples/` work: the objects are accepted, the steps of the CI jobs run like in their runners, and the
//! systemd unit is valid. `tests/docker/examples.rs` runs the objects on a real engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::daemon::program;
use support::process::{run, text};
use support::runner::{REPOSITORY, Runner, example};

fn yaml(name: &str) -> Value {
    // As the runners read it: `on` is a key, not a boolean.
    serde_saphyr::from_str_with_options(&example(name), serde_saphyr::options! { strict_booleans: true })
        .unwrap()
}

#[track_caller]
fn keys_are_among(value: &Value, known: &[&str]) {
    for key in value.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{key} is none of {known:?}");
    }
}

#[test]
fn the_objects_are_accepted_and_both_formats_are_the_same() {
    let runner = Runner::new();
    runner.write_example("web.json", &example("web.json"));
    let environment = BTreeMap::from([
        ("SCSM_ADDR".to_owned(), runner.address().to_owned()),
        ("SCSM_CERT_PATH".to_owned(), runner.daemon.certificates().directory().display().to_string()),
    ]);
    let submit = |file: &str| {
        let script = format!("swarm-cluster-state-manager submit --wait 50s examples/{file}");
        let (code, output) = runner.bash("-e", &script, &environment);
        assert_eq!(code, 0, "{output}");
        output
    };
    assert!(submit("web.yaml").contains("web created"));
    let output = submit("web.json");
    assert!(output.contains("web unchanged"), "{output}");
}

/// Evaluates the GitHub Actions expressions that the example uses.
fn expressions(text: &str, runner: &Runner) -> String {
    let mut rest = text;
    let mut whole = String::new();
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) = after.split_once("}}").unwrap();
        let file = |name| fs::read_to_string(runner.certificate(name)).unwrap();
        let value = match expression.trim() {
            "vars.SCSM_ADDR" => runner.address().to_owned(),
            "runner.temp" => runner.temp.path().display().to_string(),
            // Pasted secrets often lack the last newline.
            "secrets.SCSM_CA" => file("ca.pem").trim_end().to_owned(),
            "secrets.SCSM_CERT" => file("cert.pem").trim_end().to_owned(),
            "secrets.SCSM_KEY" => file("key.pem").trim_end().to_owned(),
            other => panic!("an unknown expression: {other}"),
        };
        whole += before;
        whole += &value;
        rest = after;
    }
    whole + rest
}

/// Runs the steps of the job like a runner. Returns the exit code of each by its name, and all output.
fn github(runner: &Runner) -> (BTreeMap<String, i32>, String) {
    let workflow = yaml("github-actions.yml");
    keys_are_among(&workflow, &["name", "on", "permissions", "concurrency", "jobs"]);
    assert_eq!(workflow["on"]["push"]["branches"][0], "main");
    let jobs = workflow["jobs"].as_object().unwrap();
    let (mut codes, mut output, mut failed) = (BTreeMap::new(), String::new(), false);
    for job in jobs.values() {
        keys_are_among(job, &["runs-on", "environment", "timeout-minutes", "env", "steps"]);
        assert!(job["runs-on"].is_string() && job["timeout-minutes"].is_u64());
        for step in job["steps"].as_array().unwrap() {
            keys_are_among(step, &["name", "uses", "run", "env", "if"]);
            let Some(script) = step["run"].as_str() else {
                assert!(step["uses"].as_str().unwrap().contains('@'), "a version is pinned: {step}");
                continue;
            };
            let runs = match step["if"].as_str() {
                None => !failed,
                Some("failure()") => failed,
                Some("always()") => true,
                Some(other) => panic!("an unknown condition: {other}"),
            };
            if !runs {
                continue;
            }
            let environment = [&job["env"], &step["env"]].into_iter().filter_map(Value::as_object).flatten();
            let environment =
                environment.map(|(k, v)| (k.clone(), expressions(v.as_str().unwrap(), runner))).collect();
            // The default if no shell is named.
            let (code, step_output) = runner.bash("-e", &expressions(script, runner), &environment);
            failed |= code != 0;
            output += &step_output;
            codes.insert(step["name"].as_str().unwrap().to_owned(), code);
        }
    }
    (codes, output)
}

#[test]
fn the_github_job_deploys_and_fails_if_an_object_fails() {
    let runner = Runner::new();
    let (codes, output) = github(&runner);
    assert!(codes.values().all(|code| *code == 0), "{codes:?}\n{output}");
    assert!(output.contains("web would be created") && output.contains("converged after "), "{output}");
    assert!(!codes.contains_key("Show what happened"), "{codes:?}");
    assert!(!runner.temp.path().join("certs").exists(), "the certificates are removed");
    // A second run has nothing to do.
    let (codes, output) = github(&runner);
    assert!(
        codes.values().all(|code| *code == 0) && output.contains("nothing would change"),
        "{codes:?}\n{output}"
    );

    runner.write_example("web.yaml", &example("web.yaml").replace("nginx:1.27", "nosuch:1"));
    let (codes, output) = github(&runner);
    assert_eq!((codes["Show what would change"], codes["Deploy"]), (0, 2), "{codes:?}\n{output}");
    assert!(output.contains("manifest unknown"), "{output}");
    assert_eq!(
        (codes["Show what happened"], codes["Remove the certificates"]),
        (0, 0),
        "{codes:?}\n{output}"
    );
}

/// Runs a job like a GitLab runner: `before_script` and `script` in one shell, `after_script` in another. Returns the exit
/// code of the first, and all output.
fn gitlab(runner: &Runner, name: &str) -> (i32, String) {
    let file = yaml("gitlab-ci.yml");
    let mut job = file[name].as_object().unwrap().clone();
    if let Some(base) = job.remove("extends") {
        for (key, value) in file[base.as_str().unwrap()].as_object().unwrap() {
            job.entry(key).or_insert_with(|| value.clone());
        }
    }
    let job = Value::Object(job);
    keys_are_among(
        &job,
        &[
            "variables",
            "before_script",
            "script",
            "after_script",
            "stage",
            "allow_failure",
            "environment",
            "resource_group",
            "timeout",
            "rules",
        ],
    );
    assert!(file["stages"].as_array().unwrap().contains(&job["stage"]), "{name}");
    let checkout = runner.checkout.path().display().to_string();
    let mut environment = BTreeMap::from([
        ("SCSM_ADDR".to_owned(), runner.address().to_owned()),
        ("CI_PROJECT_DIR".to_owned(), checkout.clone()),
    ]);
    for (variable, file) in [("SCSM_CA", "ca.pem"), ("SCSM_CERT", "cert.pem"), ("SCSM_KEY", "key.pem")] {
        environment.insert(variable.to_owned(), runner.certificate(file).display().to_string());
    }
    for (variable, value) in job["variables"].as_object().unwrap() {
        environment.insert(variable.clone(), value.as_str().unwrap().replace("$CI_PROJECT_DIR", &checkout));
    }
    let lines = |key: &str| -> Vec<String> {
        job[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    };
    let script = [lines("before_script"), lines("script")].concat().join("\n");
    let (code, output) = runner.bash("-e", &format!("set -o pipefail\n{script}"), &environment);
    let (after, more) = runner.bash("-e", &lines("after_script").join("\n"), &environment);
    assert_eq!(after, 0, "{more}");
    assert!(!runner.checkout.path().join(".certs").exists(), "the certificates are removed");
    (code, output + &more)
}

#[test]
fn the_gitlab_jobs_plan_and_deploy() {
    let runner = Runner::new();
    let file = yaml("gitlab-ci.yml");
    keys_are_among(&file, &["stages", ".manager", "plan", "deploy"]);
    let (code, output) = gitlab(&runner, "plan");
    assert_eq!(file["plan"]["allow_failure"]["exit_codes"], code, "a change is a warning: {output}");
    let (code, output) = gitlab(&runner, "deploy");
    assert!(code == 0 && output.contains("converged after "), "{code}: {output}");
    let (code, output) = gitlab(&runner, "plan");
    assert!(code == 0 && output.contains("nothing would change"), "{code}: {output}");
    runner.write_example("web.yaml", "Name: web\nCont: 1\n");
    assert_eq!(gitlab(&runner, "plan").0, 2, "an invalid object fails");
    assert_eq!(gitlab(&runner, "deploy").0, 1);
}

/// The lines of the code block in the deployment guide that begins with this line.
fn documented_block(begins: &str) -> String {
    let guide = fs::read_to_string(Path::new(REPOSITORY).join("docs/deploy.md")).unwrap();
    let block = guide.lines().skip_while(|line| *line != format!("    {begins}"));
    block.map_while(|line| line.strip_prefix("    ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_documented_commands_create_a_certificate_for_another_client() {
    let runner = Runner::new();
    let certificates = runner.daemon.certificates().directory().to_owned();
    let commands = documented_block("mkdir -p -m 700 alice && cp ca.pem alice/");
    assert!(commands.contains("openssl x509 -req"), "{commands}");
    let environment = BTreeMap::from([("SCSM_ADDR".to_owned(), runner.address().to_owned())]);
    let in_certificates = |script: &str| {
        let script = format!("cd '{}'\n{script}", certificates.display());
        let (code, output) = runner.bash("-e", &script, &environment);
        assert_eq!(code, 0, "{script}\n{output}");
        output
    };
    in_certificates(&commands);
    runner.write_example("web.yaml", &example("web.yaml"));
    let file = runner.checkout.path().join("examples/web.yaml");
    in_certificates(&format!("swarm-cluster-state-manager submit --cert-path alice {}", file.display()));
    let output = in_certificates("swarm-cluster-state-manager history --cert-path alice web");
    assert!(output.contains("O=alice"), "{output}");
}

#[test]
fn the_systemd_unit_is_valid() {
    let unit = example("swarm-cluster-state-manager.service");
    let mut section = "";
    let mut settings: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = name,
            None => {
                let (key, value) = line.split_once('=').unwrap();
                settings.entry((section, key)).or_default().push(value);
            }
        }
    }
    let service = |key| settings.get(&("Service", key)).unwrap_or_else(|| panic!("{key} is not set"));
    // Its variables are flags of the daemon.
    let help = text(&run(program().arg("--help")).stdout);
    for variable in service("Environment") {
        let (name, _) = variable.split_once('=').unwrap();
        assert!(help.contains(&format!("[env: {name}=]")), "{name} is no flag of the daemon");
    }
    assert!(service("Environment").contains(&"SCSM_DATA_DIR=%S/swarm-cluster-state-manager"));
    assert_eq!(service("StateDirectory"), &["swarm-cluster-state-manager"]);
    assert_eq!(service("SupplementaryGroups"), &["docker"], "it may use the engine's socket");
    assert_eq!(service("RestartPreventExitStatus"), &["2"]);
    let stop: u64 = service("TimeoutStopSec")[0].trim_end_matches('s').parse().unwrap();
    assert!(stop > 8, "the daemon takes up to 8 s");

    // Verified by systemd, if it is installed.
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("swarm-cluster-state-manager.service");
    let program = program().get_program().display().to_string();
    fs::write(&file, unit.replace("/usr/local/bin/swarm-cluster-state-manager", &program)).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&file).output() {
        Ok(output) => {
            let output = text(&output.stderr);
            // It reports problems of other units of this machine, too.
            assert!(!output.contains("swarm-cluster-state-manager"), "{output}");
        }
        Err(error) => eprintln!("not verified by systemd, which is not installed: {error}"),
    }
}
