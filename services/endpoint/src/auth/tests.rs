//! Signatures: requests as botocore signs them, and everything that can be wrong with one.

use http::Request;
use serde_json::Value;

use super::*;

pub(super) const KEY: &str = "AKIDEXAMPLE";
pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2024-02-29T23:59:58Z, when the requests below were signed.
const SIGNED: u64 = 1_709_251_198;
const REGION: &str = "eu-west-1";
const SERVICE: &str = "dynamodb";
const BODY: &[u8] = b"{\"TableName\": \"Music\"}";
/// The `Authorization` header as botocore generates it.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240229/eu-west-1/dynamodb/aws4_request, \
     SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
     Signature=5311b9249ece0e94c16b36d5a7e8716f43e88f8c1fda577903e4e3eac6f33f86";
const TARGET: &str = "DynamoDB_20120810.DescribeTable";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// The request that botocore signed, with another `Authorization` header.
fn signed_as(authorization: &str) -> Parts {
    parts(
        "/",
        &[
            ("host", "localhost:8001"),
            ("content-type", CONTENT_TYPE),
            ("x-amz-date", "20240229T235958Z"),
            ("x-amz-target", TARGET),
            ("authorization", authorization),
        ],
    )
}

fn known_keys() -> Authentication {
    Authentication::Verify(BTreeMap::from([(KEY.to_owned(), SECRET.to_owned())]))
}

fn check(parts: &Parts, now: u64) -> Result<(), EndpointRefusal> {
    known_keys().check(parts, BODY, REGION, SERVICE, now * 1000)
}

/// Region and service of the request's credential.
fn scope(request: &Parts) -> Option<(String, String)> {
    let credential = credential(request)?;
    let scope = CredentialScope::of(&credential)?;
    Some((scope.region.to_owned(), scope.service.to_owned()))
}

/// The exception's name without its namespace, and the message.
fn reported(result: Result<(), EndpointRefusal>) -> (String, String) {
    let body = serde_json::to_value(result.unwrap_err()).unwrap();
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    (
        text("__type")
            .trim_start_matches("com.amazon.coral.service#")
            .to_owned(),
        text("message"),
    )
}

/// A request signed by botocore is accepted up to fifteen minutes before and after its date.
#[test]
fn signed_request_is_accepted_within_15_minutes() {
    let request = signed_as(AUTHORIZATION);
    for now in [SIGNED, SIGNED + 900, SIGNED - 900] {
        assert_eq!(check(&request, now), Ok(()));
    }
}

#[test]
fn old_and_future_signatures_are_rejected() {
    let request = signed_as(AUTHORIZATION);
    assert_eq!(
        reported(check(&request, SIGNED + 901)),
        (
            "InvalidSignatureException".to_owned(),
            "Signature expired: 20240229T235958Z is now earlier than 20240229T235959Z (20240301T001459Z - 15 min.)"
                .to_owned()
        )
    );
    assert_eq!(
        reported(check(&request, SIGNED - 901)),
        (
            "InvalidSignatureException".to_owned(),
            "Signature not yet current: 20240229T235958Z is still later than 20240229T235957Z (20240229T234457Z + 15 min.)"
                .to_owned()
        )
    );
}

#[test]
fn changed_request_is_rejected() {
    let refused = |result| {
        let (name, message) = reported(result);
        assert_eq!(name, "InvalidSignatureException");
        assert!(
            message.starts_with("The request signature we calculated does not match"),
            "{message}"
        );
    };
    let good = signed_as(AUTHORIZATION);
    refused(known_keys().check(&good, b"{\"TableName\": \"Magic\"}", REGION, SERVICE, SIGNED * 1000));
    let mut retargeted = signed_as(AUTHORIZATION);
    retargeted
        .headers
        .insert("x-amz-target", "DynamoDB_20120810.DeleteTable".parse().unwrap());
    refused(check(&retargeted, SIGNED));
    let mut moved = signed_as(AUTHORIZATION);
    moved.uri = "/?a=b".parse().unwrap();
    refused(check(&moved, SIGNED));
    refused(check(&signed_as(&AUTHORIZATION.replace("5311b9", "5311b8")), SIGNED));
    refused(check(&signed_as(&AUTHORIZATION.replace("5311b9", "no hex")), SIGNED));
    refused(check(
        &signed_as(&AUTHORIZATION.replace("content-type;host", "host")),
        SIGNED,
    ));
    let wrong_secret = Authentication::Verify(BTreeMap::from([(KEY.to_owned(), "secret".to_owned())]));
    refused(wrong_secret.check(&good, BODY, REGION, SERVICE, SIGNED * 1000));
}

#[test]
fn an_unknown_key_and_a_session_token_are_unrecognized() {
    let (name, message) = reported(check(&signed_as(&AUTHORIZATION.replace(KEY, "AKIDOTHER")), SIGNED));
    assert_eq!(
        (name.as_str(), message.as_str()),
        (
            "UnrecognizedClientException",
            "The security token included in the request is invalid."
        )
    );
    let mut with_token = signed_as(AUTHORIZATION);
    with_token
        .headers
        .insert("x-amz-security-token", "token".parse().unwrap());
    assert_eq!(reported(check(&with_token, SIGNED)).0, "UnrecognizedClientException");
}

#[test]
fn wrong_scope_is_reported_part_by_part() {
    let request =
        signed_as(&AUTHORIZATION.replace("20240229/eu-west-1/dynamodb/aws4_request", "20240228/mars-1/s3/aws3"));
    assert_eq!(
        reported(check(&request, SIGNED)),
        (
            "InvalidSignatureException".to_owned(),
            "Credential should be scoped to a valid region, not 'mars-1'. Credential should be scoped to correct service: \
             'dynamodb'. Credential should be scoped with a valid terminator: 'aws4_request', not 'aws3'. Date in Credential \
             scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20240228' != '20240229', from \
             '20240229T235958Z'."
                .to_owned()
        )
    );
}

#[test]
fn signature_without_host_or_of_another_kind_is_rejected() {
    let (name, message) = reported(check(&signed_as(&AUTHORIZATION.replace("host;", "")), SIGNED));
    assert_eq!(name, "InvalidSignatureException");
    assert_eq!(message, "'Host' must be a 'SignedHeader' in the AWS Authorization.");
    let (name, message) = reported(check(&signed_as(&AUTHORIZATION.replace("SHA256", "SHA25")), SIGNED));
    assert_eq!(name, "IncompleteSignatureException");
    assert_eq!(
        message,
        "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). "
    );
}

#[test]
fn a_presigned_url_passes_until_it_expires() {
    let uri = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20240229%2Feu-west-1%2Fdynamodb%2Faws4_request\
               &X-Amz-Date=20240229T235958Z&X-Amz-Expires=600&X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-target\
               &X-Amz-Signature=80dff645df28d38be03d37e0148e02bf160e2f1afd301af84b44c6d71120a422";
    let request = parts(
        uri,
        &[
            ("host", "localhost:8001"),
            ("content-type", CONTENT_TYPE),
            ("x-amz-target", "DynamoDB_20120810.ListTables"),
        ],
    );
    // Botocore moves the parameters of the body into the URL, and signs an empty body.
    let check = |now: u64| known_keys().check(&request, b"", REGION, SERVICE, now * 1000);
    assert_eq!(check(SIGNED + 600), Ok(()));
    assert!(reported(check(SIGNED + 601)).1.starts_with("Signature expired"));
    assert_eq!(scope(&request), Some((REGION.to_owned(), SERVICE.to_owned())));
}

#[test]
fn missing_parts_of_a_signature_are_named() {
    let missing = "Request is missing Authentication Token";
    let needs = |name: &str| format!("Authorization header requires '{name}' parameter. ");
    let query = |name: &str| format!("AWS query-string parameters must include '{name}'. ");
    let both = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.";
    let no_date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
    let all = ["Credential", "Signature", "SignedHeaders"].map(needs).concat();
    let names = ["Algorithm", "Credential", "Signature", "SignedHeaders", "Date"].map(|name| format!("X-Amz-{name}"));
    let all_query = names.each_ref().map(|name| query(name)).concat();
    let date = ("date", "a");
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str, String);
    let cases: Vec<Case<'_>> = vec![
        ("/", vec![], "MissingAuthenticationToken", missing.to_owned()),
        ("/", vec![("authorization", "AWS4")], "MissingAuthenticationToken", missing.to_owned()),
        ("/?X-Amz-Algorith", vec![("authorization", "X")], "MissingAuthenticationToken", missing.to_owned()),
        ("/?X-Amz-Credential=a&X-Amz-Signature=b", vec![], "MissingAuthenticationToken", missing.to_owned()),
        ("/?X-Amz-Algorithm", vec![("authorization", "X")], "InvalidSignature", both.to_owned()),
        (
            "/",
            vec![("authorization", "AWS4-")],
            "IncompleteSignature",
            format!("{all}{no_date}Authorization=AWS4-"),
        ),
        (
            "/",
            vec![("authorization", "AWS4- Signature=b,Credential=a"), date],
            "IncompleteSignature",
            format!("{}Authorization=AWS4- Signature=b,Credential=a", needs("SignedHeaders")),
        ),
        (
            "/?X-Amz-Algorithm",
            vec![],
            "IncompleteSignature",
            format!("{all_query}Re-examine the query-string parameters."),
        ),
        (
            "/?X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d",
            vec![],
            "IncompleteSignature",
            format!("{}Re-examine the query-string parameters.", query("X-Amz-SignedHeaders")),
        ),
        (
            "/",
            vec![("authorization", "AWS4-X Signature=b, Credential=a/b/c/d, SignedHeaders=host"), date],
            "IncompleteSignature",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c/d'"
                .to_owned(),
        ),
    ];
    for (uri, headers, name, message) in cases {
        let request = parts(uri, &headers);
        for authentication in [known_keys(), Authentication::AcceptAny] {
            let reported = reported(authentication.check(&request, b"", REGION, SERVICE, SIGNED * 1000));
            assert_eq!(
                reported,
                (format!("{name}Exception"), message.clone()),
                "{uri} {headers:?}"
            );
        }
    }
}

#[test]
fn malformed_date_is_rejected_and_http_date_accepted() {
    let mut request = signed_as(AUTHORIZATION);
    request.headers.insert("x-amz-date", "201".parse().unwrap());
    assert_eq!(
        reported(check(&request, SIGNED)).1,
        "Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601"
    );
    request.headers.remove("x-amz-date");
    request
        .headers
        .insert("date", "Thu, 29 Feb 2024 23:59:58 GMT".parse().unwrap());
    assert_eq!(Claim::read(&request).unwrap().signed_at(), Ok(SIGNED));
}

/// Development mode still reads the region from the credential scope.
#[test]
fn development_mode_accepts_any_credentials() {
    let authorization =
        "AWS4-HMAC-SHA256 Credential=me/19700101/mars-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
    let request = signed_as(authorization);
    assert_eq!(
        Authentication::AcceptAny.check(&request, BODY, REGION, SERVICE, SIGNED * 1000),
        Ok(())
    );
    assert_eq!(scope(&request), Some(("mars-1".to_owned(), SERVICE.to_owned())));
    assert_eq!(scope(&parts("/", &[])), None);
}

#[test]
fn secrets_are_never_shown() {
    let shown = format!("{:?}", known_keys());
    assert!(shown.contains(KEY) && !shown.contains(SECRET), "{shown}");
}
