//! Authentication: AWS Signature Version 4, verified against configured credentials, or with any
//! credentials accepted.

mod canonical;
mod claim;
mod timestamp;

#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use sha2::{Digest, Sha256};

pub(crate) use claim::credential;
use claim::{Claim, Credential};
pub use claim::{CredentialScope, access_key};
use timestamp::format_basic;

use crate::refusal::EndpointRefusal;

/// The maximum difference between the time of a signature and this region's wall clock, in seconds.
const SKEW_SECONDS: u64 = 15 * 60;
/// The maximum validity of a pre-signed URL, in seconds (a week).
const EXPIRES_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

/// Whether the signatures of requests are verified.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Development mode: a request needs a well-formed signature, which every SDK produces, but
    /// neither the signer nor the signature is checked.
    #[default]
    AcceptAny,
    /// Only requests that are correctly signed with one of these secrets, by access key id, for
    /// this region and the service, within fifteen minutes of the region's wall clock.
    Verify(BTreeMap<String, String>),
}

impl fmt::Debug for Authentication {
    /// Shows the access key ids, never the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptAny => f.write_str("AcceptAny"),
            Self::Verify(secrets) => f
                .debug_tuple("Verify")
                .field(&secrets.keys().collect::<Vec<_>>())
                .finish(),
        }
    }
}

impl Authentication {
    /// Accepts or rejects a request to a region's service. `service` is the service that
    /// credentials must be scoped to.
    ///
    /// # Errors
    /// DynamoDB's errors, in the order of its checks.
    pub(crate) fn check(
        &self,
        parts: &Parts,
        body: &[u8],
        region: &str,
        service: &str,
        now_ms: u64,
    ) -> Result<(), EndpointRefusal> {
        let claim = Claim::read(parts)?;
        match self {
            Self::AcceptAny => Ok(()),
            Self::Verify(secrets) => verify(&claim, parts, body, secrets, (region, service), now_ms / 1000),
        }
    }
}

fn verify(
    claim: &Claim,
    parts: &Parts,
    body: &[u8],
    secrets: &BTreeMap<String, String>,
    (region, service): (&str, &str),
    now: u64,
) -> Result<(), EndpointRefusal> {
    check_date(claim, now)?;
    if !claim.signed_headers.iter().any(|name| name == "host") {
        return Err(EndpointRefusal::InvalidSignature(
            "'Host' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
        ));
    }
    if claim.algorithm != ALGORITHM {
        return Err(EndpointRefusal::IncompleteSignature(format!(
            "Unsupported AWS 'algorithm': '{}' (only {ALGORITHM} for now). ",
            claim.algorithm
        )));
    }
    check_scope(&claim.credential, &claim.date, (region, service))?;
    let secret = secrets
        .get(&claim.credential.key_id)
        .ok_or(EndpointRefusal::UnrecognizedClient(
            "The security token included in the request is invalid.",
        ))?;
    let body_hash = hex::encode(Sha256::digest(body));
    let canonical = canonical::canonical_request(
        &parts.method,
        &parts.uri,
        &parts.headers,
        &claim.signed_headers,
        &body_hash,
    );
    if !signature_fits(claim, &canonical, secret) {
        return Err(EndpointRefusal::InvalidSignature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
             and signing method. Consult the service documentation for details."
                .to_owned(),
        ));
    }
    if claim.token.is_some() {
        return Err(EndpointRefusal::UnrecognizedClient(
            "The security token included in the request is invalid",
        ));
    }
    Ok(())
}

fn check_date(claim: &Claim, now: u64) -> Result<(), EndpointRefusal> {
    let signed = claim.signed_at()?;
    let (valid, named) = match claim.expires_seconds {
        None => (SKEW_SECONDS, "15 min.".to_owned()),
        Some(seconds) if seconds <= EXPIRES_SECONDS_MAX => (seconds, format!("{seconds} s")),
        Some(seconds) => {
            return Err(EndpointRefusal::IncompleteSignature(format!(
                "X-Amz-Expires must be less than a week (in seconds); {seconds} is more than {EXPIRES_SECONDS_MAX}."
            )));
        }
    };
    let oldest = now.saturating_sub(valid);
    let newest = now.saturating_add(SKEW_SECONDS);
    if signed < oldest {
        return Err(EndpointRefusal::InvalidSignature(format!(
            "Signature expired: {} is now earlier than {} ({} - {named})",
            claim.date,
            format_basic(oldest),
            format_basic(now)
        )));
    }
    if signed > newest {
        return Err(EndpointRefusal::InvalidSignature(format!(
            "Signature not yet current: {} is still later than {} ({} + 15 min.)",
            claim.date,
            format_basic(newest),
            format_basic(now)
        )));
    }
    Ok(())
}

/// Reports every wrong part of the scope in one message.
fn check_scope(credential: &Credential, date: &str, (region, service): (&str, &str)) -> Result<(), EndpointRefusal> {
    let mut wrong = String::new();
    if credential.region != region {
        wrong.push_str(&format!(
            "Credential should be scoped to a valid region, not '{}'. ",
            credential.region
        ));
    }
    if credential.service != service {
        wrong.push_str(&format!(
            "Credential should be scoped to correct service: '{service}'. "
        ));
    }
    if credential.terminator != TERMINATOR {
        wrong.push_str(&format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'. ",
            credential.terminator
        ));
    }
    let day = date.get(..8).unwrap_or_default();
    if credential.date != day {
        wrong.push_str(&format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', from \
             '{date}'.",
            credential.date
        ));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(EndpointRefusal::InvalidSignature(wrong))
    }
}

/// Whether the claim's signature is the one that the secret yields; compares in constant time.
fn signature_fits(claim: &Claim, canonical_request: &str, secret: &str) -> bool {
    let Ok(given) = hex::decode(&claim.signature) else {
        return false;
    };
    let to_sign = format!(
        "{ALGORITHM}\n{}\n{}\n{}",
        claim.date,
        claim.credential.scope(),
        hex::encode(Sha256::digest(canonical_request))
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    let Credential {
        date,
        region,
        service,
        terminator,
        ..
    } = &claim.credential;
    for part in [date, region, service, terminator] {
        key = keyed(&key, part.as_bytes()).finalize().into_bytes().to_vec();
    }
    keyed(&key, to_sign.as_bytes()).verify_slice(&given).is_ok()
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn keyed(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC accepts keys of any length");
    mac.update(message);
    mac
}
