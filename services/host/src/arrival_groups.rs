//! Writes that became visible in another region, in the form of the control protocol: many in one
//! message, with shared fields sent once.

use std::collections::BTreeMap;

use beringia_item::{Origin, Region, TableId};
use beringia_proto::v1::ArrivalGroup;

/// Writes of other regions that became visible in one region with one commit, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The region in which they became visible.
    pub region: Region,
    /// When they became visible, by this machine's clock: milliseconds since the Unix epoch.
    pub visible_ms: u64,
    /// The writes, in the order of the commit.
    pub runs: Vec<WriteRun>,
}

/// Consecutive writes of a commit with these fields in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRun {
    /// The id of the table that contains the items.
    pub table: TableId,
    /// The origin, which committed the writes for clients.
    pub origin: Origin,
    /// Whether they arrived from a log, in the order of their sequences.
    pub by_log: bool,
    /// The writes, in the order of the commit.
    pub writes: Vec<CommittedWrite>,
}

/// One write, as its origin knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommittedWrite {
    /// The number that the origin gave to the write.
    pub sequence: u64,
    /// When it was committed, by the origin's hybrid clock: milliseconds since the Unix epoch.
    pub committed_ms: u64,
}

/// One write, as a group reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArrivedWrite {
    /// The number that the origin gave to the write.
    pub sequence: u64,
    /// When it was committed, by the origin's hybrid clock: milliseconds since the Unix epoch.
    pub committed_ms: u64,
    /// When it became visible, by the machine's clock: milliseconds since the Unix epoch.
    pub visible_ms: u64,
}

/// The region of the arrival, the table, and the origin.
type Kind = (Region, TableId, Origin);

/// Commits collected for one message.
#[derive(Debug, Default)]
pub struct Gathered {
    groups: Vec<Group>,
    /// The index of the last group of each kind.
    last: BTreeMap<Kind, usize>,
    arrivals: usize,
}

#[derive(Debug)]
struct Group {
    arrived_writes: ArrivalGroup,
    last: ArrivedWrite,
}

impl Gathered {
    /// Adds the writes of a commit.
    pub fn add(&mut self, commit: &Commit) {
        for run in &commit.runs {
            self.arrivals += run.writes.len();
            let group = self.group_of(&commit.region, run);
            for write in &run.writes {
                group.add(ArrivedWrite {
                    sequence: write.sequence,
                    committed_ms: write.committed_ms,
                    visible_ms: commit.visible_ms,
                });
            }
        }
    }

    /// How many writes were collected.
    pub fn arrivals(&self) -> usize {
        self.arrivals
    }

    /// All writes, in as few groups as keep the order of each kind.
    pub fn into_groups(self) -> Vec<ArrivalGroup> {
        debug_assert_eq!(
            self.groups
                .iter()
                .map(|group| group.arrived_writes.sequences.len())
                .sum::<usize>(),
            self.arrivals,
            "every write is reported once"
        );
        self.groups.into_iter().map(|group| group.arrived_writes).collect()
    }

    fn group_of(&mut self, region: &Region, run: &WriteRun) -> &mut Group {
        let next = self.groups.len();
        let kind = (region.clone(), run.table, run.origin.clone());
        let last = self.last.entry(kind).or_insert(next);
        // A change of `by_log` starts a new group, so that the order is kept.
        if self
            .groups
            .get(*last)
            .is_none_or(|group| group.arrived_writes.by_log != run.by_log)
        {
            *last = next;
            self.groups.push(Group {
                arrived_writes: ArrivalGroup {
                    region: region.to_string(),
                    table_id: run.table.to_string(),
                    origin: run.origin.to_string(),
                    by_log: run.by_log,
                    ..ArrivalGroup::default()
                },
                last: ArrivedWrite::default(),
            });
        }
        &mut self.groups[*last]
    }
}

impl Group {
    fn add(&mut self, write: ArrivedWrite) {
        let more = |now: u64, before: u64| now.wrapping_sub(before).cast_signed();
        let (arrived_writes, last) = (&mut self.arrived_writes, self.last);
        arrived_writes.sequences.push(more(write.sequence, last.sequence));
        arrived_writes
            .committed_ms
            .push(more(write.committed_ms, last.committed_ms));
        arrived_writes.visible_ms.push(more(write.visible_ms, last.visible_ms));
        debug_assert!(
            arrived_writes.sequences.len() == arrived_writes.committed_ms.len()
                && arrived_writes.sequences.len() == arrived_writes.visible_ms.len(),
            "a write has three numbers"
        );
        self.last = write;
    }
}

/// The writes of a group, in order. Of a truncated group, those that are complete.
pub fn arrived_writes(group: &ArrivalGroup) -> impl Iterator<Item = ArrivedWrite> {
    let numbers = group.sequences.iter().zip(&group.committed_ms);
    let numbers = numbers.zip(&group.visible_ms);
    numbers.scan(
        ArrivedWrite::default(),
        |last, ((sequence, committed_ms), visible_ms)| {
            *last = ArrivedWrite {
                sequence: last.sequence.wrapping_add_signed(*sequence),
                committed_ms: last.committed_ms.wrapping_add_signed(*committed_ms),
                visible_ms: last.visible_ms.wrapping_add_signed(*visible_ms),
            };
            Some(*last)
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const REGIONS: [&str; 3] = ["ap", "eu", "us"];

    fn region(number: usize) -> Region {
        Region::new(REGIONS[number]).unwrap()
    }

    fn runs() -> impl Strategy<Value = WriteRun> {
        let write = |(sequence, committed_ms)| CommittedWrite { sequence, committed_ms };
        let number = || prop_oneof![0..4_u64, any::<u64>()];
        let writes = vec((number(), number()).prop_map(write), 0..5);
        (0..2_u128, 0..3_usize, any::<bool>(), writes).prop_map(|(table, origin, by_log, writes)| WriteRun {
            table: TableId(table + 7),
            origin: Origin::of_only_shard(&region(origin)),
            by_log,
            writes,
        })
    }

    fn commits() -> impl Strategy<Value = Vec<Commit>> {
        let commit = (0..3_usize, any::<u64>(), vec(runs(), 0..4)).prop_map(|(number, visible_ms, runs)| Commit {
            region: region(number),
            visible_ms,
            runs,
        });
        vec(commit, 0..20)
    }

    /// Per kind, in order: whether it arrived from a log, and the write.
    type InOrder = BTreeMap<(String, String, String), Vec<(bool, ArrivedWrite)>>;

    fn happened(commits: &[Commit]) -> InOrder {
        let mut all = InOrder::new();
        for commit in commits {
            for run in &commit.runs {
                let kind = (commit.region.to_string(), run.table.to_string(), run.origin.to_string());
                let writes = run.writes.iter().map(|write| ArrivedWrite {
                    sequence: write.sequence,
                    committed_ms: write.committed_ms,
                    visible_ms: commit.visible_ms,
                });
                all.entry(kind)
                    .or_default()
                    .extend(writes.map(|arrived_writes| (run.by_log, arrived_writes)));
            }
        }
        all
    }

    fn heard(groups: &[ArrivalGroup]) -> InOrder {
        let mut all = InOrder::new();
        for group in groups {
            let kind = (group.region.clone(), group.table_id.clone(), group.origin.clone());
            let of_kind = all.entry(kind).or_default();
            of_kind.extend(arrived_writes(group).map(|arrived_writes| (group.by_log, arrived_writes)));
        }
        all
    }

    proptest! {
        /// This holds however the commits are divided into messages.
        #[test]
        fn messages_keep_every_write_and_the_order_of_each_kind(
            commits in commits(),
            a_message in 1..7_usize,
        ) {
            let mut groups = Vec::new();
            for message in commits.chunks(a_message) {
                let mut gathered = Gathered::default();
                message.iter().for_each(|commit| gathered.add(commit));
                let expected: usize = happened(message).values().map(Vec::len).sum();
                prop_assert_eq!(gathered.arrivals(), expected);
                groups.extend(gathered.into_groups());
            }
            prop_assert_eq!(heard(&groups), happened(&commits));
        }
    }

    #[test]
    fn commits_of_one_kind_become_one_group_of_differences() {
        let mut gathered = Gathered::default();
        for number in 0..3 {
            gathered.add(&Commit {
                region: region(0),
                visible_ms: 2_000_040 + number,
                runs: vec![WriteRun {
                    table: TableId(7),
                    origin: Origin::of_only_shard(&region(1)),
                    by_log: true,
                    writes: vec![CommittedWrite {
                        sequence: 500 + number,
                        committed_ms: 2_000_000,
                    }],
                }],
            });
        }
        let [group] = &gathered.into_groups()[..] else {
            panic!("one group")
        };
        assert_eq!(group.sequences, [500, 1, 1]);
        assert_eq!(group.committed_ms, [2_000_000, 0, 0]);
        assert_eq!(group.visible_ms, [2_000_040, 1, 1]);
    }
}
