//! The final state: replicas, digests, copies of log records, and reads of every key.

use beringia_history::{FinalReplicas, Logged, Merging, Misread, MisreadKind};
use beringia_item::VersionVector;
use beringia_oracle::Violation;

use crate::case::{Case, TABLE, content, held, item, put, version};

/// The only violation of a case.
fn only(case: &Case) -> Violation {
    let violations = case.violations();
    assert_eq!(violations.len(), 1, "{violations:?}");
    violations[0].clone()
}

/// Regions `a` and `b`, which hold one item, and show each other these statuses.
fn showing(statuses: [(&str, &[(&str, &str)]); 2]) -> Case {
    let first = item("a/1", 1, "a");
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/1", put(), 1).logged(&first).both_hold(&first);
    let shown = statuses.into_iter().map(|(region, statuses)| {
        let statuses = statuses.iter();
        let statuses = statuses.map(|(replica, status)| ((*replica).to_owned(), (*status).to_owned()));
        (region.to_owned(), statuses.collect())
    });
    case.evidence.replicas = FinalReplicas {
        expected: ["a", "b"].map(str::to_owned).into(),
        shown: shown.collect(),
        digests: ["a", "b"].map(|region| (region.to_owned(), "1".to_owned())).into(),
    };
    case
}

const ACTIVE: &[(&str, &str)] = &[("a", "ACTIVE"), ("b", "ACTIVE")];

#[test]
fn a_replica_that_does_not_become_active_is_found() {
    assert_eq!(showing([("a", ACTIVE), ("b", ACTIVE)]).violations(), []);
    let not_active = |by: &str, status: Option<&str>| Violation::ReplicaNotActive {
        table: TABLE.to_owned(),
        region: by.to_owned(),
        replica: "b".to_owned(),
        status: status.map(str::to_owned),
    };
    let creating = showing([("a", &[("a", "ACTIVE"), ("b", "CREATING")]), ("b", ACTIVE)]);
    assert_eq!(only(&creating), not_active("a", Some("CREATING")));
    assert_eq!(
        only(&creating).to_string(),
        "a shows the replica of load in b as CREATING"
    );
    let missing = showing([("a", ACTIVE), ("b", &[("a", "ACTIVE")])]);
    assert_eq!(only(&missing), not_active("b", None));
}

#[test]
fn a_replica_that_should_not_be_there_is_not_judged() {
    let mut case = showing([("a", ACTIVE), ("b", &[("a", "CREATING")])]);
    case.evidence.replicas.expected.remove("b");
    assert_eq!(case.violations(), []);
}

#[test]
fn different_digests_are_found() {
    let mut case = showing([("a", ACTIVE), ("b", ACTIVE)]);
    let digests = &mut case.evidence.replicas.digests;
    digests.insert("b".to_owned(), "2".to_owned());
    let different = Violation::ReplicasDiffer {
        table: TABLE.to_owned(),
        digests: digests.clone(),
    };
    assert_eq!(only(&case), different);
    case.evidence.replicas.digests.remove("b");
    assert!(
        matches!(only(&case), Violation::ReplicasDiffer { .. }),
        "b should hold the table"
    );
}

/// The copy has the right version, so the regions hold the same.
#[test]
fn a_copy_with_another_content_is_found() {
    let first = item("a/1", 1, "a");
    let copy = |content| Logged {
        held: held(content, 1, "a"),
        causal_context: VersionVector::default(),
        is_expiry: false,
    };
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/1", put(), 1).logged(&first).both_hold(&first);
    case.evidence.compare_copy("b", "k", &copy(content("a/1")));
    assert_eq!(case.violations(), []);
    case.evidence.compare_copy("b", "k", &copy(content("a/2")));
    let differs = |region: Option<&str>| Violation::CopiesDiffer {
        table: TABLE.to_owned(),
        region: region.map(str::to_owned),
        key: "k".to_owned(),
        version: version(1, "a"),
        original: Some(version(1, "a")),
    };
    assert_eq!(only(&case), differs(Some("b")));
    // The origin's own log is lost, and two other regions have different copies.
    let mut case = Case::new(Merging::Item);
    case.reported("a", "a/1", put(), 1).logged(&first).both_hold(&first);
    case.evidence.log("k".to_owned(), copy(content("a/1")));
    case.evidence.log("k".to_owned(), copy(content("a/2")));
    case.evidence.sort_logs();
    assert_eq!(only(&case), differs(None));
}

#[test]
fn a_copy_that_its_origin_does_not_have_is_found() {
    let mut case = Case::new(Merging::Item);
    let copy = Logged {
        held: item("a/1", 1, "a"),
        causal_context: VersionVector::default(),
        is_expiry: false,
    };
    case.evidence.compare_copy("b", "k", &copy);
    let invented = Violation::NotInOriginsLog {
        table: TABLE.to_owned(),
        region: "b".to_owned(),
        key: "k".to_owned(),
        version: version(1, "a"),
    };
    assert_eq!(only(&case), invented);
}

#[test]
fn a_wrong_answer_after_the_run_is_found() {
    let mut case = showing([("a", ACTIVE), ("b", ACTIVE)]);
    case.evidence.misreads.push(Misread {
        region: "b".to_owned(),
        by: "Scan of by-user".to_owned(),
        key: "k".to_owned(),
        kind: MisreadKind::Missing,
    });
    assert_eq!(
        only(&case).to_string(),
        "Scan of by-user in b, after the run, did not return the item that the region holds: load k"
    );
}
