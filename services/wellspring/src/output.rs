//! How does the terminal hear of it? Tables and progress for people, JSON for programs.
//!
//! Invariants:
//! - Standard output carries the result, standard error the progress and the complaints.
//! - With `--json`, standard output is JSON and nothing else.
#![expect(clippy::print_stderr, reason = "this is the one place that prints")]

use std::io::{IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use wellspring_core::text::is_bidirectional_control;

use crate::client::ClientError;
use crate::config::ConfigError;
use crate::models::{MissingModel, NameError};

/// Prints a line of the result.
pub(crate) fn line(text: impl std::fmt::Display) {
    piece(&format!("{text}\n"));
}

/// Prints a part of the result at once, for a stream. A closed pipe ends the program quietly, as people expect of
/// `| head`.
pub(crate) fn piece(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(harmless(text).as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Text that cannot steer the terminal: documents, titles and file names are whatever their authors made them. Line
/// breaks and tabs stay; other controls, and characters that turn the direction of a line, are shown as their code.
fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    let steers = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_bidirectional_control(c);
    if !text.contains(steers) {
        return text.into();
    }
    let shown = |c: char| if steers(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(shown).collect::<String>().into()
}

/// Prints a note that is not part of the result.
pub(crate) fn note(text: impl std::fmt::Display) {
    eprintln!("{}", harmless(&text.to_string()));
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a table.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    // A line break in a cell would look like a row of its own.
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(|cell| cell.replace(['\n', '\r', '\t'], " "))));
    for row in table.lines() {
        line(row.trim());
    }
}

/// Prints an error, the chain beneath it, and nothing of a backtrace.
pub(crate) fn error(error: &anyhow::Error) {
    if error.is::<NothingFound>() {
        return;
    }
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because {cause}"));
    }
    if let Some(hint) = error.downcast_ref::<ClientError>().and_then(ClientError::hint) {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    eprintln!("{}", harmless(&text));
}

/// A result that is "nothing there": the result has said it already, only the exit code is left to tell.
#[derive(Debug, thiserror::Error)]
#[error("nothing was found")]
pub(crate) struct NothingFound;

/// The exit code of an error, as `wellspring --help` lists them.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let unknown_model = error.is::<NameError>()
        || error.downcast_ref::<MissingModel>().is_some_and(|error| matches!(error, MissingModel::Name(_)));
    if error.is::<ConfigError>() || unknown_model {
        return 2;
    }
    if error.is::<NothingFound>() {
        return 4;
    }
    match error.downcast_ref::<ClientError>() {
        Some(
            ClientError::Address { .. } | ClientError::Key { .. } | ClientError::Refused { status: 400 | 422, .. },
        ) => 2,
        Some(ClientError::Unreachable { .. }) => 3,
        Some(ClientError::Refused { status: 404, .. }) => 4,
        _ => 1,
    }
}

/// Progress of long work: a bar on a terminal, a plain line now and then elsewhere.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    said: std::time::Instant,
}

/// Between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

impl Progress {
    /// Starts; `total` 0 means unknown.
    pub(crate) fn start(what: &'static str, total: u64) -> Self {
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
    pub(crate) fn at(&mut self, done: u64) {
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
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A byte count for people.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_printed_can_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[31mb\r\u{202e}c"), "a\\u{1b}[31mb\\u{d}\\u{202e}c");
        assert_eq!(harmless("plain\ttext\n河"), "plain\ttext\n河");
    }
}
