//! Whose key is it, before there is a document?
//!
//! Invariants:
//! - Keys below a source's name are that source's to give, in the collection that it fills: what was pushed there would
//!   stand in the way of what the source finds, and no later visit could mend it.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use wellspring_core::catalog::Write;
use wellspring_core::document::CollectionName;
use wellspring_core::source::{PUSH, SourceName};

use crate::rows;
use crate::trouble::Trouble;

/// The sources that give keys of their own, with the collections that they fill. Empty where nothing is pushed.
pub(super) struct Owners(HashMap<String, CollectionName>);

impl Owners {
    pub(super) async fn load(
        connection: &mut SqliteConnection,
        mut writes: impl Iterator<Item = &Write>,
    ) -> Result<Self, Trouble> {
        if !writes.any(|write| pushed_below(write).is_some()) {
            return Ok(Self(HashMap::new()));
        }
        let rows = sqlx::query("SELECT name, settings ->> 'collection' AS collection FROM source")
            .fetch_all(connection)
            .await?;
        let owner = |row: &SqliteRow| Ok((row.try_get("name")?, rows::parsed(row, "collection")?));
        Ok(Self(rows.iter().map(owner).collect::<Result<_, Trouble>>()?))
    }

    /// The source whose key a pushed document would take.
    pub(super) fn of(&self, write: &Write) -> Option<SourceName> {
        let (collection, name) = pushed_below(write)?;
        self.0.get(name).filter(|fills| *fills == collection).and_then(|_| name.parse().ok())
    }
}

/// The collection and the first part of the key of a document that is pushed; none where the key has one part.
fn pushed_below(write: &Write) -> Option<(&CollectionName, &str)> {
    let Write::Put(draft) = write else { return None };
    let (name, _) = draft.key.as_str().split_once('/')?;
    (draft.source.as_str() == PUSH).then_some((&draft.collection, name))
}
