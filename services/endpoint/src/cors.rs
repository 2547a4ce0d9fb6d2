//! Requests of scripts in web pages (the Fetch standard, "CORS protocol"). Every origin is allowed.

use http::{HeaderMap, HeaderValue, Method, header, request::Parts};

/// How long a browser may cache a preflight answer, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("172800");
/// The headers of an answer that a script may read.
const EXPOSED: HeaderValue = HeaderValue::from_static("x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date");

/// A cross-origin request of a script.
pub(crate) struct FromScript {
    /// The method and headers that the browser's preflight asks permission for.
    preflight: Option<Preflight>,
}

struct Preflight {
    method: Option<HeaderValue>,
    headers: Option<HeaderValue>,
}

impl FromScript {
    /// Recognises a request of a script; `None` for any other request.
    pub(crate) fn of(parts: &Parts) -> Option<Self> {
        if !parts.headers.contains_key(header::ORIGIN) {
            return None;
        }
        let preflight = (parts.method == Method::OPTIONS).then(|| Preflight {
            method: parts.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).cloned(),
            headers: parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
        });
        Some(Self { preflight })
    }

    /// Whether the request is a browser's preflight.
    pub(crate) const fn is_preflight(&self) -> bool {
        self.preflight.is_some()
    }

    /// Allows the script to read the answer. Access depends on the request's signature, never on
    /// the page that it comes from.
    pub(crate) fn allow(self, answer: &mut HeaderMap) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        let Some(Preflight { method, headers }) = self.preflight else {
            return;
        };
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        for (allowed, asked) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, method),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, headers),
        ] {
            if let Some(value) = asked {
                answer.insert(allowed, value);
            }
        }
    }
}
