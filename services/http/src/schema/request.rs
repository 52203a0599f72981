//! What may a client send?
//!
//! Handlers read requests by hand (`fields`, `draft`), so that no error repeats a value; these are the shapes they
//! read, for `docs/openapi.json` alone.

use utoipa::{IntoParams, ToSchema};

use super::search::Filter;
use super::{AnswerMode, AnswerStyle, Origin, Remains, StateName, Verify};

/// A document as a client sends it: with exactly one of `text`, `html` and `file`.
#[derive(Debug, ToSchema)]
pub struct Document {
    /// The document's name, unique in its collection; not needed where the path has it.
    pub key: Option<String>,
    /// Another name of `key`.
    pub id: Option<String>,
    /// The title; where absent, one is looked for in the content.
    pub title: Option<String>,
    /// The content as plain text.
    pub text: Option<String>,
    /// The content as HTML.
    pub html: Option<String>,
    /// The content as a file.
    pub file: Option<File>,
    /// Where a person can read the original.
    pub url: Option<String>,
    /// When its author published it: a time with its offset, or a date.
    pub published_at: Option<String>,
    /// A BCP 47 language tag.
    pub language: Option<String>,
    /// Labels.
    pub tags: Option<Vec<String>>,
    /// Access labels: only who brings one of them finds the document; everybody does where there is none.
    pub acl: Option<Vec<String>>,
    /// The caller's own fields.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<serde_json::Value>,
}

/// A file in a JSON document.
#[derive(Debug, ToSchema)]
pub struct File {
    /// Its name, whose ending says the format: .txt, .md, .pdf, .docx and the like.
    pub name: Option<String>,
    /// Another name of `name`.
    pub filename: Option<String>,
    /// Its content type; says the format before the name does.
    pub content_type: Option<String>,
    /// Its bytes, in base64 with padding.
    pub base64: String,
}

/// A question.
#[derive(Debug, ToSchema)]
pub struct AskBody {
    /// What to answer.
    pub question: String,
    /// Which documents to ask; the default collection where absent.
    pub collection: Option<String>,
    /// How to answer; `auto` where absent.
    #[schema(value_type = Option<AnswerMode>)]
    pub mode: Option<String>,
    /// How long the answer is; `auto`, or absent, chooses by the question and the model.
    #[schema(value_type = Option<AnswerStyle>)]
    pub style: Option<String>,
    /// What becomes of sentences that the documents do not support; the service's setting where absent.
    #[schema(value_type = Option<Verify>)]
    pub verify: Option<String>,
    /// What was said before, oldest first, at most 16 turns of a question and its answer. A question that leans on it ("and on Sundays?") is completed.
    pub history: Option<Vec<Said>>,
    /// Which documents may be asked.
    pub filter: Option<Filter>,
    /// The caller's access labels.
    pub acl: Option<Vec<String>>,
    /// Whether to answer as a stream of events; where absent, `Accept: text/event-stream` says so.
    pub stream: Option<bool>,
}

/// A message of a conversation.
#[derive(Debug, ToSchema)]
pub struct Said {
    /// `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// The parameters of reading one document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadParameters {
    /// The revision whose text is wanted; the published one where absent.
    pub revision: Option<u64>,
    /// Where the document is; the default collection where absent.
    pub collection: Option<String>,
}

/// The parameters of looking for what is left.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ResidueParameters {
    /// Where the document was; the default collection where absent.
    pub collection: Option<String>,
}

/// The parameters of trying a document again.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RetryParameters {
    /// Where the document is; the default collection where absent.
    pub collection: Option<String>,
    /// `searchable` waits until the next search finds the document.
    pub wait: Option<String>,
}

/// The parameters of asking for readiness.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadyParameters {
    /// `writes` answers 503 while no write can be taken, too.
    #[param(rename = "for")]
    pub for_: Option<String>,
}

/// The parameters of following events.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventParameters {
    /// The number of the event that was seen last; 0 for all that are kept.
    pub after: Option<u64>,
}

/// The parameters of a listing.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// What to list; the default collection where absent.
    pub collection: Option<String>,
    /// The key to go on after.
    pub after: Option<String>,
    /// The most documents, from 1 to 1000; 100 where absent.
    pub limit: Option<u32>,
    /// Only documents whose newest revision is in this state; `received` includes what is being read or embedded.
    #[param(value_type = Option<StateName>)]
    pub state: Option<String>,
    /// Only documents of this source.
    pub source: Option<String>,
}

/// The parameters of a write.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WriteParameters {
    /// Where the document belongs; the default collection where absent.
    pub collection: Option<String>,
    /// `searchable` waits until the next search finds the document.
    pub wait: Option<String>,
    /// Write only over this revision, or `*`: only over a document that is there.
    pub if_match: Option<String>,
}

/// The parameters of a write that is the document itself.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PutParameters {
    /// The body's format, whatever its content type: `json` for a document that is JSON itself.
    pub format: Option<String>,
    /// A file name, whose ending says the format where the content type does not.
    pub filename: Option<String>,
    /// The title of a document that is sent as it is, not as JSON.
    pub title: Option<String>,
    /// Where a person can read the original.
    pub url: Option<String>,
    /// When its author published it: a time with its offset, or a date.
    pub published_at: Option<String>,
    /// A BCP 47 language tag.
    pub language: Option<String>,
    /// Labels, separated by commas.
    pub tags: Option<String>,
    /// Access labels, separated by commas.
    pub acl: Option<String>,
    /// The caller's own fields, as a JSON object.
    pub metadata: Option<String>,
}

/// The parameters of an upload by a form.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PostParameters {
    /// Of a form: goes in front of every key.
    pub prefix: Option<String>,
    /// Of a form: when the authors published the files.
    pub published_at: Option<String>,
    /// Of a form: the files' language, a BCP 47 tag.
    pub language: Option<String>,
    /// Of a form: labels of every file, separated by commas.
    pub tags: Option<String>,
    /// Of a form: access labels of every file, separated by commas.
    pub acl: Option<String>,
    /// Of a form: the caller's own fields of every file, as a JSON object.
    pub metadata: Option<String>,
}

/// A source as its owner describes it.
#[derive(Debug, ToSchema)]
pub struct SourceBody {
    /// Its name, unique: lower-case letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Where its documents go; the default collection where absent.
    pub collection: Option<String>,
    /// Where they come from.
    pub origin: Origin,
    /// Host names that may lie in a private network; none unless named here.
    pub private_hosts: Option<Vec<String>>,
    /// Labels that each of its documents gets.
    pub tags: Option<Vec<String>>,
}

/// A change of a source.
#[derive(Debug, ToSchema)]
pub struct SourceChange {
    /// Whether it is left alone.
    pub paused: bool,
}

/// The parameters of a removal.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RemovalParameters {
    /// What becomes of its documents; `keep` where absent.
    #[param(value_type = Option<Remains>)]
    pub documents: Option<String>,
}

/// What a hub wants to know before it does what it was asked.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HubParameters {
    /// `subscribe`, `unsubscribe` or `denied`.
    #[param(rename = "hub.mode")]
    pub mode: String,
    /// What it is about.
    #[param(rename = "hub.topic")]
    pub topic: String,
    /// What the answer has to be; not with `denied`.
    #[param(rename = "hub.challenge")]
    pub challenge: Option<String>,
    /// For how long.
    #[param(rename = "hub.lease_seconds")]
    pub lease_seconds: Option<u64>,
}
