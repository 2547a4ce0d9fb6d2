//! What every answer carries: an id, a date, a checksum.

use std::{sync::Arc, time::Duration, time::UNIX_EPOCH};

use beringia_clock::{Randomness, WallClock};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use crate::error::Failure;

/// The body of an answer, whole.
pub type Body = Full<Bytes>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-crc32");
/// Characters of a request id.
const REQUEST_ID_LENGTH: usize = 52;
/// What they are drawn from: five bits each.
const REQUEST_ID_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

/// Of which type a JSON answer says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    /// `application/json`, for requests that say so, or say nothing.
    Json,
    /// `application/x-amz-json-1.0`.
    AmzJson,
}

/// Makes answers.
#[derive(Clone)]
pub(crate) struct Stamp {
    clock: Arc<dyn WallClock>,
    randomness: Arc<dyn Randomness>,
}

impl Stamp {
    pub(crate) fn new(clock: Arc<dyn WallClock>, randomness: Arc<dyn Randomness>) -> Self {
        Self { clock, randomness }
    }

    /// An answer of JSON.
    pub(crate) fn json(&self, status: StatusCode, content_type: ContentType, body: Vec<u8>) -> Response<Body> {
        let content_type = match content_type {
            ContentType::Json => "application/json",
            ContentType::AmzJson => "application/x-amz-json-1.0",
        };
        let mut response = self.stamped(status, Bytes::from(body));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// The answer to a request that failed.
    pub(crate) fn failure(&self, content_type: ContentType, failure: &Failure) -> Response<Body> {
        let body = serde_json::to_vec(failure).unwrap_or_default();
        self.json(failure.status(), content_type, body)
    }

    /// An answer of text, without a content type, as DynamoDB gives where no operation is concerned.
    pub(crate) fn plain(&self, status: StatusCode, body: String) -> Response<Body> {
        self.stamped(status, Bytes::from(body))
    }

    fn stamped(&self, status: StatusCode, body: Bytes) -> Response<Body> {
        let checksum = HeaderValue::from(crc32fast::hash(&body));
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::SERVER, HeaderValue::from_static("Server"));
        if let Ok(id) = HeaderValue::from_bytes(&self.request_id()) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(CHECKSUM, checksum);
        if let Ok(date) = HeaderValue::from_str(&self.date()) {
            headers.insert(header::DATE, date);
        }
        response
    }

    fn request_id(&self) -> [u8; REQUEST_ID_LENGTH] {
        let mut id = [0; REQUEST_ID_LENGTH];
        // Twelve characters of five bits fit into one draw.
        for part in id.chunks_mut(12) {
            let mut bits = self.randomness.next_u64();
            for character in part {
                *character = REQUEST_ID_ALPHABET[usize::from(bits.to_le_bytes()[0] & 31)];
                bits >>= 5;
            }
        }
        id
    }

    fn date(&self) -> String {
        // HTTP's dates have four digits for the year.
        const END_OF_9999: u64 = 253_402_300_799;
        let seconds = (self.clock.now_ms() / 1000).min(END_OF_9999);
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use beringia_clock::{ManualClock, SeededRandomness};

    use super::*;

    fn stamp(seed: u64) -> Stamp {
        Stamp::new(
            Arc::new(ManualClock::new(784_111_777_999)),
            Arc::new(SeededRandomness::new(seed)),
        )
    }

    #[test]
    fn an_answer_carries_id_date_and_checksum() {
        let answer = stamp(1).plain(StatusCode::NOT_FOUND, "<UnknownOperationException/>\n".to_owned());
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("date"), "Sun, 06 Nov 1994 08:49:37 GMT");
        // DynamoDB's own checksum of this body.
        assert_eq!(header("x-amz-crc32"), "3552371480");
        let id = header("x-amzn-requestid");
        assert_eq!(id.len(), 52);
        assert!(id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()), "{id}");
    }

    #[test]
    fn ids_come_from_the_seed_and_differ_from_answer_to_answer() {
        let stamps = [stamp(1), stamp(1), stamp(2)];
        let firsts = stamps.each_ref().map(Stamp::request_id);
        assert_eq!(firsts[0], firsts[1]);
        assert_ne!(firsts[0], firsts[2]);
        assert_ne!(stamps[0].request_id(), firsts[0]);
    }

    #[test]
    fn a_clock_at_the_end_of_time_still_gives_a_date() {
        let stamp = Stamp::new(Arc::new(ManualClock::new(u64::MAX)), Arc::new(SeededRandomness::new(1)));
        assert_eq!(stamp.date(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
