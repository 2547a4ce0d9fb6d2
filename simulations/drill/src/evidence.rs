//! What the regions of a drill hold and have committed, in the terms of the oracle.

use std::collections::BTreeMap;

use beringia_clock::HybridTime;
use beringia_history::{Conflict, Evidence, Held, KeptAside, Logged, key_text};
use beringia_host::fleet::Fleet;
use beringia_item::{Item, Origin, Version, VersionVector, decode_item};
use beringia_proto::v1::{
    ControlEvidence, ControlEvidenceRequest, EvidenceConflict, EvidenceWrite, ItemVersion, control_evidence::What,
};
use beringia_workload::Table;

use crate::error::DrillError;

/// What happened to the replicas in a drill, which decides what logs and journals can show.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Whether a disk was lost.
    pub(crate) lost_disk: bool,
    /// Regions that held the tables from the beginning to the end.
    pub(crate) always_held: Vec<String>,
    /// Whether a region can have been out of reach for so long that the others dropped its replicas.
    pub(crate) may_be_dropped: bool,
}

/// Reads all that the regions hold of a table.
pub(crate) async fn gather(fleet: &Fleet, table: &Table, past: &Past) -> Result<Evidence, DrillError> {
    let mut evidence = Evidence::default();
    // What a region that was empty at some time has of its own log, others have more of.
    let every_origin = past.lost_disk || past.may_be_dropped || past.always_held.len() < fleet.topology().len();
    for mut client in fleet.clients() {
        let request = ControlEvidenceRequest {
            table: table.name.clone(),
            every_origin,
        };
        let mut stream = client.evidence(request).await?.into_inner();
        while let Some(message) = stream.message().await? {
            take(&mut evidence, message, table).map_err(|what| DrillError::Evidence {
                table: table.name.clone(),
                what,
            })?;
        }
    }
    for writes in evidence.logs.values_mut().flat_map(BTreeMap::values_mut) {
        writes.sort_by_key(|write| write.held.version.sequence);
        writes.dedup_by_key(|write| write.held.version.sequence);
    }
    let regions: Vec<String> = evidence.held.keys().cloned().collect();
    for region in regions {
        let is_complete = !past.lost_disk && !past.may_be_dropped && past.always_held.contains(&region);
        evidence.journals.entry(region).or_default().is_complete = is_complete;
    }
    Ok(evidence)
}

/// Puts one thing that a region holds where it belongs.
fn take(evidence: &mut Evidence, message: ControlEvidence, table: &Table) -> Result<(), &'static str> {
    let region = message.region;
    let (parts, expires) = (&table.key, table.expires());
    match message.what.ok_or("nothing in it")? {
        What::Logged(write) => {
            let key = text(&write.key, parts)?;
            let vector = write
                .vector
                .iter()
                .map(|known| Ok((origin(&known.origin)?, known.sequence)));
            let logged = Logged {
                vector: vector.collect::<Result<VersionVector, &str>>()?,
                is_expiry: write.is_expiry,
                held: held(&write, expires)?,
            };
            let origin = logged.held.version.origin.region().to_string();
            evidence
                .logs
                .entry(origin)
                .or_default()
                .entry(key)
                .or_default()
                .push(logged);
        }
        What::Held(write) => {
            let key = text(&write.key, parts)?;
            evidence
                .held
                .entry(region)
                .or_default()
                .insert(key, held(&write, expires)?);
        }
        What::Conflict(conflict) => {
            let EvidenceConflict {
                key,
                winner,
                loser,
                loser_mark,
                lost_mark_only,
            } = conflict;
            let entry = Conflict {
                key: text(&key, parts)?,
                winner: version(winner)?,
                loser: version(loser)?,
                loser_mark,
                lost_mark_only,
            };
            evidence.journals.entry(region).or_default().entries.push(entry);
        }
        What::KeptAside(write) => {
            let kept = KeptAside {
                key: text(&write.key, parts)?,
                held: held(&write, expires)?,
            };
            evidence.kept_aside.entry(region).or_default().push(kept);
        }
    }
    Ok(())
}

fn held(write: &EvidenceWrite, expires: Option<&str>) -> Result<Held, &'static str> {
    let image = write.image.as_ref().map(|image| item(image)).transpose()?;
    Ok(Held::new(version(write.version.clone())?, image.as_ref(), expires))
}

fn item(bytes: &[u8]) -> Result<Item, &'static str> {
    decode_item(bytes).map_err(|_| "an item")
}

fn text(key: &[u8], parts: &[String]) -> Result<String, &'static str> {
    key_text(parts.iter().map(String::as_str), &item(key)?).ok_or("a key")
}

fn version(said: Option<ItemVersion>) -> Result<Version, &'static str> {
    let said = said.ok_or("no version")?;
    Ok(Version {
        time: HybridTime::from_u64(said.hybrid_time),
        origin: origin(&said.origin)?,
        sequence: said.sequence,
    })
}

fn origin(text: &str) -> Result<Origin, &'static str> {
    text.parse().map_err(|_| "an origin")
}
