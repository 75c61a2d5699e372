//! Commits the changes that the manager itself decides on.
//!
//! One task beside the workers, which hand it their changes. Changes that arrive together are one commit; a commit that the
//! store cannot make at present is repeated. A change that the store rejects is dropped: the worker that asked for it sees the
//! object unchanged.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::core::transaction::{Change, Transaction};
use crate::store::{Store, StoreError};

/// The author of changes that no client asked for.
const MANAGER: &str = "manager";
/// Changes that may wait to be committed, over all objects; a worker that finds the queue full tries again later.
const QUEUE: usize = 1_024;
/// The wait after a commit that failed.
const RETRY: Duration = Duration::from_secs(5);

/// The queue of changes and its end.
pub(super) fn queue() -> (mpsc::Sender<Change>, mpsc::Receiver<Change>) {
    mpsc::channel(QUEUE)
}

/// Commits until no worker is left that could ask for a change.
pub(super) async fn run(store: Arc<dyn Store>, mut queue: mpsc::Receiver<Change>) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, QUEUE).await > 0 {
        let changes = std::mem::take(&mut waiting);
        if let Err(rejected) = commit(&*store, changes.clone()).await {
            debug!(%rejected, "a batch of changes was rejected; each is committed by itself");
            for change in changes {
                let what = format!("{change:?}");
                if let Err(rejected) = commit(&*store, vec![change]).await {
                    warn!(%rejected, change = what, "a change by the manager was rejected");
                }
            }
        }
    }
}

/// Commits all of these changes, or none where the store rejects them; repeats the commit while it cannot be made.
async fn commit(store: &dyn Store, changes: Vec<Change>) -> Result<(), StoreError> {
    let transaction = Transaction { by: MANAGER.into(), ..Transaction::of(changes) };
    loop {
        match store.commit(transaction.clone()).await {
            Ok(_) => return Ok(()),
            Err(error @ StoreError::Rejected(_)) => return Err(error),
            Err(error) => {
                debug!(%error, "a change by the manager could not be committed yet");
                sleep(RETRY).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::core::name::ObjectName;
    use crate::core::submission;
    use crate::core::time::Time;
    use crate::store::memory::MemoryStore;

    #[tokio::test(start_paused = true)]
    async fn a_rejected_change_does_not_delay_the_others() {
        let store = Arc::new(MemoryStore::new(Clock::starting_at(Time(1_000))));
        let web = ObjectName::parse("web").unwrap();
        let spec = |image: &str| {
            let object = serde_json::json!({"Name": "web", "Image": image, "Count": 1});
            Change::Put(Box::new(submission::object(&object).unwrap()))
        };
        for image in ["a", "b"] {
            store.commit(Transaction::of([spec(image)])).await.unwrap();
        }
        let (commit, queue) = queue();
        let unknown = ObjectName::parse("unknown").unwrap();
        for change in [
            Change::Rollback { name: unknown, to: None },
            Change::Rollback { name: web.clone(), to: Some(1) },
            Change::Converged { name: web.clone(), generation: 3 },
        ] {
            commit.try_send(change).unwrap();
        }
        drop(commit);
        run(store.clone(), queue).await;
        let object = store.objects().borrow()[&web].clone();
        assert_eq!((object.generation, object.spec.template.image.as_str()), (3, "a"));
        assert_eq!(object.revisions.last().map(|revision| &*revision.by), Some(MANAGER));
        assert_eq!(object.converged.as_ref().map(|converged| converged.generation), Some(3));
    }
}
