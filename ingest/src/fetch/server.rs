//! A server for tests, which can say anything, well formed or not, and remembers what it was asked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a server does with one request.
#[derive(Clone)]
pub(super) enum Deed {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Sends these bytes until nobody listens.
    SayForEver(Vec<u8>),
    /// Does nothing until the other side is gone.
    Wait,
    /// Does nothing for this long.
    Pause(Duration),
    /// Takes the next request on the same connection; without this, it is closed.
    KeepOpen,
}

/// A whole answer: status, header lines, body with its length.
pub(super) fn answer(status: &str, lines: &[&str], body: &[u8]) -> Vec<Deed> {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for line in lines {
        head.push_str(&format!("{line}\r\n"));
    }
    vec![Deed::Say(head.into_bytes()), Deed::Say(b"\r\n".to_vec()), Deed::Say(body.to_vec())]
}

/// Just these bytes.
pub(super) fn raw(bytes: impl Into<Vec<u8>>) -> Vec<Deed> {
    vec![Deed::Say(bytes.into())]
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server at the usual loopback address; the script sees the head of each request.
    pub(super) async fn start(script: impl Fn(&str) -> Vec<Deed> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self::serve(listener, script)
    }

    pub(super) fn serve(listener: TcpListener, script: impl Fn(&str) -> Vec<Deed> + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let (seen, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, Arc::clone(&shared), Arc::clone(&script)));
            }
        });
        Self { address, seen, task }
    }

    /// Two servers at one port of two loopback addresses.
    pub(super) async fn pair(addresses: [IpAddr; 2]) -> [TcpListener; 2] {
        for _ in 0..100 {
            let first = TcpListener::bind((addresses[0], 0)).await.unwrap();
            if let Ok(second) = TcpListener::bind((addresses[1], first.local_addr().unwrap().port())).await {
                return [first, second];
            }
        }
        panic!("no port is free at both addresses");
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<String>>>,
    script: Arc<impl Fn(&str) -> Vec<Deed> + Send + Sync + 'static>,
) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        seen.lock().unwrap().push(head.clone());
        let mut open = false;
        for deed in script(&head) {
            let sent = match deed {
                Deed::Say(bytes) => stream.write_all(&bytes).await,
                Deed::SayForEver(bytes) => {
                    let many = bytes.repeat(1 + 8192 / bytes.len());
                    loop {
                        if let Err(error) = stream.write_all(&many).await {
                            break Err(error);
                        }
                    }
                }
                Deed::Wait => stream.read_u8().await.map(drop),
                Deed::Pause(pause) => {
                    tokio::time::sleep(pause).await;
                    Ok(())
                }
                Deed::KeepOpen => {
                    open = true;
                    Ok(())
                }
            };
            if sent.is_err() {
                return;
            }
        }
        if !open {
            // What was not read would make the system reset the connection and lose what was said.
            let _ = stream.shutdown().await;
            return;
        }
    }
}
