//! A data directory or state file that is removed, moved, replaced or overwritten in use.

use super::*;

/// A data directory that a daemon holds.
struct Held {
    dir: TempDir,
    _lock: Lock,
    running: Running,
}

impl Held {
    async fn new() -> Held {
        let dir = directory();
        let data = dir.path().join("data");
        let lock = Lock::take(&data).unwrap();
        let (store, writer) =
            RedbStore::open(&data, Some(&lock), &claims("default"), Clock::starting_at(Time(1_000))).unwrap();
        let stop = CancellationToken::new();
        let running = Running { store, writer: tokio::spawn(writer.run(stop.clone())), stop };
        running.commit(put("web", 1)).await;
        Held { dir, _lock: lock, running }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Removes the directory at once, so that no check falls in between.
    fn lose_directory(&self) {
        let trash = self.dir.path().join("trash");
        fs::rename(self.data(), &trash).unwrap();
        fs::remove_dir_all(trash).unwrap();
    }

    async fn refused(&self) -> String {
        let refused = self.running.store.commit(Transaction::of([put("web", 2)])).await.unwrap_err();
        assert!(matches!(refused, StoreError::Failing { .. }), "{refused:?}");
        refused.to_string()
    }

    /// Waits until submits are accepted again.
    async fn recovers(&self) {
        for _ in 0..400 {
            if self.running.store.trouble().is_none() {
                self.running.commit(put("web", 3)).await;
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{:?}", self.running.store.trouble());
    }
}

#[tokio::test]
async fn a_data_directory_that_is_removed_or_replaced_in_use_accepts_nothing() {
    let held = Held::new().await;
    held.lose_directory();
    let unchanged = held.running.store.commit(Transaction::of([put("web", 1)])).await;
    assert!(
        matches!(unchanged, Err(StoreError::Failing { .. })),
        "a submit without a change is refused, too: {unchanged:?}"
    );
    let error = held.refused().await;
    assert!(error.contains("was removed, moved or replaced") && error.contains("`backup`"), "{error}");
    assert!(error.ends_with("; the daemon tries again within 1s"), "{error}");
    assert!(held.running.store.durability().contains("CANNOT BE WRITTEN"));
    // Another daemon starts there: this one leaves its files alone.
    let other = Lock::take(&held.data()).unwrap();
    let (theirs, _writer) =
        RedbStore::open(&held.data(), Some(&other), &claims("default"), Clock::starting_at(Time(1))).unwrap();
    held.refused().await;
    assert!(theirs.objects().borrow().is_empty());
    assert_eq!(held.running.desired().objects[&name("web")].spec.count, 1, "the acknowledged state is shown");
    held.running.close().await;
}

#[tokio::test]
async fn a_data_directory_that_is_moved_away_and_back_is_used_again() {
    let held = Held::new().await;
    let aside = held.dir.path().join("aside");
    fs::rename(held.data(), &aside).unwrap();
    held.refused().await;
    fs::rename(&aside, held.data()).unwrap();
    held.recovers().await;
    let data = held.data();
    held.running.close().await;
    assert_eq!(export(&data).unwrap().0.objects[&name("web")].spec.count, 3);
}

#[tokio::test]
async fn a_removed_state_file_is_written_again_and_a_replaced_one_is_left_alone() {
    let held = Held::new().await;
    let state = held.data().join(file::FILE);
    fs::remove_file(&state).unwrap();
    // Refused, unless the writer has noticed and recovered already.
    let _ = held.running.store.commit(Transaction::of([put("web", 2)])).await;
    held.recovers().await;
    assert!(state.exists());

    let aside = held.dir.path().join("aside");
    let copy = held.dir.path().join("copy");
    fs::write(&copy, "a copy from elsewhere").unwrap();
    fs::hard_link(&state, &aside).unwrap();
    fs::rename(&copy, &state).unwrap();
    let error = held.refused().await;
    assert!(
        error.contains("was replaced by another file") && error.contains("restart the daemon"),
        "{error}"
    );
    assert_eq!(fs::read(&state).unwrap(), b"a copy from elsewhere");
    fs::rename(&aside, &state).unwrap();
    held.recovers().await;
    let data = held.data();
    held.running.close().await;
    assert_eq!(export(&data).unwrap().0.objects[&name("web")].spec.count, 3);
}

#[tokio::test]
async fn a_lost_directory_is_noticed_without_a_submit() {
    let held = Held::new().await;
    held.lose_directory();
    for _ in 0..400 {
        if held.running.store.trouble().is_some() {
            held.running.close().await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it was not noticed");
}

#[tokio::test]
async fn a_state_file_that_is_truncated_or_overwritten_in_place_is_written_again_from_memory() {
    let held = Held::new().await;
    let state = held.data().join(file::FILE);
    let length = fs::metadata(&state).unwrap().len();
    let truncate = |length| fs::OpenOptions::new().write(true).open(&state).unwrap().set_len(length).unwrap();
    let overwrite = || {
        use std::os::unix::fs::FileExt;
        let opened = fs::OpenOptions::new().write(true).open(&state).unwrap();
        opened.write_all_at(&vec![0xff; usize::try_from(length).unwrap()], 0).unwrap();
    };
    let damages: [&dyn Fn(); 4] =
        [&|| truncate(0), &|| truncate(length / 2), &|| truncate(length + 1), &overwrite];
    for damage in damages {
        damage();
        // Refused, unless the writer has noticed and recovered already.
        let _ = held.running.store.commit(Transaction::of([put("web", 2)])).await;
        held.recovers().await;
        // Like after a kill.
        let copy = directory();
        fs::copy(&state, copy.path().join(file::FILE)).unwrap();
        assert_eq!(export(copy.path()).unwrap().0.objects[&name("web")].spec.count, 3);
    }
    held.running.close().await;
}
