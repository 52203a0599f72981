//! Both views over generated chunks: how are they filled, and what does a search of them cost?
//!
//! Invariants:
//! - A search does what one of the service does, the catalog's part aside: both arms side by side, what each says
//!   of the other's hits, the fusion, and the second one with the question leaned.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use wellspring_core::embedding::{Embedder, Embedding};
use wellspring_core::hit::Hit;
use wellspring_core::limits;
use wellspring_core::view::{KeywordSearch, Publication, VectorSearch, ViewWriter};
use wellspring_keyword::TantivyKeywords;
use wellspring_retrieve::{Balance, Feedback, Votes, fuse};
use wellspring_vector::{EdgeVectors, Shape};

use super::corpus::{Corpus, Query};

/// Chunks of a publication while the indexes are filled.
const PUBLICATION_CHUNKS: u64 = 1024;
/// Chunks of a publication beside searches, and how often there is one: 80 a second, what an embedder on two cores makes.
const SMALL_PUBLICATION_CHUNKS: u64 = 16;
const SMALL_PUBLICATION_INTERVAL: Duration = Duration::from_millis(200);

/// Two open views.
pub(super) struct Indexes {
    vector: EdgeVectors,
    keyword: TantivyKeywords,
    corpus: Corpus,
}

impl Indexes {
    /// Opens empty ones.
    pub(super) fn open(folder: &Path, corpus: Corpus, shape: Shape) -> anyhow::Result<Self> {
        let vector = EdgeVectors::open(&folder.join("vector"), shape).context("could not open the vector index")?;
        let keyword = TantivyKeywords::open(&folder.join("keyword")).context("could not open the keyword index")?;
        Ok(Self { vector, keyword, corpus })
    }

    /// Publishes chunks 0 to below `chunks`.
    pub(super) async fn fill(&self, chunks: u64) -> anyhow::Result<()> {
        for first in (0..chunks).step_by(PUBLICATION_CHUNKS as usize) {
            self.publish(first..(first + PUBLICATION_CHUNKS).min(chunks)).await?;
        }
        Ok(())
    }

    /// Waits until the vector index is as fast as it will be; how many chunks are in a graph then.
    pub(super) async fn settle(&self) -> anyhow::Result<u64> {
        self.vector.settled().await?;
        Ok(self.vector.count_in_graphs().await?)
    }

    async fn publish(&self, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
        let publication = Publication(self.vector.checkpoint().await?.0 + 1);
        let (vectors, keywords) = self.corpus.changes(numbers)?;
        let vector = async {
            self.vector.apply(vectors).await?;
            self.vector.commit(publication).await
        };
        let keyword = async {
            self.keyword.apply(keywords).await?;
            self.keyword.commit(publication).await
        };
        tokio::try_join!(vector, keyword)?;
        Ok(())
    }

    /// The milliseconds that a search takes, its query's embedding aside or not.
    async fn search(&self, query: &Query, embedder: Option<&dyn Embedder>) -> anyhow::Result<f64> {
        let started = Instant::now();
        let (collection, depth) = (self.corpus.collection(), limits::CANDIDATES_MAX);
        let meaning = async {
            if let Some(embedder) = embedder {
                // For its time: the generated directions are in no space of a model.
                embedder.embed_query(query.text.clone()).await?;
            }
            Ok::<_, anyhow::Error>(self.vector.nearest(collection, &query.embedding, depth).await?)
        };
        let (words, meaning) = tokio::join!(self.keyword.matching(collection, &query.text, depth), meaning);
        let (mut words, mut meaning) = (words?, meaning?);
        let missing = |hits: &[Hit], others: &[Hit]| -> Vec<_> {
            let known: HashSet<_> = hits.iter().map(|hit| hit.chunk).collect();
            others.iter().map(|hit| hit.chunk).filter(|chunk| !known.contains(chunk)).collect()
        };
        let (near, found) = (missing(&words, &meaning), missing(&meaning, &words));
        let (of_near, of_found) = tokio::try_join!(
            self.keyword.matching_among(collection, &query.text, &near, near.len()),
            self.vector.similarities(collection, &query.embedding, &found)
        )?;
        words.extend(of_near);
        meaning.extend(of_found);
        let fused = fuse(Votes::Both { keyword: &words, vector: &meaning }, Balance::default());
        ensure!(!fused.is_empty(), "a search for `{}` found nothing", query.text);
        let best: Vec<_> = fused.iter().take(Feedback::PASSAGES).map(|candidate| candidate.chunk).collect();
        let directions: Vec<_> =
            self.vector.directions(collection, &best).await?.into_iter().map(|(_, direction)| direction).collect();
        let leaned = Feedback::default().lean(&query.embedding, &directions)?;
        let chunks: Vec<_> = meaning.iter().map(|hit| hit.chunk).collect();
        let meaning = self.vector.similarities(collection, &leaned, &chunks).await?;
        fuse(Votes::Both { keyword: &words, vector: &meaning }, Balance::default());
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    }

    /// The sorted milliseconds of so many rounds of searches.
    pub(super) async fn searches(
        &self,
        queries: &[Query],
        rounds: usize,
        embedder: Option<&dyn Embedder>,
    ) -> anyhow::Result<Vec<f64>> {
        let mut milliseconds = Vec::with_capacity(queries.len() * rounds);
        for _ in 0..rounds {
            for query in queries {
                milliseconds.push(self.search(query, embedder).await?);
            }
        }
        milliseconds.sort_by(f64::total_cmp);
        Ok(milliseconds)
    }

    /// The same while chunks from `first` on are published.
    pub(super) async fn searches_beside_upserts(
        &self,
        queries: &[Query],
        rounds: usize,
        mut first: u64,
    ) -> anyhow::Result<Vec<f64>> {
        let upserts = async {
            let mut interval = tokio::time::interval(SMALL_PUBLICATION_INTERVAL);
            loop {
                interval.tick().await;
                let next = first + SMALL_PUBLICATION_CHUNKS;
                if let Err(error) = self.publish(first..next).await {
                    return error;
                }
                first = next;
            }
        };
        tokio::select! {
            searched = self.searches(queries, rounds, None) => searched,
            error = upserts => Err(error.context("the publications beside the searches failed")),
        }
    }

    /// The share of the `limit` nearest chunks that searches by meaning find, every chunk below `chunks` compared.
    pub(super) async fn recall(&self, queries: &[Query], chunks: u64, limit: usize) -> anyhow::Result<f64> {
        let thresholds = self.thresholds(queries, chunks, limit)?;
        let mut found = 0;
        for (query, threshold) in queries.iter().zip(thresholds) {
            // As many as a search asks for, since more are looked for then.
            let hits = self.vector.nearest(self.corpus.collection(), &query.embedding, limits::CANDIDATES_MAX).await?;
            found += hits.iter().take(limit).filter(|hit| hit.score >= threshold - 1e-5).count();
        }
        Ok(found as f64 / (queries.len() * limit).max(1) as f64)
    }

    /// The cosine of each query's chunk of rank `limit`.
    fn thresholds(&self, queries: &[Query], chunks: u64, limit: usize) -> anyhow::Result<Vec<f32>> {
        let mut nearest = vec![vec![f32::MIN; limit]; queries.len()];
        for number in 0..chunks {
            let embedding: Embedding = self.corpus.embedding(number)?;
            for (query, nearest) in queries.iter().zip(&mut nearest) {
                let cosine = embedding.cosine(&query.embedding);
                if cosine > nearest[limit - 1] {
                    nearest[limit - 1] = cosine;
                    nearest.sort_by(|a, b| b.total_cmp(a));
                }
            }
        }
        Ok(nearest.into_iter().map(|nearest| nearest[limit - 1]).collect())
    }
}
