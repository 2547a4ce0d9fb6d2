//! SQLite on the disk: what it promises to keep is kept, and what it does not is lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, path::Path};

use beringia_faulty_disk::{FaultyDisk, Operation};
use beringia_storage_sqlite::FileSystem as _;
use rusqlite::{Connection, ErrorCode, OpenFlags};

const SEEDS: u64 = 60;

fn connect(disk: &FaultyDisk, path: &Path, synchronous: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags_and_vfs(path, flags, disk.vfs().unwrap())?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}"
    ))?;
    Ok(connection)
}

/// A disk with a table, which is durable.
fn with_table(seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    let connection = connect(&disk, &disk.path("db"), "FULL").unwrap();
    connection
        .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, v BLOB)")
        .unwrap();
    disk.sync_directory_of(&disk.path("db")).unwrap();
    disk
}

/// Inserts rows until power is lost, after so many changes. Returns those that were committed.
fn insert(disk: &FaultyDisk, changes: u64, synchronous: &str) -> BTreeSet<i64> {
    disk.cut_power_after(changes);
    let mut committed = BTreeSet::new();
    let Ok(connection) = connect(disk, &disk.path("db"), synchronous) else {
        return committed;
    };
    for n in 0..200 {
        if connection
            .execute("INSERT INTO t VALUES (?1, zeroblob(3000))", [n])
            .is_err()
        {
            return committed;
        }
        committed.insert(n);
    }
    panic!("{changes} changes were not made");
}

/// The rows after a loss of power; `None` if the database is damaged.
fn left(disk: &FaultyDisk) -> Option<BTreeSet<i64>> {
    disk.lose_power();
    let connection = connect(disk, &disk.path("db"), "FULL").ok()?;
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .ok()?;
    let mut rows = connection.prepare("SELECT n FROM t").ok()?;
    let rows = rows
        .query_map([], |row| row.get(0))
        .ok()?
        .collect::<Result<_, _>>()
        .ok()?;
    (check == "ok").then_some(rows)
}

#[test]
fn synced_commits_survive_a_loss_of_power() {
    for seed in 0..SEEDS {
        let disk = with_table(seed);
        let committed = insert(&disk, 1 + seed * 3, "FULL");
        let left = left(&disk).unwrap();
        assert!(committed.is_subset(&left), "seed {seed}: {committed:?}, {left:?}");
        assert!(
            left.len() <= committed.len() + 1,
            "seed {seed}: {committed:?}, {left:?}"
        );
    }
}

#[test]
fn unsynced_commits_are_lost() {
    let is_lost = |seed| {
        let disk = with_table(seed);
        let committed = insert(&disk, 1 + seed * 3, "OFF");
        left(&disk).is_none_or(|left| !committed.is_subset(&left))
    };
    assert!((0..SEEDS).any(is_lost));
}

#[test]
fn kill_keeps_what_was_not_synced() {
    let disk = with_table(1);
    let connection = connect(&disk, &disk.path("db"), "OFF").unwrap();
    connection.execute("INSERT INTO t VALUES (1, x'')", []).unwrap();
    disk.kill();
    assert!(connection.execute("INSERT INTO t VALUES (2, x'')", []).is_err());
    let connection = connect(&disk, &disk.path("db"), "OFF").unwrap();
    let rows: i64 = connection
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn chosen_operation_fails_once() {
    let disk = with_table(1);
    let connection = connect(&disk, &disk.path("db"), "FULL").unwrap();
    let cases = [
        (Operation::Sync, rusqlite::ffi::SQLITE_IOERR_FSYNC),
        (Operation::Write, rusqlite::ffi::SQLITE_IOERR_WRITE),
    ];
    for (operation, code) in cases {
        disk.fail_next(operation, "-wal");
        let failed = connection.execute("INSERT INTO t VALUES (1, x'')", []).unwrap_err();
        assert_eq!(failed.sqlite_error().unwrap().extended_code, code);
    }
    connection.execute("INSERT INTO t VALUES (1, x'')", []).unwrap();
}

#[test]
fn full_disk_takes_nothing_more() {
    let disk = with_table(1);
    let connection = connect(&disk, &disk.path("db"), "FULL").unwrap();
    disk.set_capacity(Some(100_000));
    let insert = |n: i64| connection.execute("INSERT INTO t VALUES (?1, zeroblob(3000))", [n]);
    let full = (0..100).find_map(|n| insert(n).err()).unwrap();
    assert_eq!(full.sqlite_error_code(), Some(ErrorCode::DiskFull));
    disk.set_capacity(None);
    insert(100).unwrap();
}

#[test]
fn names_that_were_not_synced_may_be_lost() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let disk = FaultyDisk::new(seed);
        let (old, new) = (disk.path("old"), disk.path("new"));
        drop(disk.lock(&old).unwrap());
        disk.sync_directory_of(&old).unwrap();
        disk.rename(&old, &new).unwrap();
        disk.lose_power();
        let names = [&old, &new].map(|path| disk.len(path).unwrap().is_some());
        assert!(names[0] != names[1], "it has one name: {names:?}");
        seen.insert(names);
    }
    assert_eq!(seen.len(), 2, "both names are possible");
}

#[test]
fn lock_is_held_until_the_process_ends() {
    let disk = FaultyDisk::new(1);
    let path = disk.path("lock");
    let lock = disk.lock(&path).unwrap().unwrap();
    assert!(disk.lock(&path).unwrap().is_none());
    disk.kill();
    let next = disk.lock(&path).unwrap().unwrap();
    drop(lock);
    assert!(
        disk.lock(&path).unwrap().is_none(),
        "the ended process has not unlocked it"
    );
    drop(next);
    assert!(disk.lock(&path).unwrap().is_some());
}

#[test]
fn removal_that_was_not_synced_may_be_lost_after_a_kill() {
    let is_back = |seed| {
        let disk = FaultyDisk::new(seed);
        let path = disk.path("file");
        drop(disk.lock(&path).unwrap());
        disk.open(&path).unwrap().write_all_at(b"kept", 0).unwrap();
        disk.open(&path).unwrap().sync().unwrap();
        disk.sync_directory_of(&path).unwrap();
        disk.remove(&path).unwrap();
        disk.kill();
        disk.lose_power();
        disk.len(&path).unwrap() == Some(4)
    };
    assert!((0..SEEDS).any(is_back));
    assert!(!(0..SEEDS).all(is_back));
}

#[test]
fn copy_has_what_is_durable_and_stays_as_it_is() {
    let disk = with_table(1);
    let connection = connect(&disk, &disk.path("db"), "FULL").unwrap();
    connection.execute("INSERT INTO t VALUES (1, x'')", []).unwrap();
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    connection.execute("INSERT INTO t VALUES (2, x'')", []).unwrap();
    let copy = disk.copy(2);
    connection.execute("DELETE FROM t", []).unwrap();
    assert_eq!(left(&copy), Some(BTreeSet::from([1])));
    assert_eq!(left(&copy.copy(3)), Some(BTreeSet::from([1])));
}

#[test]
fn power_is_cut_within_so_many_changes() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let disk = with_table(seed);
        let before = disk.changes();
        disk.cut_power_within(5);
        let file = disk.open(&disk.path("db")).unwrap();
        while disk.has_power() {
            let _ = file.sync();
        }
        seen.insert(disk.changes() - before);
        disk.lose_power();
        assert!(disk.has_power());
    }
    assert_eq!(seen, (1..=5).collect());
}

/// Bits of long texts change, and no others.
#[test]
fn changed_bits_of_texts_leave_the_database_readable() {
    let disk = with_table(1);
    let path = disk.path("db");
    let read = || -> Vec<String> {
        let connection = connect(&disk, &path, "FULL").unwrap();
        let mut rows = connection.prepare("SELECT CAST(v AS TEXT) FROM t ORDER BY n").unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.map(|row| row.unwrap_or_default()).collect()
    };
    assert_eq!(disk.flip_in_texts(&path, 3), 0, "there are no texts");
    let written: Vec<String> = (0..50).map(|n| format!("{n}").repeat(100)).collect();
    let connection = connect(&disk, &path, "FULL").unwrap();
    for (n, text) in (0_i64..).zip(&written) {
        connection.execute("INSERT INTO t VALUES (?1, ?2)", (n, text)).unwrap();
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(connection);
    assert_eq!(read(), written);
    assert_eq!(disk.flip_in_texts(&path, 3), 3);
    disk.lose_power();
    let differ = read().iter().zip(&written).filter(|(one, other)| one != other).count();
    assert!((1..=3).contains(&differ), "{differ} of the values have changed");
    assert!(left(&disk).is_some(), "SQLite finds nothing wrong");
}
