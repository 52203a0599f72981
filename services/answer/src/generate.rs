//! How do the generator's tokens become an answer whose every sentence has been checked?
//!
//! Text is streamed as it comes and checked sentence by sentence behind it. Holding a sentence back until it is
//! checked would make every reader wait for the whole of a short answer, which usually is one sentence; and text that
//! was streamed cannot be unsaid. So the final answer is the authority: where it differs from what was streamed, it
//! says so in its note, and clients show it in place of the stream.
//!
//! Invariants:
//! - The text of the draft is exactly the concatenation of the streamed pieces.
//! - No more than [`limits::ANSWER_BYTES_MAX`] are taken, whatever the generator sends.
//! - Before the first character nothing is decided: the caller may still answer by an extract. After it, a generator
//!   that fails ends the stream.
//! - Control characters do not pass: an answer may be printed on a terminal.

use futures::StreamExt;
use tokio::time::Instant;
use wellspring_core::answer::{AnswerEvent, AnswerFailure};
use wellspring_core::generator::{
    GenerateError, GenerateErrorKind, GenerationEvent, GenerationRequest, Generator, Usage,
};
use wellspring_core::limits;
use wellspring_core::text::sentences;

use crate::cite::{Cited, Citer, complete_sentences};
use crate::stream::{Outlet, Stop};

/// What the generator wrote, checked.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The text.
    pub(crate) text: String,
    /// Its sentences, in order, each with what supports it.
    pub(crate) cited: Vec<Cited>,
    /// What it cost.
    pub(crate) usage: Usage,
    /// When its first character was sent.
    pub(crate) first_text_at: Instant,
}

/// Why there is no draft although nothing was streamed: the caller decides what to do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silence {
    /// A stable code.
    pub(crate) code: &'static str,
    /// What happened, for people.
    pub(crate) message: &'static str,
}

impl Silence {
    fn of(failure: &GenerateError) -> Self {
        match failure.kind() {
            GenerateErrorKind::Unavailable => Self::UNAVAILABLE,
            GenerateErrorKind::Busy => Self { code: "generator_busy", message: "the generator is busy" },
            GenerateErrorKind::Refused => {
                Self { code: "generator_refused", message: "the generator refused the prompt" }
            }
            GenerateErrorKind::Interrupted => Self::INTERRUPTED,
        }
    }

    pub(crate) const UNAVAILABLE: Self = Self { code: "generator_unavailable", message: "no generator is ready" };
    pub(crate) const LOADING: Self = Self { code: "generator_unavailable", message: "the generator is still loading" };
    pub(crate) const OFF: Self = Self { code: "generator_unavailable", message: "no generator is configured" };
    pub(crate) const FAILED: Self = Self { code: "generator_unavailable", message: "the generator cannot be started" };
    pub(crate) const TOO_SMALL: Self =
        Self { code: "generator_unavailable", message: "the generator's model is too small to write answers" };
    pub(crate) const UNSUPPORTED: Self =
        Self { code: "answer_unsupported", message: "the generated answer was not supported by the documents" };
    const INTERRUPTED: Self =
        Self { code: "generator_interrupted", message: "the generator stopped before it wrote anything" };
    const EMPTY: Self = Self { code: "generator_empty", message: "the generator wrote nothing" };
}

/// Generates, streams and checks one answer.
pub(crate) async fn write(
    generator: &dyn Generator,
    request: GenerationRequest,
    citer: &Citer,
    outlet: &Outlet,
) -> Result<Result<Draft, Silence>, Stop> {
    let mut generation = match generator.generate(request).await {
        Ok(generation) => generation,
        Err(failure) => return Ok(Err(logged(&failure))),
    };
    let mut page =
        Page { text: String::new(), held_back: String::new(), cited: Vec::new(), first_text_at: None, full: false };
    let usage = loop {
        let failure = match generation.next().await {
            Some(Ok(GenerationEvent::Text(text))) => {
                page.write(&text, citer, outlet).await?;
                if !page.full {
                    continue;
                }
                // I-7: the rest is not read; dropping the generation stops the decode.
                tracing::warn!("the generator wrote more than an answer may hold; the rest was cut off");
                break Usage::default();
            }
            Some(Ok(GenerationEvent::Done { usage, .. })) => break usage,
            Some(Err(failure)) => failure,
            None => GenerateError::new(GenerateErrorKind::Interrupted, "the generation ended without an end"),
        };
        let silence = logged(&failure);
        return if page.first_text_at.is_none() { Ok(Err(silence)) } else { Err(interrupted()) };
    };
    drop(generation);
    let Some(first_text_at) = page.first_text_at else { return Ok(Err(Silence::EMPTY)) };
    page.cite(sentences(&page.text), citer, outlet).await?;
    Ok(Ok(Draft { text: page.text, cited: page.cited, usage, first_text_at }))
}

/// What has been written so far.
struct Page {
    text: String,
    /// White space that is only part of the answer if more text follows.
    held_back: String,
    cited: Vec<Cited>,
    first_text_at: Option<Instant>,
    /// Whether more text came than an answer may hold.
    full: bool,
}

impl Page {
    /// Streams more text, then the citations of the sentences it completed.
    async fn write(&mut self, more: &str, citer: &Citer, outlet: &Outlet) -> Result<(), Stop> {
        self.held_back.extend(more.chars().filter(|&c| c == '\n' || !c.is_control()));
        if self.text.is_empty() {
            self.held_back.drain(..self.held_back.len() - self.held_back.trim_start().len());
        }
        let room = limits::ANSWER_BYTES_MAX - self.text.len();
        if self.held_back.len() > room {
            self.held_back.truncate(self.held_back.floor_char_boundary(room));
            self.full = true;
        }
        let ready = self.held_back.trim_end().len();
        if ready == 0 {
            return Ok(());
        }
        let piece: String = self.held_back.drain(..ready).collect();
        self.text.push_str(&piece);
        self.first_text_at.get_or_insert_with(Instant::now);
        outlet.send(AnswerEvent::Delta(piece)).await?;
        self.cite(complete_sentences(&self.text), citer, outlet).await
    }

    /// Cites the sentences that have not been cited yet. A sentence whose end moved as more text came is cited anew.
    async fn cite(&mut self, ranges: Vec<std::ops::Range<usize>>, citer: &Citer, outlet: &Outlet) -> Result<(), Stop> {
        self.cited.retain(|cited| ranges.contains(&cited.range));
        for range in ranges {
            if self.cited.iter().any(|cited| cited.range == range) {
                continue;
            }
            let cited = citer.cite(&self.text, range).await;
            if let Some(citation) = &cited.citation {
                outlet.send(AnswerEvent::Citation(citation.clone())).await?;
            }
            self.cited.push(cited);
        }
        self.cited.sort_by_key(|cited| cited.range.start);
        Ok(())
    }
}

/// Handles a generator's failure here, where it turns into something else: logs it.
fn logged(failure: &GenerateError) -> Silence {
    tracing::warn!(reason = failure.chain(), "the generator did not finish an answer");
    Silence::of(failure)
}

fn interrupted() -> Stop {
    Stop::Failed(AnswerFailure {
        code: "generator_interrupted".to_owned(),
        message: "the generator stopped in the middle of the answer".to_owned(),
        hint: "ask again; until the generator is back, answers are extracts".to_owned(),
    })
}
