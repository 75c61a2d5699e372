//! Objects that are read, changed and sent back: `get`, `scale`.

use serde_json::{Value, json};

use crate::support::Daemon;
use crate::{User, object};

#[test]
fn what_get_shows_can_be_changed_and_submitted() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    user.runs(&["get"]).ends_with(0).says("no objects");
    let web = format!("{}Env: [A=on, 'B=05', 'C=a b']\nLabels: {{yes: '5'}}\n", object("web", "nginx:1", 2));
    user.runs(&["submit", &user.file("web.yaml", &web)]).ends_with(0);
    user.runs(&["submit", &user.file("api.yaml", &object("api", "api:1", 1))]).ends_with(0);

    let table = user.runs(&["get"]).ends_with(0).says("NAME  COUNT  IMAGE    GENERATION");
    assert!(table.says("web   2      nginx:1  1").err.is_empty());
    assert_eq!(user.runs(&["get", "web"]).ends_with(0).out.lines().count(), 2);

    // As it is: unchanged, in each form, one and all.
    for (line, name) in [
        (&["get", "web", "-o", "yaml"] as &[_], "got.yaml"),
        (&["get", "-o", "yaml"], "all.yaml"),
        (&["get", "web", "-o", "json"], "got.json"),
        (&["get", "api", "web", "--output=json"], "all.json"),
    ] {
        let got = user.runs(line).ends_with(0).out;
        let ran = user.runs(&["submit", &user.file(name, &got)]).ends_with(0);
        assert!(ran.out.contains("web unchanged: generation 1"), "{got}\n{ran:?}");
    }
    let one: Value = serde_json::from_str(&user.runs(&["get", "web", "-o", "json"]).out).unwrap();
    assert_eq!((&one["Generation"], &one["Env"][0]), (&json!(1), &json!("A=on")));
    let all: Value = serde_json::from_str(&user.runs(&["get", "-o", "json"]).out).unwrap();
    assert_eq!((&all[0]["Name"], &all[1]["Name"]), (&json!("api"), &json!("web")));

    // Changed: taken once, and not where somebody else was faster.
    let got = user.runs(&["get", "web", "-o", "yaml"]).ends_with(0).out;
    assert!(got.starts_with("Name: web\nImage: nginx:1\nCount: 2\nGeneration: 1\n"), "{got}");
    let edited = user.file("edited.yaml", &got.replace("nginx:1", "nginx:2"));
    user.runs(&["submit", &edited]).ends_with(0).says("web updated: generation 2");
    let late = user.file("late.yaml", &got.replace("Count: 2", "Count: 3"));
    user.runs(&["submit", &late]).ends_with(1).complains("it is at generation 2");

    user.runs(&["get", "wbe"]).ends_with(1).complains("did you mean 'web'?");
    user.runs(&["get", "web", "-o", "xml"]).ends_with(1);
}

#[test]
fn scale_changes_the_count_and_nothing_else() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = format!("{}Env: [A=1]\n", object("web", "nginx:1", 2));
    user.runs(&["submit", "--wait=50s", &user.file("web.yaml", &web)]).ends_with(0);
    let before = daemon.client.get("/objects/web").json();

    let ran = user.runs(&["scale", "web", "4", "--wait=50s"]).ends_with(0).says("web updated: generation 2");
    assert!(ran.last().contains("4 of 4 run"), "{ran:?}");
    user.runs(&["scale", "web", "4"]).ends_with(0).says("web unchanged: generation 2");
    let mut expected = before;
    expected["Count"] = json!(4);
    expected["Generation"] = json!(2);
    assert_eq!(daemon.client.get("/objects/web").json(), expected);
    user.runs(&["scale", "web", "0", "--wait=50s"]).ends_with(0).says("generation 3");

    user.runs(&["scale", "nobody", "1"]).ends_with(1).complains("nobody");
    for bad in [
        &["scale", "web"] as &[_],
        &["scale", "web", "-1"],
        &["scale", "web", "10001"],
        &["scale", "web", "x"],
    ] {
        user.runs(bad).ends_with(1);
    }
}

#[test]
fn a_scale_among_other_changes_loses_none_of_them() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    user.runs(&["submit", &user.file("web.yaml", &object("web", "nginx:1", 1))]).ends_with(0);
    // Four at once, of which each is overtaken three times at the most.
    let runs: Vec<_> = ["2", "3", "4", "5"].into_iter().map(|n| user.starts(&["scale", "web", n])).collect();
    let taken: Vec<String> = runs.into_iter().map(|run| run.ends().ends_with(0).out).collect();
    assert!(taken.iter().all(|out| out.starts_with("web updated: generation ")), "{taken:?}");
    assert_eq!(daemon.client.get("/objects/web").json()["Generation"], 5, "{taken:?}");
}
