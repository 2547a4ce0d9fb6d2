//! The account of all writes. Each acknowledged write is in exactly one place of it.

use std::collections::BTreeMap;

use beringia_history::{LostDisk, OperationOutcome};
use serde::{Deserialize, Serialize};

use crate::{
    index::{Asked, Missing, Table},
    outcomes::CommittedOutcome,
    violation::Violation,
};

/// The outcomes of the load's writes: `acknowledged` is the sum of `current`, `superseded`,
/// `lost_to_conflicts`, `lost_with_disk`, `unshipped` and `lost`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    /// Acknowledged writes. Each write of a transaction counts; deletes that found nothing do not.
    pub acknowledged: u64,
    /// Writes that got no answer.
    pub unknown: u64,
    /// Acknowledged writes that are in what every region holds at the end, alone or merged with
    /// others.
    pub current: u64,
    /// Acknowledged writes that were replaced by a write that causally depends on them.
    pub superseded: u64,
    /// Acknowledged writes that were lost to a concurrent write, wholly or in part.
    pub lost_to_conflicts: u64,
    /// Acknowledged writes that were lost with a disk.
    pub lost_with_disk: u64,
    /// Acknowledged writes that are unshipped: the others dropped the region's replica before they
    /// had them. No region shows them; they can be restored.
    pub unshipped: u64,
    /// Acknowledged writes that were lost without an excuse. Must be 0.
    pub lost: u64,
}

/// What became of an acknowledged write: its place in the [`Accounting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It is in what every region holds at the end.
    Current,
    /// A write that causally depends on it replaced it.
    Superseded,
    /// A concurrent write overruled it, wholly or in part.
    LostToConflict,
    /// It was lost with a disk.
    LostWithDisk,
    /// Its region keeps it as an unshipped write.
    Unshipped,
    /// It was lost without an excuse.
    Lost,
}

/// An acknowledged write and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgedWrite {
    /// When it was acknowledged, in microseconds since the load began.
    pub done_us: u64,
    /// The sequence that the region gave it; `None` if no log has the write.
    pub sequence: Option<u64>,
    /// What became of it.
    pub outcome: WriteOutcome,
}

/// The writes that were lost with a disk: the measured recovery point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataLoss {
    /// The region that lost its disk.
    pub region: String,
    /// When the disk was lost, in microseconds since the load began.
    pub at_us: u64,
    /// Acknowledged writes that no region has, neither themselves nor a write that replaced them.
    pub writes: u64,
    /// The bytes of the requests of these writes.
    pub bytes: u64,
    /// Seconds from the acknowledgement of the first of these writes to the loss; 0 if there was
    /// none.
    pub seconds: f64,
}

/// The account while it is being made.
pub(crate) struct Tally {
    accounting: Accounting,
    /// The acknowledged writes by the region that acknowledged them.
    writes: BTreeMap<String, Vec<JudgedWrite>>,
    losses: Vec<DataLoss>,
    /// For each lost disk, when the first write that it took was acknowledged.
    first_us: Vec<Option<u64>>,
}

impl Tally {
    pub(crate) fn new(disks: &[LostDisk]) -> Self {
        let loss = |disk: &LostDisk| DataLoss {
            region: disk.region.clone(),
            at_us: disk.at_us,
            ..DataLoss::default()
        };
        Self {
            accounting: Accounting::default(),
            writes: BTreeMap::new(),
            losses: disks.iter().map(loss).collect(),
            first_us: vec![None; disks.len()],
        }
    }

    /// Counts a table's writes, and finds writes that were lost with a disk although a later write
    /// of the table was not.
    pub(crate) fn count(
        &mut self,
        table: &Table<'_>,
        outcomes: &BTreeMap<&str, Vec<CommittedOutcome>>,
        violations: &mut Vec<Violation>,
    ) {
        let shipped_us: Vec<u64> = (0..table.lost_disks.len())
            .map(|disk| shipped_us(table, disk))
            .collect();
        for (key, writes) in &table.keys {
            for asked in writes.asked.iter().filter(|asked| !asked.is_load) {
                self.accounting.unknown += u64::from(matches!(
                    asked.operation.outcome,
                    OperationOutcome::Unknown | OperationOutcome::Unreported
                ));
                if !asked.is_acknowledged() {
                    continue;
                }
                let Some(position) = asked.position else {
                    let missing = table.missing(writes, asked);
                    self.judged(asked, None, outcome_of(missing));
                    self.count_loss(asked, missing);
                    if let Missing::WithDisk(disk) = missing
                        && asked.operation.done_us < shipped_us[disk]
                    {
                        violations.push(Violation::LostAmidst {
                            table: table.name.to_owned(),
                            region: asked.operation.region.clone(),
                            key: (*key).to_owned(),
                            marker: asked.write.marker.clone(),
                        });
                    }
                    continue;
                };
                let outcome = outcomes
                    .get(key)
                    .and_then(|outcomes| outcomes.get(position))
                    .copied()
                    .unwrap_or_default();
                let outcome = if outcome.is_lost {
                    WriteOutcome::LostToConflict
                } else if outcome.is_current {
                    WriteOutcome::Current
                } else {
                    WriteOutcome::Superseded
                };
                let sequence = writes.commits[position].version().sequence;
                self.judged(asked, Some(sequence), outcome);
            }
        }
    }

    /// Counts an acknowledged write, and keeps what became of it.
    fn judged(&mut self, asked: &Asked<'_>, sequence: Option<u64>, outcome: WriteOutcome) {
        self.accounting.acknowledged += 1;
        match outcome {
            WriteOutcome::Current => self.accounting.current += 1,
            WriteOutcome::Superseded => self.accounting.superseded += 1,
            WriteOutcome::LostToConflict => self.accounting.lost_to_conflicts += 1,
            WriteOutcome::LostWithDisk => self.accounting.lost_with_disk += 1,
            WriteOutcome::Unshipped => self.accounting.unshipped += 1,
            WriteOutcome::Lost => self.accounting.lost += 1,
        }
        let write = JudgedWrite {
            done_us: asked.operation.done_us,
            sequence,
            outcome,
        };
        match self.writes.get_mut(&asked.operation.region) {
            Some(writes) => writes.push(write),
            None => {
                self.writes.insert(asked.operation.region.clone(), vec![write]);
            }
        }
    }

    /// Counts a write that was lost with a disk to the loss of the disk.
    fn count_loss(&mut self, asked: &Asked<'_>, missing: Missing) {
        if let Missing::WithDisk(disk) = missing {
            let (loss, first_us) = (&mut self.losses[disk], &mut self.first_us[disk]);
            loss.writes += 1;
            loss.bytes += u64::from(asked.write.bytes);
            let done_us = asked.operation.done_us;
            *first_us = Some(first_us.map_or(done_us, |first_us| first_us.min(done_us)));
        }
    }

    pub(crate) fn results(self) -> (Accounting, BTreeMap<String, Vec<JudgedWrite>>, Vec<DataLoss>) {
        let losses = self.losses.into_iter().zip(self.first_us).map(|(loss, first_us)| {
            let lost_us = first_us.map_or(0, |first_us| loss.at_us.saturating_sub(first_us));
            DataLoss {
                seconds: std::time::Duration::from_micros(lost_us).as_secs_f64(),
                ..loss
            }
        });
        let Accounting {
            acknowledged,
            unknown: _,
            current,
            superseded,
            lost_to_conflicts,
            lost_with_disk,
            unshipped,
            lost,
        } = self.accounting;
        debug_assert_eq!(
            acknowledged,
            current + superseded + lost_to_conflicts + lost_with_disk + unshipped + lost,
            "every acknowledged write is in one place of the account"
        );
        (self.accounting, self.writes, losses.collect())
    }
}

const fn outcome_of(missing: Missing) -> WriteOutcome {
    match missing {
        Missing::Lost => WriteOutcome::Lost,
        Missing::Replaced => WriteOutcome::Superseded,
        Missing::UnshippedWrite => WriteOutcome::Unshipped,
        Missing::LostToConflict => WriteOutcome::LostToConflict,
        Missing::WithDisk(_) => WriteOutcome::LostWithDisk,
    }
}

/// Returns when the last surviving write was sent of those that a region committed before it lost
/// its disk. Writes that were acknowledged before then must survive too, because regions ship their
/// writes to a table in order.
fn shipped_us(table: &Table<'_>, disk: usize) -> u64 {
    let lost = &table.lost_disks[disk];
    let asked = table.keys.values().flat_map(|key| &key.asked);
    let shipped = asked.filter(|asked| asked.position.is_some() && asked.operation.region == lost.region);
    let sent_us = shipped.map(|asked| asked.operation.sent_us);
    sent_us.filter(|sent_us| *sent_us <= lost.at_us).max().unwrap_or(0)
}
