//! A smaller count and a deletion stop containers gracefully, with the signal and the timeout of the object.

use std::time::Duration;

use serde_json::json;
use support::{Daemon, Engine, SOON, unique};

use support::objects::*;

#[test]
fn a_smaller_count_stops_the_excess_and_zero_and_delete_stop_all_gracefully() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("scale");
    let daemon = Daemon::managing(&cluster);
    let (name, other) = (unique("scale"), unique("stays"));
    let answer = daemon.client.submit(&json!([object(&name, 5), object(&other, 1)]));
    assert_eq!(answer.as_array().map(Vec::len), Some(2), "an array is answered by an array: {answer}");
    daemon.converges(&name, SOON);
    daemon.converges(&other, SOON);
    let five = runs(&daemon, &cluster, 6);

    let events = cluster.events();
    let answer = daemon.client.submit(&object(&name, 2));
    assert_eq!(answer, json!({"Name": name, "Generation": 2, "Result": "updated"}));
    daemon.converges(&name, SOON);
    let two = runs(&daemon, &cluster, 3);
    assert!(ids(&two).iter().all(|id| ids(&five).contains(id)), "nothing is restarted for a count");
    let slots = |word: &str| {
        two.iter().filter(|one| one.name.starts_with(word)).map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        slots(&name),
        [format!("{name}.1.1"), format!("{name}.2.1")],
        "slots above the count are removed"
    );
    assert_eq!(
        daemon.client.submit(&object(&name, 2)),
        json!({"Name": name, "Generation": 2, "Result": "unchanged"}),
    );
    daemon.client.submit(&object(&name, 0));
    daemon.converges(&name, SOON);
    runs(&daemon, &cluster, 1);
    assert_eq!(daemon.object(&name)["Running"], 0);

    daemon.client.submit(&object(&name, 2));
    daemon.converges(&name, SOON);
    runs(&daemon, &cluster, 3);
    assert!(matches!(daemon.client.delete(&format!("/objects/{name}")).status, 200 | 202 | 204));
    daemon.wait_until(SOON, "no container of the deleted object is left, not even an ended one", || {
        cluster.containers().iter().all(|one| one.name.starts_with(&other))
    });
    assert_eq!(daemon.client.delete(&format!("/objects/{name}")).status, 404);
    assert_eq!(daemon.client.get(&format!("/objects/{name}")).status, 404);
    let deaths = events.of(&["die"]);
    assert!(deaths.len() >= 7, "{deaths:#?}");
    for death in &deaths {
        assert_eq!(
            death.exit_code.as_deref(),
            Some("15"),
            "ended by its stop signal, within its timeout: {death:?}"
        );
    }
    assert_eq!(ids(&cluster.running()).len(), 1, "the other object is unaffected");
    assert!(deaths.iter().all(|death| !death.name.starts_with(&other)));
}

#[test]
fn stop_signal_and_stop_timeout_are_the_objects_own() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("stop");
    let daemon = Daemon::managing(&cluster);
    let (signal, lingers, stubborn) = (unique("signal"), unique("lingers"), unique("stubborn"));
    daemon.client.submit(&json!([
        object_with(&signal, 1, json!({"StopSignal": "SIGUSR1"})),
        object_with(&lingers, 1, json!({"Cmd": ["--linger=2500"], "StopTimeout": 30})),
        object_with(&stubborn, 1, json!({"Cmd": ["--ignore-term"], "StopTimeout": 1})),
    ]));
    for name in [&signal, &lingers, &stubborn] {
        daemon.converges(name, SOON);
    }
    runs(&daemon, &cluster, 3);
    let events = cluster.events();
    daemon.client.submit(&object_with(&signal, 0, json!({"StopSignal": "SIGUSR1"})));
    for name in [&lingers, &stubborn] {
        daemon.client.delete(&format!("/objects/{name}"));
    }
    let death = |name: &str| {
        events.wait_for(SOON, &format!("{name} ends"), |event| {
            event.action == "die" && event.name.starts_with(name)
        })
    };
    let kills = |name: &str| -> Vec<(String, Duration)> {
        let kills = events.of(&["kill"]).into_iter().filter(|event| event.name.starts_with(name));
        kills.map(|event| (event.signal.unwrap_or_default(), event.at)).collect()
    };
    let signals = |name: &str| kills(name).into_iter().map(|(signal, _)| signal).collect::<Vec<_>>();

    assert_eq!(death(&signal).exit_code.as_deref(), Some("10"), "SIGUSR1 ended it");
    assert_eq!(signals(&signal), ["10"]);
    let end = death(&stubborn);
    assert_eq!(end.exit_code.as_deref(), Some("137"), "it got its stop signal, then KILL");
    assert_eq!(signals(&stubborn), ["15", "9"]);
    let waited = end.at - kills(&stubborn)[0].1;
    assert!(
        waited > Duration::from_millis(900) && waited < Duration::from_secs(5),
        "a second, not {waited:?}"
    );
    let end = death(&lingers);
    assert_eq!(end.exit_code.as_deref(), Some("15"), "it ended by itself");
    assert_eq!(signals(&lingers), ["15"], "it was not killed");
    assert!(end.at - kills(&lingers)[0].1 > Duration::from_millis(2400));
    daemon.wait_until(SOON, "no container of the deleted objects is left", || {
        cluster.containers().iter().all(|one| one.name.starts_with(&signal))
    });
}
