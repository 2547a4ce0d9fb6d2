//! The HTTP interface: paths, query parameters and JSON (`restJson1`).

use std::{borrow::Cow, convert::Infallible, fmt, sync::Arc};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    response::IntoResponse,
    routing::get,
};
use beringia_endpoint::{ERROR_TYPE, Early, EndpointRefusal, Protocol, Received, Route, Service};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    action::ActionDescription,
    error::FisError,
    injection::FaultInjection,
    model::{Experiment, Template},
};

const ROUTES: [Route; 1] = [Route {
    name: "fis",
    scope: "fis",
    target_prefixes: &[],
    path_prefixes: &[
        "/experimentTemplates",
        "/experiments",
        "/actions",
        "/targetResourceTypes",
        "/safetyLevers",
    ],
    protocol: Protocol::RestJson1,
}];

/// The service, for the endpoints of any number of regions.
pub struct Fis(Router);

impl fmt::Debug for Fis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fis").finish_non_exhaustive()
    }
}

impl Fis {
    /// Creates a service for the given templates and experiments.
    #[must_use]
    pub fn new(injection: Arc<FaultInjection>) -> Self {
        let router = Router::new()
            .route("/experimentTemplates", get(list_templates).post(create_template))
            .route("/experimentTemplates/{id}", get(get_template).delete(delete_template))
            .route("/experiments", get(list_experiments).post(start_experiment))
            .route("/experiments/{id}", get(get_experiment).delete(stop_experiment))
            .route("/actions", get(list_actions))
            .route("/actions/{id}", get(get_action))
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .with_state(injection);
        Self(router)
    }
}

impl Service for Fis {
    type Prepared = Bytes;

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn prepare(&self, request: &Received<'_>) -> Result<Bytes, Early> {
        Ok(match request.decoded_body()? {
            Cow::Borrowed(_) => request.body.clone(),
            Cow::Owned(decoded) => decoded.into(),
        })
    }

    fn answer<'r>(&'r self, request: Received<'r>, body: Bytes) -> BoxFuture<'r, Response<Bytes>> {
        let Received { region, parts, .. } = request;
        let mut request = Request::from_parts(parts, Body::from(body));
        let region = region.to_owned();
        request.extensions_mut().insert(Region(region.clone()));
        Box::pin(async move {
            let routed: Result<_, Infallible> = self.0.clone().oneshot(request).await;
            let Ok(response) = routed;
            let (parts, body) = response.into_parts();
            match body.collect().await {
                Ok(body) => Response::from_parts(parts, body.to_bytes()),
                Err(error) => {
                    tracing::error!(%region, %error, "failed to read the body of an answer");
                    let mut response = Response::new(Bytes::new());
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }
            }
        })
    }
}

/// The region that answers a request.
#[derive(Debug, Clone)]
struct Region(String);

type Answer = Result<Json<Value>, FisError>;

impl IntoResponse for FisError {
    fn into_response(self) -> axum::response::Response {
        let body = Json(json!({"message": self.to_string()}));
        let kind = [(ERROR_TYPE, HeaderValue::from_static(self.name()))];
        (self.status(), kind, body).into_response()
    }
}

async fn unknown(request: Request<Body>) -> Response<Body> {
    let message = "this endpoint has CreateExperimentTemplate, GetExperimentTemplate, ListExperimentTemplates, \
                   DeleteExperimentTemplate, StartExperiment, GetExperiment, ListExperiments, StopExperiment, GetAction and ListActions";
    let refusal = EndpointRefusal::UnknownOperation(Some(message.to_owned()));
    let answer = refusal.answer(Protocol::RestJson1, &request.into_parts().0);
    answer.map(Body::from)
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, FisError> {
    serde_json::from_slice(body)
        .map_err(|error| FisError::validation(format!("the request is not valid JSON for this operation: {error}")))
}

/// The query parameters of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paging {
    max_results: Option<usize>,
    /// The number of entries on earlier pages.
    next_token: Option<String>,
    experiment_template_id: Option<String>,
}

const RESULTS_MAX: usize = 100;

fn paging(query: Result<Query<Paging>, QueryRejection>) -> Result<Paging, FisError> {
    let Query(paging) = query.map_err(|rejection| FisError::validation(rejection.body_text()))?;
    Ok(paging)
}

impl Paging {
    fn page<T: Serialize>(&self, member: &str, all: Vec<T>) -> Answer {
        let count = self.max_results.unwrap_or(RESULTS_MAX);
        if !(1..=RESULTS_MAX).contains(&count) {
            return Err(FisError::validation(format!("maxResults: expected 1 to {RESULTS_MAX}")));
        }
        let start = match &self.next_token {
            None => 0,
            Some(token) => token
                .parse::<usize>()
                .map_err(|_| FisError::validation("nextToken: not a token that this service returned"))?,
        };
        let more = all.len() > start.saturating_add(count);
        let page: Vec<T> = all.into_iter().skip(start).take(count).collect();
        let mut answer = json!({member: page});
        if more {
            answer["nextToken"] = json!((start + count).to_string());
        }
        Ok(Json(answer))
    }
}

async fn create_template(
    State(injection): State<Arc<FaultInjection>>,
    Extension(region): Extension<Region>,
    body: Bytes,
) -> Answer {
    let template = injection.create_template(&region.0, parse(&body)?)?;
    Ok(Json(json!({"experimentTemplate": template})))
}

async fn get_template(
    State(injection): State<Arc<FaultInjection>>,
    Extension(region): Extension<Region>,
    Path(id): Path<String>,
) -> Answer {
    let template = injection.template(&region.0, &id)?;
    Ok(Json(json!({"experimentTemplate": template})))
}

async fn delete_template(
    State(injection): State<Arc<FaultInjection>>,
    Extension(region): Extension<Region>,
    Path(id): Path<String>,
) -> Answer {
    let template = injection.delete_template(&region.0, &id)?;
    Ok(Json(json!({"experimentTemplate": template})))
}

async fn list_templates(
    State(injection): State<Arc<FaultInjection>>,
    Extension(region): Extension<Region>,
    query: Result<Query<Paging>, QueryRejection>,
) -> Answer {
    let summary = |template: Template| {
        json!({
            "id": template.id,
            "arn": template.arn,
            "description": template.description,
            "creationTime": template.creation_time,
            "lastUpdateTime": template.last_update_time,
            "tags": template.tags,
        })
    };
    let all = injection.templates(&region.0).into_iter().map(summary).collect();
    paging(query)?.page("experimentTemplates", all)
}

async fn start_experiment(
    State(injection): State<Arc<FaultInjection>>,
    Extension(region): Extension<Region>,
    body: Bytes,
) -> Answer {
    let experiment = injection.start(&region.0, parse(&body)?)?;
    Ok(Json(json!({"experiment": experiment})))
}

async fn get_experiment(
    State(injection): State<Arc<FaultInjection>>,
    Extension(region): Extension<Region>,
    Path(id): Path<String>,
) -> Answer {
    let experiment = injection.experiment(&region.0, &id)?;
    Ok(Json(json!({"experiment": experiment})))
}

async fn stop_experiment(
    State(injection): State<Arc<FaultInjection>>,
    Extension(region): Extension<Region>,
    Path(id): Path<String>,
) -> Answer {
    let experiment = injection.stop(&region.0, &id)?;
    Ok(Json(json!({"experiment": experiment})))
}

async fn list_experiments(
    State(injection): State<Arc<FaultInjection>>,
    Extension(region): Extension<Region>,
    query: Result<Query<Paging>, QueryRejection>,
) -> Answer {
    let summary = |experiment: Experiment| {
        json!({
            "id": experiment.id,
            "arn": experiment.arn,
            "experimentTemplateId": experiment.experiment_template_id,
            "state": experiment.state,
            "creationTime": experiment.creation_time,
            "tags": experiment.tags,
            "experimentOptions": experiment.experiment_options,
        })
    };
    let paging = paging(query)?;
    let of_template = paging.experiment_template_id.clone();
    let is_asked_for = |experiment: &Experiment| {
        of_template
            .as_ref()
            .is_none_or(|id| experiment.experiment_template_id == *id)
    };
    let all = injection.experiments(&region.0).into_iter();
    paging.page("experiments", all.filter(is_asked_for).map(summary).collect())
}

async fn list_actions(Extension(region): Extension<Region>, query: Result<Query<Paging>, QueryRejection>) -> Answer {
    let summaries = FaultInjection::actions(&region.0).map(ActionDescription::summary);
    paging(query)?.page("actions", summaries.into())
}

async fn get_action(Extension(region): Extension<Region>, Path(id): Path<String>) -> Answer {
    let action = FaultInjection::action(&region.0, &id)?;
    Ok(Json(json!({"action": action})))
}
