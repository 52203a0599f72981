//! Can anything be written, or is the disk full?
//!
//! A full disk stops no search, so the service stays ready; but whoever pushes should hear of it before the first write
//! fails, and whoever watches over the service even when nobody pushes.
//!
//! Invariants:
//! - What is tried leaves nothing behind.

use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wellspring_core::limits;
use wellspring_http::Readiness;

/// The part of the readiness that is about writes.
const PART: &str = "writes";

/// Looks at the data folder now and then until the stop, and says in the readiness whether writes can be taken.
pub(super) async fn watch_over(data_dir: PathBuf, readiness: watch::Sender<Readiness>, stop: CancellationToken) {
    loop {
        let folder = data_dir.clone();
        // A look that could not be made says nothing.
        if let Ok(trouble) = tokio::task::spawn_blocking(move || trouble(&folder)).await {
            note(&readiness, trouble);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(limits::DISK_LOOK_INTERVAL) => {}
        }
    }
}

fn note(readiness: &watch::Sender<Readiness>, trouble: Option<String>) {
    let before = readiness.borrow().impaired_by(PART).map(str::to_owned);
    match (&before, &trouble) {
        (None, Some(reason)) => tracing::warn!(reason, "writes cannot be taken"),
        (Some(_), None) => tracing::info!("writes can be taken again"),
        _ => {}
    }
    if before != trouble {
        readiness.send_modify(|readiness| readiness.impair(PART, trouble));
    }
}

/// Why nothing can be written to a folder; `None` where it can.
fn trouble(folder: &Path) -> Option<String> {
    let lacking = lacking(folder);
    if lacking.is_some() {
        return lacking;
    }
    // A quota and a failing disk are seen by trying only.
    let tried = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| file.write_all(&[0; 4096]));
    tried.err().map(|error| format!("nothing can be written to the data folder: {error}"))
}

/// Why there is no room for a write, as far as the file system tells at a glance; `None` where there is.
pub(super) fn lacking(folder: &Path) -> Option<String> {
    let disk = match statvfs(folder) {
        Ok(disk) => disk,
        Err(error) => return Some(format!("the data folder cannot be looked at: {error}")),
    };
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Some("the data folder's disk is read-only".to_owned());
    }
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    (free < limits::DISK_FREE_BYTES_MIN).then(|| {
        let needed = limits::DISK_FREE_BYTES_MIN >> 20;
        format!("the data folder's disk is full: {} MiB free, {needed} MiB needed", free >> 20)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_be_written_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(trouble(folder.path()), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let gone = folder.path().join("gone");
        assert!(trouble(&gone).unwrap().starts_with("the data folder cannot be looked at"));
    }

    #[test]
    fn what_stands_in_the_way_is_noted_and_taken_back() {
        let (readiness, seen) = watch::channel(Readiness::ready().without("indexes", "being rebuilt"));
        note(&readiness, Some("full".to_owned()));
        assert_eq!(seen.borrow().impaired_by(PART), Some("full"));
        assert!(!seen.borrow().is_ready(), "what else is missing stays");
        note(&readiness, None);
        assert_eq!(seen.borrow().impaired_by(PART), None);
    }
}
