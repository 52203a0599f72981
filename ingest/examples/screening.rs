//! How well are copies found, at what cost, and where do the thresholds stand?
//!
//! ```text
//! cargo run --release -p wellspring-ingest --example screening -- CORPUS.jsonl [DOCUMENTS [FOLDER]]
//! ```
//!
//! The corpus has one JSON object a line, with `title` and `text`. Copies of every tenth document are planted, each
//! kind once, seeded; all are compared with the whole corpus. FOLDER, of Markdown files, is measured for entropy and
//! boilerplate alone.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example prints what it measured and may fail loudly")]

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use fastrand::Rng;
use wellspring_core::document::MediaType;
use wellspring_core::screen::{Signature, TextDigest};
use wellspring_core::text::sentences;
use wellspring_ingest::parse::{BlockKind, parse};
use wellspring_ingest::screen::normalise::level;
use wellspring_ingest::screen::{entropy, minhash};

const SEED: u64 = 20_260_506;
/// One document in this many has its copies planted.
const PLANTED_EACH: usize = 10;
const KINDS: &[&str] = &[
    "same",
    "edits 2 %",
    "edits 5 %",
    "edits 10 %",
    "edits 20 %",
    "sentences moved",
    "notice added",
    "cut to 70 %",
    "cut to 50 %",
];
const NOTICE: &str = "This copy was made for readers of the branch library and may not be sold. Ask at the desk for the \
    printed edition. Opening hours are from nine to six, on Saturdays until noon; the reading room closes earlier in winter.";

struct Planted {
    kind: usize,
    original: usize,
    text: String,
}

/// What was found of one kind of copy.
#[derive(Default, Clone)]
struct Score {
    found: usize,
    planted: usize,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let corpus = arguments.next().expect("the path of a corpus");
    let most: usize = arguments.next().map_or(usize::MAX, |count| count.parse().expect("a number of documents"));
    let texts = read_corpus(&corpus, most);
    let words: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
    let planted = plant(&texts);
    println!("{} documents, {words} words; {} planted copies, seed {SEED}", texts.len(), planted.len());
    time(&texts);
    for shingle_units in [1, 2, 3] {
        min_hash(shingle_units, &texts, &planted);
    }
    for shingle_units in [1, 2] {
        sim_hash(shingle_units, &texts, &planted);
    }
    println!("\nentropy of the corpus");
    measures(texts.iter().map(|text| vec![text.as_str()]));
    if let Some(folder) = arguments.next() {
        folder_of_markdown(&folder);
    }
}

fn read_corpus(path: &str, most: usize) -> Vec<String> {
    let lines = std::fs::read_to_string(path).expect("a corpus that can be read");
    let documents = lines.lines().take(most).map(|line| {
        let document: serde_json::Value = serde_json::from_str(line).expect("JSON");
        format!(
            "{}\n\n{}",
            document["title"].as_str().unwrap_or_default(),
            document["text"].as_str().unwrap_or_default()
        )
    });
    documents.collect()
}

fn plant(texts: &[String]) -> Vec<Planted> {
    let mut rng = Rng::with_seed(SEED);
    let vocabulary: Vec<&str> = texts.iter().flat_map(|text| text.split_whitespace()).step_by(7).collect();
    let mut planted = Vec::new();
    for (original, text) in texts.iter().enumerate().step_by(PLANTED_EACH) {
        if text.split_whitespace().count() < 60 {
            continue;
        }
        for (kind, name) in KINDS.iter().enumerate() {
            let text = match *name {
                "same" => text.to_uppercase().replace(' ', "  "),
                "edits 2 %" => edited(text, 0.02, &vocabulary, &mut rng),
                "edits 5 %" => edited(text, 0.05, &vocabulary, &mut rng),
                "edits 10 %" => edited(text, 0.10, &vocabulary, &mut rng),
                "edits 20 %" => edited(text, 0.20, &vocabulary, &mut rng),
                "sentences moved" => {
                    let mut parts: Vec<&str> = sentences(text).into_iter().map(|range| &text[range]).collect();
                    rng.shuffle(&mut parts);
                    parts.join(" ")
                }
                "notice added" => format!("{NOTICE}\n\n{text}"),
                "cut to 70 %" => beginning(text, 0.7),
                _ => beginning(text, 0.5),
            };
            planted.push(Planted { kind, original, text });
        }
    }
    planted
}

/// Replaces, drops or doubles a share of the words, at random places.
fn edited(text: &str, share: f64, vocabulary: &[&str], rng: &mut Rng) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        match (rng.f64() < share, rng.u8(0..3)) {
            (false, _) => words.push(word),
            (true, 0) => words.push(vocabulary[rng.usize(0..vocabulary.len())]),
            (true, 1) => {}
            (true, _) => words.extend([word, vocabulary[rng.usize(0..vocabulary.len())]]),
        }
    }
    words.join(" ")
}

fn beginning(text: &str, share: f64) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words[..(words.len() as f64 * share) as usize].join(" ")
}

fn time(texts: &[String]) {
    let bytes: usize = texts.iter().map(String::len).sum();
    let started = Instant::now();
    let signed = texts.iter().filter_map(|text| minhash::sign(text)).count();
    let signing = started.elapsed();
    let started = Instant::now();
    let judged = texts.iter().filter_map(|text| entropy::measure([text.as_str()])).count();
    let measuring = started.elapsed();
    let each = |elapsed: std::time::Duration| elapsed.as_secs_f64() * 1e6 / texts.len() as f64;
    println!(
        "signing {:.0} µs a document ({:.1} MB/s, {signed} signed), entropy {:.0} µs ({judged} judged)",
        each(signing),
        bytes as f64 / 1e6 / signing.as_secs_f64(),
        each(measuring),
    );
}

fn min_hash(shingle_units: usize, texts: &[String], planted: &[Planted]) {
    let sign = |text: &str| {
        let levelled = level(text);
        let minima = minhash::shingles(&levelled, shingle_units).map(|set| minhash::minima(&set)).unwrap_or_default();
        Signature { digest: TextDigest::of(&levelled), minima }
    };
    let signatures: Vec<Signature> = texts.iter().map(|text| sign(text)).collect();
    let copies: Vec<Signature> = planted.iter().map(|copy| sign(&copy.text)).collect();
    for rows in [3, 4, 8] {
        let mut buckets: HashMap<(usize, &[u16]), Vec<usize>> = HashMap::new();
        for (place, signature) in signatures.iter().enumerate() {
            for band in signature.minima.chunks_exact(rows).enumerate() {
                buckets.entry(band).or_default().push(place);
            }
        }
        let mut compared = 0;
        let mut best = |signature: &Signature, before: usize| {
            let bands = signature.minima.chunks_exact(rows).enumerate();
            let near: HashSet<usize> = bands.filter_map(|band| buckets.get(&band)).flatten().copied().collect();
            let near = near.into_iter().filter(|place| *place < before);
            compared += 1;
            near.map(|place| (signature.similarity(&signatures[place]).unwrap_or(0.0), place))
                .max_by(|one, other| one.0.total_cmp(&other.0).then(other.1.cmp(&one.1)))
        };
        let copies: Vec<_> = copies.iter().map(|copy| best(copy, usize::MAX)).collect();
        let strangers: Vec<_> = signatures.iter().enumerate().map(|(place, own)| best(own, place)).collect();
        for threshold in [0.3, 0.4, 0.5, 0.6, 0.7] {
            let kept = |found: &Option<(f64, usize)>| {
                found.filter(|(likeness, _)| *likeness >= threshold).map(|(_, place)| place)
            };
            let name = format!("MinHash {shingle_units} words, bands of {rows}, ≥ {threshold}");
            report(&name, texts, planted, copies.iter().map(kept), strangers.iter().map(kept));
        }
    }
}

fn sim_hash(shingle_units: usize, texts: &[String], planted: &[Planted]) {
    let sign = |text: &str| {
        let mut sums = [0_i32; 64];
        for shingle in minhash::shingles(&level(text), shingle_units).unwrap_or_default() {
            for (bit, sum) in sums.iter_mut().enumerate() {
                *sum += if shingle >> bit & 1 == 1 { 1 } else { -1 };
            }
        }
        (0..64).fold(0_u64, |hash, bit| hash | u64::from(sums[bit] > 0) << bit)
    };
    let hashes: Vec<u64> = texts.iter().map(|text| sign(text)).collect();
    // Compared with everybody: no way of finding candidates does better.
    let best = |hash: u64, before: usize| {
        let others = hashes.iter().take(before).enumerate();
        others.map(|(place, other)| ((hash ^ other).count_ones(), place)).min()
    };
    let copies: Vec<_> = planted.iter().map(|copy| best(sign(&copy.text), usize::MAX)).collect();
    let strangers: Vec<_> = hashes.iter().enumerate().map(|(place, own)| best(*own, place)).collect();
    for most in [3, 6, 9, 12, 15] {
        let kept = |found: &Option<(u32, usize)>| found.filter(|(bits, _)| *bits <= most).map(|(_, place)| place);
        let name = format!("SimHash {shingle_units} words, ≤ {most} bits");
        report(&name, texts, planted, copies.iter().map(kept), strangers.iter().map(kept));
    }
}

/// Prints recall by kind, and over all: precision, F1, and the words that need not be embedded.
fn report(
    name: &str,
    texts: &[String],
    planted: &[Planted],
    copies: impl Iterator<Item = Option<usize>>,
    strangers: impl Iterator<Item = Option<usize>>,
) {
    let mut scores = vec![Score::default(); KINDS.len()];
    let (mut wrong, mut words, mut words_saved) = (0, 0, 0);
    for (copy, found) in planted.iter().zip(copies) {
        let own = copy.text.split_whitespace().count();
        words += own;
        scores[copy.kind].planted += 1;
        scores[copy.kind].found += usize::from(found == Some(copy.original));
        wrong += usize::from(found.is_some_and(|found| found != copy.original));
        words_saved += if found.is_some() { own } else { 0 };
    }
    let among_strangers = strangers.filter(Option::is_some).count();
    wrong += among_strangers;
    words += texts.iter().map(|text| text.split_whitespace().count()).sum::<usize>();
    let found: usize = scores.iter().map(|score| score.found).sum();
    let precision = found as f64 / (found + wrong).max(1) as f64;
    let recall = found as f64 / planted.len().max(1) as f64;
    let f1 = 2.0 * precision * recall / (precision + recall).max(f64::MIN_POSITIVE);
    println!(
        "\n{name}: precision {precision:.3}, recall {recall:.3}, F1 {f1:.3}; {among_strangers} of the corpus itself; \
         {:.1} % of all words saved",
        100.0 * words_saved as f64 / words as f64
    );
    let kinds = KINDS.iter().zip(&scores);
    let kinds = kinds.map(|(kind, score)| format!("{kind} {:.3}", score.found as f64 / score.planted.max(1) as f64));
    println!("  {}", kinds.collect::<Vec<_>>().join(", "));
}

/// Prints the extremes of the three measures, and how many texts the gate would mark.
fn measures<'t>(texts: impl Iterator<Item = Vec<&'t str>>) {
    let measured: Vec<_> = texts.filter_map(entropy::measure).collect();
    let marked = measured.iter().filter(|measures| entropy::complaint(measures).is_some()).count();
    let spread = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get(((values.len() as f64 - 1.0) * share) as usize).copied().unwrap_or(f64::NAN);
        format!("{:.2} | {:.2} | {:.2} | {:.2} | {:.2}", at(0.0), at(0.01), at(0.5), at(0.99), at(1.0))
    };
    println!("{} measured, {marked} marked; least | 1 % | half | 99 % | most", measured.len());
    println!("novelty  {}", spread(measured.iter().map(|measures| measures.novelty).collect()));
    println!("variety  {}", spread(measured.iter().map(|measures| measures.variety).collect()));
    println!("surprise {}", spread(measured.iter().filter_map(|measures| measures.surprise).collect()));
}

fn folder_of_markdown(folder: &str) {
    let files = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    let files = files.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "md"));
    let parsed: Vec<_> =
        files.filter_map(|entry| parse(MediaType::Markdown, &std::fs::read(entry.path()).unwrap()).ok()).collect();
    println!("\n{} Markdown files of the folder", parsed.len());
    measures(parsed.iter().map(|parsed| {
        let prose = parsed.blocks.iter().filter(|block| block.kind != BlockKind::Table);
        prose.map(|block| &parsed.text[block.range.clone()]).collect()
    }));
    let mut documents: HashMap<String, usize> = HashMap::new();
    for parsed in &parsed {
        let paragraphs = parsed.blocks.iter().filter(|block| !matches!(block.kind, BlockKind::Heading { .. }));
        let distinct: HashSet<String> = paragraphs.map(|block| level(&parsed.text[block.range.clone()])).collect();
        distinct.into_iter().for_each(|paragraph| *documents.entry(paragraph).or_default() += 1);
    }
    let mut shares: Vec<f64> = documents.values().map(|count| *count as f64 / parsed.len() as f64).collect();
    shares.sort_by(|one, other| other.total_cmp(one));
    println!("shares of documents of the most common paragraphs: {:.2?}", &shares[..shares.len().min(5)]);
    let signatures: Vec<_> = parsed.iter().filter_map(|parsed| minhash::sign(&parsed.text)).collect();
    let likenesses = signatures
        .iter()
        .enumerate()
        .flat_map(|(place, one)| signatures[..place].iter().filter_map(move |other| one.similarity(other)));
    println!("likeness of the most alike two: {:.2}", likenesses.fold(0.0, f64::max));
}
