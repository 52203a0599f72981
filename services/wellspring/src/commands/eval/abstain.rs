//! How much evidence should an answer need?
//!
//! The setting is the highest one that still declines no more than the wanted share of answerable questions, on one half
//! of them. The other half says what it is worth.
//!
//! Invariants:
//! - What is reported as checked comes from questions that had no part in the fit.
//! - A question with the same evidence with and without its documents is told apart by nothing: no setting is praised for
//!   it.

use anyhow::ensure;
use serde::Serialize;
use wellspring_retrieve::measure::Random;

use super::answers;
use crate::cli::AbstainArguments;
use crate::output;

/// Coverages at which the curve is told.
const COVERAGES: [f64; 8] = [1.0, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.5];

/// What a setting does to a set of questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Effect {
    sufficiency_percent: u32,
    /// The share of answerable questions that are declined.
    false_abstention: f64,
    /// The share of unanswerable ones that are.
    abstention_unanswerable: f64,
}

/// A point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Point {
    sufficiency_percent: u32,
    /// The share of answerable questions that get an answer.
    coverage: f64,
    /// The share of unanswerable ones that do.
    risk: f64,
}

/// What was found.
#[derive(Debug, Serialize)]
struct AbstainReport {
    set: String,
    questions: usize,
    /// On the half that it was fitted on.
    fitted: Effect,
    /// The same setting on the other half.
    checked: Effect,
    /// The default on the other half.
    default: Effect,
    /// Over all questions.
    curve: Vec<Point>,
}

/// Fits and prints.
pub(super) async fn run(arguments: &AbstainArguments, json: bool) -> anyhow::Result<()> {
    let share = arguments.false_abstention;
    ensure!((0.0..=1.0).contains(&share), "--false-abstention is a share from 0 to 1");
    let (set, mut evidence) = answers::sufficiencies(arguments).await?;
    ensure!(evidence.len() >= 4, "{} questions are too few to fit on one half and check on the other", evidence.len());
    Random::new(arguments.set.seed).shuffle(&mut evidence);
    let report = fit(set, &evidence, share);
    if json {
        return output::json(&report);
    }
    print(&report, share);
    Ok(())
}

fn fit(set: String, evidence: &[[f32; 2]], share: f64) -> AbstainReport {
    let (fitting, checking) = evidence.split_at(evidence.len() / 2);
    let percent = highest(fitting, share);
    let curve = COVERAGES.map(|coverage| {
        let effect = effect(evidence, highest(evidence, 1.0 - coverage));
        Point {
            sufficiency_percent: effect.sufficiency_percent,
            coverage: 1.0 - effect.false_abstention,
            risk: 1.0 - effect.abstention_unanswerable,
        }
    });
    AbstainReport {
        set,
        questions: evidence.len(),
        fitted: effect(fitting, percent),
        checked: effect(checking, percent),
        default: effect(checking, 100),
        curve: curve.to_vec(),
    }
}

/// The highest setting that declines no more than a share of the answerable questions; where no unanswerable one lies close
/// below it, the middle of the gap: other questions will lie in it.
fn highest(evidence: &[[f32; 2]], share: f64) -> u32 {
    let mut answerable: Vec<f32> = evidence.iter().map(|[with, _]| *with).collect();
    answerable.sort_by(f32::total_cmp);
    // Rounded down, so that the question at the edge is answered.
    let allowed = ((answerable.len() as f64 * share) as usize).min(answerable.len().saturating_sub(1));
    let edge = answerable.get(allowed).copied().unwrap_or_default();
    let below =
        |side: usize| evidence.iter().map(|found| found[side]).filter(|found| *found < edge).fold(0.0, f32::max);
    let gap = below(0).max(below(1));
    ((edge + gap) / 2.0 * 100.0).ceil().min((edge * 100.0).floor()).clamp(0.0, 1000.0) as u32
}

fn effect(evidence: &[[f32; 2]], sufficiency_percent: u32) -> Effect {
    // As the service decides: nothing at all is never enough.
    let declined = |found: f32| found == 0.0 || found < sufficiency_percent as f32 / 100.0;
    let share = |side: usize| {
        evidence.iter().filter(|found| declined(found[side])).count() as f64 / evidence.len().max(1) as f64
    };
    Effect { sufficiency_percent, false_abstention: share(0), abstention_unanswerable: share(1) }
}

fn print(report: &AbstainReport, share: f64) {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    output::line(format!(
        "{}: {} questions, each with and without the documents that answer it",
        report.set, report.questions
    ));
    let row = |name: &str, effect: &Effect| {
        vec![
            name.to_owned(),
            effect.sufficiency_percent.to_string(),
            percent(effect.false_abstention),
            percent(effect.abstention_unanswerable),
        ]
    };
    let rows = vec![
        row("fitted, on one half", &report.fitted),
        row("the same, on the other", &report.checked),
        row("default, on the other", &report.default),
    ];
    output::table(&["setting", "percent", "answerable declined", "unanswerable declined"], rows);
    output::line("");
    let rows = report
        .curve
        .iter()
        .map(|point| vec![point.sufficiency_percent.to_string(), percent(point.coverage), percent(point.risk)]);
    output::table(&["percent", "coverage", "risk"], rows.collect());
    if report.checked.false_abstention > 2.0 * share {
        output::note(format!(
            "not advised: on the half that it was checked on, {} declines {} of what the documents answer; use more questions",
            report.fitted.sufficiency_percent,
            percent(report.checked.false_abstention)
        ));
        return;
    }
    output::note(format!("set it: answer.sufficiency_percent = {}", report.fitted.sufficiency_percent));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_setting_within_the_share_is_taken_in_the_middle_of_its_gap() {
        let evidence: Vec<[f32; 2]> = (1..=20).map(|n| [n as f32 / 10.0, n as f32 / 20.0]).collect();
        assert_eq!([0.0, 0.1, 1.0].map(|share| highest(&evidence, share)), [8, 28, 195]);
        let found = effect(&evidence, 28);
        assert_eq!((found.false_abstention, found.abstention_unanswerable), (0.1, 0.25));
    }

    #[test]
    fn no_evidence_at_all_is_declined_at_every_setting() {
        let found = effect(&[[0.0, 0.0], [1.0, 0.0]], 0);
        assert_eq!((found.false_abstention, found.abstention_unanswerable), (0.5, 1.0));
    }

    #[test]
    fn the_check_has_no_part_in_the_fit() {
        let evidence = [[1.0, 0.1], [1.2, 0.1], [0.5, 0.1], [0.6, 2.0]];
        let report = fit("s".to_owned(), &evidence, 0.0);
        assert_eq!(report.fitted.sufficiency_percent, 55);
        assert_eq!((report.fitted.false_abstention, report.checked.false_abstention), (0.0, 0.5));
        assert_eq!(report.checked.abstention_unanswerable, 0.5);
        let coverage: Vec<f64> = report.curve.iter().map(|point| point.coverage).collect();
        assert!(coverage.is_sorted_by(|one, other| one >= other), "{coverage:?}");
    }
}
