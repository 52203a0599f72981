//! What is loaded, and with which memory?
//!
//! Invariants:
//! - The model file is checked before llama.cpp sees it.
//! - All the memory that slots will ever take is taken here.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};
use llama_cpp_2::{LlamaContextLoadError, LlamaCppError, LlamaLoraAdapterInitError, LlamaModelLoadError, LogOptions};
use thiserror::Error;
use wellspring_core::limits;

use crate::adapter::{self, AdapterError};
use crate::decode::Decoder;
use crate::device::{self, GpuSplit, UnknownDevice};
use crate::gguf::{self, ModelFileError};
use crate::meter::Meter;
use crate::processor::{self, OtherProcessor};
use crate::prompt::{PromptError, Prompter};
use crate::shapes::{self, Shapes};

/// What to load, and how to run it.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The GGUF file.
    pub model: PathBuf,
    /// The name it is served under.
    pub name: String,
    /// LoRA adapters that requests can ask for: their names, no two alike and none the model's, and their GGUF files.
    pub adapters: Vec<(String, PathBuf)>,
    /// Tokens of prompt and output together, of one request.
    pub context_tokens: u32,
    /// Requests in work at once; each has `context_tokens` of the cache's memory to itself.
    pub slots: usize,
    /// Numbers in the cache.
    pub cache_type: CacheType,
    /// Threads of llama.cpp. More than there are free cores makes everything slow.
    pub threads: usize,
    /// Layers of the model that GPUs compute; `None` leaves it to llama.cpp, which puts all there where a GPU is. Over
    /// several GPUs the layers are split by their free memory. Without a GPU, or a build for one, it means nothing.
    pub gpu_layers: Option<u32>,
    /// The GPUs to use, by their names in [`devices`](crate::devices); none is all of them.
    pub devices: Vec<String>,
    /// How the model lies on several of them.
    pub gpu_split: GpuSplit,
    /// How long a piece of a prompt may take that is read while others write.
    pub step: Duration,
}

/// How the numbers in the cache are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheType {
    /// Two bytes a number.
    #[default]
    F16,
    /// A little more than one byte a number, at some loss.
    Q8,
}

impl CacheType {
    /// The name that settings give it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Q8 => "q8_0",
        }
    }
}

impl FromStr for CacheType {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::F16, Self::Q8].into_iter().find(|cache_type| cache_type.as_str() == name).ok_or(())
    }
}

impl EngineConfig {
    /// The defaults for a model.
    pub fn new(model: PathBuf, name: impl Into<String>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            model,
            name: name.into(),
            adapters: Vec::new(),
            context_tokens: limits::GENERATOR_CONTEXT_TOKENS,
            slots: limits::GENERATOR_SLOTS,
            cache_type: CacheType::default(),
            threads,
            gpu_layers: None,
            devices: Vec::new(),
            gpu_split: GpuSplit::default(),
            step: limits::GENERATOR_STEP,
        }
    }
}

/// Why a model was not loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file is not one to load.
    #[error("could not use the model file")]
    File(#[from] ModelFileError),
    /// An adapter's file is not one to load, or does not fit the model.
    #[error("could not use the adapter {name}")]
    Adapter {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: AdapterError,
    },
    /// llama.cpp refuses an adapter.
    #[error("llama.cpp could not load the adapter {name}")]
    AdapterRefused {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: LlamaLoraAdapterInitError,
    },
    /// The processor lacks instructions that llama.cpp was built for.
    #[error(transparent)]
    Processor(#[from] OtherProcessor),
    /// A GPU is not there.
    #[error("could not use the GPUs that are named")]
    Device(#[from] UnknownDevice),
    /// llama.cpp does not take so many GPUs.
    #[error("llama.cpp refuses the GPUs that are named")]
    Devices(#[source] LlamaCppError),
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

/// llama.cpp's `LLAMA_FLASH_ATTN_TYPE_DISABLED`: attention that multiplies all cells, those of no token with zero. A sum is
/// the same however many zeros are added, so neither the length of other streams nor that of a piece rounds anything.
const FLASH_ATTENTION_OFF: i32 = 0;
/// llama.cpp's `LLAMA_FLASH_ATTN_TYPE_ENABLED`: has routines of its own for one token far into a text and for 64 and more
/// at once, and is the only one for values in 8 bits.
const FLASH_ATTENTION_ON: i32 = 1;

/// What was read.
pub(crate) struct Loading {
    pub(crate) model: Arc<LlamaModel>,
    pub(crate) prompter: Prompter,
    /// In the order of the settings. They live in the model's memory and must not be used without it.
    pub(crate) adapters: Vec<LlamaLoraAdapter>,
}

/// Reads the model and its adapters, for as long as they are wanted.
pub(crate) fn load(config: &EngineConfig, wanted: impl Fn() -> bool + 'static) -> Result<Loading, LoadError> {
    let names_are_apart = config.adapters.iter().enumerate().all(|(place, (name, _))| {
        adapter::is_adapter_name(name) && *name != config.name && config.adapters[..place].iter().all(|o| o.0 != *name)
    });
    if !names_are_apart || config.adapters.len() > limits::ADAPTERS_MAX {
        return Err(LoadError::Settings);
    }
    if config.context_tokens == 0 || config.threads == 0 || !(1..=limits::GENERATOR_SLOTS_MAX).contains(&config.slots) {
        return Err(LoadError::Settings);
    }
    processor::check_processor()?;
    gguf::check(&config.model)?;
    for (name, file) in &config.adapters {
        adapter::check(&config.model, file).map_err(|source| LoadError::Adapter { name: name.clone(), source })?;
    }
    backend();
    // The callback ends the loading of an engine that is not wanted any more; it also keeps llama.cpp from logging
    // its progress dot by dot.
    let parameters = match config.gpu_layers {
        Some(layers) => LlamaModelParams::default().with_n_gpu_layers(layers),
        None => LlamaModelParams::default(),
    };
    let parameters = parameters.with_split_mode(config.gpu_split.mode());
    let parameters = match device::find(&config.devices)?.as_slice() {
        [] => parameters,
        devices => parameters.with_devices(devices).map_err(LoadError::Devices)?,
    };
    let parameters = parameters.with_progress_callback(move |_| wanted());
    let mut model = LlamaModel::load_from_file(backend(), &config.model, &parameters).map_err(LoadError::Model)?;
    // Before there is a context, which is made large enough for what the adapters add.
    let mut adapters = Vec::new();
    for (name, file) in &config.adapters {
        let adapter = model.lora_adapter_init(file);
        adapters.push(adapter.map_err(|source| LoadError::AdapterRefused { name: name.clone(), source })?);
    }
    let model = Arc::new(model);
    let prompter = Prompter::new(Arc::clone(&model)).map_err(|error: PromptError| LoadError::Template(error.into()))?;
    Ok(Loading { model, prompter, adapters })
}

/// Makes the context, on the thread that will use it.
pub(crate) fn decoder<'model>(
    model: &'model LlamaModel,
    adapters: Vec<LlamaLoraAdapter>,
    config: &EngineConfig,
    meter: &Arc<Meter>,
) -> Result<Decoder<'model>, LoadError> {
    let threads = i32::try_from(config.threads).map_err(|_| LoadError::Settings)?;
    let slots = u32::try_from(config.slots).map_err(|_| LoadError::Settings)?;
    let cache_tokens = config.context_tokens.checked_mul(slots).ok_or(LoadError::Settings)?;
    let on_gpu = config.gpu_layers != Some(0) && device::devices().iter().any(|device| device.gpu);
    let (numbers, flash) = match config.cache_type {
        CacheType::F16 if on_gpu => (KvCacheType::F16, FLASH_ATTENTION_ON),
        CacheType::F16 => (KvCacheType::F16, FLASH_ATTENTION_OFF),
        CacheType::Q8 => (KvCacheType::Q8_0, FLASH_ATTENTION_ON),
    };
    let shapes = if on_gpu { Shapes::GPU } else { Shapes::TOGETHER };
    let batch = u32::try_from(shapes.batch_tokens(config.slots)).map_err(|_| LoadError::Settings)?;
    let parameters = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(cache_tokens))
        .with_n_seq_max(slots)
        // Every slot has memory of its own: where a token lies in the cache is its position, whoever else is there.
        .with_kv_unified(false)
        .with_flash_attention_policy(flash)
        .with_type_k(numbers)
        .with_type_v(numbers)
        .with_n_batch(batch)
        .with_n_ubatch(batch)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_no_perf(true);
    let mut context = model.new_context(backend(), parameters).map_err(LoadError::Context)?;
    let shapes = match flash {
        _ if on_gpu => shapes,
        FLASH_ATTENTION_OFF => shapes::find(model, &mut context, config.slots),
        _ => Shapes::APART,
    };
    meter.loaded(config.slots, shapes.width.min(config.slots), cache_bytes(model, config));
    Ok(Decoder::new(model, adapters, context, config.slots, shapes, config.step, Arc::clone(meter)))
}

/// What keys and values of all slots take together, for models whose layers are alike.
fn cache_bytes(model: &LlamaModel, config: &EngineConfig) -> u64 {
    let heads = u64::from(model.n_head()).max(1);
    let width = u64::try_from(model.n_embd()).unwrap_or(0) / heads * u64::from(model.n_head_kv());
    let numbers = 2 * width * u64::from(model.n_layer());
    // Of 8-bit numbers, 32 share a scale of two bytes.
    let bytes_of_32 = match config.cache_type {
        CacheType::F16 => 64,
        CacheType::Q8 => 34,
    };
    numbers * u64::from(config.context_tokens) * config.slots as u64 * bytes_of_32 / 32
}

/// llama.cpp's globals, which can be set up once in a process and serve every engine in it.
pub(crate) fn backend() -> &'static LlamaBackend {
    static BACKEND: OnceLock<LlamaBackend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        llama_cpp_2::send_logs_to_tracing(LogOptions::default());
        LlamaBackend::init().expect("nothing else in this process sets llama.cpp up")
    })
}
