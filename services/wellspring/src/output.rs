//! How does the terminal hear of it? Tables and progress for people, JSON for programs.
//!
//! Invariants:
//! - Standard output carries the result, standard error the progress and the complaints.
//! - With `--json`, standard output is JSON and nothing else, and so is an error on standard error.
//! - A result that could not be written is a failure, unless whoever read it left.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use wellspring_core::source::SourceError;
use wellspring_core::text::is_bidirectional_control;
use wellspring_core::webhook::WebhookIdError;
use wellspring_ingest::source::registry::DeclareError;

use crate::cli::Cli;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::models::{MissingModel, NameError};

/// Prints a line of the result.
pub(crate) fn line(text: impl std::fmt::Display) {
    piece(&format!("{text}\n"));
}

/// Prints a part of the result at once, for a stream.
pub(crate) fn piece(text: &str) {
    write(&harmless(text));
}

/// Writes to standard output. A closed pipe ends the program quietly, as people expect of `| head`; any other failure,
/// such as a full disk, ends it with the exit code of one.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(failure) if failure.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(failure) => {
            complain(&format!("error: the result could not be written: {failure}"));
            std::process::exit(1);
        }
    }
}

/// Writes a line to standard error. Where nobody can hear it, there is nobody to tell.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Text that cannot steer the terminal: documents, titles and file names are whatever their authors made them. Line
/// breaks and tabs stay; other controls, and characters that turn the direction of a line, are shown as their code.
fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(steers) {
        return text.into();
    }
    let shown = |c: char| if steers(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(shown).collect::<String>().into()
}

/// Whether a character steers a terminal. Line breaks and tabs do no harm.
fn steers(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || is_bidirectional_control(c)
}

/// The same for JSON, whose strings have an escape of their own; outside of strings there are no such characters.
fn harmless_json(text: &str) -> String {
    // Every character that steers lies in the first plane: one escape of four digits says it.
    let shown = |c: char| if steers(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// Prints a note that is not part of the result.
pub(crate) fn note(text: impl std::fmt::Display) {
    complain(&harmless(&text.to_string()));
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    write(&harmless_json(&(serde_json::to_string_pretty(value)? + "\n")));
    Ok(())
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    write(&harmless_json(&(serde_json::to_string(value)? + "\n")));
    Ok(())
}

/// The most characters of a name or a title in a table: one that is longer would push everything else aside.
const SHORT_CHARACTERS: usize = 60;

/// A name or a title for a table, its middle left out where it is long: `--json` has all of it.
pub(crate) fn short(text: &str) -> String {
    let count = text.chars().count();
    if count <= SHORT_CHARACTERS {
        return text.to_owned();
    }
    let (head, tail) = (SHORT_CHARACTERS * 2 / 3, SHORT_CHARACTERS / 3 - 1);
    let begin: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{begin}…{end}")
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

/// Prints an error, the chain beneath it, and nothing of a backtrace; as JSON, in the form of the API's errors.
pub(crate) fn error(error: &anyhow::Error, json: bool) {
    if error.is::<NothingFound>() {
        return;
    }
    let client = error.downcast_ref::<ClientError>();
    if json {
        let code = match client {
            Some(ClientError::Refused { code, .. }) => code,
            Some(ClientError::Unreachable { .. }) => "no_server",
            _ if exit_code(error) == 2 => "wrong_usage",
            _ => "failed",
        };
        let message = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let hint = client.and_then(ClientError::hint).unwrap_or_default();
        let body = serde_json::json!({ "error": { "code": code, "message": message, "hint": hint } });
        return complain(&harmless_json(&body.to_string()));
    }
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because {cause}"));
    }
    if let Some(hint) = client.and_then(ClientError::hint) {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    complain(&harmless(&text));
}

/// The text of a wrong command line, without the commands that are not for people: the library lists those too.
fn usage_text(usage: &clap::Error) -> String {
    let mut text = usage.render().to_string();
    for hidden in Cli::command().get_subcommands().filter(|command| command.is_hide_set()) {
        text = text.replace(&format!(", {}", hidden.get_name()), "");
    }
    text
}

/// Prints what the command line came to when it is no command: help, or what is wrong with it. Returns the exit code.
pub(crate) fn usage(usage: &clap::Error) -> ExitCode {
    let wrong = usage.use_stderr();
    if wrong && std::env::args_os().any(|argument| argument == "--json") {
        let text = usage_text(usage);
        let message = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let body = serde_json::json!({ "error": {
            "code": "wrong_usage", "message": message.trim(), "hint": "`wellspring --help` lists the commands",
        } });
        complain(&harmless_json(&body.to_string()));
        return ExitCode::from(2);
    }
    if usage.kind() == clap::error::ErrorKind::MissingSubcommand {
        complain(usage_text(usage).trim_end());
        return ExitCode::from(2);
    }
    let printed = usage.print();
    let lost = printed.is_err_and(|failure| failure.kind() != std::io::ErrorKind::BrokenPipe);
    ExitCode::from(if wrong { 2 } else { u8::from(lost) })
}

/// A result that is "nothing there": the result has said it already, only the exit code is left to tell.
#[derive(Debug, thiserror::Error)]
#[error("nothing was found")]
pub(crate) struct NothingFound;

/// A signal told a measurement to end.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; the queries until then are in the file of --per-query, where one was named")]
pub(crate) struct Interrupted;

/// The exit code of an error, as `wellspring --help` lists them.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let unknown_model = error.is::<NameError>()
        || error.downcast_ref::<MissingModel>().is_some_and(|error| matches!(error, MissingModel::Name(_)));
    let unusable_source = error
        .downcast_ref::<DeclareError>()
        .is_some_and(|error| matches!(error.error, SourceError::Invalid(_) | SourceError::Exists));
    if error.is::<ConfigError>() || error.is::<WebhookIdError>() || unknown_model || unusable_source {
        return 2;
    }
    if error.is::<NothingFound>() {
        return 4;
    }
    if error.is::<Interrupted>() {
        return 130;
    }
    match error.downcast_ref::<ClientError>() {
        // What became of a document is no fault of the command line.
        Some(ClientError::Refused { status: 422, code, .. }) if code.starts_with("document_") => 1,
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
                complain(&format!("{}: {done}", self.what));
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

    #[test]
    fn a_long_name_is_cut_in_the_middle_and_a_short_one_is_not() {
        let long = format!("reports/{}/q3.pdf", "河".repeat(600));
        let shown = short(&long);
        assert_eq!(shown.chars().count(), SHORT_CHARACTERS);
        assert!(shown.starts_with("reports/") && shown.contains('…') && shown.ends_with("/q3.pdf"), "{shown}");
        assert_eq!(short("notes/a.md"), "notes/a.md");
    }

    #[test]
    fn what_became_of_a_document_is_no_wrong_usage() {
        let refused = |status, code: &str| {
            let (code, message, hint) = (code.to_owned(), String::new(), String::new());
            exit_code(&ClientError::Refused { status, code, message, hint }.into())
        };
        assert_eq!(refused(422, "document_failed"), 1);
        assert_eq!(refused(422, "document_skipped"), 1);
        assert_eq!(refused(409, "not_failed"), 1);
        assert_eq!(refused(410, "content_gone"), 1);
        assert_eq!(refused(422, "invalid_field"), 2);
        assert_eq!(refused(404, "unknown_document"), 4);
    }

    #[test]
    fn json_stays_json_whatever_it_holds() {
        let text = "a\u{1b}b\u{202e}c\u{85}d\n河";
        let printed = harmless_json(&serde_json::to_string(text).unwrap());
        assert!(!printed.contains(steers));
        assert_eq!(serde_json::from_str::<String>(&printed).unwrap(), text);
    }
}
