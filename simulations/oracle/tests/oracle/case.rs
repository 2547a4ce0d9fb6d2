//! Scripted runs: regions `a` and `b` and one table, what clients did, and what the regions show.

use std::collections::BTreeMap;

use beringia_clock::HybridTime;
use beringia_history::{
    Basis, ConflictEntry, Content, Effect, Evidence, History, Journal, Logged, LostDisk, Merging, Operation,
    OperationOutcome, Rules, Seen, UnshippedWrite, VersionedItem, Write,
};
use beringia_item::{Version, VersionVector};
use beringia_oracle::{Judgement, Violation, judge};

pub(crate) const TABLE: &str = "load";

pub(crate) fn version(time: u64, origin: &str) -> Version {
    Version {
        time: HybridTime::from_parts(time, 0),
        origin: origin.parse().expect("a name"),
        sequence: time,
    }
}

pub(crate) fn put() -> Effect {
    Effect::Put {
        fields: Vec::new(),
        number: None,
    }
}

pub(crate) fn put_number(number: i64) -> Effect {
    Effect::Put {
        fields: Vec::new(),
        number: Some(number),
    }
}

pub(crate) fn content(marker: &str) -> Content {
    Content {
        marker: marker.to_owned(),
        ..Content::default()
    }
}

pub(crate) fn with_number(marker: &str, number: i64) -> Content {
    Content {
        number: Some(number),
        ..content(marker)
    }
}

pub(crate) fn held(content: Content, time: u64, origin: &str) -> VersionedItem {
    VersionedItem {
        version: version(time, origin),
        content: Some(content),
    }
}

pub(crate) fn tombstone(time: u64, origin: &str) -> VersionedItem {
    VersionedItem {
        version: version(time, origin),
        content: None,
    }
}

pub(crate) fn item(marker: &str, time: u64, origin: &str) -> VersionedItem {
    held(content(marker), time, origin)
}

pub(crate) fn seen(key: &str, marker: Option<&str>) -> Seen {
    Seen {
        key: key.to_owned(),
        marker: marker.map(str::to_owned),
        number: None,
        list: None,
        image_hash: None,
        is_consistent: false,
    }
}

/// A consistent read of `k`.
pub(crate) fn seen_for_sure(marker: Option<&str>) -> Seen {
    Seen {
        is_consistent: true,
        ..seen("k", marker)
    }
}

pub(crate) fn write(key: &str, marker: &str, effect: Effect) -> Write {
    Write {
        key: key.to_owned(),
        marker: marker.to_owned(),
        effect,
        based_on: Basis::Anything,
        expires_s: None,
        bytes: 100,
    }
}

/// A scripted run. Times of operations are in milliseconds; a write is sent at its time and
/// answered a millisecond later.
pub(crate) struct Case {
    pub(crate) history: History,
    pub(crate) evidence: Evidence,
    pub(crate) lost_disks: Vec<LostDisk>,
}

impl Case {
    pub(crate) fn new(merging: Merging) -> Self {
        let regions = || ["a", "b"].map(str::to_owned).into_iter();
        let rules = Rules {
            merging,
            constant_sum: false,
            never_below_zero: false,
        };
        Self {
            history: History {
                tables: BTreeMap::from([(TABLE.to_owned(), rules)]),
                ..History::default()
            },
            evidence: Evidence {
                logs: regions().map(|region| (region, BTreeMap::new())).collect(),
                held: regions().map(|region| (region, BTreeMap::new())).collect(),
                ..Evidence::default()
            },
            lost_disks: Vec::new(),
        }
    }

    pub(crate) fn rules(&mut self) -> &mut Rules {
        self.history.tables.get_mut(TABLE).expect("the table")
    }

    /// Adds an operation of the client `client` at this time.
    pub(crate) fn operation(
        &mut self,
        region: &str,
        client: u32,
        at_ms: u64,
        outcome: OperationOutcome,
    ) -> &mut Operation {
        self.history.operations.push(Operation {
            workload: TABLE.to_owned(),
            client,
            part: 0,
            home: region.to_owned(),
            region: region.to_owned(),
            name: "UpdateItem".to_owned(),
            due_us: at_ms * 1_000,
            sent_us: at_ms * 1_000,
            done_us: at_ms * 1_000 + 1_000,
            outcome,
            cancellations: Vec::new(),
            failure: None,
            reads: Vec::new(),
            writes: Vec::new(),
            checked: Vec::new(),
        });
        self.history.operations.last_mut().expect("just pushed")
    }

    /// Adds a write to `k` that was acknowledged.
    pub(crate) fn reported(&mut self, region: &str, marker: &str, effect: Effect, at_ms: u64) -> &mut Self {
        self.reported_so(region, marker, effect, at_ms, OperationOutcome::Ok)
    }

    pub(crate) fn reported_so(
        &mut self,
        region: &str,
        marker: &str,
        effect: Effect,
        at_ms: u64,
        outcome: OperationOutcome,
    ) -> &mut Self {
        self.operation(region, 1, at_ms, outcome).writes = vec![write("k", marker, effect)];
        self
    }

    /// Gives the last operation's writes this condition.
    pub(crate) fn depending(&mut self, basis: &Basis) -> &mut Self {
        let last = self.history.operations.last_mut().expect("an operation");
        for write in &mut last.writes {
            write.based_on = basis.clone();
        }
        self
    }

    /// Adds a delete of `k` that was acknowledged with the marker of the write that it removed.
    pub(crate) fn reported_delete(&mut self, region: &str, marker: &str, removed: &str, at_ms: u64) -> &mut Self {
        let operation = self.operation(region, 1, at_ms, OperationOutcome::Ok);
        operation.reads = vec![seen_for_sure(Some(removed))];
        operation.writes = vec![write("k", marker, Effect::Delete)];
        self
    }

    pub(crate) fn logged(&mut self, held: &VersionedItem) -> &mut Self {
        self.logged_knowing(held, &[])
    }

    /// Adds a log entry. `context` is its causal context: for each region, the sequence up to which
    /// its writes had been applied.
    pub(crate) fn logged_knowing(&mut self, held: &VersionedItem, context: &[(&str, u64)]) -> &mut Self {
        self.logged_under("k", held, context)
    }

    pub(crate) fn logged_under(&mut self, key: &str, held: &VersionedItem, context: &[(&str, u64)]) -> &mut Self {
        let context = context
            .iter()
            .map(|(origin, sequence)| (origin.parse().expect("a name"), *sequence));
        let logged = Logged {
            held: held.clone(),
            causal_context: context.collect::<VersionVector>(),
            is_expiry: false,
        };
        let log = self
            .evidence
            .logs
            .get_mut(held.version.origin.region().as_str())
            .expect("a or b");
        log.entry(key.to_owned()).or_default().push(logged);
        self
    }

    pub(crate) fn journalled(&mut self, region: &str, winner: &VersionedItem, loser: &VersionedItem) -> &mut Self {
        self.journal(region).entries.push(ConflictEntry {
            key: "k".to_owned(),
            winner: winner.version.clone(),
            loser: loser.version.clone(),
            loser_marker: loser.marker().map(str::to_owned),
            attributes: Vec::new(),
        });
        self
    }

    /// The other regions dropped a region's replica, and these rows of it, by key, are unshipped.
    pub(crate) fn unshipped(&mut self, region: &str, rows: &[(&str, &VersionedItem)]) -> &mut Self {
        let kept = self.evidence.unshipped.entry(region.to_owned()).or_default();
        kept.extend(rows.iter().map(|(key, held)| UnshippedWrite {
            key: (*key).to_owned(),
            held: (*held).clone(),
        }));
        self
    }

    /// Returns a region's journal, which must have every conflict from now on.
    pub(crate) fn journal(&mut self, region: &str) -> &mut Journal {
        let journal = self.evidence.journals.entry(region.to_owned()).or_default();
        journal.is_complete = true;
        journal
    }

    pub(crate) fn holds(&mut self, region: &str, held: &VersionedItem) -> &mut Self {
        self.holds_under("k", region, held)
    }

    pub(crate) fn holds_under(&mut self, key: &str, region: &str, held: &VersionedItem) -> &mut Self {
        let of_region = self.evidence.held.get_mut(region).expect("a or b");
        of_region.insert(key.to_owned(), held.clone());
        self
    }

    pub(crate) fn both_hold(&mut self, held: &VersionedItem) -> &mut Self {
        self.holds("a", held).holds("b", held)
    }

    pub(crate) fn lost_disk(&mut self, region: &str, at_ms: u64) -> &mut Self {
        self.lost_disks.push(LostDisk {
            region: region.to_owned(),
            at_us: at_ms * 1_000,
            shipped: BTreeMap::new(),
        });
        self
    }

    /// A lost disk, of which every other region had the writes up to this sequence.
    pub(crate) fn lost_disk_after(&mut self, region: &str, at_ms: u64, shipped: u64) -> &mut Self {
        self.lost_disk(region, at_ms);
        let disk = self.lost_disks.last_mut().expect("just pushed");
        disk.shipped.insert(TABLE.to_owned(), shipped);
        self
    }

    pub(crate) fn judged(&self) -> Judgement {
        let mut history = self.history.clone();
        history
            .operations
            .sort_by_key(|operation| (operation.sent_us, operation.client));
        let evidence = BTreeMap::from([(TABLE.to_owned(), self.evidence.clone())]);
        judge(&history, &evidence, &self.lost_disks)
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.judged().violations
    }

    /// Returns how often clients could see an anomaly, and its worst case.
    pub(crate) fn anomaly(&self, name: &str) -> (u64, Option<f64>) {
        let anomalies = self.judged().anomalies;
        let of_name = anomalies
            .iter()
            .find(|anomaly| anomaly.name == name)
            .expect("every kind");
        assert_eq!(
            of_name.count == 0,
            of_name.example.is_none(),
            "an example where there is one"
        );
        (of_name.count, of_name.worst_ms)
    }
}
