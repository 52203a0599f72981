//! What is a client told when a request is not done?
//!
//! Invariants:
//! - Every error has one form, `{"error": {"code", "message", "hint"}}`, whatever raised it.
//! - Codes are stable; which status a code has is decided here and nowhere else.
//! - A message never repeats a document's or a question's text; what the operator needs goes to the log, here.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{ETAG, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wellspring_core::answer::AnswerFailure;
use wellspring_core::catalog::{CatalogError, CatalogErrorKind, EntryState, Refusal, Stage};
use wellspring_core::document::Revision;
use wellspring_core::retriever::{SearchError, SearchErrorKind, met_damage};
use wellspring_core::source::SourceError;
use wellspring_core::trace::{TraceError, TraceErrorKind};
use wellspring_core::webhook::WebhookError;

use crate::conditions::entity_tag;

/// Declares the codes with their text and status, once.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident;)*) => {
        /// A stable name of what went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The text that clients match.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The HTTP status it is answered with.
            pub fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or not the JSON that is wanted.
    InvalidJson = "invalid_json", BAD_REQUEST;
    /// The body broke off or is not well-formed HTTP.
    InvalidBody = "invalid_body", BAD_REQUEST;
    /// The path or the query string cannot be read.
    InvalidUrl = "invalid_url", BAD_REQUEST;
    /// The access key is missing or wrong.
    Unauthorized = "unauthorized", UNAUTHORIZED;
    /// The `Host` header names another machine than this one.
    HostNotAllowed = "host_not_allowed", FORBIDDEN;
    /// A web page of another origin sent the request.
    OriginNotAllowed = "origin_not_allowed", FORBIDDEN;
    /// No such path.
    UnknownRoute = "unknown_route", NOT_FOUND;
    /// No such collection.
    UnknownCollection = "unknown_collection", NOT_FOUND;
    /// No such document.
    UnknownDocument = "unknown_document", NOT_FOUND;
    /// No such revision, or too old to be kept.
    UnknownRevision = "unknown_revision", NOT_FOUND;
    /// No such source.
    UnknownSource = "unknown_source", NOT_FOUND;
    /// No such webhook.
    UnknownWebhook = "unknown_webhook", NOT_FOUND;
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The body did not arrive in time.
    BodyTimeout = "body_timeout", REQUEST_TIMEOUT;
    /// The document belongs to another source.
    OwnedBySource = "owned_by_source", CONFLICT;
    /// A source of this name comes from elsewhere.
    SourceExists = "source_exists", CONFLICT;
    /// There are as many sources as there may be.
    TooManySources = "too_many_sources", CONFLICT;
    /// The source is paused.
    SourcePaused = "source_paused", CONFLICT;
    /// The source is being removed.
    SourceRemoving = "source_removing", CONFLICT;
    /// No deletions are held back.
    NothingHeld = "nothing_held", CONFLICT;
    /// A webhook with these settings is there already.
    WebhookExists = "webhook_exists", CONFLICT;
    /// There are as many webhooks as there may be.
    TooManyWebhooks = "too_many_webhooks", CONFLICT;
    /// The service was told to open no outgoing connection.
    Offline = "offline", CONFLICT;
    /// The document's newest revision has not failed.
    NotFailed = "not_failed", CONFLICT;
    /// The document's content is no longer kept.
    ContentGone = "content_gone", GONE;
    /// There is no such subscription, or no longer.
    SubscriptionGone = "subscription_gone", GONE;
    /// A subscription that was never asked for, or is not wanted any more.
    SubscriptionUnwanted = "subscription_unwanted", NOT_FOUND;
    /// Events behind that number are no longer kept.
    EventsGone = "events_gone", GONE;
    /// The document is at another revision than the write was meant for.
    RevisionMismatch = "revision_mismatch", PRECONDITION_FAILED;
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE;
    /// The document's content is larger than the limit.
    DocumentTooLarge = "document_too_large", PAYLOAD_TOO_LARGE;
    /// The content type is none that this path reads.
    UnsupportedContentType = "unsupported_content_type", UNSUPPORTED_MEDIA_TYPE;
    /// The body is compressed.
    UnsupportedContentEncoding = "unsupported_content_encoding", UNSUPPORTED_MEDIA_TYPE;
    /// The file's format is none that Wellspring reads.
    UnsupportedFormat = "unsupported_format", UNSUPPORTED_MEDIA_TYPE;
    /// A field or parameter that does not exist.
    UnknownField = "unknown_field", UNPROCESSABLE_ENTITY;
    /// A field or parameter with a value that cannot be.
    InvalidField = "invalid_field", UNPROCESSABLE_ENTITY;
    /// A field or parameter that is required.
    MissingField = "missing_field", UNPROCESSABLE_ENTITY;
    /// A document without a key.
    MissingKey = "missing_key", UNPROCESSABLE_ENTITY;
    /// A key that cannot be one.
    InvalidKey = "invalid_key", UNPROCESSABLE_ENTITY;
    /// The key in the body is not the key in the path.
    KeyMismatch = "key_mismatch", UNPROCESSABLE_ENTITY;
    /// The `Idempotency-Key` came before with another request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY;
    /// Not exactly one of `text`, `html` and `file`.
    InvalidContent = "invalid_content", UNPROCESSABLE_ENTITY;
    /// `limit` is outside its range.
    InvalidLimit = "invalid_limit", UNPROCESSABLE_ENTITY;
    /// Nothing is asked.
    EmptyQuery = "empty_query", UNPROCESSABLE_ENTITY;
    /// The query or question is too long.
    QueryTooLong = "query_too_long", UNPROCESSABLE_ENTITY;
    /// The document was accepted and cannot be published.
    DocumentFailed = "document_failed", UNPROCESSABLE_ENTITY;
    /// The document killed its parser and is not tried again.
    DocumentQuarantined = "document_quarantined", UNPROCESSABLE_ENTITY;
    /// The document was accepted and is left out: screening dropped it, or it holds no text.
    DocumentSkipped = "document_skipped", UNPROCESSABLE_ENTITY;
    /// What came is no request that HTTP/1.1 knows.
    InvalidRequest = "invalid_request", BAD_REQUEST;
    /// The URL is longer than is read.
    UrlTooLong = "url_too_long", URI_TOO_LONG;
    /// The headers are more or longer than are read.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE;
    /// More lines than one stream may have.
    TooManyLines = "too_many_lines", PAYLOAD_TOO_LARGE;
    /// One line of a stream is longer than the limit.
    LineTooLong = "line_too_long", PAYLOAD_TOO_LARGE;
    /// Too many requests in work, or too many bytes of them in memory.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE;
    /// Too many questions in work.
    Busy = "busy", SERVICE_UNAVAILABLE;
    /// The service is still starting.
    NotReady = "not_ready", SERVICE_UNAVAILABLE;
    /// No generator is there to be asked.
    GeneratorUnavailable = "generator_unavailable", SERVICE_UNAVAILABLE;
    /// The generator has no place for another request.
    GeneratorBusy = "generator_busy", SERVICE_UNAVAILABLE;
    /// The generator failed in the middle.
    GeneratorInterrupted = "generator_interrupted", SERVICE_UNAVAILABLE;
    /// The generator did not take the prompt.
    GeneratorRefused = "generator_refused", BAD_GATEWAY;
    /// The generator wrote nothing.
    GeneratorEmpty = "generator_empty", BAD_GATEWAY;
    /// What the generator wrote is not in the documents.
    AnswerUnsupported = "answer_unsupported", BAD_GATEWAY;
    /// The generator's answer stops in the middle of a sentence.
    AnswerUnfinished = "answer_unfinished", BAD_GATEWAY;
    /// Neither index could be searched.
    SearchUnavailable = "search_unavailable", SERVICE_UNAVAILABLE;
    /// The catalog's store cannot be read or written.
    CatalogUnavailable = "catalog_unavailable", SERVICE_UNAVAILABLE;
    /// The catalog's file is damaged, or of another version.
    CatalogDamaged = "catalog_damaged", INTERNAL_SERVER_ERROR;
    /// An answer ended without saying so.
    AnswerInterrupted = "answer_interrupted", INTERNAL_SERVER_ERROR;
    /// A fault of the service.
    Internal = "internal", INTERNAL_SERVER_ERROR;
}

impl Code {
    /// The code with this text.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

/// An error as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    hint: Cow<'static, str>,
    /// The revision that a write would have to be meant for.
    current: Option<Revision>,
    /// Seconds after which trying again has a chance; 0 where nobody measured it.
    retry_after_seconds: u32,
}

/// Marks a response to a request that met a damaged catalog.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DamageMet;

/// The form of every error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong and what to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// A stable code for programs.
    pub code: String,
    /// What happened, for people.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ApiError {
    /// An error of this service.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: code.status(),
            code: code.as_str().into(),
            message: message.into(),
            hint: hint.into(),
            current: None,
            retry_after_seconds: 0,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The error without its envelope, as it stands in a line of a stream or an event.
    pub fn detail(&self) -> ErrorDetail {
        ErrorDetail {
            code: self.code.clone().into_owned(),
            message: self.message.clone().into_owned(),
            hint: self.hint.clone().into_owned(),
        }
    }

    /// Says why an accepted entry will never be searchable; `None` for any other state.
    pub fn of_state(state: &EntryState) -> Option<Self> {
        match state {
            EntryState::Failed { stage, reason, next_retry_at, .. } => Some(Self::new(
                Code::DocumentFailed,
                format!("the document was accepted but could not be published ({}): {reason}", stage_name(*stage)),
                match next_retry_at {
                    Some(at) => {
                        format!("it is tried again by itself at {at}; `POST` to its path with `/retry` does so now")
                    }
                    None => {
                        "correct the document and send it again; the same bytes sent again are tried once more".into()
                    }
                },
            )),
            EntryState::Quarantined { reason } => Some(Self::new(
                Code::DocumentQuarantined,
                format!("the document was accepted but killed its parser: {reason}"),
                "send it in another format",
            )),
            EntryState::Skipped { reason } => Some(Self::new(
                Code::DocumentSkipped,
                format!("the document was accepted and is left out of searches: {reason}"),
                "send it again with text; or, where a rule of the screening left it out, change the rule and retry it",
            )),
            EntryState::Pending
            | EntryState::Parsed
            | EntryState::Embedded
            | EntryState::Published
            | EntryState::Superseded => None,
        }
    }
}

/// The name of a stage as the API writes it.
fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Receive => "receive",
        Stage::Parse => "parse",
        Stage::Embed => "embed",
        Stage::Apply => "apply",
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { error: self.detail() })).into_response();
        if self.code == Code::CatalogDamaged.as_str() {
            response.extensions_mut().insert(DamageMet);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = self.retry_after_seconds.max(1);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(revision) = self.current {
            response.headers_mut().insert(ETAG, entity_tag(revision));
        }
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OwnedBySource(source) => Self::new(
                Code::OwnedBySource,
                format!("the document belongs to the source `{source}`"),
                "change or delete it where it comes from, or use another key",
            ),
            Refusal::KeyOfSource(source) => Self::new(
                Code::OwnedBySource,
                format!("keys that begin with `{source}/` belong to the source `{source}`; nothing was written"),
                "put the document where that source finds it, or use a key that begins otherwise",
            ),
            Refusal::Changed(Some(revision)) => Self {
                current: Some(revision),
                ..Self::new(
                    Code::RevisionMismatch,
                    format!("the document is there, at revision {revision}; nothing was written"),
                    "read it, and send the write again with the revision it is meant for",
                )
            },
            Refusal::Changed(None) => Self::new(
                Code::RevisionMismatch,
                "there is no such document; nothing was written",
                "send the write without `if_match` to create it",
            ),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        tracing::error!(error = %error.chain(), "the catalog failed");
        match error.kind() {
            CatalogErrorKind::Storage => Self::new(
                Code::CatalogUnavailable,
                "the catalog's files cannot be read or written",
                "look at the free space and the permissions of the data directory, then try again",
            ),
            CatalogErrorKind::Full => Self::new(
                Code::CatalogUnavailable,
                error.to_string(),
                "free some space on the disk of the data directory, then send it again; searches, questions and deletions \
                 go on",
            ),
            CatalogErrorKind::Locked => Self::new(
                Code::CatalogUnavailable,
                "another process holds the catalog",
                "stop the other process, then try again",
            ),
            CatalogErrorKind::Incompatible => catalog_damaged(),
        }
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> Self {
        let message = error.to_string();
        match error {
            SourceError::Unknown => unknown_source(),
            SourceError::Exists => Self::new(
                Code::SourceExists,
                message,
                "choose another name; or remove that one first, keeping its documents, and this one takes them up",
            ),
            SourceError::Invalid(error) => Self::new(Code::InvalidField, message, error.hint),
            SourceError::TooMany => Self::new(Code::TooManySources, message, "remove one that is not needed"),
            SourceError::Paused => Self::new(Code::SourcePaused, message, "resume it first"),
            SourceError::Removing => {
                Self::new(Code::SourceRemoving, message, "wait until `GET /v1/sources` lists it no longer")
            }
            SourceError::NothingHeld => {
                Self::new(Code::NothingHeld, message, "`held_deletions` of the source says how many there are")
            }
            SourceError::Catalog(error) => error.into(),
        }
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        let message = error.to_string();
        match error {
            WebhookError::Unknown => unknown_webhook(),
            WebhookError::Exists(_) => {
                let hint =
                    "`POST` to its path with `/resume` lets a disabled one go on, with `/rotate` gives it a new secret";
                Self::new(Code::WebhookExists, message, hint)
            }
            WebhookError::TooMany => Self::new(Code::TooManyWebhooks, message, "remove one that is not needed"),
            WebhookError::Invalid(error) => Self::new(Code::InvalidField, message, error.hint),
            WebhookError::Offline => Self::new(Code::Offline, message, "start the service without --offline"),
            WebhookError::Busy => Self::new(Code::Busy, message, "try again in a moment"),
            WebhookError::NoSecret => Self::new(Code::Internal, message, "see that the system has randomness"),
            WebhookError::Catalog(error) => error.into(),
        }
    }
}

impl From<TraceError> for ApiError {
    fn from(error: TraceError) -> Self {
        tracing::error!(error = %error.chain(), "a store could not be looked into");
        match error.kind() {
            TraceErrorKind::Catalog => Self::new(
                Code::CatalogUnavailable,
                "the catalog could not be looked into",
                "try again; see the service's log",
            ),
            TraceErrorKind::View => Self::new(
                Code::SearchUnavailable,
                "an index could not be looked into",
                "try again; see the service's log",
            ),
        }
    }
}

/// The error of a catalog that cannot be read, and will not be by trying again.
fn catalog_damaged() -> ApiError {
    ApiError::new(
        Code::CatalogDamaged,
        "the catalog is damaged or was written by another version",
        "run `wellspring doctor`; a damaged catalog is replaced by a backup, or built anew from the documents",
    )
}

impl From<SearchError> for ApiError {
    fn from(error: SearchError) -> Self {
        match error.kind() {
            SearchErrorKind::UnknownCollection => unknown_collection(),
            SearchErrorKind::Unavailable => {
                tracing::error!(error = %error.chain(), "the search failed");
                Self::new(
                    Code::SearchUnavailable,
                    "no index that was asked could be searched",
                    "try again; see the service's log",
                )
            }
            SearchErrorKind::Catalog if met_damage(&error) => {
                tracing::error!(error = %error.chain(), "the search met a damaged catalog");
                catalog_damaged()
            }
            SearchErrorKind::Catalog => {
                tracing::error!(error = %error.chain(), "the search could not read the catalog");
                Self::new(
                    Code::CatalogUnavailable,
                    "what was found could not be read from the catalog",
                    "try again; see the service's log",
                )
            }
        }
    }
}

impl From<AnswerFailure> for ApiError {
    fn from(failure: AnswerFailure) -> Self {
        // The answer service has codes of its own; one that this table does not know keeps its name.
        let status = Code::named(&failure.code).map_or(StatusCode::INTERNAL_SERVER_ERROR, Code::status);
        Self {
            status,
            code: failure.code.into(),
            message: failure.message.into(),
            hint: failure.hint.into(),
            current: None,
            // In whole seconds, and never so early that it is in vain.
            retry_after_seconds: failure.retry_after.map_or(0, |pause| pause.as_secs_f64().ceil() as u32),
        }
    }
}

/// The error of a collection that does not exist.
pub(crate) fn unknown_collection() -> ApiError {
    ApiError::new(
        Code::UnknownCollection,
        "there is no such collection",
        "leave `collection` out for the default one; `GET /v1/status` shows what is there",
    )
}

/// The error of a source that does not exist.
pub(crate) fn unknown_source() -> ApiError {
    ApiError::new(Code::UnknownSource, "there is no such source", "`GET /v1/sources` lists them")
}

/// The error of a webhook that does not exist.
pub(crate) fn unknown_webhook() -> ApiError {
    ApiError::new(Code::UnknownWebhook, "there is no such webhook", "`GET /v1/webhooks` lists them")
}

/// The error of a document that does not exist or was deleted.
pub(crate) fn unknown_document() -> ApiError {
    ApiError::new(
        Code::UnknownDocument,
        "there is no such document",
        "keys are compared as written; `GET /v1/documents` lists them",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_snake_case_and_errors() {
        for (place, code) in Code::ALL.iter().enumerate() {
            let text = code.as_str();
            assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{text}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{text}");
            assert!(Code::ALL[..place].iter().all(|other| other.as_str() != text), "{text} is there twice");
        }
    }

    #[test]
    fn a_foreign_code_keeps_its_name() {
        let failure = |code: &str| AnswerFailure {
            code: code.into(),
            message: "m".into(),
            hint: "h".into(),
            retry_after: Some(std::time::Duration::from_millis(6200)),
        };
        let known = ApiError::from(failure("generator_unavailable"));
        assert_eq!((known.status(), known.code()), (StatusCode::SERVICE_UNAVAILABLE, "generator_unavailable"));
        assert_eq!(known.into_response().headers()[RETRY_AFTER], "7");
        let foreign = ApiError::from(failure("something_new"));
        assert_eq!((foreign.status(), foreign.code()), (StatusCode::INTERNAL_SERVER_ERROR, "something_new"));
    }
}
