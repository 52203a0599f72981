//! What does the generator's process do at its start?
//!
//! The binary puts the parts together: it calls these, starts an [`Engine`](crate::Engine) and serves it.
//!
//! Invariants:
//! - The process ends when its parent does, even by `kill -9`: nobody would ever stop an orphan that holds a
//!   model's memory.
//! - Only the parent's user can reach the socket.
//! - What a request makes the process allocate is bounded: beyond it the process ends, and its parent starts another one.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::UnixListener;
use wellspring_core::limits;

/// Bits by which others than the owner may enter a directory.
const OTHERS: u32 = 0o077;

/// Ends this process as soon as its standard input is closed, which the parent holds open for as long as it lives.
pub fn end_with_parent() -> io::Result<()> {
    std::thread::Builder::new().name("parent-watch".to_owned()).spawn(|| {
        let mut ignored = [0; 256];
        let mut input = io::stdin().lock();
        loop {
            match input.read(&mut ignored) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // An ordinary exit would tear down llama.cpp's globals under a running decode and could hang there.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    })?;
    Ok(())
}

/// Lets this process allocate [`limits::GENERATOR_MEMORY_SPARE`] more than it has now, and no more: called when the model is
/// loaded. A grammar may be in many places of itself at once, twice as many with each token, which no look at its text tells.
///
/// Where the system does not say what the process has, nothing is bounded.
pub fn bound_memory() -> io::Result<()> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Ok(()) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    let Some(kibibytes) = kibibytes else { return Ok(()) };
    let most = Some((kibibytes << 10) + limits::GENERATOR_MEMORY_SPARE);
    let limit = rustix::process::Rlimit { current: most, maximum: most };
    Ok(rustix::process::setrlimit(rustix::process::Resource::Data, limit)?)
}

/// Listens on a new Unix socket, inside a directory that others cannot enter. Within a tokio runtime.
pub fn bind(socket: &Path) -> io::Result<UnixListener> {
    let directory = socket.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if directory.metadata()?.permissions().mode() & OTHERS != 0 {
        let message = "the socket's directory can be entered by others";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_private() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let socket = directory.path().join("generator.sock");
        let _listener = bind(&socket).unwrap();
        assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        let open = directory.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(bind(&open.join("s")).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
