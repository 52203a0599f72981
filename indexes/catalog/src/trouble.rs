//! What went wrong inside the catalog, and what does the caller decide by?
//!
//! Invariants:
//! - A damaged store is an error, never a panic.
//! - No message carries a document's text.

use sqlx::migrate::MigrateError;
use thiserror::Error;
use wellspring_core::catalog::{CatalogError, CatalogErrorKind};
use wellspring_core::document::DocumentId;

/// Why a step inside a transaction did not happen.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the catalog file is damaged: {0} cannot be read; restore it from a backup")]
    Damaged(&'static str),
    #[error("a published chunk of document {0} has no vector in this embedding space")]
    MissingVector(DocumentId),
    #[error("{0}")]
    Refused(String),
    #[error("a task of the catalog was cancelled")]
    Cancelled,
}

impl Trouble {
    /// The error of the seam, saying what was attempted.
    pub(crate) fn while_trying(self, attempted: &'static str) -> CatalogError {
        let kind = match &self {
            Self::Database(error) => kind_of(error),
            Self::Damaged(_) => CatalogErrorKind::Incompatible,
            Self::MissingVector(_) | Self::Refused(_) | Self::Cancelled => CatalogErrorKind::Storage,
        };
        let attempted = match kind {
            CatalogErrorKind::Incompatible => format!("{attempted}: the catalog file is damaged"),
            _ => attempted.to_owned(),
        };
        CatalogError::caused_by(kind, attempted, self)
    }
}

/// SQLite's primary result codes that decide a kind.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

fn kind_of(error: &sqlx::Error) -> CatalogErrorKind {
    let code = match error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<i32>().ok()),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => return CatalogErrorKind::Incompatible,
        _ => None,
    };
    // The low byte of an extended code is the primary one.
    match code.map(|code| code & 0xff) {
        Some(BUSY | LOCKED) => CatalogErrorKind::Locked,
        Some(CORRUPT | NOT_A_DATABASE) => CatalogErrorKind::Incompatible,
        _ => CatalogErrorKind::Storage,
    }
}

/// The error of bringing the schema up to date.
pub(crate) fn while_migrating(error: MigrateError) -> CatalogError {
    let incompatible = |attempted: &str| CatalogError::new(CatalogErrorKind::Incompatible, attempted);
    match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => incompatible(
            "the catalog was written by a newer version of wellspring; use that version, or another data directory",
        ),
        MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) | MigrateError::VersionTooOld(..) => {
            incompatible("the catalog's schema is not one that any version of wellspring wrote")
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            Trouble::from(error).while_trying("could not bring the catalog's schema up to date")
        }
        other => {
            CatalogError::caused_by(CatalogErrorKind::Storage, "could not bring the catalog's schema up to date", other)
        }
    }
}
