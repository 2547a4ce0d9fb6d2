//! The billing of tables: modes, maxima, warm throughput, classes.

use beringia_clock::WallClock;
use beringia_engine::{
    ApiError,
    api::{
        BillingMode, BillingModeSummary, CreateTableInput, GlobalSecondaryIndexUpdate, OnDemandThroughput,
        ProjectionType, ProvisionedThroughput, ReplicationGroupUpdate, TableClass, TableClassSummary, TableDescription,
        UpdateTableInput, WarmThroughput, WarmThroughputDescription,
    },
};

use crate::support::{Harness, NOW_MS, global, hash, music, projection, refused, simple};

const INVALID: &str = "One or more parameter values were invalid: ";
const INITIAL: &str = "is lower than initial throughput for OnDemand. See: https://docs.aws.amazon.com/amazondynamodb/latest/\
                       developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial";

const fn maxima(read: i64, write: i64) -> Option<OnDemandThroughput> {
    Some(OnDemandThroughput {
        max_read_request_units: Some(read),
        max_write_request_units: Some(write),
    })
}

const fn warm(read: i64, write: i64) -> WarmThroughput {
    WarmThroughput {
        read_units_per_second: Some(read),
        write_units_per_second: Some(write),
    }
}

/// The units of a warm throughput in a description.
fn shown(described: Option<WarmThroughputDescription>) -> WarmThroughput {
    described.unwrap().units
}

const fn units(read: i64, write: i64) -> Option<ProvisionedThroughput> {
    Some(ProvisionedThroughput {
        read_capacity_units: read,
        write_capacity_units: write,
    })
}

fn provisioned() -> CreateTableInput {
    CreateTableInput {
        billing_mode: Some(BillingMode::Provisioned),
        provisioned_throughput: units(5, 6),
        ..simple()
    }
}

impl Harness {
    async fn update_simple(&self, input: UpdateTableInput) -> Result<TableDescription, ApiError> {
        let input = UpdateTableInput {
            table_name: "simple".to_owned(),
            ..input
        };
        self.engine.update_table(input).await
    }
}

#[tokio::test]
async fn a_table_remembers_when_it_last_became_on_demand() {
    let harness = Harness::new();
    let created = harness.engine.create_table(provisioned()).await.unwrap();
    assert_eq!(created.billing_mode_summary, None);
    let change = |mode, provisioned_throughput| UpdateTableInput {
        billing_mode: Some(mode),
        provisioned_throughput,
        ..UpdateTableInput::default()
    };
    harness.clock.set(NOW_MS + 5000);
    let switched = harness
        .update_simple(change(BillingMode::PayPerRequest, None))
        .await
        .unwrap();
    let summary = |billing_mode, since| {
        Some(BillingModeSummary {
            billing_mode,
            last_update_to_pay_per_request_date_time_ms: Some(since),
        })
    };
    assert_eq!(
        switched.billing_mode_summary,
        summary(BillingMode::PayPerRequest, NOW_MS + 5000)
    );
    harness.clock.set(harness.clock.now_ms() + 5000);
    let back = harness
        .update_simple(change(BillingMode::Provisioned, units(1, 1)))
        .await
        .unwrap();
    assert_eq!(
        back.billing_mode_summary,
        summary(BillingMode::Provisioned, NOW_MS + 5000)
    );
    let created = harness.engine.create_table(music()).await.unwrap();
    assert_eq!(
        created.billing_mode_summary,
        Some(BillingModeSummary {
            billing_mode: BillingMode::PayPerRequest,
            last_update_to_pay_per_request_date_time_ms: None,
        })
    );
    assert_eq!(
        harness.once_active("music").await.billing_mode_summary,
        summary(BillingMode::PayPerRequest, NOW_MS + 10_000)
    );
}

#[tokio::test]
async fn an_on_demand_table_can_have_maxima_and_lose_them() {
    let harness = Harness::new();
    let input = CreateTableInput {
        on_demand_throughput: Some(OnDemandThroughput {
            max_read_request_units: Some(10),
            max_write_request_units: None,
        }),
        ..simple()
    };
    let created = harness.engine.create_table(input).await.unwrap();
    assert_eq!(created.on_demand_throughput, maxima(10, -1));
    let change = |on_demand_throughput| UpdateTableInput {
        on_demand_throughput,
        ..UpdateTableInput::default()
    };
    let only_write = OnDemandThroughput {
        max_read_request_units: None,
        max_write_request_units: Some(7),
    };
    let changed = harness.update_simple(change(Some(only_write))).await.unwrap();
    assert_eq!(changed.on_demand_throughput, maxima(10, 7));
    let none = harness.update_simple(change(maxima(-1, -1))).await.unwrap();
    assert_eq!(none.on_demand_throughput, None);
    assert_eq!(
        refused(harness.update_simple(change(maxima(0, 1))).await),
        format!("{INVALID}Requested MaxReadRequestUnits for OnDemandThroughput for table is outside of valid range")
    );
    // A new table has no maximum to remove.
    let input = CreateTableInput {
        table_name: "other".to_owned(),
        on_demand_throughput: maxima(1, -1),
        ..simple()
    };
    assert_eq!(
        refused(harness.engine.create_table(input).await),
        format!("{INVALID}Requested MaxWriteRequestUnits for OnDemandThroughput for table is outside of valid range")
    );
    let input = CreateTableInput {
        table_name: "other".to_owned(),
        on_demand_throughput: maxima(1, 1),
        ..provisioned()
    };
    assert_eq!(
        refused(harness.engine.create_table(input).await),
        format!(
            "{INVALID}MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
        )
    );
}

#[tokio::test]
async fn mode_change_drops_maxima_and_keeps_warm_throughput() {
    let harness = Harness::new();
    let mut index = global("by-p", vec![hash("p")], projection(ProjectionType::All, &[]));
    index.on_demand_throughput = maxima(7, 8);
    let input = CreateTableInput {
        on_demand_throughput: maxima(10, 11),
        global_secondary_indexes: Some(vec![index]),
        ..simple()
    };
    harness.engine.create_table(input).await.unwrap();
    let index_units = |provisioned_throughput| {
        Some(vec![GlobalSecondaryIndexUpdate::Update {
            index_name: "by-p".to_owned(),
            provisioned_throughput,
            on_demand_throughput: None,
            warm_throughput: None,
        }])
    };
    let buy = UpdateTableInput {
        billing_mode: Some(BillingMode::Provisioned),
        provisioned_throughput: units(20_000, 1),
        global_secondary_index_updates: index_units(units(3, 3)),
        ..UpdateTableInput::default()
    };
    let bought = harness.update_simple(buy).await.unwrap();
    assert_eq!(bought.on_demand_throughput, None);
    assert_eq!(
        shown(bought.warm_throughput),
        warm(20_000, 4_000),
        "the greater of the two"
    );
    let index = &bought.global_secondary_indexes.unwrap()[0];
    assert_eq!(
        (index.on_demand_throughput, shown(index.warm_throughput)),
        (None, warm(12_000, 4_000))
    );
    let fewer = UpdateTableInput {
        provisioned_throughput: units(1, 1),
        ..UpdateTableInput::default()
    };
    let fewer = harness.update_simple(fewer).await.unwrap();
    assert_eq!(shown(fewer.warm_throughput), warm(20_000, 4_000));
    let same = UpdateTableInput {
        global_secondary_index_updates: index_units(units(3, 3)),
        ..UpdateTableInput::default()
    };
    let refused = refused(harness.update_simple(same).await);
    assert!(
        refused.starts_with("The provisioned throughput for the index by-p will not change."),
        "{refused}"
    );
    let back = UpdateTableInput {
        billing_mode: Some(BillingMode::PayPerRequest),
        ..UpdateTableInput::default()
    };
    let back = harness.update_simple(back).await.unwrap();
    assert_eq!(
        (back.on_demand_throughput, shown(back.warm_throughput)),
        (None, warm(20_000, 4_000))
    );
}

#[tokio::test]
async fn new_table_has_at_least_the_default_warm_throughput() {
    let harness = Harness::new();
    let lower = |than: &str| format!("{INVALID}Requested ReadUnitsPerSecond for WarmThroughput for {than}");
    for (input, words) in [
        (simple(), lower(&format!("table {INITIAL}"))),
        (
            provisioned(),
            lower("table is lower than ReadCapacityUnits of ProvisionedThroughput"),
        ),
    ] {
        let input = CreateTableInput {
            warm_throughput: Some(warm(4, 20_000)),
            ..input
        };
        assert_eq!(refused(harness.engine.create_table(input).await), words);
    }
    let mut index = global("by-p", vec![hash("p")], projection(ProjectionType::All, &[]));
    index.warm_throughput = Some(warm(4, 20_000));
    let input = CreateTableInput {
        global_secondary_indexes: Some(vec![index]),
        ..simple()
    };
    assert_eq!(
        refused(harness.engine.create_table(input).await),
        lower(&format!("index by-p {INITIAL}"))
    );
}

#[tokio::test]
async fn warm_throughput_grows_and_never_shrinks() {
    let harness = Harness::new();
    harness.engine.create_table(simple()).await.unwrap();
    let created = harness.once_active("simple").await;
    assert_eq!(shown(created.warm_throughput), warm(12_000, 4_000));
    let change = |read, write| UpdateTableInput {
        warm_throughput: Some(warm(read, write)),
        ..UpdateTableInput::default()
    };
    let changed = harness.update_simple(change(15_000, 4_000)).await.unwrap();
    assert_eq!(shown(changed.warm_throughput), warm(15_000, 4_000));
    for (read, write, name) in [(14_999, 4_000, "Read"), (15_000, 3_999, "Write")] {
        assert_eq!(
            refused(harness.update_simple(change(read, write)).await),
            format!(
                "{INVALID}Requested {name}UnitsPerSecond for WarmThroughput for table is lower than current WarmThroughput, \
                 decreasing WarmThroughput is not supported"
            )
        );
    }
    let input = CreateTableInput {
        table_name: "bought".to_owned(),
        ..provisioned()
    };
    harness.engine.create_table(input).await.unwrap();
    assert_eq!(shown(harness.once_active("bought").await.warm_throughput), warm(5, 6));
}

#[tokio::test]
async fn explicitly_set_class_is_shown() {
    let harness = Harness::new();
    let created = harness.engine.create_table(simple()).await.unwrap();
    assert_eq!(created.table_class_summary, None);
    let change = |table_class| UpdateTableInput {
        table_class: Some(table_class),
        ..UpdateTableInput::default()
    };
    let same = harness.update_simple(change(TableClass::Standard)).await.unwrap();
    assert_eq!(same.table_class_summary, None);
    let changed = harness
        .update_simple(change(TableClass::StandardInfrequentAccess))
        .await
        .unwrap();
    let summary = |table_class, since| {
        Some(TableClassSummary {
            table_class,
            last_update_date_time_ms: since,
        })
    };
    assert_eq!(
        changed.table_class_summary,
        summary(TableClass::StandardInfrequentAccess, Some(NOW_MS))
    );
    let input = CreateTableInput {
        table_name: "rare".to_owned(),
        table_class: Some(TableClass::StandardInfrequentAccess),
        ..simple()
    };
    let rare = harness.engine.create_table(input).await.unwrap();
    assert_eq!(
        rare.table_class_summary,
        summary(TableClass::StandardInfrequentAccess, None)
    );
}

#[tokio::test]
async fn an_index_has_maxima_and_warm_throughput_of_its_own() {
    let harness = Harness::new();
    let mut input = music();
    let indexes = input.global_secondary_indexes.as_mut().unwrap();
    indexes[0].on_demand_throughput = maxima(3, 4);
    indexes[0].warm_throughput = Some(warm(13_000, 4_000));
    let by_genre = |table: TableDescription| {
        let indexes = table.global_secondary_indexes.unwrap();
        let index = indexes
            .into_iter()
            .find(|index| index.index_name == "by-genre")
            .unwrap();
        (index.on_demand_throughput, shown(index.warm_throughput))
    };
    let created = harness.engine.create_table(input).await.unwrap();
    assert_eq!(by_genre(created), (maxima(3, 4), warm(13_000, 4_000)));
    let update = |on_demand_throughput, warm_throughput| UpdateTableInput {
        table_name: "music".to_owned(),
        global_secondary_index_updates: Some(vec![GlobalSecondaryIndexUpdate::Update {
            index_name: "by-genre".to_owned(),
            provisioned_throughput: None,
            on_demand_throughput,
            warm_throughput,
        }]),
        ..UpdateTableInput::default()
    };
    let changed = harness
        .engine
        .update_table(update(maxima(5, -1), Some(warm(14_000, 5_000))))
        .await;
    assert_eq!(by_genre(changed.unwrap()), (maxima(5, -1), warm(14_000, 5_000)));
    let shrunk = harness.engine.update_table(update(None, Some(warm(1, 1)))).await;
    assert!(refused(shrunk).contains("for index by-genre is lower than current"));
    let nothing = refused(harness.engine.update_table(update(None, None)).await);
    assert!(
        nothing.contains("The only Updates for index: by-genre when TableThroughputMode is PAY_PER_REQUEST"),
        "{nothing}"
    );
}

#[tokio::test]
async fn the_settings_stay_when_a_table_becomes_global() {
    let harness = Harness::new();
    let input = CreateTableInput {
        on_demand_throughput: maxima(10, 11),
        warm_throughput: Some(warm(20_000, 5_000)),
        ..simple()
    };
    harness.engine.create_table(input).await.unwrap();
    let replica = UpdateTableInput {
        replica_updates: Some(vec![ReplicationGroupUpdate::Create {
            region_name: "eu-west-1".to_owned(),
        }]),
        ..UpdateTableInput::default()
    };
    let global = harness.update_simple(replica).await.unwrap();
    assert_eq!(global.on_demand_throughput, maxima(10, 11));
    assert_eq!(shown(global.warm_throughput), warm(20_000, 5_000));
}

#[tokio::test]
async fn throughput_shows_change_times_and_decreases_of_today() {
    let harness = Harness::new();
    let mut index = global("by-p", vec![hash("p")], projection(ProjectionType::All, &[]));
    index.provisioned_throughput = units(2, 2);
    let indexed = CreateTableInput {
        global_secondary_indexes: Some(vec![index]),
        ..provisioned()
    };
    let created = harness.engine.create_table(indexed).await.unwrap();
    let changes = |table: &TableDescription| {
        let throughput = table.provisioned_throughput;
        (
            throughput.last_increase_date_time_ms,
            throughput.last_decrease_date_time_ms,
            throughput.number_of_decreases_today,
        )
    };
    assert_eq!(changes(&created), (None, None, 0));
    let change = async |read, write| {
        let input = UpdateTableInput {
            provisioned_throughput: units(read, write),
            ..UpdateTableInput::default()
        };
        changes(&harness.update_simple(input).await.unwrap())
    };
    assert_eq!(change(6, 6).await, (Some(NOW_MS), None, 0));
    assert_eq!(change(7, 5).await, (Some(NOW_MS), Some(NOW_MS), 1));
    assert_eq!(change(6, 5).await, (Some(NOW_MS), Some(NOW_MS), 2));
    // The clock shows 22:13 UTC, so two hours later is another day.
    let later = NOW_MS + 2 * 60 * 60 * 1000;
    harness.clock.set(later);
    assert_eq!(
        changes(&harness.once_active("simple").await),
        (Some(NOW_MS), Some(NOW_MS), 0)
    );
    assert_eq!(change(5, 5).await, (Some(NOW_MS), Some(later), 1));
    // Changes of an index or of the billing mode do not change the table's units.
    let index = GlobalSecondaryIndexUpdate::Update {
        index_name: "by-p".to_owned(),
        provisioned_throughput: units(1, 1),
        on_demand_throughput: None,
        warm_throughput: None,
    };
    let input = UpdateTableInput {
        global_secondary_index_updates: Some(vec![index]),
        ..UpdateTableInput::default()
    };
    let updated = harness.update_simple(input).await.unwrap();
    assert_eq!(changes(&updated), (Some(NOW_MS), Some(later), 1));
    let indexes = updated.global_secondary_indexes.unwrap();
    assert_eq!(
        indexes[0].provisioned_throughput.last_decrease_date_time_ms,
        Some(later)
    );
    let on_demand = UpdateTableInput {
        billing_mode: Some(BillingMode::PayPerRequest),
        ..UpdateTableInput::default()
    };
    let updated = harness.update_simple(on_demand).await.unwrap();
    assert_eq!(changes(&updated), (Some(NOW_MS), Some(later), 1));
}
