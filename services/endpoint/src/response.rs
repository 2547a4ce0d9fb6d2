//! Adds an id, a date and a checksum to every answer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use beringia_clock::{Randomness, WallClock};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use crate::coding::Coding;

/// The whole body of an answer.
pub type Body = Full<Bytes>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-crc32");
/// The number of characters in a request id.
const REQUEST_ID_LENGTH: usize = 52;
/// The alphabet of request ids, five bits per character.
const REQUEST_ID_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

/// The id of a request. The answer carries it, and log records name the request by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestId([u8; REQUEST_ID_LENGTH]);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The alphabet is ASCII.
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// Adds dates by the region's clock, ids and checksums to answers.
pub(crate) struct ResponseHeaders {
    clock: Arc<dyn WallClock>,
    ids: Ids,
}

impl ResponseHeaders {
    pub(crate) fn new(clock: Arc<dyn WallClock>, randomness: &dyn Randomness) -> Self {
        Self {
            clock,
            ids: Ids::new(randomness),
        }
    }

    /// A unique id for a request.
    pub(crate) fn request_id(&self) -> RequestId {
        self.ids.next()
    }

    /// Completes an answer: compresses a successful one if that is worthwhile, and adds these
    /// headers. The checksum is that of the bytes sent.
    pub(crate) fn finish(&self, answer: Response<Bytes>, id: RequestId, coding: Option<Coding>) -> Response<Body> {
        let (mut head, mut body) = answer.into_parts();
        let headers = &mut head.headers;
        if head.status == StatusCode::OK
            && let Some((coding, coded)) = coding.and_then(|coding| Some((coding, coding.applied(&body)?)))
        {
            body = Bytes::from(coded);
            headers.insert(header::CONTENT_ENCODING, coding.header());
        }
        headers.insert(header::SERVER, HeaderValue::from_static("Server"));
        if let Ok(id) = HeaderValue::from_bytes(&id.0) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(CHECKSUM, HeaderValue::from(crc32fast::hash(&body)));
        if let Ok(date) = HeaderValue::from_str(&self.date()) {
            headers.insert(header::DATE, date);
        }
        Response::from_parts(head, Full::new(body))
    }

    fn date(&self) -> String {
        // HTTP dates have four digits for the year.
        const END_OF_9999: u64 = 253_402_300_799;
        let seconds = (self.clock.now_ms() / 1000).min(END_OF_9999);
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

/// Generates request ids. They must differ but need not be secret, so only their starting points
/// are random: asking the system for randomness five times per request would take longer than
/// reading the request.
struct Ids {
    beginnings: [u64; REQUEST_ID_PARTS],
    made: AtomicU64,
}

/// Sixty bits yield twelve characters.
const CHARACTERS_PER_PART: usize = 12;
const REQUEST_ID_PARTS: usize = REQUEST_ID_LENGTH.div_ceil(CHARACTERS_PER_PART);

impl Ids {
    fn new(randomness: &dyn Randomness) -> Self {
        Self {
            beginnings: std::array::from_fn(|_| randomness.next_u64()),
            made: AtomicU64::new(0),
        }
    }

    fn next(&self) -> RequestId {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; REQUEST_ID_LENGTH];
        for (part, beginning) in id.chunks_mut(CHARACTERS_PER_PART).zip(self.beginnings) {
            let mut bits = scattered(beginning, number);
            for character in part {
                *character = REQUEST_ID_ALPHABET[usize::from(bits.to_le_bytes()[0] & 31)];
                bits >>= 5;
            }
        }
        RequestId(id)
    }
}

/// The `number`th output of the generator SplitMix64 seeded with `beginning` (Steele, Lea and Flood
/// 2014, "Fast splittable pseudorandom number generators"); different for every number.
const fn scattered(beginning: u64, number: u64) -> u64 {
    let mut bits = beginning.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use beringia_clock::{ManualClock, SeededRandomness};

    use super::*;

    fn response_headers(seed: u64) -> ResponseHeaders {
        ResponseHeaders::new(
            Arc::new(ManualClock::new(784_111_777_999)),
            &SeededRandomness::new(seed),
        )
    }

    #[test]
    fn an_answer_carries_id_date_and_checksum() {
        let body = Bytes::from_static(b"<UnknownOperationException/>\n");
        let response_headers = response_headers(1);
        let id = response_headers.request_id();
        let answer = response_headers.finish(Response::new(body), id, None);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("date"), "Sun, 06 Nov 1994 08:49:37 GMT");
        // DynamoDB's own checksum of this body.
        assert_eq!(header("x-amz-crc32"), "3552371480");
        let id = header("x-amzn-requestid");
        assert_eq!(id.len(), 52);
        assert!(id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()), "{id}");
    }

    #[test]
    fn ids_follow_from_the_seed_and_differ_per_answer() {
        let all = [response_headers(1), response_headers(1), response_headers(2)];
        let firsts = all.each_ref().map(|response_headers| response_headers.ids.next());
        assert_eq!(firsts[0], firsts[1]);
        assert_ne!(firsts[0], firsts[2]);
        assert_ne!(all[0].ids.next(), firsts[0]);
    }

    #[test]
    fn ids_are_unique() {
        let response_headers = response_headers(3);
        let ids: BTreeSet<_> = (0..10_000).map(|_| response_headers.ids.next()).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn ids_scatter_like_published_splitmix64() {
        // The first outputs of SplitMix64 for the seed 1234567. The generator advances its state
        // before each output.
        let outputs: Vec<u64> = (1..=3).map(|number| scattered(1_234_567, number)).collect();
        assert_eq!(
            outputs,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_clock_at_the_end_of_time_still_gives_a_date() {
        let response_headers = ResponseHeaders::new(Arc::new(ManualClock::new(u64::MAX)), &SeededRandomness::new(1));
        assert_eq!(response_headers.date(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
