//! Items in: `POST /items`.

use crate::App;
use crate::body;
use crate::error::{ApiError, ErrorJson};
use crate::json::json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reco_core::catalog::{ItemProblem, ItemRecord, Value as Extra};
use reco_core::pipeline::Arrived;
use reco_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What became of a batch. `error` is there when none of it is in the catalogue.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
    /// Ids of items that are new.
    added: Vec<String>,
    /// Of those that came before, just so.
    known: Vec<String>,
    rejected: Vec<Rejected>,
    /// Attributes that no other item has.
    unknown_fields: BTreeSet<String>,
}

/// One thing that is wrong with an item.
#[derive(Debug, Serialize)]
struct Rejected {
    /// Position of the item in the batch, from 0.
    index: usize,
    #[serde(flatten)]
    wrong: ItemProblem,
}

/// Takes items in. Each is judged by itself: bad ones are named, good ones are there once this answers.
pub(crate) async fn add(
    State(app): State<App>,
    query: RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body::of_post(query, &headers, body, &app.config)?;
    let items = body::list(&body, "items", "item_id", app.config.max_events)?;
    // It waits for the disk, and goes on although the client may have gone meanwhile.
    let outcome = tokio::task::spawn_blocking(move || take(&app, &items)).await;
    let outcome = outcome.map_err(|cause| ApiError::internal(cause.to_string()))??;
    let status = match &outcome {
        Outcome { error: Some(_), .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome { added, .. } if added.is_empty() => StatusCode::OK,
        _ => StatusCode::CREATED,
    };
    Ok((status, json(&outcome)?).into_response())
}

fn take(app: &App, values: &[Value]) -> Result<Outcome, ApiError> {
    let catalog = &app.recommender.snapshot().catalog;
    let mut outcome = Outcome::default();
    let (mut items, mut places) = (Vec::new(), Vec::new());
    for (index, value) in values.iter().enumerate() {
        match Draft::read(value) {
            Ok(item) => {
                let is_unknown = |name: &&String| !catalog.extra().contains_key(*name);
                outcome.unknown_fields.extend(item.extra.keys().filter(is_unknown).cloned());
                places.push((index, item.key.clone()));
                items.push(item);
            }
            Err(problems) => {
                outcome.rejected.extend(problems.into_iter().map(|wrong| Rejected { index, wrong }));
            }
        }
    }
    for ((index, key), arrived) in places.into_iter().zip(app.recommender.add_items(items)?) {
        match arrived {
            Arrived::Added => outcome.added.push(key),
            Arrived::Known => outcome.known.push(key),
            Arrived::Invalid { problems } => {
                outcome.rejected.extend(problems.into_iter().map(|wrong| Rejected { index, wrong }));
            }
            _ => {
                let problem = format!("is `{key}`, which is another item's");
                let wrong = ItemProblem { field: "item_id".into(), problem };
                outcome.rejected.push(Rejected { index, wrong });
            }
        }
    }
    outcome.rejected.sort_by_key(|rejected| rejected.index);
    let none_counts = outcome.added.is_empty() && outcome.known.is_empty();
    outcome.error = outcome.rejected.first().filter(|_| none_counts).map(no_item_accepted);
    Ok(outcome)
}

fn no_item_accepted(first: &Rejected) -> ErrorJson {
    let ItemProblem { field, problem } = &first.wrong;
    let message = format!("no item is usable; of the one at index {} {field} {problem}", first.index);
    ErrorJson { code: "no_item_accepted", message, field: Some(field.to_string()) }
}

/// An item as it is read, with everything that is wrong with it.
#[derive(Debug, Default)]
struct Draft {
    item: ItemRecord,
    problems: Vec<ItemProblem>,
}

impl Draft {
    fn read(value: &Value) -> Result<ItemRecord, Vec<ItemProblem>> {
        let mut draft = Self::default();
        let Value::Object(fields) = value else {
            draft.wrong("item", "must be an object");
            return Err(draft.problems);
        };
        draft.fill(fields);
        if !fields.contains_key("item_id") {
            draft.wrong("item_id", "is missing");
        }
        if draft.problems.is_empty() { Ok(draft.item) } else { Err(draft.problems) }
    }

    fn fill(&mut self, fields: &Map<String, Value>) {
        for (field, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match field.as_str() {
                "item_id" => self.item.key = self.text(field, value).unwrap_or_default(),
                "title" => self.item.title = self.text(field, value),
                "text" => self.item.text = self.text(field, value),
                "category" => self.item.category = self.text(field, value),
                "subcategory" => self.item.subcategory = self.text(field, value),
                "brand" => self.item.brand = self.text(field, value),
                "tags" => self.item.tags = self.texts(field, value).unwrap_or_default(),
                "price" => self.item.price = self.number(field, value),
                "margin" => self.item.margin = self.number(field, value),
                "stock" => self.item.stock = self.number(field, value),
                "active" => self.item.active = self.known(field, value.as_bool(), "must be true or false"),
                "created_at" => self.item.created_at = self.moment(field, value),
                _ => {
                    let extra = self.extra(field, value);
                    self.item.extra.extend(extra.map(|extra| (field.clone(), extra)));
                }
            }
        }
    }

    fn wrong(&mut self, field: &str, problem: &str) {
        self.problems.push(ItemProblem { field: field.to_owned().into(), problem: problem.to_owned() });
    }

    fn known<T>(&mut self, field: &str, value: Option<T>, problem: &str) -> Option<T> {
        if value.is_none() {
            self.wrong(field, problem);
        }
        value
    }

    fn text(&mut self, field: &str, value: &Value) -> Option<String> {
        self.known(field, value.as_str().map(str::to_owned), "must be a text")
    }

    fn texts(&mut self, field: &str, value: &Value) -> Option<Vec<String>> {
        let texts = value
            .as_array()
            .and_then(|list| list.iter().map(|text| text.as_str().map(str::to_owned)).collect());
        self.known(field, texts, "must be a list of texts")
    }

    fn number(&mut self, field: &str, value: &Value) -> Option<f32> {
        self.known(field, value.as_f64().map(|number| number as f32), "must be a number")
    }

    fn moment(&mut self, field: &str, value: &Value) -> Option<Timestamp> {
        let millis = value.as_i64().filter(|millis| *millis >= 0).map(Timestamp::from_millis);
        self.known(field, millis, "must be whole milliseconds since 1970")
    }

    fn extra(&mut self, field: &str, value: &Value) -> Option<Extra> {
        match value {
            Value::Bool(flag) => Some(Extra::Flag(*flag)),
            Value::Number(number) => number.as_f64().map(Extra::Number),
            Value::String(text) => Some(Extra::Text(text.clone())),
            _ => {
                let list = value.as_array().and_then(|list| {
                    list.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
                });
                self.known(
                    field,
                    list.map(Extra::List),
                    "must be a text, a number, true or false, or a list of texts",
                )
            }
        }
    }
}
