//! Which service gets a request, and what is answered if there is none or if the signature is
//! rejected.

use beringia_clock::{ManualClock, SeededRandomness};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::*;
use crate::service::{Early, Service};

/// Answers signed requests with its own name and the region.
struct Named(&'static [Route]);

impl Service for Named {
    type Prepared = ();

    fn routes(&self) -> &'static [Route] {
        self.0
    }

    fn prepare(&self, request: &Received<'_>) -> Result<(), Early> {
        if request.parts.uri.path() == "/health" {
            return Err(Response::new(Bytes::from("healthy")).into());
        }
        Ok(())
    }

    fn answer<'r>(&'r self, request: Received<'r>, (): ()) -> BoxFuture<'r, Response<Bytes>> {
        Box::pin(async move { Response::new(format!("{} in {}", self.0[0].name, request.region).into()) })
    }
}

const TABLES: &[Route] = &[Route {
    name: "tables",
    scope: "data",
    target_prefixes: &["Tables_1"],
    path_prefixes: &[],
    protocol: Protocol::AwsJson10,
}];
const STREAMS: &[Route] = &[Route {
    name: "streams",
    scope: "data",
    target_prefixes: &["Streams_1", "Streams_2"],
    path_prefixes: &[],
    protocol: Protocol::AwsJson10,
}];
const FIS: &[Route] = &[Route {
    name: "fis",
    scope: "fis",
    target_prefixes: &[],
    path_prefixes: &["/experiments", "/actions"],
    protocol: Protocol::RestJson1,
}];

fn services(authentication: Authentication) -> RegionServices {
    services_in("eu-west-1", authentication)
}

fn services_in(region: &str, authentication: Authentication) -> RegionServices {
    // The time when the signature below was made.
    let clock = Arc::new(ManualClock::new(1_709_251_198_000));
    let shared = |routes| SharedService::new(Arc::new(Named(routes)));
    let randomness = Arc::new(SeededRandomness::new(1));
    RegionServices::new(region, authentication, clock, randomness, shared(TABLES))
        .with(&shared(STREAMS))
        .with(&shared(FIS))
}

fn request(uri: &str, target: Option<&str>) -> Parts {
    let builder = Request::get(uri);
    let builder = target
        .into_iter()
        .fold(builder, |builder, target| builder.header("x-amz-target", target));
    builder.body(()).unwrap().into_parts().0
}

/// The name of the service that gets the request, or the message of the error.
fn found(scope: Option<&str>, target: Option<&str>, path: &str) -> Result<&'static str, String> {
    let services = services(Authentication::AcceptAny);
    match services.find(scope, &request(path, target)) {
        Ok(entry) => Ok(entry.route.name),
        Err(EndpointRefusal::UnknownOperation(Some(message))) => Err(message),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn scope_routes_first_then_target_or_path() {
    for (scope, target, path, name) in [
        ("data", None, "/", "tables"),
        ("data", Some("Tables_1.Get"), "/", "tables"),
        ("data", Some("Streams_1.Get"), "/", "streams"),
        ("data", Some("Streams_2.Get"), "/", "streams"),
        ("data", Some("Other_1.Get"), "/", "tables"),
        ("data", None, "/experiments", "tables"),
        ("fis", None, "/experiments", "fis"),
        ("fis", None, "/", "fis"),
        ("fis", Some("Tables_1.Get"), "/", "fis"),
    ] {
        assert_eq!(found(Some(scope), target, path), Ok(name), "{scope} {target:?} {path}");
    }
}

#[test]
fn without_scope_target_or_path_routes() {
    for (target, path, name) in [
        (None, "/", "tables"),
        (None, "/nowhere", "tables"),
        (None, "/experimentsX", "tables"),
        (Some("nonsense"), "/", "tables"),
        (Some(""), "/", "tables"),
        (Some("Streams_1.Get"), "/", "streams"),
        (Some("Streams_1"), "/", "streams"),
        (Some("Streams_1.Get"), "/experiments", "streams"),
        (None, "/experiments", "fis"),
        (None, "/experiments/EXP1", "fis"),
        (None, "/actions?maxResults=1", "fis"),
    ] {
        assert_eq!(found(None, target, path), Ok(name), "{target:?} {path}");
    }
}

#[test]
fn unknown_service_error_lists_the_services() {
    let message = |name| format!("service '{name}' is not served here; this endpoint serves tables, streams, fis");
    assert_eq!(found(Some("kms"), None, "/"), Err(message("kms")));
    assert_eq!(found(Some("kms"), None, "/experiments"), Err(message("kms")));
    assert_eq!(
        found(Some("kms"), Some("TrentService.Encrypt"), "/experiments"),
        Err(message("kms"))
    );
    // The signature check then rejects the request for its scope.
    assert_eq!(found(Some("kms"), Some("Tables_1.Get"), "/experiments"), Ok("tables"));
    assert_eq!(
        found(None, Some("TrentService.Encrypt"), "/"),
        Err(message("TrentService"))
    );
}

/// The status, the header that names the exception, and the body.
async fn answered(
    services: &RegionServices,
    scope: Option<&str>,
    parts: Parts,
    authorization: Option<&str>,
) -> (u16, Option<String>, Bytes) {
    answered_for(services, None, scope, parts, authorization).await
}

/// As [`answered`], to a request that was rerouted from another region.
async fn answered_for(
    services: &RegionServices,
    rerouted_from: Option<&str>,
    scope: Option<&str>,
    mut parts: Parts,
    authorization: Option<&str>,
) -> (u16, Option<String>, Bytes) {
    for (name, value) in [("host", "localhost:8001"), ("x-amz-date", "20240229T235958Z")] {
        parts.headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(authorization) = authorization {
        parts.headers.insert("authorization", authorization.parse().unwrap());
    }
    let found = services.find(scope, &parts);
    let response = services.answer(found, rerouted_from, parts, Bytes::new()).await;
    assert!(
        response.headers().contains_key("x-amzn-requestid"),
        "every answer has an id and a date"
    );
    let name = response.headers().get("x-amzn-errortype");
    let name = name.map(|name| name.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    (status, name, response.into_body().collect().await.unwrap().to_bytes())
}

fn of_json(answer: (u16, Option<String>, Bytes)) -> (u16, Option<String>, Value) {
    let (status, name, body) = answer;
    (status, name, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn refusals_have_the_form_of_the_services_protocol() {
    let services = services(Authentication::AcceptAny);
    let missing = "Request is missing Authentication Token";
    let unsigned = answered(&services, None, request("/experiments", None), None).await;
    assert_eq!(
        of_json(unsigned),
        (
            403,
            Some("MissingAuthenticationTokenException".to_owned()),
            json!({"message": missing})
        )
    );
    let unsigned = answered(&services, None, request("/", Some("Streams_1.Get")), None).await;
    let kind = "com.amazon.coral.service#MissingAuthenticationTokenException";
    assert_eq!(
        of_json(unsigned),
        (400, None, json!({"__type": kind, "message": missing}))
    );
    let unknown = "service 'kms' is not served here; this endpoint serves tables, streams, fis";
    let kind = "com.amazon.coral.service#UnknownOperationException";
    let answer = answered(&services, Some("kms"), request("/", Some("TrentService.Encrypt")), None).await;
    assert_eq!(
        of_json(answer),
        (400, None, json!({"__type": kind, "message": unknown}))
    );
    let answer = answered(&services, Some("kms"), request("/keys", None), None).await;
    assert_eq!(
        of_json(answer),
        (
            404,
            Some("UnknownOperationException".to_owned()),
            json!({"message": unknown})
        )
    );
}

/// Botocore's signature of `GET /experiments?maxResults=2` for localhost:8001.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240229/eu-west-1/fis/aws4_request, \
                      SignedHeaders=host;x-amz-date, \
                      Signature=48c7b8b1986c1596e23908a9ee6bef110adda38a10d6fe8be97eff0ede7489d8";

/// Accepts requests that are signed like [`SIGNED`].
fn verifying() -> Authentication {
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    Authentication::Verify([("AKIDEXAMPLE".to_owned(), SECRET.to_owned())].into())
}

/// The region that answers checks the signature for the region that the client called.
#[tokio::test]
async fn a_rerouted_request_is_signed_for_the_region_called() {
    let other = services_in("us-east-1", verifying());
    let ask = async |from: Option<&str>, authorization: &str| {
        let parts = request("/experiments?maxResults=2", None);
        answered_for(&other, from, Some("fis"), parts, Some(authorization)).await
    };
    let is_answered = (200, None, Bytes::from("fis in us-east-1"));
    assert_eq!(ask(Some("eu-west-1"), SIGNED).await, is_answered);
    for (from, authorization) in [
        (None, SIGNED.to_owned()),
        (Some("ap-northeast-1"), SIGNED.to_owned()),
        (Some("eu-west-1"), SIGNED.replace("Signature=", "Signature=00")),
        (Some("us-east-1"), SIGNED.replace("eu-west-1", "us-east-1")),
    ] {
        let (status, name, _) = ask(from, &authorization).await;
        assert_eq!(
            (status, name.as_deref()),
            (403, Some("InvalidSignatureException")),
            "{from:?}"
        );
    }
}

#[tokio::test]
async fn a_signature_is_for_one_service_and_verified_for_each() {
    let verifying = services(verifying());
    let wrong = SIGNED.replace("Signature=", "Signature=00");
    let ask = async |services: &RegionServices, authorization: &str| {
        let parts = request("/experiments?maxResults=2", None);
        answered(services, Some("fis"), parts, Some(authorization)).await
    };
    let is_answered = (200, None, Bytes::from("fis in eu-west-1"));
    assert_eq!(ask(&verifying, SIGNED).await, is_answered);
    let (status, name, _) = ask(&verifying, &wrong).await;
    assert_eq!((status, name.as_deref()), (403, Some("InvalidSignatureException")));
    assert_eq!(ask(&services(Authentication::AcceptAny), &wrong).await, is_answered);
    // A signature for one service is not valid for another.
    let parts = request("/experiments?maxResults=2", None);
    let (status, _, body) = answered(&verifying, Some("data"), parts, Some(SIGNED)).await;
    assert_eq!(status, 400);
    let message = serde_json::from_slice::<Value>(&body).unwrap()["message"].to_string();
    assert!(message.contains("correct service: 'data'"), "{message}");
}

#[tokio::test]
async fn early_answers_need_no_signature() {
    let services = services(Authentication::Verify([].into()));
    let answer = answered(&services, None, request("/health", None), None).await;
    assert_eq!(answer, (200, None, Bytes::from("healthy")));
}
