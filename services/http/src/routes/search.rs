//! Which passages bear on this query?

use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use wellspring_core::limits;
use wellspring_core::retriever::{ArmStatus, Ranked, SearchArms, SearchRequest};

use super::Shared;
use crate::error::{ApiError, ErrorBody};
use crate::fields::{Fields, Parameters, collection, invalid, limit_within, query_text};
use crate::schema::search::{self as schema, SearchBody, SearchParameters};

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchResponse {
    /// The passages, best first.
    #[schema(value_type = Vec<schema::Hit>)]
    pub(crate) hits: Vec<Ranked>,
    /// How each half of the search fared.
    pub(crate) arms: Arms,
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
    let mut fields = Fields::parse(&body.bytes, &["query", "limit", "collection", "arms", "explain"])?;
    let query = query_text("query", fields.string("query")?)?;
    let limit = match fields.take("limit") {
        None => limits::HITS_DEFAULT,
        Some(number) => limit_within(number.as_u64(), limits::HITS_MAX)?,
    };
    let collection = collection(fields.string("collection")?.as_deref())?;
    let arms = arms(&fields.strings("arms")?)?;
    let explain = fields.boolean("explain")?.unwrap_or(false);
    run(&shared, SearchRequest { collection, query, limit, arms, explain }).await
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
    let (collection, arms) = (parameters.collection()?, SearchArms::default());
    run(&shared, SearchRequest { collection, query, limit, arms, explain: false }).await
}

/// The arms by their names; both where none is named.
fn arms(names: &[String]) -> Result<SearchArms, ApiError> {
    let (mut keyword, mut vector) = (false, false);
    for name in names {
        match name.as_str() {
            "keyword" => keyword = true,
            "vector" => vector = true,
            _ => return Err(invalid("arms", "names an arm that is not there", "the arms are `keyword` and `vector`")),
        }
    }
    Ok(match (keyword, vector) {
        (true, false) => SearchArms::Keyword,
        (false, true) => SearchArms::Vector,
        (true, true) | (false, false) => SearchArms::Both,
    })
}

async fn run(shared: &Shared, request: SearchRequest) -> Result<Json<SearchResponse>, ApiError> {
    shared.require_ready()?;
    let started = Instant::now();
    let results = shared.service.retriever.search(request).await?;
    let arms = Arms { keyword: results.keyword, vector: results.vector };
    let took_ms = started.elapsed().as_secs_f64() * 1000.0;
    Ok(Json(SearchResponse { hits: results.hits, arms, took_ms }))
}
