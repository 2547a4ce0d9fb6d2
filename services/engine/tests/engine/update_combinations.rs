//! Which changes of a table can be combined in one UpdateTable, and which cannot.

use beringia_engine::{
    ApiError,
    api::{
        BillingMode, CreateTableInput, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, LocalSecondaryIndex,
        OnDemandThroughput, ProjectionType, ProvisionedThroughput, ReplicationGroupUpdate, ScalarAttributeType as Type,
        StreamSpecification, StreamViewType, TableClass, UpdateTableInput, WarmThroughput,
    },
};

use crate::support::{Harness, definition, global, hash, projection, range, refused, simple};

const INVALID: &str = "One or more parameter values were invalid: ";

const fn units(units: i64) -> Option<ProvisionedThroughput> {
    Some(ProvisionedThroughput {
        read_capacity_units: units,
        write_capacity_units: units,
    })
}

fn index(name: &str, provisioned_throughput: Option<ProvisionedThroughput>) -> GlobalSecondaryIndex {
    GlobalSecondaryIndex {
        provisioned_throughput,
        ..global(name, vec![hash("x")], projection(ProjectionType::All, &[]))
    }
}

/// A table with that billing mode, a global index `old` and a local index `local`.
async fn table(mode: BillingMode) -> Harness {
    let bought = mode == BillingMode::Provisioned;
    let units = units(2).filter(|_| bought);
    let harness = Harness::new();
    let local = LocalSecondaryIndex {
        index_name: "local".to_owned(),
        key_schema: vec![hash("p"), range("x")],
        projection: projection(ProjectionType::All, &[]),
    };
    let input = CreateTableInput {
        attribute_definitions: ["p", "c", "x"].map(|name| definition(name, Type::S)).into(),
        key_schema: vec![hash("p"), range("c")],
        billing_mode: Some(mode),
        provisioned_throughput: units,
        global_secondary_indexes: Some(vec![index("old", units)]),
        local_secondary_indexes: Some(vec![local]),
        ..simple()
    };
    harness.engine.create_table(input).await.unwrap();
    harness
}

fn update() -> UpdateTableInput {
    UpdateTableInput {
        table_name: "simple".to_owned(),
        ..UpdateTableInput::default()
    }
}

fn of_index(update: GlobalSecondaryIndexUpdate) -> Option<Vec<GlobalSecondaryIndexUpdate>> {
    Some(vec![update])
}

fn change(
    name: &str,
    on_demand: Option<OnDemandThroughput>,
    warm: Option<WarmThroughput>,
) -> GlobalSecondaryIndexUpdate {
    GlobalSecondaryIndexUpdate::Update {
        index_name: name.to_owned(),
        provisioned_throughput: None,
        on_demand_throughput: on_demand,
        warm_throughput: warm,
    }
}

const MAXIMA: OnDemandThroughput = OnDemandThroughput {
    max_read_request_units: Some(50),
    max_write_request_units: Some(50),
};
const WARM: WarmThroughput = WarmThroughput {
    read_units_per_second: Some(13_000),
    write_units_per_second: Some(5_000),
};

/// The kinds of changes that a request can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Replica,
    Class,
    Protection,
    Warm,
    Maxima,
    Units,
    Stream,
    CreateIndex,
    DeleteIndex,
    OnDemand,
}

const KINDS: [Kind; 10] = [
    Kind::Replica,
    Kind::Class,
    Kind::Protection,
    Kind::Warm,
    Kind::Maxima,
    Kind::Units,
    Kind::Stream,
    Kind::CreateIndex,
    Kind::DeleteIndex,
    Kind::OnDemand,
];

impl Kind {
    fn ask(self, input: &mut UpdateTableInput) {
        match self {
            Self::Replica => {
                let region_name = "eu-west-1".to_owned();
                input.replica_updates = Some(vec![ReplicationGroupUpdate::Create { region_name }]);
            }
            Self::Class => input.table_class = Some(TableClass::StandardInfrequentAccess),
            Self::Protection => input.deletion_protection_enabled = Some(true),
            Self::Warm => input.warm_throughput = Some(WARM),
            Self::Maxima => input.on_demand_throughput = Some(MAXIMA),
            Self::Units => input.provisioned_throughput = units(5),
            Self::Stream => {
                input.stream_specification = Some(StreamSpecification {
                    stream_enabled: true,
                    stream_view_type: Some(StreamViewType::NewAndOldImages),
                });
            }
            Self::CreateIndex => {
                input.attribute_definitions = Some(vec![definition("x", Type::S)]);
                let create = GlobalSecondaryIndexUpdate::Create(index("new", None));
                input
                    .global_secondary_index_updates
                    .get_or_insert_default()
                    .push(create);
            }
            Self::DeleteIndex => {
                let index_name = "old".to_owned();
                let delete = GlobalSecondaryIndexUpdate::Delete { index_name };
                input
                    .global_secondary_index_updates
                    .get_or_insert_default()
                    .push(delete);
            }
            Self::OnDemand => input.billing_mode = Some(BillingMode::PayPerRequest),
        }
    }
}

/// The message about two kinds in one request, the first of which precedes the other in [`KINDS`];
/// `None` if they can be combined.
fn words(one: Kind, other: Kind) -> Option<&'static str> {
    use Kind::{Class, CreateIndex, DeleteIndex, Maxima, OnDemand, Protection, Replica, Stream, Units, Warm};
    Some(match (one, other) {
        (Replica, _) => "Replica modification must be the only operation in the request",
        (Class, _) => "TableClass modification must be the only operation in the request",
        (Protection, _) => "DeletionProtection modification must be the only operation in the request",
        (Warm, CreateIndex) => "Create global secondary index cannot be specified when updating WarmThroughput",
        (Maxima, OnDemand) | (Stream | CreateIndex | DeleteIndex, OnDemand) => return None,
        (Warm, Maxima) | (Maxima, _) => {
            "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request"
        }
        (Warm, _) => "WarmThroughput must be the only operation in the request",
        (Units, CreateIndex | DeleteIndex) => "You cannot create or delete index while updating table IOPS",
        (Units, Stream) => "You cannot modify stream status while updating table IOPS",
        (Units, OnDemand) => {
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
        }
        (Stream, _) => "You cannot create or delete index while changing stream status",
        pair => panic!("{pair:?}"),
    })
}

#[tokio::test]
async fn one_request_makes_one_change_except_for_few_pairs() {
    for (position, one) in KINDS.into_iter().enumerate() {
        for other in KINDS[position + 1..].iter().copied() {
            // A maximum needs an on-demand table, and units a provisioned one.
            let mode = if [one, other].contains(&Kind::OnDemand) || [one, other].contains(&Kind::Units) {
                BillingMode::Provisioned
            } else {
                BillingMode::PayPerRequest
            };
            let harness = table(mode).await;
            let mut input = update();
            one.ask(&mut input);
            other.ask(&mut input);
            let result = harness.engine.update_table(input).await;
            if (one, other) == (Kind::CreateIndex, Kind::DeleteIndex) {
                assert!(matches!(result, Err(ApiError::LimitExceeded(_))), "{result:?}");
                continue;
            }
            match words(one, other) {
                Some(words) => assert_eq!(refused(result), format!("{INVALID}{words}"), "{one:?} and {other:?}"),
                None => assert!(result.is_ok(), "{one:?} and {other:?}: {result:?}"),
            }
        }
    }
}

#[tokio::test]
async fn each_kind_of_change_can_come_alone() {
    for kind in KINDS {
        let bought = matches!(kind, Kind::Units | Kind::OnDemand);
        let mode = if bought {
            BillingMode::Provisioned
        } else {
            BillingMode::PayPerRequest
        };
        let harness = table(mode).await;
        let mut input = update();
        kind.ask(&mut input);
        let result = harness.engine.update_table(input).await;
        assert!(result.is_ok(), "{kind:?}: {result:?}");
    }
}

#[tokio::test]
async fn empty_list_of_index_updates_is_rejected_with_other_changes() {
    let harness = table(BillingMode::PayPerRequest).await;
    let input = UpdateTableInput {
        deletion_protection_enabled: Some(true),
        global_secondary_index_updates: Some(Vec::new()),
        ..update()
    };
    assert_eq!(
        refused(harness.engine.update_table(input).await),
        format!("{INVALID}List of GlobalSecondaryIndexUpdates is empty")
    );
}

#[tokio::test]
async fn index_update_needs_a_global_index_and_a_change() {
    let harness = table(BillingMode::PayPerRequest).await;
    let refuse = async |indexes| {
        let input = UpdateTableInput {
            global_secondary_index_updates: indexes,
            ..update()
        };
        harness.engine.update_table(input).await
    };
    let delete = |name: &str| {
        of_index(GlobalSecondaryIndexUpdate::Delete {
            index_name: name.to_owned(),
        })
    };
    assert_eq!(
        refused(refuse(delete("local")).await),
        "Cannot delete an index that is not a GlobalSecondaryIndex: local"
    );
    assert_eq!(
        refused(refuse(of_index(change("local", Some(MAXIMA), None))).await),
        "Cannot update an index that is not a GlobalSecondaryIndex: local"
    );
    let missing = ApiError::ResourceNotFound("Requested resource not found: Index none for table simple".to_owned());
    assert_eq!(refuse(delete("none")).await, Err(missing.clone()));
    assert_eq!(refuse(of_index(change("none", Some(MAXIMA), None))).await, Err(missing));
    // An update that changes nothing is reported before a missing index.
    for name in ["old", "none"] {
        let none = of_index(change(name, None, Some(WarmThroughput::default())));
        assert_eq!(
            refused(refuse(none).await),
            format!(
                "{INVALID}WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified for index: {name}"
            )
        );
    }
    let nothing = format!(
        "{INVALID}The only Updates for index: old when TableThroughputMode is PAY_PER_REQUEST can be to OnDemandThroughput, \
         WarmThroughput"
    );
    for maxima in [None, Some(OnDemandThroughput::default())] {
        assert_eq!(refused(refuse(of_index(change("old", maxima, None))).await), nothing);
    }
}

#[tokio::test]
async fn index_added_later_needs_units_if_the_table_has_them() {
    let harness = table(BillingMode::Provisioned).await;
    let create = |units| UpdateTableInput {
        attribute_definitions: Some(vec![definition("x", Type::S)]),
        global_secondary_index_updates: of_index(GlobalSecondaryIndexUpdate::Create(index("new", units))),
        ..update()
    };
    assert_eq!(
        refused(harness.engine.update_table(create(None)).await),
        format!("{INVALID}Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: new")
    );
    let on_demand = table(BillingMode::PayPerRequest).await;
    assert_eq!(
        refused(on_demand.engine.update_table(create(units(1))).await),
        format!(
            "{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: new when BillingMode is \
             PAY_PER_REQUEST"
        )
    );
    harness.engine.update_table(create(units(1))).await.unwrap();
}

/// However they were created.
#[tokio::test]
async fn table_has_at_most_twenty_global_indexes() {
    let harness = Harness::new();
    let indexes = (0..20).map(|number| index(&format!("index{number}"), None));
    let input = CreateTableInput {
        attribute_definitions: ["p", "x"].map(|name| definition(name, Type::S)).into(),
        global_secondary_indexes: Some(indexes.collect()),
        ..simple()
    };
    let created = harness.engine.create_table(input).await.unwrap();
    assert_eq!(created.global_secondary_indexes.unwrap().len(), 20);
    let mut more = update();
    Kind::CreateIndex.ask(&mut more);
    assert_eq!(
        harness.engine.update_table(more).await,
        Err(ApiError::LimitExceeded(
            "Subscriber limit exceeded: Number of global secondary indexes exceeds per-table limit of 20".to_owned()
        ))
    );
}
