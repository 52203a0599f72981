//! What is a file called among the documents?
//!
//! Invariants:
//! - No two files have one name, and a name that stands in for another is that of no file of a format that is read.

use wellspring_core::document::DocumentKey;
use wellspring_core::limits;
use wellspring_core::text::{is_bidirectional_control, is_invisible};

use super::walk::Looker;

impl Looker {
    /// The key of a path: the source's name and the path.
    pub(super) fn key(&self, path: &str) -> Option<DocumentKey> {
        format!("{}/{path}", self.name).parse().ok()
    }

    /// The path that stands in for one that no key can carry: readable as far as it goes, and ending with a digest, so that
    /// two are never the same and no file of a format that is read has such a name.
    pub(super) fn stand_in(&self, path: &[u8]) -> String {
        let digest = &blake3::hash(path).to_hex()[..STAND_IN_DIGITS];
        let mut shown = String::new();
        for piece in path.utf8_chunks() {
            for c in piece.valid().chars() {
                match c.is_control() || is_invisible(c) || is_bidirectional_control(c) {
                    true => escape(&mut shown, c.encode_utf8(&mut [0; 4]).as_bytes()),
                    false => shown.push(c),
                }
            }
            escape(&mut shown, piece.invalid());
        }
        let room = limits::KEY_BYTES_MAX - self.name.as_str().len() - "/~".len() - STAND_IN_DIGITS;
        shown.truncate(shown.floor_char_boundary(room));
        format!("{shown}~{digest}")
    }

    /// The path of a key that this source made.
    pub(super) fn path_of<'k>(&self, key: &'k DocumentKey) -> Option<&'k str> {
        key.as_str().strip_prefix(self.name.as_str())?.strip_prefix('/')
    }
}

/// Hexadecimal digits of the digest in a name that stands in for another: two among thousands are not the same by chance.
const STAND_IN_DIGITS: usize = 16;

fn escape(shown: &mut String, bytes: &[u8]) {
    shown.extend(bytes.iter().map(|byte| format!("%{byte:02X}")));
}
