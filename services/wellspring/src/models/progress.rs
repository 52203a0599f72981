//! How far is it? A bar on a terminal; elsewhere a line at every tenth, and at most one a second.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines: what takes a second needs none.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Hears of long work. One step at a time: `begin`, any number of `reach`, `end`.
pub(crate) trait Progress: Send + Sync {
    /// A step begins, `bytes` long.
    fn begin(&self, what: &str, bytes: u64);
    /// The step has come to this many bytes.
    fn reach(&self, bytes: u64);
    /// The step is over, well or not.
    fn end(&self);
    /// Something to know, such as a source that failed.
    fn note(&self, text: &str);
}

/// Tells a person, on standard error.
pub(crate) struct TerminalProgress {
    terminal: bool,
    step: Mutex<Option<Step>>,
}

struct Step {
    what: String,
    bytes: u64,
    tenths_said: u64,
    said_at: Instant,
    bar: Option<ProgressBar>,
}

impl TerminalProgress {
    /// Draws a bar where standard error is a terminal.
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), step: Mutex::new(None) }
    }

    fn step(&self) -> std::sync::MutexGuard<'_, Option<Step>> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a line to standard error. Progress that cannot be shown is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Progress for TerminalProgress {
    fn begin(&self, what: &str, bytes: u64) {
        let bar = self.terminal.then(|| {
            let template = "{msg:44} {bar:24} {bytes:>10} of {total_bytes:10} {eta:>4}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(bytes).with_style(style).with_message(what.to_owned())
        });
        if bar.is_none() {
            say(&format!("{what}: {}", indicatif::HumanBytes(bytes)));
        }
        *self.step() = Some(Step { what: what.to_owned(), bytes, tenths_said: 0, said_at: Instant::now(), bar });
    }

    fn reach(&self, bytes: u64) {
        let mut step = self.step();
        let Some(step) = step.as_mut() else { return };
        if let Some(bar) = &step.bar {
            bar.set_position(bytes);
            return;
        }
        let tenths = bytes.saturating_mul(10) / step.bytes.max(1);
        if tenths > step.tenths_said && step.said_at.elapsed() >= LINE_INTERVAL {
            step.tenths_said = tenths;
            step.said_at = Instant::now();
            say(&format!("{}: {}0 %", step.what, tenths));
        }
    }

    fn end(&self) {
        if let Some(Step { bar: Some(bar), .. }) = self.step().take() {
            bar.finish_and_clear();
        }
    }

    fn note(&self, text: &str) {
        match self.step().as_ref().and_then(|step| step.bar.as_ref()) {
            Some(bar) => bar.println(text),
            None => say(text),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Remembers what was said.
    #[derive(Default)]
    pub(in crate::models) struct Heard(pub(in crate::models) Mutex<Vec<String>>);

    impl Progress for Heard {
        fn begin(&self, what: &str, _: u64) {
            self.0.lock().unwrap().push(what.to_owned());
        }

        fn reach(&self, _: u64) {}

        fn end(&self) {}

        fn note(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}
