//! What happened to documents, in order?
//!
//! Triggers of the schema write an event wherever an entry is made or ends, so that no code path can forget it.
//!
//! Invariants:
//! - Events are numbered in the order in which they are committed: who has read up to a number has missed none.
//! - The history is bounded; a reader who is further behind is told so.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use wellspring_core::catalog::Sequence;
use wellspring_core::document::Revision;
use wellspring_core::limits;
use wellspring_core::trace::{Event, EventPage};

use crate::open::SqliteCatalog;
use crate::rows::{self, integer, number};
use crate::trouble::Trouble;

/// Forgets the oldest events beyond the bound.
pub(crate) async fn trim_events(connection: &mut SqliteConnection) -> Result<(), Trouble> {
    sqlx::query("DELETE FROM event WHERE number <= (SELECT max(number) FROM event) - ?")
        .bind(integer(limits::EVENTS_KEPT_MAX))
        .execute(connection)
        .await?;
    Ok(())
}

impl SqliteCatalog {
    pub(crate) async fn events_after(&self, after: u64, limit: usize) -> Result<EventPage, Trouble> {
        let mut read = self.begin_read().await?;
        let bounds =
            sqlx::query("SELECT coalesce(min(number), 1) AS oldest, coalesce(max(number), 0) AS newest FROM event")
                .fetch_one(&mut *read)
                .await?;
        let rows = sqlx::query(
            "SELECT event.number, event.sequence, event.kind, event.stage, event.reason, event.happened_at,
                    journal.revision, document.collection, document.key
             FROM event
             CROSS JOIN journal ON journal.sequence = event.sequence
             CROSS JOIN document ON document.id = journal.document
             WHERE event.number > ? ORDER BY event.number LIMIT ?",
        )
        .bind(integer(after))
        .bind(integer(limit as u64))
        .fetch_all(&mut *read)
        .await?;
        Ok(EventPage {
            oldest: number(&bounds, "oldest")?,
            newest: number(&bounds, "newest")?,
            events: rows.iter().map(event).collect::<Result<_, _>>()?,
        })
    }
}

fn event(row: &SqliteRow) -> Result<Event, Trouble> {
    let stage: Option<&str> = row.try_get("stage")?;
    Ok(Event {
        number: number(row, "number")?,
        at: rows::timestamp(row, "happened_at")?,
        kind: rows::parsed(row, "kind")?,
        collection: rows::parsed(row, "collection")?,
        key: rows::parsed(row, "key")?,
        revision: Revision(number(row, "revision")?),
        sequence: Sequence(number(row, "sequence")?),
        stage: stage.map(rows::stage).transpose()?,
        reason: row.try_get("reason")?,
    })
}
