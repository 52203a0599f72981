//! How is one generator doing, as seen from here?
//!
//! Invariants:
//! - Whoever takes a place gives it back, however the generation ends: the place is a value.
//! - Means follow what happened lately: what was counted fades with every new count.
//! - A lock is held for some additions, never while anything is waited for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wellspring_core::generator::{
    GenerateError, GenerateErrorKind, GenerationEvent, Generator, GeneratorStatus, PoolCounts, PoolMember, Usage,
};
use wellspring_core::limits;

use super::Outlook;
use super::circuit::{Circuit, left};

/// What is left of an older count after a newer one.
const FADE: f64 = 0.9;
/// How long one that is busy is left alone where it does not say.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// A generator, and what was seen of it.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) generator: Arc<dyn Generator>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_work: usize,
    circuit: Circuit,
    busy_until: Option<Instant>,
    counts: PoolCounts,
    /// Seconds that generations took.
    took: Mean,
    /// Seconds to the first token of those that were alone.
    first_alone: Mean,
    /// Prompt tokens read, and the seconds that it took.
    read: Mean,
}

/// A mean that fades.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    amount: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, amount: f64, weight: f64) {
        self.amount = FADE * self.amount + amount;
        self.weight = FADE * self.weight + weight;
    }

    fn value(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.amount / self.weight)
    }
}

impl Member {
    pub(super) fn new(name: String, generator: Arc<dyn Generator>) -> Self {
        Self { name, generator, state: Mutex::default() }
    }

    /// The model, where it can be asked as far as it says itself.
    pub(super) fn model(&self) -> Option<String> {
        match self.generator.status() {
            GeneratorStatus::Ready { model } => Some(model),
            GeneratorStatus::Off | GeneratorStatus::Loading | GeneratorStatus::Failed { .. } => None,
        }
    }

    /// How long it is left alone from now on, for being busy or for failing.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        let state = self.lock();
        let shut_out = if state.circuit.is_open(now) { limits::GENERATOR_SHUT_OUT_MAX } else { Duration::ZERO };
        left(state.busy_until, now).unwrap_or_default().max(shut_out)
    }

    /// How long it asked to be left alone.
    pub(super) fn busy_for(&self, now: Instant) -> Option<Duration> {
        left(self.lock().busy_until, now)
    }

    /// Generations in work as a share of its places, and the time to a first token, for comparison.
    pub(super) fn load(&self) -> (f64, f64) {
        let slots = self.slots().unwrap_or(1);
        let state = self.lock();
        (state.in_work as f64 / slots as f64, state.first_alone.value().unwrap_or(0.0))
    }

    /// Generations that can be in work at once, where it says so.
    fn slots(&self) -> Option<usize> {
        self.generator.statistics().map(|statistics| statistics.slots).filter(|&slots| slots > 0)
    }

    /// How long a newcomer would wait for a place; `None` where that was not measured.
    fn wait(&self, state: &State, now: Instant) -> Option<Duration> {
        let asked_for = left(state.busy_until, now).unwrap_or_default();
        let Some(slots) = self.slots().filter(|&slots| state.in_work >= slots) else { return Some(asked_for) };
        let before = (state.in_work - slots + 1) as f64;
        let took = state.took.value()?;
        Some(asked_for.max(Duration::from_secs_f64(before * took / slots as f64)))
    }

    pub(super) fn outlook(&self, now: Instant) -> Outlook {
        let state = self.lock();
        Outlook {
            model: self.model().unwrap_or_default(),
            wait: self.wait(&state, now),
            is_shared: state.in_work > 0,
            first_token_alone: state.first_alone.value().map(Duration::from_secs_f64),
            read_tokens_per_second: self.read_rate(&state),
        }
    }

    /// After how long a place is likely to be free.
    pub(super) fn retry_after(&self, now: Instant) -> Duration {
        let state = self.lock();
        let slots = self.slots().unwrap_or(1) as f64;
        let one = state.took.value().map_or(Duration::ZERO, |took| Duration::from_secs_f64(took / slots));
        self.wait(&state, now).unwrap_or_default().max(one)
    }

    /// Prompt tokens read a second: what it says itself, else what was measured here.
    fn read_rate(&self, state: &State) -> Option<f64> {
        let said = self.generator.statistics().map(|statistics| statistics.read_tokens_per_second);
        said.filter(|&rate| rate > 0.0).or_else(|| state.read.value())
    }

    /// A slow one was given up, which says as much as a failure.
    pub(super) fn too_slow(&self) {
        self.lock().circuit.failed(Instant::now());
    }

    /// Another one is asked instead.
    pub(super) fn passed_on(&self) {
        self.lock().counts.passed_on += 1;
    }

    /// Everything, for people and programs.
    pub(super) fn seen(&self, now: Instant) -> PoolMember {
        let state = self.lock();
        let ms = |mean: Mean| mean.value().map_or(0.0, |seconds| seconds * 1e3);
        PoolMember {
            name: self.name.clone(),
            status: self.generator.status(),
            shut_out: state.circuit.is_open(now),
            in_work: state.in_work,
            counts: state.counts,
            first_token_alone_ms: ms(state.first_alone),
            generation_ms: ms(state.took),
            read_tokens_per_second: self.read_rate(&state).unwrap_or(0.0),
            statistics: self.generator.statistics(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One generation's place at a generator, given back when it is dropped.
pub(super) struct Place {
    member: Arc<Member>,
    taken_at: Instant,
    /// Whether it had the generator to itself so far.
    alone: bool,
    first_after: Option<Duration>,
    ended: bool,
}

impl Place {
    /// Takes a place.
    pub(super) fn taken(member: &Arc<Member>) -> Self {
        let mut state = member.lock();
        state.in_work += 1;
        state.counts.asked += 1;
        state.circuit.sent();
        let alone = state.in_work == 1;
        drop(state);
        Self { member: Arc::clone(member), taken_at: Instant::now(), alone, first_after: None, ended: false }
    }

    /// The first event is there.
    pub(super) fn began(&mut self) {
        let first_after = self.taken_at.elapsed();
        let mut state = self.member.lock();
        state.circuit.worked();
        self.alone &= state.in_work == 1;
        if self.alone {
            state.first_alone.add(first_after.as_secs_f64(), 1.0);
        }
        drop(state);
        self.first_after = Some(first_after);
    }

    /// One more event is there.
    pub(super) fn saw(&mut self, event: &GenerationEvent) {
        let GenerationEvent::Done { usage: Usage { prompt_tokens, cached_tokens, .. }, .. } = event else { return };
        self.ended = true;
        let mut state = self.member.lock();
        state.counts.finished += 1;
        state.took.add(self.taken_at.elapsed().as_secs_f64(), 1.0);
        let read = prompt_tokens.saturating_sub(*cached_tokens);
        if let Some(first_after) = self.first_after.filter(|_| self.alone && read > 0) {
            state.read.add(read as f64, first_after.as_secs_f64());
        }
    }

    /// It ended in an error, which is handed on.
    pub(super) fn failed(&mut self, error: GenerateError) -> GenerateError {
        self.ended = true;
        let now = Instant::now();
        let mut state = self.member.lock();
        match error.kind() {
            GenerateErrorKind::Unavailable | GenerateErrorKind::Interrupted => {
                state.counts.failed += 1;
                state.circuit.failed(now);
            }
            GenerateErrorKind::Busy => {
                state.counts.busy += 1;
                state.circuit.proved_nothing();
                state.busy_until = Some(now + error.retries_after().unwrap_or(BUSY_PAUSE));
            }
            GenerateErrorKind::Refused => {
                state.counts.refused += 1;
                state.circuit.proved_nothing();
            }
        }
        error
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.member.lock();
        state.in_work -= 1;
        if !self.ended {
            state.counts.left += 1;
            if self.first_after.is_none() {
                state.circuit.proved_nothing();
            }
        }
    }
}
