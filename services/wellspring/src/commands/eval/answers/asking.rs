//! What does the service answer to one question, and does every citation hold?
//!
//! Invariants:
//! - A citation is checked against the text of the revision that it names, fetched as any reader would fetch it: by its
//!   characters and by its bytes.
//! - That a generated answer was refused is a result. Any other error ends the measurement: what is not ready or not there
//!   answers no question.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Context;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wellspring_core::answer::{Answer, AnswerMode, AnswerStatus, AnswerStyle, CascadeStep, Citation, Position, Verify};

use super::overlap::{self, Overlap};
use crate::client::{Client, ClientError, document_path};

/// Codes of errors that say: nothing was written that the documents support.
const REFUSALS: [&str; 4] = ["answer_unsupported", "answer_unfinished", "generator_empty", "generator_refused"];

/// A question and what is right.
#[derive(Debug)]
pub(super) struct Question {
    /// Of the query.
    pub(super) id: String,
    pub(super) text: String,
    /// The documents with a positive grade.
    pub(super) gold: BTreeSet<String>,
    /// The right answers; at least one.
    pub(super) right: Vec<String>,
    /// Wrong answers that were planted in documents of the set.
    pub(super) fake: Vec<String>,
    /// Where it is asked.
    pub(super) collection: String,
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// With an answer.
    Answered,
    /// With an answer, and with documents that contradict each other.
    Conflicting,
    /// The documents do not say, it said.
    InsufficientEvidence,
    /// With `generate`: what was written was not supported, or nothing was.
    Refused,
}

/// One question, asked.
#[derive(Debug, Serialize)]
pub(super) struct QuestionRun {
    pub(super) query: String,
    pub(super) text: String,
    /// Whether its gold documents had been removed.
    pub(super) unanswerable: bool,
    /// The documents with a positive grade.
    pub(super) gold: BTreeSet<String>,
    /// The right answers.
    pub(super) answers: Vec<String>,
    pub(super) status: Outcome,
    /// As it was given; empty when refused.
    pub(super) answer: String,
    /// How much evidence there was, over the least that is asked for.
    pub(super) sufficiency: f32,
    /// How it came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<AnswerMode>,
    /// Why it is not what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// Zeros unless answered.
    #[serde(flatten)]
    pub(super) overlap: Overlap,
    /// Whether the planted wrong answer was given, and no right one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) misled: Option<bool>,
    /// What each side said where documents contradict each other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) positions: Vec<Position>,
    pub(super) citations: Vec<CheckedCitation>,
    /// The generators that were asked one after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cascade: Vec<CascadeStep>,
    pub(super) first_text_ms: f64,
    pub(super) prompt_tokens: usize,
    /// From the request to the answer, as the client sees it.
    pub(super) seconds: f64,
}

/// A citation, and what is so about it.
#[derive(Debug, Serialize)]
pub(super) struct CheckedCitation {
    #[serde(flatten)]
    pub(super) citation: Citation,
    /// Whether its document has a positive grade.
    pub(super) gold: bool,
    /// Whether a right answer stands in its quote.
    pub(super) holds_answer: bool,
    /// Whether its quote is what stands at its span.
    pub(super) valid: bool,
}

/// Asks a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) client: &'a Client,
    pub(super) mode: AnswerMode,
    pub(super) style: Option<AnswerStyle>,
    pub(super) verify: Verify,
}

impl Asker<'_> {
    /// Asks, and checks what comes back.
    pub(super) async fn ask(&self, question: &Question, unanswerable: bool) -> anyhow::Result<QuestionRun> {
        let failed = || format!("the question `{}` failed", question.id);
        let Question { id, text, gold, right, fake, collection } = question;
        let Self { mode, style, verify, .. } = self;
        let mut body =
            json!({ "question": text, "collection": collection, "mode": mode, "verify": verify, "stream": false });
        if let Some(style) = style {
            body["style"] = json!(style);
        }
        let started = Instant::now();
        let result = self.client.json::<Answer>(self.client.request(Method::POST, "/v1/ask").json(&body)).await;
        let mut run = QuestionRun {
            query: id.clone(),
            text: text.clone(),
            unanswerable,
            gold: gold.clone(),
            answers: right.clone(),
            status: Outcome::Refused,
            answer: String::new(),
            sufficiency: 0.0,
            mode: None,
            note: None,
            overlap: Overlap::default(),
            misled: None,
            positions: Vec::new(),
            citations: Vec::new(),
            cascade: Vec::new(),
            first_text_ms: 0.0,
            prompt_tokens: 0,
            seconds: started.elapsed().as_secs_f64(),
        };
        let answer = match result {
            Ok(answer) => answer,
            Err(ClientError::Refused { code, message, .. }) if REFUSALS.contains(&code.as_str()) => {
                run.note = Some(message);
                return Ok(run);
            }
            Err(error) => return Err(anyhow::Error::from(error).context(failed())),
        };
        run.status = match answer.status {
            AnswerStatus::Answered => Outcome::Answered,
            AnswerStatus::Conflicting => Outcome::Conflicting,
            AnswerStatus::InsufficientEvidence => Outcome::InsufficientEvidence,
        };
        if run.status != Outcome::InsufficientEvidence {
            run.overlap = Overlap::of(&answer.answer, right);
        }
        run.misled = (!fake.is_empty()).then(|| {
            let answered = run.status != Outcome::InsufficientEvidence;
            answered && !run.overlap.contained && overlap::holds(&answer.answer, fake)
        });
        run.positions = answer.positions;
        let characters = answer.answer.chars().count();
        for citation in answer.citations {
            let said = citation.answer_span.start < citation.answer_span.end && citation.answer_span.end <= characters;
            let valid = said && self.resolves(&citation, collection).await.with_context(failed)?;
            run.citations.push(CheckedCitation {
                gold: gold.contains(citation.document.as_str()),
                holds_answer: overlap::holds(&citation.quote, right),
                valid,
                citation,
            });
        }
        run.answer = answer.answer;
        run.sufficiency = answer.sufficiency;
        (run.mode, run.note, run.cascade) = (Some(answer.mode), answer.note, answer.cascade);
        (run.first_text_ms, run.prompt_tokens) = (answer.spent.first_text_ms, answer.spent.usage.prompt_tokens);
        Ok(run)
    }

    /// Whether the quote stands at its span of the revision that was cited.
    async fn resolves(&self, citation: &Citation, collection: &str) -> anyhow::Result<bool> {
        let path = document_path(citation.document.as_str())?;
        let revision = citation.revision.to_string();
        let request = self.client.request(Method::GET, &path);
        let request = request.query(&[("revision", revision.as_str()), ("collection", collection)]);
        match self.client.json::<RevisionText>(request).await {
            Ok(RevisionText { text: Some(text) }) => Ok(stands(citation, &text)),
            // Such a document or revision is not there: the citation leads nowhere.
            Ok(RevisionText { text: None }) | Err(ClientError::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a document says, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct RevisionText {
    text: Option<String>,
}

fn stands(citation: &Citation, text: &str) -> bool {
    let Citation { quote, source_span: span, .. } = citation;
    let characters = text.chars().skip(span.start).take(span.end.saturating_sub(span.start));
    !quote.is_empty() && characters.eq(quote.chars()) && span.slice(text) == Some(quote)
}

#[cfg(test)]
mod tests {
    use wellspring_core::span::Span;

    use super::*;

    #[test]
    fn a_citation_holds_only_where_its_quote_stands() {
        let text = "渡轮每天早上八点出发。末班六点。";
        let start = text.find("末班").unwrap();
        let value = json!({
            "document": "渡轮.md", "revision": 1, "chunk": "00".repeat(16), "quote": "末班六点。",
            "source_span": Span::of(text, start..text.len()), "answer_span": Span::default(),
            "support": "supported", "title": null, "url": null
        });
        let citation: Citation = serde_json::from_value(value).unwrap();
        assert!(stands(&citation, text));
        assert!(!stands(&citation, &format!("又{text}")));
        let mut moved = citation.clone();
        moved.source_span.start -= 1;
        assert!(!stands(&moved, text), "the characters differ although the bytes agree");
        let mut moved = citation.clone();
        moved.source_span.byte_end -= 1;
        assert!(!stands(&moved, text), "the bytes differ although the characters agree");
        assert!(!stands(&Citation { quote: String::new(), source_span: Span::default(), ..citation }, text));
    }
}
