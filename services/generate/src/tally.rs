//! How much work did all the generator's processes do together?
//!
//! A process tells its own numbers, twice a second, and takes them along when it dies. So its supervisor counts the
//! requests that pass through it as well, and keeps what earlier processes told.
//!
//! Invariants:
//! - A count never shrinks while the supervisor lives, whatever becomes of the processes.
//! - Of a process that is gone, every request that was accepted has finished, was cancelled, or failed: one that was in
//!   flight has failed. Of those that did not pass through the supervisor, that is what the process last told.
//! - A request counts when it ends, not when the process is next asked.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use wellspring_core::generator::{GenerateError, Generation, GenerationEvent, GeneratorStatistics};

/// Counts over all processes. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<Lives>>);

#[derive(Debug, Default)]
struct Lives {
    /// The processes that are gone.
    before: GeneratorStatistics,
    /// Which process is counted now.
    life: u64,
    /// What of its requests was seen from here.
    seen: GeneratorStatistics,
}

impl Tally {
    /// A request found no place.
    pub(crate) fn busy(&self) {
        self.lock().seen.busy += 1;
    }

    /// Counts an accepted request, and how it ends.
    pub(crate) fn count(&self, generation: Generation) -> Generation {
        let mut lives = self.lock();
        lives.seen.accepted += 1;
        Counted { generation, tally: self.clone(), life: lives.life, ended: false }.boxed()
    }

    /// The process is gone; these are the last numbers that it told.
    pub(crate) fn close(&self, told: Option<GeneratorStatistics>) {
        let mut lives = self.lock();
        let mut life = together(&told.unwrap_or_default(), &lives.seen);
        life.failed = life.accepted.saturating_sub(life.finished + life.cancelled);
        lives.before = sum(&lives.before, &life);
        lives.seen = GeneratorStatistics::default();
        lives.life += 1;
    }

    /// All counts, and of the process that runs, which told these, what it is doing now.
    pub(crate) fn total(&self, told: Option<GeneratorStatistics>) -> GeneratorStatistics {
        let lives = self.lock();
        let told = told.unwrap_or_default();
        sum(&lives.before, &together(&told, &lives.seen))
    }

    /// A request of a life has ended; one of an earlier life is counted already.
    fn end(&self, life: u64, count: impl FnOnce(&mut GeneratorStatistics)) {
        let mut lives = self.lock();
        if lives.life == life {
            count(&mut lives.seen);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lives> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a process told and what was seen of it: it may have told too early, and others may have asked it.
fn together(told: &GeneratorStatistics, seen: &GeneratorStatistics) -> GeneratorStatistics {
    GeneratorStatistics {
        accepted: told.accepted.max(seen.accepted),
        busy: told.busy.max(seen.busy),
        finished: told.finished.max(seen.finished),
        cancelled: told.cancelled.max(seen.cancelled),
        failed: told.failed.max(seen.failed),
        ..told.clone()
    }
}

/// The counts of both; what is no count is the second's.
fn sum(before: &GeneratorStatistics, now: &GeneratorStatistics) -> GeneratorStatistics {
    GeneratorStatistics {
        accepted: before.accepted + now.accepted,
        busy: before.busy + now.busy,
        finished: before.finished + now.finished,
        cancelled: before.cancelled + now.cancelled,
        failed: before.failed + now.failed,
        prompt_tokens_read: before.prompt_tokens_read + now.prompt_tokens_read,
        prompt_tokens_reused: before.prompt_tokens_reused + now.prompt_tokens_reused,
        tokens_written: before.tokens_written + now.tokens_written,
        ..now.clone()
    }
}

/// A generation whose end is counted.
struct Counted {
    generation: Generation,
    tally: Tally,
    life: u64,
    ended: bool,
}

impl Stream for Counted {
    type Item = Result<GenerationEvent, GenerateError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = self.generation.poll_next_unpin(context);
        let is_end = |event: &Option<Self::Item>| {
            !matches!(event, Some(Ok(GenerationEvent::Text(_) | GenerationEvent::Tokens(_))))
        };
        if let Poll::Ready(event) = &event
            && !self.ended
            && is_end(event)
        {
            self.ended = true;
            let is_done = matches!(event, Some(Ok(_)));
            self.tally.end(self.life, |seen| if is_done { seen.finished += 1 } else { seen.failed += 1 });
        }
        event
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.ended {
            self.tally.end(self.life, |seen| seen.cancelled += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use wellspring_core::generator::{FinishReason, GenerateErrorKind, Usage};

    use super::*;

    fn text() -> Result<GenerationEvent, GenerateError> {
        Ok(GenerationEvent::Text("a".to_owned()))
    }

    fn done() -> Result<GenerationEvent, GenerateError> {
        Ok(GenerationEvent::Done { reason: FinishReason::Stop, usage: Usage::default() })
    }

    fn counts(statistics: &GeneratorStatistics) -> [u64; 4] {
        [statistics.accepted, statistics.finished, statistics.cancelled, statistics.failed]
    }

    #[tokio::test]
    async fn a_request_counts_when_it_ends() {
        let tally = Tally::default();
        let read = tally.count(stream::iter([text(), done()]).boxed());
        let mut left = tally.count(stream::iter([text(), done()]).boxed());
        let died = GenerateError::new(GenerateErrorKind::Interrupted, "it died");
        let failing = tally.count(stream::iter([text(), Err(died)]).boxed());
        assert_eq!(counts(&tally.total(None)), [3, 0, 0, 0]);
        read.collect::<Vec<_>>().await;
        left.next().await;
        drop(left);
        failing.collect::<Vec<_>>().await;
        assert_eq!(counts(&tally.total(None)), [3, 1, 1, 1]);
    }

    #[tokio::test]
    async fn what_was_in_flight_when_a_process_died_has_failed() {
        let tally = Tally::default();
        let in_flight = tally.count(stream::iter([text(), done()]).boxed());
        // Two more had come by another way, one of which was finished.
        let told = GeneratorStatistics { accepted: 3, finished: 1, tokens_written: 7, ..Default::default() };
        tally.close(Some(told));
        drop(in_flight);
        let total = tally.total(None);
        assert_eq!((counts(&total), total.tokens_written), ([3, 1, 0, 2], 7));
        // The next process begins anew, and the counts go on.
        let next = GeneratorStatistics { accepted: 1, finished: 1, tokens_written: 5, slots: 4, ..Default::default() };
        let total = tally.total(Some(next));
        assert_eq!((counts(&total), total.tokens_written, total.slots), ([4, 2, 0, 2], 12, 4));
    }
}
