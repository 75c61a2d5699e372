//! Records in the store which generation of an object converged last.
//!
//! One task beside the workers. It is woken by the board, reads there which objects have converged and have been ready
//! for `Update.Monitor`, and commits in one transaction what the store does not know yet. What it could not commit it
//! tries again. It never changes what is wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use super::Board;
use crate::store::{Change, Precondition, Store, Transaction};

/// The author of changes that no client asked for.
const MANAGER: &str = "manager";
/// Between two looks at the board: what converges within it is one commit.
const PERIOD: Duration = Duration::from_millis(250);
/// The wait after a commit that failed.
const RETRY: Duration = Duration::from_secs(5);
/// The most objects in one transaction: thousands of them converge together after a start.
const MAX_CHANGES: usize = 1_000;

/// Records until the board is gone.
pub(super) async fn record_converged(store: Arc<dyn Store>, mut board: watch::Receiver<Arc<Board>>) {
    loop {
        let changes = unrecorded(&store, &board.borrow_and_update());
        let more = changes.len() == MAX_CHANGES;
        if !changes.is_empty() {
            let transaction =
                Transaction { changes, precondition: Precondition::None, prune: None, by: MANAGER.into() };
            if let Err(error) = store.commit(transaction).await {
                debug!(%error, "which generations have converged could not be recorded yet");
                sleep(RETRY).await;
                continue;
            }
        }
        sleep(PERIOD).await;
        if !more && board.changed().await.is_err() {
            return;
        }
    }
}

fn unrecorded(store: &Arc<dyn Store>, board: &Board) -> Vec<Change> {
    let objects = store.objects().borrow().clone();
    let converged = board.iter().filter(|(_, progress)| progress.verdict.proven);
    let unrecorded = converged.filter(|(name, progress)| {
        objects.get(*name).is_some_and(|object| {
            object.deleted.is_none()
                && object.generation == progress.observed_generation
                && object.converged.as_ref().is_none_or(|c| c.generation != object.generation)
        })
    });
    let change = |(name, progress): (&_, &Arc<super::Progress>)| Change::Converged {
        name: Clone::clone(name),
        generation: progress.observed_generation,
    };
    unrecorded.take(MAX_CHANGES).map(change).collect()
}
