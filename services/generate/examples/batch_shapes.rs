//! Does a token's arithmetic depend on what else is in the batch?
//!
//! ```sh
//! cargo run --release --locked -p wellspring-generate --example batch_shapes -- model.gguf [threads] [arrangement]
//! ```
//!
//! For every arrangement of the cache: the bits of a stream's logits when it is decoded alone, against beside one to
//! seven others of other lengths; the same prompt read in other pieces; and the milliseconds of a step. With `deep` for the
//! arrangement: what a piece of a long prompt takes, by what was read before it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that a person runs")]

use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

const STREAMS: usize = 8;
const CONTEXT_TOKENS: u32 = 2048;
const STEPS: usize = 12;
/// A tail shorter than this is read with the piece before it.
const TAIL_TOKENS_MIN: usize = 8;

/// One arrangement of the cache.
struct Arrangement {
    name: &'static str,
    flash: bool,
    unified: bool,
    keys: KvCacheType,
    values: KvCacheType,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("the path of a model");
    let threads: i32 = arguments.next().map_or(2, |threads| threads.parse().unwrap());
    let only = arguments.next();
    llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default());
    let backend = LlamaBackend::init().unwrap();
    let model = LlamaModel::load_from_file(&backend, path, &LlamaModelParams::default()).unwrap();
    use KvCacheType::{F16, F32, Q8_0};
    let arrangements = [
        Arrangement { name: "fa f16 f16", flash: true, unified: false, keys: F16, values: F16 },
        Arrangement { name: "fa f16 f32", flash: true, unified: false, keys: F16, values: F32 },
        Arrangement { name: "fa q8  q8 ", flash: true, unified: false, keys: Q8_0, values: Q8_0 },
        Arrangement { name: "no f16 f16", flash: false, unified: false, keys: F16, values: F16 },
        Arrangement { name: "fa unified", flash: true, unified: true, keys: F16, values: F16 },
    ];
    if only.as_deref() == Some("deep") {
        for arrangement in [&arrangements[0], &arrangements[2], &arrangements[3]] {
            deep(&backend, &model, threads, arrangement);
        }
        return;
    }
    for arrangement in arrangements {
        if only.as_deref().is_some_and(|only| !arrangement.name.contains(only)) {
            continue;
        }
        measure(&backend, &model, threads, &arrangement);
    }
}

fn context<'model>(
    backend: &LlamaBackend,
    model: &'model LlamaModel,
    threads: i32,
    arrangement: &Arrangement,
) -> LlamaContext<'model> {
    let policy = if arrangement.flash { 1 } else { 0 };
    let parameters = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(CONTEXT_TOKENS * STREAMS as u32))
        .with_n_seq_max(STREAMS as u32)
        .with_n_batch(512)
        .with_n_ubatch(512)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_flash_attention_policy(policy)
        .with_kv_unified(arrangement.unified)
        .with_type_k(arrangement.keys)
        .with_type_v(arrangement.values)
        .with_no_perf(true);
    model.new_context(backend, parameters).unwrap()
}

/// Milliseconds that this thread has computed: on a machine that others use, the clock says nothing. With `WALL=1` the clock's.
fn cpu_time() -> f64 {
    if std::env::var_os("WALL").is_some() {
        static BEGUN: OnceLock<Instant> = OnceLock::new();
        return BEGUN.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3;
    }
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    spent.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
}

fn token(stream: usize, position: usize) -> LlamaToken {
    LlamaToken((100 + (position * 7919 + stream * 104_729) % 20_000) as i32)
}

/// Reads a prompt in pieces: what is left beyond a multiple of 64 in a piece of its own, or with a tail of at least 8; returns the last logits and milliseconds.
fn read(
    context: &mut LlamaContext<'_>,
    stream: usize,
    as_stream: usize,
    length: usize,
    piece: usize,
    together: bool,
) -> (Vec<f32>, f64) {
    let mut batch = LlamaBatch::new(512, 1);
    let begun = cpu_time();
    let whole = length / 64 * 64;
    let mut at = 0;
    while at < length {
        let end = match together {
            false if at < whole => whole.min(at + piece),
            false => length,
            true if length - at >= piece + TAIL_TOKENS_MIN => at + piece,
            true => length,
        };
        batch.clear();
        for position in at..end {
            batch.add(token(as_stream, position), position as i32, &[stream as i32], position + 1 == length).unwrap();
        }
        context.decode(&mut batch).unwrap();
        at = end;
    }
    let logits = context.get_logits_ith(batch.n_tokens() - 1).to_vec();
    (logits, cpu_time() - begun)
}

/// What pieces of a long prompt take, and one token behind them.
fn deep(backend: &LlamaBackend, model: &LlamaModel, threads: i32, arrangement: &Arrangement) {
    println!("== {}", arrangement.name);
    let mut context = context(backend, model, threads, arrangement);
    let mut batch = LlamaBatch::new(512, 1);
    for depth in [0, 512, 1024, 1536] {
        let mut times = Vec::new();
        for piece in [1, 8, 16, 32, 48, 64, 128] {
            let mut taken: Vec<f64> = (0..5)
                .map(|_| {
                    context.clear_kv_cache_seq(Some(0), Some(depth as u32), None).unwrap();
                    batch.clear();
                    for position in depth..depth + piece {
                        let last = position + 1 == depth + piece;
                        batch.add(token(0, position), position as i32, &[0], last).unwrap();
                    }
                    let begun = cpu_time();
                    context.decode(&mut batch).unwrap();
                    cpu_time() - begun
                })
                .collect();
            taken.sort_by(f64::total_cmp);
            times.push(format!("{piece}: {:.0} ms", taken[2]));
        }
        println!("  behind {depth}: {}", times.join(", "));
        context.clear_kv_cache_seq(Some(0), Some(depth as u32), None).unwrap();
        for from in (depth..CONTEXT_TOKENS as usize - 128).take(512).step_by(64) {
            batch.clear();
            for position in from..from + 64 {
                batch.add(token(0, position), position as i32, &[0], position == from + 63).unwrap();
            }
            context.decode(&mut batch).unwrap();
        }
    }
}

/// Decodes one token of each of these streams; returns each one's logits and milliseconds.
fn step(context: &mut LlamaContext<'_>, streams: &[(usize, usize, usize)]) -> (Vec<Vec<f32>>, f64) {
    let mut batch = LlamaBatch::new(16, 1);
    for &(stream, as_stream, position) in streams {
        batch.add(token(as_stream, position), position as i32, &[stream as i32], true).unwrap();
    }
    let begun = cpu_time();
    context.decode(&mut batch).unwrap();
    let logits = (0..streams.len()).map(|row| context.get_logits_ith(row as i32).to_vec()).collect();
    (logits, cpu_time() - begun)
}

/// Tokens before the step of another stream: some longer than the one that is looked at, some shorter.
fn other(stream: usize) -> usize {
    if stream % 3 == 2 { 90 + 200 * stream } else { 70 + 20 * stream }
}

fn differ(a: &[f32], b: &[f32]) -> String {
    let bits = a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    let largest = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if bits == 0 { "same".to_owned() } else { format!("differ {largest:.1e}") }
}

fn measure(backend: &LlamaBackend, model: &LlamaModel, threads: i32, arrangement: &Arrangement) {
    println!("== {}", arrangement.name);
    for length in [128, 600, 1200] {
        let mut context = context(backend, model, threads, arrangement);
        let mut pieces: Vec<(String, Vec<f32>)> = Vec::new();
        for (piece, together) in
            [(504, true), (256, true), (128, true), (96, true), (64, true), (48, true), (32, true), (16, true)]
        {
            context.clear_kv_cache();
            let (logits, milliseconds) = read(&mut context, 0, 0, length + 5, piece, together);
            let rate = (length + 5) as f64 / milliseconds * 1e3;
            let verdict = match pieces.iter().find(|(_, other)| differ(other, &logits) == "same") {
                Some((name, _)) => format!("the bits of {name}"),
                None => "new bits".to_owned(),
            };
            let name = format!("{piece}{}", if together { " and a tail of 8" } else { "" });
            println!("  {} tokens read in pieces of {name}: {rate:.0} tok/s, {verdict}", length + 5);
            pieces.push((name, logits));
        }
        for stream in 1..STREAMS {
            read(&mut context, stream, stream, other(stream), 128, false);
        }
        let at = |stream: usize| if stream == 0 { length + 5 } else { other(stream) };
        let mut first: Vec<Vec<f32>> = Vec::new();
        let mut times = vec![Vec::new(); STREAMS + 1];
        let mut verdicts = vec![String::new(); STREAMS + 1];
        for round in 0..STEPS {
            for width in 1..=STREAMS {
                let streams: Vec<_> = (0..width).map(|stream| (stream, stream, at(stream))).collect();
                let (logits, milliseconds) = step(&mut context, &streams);
                times[width].push(milliseconds);
                for stream in 0..width {
                    context.clear_kv_cache_seq(Some(stream as u32), Some(at(stream) as u32), None).unwrap();
                }
                if round == 0 {
                    let same = first.iter().position(|other| differ(other, &logits[0]) == "same");
                    verdicts[width] = match same {
                        Some(other) => format!("the bits of {} wide", other + 1),
                        None if width == 1 => "alone".to_owned(),
                        None => format!("new bits; from alone {}", differ(&first[0], &logits[0])),
                    };
                    first.push(logits[0].clone());
                } else {
                    assert_eq!(differ(&first[width - 1], &logits[0]), "same", "{width} wide does not repeat itself");
                }
            }
        }
        for width in 1..=STREAMS {
            times[width].sort_by(f64::total_cmp);
            let median = times[width][STEPS / 2];
            let (rate, verdict) = (width as f64 / median * 1e3, &verdicts[width]);
            println!("  decode at {}, {width} wide: {median:.1} ms, {rate:.1} tok/s, {verdict}", length + 5);
        }
    }
}
