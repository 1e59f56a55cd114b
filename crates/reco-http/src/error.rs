//! Errors as JSON: a code for programs, a message for people, the field at fault.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use reco_core::error::{Fault, FaultKind, RecommendError};
use serde::Serialize;
use std::any::Any;

/// An answer that is no result.
#[derive(Debug, Serialize)]
pub struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    /// For programs.
    code: &'static str,
    /// For people.
    message: String,
    /// Parameter or field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

#[derive(Serialize)]
struct Wrapped {
    error: ApiError,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None }
    }

    pub(crate) fn parameter(field: impl Into<String>, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", message);
        Self { field: Some(field.into()), ..error }
    }

    pub(crate) fn missing(what: &str, key: &str, field: &str) -> Self {
        let error = Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} `{key}`"));
        Self { field: Some(field.to_owned()), ..error }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> axum::response::Response {
        let status = self.status;
        let mut response = (status, Json(Wrapped { error: self })).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<RecommendError> for ApiError {
    fn from(error: RecommendError) -> Self {
        match error {
            RecommendError::InvalidRequest { field, problem } => {
                let is_unknown_item = field == "item_id";
                let error = Self::parameter(field, format!("{field} {problem}"));
                if is_unknown_item {
                    Self { status: StatusCode::NOT_FOUND, code: "not_found", ..error }
                } else {
                    error
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
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong here").into_response()
}
