use std::time::Duration;

use console::measure_text_width;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::frame;
use super::screen::Drawing;
use super::waited_object::WaitedObject;
use crate::cli::wait::outcome::WaitOutcome;

const WAIT: Duration = Duration::from_secs(90);

fn receipt(name: &str, result: &str) -> WaitedObject {
    let receipt = json!({"Name": name, "Generation": 2, "Result": result});
    WaitedObject::new(&serde_json::from_value(receipt).unwrap())
}

/// Updates the status; `changes` are the fields that differ from a converged object of three containers.
fn see(object: &mut WaitedObject, changes: Value, at: Instant) {
    let mut status = json!({
        "Name": object.name, "Image": "nginx:2", "Count": 3, "Generation": 2, "Running": 3, "Ready": 3, "Updated": 3,
        "Phase": "converged", "Reason": "3 of 3 run, as wanted", "Plan": [], "Containers": containers(3),
    });
    let fields = status.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    object.see(&serde_json::from_value(status).unwrap(), at);
}

fn containers(n: usize) -> Value {
    let container = json!({"Name": "web.1.1", "State": "running", "Health": "none", "Image": "nginx:2"});
    Value::Array(vec![container; n])
}

fn lines(objects: &[WaitedObject], now: Instant, rows: usize, columns: usize) -> Vec<String> {
    frame::lines(objects, now, Duration::from_secs(12), WAIT, rows, columns)
}

/// The line of the only object.
fn line(object: WaitedObject, now: Instant) -> String {
    lines(&[object], now, 24, 80).pop().unwrap()
}

#[test]
fn failing_objects_are_listed_first_and_the_rest_is_counted() {
    let now = Instant::now();
    let mut objects: Vec<WaitedObject> =
        (0..60).map(|i| receipt(&format!("web-{i:02}"), "created")).collect();
    for (i, object) in objects.iter_mut().enumerate() {
        match i {
            0..30 => object.settle(WaitOutcome::Converged, "3 of 3 run, as wanted"),
            30..48 => see(
                object,
                json!({"Phase": "progressing", "Ready": 1, "Reason": "1 of 3 run; 2 being created", "Plan": ["create"]}),
                now,
            ),
            48..57 => {}
            57 | 58 => {
                see(object, json!({"Phase": "degraded", "Ready": 0, "Reason": "0 of 3 run; no port"}), now)
            }
            _ => object.settle(WaitOutcome::Failed, "no such command"),
        }
    }
    let lines = lines(&objects, now, 24, 80);
    assert_eq!(lines.len(), 22, "{lines:#?}");
    assert_eq!(lines[0], "12s of 1m30s, 60 objects, 18/60 ready: 1 failed, 2 failing, 18 in progress, 9 …");
    assert_eq!(lines[1], "web-59                  failed: no such command");
    assert_eq!(lines[2], "web-57 [>           ] 0/3 ready  no port");
    assert_eq!(lines[4], "web-30 [====>       ] 1/3 ready  2 being created");
    assert_eq!(lines[21], "and 40 more: 1 in progress, 9 waiting, 30 converged");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let now = Instant::now();
    let mut objects = vec![receipt(&"long-name-".repeat(6), "created"), receipt("web", "created")];
    see(&mut objects[0], json!({"Phase": "blocked", "Reason": "日本語 ".repeat(99)}), now);
    see(&mut objects[1], json!({"Phase": "blocked", "Reason": "\u{1b}[2Jx\n".repeat(99)}), now);
    for columns in [1, 2, 10, 20, 40, 59, 60, 80, 100, 200] {
        for line in lines(&objects, now, 24, columns) {
            assert!(measure_text_width(&line) < columns.max(2), "{columns}: {line:?}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
    let shown = lines(&objects, now, 24, 80);
    assert!(shown[1].ends_with('…') && shown[2].ends_with('…'), "{shown:#?}");
    assert_eq!(lines(&objects, now, 1, 80).len(), 3, "a head, one object, and the number of others");
}

#[test]
fn the_bar_of_a_rolling_update_follows_the_new_containers() {
    let now = Instant::now();
    let mut object = receipt("web", "updated");
    let changes = json!({"Phase": "progressing", "Ready": 4, "Updated": 1, "Reason": "4 of 3 run; 1 being removed",
                         "Plan": ["remove web.1.1"]});
    see(&mut object, changes, now);
    assert_eq!(line(object, now), "web [====>       ] 1/3 updated, 4 ready  1 being removed");

    let mut object = receipt("web", "updated");
    see(&mut object, json!({"Phase": "progressing", "Ready": 3, "Updated": 1, "Reason": "whatever"}), now);
    assert_eq!(line(object, now), "web [====>       ] 1/3 updated, 3 ready  monitoring the new containers");
}

#[test]
fn a_deletion_shows_how_many_containers_are_left() {
    let now = Instant::now();
    let mut object = receipt("web", "deleted");
    let deleting = |n: usize, more: &str| {
        json!({"Count": 0, "Phase": "deleting", "Containers": containers(n),
               "Reason": format!("deleted; {n} containers are still to be removed{more}")})
    };
    see(&mut object, deleting(5, ""), now);
    see(&mut object, deleting(3, ""), now);
    assert_eq!(
        lines(std::slice::from_ref(&object), now, 24, 80)[1],
        "web [====>       ] 3 of 5 left  stopping"
    );
    see(&mut object, deleting(3, "; web.1.1 goes when node n2 is back"), now);
    let both = [object, receipt("api", "deleted")];
    let shown = lines(&both, now, 24, 80);
    assert_eq!(shown[0], "12s of 1m30s, 2 objects, 3 containers left to stop: 1 in progress, 1 waiting");
    assert_eq!(shown[1], "web [====>       ] 3 of 5 left  web.1.1 goes when node n2 is back");
    let [mut object, _] = both;
    object.settle(WaitOutcome::Converged, "nothing is left of it");
    assert_eq!(line(object, now), "web [============] 0 of 5 left  deleted");
}

#[test]
fn the_monitoring_time_of_a_converged_object_counts_down() {
    let began = Instant::now();
    let mut object = receipt("web", "created");
    object.monitor = Duration::from_secs(10);
    see(&mut object, json!({"Phase": "progressing", "Ready": 0}), began);
    see(&mut object, json!({}), began);
    let later = began + Duration::from_millis(6_500);
    // A second report of the same state does not restart the countdown.
    see(&mut object, json!({}), later);
    assert_eq!(object.left_to_monitor(later).as_deref(), Some("4s"));
    assert_eq!(line(object, later), "web [============] 3/3 ready  converged, monitoring for 4s more");

    // It is unknown how long it has been converged before the wait.
    let mut object = receipt("web", "unchanged");
    see(&mut object, json!({}), began);
    assert_eq!(line(object, began), "web [============] 3/3 ready  converged, monitoring");
}

#[test]
fn a_drawing_is_overwritten_only_if_it_changed() {
    let mut drawing = Drawing::default();
    let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(drawing.paint(lines(&["one", "two"]), 80), "one\u{1b}[K\ntwo\u{1b}[K\n\u{1b}[J");
    assert_eq!(drawing.paint(lines(&["one", "two"]), 80), "");
    assert_eq!(drawing.above("above", 80), "\r\u{1b}[2A\u{1b}[Jabove\none\ntwo\n");
    assert_eq!(drawing.paint(lines(&["one"]), 80), "\r\u{1b}[2Aone\u{1b}[K\n\u{1b}[J");
    // "one" takes two rows of a terminal that has two columns by now.
    assert_eq!(drawing.paint(lines(&["o…"]), 2), "\r\u{1b}[2Ao…\u{1b}[K\n\u{1b}[J");
}
