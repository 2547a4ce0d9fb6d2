//! The data of a table in regions, in the form of the control protocol: logs, rows and journals,
//! from which an oracle judges what became of writes.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use beringia_history::VersionedItem;
use beringia_item::{Cause, KeyBytes, Mutation, Origin, Region, encode_item};
use beringia_node::TableEvidence;
use beringia_proto::v1::{
    ControlEvidence, ControlEvidenceRequest, EvidenceConflict, EvidenceWrite, control_evidence::What,
};
use beringia_storage::{Store, StoreError, Table, panic_message};
use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{digests, journal::version};
use crate::host::Host;

/// How long a region may take to list the unshipped writes of dropped replicas, and the pause
/// between two checks of that.
const UNSHIPPED_WITHIN: Duration = Duration::from_mins(10);
const PAUSE: Duration = Duration::from_millis(50);
/// Messages that may wait for the client.
const WAITING_MAX: usize = 1024;

type Sent = Result<ControlEvidence, Status>;

/// Reads one region after the other, as fast as the client takes the messages.
pub(crate) fn stream(host: Arc<Host>, request: ControlEvidenceRequest) -> impl Stream<Item = Sent> + Send + use<> {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let panicked = sender.clone();
        let sending = AssertUnwindSafe(send(host, request, sender));
        if let Err(panic) = sending.catch_unwind().await {
            // Without an error the evidence would look complete.
            let status = Status::internal(format!("reading the evidence panicked: {}", panic_message(&*panic)));
            panicked.send(Err(status)).await.ok();
        }
    });
    ReceiverStream::new(receiver)
}

async fn send(host: Arc<Host>, request: ControlEvidenceRequest, sender: mpsc::Sender<Sent>) {
    let rows_of = request.rows_of.as_str();
    let asked = host
        .regions()
        .iter()
        .filter(|region| rows_of.is_empty() || region.name().as_str() == rows_of);
    for region in asked {
        let Some(store) = region.store().await else {
            continue;
        };
        let Some(table) = store.catalog().by_name.get(&request.table).cloned() else {
            continue;
        };
        let reader = Reader {
            region: region.name().to_string(),
            store: &*store,
            evidence: TableEvidence::new(&*store, table.id),
            table,
            sender: sender.clone(),
        };
        let read = if request.copies_only {
            reader.log(reader.others(&request.copies_of)).await
        } else if rows_of.is_empty() {
            reader.read(reader.others(&request.copies_of)).await
        } else {
            reader.rows().await
        };
        match read {
            Ok(()) => {}
            Err(Stop::ClientGone) => return,
            Err(Stop::Failed(status)) => {
                sender.send(Err(status)).await.ok();
                return;
            }
        }
    }
}

/// The reason why reading ends early.
enum Stop {
    ClientGone,
    Failed(Status),
}

struct Reader<'a> {
    region: String,
    store: &'a dyn Store,
    evidence: TableEvidence<'a>,
    table: Arc<Table>,
    sender: mpsc::Sender<Sent>,
}

impl Reader<'_> {
    async fn read(&self, mut origins: Vec<Origin>) -> Result<(), Stop> {
        origins.push(self.store.origin().clone());
        self.log(origins).await?;
        self.rows().await?;
        self.journal().await?;
        self.unshipped().await
    }

    /// The origins of these regions, without this one.
    fn others(&self, regions: &[String]) -> Vec<Origin> {
        let regions = regions.iter().filter_map(|name| Region::new(name).ok());
        let origins = regions.map(|region| Origin::of_only_shard(&region));
        origins.filter(|origin| origin != self.store.origin()).collect()
    }

    /// Sends the writes of these origins that are in the region's log.
    async fn log(&self, origins: Vec<Origin>) -> Result<(), Stop> {
        if origins.is_empty() {
            return Ok(());
        }
        let mut logged = pin!(self.evidence.logged(origins));
        while let Some(mutation) = logged.next().await {
            let mutation = mutation.map_err(|error| self.failed(error))?;
            self.send(What::Logged(self.write(&mutation)?)).await?;
        }
        Ok(())
    }

    async fn rows(&self) -> Result<(), Stop> {
        let mut rows = pin!(self.evidence.rows());
        while let Some(mutation) = rows.next().await {
            let mutation = mutation.map_err(|error| self.failed(error))?;
            self.send(What::Current(self.write(&mutation)?)).await?;
        }
        Ok(())
    }

    async fn journal(&self) -> Result<(), Stop> {
        let mut conflicts = pin!(self.evidence.conflicts());
        while let Some(conflict) = conflicts.next().await {
            let conflict = conflict.map_err(|error| self.failed(error))?;
            let loser = VersionedItem::new(conflict.loser.version.clone(), conflict.loser.image.as_ref(), None);
            let entry = EvidenceConflict {
                key: self.key(&conflict.key)?,
                winner: Some(version(&conflict.winner.version)),
                loser: Some(version(&conflict.loser.version)),
                loser_marker: loser.marker().map(str::to_owned),
                attributes: conflict.attributes,
            };
            self.send(What::Conflict(entry)).await?;
        }
        Ok(())
    }

    async fn unshipped(&self) -> Result<(), Stop> {
        let began = Instant::now();
        while self.store.is_saving_unshipped() {
            if began.elapsed() > UNSHIPPED_WITHIN {
                let message = format!(
                    "{}: unshipped writes are still being listed after {UNSHIPPED_WITHIN:?}",
                    self.region
                );
                return Err(Stop::Failed(Status::unavailable(message)));
            }
            sleep(PAUSE).await;
        }
        let mut unshipped = pin!(self.evidence.unshipped());
        while let Some(kept) = unshipped.next().await {
            let kept = kept.map_err(|error| self.failed(error))?;
            let write = EvidenceWrite {
                key: encode_item(&kept.key),
                version: Some(version(&kept.write.version)),
                image: kept.write.image.as_ref().map(encode_item),
                ..EvidenceWrite::default()
            };
            self.send(What::Unshipped(write)).await?;
        }
        Ok(())
    }

    fn write(&self, mutation: &Mutation) -> Result<EvidenceWrite, Stop> {
        Ok(EvidenceWrite {
            key: self.key(&mutation.key)?,
            version: Some(version(&mutation.version)),
            causal_context: digests::vector(&mutation.causal_context),
            image: mutation.image.clone(),
            is_expiry: mutation.cause == Cause::TimeToLive,
        })
    }

    fn key(&self, key: &KeyBytes) -> Result<Bytes, Stop> {
        let attributes = self.table.core.keys.attributes_of(key);
        let attributes = attributes.ok_or_else(|| {
            let message = format!("{}: {key:?} is not a key of {}", self.region, self.table.core.name);
            Stop::Failed(Status::data_loss(message))
        })?;
        Ok(encode_item(&attributes))
    }

    async fn send(&self, what: What) -> Result<(), Stop> {
        let region = self.region.clone();
        let sent = self.sender.send(Ok(ControlEvidence {
            region,
            what: Some(what),
        }));
        sent.await.map_err(|_| Stop::ClientGone)
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
    fn failed(&self, error: StoreError) -> Stop {
        Stop::Failed(Status::internal(format!("{}: {error}", self.region)))
    }
}
