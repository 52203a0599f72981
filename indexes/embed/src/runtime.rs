//! Which ONNX Runtime does this process use?
//!
//! Invariants:
//! - A process holds one runtime, loaded once from one path; a failed load leaves the next attempt free.
//! - Nothing is sent anywhere: the library is not even loaded while it would report to its vendor, and its messages go to
//!   the log.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use wellspring_core::embedding::{EmbedError, EmbedErrorKind};

use crate::files;

/// The environment variable that must be set before the library is loaded: it reports to its vendor from then on, whatever
/// it is told later.
pub const NO_TELEMETRY: &str = "ORT_DISABLE_TELEMETRY";

/// The loaded runtime and where it came from. Kept for the life of the process: it can be built only once.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// The process's runtime, loading it from `library` at the first call.
pub(crate) fn environment(library: &Path) -> Result<Environment, EmbedError> {
    files::check_library(library)?;
    let attempted = || format!("could not load the ONNX Runtime {}", library.display());
    let library =
        library.canonicalize().map_err(|error| EmbedError::caused_by(EmbedErrorKind::Model, attempted(), error))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((path, environment)) = loaded.as_ref() {
        if *path != library {
            let reason = format!("this process already holds the one at {}", path.display());
            return Err(EmbedError::caused_by(EmbedErrorKind::Model, attempted(), reason));
        }
        return Ok(environment.clone());
    }
    // The vendor asserts on libraries that answer unexpectedly; its state is not shared with ours.
    let built = catch_unwind(AssertUnwindSafe(|| load(&library)))
        .unwrap_or_else(|_| Err("it does not behave like an ONNX Runtime of a known version".into()));
    let environment = built.map_err(|source| EmbedError::caused_by(EmbedErrorKind::Model, attempted(), source))?;
    *loaded = Some((library, environment.clone()));
    Ok(environment)
}

fn load(library: &Path) -> Result<Environment, Box<dyn std::error::Error + Send + Sync>> {
    if std::env::var_os(NO_TELEMETRY).is_none_or(|value| value != "1") {
        return Err(format!("it would report to its vendor: {NO_TELEMETRY}=1 must be set before it is loaded").into());
    }
    let environment = ort::init_from(library)
        .map_err(|error| error.to_string())?
        .with_name("wellspring")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, category, _, _, message| forward(level, category, message)))
        .build()?;
    environment.set_log_level(LogLevel::Warning);
    Ok(environment)
}

/// Passes a runtime's message to the log. They speak of graphs and kernels, never of a document's text.
fn forward(level: LogLevel, category: &str, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::warn!(category, message, "the ONNX Runtime reports"),
        LogLevel::Warning => tracing::debug!(category, message, "the ONNX Runtime reports"),
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(category, message, "the ONNX Runtime reports"),
    }
}
