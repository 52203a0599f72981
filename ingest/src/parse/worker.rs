//! What runs in a parse worker?
//!
//! The binary's hidden `parse-worker` command calls [`run`] before it does anything else.
//!
//! Invariants:
//! - The process limits itself before it reads a byte: memory, CPU, open files, no core dump (which would hold text).
//! - It ends as soon as its standard input does, even in the middle of a document: it never outlives the service.
//! - It writes nothing but frames to standard output, and nothing at all to standard error.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use rustix::process::{Resource, Rlimit, setrlimit};

use wellspring_core::document::MediaType;
use wellspring_core::limits;

use super::frame::{self, Reply, Request};
use super::web::{self, Ask};
use super::{Parsed, Refused};

/// Reads one document, or refuses it.
pub type ParseFunction = fn(MediaType, &[u8]) -> Result<Parsed, Refused>;

/// Serves documents from standard input until it ends.
pub fn run() -> ExitCode {
    serve(super::parse)
}

/// Serves documents with a parser of one's own; tests bring parsers that die.
pub fn serve(parse: ParseFunction) -> ExitCode {
    // A panic's message may quote the text it stumbled over, and unwinding would leave a process that never answers.
    std::panic::set_hook(Box::new(|_| std::process::abort()));
    match limit_self().map_err(io::Error::from).and_then(|()| serve_documents(parse)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn limit_self() -> rustix::io::Result<()> {
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Core, both(0))?;
    setrlimit(Resource::As, both(limits::PARSE_MEMORY_BYTES_MAX))?;
    setrlimit(Resource::Nofile, both(limits::PARSE_FILES_MAX))?;
    setrlimit(Resource::Cpu, both(limits::PARSE_CPU_SECONDS_MAX))
}

/// This thread reads and the parsing thread answers, so the end of input is seen while a document is being read.
fn serve_documents(parse: ParseFunction) -> io::Result<()> {
    // One request is in work and none waits: the service sends the next after the answer.
    let (requests, received) = mpsc::sync_channel::<(Ask, Vec<u8>)>(0);
    thread::Builder::new().stack_size(limits::PARSE_STACK_BYTES).spawn(move || {
        let served = answer(Reply::Ready, "").and_then(|()| {
            received.into_iter().try_for_each(|(ask, content)| {
                let (reply, text) = match ask {
                    Ask::Document { media_type } => Reply::of(parse(media_type, &content)),
                    other => Reply::of_found(web::read(&other, &content)),
                };
                answer(reply, &text)
            })
        });
        // Nothing is left to do for this process when nobody can be answered.
        std::process::exit(i32::from(served.is_err()));
    })?;
    let mut input = io::stdin().lock();
    while let Some(request) = read_request(&mut input)? {
        if requests.send(request).is_err() {
            return Err(frame::broken("the parsing thread has ended"));
        }
    }
    Ok(())
}

fn answer(reply: Reply, text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(&frame::encode_header(&reply)?)?;
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// The next request; `None` at the end of input.
fn read_request(input: &mut impl Read) -> io::Result<Option<(Ask, Vec<u8>)>> {
    let mut length = [0; frame::LENGTH_BYTES];
    if input.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    input.read_exact(&mut length[1..])?;
    let mut json = vec![0; frame::header_length(length, frame::REQUEST_HEADER_BYTES_MAX)?];
    input.read_exact(&mut json)?;
    let request: Request = frame::decode_header(&json)?;
    if request.content_bytes > super::content_bytes_max(&request.ask) {
        return Err(frame::broken("a document is too long"));
    }
    let mut content = vec![0; request.content_bytes];
    input.read_exact(&mut content)?;
    Ok(Some((request.ask, content)))
}
