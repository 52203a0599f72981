//! The child processes: the same binary under a hidden command.
//!
//! Invariants:
//! - A worker dies with its parent: it ends when its standard input closes, however the parent went.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use wellspring_core::limits;
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
    let adapters = arguments.adapter.iter().map(|adapter| {
        let (name, file) = adapter.split_once('=').context("an adapter is a name, `=` and a file")?;
        Ok((name.to_owned(), PathBuf::from(file)))
    });
    let config = EngineConfig {
        adapters: adapters.collect::<anyhow::Result<_>>()?,
        context_tokens: arguments.context_tokens,
        slots: arguments.slots,
        cache_type: arguments.cache_type.parse().map_err(|()| anyhow::anyhow!("there is no such cache type"))?,
        threads: arguments.threads,
        gpu_layers: arguments.gpu_layers,
        devices: arguments.device,
        gpu_split: arguments.gpu_split.parse().map_err(|()| anyhow::anyhow!("there is no such split"))?,
        step: Duration::from_millis(arguments.step_ms),
        ..EngineConfig::new(arguments.model, arguments.name)
    };
    let socket = arguments.socket;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = Arc::new(Engine::load(config).context("could not load the generator's model")?);
    // A GPU's driver takes address space as it likes.
    if cfg!(not(any(feature = "cuda", feature = "vulkan", feature = "metal"))) {
        worker::bound_memory().context("could not bound the generator's memory")?;
    }
    runtime.block_on(async move {
        let listener = worker::bind(&socket).context("could not listen on the generator's socket")?;
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let router = wellspring_http::openai::router(Arc::<Engine>::clone(&engine));
        // The parent ends this process by a signal that nothing catches, or by its own end. Whoever else asks it to
        // end lets what runs come to its end first, within the drain's bound.
        let draining = Arc::clone(&engine);
        let shutdown = async move {
            terminated.recv().await;
            draining.drain(limits::DRAIN_TIMEOUT).await;
        };
        wellspring_http::openai::serve_unix(listener, router, shutdown).await?;
        tokio::task::spawn_blocking(move || engine.stop()).await?;
        Ok(ExitCode::SUCCESS)
    })
}
