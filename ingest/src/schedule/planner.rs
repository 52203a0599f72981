//! Which source comes next?
//!
//! A queue in the order of when visits are due. A new source, or one asked for, comes first; a source past its longest
//! interval cannot be overtaken twice by the same other. At each visit a few other sources are planned anew, so that all
//! follow the price without any call looking at all of them.
//!
//! Invariants:
//! - A source is in the queue exactly when it is neither paused nor being visited.
//! - A visited source is due after the moment it was visited, so that one that waits past its own moment is overtaken at
//!   most once by each other; this is what [`Planner::wait_max`] rests on.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use wellspring_core::limits::{
    POLL_HINT_MAX, POLL_INTERVAL_MAX, POLL_INTERVAL_MIN, POLL_KIN_DEBT, POLL_RETRY_PAUSE_MAX, POLL_RETRY_PAUSE_MIN,
};
use wellspring_core::source::{SourceName, Visit};

use super::budget::{Bucket, PollBudget};
use super::kin::{Hint, Kin};
use super::learnt::{Learnt, Nature};
use super::price::{Price, Spending};
use super::reason::{Because, reason};
use super::rhythm::hours;
use super::worth::{Outlook, Toll, age_hours, outlook};

/// Other sources planned anew at each visit.
const TENDED: usize = 4;
/// Sources looked at again, at most, because the price has risen since they were planned.
const REVIEWS_MAX: usize = 16;
/// Sources of one host planned anew when one of them says something of the others.
const KIN_TENDED_MAX: usize = 128;
/// What the newest visit counts for in the share of visits that kin brought forward.
const KIN_SHARE_PART: f64 = 0.005;
/// No more of the budget is set aside for them.
const KIN_SHARE_MAX: f64 = 0.5;
/// A price that moved by less than this part since changes no plan.
const PRICE_MOVED: f64 = 0.05;

/// The next visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Of which source.
    pub name: SourceName,
    /// When it may begin; not before the `now` it was asked at.
    pub at: Timestamp,
    /// Why then, for people.
    pub reason: String,
}

/// What is planned for one source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcePlan {
    /// When it is due, if the budget is enough; `None` while it is paused or being visited.
    pub next_at: Option<Timestamp>,
    /// Why then, for people.
    pub reason: String,
    /// Changes a day, expected.
    pub changes_per_day: f64,
    /// How old the oldest unseen change is expected to be now.
    pub staleness: Duration,
}

/// Plans the visits of all sources under one budget.
#[derive(Debug)]
pub struct Planner {
    seed: u64,
    requests: Bucket,
    embedding: Bucket,
    price: Price,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    places: HashMap<SourceName, usize>,
    queue: BTreeSet<Turn>,
    /// The next slot to plan anew.
    cursor: usize,
    /// What the planned intervals spend an hour.
    spending: Spending,
    /// What one visit of each source costs.
    round: Spending,
    /// The sources of each host.
    kin: HashMap<u64, Kin>,
    /// The part of the budget that goes into visits before their time, because kin had changed.
    kin_share: f64,
}

/// A place in the queue. What is urgent comes first, then what is due first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    planned: bool,
    at_ms: i64,
    slot: usize,
}

#[derive(Debug)]
struct Slot {
    name: SourceName,
    nature: Nature,
    learnt: Learnt,
    paused: bool,
    /// Since when somebody wants it visited.
    asked_ms: Option<i64>,
    added_ms: i64,
    /// What was taken for the visit that is under way.
    in_flight: Option<Spending>,
    turn: Option<Turn>,
    /// As its kin has it.
    outlook: Outlook,
    /// Whether its kin brought its visit forward.
    is_hinted: bool,
    /// Hours from visit to visit by its own rate alone.
    interval: f64,
    because: Because,
    /// The price it was planned at.
    price: f64,
    spending: Spending,
    visit: Spending,
}

impl Planner {
    /// A planner without sources. The seed spreads the pauses after failures.
    pub fn new(budget: PollBudget, seed: u64, now: Timestamp) -> Self {
        let now_ms = now.as_millisecond();
        Self {
            seed,
            requests: Bucket::new(budget.requests_per_hour(), now_ms),
            embedding: Bucket::new(budget.embedding_seconds_per_hour(), now_ms),
            price: Price::least(),
            slots: Vec::new(),
            free: Vec::new(),
            places: HashMap::new(),
            queue: BTreeSet::new(),
            cursor: 0,
            spending: Spending::default(),
            round: Spending::default(),
            kin: HashMap::new(),
            kin_share: 0.0,
        }
    }

    /// Adds a source, or replaces what is known of it; a source never visited is due at once.
    pub fn upsert(&mut self, name: &SourceName, nature: Nature, learnt: Learnt, paused: bool, now: Timestamp) {
        let now_ms = now.as_millisecond();
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                let place = self.free.pop().unwrap_or(self.slots.len());
                if place == self.slots.len() {
                    self.slots.push(None);
                }
                self.places.insert(name.clone(), place);
                self.slots[place] = Some(Slot::new(name.clone(), nature, learnt.clone(), now_ms));
                place
            }
        };
        self.leave_kin(place);
        if let Some(slot) = &mut self.slots[place] {
            (slot.nature, slot.learnt, slot.paused) = (nature, learnt, paused);
        }
        if let Some(host) = nature.host {
            self.kin.entry(host).or_default().members.push(place);
        }
        self.plan(place, now_ms);
        self.tend(now_ms);
    }

    /// Forgets a source; whether there was one.
    pub fn remove(&mut self, name: &SourceName, now: Timestamp) -> bool {
        self.cancel(name, now);
        let Some(place) = self.places.remove(name) else { return false };
        self.leave_kin(place);
        if let Some(slot) = self.slots[place].take() {
            slot.turn.map(|turn| self.queue.remove(&turn));
            self.spending.replace(slot.spending, Spending::default());
            self.round.replace(slot.visit, Spending::default());
        }
        self.free.push(place);
        true
    }

    /// Pauses or resumes; whether there is such a source. A visit under way goes on.
    pub fn set_paused(&mut self, name: &SourceName, paused: bool, now: Timestamp) -> bool {
        self.change(name, now, |slot| slot.paused = paused)
    }

    /// Wants a source visited before all that are only due; whether there is such a source. The budget holds, and so does
    /// what the source asks for.
    pub fn visit_soon(&mut self, name: &SourceName, now: Timestamp) -> bool {
        let now_ms = now.as_millisecond();
        self.change(name, now, |slot| {
            slot.asked_ms.get_or_insert(now_ms);
        })
    }

    /// The next visit and when it may begin; `None` when no source waits. It is not begun: see [`Planner::begin`]. Ask
    /// again after every change, and at the latest when the visit may begin.
    pub fn next(&mut self, now: Timestamp) -> Option<Planned> {
        let now_ms = now.as_millisecond();
        for _ in 0..REVIEWS_MAX {
            let turn = *self.queue.first()?;
            let planned_at = self.slots[turn.slot].as_ref().map_or(self.price.request, |slot| slot.price);
            if !turn.planned || self.price.request < planned_at * (1.0 + PRICE_MOVED) {
                break;
            }
            self.plan(turn.slot, now_ms);
        }
        let turn = *self.queue.first()?;
        let slot = self.slots[turn.slot].as_ref()?;
        // What kin brings forward comes at once and in numbers. The others pay for it afterwards.
        let debt_hours = if slot.because == Because::Kin { POLL_KIN_DEBT.as_secs_f64() / 3600.0 } else { 0.0 };
        let enough = self
            .requests
            .ready_in_debt_ms(slot.visit.requests, debt_hours)
            .max(self.embedding.ready_in_debt_ms(slot.expected_embedding(), debt_hours));
        let mut at_ms = turn.at_ms;
        if turn.planned {
            // What a full bucket would lose is spent on the source that is due first, if it is worth the lowest price.
            let full_ms = self.requests.full_ms().max(self.embedding.full_ms());
            let earliest_ms = slot.wait_until_ms(now_ms).unwrap_or(i64::MIN).max(slot.outlook.earliest_ms);
            at_ms = at_ms.min(full_ms.max(earliest_ms));
        }
        let at = Timestamp::from_millisecond(at_ms.max(enough).max(now_ms)).unwrap_or(now);
        Some(Planned { name: slot.name.clone(), at, reason: self.reason(slot) })
    }

    /// Begins a visit, which is taken from the budget as expected; whether there is such a source that is not being
    /// visited. It may be any source: what was asked for by hand need not wait for its turn.
    pub fn begin(&mut self, name: &SourceName, now: Timestamp) -> bool {
        let now_ms = now.as_millisecond();
        let Some(place) = self.places.get(name).copied() else { return false };
        let Some(slot) = self.slots[place].as_mut().filter(|slot| slot.in_flight.is_none()) else { return false };
        let taken = Spending { requests: slot.visit.requests, embedding_seconds: slot.expected_embedding() };
        slot.in_flight = Some(taken);
        slot.asked_ms = None;
        self.take(taken, now_ms);
        self.plan(place, now_ms);
        true
    }

    /// Learns from a visit and settles what it cost; whether there is such a source. Embedding seconds are those of what
    /// the visit brought, as far as they are known.
    pub fn record(&mut self, name: &SourceName, visit: &Visit, embedding_seconds: f64, now: Timestamp) -> bool {
        let now_ms = now.as_millisecond();
        let Some(place) = self.places.get(name).copied() else { return false };
        let Some(slot) = self.slots[place].as_mut() else { return false };
        let held = slot.in_flight.take().unwrap_or_default();
        let cost = Spending { requests: visit.requests as f64, embedding_seconds: embedding_seconds.max(0.0) };
        slot.asked_ms = slot.asked_ms.filter(|asked_ms| *asked_ms > visit.began_at.as_millisecond());
        let last_ms = slot.learnt.last_ms;
        let before_its_time = match (slot.because, last_ms) {
            (Because::Kin, Some(last_ms)) => {
                (1.0 - hours(visit.began_at.as_millisecond() - last_ms) / slot.interval.max(1e-6)).clamp(0.0, 1.0)
            }
            _ => 0.0,
        };
        self.kin_share += (before_its_time - self.kin_share) * KIN_SHARE_PART;
        slot.recorded(visit, embedding_seconds, self.seed, now_ms);
        let owed = Spending {
            requests: cost.requests - held.requests,
            embedding_seconds: cost.embedding_seconds - held.embedding_seconds,
        };
        self.take(owed, now_ms);
        self.plan(place, now_ms);
        self.tell_kin(place, last_ms, visit, now_ms);
        self.tend(now_ms);
        true
    }

    /// What a visit says of the other sources of the host.
    fn tell_kin(&mut self, place: usize, last_ms: Option<i64>, visit: &Visit, now_ms: i64) {
        let Some(slot) = self.slots[place].as_ref() else { return };
        let Some(kin) = slot.nature.host.and_then(|host| self.kin.get_mut(&host)) else { return };
        let (began_ms, changes) = (visit.began_at.as_millisecond(), visit.changed.saturating_add(visit.deleted));
        // One that did not reach the source left what was learnt as it was.
        let Some(last_ms) = last_ms.filter(|_| slot.learnt.last_ms == Some(began_ms)) else { return };
        if !kin.visited(last_ms, began_ms, changes > 0) {
            return;
        }
        let hinted = |other: &&usize| {
            let last_ms = self.slots[**other].as_ref().and_then(|slot| slot.learnt.last_ms);
            **other != place && kin.hint(last_ms).is_some()
        };
        let hinted: Vec<usize> = kin.members.iter().filter(hinted).copied().take(KIN_TENDED_MAX).collect();
        for other in hinted {
            self.plan(other, now_ms);
        }
    }

    fn leave_kin(&mut self, place: usize) {
        let host = self.slots[place].as_ref().and_then(|slot| slot.nature.host);
        let Some(kin) = host.and_then(|host| self.kin.get_mut(&host)) else { return };
        kin.members.retain(|member| *member != place);
        if kin.members.is_empty() {
            self.kin.retain(|_, kin| !kin.members.is_empty());
        }
    }

    /// Gives back what was taken for a visit that did not take place; whether one was under way.
    pub fn cancel(&mut self, name: &SourceName, now: Timestamp) -> bool {
        let now_ms = now.as_millisecond();
        let Some(place) = self.places.get(name).copied() else { return false };
        let Some(held) = self.slots[place].as_mut().and_then(|slot| slot.in_flight.take()) else { return false };
        self.take(Spending { requests: -held.requests, embedding_seconds: -held.embedding_seconds }, now_ms);
        self.plan(place, now_ms);
        true
    }

    /// Charges embedding that became known after its visit was recorded.
    pub fn charge_embedding(&mut self, seconds: f64, now: Timestamp) {
        self.embedding.take(seconds.max(0.0), now.as_millisecond());
    }

    /// What is planned for a source.
    pub fn plan_of(&self, name: &SourceName, now: Timestamp) -> Option<SourcePlan> {
        let slot = self.slots[*self.places.get(name)?].as_ref()?;
        let now_ms = now.as_millisecond();
        let next_at = slot.turn.and_then(|turn| Timestamp::from_millisecond(turn.at_ms).ok());
        let reason = match (slot.in_flight, slot.paused) {
            (Some(_), _) => "being visited".to_owned(),
            (None, true) => "paused".to_owned(),
            (None, false) => self.reason(slot),
        };
        let learnt = &slot.learnt;
        let stale = learnt.last_ms.map_or(0.0, |last_ms| age_hours(&learnt.rate, &learnt.rhythm, last_ms, now_ms));
        Some(SourcePlan {
            next_at,
            reason,
            changes_per_day: learnt.changes_per_hour() * 24.0,
            staleness: Duration::try_from_secs_f64(stale * 3600.0).unwrap_or_default(),
        })
    }

    /// What was learnt of a source, to be kept.
    pub fn learnt(&self, name: &SourceName) -> Option<&Learnt> {
        self.slots[*self.places.get(name)?].as_ref().map(|slot| &slot.learnt)
    }

    /// The longest that a source waits from one visit to the beginning of the next, as things are: twice the longest
    /// interval planned, which is the larger of [`POLL_INTERVAL_MAX`] and twice what one visit of every source takes at
    /// the budget's rate.
    ///
    /// From the moment a source has waited for the longest interval, each other is visited before it at most once, and
    /// that and a debt take at most as long again. It holds while visits cost what is expected and end at once; it does
    /// not count what the source asks for (`not_before`), pauses after failures, and visits that people ask for.
    pub fn wait_max(&self) -> Duration {
        Duration::try_from_secs_f64(2.0 * self.interval_max() * 3600.0).unwrap_or(Duration::MAX)
    }

    fn interval_max(&self) -> f64 {
        let requests = self.round.requests / self.requests.per_hour();
        let embedding = self.round.embedding_seconds / self.embedding.per_hour();
        (POLL_INTERVAL_MAX.as_secs_f64() / 3600.0).max(2.0 * requests).max(2.0 * embedding)
    }

    fn reason(&self, slot: &Slot) -> String {
        reason(slot.because, &slot.learnt, &slot.outlook, self.interval_max())
    }

    fn change(&mut self, name: &SourceName, now: Timestamp, change: impl FnOnce(&mut Slot)) -> bool {
        let Some(place) = self.places.get(name).copied() else { return false };
        if let Some(slot) = &mut self.slots[place] {
            change(slot);
        }
        self.plan(place, now.as_millisecond());
        true
    }

    fn take(&mut self, spending: Spending, now_ms: i64) {
        self.requests.take(spending.requests, now_ms);
        self.embedding.take(spending.embedding_seconds, now_ms);
    }

    /// Plans a source's next visit at the price of now.
    fn plan(&mut self, place: usize, now_ms: i64) {
        let interval_max = self.interval_max();
        let Some(slot) = &mut self.slots[place] else { return };
        if let Some(turn) = slot.turn.take() {
            self.queue.remove(&turn);
        }
        let (spending, visit) = (slot.spending, slot.visit);
        let kin = slot.nature.host.and_then(|host| self.kin.get(&host));
        let hint = kin.and_then(|kin| kin.hint(slot.learnt.last_ms));
        slot.look_ahead(self.price, interval_max, hint, now_ms);
        self.spending.replace(spending, slot.spending);
        self.round.replace(visit, slot.visit);
        if !slot.paused && slot.in_flight.is_none() {
            let turn = slot.take_turn(place, now_ms);
            slot.turn = Some(turn);
            self.queue.insert(turn);
        }
    }

    /// Plans a few more sources, then moves the price towards where the budget is spent.
    fn tend(&mut self, now_ms: i64) {
        for _ in 0..TENDED.min(self.slots.len()) {
            if self.cursor >= self.slots.len() {
                self.cursor = 0;
                self.sum_up();
            }
            self.plan(self.cursor, now_ms);
            self.cursor += 1;
        }
        let usual = 1.0 - self.kin_share.min(KIN_SHARE_MAX);
        let budget =
            Spending { requests: self.requests.per_hour() * usual, embedding_seconds: self.embedding.per_hour() };
        let part = (TENDED + 1) as f64 / self.places.len().max(1) as f64;
        self.price = self.price.moved(self.spending, budget, part);
    }

    /// Sums anew, since a million additions and subtractions drift.
    fn sum_up(&mut self) {
        (self.spending, self.round) = (Spending::default(), Spending::default());
        for slot in self.slots.iter().flatten() {
            self.spending.replace(Spending::default(), slot.spending);
            self.round.replace(Spending::default(), slot.visit);
        }
    }
}

impl Slot {
    fn new(name: SourceName, nature: Nature, learnt: Learnt, now_ms: i64) -> Self {
        Self {
            name,
            nature,
            learnt,
            paused: false,
            asked_ms: None,
            added_ms: now_ms,
            in_flight: None,
            turn: None,
            outlook: Outlook::default(),
            is_hinted: false,
            interval: 0.0,
            because: Because::New,
            price: 0.0,
            spending: Spending::default(),
            visit: Spending::default(),
        }
    }

    /// What the next visit's changes take to embed, as likely as they are.
    fn expected_embedding(&self) -> f64 {
        self.learnt.embedding_seconds() * self.outlook.changed
    }

    /// The spending is that of its own rate: what kin brings forward is rare, and is counted when it happens.
    fn look_ahead(&mut self, price: Price, interval_max: f64, hint: Option<Hint>, now_ms: i64) {
        let worth = self.learnt.requests_worth();
        let saved = if self.nature.counted { 0.0 } else { price.embedding_second * self.learnt.embedding_seconds() };
        let (least, due) = (Price::least().request * worth, price.request * worth);
        let toll = Toll { least, due, saved_by_waiting: saved, hint: Hint::default() };
        let from_ms = self.learnt.last_ms.unwrap_or(now_ms).min(now_ms);
        self.outlook = outlook(&self.learnt.rate, &self.learnt.rhythm, from_ms, toll, interval_max);
        self.price = price.request;
        (self.visit, self.spending) = (Spending::default(), Spending::default());
        if !self.paused {
            let interval = hours(self.outlook.due_ms.max(self.wait_until_ms(now_ms).unwrap_or(i64::MIN)) - from_ms)
                .max(POLL_INTERVAL_MIN.as_secs_f64() / 3600.0);
            let embedding_seconds = self.expected_embedding();
            self.visit = Spending { requests: self.learnt.requests(), embedding_seconds };
            self.spending =
                Spending { requests: self.visit.requests / interval, embedding_seconds: embedding_seconds / interval };
            self.interval = interval;
        }
        if let Some(hint) = hint {
            let usual_ms = self.outlook.due_ms;
            self.outlook =
                outlook(&self.learnt.rate, &self.learnt.rhythm, from_ms, Toll { hint, ..toll }, interval_max);
            self.is_hinted = self.outlook.due_ms < usual_ms;
        } else {
            self.is_hinted = false;
        }
    }

    /// Until when the source is left alone.
    fn wait_until_ms(&self, now_ms: i64) -> Option<i64> {
        let latest_ms = now_ms.saturating_add(POLL_HINT_MAX.as_millis() as i64);
        self.learnt.wait_until_ms.map(|wait_ms| wait_ms.min(latest_ms))
    }

    fn take_turn(&mut self, slot: usize, now_ms: i64) -> Turn {
        let wait_ms = self.wait_until_ms(now_ms).filter(|wait_ms| *wait_ms > now_ms);
        let told = if self.learnt.failures > 0 { Because::Failed } else { Because::Told };
        let urgent = match (self.asked_ms, self.learnt.last_ms) {
            (Some(asked_ms), _) => Some((asked_ms, Because::Asked)),
            (None, None) => Some((self.added_ms, Because::New)),
            (None, Some(_)) => None,
        };
        let (planned, at_ms, because) = match (urgent, wait_ms) {
            (Some((at_ms, because)), None) => (false, at_ms, because),
            (Some(_), Some(wait_ms)) => (true, wait_ms, told),
            (None, Some(wait_ms)) if wait_ms > self.outlook.due_ms => (true, wait_ms, told),
            (None, _) if self.is_hinted => (true, self.outlook.due_ms, Because::Kin),
            (None, _) if self.outlook.capped => (true, self.outlook.due_ms, Because::Longest),
            (None, _) => (true, self.outlook.due_ms, Because::Worth),
        };
        self.because = because;
        Turn { planned, at_ms, slot }
    }

    fn recorded(&mut self, visit: &Visit, embedding_seconds: f64, seed: u64, now_ms: i64) {
        let reached = visit.complete || visit.items > 0;
        let mut wait_ms = visit.not_before.map(Timestamp::as_millisecond);
        if reached {
            self.learnt.visited(visit, embedding_seconds, self.nature);
        } else {
            self.learnt.failures = self.learnt.failures.saturating_add(1);
            wait_ms = wait_ms.max(Some(now_ms + retry_pause_ms(&self.name, self.learnt.failures, seed)));
        }
        let latest_ms = now_ms.saturating_add(POLL_HINT_MAX.as_millis() as i64);
        self.learnt.wait_until_ms = wait_ms.map(|wait_ms| wait_ms.min(latest_ms));
    }
}

/// The pause after so many failures in a row: doubled each time up to the maximum, of which between half and all is
/// taken, so that sources on one host that failed together do not come back together.
fn retry_pause_ms(name: &SourceName, failures: u32, seed: u64) -> i64 {
    let doubled = POLL_RETRY_PAUSE_MIN.as_millis() << (failures.saturating_sub(1)).min(32);
    let pause = doubled.min(POLL_RETRY_PAUSE_MAX.as_millis()) as f64;
    // FNV-1a over the name, then a multiplication to spread it: any fixed mixing would do.
    let mut mixed = name
        .as_str()
        .bytes()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    mixed = (mixed ^ u64::from(failures)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let part = 0.5 + 0.5 * (mixed >> 11) as f64 / (1u64 << 53) as f64;
    (pause * part) as i64
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
