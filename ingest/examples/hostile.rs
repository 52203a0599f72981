//! Does every file of a folder of bad files end in a recorded state, and what did that cost?
//!
//! ```text
//! cargo run --release -p wellspring-ingest --example hostile -- [--as TYPE]... PATH...
//! ```
//!
//! Each path is a folder, or a file of JSON lines with one page a line under `html`. Files go through the same pool of
//! worker processes as in the service, by their endings; those with no ending that is known are read as each `--as`.
//! This program starts itself as the worker.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people that may fail loudly")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wellspring_core::document::MediaType;
use wellspring_core::limits;
use wellspring_ingest::parse::{ParseError, ParsePool, WorkerCommand, worker};

/// The hidden argument under which this program is a worker.
const WORKER_ARGUMENT: &str = "parse-worker";
/// Between two looks at the memory of the workers.
const MEMORY_INTERVAL: Duration = Duration::from_millis(5);
/// Lines of each list that is printed.
const LISTED: usize = 12;

fn main() -> ExitCode {
    let mut types = Vec::new();
    let mut paths = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            WORKER_ARGUMENT => return worker::run(),
            "--as" => match arguments.next().as_deref().map(str::parse) {
                Some(Ok(media_type)) => types.push(media_type),
                _ => return usage(),
            },
            _ => paths.push(argument),
        }
    }
    if paths.is_empty() {
        return usage();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let documents: Vec<Document> = paths.iter().flat_map(|path| documents(Path::new(path), &types)).collect();
    runtime.block_on(read_all(documents))
}

fn usage() -> ExitCode {
    println!("usage: hostile [--as pdf|html|email|json|...]... FOLDER|PAGES.jsonl...");
    ExitCode::FAILURE
}

struct Document {
    name: String,
    media_type: MediaType,
    content: Vec<u8>,
}

fn documents(path: &Path, types: &[MediaType]) -> Vec<Document> {
    if path.is_file() {
        return pages(path);
    }
    let mut files: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let of_file = |file: std::path::PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let by_name = MediaType::of_file_name(&name).map(|media_type| vec![media_type]);
        let types = by_name.unwrap_or_else(|| types.to_vec());
        types.into_iter().map(move |media_type| Document {
            name: name.clone(),
            media_type,
            content: std::fs::read(&file).unwrap(),
        })
    };
    files.into_iter().flat_map(of_file).collect()
}

fn pages(path: &Path) -> Vec<Document> {
    let lines = std::fs::read_to_string(path).unwrap();
    let page = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(Document {
            name: line["id"].as_str().unwrap_or("a page").to_owned(),
            media_type: MediaType::Html,
            content: line["html"].as_str()?.to_owned().into_bytes(),
        })
    };
    lines.lines().filter_map(page).collect()
}

/// What became of one document.
struct End {
    name: String,
    media_type: MediaType,
    outcome: &'static str,
    reason: String,
    wall: Duration,
}

async fn read_all(documents: Vec<Document>) -> ExitCode {
    let command = WorkerCommand { program: std::env::current_exe().unwrap(), args: vec![WORKER_ARGUMENT.to_owned()] };
    let pool = ParsePool::new(command, limits::PARSE_WORKERS);
    let memory = Memory::watch();
    let total = documents.len();
    let began = Instant::now();
    let read = |document: Document| {
        let pool = &pool;
        async move {
            let began = Instant::now();
            let result = pool.parse(document.media_type, document.content).await;
            let (outcome, reason) = match result {
                Ok(parsed) if parsed.blocks.is_empty() => ("read, says nothing", String::new()),
                Ok(_) => ("read", String::new()),
                Err(ParseError::Refused { reason }) => ("refused", reason),
                Err(error @ ParseError::Killed { .. }) => ("killed", error.to_string()),
                Err(error @ ParseError::Unavailable { .. }) => ("unavailable", error.to_string()),
            };
            End { name: document.name, media_type: document.media_type, outcome, reason, wall: began.elapsed() }
        }
    };
    let mut reading = futures::stream::FuturesUnordered::new();
    let mut waiting = documents.into_iter();
    let mut ends = Vec::new();
    loop {
        while reading.len() < limits::PARSE_WORKERS {
            match waiting.next() {
                Some(document) => reading.push(read(document)),
                None => break,
            }
        }
        match futures::StreamExt::next(&mut reading).await {
            Some(end) => ends.push(end),
            None => break,
        }
    }
    report(ends, total, began.elapsed(), memory.peak())
}

fn report(mut ends: Vec<End>, total: usize, wall: Duration, peak: u64) -> ExitCode {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for end in &ends {
        *counts.entry((end.media_type.as_str(), end.outcome)).or_default() += 1;
        *reasons.entry(&end.reason).or_default() += 1;
    }
    println!("{:<12} {:<20} documents", "format", "outcome");
    for ((format, outcome), count) in &counts {
        println!("{format:<12} {outcome:<20} {count}");
    }
    println!("\nreasons");
    let mut reasons: Vec<_> = reasons.into_iter().filter(|(reason, _)| !reason.is_empty()).collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons {
        println!("{count:>6}  {reason}");
    }
    ends.sort_by_key(|end| std::cmp::Reverse(end.wall));
    println!("\nkilled");
    for end in ends.iter().filter(|end| end.outcome == "killed") {
        println!("{:>9.2?}  {}: {}", end.wall, end.name, end.reason);
    }
    println!("\nslowest");
    for end in ends.iter().take(LISTED) {
        println!("{:>9.2?}  {} ({}, {})", end.wall, end.name, end.media_type.as_str(), end.outcome);
    }
    let recorded = ends.iter().filter(|end| end.outcome != "unavailable").count();
    println!("\n{recorded} of {total} documents ended in a recorded state, in {wall:.1?}; ");
    println!("a worker held at most {} MiB", peak >> 20);
    if recorded == total { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks at the workers' memory from a thread of its own.
struct Memory {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Memory {
    fn watch() -> Self {
        let (stop, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = {
            let (stop, peak) = (stop.clone(), peak.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    peak.fetch_max(children_peak(), Ordering::Relaxed);
                    std::thread::sleep(MEMORY_INTERVAL);
                }
            })
        };
        Self { stop, peak, thread }
    }

    fn peak(self) -> u64 {
        self.peak.fetch_max(children_peak(), Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.peak.load(Ordering::Relaxed)
    }
}

/// The most memory that a child of this process ever held, in bytes; 0 where the system does not tell.
fn children_peak() -> u64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let children = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let peak = |child: &str| {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim();
        line.strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    };
    children.flat_map(|list| list.split_whitespace().filter_map(peak).collect::<Vec<_>>()).max().unwrap_or(0)
}
