//! Is this document worth a reader's time, or has it been said already?
//!
//! ```text
//! parsed ─► normalise ─► minhash, blocks ─┐                    ┌─► chunk
//!        └► entropy, language ────────────┴► judge ─► record ──┴─► skipped, with its reason
//!                                              ▲
//!                            what the catalog knows of others
//! ```
//!
//! Invariants:
//! - What is dropped is never embedded, and nothing is dropped without a recorded reason.
//! - Documents are judged one after the other, in batches: of two copies that arrive together one is the original.
//! - The text stays whole: boilerplate keeps its place in it and is only left out of the chunks.
//! - Measuring is CPU work, on blocking threads; memory is bounded by the documents in preparation.

mod blocks;
pub mod entropy;
mod judge;
mod language;
pub mod minhash;
pub mod normalise;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::screen::{Arrival, Decision, Mode, Rule, Signature, SignatureStore, Verdict};
use wellspring_core::source::SourceName;

use crate::parse::{BlockKind, Parsed};
use crate::retry::until_done;

pub use settings::ScreenSettings;

/// A parsed revision, as far as screening asks.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The document.
    pub document: DocumentId,
    /// Its collection.
    pub collection: CollectionName,
    /// Its name.
    pub key: DocumentKey,
    /// Who sends it.
    pub source: SourceName,
    /// The revision that was parsed.
    pub revision: Revision,
    /// What its owner says about its language.
    pub language: Option<String>,
    /// Its access labels.
    pub labels: Vec<String>,
}

/// A screened revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Screened {
    /// What was parsed; blocks of boilerplate are named so.
    pub parsed: Parsed,
    /// What was said, to be kept with the revision.
    pub decisions: Vec<Decision>,
}

impl Screened {
    /// Why the document is not published; `None` when it is.
    pub fn dropped(&self) -> Option<&str> {
        self.decisions
            .iter()
            .find(|decision| decision.verdict == Verdict::Dropped)
            .map(|decision| decision.reason.as_str())
    }
}

/// Judges documents by the operator's rules and by what was judged before.
pub struct Screener {
    settings: ScreenSettings,
    /// `None` where no rule compares documents.
    store: Option<Arc<dyn SignatureStore>>,
    clock: fn() -> Timestamp,
    /// Documents to be judged by whoever has the turn; bounded by the documents in preparation.
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

/// A measured document and who asked.
struct Waiting {
    measured: Measured,
    reply: oneshot::Sender<Judgement>,
}

/// A document as its own text shows it.
struct Measured {
    subject: Subject,
    /// Verdicts that need no other document.
    decisions: Vec<Decision>,
    signature: Option<Signature>,
    bands: Vec<u64>,
    /// The paragraphs that may be boilerplate: hash, and where they stand among the blocks.
    paragraphs: Vec<(u64, Vec<usize>)>,
    scope: u64,
    arrival: Option<Arrival>,
}

/// What was decided about a document, and which of its blocks are boilerplate.
struct Judgement {
    decisions: Vec<Decision>,
    boilerplate: Vec<usize>,
}

impl Screener {
    /// Screens by these rules, comparing with what `store` remembers.
    pub fn new(settings: ScreenSettings, store: Arc<dyn SignatureStore>) -> Self {
        let store = settings.compares().then_some(store);
        Self { settings, store, clock: Timestamp::now, waiting: Mutex::default(), turn: tokio::sync::Mutex::new(()) }
    }

    /// Lets every document pass unseen.
    pub fn off() -> Self {
        Self {
            settings: ScreenSettings::off(),
            store: None,
            clock: Timestamp::now,
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// The same, telling the hour of a budget by `clock`.
    pub fn with_clock(mut self, clock: fn() -> Timestamp) -> Self {
        self.clock = clock;
        self
    }

    /// Screens one document; many may be screened side by side. `None` when stopped.
    pub async fn screen(&self, subject: Subject, parsed: Parsed, stop: &CancellationToken) -> Option<Screened> {
        if self.settings == ScreenSettings::off() {
            return Some(Screened { parsed, decisions: Vec::new() });
        }
        let (settings, hour) = (self.settings.clone(), hours_since_1970((self.clock)()));
        let parsed = Arc::new(parsed);
        let looked_at = parsed.clone();
        let measured = tokio::task::spawn_blocking(move || measure(&settings, subject, &looked_at, hour)).await;
        let mut parsed = Arc::unwrap_or_clone(parsed);
        let measured = match measured {
            Ok(measured) => measured,
            // A bug of ours must cost a mark, not the document.
            Err(error) => {
                tracing::error!(%error, "measuring a document failed unexpectedly; it is not screened");
                return Some(Screened { parsed, decisions: Vec::new() });
            }
        };
        let judgement = match &self.store {
            None => Judgement { decisions: measured.decisions, boilerplate: Vec::new() },
            Some(store) => self.judged(&**store, measured, stop).await?,
        };
        for place in judgement.boilerplate {
            parsed.blocks[place].kind = BlockKind::Boilerplate;
        }
        Some(Screened { parsed, decisions: judgement.decisions })
    }

    /// Waits for a turn and judges everybody who waits; the catalog syncs to the disk once for all of them.
    async fn judged(
        &self,
        store: &dyn SignatureStore,
        measured: Measured,
        stop: &CancellationToken,
    ) -> Option<Judgement> {
        let (reply, judgement) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { measured, reply });
        let turn = self.turn.lock().await;
        let batch = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if !batch.is_empty() {
            let (measured, replies): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|waiting| (waiting.measured, waiting.reply)).unzip();
            let inquiries: Vec<_> = measured.iter().map(Measured::inquiry).collect();
            let found = until_done("look up screened texts", stop, || store.look_up(inquiries.clone())).await?;
            let (judgements, records) = judge::batch(&self.settings, measured, found);
            until_done("keep screened texts", stop, || store.record(records.clone())).await?;
            for (reply, judgement) in replies.into_iter().zip(judgements) {
                // Whoever has gone away was stopped.
                let _ = reply.send(judgement);
            }
        }
        drop(turn);
        judgement.await.ok()
    }
}

/// Looks at a document alone.
fn measure(settings: &ScreenSettings, subject: Subject, parsed: &Parsed, hour: u64) -> Measured {
    let mut decisions = Vec::new();
    let alone = |rule, mode, reason| Decision {
        rule,
        verdict: if mode == Mode::Drop { Verdict::Dropped } else { Verdict::Marked },
        reason,
        duplicate_of: None,
        similarity: None,
    };
    if settings.entropy != Mode::Off {
        let pieces = parsed.blocks.iter().filter(|block| block.kind != BlockKind::Table);
        let measures = entropy::measure(pieces.map(|block| &parsed.text[block.range.clone()]));
        let complaint = measures.as_ref().and_then(entropy::complaint);
        decisions.extend(complaint.map(|reason| alone(Rule::Entropy, settings.entropy, reason)));
    }
    if settings.language != Mode::Off {
        let wanted = |told: &str| settings.languages.iter().any(|tag| language::known(tag) == Some(told));
        let told = language::of(subject.language.as_deref(), &parsed.text).filter(|told| !wanted(told));
        let reason = |told| format!("it is in `{told}`; wanted are {}", settings.languages.join(", "));
        decisions.extend(told.map(|told| alone(Rule::Language, settings.language, reason(told))));
    }
    let duplicates = settings.exact_duplicate != Mode::Off || settings.near_duplicate != Mode::Off;
    let signature = if duplicates { minhash::sign(&parsed.text) } else { None };
    let bands = signature
        .as_ref()
        .map(|signature| minhash::bands(&subject.collection, &subject.labels, signature))
        .unwrap_or_default();
    let scope = blocks::scope(&subject.collection, &subject.source);
    let paragraphs = match settings.boilerplate {
        Mode::Off => Vec::new(),
        _ => blocks::paragraphs(scope, parsed),
    };
    let arrival = (settings.flood != Mode::Off).then(|| Arrival { scope, hour, stratum: stratum(&subject.key) });
    Measured { subject, decisions, signature, bands, paragraphs, scope, arrival }
}

/// The part of a source that a key lies in: everything up to its last slash.
fn stratum(key: &DocumentKey) -> u64 {
    let part = key.as_str().rsplit_once('/').map_or("", |(part, _)| part);
    minhash::hash("wellspring screening stratum 1", &[part.as_bytes()])
}

fn hours_since_1970(now: Timestamp) -> u64 {
    u64::try_from(now.as_second() / 3600).unwrap_or(0)
}

/// The beginning of a text, at most so many bytes of it, ending between characters.
fn head(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max.min(text.len()))]
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
