//! The claims of a request about its signer, in the `Authorization` header or in the parameters of
//! a pre-signed URL.

use std::borrow::Cow;

use http::{HeaderMap, Uri, header, request::Parts};
use percent_encoding::percent_decode_str;

use super::timestamp::parse_basic;
use crate::refusal::EndpointRefusal;

/// A request's claim about its signer, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The signature algorithm; only `AWS4-HMAC-SHA256` is accepted.
    pub(crate) algorithm: String,
    /// The key that signed, and the scope of its signature.
    pub(crate) credential: Credential,
    /// The signature as the request states it; hexadecimal digits, if it is well-formed.
    pub(crate) signature: String,
    /// The names of the signed headers, lower-case and in order.
    pub(crate) signed_headers: Vec<String>,
    /// When the request was signed, as the signature states it.
    pub(crate) date: String,
    /// The session token of temporary credentials.
    pub(crate) token: Option<String>,
    /// How long a pre-signed URL is valid, in seconds.
    pub(crate) expires_seconds: Option<u64>,
}

/// A credential of the form `keyid/date/region/service/term`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) key_id: String,
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) terminator: String,
}

/// The credential of a request, well-formed or not.
pub(crate) fn credential(parts: &Parts) -> Option<Cow<'_, str>> {
    match authorization(&parts.headers) {
        Some(Cow::Borrowed(text)) => authorization_parameter(text, "Credential").map(Cow::Borrowed),
        Some(Cow::Owned(text)) => {
            authorization_parameter(&text, "Credential").map(|found| Cow::Owned(found.to_owned()))
        }
        None => query_parameter(&parts.uri, "X-Amz-Credential").map(Cow::Owned),
    }
}

/// The access key id in a request's credential; `None` if the request is not signed, or its
/// credential is malformed. It is what the client claims, whether or not signatures are verified.
#[must_use]
pub fn access_key(parts: &Parts) -> Option<String> {
    let credential = credential(parts)?;
    pieces(&credential).map(|[key, ..]| key.to_owned())
}

/// What a credential names: the access key, and the region and the service that it is valid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialScope<'c> {
    /// The access key id, as the client claims it; the signature may not have been checked.
    pub access_key: &'c str,
    /// The name of the region, as the client gives it.
    pub region: &'c str,
    /// The name of the service in signatures, such as `dynamodb`.
    pub service: &'c str,
}

impl<'c> CredentialScope<'c> {
    /// The scope of a credential; `None` if the credential is malformed.
    pub(crate) fn of(credential: &'c str) -> Option<Self> {
        pieces(credential).map(|[access_key, _, region, service, _]| Self {
            access_key,
            region,
            service,
        })
    }
}

impl Claim {
    /// Reads the claim from a request.
    ///
    /// # Errors
    /// DynamoDB's error for a request without a claim, with two claims or with an incomplete one.
    pub(crate) fn read(parts: &Parts) -> Result<Self, EndpointRefusal> {
        let presigned = query_parameter(&parts.uri, "X-Amz-Algorithm");
        match (authorization(&parts.headers), presigned) {
            (Some(_), Some(_)) => Err(EndpointRefusal::InvalidSignature(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.".to_owned(),
            )),
            (Some(text), None) if text.starts_with("AWS4-") => Self::from_header(&text, &parts.headers),
            (None, Some(algorithm)) => Self::from_query(algorithm, &parts.uri),
            _ => Err(EndpointRefusal::MissingToken),
        }
    }

    fn from_header(text: &str, headers: &HeaderMap) -> Result<Self, EndpointRefusal> {
        let [credential, signature, signed_headers] =
            ["Credential", "Signature", "SignedHeaders"].map(|name| authorization_parameter(text, name));
        let date = header_text(headers, "x-amz-date").or_else(|| http_date(headers).map(Cow::Owned));
        let mut wrong = String::new();
        for (name, value) in [
            ("Credential", credential),
            ("Signature", signature),
            ("SignedHeaders", signed_headers),
        ] {
            if value.is_none_or(str::is_empty) {
                wrong.push_str(&format!("Authorization header requires '{name}' parameter. "));
            }
        }
        if date.is_none() {
            wrong.push_str("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
        }
        match (credential, signature, signed_headers, date) {
            (Some(credential), Some(signature), Some(signed_headers), Some(date)) if wrong.is_empty() => Ok(Self {
                algorithm: text.split([' ', ',']).next().unwrap_or_default().to_owned(),
                credential: Credential::parse(credential)?,
                signature: signature.to_owned(),
                signed_headers: header_names(signed_headers),
                date: date.into_owned(),
                token: header_text(headers, "x-amz-security-token").map(Cow::into_owned),
                expires_seconds: None,
            }),
            _ => Err(EndpointRefusal::IncompleteSignature(format!(
                "{wrong}Authorization={text}"
            ))),
        }
    }

    fn from_query(algorithm: String, uri: &Uri) -> Result<Self, EndpointRefusal> {
        const REQUIRED: [&str; 4] = [
            "X-Amz-Credential",
            "X-Amz-Signature",
            "X-Amz-SignedHeaders",
            "X-Amz-Date",
        ];
        let mut wrong = String::new();
        let mut complain = |name: &str| wrong.push_str(&format!("AWS query-string parameters must include '{name}'. "));
        if algorithm.is_empty() {
            complain("X-Amz-Algorithm");
        }
        let values = REQUIRED.map(|name| {
            let value = query_parameter(uri, name).filter(|value| !value.is_empty());
            if value.is_none() {
                complain(name);
            }
            value
        });
        let expires = query_parameter(uri, "X-Amz-Expires");
        let expires_seconds = expires.as_deref().and_then(|text| text.parse().ok());
        match values {
            [Some(credential), Some(signature), Some(signed_headers), Some(date)] if wrong.is_empty() => {
                if expires.is_some() && expires_seconds.is_none() {
                    return Err(EndpointRefusal::IncompleteSignature(
                        "X-Amz-Expires must be a number of seconds.".to_owned(),
                    ));
                }
                Ok(Self {
                    algorithm,
                    credential: Credential::parse(&credential)?,
                    signature,
                    signed_headers: header_names(&signed_headers),
                    date,
                    token: query_parameter(uri, "X-Amz-Security-Token"),
                    expires_seconds,
                })
            }
            _ => Err(EndpointRefusal::IncompleteSignature(format!(
                "{wrong}Re-examine the query-string parameters."
            ))),
        }
    }

    /// When the request was signed, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// DynamoDB's error for a date of another form.
    pub(crate) fn signed_at(&self) -> Result<u64, EndpointRefusal> {
        parse_basic(&self.date).ok_or_else(|| {
            EndpointRefusal::IncompleteSignature(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
                self.date
            ))
        })
    }
}

impl Credential {
    fn parse(text: &str) -> Result<Self, EndpointRefusal> {
        let [key_id, date, region, service, terminator] = pieces(text)
            .ok_or_else(|| {
                EndpointRefusal::IncompleteSignature(format!(
                    "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{text}'"
                ))
            })?
            .map(str::to_owned);
        Ok(Self {
            key_id,
            date,
            region,
            service,
            terminator,
        })
    }

    /// The scope that the signature covers: the credential without the key id.
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}/{}/{}", self.date, self.region, self.service, self.terminator)
    }
}

/// The five parts of a credential; `None` if there are fewer or more.
fn pieces(credential: &str) -> Option<[&str; 5]> {
    let mut pieces = credential.trim_end_matches('/').split('/');
    let five = [(); 5].map(|()| pieces.next());
    let [Some(key_id), Some(date), Some(region), Some(service), Some(terminator)] = five else {
        return None;
    };
    pieces
        .next()
        .is_none()
        .then_some([key_id, date, region, service, terminator])
}

fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<Cow<'h, str>> {
    headers
        .get(name)
        .map(|value| match String::from_utf8_lossy(value.as_bytes()) {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        })
}

fn authorization(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    header_text(headers, header::AUTHORIZATION.as_str())
}

/// The `Date` header, converted to the basic format if it has HTTP's own.
fn http_date(headers: &HeaderMap) -> Option<String> {
    let text = header_text(headers, header::DATE.as_str())?;
    let seconds = httpdate::parse_http_date(&text)
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .map(|since| since.as_secs());
    Some(seconds.map_or_else(|| text.into_owned(), super::timestamp::format_basic))
}

/// The value of a `name=value` pair in the `Authorization` header, whose pairs are separated by
/// commas, blanks or both. It compares bytes for speed, since every request is searched for several
/// pairs.
fn authorization_parameter<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let ends = memchr::memchr2_iter(b',', b' ', text.as_bytes()).chain([text.len()]);
    let mut begin = 0;
    let mut pairs = ends.map(|end| &text[std::mem::replace(&mut begin, end + 1)..end]);
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn query_parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri
        .query()?
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| decode(value))
        .next()
}

fn header_names(list: &str) -> Vec<String> {
    let mut names: Vec<String> = list
        .split(';')
        .map(str::to_ascii_lowercase)
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names
}
