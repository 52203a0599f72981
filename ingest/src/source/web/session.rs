//! What has this visit done so far, and may it go on?
//!
//! Invariants:
//! - Every request and every write of a visit passes here: its bounds are kept in one place.
//! - A reason that is recorded is short, names an address without its query, and carries nothing of a document. The
//!   weightiest come first, and are kept where there is no room for all.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use wellspring_core::catalog::{Outcome, Write};
use wellspring_core::document::{CollectionName, DocumentKey, Draft};
use wellspring_core::fetch::{FetchError, FetchErrorKind, FetchRequest, Fetched, Hops, Validators};
use wellspring_core::limits;
use wellspring_core::source::{SourceSettings, UrlMemory, Visit};

use super::WebSource;
use super::address;
use super::memory::Memory;
use super::robots::{RobotsHops, RobotsRules};
use crate::source::registry::VisitOutcome;

/// The visit ends here; its reason is recorded. Only [`Session`] makes one.
#[derive(Debug)]
pub(super) struct Halted(());

/// What a recorded reason says, the weightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Why the visit ended.
    Halted,
    /// Why an item was passed over.
    Failed,
    /// Something to know.
    Noted,
}

/// How an address is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    /// Whether what was remembered is sent along.
    pub(super) conditional: bool,
    /// The `Accept` header.
    pub(super) accept: Option<&'static str>,
    pub(super) bytes_max: usize,
    /// Whether a redirect is followed only where `robots.txt` allows it: of what no person named.
    pub(super) obeys: bool,
}

impl Asking {
    /// Asks for a document that its owner named.
    pub(super) fn document(conditional: bool) -> Self {
        Self { conditional, accept: None, bytes_max: limits::DOCUMENT_BYTES_MAX, obeys: false }
    }

    /// Asks for a document that a link led to.
    pub(super) fn linked(conditional: bool) -> Self {
        Self { obeys: true, ..Self::document(conditional) }
    }
}

/// A write on its way, and what is remembered once it is accepted.
struct Pending {
    write: Write,
    remember: Vec<UrlMemory>,
}

/// One visit in work.
pub(super) struct Session<'a> {
    pub(super) web: &'a WebSource,
    pub(super) settings: &'a SourceSettings,
    pub(super) memory: Memory,
    pub(super) visit: Visit,
    pub(super) held_deletions: u64,
    /// Whether the visit went so far that it knows what it has to hold.
    pub(super) judged_deletions: bool,
    pub(super) requests_max: u64,
    /// Whether a person asked for this visit.
    is_asked: bool,
    now: Timestamp,
    stop: CancellationToken,
    began: Instant,
    failures_in_a_row: u32,
    /// Of the visit's reasons, in their order.
    weights: Vec<Weight>,
    pending: Vec<Pending>,
    pending_bytes: usize,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        web: &'a WebSource,
        settings: &'a SourceSettings,
        memory: Vec<UrlMemory>,
        now: Timestamp,
        stop: CancellationToken,
    ) -> Self {
        let visit = Visit {
            began_at: now,
            took_ms: 0,
            requests: 0,
            wire_bytes: 0,
            items: 0,
            changed: 0,
            deleted: 0,
            failed: 0,
            passed_over: 0,
            left_out: 0,
            left_out_names: Vec::new(),
            errors: Vec::new(),
            complete: false,
            not_before: None,
            hub: None,
            topic: None,
        };
        Self {
            web,
            settings,
            memory: Memory::new(memory, settings),
            visit,
            held_deletions: 0,
            judged_deletions: false,
            requests_max: u64::MAX,
            is_asked: web.asked.take(&settings.name),
            now,
            stop,
            began: Instant::now(),
            failures_in_a_row: 0,
            weights: Vec::new(),
            pending: Vec::new(),
            pending_bytes: 0,
        }
    }

    /// Ends the visit, for a reason that is recorded.
    pub(super) fn halt(&mut self, reason: impl Into<String>) -> Halted {
        self.record(Weight::Halted, reason.into());
        Halted(())
    }

    /// Records something to know.
    pub(super) fn note(&mut self, reason: impl Into<String>) {
        self.record(Weight::Noted, reason.into());
    }

    /// Counts an item that was passed over.
    pub(super) fn fail(&mut self, url: &str, reason: &str) {
        self.visit.failed += 1;
        self.record(Weight::Failed, format!("{}: {reason}", shown(url)));
    }

    fn record(&mut self, weight: Weight, mut reason: String) {
        reason.truncate(reason.floor_char_boundary(limits::VISIT_ERROR_BYTES_MAX));
        let place = self.weights.partition_point(|other| *other <= weight);
        self.weights.insert(place, weight);
        self.visit.errors.insert(place, reason);
        self.weights.truncate(limits::VISIT_ERRORS_MAX);
        self.visit.errors.truncate(limits::VISIT_ERRORS_MAX);
    }

    /// What the host of an address says to robots. A visit that a person asked for does not put up with a host that could
    /// not tell before.
    pub(super) async fn rules(&self, url: &str) -> Arc<dyn RobotsRules> {
        self.web.robots.rules(url, &self.settings.private_hosts, self.told_since()).await
    }

    fn told_since(&self) -> Option<Instant> {
        self.is_asked.then_some(self.began)
    }

    fn hops(&self) -> Arc<dyn Hops> {
        let (robots, private_hosts) = (self.web.robots.clone(), self.settings.private_hosts.clone());
        Arc::new(RobotsHops { robots, private_hosts, told_since: self.told_since() })
    }

    /// Asks an address. An outer error ends the visit, an inner one is the answer.
    pub(super) async fn fetch(&mut self, url: &str, asking: Asking) -> Result<Result<Fetched, FetchError>, Halted> {
        self.may_go_on()?;
        if self.visit.requests >= self.requests_max {
            return Err(self.halt("it takes more requests than one visit may make"));
        }
        let validators = if asking.conditional { self.memory.validators(url) } else { Validators::default() };
        let request = FetchRequest {
            url: url.to_owned(),
            validators,
            accept: asking.accept.map(str::to_owned),
            bytes_max: asking.bytes_max,
            private_hosts: self.settings.private_hosts.clone(),
            insists: self.is_asked,
            hops: asking.obeys.then(|| self.hops()),
        };
        self.visit.requests += 1;
        let stop = self.stop.clone();
        let fetched = tokio::select! {
            () = stop.cancelled() => return Err(self.halt("it was stopped")),
            fetched = timeout_at(self.deadline(), self.web.fetch.fetch(request)) => fetched,
        };
        let Ok(fetched) = fetched else { return Err(self.overdue()) };
        match &fetched {
            Ok(fetched) => {
                self.failures_in_a_row = 0;
                self.visit.wire_bytes += fetched.wire_bytes;
            }
            // The host itself has answered.
            Err(error) if error.kind() == FetchErrorKind::RulesUnknown => self.failures_in_a_row = 0,
            Err(error) => self.failures_in_a_row += u32::from(is_transient(error)),
        }
        Ok(fetched)
    }

    /// Whether so many requests failed in a row that the next would fail too.
    pub(super) fn is_failing(&self) -> bool {
        self.failures_in_a_row >= limits::VISIT_FAILURES_IN_A_ROW_MAX
    }

    /// Counts an address of the source's own host that could not be had. A host that asks to be left alone, or does
    /// not answer any more, ends the visit.
    pub(super) fn endure(&mut self, url: &str, error: &FetchError) -> Result<(), Halted> {
        if let FetchErrorKind::Throttled(pause) = error.kind() {
            self.fail(url, &format!("{}{}", error.chain(), self.until(pause)));
            // What is said at one page is not said of the whole site.
            let is_own = self.settings.origin.url().and_then(address::canonical).is_some_and(|own| own.as_str() == url);
            let longest = if is_own { limits::VISIT_NOT_BEFORE_MAX } else { limits::FETCH_SILENCE_MAX };
            self.not_before(pause.map(|pause| pause.min(longest)));
            return Err(Halted(()));
        }
        self.fail(url, &error.chain());
        if self.is_failing() {
            return Err(self.halt("its host fails again and again, and is given up for now"));
        }
        Ok(())
    }

    /// " until then", where it is known when.
    fn until(&self, pause: Option<Duration>) -> String {
        let seconds = pause.map(|pause| self.began.elapsed().as_secs() + pause.as_secs() + 1);
        let until = seconds.and_then(|seconds| Timestamp::from_second(self.now.as_second() + seconds as i64).ok());
        until.map_or_else(String::new, |until| format!(" until {until}"))
    }

    /// Waits between two pages.
    pub(super) async fn pause(&mut self, pause: Duration) -> Result<(), Halted> {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => Err(self.halt("it was stopped")),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Hands a document over with the next batch.
    pub(super) async fn put(&mut self, draft: Draft, remember: Vec<UrlMemory>) -> Result<(), Halted> {
        let bytes = draft.content.len();
        if self.pending_bytes + bytes > limits::ACCEPT_BATCH_BYTES_MAX {
            self.flush().await?;
        }
        self.pending_bytes += bytes;
        self.push(Pending { write: Write::Put(draft), remember }).await
    }

    /// Marks a document whose newest version cannot be read, where there is one, with the next batch: what was read of it
    /// last stays, outdated. `reason` is the same for the same trouble.
    pub(super) async fn unread(
        &mut self,
        key: DocumentKey,
        reason: &str,
        remember: Vec<UrlMemory>,
    ) -> Result<(), Halted> {
        let (collection, source) = (self.settings.collection.clone(), self.settings.name.clone());
        // Most addresses that cannot be read are no documents: a picture, a page behind a login.
        let (reason, media_type) = (reason.to_owned(), None);
        self.push(Pending { write: Write::Unread { collection, key, source, reason, media_type }, remember }).await
    }

    /// Deletes a document of this source with the next batch.
    pub(super) async fn delete(&mut self, collection: CollectionName, key: DocumentKey) -> Result<(), Halted> {
        let source = self.settings.name.clone();
        self.push(Pending { write: Write::Delete { collection, key, source }, remember: Vec::new() }).await
    }

    async fn push(&mut self, pending: Pending) -> Result<(), Halted> {
        self.pending.push(pending);
        if self.pending.len() == limits::ACCEPT_BATCH_DOCUMENTS_MAX { self.flush().await } else { Ok(()) }
    }

    /// Has what waits accepted.
    pub(super) async fn flush(&mut self) -> Result<(), Halted> {
        self.pending_bytes = 0;
        if self.pending.is_empty() {
            return Ok(());
        }
        let (writes, rows): (Vec<_>, Vec<_>) = self
            .pending
            .drain(..)
            .map(|Pending { write, remember }| {
                let is_mark = matches!(write, Write::Unread { .. });
                (write, (is_mark, remember))
            })
            .unzip();
        let answers = match self.web.accept.accept(writes).await {
            Ok(answers) => answers,
            Err(error) => return Err(self.halt(format!("could not hand documents over: {}", error.chain()))),
        };
        for (answer, (is_mark, rows)) in answers.into_iter().zip(rows) {
            match answer {
                // The address was counted when it could not be read.
                Ok(_) if is_mark => self.memory.remember(rows),
                Ok(accepted) => {
                    self.visit.changed += u64::from(matches!(accepted.outcome, Outcome::Created | Outcome::Updated));
                    self.visit.deleted += u64::from(accepted.outcome == Outcome::Deleted);
                    self.memory.remember(rows);
                }
                Err(_) if is_mark => {}
                Err(_) => {
                    self.visit.failed += 1;
                    self.note("a document of the same name belongs to another source");
                }
            }
        }
        Ok(())
    }

    /// What the catalog has of this source.
    pub(super) async fn items(&mut self) -> Result<Vec<(CollectionName, DocumentKey)>, Halted> {
        match self.web.journal.source_items(&self.settings.name).await {
            Ok(items) => Ok(items.into_iter().map(|(collection, key, _)| (collection, key)).collect()),
            Err(error) => Err(self.halt(format!("could not read what the catalog has: {}", error.chain()))),
        }
    }

    /// Whether a person asked for this visit.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// The day of this visit.
    pub(super) fn day(&self) -> i64 {
        self.now.as_second().div_euclid(24 * 3600)
    }

    /// Whether an address that was asked on a day is to be asked again whatever a sitemap says. Each has its own day of
    /// [`limits::SITEMAP_TRUST_DAYS`], so that the requests are spread; the first visit on it or after it asks.
    pub(super) fn is_due(&self, url: &str, asked_on: i64) -> bool {
        let turn = i64::from(blake3::hash(url.as_bytes()).as_bytes()[0]);
        let round = |day: i64| (day + turn).div_euclid(limits::SITEMAP_TRUST_DAYS);
        round(asked_on.min(self.day())) < round(self.day()) || asked_on > self.day()
    }

    /// Whether a date, by its first ten characters, lies before today.
    pub(super) fn is_before_today(&self, date: &str) -> bool {
        let date = date.get(..10).and_then(|date| date.parse::<jiff::civil::Date>().ok());
        date.is_some_and(|date| date < jiff::tz::TimeZone::UTC.to_datetime(self.now).date())
    }

    /// The source asks not to be visited for a while.
    pub(super) fn not_before(&mut self, pause: Option<Duration>) {
        let Some(pause) = pause else { return };
        let pause = SignedDuration::try_from(pause.min(limits::VISIT_NOT_BEFORE_MAX)).unwrap_or_default();
        let moment = self.now.checked_add(pause).ok();
        self.visit.not_before = self.visit.not_before.max(moment);
    }

    /// Whether the visit is to end, and to change nothing any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    fn may_go_on(&mut self) -> Result<(), Halted> {
        if self.stop.is_cancelled() {
            return Err(self.halt("it was stopped"));
        }
        if Instant::now() >= self.deadline() {
            return Err(self.overdue());
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        self.began + limits::VISIT_TIME_MAX
    }

    fn overdue(&mut self) -> Halted {
        self.halt(format!("it took longer than {} minutes", limits::VISIT_TIME_MAX.as_secs() / 60))
    }

    /// Accepts what is left, and says what the visit came to. `visited` says whether the whole source was reached.
    pub(super) async fn finish(mut self, visited: Result<bool, Halted>) -> VisitOutcome {
        let flushed = self.flush().await;
        self.visit.complete = matches!((&visited, &flushed), (Ok(true), Ok(())));
        self.visit.took_ms = self.began.elapsed().as_millis() as u64;
        let (remember, forget) = self.memory.finish(self.visit.complete && self.held_deletions == 0);
        let has_judged = self.visit.complete || self.judged_deletions || self.held_deletions > 0;
        let held_deletions = has_judged.then_some(self.held_deletions);
        VisitOutcome { visit: self.visit, remember, forget, held_deletions }
    }
}

/// Whether asking again later may go better.
pub(super) fn is_transient(error: &FetchError) -> bool {
    match error.kind() {
        FetchErrorKind::Unreachable
        | FetchErrorKind::TimedOut
        | FetchErrorKind::Throttled(_)
        | FetchErrorKind::ServerError(_)
        | FetchErrorKind::RulesUnknown => true,
        FetchErrorKind::Refused
        | FetchErrorKind::Denied(_)
        | FetchErrorKind::BadBody
        | FetchErrorKind::TooManyRedirects
        | FetchErrorKind::Excluded => false,
    }
}

/// A reason that is the same at every visit, since it is kept with a document.
pub(super) fn said(error: &FetchError) -> &'static str {
    match error.kind() {
        FetchErrorKind::Refused => "its address may not be asked",
        FetchErrorKind::Unreachable | FetchErrorKind::TimedOut => "its host does not answer",
        FetchErrorKind::Throttled(_) => "its server asked to be left alone",
        FetchErrorKind::ServerError(_) => "its server fails",
        FetchErrorKind::Denied(_) => "its server does not give it",
        FetchErrorKind::BadBody => "it is too long or cannot be decoded",
        FetchErrorKind::TooManyRedirects => "it leads in a circle",
        FetchErrorKind::Excluded => "robots.txt excludes where it leads",
        FetchErrorKind::RulesUnknown => "the robots.txt of where it leads cannot be had",
    }
}

/// An address as a person may read it: queries carry secrets.
pub(super) fn shown(url: &str) -> &str {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    &url[..url.floor_char_boundary(limits::VISIT_ERROR_BYTES_MAX / 2)]
}
