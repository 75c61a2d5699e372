//! Records in the store which generation of an object converged last.
//!
//! One task beside the workers, which hand it what they have seen. What comes together is one commit, and what could
//! not be committed is tried again. It never changes what is wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::debug;

use crate::core::name::ObjectName;
use crate::core::transaction::{Change, Transaction};
use crate::store::Store;

/// The author of changes that no client asked for.
const MANAGER: &str = "manager";
/// Generations that may wait to be recorded, over all objects; a worker that finds no room offers it again.
const QUEUE: usize = 1_024;
/// The wait after a commit that failed.
const RETRY: Duration = Duration::from_secs(5);

/// A generation of an object that has converged and has been ready for `Update.Monitor`.
pub(super) type Converged = (ObjectName, u64);

/// Where workers hand it over, and where it comes out.
pub(super) fn queue() -> (mpsc::Sender<Converged>, mpsc::Receiver<Converged>) {
    mpsc::channel(QUEUE)
}

/// Records until no worker can hand over anything any more.
pub(super) async fn record(store: Arc<dyn Store>, mut queue: mpsc::Receiver<Converged>) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, QUEUE).await > 0 {
        let change = |(name, generation)| Change::Converged { name, generation };
        let changes: Vec<Change> = waiting.drain(..).map(change).collect();
        let transaction = Transaction { by: MANAGER.into(), ..Transaction::of(changes) };
        while let Err(error) = store.commit(transaction.clone()).await {
            debug!(%error, "which generations have converged could not be recorded yet");
            sleep(RETRY).await;
        }
    }
}
