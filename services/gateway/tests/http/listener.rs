//! Listening to clients' operations, and operations of the process itself.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use beringia_endpoint::{Authentication, ConnectionLimits, OneRegion};
use beringia_gateway::{Call, Listener, Plane};
use serde_json::{Map, Value, json};

use crate::support::{AUTHORIZATION, EmptyStore, Running, gateway, services, signed};

#[derive(Default)]
struct Heard {
    listens: AtomicBool,
    calls: Mutex<Vec<Call>>,
}

impl Listener for Heard {
    fn listens(&self) -> bool {
        self.listens.load(Ordering::Relaxed)
    }

    fn answered(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }
}

#[tokio::test]
async fn listener_gets_operations_and_outcomes_while_listening() {
    let gateway = gateway(EmptyStore::new("eu-west-1"));
    let heard = Arc::new(Heard::default());
    gateway.set_listener(heard.clone());
    let services = services(gateway, Authentication::AcceptAny);
    let server = Running::with(Arc::new(OneRegion(services)), ConnectionLimits::default());
    let mut client = server.connect();
    let get = json!({"TableName": "nothing", "Key": {"id": {"S": "1"}}});
    for listens in [false, true, false] {
        heard.listens.store(listens, Ordering::Relaxed);
        client.ask(signed(AUTHORIZATION, "GetItem", &get.to_string())).await;
    }
    let calls = heard.calls.lock().unwrap();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let Call {
        operation,
        plane,
        status,
        ..
    } = &calls[0];
    assert_eq!((operation.as_str(), *plane, *status), ("GetItem", Plane::Data, 400));
    assert_eq!(Value::Object(calls[0].parameters.clone()), get);
}

#[tokio::test]
async fn own_operations_need_no_signature_and_are_not_notified() {
    let gateway = gateway(EmptyStore::new("eu-west-1"));
    let heard = Arc::new(Heard::default());
    heard.listens.store(true, Ordering::Relaxed);
    gateway.set_listener(heard.clone());
    let ask = async |operation| {
        let answer = gateway.ask(operation, Map::new()).await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        (answer.status.as_u16(), body)
    };
    assert_eq!(ask("ListTables").await, (200, json!({"TableNames": []})));
    assert_eq!(ask("ListStreams").await, (200, json!({"Streams": []})));
    for (operation, refusal) in [
        ("DescribeTable", "ValidationException"),
        ("Nothing", "UnknownOperationException"),
    ] {
        let (status, body) = ask(operation).await;
        assert_eq!(status, 400);
        assert!(body["__type"].as_str().unwrap().ends_with(refusal), "{body}");
    }
    assert_eq!(heard.calls.lock().unwrap().len(), 0);
}
