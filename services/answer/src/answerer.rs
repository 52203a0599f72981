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

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use tokio::time::Instant;
use wellspring_core::answer::{Answer, AnswerEvent, AnswerFailure, AnswerMode, AnswerStyle, Question, Verify};
use wellspring_core::embedding::Embedder;
use wellspring_core::generator::{GenerationOptions, GenerationRequest, Generator, GeneratorStatus, Message, TextForm};
use wellspring_core::limits as bounds;
use wellspring_core::retriever::{Ranked, Retriever, SearchError, SearchErrorKind, SearchRequest, met_damage};

use crate::abstain::Thresholds;
use crate::cite::Citer;
use crate::conversation::complete;
use crate::ending::{Asked, Found};
use crate::evidence;
use crate::generate::{Draft, PageStyle, Silence, write};
use crate::prompt::prompt;
use crate::quoting::grammar;
use crate::relation::limits;
use crate::script::ScriptKeeper;
use crate::stream::{AnswerStream, Outlet, Stop};
use crate::style::{answer_tokens, evidence_tokens, sentences_max, stop, style};
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
    /// Tokens of one answer, at most [`limits::ANSWER_TOKENS_MAX`].
    pub answer_tokens: usize,
    /// Parts of names, in any case, of models that must not write: measured, a 135M model answers with an F1 of .03.
    pub models_too_small: Vec<String>,
    /// Parts of names of models that write short answers unless they are asked for full ones.
    pub models_small: Vec<String>,
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
            answer_tokens: bounds::ANSWER_TOKENS_MAX,
            models_too_small: vec!["135m".to_owned()],
            models_small: ["0.5b", "0.6b", "500m", "360m"].map(str::to_owned).to_vec(),
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
        let completed = complete(&question.text, &question.history);
        let mut asked = Asked::at(question, completed, Instant::now());
        let hits = self.retrieve(&asked).await?;
        asked.spent.retrieve_ms = asked.elapsed_ms();
        outlet.send(AnswerEvent::Passages(hits.clone())).await?;

        let writer = if asked.question.mode == AnswerMode::Extract { Err(Silence::OFF) } else { self.writer() };
        let style = self.style(&asked, &writer);
        let passages = hits.iter().map(|hit| hit.passage.clone()).collect();
        let tokens_max = evidence_tokens(style, self.parts.settings.evidence_tokens);
        let evidence = evidence::choose(&asked.question.text, passages, &self.parts.embedder, tokens_max).await;
        let subject = self.subjects.read(&asked.question.text, &evidence).await;
        asked.spent.evidence_ms = asked.elapsed_ms() - asked.spent.retrieve_ms;
        asked.sufficiency = self.parts.settings.thresholds.sufficiency(&evidence, &subject);
        if asked.sufficiency < self.parts.settings.sufficiency_min || asked.sufficiency == 0.0 {
            return asked.insufficient(hits, subject.missing(), outlet).await;
        }

        let limits = limits(&asked.question.text, &evidence, &subject);
        let found = Found { evidence: Arc::new(evidence), limits };
        if asked.question.mode == AnswerMode::Extract {
            return asked.extracted(&found, None, outlet).await;
        }
        let silence = match writer {
            Ok(model) => match self.write(&mut asked, &found, style, outlet).await? {
                Ok(draft) => return asked.generated(&found, draft, model, style, outlet).await,
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

    /// The passages for a question, those that repeat a better one left out: the same words a second time are no further
    /// evidence. Those that nearly repeat one stay, for they may differ in what is asked for. Behind them, those of the turn that it leans on.
    async fn retrieve(&self, asked: &Asked) -> Result<Vec<Ranked>, Stop> {
        let request = |query: &str, limit: usize| SearchRequest {
            collection: asked.question.collection.clone(),
            query: query.to_owned(),
            limit,
            filter: asked.question.filter.clone(),
            ..SearchRequest::default()
        };
        let search = |query: &str, limit| self.parts.retriever.search(request(query, limit));
        let found = search(&asked.question.text, bounds::ANSWER_CANDIDATES_MAX).await;
        let mut hits = found.map_err(|failure| unfound(&failure))?.hits;
        let mut said = HashSet::new();
        hits.retain(|hit| said.insert(words(&hit.passage.text)));
        hits.truncate(bounds::ANSWER_PASSAGES_MAX);
        if let Some(before) = &asked.before {
            let carried = search(before, bounds::CARRIED_PASSAGES_MAX).await.map_err(|failure| unfound(&failure))?;
            let known: HashSet<_> = hits.iter().map(|hit| hit.passage.chunk).collect();
            hits.extend(carried.hits.into_iter().filter(|hit| !known.contains(&hit.passage.chunk)));
        }
        Ok(hits)
    }

    /// The model that may write, or why none may.
    fn writer(&self) -> Result<String, Silence> {
        match self.parts.generator.status() {
            GeneratorStatus::Off => Err(Silence::OFF),
            GeneratorStatus::Loading => Err(Silence::LOADING),
            GeneratorStatus::Failed { .. } => Err(Silence::FAILED),
            GeneratorStatus::Ready { model } if is_named(&model, &self.parts.settings.models_too_small) => {
                Err(Silence::TOO_SMALL)
            }
            GeneratorStatus::Ready { model } => Ok(model),
        }
    }

    fn style(&self, asked: &Asked, writer: &Result<String, Silence>) -> AnswerStyle {
        let settings = &self.parts.settings;
        let small = writer.as_ref().map_or(true, |model| is_named(model, &settings.models_small));
        style(asked.question.style.or(settings.style), &asked.question.text, small)
    }

    /// Writes an answer that something supports, or says why there is none. With [`Verify::Strict`] nothing is shown yet.
    ///
    /// What nothing supports is asked for once more: a short answer as a quote (`quoting`), a full one with what was wrong
    /// with it, where the caller waits for checked sentences.
    async fn write(
        &self,
        asked: &mut Asked,
        found: &Found,
        style: AnswerStyle,
        outlet: &Outlet,
    ) -> Result<Result<Draft, Silence>, Stop> {
        let verify = asked.question.verify.unwrap_or(self.parts.settings.verify);
        asked.question.verify = Some(verify);
        let prompt = prompt(&asked.question.text, &found.evidence, style);
        let question = asked.question.text.clone();
        let evidence = Arc::clone(&found.evidence);
        let citer = Citer::new(&question, evidence, found.limits.clone(), Arc::clone(&self.parts.embedder));
        let shown = (verify != Verify::Strict).then_some(outlet);
        let request = self.request(style, prompt.messages.clone(), TextForm::Free);
        let draft = match self.draft(asked, &citer, found, style, request, shown).await? {
            Ok(draft) => draft,
            Err(silence) => return Ok(Err(silence)),
        };
        if draft.is_supported() || verify == Verify::Off {
            return Ok(Ok(draft));
        }
        let evidence = &found.evidence;
        let quotes = citer.citable().into_iter().map(|quoted| (evidence.text(quoted), evidence.header(quoted)));
        let (messages, form) = match grammar(&question, quotes).filter(|_| style == AnswerStyle::Short) {
            Some(grammar) => (prompt.messages, TextForm::Grammar(grammar)),
            None if verify == Verify::Mark => return Ok(Err(Silence::UNSUPPORTED)),
            None => (prompt.again(&draft.text), TextForm::Free),
        };
        asked.replaced = true;
        let request = self.request(style, messages, form);
        let again = self.draft(asked, &citer, found, style, request, None).await?;
        Ok(again.and_then(|draft| if draft.is_supported() { Ok(draft) } else { Err(Silence::UNSUPPORTED) }))
    }

    fn request(&self, style: AnswerStyle, messages: Vec<Message>, form: TextForm) -> GenerationRequest {
        let settings = &self.parts.settings;
        GenerationRequest {
            messages,
            tokens_max: settings.answer_tokens.min(answer_tokens(style)),
            temperature: 0.0,
            seed: settings.seed,
            stop: stop(style),
            options: GenerationOptions { form, ..GenerationOptions::default() },
        }
    }

    /// Has one draft written and checked.
    async fn draft(
        &self,
        asked: &mut Asked,
        citer: &Citer,
        found: &Found,
        style: AnswerStyle,
        request: GenerationRequest,
        outlet: Option<&Outlet>,
    ) -> Result<Result<Draft, Silence>, Stop> {
        let sources = found.evidence.sentences.iter().map(|sentence| found.evidence.text(sentence));
        let page =
            PageStyle { script: ScriptKeeper::new(&asked.question.text, sources), sentences_max: sentences_max(style) };
        let draft = write(&*self.parts.generator, request, citer, page, outlet).await?;
        if let Ok(draft) = &draft {
            asked.wrote(draft, outlet.is_some());
        }
        Ok(draft.and_then(Draft::finished))
    }
}

/// Whether a model's name has one of the parts, in any case.
fn is_named(model: &str, parts: &[String]) -> bool {
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
