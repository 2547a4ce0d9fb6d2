//! The oracle is checked: it accepts what may happen, and finds each promise that is broken.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;

use beringia_clock::HybridTime;
use beringia_item::{Region, Version};
use beringia_simulator::oracle::{ByRegionAndKey, Committed, Fate, Intent, Oracle, Violation};

fn version(time: u64, origin: &str) -> Version {
    Version {
        time: HybridTime::from_parts(time, 0),
        origin: Region::new(origin).expect("a name"),
        sequence: time,
    }
}

fn put(mark: &str, time: u64, origin: &str) -> Committed {
    Committed {
        version: version(time, origin),
        intent: Intent::Put(mark.to_owned()),
    }
}

fn delete(time: u64, origin: &str) -> Committed {
    Committed {
        version: version(time, origin),
        intent: Intent::Delete,
    }
}

/// Regions `a` and `b` and the key `k`: what is in their logs, and what they hold.
struct Case {
    oracle: Oracle,
    logs: ByRegionAndKey<Vec<Committed>>,
    held: ByRegionAndKey<Committed>,
}

impl Case {
    fn new() -> Self {
        let regions = || ["a", "b"].map(str::to_owned).into_iter();
        Self {
            oracle: Oracle::default(),
            logs: regions().map(|region| (region, BTreeMap::new())).collect(),
            held: regions().map(|region| (region, BTreeMap::new())).collect(),
        }
    }

    fn told(&mut self, region: &str, intent: Intent, fate: Fate) -> &mut Self {
        self.oracle.issue(region, "k", intent);
        self.oracle.learn(region, "k", fate);
        self
    }

    fn told_put(&mut self, region: &str, mark: &str, fate: Fate) -> &mut Self {
        self.told(region, Intent::Put(mark.to_owned()), fate)
    }

    fn logged(&mut self, region: &str, committed: &Committed) -> &mut Self {
        let log = self.logs.get_mut(region).expect("a or b");
        log.entry("k".to_owned()).or_default().push(committed.clone());
        self
    }

    fn holds(&mut self, region: &str, committed: &Committed) -> &mut Self {
        self.held
            .get_mut(region)
            .expect("a or b")
            .insert("k".to_owned(), committed.clone());
        self
    }

    fn both_hold(&mut self, committed: &Committed) -> &mut Self {
        self.holds("a", committed).holds("b", committed)
    }

    fn violations(&self) -> Vec<Violation> {
        self.oracle.judge(&self.logs, &self.held)
    }
}

#[test]
fn the_greatest_version_everywhere_is_right() {
    let (older, newer) = (put("a/1", 1, "a"), put("b/1", 2, "b"));
    let mut case = Case::new();
    case.told_put("a", "a/1", Fate::Acknowledged)
        .told_put("b", "b/1", Fate::Acknowledged);
    case.logged("a", &older).logged("b", &newer).both_hold(&newer);
    assert_eq!(case.violations(), []);

    case.holds("a", &older);
    let wrong = Violation::Wrong {
        region: "a".to_owned(),
        key: "k".to_owned(),
        expected: Some(newer),
        found: Some(older),
    };
    assert_eq!(case.violations(), [wrong]);
}

#[test]
fn a_deleted_item_that_comes_back_is_found() {
    let (first, deleted) = (put("a/1", 1, "a"), delete(2, "a"));
    let mut case = Case::new();
    case.told_put("a", "a/1", Fate::Acknowledged)
        .told("a", Intent::Delete, Fate::Acknowledged);
    case.logged("a", &first).logged("a", &deleted).both_hold(&deleted);
    assert_eq!(case.violations(), []);
    case.holds("b", &first);
    assert!(matches!(&case.violations()[..], [Violation::Wrong { region, .. }] if region == "b"));
    case.both_hold(&deleted);
    case.held.get_mut("b").expect("b").clear();
    assert!(
        matches!(&case.violations()[..], [Violation::Wrong { found: None, .. }]),
        "its tombstone must be there too"
    );
}

#[test]
fn an_acknowledged_write_that_is_in_no_log_is_lost() {
    let second = put("a/2", 2, "a");
    let mut case = Case::new();
    case.told_put("a", "a/1", Fate::Acknowledged)
        .told_put("a", "a/2", Fate::Acknowledged);
    case.logged("a", &second).both_hold(&second);
    let lost = |mark: &str| Violation::Lost {
        region: "a".to_owned(),
        key: "k".to_owned(),
        intent: Intent::Put(mark.to_owned()),
    };
    assert_eq!(case.violations(), [lost("a/1")], "even where a newer one hides it");
    case.told_put("a", "a/3", Fate::Acknowledged);
    assert_eq!(case.violations(), [lost("a/1"), lost("a/3")]);
}

#[test]
fn a_write_without_an_answer_may_be_there_or_not() {
    let (first, second) = (put("a/1", 1, "a"), put("a/2", 2, "a"));
    let mut case = Case::new();
    case.told_put("a", "a/1", Fate::Acknowledged)
        .told_put("a", "a/2", Fate::Unknown);
    case.logged("a", &first).both_hold(&first);
    assert_eq!(case.violations(), []);
    case.logged("a", &second);
    assert_eq!(case.violations().len(), 2, "but if it is there, it is the greatest");
    case.both_hold(&second);
    assert_eq!(case.violations(), []);
}

#[test]
fn what_nobody_asked_for_is_found() {
    let (asked, refused, foreign) = (put("a/1", 1, "a"), put("a/2", 2, "a"), put("x", 3, "b"));
    let mut case = Case::new();
    case.told_put("a", "a/1", Fate::Acknowledged)
        .told_put("a", "a/2", Fate::NoEffect);
    case.logged("a", &asked)
        .logged("a", &refused)
        .logged("b", &foreign)
        .both_hold(&foreign);
    let invented = |region: &str, committed: Committed| Violation::Invented {
        region: region.to_owned(),
        key: "k".to_owned(),
        committed,
    };
    assert_eq!(case.violations(), [invented("a", refused), invented("b", foreign)]);
}

#[test]
fn the_same_write_twice_is_found() {
    let mut case = Case::new();
    let (once, twice) = (put("a/1", 1, "a"), put("a/1", 2, "a"));
    case.told_put("a", "a/1", Fate::Acknowledged)
        .logged("a", &once)
        .logged("a", &twice)
        .both_hold(&twice);
    assert!(matches!(&case.violations()[..], [Violation::Invented { committed, .. }] if *committed == twice));
}

#[test]
fn versions_that_go_down_or_are_shared_are_found() {
    let mut case = Case::new();
    let (high, low) = (put("a/1", 5, "a"), put("a/2", 4, "a"));
    case.told_put("a", "a/1", Fate::Acknowledged)
        .told_put("a", "a/2", Fate::Acknowledged);
    case.logged("a", &high).logged("a", &low).both_hold(&high);
    assert!(matches!(&case.violations()[..], [Violation::VersionWentDown { committed, .. }] if *committed == low));

    let mut case = Case::new();
    let (one, other) = (put("a/1", 5, "a"), put("b/1", 5, "a"));
    case.told_put("a", "a/1", Fate::Acknowledged)
        .told_put("b", "b/1", Fate::Acknowledged);
    case.logged("a", &one).logged("b", &other).both_hold(&one);
    assert!(
        matches!(&case.violations()[..], [Violation::SharedVersion { version: shared, .. }] if *shared == version(5, "a"))
    );
}
