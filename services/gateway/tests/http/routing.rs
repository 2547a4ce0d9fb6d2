//! The endpoint for all regions: the credential scope chooses the region.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_endpoint::{Authentication, ConnectionLimits, RegionServices, Regions, ShiftPolicy};
use beringia_gateway::CREDENTIAL_SCOPE;
use serde_json::json;

use crate::support::{AUTHORIZATION, Client, EmptyStore, ReceivedAnswer, Running, gateway, services, signed};

fn of(region: &str, authentication: Authentication) -> Arc<RegionServices> {
    services(gateway(EmptyStore::new(region)), authentication)
}

fn regions(names: &[&str]) -> Arc<Regions> {
    brought_up(Regions::new(names.iter().copied()), names)
}

/// Regions that refuse one name.
fn regions_without(elsewhere: &'static str, names: &[&str]) -> Arc<Regions> {
    let advice = move |asked: &str| (asked == elsewhere).then(|| format!("Go to {asked}."));
    brought_up(Regions::new(names.iter().copied()).advising(advice), names)
}

fn brought_up(regions: Regions, names: &[&str]) -> Arc<Regions> {
    // In the reverse order, which must not matter.
    for name in names.iter().rev() {
        regions.up(of(name, Authentication::AcceptAny));
    }
    Arc::new(regions)
}

/// Lists the tables as a client of that region.
async fn ask(client: &mut Client, region: &str) -> ReceivedAnswer {
    let authorization = AUTHORIZATION.replace("eu-west-1", region);
    client
        .ask(signed(&authorization, "ListTables", &json!({}).to_string()))
        .await
}

/// Without a host, so that the answer names the region.
const HEALTH_CHECK: &str = "GET / HTTP/1.1\r\n\r\n";

#[tokio::test]
async fn each_request_goes_to_its_own_region() {
    let all = regions(&["eu-west-1"]);
    // Only this region verifies signatures, so an error shows that it answered.
    all.up(of("us-east-1", Authentication::Verify([].into())));
    let server = Running::with(all, ConnectionLimits::default());
    let mut client = server.connect();
    assert_eq!(ask(&mut client, "eu-west-1").await.status, 200);
    let refused = ask(&mut client, "us-east-1").await;
    assert_eq!(refused.exception(), "UnrecognizedClientException");
    assert_eq!(ask(&mut client, "eu-west-1").await.status, 200);
}

#[tokio::test]
async fn error_for_a_region_elsewhere_lists_those_here() {
    let regions = regions_without("mars-1", &["us-east-1", "eu-west-1"]);
    let server = Running::with(regions, ConnectionLimits::default());
    let answer = ask(&mut server.connect(), "mars-1").await;
    assert_eq!(
        (answer.status, answer.exception().as_str()),
        (400, "InvalidSignatureException")
    );
    assert_eq!(
        answer.json()["message"],
        "Credential should be scoped to a valid region, not 'mars-1'. The regions of this endpoint are us-east-1, eu-west-1. Go \
         to mars-1."
    );
}

#[tokio::test]
async fn first_region_answers_for_names_of_no_region() {
    let all = regions_without("mars-1", &["us-east-1", "eu-west-1"]);
    // Only this region verifies signatures, so an error shows that it answered.
    all.up(of("us-east-1", Authentication::Verify([].into())));
    let server = Running::with(all.clone(), ConnectionLimits::default());
    let mut client = server.connect();
    for name in ["local", "localhost", "eu-west-1a", "%0A"] {
        let answer = ask(&mut client, name).await;
        assert_eq!(
            (answer.status, answer.exception().as_str()),
            (400, "InvalidSignatureException")
        );
        assert_eq!(
            answer.json()["message"],
            format!("Credential should be scoped to a valid region, not '{name}'. ")
        );
    }
    // No other region answers in the place of the first one.
    all.down("us-east-1");
    let answer = ask(&mut client, "local").await;
    assert_eq!(
        (answer.status, answer.exception().as_str()),
        (503, "ServiceUnavailable")
    );
    assert_eq!(answer.json()["message"], "The region us-east-1 is not running.");
}

#[tokio::test]
async fn stopped_region_says_so_until_it_is_up_again() {
    let all = regions(&["us-east-1", "eu-west-1"]);
    let server = Running::with(all.clone(), ConnectionLimits::default());
    let mut client = server.connect();
    all.down("eu-west-1");
    let answer = ask(&mut client, "eu-west-1").await;
    assert_eq!(
        (answer.status, answer.exception().as_str()),
        (503, "ServiceUnavailable")
    );
    assert_eq!(answer.json()["message"], "The region eu-west-1 is not running.");
    // The client has to connect again.
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.closed().await);
    let mut client = server.connect();
    assert_eq!(ask(&mut client, "us-east-1").await.status, 200);
    all.up(of("eu-west-1", Authentication::AcceptAny));
    assert_eq!(ask(&mut client, "eu-west-1").await.status, 200);
}

/// Also on a connection on which the other region has answered.
#[tokio::test]
async fn requests_for_a_region_go_where_its_clients_moved() {
    let names = ["eu-west-1", "us-east-1"];
    let policy = ShiftPolicy::Dns { ttl: Duration::ZERO };
    let all = Regions::new(names).following(policy, BTreeMap::new(), [CREDENTIAL_SCOPE]);
    let all = brought_up(all, &names);
    let server = Running::with(all.clone(), ConnectionLimits::default());
    let mut client = server.connect();
    // Without a host, so that the answer names the region.
    let asked = signed(AUTHORIZATION, "DescribeEndpoints", "{}").replace("host: localhost\r\n", "");
    let mut served_by = async || {
        let answer = client.ask(&asked).await;
        answer.json()["Endpoints"][0]["Address"].clone()
    };
    assert_eq!(served_by().await, "dynamodb.eu-west-1.amazonaws.com");
    all.shift("eu-west-1", Some("us-east-1"));
    assert_eq!(served_by().await, "dynamodb.us-east-1.amazonaws.com");
    all.down("eu-west-1");
    assert_eq!(served_by().await, "dynamodb.us-east-1.amazonaws.com");
}

#[tokio::test]
async fn a_health_check_is_answered_by_a_region_that_runs() {
    let all = regions(&["eu-west-1", "us-east-1"]);
    let server = Running::with(all.clone(), ConnectionLimits::default());
    let mut client = server.connect();
    assert_eq!(
        client.ask(HEALTH_CHECK).await.text(),
        "healthy: dynamodb.eu-west-1.amazonaws.com "
    );
    all.down("eu-west-1");
    assert_eq!(
        client.ask(HEALTH_CHECK).await.text(),
        "healthy: dynamodb.us-east-1.amazonaws.com "
    );
    all.down("us-east-1");
    assert_eq!(client.ask(HEALTH_CHECK).await.status, 503);
}

#[tokio::test]
async fn request_without_a_scope_fails_at_the_signature() {
    let server = Running::with(regions(&["eu-west-1"]), ConnectionLimits::default());
    let mut client = server.connect();
    let unsigned = signed("nothing", "ListTables", "{}");
    assert_eq!(
        client.ask(unsigned).await.exception(),
        "MissingAuthenticationTokenException"
    );
    let short = signed(
        "AWS4-HMAC-SHA256 Credential=me/eu-west-1, SignedHeaders=host, Signature=0",
        "ListTables",
        "{}",
    );
    assert_eq!(client.ask(short).await.exception(), "IncompleteSignatureException");
}
