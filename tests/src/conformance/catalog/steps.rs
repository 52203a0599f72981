//! What do the cases do over and over? The smallest pipeline that keeps the contract, and short names for its steps.

use std::collections::{HashMap, HashSet};

use wellspring_core::catalog::{
    Accepted, CatalogReader, Cost, End, Finished, Journal, KnownChunk, Publisher, StagedRevision, Task, Work, Write,
};
use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey, Part, Reads};
use wellspring_core::document::{Attributes, CollectionName, DocumentId, DocumentKey, Draft, MediaType};
use wellspring_core::embedding::{Embedding, EmbeddingSpace, SpaceId};
use wellspring_core::filter::Filter;
use wellspring_core::source::SourceName;
use wellspring_core::span::Span;

/// More bytes than any case writes.
pub const PLENTY: usize = 1 << 30;

/// The space of the cases' vectors.
pub fn space() -> SpaceId {
    space_of("a model")
}

/// The space of a model.
pub fn space_of(model: &str) -> SpaceId {
    EmbeddingSpace {
        model: model.to_owned(),
        model_digest: model.to_owned(),
        dimension: 3,
        pooling: "mean".to_owned(),
        query_prefix: String::new(),
        passage_prefix: String::new(),
        tokens_max: 16,
        languages: Vec::new(),
    }
    .id()
}

/// The default collection.
pub fn collection() -> CollectionName {
    CollectionName::default()
}

/// A key.
pub fn key(name: &str) -> DocumentKey {
    name.parse().expect("the cases use valid keys")
}

/// A source.
pub fn source(name: &str) -> SourceName {
    name.parse().expect("the cases use valid sources")
}

/// The identity of a document of the default collection.
pub fn id(name: &str) -> DocumentId {
    DocumentId::of(&collection(), &key(name))
}

/// A plain text of the push source in the default collection.
pub fn draft(name: &str, text: &str) -> Draft {
    Draft {
        collection: collection(),
        key: key(name),
        source: SourceName::push(),
        media_type: MediaType::Text,
        content: text.as_bytes().to_vec(),
        attributes: Attributes::default(),
        fingerprint: None,
    }
}

/// The write of a plain text.
pub fn put(name: &str, text: &str) -> Write {
    Write::Put(draft(name, text))
}

/// The deletion of a document by the push source.
pub fn delete(name: &str) -> Write {
    Write::Delete { collection: collection(), key: key(name), source: SourceName::push() }
}

/// A version of a document of the push source that cannot be taken in.
pub fn unread(name: &str, reason: &str) -> Write {
    let reason = reason.to_owned();
    Write::Unread { collection: collection(), key: key(name), source: SourceName::push(), reason, media_type: None }
}

/// Accepts one write that nobody refuses.
pub async fn accept(catalog: &impl Journal, write: Write) -> Accepted {
    let mut answers = catalog.accept(vec![write]).await.expect("accepting");
    answers.pop().expect("an answer for each write").expect("not refused")
}

/// Claims one entry.
pub async fn claim_one(catalog: &impl Publisher) -> Work {
    catalog.claim(None, 1, PLENTY).await.expect("claiming").pop().expect("something to claim")
}

/// The paragraphs of a text as chunks.
pub fn chunks(document: DocumentId, text: &str) -> Vec<Chunk> {
    let mut occurrences: HashMap<&str, u32> = HashMap::new();
    let mut byte = 0;
    let mut chunks = Vec::new();
    for paragraph in text.split("\n\n") {
        let occurrence = occurrences.entry(paragraph).or_default();
        let parts = parts(paragraph);
        chunks.push(Chunk {
            id: ChunkId::of(document, paragraph, *occurrence),
            ordinal: chunks.len() as u32,
            span: Span::of(text, byte..byte + paragraph.len()),
            text: paragraph.to_owned(),
            heading: String::new(),
            tokens: paragraph.split_whitespace().count() as u32,
            parts: parts.clone(),
            embedding_key: EmbeddingKey::of_parts(&parts),
            places: Vec::new(),
        });
        *occurrence += 1;
        byte += paragraph.len() + 2;
    }
    chunks
}

/// What is embedded of a paragraph: the whole, or the sides of a bar one by one.
pub fn parts(paragraph: &str) -> Vec<Part> {
    let mut start = 0;
    let mut parts = Vec::new();
    for side in paragraph.split('|') {
        let reads = Reads::Text(start..start + side.len() as u32);
        parts.push(Part { reads, ..Part::whole(side, 1) });
        start += side.len() as u32 + 1;
    }
    parts
}

/// The id of the first chunk of a document of the default collection that reads `paragraph`.
pub fn chunk_id(name: &str, paragraph: &str) -> ChunkId {
    ChunkId::of(id(name), paragraph, 0)
}

/// A direction that depends on the key alone.
pub fn embedding(key: EmbeddingKey) -> Embedding {
    let [a, b, c, ..] = *key.as_bytes();
    Embedding::new(vec![f32::from(a) + 1.0, f32::from(b), f32::from(c)]).expect("the first value is not zero")
}

/// Parses claimed text; computes only the vectors that the catalog does not have.
pub async fn prepare(catalog: &impl Publisher, work: &Work) -> StagedRevision {
    let Task::Put { content, attributes, .. } = &work.task else { panic!("a deletion has no text") };
    let text = String::from_utf8(content.clone()).expect("the cases write text");
    let chunks = chunks(work.document, &text);
    let keys: Vec<EmbeddingKey> = chunks.iter().flat_map(Chunk::part_keys).collect();
    let have: HashSet<EmbeddingKey> =
        catalog.embeddings(space(), &keys).await.expect("vectors").into_iter().map(|(key, _)| key).collect();
    let embeddings = keys.into_iter().filter(|key| !have.contains(key)).map(|key| (key, embedding(key))).collect();
    StagedRevision {
        document: work.document,
        revision: work.revision,
        text,
        title: attributes.title.clone(),
        screening: Vec::new(),
        chunks,
        embeddings,
    }
}

/// Stages claimed work and says how it ends; a deletion needs no staging.
pub async fn stage(catalog: &impl Publisher, work: &Work) -> Finished {
    let known = catalog.known_chunks(work.document).await.expect("known chunks");
    let end = match &work.task {
        Task::Delete => End::Deleted { removed: known.iter().map(|chunk| chunk.id).collect() },
        Task::Put { .. } => {
            let staged = prepare(catalog, work).await;
            let end = published(&known, &staged);
            catalog.stage(space(), vec![staged]).await.expect("staging");
            end
        }
    };
    finished(work, end)
}

/// The end of a staged revision, given what was known before it.
pub fn published(known: &[KnownChunk], staged: &StagedRevision) -> End {
    let ids: HashSet<ChunkId> = staged.chunks.iter().map(|chunk| chunk.id).collect();
    let kept: HashSet<(ChunkId, EmbeddingKey)> =
        known.iter().filter(|chunk| chunk.published).map(|chunk| (chunk.id, chunk.embedding_key)).collect();
    let removed: Vec<ChunkId> = known.iter().map(|chunk| chunk.id).filter(|id| !ids.contains(id)).collect();
    let upserted: Vec<ChunkId> = staged
        .chunks
        .iter()
        .filter(|chunk| !kept.contains(&(chunk.id, chunk.embedding_key)))
        .map(|chunk| chunk.id)
        .collect();
    let cost = Cost {
        chunks: staged.chunks.len() as u64,
        chunks_embedded: staged.embeddings.len() as u64,
        tokens_embedded: staged.embeddings.len() as u64,
        chunks_kept: (staged.chunks.len() - upserted.len()) as u64,
        chunks_removed: removed.len() as u64,
    };
    End::Published { removed, upserted, cost }
}

/// The finish of claimed work.
pub fn finished(work: &Work, end: End) -> Finished {
    Finished { sequence: work.sequence, document: work.document, revision: work.revision, end }
}

/// Publishes ends as the next publication.
pub async fn publish(catalog: &impl Publisher, finished: Vec<Finished>) {
    let next = catalog.published().await.expect("the newest publication").next();
    catalog.publish(next, finished).await.expect("publishing");
}

/// Publishes everything pending, each claim as one publication.
pub async fn publish_all(catalog: &impl Publisher) {
    loop {
        let claimed = catalog.claim(None, 16, PLENTY).await.expect("claiming");
        if claimed.is_empty() {
            return;
        }
        let mut ends = Vec::new();
        for work in &claimed {
            ends.push(stage(catalog, work).await);
        }
        publish(catalog, ends).await;
    }
}

/// Accepts texts under names and publishes them.
pub async fn write_all(catalog: &(impl Journal + Publisher), texts: &[(&str, &str)]) {
    for (name, text) in texts {
        accept(catalog, put(name, text)).await;
    }
    publish_all(catalog).await;
}

/// The published text of a document of the default collection.
pub async fn text(catalog: &impl CatalogReader, name: &str) -> Option<String> {
    catalog.revision_text(&collection(), &key(name), None).await.expect("reading a text")?.text
}

/// The texts of those of the chunks that are passages.
pub async fn passages(catalog: &impl CatalogReader, chunks: &[ChunkId]) -> Vec<String> {
    let passages = catalog.hydrate(&collection(), chunks, &Filter::default()).await.expect("hydrating");
    passages.into_iter().map(|passage| passage.text).collect()
}
