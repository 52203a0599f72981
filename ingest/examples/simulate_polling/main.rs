//! How stale do sources get under each way of polling, at the same number of requests?
//!
//! ```text
//! cargo run --release -p wellspring-ingest --example simulate_polling -- [options]
//!
//!   --trace FILE            JSON lines {"source", "kind": feed|page|site, "changes": [times]} instead of made-up sources
//!   --commits FILE          JSON lines {"date", "changes": [{"path"}]}, .gz too: each path is a page of one host, which
//!                           changes with its commits
//!   --strangers             the same pages, each on a host of its own
//!   --sources N             made-up sources (1000)
//!   --days N                how long (60)
//!   --requests-per-hour R   the budget; by default as many as let each source be visited four times a day
//!   --seeds K               runs with seeds 1 to K (3)
//!   --from-day N            measure from this day on, after learning (0: all, learning included)
//!   --json                  one JSON object for each run instead of tables
//! ```
//!
//! A source's staleness at a moment is the age of the oldest change that was not seen yet, zero if there is none. All
//! are in step at the beginning, where nothing is known of them. The planner runs first; the others get exactly the
//! requests that it used.
//!
//! - `planner`: `wellspring_ingest::schedule`, as the service runs it.
//! - `fixed`: one interval for all, beginning anywhere in it.
//! - `round robin`: one after the other, as the budget allows.
//! - `by kind`: a feed is visited four times as often as a page, a page as often as a site; what people set by hand.
//! - `known rates`: the best fixed interval for each source by its true average rate, which nobody knows beforehand.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod policies;
mod report;
mod traces;

use std::process::ExitCode;

use policies::{Policy, run};
use report::{Figures, figures};
use traces::World;

const USAGE: &str = "usage: simulate_polling [--trace FILE | --commits FILE [--strangers]] [--sources N] [--days N] \
                     [--requests-per-hour R] [--seeds K] [--from-day N] [--json]";

/// What the command line asks for.
struct Options {
    trace: Option<String>,
    commits: Option<String>,
    strangers: bool,
    sources: usize,
    days: i64,
    requests_per_hour: Option<f64>,
    seeds: u64,
    from_day: i64,
    json: bool,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| simulate(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        trace: None,
        commits: None,
        strangers: false,
        sources: 1000,
        days: 60,
        requests_per_hour: None,
        seeds: 3,
        from_day: 0,
        json: false,
    };
    while let Some(word) = words.next() {
        if word == "--json" {
            options.json = true;
            continue;
        }
        if word == "--strangers" {
            options.strangers = true;
            continue;
        }
        let value = words.next().ok_or(USAGE)?;
        let number = || value.parse::<f64>().map_err(|_| format!("{word} wants a number\n{USAGE}"));
        match word.as_str() {
            "--trace" => options.trace = Some(value),
            "--commits" => options.commits = Some(value),
            "--sources" => options.sources = number()? as usize,
            "--days" => options.days = number()? as i64,
            "--requests-per-hour" => options.requests_per_hour = Some(number()?),
            "--seeds" => options.seeds = number()? as u64,
            "--from-day" => options.from_day = number()? as i64,
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(options)
}

fn simulate(options: &Options) -> Result<(), String> {
    let mut runs = Vec::new();
    for seed in 1..=options.seeds {
        let world = match (&options.trace, &options.commits) {
            (Some(path), _) => World::from_trace(path)?,
            (None, Some(path)) => World::from_commits(path, options.strangers)?,
            (None, None) => World::made_up(options.sources, options.days, seed),
        };
        let requests_per_hour = options.requests_per_hour.unwrap_or(world.requests_of_a_round() * 4.0 / 24.0);
        let run = compare(&world, requests_per_hour, options.from_day, seed)?;
        match options.json {
            true => println!("{}", report::json(&world, requests_per_hour, seed, &run)),
            false => println!("{}", report::table(&world, requests_per_hour, seed, &run)),
        }
        runs.push(run);
    }
    if !options.json {
        println!("{}", report::spread(&runs));
    }
    Ok(())
}

fn compare(world: &World, requests_per_hour: f64, from_day: i64, seed: u64) -> Result<Vec<(Policy, Figures)>, String> {
    let planned = run(world, Policy::Planner, requests_per_hour, seed)?;
    let used = planned.requests / world.hours();
    let mut all = vec![(Policy::Planner, figures(world, &planned, from_day))];
    for policy in [Policy::Fixed, Policy::RoundRobin, Policy::ByKind, Policy::KnownRates] {
        all.push((policy, figures(world, &run(world, policy, used, seed)?, from_day)));
    }
    Ok(all)
}
