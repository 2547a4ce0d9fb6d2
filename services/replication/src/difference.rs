//! Compares a page of a peer's keys with a page of this region's: which rows to fetch, and which to
//! drop. A bootstrap fetches everything that is newer at the source, and drops rows that the source
//! had applied and no longer has. A repair fetches only rows that this region's vector covers, and
//! reports the rows that it does not cover; the next attempt fetches those if no stream has brought
//! them.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{KeyBytes, RowFingerprint, Version, VersionVector};

use crate::message::KeyPage;

/// Rows identified by key and version.
pub(crate) type Orphans = BTreeSet<(KeyBytes, Version)>;

/// The purpose of a range sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Bootstrap: this region takes over the source's rows.
    Bootstrap {
        /// The source's vector before the first page.
        before: VersionVector,
        /// Nothing else writes to the table here meanwhile. A row of an earlier attempt that
        /// neither vector covers is dropped as well.
        alone: bool,
    },
    /// Repair: restore rows that this region lost.
    Repair,
    /// Fetch these rows, which neither vector covers. If their origin lost them before other
    /// regions had them, no stream will bring them.
    Adopt(Orphans),
}

/// The difference between two pages of keys that begin after the same key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) fetch: Vec<KeyBytes>,
    pub(crate) obsolete: Vec<(KeyBytes, RowFingerprint)>,
    /// Rows that are new to this region and that its vector does not cover.
    pub(crate) uncovered: Vec<(KeyBytes, Version)>,
    /// The last key that both pages cover; `None` is the end of the span.
    pub(crate) until: Option<KeyBytes>,
    /// How many of the source's rows were compared.
    pub(crate) examined: u64,
}

/// Rows of one page, up to where the other page ends.
type Rows<'a> = BTreeMap<&'a KeyBytes, &'a RowFingerprint>;

impl Difference {
    /// Compares a page of the source's keys with a page of this region's; `vector` is this
    /// region's.
    pub(crate) fn between(goal: &Goal, vector: &VersionVector, theirs: &KeyPage, ours: &KeyPage) -> Self {
        let until = end_of_both(theirs, ours);
        let (theirs, ours) = (rows_until(theirs, until.as_ref()), rows_until(ours, until.as_ref()));
        let obsolete = obsolete(goal, vector, &theirs, &ours);
        let mut fetch = Vec::new();
        let mut uncovered = Vec::new();
        for (&key, there) in &theirs {
            let version = &there.version;
            let has_news = obsolete.contains_key(key) || ours.get(key).is_none_or(|here| may_add_to(here, there));
            let allowed = match goal {
                Goal::Bootstrap { .. } => true,
                Goal::Repair => vector.covers(version),
                Goal::Adopt(orphans) => orphans.contains(&(key.clone(), version.clone())),
            };
            if has_news && allowed {
                fetch.push(key.clone());
            }
            if has_news && !vector.covers(version) {
                uncovered.push((key.clone(), version.clone()));
            }
        }
        Self {
            fetch,
            obsolete: owned(obsolete),
            uncovered,
            examined: theirs.len() as u64,
            until,
        }
    }
}

/// The last key that both pages reach; `None` where both reach the end of the span.
fn end_of_both(theirs: &KeyPage, ours: &KeyPage) -> Option<KeyBytes> {
    let end = |page: &KeyPage| match page.rows.last() {
        Some((key, _)) if !page.last => Some(key.clone()),
        _ => None,
    };
    match (end(theirs), end(ours)) {
        (Some(theirs), Some(ours)) => Some(theirs.min(ours)),
        (theirs, ours) => theirs.or(ours),
    }
}

fn rows_until<'a>(page: &'a KeyPage, until: Option<&KeyBytes>) -> Rows<'a> {
    page.rows
        .iter()
        .filter(|(key, _)| until.is_none_or(|until| key <= until))
        .map(|(key, fingerprint)| (key, fingerprint))
        .collect()
}

/// In a bootstrap, the rows of this region to drop.
fn obsolete<'a>(goal: &Goal, vector: &VersionVector, theirs: &Rows<'a>, ours: &Rows<'a>) -> Rows<'a> {
    let Goal::Bootstrap { before, alone } = goal else {
        return Rows::new();
    };
    let is_obsolete = |key: &KeyBytes, version: &Version| {
        let there = theirs.get(key);
        let known = before.covers(version);
        // An earlier attempt copied it from a source that may have lost it since. If it still
        // exists anywhere, a stream brings it.
        let unvouched = *alone && !known && !vector.covers(version);
        (known && there.is_none()) || (unvouched && there.is_none_or(|there| there.version < *version))
    };
    ours.iter()
        .filter(|(key, here)| is_obsolete(key, &here.version))
        .map(|(key, here)| (*key, *here))
        .collect()
}

fn owned(rows: Rows<'_>) -> Vec<(KeyBytes, RowFingerprint)> {
    rows.into_iter()
        .map(|(key, fingerprint)| (key.clone(), fingerprint.clone()))
        .collect()
}

/// Whether the peer's row may hold something that this region's row does not: a newer write or,
/// unless the row here was last written as a whole, an older write that was not merged into it.
/// Rows that differ in nothing but the hashes of their images consist of the same writes.
fn may_add_to(here: &RowFingerprint, there: &RowFingerprint) -> bool {
    let is_same = here.version == there.version && here.state == there.state;
    there.version > here.version || (here.state != 0 && !is_same)
}

#[cfg(test)]
mod tests {
    use beringia_clock::HybridTime;
    use beringia_item::{Origin, Region};
    use bytes::Bytes;

    use super::*;

    fn version(sequence: u64) -> Version {
        let time = HybridTime::from_u64(sequence);
        Version {
            time,
            origin: Origin::of_only_shard(&Region::new("eu").unwrap()),
            sequence,
        }
    }

    fn key(number: u8) -> KeyBytes {
        KeyBytes(Bytes::from(vec![0, 0, number]))
    }

    /// A page of rows, each given as a key and the sequence of its version.
    fn page(rows: &[(u8, u64)], last: bool) -> KeyPage {
        let rows = rows
            .iter()
            .map(|(number, sequence)| (key(*number), version(*sequence).into()))
            .collect();
        KeyPage { rows, last }
    }

    fn covering(sequence: u64) -> VersionVector {
        [(Origin::of_only_shard(&Region::new("eu").unwrap()), sequence)]
            .into_iter()
            .collect()
    }

    /// A copy into a table that others write to, from a source whose vector covers `sequence`.
    fn bootstrap(sequence: u64) -> Goal {
        Goal::Bootstrap {
            before: covering(sequence),
            alone: false,
        }
    }

    fn keys(numbers: &[u8]) -> Vec<KeyBytes> {
        numbers.iter().map(|number| key(*number)).collect()
    }

    /// A bootstrap ignores this region's vector: it also fetches rows that the vector covers.
    #[test]
    fn bootstrap_fetches_missing_and_older_rows() {
        let theirs = page(&[(1, 5), (2, 6), (3, 7), (4, 99)], true);
        let ours = page(&[(1, 5), (2, 4), (3, 8)], true);
        let found = Difference::between(&bootstrap(10), &covering(0), &theirs, &ours);
        assert_eq!(found.fetch, keys(&[2, 4]));
        assert_eq!((found.obsolete, found.until, found.examined), (vec![], None, 4));
    }

    #[test]
    fn bootstrap_drops_rows_that_the_source_deleted() {
        let theirs = page(&[(1, 5)], true);
        let ours = page(&[(1, 5), (2, 6), (3, 11)], true);
        let found = Difference::between(&bootstrap(10), &covering(99), &theirs, &ours);
        assert_eq!(
            found.obsolete,
            [(key(2), version(6).into())],
            "the write of 3 is not covered by the source's vector"
        );
        assert_eq!(found.fetch, keys(&[]));
    }

    /// Rows that an earlier attempt copied and that neither vector covers give way to the source's
    /// rows, unless clients write to the table meanwhile.
    #[test]
    fn uncovered_rows_of_an_earlier_attempt_are_replaced() {
        let theirs = page(&[(1, 5), (2, 30), (4, 40)], true);
        let ours = page(&[(1, 20), (2, 21), (3, 22), (4, 40), (5, 13)], true);
        let alone = Goal::Bootstrap {
            before: covering(10),
            alone: true,
        };
        let found = Difference::between(&alone, &covering(15), &theirs, &ours);
        assert_eq!(
            found.obsolete,
            [(key(1), version(20).into()), (key(3), version(22).into())]
        );
        assert_eq!(found.fetch, keys(&[1, 2]), "the newer one would win by itself");
        let found = Difference::between(&bootstrap(10), &covering(15), &theirs, &ours);
        assert_eq!(found.obsolete, [], "where others write, it may have come just now");
    }

    #[test]
    fn adopt_fetches_exactly_the_given_orphans() {
        let theirs = page(&[(1, 20), (2, 21), (3, 5)], true);
        let ours = page(&[(2, 22)], true);
        let orphans = [(key(1), version(20)), (key(2), version(21)), (key(3), version(4))].into();
        let found = Difference::between(&Goal::Adopt(orphans), &covering(10), &theirs, &ours);
        assert_eq!((found.fetch, found.obsolete), (keys(&[1]), vec![]));
    }

    #[test]
    fn repair_fetches_only_covered_rows_and_drops_none() {
        let theirs = page(&[(1, 5), (2, 11)], true);
        let ours = page(&[(3, 6)], true);
        let found = Difference::between(&Goal::Repair, &covering(10), &theirs, &ours);
        assert_eq!((found.fetch, found.obsolete), (keys(&[1]), vec![]));
    }

    /// A row that other writes were merged into may hold more than this region's row, although no
    /// version is newer.
    #[test]
    fn merged_row_is_fetched_without_a_newer_version() {
        let stamped = |rows: &[(u8, u64, u64)]| KeyPage {
            rows: rows
                .iter()
                .map(|(number, sequence, state)| {
                    let version = version(*sequence);
                    (
                        key(*number),
                        RowFingerprint {
                            version,
                            state: *state,
                            content: 0,
                        },
                    )
                })
                .collect(),
            last: true,
        };
        let theirs = stamped(&[(1, 5, 7), (2, 5, 7), (3, 4, 7), (4, 4, 0), (5, 4, 7)]);
        let ours = stamped(&[(1, 5, 7), (2, 5, 8), (3, 5, 8), (4, 5, 8), (5, 5, 0)]);
        for goal in [bootstrap(10), Goal::Repair] {
            let found = Difference::between(&goal, &covering(10), &theirs, &ours);
            assert_eq!(found.fetch, keys(&[2, 3, 4]), "5 was written as a whole later");
        }
    }

    #[test]
    fn pages_are_compared_up_to_the_earlier_end() {
        let theirs = page(&[(1, 5), (4, 5), (6, 5)], false);
        let ours = page(&[(2, 5), (5, 5)], false);
        let found = Difference::between(&bootstrap(10), &covering(0), &theirs, &ours);
        assert_eq!(found.until, Some(key(5)));
        assert_eq!(found.fetch, keys(&[1, 4]), "6 comes with the next page");
        assert_eq!(
            found.obsolete,
            [(key(2), version(5).into()), (key(5), version(5).into())]
        );
        let ours_ends = page(&[(2, 5)], true);
        let found = Difference::between(&bootstrap(10), &covering(0), &theirs, &ours_ends);
        assert_eq!((found.until, found.fetch), (Some(key(6)), keys(&[1, 4, 6])));
    }
}
