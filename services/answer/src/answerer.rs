//! Here is a question: what do the documents say, and where?
//!
//! ```text
//! search -> choose evidence -> enough? -> generate and stream -> cite and verify -> done
//!                              no: say so      not possible: extract
//! ```
//!
//! Invariants:
//! - Nothing is generated without evidence above the threshold, and nothing from the model's memory is called
//!   answered: a text without a single supported sentence is replaced by an extract.
//! - Every answer that is not what was asked for says why in its note.

use std::sync::Arc;

use futures::StreamExt;
use tokio::time::Instant;
use wellspring_core::answer::{
    Answer, AnswerEvent, AnswerFailure, AnswerMode, AnswerStatus, Citation, LookedAt, Question, Spent,
};
use wellspring_core::embedding::Embedder;
use wellspring_core::generator::{GenerationRequest, Generator, GeneratorStatus};
use wellspring_core::limits;
use wellspring_core::retriever::{Ranked, Retriever, SearchError, SearchErrorKind, SearchRequest, met_damage};
use wellspring_core::text::script_language;

use crate::abstain::Thresholds;
use crate::cite::Citer;
use crate::evidence::{self, Evidence};
use crate::extract::extract;
use crate::generate::{Draft, Silence, write};
use crate::prompt::prompt;
use crate::stream::{AnswerStream, Outlet, Stop};
use crate::subject::{Subject, SubjectReader};

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
    /// Tokens of one answer, at most [`limits::ANSWER_TOKENS_MAX`].
    pub answer_tokens: usize,
    /// Parts of names, in any case, of models that must not write: measured, a 135M model answers with an F1 of .03.
    pub models_too_small: Vec<String>,
    /// The generator's seed; at temperature 0 it only breaks ties.
    pub seed: u32,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self {
            thresholds: Thresholds::default(),
            sufficiency_min: 1.0,
            evidence_tokens: 150,
            answer_tokens: limits::ANSWER_TOKENS_MAX,
            models_too_small: vec!["135m".to_owned()],
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
    /// Writes.
    pub generator: Arc<dyn Generator>,
    /// How.
    pub settings: AnswerSettings,
}

/// Answers questions from documents.
pub struct Answerer {
    parts: AnswererParts,
    subjects: SubjectReader,
}

/// One question on its way.
struct Asked {
    question: Question,
    asked_at: Instant,
    spent: Spent,
    sufficiency: f32,
}

impl Answerer {
    /// Joins the parts.
    pub fn new(parts: AnswererParts) -> Self {
        Self { subjects: SubjectReader::new(Arc::clone(&parts.embedder)), parts }
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
        let mut asked = Asked { question, asked_at: Instant::now(), spent: Spent::default(), sufficiency: 0.0 };
        let hits = self.retrieve(&asked.question).await?;
        asked.spent.retrieve_ms = asked.elapsed_ms();
        outlet.send(AnswerEvent::Passages(hits.clone())).await?;

        let passages = hits.iter().map(|hit| hit.passage.clone()).collect();
        let tokens_max = self.parts.settings.evidence_tokens;
        let evidence = evidence::choose(&asked.question.text, passages, &self.parts.embedder, tokens_max).await;
        let subject = self.subjects.read(&asked.question.text, &evidence).await;
        asked.spent.evidence_ms = asked.elapsed_ms() - asked.spent.retrieve_ms;
        asked.sufficiency = self.parts.settings.thresholds.sufficiency(&evidence, &subject);
        if asked.sufficiency < self.parts.settings.sufficiency_min || asked.sufficiency == 0.0 {
            return asked.insufficient(hits, subject.missing(), outlet).await;
        }

        let mode = asked.question.mode;
        if mode == AnswerMode::Extract {
            return asked.extracted(&evidence, &subject, None, outlet).await;
        }
        let evidence = Arc::new(evidence);
        let silence = match self.writer() {
            Ok(model) => match self.write(&asked, &evidence, &subject, outlet).await? {
                Ok(draft) if draft.cited.iter().any(|cited| cited.citation.is_some()) => {
                    return Ok(asked.generated(draft, model));
                }
                Ok(draft) => {
                    asked.spent.usage = draft.usage;
                    asked.spent.first_text_ms = asked.ms_until(draft.first_text_at);
                    Silence::UNSUPPORTED
                }
                Err(silence) => silence,
            },
            Err(silence) => silence,
        };
        if mode == AnswerMode::Generate {
            Err(refused(silence))
        } else {
            asked.extracted(&evidence, &subject, Some(silence), outlet).await
        }
    }

    async fn retrieve(&self, question: &Question) -> Result<Vec<Ranked>, Stop> {
        let request = SearchRequest {
            collection: question.collection.clone(),
            query: question.text.clone(),
            limit: limits::ANSWER_PASSAGES_MAX,
            filter: question.filter.clone(),
            // The same words a second time are no further evidence.
            collapse: true,
            ..SearchRequest::default()
        };
        let results = self.parts.retriever.search(request).await.map_err(|failure| unfound(&failure))?;
        Ok(results.hits)
    }

    /// The model that may write, or why none may.
    fn writer(&self) -> Result<String, Silence> {
        match self.parts.generator.status() {
            GeneratorStatus::Off => Err(Silence::OFF),
            GeneratorStatus::Loading => Err(Silence::LOADING),
            GeneratorStatus::Failed { .. } => Err(Silence::FAILED),
            GeneratorStatus::Ready { model } => {
                let name = model.to_lowercase();
                let small = &self.parts.settings.models_too_small;
                if small.iter().any(|part| name.contains(&part.to_lowercase())) {
                    return Err(Silence::TOO_SMALL);
                }
                Ok(model)
            }
        }
    }

    async fn write(
        &self,
        asked: &Asked,
        evidence: &Arc<Evidence>,
        subject: &Subject,
        outlet: &Outlet,
    ) -> Result<Result<Draft, Silence>, Stop> {
        let question = &asked.question.text;
        let settings = &self.parts.settings;
        let request = GenerationRequest {
            messages: prompt(question, evidence),
            tokens_max: settings.answer_tokens.min(limits::ANSWER_TOKENS_MAX),
            temperature: 0.0,
            seed: settings.seed,
            // A short answer is one paragraph; what follows a blank line is the model talking to itself.
            stop: vec!["\n\n".to_owned()],
        };
        let citer = Citer::new(question, Arc::clone(evidence), subject.clone(), Arc::clone(&self.parts.embedder));
        write(&*self.parts.generator, request, &citer, outlet).await
    }
}

impl Asked {
    fn elapsed_ms(&self) -> f64 {
        self.ms_until(Instant::now())
    }

    fn ms_until(&self, instant: Instant) -> f64 {
        instant.duration_since(self.asked_at).as_secs_f64() * 1000.0
    }

    /// What the generator wrote. A sentence that nothing supports has no citation, and the note says so.
    fn generated(mut self, draft: Draft, model: String) -> Answer {
        let unsupported = draft.cited.iter().any(|cited| cited.citation.is_none());
        self.spent.usage = draft.usage;
        self.spent.first_text_ms = self.ms_until(draft.first_text_at);
        self.spent.total_ms = self.elapsed_ms();
        let citations: Vec<Citation> = draft.cited.into_iter().filter_map(|cited| cited.citation).collect();
        Answer {
            answer: draft.text,
            status: AnswerStatus::Answered,
            mode: AnswerMode::Generate,
            note: note([
                unsupported.then_some("sentences without a citation are not supported by the documents"),
                outdated(&citations),
            ]),
            citations,
            looked_at: Vec::new(),
            model: Some(model),
            sufficiency: self.sufficiency,
            spent: self.spent,
        }
    }

    /// The best sentences. Text that was streamed before is not taken back; the note tells it apart.
    async fn extracted(
        mut self,
        evidence: &Evidence,
        subject: &Subject,
        silence: Option<Silence>,
        outlet: &Outlet,
    ) -> Result<Answer, Stop> {
        let (answer, citations) = extract(&self.question.text, evidence, subject);
        if silence != Some(Silence::UNSUPPORTED) {
            outlet.send(AnswerEvent::Delta(answer.clone())).await?;
            self.spent.first_text_ms = self.elapsed_ms();
            for citation in &citations {
                outlet.send(AnswerEvent::Citation(citation.clone())).await?;
            }
        }
        self.spent.total_ms = self.elapsed_ms();
        let instead =
            silence.map(|silence| format!("{}; these are the best sentences of the documents", silence.message));
        Ok(Answer {
            answer,
            status: AnswerStatus::Answered,
            mode: AnswerMode::Extract,
            note: note([instead.as_deref(), outdated(&citations)]),
            citations,
            looked_at: Vec::new(),
            model: None,
            sufficiency: self.sufficiency,
            spent: self.spent,
        })
    }

    /// The honest answer when the documents do not say.
    async fn insufficient(mut self, hits: Vec<Ranked>, note: Option<String>, outlet: &Outlet) -> Result<Answer, Stop> {
        let chinese = script_language(&self.question.text) == Some("zh");
        let answer = if chinese { "这些文档里没有答案。" } else { "Not in these documents." }.to_owned();
        outlet.send(AnswerEvent::Delta(answer.clone())).await?;
        self.spent.first_text_ms = self.elapsed_ms();
        self.spent.total_ms = self.spent.first_text_ms;
        let looked_at = hits.into_iter().map(|hit| LookedAt {
            document: hit.passage.document,
            title: hit.passage.title,
            chunk: hit.passage.chunk,
            score: hit.score,
        });
        Ok(Answer {
            answer,
            status: AnswerStatus::InsufficientEvidence,
            mode: AnswerMode::Extract,
            note,
            citations: Vec::new(),
            looked_at: looked_at.collect(),
            model: None,
            sufficiency: self.sufficiency,
            spent: self.spent,
        })
    }
}

/// What the reader should know, in one line; `None` when there is nothing.
fn note<const N: usize>(parts: [Option<&str>; N]) -> Option<String> {
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Whether what is cited is no longer what its author says.
fn outdated(citations: &[Citation]) -> Option<&'static str> {
    let any = citations.iter().any(|citation| citation.outdated);
    any.then_some("a document cited here has a newer version, which could not be read")
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
    Stop::Failed(AnswerFailure { code: code.to_owned(), message, hint: hint.to_owned() })
}

/// The failure of a question that insisted on a generated answer.
fn refused(silence: Silence) -> Stop {
    Stop::Failed(AnswerFailure {
        code: silence.code.to_owned(),
        message: silence.message.to_owned(),
        hint: "ask with mode `auto` or `extract` for the best sentences of the documents, or try again later"
            .to_owned(),
    })
}
