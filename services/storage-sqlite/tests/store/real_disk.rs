//! A real file system that is full: the reserve beside the database.
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]

use std::{io::Write as _, path::Path, process::Command};

use beringia_storage::{
    CommitError, Store as _, StoreError,
    conformance::fixture::{Do, TABLE, assert_agrees, create_table, item, key, put, text, write},
};
use beringia_storage_sqlite::{Database, Execution, Options};

use crate::support::options;

/// A small file system, unmounted when the test ends.
struct Mount(tempfile::TempDir);

impl Mount {
    /// `None` where this process may not mount one.
    fn of_mib(mib: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(directory.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(directory)),
            other => {
                eprintln!("skipped: this needs the right to mount a file system (root): {other:?}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // What stays mounted is only memory.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn is_full<T>(answer: &Result<T, CommitError>) -> bool {
    matches!(answer, Err(CommitError::Store(StoreError::DiskFull(_))))
}

/// Puts stay refused after deletes have spent the reserve, until the disk has space for it again.
#[tokio::test]
async fn deletes_go_on_while_the_file_system_is_full() {
    let Some(mount) = Mount::of_mib(64) else { return };
    let path = mount.path().join("region.db");
    let reserve = mount.path().join("region.db-reserve");
    let options = Options::new(options("us-east-1"), Database::File(path), Execution::Threads);
    let store = beringia_storage_sqlite::open(&options).unwrap();
    create_table(&store, false).await;
    let nothing = std::collections::BTreeMap::from([(beringia_item::TableId::CATALOG, Default::default())]);
    let is_kept = || std::fs::metadata(&reserve).is_ok_and(|file| file.len() > 0);
    while !is_kept() {
        store.collect_garbage(&nothing.clone().into()).await.unwrap();
        tokio::task::yield_now().await;
    }
    // Another program's file takes what the region does not.
    let other = mount.path().join("other");
    let blocks = "x".repeat(1 << 20);
    let mut written = 0;
    loop {
        let blob = ("blob", text(&"x".repeat(50_000)));
        let done = store
            .commit(vec![write(key("a", written), Do::Put(item("a", written, &[blob])))])
            .await;
        if done.is_err() {
            assert!(is_full(&done), "{done:?}");
            break;
        }
        written += 1;
        if written == 100 {
            std::fs::write(&other, blocks.repeat(24)).unwrap();
        }
    }
    assert!(written > 100, "{written}");
    assert!(is_kept(), "a put does not spend it");
    assert!(!store.sizes().unwrap().reserve_in_use);
    for n in 0..written {
        store.commit(vec![write(key("a", n), Do::Delete)]).await.unwrap();
    }
    assert!(assert_agrees(&store, TABLE).await.is_empty());
    assert!(!is_kept(), "the deletes have spent it");
    assert!(store.sizes().unwrap().reserve_in_use);
    store.close().await;
    // The other program takes what the end of the region left, but for 2 MiB.
    let mut file = std::fs::File::options().append(true).open(&other).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length - (2 << 20)).unwrap();
    drop(file);
    let store = beringia_storage_sqlite::open(&options).unwrap();
    assert!(store.sizes().unwrap().reserve_in_use, "after a restart");
    let small = vec![write(key("b", 1), Do::Put(item("b", 1, &[])))];
    assert!(is_full(&store.commit(small).await), "what is left is for deletes");
    std::fs::remove_file(&other).unwrap();
    // It is tried once a second whether the reserve fits again.
    loop {
        let done = store.commit(vec![write(key("b", 1), Do::Put(item("b", 1, &[])))]).await;
        if done.is_ok() {
            break;
        }
        assert!(is_full(&done), "{done:?}");
        tokio::task::yield_now().await;
    }
    assert!(is_kept());
    assert!(!store.sizes().unwrap().reserve_in_use);
    put(&store, item("b", 2, &[])).await;
    assert_eq!(assert_agrees(&store, TABLE).await.len(), 2);
    store.close().await;
}
