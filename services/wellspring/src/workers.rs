//! The child processes: the same binary under a hidden command.
//!
//! Invariants:
//! - A worker dies with its parent: it ends when its standard input closes, however the parent went.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use wellspring_generate::{Engine, EngineConfig, worker};

use crate::cli::GeneratorWorkerArguments;

/// Reads documents until standard input closes.
pub(crate) fn parse() -> ExitCode {
    wellspring_ingest::parse::worker::run()
}

/// Serves one model on a private socket until the parent ends.
pub(crate) fn generate(arguments: GeneratorWorkerArguments) -> anyhow::Result<ExitCode> {
    crate::logging::start("warn");
    worker::end_with_parent().context("could not watch for the parent's end")?;
    let GeneratorWorkerArguments { socket, model, name, threads, context_tokens, gpu_layers } = arguments;
    let config = EngineConfig { threads, context_tokens, gpu_layers, ..EngineConfig::new(model, name) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = Engine::load(config).context("could not load the generator's model")?;
    runtime.block_on(async move {
        let listener = worker::bind(&socket).context("could not listen on the generator's socket")?;
        let router = wellspring_http::openai::router(Arc::new(engine));
        // The parent ends this process by a signal, or by its own end; there is no other way out.
        wellspring_http::openai::serve_unix(listener, router, std::future::pending()).await?;
        Ok(ExitCode::SUCCESS)
    })
}
