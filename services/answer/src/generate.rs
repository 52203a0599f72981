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
//! - Before the first character is shown nothing is decided: the caller may still answer by an extract. After it, a generator
//!   that fails ends the stream.
//! - A sentence that was not finished is told as such: the caller leaves it out.
//! - A Chinese answer is in the script of its question, as far as the evidence has the characters (`script`).
//! - Control characters do not pass: an answer may be printed on a terminal.

use std::ops::Range;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;
use wellspring_core::answer::{AnswerEvent, AnswerFailure, Citation, Support};
use wellspring_core::generator::{FinishReason, GenerateError, GenerateErrorKind, GenerationEvent, Usage};
use wellspring_core::limits;
use wellspring_core::span::Span;
use wellspring_core::text::sentences;

use crate::cite::{Cited, Citer, complete_sentences};
use crate::evidence::joint;
use crate::pool::Begun;
use crate::script::ScriptKeeper;
use crate::stream::{Outlet, Stop};
use crate::verify::lesser;

/// What the generator wrote, checked.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The text.
    pub(crate) text: String,
    /// Its sentences, in order, each with what supports it.
    pub(crate) cited: Vec<Cited>,
    /// Whether the last of them was not finished.
    pub(crate) cut_short: bool,
    /// What it cost.
    pub(crate) usage: Usage,
    /// When its first character came.
    pub(crate) first_text_at: Instant,
    /// Whether it was streamed as it came.
    pub(crate) is_shown: bool,
    /// Whether it had to be a quote.
    pub(crate) is_quoted: bool,
    /// The model that wrote it.
    pub(crate) model: String,
}

/// Why there is no draft although nothing was streamed: the caller decides what to do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silence {
    /// A stable code.
    pub(crate) code: &'static str,
    /// What happened, for people.
    pub(crate) message: &'static str,
    /// When asking again has a chance, where that is known.
    pub(crate) retry_after: Option<Duration>,
}

/// The share of a draft's sentences that must be fully supported for it to be enough.
const ENOUGH_SHARE: f32 = 0.5;

impl Draft {
    /// The draft without a last sentence that was not finished.
    pub(crate) fn finished(mut self) -> Result<Self, Silence> {
        if self.cut_short {
            let kept = self.cited.pop().map_or(0, |last| last.range.start);
            self.text.truncate(self.text[..kept].trim_end().len());
        }
        if self.text.is_empty() { Err(Silence::UNFINISHED) } else { Ok(self) }
    }

    /// The draft where it had to be a quote: what the model would not have written by itself is partial support at most.
    pub(crate) fn quoted(mut self) -> Self {
        self.is_quoted = true;
        for citation in self.cited.iter_mut().filter_map(|cited| cited.citation.as_mut()) {
            citation.support = lesser(citation.support, Support::Partial);
        }
        self
    }

    /// Whether any of its sentences is supported, be it in part.
    pub(crate) fn is_supported(&self) -> bool {
        self.cited.iter().any(|cited| cited.citation.is_some())
    }

    /// The citations of its sentences.
    pub(crate) fn citations(&self) -> impl Iterator<Item = &Citation> + Clone {
        self.cited.iter().filter_map(|cited| cited.citation.as_ref())
    }

    /// How much of it the documents carry: a sentence that is supported in part counts half.
    pub(crate) fn carried(&self) -> f32 {
        let weight = |cited: &Cited| match cited.citation.as_ref().map(|citation| citation.support) {
            Some(Support::Supported) => 1.0,
            Some(Support::Partial) => 0.5,
            Some(Support::Unsupported) | None => 0.0,
        };
        self.cited.iter().map(weight).sum::<f32>() / self.cited.len().max(1) as f32
    }

    /// Whether a larger model need not be asked: every sentence has its citation, half of them say all of it, and the last
    /// one is whole.
    pub(crate) fn is_enough(&self) -> bool {
        let supports = || self.citations().map(|citation| citation.support);
        let full = supports().filter(|&support| support == Support::Supported).count() as f32;
        supports().count() == self.cited.len() && full >= ENOUGH_SHARE * self.cited.len() as f32 && !self.cut_short
    }

    /// The draft without what nothing supports.
    pub(crate) fn supported(self) -> Self {
        self.without(|_| true)
    }

    /// The draft without sentences that nothing supports and that `is_left_out` tells: what is left keeps its order, and its
    /// spans are those of the shorter text.
    pub(crate) fn without(self, is_left_out: impl Fn(&str) -> bool) -> Self {
        let goes = |cited: &Cited| cited.citation.is_none() && is_left_out(&self.text[cited.range.clone()]);
        if !self.cited.iter().any(goes) {
            return self;
        }
        let (mut text, mut kept) = (String::new(), Vec::new());
        let mut end_before = 0;
        // Where the sentence that is copied begins, there and here.
        let mut copied: Option<(Range<usize>, usize)> = None;
        for Cited { range, sentence, mut citation, verdict } in self.cited {
            let gap = &self.text[end_before..range.start];
            end_before = range.end;
            if citation.is_none() && is_left_out(&self.text[range.clone()]) {
                continue;
            }
            let goes_on = copied.as_ref().is_some_and(|(copied, _)| *copied == sentence);
            if goes_on {
                text.push_str(gap);
            } else if !text.is_empty() {
                text.push_str(if gap.contains('\n') { "\n" } else { joint(&text) });
            }
            let start = text.len();
            text.push_str(&self.text[range]);
            if let Some(citation) = &mut citation {
                citation.answer_span = Span::of(&text, start..text.len());
            }
            let begun = copied.take().filter(|_| goes_on).map_or(start, |(_, begun)| begun);
            copied = Some((sentence, begun));
            kept.push(Cited { range: start..text.len(), sentence: begun..text.len(), citation, verdict });
        }
        Self { text, cited: kept, ..self }
    }
}

impl Silence {
    /// Whether it was known only after text had come.
    pub(crate) fn came_late(self) -> bool {
        self == Self::UNSUPPORTED || self == Self::UNFINISHED
    }

    /// Why a generation did not begin or did not end, logged here, where it turns into something else.
    pub(crate) fn of(failure: &GenerateError) -> Self {
        // That others were first is nobody's fault.
        match failure.kind() {
            GenerateErrorKind::Busy => tracing::info!(reason = failure.chain(), "the generator is busy"),
            _ => tracing::warn!(reason = failure.chain(), "the generator did not finish an answer"),
        }
        match failure.kind() {
            GenerateErrorKind::Unavailable => Self::UNAVAILABLE,
            GenerateErrorKind::Busy => Self::busy(failure.retries_after()),
            GenerateErrorKind::Refused => Self::told("generator_refused", "the generator refused the prompt"),
            GenerateErrorKind::Interrupted => Self::INTERRUPTED,
        }
    }

    /// Others come first.
    pub(crate) fn busy(retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..Self::told("generator_busy", "the generator is busy") }
    }

    const fn told(code: &'static str, message: &'static str) -> Self {
        Self { code, message, retry_after: None }
    }

    pub(crate) const UNAVAILABLE: Self = Self::told("generator_unavailable", "no generator is ready");
    pub(crate) const LOADING: Self = Self::told("generator_unavailable", "the generator is still loading");
    pub(crate) const OFF: Self = Self::told("generator_unavailable", "no generator is configured");
    pub(crate) const FAILED: Self = Self::told("generator_unavailable", "the generator cannot be started");
    pub(crate) const TOO_SMALL: Self =
        Self::told("generator_unavailable", "the generator's model is too small to write answers");
    pub(crate) const UNFINISHED: Self =
        Self::told("answer_unfinished", "the generated answer stopped in the middle of a sentence");
    pub(crate) const UNSUPPORTED: Self =
        Self::told("answer_unsupported", "the generated answer was not supported by the documents");
    pub(crate) const INCOMPLETE: Self =
        Self::told("answer_incomplete", "the generated answer does not speak of everything that is compared");
    const INTERRUPTED: Self = Self::told("generator_interrupted", "the generator stopped before it wrote anything");
    const EMPTY: Self = Self::told("generator_empty", "the generator wrote nothing");
}

/// How an answer is kept.
#[derive(Debug)]
pub(crate) struct PageStyle {
    /// What keeps a Chinese answer in its script.
    pub(crate) script: Option<ScriptKeeper>,
    /// Sentences that are read; the rest is not.
    pub(crate) sentences_max: usize,
}

/// Reads and checks one answer, and streams it unless there is no outlet: then nothing is shown before it is checked.
pub(crate) async fn write(
    Begun { model, mut generation }: Begun,
    citer: &Citer,
    style: PageStyle,
    outlet: Option<&Outlet>,
) -> Result<Result<Draft, Silence>, Stop> {
    let PageStyle { script, sentences_max } = style;
    let mut page = Page {
        text: String::new(),
        held_back: String::new(),
        script,
        cited: Vec::new(),
        first_text_at: None,
        full: false,
        sentences_max,
    };
    let (usage, reason) = loop {
        let failure = match generation.next().await {
            Some(Ok(GenerationEvent::Text(text))) => {
                page.write(&text, citer, outlet).await?;
                if !page.full {
                    continue;
                }
                // I-7: the rest is not read; dropping the generation stops the decode.
                tracing::debug!("the generator wrote more than an answer may hold; the rest was cut off");
                break (Usage::default(), FinishReason::Length);
            }
            Some(Ok(GenerationEvent::Tokens(_))) => continue,
            Some(Ok(GenerationEvent::Done { usage, reason })) => break (usage, reason),
            Some(Err(failure)) => failure,
            None => GenerateError::new(GenerateErrorKind::Interrupted, "the generation ended without an end"),
        };
        let silence = Silence::of(&failure);
        let shown = page.first_text_at.is_some() && outlet.is_some();
        return if shown { Err(interrupted()) } else { Ok(Err(silence)) };
    };
    drop(generation);
    page.finish(citer, outlet).await?;
    let reason = if page.full { FinishReason::Length } else { reason };
    let Some(first_text_at) = page.first_text_at else { return Ok(Err(Silence::EMPTY)) };
    page.cite(sentences(&page.text), citer, outlet).await?;
    let cut_short = is_unfinished(&page.text, reason);
    let is_shown = outlet.is_some();
    Ok(Ok(Draft {
        text: page.text,
        cited: page.cited,
        cut_short,
        usage,
        first_text_at,
        is_shown,
        is_quoted: false,
        model,
    }))
}

/// What has been written so far.
struct Page {
    text: String,
    /// White space that is only part of the answer if more text follows.
    held_back: String,
    /// What keeps a Chinese answer in its script.
    script: Option<ScriptKeeper>,
    cited: Vec<Cited>,
    first_text_at: Option<Instant>,
    /// Whether more text came than an answer may hold.
    full: bool,
    sentences_max: usize,
}

impl Page {
    /// Streams more text, then the citations of the sentences it completed.
    async fn write(&mut self, more: &str, citer: &Citer, outlet: Option<&Outlet>) -> Result<(), Stop> {
        let more: String = more.chars().filter(|&c| c == '\n' || !c.is_control()).collect();
        match &mut self.script {
            Some(script) => self.held_back.push_str(&script.push(&more)),
            None => self.held_back.push_str(&more),
        }
        self.give_out(citer, outlet).await
    }

    /// Streams what the script held back.
    async fn finish(&mut self, citer: &Citer, outlet: Option<&Outlet>) -> Result<(), Stop> {
        if let Some(script) = &mut self.script {
            self.held_back.push_str(&script.finish());
        }
        self.give_out(citer, outlet).await
    }

    /// Streams what is held back, up to white space at its end.
    async fn give_out(&mut self, citer: &Citer, outlet: Option<&Outlet>) -> Result<(), Stop> {
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
        if let Some(outlet) = outlet {
            outlet.send(AnswerEvent::Delta(piece)).await?;
        }
        let complete = complete_sentences(&self.text);
        self.full |= complete.len() >= self.sentences_max;
        self.cite(complete, citer, outlet).await
    }

    /// Cites the sentences that have not been cited yet. A sentence whose end moved as more text came is cited anew.
    async fn cite(
        &mut self,
        ranges: Vec<std::ops::Range<usize>>,
        citer: &Citer,
        outlet: Option<&Outlet>,
    ) -> Result<(), Stop> {
        self.cited.retain(|cited| ranges.contains(&cited.sentence));
        for range in ranges {
            if self.cited.iter().any(|cited| cited.sentence == range) {
                continue;
            }
            for cited in citer.cite(&self.text, range).await {
                if let (Some(citation), Some(outlet)) = (&cited.citation, outlet) {
                    outlet.send(AnswerEvent::Citation(citation.clone())).await?;
                }
                self.cited.push(cited);
            }
        }
        self.cited.sort_by_key(|cited| cited.range.start);
        Ok(())
    }
}

/// Whether a text breaks off: at the token limit before the end of a sentence, or behind a mark or a word that more must
/// follow. A name or a number needs no full stop.
fn is_unfinished(text: &str, reason: FinishReason) -> bool {
    const OPENING_MARKS: &[char] =
        &[',', '，', '、', ':', '：', ';', '；', '(', '（', '“', '「', '《', '-', '–', '—', '='];
    const OPENING_WORDS: &[&str] = &[
        "a", "an", "the", "and", "or", "but", "of", "to", "in", "on", "at", "for", "with", "from", "by", "is", "are",
        "was", "were", "has", "have", "that", "which", "because", "than", "as", "if", "when",
    ];
    let text = text.trim_end();
    let ends_sentence = text
        .trim_end_matches(['"', '\'', '”', '’', ')', '）', '」', '』', '*'])
        .ends_with(['.', '!', '?', '。', '！', '？', '…']);
    if ends_sentence {
        // "1." begins an item of a list.
        let item = text.rsplit(char::is_whitespace).next().unwrap_or_default();
        return item.len() > 1
            && item.ends_with('.')
            && item[..item.len() - 1].bytes().all(|b| b.is_ascii_digit())
            && text.contains('\n');
    }
    let last = text.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_lowercase();
    let several_words = text.contains(char::is_whitespace);
    reason == FinishReason::Length
        || text.ends_with(OPENING_MARKS)
        || (several_words && OPENING_WORDS.contains(&last.as_str()))
}

fn interrupted() -> Stop {
    Stop::Failed(AnswerFailure {
        code: "generator_interrupted".to_owned(),
        message: "the generator stopped in the middle of the answer".to_owned(),
        hint: "ask again; until the generator is back, answers are extracts".to_owned(),
        retry_after: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_breaks_off_at_the_limit_and_behind_what_must_go_on() {
        for text in ["It opens at 7 and", "The steps are:", "他们喜欢鱼、", "1. Open it.\n2.", "because the"] {
            assert!(is_unfinished(text, FinishReason::Stop), "{text}");
        }
        for text in ["1874", "Ada Stone", "It opens at 7.", "他说：“好。”", "1. Open it.\n2. Close it.", "At 7", "and"]
        {
            assert!(!is_unfinished(text, FinishReason::Stop), "{text}");
        }
        assert!(is_unfinished("It opens at 7 o'clo", FinishReason::Length));
        assert!(!is_unfinished("It opens at 7.", FinishReason::Length));
    }
}
