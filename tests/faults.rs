//! The fault proxy: every call, every fault, at every position.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod standin;

use std::time::Duration;

use serde_json::json;
use standin::Standin;
use standin::manager::Manager;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_first_one() {
    for standin in [Standin::docker(), Standin::swarm(3)] {
        let manager = Manager::start(&standin);
        manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 3})).await;
        let took = manager.converges("web", 3, SOON).await;
        eprintln!("{took:?}");
        let first = standin.look(|world| world.running("web").into_iter().next()).unwrap();
        standin.exit(&first, 1);
        let took = manager.converges("web", 3, SOON).await;
        eprintln!("{took:?}");
        manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 0})).await;
        let took = manager.converges("web", 0, SOON).await;
        eprintln!("{took:?}");
        manager.delete("web").await;
        let took = manager.vanishes("web", SOON).await;
        eprintln!("{took:?}");
        eprintln!("{}", standin.account());
        eprintln!("{:?}", standin.faults(|f| f.seen().clone()));
    }
}
