//! Leases: what was changed under one is undone when its holder, such as a drill, no longer renews
//! it.

mod changes;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beringia_proto::v1::{ControlHoldLeaseRequest, LeaseReport};
use beringia_storage::logging_panics;
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
    time::{Instant, sleep_until},
};
use tonic::{Status, metadata::MetadataMap};

pub(crate) use self::changes::Changes;
use crate::host::Host;

/// The metadata of a request that names the lease under which it makes its change.
pub const LEASE_METADATA: &str = "beringia-lease";
/// The shortest time until a lease expires.
pub const LEASE_MIN: Duration = Duration::from_secs(1);
/// The longest time until a lease expires.
pub const LEASE_MAX: Duration = Duration::from_hours(1);
/// How many leases can be held at a time.
const HELD_MAX: usize = 64;
/// How many expired leases are remembered.
const EXPIRED_MAX: usize = 16;
/// The greatest length of a lease's name, in bytes.
const NAME_LENGTH_MAX: usize = 64;
/// The greatest length of the text about a holder, in bytes.
const HOLDER_LENGTH_MAX: usize = 200;

/// The leases of a process.
pub(crate) struct Leases {
    table: Mutex<LeaseTable>,
    /// Whether the regions' logs are kept: while a lease is held, since its holder may judge by the
    /// logs what became of writes.
    keeps_log: Arc<AtomicBool>,
    /// Whether they are kept without a lease, too.
    always_keeps_log: bool,
}

#[derive(Default)]
struct LeaseTable {
    /// The leases that are held, by name.
    held: BTreeMap<String, HeldLease>,
    /// The last leases that expired with changes, the oldest first; at most [`EXPIRED_MAX`].
    expired: VecDeque<ExpiredLease>,
}

/// A lease that is held.
struct HeldLease {
    holder: String,
    expires: Instant,
    /// What to undo. Locked while a change is made, so that an expiry waits for its end.
    changes: Arc<AsyncMutex<Changes>>,
}

/// A lease that expired, and what became of its changes.
struct ExpiredLease {
    name: String,
    holder: String,
    since: Instant,
    /// `None` while the changes are being undone.
    undone: Option<Undone>,
}

/// What was undone, as words for people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Undone {
    pub(crate) changes: Vec<String>,
    /// What could not be undone, and why.
    pub(crate) problems: Vec<String>,
}

/// A lease under which a change is being made.
pub(crate) type ChangesGuard = OwnedMutexGuard<Changes>;

impl Leases {
    /// No leases. `keeps_log` tells the regions whether to keep their logs.
    pub(crate) fn new(keeps_log: Arc<AtomicBool>, always_keeps_log: bool) -> Self {
        Self {
            table: Mutex::default(),
            keeps_log,
            always_keeps_log,
        }
    }

    /// Whether the regions keep their logs and conflicts at present.
    pub(crate) fn keeps_log(&self) -> bool {
        self.keeps_log.load(Ordering::Relaxed)
    }

    /// Has the regions keep their logs while a lease is held.
    fn keep_logs(&self, table: &LeaseTable) {
        let keeps = self.always_keeps_log || !table.held.is_empty();
        self.keeps_log.store(keeps, Ordering::Relaxed);
    }

    /// Begins a lease in the regions of `host`, or renews it.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a malformed request, ABORTED if the lease has expired,
    /// RESOURCE_EXHAUSTED if too many are held.
    pub(crate) fn hold(&self, host: &Arc<Host>, request: ControlHoldLeaseRequest) -> Result<(), Status> {
        let ControlHoldLeaseRequest {
            lease,
            holder,
            lasts_ms,
        } = request;
        let lasts = Duration::from_millis(lasts_ms);
        check(&lease, &holder, lasts)?;
        let expires = Instant::now() + lasts;
        let mut table = self.table.lock();
        if let Some(expired) = table.expired.iter().find(|expired| expired.name == lease) {
            return Err(expired.refusal());
        }
        if let Some(held) = table.held.get_mut(&lease) {
            held.expires = expires;
            return Ok(());
        }
        if table.held.len() >= HELD_MAX {
            return Err(Status::resource_exhausted("too many leases are held"));
        }
        tracing::debug!(%lease, %holder, ?lasts, "a lease began");
        let changes = Arc::default();
        table.held.insert(
            lease.clone(),
            HeldLease {
                holder,
                expires,
                changes,
            },
        );
        self.keep_logs(&table);
        tokio::spawn(logging_panics("watching a lease", watch(Arc::downgrade(host), lease)));
        Ok(())
    }

    /// Ends a lease whose holder has undone its changes. One that is not held stays as it is.
    pub(crate) fn end(&self, name: &str) {
        let mut table = self.table.lock();
        table.held.remove(name);
        self.keep_logs(&table);
    }

    /// The record of changes of the lease that a request names, if it names one. While the answer
    /// is kept, the lease's changes are not undone.
    ///
    /// # Errors
    /// ABORTED if the lease has expired, FAILED_PRECONDITION if it is not held.
    pub(crate) async fn under(&self, metadata: &MetadataMap) -> Result<Option<ChangesGuard>, Status> {
        let Some(name) = metadata.get(LEASE_METADATA) else {
            return Ok(None);
        };
        let name = name.to_str().unwrap_or_default();
        let changes = {
            let table = self.table.lock();
            table.held.get(name).map(|held| Arc::clone(&held.changes))
        };
        let changes = changes.ok_or_else(|| self.refusal(name))?;
        let changes = changes.lock_owned().await;
        if !self.table.lock().held.contains_key(name) {
            return Err(self.refusal(name));
        }
        Ok(Some(changes))
    }

    fn refusal(&self, name: &str) -> Status {
        let table = self.table.lock();
        let expired = table.expired.iter().find(|expired| expired.name == name);
        expired.map_or_else(
            || Status::failed_precondition("the request names a lease that is not held"),
            ExpiredLease::refusal,
        )
    }

    /// The leases that are held, then the last ones that expired.
    pub(crate) fn reports(&self) -> Vec<LeaseReport> {
        let now = Instant::now();
        let table = self.table.lock();
        let held = table.held.iter().map(|(name, held)| LeaseReport {
            lease: name.clone(),
            holder: held.holder.clone(),
            state: "held".to_owned(),
            expires_in_ms: millis(held.expires.saturating_duration_since(now)),
            // A change that is being made now is missing.
            changes: held
                .changes
                .try_lock()
                .map(|changes| changes.names())
                .unwrap_or_default(),
            ..LeaseReport::default()
        });
        let expired = table.expired.iter().map(|expired| expired.report(now));
        held.chain(expired).collect()
    }

    /// When a lease expires; `None` if it is not held.
    fn expires(&self, name: &str) -> Option<Instant> {
        self.table.lock().held.get(name).map(|held| held.expires)
    }

    /// Takes an expired lease away, so that no further change is made under it. `None` if it was
    /// renewed or ended.
    fn expire(&self, name: &str) -> Option<(String, Arc<AsyncMutex<Changes>>)> {
        let mut table = self.table.lock();
        let is_over = table.held.get(name)?.expires <= Instant::now();
        let HeldLease { holder, changes, .. } = is_over.then(|| table.held.remove(name)).flatten()?;
        self.keep_logs(&table);
        // A lease without changes may be held again: there is nothing that its holder has to know.
        let is_unused = changes.try_lock().is_ok_and(|changes| changes.is_empty());
        if is_unused {
            return None;
        }
        if table.expired.len() == EXPIRED_MAX {
            table.expired.pop_front();
        }
        table.expired.push_back(ExpiredLease {
            name: name.to_owned(),
            holder: holder.clone(),
            since: Instant::now(),
            undone: None,
        });
        Some((holder, changes))
    }

    fn undone(&self, name: &str, undone: Undone) {
        let mut table = self.table.lock();
        if let Some(expired) = table.expired.iter_mut().find(|expired| expired.name == name) {
            expired.undone = Some(undone);
        }
    }
}

impl ExpiredLease {
    fn refusal(&self) -> Status {
        Status::aborted(format!(
            "the lease of the {} was not renewed in time: the regions have undone its changes",
            self.holder
        ))
    }

    fn report(&self, now: Instant) -> LeaseReport {
        let undone = self.undone.as_ref();
        LeaseReport {
            lease: self.name.clone(),
            holder: self.holder.clone(),
            state: if undone.is_some() { "undone" } else { "undoing" }.to_owned(),
            expired_for_ms: millis(now.saturating_duration_since(self.since)),
            changes: undone.map(|undone| undone.changes.clone()).unwrap_or_default(),
            problems: undone.map(|undone| undone.problems.clone()).unwrap_or_default(),
            ..LeaseReport::default()
        }
    }
}

/// Waits until a lease expires, and undoes its changes then.
async fn watch(host: std::sync::Weak<Host>, name: String) {
    while let Some(expires) = host.upgrade().and_then(|host| host.leases().expires(&name)) {
        sleep_until(expires).await;
        let Some(host) = host.upgrade() else { return };
        let Some((holder, changes)) = host.leases().expire(&name) else {
            continue;
        };
        tracing::warn!(%holder, "a lease was not renewed in time: undoing its changes");
        let undone = changes.lock_owned().await.undo(&host).await;
        for change in &undone.changes {
            tracing::warn!(%holder, %change, "undone");
        }
        for problem in &undone.problems {
            tracing::error!(%holder, %problem, "not undone");
        }
        host.leases().undone(&name, undone);
    }
}

fn check(name: &str, holder: &str, lasts: Duration) -> Result<(), Status> {
    if !(1..=NAME_LENGTH_MAX).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Status::invalid_argument(
            "the name of a lease has 1 to 64 printable characters of ASCII",
        ));
    }
    if holder.len() > HOLDER_LENGTH_MAX {
        return Err(Status::invalid_argument("the holder of a lease has at most 200 bytes"));
    }
    if !(LEASE_MIN..=LEASE_MAX).contains(&lasts) {
        return Err(Status::invalid_argument("a lease lasts 1 second to 1 hour"));
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
