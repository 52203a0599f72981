//! Did this request come before, and what was it answered?
//!
//! Invariants:
//! - A request is looked up and remembered in the transaction that accepts its writes.
//! - What is remembered is bounded in age and in number.

use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};
use wellspring_core::catalog::{Accepted, Refusal};
use wellspring_core::document::ContentHash;
use wellspring_core::limits;
use wellspring_core::push::{IdempotencyKey, Pushed};

use crate::rows::integer;
use crate::trouble::Trouble;

/// The answer that a key was given before, if it still counts.
pub(crate) async fn recall(
    connection: &mut SqliteConnection,
    key: &IdempotencyKey,
    digest: ContentHash,
    now: Timestamp,
) -> Result<Option<Pushed>, Trouble> {
    let row = sqlx::query("SELECT digest, results FROM pushed WHERE key = ? AND accepted_at > ?")
        .bind(key.as_str())
        .bind(oldest_counted(now))
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let known: &[u8] = row.try_get("digest")?;
    if known != digest.as_bytes() {
        return Ok(Some(Pushed::KeyReused));
    }
    let results = serde_json::from_str(row.try_get("results")?).map_err(|_| Trouble::Damaged("results"))?;
    Ok(Some(Pushed::Repeated(results)))
}

/// Remembers what a key was answered, and forgets what is too old or too much.
pub(crate) async fn remember(
    connection: &mut SqliteConnection,
    key: &IdempotencyKey,
    digest: ContentHash,
    results: &[Result<Accepted, Refusal>],
    now: Timestamp,
) -> Result<(), Trouble> {
    sqlx::query("DELETE FROM pushed WHERE accepted_at <= ?")
        .bind(oldest_counted(now))
        .execute(&mut *connection)
        .await?;
    // Receipts and refusals are plain data with string keys, which JSON can always hold.
    let results = serde_json::to_string(results).expect("results are representable in JSON");
    sqlx::query("INSERT INTO pushed (key, digest, results, accepted_at) VALUES (?, ?, ?, ?)")
        .bind(key.as_str())
        .bind(digest.as_bytes().as_slice())
        .bind(results)
        .bind(now.as_millisecond())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM pushed WHERE number <= (SELECT max(number) FROM pushed) - ?")
        .bind(integer(limits::IDEMPOTENCY_KEYS_MAX))
        .execute(connection)
        .await?;
    Ok(())
}

/// Requests accepted at this millisecond or before it count no more.
fn oldest_counted(now: Timestamp) -> i64 {
    let age = i64::try_from(limits::IDEMPOTENCY_AGE.as_millis()).unwrap_or(i64::MAX);
    now.as_millisecond().saturating_sub(age)
}
