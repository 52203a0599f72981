//! Who runs the models, and how does a result find its caller?
//!
//! Invariants:
//! - Each model lives on one thread of its own, from its start to the pool's end; dropping the pool joins them all.
//! - Results come back in the order of the texts, whichever threads ran them.
//! - A text that a model refuses fails its own caller, not a neighbour in the same run.
//! - A caller that hangs up takes its waiting texts along.
//! - A question never waits for the end of a bulk run, nor for its share of a core beside one: one thread serves the
//!   interactive lane alone, and threads that may be in a bulk run give way to it (docs/adr/0025-questions-first.md).

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedding, Lane};
use wellspring_core::limits;

use crate::model::Model;
use crate::queue::{Duty, Job, Place, Queue, Reply, Request, stopped};

/// A text with an estimate of its tokens, by which short ones share a run.
pub(crate) struct Text {
    /// What to embed.
    pub(crate) text: String,
    /// About how many tokens it has.
    pub(crate) tokens: usize,
}

/// Model threads behind one queue.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts one thread a model, with its duty.
    pub(crate) fn start(models: Vec<(Box<dyn Model>, Duty)>, run_tokens_max: usize) -> Result<Self, EmbedError> {
        let queue = Arc::new(Queue::new(run_tokens_max));
        let alive = Arc::new(Mutex::new(models.iter().map(|(_, duty)| *duty).collect()));
        let mut pool = Self { queue: Arc::clone(&queue), threads: Vec::new() };
        for (index, (mut model, duty)) in models.into_iter().enumerate() {
            let leaving = Leaving { queue: Arc::clone(&queue), duty, alive: Arc::clone(&alive) };
            let thread = thread::Builder::new()
                .name(format!("embed-{index}"))
                .spawn(move || {
                    if duty != Duty::Interactive {
                        give_way();
                    }
                    while let Some(run) = leaving.queue.take(leaving.duty) {
                        answer(model.as_mut(), run);
                    }
                })
                .map_err(|error| {
                    EmbedError::caused_by(EmbedErrorKind::Stopped, "could not start a model thread", error)
                })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Embeds texts, in order. The interactive lane refuses what it has no places for at once; the bulk lane hands
    /// texts over as places come free.
    pub(crate) async fn embed(&self, texts: Vec<Text>, lane: Lane) -> Result<Vec<Embedding>, EmbedError> {
        let request = self.queue.request(lane);
        let mut waiting = Waiting { queue: &self.queue, request, over: false };
        let mut replies = Vec::with_capacity(texts.len());
        let mut places = match lane {
            Lane::Interactive => self.queue.places_now(lane, texts.len())?,
            Lane::Bulk => Vec::new(),
        };
        // Texts of a length share a run without padding, and the threads end together when the long ones come first.
        let mut ordered: Vec<(usize, Text)> = texts.into_iter().enumerate().collect();
        ordered.sort_by_key(|(_, text)| Reverse(text.tokens));
        for (at, text) in ordered {
            let place = match places.pop() {
                Some(place) => place,
                None => self.queue.place(lane).await?,
            };
            replies.push((at, self.push(request, place, text)?));
        }
        replies.sort_unstable_by_key(|(at, _)| *at);
        let mut embeddings = Vec::with_capacity(replies.len());
        for (_, reply) in replies {
            embeddings.push(reply.await.map_err(|_| stopped())??);
        }
        waiting.over = true;
        Ok(embeddings)
    }

    fn push(&self, request: Request, place: Place, text: Text) -> Result<oneshot::Receiver<Reply>, EmbedError> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(request, place, text.tokens, Job { text: text.text, reply })?;
        Ok(answer)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A run takes milliseconds; a thread that panicked has told its callers already.
            let _ = thread.join();
        }
    }
}

/// Withdraws a request's texts when its future is dropped or fails.
struct Waiting<'a> {
    queue: &'a Queue,
    request: Request,
    over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.queue.withdraw(self.request);
        }
    }
}

/// Closes the queue when the last thread that serves a lane leaves it, however it leaves: callers must not wait for
/// nobody.
struct Leaving {
    queue: Arc<Queue>,
    duty: Duty,
    /// The duties of all threads that have not left.
    alive: Arc<Mutex<Vec<Duty>>>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // Nothing panics while holding the lock.
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = alive.iter().position(|duty| *duty == self.duty) {
            alive.swap_remove(place);
        }
        let is_served = |lane| alive.iter().any(|duty| duty.lanes().contains(lane));
        if !self.duty.lanes().iter().all(is_served) {
            self.queue.close();
        }
    }
}

/// Lowers the priority of the calling thread, for good.
fn give_way() {
    // Elsewhere a priority is the whole process's. Nothing but times depends on it, so a system that refuses is left as
    // it is.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(limits::BACKGROUND_NICENESS);
}

/// Runs a model and sends the results. A run that fails is repeated text by text.
fn answer(model: &mut dyn Model, run: Vec<Job>) {
    let (texts, replies): (Vec<String>, Vec<oneshot::Sender<Reply>>) =
        run.into_iter().map(|job| (job.text, job.reply)).unzip();
    match model.embed(&texts) {
        Ok(embeddings) => {
            for (reply, embedding) in replies.into_iter().zip(embeddings) {
                // The caller may have hung up while its text ran.
                let _ = reply.send(Ok(embedding));
            }
        }
        Err(error) => match <[oneshot::Sender<Reply>; 1]>::try_from(replies) {
            Ok([reply]) => {
                let _ = reply.send(Err(error));
            }
            Err(replies) => {
                for (text, reply) in texts.into_iter().zip(replies) {
                    if !reply.is_closed() {
                        answer(model, vec![Job { text, reply }]);
                    }
                }
            }
        },
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
