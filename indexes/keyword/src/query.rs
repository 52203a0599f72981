//! What does a question ask the index for?
//!
//! A bag of terms: each counts as often as the question says it, in the body, and less in the headings and the title. An
//! identifier as written counts more than its parts together: `ERR-2041` is another thing than errors and a number.
//!
//! Invariants:
//! - A match has at least one of the terms, and is of the collection; the collection adds nothing to a score.
//! - At most [`limits::QUERY_TERMS_MAX`] terms are looked up, the rarest of a longer question.

use std::collections::BTreeMap;

use tantivy::query::{
    Bm25StatisticsProvider, BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{Searcher, TantivyError};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::CollectionName;
use wellspring_core::limits;

use crate::analyser::{self, Role};
use crate::language::Language;
use crate::schema::Fields;
use crate::statistics::LiveStatistics;

/// BM25 of the title counts this much beside the body's, which measured best on English sets.
const TITLE_WEIGHT: f32 = 0.2;
/// BM25 of the headings counts this much: nearer to the text than the title.
const HEADING_WEIGHT: f32 = 0.3;

/// What an identifier as written counts for, beside a word's 1.
const WHOLE_WEIGHT: f32 = 2.0;
/// What its parts count for together: a text that repeats them and lacks the whole then never ranks before one that has it.
const PARTS_WEIGHT: f32 = 0.4;

/// The fields that are searched, and what BM25 of each counts.
pub(crate) fn weights(fields: &Fields) -> [(Field, f32); 3] {
    [(fields.body, 1.0), (fields.heading, HEADING_WEIGHT), (fields.title, TITLE_WEIGHT)]
}

/// The languages of what is there.
pub(crate) fn languages(fields: &Fields, statistics: &LiveStatistics<'_>) -> Result<Vec<Language>, TantivyError> {
    let mut languages = Vec::new();
    for language in Language::all() {
        if statistics.has_live(&fields.language_term(language.tag()))? {
            languages.push(language);
        }
    }
    Ok(languages)
}

/// How often a question says each term, weighed by what the term is. Of several readings the one that says it most.
fn asked(question: &str, languages: &[Language]) -> BTreeMap<String, f32> {
    let mut asked: BTreeMap<String, f32> = BTreeMap::new();
    for reading in analyser::readings(question, languages) {
        let mut counts: BTreeMap<String, f32> = BTreeMap::new();
        for term in reading {
            *counts.entry(term.text).or_default() += match term.role {
                Role::Whole => WHOLE_WEIGHT,
                Role::Part { of } => PARTS_WEIGHT / of as f32,
                Role::Word | Role::Beside => 1.0,
            };
        }
        for (term, count) in counts {
            let most = asked.entry(term).or_default();
            *most = most.max(count);
        }
    }
    asked
}

/// The query for a question; `None` when it has no searchable word.
pub(crate) fn build(
    fields: &Fields,
    searcher: &Searcher,
    statistics: &LiveStatistics<'_>,
    collection: &CollectionName,
    question: &str,
    languages: &[Language],
) -> Result<Option<Box<dyn Query>>, TantivyError> {
    // In order, because sums of floats depend on it: the same question must score the same every time.
    let mut terms: Vec<(String, f32)> = asked(question, languages).into_iter().collect();
    if terms.len() > limits::QUERY_TERMS_MAX {
        terms = rarest(fields, statistics, terms)?;
    }
    let weights = weights(fields);
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::with_capacity(terms.len() * weights.len());
    for (text, count) in &terms {
        for (field, weight) in weights {
            let term = TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::WithFreqs);
            clauses.push((Occur::Should, Box::new(BoostQuery::new(Box::new(term), weight * count))));
        }
    }
    if clauses.is_empty() {
        return Ok(None);
    }
    let words = BooleanQuery::new(clauses);
    let collection = fields.collection_term(collection);
    let everything: u64 = searcher.segment_readers().iter().map(|segment| u64::from(segment.max_doc())).sum();
    if searcher.doc_freq(&collection)? == everything {
        // Without a filter that nothing fails, tantivy skips what cannot reach the best.
        return Ok(Some(Box::new(words)));
    }
    let inside = TermQuery::new(collection, IndexRecordOption::Basic);
    let inside = ConstScoreQuery::new(Box::new(inside), 0.0);
    Ok(Some(Box::new(BooleanQuery::new(vec![(Occur::Must, Box::new(inside)), (Occur::Must, Box::new(words))]))))
}

/// A query among some chunks alone; which ones adds nothing to a score.
pub(crate) fn among(fields: &Fields, query: Box<dyn Query>, chunks: &[ChunkId]) -> Box<dyn Query> {
    let inside = TermSetQuery::new(chunks.iter().map(|chunk| fields.chunk_term(chunk)));
    let inside = ConstScoreQuery::new(Box::new(inside), 0.0);
    Box::new(BooleanQuery::new(vec![(Occur::Must, Box::new(inside)), (Occur::Must, query)]))
}

/// The terms that the fewest bodies have; those that none has come last, since only a title may have them.
fn rarest(
    fields: &Fields,
    statistics: &LiveStatistics<'_>,
    terms: Vec<(String, f32)>,
) -> Result<Vec<(String, f32)>, TantivyError> {
    let mut ranked = Vec::with_capacity(terms.len());
    for (text, count) in terms {
        let bodies = statistics.doc_freq(&Term::from_field_text(fields.body, &text))?;
        ranked.push((if bodies == 0 { u64::MAX } else { bodies }, text, count));
    }
    ranked.sort_by_key(|(bodies, ..)| *bodies);
    ranked.truncate(limits::QUERY_TERMS_MAX);
    Ok(ranked.into_iter().map(|(_, text, count)| (text, count)).collect())
}
