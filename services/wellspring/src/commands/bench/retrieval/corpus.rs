//! What fills an index that is measured at a size for which nobody has documents?
//!
//! Invariants:
//! - A chunk is a function of its number: nothing of the corpus has to be kept to be compared with.
//! - Directions lie around centres, so that a chunk has neighbours and the nearest of them are worth finding; words come
//!   as often as words do, the r-th commonest with a share of about 1 / r.

use anyhow::Context;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::view::{Change, KeywordEntry, VectorEntry};

/// Directions that the others lie around.
const CENTRES: u64 = 4096;
/// How far from its centre a direction lies: at a cosine of .8.
const SPREAD: f32 = 0.75;
/// Words of a chunk, about a paragraph.
const CHUNK_WORDS: usize = 80;
/// Words that there are.
const VOCABULARY: f64 = 60_000.0;
/// Words of a query.
const QUERY_WORDS: usize = 5;
/// Chunks of a document.
const DOCUMENT_CHUNKS: u64 = 8;
/// Queries are numbered from here, where no chunk is.
const FIRST_QUERY: u64 = 1 << 40;

/// Generated chunks and queries.
pub(super) struct Corpus {
    centres: Vec<Embedding>,
    collection: CollectionName,
}

/// What is searched for.
pub(super) struct Query {
    /// Words that a chunk has.
    pub(super) text: String,
    /// A direction near other chunks.
    pub(super) embedding: Embedding,
}

impl Corpus {
    /// One of directions with so many values.
    pub(super) fn new(dimension: usize) -> anyhow::Result<Self> {
        let centres =
            (0..CENTRES).map(|number| Random::of(number, "centre").direction(dimension)).collect::<Result<_, _>>()?;
        Ok(Self { centres, collection: CollectionName::default() })
    }

    /// Where its chunks are.
    pub(super) fn collection(&self) -> &CollectionName {
        &self.collection
    }

    /// The id of a chunk.
    pub(super) fn chunk(&self, number: u64) -> anyhow::Result<ChunkId> {
        let occurrence = u32::try_from(number % DOCUMENT_CHUNKS)?;
        Ok(ChunkId::of(self.document(number)?, "generated", occurrence))
    }

    fn document(&self, number: u64) -> anyhow::Result<DocumentId> {
        let key = format!("generated-{}", number / DOCUMENT_CHUNKS).parse().context("a name is a key")?;
        Ok(DocumentId::of(&self.collection, &key))
    }

    /// The direction of a chunk.
    pub(super) fn embedding(&self, number: u64) -> anyhow::Result<Embedding> {
        let mut random = Random::of(number, "direction");
        let centre = &self.centres[(random.next() % CENTRES) as usize];
        let noise = random.direction(centre.values().len())?;
        Ok(Embedding::sum([(1.0, centre), (SPREAD, &noise)])?)
    }

    /// The words of a chunk.
    fn words(&self, number: u64) -> Vec<String> {
        let mut random = Random::of(number, "words");
        (0..CHUNK_WORDS).map(|_| word((random.share() * VOCABULARY.ln()).exp() as u64)).collect()
    }

    /// A query about a corpus of so many chunks: words of one of them, and a direction that none of them has.
    pub(super) fn query(&self, number: u64, chunks: u64) -> anyhow::Result<Query> {
        let mut random = Random::of(number, "query");
        let words = self.words(random.next() % chunks.max(1));
        let text: Vec<&str> =
            (0..QUERY_WORDS).map(|_| words[(random.next() % CHUNK_WORDS as u64) as usize].as_str()).collect();
        Ok(Query { text: text.join(" "), embedding: self.embedding(FIRST_QUERY + number)? })
    }

    /// What a publication of these chunks does to both views.
    pub(super) fn changes(
        &self,
        numbers: std::ops::Range<u64>,
    ) -> anyhow::Result<(Change<VectorEntry>, Change<KeywordEntry>)> {
        let (mut vectors, mut keywords) = (Change::default(), Change::default());
        for number in numbers {
            let (chunk, document) = (self.chunk(number)?, self.document(number)?);
            let (collection, embedding) = (self.collection.clone(), self.embedding(number)?);
            vectors.upserts.push(VectorEntry { chunk, document, collection, embedding });
            keywords.upserts.push(KeywordEntry {
                chunk,
                document,
                collection: self.collection.clone(),
                title: format!("Document {}", word(number / DOCUMENT_CHUNKS)),
                heading: String::new(),
                text: self.words(number).join(" "),
            });
        }
        Ok((vectors, keywords))
    }
}

/// A made-up word for each number, short ones first.
fn word(mut rank: u64) -> String {
    let mut word = String::new();
    loop {
        word.push(b"bdfgklmnprstvz"[(rank % 14) as usize] as char);
        rank /= 14;
        word.push(b"aeiou"[(rank % 5) as usize] as char);
        rank /= 5;
        if rank == 0 {
            return word;
        }
    }
}

/// SplitMix64, begun anew for each thing that is generated.
struct Random(u64);

impl Random {
    fn of(number: u64, what: &str) -> Self {
        let salt = what.bytes().fold(0, |salt: u64, byte| salt.wrapping_mul(257).wrapping_add(u64::from(byte)));
        let mut random = Self(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn direction(&mut self, dimension: usize) -> anyhow::Result<Embedding> {
        // Sums of uniform values are near enough to a bell curve for a direction without a preference.
        let mut value = || (self.share() + self.share() + self.share() - 1.5) as f32;
        Ok(Embedding::new((0..dimension).map(|_| value()).collect())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_the_same_each_time_and_has_neighbours() {
        let corpus = Corpus::new(64).unwrap();
        assert_eq!(corpus.embedding(7).unwrap(), corpus.embedding(7).unwrap());
        assert_eq!(corpus.words(7), corpus.words(7));
        assert_ne!(corpus.chunk(7).unwrap(), corpus.chunk(15).unwrap());
        let query = corpus.query(3, 20_000).unwrap();
        let cosines = (0..20_000).map(|number| corpus.embedding(number).unwrap().cosine(&query.embedding));
        let near = cosines.filter(|cosine| *cosine > 0.5).count();
        assert!((1..200).contains(&near), "{near} chunks are near");
        assert_eq!(query.text.split(' ').count(), QUERY_WORDS);
    }

    #[test]
    fn few_words_are_common() {
        let corpus = Corpus::new(4).unwrap();
        let words: Vec<String> = (0..200).flat_map(|number| corpus.words(number)).collect();
        let commonest = words.iter().filter(|word| **word == super::word(1)).count();
        let share = commonest as f64 / words.len() as f64;
        assert!((0.02..0.15).contains(&share), "{share}");
    }
}
