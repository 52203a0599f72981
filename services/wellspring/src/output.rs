//! How does the terminal hear of it? Tables and progress for people, JSON for programs.
//!
//! Invariants:
//! - Standard output carries the result, standard error the progress and the complaints.
//! - With `--json`, standard output is JSON and nothing else.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the one place that prints")]

use std::io::{IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::client::ClientError;
use crate::config::ConfigError;

/// Prints a line of the result.
pub fn line(text: impl std::fmt::Display) {
    println!("{text}");
}

/// Prints a part of the result at once, for a stream. A closed pipe ends the program quietly, as people expect of
/// `| head`.
pub fn piece(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints a note that is not part of the result.
pub fn note(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Prints a value as indented JSON.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a table.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    table.add_rows(rows);
    for row in table.lines() {
        line(row.trim_end());
    }
}

/// Prints an error, the chain beneath it, and nothing of a backtrace.
pub fn error(error: &anyhow::Error) {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because {cause}"));
    }
    if let Some(hint) = error.downcast_ref::<ClientError>().and_then(ClientError::hint) {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    eprintln!("{text}");
}

/// A result that is "nothing there": it has been said already.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NothingFound(pub String);

/// The exit code of an error, as `wellspring --help` lists them.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() {
        return 2;
    }
    if error.is::<NothingFound>() {
        return 4;
    }
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Unreachable { .. }) => 3,
        Some(ClientError::Refused { status: 404, .. }) => 4,
        _ => 1,
    }
}

/// Progress of long work: a bar on a terminal, a plain line now and then elsewhere.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    said: std::time::Instant,
}

/// Between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

impl Progress {
    /// Starts; `total` 0 means unknown.
    pub fn start(what: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let (bar, template) = match total {
                0 => (ProgressBar::new_spinner(), "{spinner} {msg} {human_pos} ({per_sec})"),
                _ => (ProgressBar::new(total), "{msg} {wide_bar} {human_pos}/{human_len} ({per_sec}, {eta} left)"),
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(what);
            bar
        });
        Self { bar, what, said: std::time::Instant::now() }
    }

    /// Says how far it is.
    pub fn at(&mut self, done: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None if self.said.elapsed() >= PLAIN_INTERVAL => {
                self.said = std::time::Instant::now();
                eprintln!("{}: {done}", self.what);
            }
            None => {}
        }
    }

    /// Ends; the line above remains for what was said meanwhile.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A byte count for people.
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}
