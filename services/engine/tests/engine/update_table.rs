//! Tests of the UpdateTable operation.

use beringia_engine::{
    ApiError,
    api::{
        BillingMode, CreateTableInput, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, MultiRegionConsistency,
        ProjectionType, ProvisionedThroughput, ReplicaStatusName, ReplicationGroupUpdate, ScalarAttributeType as Type,
        StreamSpecification, StreamViewType, TableDescription, TableStatus, UpdateTableInput,
    },
};
use beringia_storage::{Aspect, Catalog, Edit, Replica, ReplicaStatus, Store};

use crate::support::{Harness, NOW_MS, definition, global, hash, projection, refused, region, simple};

pub(crate) fn update() -> UpdateTableInput {
    UpdateTableInput {
        table_name: "simple".to_owned(),
        ..UpdateTableInput::default()
    }
}

pub(crate) fn units(read_capacity_units: i64, write_capacity_units: i64) -> Option<ProvisionedThroughput> {
    Some(ProvisionedThroughput {
        read_capacity_units,
        write_capacity_units,
    })
}

pub(crate) fn index(name: &str, attribute: &str) -> GlobalSecondaryIndex {
    global(name, vec![hash(attribute)], projection(ProjectionType::All, &[]))
}

pub(crate) fn create_index(name: &str, attribute: &str, kind: Type) -> UpdateTableInput {
    UpdateTableInput {
        attribute_definitions: Some(vec![definition(attribute, kind)]),
        global_secondary_index_updates: Some(vec![GlobalSecondaryIndexUpdate::Create(index(name, attribute))]),
        ..update()
    }
}

pub(crate) fn delete_index(name: &str) -> GlobalSecondaryIndexUpdate {
    GlobalSecondaryIndexUpdate::Delete {
        index_name: name.to_owned(),
    }
}

pub(crate) fn create_replica(region_name: &str) -> UpdateTableInput {
    let create = ReplicationGroupUpdate::Create {
        region_name: region_name.to_owned(),
    };
    UpdateTableInput {
        replica_updates: Some(vec![create]),
        ..update()
    }
}

fn delete_replica(region_name: &str) -> UpdateTableInput {
    let delete = ReplicationGroupUpdate::Delete {
        region_name: region_name.to_owned(),
    };
    UpdateTableInput {
        replica_updates: Some(vec![delete]),
        ..update()
    }
}

pub(crate) fn stream(stream_view_type: Option<StreamViewType>) -> UpdateTableInput {
    let specification = StreamSpecification {
        stream_enabled: stream_view_type.is_some(),
        stream_view_type,
    };
    UpdateTableInput {
        stream_specification: Some(specification),
        ..update()
    }
}

/// Sets a replica's status, as the region's own part of the work would.
async fn replica(harness: &Harness, name: &str, status: ReplicaStatus) {
    let replica = Replica { status, since_ms: 0 };
    let region = region(name);
    let set = move |catalog: &Catalog| {
        let (region, replica) = (region.clone(), replica.clone());
        let aspect = Aspect::Replica { region, replica };
        Ok(vec![Edit::Set {
            table: catalog.by_name["simple"].id,
            aspect,
        }])
    };
    harness.store.change_schema(Box::new(set)).await.unwrap();
}

fn replicas(description: &TableDescription) -> Vec<(&str, ReplicaStatusName)> {
    let shown = description.replicas.iter().flatten();
    shown
        .map(|replica| (replica.region_name.as_str(), replica.replica_status))
        .collect()
}

#[track_caller]
pub(crate) fn in_use(result: Result<TableDescription, ApiError>, what: &str) {
    match result {
        Err(ApiError::ResourceInUse(message)) => assert!(message.contains(what), "{message}"),
        other => panic!("expected a ResourceInUseException, got {other:?}"),
    }
}

#[tokio::test]
async fn a_request_that_changes_nothing_is_refused() {
    let harness = Harness::new().with_simple().await;
    let nothing = |consistency: &str| {
        format!(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, SSESpecification, \
             ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, {consistency}DeletionProtectionEnabled, \
             OnDemandThroughput, WarmThroughput or TableClass is required"
        )
    };
    assert_eq!(
        refused(harness.engine.update_table(update()).await),
        nothing("MultiRegionConsistency, ")
    );
    let named = UpdateTableInput {
        multi_region_consistency: Some(MultiRegionConsistency::Eventual),
        ..update()
    };
    assert_eq!(refused(harness.engine.update_table(named).await), nothing(""));
    let definitions_alone = UpdateTableInput {
        attribute_definitions: Some(vec![definition("x", Type::S)]),
        ..update()
    };
    let message = refused(harness.engine.update_table(definitions_alone).await);
    assert_eq!(message, nothing("MultiRegionConsistency, "));
    let empty = UpdateTableInput {
        global_secondary_index_updates: Some(Vec::new()),
        replica_updates: Some(Vec::new()),
        ..update()
    };
    assert!(refused(harness.engine.update_table(empty).await).starts_with("At least one of"));
    let missing = UpdateTableInput {
        table_name: "missing".to_owned(),
        ..stream(Some(StreamViewType::KeysOnly))
    };
    assert_eq!(
        harness.engine.update_table(missing).await,
        Err(ApiError::ResourceNotFound(
            "Requested resource not found: Table: missing not found".to_owned()
        ))
    );
}

#[tokio::test]
async fn billing_mode_change_includes_all_indexes() {
    let harness = Harness::new();
    let mut input = simple();
    input.attribute_definitions.push(definition("x", Type::S));
    input.global_secondary_indexes = Some(vec![index("by-x", "x")]);
    harness.engine.create_table(input).await.unwrap();

    let provisioned = UpdateTableInput {
        billing_mode: Some(BillingMode::Provisioned),
        provisioned_throughput: units(5, 6),
        ..update()
    };
    assert_eq!(
        refused(harness.engine.update_table(provisioned.clone()).await),
        "One or more parameter values were invalid: ProvisionedThroughput must be specified for index: by-x"
    );
    let with_index = UpdateTableInput {
        global_secondary_index_updates: Some(vec![GlobalSecondaryIndexUpdate::Update {
            index_name: "by-x".to_owned(),
            provisioned_throughput: units(7, 8),
            on_demand_throughput: None,
            warm_throughput: None,
        }]),
        ..provisioned
    };
    let shown = harness.engine.update_table(with_index).await.unwrap();
    assert_eq!(shown.provisioned_throughput.read_capacity_units, 5);
    assert_eq!(
        shown.global_secondary_indexes.unwrap()[0]
            .provisioned_throughput
            .write_capacity_units,
        8
    );
    assert_eq!(
        shown.billing_mode_summary.unwrap().billing_mode,
        BillingMode::Provisioned
    );

    let on_demand = UpdateTableInput {
        billing_mode: Some(BillingMode::PayPerRequest),
        ..update()
    };
    let shown = harness.engine.update_table(on_demand).await.unwrap();
    assert_eq!(shown.provisioned_throughput.read_capacity_units, 0);
    assert_eq!(
        shown.global_secondary_indexes.unwrap()[0]
            .provisioned_throughput
            .write_capacity_units,
        0
    );
    assert_eq!(
        shown.billing_mode_summary.unwrap().billing_mode,
        BillingMode::PayPerRequest
    );
}

#[tokio::test]
async fn invalid_capacity_settings_are_rejected() {
    let harness = Harness::new();
    let input = CreateTableInput {
        billing_mode: None,
        provisioned_throughput: units(1, 1),
        ..simple()
    };
    harness.engine.create_table(input).await.unwrap();
    let provisioned = Some(BillingMode::Provisioned);
    let on_demand = Some(BillingMode::PayPerRequest);
    let cases = [
        (
            UpdateTableInput {
                provisioned_throughput: units(1, 1),
                ..update()
            },
            "The provisioned throughput for the table will not",
        ),
        (
            UpdateTableInput {
                provisioned_throughput: units(0, 1),
                ..update()
            },
            "'provisionedThroughput.readCapacityUnits'",
        ),
        (
            UpdateTableInput {
                billing_mode: provisioned,
                ..update()
            },
            "ProvisionedThroughput must be specified when BillingMode is",
        ),
        (
            UpdateTableInput {
                billing_mode: on_demand,
                provisioned_throughput: units(2, 2),
                ..update()
            },
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
    ];
    for (input, message) in cases {
        let refused = refused(harness.engine.update_table(input).await);
        assert!(refused.contains(message), "{refused}");
    }
    let more = UpdateTableInput {
        provisioned_throughput: units(2, 3),
        ..update()
    };
    let answer = harness.engine.update_table(more).await.unwrap();
    assert_eq!(answer.provisioned_throughput.write_capacity_units, 1);
    let settled = harness.once_active("simple").await;
    assert_eq!(settled.provisioned_throughput.write_capacity_units, 3);
}

#[tokio::test]
async fn a_stream_is_turned_on_and_off_but_not_twice() {
    let harness = Harness::new().with_simple().await;
    assert!(refused(harness.engine.update_table(stream(None)).await).starts_with("Table has no stream to disable"));
    let shown = harness
        .engine
        .update_table(stream(Some(StreamViewType::OldImage)))
        .await
        .unwrap();
    assert_eq!(
        shown.stream_specification.unwrap().stream_view_type,
        Some(StreamViewType::OldImage)
    );
    let arn = shown.latest_stream_arn;
    assert!(arn.is_some());
    let again = refused(
        harness
            .engine
            .update_table(stream(Some(StreamViewType::KeysOnly)))
            .await,
    );
    assert_eq!(again, "Table already has an enabled stream: TableName: simple");
    let shown = harness.engine.update_table(stream(None)).await.unwrap();
    assert_eq!(shown.stream_specification, None);
    assert_eq!(shown.latest_stream_arn, arn, "its records can still be read");
    let on = stream(Some(StreamViewType::OldImage));
    let shown = harness.engine.update_table(on).await.unwrap();
    assert_ne!(
        shown.latest_stream_arn, arn,
        "another stream, although the clock stands still"
    );
}

#[tokio::test]
async fn adding_a_replica_makes_the_table_global_with_a_stream() {
    let harness = Harness::new().with_simple().await;
    let shown = harness.engine.update_table(create_replica("eu-west-1")).await.unwrap();
    assert_eq!(replicas(&shown), [("eu-west-1", ReplicaStatusName::Creating)]);
    assert_eq!(shown.table_status, TableStatus::Updating);
    assert_eq!(shown.global_table_version, Some("2019.11.21"));
    assert_eq!(
        shown.stream_specification.unwrap().stream_view_type,
        Some(StreamViewType::NewAndOldImages)
    );
    let table = harness.store.catalog().by_name["simple"].clone();
    let own = &table.replicas[&region("us-east-1")];
    assert_eq!((&own.status, own.since_ms), (&ReplicaStatus::Active, NOW_MS));
    let new = &table.replicas[&region("eu-west-1")];
    assert_eq!(
        new.status,
        ReplicaStatus::Creating {
            from: region("us-east-1")
        }
    );

    in_use(
        harness.engine.update_table(create_replica("ap-northeast-1")).await,
        "being updated",
    );
    replica(&harness, "eu-west-1", ReplicaStatus::Active).await;
    let shown = harness
        .engine
        .update_table(create_replica("ap-northeast-1"))
        .await
        .unwrap();
    assert_eq!(
        replicas(&shown),
        [
            ("ap-northeast-1", ReplicaStatusName::Creating),
            ("eu-west-1", ReplicaStatusName::Active)
        ]
    );
    replica(&harness, "ap-northeast-1", ReplicaStatus::Active).await;
    let stream = refused(harness.engine.update_table(stream(None)).await);
    assert_eq!(
        stream,
        "One or more parameter values were invalid: Disabling Stream is not allowed for a Global Table replica."
    );
    let shown = harness.engine.update_table(delete_replica("eu-west-1")).await.unwrap();
    assert_eq!(
        replicas(&shown),
        [
            ("ap-northeast-1", ReplicaStatusName::Active),
            ("eu-west-1", ReplicaStatusName::Deleting)
        ]
    );
}

#[tokio::test]
async fn failed_replica_can_be_removed_or_created_again() {
    let failed = || ReplicaStatus::CreationFailed {
        reason: "a table of that name".to_owned(),
    };
    let harness = Harness::new().with_simple().await;
    harness.engine.update_table(create_replica("eu-west-1")).await.unwrap();
    replica(&harness, "eu-west-1", failed()).await;
    let shown = harness.engine.update_table(create_replica("eu-west-1")).await.unwrap();
    assert_eq!(replicas(&shown), [("eu-west-1", ReplicaStatusName::Creating)]);
    replica(&harness, "eu-west-1", failed()).await;
    let shown = harness.engine.update_table(delete_replica("eu-west-1")).await.unwrap();
    assert_eq!(replicas(&shown), []);
}

#[tokio::test]
async fn invalid_replica_updates_are_rejected() {
    let harness = Harness::new().with_simple().await;
    let two = UpdateTableInput {
        replica_updates: Some(vec![
            ReplicationGroupUpdate::Create {
                region_name: "eu-west-1".to_owned(),
            },
            ReplicationGroupUpdate::Create {
                region_name: "ap-northeast-1".to_owned(),
            },
        ]),
        ..update()
    };
    let settings = UpdateTableInput {
        replica_updates: Some(vec![ReplicationGroupUpdate::Update {
            region_name: "eu-west-1".to_owned(),
        }]),
        ..update()
    };
    let local = "Cannot add or delete the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as \
                 required.";
    let local_settings = UpdateTableInput {
        replica_updates: Some(vec![ReplicationGroupUpdate::Update {
            region_name: "us-east-1".to_owned(),
        }]),
        ..update()
    };
    let not_found = "because one or more replicas were not part of the global table. Please retry the request without these replicas: \
                     [eu-west-1].";
    let cases = [
        (
            create_replica("mars-1"),
            "Region mars-1 is not supported. The latest version of global tables are only supported in the following regions: \
             [ap-northeast-1, eu-west-1, us-east-1]",
        ),
        (create_replica("us-east-1"), local),
        (delete_replica("us-east-1"), local),
        (
            local_settings,
            "Cannot add, delete, or update the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as \
             required.",
        ),
        (delete_replica("eu-west-1"), not_found),
        (settings, not_found),
        (
            two,
            "Update table operation with more than one create or delete replica actions not allowed",
        ),
        (
            UpdateTableInput {
                billing_mode: Some(BillingMode::PayPerRequest),
                ..create_replica("eu-west-1")
            },
            "Replica modification must be the only operation in the request",
        ),
        (
            UpdateTableInput {
                multi_region_consistency: Some(MultiRegionConsistency::Strong),
                ..create_replica("eu-west-1")
            },
            "STRONG is not supported",
        ),
    ];
    for (input, message) in cases {
        let refused = refused(harness.engine.update_table(input).await);
        assert!(refused.contains(message), "{refused}");
    }
    replica(&harness, "us-east-1", ReplicaStatus::Active).await;
    replica(&harness, "eu-west-1", ReplicaStatus::Active).await;
    let again = refused(harness.engine.update_table(create_replica("eu-west-1")).await);
    assert!(
        again.contains("because one or more replicas already existed as tables"),
        "{again}"
    );
}

#[tokio::test]
async fn a_stream_of_another_view_prevents_replicas() {
    let harness = Harness::new().with_simple().await;
    harness
        .engine
        .update_table(stream(Some(StreamViewType::KeysOnly)))
        .await
        .unwrap();
    let message = refused(harness.engine.update_table(create_replica("eu-west-1")).await);
    assert!(message.contains("NEW_AND_OLD_IMAGES"), "{message}");
    harness.engine.update_table(stream(None)).await.unwrap();
    harness
        .engine
        .update_table(stream(Some(StreamViewType::NewAndOldImages)))
        .await
        .unwrap();
    harness.engine.update_table(create_replica("eu-west-1")).await.unwrap();
}
