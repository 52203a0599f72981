//! How does a question end: with what was generated, with the documents' own sentences, or with nothing?
//!
//! Invariants:
//! - Every answer that is not what was asked for says why in its note.

use tokio::time::Instant;
use wellspring_core::answer::{
    Answer, AnswerEvent, AnswerMode, AnswerStatus, AnswerStyle, CascadeStep, CheckedSentence, Citation,
    EntailmentStatus, EntailmentUse, LookedAt, Position, Question, Spent, Support, Verify,
};
use wellspring_core::generator::Usage;
use wellspring_core::retriever::Ranked;
use wellspring_core::span::Span;

use crate::conflict::{Conflict, conflict};
use crate::conversation::Completed;
use crate::evidence::Sentence;
use crate::found::Found;
use crate::generate::{Draft, Silence};
use crate::judging;
use crate::prompt::is_of_example;
use crate::refusal::refusal;
use crate::stream::{Outlet, Stop};

/// One question on its way.
pub(crate) struct Asked {
    /// As it is answered: on its own.
    pub(crate) question: Question,
    /// What is looked for.
    pub(crate) query: String,
    /// The question before, where this one leant on it.
    pub(crate) before: Option<String>,
    /// Whether something of it was put into this one.
    is_rewritten: bool,
    /// Whether a generated text was streamed already.
    pub(crate) is_streamed: bool,
    asked_at: Instant,
    pub(crate) spent: Spent,
    pub(crate) sufficiency: f32,
    /// What the documents do not speak of, where they speak of the rest.
    pub(crate) lacking: Option<String>,
    /// The generators that were asked one after the other.
    pub(crate) cascade: Vec<CascadeStep>,
    /// What the entailment model was asked, where one was.
    entailment: Option<EntailmentUse>,
}

impl Asked {
    /// A question that was asked at a moment, completed from what was said before where it leant on that.
    pub(crate) fn at(mut question: Question, completed: Option<Completed>, asked_at: Instant) -> Self {
        let (mut query, mut before, mut is_rewritten) = (question.text.clone(), None, false);
        if let Some(completed) = completed {
            query = completed.query(&question.text);
            before = Some(completed.before);
            if let Some(completed) = completed.question {
                question.text = completed;
                is_rewritten = true;
            }
        }
        let (lacking, cascade) = (None, Vec::new());
        let (spent, sufficiency, is_streamed, entailment) = (Spent::default(), 0.0, false, None);
        Self {
            question,
            query,
            before,
            is_rewritten,
            is_streamed,
            asked_at,
            spent,
            sufficiency,
            lacking,
            cascade,
            entailment,
        }
    }

    /// Milliseconds since it was asked.
    pub(crate) fn elapsed_ms(&self) -> f64 {
        self.ms_until(Instant::now())
    }

    fn ms_until(&self, instant: Instant) -> f64 {
        instant.duration_since(self.asked_at).as_secs_f64() * 1000.0
    }

    fn has_first_text(&self) -> bool {
        self.spent.first_text_ms > 0.0
    }

    /// Books what a draft cost. One that was not shown while it was written shows nothing yet.
    pub(crate) fn wrote(&mut self, draft: &Draft) {
        let Usage { prompt_tokens, cached_tokens, completion_tokens } = draft.usage;
        self.spent.usage.prompt_tokens += prompt_tokens;
        self.spent.usage.cached_tokens += cached_tokens;
        self.spent.usage.completion_tokens += completion_tokens;
        judging::add(&mut self.entailment, draft.cited.iter().filter_map(|cited| cited.verdict.as_ref()));
        // Of an answer that is read as a whole, the first text that was written counts.
        let is_written = self.question.whole && self.question.verify != Some(Verify::Strict) && !self.has_first_text();
        if draft.is_shown || is_written {
            self.spent.first_text_ms = self.ms_until(draft.first_text_at);
        }
    }

    /// What the generator wrote. A sentence that nothing supports has no citation, and the note says so; with
    /// [`Verify::Strict`] it is taken out, and the rest is shown only now.
    pub(crate) async fn generated(
        mut self,
        found: &Found,
        draft: Draft,
        style: AnswerStyle,
        outlet: &Outlet,
    ) -> Result<Answer, Stop> {
        let verify = self.question.verify.unwrap_or_default();
        let cut_short = draft.cut_short;
        let sentences_before = draft.cited.len();
        let draft = match verify {
            Verify::Strict => draft.supported(),
            Verify::Mark => draft.without(is_of_example),
            Verify::Off => draft,
        };
        let unsupported = draft.cited.iter().any(|cited| cited.citation.is_none());
        let shortened = draft.cited.len() < sentences_before;
        let (model, is_shown, quotes) = (draft.model.clone(), draft.is_shown, draft.is_quoted);
        let conflict = self.conflict(found, &draft);
        let mut answer = self.answer(AnswerMode::Generate);
        answer.sentences = sentences(&draft, verify);
        answer.answer = draft.text;
        answer.citations = draft.cited.into_iter().filter_map(|cited| cited.citation).collect();
        (answer.model, answer.style) = (Some(model), Some(style));
        let disagreement = conflict.map(|conflict| settled(&mut answer, conflict, verify == Verify::Strict));
        answer.note = note([
            quotes.then_some("what the model wrote first is not supported by the documents; this is a quote instead"),
            cut_short.then_some("the last sentence was not finished and is left out"),
            (verify == Verify::Mark && unsupported)
                .then_some("sentences without a citation are not supported by the documents"),
            shortened.then_some("sentences that the documents do not support are left out"),
            not_judged(&answer.sentences),
            self.lacking.as_deref(),
            disagreement.as_deref(),
            outdated(&answer.citations),
        ]);
        if !is_shown {
            self.show(&answer, outlet).await?;
        }
        Ok(self.timed(answer))
    }

    /// The best sentences. Text that was streamed before is not taken back; the note tells it apart.
    pub(crate) async fn extracted(
        mut self,
        found: &Found,
        silence: Option<Silence>,
        outlet: &Outlet,
    ) -> Result<Answer, Stop> {
        let (text, citations) = found.extract();
        let best = citations.iter().max_by(|a, b| score(found, a).total_cmp(&score(found, b)));
        let best = best.filter(|_| !found.compares());
        let conflict =
            best.and_then(|best| conflict(&self.question.text, &found.evidence, best.answer_span.slice(&text)?, best));
        let mut answer = self.answer(AnswerMode::Extract);
        answer.sentences = citations
            .iter()
            .map(|citation| CheckedSentence {
                answer_span: citation.answer_span,
                support: citation.support,
                entailment: None,
            })
            .collect();
        (answer.answer, answer.citations) = (text, citations);
        let disagreement = conflict.map(|conflict| quoted(&mut answer, conflict));
        let instead =
            silence.map(|silence| format!("{}; these are the best sentences of the documents", silence.message));
        answer.note =
            note([instead.as_deref(), self.lacking.as_deref(), disagreement.as_deref(), outdated(&answer.citations)]);
        if !self.is_streamed {
            self.show(&answer, outlet).await?;
        }
        Ok(self.timed(answer))
    }

    /// What contradicts the first sentence that can be contradicted.
    fn conflict(&self, found: &Found, draft: &Draft) -> Option<Conflict> {
        if found.compares() {
            return None;
        }
        draft.cited.iter().find_map(|cited| {
            let citation = cited.citation.as_ref()?;
            let mut conflict =
                conflict(&self.question.text, &found.evidence, &draft.text[cited.range.clone()], citation)?;
            let start = cited.range.start;
            conflict.value = conflict.value.map(|value| value.start + start..value.end + start);
            Some(conflict)
        })
    }

    /// Shows an answer that nothing was shown of.
    async fn show(&mut self, answer: &Answer, outlet: &Outlet) -> Result<(), Stop> {
        outlet.send(AnswerEvent::Delta(answer.answer.clone())).await?;
        if !self.has_first_text() {
            self.spent.first_text_ms = self.elapsed_ms();
        }
        for citation in &answer.citations {
            outlet.send(AnswerEvent::Citation(citation.clone())).await?;
        }
        Ok(())
    }

    /// An answer without its words.
    fn answer(&self, mode: AnswerMode) -> Answer {
        Answer {
            answer: String::new(),
            status: AnswerStatus::Answered,
            mode,
            note: None,
            rewritten: self.is_rewritten.then(|| self.question.text.clone()),
            style: None,
            citations: Vec::new(),
            sentences: Vec::new(),
            positions: Vec::new(),
            looked_at: Vec::new(),
            model: None,
            cascade: self.cascade.clone(),
            entailment: self.entailment,
            sufficiency: self.sufficiency,
            spent: self.spent,
        }
    }

    /// The answer with what it cost.
    fn timed(&self, answer: Answer) -> Answer {
        Answer { spent: Spent { total_ms: self.elapsed_ms(), ..self.spent }, ..answer }
    }

    /// The honest answer when the documents do not say.
    pub(crate) async fn insufficient(
        mut self,
        hits: Vec<Ranked>,
        note: Option<String>,
        outlet: &Outlet,
    ) -> Result<Answer, Stop> {
        let looked_at = hits.into_iter().map(|hit| LookedAt {
            document: hit.passage.document,
            title: hit.passage.title,
            chunk: hit.passage.chunk,
            score: hit.score,
        });
        let answer = Answer {
            answer: refusal(&self.question.text).to_owned(),
            status: AnswerStatus::InsufficientEvidence,
            note,
            looked_at: looked_at.collect(),
            ..self.answer(AnswerMode::Extract)
        };
        self.show(&answer, outlet).await?;
        Ok(self.timed(answer))
    }
}

/// What was found of each sentence; nothing where nothing was to be checked.
fn sentences(draft: &Draft, verify: Verify) -> Vec<CheckedSentence> {
    let checked = draft.cited.iter().map(|cited| CheckedSentence {
        answer_span: Span::of(&draft.text, cited.range.clone()),
        support: cited.citation.as_ref().map_or(Support::Unsupported, |citation| citation.support),
        entailment: cited.verdict.map(|verdict| verdict.status),
    });
    if verify == Verify::Off { Vec::new() } else { checked.collect() }
}

/// How much the sentence of a citation bears on the question.
fn score(found: &Found, citation: &Citation) -> f32 {
    let evidence = &found.evidence;
    let quoted = |sentence: &&Sentence| {
        evidence.passage(sentence).chunk == citation.chunk && evidence.text(sentence) == citation.quote
    };
    evidence.sentences.iter().find(quoted).map_or(0.0, |sentence| sentence.score)
}

/// Puts a conflict into an answer of one sentence: where the answer follows the other side, the preferred side's words take
/// the place of its own. Returns what the reader should know.
fn settled(answer: &mut Answer, conflict: Conflict, is_strict: bool) -> String {
    let Conflict { mut positions, value, is_followed, .. } = conflict;
    let mut followed = is_followed;
    if let (false, Some(value), [_]) = (is_followed, value, answer.sentences.as_slice()) {
        answer.answer.replace_range(value, &positions[0].says);
        let whole = Span::of(&answer.answer, 0..answer.answer.len());
        let was_judged = answer.sentences[0].entailment.is_some();
        let citation = &mut positions[0].citation;
        citation.answer_span = whole;
        if was_judged {
            judging::rewritten(citation, is_strict);
        }
        let (support, entailment) = (citation.support, citation.entailment);
        answer.citations = vec![citation.clone()];
        answer.sentences = vec![CheckedSentence { answer_span: whole, support, entailment }];
        followed = true;
    }
    if is_followed && let Some(citation) = answer.citations.first() {
        positions[0].citation.answer_span = citation.answer_span;
    }
    disagree(answer, positions, followed)
}

/// Puts a conflict into an extract: where it quotes another side, it quotes the preferred one alone instead, unless nothing
/// prefers one.
fn quoted(answer: &mut Answer, conflict: Conflict) -> String {
    let Conflict { mut positions, is_followed, is_decided, .. } = conflict;
    let is_quoted = |side: &Position| {
        let mut citations = answer.citations.iter();
        citations.any(|cited| cited.chunk == side.citation.chunk && cited.quote == side.citation.quote)
    };
    let both = positions[1..].iter().any(is_quoted);
    if !is_followed || (is_decided && both) {
        let citation = &mut positions[0].citation;
        answer.answer = citation.quote.clone();
        citation.answer_span = Span::of(&answer.answer, 0..answer.answer.len());
        let (answer_span, support) = (citation.answer_span, citation.support);
        answer.sentences = vec![CheckedSentence { answer_span, support, entailment: None }];
        answer.citations = vec![citation.clone()];
    }
    disagree(answer, positions, is_decided || !both)
}

fn disagree(answer: &mut Answer, mut positions: Vec<Position>, followed: bool) -> String {
    answer.status = AnswerStatus::Conflicting;
    positions[0].preferred = followed;
    let told: Vec<String> = positions
        .iter()
        .map(|Position { says, dated, published, .. }| {
            let how = if *published { "published" } else { "accepted" };
            format!("“{says}” ({how} {})", dated.strftime("%Y-%m-%d"))
        })
        .collect();
    answer.positions = positions;
    format!("the documents disagree: {}", told.join(", "))
}

/// What the reader should know, in one line; `None` when there is nothing.
fn note<const N: usize>(parts: [Option<&str>; N]) -> Option<String> {
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Whether a model that was asked left sentences unjudged.
fn not_judged(sentences: &[CheckedSentence]) -> Option<&'static str> {
    let is_open = |checked: &CheckedSentence| matches!(checked.entailment, Some(EntailmentStatus::NotJudged { .. }));
    let any = sentences.iter().any(is_open);
    any.then_some("the entailment model did not judge every sentence")
}

/// Whether what is cited is no longer what its author says.
fn outdated(citations: &[Citation]) -> Option<&'static str> {
    let any = citations.iter().any(|citation| citation.outdated);
    any.then_some("a document cited here has a newer version, which could not be read")
}
