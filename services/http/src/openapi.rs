//! What can a client ask for, in the form that tools read?
//!
//! Invariants:
//! - `docs/openapi.json` is this description, word for word; a test compares them, and writes the file anew when
//!   `UPDATE_OPENAPI=1` is set.

use std::sync::LazyLock;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::error::{ErrorBody, ErrorDetail};
use crate::routes::{ask, documents, events, residue, retry, search, sources, status, upload, webhooks, websub, write};
use crate::schema;

/// The API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Wellspring",
        description = "Answers questions over documents that keep changing, and cites them.\n\n\
            Every error is `{\"error\": {\"code\", \"message\", \"hint\"}}`. A service on the loopback needs no key; \
            any other wants `Authorization: Bearer KEY`."
    ),
    paths(
        documents::list, write::post, write::put, documents::read, documents::delete, residue::residue, retry::retry,
        events::events, sources::list, sources::add, sources::show, sources::change, sources::remove, sources::refresh,
        sources::release, webhooks::list, webhooks::add, webhooks::remove, webhooks::test, webhooks::rotate, webhooks::resume,
        websub::confirm, websub::told,
        search::search, search::search_by_url, ask::ask,
        status::status, status::metrics, status::openapi, status::healthz, status::readyz
    ),
    components(schemas(ErrorBody, ErrorDetail, schema::search::Hit, schema::Citation, schema::Event, schema::request::Document, upload::UploadResponse)),
    tags(
        (name = "documents", description = "Write, read, list and delete documents"),
        (name = "sources", description = "Say where documents come from"),
        (name = "webhooks", description = "Be told what happens to documents"),
        (name = "search", description = "Find passages"),
        (name = "ask", description = "Get answers with citations"),
        (name = "service", description = "How the service is")
    ),
    security((), ("key" = [])),
    modifiers(&AccessKeyScheme)
)]
struct Description;

/// Adds the access key.
struct AccessKeyScheme;

impl Modify for AccessKeyScheme {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        openapi.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

/// The description as JSON, made once.
pub fn document_json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        let mut json =
            Description::openapi().to_pretty_json().expect("the description has only string keys: always JSON");
        json.push('\n');
        json
    });
    &JSON
}
