//! What becomes of each file of a folder in the parse workers?
//!
//! ```text
//! cargo run -p wellspring-ingest --example parse_folder -- FOLDER [--as FORMAT]... [--show]
//! ```
//!
//! Each file is read as the format its name promises, or as each format named by `--as`, and one line says what it was
//! tried as, how it ended and in how many milliseconds. `--show` prints what was read.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for whoever writes a parser: it fails loudly")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use wellspring_core::document::MediaType;
use wellspring_core::place::place_at;
use wellspring_ingest::parse::{ParseError, ParsePool, Parsed, WorkerCommand, worker};

const WORKER: &str = "parse-worker";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        println!("usage: parse_folder FOLDER [--as FORMAT]... [--show]");
        return ExitCode::FAILURE;
    };
    if folder == WORKER {
        return worker::run();
    }
    let (mut formats, mut show) = (Vec::new(), false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--as" => formats.push(arguments.next().unwrap().parse::<MediaType>().expect("a format's name")),
            _ => show = argument == "--show",
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(read_all(Path::new(&folder), &formats, show));
    ExitCode::SUCCESS
}

async fn read_all(folder: &Path, formats: &[MediaType], show: bool) {
    let command = WorkerCommand { program: std::env::current_exe().unwrap(), args: vec![WORKER.to_owned()] };
    let pool = ParsePool::new(command, 1);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    let (mut outcomes, mut slowest) = (BTreeMap::<&str, usize>::new(), 0);
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        let promised = MediaType::of_file_name(&name);
        let tried = if formats.is_empty() { promised.as_slice() } else { formats };
        for format in tried {
            let began = Instant::now();
            let outcome = pool.parse(*format, std::fs::read(file).unwrap()).await;
            let milliseconds = began.elapsed().as_millis();
            slowest = slowest.max(milliseconds);
            let (word, detail) = match &outcome {
                Ok(parsed) => ("parsed", format!("{} blocks, {} bytes", parsed.blocks.len(), parsed.text.len())),
                Err(ParseError::Refused { reason }) => ("refused", reason.clone()),
                Err(error @ ParseError::Killed { .. }) => ("killed", error.to_string()),
                Err(error @ ParseError::Unavailable { .. }) => ("unavailable", error.to_string()),
            };
            *outcomes.entry(word).or_default() += 1;
            println!("{name}\t{}\t{word}\t{milliseconds} ms\t{detail}", format.as_str());
            if let (true, Ok(parsed)) = (show, &outcome) {
                print(parsed);
            }
        }
    }
    println!("{} files: {outcomes:?}, the slowest in {slowest} ms", files.len());
}

fn print(parsed: &Parsed) {
    println!("  title: {:?}", parsed.title);
    for block in &parsed.blocks {
        println!("  {:?}", block.kind);
        let mut start = block.range.start;
        for line in parsed.text[block.range.clone()].split('\n') {
            let place = place_at(&parsed.places, start).map(ToString::to_string).unwrap_or_default();
            println!("    {place:>16} {line}");
            start += line.len() + 1;
        }
    }
}
