//! The requests of the test suite that AWS publishes for Signature Version 4, with the published
//! signatures.

use http::{Method, Request};
use sha2::{Digest, Sha256};

use super::{
    canonical::canonical_request,
    claim::Claim,
    signature_fits,
    tests::{KEY, SECRET},
};

const HOST: (&str, &str) = ("host", "example.amazonaws.com");
const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");
const PLAIN: &[(&str, &str)] = &[HOST, DATE];

struct Example {
    method: Method,
    uri: &'static str,
    headers: &'static [(&'static str, &'static str)],
    signed_headers: &'static str,
    body: &'static str,
    signature: &'static str,
}

/// A request without a body, whose only headers are host and date.
const fn plain(method: Method, uri: &'static str, signature: &'static str) -> Example {
    Example {
        method,
        uri,
        headers: PLAIN,
        signed_headers: "host;x-amz-date",
        body: "",
        signature,
    }
}

const EXAMPLES: &[Example] = &[
    plain(
        Method::GET,
        "/",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    plain(
        Method::POST,
        "/",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    plain(
        Method::GET,
        "/?Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    plain(
        Method::GET,
        "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=\
         -._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    ),
    plain(
        Method::GET,
        "/?%E1%88%B4=bar",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    plain(
        Method::GET,
        "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
    ),
    plain(
        Method::GET,
        "//example//",
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
    plain(
        Method::GET,
        "/example1/example2/../..",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    Example {
        method: Method::GET,
        uri: "/",
        headers: &[
            HOST,
            ("my-header1", "value2"),
            ("my-header1", "value2"),
            ("my-header1", "value1"),
            DATE,
        ],
        signed_headers: "host;my-header1;x-amz-date",
        body: "",
        signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    },
    Example {
        method: Method::GET,
        uri: "/",
        headers: &[HOST, ("my-header1", " value1"), ("my-header2", " \"a   b   c\""), DATE],
        signed_headers: "host;my-header1;my-header2;x-amz-date",
        body: "",
        signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    },
    Example {
        method: Method::POST,
        uri: "/",
        headers: &[
            ("content-type", "application/x-www-form-urlencoded"),
            HOST,
            ("content-length", "13"),
            DATE,
            (
                "x-amz-content-sha256",
                "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
            ),
        ],
        signed_headers: "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
        body: "Param1=value1",
        signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    },
];

#[test]
fn published_examples_verify_and_altered_ones_do_not() {
    for example in EXAMPLES {
        let mut request = Request::builder().method(example.method.clone()).uri(example.uri);
        for (name, value) in example.headers {
            request = request.header(*name, *value);
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={KEY}/20150830/us-east-1/service/aws4_request, SignedHeaders={}, Signature={}",
            example.signed_headers, example.signature
        );
        let parts = request
            .header("authorization", authorization)
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let claim = Claim::read(&parts).unwrap();
        let body_hash = hex::encode(Sha256::digest(example.body));
        let canonical = canonical_request(
            &parts.method,
            &parts.uri,
            &parts.headers,
            &claim.signed_headers,
            &body_hash,
        );
        assert!(
            signature_fits(&claim, &canonical, SECRET),
            "{}: {canonical}",
            example.uri
        );
        assert!(!signature_fits(&claim, &canonical, "another secret"), "{}", example.uri);
        assert!(
            !signature_fits(&claim, &format!("{canonical} "), SECRET),
            "{}",
            example.uri
        );
    }
}
