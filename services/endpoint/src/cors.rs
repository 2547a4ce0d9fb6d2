//! Requests from scripts of any web page (the Fetch standard, "CORS protocol").

use http::{HeaderMap, HeaderValue, Method, header, request::Parts};

/// How long a browser may remember what it may ask, seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("172800");
/// What a script may read of an answer besides its body.
const EXPOSED: HeaderValue = HeaderValue::from_static("x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date");

/// A request of a script.
pub(crate) struct FromScript {
    /// What a browser asks before it lets the script ask.
    preflight: Option<Preflight>,
}

struct Preflight {
    method: Option<HeaderValue>,
    headers: Option<HeaderValue>,
}

impl FromScript {
    /// The request, where it is one of a script.
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

    /// Whether a browser asks if the script may ask.
    pub(crate) const fn is_preflight(&self) -> bool {
        self.preflight.is_some()
    }

    /// Lets the script read the answer. Nothing here depends on which page a request comes from, but on its signature.
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
