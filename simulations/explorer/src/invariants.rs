//! What must hold in every world, and what must become true once nothing is left to deliver.
//!
//! They are promises of the oracle (docs/simulation.md, "Promises"): no acknowledged write is lost
//! except with a disk, nothing deleted comes back, causal contexts and journals are true, and all
//! regions end with the same items. Three hold inside of regions: a vector covers exactly what was
//! received, digests are equal exactly if the items are, and what a region takes for acknowledged
//! is durable in the other one.

use beringia_item::{AttributeValue, ConflictPolicy, Item};
use beringia_storage::StoreError;

use crate::{
    bounds::{Kind, SITES},
    shown::Row,
    site::Site,
    table::{TABLE, key_bytes, key_item},
    universe::Universe,
    world::World,
    written::{Ledger, Writes, Written},
};

type Result<T> = std::result::Result<T, StoreError>;
/// What is violated, in words; `None` if nothing is.
type Violation = Option<String>;

impl Universe {
    /// What a world violates.
    pub(crate) fn violation(&mut self, world: &World) -> Result<Violation> {
        if let Some(violation) = self.present_violation(world)? {
            return Ok(Some(violation));
        }
        if world.is_anything_on_its_way() {
            return Ok(None);
        }
        let Some(missing) = self.missing(world)? else {
            return Ok(None);
        };
        let is_good = |universe: &Self, world: &World| Ok(universe.missing(world)?.is_none());
        match self.recover(world, is_good)? {
            Some(recovered) => self.present_violation(&recovered),
            None => Ok(Some(missing)),
        }
    }

    /// What is violated whatever may still come.
    fn present_violation(&self, world: &World) -> Result<Violation> {
        let ledger = self.ledger(world)?;
        if let Some(violation) = contexts(&ledger, world) {
            return Ok(Some(violation));
        }
        let sites = self.all(world)?;
        for site in sites.iter().filter(|site| site.is_bootstrapped()) {
            let violation = vector_is_true(site, &ledger, world)
                .or_else(|| copies_are_true(site, &ledger))
                .or_else(|| self.journal_is_true(site, &ledger));
            if violation.is_some() {
                return Ok(violation);
            }
            for key in 0..self.bounds.keys {
                let violation = self.row_is_true(site, &ledger, key)?;
                if violation.is_some() {
                    return Ok(violation);
                }
            }
        }
        Ok(acknowledgements_are_true(&sites).or_else(|| pairs(&sites, world)))
    }

    /// What keeps the regions from being equal and complete.
    fn missing(&self, world: &World) -> Result<Violation> {
        Ok(converged(&self.all(world)?, &self.ledger(world)?, world))
    }

    fn all(&self, world: &World) -> Result<Vec<&Site>> {
        (0..SITES).map(|at| self.site(world, at)).collect()
    }

    /// The row of a key is the greatest write that the region has received, or a later state of its
    /// merge; a collected tombstone leaves no row.
    fn row_is_true(&self, site: &Site, ledger: &Ledger, key: u8) -> Result<Violation> {
        let greatest = ledger.greatest(site.received, key);
        let row = site.shown.rows.get(&key_bytes(key)?);
        let at = &site.region;
        Ok(match (row, greatest) {
            (None, None) => None,
            (None, Some(greatest)) if greatest.deletes() => None,
            (None, Some(greatest)) => Some(format!("{at} has received {greatest} (k{key}) and has no row")),
            (Some(row), None) => Some(format!(
                "{at} has {} (k{key}) and received nothing",
                ledger.name(&row.fingerprint.version)
            )),
            (Some(row), Some(greatest)) if row.fingerprint.version != *greatest.version() => Some(format!(
                "{at} has received {greatest} (k{key}) and has {}",
                ledger.name(&row.fingerprint.version)
            )),
            (Some(row), Some(greatest)) => self.content_is_true(site, ledger, row, greatest),
        })
    }

    fn content_is_true(&self, site: &Site, ledger: &Ledger, row: &Row, greatest: &Written) -> Violation {
        let expected = if self.bounds.policy == ConflictPolicy::Item {
            greatest.after.clone()
        } else if self
            .bounds
            .kinds
            .iter()
            .all(|kind| matches!(kind, Kind::Add | Kind::Set))
        {
            Some(combined(
                site,
                ledger,
                greatest.key,
                self.bounds.policy,
                row.item.as_ref(),
            ))
        } else {
            return None;
        };
        let key = greatest.key;
        (row.item != expected).then(|| {
            format!(
                "{} has {:?} in k{key} and should have {expected:?}",
                site.region, row.item
            )
        })
    }

    /// Under the policy `item`, a region that took writes from streams alone has journalled exactly
    /// the conflicts that it met.
    fn journal_is_true(&self, site: &Site, ledger: &Ledger) -> Violation {
        if site.took_rows || self.bounds.policy != ConflictPolicy::Item {
            return None;
        }
        let at = &site.region;
        let missing = site.conflicts.iter().find_map(|(winner, loser)| {
            let (winner, loser) = (ledger.of(*winner).next()?, ledger.of(*loser).next()?);
            let pair = (winner.version().clone(), loser.version().clone());
            (!site.shown.journal.contains(&pair))
                .then(|| format!("{at} did not journal that {winner} won over {loser}"))
        });
        missing.or_else(|| {
            (site.shown.journal.len() > site.conflicts.len()).then(|| {
                format!(
                    "{at} journalled writes that are not in conflict: {:?}",
                    site.shown.journal
                )
            })
        })
    }
}

/// The item that updates of single attributes leave: of each region its last one, and the sum of
/// all additions. Under `attribute` the number is the last writer's, and not judged.
fn combined(site: &Site, ledger: &Ledger, key: u8, policy: ConflictPolicy, found: Option<&Item>) -> Item {
    let mut item = key_item(key);
    let mut sum = 0_u64;
    // A write carries the state that it was made on.
    let carried = ledger
        .of(site.received)
        .fold(site.received, |all, written| all.with(written.past));
    for written in ledger.of(carried).filter(|written| written.key == key) {
        let after = written.after.iter().flatten();
        let own = format!("by-{}", written.mutation.origin().region());
        item.extend(
            after
                .filter(|(name, _)| **name == own)
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        sum += u64::from(written.kind == Kind::Add);
    }
    if policy == ConflictPolicy::Merge && sum > 0 {
        item.insert("n".to_owned(), AttributeValue::N(sum.into()));
    } else if let Some(number) = found.and_then(|found| found.get("n")) {
        item.insert("n".to_owned(), number.clone());
    }
    item
}

/// The vector covers exactly the received writes, apart from those that a disk took with it.
fn vector_is_true(site: &Site, ledger: &Ledger, world: &World) -> Violation {
    let vector = site.shown.vector(TABLE);
    let excused = world.excused();
    ledger.0.iter().find_map(|written| {
        let (covers, has) = (vector.covers(written.version()), site.received.has(written.id));
        let at = &site.region;
        if has && !covers {
            Some(format!("the vector of {at} does not cover {written}, which it has"))
        } else if covers && !has && !excused.has(written.id) {
            Some(format!("the vector of {at} covers {written}, which it never received"))
        } else {
            None
        }
    })
}

/// Every record in a log is what its origin wrote.
fn copies_are_true(site: &Site, ledger: &Ledger) -> Violation {
    site.shown.records.iter().find_map(|record| {
        let written = ledger.find(&record.version);
        let is_copy = written.is_some_and(|written| written.mutation == *record);
        (!is_copy).then(|| {
            format!(
                "{} has another {} in its log",
                site.region,
                ledger.name(&record.version)
            )
        })
    })
}

/// The causal context of a write covers exactly the writes that its region had received.
fn contexts(ledger: &Ledger, world: &World) -> Violation {
    let excused = world.excused();
    let is_wrong = |written: &Written, other: &Written| {
        let is_foreign = other.mutation.origin() != written.mutation.origin() && !excused.has(other.id);
        is_foreign && written.mutation.causal_context.covers(other.version()) != written.past.has(other.id)
    };
    ledger.0.iter().find_map(|written| {
        let other = ledger.0.iter().find(|other| is_wrong(written, other))?;
        let verb = if written.past.has(other.id) {
            "does not cover"
        } else {
            "covers"
        };
        let had = if written.past.has(other.id) { "had" } else { "had not" };
        Some(format!(
            "the context of {written} {verb} {other}, which its region {had} received"
        ))
    })
}

/// What a region takes for acknowledged by another one, that one has.
fn acknowledgements_are_true(sites: &[&Site]) -> Violation {
    sites.iter().find_map(|site| {
        let mut acknowledged = site.acknowledged.iter();
        let (place, _) = acknowledged.find(|(place, vector)| !sites[**place].shown.vector(TABLE).dominates(vector))?;
        let other = &sites[*place].region;
        Some(format!(
            "{} takes more for acknowledged by {other} than it has",
            site.region
        ))
    })
}

/// Complete regions that received the same have the same, and digests are equal if and only if the
/// items are.
fn pairs(sites: &[&Site], world: &World) -> Violation {
    let complete: Vec<&&Site> = sites.iter().filter(|site| site.is_complete()).collect();
    let excused = world.excused();
    for (place, one) in complete.iter().enumerate() {
        for other in &complete[place + 1..] {
            let (a, b) = (&one.region, &other.region);
            let same = one.shown.contents == other.shown.contents;
            if same != (one.shown.digest == other.shown.digest) {
                return Some(format!(
                    "digests of {a} and {b} are not equal exactly if their items are"
                ));
            }
            if one.received == other.received && !one.received.meets(excused) && !same {
                return Some(format!("{a} and {b} have received the same and have different items"));
            }
        }
    }
    None
}

/// Whether every region has every write that no disk took, and the same items.
fn converged(sites: &[&Site], ledger: &Ledger, world: &World) -> Violation {
    let all = ledger
        .0
        .iter()
        .fold(Writes::default(), |all, written| all.with(written.id));
    let kept = all.without(world.excused());
    for site in sites {
        if !site.is_complete() {
            return Some(format!("the replica in {} never becomes active", site.region));
        }
        if let Some(lost) = kept.without(site.received).each().next() {
            let lost = ledger.of(lost).next().map(ToString::to_string);
            return Some(format!("{} never receives {}", site.region, lost.unwrap_or_default()));
        }
        if site.shown.contents != sites[0].shown.contents {
            return Some(format!("{} and {} never become equal", sites[0].region, site.region));
        }
    }
    None
}
