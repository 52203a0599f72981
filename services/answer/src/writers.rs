//! Who writes this answer, and when is it not worth waiting for them?
//!
//! Generators stand in steps, small to large, each a [`Pool`]. A question begins with the first step that may write. What
//! it wrote is kept where the documents carry all of it, and at least half of it fully; otherwise the next step is asked,
//! and so it is where a step has no first token within [`limits::GENERATOR_FIRST_TOKEN_MAX`].
//!
//! | the generator | `auto` | `generate` |
//! |---|---|---|
//! | has too many answers in work | extract, "busy" | refused, with the time after which a place is likely |
//! | would keep the question waiting for longer than `answer.busy_ms` | extract, "busy" | waits |
//! | is shared, and has no token `answer.busy_ms` after it would have had one alone | extract, "busy" | waits |
//! | says that it is busy | extract, "busy" | refused, with the time that it gave |
//!
//! Before anything was measured, a question that would have to wait for a place is not kept waiting at all, and a first
//! token may take [`limits::FIRST_TOKEN_UNMEASURED_MAX`].
//!
//! Invariants:
//! - At most [`limits::GENERATIONS_MAX`] answers are written at once (I-7); an extract needs no place among them.
//! - Nothing of a text is shown that a later step may replace.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wellspring_core::answer::{AnswerMode, AnswerStyle, CascadeStep, Verify};
use wellspring_core::generator::{
    Adapter, GenerateError, GenerateErrorKind, GenerationOptions, GenerationRequest, GeneratorStatus, Message, TextForm,
};
use wellspring_core::limits;

use crate::answerer::{Answerer, is_named};
use crate::ending::Asked;
use crate::found::Found;
use crate::generate::{Draft, PageStyle, Silence, write};
use crate::judging::Judge;
use crate::pool::{Begun, Outlook, Pool};
use crate::prompt::prompt;
use crate::script::ScriptKeeper;
use crate::stream::{Outlet, Stop};
use crate::style::{answer_tokens, sentences_max, stop, style};

/// A step that may write.
#[derive(Clone)]
pub(crate) struct Writer {
    pool: Arc<Pool>,
    /// Whether another step is asked where this one writes nothing.
    has_next: bool,
    /// What it would meet.
    pub(crate) outlook: Outlook,
}

impl Answerer {
    /// The steps that may write, small to large, or why none may.
    pub(crate) fn writers(&self) -> Result<Vec<Writer>, Silence> {
        let may_write = |model: &str| !is_named(model, &self.parts.settings.models_too_small);
        let writer = |pool: &Arc<Pool>| {
            pool.outlook(&may_write).map(|outlook| Writer { pool: Arc::clone(pool), has_next: false, outlook })
        };
        let writers: Vec<Writer> = self.parts.steps.iter().filter_map(writer).collect();
        if !writers.is_empty() {
            return Ok(writers);
        }
        let mut silence = Silence::OFF;
        for status in self.parts.steps.iter().map(|pool| pool.status()) {
            match status {
                GeneratorStatus::Off => {}
                GeneratorStatus::Loading => silence = Silence::LOADING,
                GeneratorStatus::Failed { .. } if silence == Silence::OFF => silence = Silence::FAILED,
                GeneratorStatus::Failed { .. } => {}
                GeneratorStatus::Ready { .. } => return Err(Silence::TOO_SMALL),
            }
        }
        Err(silence)
    }

    /// How long the answer is to be. Where the question asks for more than a small model can do, the steps that only have
    /// small ones are left out.
    pub(crate) fn style(&self, asked: &Asked, writers: &mut Result<Vec<Writer>, Silence>) -> AnswerStyle {
        let settings = &self.parts.settings;
        let wanted = asked.question.style.or(settings.style);
        let is_small = |writer: &Writer| is_named(&writer.outlook.model, &settings.models_small);
        let all_small = writers.as_ref().map_or(true, |writers| writers.iter().all(is_small));
        let style = style(wanted, &asked.question.text, all_small);
        if let (Ok(writers), None, AnswerStyle::Full) = (writers, wanted, style) {
            writers.retain(|writer| !is_small(writer));
        }
        style
    }

    /// Has an answer written that something supports, or says why there is none. With [`Verify::Strict`] nothing is shown
    /// yet.
    pub(crate) async fn written(
        &self,
        asked: &mut Asked,
        found: &Found,
        writers: &[Writer],
        style: AnswerStyle,
        outlet: &Outlet,
    ) -> Result<Result<Draft, Silence>, Stop> {
        let verify = asked.question.verify.unwrap_or(self.parts.settings.verify);
        asked.question.verify = Some(verify);
        let Ok(_place) = self.generations.try_acquire() else {
            let soonest = writers.iter().map(|writer| writer.pool.retry_after()).min();
            return Ok(Err(Silence::busy(soonest)));
        };
        let (mut kept, mut silence): (Option<Draft>, _) = (None, Silence::UNAVAILABLE);
        for (step, writer) in writers.iter().enumerate() {
            let is_last = step + 1 == writers.len();
            let writer = &Writer { has_next: !is_last, ..writer.clone() };
            let shown = (is_last && verify != Verify::Strict && !asked.question.whole).then_some(outlet);
            let started = Instant::now();
            let reason = match self.supported(asked, found, writer, style, shown).await? {
                Ok(draft) => {
                    asked.is_streamed |= draft.is_shown;
                    let covers = found.covers_all(draft.citations());
                    let enough = is_last || verify == Verify::Off || (covers && draft.is_enough());
                    // A later step's text replaces an earlier one's only where the documents carry as much of it.
                    if kept.as_ref().is_none_or(|kept| draft.carried() >= kept.carried()) {
                        kept = Some(draft);
                    }
                    if enough { None } else { Some("the documents carry too little of what it wrote") }
                }
                Err(said) => {
                    asked.is_streamed |= shown.is_some() && said.came_late();
                    silence = said;
                    Some(said.message)
                }
            };
            if writers.len() > 1 {
                let ms = started.elapsed().as_secs_f64() * 1e3;
                let model = writer.outlook.model.clone();
                asked.cascade.push(CascadeStep { model, ms, is_kept: false, reason: reason.map(str::to_owned) });
            }
            if reason.is_none() {
                break;
            }
        }
        let Some(mut draft) = kept else { return Ok(Err(silence)) };
        if let Some(step) = asked.cascade.iter_mut().rev().find(|step| step.model == draft.model) {
            step.is_kept = true;
        }
        // What was streamed cannot be unsaid: the whole answer at the end is what counts.
        draft.is_shown = asked.is_streamed;
        // Half of a comparison is none; the documents' own sentences speak of both.
        let covers = verify == Verify::Off || found.covers_all(draft.citations());
        Ok(if asked.question.mode == AnswerMode::Auto && !covers { Err(Silence::INCOMPLETE) } else { Ok(draft) })
    }

    /// One step's text, where something supports it. Otherwise it is asked once more: for a short answer as a quote
    /// (`quoting`), where the caller has nothing else to be answered with; for a full one with what was wrong with it, where
    /// nothing is shown before it is checked.
    async fn supported(
        &self,
        asked: &mut Asked,
        found: &Found,
        writer: &Writer,
        style: AnswerStyle,
        outlet: Option<&Outlet>,
    ) -> Result<Result<Draft, Silence>, Stop> {
        let verify = asked.question.verify.unwrap_or_default();
        let prompt = prompt(&asked.question.text, &found.evidence, style);
        let request = self.request(asked, style, prompt.messages.clone(), TextForm::Free);
        let draft = match self.draft(asked, found, writer, style, request, outlet).await? {
            Ok(draft) => draft,
            Err(silence) => return Ok(Err(silence)),
        };
        if draft.is_supported() || verify == Verify::Off {
            return Ok(Ok(draft));
        }
        let quotes = style == AnswerStyle::Short && asked.question.mode == AnswerMode::Generate;
        let (messages, form) = match found.quotes(&asked.question.text).filter(|_| quotes) {
            Some(grammar) => (prompt.messages, TextForm::Grammar(grammar)),
            None if verify == Verify::Mark => return Ok(Err(Silence::UNSUPPORTED)),
            None => (prompt.again(&draft.text), TextForm::Free),
        };
        asked.is_streamed |= draft.is_shown;
        let request = self.request(asked, style, messages, form);
        let again = self.draft(asked, found, writer, style, request, None).await?;
        let again = again.map(|again| if quotes { again.quoted() } else { again });
        Ok(again.and_then(|draft| if draft.is_supported() { Ok(draft) } else { Err(Silence::UNSUPPORTED) }))
    }

    /// Who judges what code finds for this question; nobody where nothing is to be checked.
    fn judge(&self, asked: &Asked) -> Option<Judge> {
        let verify = asked.question.verify.unwrap_or_default();
        let judging = self.parts.judging.clone().filter(|_| verify != Verify::Off)?;
        Some(Judge::new(judging, verify == Verify::Strict))
    }

    fn request(&self, asked: &Asked, style: AnswerStyle, messages: Vec<Message>, form: TextForm) -> GenerationRequest {
        let settings = &self.parts.settings;
        let adapter = settings.adapters.get(&asked.question.collection);
        let adapter = adapter.map(|name| Adapter { name: name.clone(), scale: 1.0 });
        GenerationRequest {
            messages,
            tokens_max: settings.answer_tokens.min(answer_tokens(style)),
            temperature: 0.0,
            seed: settings.seed,
            stop: stop(style),
            options: GenerationOptions { form, adapter, ..GenerationOptions::default() },
        }
    }

    /// Has one draft written and checked.
    async fn draft(
        &self,
        asked: &mut Asked,
        found: &Found,
        writer: &Writer,
        style: AnswerStyle,
        request: GenerationRequest,
        outlet: Option<&Outlet>,
    ) -> Result<Result<Draft, Silence>, Stop> {
        let question = &asked.question.text;
        let citer = found.citer(question, Arc::clone(&self.parts.embedder)).judged_by(self.judge(asked));
        let evidence = &found.evidence;
        let sources = evidence.sentences.iter().map(|sentence| evidence.text(sentence));
        let page = PageStyle { script: ScriptKeeper::new(question, sources), sentences_max: sentences_max(style) };
        let begun = match self.begun(asked, writer, &request).await {
            Ok(begun) => begun,
            Err(failure) => {
                let silence = Silence::of(&failure);
                let busy = silence.code == Silence::busy(None).code && silence.retry_after.is_none();
                return Ok(Err(if busy { Silence::busy(Some(writer.pool.retry_after())) } else { silence }));
            }
        };
        let draft = write(begun, &citer, page, outlet).await?;
        if let Ok(draft) = &draft {
            asked.wrote(draft);
        }
        Ok(draft.and_then(Draft::finished))
    }

    /// Begins a generation, or says soon that it would take too long.
    async fn begun(&self, asked: &Asked, writer: &Writer, request: &GenerationRequest) -> Result<Begun, GenerateError> {
        let may_write = |model: &str| !is_named(model, &self.parts.settings.models_too_small);
        // In mode `auto` the extract comes next.
        let has_next = writer.has_next || asked.question.mode == AnswerMode::Auto;
        let begin = writer.pool.generate(request, &may_write, has_next);
        if asked.question.mode != AnswerMode::Auto {
            return begin.await;
        }
        let busy = self.parts.settings.busy;
        let too_busy = || GenerateError::new(GenerateErrorKind::Busy, "others keep the generator busy");
        // What was so before the passages were read may be over.
        match writer.pool.outlook(&may_write) {
            Some(now) if now.wait.is_none_or(|wait| wait > busy) => Err(too_busy()),
            Some(now) if now.is_shared => {
                let alone = now.first_token_alone.unwrap_or(limits::FIRST_TOKEN_UNMEASURED_MAX);
                tokio::time::timeout(busy + alone, begin).await.unwrap_or_else(|_| Err(too_busy()))
            }
            Some(_) | None => begin.await,
        }
    }

    /// Tokens of evidence for the prompt.
    pub(crate) fn evidence_budget(&self, asked: &Asked, style: AnswerStyle, writer: Option<&Writer>) -> usize {
        let settings = &self.parts.settings;
        let usual = crate::style::evidence_tokens(style, settings.evidence_tokens);
        let rate = writer.and_then(|writer| writer.outlook.read_tokens_per_second);
        let (Some(wanted), Some(rate)) = (settings.first_token, rate) else { return usual };
        let spent = Duration::from_secs_f64(asked.elapsed_ms() / 1e3);
        budget(wanted.saturating_sub(spent), rate, self.parts.embedder.count_tokens(&asked.question.text))
    }
}

/// Tokens around evidence and question that are read anew for every question: labels, and the marks of a turn. The
/// instructions in front of them are in the generator's cache.
const AROUND_TOKENS: usize = 24;

/// The tokens of evidence that can be read in `time` beside the question.
fn budget(time: Duration, tokens_per_second: f64, question_tokens: usize) -> usize {
    let readable = (time.as_secs_f64() * tokens_per_second) as usize;
    readable
        .saturating_sub(question_tokens + AROUND_TOKENS)
        .clamp(limits::EVIDENCE_TOKENS_MIN, limits::EVIDENCE_TOKENS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_of_evidence_follows_from_time_and_speed_between_its_bounds() {
        assert_eq!(budget(Duration::from_millis(1000), 200.0, 26), 150);
        assert_eq!(budget(Duration::from_millis(1000), 100.0, 6), 70);
        assert_eq!(budget(Duration::from_millis(100), 100.0, 6), limits::EVIDENCE_TOKENS_MIN);
        assert_eq!(budget(Duration::ZERO, 200.0, 10_000), limits::EVIDENCE_TOKENS_MIN);
        assert_eq!(budget(Duration::from_secs(5), 3000.0, 20), limits::EVIDENCE_TOKENS_MAX);
    }
}
