//! The canonical request, which a signature covers, as defined by Signature Version 4 (AWS IAM user
//! guide, "Create a signed AWS API request", step 1).

use http::{HeaderMap, HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All characters except those that RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same set for paths, in which slashes are not encoded.
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');
/// The query parameter that contains the signature itself, and which the signature therefore does
/// not cover.
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// Builds the canonical request. `signed_headers` are lower-case; `body_hash` is the hexadecimal
/// SHA-256 of the body.
pub(crate) fn canonical_request(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    signed_headers: &[String],
    body_hash: &str,
) -> String {
    let mut canonical = String::with_capacity(512);
    canonical.push_str(method.as_str());
    canonical.push('\n');
    canonical.push_str(&canonical_path(uri.path()));
    canonical.push('\n');
    canonical.push_str(&canonical_query(uri.query().unwrap_or_default()));
    canonical.push('\n');
    for name in signed_headers {
        canonical.push_str(name);
        canonical.push(':');
        for (position, value) in headers.get_all(name).iter().enumerate() {
            if position > 0 {
                canonical.push(',');
            }
            push_trimmed(value, &mut canonical);
        }
        canonical.push('\n');
    }
    canonical.push('\n');
    canonical.push_str(&signed_headers.join(";"));
    canonical.push('\n');
    canonical.push_str(body_hash);
    canonical
}

/// The path without dot segments and repeated slashes, percent-encoded once more than it arrived.
fn canonical_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut normal = String::from("/");
    normal.push_str(&kept.join("/"));
    if !kept.is_empty() && path.ends_with('/') {
        normal.push('/');
    }
    utf8_percent_encode(&normal, ENCODED_IN_PATH).to_string()
}

/// The parameters, encoded and then sorted by name and value, without the signature.
fn canonical_query(query: &str) -> String {
    let mut parameters: Vec<(String, String)> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (encode_again(name), encode_again(value)))
        .filter(|(name, _)| name != SIGNATURE_PARAMETER)
        .collect();
    parameters.sort_unstable();
    let parameters: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parameters.join("&")
}

/// Normalizes the percent-encoding, so that all encodings of a text become the same.
fn encode_again(text: &str) -> String {
    let decoded: Vec<u8> = percent_decode_str(text).collect();
    percent_encoding::percent_encode(&decoded, ENCODED).to_string()
}

/// Appends a header's value, without leading and trailing blanks and with inner runs of blanks
/// reduced to one.
fn push_trimmed(value: &HeaderValue, canonical: &mut String) {
    let text = String::from_utf8_lossy(value.as_bytes());
    for (position, word) in text.split([' ', '\t']).filter(|word| !word.is_empty()).enumerate() {
        if position > 0 {
            canonical.push(' ');
        }
        canonical.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_normalised_and_encoded_once_more() {
        for (path, canonical) in [
            ("/", "/"),
            ("", "/"),
            ("/example/..", "/"),
            ("/example1/example2/../..", "/"),
            ("/./example", "/example"),
            ("//example//", "/example/"),
            ("/a%20b", "/a%2520b"),
        ] {
            assert_eq!(canonical_path(path), canonical, "{path}");
        }
    }

    #[test]
    fn a_query_is_sorted_by_its_encoded_names_and_values() {
        assert_eq!(
            canonical_query("Param-3=Value3&Param=Value2&%E1%88%B4=Value1"),
            "%E1%88%B4=Value1&Param=Value2&Param-3=Value3"
        );
        assert_eq!(canonical_query("b&a=2&a=1&X-Amz-Signature=00"), "a=1&a=2&b=");
    }

    #[test]
    fn blanks_in_a_header_shrink_to_one() {
        let mut text = String::new();
        push_trimmed(&HeaderValue::from_static("  a   b  c "), &mut text);
        assert_eq!(text, "a b c");
    }
}
