//! The disk as an SQLite VFS: translates SQLite's calls, and nothing else.
//!
//! The one module with `unsafe` code. SQLite calls a VFS through pointers of C, and the only crate
//! that registers one without it, `sqlite-plugin` 0.11, needs libclang on every machine that builds
//! the tests, and does not say whether a removal syncs the directory.

#![expect(unsafe_code, reason = "SQLite passes files, names and buffers as pointers of C")]

use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    os::unix::ffi::OsStrExt as _,
    path::Path,
    ptr,
    sync::{
        Once,
        atomic::{Ordering, fence},
    },
};

use rusqlite::ffi;

use crate::{
    disk::FaultyDisk,
    handle::{Creation, Handle},
    locks::Level,
    state::DiskError,
};

/// The name under which SQLite knows the disks of this process.
pub(crate) const NAME: &str = "beringia-faulty-disk";
const C_NAME: &CStr = c"beringia-faulty-disk";
const PATH_BYTES_MAX: c_int = 512;
#[expect(clippy::cast_possible_truncation, reason = "it is two words")]
const FILE_BYTES: c_int = size_of::<OpenFile>() as c_int;
/// As SQLite's own VFS assumes.
const SECTOR_BYTES: c_int = 4096;

/// What SQLite allocates for an open file. It sees the first field only.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    /// From [`Box::into_raw`], until SQLite closes the file.
    handle: *mut Handle,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(map_index),
    xShmLock: Some(lock_index),
    xShmBarrier: Some(index_barrier),
    xShmUnmap: Some(unmap_index),
    xFetch: None,
    xUnfetch: None,
};

/// Registers the VFS, once in a process. It finds the disk of a file by its path.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the default VFS is never unregistered, and a copy of its pointers to functions
        // that do not use its files is valid.
        let default = unsafe { *ffi::sqlite3_vfs_find(ptr::null()) };
        let vfs = ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: FILE_BYTES,
            mxPathname: PATH_BYTES_MAX,
            pNext: ptr::null_mut(),
            zName: C_NAME.as_ptr(),
            pAppData: ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: default.xRandomness,
            xSleep: default.xSleep,
            xCurrentTime: default.xCurrentTime,
            xGetLastError: None,
            xCurrentTimeInt64: default.xCurrentTimeInt64,
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        };
        // SAFETY: SQLite keeps the pointer, and the allocation is never freed.
        let result = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0) };
        assert_eq!(result, ffi::SQLITE_OK, "SQLite takes the VFS");
    });
}

/// The result code for an outcome; `failed` is that of a failed operation of this kind.
fn code<T>(outcome: &Result<T, DiskError>, failed: c_int) -> c_int {
    match outcome {
        Ok(_) => ffi::SQLITE_OK,
        Err(DiskError::Full) => ffi::SQLITE_FULL,
        Err(DiskError::Gone | DiskError::Failed | DiskError::NotFound) => failed,
    }
}

/// The result code for a lock.
fn lock_code(outcome: Result<bool, DiskError>, failed: c_int) -> c_int {
    match outcome {
        Ok(false) => ffi::SQLITE_BUSY,
        outcome => code(&outcome, failed),
    }
}

/// SQLite's lengths and positions are not negative.
fn unsigned(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(0)
}

/// # Safety
/// `name` is a string of C that lives as long as the path is used.
unsafe fn path<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: as the caller promises.
    let name = unsafe { CStr::from_ptr(name) };
    Path::new(OsStr::from_bytes(name.to_bytes()))
}

/// # Safety
/// `file` was opened by [`open`], and is not closed while the handle is used.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a Handle {
    // SAFETY: `open` has stored a handle in the file, as the caller promises.
    unsafe { &*(*file.cast::<OpenFile>()).handle }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes memory for an `OpenFile`. Without methods it does not close the file.
    unsafe { (*file).pMethods = ptr::null() };
    // Temporary files have no name; the store keeps them in memory.
    if name.is_null() {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: a name that is not null is a string of C.
    let name = unsafe { path(name) };
    let syncs_name = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;
    let creation = match flags & ffi::SQLITE_OPEN_CREATE {
        0 => Creation::No,
        _ if flags & syncs_name != 0 => Creation::WithSyncedName,
        _ => Creation::Yes,
    };
    let opened = FaultyDisk::find(name).ok_or(DiskError::NotFound);
    let Ok(opened) = opened.and_then(|state| Handle::open(&state, name, creation)) else {
        return ffi::SQLITE_CANTOPEN;
    };
    let opened = OpenFile {
        base: ffi::sqlite3_file {
            pMethods: &raw const METHODS,
        },
        handle: Box::into_raw(Box::new(opened)),
    };
    // SAFETY: SQLite has allocated `szOsFile` bytes at `file`, aligned for any type.
    unsafe { file.cast::<OpenFile>().write(opened) };
    if !out_flags.is_null() {
        // SAFETY: a pointer that is not null is valid.
        unsafe { *out_flags = flags };
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: `open` has made the handle with `Box::into_raw`, and SQLite closes a file once.
    drop(unsafe { Box::from_raw((*file.cast::<OpenFile>()).handle) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, syncs: c_int) -> c_int {
    // SAFETY: SQLite passes a string of C.
    let name = unsafe { path(name) };
    let Some(state) = FaultyDisk::find(name) else {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    };
    let mut state = state.lock();
    match state.check(state.boot).and_then(|()| state.remove(name)) {
        Err(DiskError::NotFound) => ffi::SQLITE_IOERR_DELETE_NOENT,
        Ok(()) if syncs != 0 => code(&state.sync_names(name), ffi::SQLITE_IOERR_DIR_FSYNC),
        removed => code(&removed, ffi::SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(_: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: SQLite passes a string of C.
    let name = unsafe { path(name) };
    let len = FaultyDisk::find(name).and_then(|state| {
        let mut state = state.lock();
        let file = state.named(name)?;
        state.file(file).ok().map(|file| file.content.len())
    });
    // SQLite's own VFS takes an empty file for missing, too.
    let is_there = len.is_some_and(|len| len > 0 || flags != ffi::SQLITE_ACCESS_EXISTS);
    // SAFETY: SQLite passes a valid pointer.
    unsafe { *out = c_int::from(is_there) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    out_bytes: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes a string of C.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if name.len() > unsigned(out_bytes) {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: the buffer has `out_bytes` bytes, which are enough.
    unsafe { ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, bytes: *mut c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: SQLite passes an open file, and a buffer of `len` bytes.
    let (handle, bytes) = unsafe {
        (
            handle(file),
            std::slice::from_raw_parts_mut(bytes.cast::<u8>(), unsigned(len)),
        )
    };
    match handle.read(bytes, unsigned(at)) {
        Ok(len) if len < bytes.len() => {
            bytes[len..].fill(0);
            ffi::SQLITE_IOERR_SHORT_READ
        }
        outcome => code(&outcome, ffi::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: SQLite passes an open file, and a buffer of `len` bytes.
    let (handle, bytes) = unsafe {
        (
            handle(file),
            std::slice::from_raw_parts(bytes.cast::<u8>(), unsigned(len)),
        )
    };
    code(&handle.write(bytes, unsigned(at)), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: SQLite passes an open file.
    code(
        &unsafe { handle(file) }.resize(unsigned(len)),
        ffi::SQLITE_IOERR_TRUNCATE,
    )
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    code(&unsafe { handle(file) }.sync(), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: SQLite passes an open file.
    let len = unsafe { handle(file) }.len();
    // SAFETY: SQLite passes a valid pointer.
    unsafe { *out = len.map_or(0, |len| len as i64) };
    code(&len, ffi::SQLITE_IOERR_FSTAT)
}

const fn level(number: c_int) -> Level {
    match number {
        ffi::SQLITE_LOCK_NONE => Level::None,
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        _ => Level::Exclusive,
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    lock_code(unsafe { handle(file) }.lock(level(to)), ffi::SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    unsafe { handle(file) }.unlock(level(to));
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    let is_reserved = unsafe { handle(file) }.is_reserved();
    // SAFETY: SQLite passes a valid pointer.
    unsafe { *out = c_int::from(is_reserved == Ok(true)) };
    code(&is_reserved, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK)
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    SECTOR_BYTES
}

/// What SQLite's own VFS says of an ordinary disk: a write changes no bytes beside it.
unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn map_index(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    region_bytes: c_int,
    extends: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite passes an open file.
    let handle = unsafe { handle(file) };
    let wanted = (unsigned(region), unsigned(region_bytes));
    // The words are atomic, so that the memory may be changed through a shared reference.
    let mapped = handle.map(wanted, extends != 0, |region| {
        region.map_or(ptr::null_mut(), |region| region.as_ptr().cast_mut().cast::<c_void>())
    });
    // SAFETY: SQLite passes a valid pointer. The region lives until this file unmaps it.
    unsafe { *out = mapped.unwrap_or(ptr::null_mut()) };
    code(&mapped, ffi::SQLITE_IOERR_SHMMAP)
}

unsafe extern "C" fn lock_index(file: *mut ffi::sqlite3_file, first: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    let handle = unsafe { handle(file) };
    let first = first.cast_unsigned();
    let slots = first..first + count.cast_unsigned();
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        handle.unlock_slots(slots);
        return ffi::SQLITE_OK;
    }
    let is_exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    lock_code(handle.lock_slots(slots, is_exclusive), ffi::SQLITE_IOERR_SHMLOCK)
}

unsafe extern "C" fn index_barrier(_: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn unmap_index(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    unsafe { handle(file) }.unmap();
    ffi::SQLITE_OK
}
