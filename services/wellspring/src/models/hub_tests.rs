//! A hub on the loopback that serves one file, well or badly.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::progress::tests::Heard;
use super::super::pull::tests::CONTENT;
use super::*;

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::models) enum Manners {
    /// Ranges are served.
    Good,
    /// Ranges are ignored.
    NoRanges,
    /// The connection ends after a third of the file.
    BreaksOff,
    /// The file has one byte too many.
    TooLong,
    /// The bytes are others.
    Wrong,
    /// Sends to another scheme.
    RedirectsElsewhere,
    /// There is no such file.
    NotFound,
}

/// Serves [`CONTENT`] until the test ends; the requests' heads are kept.
pub(in crate::models) async fn serve(manners: Manners) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            let answer = answer(manners, &head);
            heard.lock().unwrap().push(head);
            stream.write_all(&answer).await.unwrap();
        }
    });
    (base, requests)
}

fn answer(manners: Manners, head: &str) -> Vec<u8> {
    let range = head.split("range: bytes=").nth(1).and_then(|rest| rest.split('-').next());
    let start: usize = range.map_or(0, |start| start.parse().unwrap());
    let mut content = CONTENT.to_vec();
    match manners {
        Manners::NotFound => return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
        Manners::RedirectsElsewhere => {
            return b"HTTP/1.1 302 Found\r\nlocation: ftp://127.0.0.1/x\r\ncontent-length: 0\r\n\r\n".to_vec();
        }
        Manners::TooLong => content.push(b'!'),
        Manners::Wrong => content.reverse(),
        Manners::Good | Manners::NoRanges | Manners::BreaksOff => {}
    }
    let (status, body) = match start {
        0 => ("200 OK".to_owned(), &content[..]),
        _ if manners == Manners::NoRanges => ("200 OK".to_owned(), &content[..]),
        _ => {
            let (last, total) = (content.len() - 1, content.len());
            (format!("206 Partial Content\r\ncontent-range: bytes {start}-{last}/{total}"), &content[start..])
        }
    };
    let mut answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    answer.extend_from_slice(b"connection: close\r\n\r\n");
    let sent = if manners == Manners::BreaksOff { body.len() / 3 } else { body.len() };
    answer.extend_from_slice(&body[..sent]);
    answer
}

fn source() -> HubSource {
    HubSource { repository: "we/model".to_owned(), revision: "abc".to_owned(), path: "model.bin".to_owned() }
}

/// Fetches into a file that already holds `held` bytes; gives back the result, the file's bytes and the requests.
async fn fetch(manners: Manners, held: usize) -> (Result<(), HubError>, Vec<u8>, Vec<String>) {
    let (base, requests) = serve(manners).await;
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("model.bin.part");
    std::fs::write(&part, &CONTENT[..held]).unwrap();
    let hub = Hub::new(&base).unwrap();
    let result = hub.fetch(&source(), &part, CONTENT.len() as u64, &Heard::default()).await;
    let requests = requests.lock().unwrap().clone();
    (result, std::fs::read(&part).unwrap(), requests)
}

#[tokio::test]
async fn a_file_comes_whole_from_its_pinned_revision() {
    let (result, bytes, requests) = fetch(Manners::Good, 0).await;
    result.unwrap();
    assert_eq!(bytes, CONTENT);
    assert!(requests[0].starts_with("get /we/model/resolve/abc/model.bin "), "{}", requests[0]);
}

#[tokio::test]
async fn a_cut_off_file_goes_on_where_it_stopped() {
    let (result, bytes, requests) = fetch(Manners::Good, 100).await;
    result.unwrap();
    assert_eq!(bytes, CONTENT);
    assert!(requests[0].contains("range: bytes=100-"), "{}", requests[0]);
}

#[tokio::test]
async fn a_server_without_ranges_starts_over() {
    let (result, bytes, _) = fetch(Manners::NoRanges, 100).await;
    result.unwrap();
    assert_eq!(bytes, CONTENT);
}

#[tokio::test]
async fn what_came_before_a_broken_connection_is_kept() {
    let (result, bytes, _) = fetch(Manners::BreaksOff, 0).await;
    assert!(matches!(result, Err(HubError::Broken(_) | HubError::TooShort { .. })), "{result:?}");
    assert_eq!(bytes, CONTENT[..CONTENT.len() / 3]);
}

#[tokio::test]
async fn a_flood_ends_at_the_size_of_the_file() {
    let (result, bytes, _) = fetch(Manners::TooLong, 0).await;
    assert!(matches!(result, Err(HubError::TooLong(_))), "{result:?}");
    assert!(bytes.len() <= CONTENT.len());
}

#[tokio::test]
async fn refusals_and_redirects_to_another_scheme_are_errors() {
    assert!(matches!(fetch(Manners::NotFound, 0).await.0, Err(HubError::Status(StatusCode::NOT_FOUND))));
    assert!(matches!(fetch(Manners::RedirectsElsewhere, 0).await.0, Err(HubError::Broken(_))));
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::new(&base).unwrap();
    let result = hub.fetch(&source(), &folder.path().join("part"), 10, &Heard::default()).await;
    assert!(matches!(result, Err(HubError::Unreachable(_))), "{result:?}");
}
