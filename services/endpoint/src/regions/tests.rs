//! Which region answers, and how the endpoint notices that one is down.

use beringia_clock::{ManualClock, SeededRandomness};
use futures_util::future::BoxFuture;
use http::Response;
use tokio::time::sleep;

use super::*;
use crate::{
    Authentication,
    service::{Early, Protocol, Received, Route, Service, SharedService},
};

/// Answers every request with success.
struct Healthy;

impl Service for Healthy {
    type Prepared = ();

    fn routes(&self) -> &'static [Route] {
        &[Route {
            name: "tables",
            scope: "data",
            target_prefixes: &[],
            path_prefixes: &[],
            protocol: Protocol::AwsJson10,
        }]
    }

    fn prepare(&self, _request: &Received<'_>) -> Result<(), Early> {
        Err(Response::new(Bytes::from("healthy")).into())
    }

    fn answer<'r>(&'r self, _request: Received<'r>, (): ()) -> BoxFuture<'r, Response<Bytes>> {
        Box::pin(async { Response::new(Bytes::new()) })
    }
}

fn services(region: &str) -> Arc<RegionServices> {
    let (clock, randomness) = (Arc::new(ManualClock::new(0)), Arc::new(SeededRandomness::new(1)));
    let service = SharedService::new(Arc::new(Healthy));
    Arc::new(RegionServices::new(
        region,
        Authentication::AcceptAny,
        clock,
        randomness,
        service,
    ))
}

/// Three regions that are up, of which the next is the nearest.
fn regions(policy: ShiftPolicy) -> Arc<Regions> {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let nearest = [("a", ["b", "c"]), ("b", ["c", "a"]), ("c", ["a", "b"])];
    let nearest = nearest.map(|(region, others)| (region.to_owned(), others.map(str::to_owned).to_vec()));
    let regions = Regions::new(NAMES).following(policy, nearest.into(), ["data"]);
    for name in NAMES {
        regions.up(services(name));
    }
    Arc::new(regions)
}

/// The region that answers a request, and the one that it was rerouted from.
fn found(regions: &Regions, region: &str, service: &str) -> Result<(String, Option<String>), Unroutable> {
    let resolved = regions.resolve(Some(CredentialScope {
        access_key: "any",
        region,
        service,
    }))?;
    Ok((resolved.services.region().to_owned(), resolved.rerouted_from))
}

/// The region that answers a request for data.
fn serving(regions: &Regions, region: &str) -> Result<String, Unroutable> {
    found(regions, region, "data").map(|(serving, _)| serving)
}

#[test]
fn placeholders_are_remembered_within_bounds() {
    let regions = Regions::new(["us-east-1"]);
    for number in 0..2 * NAMES_LOGGED_MAX {
        let name = format!("{number}\n{}", "x".repeat(10_000));
        for _ in 0..2 {
            let down = Unroutable::Down("us-east-1".to_owned());
            assert_eq!(serving(&regions, &name).err(), Some(down));
        }
    }
    let logged = regions.logged.read();
    assert_eq!(logged.len(), NAMES_LOGGED_MAX);
    for name in &*logged {
        assert_eq!(name.len(), NAME_LOGGED_LENGTH_MAX);
    }
}

/// Placeholders follow the first region, since they stand for it.
#[tokio::test(start_paused = true)]
async fn another_region_answers_for_one_that_was_left() {
    let ttl = Duration::from_secs(5);
    let regions = regions(ShiftPolicy::Dns { ttl });
    regions.shift("a", Some("c"));
    assert_eq!(found(&regions, "a", "data"), Ok(("a".to_owned(), None)));
    sleep(ttl).await;
    let moved = Ok(("c".to_owned(), Some("a".to_owned())));
    assert_eq!(found(&regions, "a", "data"), moved);
    assert_eq!(found(&regions, "local", "data"), moved);
    assert_eq!(found(&regions, "b", "data"), Ok(("b".to_owned(), None)));
    // Experiments, for example, are of one region.
    assert_eq!(found(&regions, "a", "fis"), Ok(("a".to_owned(), None)));
    regions.down("c");
    assert_eq!(serving(&regions, "a"), Err(Unroutable::Down("c".to_owned())));
    regions.undo_shift("a");
    assert_eq!(found(&regions, "a", "data"), Ok(("a".to_owned(), None)));
}

/// The first check is at once.
#[tokio::test(start_paused = true)]
async fn health_checks_find_a_region_that_goes_and_returns() {
    let interval = Duration::from_secs(10);
    let regions = regions(ShiftPolicy::HealthCheck { threshold: 3, interval });
    let checking = tokio::spawn({
        let regions = Arc::clone(&regions);
        async move { regions.check_health().await }
    });
    sleep(Duration::from_secs(5)).await;
    regions.down("a");
    // Checks after 5, 15 and 25 s.
    sleep(Duration::from_secs(24)).await;
    assert_eq!(serving(&regions, "a"), Err(Unroutable::Down("a".to_owned())));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(serving(&regions, "a"), Ok("b".to_owned()), "the nearest region");
    assert!(regions.reroutes()[0].is_failing);
    regions.shift("a", Some("c"));
    assert_eq!(
        serving(&regions, "a"),
        Ok("c".to_owned()),
        "where its clients were moved"
    );
    regions.up(services("a"));
    sleep(Duration::from_secs(28)).await;
    assert_eq!(
        serving(&regions, "a"),
        Ok("c".to_owned()),
        "until it passes three times"
    );
    sleep(Duration::from_secs(2)).await;
    assert_eq!(serving(&regions, "a"), Ok("a".to_owned()));
    checking.abort();
}
