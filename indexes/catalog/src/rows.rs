//! How do our values go into rows, and come back checked?
//!
//! Invariants:
//! - What comes back from the file is checked again: a damaged row is an error, never a wrong value or a panic.
//! - Lists of identities travel as one JSON parameter, so a statement has one text however long the list is.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use wellspring_core::catalog::{Cost, EntryState, Stage};
use wellspring_core::chunk::{ChunkId, EmbeddingKey};
use wellspring_core::document::{DocumentId, Revision};
use wellspring_core::embedding::{Embedding, SpaceId};
use wellspring_core::screen::TextDigest;
use wellspring_core::span::Span;

use crate::trouble::Trouble;

/// An identity that is kept as 16 bytes.
pub(crate) trait Identity: Copy {
    /// The bytes a row keeps.
    fn bytes(&self) -> &[u8; 16];
    /// Restores it.
    fn restored(bytes: [u8; 16]) -> Self;
}

macro_rules! identity {
    ($($name:ty),*) => { $(
        impl Identity for $name {
            fn bytes(&self) -> &[u8; 16] {
                self.as_bytes()
            }

            fn restored(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
        }
    )* };
}

identity!(ChunkId, DocumentId, EmbeddingKey, SpaceId, TextDigest);

/// The identity in a column.
pub(crate) fn identity<I: Identity>(row: &SqliteRow, column: &'static str) -> Result<I, Trouble> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map(I::restored).map_err(|_| Trouble::Damaged(column))
}

/// The count, number or size in a column.
pub(crate) fn number(row: &SqliteRow, column: &'static str) -> Result<u64, Trouble> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| Trouble::Damaged(column))
}

/// The number in a column that may be empty.
pub(crate) fn number_if_any(row: &SqliteRow, column: &'static str) -> Result<Option<u64>, Trouble> {
    row.try_get::<Option<i64>, _>(column)?
        .map(|number| u64::try_from(number).map_err(|_| Trouble::Damaged(column)))
        .transpose()
}

/// The revision in a column that may be empty.
pub(crate) fn revision_if_any(row: &SqliteRow, column: &'static str) -> Result<Option<Revision>, Trouble> {
    Ok(number_if_any(row, column)?.map(Revision))
}

/// A name or another checked word in a column.
pub(crate) fn parsed<T: std::str::FromStr>(row: &SqliteRow, column: &'static str) -> Result<T, Trouble> {
    row.try_get::<&str, _>(column)?.parse().map_err(|_| Trouble::Damaged(column))
}

/// The time in a column, kept as milliseconds.
pub(crate) fn timestamp(row: &SqliteRow, column: &'static str) -> Result<Timestamp, Trouble> {
    Timestamp::from_millisecond(row.try_get(column)?).map_err(|_| Trouble::Damaged(column))
}

/// The time in a column that may be empty.
pub(crate) fn timestamp_if_any(row: &SqliteRow, column: &'static str) -> Result<Option<Timestamp>, Trouble> {
    let millisecond: Option<i64> = row.try_get(column)?;
    millisecond.map(Timestamp::from_millisecond).transpose().map_err(|_| Trouble::Damaged(column))
}

/// The direction in a column.
pub(crate) fn embedding(row: &SqliteRow, column: &'static str) -> Result<Embedding, Trouble> {
    Embedding::from_bytes(row.try_get(column)?).map_err(|_| Trouble::Damaged(column))
}

/// The span of a chunk row.
pub(crate) fn span(row: &SqliteRow) -> Result<Span, Trouble> {
    let place = |column| usize::try_from(number(row, column)?).map_err(|_| Trouble::Damaged(column));
    Ok(Span {
        start: place("start")?,
        end: place("end")?,
        byte_start: place("byte_start")?,
        byte_end: place("byte_end")?,
    })
}

/// The cost of a journal row.
pub(crate) fn cost(row: &SqliteRow) -> Result<Cost, Trouble> {
    Ok(Cost {
        chunks: number(row, "entry_chunks")?,
        chunks_embedded: number(row, "chunks_embedded")?,
        tokens_embedded: number(row, "tokens_embedded")?,
        chunks_kept: number(row, "chunks_kept")?,
        chunks_removed: number(row, "chunks_removed")?,
    })
}

/// The state of a journal row.
pub(crate) fn entry_state(row: &SqliteRow) -> Result<EntryState, Trouble> {
    let reason = || Ok::<_, Trouble>(row.try_get::<Option<String>, _>("reason")?.unwrap_or_default());
    match row.try_get("state")? {
        "pending" => Ok(EntryState::Pending),
        "published" => Ok(EntryState::Published),
        "superseded" => Ok(EntryState::Superseded),
        "failed" => Ok(EntryState::Failed {
            stage: stage(row.try_get("stage")?)?,
            reason: reason()?,
            attempt: u32::try_from(number(row, "attempt")?).map_err(|_| Trouble::Damaged("attempt"))?,
            next_retry_at: timestamp_if_any(row, "next_retry_at")?,
        }),
        "quarantined" => Ok(EntryState::Quarantined { reason: reason()? }),
        "skipped" => Ok(EntryState::Skipped { reason: reason()? }),
        _ => Err(Trouble::Damaged("state")),
    }
}

/// The word a row keeps for a stage.
pub(crate) fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Receive => "receive",
        Stage::Parse => "parse",
        Stage::Embed => "embed",
        Stage::Apply => "apply",
    }
}

/// The stage that a row names.
pub(crate) fn stage(word: &str) -> Result<Stage, Trouble> {
    [Stage::Receive, Stage::Parse, Stage::Embed, Stage::Apply]
        .into_iter()
        .find(|stage| stage_word(*stage) == word)
        .ok_or(Trouble::Damaged("stage"))
}

/// A number as SQLite keeps it. What does not fit names nothing that exists.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Identities as a JSON array of hexadecimal strings, for `unhex(value)` over `json_each`.
pub(crate) fn json_list<I: Identity>(identities: impl IntoIterator<Item = I>) -> String {
    json_array(identities, |json, identity| hexadecimal(json, &identity))
}

/// A JSON array whose items `push` writes.
pub(crate) fn json_array<T>(items: impl IntoIterator<Item = T>, mut push: impl FnMut(&mut String, T)) -> String {
    let mut json = String::from("[");
    for item in items {
        if json.len() > 1 {
            json.push(',');
        }
        push(&mut json, item);
    }
    json.push(']');
    json
}

/// Revisions as a JSON array of `[document, revision]`.
pub(crate) fn json_revisions(revisions: impl IntoIterator<Item = (DocumentId, Revision)>) -> String {
    json_array(revisions, |json, (document, revision)| json_pair(json, &document, revision.0))
}

/// Writes `[identity, number]`.
pub(crate) fn json_pair<I: Identity>(json: &mut String, identity: &I, number: u64) {
    json.push('[');
    hexadecimal(json, identity);
    // Writing to a string cannot fail.
    let _ = write!(json, ",{number}]");
}

/// Writes an identity as a JSON string.
pub(crate) fn hexadecimal<I: Identity>(json: &mut String, identity: &I) {
    json.push('"');
    for byte in identity.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(json, "{byte:02x}");
    }
    json.push('"');
}

/// Plain data as JSON, which can always hold it.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("settings, visits and progress are representable in JSON")
}

/// What was kept as JSON.
pub(crate) fn parsed_json<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, Trouble> {
    serde_json::from_str(text).map_err(|_| Trouble::Damaged(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_json() {
        let ids = [ChunkId::from_bytes([0; 16]), ChunkId::from_bytes([0xab; 16])];
        let list: Vec<String> = serde_json::from_str(&json_list(ids)).unwrap();
        assert_eq!(list, ["0".repeat(32), "ab".repeat(16)]);
        assert_eq!(json_list::<ChunkId>([]), "[]");
    }
}
