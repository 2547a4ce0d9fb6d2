//! A table that is deleted and created again under its name.

use std::collections::BTreeMap;

use beringia_history::{LifeOperation, LifeRequest, RecreatedTable, ShownTable};
use beringia_oracle::{Violation, agree, judge_recreated};

/// The name of the table in all lives.
const NAME: &str = "t";

/// A request at a time in milliseconds, answered a millisecond later.
fn request(region: &str, at_ms: u64, life: Option<&str>, what: LifeOperation) -> LifeRequest {
    LifeRequest {
        region: region.to_owned(),
        sent_us: at_ms * 1_000,
        done_us: at_ms * 1_000 + 1_000,
        life: life.map(str::to_owned),
        what,
    }
}

/// An acknowledged put in region `a`.
fn put(key: &str, at_ms: u64, life: Option<&str>) -> LifeRequest {
    let what = LifeOperation::Put {
        key: key.to_owned(),
        is_acknowledged: true,
    };
    request("a", at_ms, life, what)
}

/// A scan of life `1`.
fn scan(region: &str, at_ms: u64, keys: &[&str], is_complete: bool) -> LifeRequest {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    request(region, at_ms, Some("1"), LifeOperation::Scan { keys, is_complete })
}

fn table(requests: &[LifeRequest]) -> RecreatedTable {
    RecreatedTable {
        name: NAME.to_owned(),
        requests: requests.to_vec(),
        ..RecreatedTable::default()
    }
}

fn judged(requests: &[LifeRequest]) -> Vec<Violation> {
    judge_recreated(&table(requests))
}

fn lost(region: &str, sent_ms: u64) -> Violation {
    Violation::LostInLife {
        table: NAME.to_owned(),
        region: region.to_owned(),
        key: "k1".to_owned(),
        life: "1".to_owned(),
        sent_ms,
        by: "a".to_owned(),
    }
}

#[test]
fn a_write_is_there_until_its_life_ends() {
    let first = put("k1", 10, Some("1"));
    assert_eq!(judged(&[first.clone(), scan("a", 20, &["k1"], false)]), []);
    assert_eq!(
        judged(&[first.clone(), scan("a", 20, &[], false)]),
        [lost("a", 20)],
        "its own region"
    );
    assert_eq!(
        judged(&[first.clone(), scan("b", 20, &[], false)]),
        [],
        "another region may not have it yet"
    );
    assert_eq!(
        judged(&[first.clone(), scan("b", 20, &[], true)]),
        [lost("b", 20)],
        "the only region that is left"
    );
    assert_eq!(
        judged(&[first, scan("a", 5, &[], true)]),
        [],
        "the read came before the write"
    );
}

#[test]
fn a_write_of_an_unknown_life_or_answer_is_not_missed() {
    assert_eq!(judged(&[put("k1", 10, None), scan("a", 20, &[], true)]), []);
    assert_eq!(judged(&[put("k1", 10, Some("0")), scan("a", 20, &[], true)]), []);
    let what = LifeOperation::Put {
        key: "k1".to_owned(),
        is_acknowledged: false,
    };
    let unanswered = request("a", 10, Some("1"), what);
    assert_eq!(judged(&[unanswered.clone(), scan("a", 20, &[], true)]), []);
    assert_eq!(judged(&[unanswered, scan("a", 20, &["k1"], true)]), []);
}

/// A disk or a replica was lost in region `a` after the write was sent.
#[test]
fn a_write_that_its_region_may_have_lost_is_not_missed() {
    let lost_at = |at_ms: u64| RecreatedTable {
        lost_before_us: BTreeMap::from([("a".to_owned(), at_ms * 1_000)]),
        ..table(&[put("k1", 10, Some("1")), scan("a", 20, &[], true)])
    };
    assert_eq!(judge_recreated(&lost_at(15)), []);
    assert_eq!(judge_recreated(&lost_at(10)), [lost("a", 20)], "it was sent afterwards");
}

/// The write to life `0` had no answer, so it may have happened, but not in life `1`.
#[test]
fn an_item_of_another_life_is_found() {
    for is_acknowledged in [true, false] {
        let key = "k1".to_owned();
        let older = request("b", 10, Some("0"), LifeOperation::Put { key, is_acknowledged });
        let found = judged(&[older, scan("a", 20, &["k1"], false)]);
        let expected = Violation::OfAnotherLife {
            table: NAME.to_owned(),
            region: "a".to_owned(),
            key: "k1".to_owned(),
            life: "1".to_owned(),
            sent_ms: 20,
            other: "0".to_owned(),
        };
        assert_eq!(found, [expected]);
    }
}

/// A life, and the statuses of its replicas.
type Shown<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// What the regions `a`, `b` and `c` show.
fn shown(tables: [Option<Shown<'_>>; 3]) -> BTreeMap<String, Option<ShownTable>> {
    let shown = |(life, replicas): Shown<'_>| ShownTable {
        life: life.to_owned(),
        replicas: replicas
            .iter()
            .map(|(region, status)| ((*region).to_owned(), (*status).to_owned()))
            .collect(),
    };
    let regions = ["a", "b", "c"].map(str::to_owned).into_iter();
    regions.zip(tables.map(|table| table.map(shown))).collect()
}

#[test]
fn regions_must_agree_which_tables_exist() {
    const BOTH: &[(&str, &str)] = &[("a", "ACTIVE"), ("b", "ACTIVE")];
    const CREATING: &[(&str, &str)] = &[("a", "ACTIVE"), ("b", "CREATING")];
    let (own, other) = (&[("a", "ACTIVE")][..], &[("b", "ACTIVE")][..]);
    for (tables, is_agreed) in [
        ([None, None, None], true),
        ([Some(("1", own)), None, None], true),
        ([Some(("1", BOTH)), Some(("1", BOTH)), None], true),
        ([Some(("1", own)), Some(("2", other)), None], false),
        ([Some(("1", BOTH)), None, None], false),
        ([Some(("1", BOTH)), Some(("1", CREATING)), None], false),
        ([Some(("1", BOTH)), Some(("1", BOTH)), Some(("1", BOTH))], false),
    ] {
        let shown = shown(tables);
        assert_eq!(agree(&shown), is_agreed, "{shown:?}");
        let table = RecreatedTable {
            shown: shown.clone(),
            ..table(&[])
        };
        let differ = Violation::TablesDiffer {
            table: NAME.to_owned(),
            shown,
        };
        let expected = if is_agreed { Vec::new() } else { vec![differ] };
        assert_eq!(judge_recreated(&table), expected);
    }
}
