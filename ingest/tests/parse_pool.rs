//! Parse workers as real processes: this program runs its checks, or, started by them, is a worker itself.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a check may fail loudly and says what it measured")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use wellspring_core::document::MediaType;
use wellspring_core::limits;
use wellspring_ingest::parse::{self, ParseError, ParsePool, Parsed, Refused, WorkerCommand, worker};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("parse-worker") => worker::run(),
        Some("deadly-parse-worker") => worker::serve(deadly_parse),
        Some("exit-at-once") => ExitCode::from(3),
        _ => check_all(),
    }
}

/// A parser that does what the document says, and it says the worst.
fn deadly_parse(media_type: MediaType, content: &[u8]) -> Result<Parsed, Refused> {
    match content {
        b"abort" => std::process::abort(),
        b"panic" => panic!("as the document asked"),
        b"overflow" => {
            std::hint::black_box(recurse(0));
        }
        b"hang" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        b"memory" => {
            std::hint::black_box(vec![1u8; 2 * limits::PARSE_MEMORY_BYTES_MAX as usize]);
        }
        _ => {}
    }
    parse::parse(media_type, content)
}

fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { recurse(depth + 1) + frame[3] }
}

fn pool(command: &str, workers: usize) -> ParsePool {
    let program: PathBuf = std::env::current_exe().unwrap();
    ParsePool::new(WorkerCommand { program, args: vec![command.to_owned()] }, workers)
}

fn check_all() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let wanted = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    macro_rules! checks {
        ($($name:ident),* $(,)?) => { $(
            if wanted.as_deref().is_none_or(|wanted| stringify!($name).contains(wanted)) {
                let began = Instant::now();
                runtime.block_on($name());
                println!("check {} ... ok ({:.1?})", stringify!($name), began.elapsed());
            }
        )* };
    }
    checks!(
        documents_are_read,
        what_is_not_a_document_is_read_too,
        refusals_are_not_deaths,
        i8_a_deadly_document_is_given_up_and_the_others_are_read,
        i8_a_hanging_parse_is_ended,
        a_short_text_waits_for_no_other_format,
        hostile_documents_end_in_time,
        a_worker_that_cannot_start_is_no_documents_fault,
        no_worker_outlives_the_pool,
        a_dropped_parse_frees_its_place,
        i8_a_worker_ends_with_its_service_even_in_the_middle_of_a_document,
    );
    ExitCode::SUCCESS
}

async fn documents_are_read() {
    let pool = pool("parse-worker", 2);
    let parsed = pool.parse(MediaType::Markdown, b"# Title\n\ntext\n".to_vec()).await.unwrap();
    assert_eq!((parsed.title.as_deref(), parsed.text.as_str()), (Some("Title"), "# Title\n\ntext\n"));
    assert_eq!(parsed.blocks.len(), 2);
    let large = "A paragraph of a large document.\n\n".repeat(200_000);
    let began = Instant::now();
    let parsed = pool.parse(MediaType::Text, large.clone().into_bytes()).await.unwrap();
    assert!(parsed.text == large && parsed.blocks.len() == 200_000);
    println!("  6.8 MB through a worker: {:.1?}", began.elapsed());
    let began = Instant::now();
    for _ in 0..1000 {
        pool.parse(MediaType::Html, b"<p>small".to_vec()).await.unwrap();
    }
    println!("  a small document through a worker: {:.1?}", began.elapsed() / 1000);
}

async fn what_is_not_a_document_is_read_too() {
    let pool = pool("parse-worker", 1);
    let feed = "<rss><channel><item><title>One</title></item></channel></rss>";
    let feed = pool.feed("https://example.org/feed.xml", feed.into()).await.unwrap();
    assert_eq!((feed.entries.len(), feed.is_whole), (1, true));
    let sitemap = "<urlset><url><loc>https://example.org/a</loc></url></urlset>";
    assert_eq!(pool.sitemap(sitemap.into()).await.unwrap().pages[0].url, "https://example.org/a");
    let page = "<title>T</title><a href='b#c'>b</a>";
    let links = pool.links("https://example.org/a/", page.into()).await.unwrap();
    assert_eq!((links.title.as_deref(), links.links), (Some("T"), vec!["https://example.org/a/b".to_owned()]));
    for error in [
        pool.feed("https://example.org/", page.into()).await.map(drop),
        pool.sitemap(page.into()).await.map(drop),
        pool.sitemap(vec![b' '; limits::SITEMAP_BYTES_MAX + 1]).await.map(drop),
        pool.links("https://example.org/", "<div>".repeat(200_000).into()).await.map(drop),
    ] {
        assert!(matches!(error, Err(ParseError::Refused { .. })), "{error:?}");
    }
    let hostile = format!("<rss><channel>{}", "<item><title>&a;<![CDATA[".repeat(200_000));
    let began = Instant::now();
    let result = pool.feed("https://example.org/", hostile.into()).await;
    println!("  a hostile feed: {:.1?}", began.elapsed());
    assert!(!matches!(result, Err(ParseError::Killed { .. } | ParseError::Unavailable { .. })), "{result:?}");
    assert_eq!(workers().len(), 1, "one worker served them all");
}

async fn refusals_are_not_deaths() {
    let pool = pool("parse-worker", 1);
    for content in [&b"\x7fELF\0\0"[..], b"\xff\xfe\0\xd8a\0"] {
        let error = pool.parse(MediaType::Text, content.to_vec()).await.unwrap_err();
        assert!(matches!(error, ParseError::Refused { .. }), "{error}");
    }
    let error = pool.parse(MediaType::Text, vec![b'x'; limits::DOCUMENT_BYTES_MAX + 1]).await.unwrap_err();
    assert!(matches!(error, ParseError::Refused { .. }), "{error}");
    assert_eq!(workers().len(), 1, "one worker served them all");
}

async fn i8_a_deadly_document_is_given_up_and_the_others_are_read() {
    let pool = pool("deadly-parse-worker", 2);
    for deadly in ["abort", "panic", "overflow", "memory"] {
        let (killed, read) = tokio::join!(pool.parse(MediaType::Text, deadly.into()), async {
            for _ in 0..20 {
                pool.parse(MediaType::Text, b"harmless".to_vec()).await.unwrap();
            }
        });
        let () = read;
        let error = killed.unwrap_err();
        println!("  {deadly}: {error}");
        assert!(matches!(error, ParseError::Killed { attempts: limits::PARSE_ATTEMPTS_MAX, .. }));
        assert!(!error.to_string().contains("asked"), "what a panic said stays in the worker");
    }
}

async fn i8_a_hanging_parse_is_ended() {
    let pool = pool("deadly-parse-worker", 1).with_timeout(Duration::from_millis(500));
    let (killed, read) =
        tokio::join!(pool.parse(MediaType::Html, b"hang".to_vec()), pool.parse(MediaType::Html, b"harmless".to_vec()));
    // What took its whole time once takes nobody's place again.
    assert!(matches!(killed, Err(ParseError::Killed { attempts: 1, .. })));
    assert!(read.is_ok());
}

async fn a_short_text_waits_for_no_other_format() {
    let pool = pool("deadly-parse-worker", 1).with_timeout(Duration::from_secs(60));
    let hanging = pool.parse(MediaType::Pdf, b"hang".to_vec());
    let long = vec![b'a'; limits::PARSE_QUICK_BYTES_MAX + 1];
    let waiting = pool.parse(MediaType::Text, long);
    tokio::select! {
        biased;
        _ = hanging => panic!("it hangs"),
        _ = waiting => panic!("the only place is taken"),
        read = pool.parse(MediaType::Markdown, b"typed".to_vec()) => assert!(read.is_ok()),
    }
}

async fn hostile_documents_end_in_time() {
    let pool = pool("parse-worker", 1);
    let documents = [
        (MediaType::Html, "<div>".repeat(200_000)),
        (MediaType::Html, "<a><table>".repeat(50_000)),
        (MediaType::Html, "<p><b><i><u>".repeat(50_000)),
        (MediaType::Html, format!("<p {}>text", "a=1 ".repeat(100_000))),
        (MediaType::Markdown, ">".repeat(100_000)),
        (MediaType::Markdown, "[".repeat(100_000)),
        (MediaType::Markdown, "![[](".repeat(50_000)),
        (MediaType::Markdown, "- ".repeat(50_000)),
        (MediaType::Markdown, "* a\n".repeat(100_000)),
        (MediaType::Markdown, "|a|b|\n|-|-|\n".repeat(50_000)),
    ];
    for (media_type, document) in documents {
        let began = Instant::now();
        let start = document[..10].to_owned();
        let result = pool.parse(media_type, document.into_bytes()).await;
        let ending = match &result {
            Ok(parsed) => format!("{} blocks", parsed.blocks.len()),
            Err(error) => error.to_string(),
        };
        println!("  {start:?}...: {ending}, {:.1?}", began.elapsed());
        assert!(!matches!(result, Err(ParseError::Killed { .. } | ParseError::Unavailable { .. })));
    }
}

async fn a_worker_that_cannot_start_is_no_documents_fault() {
    for pool in
        [pool("exit-at-once", 1), ParsePool::new(WorkerCommand { program: "/nonexistent".into(), args: vec![] }, 1)]
    {
        let error = pool.parse(MediaType::Text, b"harmless".to_vec()).await.unwrap_err();
        println!("  {error}");
        assert!(matches!(error, ParseError::Unavailable { .. }));
    }
}

async fn no_worker_outlives_the_pool() {
    let pool = pool("deadly-parse-worker", 2);
    let (first, second) = tokio::join!(
        pool.parse(MediaType::Text, b"harmless".to_vec()),
        pool.parse(MediaType::Text, b"harmless".to_vec())
    );
    assert!(first.is_ok() && second.is_ok());
    let started = workers();
    assert!(!started.is_empty());
    drop(pool);
    until("the workers are gone", || workers().iter().all(|worker| !started.contains(worker))).await;
}

async fn a_dropped_parse_frees_its_place() {
    let pool = pool("deadly-parse-worker", 1);
    let hanging = pool.parse(MediaType::Text, b"hang".to_vec());
    assert!(tokio::time::timeout(Duration::from_millis(300), hanging).await.is_err());
    assert!(pool.parse(MediaType::Text, b"harmless".to_vec()).await.is_ok());
}

async fn i8_a_worker_ends_with_its_service_even_in_the_middle_of_a_document() {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .arg("deadly-parse-worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    worker.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
    let header = br#"{"ask":"document","media_type":"text","content_bytes":4}"#;
    let mut input = worker.stdin.take().unwrap();
    input.write_all(&(header.len() as u32).to_le_bytes()).unwrap();
    input.write_all(header).unwrap();
    input.write_all(b"hang").unwrap();
    // What the kernel does to the pipe of a service that dies.
    drop(input);
    until("the worker has ended", || worker.try_wait().unwrap().is_some()).await;
}

/// The processes whose parent is this one, zombies included.
fn workers() -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; then come the state and the parent.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(std::process::id())).collect()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
