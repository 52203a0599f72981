//! Is there room on the disk for another write?
//!
//! The vector index writes through mapped memory: where the disk is full, the process dies of it and no error is seen. So
//! what needs room asks first, and the margin ([`DISK_FREE_BYTES_MIN`](wellspring_core::limits::DISK_FREE_BYTES_MIN)) is
//! larger than what is written between two questions.
//!
//! Invariants:
//! - Asking is cheap and blocks on nothing: it is done for every write.

use std::fmt;
use std::sync::Arc;

/// Says why there is no room; `None` where there is.
#[derive(Clone)]
pub struct Room(Arc<dyn Fn() -> Option<String> + Send + Sync>);

impl Room {
    /// Room as `lacking` tells: why there is none, for people.
    pub fn new(lacking: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lacking))
    }

    /// Room without an end.
    pub fn endless() -> Self {
        Self::new(|| None)
    }

    /// Why there is none now.
    pub fn lacking(&self) -> Option<String> {
        (self.0)()
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Room").finish()
    }
}
