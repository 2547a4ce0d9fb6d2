//! Which requests are rejected, and how experiments run, with faults that are only recorded.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use beringia_clock::{SeededRandomness, TokioClock};
use beringia_endpoint::{Received, Service};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    FaultError, FaultInjection, FaultInjector, Fis, TableReplica,
    error::FisError,
    model::{Experiment, Status},
};

const US: &str = "us-east-1";

/// Records what is paused. Two regions have the tables `Carts` and `Orders`; pausing fails while
/// `broken` is set, and panics while `panics` is.
#[derive(Default)]
struct Noted {
    paused: Mutex<BTreeSet<String>>,
    broken: Mutex<bool>,
    panics: AtomicBool,
    /// How long pausing one replica takes.
    takes: Mutex<Duration>,
}

fn name(replica: &TableReplica) -> String {
    format!("{}/{}", replica.region, replica.table)
}

#[async_trait]
impl FaultInjector for Noted {
    async fn find(&self, replica: &TableReplica) -> Result<(), FaultError> {
        let is_known = [US, "eu-west-1"].contains(&replica.region.as_str())
            && ["Carts", "Orders"].contains(&replica.table.as_str());
        is_known
            .then_some(())
            .ok_or_else(|| FaultError(format!("no {}", name(replica))))
    }

    async fn pause(&self, replica: &TableReplica) -> Result<(), FaultError> {
        assert!(!self.panics.load(Ordering::Relaxed), "no fault is left");
        if *self.broken.lock().unwrap() {
            return Err(FaultError("it is down".to_owned()));
        }
        let takes = *self.takes.lock().unwrap();
        sleep(takes).await;
        self.paused.lock().unwrap().insert(name(replica));
        Ok(())
    }

    async fn resume(&self, replica: &TableReplica) {
        self.paused.lock().unwrap().remove(&name(replica));
    }
}

struct Bench {
    faults: Arc<Noted>,
    service: FaultInjection,
}

impl Bench {
    fn new() -> Self {
        let faults = Arc::new(Noted::default());
        let clock = Arc::new(TokioClock::new(1_700_000_000_000));
        let service = FaultInjection::new(Arc::clone(&faults) as _, clock, Arc::new(SeededRandomness::new(1)));
        Self { faults, service }
    }

    fn create(&self, template: Value) -> Result<String, FisError> {
        let request = serde_json::from_value(template).unwrap();
        self.service.create_template(US, request).map(|template| template.id)
    }

    fn start(&self, template: &str, token: &str) -> Result<Experiment, FisError> {
        self.start_with(json!({"clientToken": token, "experimentTemplateId": template}))
    }

    fn start_with(&self, request: Value) -> Result<Experiment, FisError> {
        self.service.start(US, serde_json::from_value(request).unwrap())
    }

    fn shown(&self, id: &str) -> Experiment {
        self.service.experiment(US, id).unwrap()
    }

    fn paused(&self) -> Vec<String> {
        self.faults.paused.lock().unwrap().iter().cloned().collect()
    }
}

fn arn(region: &str, table: &str) -> String {
    format!("arn:aws:dynamodb:{region}:000000000000:table/{table}")
}

fn pause(duration: &str, after: &[&str]) -> Value {
    json!({
        "actionId": "aws:dynamodb:global-table-pause-replication",
        "parameters": {"duration": duration},
        "targets": {"Tables": "tables"},
        "startAfter": after,
    })
}

fn wait(duration: &str, after: &[&str]) -> Value {
    json!({"actionId": "aws:fis:wait", "parameters": {"duration": duration}, "startAfter": after})
}

/// A template with these actions on the table `Carts` in Ireland.
fn template(actions: &Value) -> Value {
    json!({
        "clientToken": "a token",
        "description": "a drill",
        "roleArn": "arn:aws:iam::000000000000:role/fis",
        "stopConditions": [{"source": "none"}],
        "targets": {"tables": {
            "resourceType": "aws:dynamodb:global-table",
            "resourceArns": [arn("eu-west-1", "Carts")],
            "selectionMode": "ALL",
        }},
        "actions": actions,
    })
}

fn statuses(experiment: &Experiment) -> Vec<(&str, Status)> {
    let actions = experiment.actions.iter();
    actions
        .map(|(name, action)| (name.as_str(), action.state.status))
        .collect()
}

/// Changes of a valid template: the path to change, the new value, and the resulting message.
fn wrong_values() -> [(&'static str, Value, &'static str); 20] {
    [
        ("/stopConditions/0/source", json!("aws:cloudwatch:alarm"), "use `none`"),
        ("/stopConditions", json!([]), "stopConditions"),
        (
            "/actions/pause/actionId",
            json!("aws:ec2:stop-instances"),
            "`aws:ec2:stop-instances` is not supported",
        ),
        (
            "/actions/pause/parameters/duration",
            json!("1 minute"),
            "expected PT1S to PT12H",
        ),
        (
            "/actions/pause/parameters/duration",
            json!("PT13H"),
            "expected PT1S to PT12H",
        ),
        (
            "/actions/pause/parameters/duration",
            json!("PT0S"),
            "expected PT1S to PT12H",
        ),
        (
            "/actions/pause/parameters",
            json!({}),
            "the parameter duration is missing",
        ),
        (
            "/actions/pause/parameters",
            json!({"duration": "PT1M", "x": "y"}),
            "has no parameter x",
        ),
        (
            "/actions/pause/targets",
            json!({}),
            "expected one target, called Tables",
        ),
        (
            "/actions/pause/targets/Tables",
            json!("others"),
            "others is not a target",
        ),
        (
            "/actions/pause/startAfter",
            json!(["nothing"]),
            "nothing, which is not an action",
        ),
        (
            "/actions/pause/startAfter",
            json!(["pause"]),
            "startAfter forms a cycle",
        ),
        ("/actions", json!({}), "expected 1 to 20"),
        (
            "/targets/tables/resourceType",
            json!("aws:ec2:instance"),
            "expected aws:dynamodb:global-table",
        ),
        ("/targets/tables/resourceArns", json!([]), "expected 1 to 5 ARNs"),
        (
            "/targets/tables/resourceArns",
            json!(["arn:aws:s3:::bucket"]),
            "is not the ARN of a table",
        ),
        (
            "/targets/tables/selectionMode",
            json!("SOME"),
            "expected ALL, COUNT(n) or PERCENT(n)",
        ),
        (
            "/targets/tables/selectionMode",
            json!("PERCENT(0)"),
            "expected ALL, COUNT(n) or PERCENT(n)",
        ),
        ("/description", json!(""), "description"),
        ("/roleArn", json!("role"), "roleArn"),
    ]
}

#[test]
fn unsupported_templates_are_rejected_with_alternatives() {
    let good = || template(&json!({"pause": pause("PT1M", &[])}));
    let bench = Bench::new();
    for (path, value, expected) in wrong_values() {
        let mut wrong = good();
        *wrong.pointer_mut(path).unwrap() = value.clone();
        match bench.create(wrong) {
            Err(FisError::Validation(message)) => assert!(message.contains(expected), "{path} {value}: {message}"),
            other => panic!("{path} {value}: {other:?}"),
        }
    }
    for (name, value) in [
        ("logConfiguration", json!({"logSchemaVersion": 2})),
        ("experimentReportConfiguration", json!({})),
        ("experimentOptions", json!({"accountTargeting": "multi-account"})),
    ] {
        let mut wrong = good();
        wrong[name] = value;
        assert!(matches!(bench.create(wrong), Err(FisError::Validation(_))), "{name}");
    }
    bench.create(good()).unwrap();
}

#[test]
fn durations_are_parsed_as_iso_8601() {
    let bench = Bench::new();
    for (token, duration) in ["PT1S", "PT5M", "PT1H30M", "PT12H", "P0DT90S"].into_iter().enumerate() {
        let mut good = template(&json!({"pause": pause(duration, &[])}));
        good["clientToken"] = json!(token.to_string());
        bench.create(good).unwrap();
    }
    assert_eq!(bench.service.templates(US).len(), 5);
}

#[test]
fn client_token_creates_one_template() {
    let bench = Bench::new();
    let first = template(&json!({"pause": pause("PT1M", &[])}));
    let id = bench.create(first.clone()).unwrap();
    assert_eq!(bench.create(first), Ok(id.clone()));
    let other = template(&json!({"pause": pause("PT2M", &[])}));
    assert!(matches!(bench.create(other.clone()), Err(FisError::Conflict(_))));
    assert!(
        matches!(bench.service.template("eu-west-1", &id), Err(FisError::NotFound(_))),
        "each region has its own"
    );
    bench.service.delete_template(US, &id).unwrap();
    assert!(matches!(bench.service.template(US, &id), Err(FisError::NotFound(_))));
    bench.create(other).unwrap();
}

#[tokio::test(start_paused = true)]
async fn actions_run_in_their_order_and_the_tables_are_resumed() {
    let bench = Bench::new();
    let actions = json!({
        "a first": wait("PT10S", &[]),
        "a pause": pause("PT1M", &["a first"]),
        "beside it": wait("PT5M", &["a first"]),
        "last": wait("PT1S", &["a pause", "beside it"]),
    });
    let id = bench.start(&bench.create(template(&actions)).unwrap(), "t").unwrap().id;
    sleep(Duration::from_secs(5)).await;
    let shown = bench.shown(&id);
    assert_eq!(shown.state.status, Status::Running);
    assert_eq!(
        statuses(&shown),
        [
            ("a first", Status::Running),
            ("a pause", Status::Pending),
            ("beside it", Status::Pending),
            ("last", Status::Pending)
        ]
    );
    assert_eq!(bench.paused(), Vec::<String>::new());
    sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.paused(), ["eu-west-1/Carts"]);
    assert_eq!(statuses(&bench.shown(&id))[1].1, Status::Running);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.paused(), Vec::<String>::new());
    assert_eq!(statuses(&bench.shown(&id))[1].1, Status::Completed);
    assert_eq!(
        statuses(&bench.shown(&id))[3].1,
        Status::Pending,
        "it starts after both"
    );
    sleep(Duration::from_secs(300)).await;
    let shown = bench.shown(&id);
    assert_eq!(shown.state.status, Status::Completed);
    assert!(statuses(&shown).iter().all(|(_, status)| *status == Status::Completed));
    assert!(shown.end_time.is_some() && shown.actions["last"].end_time.is_some());
    assert!(
        matches!(bench.service.stop(US, &id), Err(FisError::Validation(_))),
        "it has ended"
    );
}

#[tokio::test(start_paused = true)]
async fn pause_duration_counts_once_all_targets_are_paused() {
    let bench = Bench::new();
    *bench.faults.takes.lock().unwrap() = Duration::from_millis(700);
    let mut both = template(&json!({"pause": pause("PT8S", &[])}));
    both["targets"]["tables"]["resourceArns"] = json!([arn(US, "Carts"), arn("eu-west-1", "Carts")]);
    let id = bench.start(&bench.create(both).unwrap(), "t").unwrap().id;
    sleep(Duration::from_millis(9_300)).await;
    assert_eq!(bench.paused().len(), 2, "pausing both took 1.4 s");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(bench.paused(), Vec::<String>::new());
    let shown = bench.shown(&id);
    let action = &shown.actions["pause"];
    assert_eq!(action.start_time, Some(1_700_000_001.4));
    assert_eq!(
        (action.end_time, shown.end_time),
        (Some(1_700_000_009.4), Some(1_700_000_009.4))
    );
}

#[tokio::test(start_paused = true)]
async fn stopped_experiment_resumes_tables_and_starts_nothing() {
    let bench = Bench::new();
    let actions = json!({"pause": pause("PT1H", &[]), "then": wait("PT1M", &["pause"])});
    let id = bench.start(&bench.create(template(&actions)).unwrap(), "t").unwrap().id;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.paused(), ["eu-west-1/Carts"]);
    assert_eq!(bench.service.stop(US, &id).unwrap().state.status, Status::Stopping);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.paused(), Vec::<String>::new());
    let shown = bench.shown(&id);
    assert_eq!(shown.state.status, Status::Stopped);
    assert_eq!(
        statuses(&shown),
        [("pause", Status::Stopped), ("then", Status::Cancelled)]
    );
}

#[tokio::test(start_paused = true)]
async fn shared_pause_ends_with_the_last_experiment() {
    let bench = Bench::new();
    let short = bench.create(template(&json!({"pause": pause("PT10S", &[])}))).unwrap();
    let mut longer = template(&json!({"pause": pause("PT1M", &[])}));
    longer["clientToken"] = json!("another");
    let longer = bench.create(longer).unwrap();
    bench.start(&short, "1").unwrap();
    bench.start(&longer, "2").unwrap();
    sleep(Duration::from_secs(30)).await;
    assert_eq!(bench.paused(), ["eu-west-1/Carts"]);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(bench.paused(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn missing_target_fails_experiment_unless_it_may_be_empty() {
    let bench = Bench::new();
    let mut missing = template(&json!({"pause": pause("PT1M", &[]), "then": wait("PT1S", &["pause"])}));
    missing["targets"]["tables"]["resourceArns"] = json!([arn("eu-west-1", "Nothing")]);
    let id = bench.start(&bench.create(missing.clone()).unwrap(), "1").unwrap().id;
    sleep(Duration::from_secs(5)).await;
    let shown = bench.shown(&id);
    assert_eq!(shown.state.status, Status::Failed);
    assert!(
        shown.state.reason.contains("no eu-west-1/Nothing"),
        "{}",
        shown.state.reason
    );
    missing["clientToken"] = json!("another");
    missing["experimentOptions"] = json!({"emptyTargetResolutionMode": "skip"});
    let id = bench.start(&bench.create(missing).unwrap(), "2").unwrap().id;
    sleep(Duration::from_secs(5)).await;
    let shown = bench.shown(&id);
    assert_eq!(shown.state.status, Status::Completed);
    assert_eq!(
        statuses(&shown),
        [("pause", Status::Skipped), ("then", Status::Completed)]
    );
}

#[tokio::test(start_paused = true)]
async fn failing_action_fails_the_experiment_with_its_reason() {
    let bench = Bench::new();
    let actions = json!({"beside": wait("PT1M", &[]), "pause": pause("PT1M", &[])});
    let id = bench.create(template(&actions)).unwrap();
    *bench.faults.broken.lock().unwrap() = true;
    let id = bench.start(&id, "t").unwrap().id;
    sleep(Duration::from_secs(1)).await;
    let shown = bench.shown(&id);
    assert_eq!(shown.state.status, Status::Failed);
    assert_eq!(shown.state.reason, "Action pause failed: it is down");
    assert_eq!(
        statuses(&shown),
        [("beside", Status::Stopped), ("pause", Status::Failed)]
    );
}

/// Keeps the lines of the log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A panic used to be logged only when the next experiment started.
#[tokio::test(start_paused = true)]
async fn panic_of_an_experiment_is_logged_when_it_happens() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(log);
    let bench = Bench::new();
    bench.faults.panics.store(true, Ordering::Relaxed);
    let id = bench.create(template(&json!({"pause": pause("PT1M", &[])}))).unwrap();
    bench.start(&id, "t").unwrap();
    sleep(Duration::from_secs(1)).await;
    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(
        lines.contains("an experiment") && lines.contains("no fault is left"),
        "{lines}"
    );
}

#[tokio::test(start_paused = true)]
async fn selection_mode_limits_the_number_of_targets() {
    let bench = Bench::new();
    for (mode, count) in [
        ("ALL", 4),
        ("COUNT(3)", 3),
        ("COUNT(9)", 4),
        ("PERCENT(50)", 2),
        ("PERCENT(1)", 1),
    ] {
        let mut some = template(&json!({"pause": pause("PT10S", &[])}));
        some["clientToken"] = json!(mode);
        some["targets"]["tables"]["selectionMode"] = json!(mode);
        some["targets"]["tables"]["resourceArns"] = json!([
            arn(US, "Carts"),
            arn(US, "Orders"),
            arn("eu-west-1", "Carts"),
            arn("eu-west-1", "Orders")
        ]);
        bench.start(&bench.create(some).unwrap(), mode).unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.paused().len(), count, "{mode}");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(bench.paused().len(), 0, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn start_token_is_idempotent_and_running_ones_are_limited() {
    let bench = Bench::new();
    let id = bench.create(template(&json!({"wait": wait("PT1M", &[])}))).unwrap();
    let first = bench.start(&id, "1").unwrap();
    assert_eq!(bench.start(&id, "1").unwrap().id, first.id);
    let other = json!({"clientToken": "1", "experimentTemplateId": id, "tags": {"a": "b"}});
    assert!(matches!(bench.start_with(other), Err(FisError::Conflict(_))));
    for number in 2..=5 {
        bench.start(&id, &number.to_string()).unwrap();
    }
    assert!(matches!(bench.start(&id, "6"), Err(FisError::Quota(_))));
    assert!(matches!(bench.start("EXT0", "7"), Err(FisError::NotFound(_))));
    sleep(Duration::from_secs(61)).await;
    bench.start(&id, "6").unwrap();
    assert_eq!(bench.service.experiments(US).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn an_experiment_may_leave_out_its_actions() {
    let bench = Bench::new();
    let id = bench.create(template(&json!({"pause": pause("PT1M", &[])}))).unwrap();
    let skipping = |mode: &str| json!({"clientToken": mode, "experimentTemplateId": id, "experimentOptions": {"actionsMode": mode}});
    let started = bench.start_with(skipping("skip-all")).unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.paused(), Vec::<String>::new());
    let shown = bench.shown(&started.id);
    assert_eq!(shown.state.status, Status::Completed);
    assert_eq!(statuses(&shown), [("pause", Status::Skipped)]);
    assert!(matches!(
        bench.start_with(skipping("some")),
        Err(FisError::Validation(_))
    ));
}

/// The service's answer in a region: the status, the exception, and the body.
async fn ask(fis: &Fis, region: &str, method: Method, uri: &str, body: &Value) -> (u16, Option<String>, Value) {
    let request = Request::builder().method(method).uri(uri).body(()).unwrap();
    let request = Received {
        region,
        parts: request.into_parts().0,
        body: Bytes::from(body.to_string()),
    };
    let prepared = fis.prepare(&request).unwrap();
    let response = fis.answer(request, prepared).await;
    let exception = response.headers().get("x-amzn-errortype");
    let exception = exception.map(|name| name.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status().as_u16(), exception, body)
}

#[tokio::test]
async fn each_region_has_its_own_templates() {
    let fis = Fis::new(Arc::new(Bench::new().service));
    let of_wait = template(&json!({"wait": wait("PT1M", &[])}));
    let (status, _, made) = ask(&fis, "eu-west-1", Method::POST, "/experimentTemplates", &of_wait).await;
    assert_eq!(status, 200, "{made}");
    let id = made["experimentTemplate"]["id"].as_str().unwrap();
    let one = format!("/experimentTemplates/{id}");
    let (status, _, shown) = ask(&fis, "eu-west-1", Method::GET, &one, &Value::Null).await;
    assert_eq!((status, shown), (200, made.clone()));
    let (status, exception, _) = ask(&fis, US, Method::GET, &one, &Value::Null).await;
    assert_eq!((status, exception.as_deref()), (404, Some("ResourceNotFoundException")));
    let list = "/experimentTemplates?maxResults=1";
    let (_, _, listed) = ask(&fis, US, Method::GET, list, &Value::Null).await;
    assert_eq!(listed, json!({"experimentTemplates": []}));
}

#[tokio::test]
async fn unsupported_operation_is_unknown() {
    let fis = Fis::new(Arc::new(Bench::new().service));
    for (method, uri) in [(Method::GET, "/targetResourceTypes"), (Method::PATCH, "/experiments")] {
        let (status, exception, body) = ask(&fis, US, method, uri, &Value::Null).await;
        assert_eq!(
            (status, exception.as_deref()),
            (404, Some("UnknownOperationException")),
            "{uri}"
        );
        assert!(body["message"].as_str().unwrap().contains("StartExperiment"), "{body}");
    }
}
