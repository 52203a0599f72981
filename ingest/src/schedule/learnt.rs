//! What do visits teach about a source, and how is it kept?
//!
//! How often it changes ([`Rate`]), at which hours ([`Rhythm`]), how many changes come at once, what a visit costs, and
//! how it is doing. It is kept as JSON of a few kilobytes at most, whatever happened.
//!
//! Invariants:
//! - A visit that did not reach its source teaches nothing about changes, and the first one neither: all is new then.
//! - What cannot be read back, or says what no visit could have taught, is dropped whole and said so.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use url::Url;
use wellspring_core::limits::POLL_BYTES_PER_REQUEST;
use wellspring_core::source::{Origin, Visit};

use super::rate::{BELIEFS, Rate, Seen};
use super::rhythm::{CELLS, Cell, Rhythm, hours};

/// The form in which it is kept; another number is another program's.
const FORM: u32 = 1;
/// How much of an average the newest visit is.
const NEWEST_PART: f64 = 0.3;
/// What is left of older visits in the spread of counts, at each visit.
const SPREAD_KEEP: f64 = 0.97;
/// No visit costs more of anything than this, in any unit.
const COST_MAX: f64 = 1e6;
/// Years that a moment may lie from now before it was not this clock's.
const MOMENTS_MS: std::ops::RangeInclusive<i64> = 0..=253_000_000_000_000;

/// What a kind of source is like before anything is known of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nature {
    /// Whether later changes stand beside earlier ones, as a feed's entries do, or take their place, as on a page.
    pub counted: bool,
    /// Changes a day.
    pub changes_per_day: f64,
    /// Requests of one visit.
    pub requests: f64,
    /// The host, as a number: sources of one host may change together.
    pub host: Option<u64>,
}

impl Nature {
    /// Of sources with this origin.
    pub fn of(origin: &Origin) -> Self {
        let (counted, changes_per_day, requests, url) = match origin {
            Origin::Feed { url, .. } => (true, 1.0, 1.0, url.as_str()),
            Origin::Site { url, .. } => (true, 1.0, 20.0, url.as_str()),
            Origin::Page { url } => (false, 0.2, 1.0, url.as_str()),
            Origin::Folder { .. } => (true, 1.0, 1.0, ""),
        };
        Self { counted, changes_per_day, requests, host: host_of(url) }
    }
}

/// The host of an address as a number; two hosts of one number would only be visited a little too often.
fn host_of(url: &str) -> Option<u64> {
    let url = Url::parse(url).ok()?;
    let mut word = [0; 8];
    word.copy_from_slice(&blake3::hash(url.host_str()?.as_bytes()).as_bytes()[..8]);
    Some(u64::from_le_bytes(word))
}

/// Why what was kept of a source was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LearntFault {
    /// It is not in the form that this program writes.
    #[error("what was learnt of the source is not readable; learning starts afresh")]
    Form,
    /// It holds numbers that no visit leads to.
    #[error("what was learnt of the source makes no sense; learning starts afresh")]
    Numbers,
}

/// What is known of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct Learnt {
    pub(super) rate: Rate,
    pub(super) rhythm: Rhythm,
    spread: Spread,
    cost: Cost,
    /// Complete visits so far.
    pub(super) visits: u64,
    /// When the last of them began.
    pub(super) last_ms: Option<i64>,
    /// When the next may begin: the source asks for it, or it failed.
    pub(super) wait_until_ms: Option<i64>,
    /// Failures since.
    pub(super) failures: u32,
}

/// Visits, changes, and changes squared: how many changes come at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Spread(f64, f64, f64);

/// What a visit costs, on average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    requests: f64,
    wire_bytes: f64,
    /// Embedding seconds of a visit that found changes.
    embedding_seconds: f64,
}

impl Learnt {
    /// Of a source never visited.
    pub fn new(nature: Nature) -> Self {
        Self {
            rate: Rate::new(nature.changes_per_day / 24.0),
            rhythm: Rhythm::default(),
            spread: Spread(1.0, 1.0, 1.0),
            cost: Cost { requests: nature.requests, wire_bytes: 0.0, embedding_seconds: 0.0 },
            visits: 0,
            last_ms: None,
            wait_until_ms: None,
            failures: 0,
        }
    }

    /// Reads what was kept; `null` is a source never visited. A fault comes with a fresh start.
    pub fn read(kept: &Value, nature: Nature) -> (Self, Option<LearntFault>) {
        if kept.is_null() {
            return (Self::new(nature), None);
        }
        let read = Kept::deserialize(kept).map_err(|_| LearntFault::Form).and_then(|kept| kept.restored(nature));
        match read {
            Ok(learnt) => (learnt, None),
            Err(fault) => (Self::new(nature), Some(fault)),
        }
    }

    /// What to keep.
    pub fn to_json(&self) -> Value {
        let short = |number: f64| (number * 1e4).round() / 1e4;
        // A number that rounds to zero is still a positive one.
        let positive = |number: f64| short(number).max(1e-4);
        let pairs = |cell: &Cell| (short(cell.seen), short(cell.expected));
        let kept = Kept {
            form: FORM,
            beliefs: self.rate.beliefs.map(|belief| (positive(belief.events), positive(belief.hours))),
            weights: self.rate.weights.map(positive),
            cells: self.rhythm.cells().iter().map(pairs).collect(),
            spread: Spread(short(self.spread.0), short(self.spread.1), short(self.spread.2)),
            cost: Cost {
                requests: short(self.cost.requests),
                wire_bytes: self.cost.wire_bytes.round(),
                embedding_seconds: short(self.cost.embedding_seconds),
            },
            visits: self.visits,
            last_ms: self.last_ms,
            wait_until_ms: self.wait_until_ms,
            failures: self.failures,
        };
        serde_json::to_value(kept).unwrap_or_default()
    }

    /// Changes an hour, expected.
    pub fn changes_per_hour(&self) -> f64 {
        self.rate.mean()
    }

    /// When the last complete visit began.
    pub fn last_visit(&self) -> Option<Timestamp> {
        self.last_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok())
    }

    /// Learns from a visit that reached the source, and from what its changes took to embed.
    pub(super) fn visited(&mut self, visit: &Visit, embedding_seconds: f64, nature: Nature) {
        let began_ms = visit.began_at.as_millisecond();
        let changes = visit.changed.saturating_add(visit.deleted) as f64;
        let first = self.visits == 0;
        let average = |old: f64, new: f64| if first { new } else { old + NEWEST_PART * (new - old) };
        self.cost.requests = average(self.cost.requests, visit.requests as f64).clamp(0.0, COST_MAX);
        self.cost.wire_bytes = average(self.cost.wire_bytes, visit.wire_bytes as f64).min(COST_MAX * 1e6);
        if changes > 0.0 && embedding_seconds.is_finite() {
            // A first visit brings everything at once, so it says what one document takes.
            let typical = if first { embedding_seconds / changes } else { embedding_seconds };
            self.cost.embedding_seconds = average(self.cost.embedding_seconds, typical.max(0.0)).clamp(0.0, COST_MAX);
        }
        if let Some(last_ms) = self.last_ms.filter(|last_ms| *last_ms < began_ms) {
            self.learn(changes, last_ms, began_ms, nature);
        }
        self.last_ms = Some(began_ms);
        self.visits += 1;
        self.failures = 0;
    }

    fn learn(&mut self, changes: f64, last_ms: i64, began_ms: i64, nature: Nature) {
        let exposure = self.rhythm.exposure(last_ms, began_ms);
        let events = if nature.counted { self.spread.events(changes) } else { changes.min(1.0) };
        let seen = match (events > 0.0, nature.counted) {
            (false, _) => Seen::Nothing,
            (true, false) => Seen::Changed,
            (true, true) => Seen::Times(events),
        };
        self.rate.observe(seen, exposure, hours(began_ms - last_ms));
        // Of a change on a page it is not known whether it was the only one: as many as are expected, given one.
        let mean = self.rate.mean() * exposure;
        let likely = match seen {
            Seen::Changed if mean > 1e-6 => mean / -(-mean).exp_m1(),
            _ => events,
        };
        self.rhythm.observe(likely, self.rate.mean(), last_ms, began_ms);
    }

    /// Requests of the next visit, expected.
    pub(super) fn requests(&self) -> f64 {
        self.cost.requests.max(1.0)
    }

    /// The same with its bytes, in requests' worth.
    pub(super) fn requests_worth(&self) -> f64 {
        self.requests() + self.cost.wire_bytes / POLL_BYTES_PER_REQUEST
    }

    /// Embedding seconds of a visit that finds changes.
    pub(super) fn embedding_seconds(&self) -> f64 {
        self.cost.embedding_seconds
    }
}

impl Spread {
    /// How many changes of their own the changes of one visit stand for: ten entries posted at once are one event
    /// to be early for, not ten. The divisor is how much the counts spread beyond a Poisson's (the index of
    /// dispersion); the first change counts whole.
    fn events(&mut self, changes: f64) -> f64 {
        let changes = changes.min(1e4);
        let Self(visits, sum, squares) = *self;
        *self = Self(
            visits * SPREAD_KEEP + 1.0,
            // A source silent for years keeps something to divide by.
            (sum * SPREAD_KEEP + changes).max(1e-3),
            squares * SPREAD_KEEP + changes * changes,
        );
        if changes < 1.0 {
            return 0.0;
        }
        let dispersion = (self.2 / self.1 - self.1 / self.0).max(1.0);
        1.0 + (changes - 1.0) / dispersion
    }
}

/// The kept form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    form: u32,
    beliefs: [(f64, f64); BELIEFS],
    weights: [f64; BELIEFS],
    cells: Vec<(f64, f64)>,
    spread: Spread,
    cost: Cost,
    visits: u64,
    last_ms: Option<i64>,
    wait_until_ms: Option<i64>,
    failures: u32,
}

impl Kept {
    fn restored(self, nature: Nature) -> Result<Learnt, LearntFault> {
        let cells: [(f64, f64); CELLS] = self.cells.try_into().map_err(|_| LearntFault::Form)?;
        if self.form != FORM {
            return Err(LearntFault::Form);
        }
        let cells = cells.map(|(seen, expected)| Cell { seen, expected });
        let rate = Rate::restored(self.beliefs, self.weights, nature.changes_per_day / 24.0);
        let rhythm = Rhythm::restored(cells);
        let sound = |number: f64| (0.0..=COST_MAX * 1e6).contains(&number);
        let Spread(visits, sum, squares) = self.spread;
        let numbers = [visits, sum, squares, self.cost.requests, self.cost.wire_bytes, self.cost.embedding_seconds];
        let moments = [self.last_ms, self.wait_until_ms];
        let plausible = numbers.into_iter().all(sound)
            && visits > 0.0
            && sum > 0.0
            && self.cost.requests <= COST_MAX
            && self.cost.embedding_seconds <= COST_MAX
            && moments.into_iter().flatten().all(|ms| MOMENTS_MS.contains(&ms))
            && (self.visits == 0) == self.last_ms.is_none();
        match (rate, rhythm) {
            (Some(rate), Some(rhythm)) if plausible => Ok(Learnt {
                rate,
                rhythm,
                spread: self.spread,
                cost: self.cost,
                visits: self.visits,
                last_ms: self.last_ms,
                wait_until_ms: self.wait_until_ms,
                failures: self.failures,
            }),
            _ => Err(LearntFault::Numbers),
        }
    }
}

#[cfg(test)]
#[path = "learnt_tests.rs"]
mod tests;
