//! What is said of a run.

use serde_json::{Value, json};

use crate::policies::{Policy, Visits};
use crate::traces::{DAY_MS, HOUR_MS, World};

/// Of one policy in one run; times in hours.
pub(crate) struct Figures {
    /// The mean over sources of their average staleness.
    pub(crate) mean: f64,
    median: f64,
    p95: f64,
    /// The part of the time that a source has nothing unseen, averaged over sources.
    fresh: f64,
    requests: f64,
    /// The longest that any source waited for a visit.
    wait: f64,
    deciding_us: f64,
}

pub(crate) fn figures(world: &World, visits: &Visits, from_day: i64) -> Figures {
    let from_ms = (world.start_ms + from_day * DAY_MS).min(world.end_ms - HOUR_MS);
    let mut staleness = Vec::new();
    let (mut fresh, mut wait_ms) = (0.0, 0);
    for (trace, moments_ms) in world.traces.iter().zip(&visits.moments_ms) {
        let length = (world.end_ms - from_ms) as f64;
        let (mut area, mut stale) = (0.0, 0.0);
        let mut last_ms = world.start_ms;
        for visit_ms in moments_ms.iter().copied().chain([world.end_ms]) {
            wait_ms = wait_ms.max(visit_ms - last_ms);
            let first = trace.changes_ms.partition_point(|change_ms| *change_ms <= last_ms);
            if let Some(change_ms) = trace.changes_ms.get(first).copied().filter(|change_ms| *change_ms < visit_ms) {
                let age = |at_ms: i64| (at_ms - change_ms).max(0) as f64;
                area += (age(visit_ms.max(from_ms)).powi(2) - age(from_ms.min(visit_ms)).powi(2)).max(0.0) / 2.0
                    * f64::from(visit_ms > from_ms);
                stale += (visit_ms - change_ms.max(from_ms)).max(0) as f64;
            }
            last_ms = visit_ms;
        }
        staleness.push(area / length / HOUR_MS as f64);
        fresh += 1.0 - stale / length;
    }
    staleness.sort_by(f64::total_cmp);
    let sources = staleness.len();
    Figures {
        mean: staleness.iter().sum::<f64>() / sources as f64,
        median: staleness[sources / 2],
        p95: staleness[sources * 95 / 100],
        fresh: fresh / sources as f64,
        requests: visits.requests,
        wait: wait_ms as f64 / HOUR_MS as f64,
        deciding_us: visits.deciding.as_secs_f64() * 1e6
            / visits.moments_ms.iter().map(Vec::len).sum::<usize>().max(1) as f64,
    }
}

fn ratio(run: &[(Policy, Figures)], policy: Policy) -> f64 {
    let mean = |wanted: Policy| run.iter().find(|(policy, _)| *policy == wanted).map_or(f64::NAN, |(_, f)| f.mean);
    mean(Policy::Planner) / mean(policy)
}

fn heading(world: &World, requests_per_hour: f64, seed: u64) -> String {
    format!(
        "{} sources, {:.0} days, budget {requests_per_hour:.0} requests/h, seed {seed}",
        world.traces.len(),
        world.hours() / 24.0
    )
}

pub(crate) fn table(world: &World, requests_per_hour: f64, seed: u64, run: &[(Policy, Figures)]) -> String {
    let mut text = heading(world, requests_per_hour, seed);
    text += &format!(
        "\n{:<12} {:>9} {:>9} {:>9} {:>7} {:>9} {:>11}\n",
        "", "mean h", "median h", "p95 h", "fresh", "requests", "worst wait h"
    );
    for (policy, figures) in run {
        text += &format!(
            "{:<12} {:>9.3} {:>9.3} {:>9.3} {:>6.1}% {:>9.0} {:>11.1}\n",
            policy.label(),
            figures.mean,
            figures.median,
            figures.p95,
            figures.fresh * 100.0,
            figures.requests,
            figures.wait
        );
    }
    text += &format!("planner: {:.1} µs a visit to decide\n", run[0].1.deciding_us);
    text
}

pub(crate) fn spread(runs: &[Vec<(Policy, Figures)>]) -> String {
    let mut text =
        format!("mean staleness of the planner, as a part of the others' ({} runs: mean, least, most)", runs.len());
    for policy in [Policy::Fixed, Policy::RoundRobin, Policy::ByKind, Policy::KnownRates] {
        let ratios: Vec<f64> = runs.iter().map(|run| ratio(run, policy)).collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len().max(1) as f64;
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        text += &format!("\n{:<12} {mean:.3}  ({least:.3} to {most:.3})", policy.label());
    }
    text
}

pub(crate) fn json(world: &World, requests_per_hour: f64, seed: u64, run: &[(Policy, Figures)]) -> Value {
    let policies: Vec<Value> = run
        .iter()
        .map(|(policy, figures)| {
            json!({
                "policy": policy.label(),
                "staleness_hours": {"mean": figures.mean, "median": figures.median, "p95": figures.p95},
                "fresh": figures.fresh,
                "requests": figures.requests,
                "worst_wait_hours": figures.wait,
                "planner_to_this": ratio(run, *policy),
            })
        })
        .collect();
    json!({
        "sources": world.traces.len(),
        "days": world.hours() / 24.0,
        "requests_per_hour": requests_per_hour,
        "seed": seed,
        "deciding_us": run[0].1.deciding_us,
        "policies": policies,
    })
}
