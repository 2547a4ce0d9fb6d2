//! The oracle is checked: it accepts what may happen, and finds each promise that is broken.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;

use beringia_clock::HybridTime;
use beringia_item::{Region, Version, VersionVector};
use beringia_simulator::oracle::{Committed, Evidence, Fate, Intent, Journalled, Logged, Oracle, Violation};

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
    evidence: Evidence,
}

impl Case {
    fn new() -> Self {
        let regions = || ["a", "b"].map(str::to_owned).into_iter();
        Self {
            oracle: Oracle::default(),
            evidence: Evidence {
                logs: regions().map(|region| (region, BTreeMap::new())).collect(),
                held: regions().map(|region| (region, BTreeMap::new())).collect(),
                journals: BTreeMap::new(),
            },
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
        self.logged_knowing(region, committed, &[])
    }

    /// `knew`: whose writes up to which sequence the region had applied before.
    fn logged_knowing(&mut self, region: &str, committed: &Committed, knew: &[(&str, u64)]) -> &mut Self {
        let knew = knew
            .iter()
            .map(|(origin, sequence)| (Region::new(origin).expect("a name"), *sequence));
        let logged = Logged {
            committed: committed.clone(),
            vector: knew.collect::<VersionVector>(),
        };
        let log = self.evidence.logs.get_mut(region).expect("a or b");
        log.entry("k".to_owned()).or_default().push(logged);
        self
    }

    fn journalled(&mut self, region: &str, winner: &Committed, loser: &Committed) -> &mut Self {
        let (winner, loser) = (winner.version.clone(), loser.version.clone());
        let journal = self.evidence.journals.entry(region.to_owned()).or_default();
        journal.push(Journalled {
            key: "k".to_owned(),
            winner,
            loser,
        });
        self
    }

    fn holds(&mut self, region: &str, committed: &Committed) -> &mut Self {
        self.evidence
            .held
            .get_mut(region)
            .expect("a or b")
            .insert("k".to_owned(), committed.clone());
        self
    }

    fn both_hold(&mut self, committed: &Committed) -> &mut Self {
        self.holds("a", committed).holds("b", committed)
    }

    fn violations(&self) -> Vec<Violation> {
        self.oracle.judge(&self.evidence)
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
    case.evidence.held.get_mut("b").expect("b").clear();
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
    case.logged("a", &one).logged("b", &other).both_hold(&other);
    assert!(
        matches!(&case.violations()[..], [Violation::SharedVersion { version: shared, .. }] if *shared == version(5, "a"))
    );
}

#[test]
fn a_conflict_is_journalled_by_every_region_and_nothing_else_is() {
    let (older, newer) = (put("a/1", 1, "a"), put("b/1", 2, "b"));
    let concurrent = || {
        let mut case = Case::new();
        case.told_put("a", "a/1", Fate::Acknowledged)
            .told_put("b", "b/1", Fate::Acknowledged);
        case.logged("a", &older).logged("b", &newer).both_hold(&newer);
        case
    };
    let mut case = concurrent();
    case.journalled("a", &newer, &older).journalled("b", &newer, &older);
    assert_eq!(case.violations(), []);

    case.evidence.journals.get_mut("b").expect("b").clear();
    let unseen = Violation::UnseenConflict {
        region: "b".to_owned(),
        key: "k".to_owned(),
        committed: older.clone(),
    };
    assert_eq!(case.violations(), [unseen]);

    let mut case = concurrent();
    case.journalled("a", &older, &newer);
    let [no_conflict, unseen] = &case.violations()[..] else {
        panic!("the lesser version won")
    };
    assert!(matches!(no_conflict, Violation::NoConflict { .. }) && matches!(unseen, Violation::UnseenConflict { .. }));
}

#[test]
fn a_write_that_knew_of_the_one_it_replaces_is_no_conflict() {
    let (first, second) = (put("a/1", 1, "a"), put("b/1", 2, "b"));
    let mut case = Case::new();
    case.told_put("a", "a/1", Fate::Acknowledged)
        .told_put("b", "b/1", Fate::Acknowledged);
    case.logged("a", &first)
        .logged_knowing("b", &second, &[("a", 1)])
        .both_hold(&second);
    case.evidence.journals.insert("a".to_owned(), Vec::new());
    assert_eq!(case.violations(), []);
    case.journalled("a", &second, &first);
    assert!(matches!(&case.violations()[..], [Violation::NoConflict { .. }]));
}

#[test]
fn a_loser_that_somebody_knew_of_need_not_be_journalled_everywhere() {
    // b wrote without knowing of a's write, then a wrote once more knowing of both.
    let (first, second, third) = (put("a/1", 1, "a"), put("b/1", 2, "b"), put("a/2", 3, "a"));
    let mut case = Case::new();
    for (region, mark) in [("a", "a/1"), ("b", "b/1"), ("a", "a/2")] {
        case.told_put(region, mark, Fate::Acknowledged);
    }
    case.logged("a", &first)
        .logged("b", &second)
        .logged_knowing("a", &third, &[("b", 2)])
        .both_hold(&third);
    case.journalled("a", &second, &first);
    case.evidence.journals.insert("b".to_owned(), Vec::new());
    assert_eq!(case.violations(), []);
}
