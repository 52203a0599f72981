//! The guarded client over real connections on the loopback, and the double.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use wellspring_core::fetch::Fetch;
use wellspring_ingest::fetch::{FetchOptions, HttpFetch};
use wellspring_tests::conformance::fetch::{Said, World};
use wellspring_tests::doubles::fetch::MemoryFetch;
use wellspring_tests::fetch_conformance;

fetch_conformance!(http, crate::fetch::Host::fresh);
fetch_conformance!(memory, crate::fetch::memory);

async fn memory() -> MemoryFetch {
    MemoryFetch::default()
}

#[derive(Default)]
struct Table {
    said: Mutex<HashMap<String, Said>>,
    asked: Mutex<HashMap<String, usize>>,
}

/// A server on the loopback, and the client that asks it.
struct Host {
    client: HttpFetch,
    address: SocketAddr,
    table: Arc<Table>,
    task: JoinHandle<()>,
}

impl Host {
    async fn fresh() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, table) = (listener.local_addr().unwrap(), Arc::<Table>::default());
        let shared = table.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, shared.clone()));
            }
        });
        let options = FetchOptions { host_pause: Duration::ZERO, ..FetchOptions::default() };
        Self { client: HttpFetch::new(options).unwrap(), address, table, task }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl World for Host {
    fn fetch(&self) -> &dyn Fetch {
        &self.client
    }

    fn says(&self, path: &str, said: Said) {
        self.table.said.lock().unwrap().insert(path.to_owned(), said);
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn host(&self) -> String {
        self.address.ip().to_string()
    }

    fn asked(&self, path: &str) -> usize {
        self.table.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

async fn connection(mut stream: TcpStream, table: Arc<Table>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    *table.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
    let condition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("if-none-match").then(|| value.to_owned())
    });
    let said = table.said.lock().unwrap().get(&path).cloned();
    let (status, lines, body) = match said.unwrap_or(Said::Status(404, None)) {
        Said::Status(status, seconds) => {
            let lines = seconds.map(|seconds| ("retry-after".to_owned(), seconds.to_string()));
            (status, lines.into_iter().collect(), Vec::new())
        }
        Said::Moved(for_ever, to) => (if for_ever { 301 } else { 302 }, vec![("location".to_owned(), to)], Vec::new()),
        Said::Page { etag, .. } if condition.as_ref() == Some(&etag) => {
            (304, vec![("etag".to_owned(), etag)], Vec::new())
        }
        Said::Page { body, etag, mut lines } => {
            lines.push(("etag".to_owned(), etag));
            (200, lines, body)
        }
    };
    let mut answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in lines {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    // Whoever refuses a body hangs up before its end.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.write_all(&body).await;
}
