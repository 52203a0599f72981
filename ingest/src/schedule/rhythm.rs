//! At which hours does a source change?
//!
//! An hour's factor is how much more than usual happens in it: the hour of the day's times the day of the week's. Each
//! is the mean of a Gamma posterior with mean one at first, `(k + seen) / (k + expected)`: flat until there is data, and
//! pulled towards flat by as much as k events weigh. Changes seen by a visit are shared among the hours since the visit
//! before as the factors foretell (the expectation step of EM): a visit after ten minutes tells much, after a week nothing.
//!
//! Hours are UTC. A clock change in spring moves a rhythm by an hour, which a few weeks' forgetting follows.
//!
//! Invariants:
//! - Factors are positive and average one over the day and over the week, so a rate keeps its meaning.

/// Milliseconds of an hour.
pub(super) const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Hours of the day, then days of the week.
pub(super) const CELLS: usize = 24 + 7;
/// Events that "as usual" counts for in each cell.
const FLAT_EVENTS: f64 = 2.0;
/// Hours after which half is forgotten.
const HALF_LIFE_HOURS: f64 = 42.0 * 24.0;
/// An interval beyond this tells nothing about hours.
const TELLING_HOURS_MAX: f64 = 7.0 * 24.0;
/// A belief above this in one cell adds nothing, and keeps what is stored small.
const CELL_EVENTS_MAX: f64 = 1e5;

/// What was seen in a cell, and what would have been if all hours were alike.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Cell {
    pub(super) seen: f64,
    pub(super) expected: f64,
}

/// A source's week.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rhythm {
    cells: [Cell; CELLS],
    factors: [f64; CELLS],
}

/// A piece of time within one hour of the clock, or one day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    /// Its end, in milliseconds since 1970.
    pub(super) end_ms: i64,
    /// How long it is.
    pub(super) hours: f64,
    /// How much more than usual happens in it.
    pub(super) factor: f64,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { cells: [Cell::default(); CELLS], factors: [1.0; CELLS] }
    }
}

impl Rhythm {
    /// From what was kept; `None` for numbers that no observation leads to.
    pub(super) fn restored(cells: [Cell; CELLS]) -> Option<Self> {
        let sound = |number: f64| (0.0..=CELL_EVENTS_MAX).contains(&number);
        cells.iter().all(|cell| sound(cell.seen) && sound(cell.expected)).then(|| {
            let mut rhythm = Self { cells, factors: [1.0; CELLS] };
            rhythm.weigh();
            rhythm
        })
    }

    /// What was seen, to be kept.
    pub(super) fn cells(&self) -> &[Cell; CELLS] {
        &self.cells
    }

    /// The rest of the hour that `from_ms` lies in.
    pub(super) fn hour_from(&self, from_ms: i64) -> Piece {
        let [hour, day] = places(from_ms);
        let end_ms = (from_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS;
        Piece { end_ms, hours: hours(end_ms - from_ms), factor: self.factors[hour] * self.factors[day] }
    }

    /// The rest of the day that `from_ms` lies in, where it is a whole one; else the rest of the hour.
    pub(super) fn day_from(&self, from_ms: i64) -> Piece {
        if from_ms.rem_euclid(DAY_MS) != 0 {
            return self.hour_from(from_ms);
        }
        Piece { end_ms: from_ms + DAY_MS, hours: 24.0, factor: self.factors[places(from_ms)[1]] }
    }

    /// The hours between two moments, each counted by its factor.
    pub(super) fn exposure(&self, from_ms: i64, to_ms: i64) -> f64 {
        let mut total = 0.0;
        let mut at_ms = from_ms;
        while at_ms < to_ms {
            let mut piece = self.day_from(at_ms);
            if piece.end_ms > to_ms {
                piece = self.hour_from(at_ms);
                piece.hours = hours(piece.end_ms.min(to_ms) - at_ms);
            }
            total += piece.hours * piece.factor;
            at_ms = piece.end_ms;
        }
        total
    }

    /// Learns that about `events` fell between two moments, where `rate` an hour is usual.
    pub(super) fn observe(&mut self, events: f64, rate: f64, from_ms: i64, to_ms: i64) {
        let elapsed = hours(to_ms - from_ms);
        let total = if elapsed > 0.0 { self.exposure(from_ms, to_ms) } else { 0.0 };
        if total <= 0.0 {
            return;
        }
        let keep = (-elapsed / HALF_LIFE_HOURS).exp2();
        for cell in &mut self.cells {
            cell.seen *= keep;
            cell.expected *= keep;
        }
        if elapsed <= TELLING_HOURS_MAX {
            let mut at_ms = from_ms;
            while at_ms < to_ms {
                let piece = self.hour_from(at_ms);
                let length = hours(piece.end_ms.min(to_ms) - at_ms);
                let [hour, day] = places(at_ms);
                let share = events * length * piece.factor / total;
                self.add(hour, share, rate * length * self.factors[day]);
                self.add(day, share, rate * length * self.factors[hour]);
                at_ms = piece.end_ms;
            }
        }
        self.weigh();
    }

    fn add(&mut self, place: usize, seen: f64, expected: f64) {
        let cell = &mut self.cells[place];
        cell.seen = (cell.seen + seen).min(CELL_EVENTS_MAX);
        cell.expected = (cell.expected + expected).min(CELL_EVENTS_MAX);
    }

    fn weigh(&mut self) {
        for (factor, cell) in self.factors.iter_mut().zip(self.cells) {
            *factor = (FLAT_EVENTS + cell.seen) / (FLAT_EVENTS + cell.expected);
        }
        let (day, week) = self.factors.split_at_mut(24);
        for cycle in [day, week] {
            let mean = cycle.iter().sum::<f64>() / cycle.len() as f64;
            cycle.iter_mut().for_each(|factor| *factor /= mean);
        }
    }
}

/// Milliseconds as hours.
pub(super) fn hours(ms: i64) -> f64 {
    ms as f64 / HOUR_MS as f64
}

/// The cells of a moment: its hour of the day, its day of the week.
fn places(at_ms: i64) -> [usize; 2] {
    let hour = at_ms.div_euclid(HOUR_MS).rem_euclid(24) as usize;
    let day = at_ms.div_euclid(DAY_MS).rem_euclid(7) as usize;
    [hour, 24 + day]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A midnight.
    const START: i64 = 20_000 * DAY_MS;

    #[test]
    fn nothing_seen_is_flat() {
        let rhythm = Rhythm::default();
        assert!((rhythm.exposure(START + 17, START + 17 + 100 * HOUR_MS) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_source_that_sleeps_at_night_is_known_to_after_three_weeks() {
        let mut rhythm = Rhythm::default();
        for hour in 0..21 * 24 {
            let from = START + hour * HOUR_MS;
            let events = if (8..20).contains(&(hour % 24)) { 1.0 } else { 0.0 };
            rhythm.observe(events, 0.5, from, from + HOUR_MS);
        }
        let noon = rhythm.hour_from(START + 12 * HOUR_MS).factor;
        let night = rhythm.hour_from(START + 2 * HOUR_MS).factor;
        assert!(noon > 1.5 && night < 0.4, "noon {noon}, night {night}");
        // A whole week counts as many hours as it has.
        assert!((rhythm.exposure(START, START + 7 * DAY_MS) - 168.0).abs() < 1.0);
    }

    #[test]
    fn a_working_week_is_known_after_eight() {
        let mut rhythm = Rhythm::default();
        for visit in 0..8 * 7 * 4 {
            let from = START + visit * 6 * HOUR_MS;
            let weekend = (visit / 4) % 7 >= 5;
            rhythm.observe(if weekend { 0.0 } else { 0.7 }, 0.5 / 6.0, from, from + 6 * HOUR_MS);
        }
        let weekday = rhythm.day_from(START).factor;
        let weekend = rhythm.day_from(START + 6 * DAY_MS).factor;
        assert!(weekday > 1.1 && weekend < 0.6, "weekday {weekday}, weekend {weekend}");
    }

    #[test]
    fn a_visit_after_a_month_tells_nothing_about_hours() {
        let mut rhythm = Rhythm::default();
        rhythm.observe(40.0, 1.0, START, START + 30 * DAY_MS);
        assert_eq!(rhythm.factors, [1.0; CELLS]);
    }

    #[test]
    fn corrupt_cells_are_refused() {
        for wrong in [f64::NAN, f64::INFINITY, -1.0, 1e12] {
            let mut cells = [Cell::default(); CELLS];
            cells[5].seen = wrong;
            assert_eq!(Rhythm::restored(cells), None, "{wrong}");
        }
    }
}
