//! The lease of an attached drill: while the drill renews it, its changes to the regions last. If
//! the drill dies or loses its connection, the regions undo them.

use std::time::Duration;

use beringia_clock::{Randomness as _, SystemRandomness};
use beringia_host::{LEASE_METADATA, fleet::Client};
use beringia_proto::v1::{ControlEndLeaseRequest, ControlHoldLeaseRequest};
use futures_util::future::join_all;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tonic::{Code, Request, Status, metadata::AsciiMetadataValue};

use crate::error::DrillError;

/// The longest time between two renewals.
const RENEWED_EVERY: Duration = Duration::from_secs(1);
/// How many times a short lease is renewed in the time that it lasts.
const RENEWALS: u32 = 5;
/// How long a control service may take to end the lease.
const ENDED_WITHIN: Duration = Duration::from_secs(1);

/// The name of a drill's lease, and the time until it expires when the drill no longer renews it.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    /// Random, so that no two drills have the same.
    name: u64,
    pub(crate) lasts: Duration,
}

impl Lease {
    /// A lease that nobody holds yet.
    pub(crate) fn new(lasts: Duration) -> Self {
        Self {
            name: SystemRandomness.next_u64(),
            lasts,
        }
    }

    /// A request that makes its change under this lease.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let name = AsciiMetadataValue::from(self.name);
        request.metadata_mut().insert(LEASE_METADATA, name);
        request
    }

    async fn hold(&self, mut client: Client, holder: &str) -> Result<(), Status> {
        let request = ControlHoldLeaseRequest {
            lease: self.name.to_string(),
            holder: holder.to_owned(),
            lasts_ms: u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX),
        };
        client.hold_lease(request).await.map(drop)
    }
}

/// Renews a lease until it is dropped.
#[derive(Debug)]
pub(crate) struct LeaseKeeper {
    lease: Lease,
    clients: Vec<Client>,
    renewing: JoinHandle<()>,
    /// The refusal of a control service where the lease has expired; `None` before.
    lost: watch::Receiver<Option<Status>>,
}

impl LeaseKeeper {
    /// Begins the lease at all control services that answer, and renews it from now on. `scenario`
    /// names the drill for people.
    pub(crate) async fn begin(lease: Lease, clients: Vec<Client>, scenario: &str) -> Result<Self, DrillError> {
        let holder: String = format!("drill of {scenario}").chars().take(50).collect();
        for client in &clients {
            lease.hold(client.clone(), &holder).await?;
        }
        let (report, lost) = watch::channel(None);
        let renewing = tokio::spawn(renew(lease.clone(), clients.clone(), holder, report));
        Ok(Self {
            lease,
            clients,
            renewing,
            lost,
        })
    }

    /// Completes when the lease has expired at a control service, which then undid the changes.
    pub(crate) fn lost(&self) -> impl Future<Output = DrillError> + use<> {
        let mut lost = self.lost.clone();
        async move {
            loop {
                if let Some(status) = lost.borrow_and_update().clone() {
                    return DrillError::LeaseLost(status);
                }
                if lost.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        }
    }

    /// Ends the lease after the drill has undone its changes.
    pub(crate) async fn end(self) {
        self.renewing.abort();
        let ends = self.clients.iter().map(|client| {
            let (mut client, lease) = (client.clone(), self.lease.name.to_string());
            // A service that does not answer ends the lease by itself.
            async move { drop(timeout(ENDED_WITHIN, client.end_lease(ControlEndLeaseRequest { lease })).await) }
        });
        join_all(ends).await;
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn renew(lease: Lease, clients: Vec<Client>, holder: String, report: watch::Sender<Option<Status>>) {
    let every = RENEWED_EVERY.min(lease.lasts / RENEWALS);
    let renewals = clients.into_iter().map(|client| {
        let (lease, holder, report) = (&lease, &holder, &report);
        async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // A service that does not answer may be what the drill tests.
                let renewed = timeout(lease.lasts, lease.hold(client.clone(), holder)).await;
                if let Ok(Err(status)) = renewed
                    && has_expired(&status)
                {
                    report.send_replace(Some(status));
                    return;
                }
            }
        }
    });
    join_all(renewals).await;
}

/// Whether a control service refuses a request because the lease has expired there. It has undone
/// all changes under it.
pub(crate) fn has_expired(status: &Status) -> bool {
    status.code() == Code::Aborted
}
