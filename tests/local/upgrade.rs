//! An earlier version's state is adopted.

use serde_json::json;
use support::SOON;
use support::daemon::Setup;

#[test]
fn an_earlier_versions_state_for_simulated_endpoints_is_moved_to_its_own_directory() {
    let data = support::earlier::earlier("simulated");
    let daemon = Setup::in_directory(data.path()).flag("--swarm-manager=simulated://3").start();
    daemon.converges("kept", SOON);
    assert_eq!(daemon.client.get("/objects/kept").json()["Generation"], 3);
    assert!(data.path().join("simulated/state.redb").exists() && !data.path().join("state.redb").exists());
    drop(daemon);
    // A start on a real engine, even one that does not answer, has none of its objects.
    let data = support::earlier::earlier("simulated");
    let nowhere = format!("--swarm-manager=unix://{}", data.path().join("nowhere.sock").display());
    let daemon = Setup::in_directory(data.path()).flag(nowhere).start();
    assert_eq!(daemon.client.get("/objects").json(), json!([]));
}
