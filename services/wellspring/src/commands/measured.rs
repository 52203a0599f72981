//! What is measured: a service of this very program, over a folder of its own.
//!
//! Invariants:
//! - It ends with the measurement, however that ends: `kill -9` closes the service's input. A temporary folder goes with it,
//!   but for that one case; only its owner can look into it.
//! - It listens on the loopback under a port of its own, and reaches no other service's documents.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use wellspring_core::generator::GeneratorStatus;

use crate::client::Client;
use crate::config::{Config, EmbedderChoice, GeneratorChoice, GeneratorEntry, GeneratorPlace, OWN};
use crate::output::Interrupted;

/// Between two looks at whether it is ready.
const READY_INTERVAL: Duration = Duration::from_millis(20);
/// How long a service may take to end by itself before it is killed; what it has acknowledged is safe either way.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one that is killed may take to be gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// Measures until a signal comes; then everything that was started for it is ended and removed.
pub(super) async fn interruptible(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    tokio::select! {
        ended = command => ended,
        _ = terminate.recv() => Err(Interrupted.into()),
        _ = interrupt.recv() => Err(Interrupted.into()),
    }
}

/// A running service that ends when this is dropped.
pub(super) struct MeasuredService {
    /// Talks to it.
    pub(super) client: Client,
    process: Process,
}

/// Its process and its folder, from the moment that there is one.
struct Process {
    child: tokio::process::Child,
    /// Removed with this, unless the folder is kept.
    _folder: Option<tempfile::TempDir>,
}

impl Drop for Process {
    /// A process that still writes would leave files in the folder that is removed next.
    fn drop(&mut self) {
        self.child.start_kill().ok();
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < KILL_TIMEOUT {
            std::thread::sleep(READY_INTERVAL);
        }
    }
}

impl MeasuredService {
    /// Starts one without a generator over a temporary folder, with the settings that are found where this command runs,
    /// and waits until it is ready.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = temporary_folder()?;
        let path = folder.path().to_owned();
        let mut command = program()?;
        command.args(["--generator-model", "off"]);
        Self::launch(&path, Some(folder), command).await
    }

    /// Starts one that takes nothing but the models and how it searches from `config`: no folder or feed that somebody configured may add to
    /// what is measured. The data folder is `kept`, or a temporary one. The generator may still be loading when this
    /// returns.
    pub(super) async fn start_apart(config: &Config, kept: Option<&Path>) -> anyhow::Result<Self> {
        Self::start_apart_with(config, kept, "").await
    }

    /// The same over a temporary folder, without a generator, and with a settings file of these words.
    pub(super) async fn start_with(config: &Config, settings: &str) -> anyhow::Result<Self> {
        let mut config = config.clone();
        config.without_generators();
        Self::start_apart_with(&config, None, settings).await
    }

    async fn start_apart_with(config: &Config, kept: Option<&Path>, words: &str) -> anyhow::Result<Self> {
        let folder = match kept {
            Some(_) => None,
            None => Some(temporary_folder()?),
        };
        let path = kept.or(folder.as_ref().map(tempfile::TempDir::path)).context("there is a folder")?.to_owned();
        // A file of its own, since one that is not named is looked for where people have theirs.
        let settings = path.join("wellspring.toml");
        let words = listed_generators(config)? + words;
        std::fs::write(&settings, words).with_context(|| format!("could not write {}", settings.display()))?;
        let mut command = program()?;
        for (variable, _) in std::env::vars_os() {
            let is_key = |entry: &GeneratorEntry| match &entry.place {
                GeneratorPlace::Url { key_env: Some(name), .. } => variable.to_str() == Some(name),
                _ => false,
            };
            if variable.to_string_lossy().starts_with("WELLSPRING_") && !config.generators.iter().any(is_key) {
                command.env_remove(variable);
            }
        }
        // The flag names it, so that it is asked beside those that are listed, or not at all.
        let own = config.generators.iter().any(|entry| entry.name == OWN);
        let generator: OsString = match &config.generator_model {
            _ if !own => "off".into(),
            GeneratorChoice::Off => "off".into(),
            GeneratorChoice::Named(name) => name.into(),
            // Absolute, since a name is told from a path by what it looks like.
            GeneratorChoice::File(path) => std::path::absolute(path)?.into(),
        };
        let reranker: OsString = match &config.reranker.model {
            None => "off".into(),
            Some(path) => std::path::absolute(path)?.into(),
        };
        let mut flags: Vec<(&str, OsString)> = vec![
            ("--config", settings.into()),
            ("--models-dir", std::path::absolute(&config.models_dir)?.into()),
            ("--embedder-threads", config.embedder_threads.to_string().into()),
            ("--search-keyword-percent", config.search_keyword_percent.to_string().into()),
            ("--search-feedback-percent", config.search_feedback_percent.to_string().into()),
            ("--vector-quantisation", config.vector_quantisation.to_string().into()),
            ("--reranker-model", reranker),
            ("--reranker-passages", config.reranker.passages.to_string().into()),
            ("--reranker-deadline-ms", config.reranker.deadline_ms.to_string().into()),
            ("--reranker-margin-percent", config.reranker.margin_percent.to_string().into()),
            ("--generator-model", generator),
            ("--generator-threads", config.generator_threads.to_string().into()),
            ("--generator-slots", config.generator_slots.to_string().into()),
            ("--answer-busy-ms", config.answer_busy.as_millis().to_string().into()),
            (
                "--answer-first-token-ms",
                config.answer_first_token.map_or(0, |time| time.as_millis()).to_string().into(),
            ),
            ("--generator-context-tokens", config.generator_context_tokens.to_string().into()),
        ];
        // Where nobody named one, a kept folder keeps the embedder that it was built with.
        if let EmbedderChoice::Named(name) = &config.embedder_model {
            flags.push(("--embedder-model", name.into()));
        }
        for (flag, value) in flags {
            command.arg(flag).arg(value);
        }
        if !config.generators.iter().any(GeneratorEntry::is_elsewhere) {
            command.arg("--offline");
        }
        Self::launch(&path, folder, command).await
    }

    async fn launch(
        path: &Path,
        folder: Option<tempfile::TempDir>,
        mut command: tokio::process::Command,
    ) -> anyhow::Result<Self> {
        let child = command
            .args(["--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(path)
            .env_remove(crate::environment::KEY)
            // Held open by the child's handle until that is dropped, or this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("could not start the service")?;
        let mut process = Process { child, _folder: folder };
        let stdout = process.child.stdout.take().context("the service has no output")?.into_owned_fd()?;
        let address = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(std::fs::File::from(stdout)).read_line(&mut line).map(|_| line)
        });
        let line = address.await??;
        let server = line.trim().strip_prefix("listening on ").context("the service did not start")?.to_owned();
        let client = Client::new(&server)?;
        while client.send(client.request(Method::GET, "/readyz")).await.is_err() {
            if let Some(status) = process.child.try_wait()? {
                bail!("the service ended before it was ready ({status})");
            }
            tokio::time::sleep(READY_INTERVAL).await;
        }
        Ok(Self { client, process })
    }

    /// Waits until its generator is ready, and names the model; `None` where there is none.
    pub(super) async fn generator_ready(&self) -> anyhow::Result<Option<String>> {
        loop {
            let status: Value = self.client.json(self.client.request(Method::GET, "/v1/status")).await?;
            match serde_json::from_value(status["generator"].clone())
                .context("the service says no generator's state")?
            {
                GeneratorStatus::Off => return Ok(None),
                GeneratorStatus::Ready { model } => return Ok(Some(model)),
                GeneratorStatus::Failed { reason } => bail!("the generator cannot be started: {reason}"),
                GeneratorStatus::Loading => tokio::time::sleep(READY_INTERVAL).await,
            }
        }
    }

    /// A number of its status.
    pub(super) async fn number(&self, pointer: &str) -> anyhow::Result<u64> {
        let status: Value = self.client.json(self.client.request(Method::GET, "/v1/status")).await?;
        Ok(status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0))
    }

    /// The most memory that it has held, its children not counted; 0 where the machine does not tell.
    pub(super) fn peak_memory_bytes(&self) -> u64 {
        let Some(process) = self.process.child.id() else { return 0 };
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    }

    /// Ends it at once; its folder is not looked at again.
    pub(super) async fn stop(mut self) {
        self.process.child.kill().await.ok();
    }

    /// Lets it close its indexes, so that the next start over its folder has nothing to catch up with.
    pub(super) async fn close(mut self) {
        let child = &mut self.process.child;
        if let Some(id) = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            rustix::process::kill_process(id, rustix::process::Signal::TERM).ok();
            tokio::time::timeout(STOP_TIMEOUT, child.wait()).await.ok();
        }
        child.kill().await.ok();
    }
}

/// The generators that a configuration file lists, and their order, as a file of their own.
fn listed_generators(config: &Config) -> anyhow::Result<String> {
    let listed = config.generators.iter().filter(|entry| entry.name != OWN);
    let listed: Vec<toml::Value> = listed.map(|entry| entry.as_written().into()).collect();
    let mut file = toml::Table::new();
    if config.generator_steps.len() > 1 {
        let name = |&place: &usize| config.generators.get(place).map(|entry| entry.name.as_str());
        let step = |places: &Vec<usize>| places.iter().filter_map(name).collect::<Vec<_>>().join("+");
        let steps: Vec<toml::Value> = config.generator_steps.iter().map(|places| step(places).into()).collect();
        file.insert("answer".to_owned(), toml::Table::from_iter([("cascade".to_owned(), steps.into())]).into());
    }
    if !listed.is_empty() {
        file.insert("generators".to_owned(), listed.into());
    }
    toml::to_string(&file).context("could not write the list of generators")
}

/// This very program, about to serve.
fn program() -> anyhow::Result<tokio::process::Command> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg("measured-service");
    Ok(command)
}

/// A folder for documents that somebody may not want others to see.
fn temporary_folder() -> anyhow::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("wellspring-").permissions(Permissions::from_mode(0o700));
    builder.tempdir().context("could not make a temporary folder")
}
