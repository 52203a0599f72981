//! Who plays the rest of the web? A server on the loopback that lasts as long as its test.

use std::net::{TcpListener, TcpStream};

/// Answers each connection on a thread of its own; gives the address of the root.
pub(crate) fn serve(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}
