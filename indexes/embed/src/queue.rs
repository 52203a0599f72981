//! Which texts does a model thread take next?
//!
//! Two lanes, each bounded by [`limits::EMBED_QUEUE_MAX`] places; a text holds its place until a thread takes it or
//! its caller withdraws it. A thread has a duty: the lanes that it serves.
//!
//! Invariants:
//! - A lane never holds more texts than it has places (I-7).
//! - A thread that serves both lanes empties the interactive one before it looks at the other.
//! - Texts of one run come from one lane, in order, and fit the token budget together, padding included; a text
//!   that does not fit goes alone.
//! - A text whose caller hung up is never run.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedding, Lane};
use wellspring_core::limits;

/// Which lanes a thread serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// The interactive lane alone: such a thread is never in a bulk run when somebody asks.
    Interactive,
    /// The interactive lane, and the bulk lane while that is empty.
    Both,
    /// The bulk lane alone.
    Bulk,
}

impl Duty {
    /// The lanes, in the order in which they are looked at.
    pub(crate) fn lanes(self) -> &'static [Lane] {
        match self {
            Self::Interactive => &[Lane::Interactive],
            Self::Both => &[Lane::Interactive, Lane::Bulk],
            Self::Bulk => &[Lane::Bulk],
        }
    }
}

/// What a caller waits for.
pub(crate) type Reply = Result<Embedding, EmbedError>;

/// A text that a model thread has taken.
pub(crate) struct Job {
    /// What to embed.
    pub(crate) text: String,
    /// Where the result goes.
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// The texts of one request; the number finds them again when the caller hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    number: u64,
    lane: Lane,
}

/// A place in a lane.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn of(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: permit }
    }
}

struct Entry {
    request: Request,
    tokens: usize,
    job: Job,
    _place: Place,
}

#[derive(Default)]
struct State {
    interactive: VecDeque<Entry>,
    bulk: VecDeque<Entry>,
    requests: u64,
    closed: bool,
}

impl State {
    fn lane(&mut self, lane: Lane) -> &mut VecDeque<Entry> {
        match lane {
            Lane::Interactive => &mut self.interactive,
            Lane::Bulk => &mut self.bulk,
        }
    }
}

/// The queue between callers and model threads.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    interactive_places: Arc<Semaphore>,
    bulk_places: Arc<Semaphore>,
    run_tokens_max: usize,
}

impl Queue {
    /// An empty queue whose runs fit `run_tokens_max`.
    pub(crate) fn new(run_tokens_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            interactive_places: Arc::new(Semaphore::new(limits::EMBED_QUEUE_MAX)),
            bulk_places: Arc::new(Semaphore::new(limits::EMBED_QUEUE_MAX)),
            run_tokens_max,
        }
    }

    /// Opens a request.
    pub(crate) fn request(&self, lane: Lane) -> Request {
        let mut state = self.state();
        state.requests += 1;
        Request { number: state.requests, lane }
    }

    /// Takes `count` places at once, or says that there are not as many.
    pub(crate) fn places_now(&self, lane: Lane, count: usize) -> Result<Vec<Place>, EmbedError> {
        let busy = || EmbedError::new(EmbedErrorKind::Busy, "the embedder's queue is full");
        let wanted = u32::try_from(count).map_err(|_| busy())?;
        let mut all = Arc::clone(self.places(lane))
            .try_acquire_many_owned(wanted)
            .map_err(|_| if self.state().closed { stopped() } else { busy() })?;
        Ok((0..count).filter_map(|_| all.split(1)).map(Place::of).collect())
    }

    /// Waits for one place.
    pub(crate) async fn place(&self, lane: Lane) -> Result<Place, EmbedError> {
        Arc::clone(self.places(lane)).acquire_owned().await.map(Place::of).map_err(|_| stopped())
    }

    /// Puts a text at the end of the request's lane; `tokens` is an estimate of its length.
    pub(crate) fn push(&self, request: Request, place: Place, tokens: usize, job: Job) -> Result<(), EmbedError> {
        let mut state = self.state();
        if state.closed {
            return Err(stopped());
        }
        state.lane(request.lane).push_back(Entry { request, tokens, job, _place: place });
        drop(state);
        // All, since one alone might serve the other lane; they are few, and rest only when there is nothing to do.
        self.filled.notify_all();
        Ok(())
    }

    /// Takes a request's waiting texts out, freeing their places.
    pub(crate) fn withdraw(&self, request: Request) {
        self.state().lane(request.lane).retain(|entry| entry.request != request);
    }

    /// Blocks until there is a run to do for a thread of this duty; `None` once the queue is closed.
    pub(crate) fn take(&self, duty: Duty) -> Option<Vec<Job>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            for lane in duty.lanes() {
                let run = take_run(state.lane(*lane), self.run_tokens_max);
                if !run.is_empty() {
                    return Some(run);
                }
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the queue: waiting texts are dropped, which tells their callers, and threads stop after their run.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.interactive.clear();
        state.bulk.clear();
        drop(state);
        self.interactive_places.close();
        self.bulk_places.close();
        self.filled.notify_all();
    }

    fn places(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Interactive => &self.interactive_places,
            Lane::Bulk => &self.bulk_places,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code of ours panics while holding the lock, and a queue is never left half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of a queue that has ended.
pub(crate) fn stopped() -> EmbedError {
    EmbedError::new(EmbedErrorKind::Stopped, "the embedder has stopped")
}

/// Takes the next texts that fit one run together. Every text is padded to the longest, so that the cost is the count
/// times the longest.
fn take_run(lane: &mut VecDeque<Entry>, tokens_max: usize) -> Vec<Job> {
    let mut run: Vec<Job> = Vec::new();
    let mut longest = 0;
    while let Some(next) = lane.front() {
        let padded = longest.max(next.tokens);
        let abandoned = next.job.reply.is_closed();
        if !abandoned && !run.is_empty() && (run.len() + 1) * padded > tokens_max {
            break;
        }
        let Some(entry) = lane.pop_front() else { break };
        if !abandoned {
            longest = padded;
            run.push(entry.job);
        }
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = oneshot::Receiver<Reply>;

    fn push(queue: &Queue, lane: Lane, text: &str, tokens: usize) -> Answer {
        let (reply, answer) = oneshot::channel();
        let place = queue.places_now(lane, 1).unwrap().remove(0);
        queue.push(queue.request(lane), place, tokens, Job { text: text.to_owned(), reply }).unwrap();
        answer
    }

    fn take(queue: &Queue) -> Vec<String> {
        queue.take(Duty::Both).unwrap().into_iter().map(|job| job.text).collect()
    }

    #[test]
    fn short_texts_share_a_run_and_long_ones_go_alone() {
        let queue = Queue::new(100);
        let _answers: Vec<Answer> = [("a", 30), ("b", 30), ("c", 40), ("d", 300), ("e", 10)]
            .map(|(text, tokens)| push(&queue, Lane::Bulk, text, tokens))
            .into();
        assert_eq!(take(&queue), ["a", "b"], "a third text would pad all to 40 tokens");
        assert_eq!(take(&queue), ["c"]);
        assert_eq!(take(&queue), ["d"]);
        assert_eq!(take(&queue), ["e"]);
    }

    #[test]
    fn a_person_is_served_before_waiting_bulk() {
        let queue = Queue::new(10);
        let _bulk = [push(&queue, Lane::Bulk, "first", 10), push(&queue, Lane::Bulk, "second", 10)];
        let _person = push(&queue, Lane::Interactive, "question", 10);
        assert_eq!(take(&queue), ["question"]);
        assert_eq!(take(&queue), ["first"]);
    }

    #[test]
    fn a_thread_takes_from_the_lanes_of_its_duty_alone() {
        let queue = Queue::new(10);
        let _bulk = [push(&queue, Lane::Bulk, "first", 10), push(&queue, Lane::Bulk, "second", 10)];
        let _people = [push(&queue, Lane::Interactive, "why", 10), push(&queue, Lane::Interactive, "where", 10)];
        let order =
            [Duty::Bulk, Duty::Interactive, Duty::Both, Duty::Both].map(|duty| queue.take(duty).unwrap().remove(0));
        assert_eq!(order.map(|job| job.text), ["first", "why", "where", "second"]);
    }

    #[test]
    fn a_text_whose_caller_hung_up_is_skipped() {
        let queue = Queue::new(100);
        let kept = push(&queue, Lane::Bulk, "kept", 10);
        drop(push(&queue, Lane::Bulk, "dropped", 10));
        let last = push(&queue, Lane::Bulk, "last", 10);
        assert_eq!(take(&queue), ["kept", "last"]);
        drop((kept, last));
    }

    #[test]
    fn i7_a_full_lane_is_busy_and_a_withdrawn_request_frees_its_places() {
        let queue = Queue::new(100);
        let request = queue.request(Lane::Interactive);
        let mut answers = Vec::new();
        for place in queue.places_now(Lane::Interactive, limits::EMBED_QUEUE_MAX).unwrap() {
            let (reply, answer) = oneshot::channel();
            queue.push(request, place, 1, Job { text: String::new(), reply }).unwrap();
            answers.push(answer);
        }
        let busy = queue.places_now(Lane::Interactive, 1).err().unwrap();
        assert_eq!(busy.kind(), EmbedErrorKind::Busy);
        assert!(queue.places_now(Lane::Bulk, 1).is_ok(), "the lanes have places of their own");
        queue.withdraw(request);
        assert_eq!(
            queue.places_now(Lane::Interactive, limits::EMBED_QUEUE_MAX).unwrap().len(),
            limits::EMBED_QUEUE_MAX
        );
        assert!(queue.places_now(Lane::Interactive, usize::MAX).is_err());
    }

    #[test]
    fn a_closed_queue_tells_everyone() {
        let queue = Queue::new(100);
        let mut waiting = push(&queue, Lane::Bulk, "waiting", 10);
        queue.close();
        assert!(queue.take(Duty::Both).is_none());
        assert!(waiting.try_recv().is_err());
        assert_eq!(queue.places_now(Lane::Bulk, 1).err().unwrap().kind(), EmbedErrorKind::Stopped);
    }
}
