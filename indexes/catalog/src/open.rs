//! Here is a data directory: give me its catalog, and nobody else.
//!
//! Invariants:
//! - One process holds a data directory; a second one is refused before it touches the database, after a short wait for one
//!   that is just ending.
//! - The database file survives a power cut from the moment `open` returns: its directory entry is on the disk.
//! - A file written by a newer version, or damaged, is refused with the reason.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    SqliteTransaction,
};
use sqlx::{ConnectOptions, Connection};
use wellspring_core::catalog::{CatalogError, CatalogErrorKind, Sequence};
use wellspring_core::document::DocumentId;
use wellspring_core::limits;
use wellspring_core::retry::until_free;
use wellspring_core::source::DATA_FOLDER_MARK;

use crate::trouble::{Trouble, while_migrating};

/// The database, within the data directory. SQLite keeps its log beside it, under this name with a suffix.
pub(crate) const DATABASE_FILE: &str = "catalog.sqlite";
/// Held while the catalog is open.
const LOCK_FILE: &str = DATA_FOLDER_MARK;
/// A reader waits this long for the moment in which the log is restarted.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells the time of an acceptance.
pub type Clock = fn() -> Timestamp;

/// The catalog in one SQLite file.
pub struct SqliteCatalog {
    /// One connection: SQLite has one writer at a time, and waiting in line is fairer than being told "busy".
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    pub(crate) clock: Clock,
    /// The entry in work of each document. In memory, because claims do not survive a restart.
    claimed: Mutex<HashMap<DocumentId, Sequence>>,
    database: PathBuf,
    /// Released last: fields are dropped in order.
    _lock: File,
}

impl fmt::Debug for SqliteCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteCatalog").field("database", &self.database).finish_non_exhaustive()
    }
}

impl SqliteCatalog {
    /// Opens the catalog in `data_dir`, making both where they do not exist.
    pub async fn open(data_dir: &Path) -> Result<Self, CatalogError> {
        let directory = data_dir.to_owned();
        let lock = tokio::task::spawn_blocking(move || prepare(&directory))
            .await
            .map_err(|_| Trouble::Cancelled.while_trying("could not open the catalog"))??;
        let database = data_dir.join(DATABASE_FILE);

        let options = SqliteConnectOptions::new()
            .filename(&database)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full) // I-1
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("secure_delete", "ON")
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging();
        let writer = pool(1)
            .before_acquire(|connection, _| Box::pin(is_idle(connection)))
            .connect_with(options.clone())
            .await
            .map_err(could_not_open)?;
        sqlx::migrate!().run(&writer).await.map_err(while_migrating)?;
        let reading = options.create_if_missing(false).pragma("query_only", "ON");
        let readers = pool(limits::CATALOG_READERS).connect_with(reading).await.map_err(could_not_open)?;

        let directory = data_dir.to_owned();
        tokio::task::spawn_blocking(move || sync_directory(&directory))
            .await
            .map_err(|_| Trouble::Cancelled.while_trying("could not open the catalog"))??;
        Ok(Self { writer, readers, clock: Timestamp::now, claimed: Mutex::default(), database, _lock: lock })
    }

    /// The same catalog, telling the time by `clock`.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Ends every connection and waits for it: then the log is folded into the database file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins a transaction that may write.
    pub(crate) async fn begin_write(&self) -> Result<SqliteTransaction<'static>, Trouble> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Begins a transaction that sees one state of the catalog.
    pub(crate) async fn begin_read(&self) -> Result<SqliteTransaction<'static>, Trouble> {
        Ok(self.readers.begin().await?)
    }

    /// The entries in work. Held only for a look or a change, never across an await.
    pub(crate) fn claimed(&self) -> MutexGuard<'_, HashMap<DocumentId, Sequence>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes that the database and its log take on the disk.
    pub(crate) async fn bytes_on_disk(&self) -> u64 {
        let mut bytes = 0;
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.database.clone().into_os_string();
            name.push(suffix);
            // A file that is not there takes nothing: the log is absent while nobody has written.
            bytes += tokio::fs::metadata(name).await.map(|metadata| metadata.len()).unwrap_or(0);
        }
        bytes
    }
}

/// Whether no transaction is left on a connection. SQLite ends one by itself where the disk is full, and the vendor then
/// counts one that is not there: such a connection takes no more, and is replaced.
async fn is_idle(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // What its thread still has to do, such as rolling back, is done behind this.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        // A connection to a local file does not age, and its statement cache is worth keeping.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Makes the directory and takes its lock.
fn prepare(data_dir: &Path) -> Result<File, CatalogError> {
    let storage = |attempted: &'static str| {
        move |error: std::io::Error| CatalogError::caused_by(CatalogErrorKind::Storage, attempted, error)
    };
    std::fs::create_dir_all(data_dir).map_err(storage("could not make the data directory"))?;
    if let Some(parent) = data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync_directory(parent)?;
    }
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data_dir.join(LOCK_FILE))
        .map_err(storage("could not make the catalog's lock file"))?;
    match take_lock(&lock) {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(CatalogError::new(
            CatalogErrorKind::Locked,
            format!(
                "the data directory {} is in use by another wellspring process; stop it, or choose another directory",
                data_dir.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(storage("could not lock the data directory")(error)),
    }
}

/// Takes a lock, waiting for whoever is about to give it up. Blocks.
fn take_lock(file: &File) -> Result<(), TryLockError> {
    until_free(|| file.try_lock(), |error| matches!(error, TryLockError::WouldBlock), std::thread::sleep)
}

/// Puts a directory's entries on the disk, so that a new file in it survives a power cut (I-1).
fn sync_directory(directory: &Path) -> Result<(), CatalogError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| {
        CatalogError::caused_by(CatalogErrorKind::Storage, "could not make the data directory durable", error)
    })
}

fn could_not_open(error: sqlx::Error) -> CatalogError {
    Trouble::from(error).while_trying("could not open the catalog")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use wellspring_core::catalog::{Journal, Write};
    use wellspring_core::document::{Attributes, CollectionName, Draft, MediaType};
    use wellspring_core::source::SourceName;

    use super::*;

    /// A letter that no compression foresees.
    fn noise(state: &mut u64) -> u8 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'a' + ((*state >> 33) % 26) as u8
    }

    fn put(number: usize) -> Write {
        let mut state = number as u64;
        Write::Put(Draft {
            collection: CollectionName::default(),
            key: format!("d{number}").parse().unwrap(),
            source: SourceName::push(),
            media_type: MediaType::Text,
            content: std::iter::repeat_with(|| noise(&mut state)).take(20_000).collect(),
            attributes: Attributes::default(),
            fingerprint: None,
        })
    }

    #[tokio::test]
    async fn once_a_full_disk_has_room_again_writes_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = SqliteCatalog::open(folder.path()).await.unwrap();
        let pages = |most: u32| sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {most}")));
        pages(120).execute(&catalog.writer).await.unwrap();
        let mut accepted = 0;
        let full = loop {
            assert!(accepted < 100, "the limit did not hold");
            match catalog.accept(vec![put(accepted)]).await {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert!(full.chain().contains("full"), "{}", full.chain());
        // The limit is the connection's own: there is room again for the next one, as after somebody has cleared a disk.
        catalog.accept(vec![put(accepted)]).await.unwrap()[0].as_ref().unwrap();
        assert_eq!(
            wellspring_core::catalog::CatalogReader::status(&catalog).await.unwrap().documents as usize,
            accepted + 1
        );
    }
}
