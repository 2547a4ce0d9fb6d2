//! The writes to a drill's tables that never arrived in a region.

use std::{collections::BTreeSet, time::Duration};

use beringia_history::Evidence;
use beringia_item::Version;
use beringia_proto::v1::RegionDigests;
use beringia_report::Recorder;

use crate::{arrival_lag::Arrivals, scope::Apart};

/// What is known of arrivals at the end of a drill.
pub(crate) struct FinalArrivals<'a> {
    pub(crate) arrivals: &'a Arrivals,
    /// How much the replicas have applied at the end.
    pub(crate) digests: &'a [RegionDigests],
    /// The regions that were killed. What they committed then, they report to nobody.
    pub(crate) killed: &'a BTreeSet<String>,
    /// The replicas that are paused, but not by the drill.
    pub(crate) apart: &'a Apart,
    /// When the load had ended, since it began. Later writes may be on their way.
    pub(crate) load_end: Duration,
}

impl FinalArrivals<'_> {
    /// Records the writes to a table that these regions, which have replicas of it, never got.
    pub(crate) fn record(
        &self,
        table: &str,
        evidence: &Evidence,
        receivers: &BTreeSet<String>,
        recorder: &mut Recorder,
    ) {
        for (origin, keys) in &evidence.logs {
            let others = receivers.iter().filter(|receiver| *receiver != origin);
            let others: Vec<&String> = others
                .filter(|receiver| !self.is_apart(table, &[receiver, origin]))
                .collect();
            for write in keys.values().flatten() {
                let version = &write.held.version;
                let committed = self.arrivals.committed(version).filter(|at| *at <= self.load_end);
                let Some(committed) = committed else { continue };
                for receiver in &others {
                    let is_copied = evidence.bootstrapped.contains(*receiver);
                    if !self.has(table, receiver, version, is_copied) {
                        recorder.never_arrived(origin, receiver, version.sequence, committed);
                    }
                }
            }
        }
    }

    /// Whether a write arrived. Where not every arrival was reported, what the receiver says to
    /// have applied counts.
    fn has(&self, table: &str, receiver: &str, version: &Version, is_copied: bool) -> bool {
        let origin = version.origin.to_string();
        if self.arrivals.was_seen(receiver, &origin, version.sequence) {
            return true;
        }
        let is_sure = !is_copied && !self.killed.contains(receiver) && self.arrivals.all_are_reported(receiver);
        !is_sure && self.covers(table, receiver, &origin, version.sequence)
    }

    fn covers(&self, table: &str, receiver: &str, origin: &str, sequence: u64) -> bool {
        let region = self.digests.iter().find(|region| region.region == receiver);
        let held = region.and_then(|region| region.tables.iter().find(|held| held.table == table));
        let known = held.and_then(|held| held.vector.iter().find(|known| known.origin == origin));
        known.is_some_and(|known| known.sequence >= sequence)
    }

    fn is_apart(&self, table: &str, regions: &[&str]) -> bool {
        let held = self.digests.iter().flat_map(|region| &region.tables);
        let ids: BTreeSet<&str> = held
            .filter(|held| held.table == table)
            .map(|held| held.table_id.as_str())
            .collect();
        let mut apart = self.apart.iter();
        apart.any(|(id, region)| ids.contains(id.as_str()) && regions.contains(&region.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use beringia_clock::HybridTime;
    use beringia_history::{Logged, VersionedItem};
    use beringia_host::arrival_groups::{Commit, CommittedWrite, Gathered, WriteRun};
    use beringia_item::{Origin, Region, TableId, VersionVector};
    use beringia_proto::v1::{ControlArrivals, OriginCommits, OriginSequence, TableDigestReport};
    use beringia_report::{Player, Run};
    use beringia_scenario::{Plan, Scenario};

    use super::*;

    const BEGAN_MS: u64 = 1_000_000;
    const FROM: &str = "us-east-1";
    const TO: &str = "eu-west-1";

    /// One region committed a write per second; another one saw some of them, by the log or as
    /// rows.
    fn arrivals(seen: &[u64], by_log: bool) -> Arrivals {
        let mut arrivals = Arrivals::since(BEGAN_MS);
        let commits = OriginCommits {
            origin: FROM.to_owned(),
            sequences: vec![0, 1, 1, 1, 1],
            at_ms: vec![0, 1_001_000, 1_000, 1_000, 1_000],
        };
        let mut gathered = Gathered::default();
        gathered.add(&Commit {
            region: Region::new(TO).unwrap(),
            visible_ms: BEGAN_MS + 9_000,
            runs: vec![WriteRun {
                table: TableId(7),
                origin: Origin::of_only_shard(&Region::new(FROM).unwrap()),
                by_log,
                writes: seen
                    .iter()
                    .map(|sequence| CommittedWrite {
                        sequence: *sequence,
                        committed_ms: 0,
                    })
                    .collect(),
            }],
        });
        let message = ControlArrivals {
            commits: vec![commits],
            groups: gathered.into_groups(),
            ..ControlArrivals::default()
        };
        let mut recorder = Recorder::new(&plan(), Player::Drill);
        arrivals.heard(0, &message, &mut recorder);
        arrivals
    }

    fn plan() -> Plan {
        Plan::draw(&Scenario::shipped("partition").unwrap(), 1)
    }

    /// The log of the origin: four writes to one key.
    fn evidence() -> Evidence {
        let mut evidence = Evidence::default();
        for sequence in 1..=4 {
            let version = Version {
                time: HybridTime::from_u64((BEGAN_MS + sequence * 1_000) << 16),
                origin: Origin::of_only_shard(&Region::new(FROM).unwrap()),
                sequence,
            };
            let logged = Logged {
                held: VersionedItem::new(version, None, None),
                is_expiry: false,
                causal_context: VersionVector::default(),
            };
            evidence.log("key".to_owned(), logged);
        }
        evidence
    }

    /// The number of writes that never arrived, and the age of the first in milliseconds.
    fn never_arrived(arrivals: &Arrivals, applied: u64, load_end_s: u64) -> (u64, u64) {
        let digests = [RegionDigests {
            region: TO.to_owned(),
            running: true,
            tables: vec![TableDigestReport {
                table: "t".to_owned(),
                vector: vec![OriginSequence {
                    origin: FROM.to_owned(),
                    sequence: applied,
                }],
                ..TableDigestReport::default()
            }],
        }];
        let (killed, apart) = (BTreeSet::new(), Apart::new());
        let known = FinalArrivals {
            arrivals,
            digests: &digests,
            killed: &killed,
            apart: &apart,
            load_end: Duration::from_secs(load_end_s),
        };
        let mut recorder = Recorder::new(&plan(), Player::Drill);
        let receivers = [FROM, TO].map(str::to_owned).into();
        known.record("t", &evidence(), &receivers, &mut recorder);
        let run: Run = recorder.finish(Duration::from_secs(20), "");
        let pairs = run.pairs.iter().filter(|pair| pair.missing > 0);
        pairs.fold((0, 0), |(writes, _), pair| (writes + pair.missing, pair.missing_ms))
    }

    /// The region says that it has applied the second write, but nobody saw it there.
    #[test]
    fn a_single_write_that_nobody_saw_never_arrived() {
        assert_eq!(never_arrived(&arrivals(&[1, 3, 4], true), 4, 10), (1, 18_000));
        assert_eq!(never_arrived(&arrivals(&[1, 2, 3, 4], true), 4, 10), (0, 0));
        assert_eq!(
            never_arrived(&arrivals(&[1], true), 1, 3),
            (2, 18_000),
            "later ones are on their way"
        );
    }

    #[test]
    fn unreported_arrivals_count_by_what_was_applied() {
        assert_eq!(never_arrived(&arrivals(&[1, 3], false), 3, 10), (1, 16_000), "rows");
        let mut interrupted = arrivals(&[1], true);
        interrupted.interrupted(0);
        assert_eq!(never_arrived(&interrupted, 3, 10), (1, 16_000));
    }
}
