//! Bodies of requests that bring a batch of something.

use crate::HttpConfig;
use crate::error::ApiError;
use crate::params::Params;
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;

/// The body of a request that takes no parameters and brings JSON.
pub(crate) fn of_post(
    query: RawQuery,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    config: &HttpConfig,
) -> Result<Bytes, ApiError> {
    Params::new(query, &[])?;
    demand_json(headers)?;
    body.map_err(|rejection| unreadable(&rejection, config))
}

/// A form on another site can send any text without asking, but not this content type.
fn demand_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("the content type is `{essence}`, must be application/json");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
}

fn unreadable(rejection: &BytesRejection, config: &HttpConfig) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("the body is larger than {} bytes", config.body_limit_bytes);
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message);
    }
    ApiError::new(rejection.status(), "unreadable_body", rejection.body_text())
}

pub(crate) fn invalid_json(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", message)
}

/// One thing, which has the field `id`, an array of them, or an object with them in the field `name`; at most `most`.
pub(crate) fn list(body: &[u8], name: &str, id: &str, most: usize) -> Result<Vec<Value>, ApiError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| invalid_json(format!("the body is no JSON: {error}")))?;
    let things = match value {
        Value::Array(things) => things,
        Value::Object(mut envelope) if envelope.contains_key(name) && !envelope.contains_key(id) => {
            match envelope.remove(name) {
                Some(Value::Array(things)) => things,
                _ => return Err(ApiError::parameter(name, format!("{name} must be an array"))),
            }
        }
        Value::Object(thing) => vec![Value::Object(thing)],
        _ => {
            return Err(invalid_json(format!(
                "the body must be an object, an array of them or {{\"{name}\": [...]}}"
            )));
        }
    };
    if things.is_empty() || things.len() > most {
        let message = format!("the batch holds {} {name}, must hold 1 to {most}", things.len());
        return Err(ApiError::parameter(name, message));
    }
    Ok(things)
}
