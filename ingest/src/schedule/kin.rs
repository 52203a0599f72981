//! Who else has changed when this source has?
//!
//! Sources of one host are edited by the same hands: one commit touches many pages, one release several feeds. When a
//! visit finds a change, the chance that each of the others has changed too is far above what its own rate says. That
//! chance is learnt in two steps, as whoever tries door after door learns it:
//!
//! - within one occasion, by what the others showed so far: a Beta of [`STRENGTH`] pseudo-observations, which one or two
//!   unchanged sources talk out of it, and one or two changed ones into it;
//! - across occasions, by how often others had changed with the first: where that Beta begins. Strangers who share a
//!   host soon begin near zero, and cost nothing.
//!
//! A source that may have changed at a moment, with chance `q`, is expected to be `q` older for each hour since. Its
//! visit's worth `T A(T) - G(T)`, of which `V` is the stationary form, grows by `T q (T - h)`, with `h` the part of `T`
//! before that moment.
//!
//! Invariants:
//! - A first visit finds nothing: all is new then.
//! - What is learnt here is kept in memory alone: after a restart it is learnt again from the first occasions.

use super::rhythm::hours;

/// Pseudo-observations that an occasion begins with.
const STRENGTH: f64 = 2.0;
/// What a host begins with: others found changed, and others looked at.
const AT_FIRST: (f64, f64) = (0.2, 2.0);
/// What is left of older occasions in what a host has learnt, at each look.
const KEEP: f64 = 0.999;

/// Sources of one host, by their places.
#[derive(Debug, Default)]
pub(super) struct Kin {
    pub(super) members: Vec<usize>,
    /// When a change was found that begins the newest occasion.
    found_ms: Option<i64>,
    /// In it: changed ones, and all that were looked at, with the pseudo-observations.
    changed: f64,
    looked: f64,
    /// Over all occasions.
    ever: Option<(f64, f64)>,
}

/// What a source's kin says of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Hint {
    /// Hours from its last visit to the moment at which it may have changed.
    pub(super) after_hours: f64,
    /// The chance that it has.
    pub(super) chance: f64,
}

impl Hint {
    /// What it adds to the worth of a visit after so many hours.
    pub(super) fn worth(self, waited: f64) -> f64 {
        waited * self.chance * (waited - self.after_hours).max(0.0)
    }
}

impl Kin {
    /// What the newest occasion says of a source that was last visited then; nothing, where it was looked at since.
    pub(super) fn hint(&self, last_ms: Option<i64>) -> Option<Hint> {
        let (last_ms, found_ms) = (last_ms?, self.found_ms?);
        let after_hours = hours(found_ms - last_ms);
        (after_hours > 0.0 && self.members.len() > 1).then(|| Hint { after_hours, chance: self.changed / self.looked })
    }

    /// Learns from a visit to one of them, which was visited before at `last_ms`. Says whether hints have changed.
    pub(super) fn visited(&mut self, last_ms: i64, began_ms: i64, has_changed: bool) -> bool {
        if self.members.len() < 2 {
            return false;
        }
        if self.found_ms.is_some_and(|found_ms| found_ms > last_ms) {
            let (changed, looked) = self.ever.unwrap_or(AT_FIRST);
            let found = f64::from(u8::from(has_changed));
            self.ever = Some((changed * KEEP + found, looked * KEEP + 1.0));
            self.changed += found;
            self.looked += 1.0;
            return true;
        }
        if has_changed {
            let (changed, looked) = self.ever.unwrap_or(AT_FIRST);
            (self.changed, self.looked) = (STRENGTH * changed / looked, STRENGTH);
            self.found_ms = Some(began_ms);
        }
        has_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn pair() -> Kin {
        Kin { members: vec![0, 1], ..Kin::default() }
    }

    #[test]
    fn a_change_speaks_of_those_that_were_not_looked_at_since() {
        let mut kin = pair();
        assert_eq!(kin.hint(Some(0)), None);
        assert!(!kin.visited(0, 5 * HOUR, false));
        assert!(kin.visited(HOUR, 6 * HOUR, true));
        let hint = kin.hint(Some(2 * HOUR)).unwrap();
        assert_eq!((hint.after_hours, hint.chance), (4.0, 0.1));
        assert_eq!((hint.worth(3.0), hint.worth(5.0)), (0.0, 0.5));
        assert_eq!((kin.hint(Some(6 * HOUR)), kin.hint(None)), (None, None));
        let mut alone = Kin { members: vec![0], ..Kin::default() };
        assert!(!alone.visited(0, HOUR, true) && alone.hint(Some(0)).is_none());
    }

    #[test]
    fn an_occasion_is_believed_as_far_as_it_goes_on() {
        let mut kin = pair();
        kin.visited(0, HOUR, true);
        let chance = |kin: &Kin| kin.hint(Some(0)).unwrap().chance;
        let first = chance(&kin);
        kin.visited(0, HOUR + 1, false);
        assert!(chance(&kin) < first);
        for _ in 0..3 {
            kin.visited(0, HOUR + 2, true);
        }
        assert!(chance(&kin) > 0.5);
    }

    #[test]
    fn strangers_on_one_host_are_soon_left_in_peace() {
        let mut kin = pair();
        for occasion in 0..40 {
            kin.visited(occasion * HOUR, (occasion + 1) * HOUR, true);
            kin.visited(occasion * HOUR, (occasion + 1) * HOUR + 1, false);
        }
        kin.visited(100 * HOUR, 101 * HOUR, true);
        assert!(kin.hint(Some(0)).unwrap().chance < 0.006);
    }
}
