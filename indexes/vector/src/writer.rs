//! Who may write to the index, and what if the process dies while it is being rearranged?
//!
//! A lock lets searches run beside each other and beside writes, which the engine allows; only reopening and clearing take
//! it alone. Beyond a size a thread of its own has the engine rearrange the index (`Shard::rearrange`), which takes seconds
//! to minutes beside searches and writes. Meanwhile a flush does not save everything: what is removed from the parts at
//! work is remembered in memory alone, and their files may go before those of their successors are surely on the disk. So
//! a mark lies in the folder all the while, and an index that is found marked is emptied, to be filled from the catalog.
//!
//! Invariants:
//! - One write runs at a time, and no flush runs beside a write.
//! - I-3: a commit flushes first and writes the checkpoint last. While the mark lies there, no checkpoint counts at the
//!   next opening; it is taken away after a flush and a sync of every file.
//! - One rearrangement runs at a time, and the index is not replaced while it reads: a writer that waits for the lock would
//!   keep searches from taking it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use wellspring_core::limits;
use wellspring_core::view::{Change, Publication, VectorEntry, ViewError, ViewErrorKind};

use crate::manifest::{Durable, Manifest, is_marked, lock, mark, storage, sync_directory, unmark};
use crate::shape::Shape;
use crate::shard::{NotRearranged, Shard};

const SHARD: &str = "shard";

/// The open view.
pub(crate) struct Inner {
    dir: PathBuf,
    shape: Shape,
    /// `None` when reopening failed: then every call says so.
    shard: RwLock<Option<Shard>>,
    writer: Mutex<Writer>,
    /// Told when a rearrangement has ended.
    rearranged: Condvar,
    // Declared last, so that the folder is given up after the index has closed.
    _lock: File,
}

/// What only one may do at a time.
pub(crate) struct Writer {
    manifest: Manifest,
    shape: Shape,
    /// Why no commit may be trusted any more: the kernel reports a failed write once and then forgets it.
    broken: bool,
    /// Points written or removed since the last rearrangement began; after opening, those that no graph holds.
    changed: usize,
    rearranging: bool,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens what is there under a new epoch, durable before the index is touched.
    fn reopen(&mut self, dir: &Path) -> Result<Shard, ViewError> {
        self.manifest.epoch += 1;
        self.manifest.write(dir)?;
        Shard::open(&dir.join(SHARD), self.shape, self.manifest.epoch)
    }

    /// Makes an empty index. The checkpoint goes first, and the mark last: a crash on the way is found at the next
    /// opening (I-3).
    fn recreate(&mut self, dir: &Path) -> Result<Shard, ViewError> {
        self.manifest.checkpoint = 0;
        self.manifest.write(dir)?;
        let shard = dir.join(SHARD);
        if shard.exists() {
            fs::remove_dir_all(&shard)
                .and_then(|()| sync_directory(dir))
                .map_err(|error| storage("could not remove the vector index", error))?;
        }
        self.changed = 0;
        let shard = self.reopen(dir)?;
        unmark(dir)?;
        Ok(shard)
    }
}

impl Inner {
    /// Opens the view in `dir`, or makes an empty one.
    pub(crate) fn open(dir: &Path, shape: Shape) -> Result<Self, ViewError> {
        fs::create_dir_all(dir).map_err(|error| storage("could not create the folder of the vector index", error))?;
        let lock = lock(dir)?;
        let manifest = match Manifest::read(dir, shape.dimension)? {
            Some(manifest) if manifest.checkpoint == 0 => manifest,
            // I-3: whoever removed the points did not remove the checkpoint.
            Some(manifest) if !Shard::exists(&dir.join(SHARD)) => manifest.at(0),
            Some(manifest) if is_marked(dir) => {
                tracing::info!("the vector index was being rearranged when the last process ended; it is filled anew");
                manifest.at(0)
            }
            Some(manifest) if manifest.quantisation != shape.quantisation => {
                let (before, now) = (manifest.quantisation, shape.quantisation);
                tracing::info!(%before, %now, "the vector index is quantised in another way from now on; it is filled anew");
                manifest.at(0)
            }
            Some(manifest) => manifest,
            None => Manifest::empty(shape.dimension),
        };
        let manifest = manifest.quantised(shape.quantisation);
        let mut writer = Writer { manifest, shape, broken: false, changed: 0, rearranging: false, thread: None };
        let shard = if manifest.checkpoint == 0 { writer.recreate(dir)? } else { writer.reopen(dir)? };
        let extent = shard.extent()?;
        writer.changed = extent.points.saturating_sub(extent.in_graphs);
        Ok(Self {
            dir: dir.to_owned(),
            shape,
            shard: RwLock::new(Some(shard)),
            writer: Mutex::new(writer),
            rearranged: Condvar::new(),
            _lock: lock,
        })
    }

    /// Values in a vector.
    pub(crate) fn dimension(&self) -> usize {
        self.shape.dimension
    }

    // A panic under one of these locks left nothing half done that the engine itself would not notice.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the writer when no rearrangement runs.
    pub(crate) fn settled(&self) -> MutexGuard<'_, Writer> {
        self.rearranged.wait_while(self.writer(), |writer| writer.rearranging).unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the index beside everyone else.
    pub(crate) fn read<T>(&self, call: impl FnOnce(&Shard) -> Result<T, ViewError>) -> Result<T, ViewError> {
        match &*self.shard.read().unwrap_or_else(PoisonError::into_inner) {
            Some(shard) => call(shard),
            None => Err(closed()),
        }
    }

    /// Closes the index and puts another in its place, alone; searches wait. Whoever calls has seen to it that no
    /// rearrangement runs.
    fn replace(&self, open: impl FnOnce() -> Result<Shard, ViewError>) -> Result<(), ViewError> {
        let mut shard = self.shard.write().unwrap_or_else(PoisonError::into_inner);
        *shard = None;
        *shard = Some(open()?);
        Ok(())
    }

    /// The publication up to which everything is durable.
    pub(crate) fn checkpoint(&self) -> Publication {
        Publication(self.writer().manifest.checkpoint)
    }

    /// Writes a change.
    pub(crate) fn apply(&self, change: Change<VectorEntry>) -> Result<(), ViewError> {
        let mut writer = self.writer();
        // Counted before it is tried: half a change is one as well.
        writer.changed += change.removals.len() + change.upserts.len();
        self.read(|shard| {
            shard.remove(&change.removals)?;
            shard.upsert(change.upserts)
        })
    }

    /// Makes what was written durable and moves the checkpoint; then does what a large index needs.
    pub(crate) fn commit(self: &Arc<Self>, checkpoint: Publication) -> Result<(), ViewError> {
        let mut writer = self.writer();
        if writer.broken {
            let attempted = "the vector index failed to flush before and is not trusted until it is reopened; restart";
            return Err(ViewError::new(ViewErrorKind::Storage, attempted));
        }
        // I-3: durable first, then the checkpoint.
        if let Err(error) = self.read(Shard::flush) {
            writer.broken = true;
            return Err(error);
        }
        let manifest = writer.manifest.at(checkpoint.0);
        manifest.write(&self.dir)?;
        writer.manifest = manifest;
        if writer.rearranging {
            return Ok(());
        }
        self.shorten_log(&mut writer)?;
        if writer.changed >= self.shape.exact_points_max
            && self.read(Shard::extent)?.points > self.shape.exact_points_max
        {
            self.begin_rearranging(&mut writer)?;
        }
        Ok(())
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) -> Result<(), ViewError> {
        let mut writer = self.settled();
        self.replace(|| writer.recreate(&self.dir))?;
        writer.broken = false;
        Ok(())
    }

    /// Reopens the index without its log where that has grown long. Whoever calls has flushed, and no rearrangement reads
    /// the index.
    fn shorten_log(&self, writer: &mut Writer) -> Result<(), ViewError> {
        if self.read(Shard::log_bytes)? > self.shape.log_bytes_max {
            self.replace(|| writer.reopen(&self.dir))?;
        }
        Ok(())
    }

    fn begin_rearranging(self: &Arc<Self>, writer: &mut Writer) -> Result<(), ViewError> {
        mark(&self.dir)?;
        writer.changed = 0;
        let inner = Arc::clone(self);
        match thread::Builder::new().name("vector-graph".to_owned()).spawn(move || inner.rearrange()) {
            Ok(thread) => {
                writer.rearranging = true;
                writer.thread = Some(thread);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "no thread for the vector index's graph; searches scan until there is one");
                unmark(&self.dir)
            }
        }
    }

    /// What the thread does.
    fn rearrange(&self) {
        let outcome = match &*self.shard.read().unwrap_or_else(PoisonError::into_inner) {
            Some(shard) => shard.rearrange().and_then(|()| {
                // Most of it, before anyone has to wait for the rest.
                shard.sync(Durable::Contents).map_err(|error| NotRearranged { error, restored: false })
            }),
            None => Err(NotRearranged { error: closed(), restored: false }),
        };
        let mut writer = self.writer();
        let outcome = match outcome {
            // Nothing was removed that could be back.
            Err(NotRearranged { error, restored: true }) if writer.changed == 0 => {
                tracing::warn!(reason = error.chain(), "the vector index has no graph; searches by meaning scan it");
                Ok(())
            }
            Err(NotRearranged { error, .. }) => Err(error),
            Ok(()) => Ok(()),
        };
        let settled = outcome
            .and_then(|()| self.read(Shard::flush))
            .and_then(|()| self.read(|shard| shard.sync(Durable::Contents)))
            .and_then(|()| unmark(&self.dir))
            // The log of all that was written meanwhile: left to the next write, it would be that one's searches that meet
            // an index whose pages must be read again.
            .and_then(|()| self.shorten_log(&mut writer));
        if let Err(error) = settled {
            // The mark stays, and the next opening fills the index anew.
            writer.broken = true;
            tracing::error!(reason = error.chain(), "the vector index takes no more writes; restart");
        }
        writer.rearranging = false;
        self.rearranged.notify_all();
    }

    /// Waits a while for a rearrangement. One that takes longer keeps the folder until it ends, or the process does.
    pub(crate) fn close(&self) {
        let (mut writer, _) = self
            .rearranged
            .wait_timeout_while(self.writer(), limits::VECTOR_CLOSE_TIMEOUT, |writer| writer.rearranging)
            .unwrap_or_else(PoisonError::into_inner);
        let thread = if writer.rearranging { None } else { writer.thread.take() };
        drop(writer);
        // It holds the folder until it has ended. Its panics were told where they happened.
        if let Some(thread) = thread {
            thread.join().ok();
        }
    }
}

fn closed() -> ViewError {
    ViewError::new(ViewErrorKind::Closed, "the vector index could not be reopened; restart")
}
