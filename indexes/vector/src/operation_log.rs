//! Where does the numbering of operations begin, and how large may the vendor's log grow?
//!
//! Qdrant Edge writes every operation to a log (`wal`), never reads it again and never cuts it. But the log also
//! numbers the operations, and an operation on a point is silently skipped when its number is lower than the one that
//! touched the point last. So a log that is simply removed starts at 0, and every later replacement or removal of an
//! older point is lost without an error. A log cut short by a power failure does the same on a smaller scale.
//!
//! Invariants:
//! - An index is opened only with a fresh log, whose first number is higher than any number given before: the epoch,
//!   which rises durably with each opening, is its upper half.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const FOLDER: &str = "wal";

/// Numbers in an epoch. An operation takes at least some 50 bytes of the log, which is started anew long before 2^32.
const EPOCH_SHIFT: u32 = 32;

/// The log's header: three letters, the format 0 and the seed of the checksums; no entries follow.
const EMPTY_LOG: [u8; 8] = *b"wal\0\x57\x65\x6c\x6c";

/// Replaces the log of the index in `shard` by an empty one that numbers on from the start of `epoch`.
pub(crate) fn restart(shard: &Path, epoch: u64) -> io::Result<()> {
    let folder = shard.join(FOLDER);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir(&folder)?;
    // A closed part that begins at N and is empty: the part that the engine opens after it begins at N as well.
    let first = epoch << EPOCH_SHIFT;
    let mut closed = File::create(folder.join(format!("closed-{first}")))?;
    closed.write_all(&EMPTY_LOG)
}

/// How much disk the log of the index in `shard` has claimed.
pub(crate) fn bytes(shard: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(shard.join(FOLDER))? {
        total += entry?.metadata()?.len();
    }
    Ok(total)
}
