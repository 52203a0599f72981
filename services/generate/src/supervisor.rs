//! Who keeps the generator's process alive?
//!
//! ```text
//! start ──> loading ──> ready ──┐
//!             ^   │       │     │ health asked every half second
//!             │   v       v     │
//!             └── pause <─┴─────┘ dead, hung, or failed to load
//! ```
//!
//! Invariants:
//! - The service lives on whatever the child does (I-8): a stream in flight ends with `Interrupted`, a new one is
//!   `Unavailable` until the next child is ready.
//! - A child that hangs is killed; one that dies young is started again after ever longer pauses.
//! - What was counted survives a child: the sums are kept here.
//! - No child outlives its supervisor: it is killed on shutdown and on drop, and it ends by itself when the process
//!   that holds its standard input dies.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wellspring_core::generator::{
    GenerateError, GenerateErrorKind, Generation, GenerationRequest, Generator, GeneratorStatistics, GeneratorStatus,
};
use wellspring_core::limits;

use crate::client::Client;
use crate::tally::Tally;

/// Between two looks at a child that is loading.
const LOADING_POLL: Duration = Duration::from_millis(25);
/// A path of a Unix socket that every system takes.
const SOCKET_BYTES_MAX: usize = 100;
/// After a child's end its last words are waited for; somebody it started may hold its log open.
const LOG_DRAIN: Duration = Duration::from_secs(1);
/// Starts that may fail in a row before the status says so; starting goes on.
const FAILED_STARTS_MAX: u32 = 3;

/// How the generator's process is started.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The executable; usually this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Added to its environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// What the supervisor needs to know.
pub struct SupervisorConfig {
    /// A directory for the socket, made private; nothing else may be in it.
    pub directory: PathBuf,
    /// The command of a child that shall listen on the given socket.
    pub command: Box<dyn Fn(&Path) -> WorkerCommand + Send + Sync>,
}

/// A generator in a child process that is kept alive.
pub struct Supervisor {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the task tells the askers.
struct Shared {
    now: Mutex<Now>,
    tally: Tally,
}

/// How the child is.
struct Now {
    status: GeneratorStatus,
    /// The way to a child that is ready.
    client: Option<Client>,
    /// The child's process id.
    process: Option<u32>,
}

impl Supervisor {
    /// Starts a child and the task that watches it. Within a tokio runtime; an error when the directory cannot be
    /// made private. What becomes of the child is in the status.
    pub fn start(config: SupervisorConfig) -> io::Result<Self> {
        private_directory(&config.directory)?;
        let socket = config.directory.join(socket_name(u32::MAX));
        if socket.as_os_str().len() > SOCKET_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path of the generator's socket is too long"));
        }
        let now = Now { status: GeneratorStatus::Loading, client: None, process: None };
        let shared = Arc::new(Shared { now: Mutex::new(now), tally: Tally::default() });
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(keep_alive(config, Arc::clone(&shared), stopped));
        Ok(Self { shared, stop, task: Mutex::new(Some(task)) })
    }

    /// The process id of the child that runs now.
    pub fn process(&self) -> Option<u32> {
        self.shared.lock().process
    }

    /// Kills the child, waits until it is gone and stops watching. Idempotent.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = match task {
            Some(task) => Some(task.await),
            None => None,
        } {
            tracing::error!(%error, "the generator's supervisor failed");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // The task owns the child, which is killed when it is dropped.
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

#[async_trait]
impl Generator for Supervisor {
    fn status(&self) -> GeneratorStatus {
        self.shared.lock().status.clone()
    }

    fn statistics(&self) -> Option<GeneratorStatistics> {
        // Under the lock a child's numbers are either told by it or in the tally, never both.
        let now = self.shared.lock();
        Some(self.shared.tally.total(now.client.as_ref().and_then(Client::statistics)))
    }

    fn adapters(&self) -> Vec<String> {
        self.shared.lock().client.as_ref().map(Client::adapters).unwrap_or_default()
    }

    async fn generate(&self, request: GenerationRequest) -> Result<Generation, GenerateError> {
        let client = self.shared.lock().client.clone();
        match client {
            Some(client) => match client.generate(request).await {
                Ok(generation) => Ok(self.shared.tally.count(generation)),
                Err(error) => {
                    if error.kind() == GenerateErrorKind::Busy {
                        self.shared.tally.busy();
                    }
                    Err(error)
                }
            },
            None => Err(GenerateError::new(GenerateErrorKind::Unavailable, "the generator is not ready")),
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, status: GeneratorStatus, client: Option<Client>) {
        let mut now = self.lock();
        if now.status != status {
            tracing::info!(?status, "the generator's status changed");
        }
        now.status = status;
        now.client = client;
    }

    /// A child that was ready is so no more.
    fn lose(&self, client: &Client) {
        let mut now = self.lock();
        tracing::info!("the generator's process is lost");
        (now.status, now.client) = (GeneratorStatus::Loading, None);
        self.tally.close(client.statistics());
    }
}

/// How a child's life went.
enum Life {
    /// It was ready for this long.
    Served(Duration),
    /// It never was.
    Stillborn,
    /// The supervisor is to stop.
    Stopped,
}

/// Starts children until told to stop.
async fn keep_alive(config: SupervisorConfig, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut pause = limits::GENERATOR_RESTART_PAUSE_MIN;
    let mut failed_starts = 0;
    for generation in 0u32.. {
        // A socket of its own for every child: a connection cannot end up at another one.
        let socket = config.directory.join(socket_name(generation));
        let (life, reason) = live((config.command)(&socket), &socket, &shared, &mut stopped).await;
        if let Err(error) = std::fs::remove_file(&socket).or_else(ignore_missing) {
            tracing::warn!(%error, "could not remove the generator's socket");
        }
        match life {
            Life::Stopped => break,
            Life::Served(time) => {
                tracing::warn!(reason, served = ?time, "the generator died and is started again");
                failed_starts = 0;
                if time >= limits::GENERATOR_YOUNG_MAX {
                    pause = limits::GENERATOR_RESTART_PAUSE_MIN;
                }
            }
            Life::Stillborn => {
                tracing::error!(reason, "the generator did not start");
                failed_starts += 1;
                if failed_starts >= FAILED_STARTS_MAX {
                    shared.set(GeneratorStatus::Failed { reason }, None);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
        pause = (2 * pause).min(limits::GENERATOR_RESTART_PAUSE_MAX);
    }
    shared.set(GeneratorStatus::Off, None);
}

/// One child, from its start to its end, and why it ended; it is gone when this returns.
async fn live(
    command: WorkerCommand,
    socket: &Path,
    shared: &Shared,
    stopped: &mut watch::Receiver<bool>,
) -> (Life, String) {
    let client = match Client::unix(socket) {
        Ok(client) => client,
        Err(error) => return (Life::Stillborn, error.to_string()),
    };
    let mut child = match spawn(command) {
        Ok(child) => child,
        Err(error) => return (Life::Stillborn, format!("could not start the generator's process: {error}")),
    };
    shared.lock().process = child.id();
    // Held, since waiting for a child closes its input, and the child ends when its input is closed.
    let input = child.stdin.take();
    let log = child.stderr.take().map(|stderr| tokio::spawn(forward(stderr)));
    let mut ready_since = None;
    let reason = tokio::select! {
        reason = watch_over(&client, shared, &mut ready_since) => Some(reason),
        exit = child.wait() => Some(describe(exit)),
        _ = stopped.wait_for(|stopped| *stopped) => None,
    };
    if ready_since.is_some() {
        shared.lose(&client);
    }
    if child.id().is_some()
        && let Err(error) = child.kill().await
    {
        tracing::error!(%error, "could not kill the generator's process");
    }
    drop(input);
    shared.lock().process = None;
    let last_words = match log {
        Some(log) => tokio::time::timeout(LOG_DRAIN, log).await.ok().and_then(Result::ok).unwrap_or_default(),
        None => String::new(),
    };
    match (reason, ready_since) {
        (None, _) => (Life::Stopped, String::new()),
        (Some(reason), since) => {
            let life = since.map_or(Life::Stillborn, |since: Instant| Life::Served(since.elapsed()));
            let separator = if last_words.is_empty() { "" } else { "; its last words: " };
            (life, format!("{reason}{separator}{last_words}"))
        }
    }
}

/// Whether the child sees a variable of ours: what finds libraries, folders and devices. Never the access key.
fn is_inherited(name: &std::ffi::OsStr) -> bool {
    const NAMES: &[&str] = &["PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH"];
    const PREFIXES: &[&str] = &["OMP_", "GOMP_", "KMP_", "GGML_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_", "VK_"];
    name.to_str().is_some_and(|name| NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// How often OpenMP's threads look whether they may go on before they sleep; an operator may say another number. Their waits
/// are mostly shorter than falling asleep and waking. Measured on two cores, milliseconds a token, alone and beside another
/// busy process: 26 and 47 at 300, 25 and 56 at 1,000, 25 and 74 at 3,000, 24 and 187 at 20,000.
const SPINS: (&str, &str) = ("GOMP_SPINCOUNT", "1000");

/// Starts the process.
fn spawn(command: WorkerCommand) -> io::Result<Child> {
    Command::new(command.program)
        .args(command.arguments)
        .env_clear()
        .env(SPINS.0, SPINS.1)
        .envs(std::env::vars_os().filter(|(name, _)| is_inherited(name)))
        // Without this, OpenMP's threads wait for each other by spinning for milliseconds; beside another busy process that
        // costs nine tenths of the speed.
        .env("OMP_WAIT_POLICY", "passive")
        .envs(command.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // A terminal's Ctrl-C must not end the generator before the service has drained.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Asks a child for its health until it hangs or fails; returns why. `ready_since` is set once it is ready.
async fn watch_over(client: &Client, shared: &Shared, ready_since: &mut Option<Instant>) -> String {
    let mut answered = Instant::now();
    let mut silence_max = limits::GENERATOR_START_TIMEOUT;
    loop {
        match client.probe(limits::GENERATOR_HEALTH_TIMEOUT).await {
            Ok(GeneratorStatus::Failed { reason }) => return reason,
            Ok(GeneratorStatus::Off) => return "the process serves no generator".to_owned(),
            Ok(GeneratorStatus::Loading) => {
                (answered, silence_max) = (Instant::now(), limits::GENERATOR_HEALTH_TIMEOUT);
            }
            Ok(status @ GeneratorStatus::Ready { .. }) => {
                (answered, silence_max) = (Instant::now(), limits::GENERATOR_HEALTH_TIMEOUT);
                ready_since.get_or_insert(answered);
                shared.set(status, Some(client.clone()));
            }
            // Before the socket is there, the connection is refused at once.
            Err(_) if answered.elapsed() < silence_max => {}
            Err(error) => return error.chain(),
        }
        let pause = if ready_since.is_some() { limits::GENERATOR_HEALTH_INTERVAL } else { LOADING_POLL };
        tokio::time::sleep(pause).await;
    }
}

/// Passes a child's log on, line by line; returns the last line.
async fn forward(log: impl AsyncRead + Unpin) -> String {
    let mut log = BufReader::new(log);
    let mut last_line = String::new();
    let mut piece = Vec::new();
    let mut is_rest = false;
    loop {
        piece.clear();
        let read = (&mut log).take(limits::CHILD_LOG_LINE_BYTES_MAX as u64).read_until(b'\n', &mut piece).await;
        if matches!(read, Ok(0) | Err(_)) {
            return last_line;
        }
        // Of a line that is too long, the beginning is kept.
        if !is_rest {
            String::from_utf8_lossy(&piece).trim_end().clone_into(&mut last_line);
            tracing::debug!(line = last_line, "the generator's process");
        }
        is_rest = piece.last() != Some(&b'\n');
    }
}

/// How a process ended, for the operator.
fn describe(exit: io::Result<ExitStatus>) -> String {
    match exit {
        Ok(status) => format!("the generator's process ended: {status}"),
        Err(error) => format!("could not wait for the generator's process: {error}"),
    }
}

/// The name of a child's socket.
fn socket_name(generation: u32) -> String {
    format!("generator-{generation}.sock")
}

/// Creates the directory, closes it to others and removes the sockets of an earlier life.
fn private_directory(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_socket() {
            std::fs::remove_file(entry.path()).or_else(ignore_missing)?;
        }
    }
    Ok(())
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
