//! Why calls fail, over sockets of this machine.

use std::future::pending;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

/// The patience of a client that gets no answer.
const SHORT: Duration = Duration::from_millis(50);
/// How long the other calls may take. None is expected to.
const BOUND: Duration = Duration::from_mins(1);

/// Calls a region at an address once; returns the error.
async fn call(address: &str, patience: Duration) -> CallError {
    let addresses = BTreeMap::from([("us-east-1".to_owned(), address.to_owned())]);
    call_by(TcpDial { addresses }, patience).await
}

async fn call_by(dial: impl Dial, patience: Duration) -> CallError {
    let mut client = HttpTargets::with_patience(dial, patience).client("us-east-1");
    let called = timeout(BOUND, client.call("GetItem", json!({}))).await;
    called.expect("the call ends").expect_err("the call fails")
}

/// What a region does with a connection once it has got the request.
#[derive(Debug, Clone)]
enum Behaviour {
    Resets,
    Closes,
    Answers(String),
    /// It holds the connection open.
    Waits,
}

/// Calls a region that behaves in a way; returns the error.
async fn call_one_that(behaviour: Behaviour, patience: Duration) -> CallError {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the port").to_string();
    let serving = async move {
        let (mut stream, _) = listener.accept().await?;
        // The body is `{}`, and a reset would overtake a request that is not read to its end.
        let mut got = Vec::new();
        while !got.ends_with(b"{}") {
            stream.read_buf(&mut got).await?;
        }
        match behaviour {
            Behaviour::Resets => stream.set_zero_linger()?,
            Behaviour::Closes => {}
            Behaviour::Answers(answer) => stream.write_all(answer.as_bytes()).await?,
            Behaviour::Waits => pending().await,
        }
        Ok::<(), io::Error>(())
    };
    let server = tokio::spawn(serving);
    let error = call(&address, patience).await;
    server.abort();
    error
}

/// An answer with a status and a body.
fn answer(status: &str, body: &Value) -> Behaviour {
    let body = body.to_string();
    Behaviour::Answers(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A name whose first label is too long for the protocol, so that no server is asked.
#[tokio::test]
async fn a_name_without_an_address_is_unresolved() {
    let name = format!("{}.invalid:8000", "x".repeat(64));
    let error = call(&name, BOUND).await;
    assert!(
        matches!(error, CallError::Unreachable(FailureCause::Unresolved, _)),
        "{error:?}"
    );
    let unknown = call_by(TcpDial::default(), BOUND).await;
    assert!(
        matches!(unknown, CallError::Unreachable(FailureCause::Unresolved, _)),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_port_without_a_listener_refuses() {
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = unused.local_addr().expect("the port").to_string();
    drop(unused);
    let error = call(&address, BOUND).await;
    assert!(
        matches!(error, CallError::Unreachable(FailureCause::Refused, _)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_is_reset() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}".to_owned();
    for behaviour in [Behaviour::Resets, Behaviour::Closes, Behaviour::Answers(half)] {
        let error = call_one_that(behaviour.clone(), BOUND).await;
        assert!(
            matches!(error, CallError::Unknown(FailureCause::Reset, _)),
            "{behaviour:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_region_that_does_not_answer_in_time_times_out() {
    let error = call_one_that(Behaviour::Waits, SHORT).await;
    assert!(
        matches!(error, CallError::Unknown(FailureCause::Timeout, _)),
        "{error:?}"
    );
}

/// Dials for ever, as to a host that drops packets.
struct NeverConnects;

#[async_trait]
impl Dial for NeverConnects {
    type Stream = TcpStream;

    async fn dial(&self, _region: &str) -> io::Result<TcpStream> {
        pending().await
    }
}

#[tokio::test]
async fn a_region_that_cannot_be_reached_in_time_times_out() {
    let error = call_by(NeverConnects, SHORT).await;
    assert!(
        matches!(error, CallError::Unreachable(FailureCause::Timeout, _)),
        "{error:?}"
    );
}

#[tokio::test]
async fn answers_of_a_region_say_why_it_failed() {
    let of = |kind: &str| json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "m" });
    let unavailable = answer("503 Service Unavailable", &of("ServiceUnavailable"));
    let throttled = answer("400 Bad Request", &of("ProvisionedThroughputExceededException"));
    let failed = answer("500 Internal Server Error", &of("InternalServerError"));
    let failed_condition = answer("400 Bad Request", &of("ConditionalCheckFailedException"));
    for (behaviour, happened, cause) in [
        (unavailable, "unknown", Some(FailureCause::Unavailable)),
        (throttled, "no", Some(FailureCause::Throttled)),
        (failed, "unknown", Some(FailureCause::Error)),
        (failed_condition, "no", None),
    ] {
        let error = call_one_that(behaviour.clone(), BOUND).await;
        assert_eq!(error.failure(), cause, "{behaviour:?}: {error:?}");
        let found = match &error {
            CallError::Unknown(..) => "unknown",
            CallError::Unreachable(..) | CallError::Refused { .. } => "no",
        };
        assert_eq!(found, happened, "{behaviour:?}: {error:?}");
    }
}

/// Whatever listens there is no region.
#[tokio::test]
async fn an_answer_that_is_not_http_is_an_error_of_the_region() {
    let error = call_one_that(Behaviour::Answers("SSH-2.0-OpenSSH_9.9\r\n".to_owned()), BOUND).await;
    assert!(matches!(error, CallError::Unknown(FailureCause::Error, _)), "{error:?}");
}

/// Those included that no socket of this machine provokes.
#[test]
fn errors_of_connecting_have_causes() {
    use io::ErrorKind as Kind;
    for (kind, cause) in [
        (Kind::NotFound, FailureCause::Unresolved),
        (Kind::TimedOut, FailureCause::Timeout),
        (Kind::ConnectionRefused, FailureCause::Refused),
        (Kind::HostUnreachable, FailureCause::Refused),
        (Kind::NetworkUnreachable, FailureCause::Refused),
        (Kind::NetworkDown, FailureCause::Refused),
        (Kind::ConnectionReset, FailureCause::Reset),
        (Kind::ConnectionAborted, FailureCause::Reset),
        (Kind::BrokenPipe, FailureCause::Reset),
        (Kind::UnexpectedEof, FailureCause::Reset),
        (Kind::PermissionDenied, FailureCause::Error),
    ] {
        assert_eq!(cause_of(&io::Error::from(kind)), cause, "{kind:?}");
    }
    // Whatever the lookup itself says.
    let looked_up = unresolved(io::Error::from(Kind::TimedOut));
    assert_eq!(cause_of(&looked_up), FailureCause::Unresolved);
}
