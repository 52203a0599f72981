//! Which generator writes answers, and from where?

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use wellspring_core::generator::{
    GenerateError, GenerateErrorKind, Generation, GenerationRequest, Generator, GeneratorStatus,
};
use wellspring_generate::{Supervisor, SupervisorConfig, WorkerCommand};

use crate::config::{Config, GeneratorChoice};
use crate::models::{Manifest, ModelStore};

/// A socket's path must fit into the kernel's address structure; a longer data folder gets a temporary one.
const SOCKET_FOLDER_BYTES_MAX: usize = 70;

/// The running generator, or the absence of one.
pub(super) struct RunningGenerator {
    pub(super) generator: Arc<dyn Generator>,
    supervisor: Option<Arc<Supervisor>>,
    /// Removed with this.
    _socket_folder: Option<tempfile::TempDir>,
}

impl RunningGenerator {
    /// Ends the child.
    pub(super) async fn stop(&self) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.shutdown().await;
        }
    }
}

/// Starts the generator's process, or none when it is off.
pub(super) fn start(config: &Config, program: PathBuf) -> anyhow::Result<RunningGenerator> {
    let (name, model) = match &config.generator_model {
        GeneratorChoice::Off => {
            return Ok(RunningGenerator { generator: Arc::new(Off), supervisor: None, _socket_folder: None });
        }
        GeneratorChoice::Named(name) => {
            let (manifest, store) = (Manifest::builtin(), ModelStore::new(&config.models_dir));
            manifest.generator(name)?;
            (name.clone(), store.path(&manifest, name)?)
        }
        GeneratorChoice::File(path) => {
            let path = path.canonicalize().with_context(|| format!("could not find the model {}", path.display()))?;
            // llama.cpp would end its process over such a file, again and again.
            wellspring_generate::check_model_file(&path)
                .with_context(|| format!("the generator's model {} cannot be used", path.display()))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, path)
        }
    };
    let mut folder = config.data_dir.join("run");
    let mut temporary = None;
    if folder.as_os_str().len() > SOCKET_FOLDER_BYTES_MAX {
        let made = tempfile::Builder::new().prefix("wellspring-").tempdir();
        let made = made.context("could not make a folder for the generator's socket")?;
        folder = made.path().to_owned();
        temporary = Some(made);
    }
    let (threads, context_tokens) = (config.generator_threads, config.generator_context_tokens);
    let (slots, cache_type) = (config.generator_slots, config.generator_cache_type.as_str());
    let gpu_layers = config.generator_gpu_layers.map(|layers| format!("--gpu-layers={layers}"));
    let command = move |socket: &std::path::Path| WorkerCommand {
        program: program.clone(),
        arguments: [
            OsString::from("generator-worker"),
            "--socket".into(),
            socket.into(),
            "--model".into(),
            model.clone().into(),
            "--name".into(),
            name.clone().into(),
            "--threads".into(),
            threads.to_string().into(),
            "--context-tokens".into(),
            context_tokens.to_string().into(),
            "--slots".into(),
            slots.to_string().into(),
            "--cache-type".into(),
            cache_type.into(),
        ]
        .into_iter()
        .chain(gpu_layers.clone().map(OsString::from))
        .collect(),
        environment: Vec::new(),
    };
    let supervisor = Supervisor::start(SupervisorConfig { directory: folder, command: Box::new(command) });
    let supervisor = Arc::new(supervisor.context("could not start the generator's supervisor")?);
    Ok(RunningGenerator { generator: supervisor.clone(), supervisor: Some(supervisor), _socket_folder: temporary })
}

/// No generator: every answer is an extract.
struct Off;

#[async_trait]
impl Generator for Off {
    fn status(&self) -> GeneratorStatus {
        GeneratorStatus::Off
    }

    async fn generate(&self, _request: GenerationRequest) -> Result<Generation, GenerateError> {
        Err(GenerateError::new(GenerateErrorKind::Unavailable, "no generator is configured"))
    }
}
