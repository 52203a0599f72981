//! `add`: push files, folders and JSON lines, and wait until they are searchable.
//!
//! Everything goes as one stream of JSON lines, read and sent piece by piece: the size of a corpus does not matter.

mod paths;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use futures::StreamExt;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wellspring_core::limits;

use crate::cli::AddArguments;
use crate::client::{Client, lines};
use crate::output::{self, Progress};
use paths::{LeftOut, files};

/// Lines read ahead of the network.
const LINES_AHEAD: usize = 16;
/// Refused documents that are named; the rest are counted.
const FAILURES_SHOWN: usize = 20;
/// Between two looks at how much is still pending.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Where lines go on their way to the service, each with its end.
pub(super) type LineSender = mpsc::Sender<Result<Vec<u8>, std::io::Error>>;

/// What became of the documents.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Summary {
    pub(super) accepted: u64,
    unchanged: u64,
    pub(super) failed: u64,
    failures: Vec<Value>,
    /// Documents that were stored and could not be read.
    unreadable: u64,
    /// Documents that were stored and are left out of searches: they hold no text, or a rule of the screening says so.
    skipped: u64,
    searchable: bool,
    seconds: f64,
    left_out: LeftOut,
}

/// Pushes, waits, and reports.
pub(crate) async fn run(client: &Client, arguments: &AddArguments, json: bool) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    let before = left_over(client).await?;
    let mut summary = push(client, &arguments.paths, &arguments.collection).await?;
    if !arguments.no_wait && summary.accepted + summary.unchanged > 0 {
        wait(client).await?;
        let after = left_over(client).await?;
        summary.unreadable = after.unreadable.saturating_sub(before.unreadable);
        summary.skipped = after.skipped.saturating_sub(before.skipped);
        // What is unchanged keeps its state, which the service does not tell for each: none may be left out then.
        let of = if summary.unchanged > 0 { &after } else { &LeftOver::default() };
        let left_out = summary.unreadable + summary.skipped + of.unreadable + of.skipped;
        summary.searchable = left_out == 0;
    }
    summary.seconds = started.elapsed().as_secs_f64();
    report(&summary, json)?;
    if summary.failed > 0 {
        bail!("{} of the documents were refused", summary.failed);
    }
    if summary.unreadable > 0 {
        bail!(
            "{} of the documents could not be read; `wellspring documents list --state failed` says why; so does \
             `--state quarantined`",
            summary.unreadable
        );
    }
    Ok(())
}

/// Documents whose newest revision is not searchable and will not be by itself.
#[derive(Default)]
struct LeftOver {
    unreadable: u64,
    skipped: u64,
}

async fn left_over(client: &Client) -> anyhow::Result<LeftOver> {
    let status: Value = client.json(client.request(Method::GET, "/v1/status")).await?;
    let count = |state: &str| status.pointer(&format!("/catalog/{state}")).and_then(Value::as_u64).unwrap_or(0);
    Ok(LeftOver { unreadable: count("failed") + count("quarantined"), skipped: count("skipped") })
}

/// Sends everything below the paths and counts what the service says to each document.
pub(super) async fn push(client: &Client, paths: &[PathBuf], collection: &str) -> anyhow::Result<Summary> {
    let (files, left_out) = files(paths)?;
    let origins = Origins::default();
    let mut summary = push_lines(client, collection, {
        let origins = origins.clone();
        move |sender| read(&files, sender, &origins)
    })
    .await?;
    summary.failures.iter_mut().for_each(|failure| origins.tell(failure));
    summary.left_out = left_out;
    Ok(summary)
}

/// Which file each line of the stream came from: the number of the first, from 1, and whether the file has lines of its own.
#[derive(Debug, Default, Clone)]
struct Origins(Arc<Mutex<Vec<(u64, PathBuf, bool)>>>);

impl Origins {
    /// The next line, of this number, is the first of a file.
    fn begin(&self, line: u64, path: &Path, has_lines: bool) {
        self.lock().push((line, path.to_owned(), has_lines));
    }

    /// Names the file of a refused line, and counts its line there; the service counts those of the stream.
    fn tell(&self, failure: &mut Value) {
        let Some(line) = failure.get("line").and_then(Value::as_u64) else { return };
        let origins = self.lock();
        let Some((first, path, has_lines)) = origins.iter().rev().find(|(first, ..)| *first <= line) else { return };
        failure["path"] = json!(path);
        failure["line"] = if *has_lines { json!(line - first + 1) } else { Value::Null };
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, PathBuf, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the lines that `read` makes on a thread of its own; it ends when its channel takes no more.
pub(super) async fn push_lines(
    client: &Client,
    collection: &str,
    read: impl FnOnce(&LineSender) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<Summary> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    let reading = tokio::task::spawn_blocking(move || read(&sender));
    let request = client
        .request(Method::POST, "/v1/documents")
        .query(&[("collection", collection)])
        .header("content-type", "application/x-ndjson")
        .body(Body::wrap_stream(ReceiverStream::new(receiver)));
    let mut summary = Summary::default();
    let mut progress = Progress::start("documents stored", 0);
    let mut results = lines(client.send(request).await?);
    while let Some(line) = results.next().await {
        let line: Value = serde_json::from_str(&line?).context("the server sent a result that is not JSON")?;
        count(&mut summary, line);
        progress.at(summary.accepted + summary.unchanged + summary.failed);
    }
    progress.finish();
    reading.await.context("reading the files failed unexpectedly")??;
    Ok(summary)
}

fn count(summary: &mut Summary, line: Value) {
    if line.get("done").is_some() {
        return;
    }
    if line.get("error").is_some() {
        summary.failed += 1;
        if summary.failures.len() < FAILURES_SHOWN {
            summary.failures.push(line);
        }
    } else if line.get("outcome").and_then(Value::as_str) == Some("unchanged") {
        summary.unchanged += 1;
    } else {
        summary.accepted += 1;
    }
}

/// Waits until nothing is pending.
pub(super) async fn wait(client: &Client) -> anyhow::Result<()> {
    let mut first = None;
    let mut progress: Option<Progress> = None;
    loop {
        let status: Value = client.json(client.request(Method::GET, "/v1/status")).await?;
        let pending = status.pointer("/catalog/pending").and_then(Value::as_u64).unwrap_or(0);
        if pending == 0 {
            break;
        }
        let total = *first.get_or_insert(pending);
        let progress = progress.get_or_insert_with(|| Progress::start("documents searchable", total));
        progress.at(total.saturating_sub(pending));
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    Ok(())
}

fn report(summary: &Summary, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(summary);
    }
    for failure in &summary.failures {
        let text = |pointer: &str| failure.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = match (failure.get("path").and_then(Value::as_str), failure.get("line").and_then(Value::as_u64)) {
            (Some(path), Some(line)) => format!("{path}, line {line}"),
            (Some(path), None) => path.to_owned(),
            (None, line) => format!("line {}", line.unwrap_or_default()),
        };
        let name = failure.get("key").and_then(Value::as_str).map_or(place, str::to_owned);
        output::note(format!("refused {name}: {} ({})", text("/error/message"), text("/error/hint")));
    }
    output::line(format!(
        "{} stored, {} unchanged, {} refused in {:.1} s{}",
        summary.accepted,
        summary.unchanged,
        summary.failed,
        summary.seconds,
        if summary.searchable { "; all searchable" } else { "" }
    ));
    if let Some(left_out) = summary.left_out.in_words() {
        output::note(left_out);
    }
    if summary.skipped > 0 {
        output::note(format!(
            "{} of them are left out of searches; `wellspring documents list --state skipped` says why",
            summary.skipped
        ));
    }
    Ok(())
}

/// Reads files into lines for the network; stops when nobody listens any more.
fn read(files: &[(PathBuf, Option<String>)], sender: &LineSender, origins: &Origins) -> anyhow::Result<()> {
    let mut sent = 0;
    for (path, key) in files {
        origins.begin(sent + 1, path, key.is_none());
        let file = File::open(path).with_context(|| format!("could not open {}", path.display()))?;
        let Some(key) = key else {
            let lines = send_lines(BufReader::new(file), sender);
            let Some(lines) = lines.with_context(|| format!("could not read {}", path.display()))? else {
                return Ok(());
            };
            sent += lines;
            continue;
        };
        let mut content = Vec::new();
        // One byte over the limit is enough for the server to say that it is too large.
        file.take(limits::DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut content)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let document = json!({ "key": key, "file": { "name": name, "base64": base64(&content) } });
        let mut line = serde_json::to_vec(&document)?;
        line.push(b'\n');
        if sender.blocking_send(Ok(line)).is_err() {
            return Ok(());
        }
        sent += 1;
    }
    Ok(())
}

/// Sends the lines of a file and says how many; `None` when nobody listens any more.
fn send_lines(mut file: BufReader<File>, sender: &LineSender) -> std::io::Result<Option<u64>> {
    let mut lines = 0;
    loop {
        let mut line = Vec::new();
        let length = (&mut file).take(limits::DOCUMENT_BODY_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(Some(lines));
        }
        if line.last() != Some(&b'\n') && length < limits::DOCUMENT_BODY_BYTES_MAX {
            line.push(b'\n');
        }
        // A piece of a line that is too long ends no line of the stream.
        lines += u64::from(line.last() == Some(&b'\n'));
        if sender.blocking_send(Ok(line)).is_err() {
            return Ok(None);
        }
    }
}

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
