//! Who is visited when?

use jiff::Timestamp;
use wellspring_core::source::{SourceName, Visit};
use wellspring_ingest::schedule::{Learnt, Planner, PollBudget};

use crate::traces::{HOUR_MS, World};

/// Ways to poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Planner,
    Fixed,
    RoundRobin,
    ByKind,
    KnownRates,
}

impl Policy {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Fixed => "fixed",
            Self::RoundRobin => "round robin",
            Self::ByKind => "by kind",
            Self::KnownRates => "known rates",
        }
    }
}

/// What came of it.
pub(crate) struct Visits {
    /// The moments of each source's visits, rising.
    pub(crate) moments_ms: Vec<Vec<i64>>,
    pub(crate) requests: f64,
    /// What the planner took to decide, all in all.
    pub(crate) deciding: std::time::Duration,
}

pub(crate) fn run(world: &World, policy: Policy, requests_per_hour: f64, seed: u64) -> Result<Visits, String> {
    let mut random = fastrand::Rng::with_seed(seed ^ 0x5eed);
    let shares: Vec<f64> = match policy {
        Policy::Planner => return planned(world, requests_per_hour, seed),
        Policy::RoundRobin => return Ok(in_turn(world, requests_per_hour, &mut random)),
        Policy::Fixed => vec![1.0; world.traces.len()],
        Policy::ByKind => world.traces.iter().map(|trace| if trace.kind == "feed" { 4.0 } else { 1.0 }).collect(),
        Policy::KnownRates => known_rates(world, requests_per_hour),
    };
    let spent: f64 = world.traces.iter().zip(&shares).map(|(trace, share)| trace.nature.requests * share).sum();
    let mut visits = nobody(world);
    for (place, (trace, share)) in world.traces.iter().zip(&shares).enumerate() {
        let interval_ms = spent / share / requests_per_hour * HOUR_MS as f64;
        let mut at_ms = world.start_ms as f64 + random.f64() * interval_ms;
        while at_ms < world.end_ms as f64 {
            visits.moments_ms[place].push(at_ms as i64);
            visits.requests += trace.nature.requests;
            at_ms += interval_ms;
        }
    }
    Ok(visits)
}

fn nobody(world: &World) -> Visits {
    Visits { moments_ms: vec![Vec::new(); world.traces.len()], requests: 0.0, deciding: Default::default() }
}

fn planned(world: &World, requests_per_hour: f64, seed: u64) -> Result<Visits, String> {
    let moment = |ms: i64| Timestamp::from_millisecond(ms).map_err(|error| error.to_string());
    let budget = PollBudget::new(requests_per_hour, 1e5).map_err(|error| error.to_string())?;
    let start = moment(world.start_ms)?;
    let began = std::time::Instant::now();
    let mut planner = Planner::new(budget, seed, start);
    let mut names: Vec<SourceName> = Vec::new();
    for (place, trace) in world.traces.iter().enumerate() {
        let name: SourceName = format!("s{place}").parse().map_err(|_| "a name is not one")?;
        planner.upsert(&name, trace.nature, Learnt::new(trace.nature), false, start);
        names.push(name);
    }
    let mut visits = nobody(world);
    let mut now = start;
    while let Some(next) = planner.next(now) {
        now = next.at;
        let now_ms = now.as_millisecond();
        if now_ms >= world.end_ms {
            break;
        }
        let place: usize = next.name.as_str()[1..].parse().map_err(|_| "a name is not one")?;
        let trace = &world.traces[place];
        let last_ms = visits.moments_ms[place].last().copied().unwrap_or(i64::MIN);
        let until = |ms: i64| trace.changes_ms.partition_point(|change_ms| *change_ms <= ms);
        let visit = Visit {
            began_at: now,
            took_ms: 0,
            requests: trace.nature.requests as u64,
            wire_bytes: 2000,
            items: 1,
            changed: (until(now_ms) - until(last_ms)) as u64,
            deleted: 0,
            failed: 0,
            passed_over: 0,
            left_out: 0,
            left_out_names: Vec::new(),
            errors: Vec::new(),
            complete: true,
            not_before: None,
            hub: None,
            topic: None,
        };
        planner.begin(&next.name, now);
        planner.record(&next.name, &visit, visit.changed as f64 * 0.1, now);
        visits.moments_ms[place].push(now_ms);
        visits.requests += trace.nature.requests;
    }
    visits.deciding = began.elapsed();
    Ok(visits)
}

fn in_turn(world: &World, requests_per_hour: f64, random: &mut fastrand::Rng) -> Visits {
    let mut order: Vec<usize> = (0..world.traces.len()).collect();
    random.shuffle(&mut order);
    let mut visits = nobody(world);
    let mut at_ms = world.start_ms as f64;
    for place in order.into_iter().cycle() {
        let requests = world.traces[place].nature.requests;
        at_ms += requests / requests_per_hour * HOUR_MS as f64;
        if at_ms >= world.end_ms as f64 {
            break;
        }
        visits.moments_ms[place].push(at_ms as i64);
        visits.requests += requests;
    }
    visits
}

/// Visits an hour for each source that make the average age least, by the closed form for a Poisson process.
fn known_rates(world: &World, requests_per_hour: f64) -> Vec<f64> {
    let hours = world.hours();
    let shares = |price: f64| -> Vec<f64> {
        let share = |trace: &crate::traces::Trace| {
            // Bursts count as one event: changes within three hours of the one before belong to it.
            let events = 1 + trace.changes_ms.windows(2).filter(|pair| pair[1] - pair[0] > 3 * HOUR_MS).count();
            let changes = trace.changes_ms.len();
            let rate = if changes as f64 / hours > 0.2 { changes as f64 } else { events.min(changes) as f64 } / hours;
            1.0 / interval(rate, price * trace.nature.requests, hours)
        };
        world.traces.iter().map(share).collect()
    };
    let (mut low, mut high) = (1e-9f64, 1e9f64);
    for _ in 0..80 {
        let price = (low * high).sqrt();
        let spent: f64 =
            world.traces.iter().zip(shares(price)).map(|(trace, share)| trace.nature.requests * share).sum();
        if spent > requests_per_hour { low = price } else { high = price }
    }
    shares(high)
}

/// Where `T A(T) - G(T)` reaches the toll.
fn interval(rate: f64, toll: f64, longest: f64) -> f64 {
    let worth = |t: f64| {
        let x = rate * t;
        // The series where the closed form would lose all digits.
        if x < 1e-3 { rate * t * t * t / 3.0 } else { t * t / 2.0 - (1.0 - (-x).exp() * (1.0 + x)) / (rate * rate) }
    };
    let (mut low, mut high) = (1.0 / 60.0, longest);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if worth(middle) < toll { low = middle } else { high = middle }
    }
    high
}
