//! Creating and opening a database. An existing file is examined before anything is written, and
//! left unchanged if it is not this region's.

use std::{io, path::Path};

use beringia_storage::StoreError;
use rusqlite::{Connection, OpenFlags};

use crate::{
    connection::{self, Readers, Source, WriteConnection},
    error::store_error,
    files::{DatabaseFile, FileLock},
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
    pub(crate) lock: Option<FileLock>,
    /// The file of the database; `None` for memory.
    pub(crate) file: Option<DatabaseFile>,
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
                file: None,
            })
        }
        Database::File(path) => {
            let file = DatabaseFile {
                path: path.clone(),
                file_system: options.file_system.clone(),
            };
            open_file(file, options)
        }
    }
}

fn unusable(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::Unusable {
        path: path.display().to_string(),
        what: what.into(),
    }
}

fn open_file(file: DatabaseFile, options: &Options) -> Result<Opened, StoreError> {
    let path = &file.path;
    let lock_path = file.beside("-lock");
    let lock_was_there = file.file_system.len(&lock_path).is_ok_and(|len| len.is_some());
    let lock = file
        .file_system
        .lock(&lock_path)
        .map_err(|error| unusable(path, format!("cannot be locked: {error}")))?
        .ok_or_else(|| unusable(path, "is in use by another process"))?;
    let opened = open_locked(&file, options);
    if opened.is_err() && !lock_was_there {
        // The file was created here, so no one else needs it. If it remains, it does no harm.
        let _ = file.file_system.remove(&lock_path);
    }
    Ok(Opened {
        writer: WriteConnection::File(opened?),
        readers: Readers::new(Source::File(file.clone())),
        lock: Some(lock),
        file: Some(file),
    })
}

fn open_locked(file: &DatabaseFile, options: &Options) -> Result<Connection, StoreError> {
    let path = &file.path;
    let len = file
        .file_system
        .len(path)
        .map_err(|error| unusable(path, format!("cannot be read: {error}")))?;
    if len.is_none() {
        create_file(file, options)?;
    }
    check_header(file)?;
    let failed = |error: rusqlite::Error| unusable(path, format!("cannot be opened: {error}"));
    let connection = connection::open_writer(file, options.store.planted_bug).map_err(failed)?;
    check_identity(&connection, path, options)?;
    let mode: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        return Err(unusable(path, format!("has the journal mode {mode} instead of wal")));
    }
    recover(&connection, file)?;
    take_topology(&connection, path, options)?;
    limit(&connection, options).map_err(failed)?;
    // SQLite has created the write-ahead log by now, and ignores errors of this sync.
    file.file_system
        .sync_directory_of(path)
        .map_err(|error| unusable(path, format!("cannot be synced: {error}")))?;
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
fn recover(connection: &Connection, file: &DatabaseFile) -> Result<(), StoreError> {
    let failed = |error: &dyn std::fmt::Display| unusable(&file.path, format!("cannot be recovered: {error}"));
    if !write_again(&file.sibling("-wal")).map_err(|error| failed(&error))? {
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
fn write_again(file: &DatabaseFile) -> io::Result<bool> {
    let file = match file.file_system.open(&file.path) {
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
        file.sync()?;
    }
    Ok(at > 0)
}

/// Creates the database under another name first, so that a crash leaves no incomplete one.
fn create_file(file: &DatabaseFile, options: &Options) -> Result<(), StoreError> {
    let (path, files) = (&file.path, &file.file_system);
    let temporary = file.sibling("-new");
    let io_failed = |error: io::Error| unusable(path, format!("cannot be created: {error}"));
    for leftover in [
        &temporary.path,
        &file.beside("-wal"),
        &file.beside("-shm"),
        &temporary.beside("-journal"),
    ] {
        match files.remove(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_failed(error)),
            _ => {}
        }
    }
    let make = || -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = temporary.connect(flags)?;
        // The file is synced as a whole before it is renamed.
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "auto_vacuum", vacuum::INCREMENTAL)?;
        create(&connection, options)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.close().map_err(|(_, error)| error)
    };
    make().map_err(|error| unusable(path, format!("cannot be created: {error}")))?;
    files
        .open(&temporary.path)
        .and_then(|file| file.sync())
        .map_err(io_failed)?;
    files.rename(&temporary.path, path).map_err(io_failed)?;
    files.sync_directory_of(path).map_err(|error| {
        // Its name may not be durable, and a later sync of the directory may not say so.
        let _ = files.remove(path);
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
fn check_header(file: &DatabaseFile) -> Result<(), StoreError> {
    let (path, files) = (&file.path, &file.file_system);
    let mut header = [0; HEADER_BYTES];
    let read = |header: &mut [u8]| -> io::Result<(usize, u64)> {
        let len = files.len(path)?.unwrap_or(0);
        Ok((files.open(path)?.read_at(header, 0)?, len))
    };
    let (read, len) = read(&mut header).map_err(|error| unusable(path, format!("cannot be read: {error}")))?;
    if read < HEADER_BYTES {
        return Err(unusable(path, format!("is not a database: it has only {len} bytes")));
    }
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
    let logged = files
        .len(&file.beside("-wal"))
        .is_ok_and(|len| len.is_some_and(|len| len > 0));
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
