//! When do sources change? Read from a file, or made up from a seed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};

use jiff::Timestamp;
use serde_json::Value;
use wellspring_core::source::Origin;
use wellspring_ingest::schedule::Nature;

pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// A Monday.
const START_MS: i64 = 20_458 * DAY_MS;

/// A source and all its changes.
pub(crate) struct Trace {
    pub(crate) kind: &'static str,
    pub(crate) nature: Nature,
    /// Rising.
    pub(crate) changes_ms: Vec<i64>,
}

/// All sources over a stretch of time.
pub(crate) struct World {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) traces: Vec<Trace>,
}

impl World {
    pub(crate) fn hours(&self) -> f64 {
        (self.end_ms - self.start_ms) as f64 / HOUR_MS as f64
    }

    /// Requests of one visit to every source.
    pub(crate) fn requests_of_a_round(&self) -> f64 {
        self.traces.iter().map(|trace| trace.nature.requests).sum()
    }

    /// Sources of every habit: steady ones from minutes to months, some that sleep at night and at weekends, some in
    /// bursts, dead ones, and some that take up another habit every ten days.
    pub(crate) fn made_up(sources: usize, days: i64, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let end_ms = START_MS + days * DAY_MS;
        let traces = (0..sources)
            .map(|_| {
                let kind = match random.f64() {
                    part if part < 0.60 => "feed",
                    part if part < 0.92 => "page",
                    _ => "site",
                };
                let mut changes_ms = match random.f64() {
                    part if part < 0.35 => steady(&mut random, START_MS, end_ms),
                    part if part < 0.60 => by_day(&mut random, end_ms),
                    part if part < 0.75 => in_bursts(&mut random, end_ms),
                    part if part < 0.88 => of_changing_habits(&mut random, end_ms),
                    _ => Vec::new(),
                };
                changes_ms.sort_unstable();
                trace(kind, changes_ms)
            })
            .collect();
        Self { start_ms: START_MS, end_ms, traces }
    }

    /// From JSON lines `{"source", "kind", "changes": [times]}`.
    pub(crate) fn from_trace(path: &str) -> Result<Self, String> {
        let mut traces = Vec::new();
        for line in lines(path)? {
            let kind = match line["kind"].as_str() {
                Some("page") => "page",
                Some("site") => "site",
                _ => "feed",
            };
            let changes = line["changes"].as_array().ok_or("a line of the trace has no list of changes")?;
            let changes = changes.iter().map(moment).collect::<Result<Vec<_>, _>>()?;
            traces.push(trace(kind, changes));
        }
        Self::around(traces)
    }

    /// From JSON lines `{"date", "changes": [{"path"}]}`: each path is a page.
    pub(crate) fn from_commits(path: &str, strangers: bool) -> Result<Self, String> {
        let mut pages: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for line in lines(path)? {
            let at_ms = moment(&line["date"])?;
            for change in line["changes"].as_array().ok_or("a commit has no list of changes")? {
                let page = change["path"].as_str().ok_or("a change has no path")?;
                pages.entry(page.to_owned()).or_default().push(at_ms);
            }
        }
        // All lie on one host, as the pages of one project do, unless each is to be alone.
        let host = (!strangers).then_some(0);
        let page = |changes_ms| {
            let page = trace("page", changes_ms);
            Trace { nature: Nature { host, ..page.nature }, ..page }
        };
        Self::around(pages.into_values().map(page).collect())
    }

    fn around(mut traces: Vec<Trace>) -> Result<Self, String> {
        for trace in &mut traces {
            trace.changes_ms.sort_unstable();
        }
        let start_ms = traces.iter().filter_map(|trace| trace.changes_ms.first()).min();
        let end_ms = traces.iter().filter_map(|trace| trace.changes_ms.last()).max();
        match (start_ms, end_ms) {
            (Some(start_ms), Some(end_ms)) => {
                Ok(Self { start_ms: start_ms - HOUR_MS, end_ms: end_ms + DAY_MS, traces })
            }
            _ => Err("the trace has no changes".to_owned()),
        }
    }
}

fn trace(kind: &'static str, changes_ms: Vec<i64>) -> Trace {
    let url = String::new();
    let nature = match kind {
        "page" => Nature::of(&Origin::Page { url }),
        "site" => Nature::of(&Origin::Site { url, sitemap: None, depth_max: 1, pages_max: 20 }),
        _ => Nature::of(&Origin::Feed { url, articles: false }),
    };
    Trace { kind, nature, changes_ms }
}

fn lines(path: &str) -> Result<Vec<Value>, String> {
    let failed = |error: io::Error| format!("cannot read {path}: {error}");
    let bytes = fs::read(path).map_err(failed)?;
    let mut text = String::new();
    let read = if path.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text)
    } else {
        (&bytes[..]).read_to_string(&mut text)
    };
    read.map_err(failed)?;
    let parse = |line: &str| serde_json::from_str(line).map_err(|error| format!("{path}: {error}"));
    text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}

/// A time as text, or in seconds since 1970.
fn moment(value: &Value) -> Result<i64, String> {
    let wrong = || "a time is neither RFC 3339 nor seconds since 1970".to_owned();
    match value {
        Value::String(text) => text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| wrong()),
        other => other.as_f64().map(|seconds| (seconds * 1000.0) as i64).ok_or_else(wrong),
    }
}

/// Changes an hour: half of all sources change less than once a day, some every few minutes, some in months.
fn any_rate(random: &mut fastrand::Rng) -> f64 {
    let normal = (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos();
    ((1.0f64 / 24.0).ln() + 2.0 * normal).exp().clamp(1.0 / 4000.0, 10.0)
}

fn pause_ms(random: &mut fastrand::Rng, rate: f64) -> i64 {
    (-(1.0 - random.f64()).ln() / rate * HOUR_MS as f64) as i64 + 1
}

fn steady(random: &mut fastrand::Rng, from_ms: i64, to_ms: i64) -> Vec<i64> {
    let rate = any_rate(random);
    let mut at_ms = from_ms + pause_ms(random, rate);
    let mut changes_ms = Vec::new();
    while at_ms < to_ms {
        changes_ms.push(at_ms);
        at_ms += pause_ms(random, rate);
    }
    changes_ms
}

/// Ten working hours in one of 24 time zones; a tenth as much at night, a quarter at weekends.
fn by_day(random: &mut fastrand::Rng, end_ms: i64) -> Vec<i64> {
    let rate = any_rate(random) * 2.0;
    let zone = random.i64(0..24);
    let mut at_ms = START_MS;
    let mut changes_ms = Vec::new();
    while at_ms < end_ms {
        at_ms += pause_ms(random, rate);
        let local = at_ms / HOUR_MS + zone;
        let awake = if (8..18).contains(&(local % 24)) { 1.0 } else { 0.1 };
        // The first of January 1970 was a Thursday.
        let working = if (local / 24 + 3) % 7 < 5 { 1.0 } else { 0.25 };
        if at_ms < end_ms && random.f64() < awake * working {
            changes_ms.push(at_ms);
        }
    }
    changes_ms
}

/// Bursts of 3 to 30 changes within three hours.
fn in_bursts(random: &mut fastrand::Rng, end_ms: i64) -> Vec<i64> {
    let rate = any_rate(random) / 4.0;
    let mut at_ms = START_MS + pause_ms(random, rate);
    let mut changes_ms = Vec::new();
    while at_ms < end_ms {
        for _ in 0..random.u32(3..30) {
            changes_ms.push((at_ms + random.i64(0..3 * HOUR_MS)).min(end_ms - 1));
        }
        at_ms += pause_ms(random, rate);
    }
    changes_ms
}

fn of_changing_habits(random: &mut fastrand::Rng, end_ms: i64) -> Vec<i64> {
    let mut from_ms = START_MS - random.i64(0..10 * DAY_MS);
    let mut changes_ms = Vec::new();
    while from_ms < end_ms {
        let to_ms = (from_ms + 10 * DAY_MS).min(end_ms);
        if random.f64() < 0.7 {
            changes_ms.extend(steady(random, from_ms, to_ms).into_iter().filter(|at_ms| *at_ms > START_MS));
        }
        from_ms = to_ms;
    }
    changes_ms
}
