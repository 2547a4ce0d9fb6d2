//! Creating and opening a database. An existing file is examined before anything is written, and
//! left unchanged if it is not this region's.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use beringia_storage::StoreError;
use rusqlite::{Connection, OpenFlags};

use crate::{
    connection::{self, Readers, Source, WriteConnection},
    error::store_error,
    lock::LockFile,
    options::{Database, Options},
    schema::{APPLICATION_ID, FORMAT, SCHEMA, sql},
    vacuum,
};

/// The size of an SQLite file's header (<https://www.sqlite.org/fileformat.html>, "The Database
/// Header").
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// How many bytes of the write-ahead log are read and written at once.
const REWRITTEN_BYTES: usize = 1 << 20;
/// SQLite's own limit on the number of pages.
const PAGES_MAX: u64 = (u32::MAX - 1) as u64;

/// A database that has been opened.
pub(crate) struct Opened {
    pub(crate) writer: WriteConnection,
    pub(crate) readers: Readers,
    /// Held as long as the database is open; `None` for memory.
    pub(crate) lock: Option<LockFile>,
    /// The path of the file; `None` for memory.
    pub(crate) path: Option<PathBuf>,
}

/// Opens the database of `options`, or creates it.
pub(crate) fn open(options: &Options) -> Result<Opened, StoreError> {
    match &options.database {
        Database::Memory(disk) => {
            let (owner, ()) = disk.attach(|connection, new| {
                let unusable = |error: rusqlite::Error| unusable(Path::new("in memory"), format!("failed: {error}"));
                if new {
                    connection::configure(connection).map_err(unusable)?;
                    create(connection, options).map_err(unusable)?;
                }
                check_identity(connection, Path::new("in memory"), options)?;
                take_topology(connection, Path::new("in memory"), options)?;
                limit(connection, options).map_err(unusable)
            })?;
            let readers = Readers::new(Source::Memory(owner.clone()));
            Ok(Opened {
                writer: WriteConnection::Memory(owner),
                readers,
                lock: None,
                path: None,
            })
        }
        Database::File(path) => open_file(path, options),
    }
}

fn unusable(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::Unusable {
        path: path.display().to_string(),
        what: what.into(),
    }
}

fn open_file(path: &Path, options: &Options) -> Result<Opened, StoreError> {
    let lock_path = beside(path, "-lock");
    let lock_was_there = lock_path.exists();
    let lock = LockFile::acquire(&lock_path)
        .map_err(|error| unusable(path, format!("cannot be locked: {error}")))?
        .ok_or_else(|| unusable(path, "is in use by another process"))?;
    let opened = open_locked(path, options);
    if opened.is_err() && !lock_was_there {
        // The file was created here, so no one else needs it. If it remains, it does no harm.
        let _ = fs::remove_file(&lock_path);
    }
    Ok(Opened {
        writer: WriteConnection::File(opened?),
        readers: Readers::new(Source::File(path.to_owned())),
        lock: Some(lock),
        path: Some(path.to_owned()),
    })
}

/// The path with `suffix` appended to its file name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn open_locked(path: &Path, options: &Options) -> Result<Connection, StoreError> {
    let exists = path
        .try_exists()
        .map_err(|error| unusable(path, format!("cannot be read: {error}")))?;
    if !exists {
        create_file(path, options)?;
    }
    check_header(path)?;
    let failed = |error: rusqlite::Error| unusable(path, format!("cannot be opened: {error}"));
    let connection = connection::open_writer(path).map_err(failed)?;
    check_identity(&connection, path, options)?;
    let mode: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        return Err(unusable(path, format!("has the journal mode {mode} instead of wal")));
    }
    recover(&connection, path)?;
    take_topology(&connection, path, options)?;
    limit(&connection, options).map_err(failed)?;
    // SQLite has created the write-ahead log by now, and ignores errors of this sync.
    sync_directory(path).map_err(|error| unusable(path, format!("cannot be synced: {error}")))?;
    Ok(connection)
}

/// Makes the contents of the write-ahead log durable before anything is appended to them.
///
/// A sync that failed in the last process may have left a commit that can be read from the page
/// cache but is not on the disk, and never would be: the system has marked its pages as clean
/// (Rebello et al., "Can Applications Recover from fsync Failures?", 2020). SQLite takes it for
/// committed, and commits that are appended to it would be lost with it. So the log is written
/// again, as it is, and synced; pages that are written again are dirty again. SQLite has verified
/// the checksums of its frames when it opened it. Then the log is copied into the database from its
/// beginning, which repairs the pages of a WAL checkpoint whose sync failed.
fn recover(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error: &dyn std::fmt::Display| unusable(path, format!("cannot be recovered: {error}"));
    if !write_again(&beside(path, "-wal")).map_err(|error| failed(&error))? {
        return Ok(());
    }
    match connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        Ok(()) => Ok(()),
        Err(error) => match store_error(&error) {
            // The log is durable, so it can stay as long as there is no space.
            StoreError::DiskFull(_) => Ok(()),
            error => Err(failed(&error)),
        },
    }
}

/// Writes a file's contents to the same place again, and syncs it. Returns false if it is empty, or
/// does not exist.
fn write_again(path: &Path) -> io::Result<bool> {
    let file = match File::options().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let mut chunk = vec![0; REWRITTEN_BYTES];
    let mut at = 0;
    loop {
        let len = file.read_at(&mut chunk, at)?;
        if len == 0 {
            break;
        }
        file.write_all_at(&chunk[..len], at)?;
        at += len as u64;
    }
    if at > 0 {
        file.sync_all()?;
    }
    Ok(at > 0)
}

/// Syncs the directory of a file: its entries are durable then.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Creates the database under another name first, so that a crash leaves no incomplete one.
fn create_file(path: &Path, options: &Options) -> Result<(), StoreError> {
    let temporary = beside(path, "-new");
    let io_failed = |error: io::Error| unusable(path, format!("cannot be created: {error}"));
    for leftover in [
        &temporary,
        &beside(path, "-wal"),
        &beside(path, "-shm"),
        &beside(&temporary, "-journal"),
    ] {
        match fs::remove_file(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_failed(error)),
            _ => {}
        }
    }
    let make = || -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&temporary, flags)?;
        // The file is synced as a whole before it is renamed.
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "auto_vacuum", vacuum::INCREMENTAL)?;
        create(&connection, options)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.close().map_err(|(_, error)| error)
    };
    make().map_err(|error| unusable(path, format!("cannot be created: {error}")))?;
    File::open(&temporary)
        .and_then(|file| file.sync_all())
        .map_err(io_failed)?;
    fs::rename(&temporary, path).map_err(io_failed)?;
    sync_directory(path).map_err(|error| {
        // Its name may not be durable, and a later sync of the directory may not say so.
        let _ = fs::remove_file(path);
        io_failed(error)
    })
}

/// Fills a new database with the schema and the region's identity.
fn create(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(&SCHEMA)?;
    transaction.execute(
        "INSERT INTO identity VALUES (1, ?1, ?2)",
        (options.store.region.as_str(), options.store.topology.as_deref()),
    )?;
    transaction.commit()
}

/// Reads the file's first bytes without SQLite, and reports what is wrong with it.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let read = || -> io::Result<(Vec<u8>, u64)> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        file.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
        Ok((header, len))
    };
    let (header, len) = read().map_err(|error| unusable(path, format!("cannot be read: {error}")))?;
    let Ok(header) = <[u8; HEADER_BYTES]>::try_from(header) else {
        return Err(unusable(path, format!("is not a database: it has only {len} bytes")));
    };
    if !header.starts_with(MAGIC) {
        return Err(unusable(path, "is not an SQLite database"));
    }
    let field = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if field(68) != APPLICATION_ID.cast_unsigned() {
        return Err(unusable(path, "is an SQLite database, but not one of Beringia's"));
    }
    if field(60) != FORMAT.cast_unsigned() {
        return Err(unusable(
            path,
            format!(
                "has format {}, and this version of beringia reads format {FORMAT} (run the version that wrote it, \
                 or move the file away to start with an empty database)",
                field(60)
            ),
        ));
    }
    let page_bytes = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        bytes => bytes,
    };
    // With a write-ahead log beside it, the file may be shorter than its header says.
    let logged = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let expected = u64::from(field(28)) * page_bytes;
    if len < expected && !logged {
        return Err(unusable(
            path,
            format!("is truncated: it has {len} of {expected} bytes"),
        ));
    }
    Ok(())
}

/// Checks that the database is this region's and of its topology, or of none.
fn check_identity(connection: &Connection, path: &Path, options: &Options) -> Result<(), StoreError> {
    let found: (String, Option<String>) = connection
        .query_row("SELECT region, topology FROM identity", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(|error| unusable(path, format!("cannot be read: {error}")))?;
    if found.0 != options.store.region.as_str() {
        return Err(unusable(
            path,
            format!("belongs to region {}, not to {}", found.0, options.store.region),
        ));
    }
    match (&found.1, &options.store.topology) {
        (Some(found), Some(wanted)) if found != wanted => Err(unusable(
            path,
            format!("belongs to another topology: {found}, not {wanted}"),
        )),
        _ => Ok(()),
    }
}

/// Gives the topology to a database that has none.
fn take_topology(connection: &Connection, path: &Path, options: &Options) -> Result<(), StoreError> {
    let Some(topology) = &options.store.topology else {
        return Ok(());
    };
    let has_none = "SELECT topology IS NULL FROM identity";
    let taken = connection
        .query_row(has_none, [], |row| row.get(0))
        .and_then(|has_none: bool| {
            if has_none {
                connection.execute("UPDATE identity SET topology = ?1", [topology])?;
            }
            Ok(())
        });
    taken.map_err(|error| unusable(path, format!("cannot be written: {error}")))
}

fn limit(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    let page_bytes = vacuum::page_bytes(connection)?;
    let pages = options.max_bytes.map_or(PAGES_MAX, |bytes| bytes / page_bytes);
    connection.pragma_update_and_check(None, "max_page_count", sql(pages), |_| Ok(()))
}
