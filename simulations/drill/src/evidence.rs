//! Reads what the regions of a drill hold and have committed, in the terms of the oracle.

use beringia_clock::HybridTime;
use beringia_history::{ConflictEntry, Evidence, Logged, ReplicaHistory, UnshippedWrite, VersionedItem, key_text};
use beringia_host::fleet::Fleet;
use beringia_item::{CodecError, Item, OriginError, Version, VersionVector, decode_item};
use beringia_proto::v1::{
    ControlEvidence, ControlEvidenceRequest, EvidenceConflict, EvidenceWrite, ItemVersion, control_evidence::What,
};
use beringia_workload::WorkloadTable;

use crate::error::DrillError;

/// Why a message about a region's items cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The message has no content.
    #[error("a message has no content")]
    Empty,
    /// The bytes of a key do not encode attributes.
    #[error("a key cannot be decoded: {0}")]
    KeyBytes(#[source] CodecError),
    /// The attributes of a key are incomplete, or one has a type that no key has.
    #[error("{attributes:?} is not a key with the attributes {}", parts.join(", "))]
    Key {
        /// The attributes that the bytes of the key encode.
        attributes: Item,
        /// The names of the key's parts.
        parts: Vec<String>,
    },
    /// The bytes of an image do not encode an item.
    #[error("the item {key} cannot be decoded: {source}")]
    ImageBytes {
        /// The key of the item, as text.
        key: String,
        /// The error of the codec.
        source: CodecError,
    },
    /// A write has no version.
    #[error("a write to {0} has no version")]
    NoVersion(String),
    /// A version or a version vector has an invalid origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
}

/// Reads the items, logs and journals of all regions for a table.
pub(crate) async fn gather(
    fleet: &Fleet,
    table: &WorkloadTable,
    replicas: &ReplicaHistory,
) -> Result<Evidence, DrillError> {
    let mut evidence = Evidence::default();
    // The log of a region that was empty at some time is shorter than other regions' copies of it.
    // Unlike a store, the control service cannot be asked for single origins: all regions send
    // either all origins or their own.
    let every_origin = !fleet
        .topology()
        .iter()
        .all(|region| replicas.has_whole_log(region, &table.name));
    for mut client in fleet.clients() {
        let request = ControlEvidenceRequest {
            table: table.name.clone(),
            every_origin,
        };
        let mut stream = client.evidence(request).await?.into_inner();
        while let Some(message) = stream.message().await? {
            let region = message.region.clone();
            take(&mut evidence, message, table).map_err(|source| DrillError::Evidence {
                region,
                table: table.name.clone(),
                source,
            })?;
        }
    }
    let regions = fleet.topology();
    let bootstrapped = regions
        .iter()
        .filter(|region| replicas.may_be_bootstrapped(region, &table.name));
    evidence.bootstrapped = bootstrapped.map(ToString::to_string).collect();
    evidence.sort_logs();
    let regions: Vec<String> = evidence.held.keys().cloned().collect();
    for region in regions {
        let is_complete = replicas.has_complete_journal(&region, &table.name);
        evidence.journals.entry(region).or_default().is_complete = is_complete;
    }
    Ok(evidence)
}

/// Adds one message of a region to the evidence.
fn take(evidence: &mut Evidence, message: ControlEvidence, table: &WorkloadTable) -> Result<(), EvidenceError> {
    let region = message.region;
    let (parts, expires) = (&table.key, table.expires());
    match message.what.ok_or(EvidenceError::Empty)? {
        What::Logged(write) => {
            let key = text(&write.key, parts)?;
            let vector = write
                .causal_context
                .iter()
                .map(|known| Ok((known.origin.parse()?, known.sequence)));
            let logged = Logged {
                causal_context: vector.collect::<Result<VersionVector, OriginError>>()?,
                is_expiry: write.is_expiry,
                held: held(&write, &key, expires)?,
            };
            evidence.log(key, logged);
        }
        What::Current(write) => {
            let key = text(&write.key, parts)?;
            let held = held(&write, &key, expires)?;
            evidence.held.entry(region).or_default().insert(key, held);
        }
        What::Conflict(conflict) => {
            let EvidenceConflict {
                key,
                winner,
                loser,
                loser_marker,
                lost_marker_only,
            } = conflict;
            let key = text(&key, parts)?;
            let entry = ConflictEntry {
                winner: version(winner, &key)?,
                loser: version(loser, &key)?,
                key,
                loser_marker,
                lost_marker_only,
            };
            evidence.journals.entry(region).or_default().entries.push(entry);
        }
        What::Unshipped(write) => {
            let key = text(&write.key, parts)?;
            let held = held(&write, &key, expires)?;
            let kept = UnshippedWrite { key, held };
            evidence.unshipped.entry(region).or_default().push(kept);
        }
    }
    Ok(())
}

fn held(write: &EvidenceWrite, key: &str, expires: Option<&str>) -> Result<VersionedItem, EvidenceError> {
    let image = write.image.as_ref().map(|image| decode_item(image)).transpose();
    let image = image.map_err(|source| EvidenceError::ImageBytes {
        key: key.to_owned(),
        source,
    })?;
    Ok(VersionedItem::new(
        version(write.version.clone(), key)?,
        image.as_ref(),
        expires,
    ))
}

fn text(key: &[u8], parts: &[String]) -> Result<String, EvidenceError> {
    let attributes = decode_item(key).map_err(EvidenceError::KeyBytes)?;
    key_text(parts.iter().map(String::as_str), &attributes).ok_or_else(|| EvidenceError::Key {
        attributes,
        parts: parts.to_vec(),
    })
}

fn version(version: Option<ItemVersion>, key: &str) -> Result<Version, EvidenceError> {
    let version = version.ok_or_else(|| EvidenceError::NoVersion(key.to_owned()))?;
    Ok(Version {
        time: HybridTime::from_u64(version.hybrid_time),
        origin: version.origin.parse()?,
        sequence: version.sequence,
    })
}
