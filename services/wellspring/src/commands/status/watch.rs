//! `status --watch`: how far is the work, right now?
//!
//! On a terminal, bars that stay in place; elsewhere a line whenever something has changed; with `--json`, the whole
//! status as one line of JSON whenever something has changed.
//!
//! Invariants:
//! - A service that restarts is waited for: watching ends at Ctrl-C, or when the service was never there.
//! - Rates are of this watch, over the last [`RATE_WINDOW`].

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::Method;
use serde_json::Value;

use crate::client::{Client, ClientError};
use crate::output;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How far back a rate looks.
const RATE_WINDOW: Duration = Duration::from_secs(15);

/// Watches until the program is ended.
pub(super) async fn run(client: &Client, json: bool) -> anyhow::Result<()> {
    let mut shown = Shown::new(json);
    let mut rate = Rate::default();
    let mut met = false;
    loop {
        match client.json::<Value>(client.request(Method::GET, "/v1/status")).await {
            Ok(status) => {
                met = true;
                let embedded = number(&status, "/catalog/chunks_embedded");
                shown.show(&status, rate.after(Instant::now(), embedded))?;
            }
            // A service that was there will be there again; a wrong address never was.
            Err(error @ ClientError::Unreachable { .. }) if met => shown.gone(&error),
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn number(status: &Value, pointer: &str) -> u64 {
    status.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// Passages embedded, by time.
#[derive(Default)]
struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    /// Passages a second, given how many there are now; 0 while there is nothing to compare with.
    fn after(&mut self, now: Instant, count: u64) -> f64 {
        // A service that was set up anew counts from 0 again.
        if self.0.back().is_some_and(|(_, last)| *last > count) {
            self.0.clear();
        }
        self.0.push_back((now, count));
        while self.0.len() > 2 && self.0[1].0 + RATE_WINDOW <= now {
            self.0.pop_front();
        }
        let (then, before) = self.0[0];
        let seconds = now.duration_since(then).as_secs_f64();
        if seconds > 0.0 { (count - before) as f64 / seconds } else { 0.0 }
    }
}

/// The status without what changes from second to second by itself.
fn lasting(status: &Value) -> Value {
    let mut lasting = status.clone();
    if let Some(fields) = lasting.as_object_mut() {
        fields.remove("uptime_seconds");
        fields.remove("memory_bytes");
    }
    lasting
}

/// What the status comes to, for people.
#[derive(Debug, PartialEq)]
struct Summary {
    documents: u64,
    searchable: u64,
    waiting: u64,
    /// Of what was left out or went wrong; empty when nothing was.
    trouble: String,
    /// The generator and the sources.
    parts: String,
}

impl Summary {
    fn of(status: &Value) -> Self {
        let trouble = ["failed", "quarantined", "skipped"]
            .map(|state| (number(status, &format!("/catalog/{state}")), state))
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, state)| format!("{count} {state}"))
            .collect::<Vec<_>>()
            .join(", ");
        let generator = status.pointer("/generator/state").and_then(Value::as_str).unwrap_or("unknown");
        let sources = status.pointer("/sources").and_then(Value::as_array).map_or(0, Vec::len);
        Self {
            documents: number(status, "/catalog/documents"),
            searchable: number(status, "/catalog/searchable"),
            waiting: number(status, "/catalog/pending"),
            trouble,
            parts: format!("generator {generator}, {sources} sources"),
        }
    }
}

/// Where it is shown.
enum Shown {
    Bars { documents: ProgressBar, work: ProgressBar, trouble: ProgressBar, parts: ProgressBar, _all: MultiProgress },
    Lines { last: Option<Summary> },
    Json { last: Option<Value> },
}

impl Shown {
    fn new(json: bool) -> Self {
        if json {
            return Self::Json { last: None };
        }
        if !std::io::stdout().is_terminal() {
            return Self::Lines { last: None };
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let bar = |template: &str| {
            let bar = all.add(ProgressBar::new(0));
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        };
        Self::Bars {
            documents: bar("searchable {wide_bar} {human_pos}/{human_len}"),
            work: bar("work       {msg}"),
            trouble: bar("trouble    {msg}"),
            parts: bar("state      {msg}"),
            _all: all,
        }
    }

    fn show(&mut self, status: &Value, rate: f64) -> anyhow::Result<()> {
        let summary = Summary::of(status);
        match self {
            Self::Bars { documents, work, trouble, parts, .. } => {
                documents.set_length(summary.documents);
                documents.set_position(summary.searchable);
                work.set_message(match summary.waiting {
                    0 => "nothing waits".to_owned(),
                    waiting => format!("{waiting} writes wait, {rate:.1} passages/s"),
                });
                trouble.set_message(if summary.trouble.is_empty() { "none".to_owned() } else { summary.trouble });
                parts.set_message(summary.parts);
            }
            Self::Lines { last } if last.as_ref() != Some(&summary) => {
                let Summary { documents, searchable, waiting, trouble, parts } = &summary;
                let trouble = if trouble.is_empty() { String::new() } else { format!("; {trouble}") };
                output::line(format!(
                    "{searchable} of {documents} documents searchable, {waiting} writes wait, {rate:.1} passages/s\
                     {trouble}; {parts}"
                ));
                *last = Some(summary);
            }
            Self::Json { last } if last.as_ref() != Some(&lasting(status)) => {
                output::json_line(status)?;
                *last = Some(lasting(status));
            }
            Self::Lines { .. } | Self::Json { .. } => {}
        }
        Ok(())
    }

    fn gone(&mut self, error: &ClientError) {
        match self {
            Self::Bars { parts, .. } => parts.set_message(format!("{error}; waiting for it")),
            Self::Lines { last: Some(_) } | Self::Json { last: Some(_) } => {
                output::note(format!("{error}; waiting for it"));
                match self {
                    Self::Lines { last } => *last = None,
                    Self::Json { last } => *last = None,
                    Self::Bars { .. } => {}
                }
            }
            // It was said.
            Self::Lines { .. } | Self::Json { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_look_back_a_little_and_start_anew_with_the_count() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(rate.after(at(0), 100), 0.0);
        assert_eq!(rate.after(at(2), 150), 25.0);
        // The window has moved on: only the last look remains to compare with.
        assert_eq!(rate.after(at(100), 150), 0.0);
        assert_eq!(rate.after(at(101), 5), 0.0);
        assert_eq!(rate.after(at(102), 15), 10.0);
    }

    #[test]
    fn trouble_is_named_only_where_there_is_some() {
        let mut status = json!({
            "uptime_seconds": 7,
            "catalog": { "documents": 9, "searchable": 5, "pending": 2, "failed": 0, "quarantined": 0, "skipped": 0 },
            "generator": { "state": "loading" },
            "sources": [{ "name": "notes" }],
        });
        let summary = Summary::of(&status);
        assert_eq!((summary.documents, summary.searchable, summary.waiting), (9, 5, 2));
        assert_eq!((summary.trouble.as_str(), summary.parts.as_str()), ("", "generator loading, 1 sources"));
        status["catalog"]["failed"] = json!(1);
        status["catalog"]["skipped"] = json!(3);
        assert_eq!(Summary::of(&status).trouble, "1 failed, 3 skipped");
        let before = lasting(&status);
        status["uptime_seconds"] = json!(8);
        assert_eq!(lasting(&status), before);
    }
}
