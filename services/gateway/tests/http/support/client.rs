//! A client that sends given bytes and parses answers.

use bytes::Bytes;
use http::Response;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::AUTHORIZATION;

/// The parts of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReceivedAnswer {
    pub(crate) status: u16,
    /// Names in lower case, in the order of their arrival.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl ReceivedAnswer {
    /// The answer that another client received.
    pub(crate) fn of(response: &Response<Bytes>) -> Self {
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        Self {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response.body().to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts everything but the id of the request. `headers` are those that not every answer has;
    /// without a body there is no length in HTTP/2.
    #[track_caller]
    pub(crate) fn is_exactly(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        assert_eq!((self.status, self.text()), (status, body));
        assert_eq!(self.header("x-amzn-requestid").map(str::len), Some(52));
        let checksum = crc32fast::hash(body.as_bytes()).to_string();
        let mut expected = vec![
            ("date", "Thu, 29 Feb 2024 23:59:58 GMT"),
            ("server", "Server"),
            ("x-amz-crc32", checksum.as_str()),
        ];
        expected.extend_from_slice(headers);
        expected.sort_unstable();
        let mut received: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        received.retain(|(name, _)| *name != "x-amzn-requestid");
        received.sort_unstable();
        assert_eq!(received, expected);
    }

    /// The exception's name without its namespace; empty if the answer is not an exception.
    pub(crate) fn exception(&self) -> String {
        let body = self.json();
        let kind = body.get("__type").and_then(Value::as_str).unwrap_or_default();
        kind.rsplit('#').next().unwrap_or_default().to_owned()
    }
}

/// A client of one connection.
pub(crate) struct Client {
    stream: DuplexStream,
    /// Bytes already read that belong to the next answer.
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends an operation as an SDK does in development mode, and reads the answer.
    pub(crate) async fn call(&mut self, operation: &str, body: &Value) -> ReceivedAnswer {
        self.send(request(operation, &body.to_string())).await;
        self.answer().await
    }

    /// Sends bytes and reads one answer.
    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> ReceivedAnswer {
        self.send(bytes).await;
        self.answer().await
    }

    /// Reads the next answer, which must have a content length.
    pub(crate) async fn answer(&mut self) -> ReceivedAnswer {
        let head = self.until(b"\r\n\r\n").await.expect("the server answers");
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = ReceivedAnswer {
            status,
            headers,
            body: Vec::new(),
        };
        let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
        while self.read.len() < length {
            assert_ne!(self.fill().await, 0, "the answer ends early");
        }
        answer.body = self.read.drain(..length).collect();
        answer
    }

    /// Reads up to and including a delimiter; `None` if the connection ends before it.
    async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.read.windows(mark.len()).position(|window| window == mark) {
                return Some(self.read.drain(..at + mark.len()).collect());
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// Whether the server has closed the connection without sending another byte.
    pub(crate) async fn closed(&mut self) -> bool {
        self.fill().await == 0 && self.read.is_empty()
    }

    async fn fill(&mut self) -> usize {
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer).await.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..read]);
        read
    }
}

/// A request as an SDK sends it in development mode.
pub(crate) fn request(operation: &str, body: &str) -> String {
    signed(AUTHORIZATION, operation, body)
}

/// The same request with another signature.
pub(crate) fn signed(authorization: &str, operation: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: \
         DynamoDB_20120810.{operation}\r\nx-amz-date: 20240229T235958Z\r\nauthorization: \
         {authorization}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
