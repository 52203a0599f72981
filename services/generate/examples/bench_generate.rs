//! How fast is the generator, and is llama.cpp's own server faster?
//!
//! ```sh
//! make bench-generate                                    # ours
//! make bench-generate LLAMA_SERVER=/path/to/llama-server # both, turn by turn in one run
//! make bench-generate PEER=http://127.0.0.1:8080         # the same with a server that runs already
//! ```
//!
//! Every server reads the same prompts with the same model, threads and context, and has 8 slots. A round is a number of
//! callers at once, each with a prompt of its own behind instructions that all share; rounds of the servers alternate.
//! A server that was started here stands still while another one is measured: llama-server takes some of a core when idle.
//! Then one stream runs while another caller brings a prompt of some 2,000 tokens.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a measurement that a person runs")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use wellspring_core::generator::{
    GenerationEvent, GenerationOptions, GenerationRequest, Generator, GeneratorStatus, Message, Role,
};
use wellspring_generate::{Client, Supervisor, SupervisorConfig, WorkerCommand};

const SLOTS: usize = 8;
const CONTEXT_TOKENS: usize = 4096;
const TOKENS: usize = 64;
/// Of the stream beside which a long prompt is read: it outlasts the reading.
const DISTURBED_TOKENS: usize = 300;
const CALLERS: [usize; 3] = [1, 4, 8];
const START: Duration = Duration::from_secs(120);

/// A server under measurement.
struct Server {
    name: &'static str,
    generator: Box<dyn Generator>,
    child: Option<Child>,
}

/// What one request took.
struct Taken {
    tokens: usize,
    first: Duration,
    gaps: Vec<Duration>,
}

/// What a round took.
struct Round {
    tokens_a_second: f64,
    first: Vec<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (rounds, threads, port) = (number("ROUNDS", 5), number("THREADS", 2), number("PORT", 7811));
    let model = std::env::var_os("MODEL").filter(|model| !model.is_empty()).map_or_else(default_model, PathBuf::from);
    let program = PathBuf::from(std::env::var_os("WELLSPRING_BIN").expect("WELLSPRING_BIN names the binary"));
    let folder = std::env::temp_dir().join(format!("wellspring-bench-{}", std::process::id()));
    let mut servers = vec![ours(&program, &model, threads, &folder).await];
    if let Some(peer) = std::env::var_os("LLAMA_SERVER").filter(|peer| !peer.is_empty()) {
        servers.push(theirs(Path::new(&peer), &model, threads, port).await);
    }
    if let Some(url) = std::env::var("PEER").ok().filter(|url| !url.is_empty()) {
        servers.push(running(&url).await);
    }
    println!("{}, {threads} threads, {SLOTS} slots, {rounds} rounds", model.file_name().unwrap().display());

    // Nobody is measured with a cold file cache, and everybody has seen the instructions once.
    for server in &servers {
        round(server, 1, 1_000_000).await;
    }
    let only = std::env::var("CALLERS").ok().map(|callers| callers.parse::<usize>().expect("a number"));
    for callers in CALLERS.into_iter().filter(|callers| only.is_none_or(|only| only == *callers)) {
        let mut measured: Vec<Vec<Round>> = servers.iter().map(|_| Vec::new()).collect();
        for number in 0..rounds {
            for (at, rounds) in measured.iter_mut().enumerate() {
                let _paused = Paused::all_but(&servers, at);
                rounds.push(round(&servers[at], callers, callers * 1000 + number).await);
            }
        }
        println!("\n{callers} callers");
        let figures: Vec<[f64; 3]> =
            servers.iter().zip(&measured).map(|(server, rounds)| show(server, rounds)).collect();
        for theirs in figures.iter().skip(1) {
            let ours = &figures[0];
            let [rate, median, p95] = [0, 1, 2].map(|figure| ours[figure] / theirs[figure]);
            println!("  ratio: tokens/s {rate:.2}, first token median {median:.2}, p95 {p95:.2}");
        }
    }
    if only.is_none() {
        println!("\none stream while a prompt of some 2,000 tokens is read");
        for (at, server) in servers.iter().enumerate() {
            let _paused = Paused::all_but(&servers, at);
            disturbed(server).await;
        }
    }
    for server in &mut servers {
        if let Some(child) = &mut server.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}

/// Processes that stand still for as long as this lives.
struct Paused(Vec<u32>);

impl Paused {
    fn all_but(servers: &[Server], measured: usize) -> Self {
        let others = servers.iter().enumerate().filter(|(at, _)| *at != measured);
        let paused = Self(others.filter_map(|(_, server)| server.child.as_ref().map(Child::id)).collect());
        paused.signal("-STOP");
        paused
    }

    fn signal(&self, signal: &str) {
        for id in &self.0 {
            assert!(Command::new("kill").args([signal, &id.to_string()]).status().is_ok_and(|status| status.success()));
        }
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// The default generator's model, where it is fetched to.
fn default_model() -> PathBuf {
    let folder = std::env::var_os("WELLSPRING_MODELS_DIR").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".local/share/wellspring/models")
    });
    folder.join("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")
}

/// Our generator's process.
async fn ours(program: &Path, model: &Path, threads: usize, folder: &Path) -> Server {
    let (program, model) = (program.to_owned(), model.to_owned());
    let step_ms = std::env::var("STEP_MS").map_or(100, |text| text.parse::<u64>().expect("a number"));
    let command = move |socket: &Path| WorkerCommand {
        program: program.clone(),
        arguments: [
            OsString::from("generator-worker"),
            "--socket".into(),
            socket.into(),
            "--model".into(),
            model.clone().into(),
            "--name=bench".into(),
            format!("--threads={threads}").into(),
            format!("--context-tokens={CONTEXT_TOKENS}").into(),
            format!("--slots={SLOTS}").into(),
            "--cache-type=f16".into(),
            "--gpu-split=layers".into(),
            format!("--step-ms={step_ms}").into(),
        ]
        .into(),
        environment: Vec::new(),
    };
    let supervisor = Supervisor::start(SupervisorConfig { directory: folder.to_owned(), command: Box::new(command) });
    let supervisor = supervisor.unwrap();
    let begun = Instant::now();
    while !matches!(supervisor.status(), GeneratorStatus::Ready { .. }) {
        assert!(begun.elapsed() < START, "our generator does not start: {:?}", supervisor.status());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Server { name: "wellspring", generator: Box::new(supervisor), child: None }
}

/// llama.cpp's server.
async fn theirs(program: &Path, model: &Path, threads: usize, port: usize) -> Server {
    let child = Command::new(program)
        .arg("-m")
        .arg(model)
        .args(["-t", &threads.to_string(), "-c", &(SLOTS * CONTEXT_TOKENS).to_string(), "-np", &SLOTS.to_string()])
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("LLAMA_SERVER can be started");
    let client = Client::http(&format!("http://127.0.0.1:{port}"), None).unwrap();
    let begun = Instant::now();
    while !matches!(client.probe(Duration::from_secs(5)).await, Ok(GeneratorStatus::Ready { .. })) {
        assert!(begun.elapsed() < START, "llama-server does not start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Server { name: "llama-server", generator: Box::new(client), child: Some(child) }
}

/// A server that runs already, with whatever settings it was given.
async fn running(url: &str) -> Server {
    let client = Client::http(url, None).expect("PEER is a URL");
    let status = client.probe(Duration::from_secs(5)).await;
    assert!(matches!(status, Ok(GeneratorStatus::Ready { .. })), "the peer is not ready: {status:?}");
    Server { name: "peer", generator: Box::new(client), child: None }
}

/// So many callers at once.
async fn round(server: &Server, callers: usize, number: usize) -> Round {
    let begun = Instant::now();
    let requests = (0..callers).map(|caller| request(server, prompt(number, caller), TOKENS));
    let taken = join_all(requests).await;
    let tokens: usize = taken.iter().map(|taken| taken.tokens).sum();
    let first = taken.iter().map(|taken| taken.first.as_secs_f64() * 1e3).collect();
    Round { tokens_a_second: tokens as f64 / begun.elapsed().as_secs_f64(), first }
}

/// Some 220 tokens that all share, and some 80 of its own.
fn prompt(number: usize, caller: usize) -> String {
    let shared =
        "You keep the book of a river with many mills. Every mill has an owner, a wheel, a dam and a road to the \
                  town. Whoever asks gets an answer from the book and from nowhere else. "
            .repeat(5);
    let own: String =
        (0..8).map(|line| format!("Mill {} grinds {} sacks. ", number * 13 + line, caller * 7 + line)).collect();
    format!("{shared}\n{own}\nWrite a long story about these mills, and begin with mill {}.", number * 13 + caller % 8)
}

async fn request(server: &Server, content: String, tokens_max: usize) -> Taken {
    let request = GenerationRequest {
        messages: vec![Message { role: Role::User, content }],
        tokens_max,
        temperature: 0.0,
        seed: 1,
        stop: Vec::new(),
        options: GenerationOptions::default(),
    };
    let begun = Instant::now();
    let mut generation = server.generator.generate(request).await.expect("a place");
    let (mut first, mut last, mut gaps) = (None, begun, Vec::new());
    while let Some(event) = generation.next().await {
        match event.expect("a stream that ends well") {
            GenerationEvent::Text(_) => {
                first.get_or_insert_with(|| begun.elapsed());
                gaps.push(last.elapsed());
                last = Instant::now();
            }
            GenerationEvent::Tokens(_) => {}
            GenerationEvent::Done { usage, .. } => {
                let first = first.unwrap_or_else(|| begun.elapsed());
                return Taken { tokens: usage.completion_tokens, first, gaps };
            }
        }
    }
    panic!("{}: a stream without an end", server.name)
}

/// Prints a server's figures: tokens a second, the median and the 95th percentile of the first token in milliseconds.
fn show(server: &Server, rounds: &[Round]) -> [f64; 3] {
    let rates = sorted(rounds.iter().map(|round| round.tokens_a_second));
    let firsts = sorted(rounds.iter().flat_map(|round| round.first.iter().copied()));
    let (rate, median, p95) = (at(&rates, 0.5), at(&firsts, 0.5), at(&firsts, 0.95));
    let (least, most) = (rates[0], rates[rates.len() - 1]);
    println!(
        "  {}: {rate:.1} tokens/s ({least:.1} to {most:.1}), first token {median:.0} ms at the median, {p95:.0} at p95",
        server.name
    );
    [rate, median, p95]
}

/// The pauses of one stream while a long prompt is read, and what both take together against one after the other.
async fn disturbed(server: &Server) {
    let long = |offset: usize| -> String {
        let lines = (0..250).map(|line| format!("Mill {} has {} sacks. ", line + offset, line * 31 % 97));
        format!("{} Which mill has most?", lines.collect::<String>())
    };
    let begun = Instant::now();
    let quiet = request(server, "Write a long story about a miller.".to_owned(), DISTURBED_TOKENS).await;
    let reading = request(server, long(300), 1).await;
    let apart = begun.elapsed();
    let begun = Instant::now();
    let stream = request(server, "Write a long story about a river.".to_owned(), DISTURBED_TOKENS);
    let other = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        request(server, long(600), 1).await
    };
    let (stream, other) = tokio::join!(stream, other);
    let together = begun.elapsed();
    let milliseconds = |gaps: &[Duration]| sorted(gaps.iter().skip(1).map(|gap| gap.as_secs_f64() * 1e3));
    // Of the gaps, those while the prompt was read.
    let mut at_time = Duration::ZERO;
    let (from, to) = (Duration::from_millis(1500), Duration::from_millis(1500) + other.first);
    let beside: Vec<Duration> = stream
        .gaps
        .iter()
        .filter(|gap| {
            at_time += **gap;
            at_time > from && at_time <= to
        })
        .copied()
        .collect();
    let (quiet, disturbed) = (milliseconds(&quiet.gaps), milliseconds(&beside));
    println!(
        "  {}: between tokens {:.0} ms at the median and {:.0} at p95 alone; {:.0} and {:.0} (most {:.0}) beside the \
         reading, which took {:.1} s instead of {:.1}; both took {:.1} s one after the other and {:.1} together: {:.2}",
        server.name,
        at(&quiet, 0.5),
        at(&quiet, 0.95),
        at(&disturbed, 0.5),
        at(&disturbed, 0.95),
        disturbed.last().copied().unwrap_or_default(),
        other.first.as_secs_f64(),
        reading.first.as_secs_f64(),
        apart.as_secs_f64(),
        together.as_secs_f64(),
        apart.as_secs_f64() / together.as_secs_f64(),
    );
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn at(sorted: &[f64], share: f64) -> f64 {
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
