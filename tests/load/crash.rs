//! The daemon is killed with SIGKILL up to a thousand times while it accepts submits: nothing that it acknowledged is
//! lost, and no array is stored in part.
//!
//! Each round starts the daemon on the same directory, compares its objects with what was acknowledged, sends submits
//! over several connections at once, and kills it: at a named point of the program (`SCSM_DIE_AT`, see
//! `src/crash_points.rs`), when an answer arrives, or at a random moment. A submit without an answer may have been
//! committed or not, but only as a whole. `SCSM_SEED` replays a run. `tests/root/stress/crashes.rs` does the same for the
//! containers, on a real engine.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use support::daemon::Setup;
use support::{Certificates, Daemon, alone, by_tier, chosen_seed};
use swarm_cluster_state_manager::certificates::{Files, Identity};
use swarm_cluster_state_manager::client::{self, Ask};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Concurrent writers, each with its own objects.
const WRITERS: u64 = 4;
/// Submits of each writer in a round, unless the daemon dies first.
const SUBMITS: u64 = 4;
/// Objects of one writer's array.
const TOGETHER: u64 = 3;
/// The time limit of a round.
const ROUND: Duration = Duration::from_secs(20);

/// Where the daemon dies, and how often it may pass that point before.
const POINTS: [(&str, u64); 6] = [
    ("before-commit", 8),
    ("amid-commit", 8),
    ("after-commit", 8),
    ("before-answer", 8),
    ("before-step", 12),
    ("after-step", 12),
];

/// What a client knows of its objects.
#[derive(Debug, Default, Clone)]
struct Known {
    /// The last acknowledged mark; `None` if it was deleted.
    acknowledged: Option<u64>,
    /// What was sent after that and is unanswered, oldest first.
    open: Vec<Option<u64>>,
}

impl Known {
    fn may_be(&self, found: Option<u64>) -> bool {
        self.acknowledged == found || self.open.contains(&found)
    }
}

/// Groups of objects that are always submitted together, by their names' prefix.
type World = BTreeMap<String, Known>;

fn group(writer: u64, kind: &str) -> String {
    format!("{kind}-{writer}-")
}

fn names(group: &str) -> Vec<String> {
    let many = if group.starts_with("array") { TOGETHER } else { 1 };
    (0..many).map(|i| format!("{group}{i}")).collect()
}

/// A group with this mark on each of its objects.
fn body(group: &str, mark: u64) -> Value {
    let object = |name: &String| json!({"Name": name, "Image": "a", "Count": mark % 3, "Labels": {"mark": mark.to_string()}, "Update": {"Monitor": "10ms"}});
    match names(group).as_slice() {
        [one] if !group.starts_with("array") => object(one),
        many => many.iter().map(object).collect(),
    }
}

/// The mark of a group in the daemon. An array must never be stored in part.
fn found(objects: &BTreeMap<String, u64>, group: &str) -> Option<u64> {
    let marks: BTreeSet<Option<u64>> = names(group).iter().map(|name| objects.get(name).copied()).collect();
    assert!(marks.len() == 1, "part of an array: {group} has the marks {marks:?}");
    marks.into_iter().next().unwrap()
}

/// The marks of all objects; `None` if the daemon is dead already.
async fn objects(daemon: &client::Daemon) -> Option<BTreeMap<String, u64>> {
    let all: Vec<Value> = daemon.ask(Ask::new(Method::GET, "/objects")).await.ok()?.json().unwrap();
    let entry = |o: &Value| {
        (o["Name"].as_str().unwrap().to_owned(), o["Labels"]["mark"].as_str().unwrap().parse().unwrap())
    };
    Some(all.iter().map(entry).collect())
}

/// One writer's round: submits its single object and its array in turn, and sometimes a deletion. Returns what it knows
/// afterwards; ends early when the daemon is dead.
async fn write(
    daemon: client::Daemon,
    writer: u64,
    first_mark: u64,
    mut world: World,
    die_on_answer: Option<u32>,
) -> World {
    for i in 0..SUBMITS {
        let mark = first_mark + i;
        let kind = if mark.is_multiple_of(2) { "array" } else { "single" };
        let group = group(writer, kind);
        let known = world.entry(group.clone()).or_default();
        let delete =
            kind == "single" && mark % 7 == 1 && known.acknowledged.is_some() && known.open.is_empty();
        let (ask, next) = match delete {
            true => (Ask::new(Method::DELETE, format!("/objects/{group}0")), None),
            false => (Ask::new(Method::POST, "/submit").body(body(&group, mark).to_string()), Some(mark)),
        };
        known.open.push(next);
        if daemon.ask(ask).await.is_err() {
            break;
        }
        *known = Known { acknowledged: next, open: Vec::new() };
        if let Some(process) = die_on_answer {
            kill(process);
            break;
        }
    }
    world
}

fn kill(process: u32) {
    let _ = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).output();
}

fn client_of(daemon: &Daemon, certificates: &Certificates) -> client::Daemon {
    let files = Files { ca: certificates.ca(), cert: certificates.cert(), key: certificates.key() };
    let identity = Identity::load(&files).unwrap();
    client::Daemon::new(daemon.url.parse().unwrap(), &identity).unwrap()
}

#[test]
fn wherever_the_daemon_dies_no_acknowledged_change_is_lost_and_no_array_is_stored_in_part() {
    let _alone = alone();
    let rounds = by_tier(100_u64, 1_000);
    let seed = chosen_seed().unwrap_or_else(|| fastrand::u64(..));
    println!("{rounds} rounds of SCSM_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let data = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let (mut world, mut acknowledged, mut unanswered, mut committed) = (World::new(), 0, 0, 0);
    let mut crashes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut last: Option<Daemon> = None;
    for round in 0..=rounds {
        let mut rng = fastrand::Rng::with_seed(seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut setup =
            Setup::in_directory(data.path()).flag("--swarm-manager=simulated://3").env("SCSM_LOG", "warn");
        let (place, crash_point) = match rng.u64(..10) {
            0 | 1 => ("random moment", None),
            2 => ("on an answer", None),
            _ => {
                let (point, most) = POINTS[rng.usize(..POINTS.len())];
                (point, Some(format!("{point}:{}", rng.u64(1..=most))))
            }
        };
        if let Some(crash_point) = crash_point.as_ref().filter(|_| round < rounds) {
            setup = setup.env("SCSM_DIE_AT", crash_point);
        }
        // The daemon may pass the point while it starts: then it dies before it serves.
        let mut daemon = match setup.try_start() {
            Ok(daemon) => daemon,
            Err((status, output)) => {
                assert_eq!(status.and_then(|s| s.signal()), Some(9), "round {round}: {output}");
                *crashes.entry(place).or_default() += 1;
                continue;
            }
        };
        let client = client_of(&daemon, &daemon.certificates());
        let process = daemon.child().id();
        let next = runtime.block_on(async {
            let Some(stored) = objects(&client).await else { return Some(world.clone()) };
            for (group, known) in &mut world {
                let found = found(&stored, group);
                assert!(known.may_be(found), "round {round}: {group} is at {found:?}, expected {known:?}");
                committed += u64::from(known.acknowledged != found);
                *known = Known { acknowledged: found, open: Vec::new() };
            }
            if round == rounds {
                return None;
            }
            let mut writers = JoinSet::new();
            for writer in 0..WRITERS {
                let own = world.iter().filter(|(g, _)| g.contains(&format!("-{writer}-")));
                let own: World = own.map(|(g, k)| (g.clone(), k.clone())).collect();
                let die_on_answer = (place == "on an answer").then_some(process);
                let first_mark = (round * WRITERS + writer) * SUBMITS + 1;
                writers.spawn(write(client.clone(), writer, first_mark, own, die_on_answer));
            }
            if crash_point.is_none() && place == "random moment" {
                let moment = Duration::from_micros(rng.u64(..80_000));
                tokio::spawn(async move {
                    sleep(moment).await;
                    kill(process);
                });
            }
            let mut next = World::new();
            while let Some(own) = writers.join_next().await {
                next.extend(own.unwrap());
            }
            Some(next)
        });
        let Some(next) = next else {
            last = Some(daemon);
            break;
        };
        acknowledged += next.values().filter(|known| known.open.is_empty()).count();
        unanswered += next.values().map(|known| known.open.len()).sum::<usize>();
        world = next;
        // If the point is not reached, kill it. The first step ends only after an image pull, which takes the simulated engine
        // 300 ms.
        let grace = if crash_point.is_none() || place.ends_with("step") { 1_000 } else { 150 };
        let died = match daemon.ended(Duration::from_millis(grace)) {
            Some(_) => place,
            None => {
                kill(process);
                "point not reached"
            }
        };
        *crashes.entry(died).or_default() += 1;
        daemon.ended(ROUND).expect("it is killed by SIGKILL");
    }
    let took = begun.elapsed();
    let total: u64 = crashes.values().sum();
    println!("{total} crashes in {took:.0?}: {crashes:?}");
    println!(
        "groups acknowledged last in their round: {acknowledged}, unanswered submits: {unanswered}, of which {committed} were committed; lost: 0, in part: 0"
    );
    assert_eq!(total, rounds);
    let many = rounds / 50;
    for (point, _) in POINTS {
        assert!(crashes.get(point).copied().unwrap_or(0) >= many, "{point} was hardly reached: {crashes:?}");
    }
    assert!(committed > 0 || rounds < 50, "at least one crash is between a commit and its answer");
    drop(last);
}
