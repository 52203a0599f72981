//! Who may speak to llama.cpp?
//!
//! One thread owns the context; the engine is the handle that others hold.
//!
//! Invariants:
//! - The context never leaves its thread. Requests reach it through one bounded queue, each with its caller's span
//!   and a bounded way back (I-7).
//! - A request is admitted before its prompt is tokenised: its place is a value that it holds until it ends.
//! - What drains takes nobody in and ends nobody early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tracing::Span;
use wellspring_core::generator::{
    GenerateError, GenerateErrorKind, Generation, GenerationRequest, Generator, GeneratorStatistics, GeneratorStatus,
    Message, Template, TextForm,
};
use wellspring_core::limits;

use crate::adapter::Overlay;
use crate::admission::check;
use crate::decode::Decoder;
use crate::load::{EngineConfig, LoadError, Loading, decoder, load};
use crate::meter::{End, Meter};
use crate::prompt::Prompter;
use crate::queue::{Caller, Queue};
use crate::sample::check_form;
use crate::slot::{Job, Outcome};

/// A model in this process.
pub struct Engine {
    name: String,
    /// In the order of the decoder's.
    adapters: Vec<String>,
    jobs: mpsc::Sender<Command>,
    /// One for each request that waits or works.
    places: Arc<Semaphore>,
    places_max: usize,
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
    draining: AtomicBool,
    meter: Arc<Meter>,
}

/// What is needed to admit a request.
struct Loaded {
    model: Arc<LlamaModel>,
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

    /// Refuses newcomers from now on and waits until what waits and works has ended, but no longer than `at_most`;
    /// `false` when something is still in work then.
    pub async fn drain(&self, at_most: Duration) -> bool {
        self.shared.draining.store(true, Ordering::Relaxed);
        let all = u32::try_from(self.places_max).unwrap_or(u32::MAX);
        tokio::time::timeout(at_most, self.places.acquire_many(all)).await.is_ok()
    }

    fn begin(config: EngineConfig) -> (Self, oneshot::Receiver<Result<(), LoadError>>) {
        // Callers beyond the queue are told "busy" rather than left waiting for minutes.
        let places_max = limits::GENERATOR_QUEUE_MAX + config.slots;
        let places = Arc::new(Semaphore::new(places_max));
        // Room for every place, and for the word that wakes the thread.
        let (jobs, queue) = mpsc::channel(places_max + 1);
        let shared = Arc::new(Shared {
            loaded: OnceLock::new(),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            meter: Arc::default(),
        });
        let (report, outcome) = oneshot::channel();
        let name = config.name.clone();
        let adapters = config.adapters.iter().map(|(name, _)| name.clone()).collect();
        let thread = std::thread::Builder::new().name("llama".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&config, &shared, queue, report)
        });
        // Without a thread the report's sender is gone, and the status says so.
        let thread = thread.inspect_err(|error| tracing::error!(%error, "could not start the engine's thread")).ok();
        (Self { name, adapters, jobs, places, places_max, shared, thread: Mutex::new(thread) }, outcome)
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

    fn statistics(&self) -> Option<GeneratorStatistics> {
        Some(self.shared.meter.statistics())
    }

    fn adapters(&self) -> Vec<String> {
        self.adapters.clone()
    }

    async fn generate(&self, request: GenerationRequest) -> Result<Generation, GenerateError> {
        let accepted = Instant::now();
        let Some(Ok(_)) = self.shared.loaded.get() else { return Err(unavailable()) };
        if self.shared.draining.load(Ordering::Relaxed) {
            return Err(GenerateError::new(GenerateErrorKind::Unavailable, "the generator is being stopped"));
        }
        check(&request)?;
        let overlay = Overlay::find(&self.adapters, request.options.adapter.as_ref())
            .map_err(|error| GenerateError::caused_by(GenerateErrorKind::Refused, error.to_string(), error))?;
        let meter = &self.shared.meter;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            meter.busy();
            GenerateError::new(GenerateErrorKind::Busy, "too many requests wait for the generator")
                .retry_after(meter.retry_after())
        })?;
        let shared = Arc::clone(&self.shared);
        let GenerationRequest { messages, tokens_max, temperature, seed, stop, options } = request;
        let (template, form) = (options.template, options.form.clone());
        let prepared = tokio::task::spawn_blocking(move || match shared.loaded.get() {
            Some(Ok(loaded)) => Some(loaded.prepare(&messages, template, &form)),
            _ => None,
        });
        let (prompt, context_tokens) = prepared.await.ok().flatten().ok_or_else(unavailable)??;
        if prompt.is_empty() || prompt.len() >= context_tokens {
            let attempted = format!("the prompt has {} tokens, the context {context_tokens}", prompt.len());
            return Err(GenerateError::new(GenerateErrorKind::Refused, attempted));
        }
        let tokens_max = tokens_max.min(context_tokens - prompt.len());
        let (reply, events) = mpsc::channel(limits::STREAM_EVENTS_MAX);
        let caller = Caller::from(options.caller.as_deref().unwrap_or_default());
        let (_place, span) = (Some(place), Span::current());
        let job = Job {
            prompt,
            overlay,
            tokens_max,
            temperature,
            seed,
            stop,
            options,
            caller,
            accepted,
            _place,
            reply,
            span,
        };
        self.jobs.try_send(Some(job)).map_err(|_| unavailable())?;
        meter.accepted();
        Ok(ReceiverStream::new(events).boxed())
    }
}

impl Loaded {
    /// The tokens of a prompt and the most that it may have, when its form can be asked for. CPU work.
    fn prepare(
        &self,
        messages: &[Message],
        template: Template,
        form: &TextForm,
    ) -> Result<(Vec<LlamaToken>, usize), GenerateError> {
        check_form(&self.model, form)
            .map_err(|error| GenerateError::caused_by(GenerateErrorKind::Refused, error.to_string(), error))?;
        let tokens = match template {
            Template::Chat => self.prompter.tokens(messages),
            Template::Plain => Ok(self.prompter.plain(messages)),
        };
        let tokens = tokens.map_err(|error| {
            GenerateError::caused_by(GenerateErrorKind::Refused, "could not turn the messages into a prompt", error)
        })?;
        Ok((tokens, self.context_tokens))
    }
}

/// The engine's thread, from loading to the end.
fn run(
    config: &EngineConfig,
    shared: &Arc<Shared>,
    mut queue: mpsc::Receiver<Command>,
    report: oneshot::Sender<Result<(), LoadError>>,
) {
    // The loading of an engine that is not wanted any more ends.
    let loading = load(config, {
        let shared = Arc::clone(shared);
        move || !shared.stopping.load(Ordering::Relaxed)
    });
    // Nobody waits for the report of an engine that was started without waiting.
    let Loading { model, prompter, adapters } = match loading {
        Ok(loading) => loading,
        Err(error) => {
            let reason = chain(&error);
            tracing::error!(reason, "could not load the model");
            let _ = shared.loaded.set(Err(reason));
            let _ = report.send(Err(error));
            return;
        }
    };
    let mut decoder = match decoder(&model, adapters, config, &shared.meter) {
        Ok(decoder) => decoder,
        Err(error) => {
            let _ = shared.loaded.set(Err(chain(&error)));
            let _ = report.send(Err(error));
            return;
        }
    };
    let loaded = Loaded { model: Arc::clone(&model), prompter, context_tokens: config.context_tokens as usize };
    let _ = shared.loaded.set(Ok(loaded));
    let _ = report.send(Ok(()));
    work(&mut decoder, shared, &mut queue);
    decoder.interrupt();
}

/// Works until the engine stops.
fn work(decoder: &mut Decoder<'_>, shared: &Shared, commands: &mut mpsc::Receiver<Command>) {
    let meter = &shared.meter;
    let mut waiting: Queue<Job> = Queue::new();
    while !shared.stopping.load(Ordering::Relaxed) {
        if decoder.is_idle() && waiting.is_empty() {
            meter.standing(0, 0);
            match commands.blocking_recv() {
                Some(Some(job)) => waiting.push(Caller::clone(&job.caller), job),
                Some(None) | None => return,
            }
        }
        while let Ok(Some(job)) = commands.try_recv() {
            waiting.push(Caller::clone(&job.caller), job);
        }
        // A caller who left while waiting must not cost the cache its content.
        waiting.retain(|job| match job.over() {
            None => true,
            Some(outcome) => {
                meter.ended(turned_away(job, outcome), None);
                false
            }
        });
        while decoder.has_room()
            && let Some(job) = waiting.pop(|caller| decoder.in_work_for(caller))
        {
            decoder.admit(job);
        }
        meter.standing(decoder.in_work(), waiting.len());
        decoder.step();
    }
    while let Some(job) = waiting.pop(|_| 0) {
        let stopping = GenerateError::new(GenerateErrorKind::Interrupted, "the generator is being stopped");
        let _ = job.reply.try_send(Err(stopping));
    }
}

/// Tells a request that never got a slot why.
fn turned_away(job: &Job, outcome: Outcome) -> End {
    match outcome {
        Outcome::Failed(error) => {
            let _ = job.reply.try_send(Err(error));
            End::Failed
        }
        _ => End::Cancelled,
    }
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
