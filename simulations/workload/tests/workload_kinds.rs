//! Every kind of workload against a real region: the region accepts what clients send, and what it
//! commits is what their histories say.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod region;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use beringia_history::{Effect, History, Operation, OperationOutcome, READ_MODIFY_WRITE, RecordedTouch};
use beringia_oracle::{Judgement, judge};
use beringia_scenario::{KeyChoice, Policy, Workload, WorkloadKind};
use beringia_workload::{Load, Setting, Target};
use serde_json::json;
use tokio::time::sleep;

use region::{REGION, RegionServer};

fn workload(kind: WorkloadKind) -> Workload {
    Workload {
        rate: 100.0,
        clients: 8,
        keys: 30,
        choice: KeyChoice::Zipfian { theta: 0.9 },
        value_bytes: 40,
        ..Workload::new("load", kind)
    }
}

/// Runs a workload alone for ten seconds, and judges the run.
async fn played(workload: Workload) -> (History, Judgement) {
    let server = RegionServer::start();
    let setting = Setting {
        workloads: vec![workload],
        policy: Policy::Item,
        regions: vec![REGION.to_owned()],
        duration: Duration::from_secs(10),
        throttling: false,
        patience: Duration::from_secs(5),
        seed: 1,
        targets: server.targets(),
        clock: server.clock(),
    };
    let tables = setting.tables().expect("a workload that can be played");
    let mut client = server.client();
    for table in &tables {
        client
            .call("CreateTable", table.create.clone())
            .await
            .expect("the table");
    }
    let loaded = setting.load(REGION).await.expect("the items");
    let load = Load::start(&setting, loaded).expect("a workload that can be played");
    sleep(setting.duration).await;
    let history = load.stop().await;
    let judgement = judge(&history, &server.evidence(&tables).await, &[]);
    (history, judgement)
}

/// Runs a kind of workload, and checks what holds for every kind: nothing fails but what the
/// workload provokes itself, and one region alone shows no anomaly and breaks no promise.
async fn played_well(kind: WorkloadKind) -> History {
    let (history, judgement) = played(workload(kind)).await;
    assert!(
        (850..1_150).contains(&history.operations.len()),
        "{}",
        history.operations.len()
    );
    let failed = history.operations.iter().find(|operation| !operation.is_answered());
    assert_eq!(failed, None);
    assert_eq!(judgement.violations, []);
    let seen: Vec<_> = judgement.anomalies.iter().filter(|anomaly| anomaly.count > 0).collect();
    assert!(seen.is_empty(), "{seen:?}");
    let accounting = judgement.accounting;
    assert_eq!(accounting.acknowledged, accounting.current + accounting.superseded);
    history
}

fn count(history: &History, is_it: impl Fn(&Operation) -> bool) -> usize {
    history.operations.iter().filter(|operation| is_it(operation)).count()
}

fn named(history: &History, name: &str) -> usize {
    count(history, |operation| operation.name == name)
}

fn of_effect(history: &History, is_it: impl Fn(&Effect) -> bool) -> usize {
    count(history, |operation| {
        operation.writes.iter().any(|write| is_it(&write.effect))
    })
}

/// Reads, updates, inserts, scans and read-modify-writes come in the shares of table 2.
#[tokio::test(start_paused = true)]
async fn ycsb_mixes_operations_as_its_paper_says() {
    let shares = [
        (WorkloadKind::YcsbA, [50, 50, 0, 0, 0]),
        (WorkloadKind::YcsbB, [95, 5, 0, 0, 0]),
        (WorkloadKind::YcsbC, [100, 0, 0, 0, 0]),
        (WorkloadKind::YcsbD, [95, 0, 5, 0, 0]),
        (WorkloadKind::YcsbE, [0, 0, 5, 95, 0]),
        (WorkloadKind::YcsbF, [50, 0, 0, 0, 50]),
    ];
    for (kind, expected) in shares {
        let history = played_well(kind.clone()).await;
        let names = ["GetItem", "UpdateItem", "PutItem", "Query", READ_MODIFY_WRITE];
        for (name, expected) in names.into_iter().zip(expected) {
            let percent = named(&history, name) * 100 / history.operations.len();
            assert!(
                percent.abs_diff(expected) <= 5,
                "{kind:?}: {percent} % {name}, and not {expected} %"
            );
            assert_eq!(percent == 0, expected == 0, "{kind:?}: {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn recent_insertions_are_read_most() {
    let history = played_well(WorkloadKind::YcsbD).await;
    let inserted = of_effect(&history, |effect| matches!(effect, Effect::Put { .. }));
    assert!(inserted > 30, "{inserted}");
    let late = history.operations.len() - 300;
    let reads = history.operations[late..].iter().flat_map(|operation| &operation.reads);
    let number = |key: &str| key.trim_start_matches('k').parse::<u64>().expect("a number");
    let (new, old): (Vec<_>, Vec<_>) = reads.partition(|seen| number(&seen.key) >= 30);
    assert!(
        new.len() > old.len(),
        "{} of keys that were inserted, {} of the first ones",
        new.len(),
        old.len()
    );
    assert!(
        new.iter().all(|seen| seen.marker.is_some()),
        "a client reads no key before its insertion was acknowledged"
    );
}

#[tokio::test(start_paused = true)]
async fn scans_read_neighbours_in_their_order() {
    let history = played_well(WorkloadKind::YcsbE).await;
    let longest = history.operations.iter().map(|operation| operation.reads.len()).max();
    assert_eq!(longest, Some(20));
    for operation in &history.operations {
        let numbers = operation.reads.iter().map(|seen| {
            seen.key
                .rsplit('/')
                .next()
                .and_then(|number| number.parse::<u64>().ok())
        });
        assert!(
            numbers.clone().all(|number| number.is_some()) && numbers.is_sorted(),
            "{operation:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn mixed_clients_put_update_delete_append_and_read() {
    let history = played_well(WorkloadKind::Mixed {
        put_percent: 30,
        update_percent: 20,
        delete_percent: 20,
        append_percent: 10,
    })
    .await;
    let appends = |operation: &Operation| operation.writes.iter().any(|write| write.effect == Effect::Append);
    let percent = count(&history, appends) * 100 / history.operations.len();
    assert!(percent.abs_diff(10) <= 5, "{percent} % appends");
    for (name, expected) in [("PutItem", 30), ("UpdateItem", 30), ("DeleteItem", 20), ("GetItem", 20)] {
        let percent = named(&history, name) * 100 / history.operations.len();
        assert!(percent.abs_diff(expected) <= 5, "{percent} % {name}");
    }
    let idle = |operation: &Operation| operation.name == "DeleteItem" && operation.writes.is_empty();
    assert!(count(&history, idle) > 0, "a delete that finds nothing writes nothing");
}

#[tokio::test(start_paused = true)]
async fn counters_count_every_acknowledged_addition() {
    let history = played_well(WorkloadKind::Counters).await;
    let refused = count(&history, |operation| {
        matches!(operation.outcome, OperationOutcome::Refused(_))
    });
    let rewrites = named(&history, READ_MODIFY_WRITE);
    assert!(rewrites > 400 && refused < rewrites, "{refused} of {rewrites}");
    assert!(
        history
            .operations
            .iter()
            .all(|operation| operation.reads.iter().all(|seen| seen.number.is_some()))
    );
}

#[tokio::test(start_paused = true)]
async fn carts_append_add_remove_empty_and_read() {
    let history = played_well(WorkloadKind::Carts).await;
    for (name, is_it) in [
        ("append", (|effect| *effect == Effect::Append) as fn(&Effect) -> bool),
        (
            "add",
            |effect| matches!(effect, Effect::Set { add, .. } if !add.is_empty()),
        ),
        (
            "delete",
            |effect| matches!(effect, Effect::Set { delete, .. } if !delete.is_empty()),
        ),
        ("empty", |effect| matches!(effect, Effect::Put { .. })),
    ] {
        assert!(of_effect(&history, is_it) > 20, "{name}");
    }
    assert!(named(&history, "GetItem") > 100);
}

#[tokio::test(start_paused = true)]
async fn transfers_preserve_the_sum_of_a_branch() {
    let history = played_well(WorkloadKind::Bank).await;
    let transfers = |operation: &Operation| operation.writes.len() == 2 && operation.outcome == OperationOutcome::Ok;
    assert!(count(&history, transfers) > 500);
    let audits = history
        .operations
        .iter()
        .filter(|operation| operation.name == "TransactGetItems");
    let (seen, refused): (Vec<_>, Vec<_>) = audits.partition(|audit| audit.outcome == OperationOutcome::Ok);
    // A read has no condition: it conflicted with a transfer.
    let conflict = OperationOutcome::Refused("TransactionCanceledException".to_owned());
    assert!(
        refused
            .iter()
            .all(|audit| audit.outcome == conflict && audit.reads.is_empty())
    );
    let branches: Vec<_> = seen
        .into_iter()
        .map(|audit| {
            (
                audit.reads.len(),
                audit.reads.iter().filter_map(|seen| seen.number).sum::<i64>(),
            )
        })
        .collect();
    assert!(branches.len() > 50);
    assert!(
        branches
            .iter()
            .all(|branch| [(20, 20_000), (10, 10_000)].contains(branch)),
        "{branches:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn sessions_are_opened_prolonged_and_read_also_by_user() {
    let history = played_well(WorkloadKind::Sessions {
        ttl: Duration::from_secs(60),
    })
    .await;
    assert!(named(&history, "PutItem") > 100 && named(&history, "UpdateItem") > 50 && named(&history, "GetItem") > 500);
    let of_users = history.operations.iter().filter(|operation| operation.name == "Query");
    assert!(of_users.map(|operation| operation.reads.len()).max() > Some(5));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_sold_than_there_is() {
    let history = played_well(WorkloadKind::Inventory).await;
    let sold = |operation: &Operation| {
        operation.outcome == OperationOutcome::Ok
            && operation
                .writes
                .iter()
                .any(|write| matches!(write.effect, Effect::Add(..0)))
    };
    let refused = count(&history, |operation| {
        matches!(operation.outcome, OperationOutcome::Refused(_))
    });
    assert!(
        count(&history, sold) > 300 && refused > 0,
        "the hottest product sells out: {refused}"
    );
}

/// A transaction that finds one item of its pair changed is cancelled.
#[tokio::test(start_paused = true)]
async fn pairs_are_read_and_written_in_transactions() {
    let history = played_well(WorkloadKind::Pairs).await;
    let pair = |key: &str| key.trim_start_matches('k').parse::<u64>().expect("a number") / 2;
    for operation in &history.operations {
        let keys = || {
            let reads = operation.reads.iter().map(|seen| &seen.key);
            reads.chain(operation.writes.iter().map(|write| &write.key))
        };
        let pairs: BTreeSet<u64> = keys().map(|key| pair(key)).collect();
        let keys: BTreeSet<&String> = keys().collect();
        assert!(
            pairs.len() <= 1 && [0, 2].contains(&keys.len()),
            "one pair: {operation:?}"
        );
        if operation.name == READ_MODIFY_WRITE {
            assert_eq!((operation.reads.len(), operation.writes.len()), (2, 1), "{operation:?}");
        }
    }
    assert!(named(&history, READ_MODIFY_WRITE) > 200 && named(&history, "TransactWriteItems") > 80);
    assert!(named(&history, "TransactGetItems") > 300);
    // All clients use one pair.
    let one_pair = Workload {
        keys: 2,
        ..workload(WorkloadKind::Pairs)
    };
    let (history, judgement) = played(one_pair).await;
    assert_eq!(judgement.violations, []);
    let is_cancelled = |operation: &Operation| {
        operation.name == READ_MODIFY_WRITE && matches!(operation.outcome, OperationOutcome::Refused(_))
    };
    assert!(count(&history, is_cancelled) > 0);
}

/// A recorded table whose key has the type `kind`.
fn recorded_table(kind: &str) -> serde_json::Value {
    json!({
        "TableName": "app",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": kind }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
    })
}

/// A load of recorded operations.
fn recording(lines: &[String]) -> Workload {
    Workload {
        rate: 0.0,
        ..workload(WorkloadKind::Replay {
            operations: lines.join("\n"),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn replays_operations_at_their_times_with_known_writes() {
    let table = recorded_table("N");
    let line = |at_ms: u64, operation: &str, mut parameters: serde_json::Value| {
        if !operation.starts_with("Batch") && !operation.starts_with("Transact") {
            parameters["TableName"] = json!("app");
        }
        json!({ "at_ms": at_ms, "region": REGION, "operation": operation, "parameters": parameters, "outcome": "Ok" })
            .to_string()
    };
    let (key, other) = (json!({ "id": { "N": "1" } }), json!({ "id": { "N": "2.0" } }));
    let adds = json!({
        "Key": key,
        "UpdateExpression": "ADD visits :one SET #n = :n",
        "ExpressionAttributeNames": { "#n": "name" },
        "ExpressionAttributeValues": { ":one": { "N": "1" }, ":n": { "S": "x" } },
        "ConditionExpression": "attribute_exists(id)",
    });
    let batch = json!({ "RequestItems": { "app": [
        { "PutRequest": { "Item": { "id": { "N": "3" } } } },
        { "DeleteRequest": { "Key": { "id": { "N": "9" } } } },
    ] } });
    let transaction = json!({ "ClientRequestToken": "again", "TransactItems": [
        { "Put": { "TableName": "app", "Item": { "id": { "N": "4" } } } },
        { "Delete": { "TableName": "app", "Key": { "id": { "N": "3" } } } },
    ] });
    let lines = [
        json!({ "table": table, "items": [key] }).to_string(),
        line(100, "GetItem", json!({ "Key": key, "ProjectionExpression": "id" })),
        line(200, "UpdateItem", adds),
        line(300, "UpdateItem", json!({ "Key": other })),
        line(400, "BatchWriteItem", batch),
        line(500, "TransactWriteItems", transaction),
        line(600, "Scan", json!({})),
        line(700, "DeleteItem", json!({ "Key": key })),
        line(800, "DeleteItem", json!({ "Key": key })),
        line(20_000, "GetItem", json!({ "Key": key })),
    ];
    let (history, judgement) = played(recording(&lines)).await;
    assert_eq!(judgement.violations, []);
    let reported = history.operations.iter().map(|operation| {
        (
            operation.due_us / 1_000,
            operation.name.as_str(),
            operation.outcome.clone(),
            operation.reads.len(),
            operation.writes.len(),
        )
    });
    let reported: Vec<_> = reported.collect();
    let (ok, untold) = (OperationOutcome::Ok, OperationOutcome::Unreported);
    let expected = [
        (100, "GetItem", ok.clone(), 1, 0),
        (200, "UpdateItem", ok.clone(), 0, 1),
        (300, "UpdateItem", ok.clone(), 0, 1),
        (400, "BatchWriteItem", ok.clone(), 0, 1),
        (400, "BatchWriteItem", untold.clone(), 0, 1),
        (500, "TransactWriteItems", ok.clone(), 0, 1),
        (500, "TransactWriteItems", untold, 0, 1),
        (600, "Scan", ok.clone(), 3, 0),
        (700, "DeleteItem", ok.clone(), 1, 1),
        (800, "DeleteItem", ok, 1, 0),
    ];
    assert_eq!(reported, expected);
    let touches =
        [("name", RecordedTouch::Assign), ("visits", RecordedTouch::Add)].map(|(name, touch)| (name.to_owned(), touch));
    let adds = Effect::Recorded {
        whole: false,
        touches: touches.into(),
    };
    assert_eq!(history.operations[1].writes[0].effect, adds);
    assert_eq!(judgement.accounting.acknowledged, 5);
    assert_eq!(judgement.accounting.current + judgement.accounting.superseded, 5);
}

#[tokio::test(start_paused = true)]
async fn recorded_deletes_that_find_nothing_are_distinguished() {
    let table = recorded_table("S");
    let key = json!({ "id": { "S": "1" } });
    let batch = |request: serde_json::Value| ("BatchWriteItem", json!({ "RequestItems": { "app": [request] } }));
    let put = || batch(json!({ "PutRequest": { "Item": key } }));
    let delete = || batch(json!({ "DeleteRequest": { "Key": key } }));
    let action = json!({ "Delete": { "TableName": "app", "Key": key } });
    let transacted = || ("TransactWriteItems", json!({ "TransactItems": [action] }));
    let operations = [
        delete(),
        transacted(),
        put(),
        delete(),
        transacted(),
        put(),
        transacted(),
        delete(),
    ];
    let mut lines = vec![json!({ "table": table }).to_string()];
    for ((operation, parameters), at_ms) in operations.into_iter().zip((100_u64..).step_by(100)) {
        let line = json!({ "at_ms": at_ms, "region": REGION, "operation": operation, "parameters": parameters });
        lines.push(line.to_string());
    }
    let (history, judgement) = played(recording(&lines)).await;
    assert_eq!(judgement.violations, []);
    let is_untold = |operation: &&Operation| operation.outcome == OperationOutcome::Unreported;
    assert_eq!(history.operations.iter().filter(is_untold).count(), 6);
    let accounting = judgement.accounting;
    assert_eq!(
        (accounting.acknowledged, accounting.superseded),
        (2, 2),
        "both puts were deleted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_region_is_unreachable() {
    let server = RegionServer::start();
    let mut client = server.targets().target("us-east-1");
    let error = client
        .call("ListTables", json!({}))
        .await
        .expect_err("no region is there");
    assert!(
        matches!(
            error,
            beringia_workload::CallError::Unreachable(beringia_history::FailureCause::Refused, _)
        ),
        "{error}"
    );
    let refused = server
        .client()
        .call("GetItem", json!({}))
        .await
        .expect_err("no parameters");
    assert!(matches!(refused, beringia_workload::CallError::Refused { kind, .. } if kind == "ValidationException"));
    let _: Arc<dyn beringia_workload::Targets> = server.targets();
}

#[tokio::test(start_paused = true)]
async fn tables_are_tagged_with_policies_other_than_the_default() {
    let server = RegionServer::start();
    for (policy, tags) in [
        (Policy::Item, None),
        (Policy::Attribute, Some("attribute")),
        (Policy::Merge, Some("merge")),
    ] {
        let setting = Setting {
            workloads: vec![workload(WorkloadKind::Counters), workload(WorkloadKind::Carts)],
            policy,
            regions: vec![REGION.to_owned()],
            duration: Duration::from_secs(1),
            throttling: false,
            patience: Duration::from_secs(5),
            seed: 1,
            targets: server.targets(),
            clock: server.clock(),
        };
        let expected = tags.map(|value| json!([{ "Key": "beringia:conflict-policy", "Value": value }]));
        for table in setting.tables().expect("workloads that can be played") {
            assert_eq!(table.create.get("Tags"), expected.as_ref(), "{policy:?}");
        }
    }
}
