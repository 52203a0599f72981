//! Is whatever a view may hold known, and published text untouched, while revisions are staged?

use std::collections::BTreeMap;

use wellspring_core::catalog::{CatalogReader, End, KnownChunk, Publisher, Stage, StagedRevision};
use wellspring_core::chunk::{ChunkId, EmbeddingKey, Part, Reads};

use wellspring_core::embedding::Embedding;
use wellspring_core::view::Publication;

use super::Subject;
use super::steps::*;

async fn known(catalog: &impl Publisher, name: &str) -> BTreeMap<ChunkId, KnownChunk> {
    let known = catalog.known_chunks(id(name)).await.unwrap();
    let count = known.len();
    let by_id: BTreeMap<_, _> = known.into_iter().map(|chunk| (chunk.id, chunk)).collect();
    assert_eq!(by_id.len(), count, "a chunk is known once");
    by_id
}

/// I-2: what is staged is nobody's to read.
pub async fn i2_staged_text_is_not_published(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "old")]).await;
    accept(catalog, put("a", "new")).await;
    let work = claim_one(catalog).await;
    stage(catalog, &work).await;
    assert_eq!(passages(catalog, &[chunk_id("a", "new"), chunk_id("a", "old")]).await, ["old"]);
    assert_eq!(text(catalog, "a").await.as_deref(), Some("old"));
    assert_eq!(catalog.chunk_places(id("a")).await.unwrap()[0].id, chunk_id("a", "old"));
}

/// I-9: a vector that was staged is found by its key, in its space only.
pub async fn i9_a_vector_is_found_again(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one\n\ntwo")]).await;
    let keys = [EmbeddingKey::of("two"), EmbeddingKey::of("three"), EmbeddingKey::of("one")];
    let mut found = catalog.embeddings(space(), &keys).await.unwrap();
    found.sort_by_key(|(key, _)| keys.iter().position(|wanted| wanted == key));
    assert_eq!(found.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [keys[0], keys[2]]);
    for (key, vector) in &found {
        assert!((vector.cosine(&embedding(*key)) - 1.0).abs() < 1e-6);
    }
    assert!(catalog.embeddings(space_of("another model"), &keys).await.unwrap().is_empty());
    accept(catalog, put("b", "two\n\none")).await;
    let work = claim_one(catalog).await;
    assert!(prepare(catalog, &work).await.embeddings.is_empty(), "text of another document costs nothing");
}

/// I-9: of an edited chunk, only the part that changed is new; the others serve again, whoever's they are.
pub async fn i9_parts_are_found_again(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one|two|three")]).await;
    accept(catalog, put("a", "one|new|three")).await;
    let work = claim_one(catalog).await;
    let keys = |staged: &StagedRevision| staged.embeddings.iter().map(|(key, _)| *key).collect::<Vec<_>>();
    assert_eq!(keys(&prepare(catalog, &work).await), [EmbeddingKey::of("new")]);
    let ended = stage(catalog, &work).await;
    publish(catalog, vec![ended]).await;
    let page = catalog.replay(space(), Publication(0), None, 10).await.unwrap().expect("from 0 everything is there");
    let vectors = ["one", "new", "three"].map(|part| embedding(EmbeddingKey::of(part)));
    let expected = Embedding::sum(vectors.iter().map(|vector| (1.0, vector))).unwrap();
    assert!((page.upserts[0].embedding.cosine(&expected) - 1.0).abs() < 1e-6);

    // What only the old revision needed is spare, and goes with the document; what another needs stays.
    write_all(catalog, &[("b", "three|four")]).await;
    let held = async |part: &str| !catalog.embeddings(space(), &[EmbeddingKey::of(part)]).await.unwrap().is_empty();
    assert!(held("two").await);
    accept(catalog, delete("a")).await;
    publish_all(catalog).await;
    for (part, expected) in [("one", false), ("two", false), ("new", false), ("three", true), ("four", true)] {
        assert_eq!(held(part).await, expected, "{part}");
    }
}

/// The published row answers for a chunk that a staged revision holds too. It counts as held by the views only where the
/// attempt left it alone: one that was never published may have taken a chunk out of them, or replaced it.
pub async fn a_chunk_in_two_revisions_is_known_once(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "kept\n\nold\n\ntitled")]).await;
    assert!(known(catalog, "a").await.values().all(|chunk| chunk.published));
    accept(catalog, put("a", "kept\n\nnew\n\ntitled")).await;
    let work = claim_one(catalog).await;
    let mut staged = prepare(catalog, &work).await;
    // A new title changes what is embedded for a chunk whose text stays.
    let title = EmbeddingKey::of("title");
    staged.chunks[2].parts.push(Part { key: title, weight: 0.2, tokens: 1, reads: Reads::Title });
    staged.chunks[2].embedding_key = EmbeddingKey::of_parts(&staged.chunks[2].parts);
    staged.embeddings.push((title, embedding(title)));
    catalog.stage(space(), vec![staged]).await.unwrap();

    let known = known(catalog, "a").await;
    let of = |paragraph: &str| {
        let chunk = known[&chunk_id("a", paragraph)];
        assert_eq!(chunk.embedding_key, EmbeddingKey::of(paragraph));
        chunk.published
    };
    assert_eq!((of("kept"), of("old"), of("titled"), of("new")), (true, false, false, false));
    assert_eq!(known.len(), 4);
}

/// A view may hold what a failed attempt staged, so it stays known until a publication takes it away.
pub async fn a_failed_attempt_stays_known_until_the_next_publication(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one")]).await;
    accept(catalog, put("a", "two")).await;
    let work = claim_one(catalog).await;
    stage(catalog, &work).await;
    let end = End::Failed { stage: Stage::Apply, reason: "disk".to_owned() };
    publish(catalog, vec![finished(&work, end)]).await;
    assert_eq!(known(catalog, "a").await.len(), 2);
    write_all(catalog, &[("a", "three")]).await;
    let known = known(catalog, "a").await;
    assert_eq!(known.keys().copied().collect::<Vec<_>>(), [chunk_id("a", "three")]);
    assert!(known[&chunk_id("a", "three")].published);
}

/// A second attempt at a revision may cut it otherwise; the first one's chunks may be in a view already.
pub async fn staging_again_forgets_no_chunk(subject: impl Subject) {
    let catalog = subject.catalog();
    accept(catalog, put("a", "one\n\ntwo")).await;
    let work = claim_one(catalog).await;
    stage(catalog, &work).await;
    let mut again = prepare(catalog, &work).await;
    again.chunks.truncate(1);
    catalog.stage(space(), vec![again.clone()]).await.unwrap();
    let known_then = catalog.known_chunks(id("a")).await.unwrap();
    assert_eq!(known(catalog, "a").await.len(), 2);
    assert!(known_then.iter().all(|chunk| !chunk.published));

    let end = published(&known_then, &again);
    publish(catalog, vec![finished(&work, end)]).await;
    assert_eq!(known(catalog, "a").await.keys().copied().collect::<Vec<_>>(), [chunk_id("a", "one")]);
    let published_again = StagedRevision { text: "changed".to_owned(), ..again };
    assert!(catalog.stage(space(), vec![published_again]).await.is_err(), "a published revision stands");
    assert_eq!(text(catalog, "a").await.as_deref(), Some("one\n\ntwo"));
}
