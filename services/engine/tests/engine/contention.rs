//! Contention: what a transaction meets that is not alone with its items, while commits take time.

use std::{sync::Arc, time::Duration};

use beringia_engine::{
    ApiError, CancellationReason, Refused,
    api::{
        BatchWriteItemInput, BillingMode, CreateTableInput, GetItemInput, ProvisionedThroughput, PutItemInput,
        QueryInput, TransactAction, TransactGetItem, TransactGetItemsInput, TransactGetItemsOutput, TransactWriteItem,
        TransactWriteItemsInput, TransactWriteItemsOutput, UpdateItemInput, WriteOptions, WriteRequest,
    },
};
use beringia_item::{AttributeValue, Item};
use futures_util::future::join_all;
use tokio::join;

use crate::support::{Harness, item, n, s, simple, text, values};

/// On a disk where every commit takes ten milliseconds.
async fn slow() -> Harness {
    Harness::slow(Duration::from_millis(10)).with_simple().await
}

fn key(name: &str) -> Item {
    item([("p", s(name))])
}

async fn put(harness: &Harness, name: &str) -> Result<(), ApiError> {
    let input = PutItemInput {
        table_name: "simple".to_owned(),
        item: key(name),
        ..PutItemInput::default()
    };
    harness.engine.put_item(input).await.map(drop)
}

fn add(name: &str, number: i64, condition: Option<&str>) -> TransactWriteItem {
    TransactWriteItem {
        table_name: "simple".to_owned(),
        action: TransactAction::Update {
            key: key(name),
            update_expression: "ADD x :n".to_owned(),
            condition_expression: condition.map(str::to_owned),
        },
        expression_attribute_names: None,
        expression_attribute_values: values([(":n", n(number))]),
        return_values_on_condition_check_failure: Default::default(),
    }
}

async fn transact(
    harness: &Harness,
    names: &[&str],
    token: Option<&str>,
) -> Result<TransactWriteItemsOutput, ApiError> {
    let input = TransactWriteItemsInput {
        transact_items: names.iter().map(|name| add(name, 1, None)).collect(),
        client_request_token: token.map(str::to_owned),
        ..TransactWriteItemsInput::default()
    };
    harness.engine.transact_write_items(input).await
}

async fn transact_get(harness: &Harness, names: &[&str]) -> Result<TransactGetItemsOutput, ApiError> {
    let get = |name: &&str| TransactGetItem {
        table_name: "simple".to_owned(),
        key: key(name),
        ..TransactGetItem::default()
    };
    let input = TransactGetItemsInput {
        transact_items: names.iter().map(get).collect(),
        ..TransactGetItemsInput::default()
    };
    harness.engine.transact_get_items(input).await
}

fn conflict() -> CancellationReason {
    CancellationReason {
        code: "TransactionConflict",
        message: text("Transaction is ongoing for the item"),
        item: None,
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_transactions_at_once_the_second_is_cancelled_and_goes_through_when_the_first_is_done() {
    let harness = slow().await;
    let (first, second, other) = join!(
        transact(&harness, &["a", "b"], None),
        transact(&harness, &["c", "b"], None),
        transact(&harness, &["d"], None),
    );
    assert!(first.is_ok() && other.is_ok());
    assert_eq!(
        second,
        Err(ApiError::TransactionCanceled {
            reasons: vec![CancellationReason::none(), conflict()]
        })
    );
    assert_eq!(harness.get("simple", key("c")).await, None, "nothing of it was done");
    transact(&harness, &["c", "b"], None).await.unwrap();
    let refused = Refused {
        transaction_conflicts: 1,
        ..Refused::default()
    };
    assert_eq!(harness.engine.refused(), refused);
}

#[tokio::test(start_paused = true)]
async fn a_plain_write_is_refused_while_a_transaction_writes_its_item_and_not_the_other_way_round() {
    let harness = slow().await;
    let (transaction, write) = join!(transact(&harness, &["a", "b"], None), put(&harness, "a"));
    transaction.unwrap();
    let ongoing = ApiError::TransactionConflict("Transaction is ongoing for the item".to_owned());
    assert_eq!(write, Err(ongoing));
    let (write, again, transaction) = join!(
        put(&harness, "a"),
        put(&harness, "a"),
        transact(&harness, &["a", "b"], None)
    );
    assert!(write.is_ok() && again.is_ok() && transaction.is_ok());
    let found = harness.get("simple", key("a")).await;
    assert_eq!(
        found,
        Some(item([("p", s("a")), ("x", n(1))])),
        "the transaction came after the writes"
    );
}

#[tokio::test(start_paused = true)]
async fn an_item_that_a_transaction_only_checks_is_held_too() {
    let harness = slow().await;
    let check = TransactWriteItem {
        action: TransactAction::ConditionCheck {
            key: key("a"),
            condition_expression: "attribute_not_exists(p)".to_owned(),
        },
        expression_attribute_values: None,
        ..add("a", 0, None)
    };
    let input = TransactWriteItemsInput {
        transact_items: vec![check, add("b", 1, None)],
        ..TransactWriteItemsInput::default()
    };
    let (checked, write) = join!(harness.engine.transact_write_items(input), put(&harness, "a"));
    checked.unwrap();
    assert!(matches!(write, Err(ApiError::TransactionConflict(_))), "{write:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_hands_back_what_meets_a_transaction() {
    let harness = slow().await;
    let batch = |names: &[&str]| BatchWriteItemInput {
        request_items: [(
            "simple".to_owned(),
            names.iter().map(|name| WriteRequest::Put { item: key(name) }).collect(),
        )]
        .into(),
        ..BatchWriteItemInput::default()
    };
    let (transaction, some, none) = join!(
        transact(&harness, &["a", "b"], None),
        harness.engine.batch_write_item(batch(&["a", "c"])),
        harness.engine.batch_write_item(batch(&["b"])),
    );
    transaction.unwrap();
    assert_eq!(
        some.unwrap().unprocessed_items["simple"],
        [WriteRequest::Put { item: key("a") }]
    );
    assert_eq!(
        none.unwrap().unprocessed_items["simple"],
        [WriteRequest::Put { item: key("b") }]
    );
    assert_eq!(harness.get("simple", key("c")).await, Some(key("c")));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_reads_nothing_that_is_being_written_and_other_reads_are_never_refused() {
    let harness = slow().await;
    let get = GetItemInput {
        table_name: "simple".to_owned(),
        key: key("a"),
        consistent_read: true,
        ..GetItemInput::default()
    };
    let query = QueryInput {
        table_name: "simple".to_owned(),
        key_condition_expression: text("p = :p"),
        expression_attribute_values: values([(":p", s("a"))]),
        consistent_read: true,
        ..QueryInput::default()
    };
    let (written, transaction, read, single, queried, free) = join!(
        put(&harness, "b"),
        transact(&harness, &["a"], None),
        transact_get(&harness, &["a", "b", "c"]),
        harness.engine.get_item(get),
        harness.engine.query(query),
        transact_get(&harness, &["c"]),
    );
    written.unwrap();
    transaction.unwrap();
    assert_eq!(
        read,
        Err(ApiError::TransactionCanceled {
            reasons: vec![conflict(), conflict(), CancellationReason::none()]
        })
    );
    assert_eq!(single.unwrap().item, None);
    assert_eq!(queried.unwrap().count, 0);
    free.unwrap();
    transact_get(&harness, &["a", "b", "c"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_being_used_says_so_and_then_stands_for_what_was_done() {
    let harness = slow().await;
    let (first, second) = join!(
        transact(&harness, &["a"], Some("t")),
        transact(&harness, &["a"], Some("t"))
    );
    // Which of both is first depends on the making of the tokens' table.
    let (done, refused) = if first.is_ok() {
        (first, second)
    } else {
        (second, first)
    };
    done.unwrap();
    let in_progress = ApiError::TransactionInProgress(
        "The transaction with the given request token is already in progress".to_owned(),
    );
    assert_eq!(refused, Err(in_progress));
    transact(&harness, &["a"], Some("t")).await.unwrap();
    assert_eq!(
        harness.get("simple", key("a")).await.unwrap()["x"],
        n(1),
        "it was done once"
    );
    assert_eq!(harness.engine.refused(), Refused::default());
}

#[tokio::test(start_paused = true)]
async fn what_a_transaction_refuses_takes_no_throughput() {
    let harness = Harness::slow(Duration::from_millis(10)).throttling();
    let one_unit = CreateTableInput {
        billing_mode: Some(BillingMode::Provisioned),
        provisioned_throughput: Some(ProvisionedThroughput {
            read_capacity_units: 1,
            write_capacity_units: 1,
        }),
        ..simple()
    };
    harness.engine.create_table(one_unit).await.unwrap();
    // The table has 300 units, of which the transaction takes two.
    let refused = async {
        for _ in 0..300 {
            assert!(matches!(
                put(&harness, "a").await,
                Err(ApiError::TransactionConflict(_))
            ));
            assert!(transact(&harness, &["a", "b"], None).await.is_err());
            let batch = BatchWriteItemInput {
                request_items: [("simple".to_owned(), vec![WriteRequest::Put { item: key("a") }])].into(),
                ..BatchWriteItemInput::default()
            };
            let output = harness.engine.batch_write_item(batch).await.unwrap();
            assert_eq!(output.unprocessed_items.len(), 1);
            assert!(transact_get(&harness, &["a"]).await.is_err());
        }
    };
    let (transacted, ()) = join!(transact(&harness, &["a"], None), refused);
    transacted.unwrap();
    let puts = join_all((0..298).map(|_| put(&harness, "c"))).await;
    assert_eq!(puts.into_iter().filter(Result::is_ok).count(), 298);
    assert!(matches!(
        put(&harness, "c").await,
        Err(ApiError::ProvisionedThroughputExceeded { .. })
    ));
    let conflicts = harness.engine.refused();
    assert_eq!((conflicts.throttled_reads, conflicts.throttled_writes), (0, 1));
}

/// Clients that move money between few accounts, each as an SDK's user would: again after a conflict, up to a while. How many
/// transfers each made, how often it was refused, and what the accounts hold.
async fn bank() -> (Vec<(i64, u64)>, Vec<i64>) {
    const ACCOUNTS: [&str; 4] = ["a", "b", "c", "d"];
    let harness = Arc::new(slow().await);
    for account in ACCOUNTS {
        let update = UpdateItemInput {
            table_name: "simple".to_owned(),
            key: key(account),
            update_expression: text("SET x = :x"),
            options: WriteOptions {
                expression_attribute_values: values([(":x", n(1000))]),
                ..WriteOptions::default()
            },
            ..UpdateItemInput::default()
        };
        harness.engine.update_item(update).await.unwrap();
    }
    let client = |number: usize| {
        let harness = Arc::clone(&harness);
        async move {
            let (mut made, mut refused) = (0, 0);
            for turn in 0..20 {
                let (from, to) = (ACCOUNTS[(number + turn) % 4], ACCOUNTS[(number * turn + 3) % 4]);
                if from == to {
                    continue;
                }
                let input = || TransactWriteItemsInput {
                    transact_items: vec![add(from, -1, Some("attribute_exists(x)")), add(to, 1, None)],
                    ..TransactWriteItemsInput::default()
                };
                loop {
                    match harness.engine.transact_write_items(input()).await {
                        Ok(_) => break made += 1,
                        Err(ApiError::TransactionCanceled { reasons }) => {
                            assert!(reasons.contains(&conflict()), "{reasons:?}");
                            refused += 1;
                            tokio::time::sleep(Duration::from_millis(3 + 2 * number as u64)).await;
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            (made, refused)
        }
    };
    let done = join_all((0..6).map(client)).await;
    let mut balances = Vec::new();
    for account in ACCOUNTS {
        match harness.get("simple", key(account)).await.unwrap().remove("x") {
            Some(AttributeValue::N(balance)) => balances.push(balance.to_string().parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    let refused: u64 = done.iter().map(|(_, refused)| refused).sum();
    assert!(
        harness.engine.refused().transaction_conflicts >= refused,
        "of each refused transfer at least one item"
    );
    (done, balances)
}

#[tokio::test(start_paused = true)]
async fn clients_that_try_again_all_get_through_no_money_is_lost_and_it_happens_the_same_way_twice() {
    let (done, balances) = bank().await;
    assert_eq!(balances.iter().sum::<i64>(), 4000, "{balances:?}");
    assert!(done.iter().all(|(made, _)| *made > 5), "{done:?}");
    assert!(done.iter().map(|(_, refused)| refused).sum::<u64>() > 20, "{done:?}");
    assert_eq!(bank().await, (done, balances));
}
