//! Tests of DescribeTable, ListTables and DeleteTable.

use beringia_engine::{
    ApiError,
    api::{
        CreateTableInput, DeleteTableInput, DescribeTableInput, IndexStatus, ListTablesInput, MultiRegionConsistency,
        ReplicaStatusName, TableDescription, TableStatus, UpdateTableInput, WarmThroughputDescription,
    },
};
use beringia_item::Item;
use beringia_storage::{IndexState, Replica, ReplicaStatus, Store};

use crate::support::{Harness, item, n, refused, region, s, simple};

fn named(table_name: &str) -> DescribeTableInput {
    DescribeTableInput {
        table_name: table_name.to_owned(),
    }
}

fn delete(table_name: &str) -> DeleteTableInput {
    DeleteTableInput {
        table_name: table_name.to_owned(),
    }
}

async fn describe<S: Store>(harness: &Harness<S>, table: &str) -> TableDescription {
    harness.engine.describe_table(named(table)).await.unwrap()
}

#[tokio::test]
async fn deleting_a_table_deletes_its_items() {
    let harness = Harness::new().with_simple().await;
    harness.put("simple", item([("p", s("a")), ("x", n(1))])).await;
    let deleted = harness.engine.delete_table(delete("simple")).await.unwrap();
    assert_eq!(deleted.table_status, TableStatus::Deleting);
    let not_found = ApiError::ResourceNotFound("Requested resource not found: Table: simple not found".to_owned());
    assert_eq!(
        harness.engine.describe_table(named("simple")).await,
        Err(not_found.clone())
    );
    assert_eq!(harness.engine.delete_table(delete("simple")).await, Err(not_found));
    harness.engine.create_table(simple()).await.unwrap();
    assert_eq!(harness.get("simple", item([("p", s("a"))])).await, None::<Item>);
}

#[tokio::test]
async fn deletion_protection_protects_until_it_is_lifted() {
    let harness = Harness::new();
    let input = CreateTableInput {
        deletion_protection_enabled: Some(true),
        ..simple()
    };
    harness.engine.create_table(input).await.unwrap();
    let message = refused(harness.engine.delete_table(delete("simple")).await);
    assert!(message.contains("protected against deletion"), "{message}");
    let lift = UpdateTableInput {
        table_name: "simple".to_owned(),
        deletion_protection_enabled: Some(false),
        ..UpdateTableInput::default()
    };
    assert!(
        !harness
            .engine
            .update_table(lift)
            .await
            .unwrap()
            .deletion_protection_enabled
    );
    harness.engine.delete_table(delete("simple")).await.unwrap();
}

#[tokio::test]
async fn names_are_listed_in_order_by_pages() {
    let harness = Harness::new();
    for name in ["delta", "alpha", "charlie", "bravo"] {
        harness
            .engine
            .create_table(CreateTableInput {
                table_name: name.to_owned(),
                ..simple()
            })
            .await
            .unwrap();
    }
    let list = |start: Option<&str>, limit| ListTablesInput {
        exclusive_start_table_name: start.map(str::to_owned),
        limit,
    };
    let all = harness.engine.list_tables(list(None, None)).await.unwrap();
    assert_eq!(all.table_names, ["alpha", "bravo", "charlie", "delta"]);
    assert_eq!(all.last_evaluated_table_name, None);
    let first = harness.engine.list_tables(list(None, Some(3))).await.unwrap();
    assert_eq!(first.last_evaluated_table_name.as_deref(), Some("charlie"));
    let rest = harness
        .engine
        .list_tables(list(Some("charlie"), Some(3)))
        .await
        .unwrap();
    assert_eq!(
        (rest.table_names, rest.last_evaluated_table_name),
        (vec!["delta".to_owned()], None)
    );
    let exact = harness.engine.list_tables(list(None, Some(4))).await.unwrap();
    assert_eq!(exact.last_evaluated_table_name, None);
    for limit in [0, 101] {
        assert!(refused(harness.engine.list_tables(list(None, Some(limit))).await).contains("'limit'"));
    }
}

#[tokio::test]
async fn status_follows_from_changes_in_progress() {
    let harness = Harness::faked().with_music().await;
    harness.store.alter("music", |table| {
        table.global_indexes.get_mut("by-genre").unwrap().1 = IndexState::Backfilling;
    });
    let described = describe(&harness, "music").await;
    assert_eq!(described.table_status, TableStatus::Updating);
    let index = &described.global_secondary_indexes.unwrap()[0];
    assert_eq!(
        (index.index_status, index.backfilling),
        (IndexStatus::Creating, Some(true))
    );
    let deleted = harness.engine.delete_table(delete("music")).await;
    let indexes = "Cannot delete table while indexes are being created, updated, or deleted.";
    assert!(matches!(deleted, Err(ApiError::ResourceInUse(message)) if message.ends_with(indexes)));

    harness.store.alter("music", |table| {
        table.global_indexes.get_mut("by-genre").unwrap().1 = IndexState::Active;
        let replica = |status| Replica { status, since_ms: 0 };
        let failed = ReplicaStatus::CreationFailed {
            reason: "no room".to_owned(),
        };
        table.replicas.insert(
            region("us-east-1"),
            replica(ReplicaStatus::Creating {
                from: region("eu-west-1"),
            }),
        );
        table
            .replicas
            .insert(region("eu-west-1"), replica(ReplicaStatus::Active));
        table.replicas.insert(region("ap-northeast-1"), replica(failed));
    });
    let described = describe(&harness, "music").await;
    assert_eq!(described.table_status, TableStatus::Creating);
    assert_eq!(described.global_table_version, Some("2019.11.21"));
    assert_eq!(
        described.multi_region_consistency,
        Some(MultiRegionConsistency::Eventual)
    );
    let replicas = described.replicas.unwrap();
    assert_eq!(replicas.len(), 2, "the other regions'");
    assert_eq!(replicas[0].replica_status, ReplicaStatusName::CreationFailed);
    assert_eq!(replicas[0].replica_status_description.as_deref(), Some("no room"));
    assert_eq!(
        (replicas[1].region_name.as_str(), replicas[1].replica_status),
        ("eu-west-1", ReplicaStatusName::Active)
    );
    let there = "arn:aws:dynamodb:eu-west-1:000000000000:table/music";
    assert_eq!(replicas[1].replica_arn, there);
    assert_eq!(
        replicas[1].warm_throughput,
        described.warm_throughput.map(|warm| WarmThroughputDescription {
            status: "ACTIVE",
            ..warm
        })
    );
    let indexes = replicas[1].global_secondary_indexes.iter().flatten();
    let names: Vec<&str> = indexes.map(|index| index.index_name.as_str()).collect();
    assert_eq!(names, ["by-genre", "by-year", "by-song"]);
    let failed = &replicas[0];
    assert_eq!(
        (failed.warm_throughput, &failed.global_secondary_indexes),
        (None, &None)
    );
    let deleted = harness.engine.delete_table(delete("music")).await;
    assert!(matches!(deleted, Err(ApiError::ResourceInUse(message)) if message.contains("being created")));
}

#[tokio::test]
async fn deleting_a_replica_marks_it_until_the_others_have_its_writes() {
    let harness = Harness::faked().with_simple().await;
    let active = || Replica {
        status: ReplicaStatus::Active,
        since_ms: 0,
    };
    harness.store.alter("simple", |table| {
        table.replicas.insert(region("us-east-1"), active());
        table.replicas.insert(region("eu-west-1"), active());
    });
    harness.put("simple", item([("p", s("a"))])).await;
    let deleted = harness.engine.delete_table(delete("simple")).await.unwrap();
    assert_eq!(deleted.table_status, TableStatus::Deleting);
    assert_eq!(describe(&harness, "simple").await.table_status, TableStatus::Deleting);
    assert_eq!(harness.items(), 1);

    let last = Harness::faked().with_simple().await;
    last.store.alter("simple", |table| {
        drop(table.replicas.insert(region("us-east-1"), active()));
    });
    last.engine.delete_table(delete("simple")).await.unwrap();
    assert!(
        last.engine.describe_table(named("simple")).await.is_err(),
        "the last replica is dropped at once"
    );
}

#[tokio::test]
async fn index_describes_its_item_count_and_projected_size() {
    let harness = Harness::new().with_music().await;
    for (song, genre) in [("s1", Some("jazz")), ("s2", Some("rock")), ("s3", None)] {
        let mut song = item([
            ("artist", s("a")),
            ("song", s(song)),
            ("length", n(7)),
            ("text", s(&"x".repeat(100))),
        ]);
        song.extend(genre.map(|genre| ("genre".to_owned(), s(genre))));
        harness.put("music", song).await;
    }
    let table = describe(&harness, "music").await;
    let sizes = |table: &TableDescription| -> Vec<(String, u64, u64)> {
        let global = table.global_secondary_indexes.iter().flatten();
        let local = table.local_secondary_indexes.iter().flatten();
        let global = global.map(|index| (&index.index_name, index.item_count, index.index_size_bytes));
        let local = local.map(|index| (&index.index_name, index.item_count, index.index_size_bytes));
        global
            .chain(local)
            .map(|(name, items, bytes)| (name.clone(), items.unwrap(), bytes.unwrap()))
            .collect()
    };
    let sized = |name: &str, items, bytes| (name.to_owned(), items, bytes);
    // In bytes: artist 7, song 6, genre 9, length 8, text 104.
    let keys = 7 + 6;
    assert_eq!(
        sizes(&table),
        [
            sized("by-genre", 2, 2 * (keys + 9)),
            sized("by-year", 0, 0),
            sized("by-song", 3, 3 * (keys + 8 + 104) + 2 * 9),
            sized("by-length", 3, 3 * (keys + 8 + 104) + 2 * 9),
            sized("by-label", 0, 0),
        ]
    );
    let smaller = item([("artist", s("a")), ("song", s("s1")), ("genre", s("jazz"))]);
    harness.put("music", smaller).await;
    let delete = beringia_engine::api::DeleteItemInput {
        table_name: "music".to_owned(),
        key: item([("artist", s("a")), ("song", s("s2"))]),
        ..beringia_engine::api::DeleteItemInput::default()
    };
    harness.engine.delete_item(delete).await.unwrap();
    assert_eq!(
        sizes(&describe(&harness, "music").await),
        [
            sized("by-genre", 1, keys + 9),
            sized("by-year", 0, 0),
            sized("by-song", 2, 2 * keys + 9 + 8 + 104),
            sized("by-length", 1, keys + 8 + 104),
            sized("by-label", 0, 0),
        ]
    );
}
