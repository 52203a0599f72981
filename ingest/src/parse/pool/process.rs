//! How does one worker process start, answer and end?
//!
//! Invariants:
//! - A worker inherits no environment: it has no use for the service's secrets.
//! - Its standard error goes nowhere: a dying parser may quote the text it died on.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use wellspring_core::limits;

use super::{WorkerCommand, describe};
use crate::parse::Parsed;
use crate::parse::frame::{self, Reply, Request};
use crate::parse::web::Ask;

/// What loading the binary may need of the service's environment.
const INHERITED_VARIABLE: &str = "LD_LIBRARY_PATH";
/// A worker whose pipes have closed is given this long to end by itself, so that its own exit status is recorded.
const EXIT_PAUSE: Duration = Duration::from_secs(1);

/// A worker process that has said it is ready.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    documents: u64,
    bytes: u64,
    busy: Duration,
}

/// What a worker made of a content.
#[derive(Debug)]
pub(super) enum Answer {
    /// A document.
    Parsed(Parsed),
    /// The JSON of what else was asked for, not yet checked.
    Found(Vec<u8>),
}

/// How one attempt at a content ended.
#[derive(Debug)]
pub(super) enum Exchange {
    Answered(Answer),
    Refused(String),
    /// The worker is no longer of use; how it ended, to follow "it".
    Died(String),
    /// The worker was killed because it took too long: trying again would take as long again.
    Overdue(String),
}

impl Worker {
    /// Starts a process and waits until it has limited itself.
    pub(super) async fn start(command: &WorkerCommand) -> Result<Self, String> {
        let mut process = Command::new(&command.program);
        process
            .args(&command.args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A terminal's Ctrl-C must not end the workers before the service has drained.
            .process_group(0)
            .kill_on_drop(true);
        if let Some(value) = std::env::var_os(INHERITED_VARIABLE) {
            process.env(INHERITED_VARIABLE, value);
        }
        let mut child = process.spawn().map_err(|error| error.to_string())?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("its pipes are missing".to_owned());
        };
        let mut worker = Self { child, input, output, documents: 0, bytes: 0, busy: Duration::ZERO };
        match timeout(limits::PARSE_START_TIMEOUT, worker.read_reply()).await {
            Ok(Ok((Reply::Ready, _))) => Ok(worker),
            Ok(Ok(_)) => Err("it answered before it was asked".to_owned()),
            Ok(Err(error)) => Err(format!("it {}", worker.last_words(&error).await)),
            Err(_) => Err(format!("it was not ready within {:?}", limits::PARSE_START_TIMEOUT)),
        }
    }

    /// Has one document read.
    pub(super) async fn exchange(&mut self, ask: &Ask, content: &[u8]) -> Exchange {
        match self.ask(ask, content).await {
            Ok(exchange) => exchange,
            Err(error) => Exchange::Died(self.last_words(&error).await),
        }
    }

    async fn ask(&mut self, ask: &Ask, content: &[u8]) -> io::Result<Exchange> {
        let header = frame::encode_header(&Request { ask: ask.clone(), content_bytes: content.len() })?;
        self.input.write_all(&header).await?;
        self.input.write_all(content).await?;
        self.input.flush().await?;
        let (reply, body) = self.read_reply().await?;
        match reply {
            Reply::Refused { reason } => Ok(Exchange::Refused(reason)),
            Reply::Ready => Err(frame::broken("the worker started twice")),
            Reply::Found { .. } if !matches!(ask, Ask::Document { .. }) => Ok(Exchange::Answered(Answer::Found(body))),
            Reply::Parsed { title, blocks, places, .. } if matches!(ask, Ask::Document { .. }) => {
                let text = String::from_utf8(body).map_err(|_| frame::broken("the text is not UTF-8"))?;
                let parsed = Parsed { text, title, blocks, places };
                if !parsed.is_consistent() || parsed.blocks.len() > limits::PARSE_BLOCKS_MAX {
                    return Err(frame::broken("the blocks do not fit the text"));
                }
                Ok(Exchange::Answered(Answer::Parsed(parsed)))
            }
            Reply::Found { .. } | Reply::Parsed { .. } => Err(frame::broken("the worker answered another question")),
        }
    }

    async fn read_reply(&mut self) -> io::Result<(Reply, Vec<u8>)> {
        let mut length = [0; frame::LENGTH_BYTES];
        self.output.read_exact(&mut length).await?;
        let mut json = vec![0; frame::header_length(length, limits::PARSE_HEADER_BYTES_MAX)?];
        self.output.read_exact(&mut json).await?;
        // A long list of blocks takes milliseconds to read.
        let reply: Reply = match json.len() {
            0..=SMALL_HEADER_BYTES => frame::decode_header(&json)?,
            _ => tokio::task::spawn_blocking(move || frame::decode_header(&json))
                .await
                .map_err(|_| frame::broken("reading a header failed"))??,
        };
        let mut body = vec![0; reply.body_bytes().ok_or_else(|| frame::broken("a text is too long"))?];
        self.output.read_exact(&mut body).await?;
        Ok((reply, body))
    }

    /// How the process ended, or what went wrong with one that still runs.
    async fn last_words(&mut self, error: &io::Error) -> String {
        match timeout(EXIT_PAUSE, self.child.wait()).await {
            Ok(Ok(status)) => describe(status),
            _ if error.kind() == io::ErrorKind::InvalidData => format!("broke the protocol: {error}"),
            _ => "stopped answering".to_owned(),
        }
    }

    /// Counts a document; `false` when the worker has done its share.
    pub(super) fn may_go_on(&mut self, bytes: usize, busy: Duration) -> bool {
        self.documents += 1;
        self.bytes += bytes as u64;
        self.busy += busy;
        self.documents < limits::PARSE_WORKER_DOCUMENTS_MAX
            && self.bytes < limits::PARSE_WORKER_BYTES_MAX
            // One thread's CPU time is at most its wall time: it is replaced well before its limit would end it.
            && self.busy.as_secs() < limits::PARSE_CPU_SECONDS_MAX / 2
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the process and waits for it.
    pub(super) async fn kill(&mut self) {
        // Failing to kill means that it has ended already.
        let _ = self.child.kill().await;
    }
}

/// A header that is decoded faster than it would be handed to another thread.
const SMALL_HEADER_BYTES: usize = 32 << 10;
