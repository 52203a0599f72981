//! What is the generator's process told? The service types this, nobody else.

use std::path::PathBuf;

use clap::Args;

/// `generator-worker`.
#[derive(Debug, Args)]
pub(crate) struct GeneratorWorkerArguments {
    /// The Unix socket to serve on.
    #[arg(long)]
    pub(crate) socket: PathBuf,
    /// The GGUF file.
    #[arg(long)]
    pub(crate) model: PathBuf,
    /// The model's name.
    #[arg(long)]
    pub(crate) name: String,
    /// Threads to compute with.
    #[arg(long)]
    pub(crate) threads: usize,
    /// Prompt and output together, in tokens.
    #[arg(long)]
    pub(crate) context_tokens: u32,
    /// Requests side by side.
    #[arg(long)]
    pub(crate) slots: usize,
    /// Numbers in the cache.
    #[arg(long)]
    pub(crate) cache_type: String,
    /// LoRA adapters, each a name, `=` and a file.
    #[arg(long)]
    pub(crate) adapter: Vec<String>,
    /// Layers for GPUs; llama.cpp's own choice when not given.
    #[arg(long)]
    pub(crate) gpu_layers: Option<u32>,
    /// The GPUs to use; all when none is given.
    #[arg(long)]
    pub(crate) device: Vec<String>,
    /// How the model lies on several GPUs.
    #[arg(long)]
    pub(crate) gpu_split: String,
    /// Milliseconds of a piece of a prompt beside running streams.
    #[arg(long)]
    pub(crate) step_ms: u64,
}
