//! Reads what the regions of a drill hold and have committed, in the terms of the oracle.

use std::collections::BTreeMap;

use beringia_clock::HybridTime;
use beringia_history::{
    ConflictEntry, Evidence, Logged, ReplicaEpochs, ReplicaHistory, UnshippedWrite, VersionedItem, key_text,
};
use beringia_host::fleet::Fleet;
use beringia_item::{CodecError, Item, Origin, OriginError, Version, VersionVector, decode_item};
use beringia_proto::v1::{
    ControlDigestsRequest, ControlEvidence, ControlEvidenceRequest, EvidenceConflict, EvidenceWrite, ItemVersion,
    RegionDigests, TableDigestReport, control_evidence::What,
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
    let (whole, partial): (Vec<String>, Vec<String>) = fleet
        .topology()
        .into_iter()
        .partition(|region| replicas.has_whole_log(region, &table.name));
    let request = ControlEvidenceRequest {
        table: table.name.clone(),
        copies_of: partial,
        ..ControlEvidenceRequest::default()
    };
    each_message(fleet, table, request, |message| take(&mut evidence, message, table)).await?;
    evidence.sort_logs();
    let known = last_sequences(&evidence);
    let request = ControlEvidenceRequest {
        table: table.name.clone(),
        copies_of: whole,
        copies_only: true,
        ..ControlEvidenceRequest::default()
    };
    each_message(fleet, table, request, |message| {
        compare(&mut evidence, &known, message, table)
    })
    .await?;
    let regions = fleet.topology();
    let bootstrapped = regions
        .iter()
        .filter(|region| replicas.may_be_bootstrapped(region, &table.name));
    evidence.bootstrapped = bootstrapped.map(ToString::to_string).collect();
    let regions: Vec<String> = evidence.held.keys().cloned().collect();
    for region in regions {
        let is_complete = replicas.has_complete_journal(&region, &table.name);
        evidence.journals.entry(region).or_default().is_complete = is_complete;
    }
    Ok(evidence)
}

/// Passes every message of all regions to `take`.
async fn each_message(
    fleet: &Fleet,
    table: &WorkloadTable,
    request: ControlEvidenceRequest,
    mut take: impl FnMut(ControlEvidence) -> Result<(), EvidenceError>,
) -> Result<(), DrillError> {
    for mut client in fleet.clients() {
        let mut stream = client.evidence(request.clone()).await?.into_inner();
        while let Some(message) = stream.message().await? {
            let region = message.region.clone();
            take(message).map_err(|source| DrillError::Evidence {
                region,
                table: table.name.clone(),
                source,
            })?;
        }
    }
    Ok(())
}

/// The sequence of the last write in the log of each origin.
fn last_sequences(evidence: &Evidence) -> BTreeMap<String, u64> {
    let last = |keys: &BTreeMap<String, Vec<Logged>>| {
        let sequences = keys.values().flatten().map(|logged| logged.held.version.sequence);
        sequences.max().unwrap_or(0)
    };
    let logs = evidence.logs.iter();
    logs.map(|(origin, keys)| (origin.clone(), last(keys))).collect()
}

/// Compares a region's copy of a log record with the original. Copies of later writes, such as
/// those by which items expire, are passed over: the log of their origin was read before.
fn compare(
    evidence: &mut Evidence,
    known: &BTreeMap<String, u64>,
    message: ControlEvidence,
    table: &WorkloadTable,
) -> Result<(), EvidenceError> {
    if let What::Logged(write) = message.what.ok_or(EvidenceError::Empty)? {
        let (key, copy) = logged(&write, table)?;
        let last = known.get(copy.held.version.origin.region().as_str());
        if last.is_some_and(|last| copy.held.version.sequence <= *last) {
            evidence.compare_copy(&message.region, &key, &copy);
        }
    }
    Ok(())
}

/// The epoch of each replica of these tables, by region and table.
pub(crate) async fn replica_epochs(fleet: &Fleet, tables: &[WorkloadTable]) -> Result<ReplicaEpochs, DrillError> {
    let mut epochs = ReplicaEpochs::new();
    for region in fleet.digests(ControlDigestsRequest::default()).await?.replies {
        for table in region.tables {
            if tables.iter().any(|own| own.name == table.table) {
                epochs.insert((region.region.clone(), table.table), table.replica_epoch);
            }
        }
    }
    Ok(epochs)
}

/// For each table, the sequence up to which every other replica has the writes of `region`. A table
/// is missing if some of them cannot be asked.
pub(crate) async fn shipped(fleet: &Fleet, region: &str) -> Result<BTreeMap<String, u64>, DrillError> {
    let digests = fleet.digests(ControlDigestsRequest::default()).await?.replies;
    Ok(shipped_by(&digests, region))
}

fn shipped_by(digests: &[RegionDigests], region: &str) -> BTreeMap<String, u64> {
    let mut shipped = BTreeMap::new();
    let tables = digests.iter().flat_map(|other| &other.tables);
    let tables: BTreeMap<&str, &TableDigestReport> = tables.map(|table| (table.table.as_str(), table)).collect();
    for (name, table) in tables.into_iter().filter(|(name, _)| !name.is_empty()) {
        let applied = |replica: &String| {
            let other = digests.iter().find(|other| other.running && other.region == *replica)?;
            let table = other.tables.iter().find(|held| held.table_id == table.table_id)?;
            let known = table.vector.iter().find(|known| is_of(&known.origin, region));
            Some(known.map_or(0, |known| known.sequence))
        };
        let others = table.replicas.iter().filter(|replica| *replica != region);
        if let Some(everywhere) = others.map(applied).min().flatten() {
            shipped.insert(name.to_owned(), everywhere);
        }
    }
    shipped
}

/// Whether this is an origin of the region's.
fn is_of(origin: &str, region: &str) -> bool {
    origin
        .parse::<Origin>()
        .is_ok_and(|origin| origin.region().as_str() == region)
}

/// Adds one message of a region to the evidence.
fn take(evidence: &mut Evidence, message: ControlEvidence, table: &WorkloadTable) -> Result<(), EvidenceError> {
    let region = message.region;
    let (parts, expires) = (&table.key, table.expires());
    match message.what.ok_or(EvidenceError::Empty)? {
        What::Logged(write) => {
            let (key, logged) = logged(&write, table)?;
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
                attributes,
            } = conflict;
            let key = text(&key, parts)?;
            let entry = ConflictEntry {
                winner: version(winner, &key)?,
                loser: version(loser, &key)?,
                key,
                loser_marker,
                attributes,
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

/// A log record, with its key.
fn logged(write: &EvidenceWrite, table: &WorkloadTable) -> Result<(String, Logged), EvidenceError> {
    let key = text(&write.key, &table.key)?;
    let vector = write
        .causal_context
        .iter()
        .map(|known| Ok((known.origin.parse()?, known.sequence)));
    let logged = Logged {
        causal_context: vector.collect::<Result<VersionVector, OriginError>>()?,
        is_expiry: write.is_expiry,
        held: held(write, &key, table.expires())?,
    };
    Ok((key, logged))
}

fn held(write: &EvidenceWrite, key: &str, expires: Option<&str>) -> Result<VersionedItem, EvidenceError> {
    Ok(VersionedItem::new(
        version(write.version.clone(), key)?,
        image(write, key)?.as_ref(),
        expires,
    ))
}

/// The item as a write left it; `None` for a delete. `key` is the item's, as text.
pub(crate) fn image(write: &EvidenceWrite, key: &str) -> Result<Option<Item>, EvidenceError> {
    let image = write.image.as_ref().map(|image| decode_item(image)).transpose();
    image.map_err(|source| EvidenceError::ImageBytes {
        key: key.to_owned(),
        source,
    })
}

fn text(key: &[u8], parts: &[String]) -> Result<String, EvidenceError> {
    text_of(&attributes(key)?, parts)
}

/// The attributes of a key.
pub(crate) fn attributes(key: &[u8]) -> Result<Item, EvidenceError> {
    decode_item(key).map_err(EvidenceError::KeyBytes)
}

/// The attributes of a key as text; `parts` are the names of those that must be there.
pub(crate) fn text_of(attributes: &Item, parts: &[String]) -> Result<String, EvidenceError> {
    key_text(parts.iter().map(String::as_str), attributes).ok_or_else(|| EvidenceError::Key {
        attributes: attributes.clone(),
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

#[cfg(test)]
mod tests {
    use beringia_item::{AttributeValue, encode_item};
    use beringia_proto::v1::OriginSequence;

    use super::*;

    /// A region with the table `t`, replicated in `a`, `b` and `c`, that has applied this much of
    /// what `a` wrote.
    fn region(name: &str, running: bool, applied: Option<u64>) -> RegionDigests {
        let vector = applied.map(|sequence| OriginSequence {
            origin: "a".to_owned(),
            sequence,
        });
        RegionDigests {
            region: name.to_owned(),
            running,
            tables: vec![TableDigestReport {
                table: "t".to_owned(),
                table_id: "1".to_owned(),
                replicas: ["a", "b", "c"].map(str::to_owned).to_vec(),
                vector: vector.into_iter().collect(),
                ..TableDigestReport::default()
            }],
        }
    }

    fn table() -> WorkloadTable {
        WorkloadTable {
            name: "t".to_owned(),
            key: vec!["pk".to_owned()],
            create: serde_json::Value::Null,
            time_to_live: None,
            limits: None,
        }
    }

    /// A record of a write of `a` in the log of a region.
    fn record(region: &str, sequence: u64, value: &str, applied: u64) -> ControlEvidence {
        let attribute = |name: &str, value: &str| (name.to_owned(), AttributeValue::S(value.to_owned()));
        let key: Item = [attribute("pk", "k")].into();
        let item: Item = [attribute("pk", "k"), attribute("v", value)].into();
        let write = EvidenceWrite {
            key: encode_item(&key),
            version: Some(ItemVersion {
                hybrid_time: sequence << 16,
                origin: "a".to_owned(),
                sequence,
            }),
            causal_context: vec![OriginSequence {
                origin: "b".to_owned(),
                sequence: applied,
            }],
            image: Some(encode_item(&item)),
            is_expiry: false,
        };
        ControlEvidence {
            region: region.to_owned(),
            what: Some(What::Logged(write)),
        }
    }

    #[test]
    fn copies_of_log_records_are_compared_by_content() {
        let (mut evidence, table) = (Evidence::default(), table());
        for sequence in [3, 5] {
            take(&mut evidence, record("a", sequence, "x", 1), &table).unwrap();
        }
        evidence.sort_logs();
        let known = last_sequences(&evidence);
        let mut differ = |copy: ControlEvidence| {
            evidence.mismatches.clear();
            compare(&mut evidence, &known, copy, &table).unwrap();
            let found = evidence.mismatches.iter();
            let found = found.map(|mismatch| (mismatch.region.clone(), mismatch.version.sequence));
            found.collect::<Vec<_>>()
        };
        let in_b = Some("b".to_owned());
        assert_eq!(differ(record("b", 3, "x", 1)), []);
        assert_eq!(differ(record("b", 3, "y", 1)), [(in_b.clone(), 3)], "another item");
        assert_eq!(differ(record("b", 5, "x", 2)), [(in_b.clone(), 5)], "another context");
        assert_eq!(
            differ(record("b", 4, "x", 1)),
            [(in_b, 4)],
            "the origin does not have it"
        );
        assert_eq!(differ(record("b", 6, "x", 1)), [], "it came after the log was read");
    }

    /// A replica that is down may have less than the others: what was shipped is not known then.
    #[test]
    fn what_was_shipped_is_what_every_other_replica_has() {
        let of = |digests: &[RegionDigests]| shipped_by(digests, "a").remove("t");
        let up = [region("b", true, Some(9)), region("c", true, Some(7))];
        assert_eq!(of(&up), Some(7));
        assert_eq!(of(&[region("b", true, Some(9)), region("c", true, None)]), Some(0));
        assert_eq!(of(&[region("b", true, Some(9)), region("c", false, Some(7))]), None);
        assert_eq!(of(&up[..1]), None, "a replica that does not answer");
    }
}
