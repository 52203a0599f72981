//! How long does a write wait for the disk? Prints the median milliseconds of accepting and of publishing.
//!
//! `cargo run --release -p wellspring-catalog --example write_rate [DIRECTORY]`; the directory decides which disk.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use wellspring_catalog::SqliteCatalog;
use wellspring_core::catalog::{
    CatalogReader, Cost, End, Finished, Journal, Publisher, StagedRevision, Task, Work, Write,
};
use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey, Part};
use wellspring_core::document::{Attributes, CollectionName, Draft, MediaType};
use wellspring_core::embedding::{Embedding, SpaceId};
use wellspring_core::filter::Filter;
use wellspring_core::source::SourceName;
use wellspring_core::span::Span;

const ROUNDS: usize = 41;
const BATCH: usize = 128;
const DOCUMENT_BYTES: usize = 1500;
const DIMENSION: usize = 384;

type Attempt<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Attempt<()> {
    let directory = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("target/write-rate"), PathBuf::from);
    let catalog = SqliteCatalog::open(&directory).await?;
    let space = SpaceId::from_bytes([7; 16]);
    let (mut one, mut many) = (Vec::new(), Vec::new());
    let (mut claim, mut stage, mut publish, mut hydrate) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // Numbers that no earlier run in this directory has used.
    let mut number = usize::try_from(catalog.status().await?.sequence)?;
    for _ in 0..ROUNDS {
        for (count, times) in [(1, &mut one), (BATCH, &mut many)] {
            let writes = (number..number + count).map(write).collect::<Attempt<Vec<_>>>()?;
            number += count;
            timed(times, catalog.accept(writes)).await?;
        }
        let work = timed(&mut claim, catalog.claim(None, BATCH, usize::MAX)).await?;
        let revisions = work.iter().map(prepare).collect::<Attempt<Vec<_>>>()?;
        let finished = work.iter().zip(&revisions).map(finish).collect();
        let chunks: Vec<ChunkId> = revisions.iter().take(100).map(|revision| revision.chunks[0].id).collect();
        timed(&mut stage, catalog.stage(space, revisions)).await?;
        let next = catalog.published().await?.next();
        timed(&mut publish, catalog.publish(next, finished)).await?;
        let passages =
            timed(&mut hydrate, catalog.hydrate(&CollectionName::default(), &chunks, &Filter::default())).await?;
        assert_eq!(passages.len(), chunks.len());
    }
    let rows = [
        ("accept 1 document of 1.5 kB", one),
        ("accept 128 documents of 1.5 kB", many),
        ("claim 128 documents", claim),
        ("stage 128 documents, 256 chunks of 384 dimensions", stage),
        ("publish 128 documents, 256 chunks", publish),
        ("hydrate 100 chunks", hydrate),
    ];
    for (what, mut times) in rows {
        times.sort_by(f64::total_cmp);
        println!("{:8.2} ms (worst {:.2})  {what}", times[times.len() / 2], times[times.len() - 1]);
    }
    Ok(())
}

async fn timed<T, E: Error + 'static>(times: &mut Vec<f64>, work: impl Future<Output = Result<T, E>>) -> Attempt<T> {
    let start = Instant::now();
    let result = work.await?;
    times.push(start.elapsed().as_secs_f64() * 1000.0);
    Ok(result)
}

fn write(number: usize) -> Attempt<Write> {
    Ok(Write::Put(Draft {
        collection: CollectionName::default(),
        key: format!("document {number}").parse()?,
        source: SourceName::push(),
        media_type: MediaType::Text,
        content: format!("{number:08} ").repeat(DOCUMENT_BYTES / 9).into_bytes(),
        attributes: Attributes::default(),
        fingerprint: None,
    }))
}

/// Cuts a text into halves, with directions that differ.
fn prepare(work: &Work) -> Attempt<StagedRevision> {
    let Task::Put { content, .. } = &work.task else { return Err("only writes were accepted".into()) };
    let text = String::from_utf8(content.clone())?;
    let middle = text.len() / 2;
    let (mut chunks, mut embeddings) = (Vec::new(), Vec::new());
    for (ordinal, range) in [0..middle, middle..text.len()].into_iter().enumerate() {
        let part = text[range.clone()].to_owned();
        let embedding_key = EmbeddingKey::of(&format!("{ordinal} {part}"));
        let values = (0..DIMENSION).map(|place| f32::from(embedding_key.as_bytes()[place % 16]) + 1.0).collect();
        embeddings.push((embedding_key, Embedding::new(values)?));
        let parts = vec![Part { key: embedding_key, ..Part::whole(&part, 240) }];
        chunks.push(Chunk {
            id: ChunkId::of(work.document, &part, u32::try_from(ordinal)?),
            ordinal: u32::try_from(ordinal)?,
            span: Span::of(&text, range),
            text: part,
            heading: String::new(),
            tokens: 240,
            parts,
            embedding_key,
            places: Vec::new(),
        });
    }
    Ok(StagedRevision {
        document: work.document,
        revision: work.revision,
        text,
        title: None,
        screening: Vec::new(),
        chunks,
        embeddings,
    })
}

fn finish((work, staged): (&Work, &StagedRevision)) -> Finished {
    let upserted = staged.chunks.iter().map(|chunk| chunk.id).collect();
    let end = End::Published { removed: Vec::new(), upserted, cost: Cost::default() };
    Finished { sequence: work.sequence, document: work.document, revision: work.revision, end }
}
