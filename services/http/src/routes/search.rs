//! Which passages bear on this query?

use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use wellspring_core::catalog::{EntryState, Sequence};
use wellspring_core::limits;
use wellspring_core::retriever::{
    ArmStatus, Ranked, Recency, RerankStatus, SearchArms, SearchErrorKind, SearchRequest,
};

use super::Shared;
use crate::error::{ApiError, Code, ErrorBody};
use crate::fields::{Fields, Parameters, collection, invalid, limit_within, query_text};
use crate::filter::filter_of;
use crate::schema::search::{self as schema, SearchBody, SearchParameters};

/// The fields of a search.
const FIELDS: &[&str] = &[
    "query",
    "limit",
    "collection",
    "arms",
    "explain",
    "filter",
    "acl",
    "half_life_days",
    "per_document",
    "collapse",
    "expand",
    "min_sequence",
];

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchResponse {
    /// The passages, best first.
    #[schema(value_type = Vec<schema::Hit>)]
    pub(crate) hits: Vec<Ranked>,
    /// How each half of the search fared.
    pub(crate) arms: Arms,
    /// Whether the best passages were read again by a model.
    #[schema(value_type = schema::RerankStatus)]
    pub(crate) rerank: RerankStatus,
    /// Milliseconds it took.
    pub(crate) took_ms: f64,
}

/// How each half of a search fared; if one fails, the other answers alone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Arms {
    /// The search by words.
    #[schema(value_type = schema::ArmStatus)]
    pub(crate) keyword: ArmStatus,
    /// The search by meaning.
    #[schema(value_type = schema::ArmStatus)]
    pub(crate) vector: ArmStatus,
}

/// Finds passages.
#[utoipa::path(
    post, path = "/v1/search", tag = "search", request_body = SearchBody,
    responses((status = 200, body = SearchResponse), (status = "default", body = ErrorBody))
)]
pub(crate) async fn search(State(shared): State<Shared>, body: Body) -> Result<Json<SearchResponse>, ApiError> {
    let body = shared.bodies.collect(body, limits::REQUEST_BODY_BYTES_MAX).await?;
    let mut fields = Fields::parse(&body.bytes, FIELDS)?;
    let query = query_text("query", fields.string("query")?)?;
    let limit = match fields.take("limit") {
        None => limits::HITS_DEFAULT,
        Some(number) => limit_within(number.as_u64(), limits::HITS_MAX)?,
    };
    let collection = collection(fields.string("collection")?.as_deref())?;
    let arms = match fields.take("arms") {
        None => SearchArms::Both,
        Some(named) => arms(&named)?,
    };
    let explain = fields.boolean("explain")?.unwrap_or(false);
    let collapse = fields.boolean("collapse")?.unwrap_or(false);
    let per_document = number(&mut fields, "per_document", 1, limits::HITS_MAX as u64)?.map(|most| most as usize);
    let expand = number(&mut fields, "expand", 0, limits::NEIGHBOURS_MAX as u64)?.unwrap_or(0) as usize;
    let min_sequence = number(&mut fields, "min_sequence", 0, u64::MAX)?;
    let recency = match fields.take("half_life_days") {
        None => None,
        Some(value) => Some(Recency { half_life_days: half_life(&value)?, now: Timestamp::now() }),
    };
    let filter = filter_of(&mut fields)?;
    drop(body);
    if let Some(sequence) = min_sequence {
        written(&shared, Sequence(sequence)).await?;
    }
    let request =
        SearchRequest { collection, query, limit, arms, explain, filter, recency, per_document, collapse, expand };
    run(&shared, request).await
}

/// Finds passages, asked by URL.
#[utoipa::path(
    get, path = "/v1/search", tag = "search", params(SearchParameters),
    responses((status = 200, body = SearchResponse), (status = "default", body = ErrorBody))
)]
pub(crate) async fn search_by_url(State(shared): State<Shared>, uri: Uri) -> Result<Json<SearchResponse>, ApiError> {
    let parameters = Parameters::parse(&uri, &["q", "limit", "collection"])?;
    let query = query_text("q", parameters.get("q").map(str::to_owned))?;
    let limit = parameters.limit(limits::HITS_DEFAULT, limits::HITS_MAX)?;
    let collection = parameters.collection()?;
    run(&shared, SearchRequest { collection, query, limit, ..SearchRequest::default() }).await
}

/// A whole number within bounds.
fn number(fields: &mut Fields, name: &str, least: u64, most: u64) -> Result<Option<u64>, ApiError> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    match value.as_u64().filter(|number| (least..=most).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(invalid(name, &format!("must be a whole number from {least} to {most}"), "or leave it out")),
    }
}

/// A half-life: any number of days above nothing.
fn half_life(value: &Value) -> Result<f64, ApiError> {
    value.as_f64().filter(|days| days.is_finite() && *days > 0.0).ok_or_else(|| {
        invalid("half_life_days", "must be a number of days above 0", "leave it out for no preference by age")
    })
}

/// Waits until a write has come to its end.
async fn written(shared: &Shared, sequence: Sequence) -> Result<(), ApiError> {
    match shared.service.writes.settled(sequence, shared.settings.searchable_wait_max).await? {
        None => Err(invalid("min_sequence", "is the number of no write", "send the `sequence` of a receipt")),
        Some(EntryState::Pending | EntryState::Parsed | EntryState::Embedded) => Err(ApiError::new(
            Code::NotReady,
            "that write is not searchable yet",
            "try again; `GET /v1/status` tells how much is pending",
        )),
        Some(_) => Ok(()),
    }
}

/// The arms by their names.
fn arms(named: &Value) -> Result<SearchArms, ApiError> {
    let hint = "the arms are `keyword` and `vector`; leave it out for both";
    let names = named.as_array().ok_or_else(|| invalid("arms", "must be a list of strings", hint))?;
    let (mut keyword, mut vector) = (false, false);
    for name in names {
        match name.as_str() {
            Some("keyword") => keyword = true,
            Some("vector") => vector = true,
            Some(_) => return Err(invalid("arms", "names an arm that is not there", hint)),
            None => return Err(invalid("arms", "must be a list of strings", hint)),
        }
    }
    match (keyword, vector) {
        (true, true) => Ok(SearchArms::Both),
        (true, false) => Ok(SearchArms::Keyword),
        (false, true) => Ok(SearchArms::Vector),
        (false, false) => Err(invalid("arms", "names none", hint)),
    }
}

async fn run(shared: &Shared, request: SearchRequest) -> Result<Json<SearchResponse>, ApiError> {
    shared.require_ready()?;
    let started = Instant::now();
    let asked = request.arms;
    let results = match shared.service.retriever.search(request).await {
        Ok(results) => results,
        Err(error) => {
            if error.kind() == SearchErrorKind::Unavailable {
                shared.metrics.failed_search(asked);
            }
            return Err(error.into());
        }
    };
    shared.metrics.search(&results.keyword, &results.vector);
    let arms = Arms { keyword: results.keyword, vector: results.vector };
    let took_ms = started.elapsed().as_secs_f64() * 1000.0;
    Ok(Json(SearchResponse { hits: results.hits, arms, rerank: results.rerank, took_ms }))
}
