//! What does asking the smaller model first save?
//!
//! Compared with asking the larger one at once: its mean time, measured over the questions that went on to it, for every
//! question, less what all steps took. Where no question went on, the larger one was not measured and nothing is known.

use serde::Serialize;
use wellspring_core::answer::CascadeStep;

/// What is counted while questions are asked.
#[derive(Debug, Default)]
pub(super) struct CascadeTally {
    questions: usize,
    went_on: usize,
    kept_first: usize,
    first_ms: f64,
    later_ms: f64,
}

/// The figures.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct CascadeReport {
    /// Questions that a cascade was asked.
    pub(super) questions: usize,
    /// The share of them for which a larger model was asked.
    pub(super) went_on: f64,
    /// The share of them that the first step's text answered.
    pub(super) kept_first: f64,
    /// Mean seconds of the first step.
    pub(super) first_seconds_mean: f64,
    /// Mean seconds of the later steps together, over the questions that went on.
    pub(super) later_seconds_mean: Option<f64>,
    /// Seconds saved over all questions; below 0 where it cost more than it saved.
    pub(super) seconds_saved: Option<f64>,
}

impl CascadeTally {
    /// Counts an answer's steps; an answer without any was not written by a cascade.
    pub(super) fn add(&mut self, steps: &[CascadeStep]) {
        let Some((first, later)) = steps.split_first() else { return };
        self.questions += 1;
        self.kept_first += usize::from(first.is_kept);
        self.first_ms += first.ms;
        self.went_on += usize::from(!later.is_empty());
        self.later_ms += later.iter().map(|step| step.ms).sum::<f64>();
    }

    /// Counts up; `None` where there was no cascade.
    pub(super) fn report(&self) -> Option<CascadeReport> {
        let Self { questions, went_on, kept_first, first_ms, later_ms } = *self;
        let all = (questions > 0).then_some(questions as f64)?;
        let later = (went_on > 0).then(|| later_ms / went_on as f64 / 1e3);
        Some(CascadeReport {
            questions,
            went_on: went_on as f64 / all,
            kept_first: kept_first as f64 / all,
            first_seconds_mean: first_ms / all / 1e3,
            later_seconds_mean: later,
            seconds_saved: later.map(|later| later * all - (first_ms + later_ms) / 1e3),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(ms: f64, is_kept: bool) -> CascadeStep {
        CascadeStep { model: "m".to_owned(), ms, is_kept, reason: None }
    }

    #[test]
    fn what_is_saved_is_what_the_larger_one_would_have_taken_less_what_was_taken() {
        let mut tally = CascadeTally::default();
        assert_eq!(tally.report(), None);
        (0..3).for_each(|_| tally.add(&[step(1000.0, true)]));
        assert_eq!(tally.report().unwrap().seconds_saved, None, "the larger one was not measured");
        tally.add(&[step(1000.0, false), step(4000.0, true)]);
        tally.add(&[]);
        let report = tally.report().unwrap();
        assert_eq!((report.questions, report.went_on, report.kept_first), (4, 0.25, 0.75));
        // Four times four seconds, less four times one and once four.
        assert_eq!((report.later_seconds_mean, report.seconds_saved), (Some(4.0), Some(8.0)));
    }
}
