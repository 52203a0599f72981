//! How is one endpoint told everything, in order?
//!
//! Invariants:
//! - A message is followed by the next one only when it was taken; until then it is tried again, after pauses that grow,
//!   for a bounded number of times. Then the endpoint is disabled, with the reason.
//! - The cursor is recorded behind what was taken, at the latest when there is nothing more to tell, and not for each
//!   message of a rush: what was taken since is sent again after a crash.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wellspring_core::fetch::Post;
use wellspring_core::limits;
use wellspring_core::trace::EventPage;
use wellspring_core::webhook::{WebhookId, WebhookProgress, WebhookRecord};

use super::message::{Lost, Message};
use super::send::{Outcome, attempt};
use super::{WebhookParts, held};

/// The task of one endpoint.
pub(super) struct Delivery {
    parts: WebhookParts,
    post: Arc<dyn Post>,
    record: Arc<Mutex<WebhookRecord>>,
    stop: CancellationToken,
    changes: watch::Receiver<u64>,
    id: WebhookId,
    /// The progress that the store has, and since when.
    recorded: WebhookProgress,
    recorded_at: Instant,
}

/// The endpoint is told no more: it is disabled, or the task was stopped.
struct Ended;

impl Delivery {
    pub(super) fn new(
        parts: WebhookParts,
        post: Arc<dyn Post>,
        record: Arc<Mutex<WebhookRecord>>,
        stop: CancellationToken,
    ) -> Self {
        let (id, recorded) = {
            let record = held(&record);
            (record.id.clone(), record.progress.clone())
        };
        let changes = parts.changes.clone();
        Self { parts, post, record, stop, changes, id, recorded, recorded_at: Instant::now() }
    }

    /// Tells the endpoint until it is stopped or disabled.
    pub(super) async fn run(mut self) {
        while self.tell_next().await.is_ok() {}
        self.record().await;
    }

    fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    fn held(&self) -> MutexGuard<'_, WebhookRecord> {
        held(&self.record)
    }

    fn cursor(&self) -> u64 {
        self.held().progress.cursor
    }

    /// Tells one page of events, or waits until there is one.
    async fn tell_next(&mut self) -> Result<(), Ended> {
        // Marked before the look: what happens between the look and the wait wakes the wait at once.
        self.changes.borrow_and_update();
        let page = match self.parts.traces.events(self.cursor(), limits::EVENTS_PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(webhook = %self.id, error = %error.chain(), "events could not be read for a webhook");
                return self.rest(limits::SOURCE_RETRY_PAUSE).await;
            }
        };
        self.tell_lost(&page).await?;
        if page.events.is_empty() {
            self.record().await;
            let changed = tokio::select! {
                () = self.stop.cancelled() => return Err(Ended),
                changed = self.changes.changed() => changed,
            };
            // Whoever made changes is gone: so is the service.
            return changed.map_err(|_| Ended);
        }
        for event in &page.events {
            let wanted = self.held().settings.wants(event);
            if wanted {
                self.deliver(&Message::of_event(&self.id, event), event.number).await?;
            } else {
                self.held().progress.cursor = event.number;
            }
        }
        // What was passed over costs no write of its own: a restart passes over it again.
        Ok(())
    }

    /// Tells that events behind the cursor are no longer kept.
    async fn tell_lost(&mut self, page: &EventPage) -> Result<(), Ended> {
        let cursor = self.cursor();
        if cursor.saturating_add(1) >= page.oldest {
            return Ok(());
        }
        let lost = Lost { from: cursor + 1, to: page.oldest - 1 };
        tracing::warn!(webhook = %self.id, from = lost.from, to = lost.to, "events are no longer kept for a webhook");
        let message = Message::of_lost(&self.id, lost, self.now());
        self.deliver(&message, lost.to).await
    }

    /// Tries one message until it is taken, and moves the cursor to `number`.
    async fn deliver(&mut self, message: &Message, number: u64) -> Result<(), Ended> {
        loop {
            // Also after a restart: a pause that was begun is kept.
            let due = self.held().progress.next_attempt_at;
            if let Some(wait) = due.and_then(|at| Duration::try_from(at.duration_since(self.now())).ok()) {
                // A clock that was set back must not silence the endpoint.
                self.rest(wait.min(self.parts.patience.pause_max)).await?;
            }
            let record = self.held().clone();
            let sending = attempt(&*self.post, &record, message, self.now(), self.parts.timeout);
            let outcome = tokio::select! {
                () = self.stop.cancelled() => return Err(Ended),
                outcome = sending => outcome,
            };
            match outcome {
                Outcome::Taken(_) => {
                    self.taken(number).await;
                    return Ok(());
                }
                Outcome::Missed { error, wait, .. } => self.missed(error, wait).await?,
                Outcome::Refused { error, .. } => return self.disable(error).await,
            }
        }
    }

    async fn taken(&mut self, number: u64) {
        let now = self.now();
        let recovered = {
            let progress = &mut self.held().progress;
            let recovered = progress.failing_since.is_some();
            *progress = WebhookProgress {
                cursor: number,
                delivered_event: Some(number),
                delivered_at: Some(now),
                ..WebhookProgress::default()
            };
            recovered
        };
        if recovered || self.recorded_at.elapsed() >= limits::WEBHOOK_RECORD_INTERVAL {
            self.record().await;
        }
    }

    async fn missed(&mut self, error: String, wait: Option<Duration>) -> Result<(), Ended> {
        let (now, patience) = (self.now(), self.parts.patience);
        let pause = {
            let progress = &mut self.held().progress;
            progress.attempts += 1;
            progress.failing_since.get_or_insert(now);
            let pause = patience.pause(progress.attempts, self.id.number() ^ progress.cursor);
            let wait = wait.unwrap_or_default().min(patience.pause_max);
            progress.next_attempt_at = pause.and_then(|pause| now.checked_add(pause.max(wait)).ok());
            progress.last_error = Some(error.clone());
            pause
        };
        if pause.is_none() {
            let attempts = self.held().progress.attempts;
            return self.disable(format!("{attempts} attempts came to nothing; the last: {error}")).await;
        }
        self.record().await;
        Ok(())
    }

    async fn disable(&mut self, error: String) -> Result<(), Ended> {
        tracing::warn!(webhook = %self.id, reason = error, "a webhook is disabled");
        let now = self.now();
        {
            let progress = &mut self.held().progress;
            progress.failing_since.get_or_insert(now);
            progress.next_attempt_at = None;
            progress.last_error = Some(error.clone());
            progress.disabled = Some(error);
        }
        self.record().await;
        Err(Ended)
    }

    /// Records what has changed since the last time.
    async fn record(&mut self) {
        let progress = self.held().progress.clone();
        let passed_alone = WebhookProgress { cursor: self.recorded.cursor, ..progress.clone() } == self.recorded;
        let moved = progress.cursor - self.recorded.cursor.min(progress.cursor);
        if passed_alone && moved < limits::EVENTS_PAGE as u64 {
            return;
        }
        match self.parts.store.record_progress(&self.id, &progress).await {
            Ok(_) => {
                self.recorded = progress;
                self.recorded_at = Instant::now();
            }
            // Nothing is lost: what was taken since is sent again after a restart.
            Err(error) => {
                tracing::warn!(webhook = %self.id, error = %error.chain(), "how far a webhook is could not be recorded");
            }
        }
    }

    async fn rest(&self, pause: Duration) -> Result<(), Ended> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Ended),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}
