//! How does an entry move from accepted to published? The seam, one line a step.
//!
//! Invariants:
//! - A caller sees what was attempted and why it failed, whatever step it was.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use wellspring_core::catalog::{
    CatalogError, Finished, KnownChunk, Publisher, ReplayCursor, ReplayPage, SpaceMismatch, StagedRevision, Work,
};
use wellspring_core::chunk::EmbeddingKey;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::{Embedding, Lane, SpaceId};
use wellspring_core::view::{Publication, ViewName};

use crate::open::SqliteCatalog;
use crate::rows::{self, integer};
use crate::trouble::Trouble;

/// The name under which the newest publication is kept.
pub(crate) const CATALOG: &str = "catalog";
/// The name under which the oldest publication is kept from which a replay is complete.
pub(crate) const REPLAYABLE: &str = "replayable";

#[async_trait]
impl Publisher for SqliteCatalog {
    async fn claim(&self, lane: Option<Lane>, documents: usize, bytes: usize) -> Result<Vec<Work>, CatalogError> {
        self.claim_work(lane, documents, bytes).await.map_err(|trouble| trouble.while_trying("could not claim entries"))
    }

    async fn known_chunks(&self, document: DocumentId) -> Result<Vec<KnownChunk>, CatalogError> {
        self.chunks_known(document).await.map_err(|trouble| trouble.while_trying("could not read the known chunks"))
    }

    async fn embeddings(
        &self,
        space: SpaceId,
        keys: &[EmbeddingKey],
    ) -> Result<Vec<(EmbeddingKey, Embedding)>, CatalogError> {
        self.vectors(space, keys).await.map_err(|trouble| trouble.while_trying("could not read vectors"))
    }

    async fn stage(&self, space: SpaceId, revisions: Vec<StagedRevision>) -> Result<(), CatalogError> {
        self.stage_revisions(space, revisions)
            .await
            .map_err(|trouble| trouble.while_trying("could not keep parsed revisions"))
    }

    async fn publish(&self, publication: Publication, finished: Vec<Finished>) -> Result<(), CatalogError> {
        self.publish_finished(publication, finished)
            .await
            .map_err(|trouble| trouble.while_trying("could not publish revisions"))
    }

    async fn published(&self) -> Result<Publication, CatalogError> {
        self.read_checkpoint(CATALOG).await
    }

    async fn set_checkpoint(&self, view: ViewName, publication: Publication) -> Result<(), CatalogError> {
        let set = async {
            let mut transaction = self.begin_write().await?;
            set_checkpoint(&mut transaction, view.as_str(), publication).await?;
            Ok(transaction.commit().await?)
        };
        set.await.map_err(|trouble: Trouble| trouble.while_trying("could not record a checkpoint"))
    }

    async fn checkpoint(&self, view: ViewName) -> Result<Publication, CatalogError> {
        self.read_checkpoint(view.as_str()).await
    }

    async fn replay(
        &self,
        space: SpaceId,
        after: Publication,
        cursor: Option<ReplayCursor>,
        limit: usize,
    ) -> Result<Option<ReplayPage>, CatalogError> {
        self.replay_page(space, after, cursor, limit)
            .await
            .map_err(|trouble| trouble.while_trying("could not replay publications"))
    }

    async fn bind_space(
        &self,
        collection: &CollectionName,
        space: SpaceId,
        model: &str,
    ) -> Result<Result<(), SpaceMismatch>, CatalogError> {
        self.bind(collection, space, model)
            .await
            .map_err(|trouble| trouble.while_trying("could not bind a collection to its embedding space"))
    }

    async fn space_of(&self, collection: &CollectionName) -> Result<Option<SpaceId>, CatalogError> {
        let read = async {
            let row = sqlx::query("SELECT space FROM collection WHERE name = ?")
                .bind(collection.as_str())
                .fetch_optional(&mut *self.begin_read().await?)
                .await?;
            row.map(|row| rows::identity(&row, "space")).transpose()
        };
        read.await.map_err(|trouble: Trouble| trouble.while_trying("could not read a collection's embedding space"))
    }
}

impl SqliteCatalog {
    async fn read_checkpoint(&self, name: &str) -> Result<Publication, CatalogError> {
        let read = async { checkpoint(&mut *self.begin_read().await?, name).await };
        read.await.map_err(|trouble: Trouble| trouble.while_trying("could not read a checkpoint"))
    }

    /// I-5: the first use decides, every later one must agree.
    async fn bind(
        &self,
        collection: &CollectionName,
        space: SpaceId,
        model: &str,
    ) -> Result<Result<(), SpaceMismatch>, Trouble> {
        let mut transaction = self.begin_write().await?;
        sqlx::query("INSERT INTO collection (name, space, model) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING")
            .bind(collection.as_str())
            .bind(space.as_bytes().as_slice())
            .bind(model)
            .execute(&mut *transaction)
            .await?;
        let row = sqlx::query("SELECT space, model FROM collection WHERE name = ?")
            .bind(collection.as_str())
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let built_in: SpaceId = rows::identity(&row, "space")?;
        if built_in == space {
            return Ok(Ok(()));
        }
        Ok(Err(SpaceMismatch { built_in, model: rows::parsed(&row, "model")? }))
    }
}

pub(crate) async fn checkpoint(connection: &mut SqliteConnection, name: &str) -> Result<Publication, Trouble> {
    let row = sqlx::query("SELECT publication FROM checkpoint WHERE name = ?").bind(name).fetch_one(connection).await?;
    Ok(Publication(rows::number(&row, "publication")?))
}

pub(crate) async fn set_checkpoint(
    connection: &mut SqliteConnection,
    name: &str,
    publication: Publication,
) -> Result<(), Trouble> {
    sqlx::query("UPDATE checkpoint SET publication = ? WHERE name = ?")
        .bind(integer(publication.0))
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}
