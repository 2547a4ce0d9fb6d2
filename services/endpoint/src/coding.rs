//! Content codings: decompresses requests, and compresses answers for clients that accept it.

use std::{borrow::Cow, io::Read};

use flate2::{Compression, read};
use http::{HeaderMap, HeaderValue, header};

use crate::refusal::EndpointRefusal;

/// Answers below this size, in bytes, are not compressed.
const COMPRESSED_FROM_BYTES: usize = 4096;

/// The content coding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// The gzip format, RFC 1952.
    Gzip,
    /// The zlib format, RFC 1950, despite the name.
    Deflate,
}

impl Coding {
    /// All codings, in the order of preference if the client has none.
    const ALL: [Self; 2] = [Self::Gzip, Self::Deflate];

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// The coding as the header of an answer names it.
    pub(crate) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|coding| coding.name().eq_ignore_ascii_case(name))
    }

    /// The coding in which the client wants its answer, if any.
    ///
    /// The header is read as leniently as DynamoDB reads it: a quality that cannot be parsed counts
    /// as 1, one above 1 as 1, one below 0 as 0, and only the first of several such headers counts.
    /// Codings that the client names come before those that a `*` covers, and earlier ones before
    /// later ones. A preference for the identity coding is ignored.
    pub(crate) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
        let entries: Vec<(&str, f64)> = text.split(',').map(entry).collect();
        let best = |name: &str| {
            let same = entries
                .iter()
                .enumerate()
                .filter(|(_, (entry, _))| entry.eq_ignore_ascii_case(name));
            // Takes the first of the maximal elements.
            same.fold(None, |best: Option<(f64, usize)>, (place, (_, quality))| match best {
                Some((greatest, _)) if greatest >= *quality => best,
                _ => Some((*quality, place)),
            })
        };
        let star = best("*").map(|(quality, _)| (quality, usize::MAX));
        let rated = Self::ALL.into_iter().filter_map(|coding| {
            let (quality, place) = best(coding.name()).or(star)?;
            (quality > 0.0).then_some((coding, quality, place))
        });
        rated
            .reduce(|one, two| {
                let better = two.1 > one.1 || (two.1.total_cmp(&one.1).is_eq() && two.2 < one.2);
                if better { two } else { one }
            })
            .map(|(coding, _, _)| coding)
    }

    /// Compresses the body, if that is worthwhile.
    pub(crate) fn applied(self, body: &[u8]) -> Option<Vec<u8>> {
        if body.len() < COMPRESSED_FROM_BYTES {
            return None;
        }
        let mut coded = Vec::with_capacity(body.len() / 4);
        let level = Compression::default();
        let done = match self {
            Self::Gzip => read::GzEncoder::new(body, level).read_to_end(&mut coded),
            Self::Deflate => read::ZlibEncoder::new(body, level).read_to_end(&mut coded),
        };
        // Reading from memory does not fail.
        done.ok().map(|_| coded)
    }
}

/// Splits one entry of the header into the name of the coding and its quality.
fn entry(text: &str) -> (&str, f64) {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let quality = parameters
        .split_once("q=")
        .and_then(|(_, rest)| rest.split(';').next())
        .and_then(|quality| quality.trim().parse::<f64>().ok());
    (name.trim(), quality.unwrap_or(1.0).clamp(0.0, 1.0))
}

/// Whether the request declares a content coding.
pub(crate) fn is_coded(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_ENCODING)
}

/// The decompressed body of a request, at most `bytes_max` bytes long.
///
/// # Errors
/// [`EndpointRefusal::Undecodable`] for an unknown coding and for a body that does not match its
/// coding, as in DynamoDB; [`EndpointRefusal::TooLarge`] for a body that is too large.
pub(crate) fn decoded<'b>(
    headers: &HeaderMap,
    body: &'b [u8],
    bytes_max: usize,
) -> Result<Cow<'b, [u8]>, EndpointRefusal> {
    let Some(coding) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(Cow::Borrowed(body));
    };
    let name = coding.to_str().unwrap_or_default().trim();
    if name.eq_ignore_ascii_case("identity") {
        return Ok(Cow::Borrowed(body));
    }
    let mut plain = Vec::with_capacity(body.len().min(bytes_max));
    let limit = bytes_max as u64 + 1;
    let read = match Coding::named(name) {
        // Several concatenated streams form one body (RFC 1952, section 2.2).
        Some(Coding::Gzip) => read::MultiGzDecoder::new(body).take(limit).read_to_end(&mut plain),
        Some(Coding::Deflate) => read::ZlibDecoder::new(body).take(limit).read_to_end(&mut plain),
        None => return Err(EndpointRefusal::Undecodable),
    };
    match read {
        Ok(count) if count > bytes_max => Err(EndpointRefusal::TooLarge),
        // An empty body is not valid in any coding.
        Ok(_) if !body.is_empty() => Ok(Cow::Owned(plain)),
        _ => Err(EndpointRefusal::Undecodable),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn accepting(values: &[&str]) -> HeaderMap {
        let value = |value: &&str| (header::ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        values.iter().map(value).collect()
    }

    #[test]
    fn answer_uses_the_coding_with_the_best_quality() {
        let (gzip, deflate) = (Some(Coding::Gzip), Some(Coding::Deflate));
        for (header, wanted) in [
            ("", None),
            ("identity", None),
            ("br, zstd, compress, x-gzip", None),
            ("gzip, deflate", gzip),
            ("br, identity, deflate, gzip", deflate),
            ("GZIP, identity", gzip),
            ("dog, gzip ,, cat", gzip),
            ("gzip;q=0.2, deflate;q=0.5", deflate),
            ("deflate;q=0.2, gzip;q=0.5", gzip),
            ("gzip;q=0", None),
            ("gzip; q=0;q=1", None),
            ("gzip;q=0, gzip;q=0.3", gzip),
            ("gzip;q=0.0001", gzip),
            ("deflate;q=0.9, gzip;q=7", gzip),
            ("gzip;q=7, deflate;q=9", gzip),
            ("deflate;q=0.9, gzip;q=much", gzip),
            ("deflate;q=-1, gzip;q=0.1", gzip),
            ("*", gzip),
            ("*;q=0", None),
            ("*, gzip;q=0.5", deflate),
            ("*, deflate", deflate),
            ("*;q=0.5, identity", gzip),
            ("\"gzip\"", None),
            ("gzip br", None),
        ] {
            assert_eq!(Coding::wanted(&accepting(&[header])), wanted, "{header}");
        }
        assert_eq!(Coding::wanted(&HeaderMap::new()), None);
        assert_eq!(Coding::wanted(&accepting(&["identity", "deflate"])), None);
        assert_eq!(Coding::wanted(&accepting(&["deflate", "identity"])), deflate);
    }

    #[test]
    fn only_large_answers_are_coded_and_come_back_whole() {
        let text = "0123456789".repeat(1000);
        for coding in Coding::ALL {
            assert_eq!(coding.applied(&text.as_bytes()[..COMPRESSED_FROM_BYTES - 1]), None);
            let coded = coding.applied(text.as_bytes()).unwrap();
            assert!(coded.len() < text.len() / 10);
            let headers = [(header::CONTENT_ENCODING, coding.header())].into_iter().collect();
            assert_eq!(decoded(&headers, &coded, text.len()).unwrap(), text.as_bytes());
            let too_large = decoded(&headers, &coded, text.len() - 1).unwrap_err();
            assert_eq!(too_large, EndpointRefusal::TooLarge);
        }
    }

    #[test]
    fn body_that_does_not_match_its_coding_is_rejected() {
        let gzip = Coding::Gzip.applied(&[b'x'; COMPRESSED_FROM_BYTES]).unwrap();
        let broken = &gzip[..gzip.len() - 1];
        let bodies: [(&str, &[u8]); 7] = [
            ("gzip", b"{}"),
            ("gzip", b""),
            ("gzip", broken),
            ("deflate", b"{}"),
            ("deflate", b""),
            ("deflate", &gzip),
            ("br", b"{}"),
        ];
        for (coding, body) in bodies {
            let headers = [(header::CONTENT_ENCODING, HeaderValue::from_static(coding))]
                .into_iter()
                .collect();
            let refused = decoded(&headers, body, 1 << 20).unwrap_err();
            assert_eq!(refused, EndpointRefusal::Undecodable, "{coding} {body:?}");
        }
    }

    #[test]
    fn concatenated_streams_form_one_body() {
        let part = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let headers = [(header::CONTENT_ENCODING, HeaderValue::from_static("GZip"))]
            .into_iter()
            .collect();
        let both = [part("{\"a\":"), part("1}")].concat();
        assert_eq!(decoded(&headers, &both, 100).unwrap(), b"{\"a\":1}".as_slice());
        let headers = [(header::CONTENT_ENCODING, HeaderValue::from_static("identity"))]
            .into_iter()
            .collect();
        assert_eq!(decoded(&headers, b"{}", 100).unwrap(), b"{}".as_slice());
    }
}
