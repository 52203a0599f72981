//! Is the difference between two runs more than chance?

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;
use serde::Serialize;
use wellspring_retrieve::measure::{Comparison, compare};

use super::run::{self, RunScores};
use crate::cli::Arm;
use crate::output;

/// Which arms are compared with which.
pub(super) struct Pairing<'a> {
    /// Of the run after; all that it has when empty.
    pub(super) arms: &'a [Arm],
    /// Of the run before; the same arm when `None`.
    pub(super) against: Option<Arm>,
    pub(super) seed: u64,
}

/// What was compared.
#[derive(Debug, Serialize)]
struct CompareReport {
    metric: &'static str,
    /// Queries that only one of the runs has.
    queries_of_one_run: usize,
    arms: BTreeMap<Arm, Comparison>,
}

/// Compares two runs and prints.
pub(super) fn run(a: &Path, b: &Path, pairing: &Pairing<'_>, json: bool) -> anyhow::Result<()> {
    let (before, after) = (run::read(a)?, run::read(b)?);
    let report = compared(&before, &after, pairing);
    if report.arms.is_empty() {
        bail!("the two runs have no query and arm in common");
    }
    if json {
        return output::json(&report);
    }
    let header = ["ndcg@10", "queries", "a", "b", "b - a", "95 % from", "to", "p"];
    let rows = report.arms.iter().map(|(arm, Comparison { queries, before, after, difference, interval, p })| {
        let name = match pairing.against {
            Some(against) => format!("{} against {}", arm.as_str(), against.as_str()),
            None => arm.as_str().to_owned(),
        };
        let [from, to] = interval;
        let means = [format!("{before:.4}"), format!("{after:.4}")];
        let differences = [difference, from, to].map(|value| format!("{value:+.4}"));
        [name, queries.to_string()].into_iter().chain(means).chain(differences).chain([format!("{p:.4}")]).collect()
    });
    output::table(&header, rows.collect());
    if report.queries_of_one_run > 0 {
        output::note(format!("{} queries are in one of the runs only, and left out", report.queries_of_one_run));
    }
    Ok(())
}

fn compared(before: &RunScores, after: &RunScores, pairing: &Pairing<'_>) -> CompareReport {
    let mut common: Vec<&String> = before.keys().filter(|query| after.contains_key(*query)).collect();
    // The drawing depends on the order, and a map has none.
    common.sort_unstable();
    let mut pairs: BTreeMap<Arm, Vec<(f64, f64)>> = BTreeMap::new();
    for query in &common {
        for (arm, scores) in &after[*query] {
            let wanted = pairing.arms.is_empty() || pairing.arms.contains(arm);
            let earlier = before[*query].get(&pairing.against.unwrap_or(*arm));
            if let (true, Some(earlier)) = (wanted, earlier) {
                pairs.entry(*arm).or_default().push((earlier.ndcg_at_10, scores.ndcg_at_10));
            }
        }
    }
    CompareReport {
        metric: "ndcg@10",
        queries_of_one_run: before.len() + after.len() - 2 * common.len(),
        arms: pairs.into_iter().map(|(arm, pairs)| (arm, compare(&pairs, pairing.seed))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use wellspring_retrieve::measure::Scores;

    use super::*;

    fn scores(queries: std::ops::Range<u32>, score: impl Fn(u32, Arm) -> f64) -> RunScores {
        let of = |n, arm| (arm, Scores { ndcg_at_10: score(n, arm), ..Scores::default() });
        queries.map(|n| (format!("q{n}"), BTreeMap::from([of(n, Arm::Keyword), of(n, Arm::Hybrid)]))).collect()
    }

    #[test]
    fn each_arm_is_compared_with_itself_over_the_queries_of_both() {
        let before = scores(0..50, |n, _| f64::from(n % 5) / 10.0);
        let after = scores(10..60, |n, arm| f64::from(n % 5) / 10.0 + if arm == Arm::Hybrid { 0.1 } else { 0.0 });
        let report = compared(&before, &after, &Pairing { arms: &[], against: None, seed: 1 });
        assert_eq!(report.queries_of_one_run, 20);
        assert_eq!((report.arms[&Arm::Keyword].queries, report.arms[&Arm::Keyword].p), (40, 1.0));
        let hybrid = report.arms[&Arm::Hybrid];
        assert!((hybrid.difference - 0.1).abs() < 1e-9 && hybrid.p < 0.01, "{hybrid:?}");
    }

    #[test]
    fn an_arm_is_compared_with_another_of_the_same_run() {
        let run = scores(0..50, |n, arm| f64::from(n % 5) / 10.0 + if arm == Arm::Hybrid { 0.1 } else { 0.0 });
        let report = compared(&run, &run, &Pairing { arms: &[Arm::Hybrid], against: Some(Arm::Keyword), seed: 1 });
        assert_eq!(report.arms.len(), 1);
        assert!((report.arms[&Arm::Hybrid].difference - 0.1).abs() < 1e-9);
        let nothing = compared(&run, &scores(90..95, |_, _| 0.0), &Pairing { arms: &[], against: None, seed: 1 });
        assert!(nothing.arms.is_empty());
    }
}
