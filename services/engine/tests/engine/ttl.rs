//! Tests of UpdateTimeToLive, DescribeTimeToLive, and the expiry of items.

use beringia_clock::WallClock;
use beringia_engine::{
    ApiError,
    api::{
        DescribeTimeToLiveInput, DescribeTimeToLiveOutput, TimeToLiveSpecification, TimeToLiveStatus,
        UpdateTimeToLiveInput, UpdateTimeToLiveOutput,
    },
};
use beringia_item::AttributeValue;
use beringia_storage::{ReplicaStatus, Store, StoreError};

use crate::support::{Harness, NOW_MS, item, n, refused, region, s};

const NOW_S: i64 = (NOW_MS / 1000).cast_signed();
const FIVE_YEARS_S: i64 = 5 * 365 * 86_400;

fn specification(enabled: bool, attribute: &str) -> TimeToLiveSpecification {
    TimeToLiveSpecification {
        enabled,
        attribute_name: attribute.to_owned(),
    }
}

async fn update<S: Store>(
    harness: &Harness<S>,
    table: &str,
    enabled: bool,
    attribute: &str,
) -> Result<UpdateTimeToLiveOutput, ApiError> {
    let input = UpdateTimeToLiveInput {
        table_name: table.to_owned(),
        time_to_live_specification: specification(enabled, attribute),
    };
    harness.engine.update_time_to_live(input).await
}

async fn describe<S: Store>(harness: &Harness<S>, table: &str) -> Result<DescribeTimeToLiveOutput, ApiError> {
    let input = DescribeTimeToLiveInput {
        table_name: table.to_owned(),
    };
    harness.engine.describe_time_to_live(input).await
}

fn described(attribute: Option<&str>) -> DescribeTimeToLiveOutput {
    DescribeTimeToLiveOutput {
        time_to_live_status: match attribute {
            Some(_) => TimeToLiveStatus::Enabled,
            None => TimeToLiveStatus::Disabled,
        },
        attribute_name: attribute.map(str::to_owned),
    }
}

impl Harness {
    async fn expiring(self) -> Self {
        let harness = self.with_simple().await;
        update(&harness, "simple", true, "until").await.unwrap();
        harness
    }

    async fn put_until(&self, p: &str, until: AttributeValue) {
        self.put("simple", item([("p", s(p)), ("until", until)])).await;
    }

    async fn is_there(&self, p: &str) -> bool {
        self.get("simple", item([("p", s(p))])).await.is_some()
    }
}

#[tokio::test]
async fn the_setting_is_changed_and_described() {
    let harness = Harness::new().with_simple().await;
    assert_eq!(describe(&harness, "simple").await, Ok(described(None)));
    let on = update(&harness, "simple", true, "until").await.unwrap();
    assert_eq!(on.time_to_live_specification, specification(true, "until"));
    assert_eq!(describe(&harness, "simple").await, Ok(described(Some("until"))));
    let off = update(&harness, "simple", false, "until").await.unwrap();
    assert_eq!(off.time_to_live_specification, specification(false, "until"));
    assert_eq!(describe(&harness, "simple").await, Ok(described(None)));
    update(&harness, "simple", true, "p").await.unwrap();
    assert_eq!(describe(&harness, "simple").await, Ok(described(Some("p"))));
}

#[tokio::test]
async fn unchanged_setting_or_other_attribute_is_rejected() {
    let harness = Harness::new().with_simple().await;
    let off = update(&harness, "simple", false, "until").await;
    assert_eq!(refused(off), "TimeToLive is already disabled");
    update(&harness, "simple", true, "until").await.unwrap();
    let on = update(&harness, "simple", true, "until").await;
    assert_eq!(refused(on), "TimeToLive is already enabled");
    for enabled in [true, false] {
        assert_eq!(
            refused(update(&harness, "simple", enabled, "other").await),
            "TimeToLive is active on a different AttributeName: current AttributeName is until"
        );
    }
    assert_eq!(describe(&harness, "simple").await, Ok(described(Some("until"))));
}

#[tokio::test]
async fn names_of_the_wrong_length_and_unknown_tables_are_refused() {
    let harness = Harness::new().with_simple().await;
    let long = "a".repeat(256);
    for (attribute, constraint) in [("", "greater than or equal to 1"), (&long, "less than or equal to 255")] {
        let message = refused(update(&harness, "simple", true, attribute).await);
        let expected = format!(
            "1 validation error detected: Value '{attribute}' at 'timeToLiveSpecification.attributeName' failed to satisfy \
             constraint: Member must have length {constraint}"
        );
        assert_eq!(message, expected);
    }
    let not_found = ApiError::ResourceNotFound("Requested resource not found: Table: nothing not found".to_owned());
    assert_eq!(update(&harness, "nothing", true, "a").await, Err(not_found.clone()));
    assert_eq!(describe(&harness, "nothing").await, Err(not_found));
}

#[tokio::test]
async fn a_table_that_is_being_created_cannot_be_changed() {
    let harness = Harness::faked().with_simple().await;
    harness.store.alter("simple", |table| table.bootstrapped = false);
    assert_eq!(
        update(&harness, "simple", true, "until").await,
        Err(ApiError::ResourceInUse(
            "Attempt to change a resource which is still in use: Table is being created: simple".to_owned()
        ))
    );
}

#[tokio::test]
async fn only_items_whose_time_has_passed_within_five_years_expire() {
    let harness = Harness::new().expiring().await;
    let fraction = AttributeValue::N(format!("{}.5", NOW_S - 1).parse().unwrap());
    let cases = [
        ("a second ago", n(NOW_S - 1), false),
        ("half a second ago", fraction, false),
        ("now", n(NOW_S), true),
        ("in a second", n(NOW_S + 1), true),
        ("five years ago", n(NOW_S - FIVE_YEARS_S), false),
        ("before that", n(NOW_S - FIVE_YEARS_S - 1), true),
        ("zero", n(0), true),
        ("negative", n(-1), true),
        ("milliseconds", n(NOW_S * 1000), true),
        ("text", s(&(NOW_S - 1).to_string()), true),
        ("a list", AttributeValue::L(vec![n(NOW_S - 1)]), true),
    ];
    for (name, until, _) in &cases {
        harness.put_until(name, until.clone()).await;
    }
    harness.put("simple", item([("p", s("none"))])).await;
    assert_eq!(harness.engine.expire(0).await, Ok(3));
    for (name, _, stays) in cases {
        assert_eq!(harness.is_there(name).await, stays, "{name}");
    }
    assert!(harness.is_there("none").await);
    assert_eq!(harness.engine.expire(0).await, Ok(0));
    harness.clock.set(harness.clock.now_ms() + 1000);
    assert_eq!(harness.engine.expire(0).await, Ok(1));
    assert!(!harness.is_there("now").await);
}

#[tokio::test]
async fn many_items_expire_in_one_sweep() {
    let harness = Harness::new().expiring().await;
    for i in 0..500 {
        let until = if i % 5 == 0 { NOW_S + i } else { NOW_S - i };
        harness.put_until(&i.to_string(), n(until)).await;
    }
    assert_eq!(harness.engine.expire(0).await, Ok(400));
    assert_eq!(harness.items(), 100);
}

#[tokio::test]
async fn nothing_expires_while_expiry_is_off() {
    let harness = Harness::new().expiring().await;
    harness.put_until("a", n(NOW_S - 1)).await;
    update(&harness, "simple", false, "until").await.unwrap();
    assert_eq!(harness.engine.expire(0).await, Ok(0));
    assert!(harness.is_there("a").await);
    update(&harness, "simple", true, "until").await.unwrap();
    while harness.engine.expire(0).await == Ok(0) {
        tokio::task::yield_now().await;
    }
    assert!(!harness.is_there("a").await);
}

#[tokio::test]
async fn store_failure_is_reported() {
    let harness = Harness::new().expiring().await;
    harness.put_until("a", n(NOW_S - 1)).await;
    harness.store.close().await;
    assert_eq!(harness.engine.expire(0).await, Err(StoreError::Closed));
}

#[tokio::test]
async fn a_replica_that_is_not_active_expires_nothing() {
    let harness = Harness::faked().with_simple().await;
    update(&harness, "simple", true, "until").await.unwrap();
    harness
        .put("simple", item([("p", s("a")), ("until", n(NOW_S - 1))]))
        .await;
    harness.store.alter("simple", |table| {
        let status = ReplicaStatus::Deleting;
        let replica = beringia_storage::Replica { status, since_ms: 0 };
        table.replicas.insert(region("us-east-1"), replica);
    });
    assert_eq!(harness.engine.expire(0).await, Ok(0));
}

#[tokio::test]
async fn drained_region_leaves_expired_items_to_the_others() {
    let harness = Harness::new().expiring().await;
    harness.put_until("gone", n(NOW_S - 10)).await;
    harness.engine.stop_writes();
    assert_eq!(harness.engine.expire(0).await, Ok(0));
    assert!(harness.is_there("gone").await);
    harness.engine.allow_writes();
    assert_eq!(harness.engine.expire(0).await, Ok(1));
}

#[tokio::test]
async fn nothing_expires_while_the_clock_is_behind() {
    let harness = Harness::new().expiring().await;
    harness.put_until("gone", n(NOW_S - 60)).await;
    let now_ms = harness.clock.now_ms();
    harness.clock.set(now_ms - 10_000);
    assert_eq!(harness.engine.expire(0).await, Ok(0));
    assert!(harness.is_there("gone").await);
    harness.clock.set(now_ms);
    assert_eq!(harness.engine.expire(0).await, Ok(1));
}
