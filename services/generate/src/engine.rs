//! Who may speak to llama.cpp?
//!
//! One thread owns the context; the engine is the handle that others hold.
//!
//! Invariants:
//! - The context never leaves its thread. Requests reach it through one bounded queue, each with its caller's span
//!   and a bounded way back (I-7).
//! - A request is admitted before its prompt is tokenised: the place in the queue is a value.
//! - The model file is checked before llama.cpp sees it.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use futures::StreamExt;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::{LlamaContextLoadError, LlamaModelLoadError, LogOptions};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tracing::Span;
use wellspring_core::generator::{
    GenerateError, GenerateErrorKind, Generation, GenerationRequest, Generator, GeneratorStatus,
};
use wellspring_core::limits;

use crate::admission::check;
use crate::decode::{Decoder, REUSE_GRID_TOKENS};
use crate::gguf::{self, ModelFileError};
use crate::prompt::{PromptError, Prompter};
use crate::slot::Job;

/// What to load, and how to run it.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The GGUF file.
    pub model: PathBuf,
    /// The name it is served under.
    pub name: String,
    /// Tokens of prompt and output together.
    pub context_tokens: u32,
    /// Threads of llama.cpp. More than there are free cores makes everything slow.
    pub threads: usize,
    /// Prompt tokens read in one step, rounded up to a multiple of 64: longer is a little faster, shorter notices
    /// sooner that the reader left.
    pub batch_tokens: usize,
    /// Layers of the model that GPUs compute; `None` leaves it to llama.cpp, which puts all there where a GPU is. Over
    /// several GPUs the layers are split by their free memory. Without a GPU, or a build for one, it means nothing.
    pub gpu_layers: Option<u32>,
}

impl EngineConfig {
    /// The prefill step that measures best.
    pub const BATCH_TOKENS_DEFAULT: usize = 128;

    /// The defaults for a model.
    pub fn new(model: PathBuf, name: impl Into<String>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            model,
            name: name.into(),
            context_tokens: limits::GENERATOR_CONTEXT_TOKENS,
            threads,
            batch_tokens: Self::BATCH_TOKENS_DEFAULT,
            gpu_layers: None,
        }
    }
}

/// Why a model was not loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file is not one to load.
    #[error("could not use the model file")]
    File(#[from] ModelFileError),
    /// llama.cpp refuses the model.
    #[error("llama.cpp could not load the model")]
    Model(#[source] LlamaModelLoadError),
    /// llama.cpp has no memory for the context, or refuses it.
    #[error("llama.cpp could not make a context for the model")]
    Context(#[source] LlamaContextLoadError),
    /// The model cannot be talked to.
    #[error("could not use the model's chat template")]
    Template(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No tokens, no threads, or more than llama.cpp can count.
    #[error("the generator's settings are out of range")]
    Settings,
    /// The engine's thread ended.
    #[error("the engine ended while it was loading")]
    Ended,
}

/// A model in this process.
pub struct Engine {
    name: String,
    jobs: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread is told: a request, or nothing more, to wake it when it shall end.
type Command = Option<Job>;

/// What the handle and the thread both see.
struct Shared {
    /// Set once, when loading is over.
    loaded: OnceLock<Result<Loaded, String>>,
    stopping: AtomicBool,
}

/// What is needed to admit a request.
struct Loaded {
    prompter: Prompter,
    context_tokens: usize,
}

impl Engine {
    /// Begins to load a model and returns at once; the status says how it goes.
    pub fn start(config: EngineConfig) -> Self {
        Self::begin(config).0
    }

    /// Loads a model. Blocks for as long as that takes.
    pub fn load(config: EngineConfig) -> Result<Self, LoadError> {
        let (engine, outcome) = Self::begin(config);
        outcome.blocking_recv().unwrap_or(Err(LoadError::Ended))?;
        Ok(engine)
    }

    /// Stops the work in hand within one step and waits for the thread. Blocks; for the end of a process, so that
    /// llama.cpp is not computing while its globals are torn down.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // A thread that has ended needs no waking.
        let _ = self.jobs.blocking_send(None);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the engine's thread panicked");
        }
    }

    fn begin(config: EngineConfig) -> (Self, oneshot::Receiver<Result<(), LoadError>>) {
        // Callers beyond the queue are told "busy" rather than left waiting for minutes.
        let (jobs, queue) = mpsc::channel(limits::GENERATOR_QUEUE_MAX);
        let shared = Arc::new(Shared { loaded: OnceLock::new(), stopping: AtomicBool::new(false) });
        let (report, outcome) = oneshot::channel();
        let name = config.name.clone();
        let thread = std::thread::Builder::new().name("llama".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&config, &shared, queue, report)
        });
        // Without a thread the report's sender is gone, and the status says so.
        let thread = thread.inspect_err(|error| tracing::error!(%error, "could not start the engine's thread")).ok();
        (Self { name, jobs, shared, thread: Mutex::new(thread) }, outcome)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The thread ends by itself within one step; waiting for it could block an async thread.
        self.shared.stopping.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Generator for Engine {
    fn status(&self) -> GeneratorStatus {
        match self.shared.loaded.get() {
            None if !self.jobs.is_closed() => GeneratorStatus::Loading,
            Some(Ok(_)) if !self.jobs.is_closed() => GeneratorStatus::Ready { model: self.name.clone() },
            Some(Err(reason)) => GeneratorStatus::Failed { reason: reason.clone() },
            _ => GeneratorStatus::Failed { reason: "the engine has ended".to_owned() },
        }
    }

    async fn generate(&self, request: GenerationRequest) -> Result<Generation, GenerateError> {
        let Some(Ok(_)) = self.shared.loaded.get() else { return Err(unavailable()) };
        check(&request)?;
        let place = self.jobs.clone().try_reserve_owned().map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                GenerateError::new(GenerateErrorKind::Busy, "too many requests wait for the generator")
            }
            mpsc::error::TrySendError::Closed(_) => unavailable(),
        })?;
        let shared = Arc::clone(&self.shared);
        let GenerationRequest { messages, tokens_max, temperature, seed, stop } = request;
        let tokenised = tokio::task::spawn_blocking(move || match shared.loaded.get() {
            Some(Ok(loaded)) => Some((loaded.prompter.tokens(&messages), loaded.context_tokens)),
            _ => None,
        });
        let (prompt, context_tokens) = tokenised.await.ok().flatten().ok_or_else(unavailable)?;
        let prompt = prompt.map_err(|error| {
            GenerateError::caused_by(GenerateErrorKind::Refused, "could not turn the messages into a prompt", error)
        })?;
        if prompt.is_empty() || prompt.len() >= context_tokens {
            let attempted = format!("the prompt has {} tokens, the context {context_tokens}", prompt.len());
            return Err(GenerateError::new(GenerateErrorKind::Refused, attempted));
        }
        let tokens_max = tokens_max.min(context_tokens - prompt.len());
        let (reply, events) = mpsc::channel(limits::STREAM_EVENTS_MAX);
        place.send(Some(Job { prompt, tokens_max, temperature, seed, stop, reply, span: Span::current() }));
        Ok(ReceiverStream::new(events).boxed())
    }
}

/// The engine's thread, from loading to the end.
fn run(
    config: &EngineConfig,
    shared: &Arc<Shared>,
    mut queue: mpsc::Receiver<Command>,
    report: oneshot::Sender<Result<(), LoadError>>,
) {
    let loading = load(config, Arc::clone(shared));
    // Nobody waits for the report of an engine that was started without waiting.
    let (model, loaded) = match loading {
        Ok(loading) => loading,
        Err(error) => {
            let reason = chain(&error);
            tracing::error!(reason, "could not load the model");
            let _ = shared.loaded.set(Err(reason));
            let _ = report.send(Err(error));
            return;
        }
    };
    let mut decoder = match decoder(&model, config) {
        Ok(decoder) => decoder,
        Err(error) => {
            let _ = shared.loaded.set(Err(chain(&error)));
            let _ = report.send(Err(error));
            return;
        }
    };
    let _ = shared.loaded.set(Ok(loaded));
    let _ = report.send(Ok(()));
    while !shared.stopping.load(Ordering::Relaxed) {
        if !decoder.is_idle() {
            decoder.step();
            continue;
        }
        match queue.blocking_recv() {
            // A caller who left while waiting must not cost the cache its content.
            Some(Some(job)) if job.reply.is_closed() => {}
            Some(Some(job)) => decoder.admit(job),
            Some(None) | None => break,
        }
    }
    decoder.interrupt();
}

/// Reads the model.
fn load(config: &EngineConfig, shared: Arc<Shared>) -> Result<(Arc<LlamaModel>, Loaded), LoadError> {
    if config.context_tokens == 0 || config.threads == 0 || config.batch_tokens == 0 {
        return Err(LoadError::Settings);
    }
    gguf::check(&config.model)?;
    // The callback ends the loading of an engine that is not wanted any more; it also keeps llama.cpp from logging
    // its progress dot by dot.
    let parameters = match config.gpu_layers {
        Some(layers) => LlamaModelParams::default().with_n_gpu_layers(layers),
        None => LlamaModelParams::default(),
    };
    let parameters = parameters.with_progress_callback(move |_| !shared.stopping.load(Ordering::Relaxed));
    let model = Arc::new(LlamaModel::load_from_file(backend(), &config.model, &parameters).map_err(LoadError::Model)?);
    let prompter = Prompter::new(Arc::clone(&model)).map_err(|error: PromptError| LoadError::Template(error.into()))?;
    Ok((model, Loaded { prompter, context_tokens: config.context_tokens as usize }))
}

/// Makes the context, on the thread that will use it.
fn decoder<'model>(model: &'model LlamaModel, config: &EngineConfig) -> Result<Decoder<'model>, LoadError> {
    let threads = i32::try_from(config.threads).map_err(|_| LoadError::Settings)?;
    let batch_tokens = config.batch_tokens.next_multiple_of(REUSE_GRID_TOKENS);
    let batch = u32::try_from(batch_tokens).map_err(|_| LoadError::Settings)?;
    let parameters = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(config.context_tokens))
        .with_n_batch(batch)
        .with_n_ubatch(batch)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_no_perf(true);
    let context = model.new_context(backend(), parameters).map_err(LoadError::Context)?;
    Ok(Decoder::new(model, context, batch_tokens))
}

/// llama.cpp's globals, which can be set up once in a process and serve every engine in it.
pub(crate) fn backend() -> &'static LlamaBackend {
    static BACKEND: OnceLock<LlamaBackend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        llama_cpp_2::send_logs_to_tracing(LogOptions::default());
        LlamaBackend::init().expect("nothing else in this process sets llama.cpp up")
    })
}

fn unavailable() -> GenerateError {
    GenerateError::new(GenerateErrorKind::Unavailable, "the model is not loaded")
}

/// An error with its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        line.push_str(": ");
        line.push_str(&source.to_string());
        next = source.source();
    }
    line
}
