//! How does an answer reach its reader, piece by piece, and what happens when the reader leaves?
//!
//! Invariants:
//! - A stream ends with exactly one `Done` or `Error`, also when the work behind it dies.
//! - Dropping the stream drops the work: searches, embeddings and the decode end with it.
//! - At most [`limits::STREAM_EVENTS_MAX`] events wait; a reader who does not read stops the decode, not the memory.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;
use wellspring_core::answer::{Answer, AnswerEvent, AnswerFailure};
use wellspring_core::limits;

/// The events of one answer.
#[derive(Debug)]
pub struct AnswerStream {
    events: mpsc::Receiver<AnswerEvent>,
    task: JoinHandle<()>,
    ended: bool,
}

/// Why an answer was not finished.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The reader has left; nobody is told.
    HungUp,
    /// The reader is told.
    Failed(AnswerFailure),
}

/// Where the work puts its events.
#[derive(Debug, Clone)]
pub(crate) struct Outlet(mpsc::Sender<AnswerEvent>);

impl Outlet {
    /// Sends an event, waiting while the reader is behind.
    pub(crate) async fn send(&self, event: AnswerEvent) -> Result<(), Stop> {
        self.0.send(event).await.map_err(|_| Stop::HungUp)
    }
}

impl AnswerStream {
    /// Starts `work` and hands out its events; what it returns becomes the terminal one.
    pub(crate) fn of<W>(work: impl FnOnce(Outlet) -> W) -> Self
    where
        W: Future<Output = Result<Answer, Stop>> + Send + 'static,
    {
        // I-7: see STREAM_EVENTS_MAX. A decode of 50 tokens a second may run a second ahead of its reader.
        let (sender, events) = mpsc::channel(limits::STREAM_EVENTS_MAX);
        let outlet = Outlet(sender);
        let work = work(outlet.clone());
        let run = async move {
            let last = match work.await {
                Ok(answer) => AnswerEvent::Done(answer),
                Err(Stop::Failed(failure)) => AnswerEvent::Error(failure),
                Err(Stop::HungUp) => return,
            };
            // A reader who left in the last moment is no failure.
            let _ = outlet.send(last).await;
        };
        let task = tokio::spawn(run.in_current_span());
        Self { events, task, ended: false }
    }
}

impl Stream for AnswerStream {
    type Item = AnswerEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<AnswerEvent>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.events.poll_recv(context).map(|event| {
            let event = event.unwrap_or_else(|| {
                AnswerEvent::Error(AnswerFailure {
                    code: "internal".to_owned(),
                    message: "the answer ended before it was finished".to_owned(),
                    hint: "ask again; the service's log tells what happened".to_owned(),
                    retry_after: None,
                })
            });
            self.ended = matches!(event, AnswerEvent::Done(_) | AnswerEvent::Error(_));
            Some(event)
        })
    }
}

impl Drop for AnswerStream {
    fn drop(&mut self) {
        // The task may be waiting anywhere: in a search, for the generator, for room in the channel.
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn work_that_dies_still_ends_the_stream_once() {
        let stream = AnswerStream::of(|outlet| async move {
            outlet.send(AnswerEvent::Delta("text".to_owned())).await?;
            panic!("planned");
        });
        let events: Vec<_> = stream.collect().await;
        assert_eq!(events.len(), 2);
        assert!(matches!(&events[1], AnswerEvent::Error(failure) if failure.code == "internal"));
    }

    #[tokio::test]
    async fn i7_a_reader_who_does_not_read_stops_the_work() {
        let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = sent.clone();
        let stream = AnswerStream::of(|outlet| async move {
            loop {
                outlet.send(AnswerEvent::Delta("x".to_owned())).await?;
                counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(sent.load(std::sync::atomic::Ordering::Relaxed), limits::STREAM_EVENTS_MAX);
        drop(stream);
    }
}
