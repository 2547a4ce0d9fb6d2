//! The HTTP side: paths, query parameters and JSON (`restJson1`).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    action::ActionDescription,
    error::FisError,
    model::{Experiment, Template},
    service::Service,
};

/// Says which exception an error is.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// The region of requests that are not signed.
const NO_REGION: &str = "us-east-1";

/// Serves until the future is dropped.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(service: Arc<Service>, listener: TcpListener) -> std::io::Result<()> {
    axum::serve(listener, router(service)).await
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/experimentTemplates", get(list_templates).post(create_template))
        .route("/experimentTemplates/{id}", get(get_template).delete(delete_template))
        .route("/experiments", get(list_experiments).post(start_experiment))
        .route("/experiments/{id}", get(get_experiment).delete(stop_experiment))
        .route("/actions", get(list_actions))
        .route("/actions/{id}", get(get_action))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .with_state(service)
}

type Answer = Result<Json<Value>, FisError>;

impl IntoResponse for FisError {
    fn into_response(self) -> Response {
        let body = Json(json!({"message": self.to_string()}));
        let kind = [(ERROR_TYPE, HeaderValue::from_static(self.name()))];
        (self.status(), kind, body).into_response()
    }
}

async fn unknown() -> Response {
    let message = "this endpoint has CreateExperimentTemplate, GetExperimentTemplate, ListExperimentTemplates, \
                   DeleteExperimentTemplate, StartExperiment, GetExperiment, ListExperiments, StopExperiment, GetAction and ListActions";
    let kind = [(ERROR_TYPE, HeaderValue::from_static("UnknownOperationException"))];
    (StatusCode::NOT_FOUND, kind, Json(json!({"message": message}))).into_response()
}

/// The region that the request's credential is scoped to.
fn region(headers: &HeaderMap) -> String {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = authorization
        .and_then(|text| text.split_once("Credential="))
        .map(|(_, rest)| rest);
    let scope = credential.and_then(|credential| credential.split([',', ' ']).next());
    // KEY/DATE/REGION/fis/aws4_request; a key may have slashes.
    let region = scope.and_then(|scope| scope.rsplit('/').nth(2));
    region
        .filter(|region| !region.is_empty())
        .unwrap_or(NO_REGION)
        .to_owned()
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, FisError> {
    serde_json::from_slice(body).map_err(|error| FisError::validation(format!("the request cannot be read: {error}")))
}

/// Part of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paging {
    max_results: Option<usize>,
    /// How many came before.
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
                .map_err(|_| FisError::validation("nextToken: it is none that this service gave"))?,
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

async fn create_template(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Answer {
    let template = service.create_template(&region(&headers), parse(&body)?)?;
    Ok(Json(json!({"experimentTemplate": template})))
}

async fn get_template(State(service): State<Arc<Service>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let template = service.template(&region(&headers), &id)?;
    Ok(Json(json!({"experimentTemplate": template})))
}

async fn delete_template(State(service): State<Arc<Service>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let template = service.delete_template(&region(&headers), &id)?;
    Ok(Json(json!({"experimentTemplate": template})))
}

async fn list_templates(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
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
    let all = service.templates(&region(&headers)).into_iter().map(summary).collect();
    paging(query)?.page("experimentTemplates", all)
}

async fn start_experiment(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Answer {
    let experiment = service.start(&region(&headers), parse(&body)?)?;
    Ok(Json(json!({"experiment": experiment})))
}

async fn get_experiment(State(service): State<Arc<Service>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let experiment = service.experiment(&region(&headers), &id)?;
    Ok(Json(json!({"experiment": experiment})))
}

async fn stop_experiment(State(service): State<Arc<Service>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let experiment = service.stop(&region(&headers), &id)?;
    Ok(Json(json!({"experiment": experiment})))
}

async fn list_experiments(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
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
    let all = service.experiments(&region(&headers)).into_iter();
    paging.page("experiments", all.filter(is_asked_for).map(summary).collect())
}

async fn list_actions(headers: HeaderMap, query: Result<Query<Paging>, QueryRejection>) -> Answer {
    let summaries = Service::actions(&region(&headers)).map(ActionDescription::summary);
    paging(query)?.page("actions", summaries.into())
}

async fn get_action(headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let action = Service::action(&region(&headers), &id)?;
    Ok(Json(json!({"action": action})))
}
