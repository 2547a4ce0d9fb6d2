//! Statuses of tables, indexes, streams and time to live: in the answer to a change, and for as
//! long as a change shows.

use std::time::Duration;

use beringia_engine::{
    ApiError,
    api::{
        BillingMode, CreateTableInput, DeleteTableInput, DescribeStreamInput, DescribeTableInput,
        DescribeTimeToLiveInput, GetItemInput, GlobalSecondaryIndexUpdate, IndexStatus, ListTablesInput,
        ProjectionType, ProvisionedThroughput, PutItemInput, ScalarAttributeType, ScanInput, SseSpecification,
        SseStatus, SseType, StreamSpecification, StreamStatus, StreamViewType, TableDescription, TableStatus, Tag,
        TagResourceInput, TimeToLiveSpecification, TimeToLiveStatus, UpdateTableInput, UpdateTimeToLiveInput,
    },
};
use beringia_storage::Store;

use crate::support::{Harness, NOW_MS, definition, global, hash, item, projection, refused, s, simple};

const SHOWN_MS: u64 = 5_000;

fn slow() -> Harness {
    Harness::with_slow_changes(Duration::from_millis(SHOWN_MS))
}

/// A harness with a table `simple` whose creation no longer shows.
async fn with_table() -> Harness {
    let harness = slow().with_simple().await;
    harness.clock.set(NOW_MS + SHOWN_MS);
    harness
}

async fn describe(harness: &Harness) -> Result<TableDescription, ApiError> {
    let input = DescribeTableInput {
        table_name: "simple".to_owned(),
    };
    harness.engine.describe_table(input).await
}

async fn status(harness: &Harness) -> TableStatus {
    describe(harness).await.unwrap().table_status
}

fn named() -> DescribeTimeToLiveInput {
    DescribeTimeToLiveInput {
        table_name: "simple".to_owned(),
    }
}

async fn delete(harness: &Harness) -> Result<TableDescription, ApiError> {
    let input = DeleteTableInput {
        table_name: "simple".to_owned(),
    };
    harness.engine.delete_table(input).await
}

fn update() -> UpdateTableInput {
    UpdateTableInput {
        table_name: "simple".to_owned(),
        ..UpdateTableInput::default()
    }
}

fn protect(protected: bool) -> UpdateTableInput {
    UpdateTableInput {
        deletion_protection_enabled: Some(protected),
        ..update()
    }
}

fn class() -> UpdateTableInput {
    UpdateTableInput {
        table_class: Some(beringia_engine::api::TableClass::StandardInfrequentAccess),
        ..update()
    }
}

fn create_index() -> UpdateTableInput {
    let index = global("by-x", vec![hash("x")], projection(ProjectionType::All, &[]));
    UpdateTableInput {
        attribute_definitions: Some(vec![definition("x", ScalarAttributeType::S)]),
        global_secondary_index_updates: Some(vec![GlobalSecondaryIndexUpdate::Create(index)]),
        ..update()
    }
}

fn delete_index() -> UpdateTableInput {
    let index_name = "by-x".to_owned();
    UpdateTableInput {
        global_secondary_index_updates: Some(vec![GlobalSecondaryIndexUpdate::Delete { index_name }]),
        ..update()
    }
}

fn stream(stream_view_type: Option<StreamViewType>) -> UpdateTableInput {
    UpdateTableInput {
        stream_specification: Some(StreamSpecification {
            stream_enabled: stream_view_type.is_some(),
            stream_view_type,
        }),
        ..update()
    }
}

fn time_to_live(enabled: bool) -> UpdateTimeToLiveInput {
    UpdateTimeToLiveInput {
        table_name: "simple".to_owned(),
        time_to_live_specification: TimeToLiveSpecification {
            enabled,
            attribute_name: "until".to_owned(),
        },
    }
}

fn put() -> PutItemInput {
    PutItemInput {
        table_name: "simple".to_owned(),
        item: item([("p", s("a")), ("x", s("b"))]),
        ..PutItemInput::default()
    }
}

fn scan_index() -> ScanInput {
    ScanInput {
        table_name: "simple".to_owned(),
        index_name: Some("by-x".to_owned()),
        ..ScanInput::default()
    }
}

#[track_caller]
fn in_use<T: std::fmt::Debug>(result: Result<T, ApiError>, what: &str) {
    let message = format!("Attempt to change a resource which is still in use: Table is being {what}: simple");
    match result {
        Err(ApiError::ResourceInUse(found)) => assert_eq!(found, message),
        other => panic!("expected a ResourceInUseException, got {other:?}"),
    }
}

/// The statuses of the table and of its only global index.
fn of_index(table: &TableDescription) -> (TableStatus, Option<(IndexStatus, Option<bool>)>) {
    let index = table.global_secondary_indexes.iter().flatten().next();
    (
        table.table_status,
        index.map(|index| (index.index_status, index.backfilling)),
    )
}

#[tokio::test]
async fn answer_shows_first_status_and_next_answer_the_last() {
    let harness = Harness::new();
    let created = harness.engine.create_table(simple()).await.unwrap();
    assert_eq!(created.table_status, TableStatus::Creating);
    assert_eq!(status(&harness).await, TableStatus::Active);
    harness.engine.put_item(put()).await.unwrap();

    let updated = harness.engine.update_table(class()).await.unwrap();
    assert_eq!(updated.table_status, TableStatus::Updating);
    assert_eq!(status(&harness).await, TableStatus::Active);

    let updated = harness.engine.update_table(create_index()).await.unwrap();
    assert_eq!(
        of_index(&updated),
        (TableStatus::Updating, Some((IndexStatus::Creating, Some(true))))
    );
    assert_eq!(
        of_index(&harness.once_active("simple").await),
        (TableStatus::Active, Some((IndexStatus::Active, None)))
    );
    let updated = harness.engine.update_table(delete_index()).await.unwrap();
    assert_eq!(
        of_index(&updated),
        (TableStatus::Updating, Some((IndexStatus::Deleting, None)))
    );
    assert_eq!(
        of_index(&harness.once_active("simple").await),
        (TableStatus::Active, None)
    );

    let protected = harness.engine.update_table(protect(true)).await.unwrap();
    assert_eq!(
        protected.table_status,
        TableStatus::Active,
        "deletion protection does not change the status"
    );
    harness.engine.update_table(protect(false)).await.unwrap();
    assert_eq!(delete(&harness).await.unwrap().table_status, TableStatus::Deleting);
    assert!(matches!(describe(&harness).await, Err(ApiError::ResourceNotFound(_))));
}

#[tokio::test]
async fn table_being_created_can_only_be_described() {
    let harness = slow().with_simple().await;
    let created = describe(&harness).await.unwrap();
    assert_eq!(created.table_status, TableStatus::Creating);
    let not_found = Err(ApiError::ResourceNotFound("Requested resource not found".to_owned()));
    assert_eq!(harness.engine.put_item(put()).await.map(|_| ()), not_found);
    let get = GetItemInput {
        table_name: "simple".to_owned(),
        key: item([("p", s("a"))]),
        ..GetItemInput::default()
    };
    assert_eq!(harness.engine.get_item(get).await.map(|_| ()), not_found);
    in_use(harness.engine.update_table(class()).await, "created");
    in_use(harness.engine.update_table(protect(true)).await, "created");
    in_use(harness.engine.update_time_to_live(time_to_live(true)).await, "created");
    assert_eq!(
        refused(harness.engine.describe_time_to_live(named()).await),
        "Cannot describe time to live while table is in CREATING state: Current table state is CREATING"
    );
    let tag = TagResourceInput {
        resource_arn: created.table_arn,
        tags: vec![Tag {
            key: "a".to_owned(),
            value: "b".to_owned(),
        }],
    };
    in_use(harness.engine.tag_resource(tag).await, "created");
    in_use(delete(&harness).await, "created");
    let again = harness.engine.create_table(simple()).await;
    assert_eq!(
        again,
        Err(ApiError::ResourceInUse("Table already exists: simple".to_owned()))
    );

    harness.clock.set(NOW_MS + SHOWN_MS - 1);
    assert_eq!(status(&harness).await, TableStatus::Creating);
    harness.clock.set(NOW_MS + SHOWN_MS);
    assert_eq!(status(&harness).await, TableStatus::Active);
    harness.engine.put_item(put()).await.unwrap();
}

#[tokio::test]
async fn table_being_updated_is_usable_but_cannot_be_changed() {
    let harness = with_table().await;
    harness.engine.update_table(class()).await.unwrap();
    assert_eq!(status(&harness).await, TableStatus::Updating);
    harness.engine.put_item(put()).await.unwrap();
    let on_demand = UpdateTableInput {
        billing_mode: Some(BillingMode::PayPerRequest),
        ..update()
    };
    in_use(harness.engine.update_table(on_demand).await, "updated");
    let words = "Attempt to change a resource which is still in use: Table: simple is in the process of being updated.";
    assert_eq!(delete(&harness).await, Err(ApiError::ResourceInUse(words.to_owned())));
    harness.engine.update_table(protect(true)).await.unwrap();
    harness.clock.set(NOW_MS + 2 * SHOWN_MS);
    let described = describe(&harness).await.unwrap();
    assert_eq!(described.table_status, TableStatus::Active);
    assert!(described.deletion_protection_enabled);
}

/// Its name is still in use.
#[tokio::test]
async fn table_being_deleted_is_described_and_listed() {
    let harness = with_table().await;
    harness.engine.put_item(put()).await.unwrap();
    delete(&harness).await.unwrap();
    assert_eq!(status(&harness).await, TableStatus::Deleting);
    let listed = harness.engine.list_tables(ListTablesInput::default()).await.unwrap();
    assert_eq!(listed.table_names, ["simple"]);
    in_use(delete(&harness).await, "deleted");
    in_use(harness.engine.update_table(class()).await, "deleted");
    in_use(harness.engine.create_table(simple()).await, "deleted");
    in_use(harness.engine.update_time_to_live(time_to_live(true)).await, "deleted");
    assert_eq!(
        refused(harness.engine.describe_time_to_live(named()).await),
        "Cannot describe time to live while table is in DELETING state: Current table state is DELETING"
    );
    assert!(matches!(
        harness.engine.put_item(put()).await,
        Err(ApiError::ResourceNotFound(_))
    ));
    harness.clock.set(NOW_MS + 2 * SHOWN_MS);
    assert!(matches!(describe(&harness).await, Err(ApiError::ResourceNotFound(_))));
    let listed = harness.engine.list_tables(ListTablesInput::default()).await.unwrap();
    assert!(listed.table_names.is_empty());
    let created = harness.engine.create_table(simple()).await.unwrap();
    assert_eq!((created.table_status, created.item_count), (TableStatus::Creating, 0));
}

/// An index that is being deleted is still described.
#[tokio::test]
async fn index_being_created_is_unreadable() {
    let harness = with_table().await;
    harness.engine.put_item(put()).await.unwrap();
    harness.engine.update_table(create_index()).await.unwrap();
    let filled = async || {
        let changed = harness.store.catalog_changed().notified();
        let backfilling = of_index(&describe(&harness).await.unwrap()).1.unwrap().1;
        if backfilling == Some(true) {
            changed.await;
        }
        backfilling == Some(false)
    };
    while !filled().await {}
    let message = refused(harness.engine.scan(scan_index()).await);
    assert_eq!(message, "Cannot read from backfilling global secondary index: by-x");
    harness.clock.set(NOW_MS + 2 * SHOWN_MS);
    assert_eq!(
        of_index(&describe(&harness).await.unwrap()),
        (TableStatus::Active, Some((IndexStatus::Active, None)))
    );
    assert_eq!(harness.engine.scan(scan_index()).await.unwrap().count, 1);

    harness.engine.update_table(delete_index()).await.unwrap();
    let described = describe(&harness).await.unwrap();
    assert_eq!(
        of_index(&described),
        (TableStatus::Updating, Some((IndexStatus::Deleting, None)))
    );
    assert_eq!(described.attribute_definitions.len(), 2, "of its key too");
    let message = refused(harness.engine.scan(scan_index()).await);
    assert_eq!(message, "The table does not have the specified index: by-x");
    harness.clock.set(NOW_MS + 3 * SHOWN_MS);
    assert_eq!(
        of_index(&harness.once_active("simple").await),
        (TableStatus::Active, None)
    );
}

#[tokio::test]
async fn stream_and_time_to_live_show_intermediate_statuses() {
    let harness = with_table().await;
    let ttl = async || {
        let described = harness.engine.describe_time_to_live(named()).await.unwrap();
        (described.time_to_live_status, described.attribute_name)
    };
    let until = Some("until".to_owned());
    harness.engine.update_time_to_live(time_to_live(true)).await.unwrap();
    assert_eq!(ttl().await, (TimeToLiveStatus::Enabling, until.clone()));
    let message = refused(harness.engine.update_time_to_live(time_to_live(false)).await);
    assert_eq!(
        message,
        "Time to live has been modified multiple times within a fixed interval"
    );
    assert_eq!(
        status(&harness).await,
        TableStatus::Active,
        "the table itself does not change"
    );

    let view = Some(StreamViewType::KeysOnly);
    let stream_arn = harness
        .engine
        .update_table(stream(view))
        .await
        .unwrap()
        .latest_stream_arn
        .unwrap();
    let of_stream = async || {
        let stream_arn = stream_arn.clone();
        let input = DescribeStreamInput {
            stream_arn,
            ..DescribeStreamInput::default()
        };
        harness.engine.describe_stream(input).await.unwrap().stream_status
    };
    assert_eq!(of_stream().await, StreamStatus::Enabling);

    harness.clock.set(NOW_MS + 2 * SHOWN_MS);
    assert_eq!(ttl().await, (TimeToLiveStatus::Enabled, until.clone()));
    assert_eq!(of_stream().await, StreamStatus::Enabled);
    harness.engine.update_time_to_live(time_to_live(false)).await.unwrap();
    harness.engine.update_table(stream(None)).await.unwrap();
    assert_eq!(ttl().await, (TimeToLiveStatus::Disabling, until));
    assert_eq!(of_stream().await, StreamStatus::Disabling);
    harness.clock.set(NOW_MS + 3 * SHOWN_MS);
    assert_eq!(ttl().await, (TimeToLiveStatus::Disabled, None));
    assert_eq!(of_stream().await, StreamStatus::Disabled);
}

/// In DynamoDB, units show when the change is complete.
#[tokio::test]
async fn previous_units_show_as_long_as_their_change() {
    let harness = slow();
    let units = |units| {
        Some(ProvisionedThroughput {
            read_capacity_units: units,
            write_capacity_units: units,
        })
    };
    let shown = |table: &TableDescription| {
        let units = table.provisioned_throughput;
        (units.read_capacity_units, units.write_capacity_units)
    };
    let input = CreateTableInput {
        billing_mode: None,
        provisioned_throughput: units(1),
        ..simple()
    };
    harness.engine.create_table(input).await.unwrap();
    harness.clock.set(NOW_MS + SHOWN_MS);
    let grow = UpdateTableInput {
        provisioned_throughput: units(2),
        ..update()
    };
    let updated = harness.engine.update_table(grow).await.unwrap();
    assert_eq!(shown(&updated), (1, 1));
    harness.clock.set(NOW_MS + 2 * SHOWN_MS - 1);
    assert_eq!(shown(&describe(&harness).await.unwrap()), (1, 1));
    harness.clock.set(NOW_MS + 2 * SHOWN_MS);
    assert_eq!(shown(&describe(&harness).await.unwrap()), (2, 2));
}

/// The table stays active, but cannot be deleted, and its encryption not be changed otherwise.
#[tokio::test]
async fn a_change_of_the_encryption_shows_in_its_own_status() {
    let harness = with_table().await;
    let encrypt = |enabled| UpdateTableInput {
        sse_specification: Some(SseSpecification {
            enabled: Some(enabled),
            ..SseSpecification::default()
        }),
        ..update()
    };
    let shown = |table: &TableDescription| {
        let encryption = table.sse_description.as_ref();
        (
            table.table_status,
            encryption.map(|encryption| (encryption.status, encryption.sse_type)),
        )
    };
    let started = (TableStatus::Active, Some((SseStatus::Updating, None)));
    let updated = harness.engine.update_table(encrypt(true)).await.unwrap();
    assert_eq!(shown(&updated), started);
    assert_eq!(shown(&describe(&harness).await.unwrap()), started);
    let busy = "Attempt to change a resource which is still in use: Server-Side Encryption is still being updated";
    let busy = Err(ApiError::ResourceInUse(busy.to_owned()));
    assert_eq!(harness.engine.update_table(encrypt(false)).await, busy);
    assert_eq!(delete(&harness).await, busy);
    harness.engine.update_table(encrypt(true)).await.unwrap();
    let later = NOW_MS + 2 * SHOWN_MS;
    harness.clock.set(later);
    let encrypted = (TableStatus::Active, Some((SseStatus::Enabled, Some(SseType::Kms))));
    assert_eq!(shown(&describe(&harness).await.unwrap()), encrypted);
    let updated = harness.engine.update_table(encrypt(false)).await.unwrap();
    let ending = (TableStatus::Active, Some((SseStatus::Updating, Some(SseType::Kms))));
    assert_eq!(shown(&updated), ending);
    harness.clock.set(later + SHOWN_MS);
    assert_eq!(shown(&describe(&harness).await.unwrap()), (TableStatus::Active, None));
}
