//! What remains of a text that was deleted or edited away?

use wellspring_core::catalog::{CatalogReader, End, Publisher, Stage};
use wellspring_core::chunk::EmbeddingKey;
use wellspring_core::document::Revision;

use super::Subject;
use super::steps::*;

async fn has_vector(catalog: &impl Publisher, paragraph: &str) -> bool {
    !catalog.embeddings(space(), &[EmbeddingKey::of(paragraph)]).await.unwrap().is_empty()
}

/// Chunks, texts and vectors go with the deletion's publication, those of earlier revisions included.
pub async fn nothing_of_a_deleted_document_remains(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "first")]).await;
    write_all(catalog, &[("a", "second")]).await;
    assert!(has_vector(catalog, "first").await, "a spare vector");
    accept(catalog, delete("a")).await;
    publish_all(catalog).await;
    assert!(catalog.known_chunks(id("a")).await.unwrap().is_empty());
    for paragraph in ["first", "second"] {
        assert!(!has_vector(catalog, paragraph).await);
    }
    let status = catalog.status().await.unwrap();
    assert_eq!((status.documents, status.chunks, status.vectors), (0, 0, 0));
}

/// A vector is shared by all documents that hold its text.
pub async fn a_vector_that_another_document_needs_stays(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "shared\n\nown"), ("b", "shared")]).await;
    accept(catalog, delete("a")).await;
    publish_all(catalog).await;
    assert!(has_vector(catalog, "shared").await);
    assert!(!has_vector(catalog, "own").await);
    assert_eq!(passages(catalog, &[chunk_id("b", "shared")]).await, ["shared"]);
}

/// A deletion stays a deletion of the old text, whether or not its own work was done before the document returned.
pub async fn a_new_write_after_a_deletion_brings_no_old_text_back(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "old")]).await;
    accept(catalog, delete("a")).await;
    accept(catalog, put("a", "broken")).await;
    let work = claim_one(catalog).await;
    assert_eq!(work.revision, Revision(3));
    let end = End::Failed { stage: Stage::Parse, reason: "broken".to_owned() };
    publish(catalog, vec![finished(&work, end)]).await;
    assert_eq!(catalog.revision_text(&collection(), &key("a"), Some(Revision(1))).await.unwrap(), None);
    assert!(passages(catalog, &[chunk_id("a", "old")]).await.is_empty());
    let known = catalog.known_chunks(id("a")).await.unwrap();
    assert_eq!(
        known.iter().map(|chunk| (chunk.id, chunk.published)).collect::<Vec<_>>(),
        [(chunk_id("a", "old"), false)]
    );

    write_all(catalog, &[("a", "new")]).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("new"));
    assert_eq!(passages(catalog, &[chunk_id("a", "old"), chunk_id("a", "new")]).await, ["new"]);
    assert_eq!(catalog.revision_text(&collection(), &key("a"), Some(Revision(1))).await.unwrap(), None);
    assert!(!has_vector(catalog, "old").await);
    assert_eq!(catalog.known_chunks(id("a")).await.unwrap().len(), 1);
}

/// I-9: text that an edit cut and another edit brings back is not embedded again.
pub async fn i9_a_spare_vector_is_kept_for_text_that_returns(subject: impl Subject) {
    let catalog = subject.catalog();
    for text in ["one\n\ntwo", "one", "two\n\none"] {
        write_all(catalog, &[("a", text)]).await;
    }
    let status = catalog.status().await.unwrap();
    assert_eq!((status.chunks_embedded, status.vectors), (2, 2));
    accept(catalog, put("b", "three")).await;
    accept(catalog, delete("a")).await;
    publish_all(catalog).await;
    assert!(!has_vector(catalog, "two").await, "what came back into use is the document's again");
    assert_eq!(catalog.status().await.unwrap().vectors, 1);
}
