//! What was found for a question, as a whole and for each thing that it compares?
//!
//! Invariants:
//! - Evidence, limits and what is outdone are about the same sentences, in one order.

use std::sync::Arc;

use wellspring_core::answer::{Citation, Support};
use wellspring_core::embedding::Embedder;
use wellspring_core::span::Span;

use crate::cite::{Citer, citable, outdone};
use crate::evidence::{Evidence, joint};
use crate::extract::extract;
use crate::quoting::grammar;
use crate::relation::{Limit, limits};
use crate::subject::Subject;

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The sentences.
    pub(crate) evidence: Arc<Evidence>,
    /// What the question is about.
    pub(crate) subject: Subject,
    /// What each sentence can support at best.
    pub(crate) limits: Vec<Limit>,
    /// Which sentences another one outdoes.
    outdone: Vec<bool>,
    /// The same for each thing that is compared; empty where none is.
    parts: Vec<Found>,
}

impl Found {
    /// What was found for one question.
    pub(crate) fn of(question: &str, evidence: Evidence, subject: Subject) -> Self {
        let limits = limits(question, &evidence, &subject);
        let outdone = outdone(question, &evidence, &limits);
        Self { evidence: Arc::new(evidence), subject, limits, outdone, parts: Vec::new() }
    }

    /// What was found for the things that a question compares, one behind the other. At least one.
    pub(crate) fn joined(parts: Vec<Self>) -> Self {
        let evidence = Evidence::joined(parts.iter().map(|part| &*part.evidence));
        Self {
            evidence: Arc::new(evidence),
            subject: Subject::joined(parts.iter().map(|part| &part.subject)),
            limits: parts.iter().flat_map(|part| part.limits.iter().copied()).collect(),
            outdone: parts.iter().flat_map(|part| part.outdone.iter().copied()).collect(),
            parts,
        }
    }

    /// Whether several things are compared: what is said of them differs, and contradicts nothing.
    pub(crate) fn compares(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether the citations rest on evidence for each of the things that are compared.
    pub(crate) fn covers_all<'a>(&self, citations: impl Iterator<Item = &'a Citation> + Clone) -> bool {
        let rests_on = |part: &Self, citation: &Citation| {
            let mut sentences = part.evidence.sentences.iter();
            sentences.any(|sentence| {
                part.evidence.passage(sentence).chunk == citation.chunk
                    && part.evidence.text(sentence) == citation.quote
            })
        };
        self.parts.iter().all(|part| citations.clone().any(|citation| rests_on(part, citation)))
    }

    /// Cites for answers to `question`.
    pub(crate) fn citer(&self, question: &str, embedder: Arc<dyn Embedder>) -> Citer {
        Citer::new(question, Arc::clone(&self.evidence), self.limits.clone(), self.outdone.clone(), embedder)
    }

    /// The grammar of an answer that quotes a sentence which may be cited; `None` where there is none.
    pub(crate) fn quotes(&self, question: &str) -> Option<String> {
        let citable = citable(&self.evidence, &self.limits, &self.outdone);
        let shown = citable.into_iter().map(|sentence| (self.evidence.text(sentence), self.evidence.header(sentence)));
        grammar(question, shown)
    }

    /// Whether any sentence may answer the question, be it in part.
    pub(crate) fn says_something(&self) -> bool {
        self.limits.iter().any(|limit| limit.bearing != Support::Unsupported)
    }

    /// The best sentences, word for word; of each thing that is compared, its own.
    pub(crate) fn extract(&self) -> (String, Vec<Citation>) {
        if self.parts.is_empty() {
            return extract(&self.evidence, &self.limits, &self.outdone);
        }
        let (mut text, mut citations) = (String::new(), Vec::<Citation>::new());
        for part in &self.parts {
            let (said, cited) = part.extract();
            for mut citation in cited {
                let known = |other: &Citation| other.chunk == citation.chunk && other.quote == citation.quote;
                if citations.iter().any(known) {
                    continue;
                }
                let Some(sentence) = citation.answer_span.slice(&said) else { continue };
                text.push_str(joint(&text));
                let start = text.len();
                text.push_str(sentence);
                citation.answer_span = Span::of(&text, start..text.len());
                citations.push(citation);
            }
        }
        (text, citations)
    }
}
