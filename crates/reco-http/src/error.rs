//! Errors as JSON: a code for programs, a message for people, the field at fault.

use crate::json::json_body;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use reco_core::error::{Fault, FaultKind, RecommendError};
use serde::Serialize;
use std::any::Any;

/// An answer that is no result: a status and `{"error": {"code", "message", "field"}}`.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    error: ErrorJson,
}

/// What is inside `error`.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorJson {
    /// For programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: String,
    /// Parameter or field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
}

#[derive(Serialize)]
struct Wrapped<'a> {
    error: &'a ErrorJson,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, error: ErrorJson { code, message: message.into(), field: None } }
    }

    pub(crate) fn parameter(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", message).at(field)
    }

    pub(crate) fn missing(what: &str, key: &str, field: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} `{key}`")).at(field)
    }

    /// The request did not come in time.
    pub(crate) fn timed_out(limit_ms: u64) -> Self {
        let message = format!("the request had not come as a whole after {limit_ms} ms");
        Self::new(StatusCode::REQUEST_TIMEOUT, "timed_out", message)
    }

    /// It did, and the answer did not.
    pub(crate) fn too_slow(limit_ms: u64) -> Self {
        let message = format!("the answer was not ready within {limit_ms} ms");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_slow", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    fn at(mut self, field: impl Into<String>) -> Self {
        self.error.field = Some(field.into());
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> axum::response::Response {
        let body = serde_json::to_vec(&Wrapped { error: &self.error }).unwrap_or_default();
        let mut response = (self.status, json_body(body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<RecommendError> for ApiError {
    fn from(error: RecommendError) -> Self {
        match error {
            RecommendError::InvalidRequest { field, problem } => {
                // Parameters are flat where a request has rooms.
                let field = field.strip_prefix("context.").unwrap_or(field);
                let message = format!("{field}: {problem}");
                match field {
                    "item_id" => Self::new(StatusCode::NOT_FOUND, "not_found", message).at(field),
                    _ => Self::parameter(field, message),
                }
            }
            RecommendError::Required(fault) => fault.into(),
            overloaded => Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", overloaded.to_string()),
        }
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let status = match fault.kind {
            FaultKind::Timeout | FaultKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, "component_failed", fault.message())
    }
}

pub(crate) async fn not_found(uri: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {}", uri.path()))
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let message = format!("{} does not take {method}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// A panic is a bug of ours; the process and every other request go on.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    tracing::error!("a handler panicked");
    ApiError::internal("something went wrong here").into_response()
}
