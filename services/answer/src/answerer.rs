//! Here is a question: what do the documents say, and where?
//!
//! ```text
//! search -> choose evidence -> enough? -> generate and stream -> cite and verify -> done
//!                              no: say so      not possible: extract
//! ```
//!
//! Invariants:
//! - Nothing is generated without evidence above the threshold, and nothing from the model's memory is called
//!   answered: a text without a single supported sentence is replaced by an extract, unless the caller forgoes checking.
//! - Every answer that is not what was asked for says why in its note.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use wellspring_core::answer::{Answer, AnswerEvent, AnswerFailure, AnswerMode, AnswerStyle, Question, Verify};
use wellspring_core::document::CollectionName;
use wellspring_core::embedding::Embedder;
use wellspring_core::hit::Passage;
use wellspring_core::limits as bounds;
use wellspring_core::retriever::{Ranked, Retriever, SearchError, SearchErrorKind, SearchRequest, met_damage};

use crate::abstain::Thresholds;
use crate::compare;
use crate::conversation::complete;
use crate::ending::Asked;
use crate::evidence;
use crate::found::Found;
use crate::generate::Silence;
use crate::judging::Judging;
use crate::pool::Pool;
use crate::stream::{AnswerStream, Outlet, Stop};
use crate::subject::SubjectReader;
use crate::terms::words;

/// What an operator may set.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerSettings {
    /// The least evidence worth an answer.
    pub thresholds: Thresholds,
    /// How much evidence is asked for, in units of the thresholds: 1 takes them as they are. `tune abstain` finds it for a
    /// collection.
    pub sufficiency_min: f32,
    /// Tokens of evidence in a prompt, at most [`limits::EVIDENCE_TOKENS_MAX`]. The default holds the right answer in
    /// 98 % of measured questions, and costs a second of prefill on two cores with a 0.5B model.
    pub evidence_tokens: usize,
    /// The wanted time from the question to the first token of a generated answer. Where it is set and the generator's
    /// speed was measured, the tokens of evidence follow from both, between [`limits::EVIDENCE_TOKENS_MIN`] and
    /// [`limits::EVIDENCE_TOKENS_MAX`].
    pub first_token: Option<Duration>,
    /// What a question in mode `auto` waits for other ones at the generator.
    pub busy: Duration,
    /// Tokens of one answer, at most [`limits::ANSWER_TOKENS_MAX`].
    pub answer_tokens: usize,
    /// Parts of names, in any case, of models that must not write: measured, a 135M model answers with an F1 of .03.
    pub models_too_small: Vec<String>,
    /// Parts of names of models that write short answers unless they are asked for full ones.
    pub models_small: Vec<String>,
    /// The generator's adapter for questions of a collection; the model alone for the others.
    pub adapters: BTreeMap<CollectionName, String>,
    /// How long answers are where the caller does not say; `None` chooses by question and model.
    pub style: Option<AnswerStyle>,
    /// What becomes of unsupported sentences where the caller does not say.
    pub verify: Verify,
    /// The generator's seed; at temperature 0 it only breaks ties.
    pub seed: u32,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self {
            thresholds: Thresholds::default(),
            sufficiency_min: 1.0,
            evidence_tokens: 150,
            first_token: None,
            busy: bounds::ANSWER_BUSY_DEFAULT,
            answer_tokens: bounds::ANSWER_TOKENS_MAX,
            models_too_small: vec!["135m".to_owned()],
            models_small: ["0.5b", "0.6b", "500m", "360m"].map(str::to_owned).to_vec(),
            adapters: BTreeMap::new(),
            style: None,
            verify: Verify::default(),
            seed: 0,
        }
    }
}

/// What an answer is made with.
pub struct AnswererParts {
    /// Finds passages.
    pub retriever: Arc<dyn Retriever>,
    /// Weighs sentences and counts their tokens.
    pub embedder: Arc<dyn Embedder>,
    /// Judges whether what is written follows from what it cites, where a model is configured.
    pub judging: Option<Judging>,
    /// Write, small to large: the next one where the documents do not carry what the one before wrote.
    pub steps: Vec<Arc<Pool>>,
    /// How.
    pub settings: AnswerSettings,
}

/// Answers questions from documents.
pub struct Answerer {
    pub(crate) parts: AnswererParts,
    subjects: SubjectReader,
    /// Places for answers that are written or wait for it.
    pub(crate) generations: Semaphore,
}

impl Answerer {
    /// Joins the parts.
    pub fn new(parts: AnswererParts) -> Self {
        let generations = Semaphore::new(bounds::GENERATIONS_MAX);
        Self { subjects: SubjectReader::new(Arc::clone(&parts.embedder)), parts, generations }
    }

    /// Starts to answer. Must be called within a runtime; dropping the stream ends the work, the decode included.
    pub fn ask(self: &Arc<Self>, question: Question) -> AnswerStream {
        let answerer = Arc::clone(self);
        AnswerStream::of(move |outlet| async move { answerer.run(question, &outlet).await })
    }

    /// Answers in one piece. Dropping the future ends the work.
    pub async fn answer(self: &Arc<Self>, question: Question) -> Result<Answer, AnswerFailure> {
        let mut events = self.ask(question);
        while let Some(event) = events.next().await {
            match event {
                AnswerEvent::Done(answer) => return Ok(answer),
                AnswerEvent::Error(failure) => return Err(failure),
                AnswerEvent::Passages(_) | AnswerEvent::Delta(_) | AnswerEvent::Citation(_) => {}
            }
        }
        unreachable!("a stream of answer events ends with Done or Error")
    }

    async fn run(&self, question: Question, outlet: &Outlet) -> Result<Answer, Stop> {
        let completed = complete(&question.text, &question.history);
        let mut asked = Asked::at(question, completed, Instant::now());
        let parts = compare::parts(&asked.question.text);
        let hits = self.retrieve(&asked, &parts).await?;
        asked.spent.retrieve_ms = asked.elapsed_ms();
        outlet.send(AnswerEvent::Passages(hits.clone())).await?;

        let mut writers = if asked.question.mode == AnswerMode::Extract { Err(Silence::OFF) } else { self.writers() };
        let style = self.style(&asked, &mut writers);
        let first = writers.as_ref().ok().and_then(|writers| writers.first());
        let tokens_max = self.evidence_budget(&asked, style, first);
        asked.spent.evidence_tokens_max = tokens_max;
        let passages: Vec<Passage> = hits.iter().map(|hit| hit.passage.clone()).collect();
        let found = match parts.as_slice() {
            [] => self.found(&mut asked, passages, tokens_max).await,
            parts => self.compared(&mut asked, parts, &passages, tokens_max).await,
        };
        asked.spent.evidence_ms = asked.elapsed_ms() - asked.spent.retrieve_ms;
        let found = match found {
            Ok(found) => found,
            Err(missing) => return asked.insufficient(hits, missing, outlet).await,
        };
        if asked.question.mode == AnswerMode::Extract {
            return asked.extracted(&found, None, outlet).await;
        }
        let silence = match writers {
            Ok(writers) => match self.written(&mut asked, &found, &writers, style, outlet).await? {
                Ok(draft) => return asked.generated(&found, draft, style, outlet).await,
                Err(silence) => silence,
            },
            Err(silence) => silence,
        };
        if asked.question.mode == AnswerMode::Generate {
            Err(refused(silence))
        } else {
            asked.extracted(&found, Some(silence), outlet).await
        }
    }

    /// The evidence for a question, or what nothing found speaks of where there is not enough.
    async fn found(&self, asked: &mut Asked, passages: Vec<Passage>, tokens: usize) -> Result<Found, Option<String>> {
        let text = asked.question.text.clone();
        let (found, sufficiency) = self.weighed(&text, passages, tokens).await;
        asked.sufficiency = sufficiency;
        if self.is_enough(sufficiency) && found.says_something() { Ok(found) } else { Err(found.subject.missing()) }
    }

    /// The evidence for each of the things that are compared, where there is enough for any: an answer about one of them
    /// says what is missing.
    async fn compared(
        &self,
        asked: &mut Asked,
        parts: &[String],
        passages: &[Passage],
        tokens: usize,
    ) -> Result<Found, Option<String>> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for part in parts {
            let (evidence, sufficiency) = self.weighed(part, passages.to_vec(), tokens / parts.len()).await;
            asked.sufficiency = asked.sufficiency.max(sufficiency);
            if self.is_enough(sufficiency) && evidence.says_something() {
                found.push(evidence);
            } else {
                missing.push(evidence.subject.missing().unwrap_or_else(|| format!("too little was found on “{part}”")));
            }
        }
        let missing = (!missing.is_empty()).then(|| missing.join("; "));
        if found.is_empty() {
            return Err(missing);
        }
        asked.lacking = missing;
        Ok(Found::joined(found))
    }

    /// The evidence among passages, and how much it is over the least that is worth an answer.
    async fn weighed(&self, question: &str, passages: Vec<Passage>, tokens_max: usize) -> (Found, f32) {
        let evidence = evidence::choose(question, passages, &self.parts.embedder, tokens_max).await;
        let subject = self.subjects.read(question, &evidence).await;
        let sufficiency = self.parts.settings.thresholds.sufficiency(&evidence, &subject);
        (Found::of(question, evidence, subject), sufficiency)
    }

    fn is_enough(&self, sufficiency: f32) -> bool {
        sufficiency >= self.parts.settings.sufficiency_min && sufficiency > 0.0
    }

    /// The passages for a question, those that repeat a better one left out: the same words a second time are no further
    /// evidence. Those that nearly repeat one stay, for they may differ in what is asked for. Behind them, those of each
    /// thing that is compared, and those of the turn that it leans on.
    async fn retrieve(&self, asked: &Asked, parts: &[String]) -> Result<Vec<Ranked>, Stop> {
        let request = |query: &str, limit: usize| SearchRequest {
            collection: asked.question.collection.clone(),
            query: query.to_owned(),
            limit,
            filter: asked.question.filter.clone(),
            ..SearchRequest::default()
        };
        let search = |query: &str, limit| self.parts.retriever.search(request(query, limit));
        let found = search(&asked.query, bounds::ANSWER_CANDIDATES_MAX).await;
        let mut hits = found.map_err(|failure| unfound(&failure))?.hits;
        let mut said = HashSet::new();
        hits.retain(|hit| said.insert(words(&hit.passage.text)));
        hits.truncate(bounds::ANSWER_PASSAGES_MAX);
        let compared = parts.iter().map(|part| (part, bounds::COMPARED_PASSAGES_MAX));
        let carried = asked.before.iter().map(|before| (before, bounds::CARRIED_PASSAGES_MAX));
        for (query, limit) in compared.chain(carried) {
            let more = search(query, limit).await.map_err(|failure| unfound(&failure))?;
            let known: HashSet<_> = hits.iter().map(|hit| hit.passage.chunk).collect();
            hits.extend(more.hits.into_iter().filter(|hit| !known.contains(&hit.passage.chunk)));
        }
        Ok(hits)
    }
}

/// Whether a model's name has one of the parts, in any case.
pub(crate) fn is_named(model: &str, parts: &[String]) -> bool {
    let name = model.to_lowercase();
    parts.iter().any(|part| name.contains(&part.to_lowercase()))
}

/// The failure of a search, told without what lies beneath it; that is logged here, where it is handled.
fn unfound(failure: &SearchError) -> Stop {
    let (code, message, hint) = match failure.kind() {
        SearchErrorKind::UnknownCollection => {
            ("unknown_collection", failure.to_string(), "add documents to it first, or name another collection")
        }
        SearchErrorKind::Catalog if met_damage(failure) => {
            tracing::error!(reason = failure.chain(), "a question met a damaged catalog");
            (
                "catalog_damaged",
                "the catalog is damaged".to_owned(),
                "run `wellspring doctor`; a damaged catalog is replaced by a backup, or built anew from the documents",
            )
        }
        SearchErrorKind::Unavailable | SearchErrorKind::Catalog => {
            tracing::error!(reason = failure.chain(), "a question could not be searched for");
            (
                "search_unavailable",
                "the documents could not be searched".to_owned(),
                "try again; if it stays so, run `wellspring doctor`",
            )
        }
    };
    Stop::Failed(AnswerFailure { code: code.to_owned(), message, hint: hint.to_owned(), retry_after: None })
}

/// The failure of a question that insisted on a generated answer.
fn refused(silence: Silence) -> Stop {
    let instead = "ask with mode `auto` or `extract` for the best sentences of the documents";
    let when = match silence.retry_after {
        Some(pause) => format!("again in about {:.0} s", pause.as_secs_f64().ceil()),
        None => "again later".to_owned(),
    };
    Stop::Failed(AnswerFailure {
        code: silence.code.to_owned(),
        message: silence.message.to_owned(),
        hint: format!("{instead}, or try {when}"),
        retry_after: silence.retry_after,
    })
}
