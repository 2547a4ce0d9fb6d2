//! Tests of the CreateTable operation.

use beringia_engine::{
    ApiError,
    api::{
        BillingMode, CreateTableInput, DescribeTableInput, GlobalSecondaryIndex, IndexStatus, LocalSecondaryIndex,
        ProjectionSpecification, ProjectionType, ProvisionedThroughput, ScalarAttributeType as Type,
        StreamSpecification, StreamViewType, TableDescription, TableStatus,
    },
};

use crate::support::{Harness, NOW_MS, definition, global, hash, music, projection, range, refused, simple};

fn named(table_name: &str) -> DescribeTableInput {
    DescribeTableInput {
        table_name: table_name.to_owned(),
    }
}

async fn describe(harness: &Harness, table: &str) -> TableDescription {
    harness.engine.describe_table(named(table)).await.unwrap()
}

fn with_sort() -> CreateTableInput {
    CreateTableInput {
        attribute_definitions: vec![definition("p", Type::S), definition("c", Type::N)],
        key_schema: vec![hash("p"), range("c")],
        ..simple()
    }
}

fn all() -> ProjectionSpecification {
    projection(ProjectionType::All, &[])
}

fn with_global(index: GlobalSecondaryIndex) -> CreateTableInput {
    CreateTableInput {
        global_secondary_indexes: Some(vec![index]),
        ..with_sort()
    }
}

fn local(name: &str, key_schema: Vec<beringia_engine::api::KeySchemaElement>) -> LocalSecondaryIndex {
    LocalSecondaryIndex {
        index_name: name.to_owned(),
        key_schema,
        projection: all(),
    }
}

fn with_local(index: LocalSecondaryIndex) -> CreateTableInput {
    CreateTableInput {
        attribute_definitions: vec![
            definition("p", Type::S),
            definition("c", Type::N),
            definition("d", Type::S),
        ],
        local_secondary_indexes: Some(vec![index]),
        ..with_sort()
    }
}

const UNITS: ProvisionedThroughput = ProvisionedThroughput {
    read_capacity_units: 3,
    write_capacity_units: 4,
};

#[tokio::test]
async fn a_created_table_is_described_in_full() {
    let harness = Harness::new();
    let input = CreateTableInput {
        stream_specification: Some(StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some(StreamViewType::NewImage),
        }),
        deletion_protection_enabled: Some(true),
        ..music()
    };
    let created = harness.engine.create_table(input).await.unwrap();
    assert_eq!(created.table_status, TableStatus::Creating);
    let indexes = created.global_secondary_indexes.iter().flatten();
    for index in indexes {
        assert_eq!((index.index_status, index.backfilling), (IndexStatus::Creating, None));
    }
    let created = describe(&harness, "music").await;
    assert_eq!(created.table_name, "music");
    assert_eq!(created.table_arn, "arn:aws:dynamodb:us-east-1:000000000000:table/music");
    assert_eq!(created.table_status, TableStatus::Active);
    assert_eq!(created.creation_date_time_ms, NOW_MS);
    assert_eq!(created.key_schema, [hash("artist"), range("song")]);
    let defined: Vec<&str> = created
        .attribute_definitions
        .iter()
        .map(|d| d.attribute_name.as_str())
        .collect();
    assert_eq!(defined, ["artist", "genre", "label", "length", "song", "year"]);
    assert_eq!(
        created.billing_mode_summary.unwrap().billing_mode,
        BillingMode::PayPerRequest
    );
    assert_eq!((created.item_count, created.table_size_bytes), (0, 0));
    assert_eq!(
        created.stream_specification.unwrap().stream_view_type,
        Some(StreamViewType::NewImage)
    );
    assert_eq!(created.latest_stream_label.as_deref(), Some("2023-11-14T22:13:20.124"));
    assert_eq!(
        created.latest_stream_arn.as_deref(),
        Some("arn:aws:dynamodb:us-east-1:000000000000:table/music/stream/2023-11-14T22:13:20.124")
    );
    assert!(created.deletion_protection_enabled);
    assert_eq!((created.global_table_version, created.replicas), (None, None));

    let indexes = created.global_secondary_indexes.unwrap();
    let by_year = indexes.iter().find(|index| index.index_name == "by-year").unwrap();
    assert_eq!(
        by_year.index_arn,
        "arn:aws:dynamodb:us-east-1:000000000000:table/music/index/by-year"
    );
    assert_eq!(by_year.key_schema, [hash("genre"), range("year")]);
    assert_eq!(by_year.projection, projection(ProjectionType::Include, &["title"]));
    assert_eq!((by_year.index_status, by_year.backfilling), (IndexStatus::Active, None));
    let indexes = created.local_secondary_indexes.unwrap();
    assert_eq!(
        indexes
            .iter()
            .map(|index| index.index_name.as_str())
            .collect::<Vec<_>>(),
        ["by-length", "by-label"]
    );
}

#[tokio::test]
async fn table_ids_are_random_uuids() {
    let harness = Harness::new();
    let first = harness.engine.create_table(simple()).await.unwrap().table_id;
    let second = harness.engine.create_table(music()).await.unwrap().table_id;
    assert_ne!(first, second);
    for id in [first, second] {
        assert_eq!((id.len(), &id[14..15]), (36, "4"), "{id}");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }
}

#[tokio::test]
async fn a_provisioned_table_shows_its_throughput() {
    let harness = Harness::new();
    let input = CreateTableInput {
        billing_mode: None,
        provisioned_throughput: Some(UNITS),
        ..simple()
    };
    let created = harness.engine.create_table(input).await.unwrap();
    let shown = created.provisioned_throughput;
    assert_eq!((shown.read_capacity_units, shown.write_capacity_units), (3, 4));
    assert_eq!(created.billing_mode_summary, None);
}

/// The messages are DynamoDB's.
#[tokio::test]
async fn invalid_keys_and_definitions_are_rejected() {
    let harness = Harness::new();
    let invalid = "One or more parameter values were invalid: ";
    let many = |count: usize| {
        (0..count)
            .map(|number| definition(&format!("a{number}"), Type::S))
            .collect::<Vec<_>>()
    };
    let cases = [
        (CreateTableInput { table_name: "ab".to_owned(), ..simple() }, "'tableName' failed to satisfy constraint".to_owned()),
        (CreateTableInput { table_name: "a b c".to_owned(), ..simple() }, "regular expression pattern".to_owned()),
        (CreateTableInput { key_schema: Vec::new(), ..simple() }, "'keySchema' failed to satisfy".to_owned()),
        (
            CreateTableInput { key_schema: vec![hash("p"), range("c"), range("d")], ..with_sort() },
            "'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2".to_owned(),
        ),
        (
            CreateTableInput { key_schema: vec![range("p")], ..simple() },
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type".to_owned(),
        ),
        (
            CreateTableInput { key_schema: vec![hash("p"), hash("c")], ..with_sort() },
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type".to_owned(),
        ),
        (
            CreateTableInput { key_schema: vec![hash("p"), range("p")], ..with_sort() },
            "Both the Hash Key and the Range Key element in the KeySchema have the same name".to_owned(),
        ),
        (
            CreateTableInput { key_schema: vec![hash("p"), range("c")], ..simple() },
            "Invalid KeySchema: Some index key attribute have no definition".to_owned(),
        ),
        (
            CreateTableInput { key_schema: vec![hash("q")], ..simple() },
            format!(
                "{invalid}Some index key attributes are not defined in AttributeDefinitions. Keys: [q], AttributeDefinitions: [p]"
            ),
        ),
        (
            CreateTableInput { key_schema: vec![hash("p")], ..with_sort() },
            format!(
                "{invalid}Number of attributes in KeySchema does not exactly match number of attributes defined in \
                 AttributeDefinitions"
            ),
        ),
        (
            CreateTableInput { attribute_definitions: vec![definition("p", Type::S), definition("p", Type::N)], ..simple() },
            "Attribute Name is duplicated: p".to_owned(),
        ),
        (
            CreateTableInput { attribute_definitions: vec![definition(&"n".repeat(256), Type::S)], ..simple() },
            "'attributeDefinitions.1.member.attributeName' failed to satisfy constraint: Member must have length less than or \
             equal to 255"
                .to_owned(),
        ),
        (
            CreateTableInput { attribute_definitions: many(3), key_schema: vec![hash("a0")], ..simple() },
            "does not exactly match".to_owned(),
        ),
    ];
    for (input, message) in cases {
        let refused = refused(harness.engine.create_table(input).await);
        assert!(refused.contains(&message), "got\n{refused}\nexpected\n{message}");
    }
}

#[tokio::test]
async fn capacity_settings_must_fit_the_billing_mode() {
    let harness = Harness::new();
    let provisioned = |mode, units| CreateTableInput {
        billing_mode: mode,
        provisioned_throughput: units,
        ..simple()
    };
    let of = |read_capacity_units, write_capacity_units| {
        provisioned(
            None,
            Some(ProvisionedThroughput {
                read_capacity_units,
                write_capacity_units,
            }),
        )
    };
    let index = |provisioned_throughput| GlobalSecondaryIndex {
        provisioned_throughput,
        ..global("index", vec![hash("c")], all())
    };
    let cases = [
        (
            provisioned(Some(BillingMode::PayPerRequest), Some(UNITS)),
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        (
            provisioned(Some(BillingMode::Provisioned), None),
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            provisioned(None, None),
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            of(0, 1),
            "'provisionedThroughput.readCapacityUnits' failed to satisfy constraint",
        ),
        (
            of(1, -1),
            "'provisionedThroughput.writeCapacityUnits' failed to satisfy constraint",
        ),
        (
            of(1_000_000_000_001, 1),
            "Given value 1000000000001 for ReadCapacityUnits is out of bounds",
        ),
        (
            with_global(index(Some(UNITS))),
            "ProvisionedThroughput should not be specified for index: index when BillingMode is PAY_PER_REQUEST",
        ),
        (
            CreateTableInput {
                billing_mode: None,
                provisioned_throughput: Some(UNITS),
                ..with_global(index(None))
            },
            "ProvisionedThroughput is not specified for index: index",
        ),
    ];
    for (input, message) in cases {
        let refused = refused(harness.engine.create_table(input).await);
        assert!(refused.contains(message), "{refused}");
    }
}

/// The messages are DynamoDB's.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn invalid_indexes_are_rejected() {
    let harness = Harness::new();
    let include: Vec<String> = (0..21).map(|number| format!("a{number}")).collect();
    let include: Vec<&str> = include.iter().map(String::as_str).collect();
    let by_c = |projection| with_global(global("index", vec![hash("c")], projection));
    let cases = [
        (
            with_global(global("x", vec![hash("c")], all())),
            "indexName' failed to satisfy constraint",
        ),
        (
            with_global(global("index", vec![hash("zz")], all())),
            "Keys: [zz], AttributeDefinitions: [p, c]",
        ),
        (
            with_global(global("index", vec![range("c")], all())),
            "The first KeySchemaElement is not a HASH key type",
        ),
        (
            with_global(global("index", vec![hash("c"), range("c")], all())),
            "have the same name",
        ),
        (
            with_global(global("index", vec![hash("c"), hash("c")], all())),
            "The KeySchema contains multiple key attributes with the same name",
        ),
        (
            with_global(global("index", Vec::new(), all())),
            "keySchema' failed to satisfy constraint",
        ),
        (
            by_c(projection(ProjectionType::Include, &[])),
            "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            by_c(projection(ProjectionType::All, &["a"])),
            "ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (
            by_c(projection(ProjectionType::KeysOnly, &["a"])),
            "ProjectionType is KEYS_ONLY, but NonKeyAttributes is specified",
        ),
        (
            by_c(projection(ProjectionType::Include, &["a", "a"])),
            "Duplicate element in NonKeyAttributes: a",
        ),
        (
            by_c(projection(ProjectionType::Include, &include)),
            "nonKeyAttributes' failed to satisfy constraint",
        ),
        (
            by_c(projection(ProjectionType::Include, &[&"n".repeat(256)])),
            "length less than or equal to 255",
        ),
        (by_c(ProjectionSpecification::default()), "Unknown ProjectionType: null"),
        (
            CreateTableInput {
                global_secondary_indexes: Some(Vec::new()),
                ..with_sort()
            },
            "List of GlobalSecondaryIndexes is empty",
        ),
        (
            CreateTableInput {
                local_secondary_indexes: Some(Vec::new()),
                ..with_sort()
            },
            "List of LocalSecondaryIndexes is empty",
        ),
        (
            CreateTableInput {
                global_secondary_indexes: Some(vec![
                    global("index", vec![hash("c")], all()),
                    global("index", vec![hash("p")], all()),
                ]),
                ..with_sort()
            },
            "Duplicate index name: index",
        ),
        (
            CreateTableInput {
                global_secondary_indexes: Some(
                    (0..21)
                        .map(|number| global(&format!("index{number}"), vec![hash("c")], all()))
                        .collect(),
                ),
                ..with_sort()
            },
            "GlobalSecondaryIndex count exceeds the per-table limit of 20",
        ),
        (
            CreateTableInput {
                local_secondary_indexes: Some(vec![local("lsi", vec![hash("p"), range("p")])]),
                ..simple()
            },
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ),
        (
            CreateTableInput {
                local_secondary_indexes: Some(vec![local("lsi", vec![hash("p")])]),
                ..with_sort()
            },
            "Index KeySchema does not have a range key for index: lsi",
        ),
        (
            with_local(local("lsi", vec![hash("c"), range("d")])),
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: lsi. index hash key: c, table \
             hash key: p",
        ),
        (
            CreateTableInput {
                local_secondary_indexes: Some(
                    (0..6)
                        .map(|number| local(&format!("lsi{number}"), vec![hash("p"), range("d")]))
                        .collect(),
                ),
                ..with_local(local("lsi", Vec::new()))
            },
            "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
        ),
        (
            CreateTableInput {
                global_secondary_indexes: Some(vec![global("same", vec![hash("c")], all())]),
                ..with_local(local("same", vec![hash("p"), range("d")]))
            },
            "Duplicate index name: same",
        ),
        (
            CreateTableInput {
                attribute_definitions: vec![
                    definition("p", Type::S),
                    definition("c", Type::N),
                    definition("x", Type::S),
                ],
                ..by_c(all())
            },
            "Some AttributeDefinitions are not used. AttributeDefinitions: [p, c, x], keys used: [p, c]",
        ),
    ];
    for (input, message) in cases {
        let refused = refused(harness.engine.create_table(input).await);
        assert!(refused.contains(message), "got\n{refused}\nexpected\n{message}");
    }
}

#[tokio::test]
async fn view_type_is_required_exactly_for_streams() {
    let harness = Harness::new();
    for (stream_enabled, stream_view_type, words) in [
        (true, None, "enabled, UpdateViewType is required"),
        (
            false,
            Some(StreamViewType::KeysOnly),
            "disabled, UpdateViewType should not be specified",
        ),
    ] {
        let stream_specification = Some(StreamSpecification {
            stream_enabled,
            stream_view_type,
        });
        let message = refused(
            harness
                .engine
                .create_table(CreateTableInput {
                    stream_specification,
                    ..simple()
                })
                .await,
        );
        assert_eq!(
            message,
            format!("One or more parameter values were invalid: Table is being created with a stream {words}")
        );
    }
}

#[tokio::test]
async fn duplicate_table_name_is_rejected() {
    let harness = Harness::new().with_simple().await;
    let again = harness.engine.create_table(simple()).await;
    assert_eq!(
        again,
        Err(ApiError::ResourceInUse("Table already exists: simple".to_owned()))
    );
}
