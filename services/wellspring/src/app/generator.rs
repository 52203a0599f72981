//! Which generators write answers, and from where?
//!
//! Invariants:
//! - A generator that is configured and cannot be asked at all, for want of its file or for a wrong address, ends the start.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use wellspring_answer::Pool;
use wellspring_core::generator::Generator;
use wellspring_generate::{Client, Remote, Supervisor, SupervisorConfig, WorkerCommand};

use crate::config::{Config, GeneratorChoice, GeneratorEntry, GeneratorPlace, OWN};
use crate::models::{Manifest, ModelStore};

/// A socket's path must fit into the kernel's address structure; a longer data folder gets a temporary one.
const SOCKET_FOLDER_BYTES_MAX: usize = 70;

/// The running generators.
pub(super) struct RunningGenerators {
    /// The steps in which they are asked, small to large.
    pub(super) steps: Vec<Arc<Pool>>,
    supervisors: Vec<Arc<Supervisor>>,
    /// Removed with this.
    _socket_folders: Vec<tempfile::TempDir>,
}

impl RunningGenerators {
    /// Ends the children.
    pub(super) async fn stop(&self) {
        for supervisor in &self.supervisors {
            supervisor.shutdown().await;
        }
    }
}

/// Starts the processes of our own, and begins to ask the others for their health.
pub(super) fn start(config: &Config, program: &Path) -> anyhow::Result<RunningGenerators> {
    let (mut supervisors, mut socket_folders) = (Vec::new(), Vec::new());
    let mut generators: Vec<(String, Arc<dyn Generator>)> = Vec::new();
    for GeneratorEntry { name, place } in &config.generators {
        let generator: Arc<dyn Generator> = match place {
            GeneratorPlace::Own(GeneratorChoice::Off) => continue,
            GeneratorPlace::Own(choice) => {
                let (folder, temporary) = socket_folder(config, name)?;
                let supervisor = Arc::new(supervise(config, program.to_owned(), choice, folder)?);
                socket_folders.extend(temporary);
                supervisors.push(Arc::clone(&supervisor));
                supervisor
            }
            GeneratorPlace::Url { url, model, key, .. } => {
                let client = Client::http(url, key.as_ref().map(|key| key.reveal()));
                let client = client.with_context(|| format!("could not set up the generator `{name}`"))?;
                Arc::new(Remote::start(name, client.of_model(model.clone())))
            }
        };
        generators.push((name.clone(), generator));
    }
    let step = |places: &Vec<usize>| {
        Arc::new(Pool::new(places.iter().filter_map(|&place| generators.get(place).cloned()).collect()))
    };
    let steps = config.generator_steps.iter().map(step).collect();
    Ok(RunningGenerators { steps, supervisors, _socket_folders: socket_folders })
}

/// Where the socket of a generator is: each has a folder to itself.
fn socket_folder(config: &Config, name: &str) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    let run = config.data_dir.join("run");
    let folder = if name == OWN { run } else { run.join(name) };
    if folder.as_os_str().len() <= SOCKET_FOLDER_BYTES_MAX {
        return Ok((folder, None));
    }
    let made = tempfile::Builder::new().prefix("wellspring-").tempdir();
    let made = made.context("could not make a folder for the generator's socket")?;
    Ok((made.path().to_owned(), Some(made)))
}

/// Starts a generator's process and keeps it alive.
fn supervise(
    config: &Config,
    program: PathBuf,
    choice: &GeneratorChoice,
    folder: PathBuf,
) -> anyhow::Result<Supervisor> {
    let (name, model) = match choice {
        GeneratorChoice::Off => anyhow::bail!("no model is named"),
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
    if config.generator_gpu_layers.is_some_and(|layers| layers > 0) && wellspring_generate::gpu_backends().is_empty() {
        tracing::warn!("generator.gpu_layers means nothing to this build, which computes on the processor alone");
    }
    // The adapters were made for the model that `generator.model` names.
    let mut more = if *choice == config.generator_model { adapters(config, &name, &model)? } else { Vec::new() };
    more.extend(config.generator_gpu_layers.map(|layers| format!("--gpu-layers={layers}").into()));
    more.extend(config.generator_devices.iter().map(|device| format!("--device={device}").into()));
    more.push(format!("--gpu-split={}", config.generator_gpu_split.as_str()).into());
    more.push(format!("--step-ms={}", config.generator_step_ms).into());
    let (threads, context_tokens) = (config.generator_threads, config.generator_context_tokens);
    let (slots, cache_type) = (config.generator_slots, config.generator_cache_type.as_str());
    let command = move |socket: &Path| WorkerCommand {
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
        .chain(more.iter().cloned())
        .collect(),
        environment: Vec::new(),
    };
    let supervisor = Supervisor::start(SupervisorConfig { directory: folder, command: Box::new(command) });
    supervisor.context("could not start the generator's supervisor")
}

/// The arguments that name the adapters, all of which fit the model.
fn adapters(config: &Config, name: &str, model: &Path) -> anyhow::Result<Vec<OsString>> {
    let mut arguments = Vec::new();
    for (adapter, file) in &config.generator_adapters {
        anyhow::ensure!(adapter != name, "the adapter {adapter} has the name of the generator's model");
        let file = file.canonicalize().with_context(|| format!("could not find the adapter {}", file.display()))?;
        wellspring_generate::check_adapter_file(model, &file)
            .with_context(|| format!("the generator's adapter {} cannot be used", file.display()))?;
        let mut argument = OsString::from(format!("--adapter={adapter}="));
        argument.push(file);
        arguments.push(argument);
    }
    Ok(arguments)
}
