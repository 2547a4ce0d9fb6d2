//! UpdateTable requests that create and delete global indexes.

use beringia_engine::{
    ApiError,
    api::{
        BillingMode, CreateTableInput, GlobalSecondaryIndexUpdate, IndexStatus, ScalarAttributeType as Type, ScanInput,
        StreamViewType, UpdateTableInput,
    },
};
use beringia_storage::IndexState;

use crate::{
    support::{Harness, definition, item, n, refused, s, simple, text},
    update_table::{create_index, create_replica, delete_index, in_use, index, stream, units, update},
};

#[tokio::test]
async fn an_index_is_filled_from_the_table_read_and_deleted() {
    let harness = Harness::new().with_simple().await;
    for number in 0..30 {
        // The last ten items have a value that is invalid for the index.
        let value = if number < 20 { n(number) } else { s("text") };
        harness
            .put("simple", item([("p", s(&format!("{number:02}"))), ("x", value)]))
            .await;
    }
    let shown = harness
        .engine
        .update_table(create_index("by-x", "x", Type::N))
        .await
        .unwrap();
    assert_eq!(shown.global_secondary_indexes.unwrap()[0].index_name, "by-x");
    assert_eq!(
        shown.attribute_definitions,
        [definition("p", Type::S), definition("x", Type::N)]
    );
    harness.once_active("simple").await;
    let scan = || ScanInput {
        table_name: "simple".to_owned(),
        index_name: text("by-x"),
        ..ScanInput::default()
    };
    assert_eq!(harness.engine.scan(scan()).await.unwrap().count, 20);

    let delete = UpdateTableInput {
        global_secondary_index_updates: Some(vec![delete_index("by-x")]),
        ..update()
    };
    let shown = harness.engine.update_table(delete.clone()).await.unwrap();
    assert_eq!(
        shown.global_secondary_indexes.unwrap()[0].index_status,
        IndexStatus::Deleting
    );
    assert_eq!(
        refused(harness.engine.scan(scan()).await),
        "The table does not have the specified index: by-x"
    );
    assert_eq!(harness.once_active("simple").await.global_secondary_indexes, None);
    let again = harness.engine.update_table(delete).await;
    assert!(matches!(again, Err(ApiError::ResourceNotFound(_))), "{again:?}");
}

#[tokio::test]
async fn invalid_index_updates_are_rejected() {
    let harness = Harness::new().with_simple().await;
    harness
        .engine
        .update_table(create_index("by-x", "x", Type::S))
        .await
        .unwrap();
    let updates = |updates| UpdateTableInput {
        attribute_definitions: Some(vec![definition("y", Type::S)]),
        global_secondary_index_updates: Some(updates),
        ..update()
    };
    let set_units = GlobalSecondaryIndexUpdate::Update {
        index_name: "by-x".to_owned(),
        provisioned_throughput: units(1, 1),
        on_demand_throughput: None,
        warm_throughput: None,
    };
    let cases = [
        (
            create_index("by-x", "y", Type::S),
            "Attempting to create an index which already exists",
        ),
        (create_index("by-x-too", "x", Type::N), "Attributes cannot be redefined"),
        (
            UpdateTableInput {
                attribute_definitions: None,
                ..create_index("by-y", "y", Type::S)
            },
            "AttributeDefinitions is not specified for index: by-y",
        ),
        (
            UpdateTableInput {
                attribute_definitions: Some(Vec::new()),
                ..create_index("by-y", "y", Type::S)
            },
            "Invalid KeySchema: Some index key attribute have no definition",
        ),
        (
            UpdateTableInput {
                attribute_definitions: Some(vec![definition("x", Type::S)]),
                ..create_index("by-y", "y", Type::S)
            },
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [y], AttributeDefinitions: [x]",
        ),
        (
            updates(vec![set_units]),
            "The only Updates for index: by-x when TableThroughputMode is PAY_PER_REQUEST can be to OnDemandThroughput, WarmThroughput",
        ),
        (
            updates(vec![
                delete_index("by-x"),
                GlobalSecondaryIndexUpdate::Create(index("by-x", "y")),
            ]),
            "Only one global secondary index update per index is allowed simultaneously. Index: by-x",
        ),
    ];
    for (input, message) in cases {
        let refused = refused(harness.engine.update_table(input).await);
        assert!(refused.contains(message), "{refused}");
    }
    for two in [
        vec![
            GlobalSecondaryIndexUpdate::Create(index("one", "y")),
            GlobalSecondaryIndexUpdate::Create(index("two", "y")),
        ],
        vec![
            delete_index("by-x"),
            GlobalSecondaryIndexUpdate::Create(index("two", "y")),
        ],
        vec![delete_index("by-x"), delete_index("by-z")],
    ] {
        let result = harness.engine.update_table(updates(two)).await;
        assert!(matches!(result, Err(ApiError::LimitExceeded(_))), "{result:?}");
    }
}

#[tokio::test]
async fn table_filling_an_index_accepts_only_protection_changes() {
    let harness = Harness::faked().with_simple().await;
    harness
        .engine
        .update_table(create_index("by-x", "x", Type::S))
        .await
        .unwrap();
    harness.store.alter("simple", |table| {
        table.global_indexes.get_mut("by-x").unwrap().1 = IndexState::Backfilling;
    });
    in_use(
        harness.engine.update_table(create_replica("eu-west-1")).await,
        "Table is being updated: simple",
    );
    for other in [create_index("by-y", "y", Type::S), create_index("by-x", "x", Type::S)] {
        let result = harness.engine.update_table(other).await;
        assert!(
            matches!(&result, Err(ApiError::LimitExceeded(words)) if words.contains("Only 1 online index")),
            "{result:?}"
        );
    }
    in_use(
        harness
            .engine
            .update_table(stream(Some(StreamViewType::KeysOnly)))
            .await,
        "being updated",
    );
    let protect = UpdateTableInput {
        deletion_protection_enabled: Some(true),
        ..update()
    };
    assert!(
        harness
            .engine
            .update_table(protect)
            .await
            .unwrap()
            .deletion_protection_enabled
    );
}

#[tokio::test]
async fn index_being_filled_can_be_deleted_and_created_again() {
    let harness = Harness::new().with_simple().await;
    for number in 0..3000 {
        let key = s(&format!("{number}"));
        harness.put("simple", item([("p", key), ("x", n(number))])).await;
    }
    let created = harness.engine.update_table(create_index("by-x", "x", Type::N)).await;
    let index = &created.unwrap().global_secondary_indexes.unwrap()[0];
    assert_eq!(
        (index.index_status, index.backfilling),
        (IndexStatus::Creating, Some(true))
    );
    let other = harness.engine.update_table(create_index("by-y", "y", Type::N)).await;
    assert!(matches!(other, Err(ApiError::LimitExceeded(_))), "{other:?}");
    let with_more = UpdateTableInput {
        billing_mode: Some(BillingMode::PayPerRequest),
        global_secondary_index_updates: Some(vec![delete_index("by-x")]),
        ..update()
    };
    let more = harness.engine.update_table(with_more).await;
    assert!(matches!(more, Err(ApiError::LimitExceeded(_))), "{more:?}");

    let give_up = UpdateTableInput {
        global_secondary_index_updates: Some(vec![delete_index("by-x")]),
        ..update()
    };
    let shown = harness.engine.update_table(give_up).await.unwrap();
    assert_eq!(
        shown.global_secondary_indexes.unwrap()[0].index_status,
        IndexStatus::Deleting
    );
    let described = harness.once_active("simple").await;
    assert_eq!((described.global_secondary_indexes, described.item_count), (None, 3000));
    harness
        .engine
        .update_table(create_index("by-x", "x", Type::N))
        .await
        .unwrap();
    let described = harness.once_active("simple").await;
    assert_eq!(described.global_secondary_indexes.unwrap()[0].item_count, Some(3000));
}

#[tokio::test]
async fn indexes_are_described_in_the_order_of_creation() {
    let harness = Harness::new();
    let names = async || {
        let described = harness.once_active("simple").await;
        let indexes = described.global_secondary_indexes.unwrap();
        indexes.into_iter().map(|index| index.index_name).collect::<Vec<_>>()
    };
    let input = CreateTableInput {
        attribute_definitions: ["p", "x"].map(|name| definition(name, Type::S)).into(),
        global_secondary_indexes: Some(["by-z", "by-m", "by-n"].map(|name| index(name, "x")).into()),
        ..simple()
    };
    harness.engine.create_table(input).await.unwrap();
    assert_eq!(names().await, ["by-z", "by-m", "by-n"]);
    harness
        .engine
        .update_table(create_index("by-a", "x", Type::S))
        .await
        .unwrap();
    assert_eq!(names().await, ["by-z", "by-m", "by-n", "by-a"]);
    let delete = UpdateTableInput {
        global_secondary_index_updates: Some(vec![delete_index("by-m")]),
        ..update()
    };
    harness.engine.update_table(delete).await.unwrap();
    assert_eq!(names().await, ["by-z", "by-n", "by-a"]);
    harness
        .engine
        .update_table(create_index("by-m", "x", Type::S))
        .await
        .unwrap();
    assert_eq!(names().await, ["by-z", "by-n", "by-a", "by-m"]);
}
