//! Who runs a model that people wait for, one job after the other?
//!
//! Invariants:
//! - The model runs only on this thread, which one bounded queue feeds (I-7); a full queue refuses at once.
//! - Dropping the worker ends its thread after the job that it is in.

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

/// A thread that answers jobs.
pub(crate) struct Worker<J> {
    jobs: Option<SyncSender<J>>,
    thread: Option<JoinHandle<()>>,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many wait as may.
    Busy,
    /// The thread has ended.
    Stopped,
}

impl<J: Send + 'static> Worker<J> {
    /// Starts a thread that answers up to `queue_max` waiting jobs, in their order, until nobody can send one.
    pub(crate) fn start(
        name: &str,
        queue_max: usize,
        mut answer: impl FnMut(J) + Send + 'static,
    ) -> Result<Self, io::Error> {
        let (jobs, queue) = sync_channel(queue_max);
        let answer_all = move || {
            while let Ok(job) = queue.recv() {
                answer(job);
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(answer_all)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Hands over a job without waiting.
    pub(crate) fn push(&self, job: J) -> Result<(), Refusal> {
        let jobs = self.jobs.as_ref().ok_or(Refusal::Stopped)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::Busy,
            TrySendError::Disconnected(_) => Refusal::Stopped,
        })
    }
}

impl<J> Drop for Worker<J> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told its callers already.
            let _ = thread.join();
        }
    }
}
