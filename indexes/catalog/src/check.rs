//! Here is a data directory: can every page of its catalog be read?
//!
//! Invariants:
//! - Nothing is written, and a service that has the catalog open is not disturbed.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, Row};
use wellspring_core::catalog::{CatalogError, CatalogErrorKind};

use crate::open::DATABASE_FILE;
use crate::trouble::Trouble;

/// Reads the whole catalog of `data_dir` and returns its file; `None` where there is none. Takes about a second a
/// gigabyte. An error names the file and what is wrong with it.
pub async fn check(data_dir: &Path) -> Result<Option<PathBuf>, CatalogError> {
    let file = data_dir.join(DATABASE_FILE);
    match tokio::fs::try_exists(&file).await {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) => {
            let attempted = format!("could not look for {}", file.display());
            return Err(CatalogError::caused_by(CatalogErrorKind::Storage, attempted, error));
        }
    }
    let found = faults(&file).await;
    let attempted = |reason: &str| format!("{} {reason}", file.display());
    match found {
        Ok(faults) if faults.is_empty() => Ok(Some(file)),
        Ok(faults) => {
            let damaged = attempted(&format!("is damaged ({} faults, the first: {})", faults.len(), faults[0]));
            Err(CatalogError::new(CatalogErrorKind::Incompatible, damaged))
        }
        Err(trouble) => {
            let error = trouble.while_trying("could not read the catalog");
            let kind = error.kind();
            Err(CatalogError::caused_by(kind, attempted("cannot be read"), error))
        }
    }
}

/// What SQLite finds wrong, at most a hundred things.
async fn faults(file: &Path) -> Result<Vec<String>, Trouble> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let rows = sqlx::query("PRAGMA quick_check(100)").fetch_all(&pool).await;
    pool.close().await;
    let found = rows?.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().filter(|fault| fault != "ok").collect())
}
