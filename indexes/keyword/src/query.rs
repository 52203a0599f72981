//! What does a question ask the index for?
//!
//! A bag of terms: each counts as often as the question says it. A word between spaces counts more in a question without
//! spaces, where each character is found in several ways and outvotes it. An identifier as written counts more than its parts together: `ERR-2041` is another thing than errors and a number.
//!
//! Invariants:
//! - A match has at least one of the terms, and is of the collection; the collection adds nothing to a score.
//! - At most [`limits::QUERY_TERMS_MAX`] terms are looked up, the rarest of a longer question.

use std::collections::{BTreeMap, BTreeSet};

use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{
    Bm25StatisticsProvider, Bm25Weight, BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocAddress, DocId, DocSet, Searcher, SegmentReader, TERMINATED, TantivyError};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::CollectionName;
use wellspring_core::limits;
use wellspring_core::text::is_cjk;

use crate::analyser::{self, Role};
use crate::language::Language;
use crate::schema::Fields;
use crate::statistics::LiveStatistics;

/// What a word between spaces counts for in a question with Han or kana, such as a year or a name in Latin letters: about
/// as many terms as are made of as much Chinese.
const SPACED_WEIGHT: f32 = 4.0;
/// What an identifier as written counts for, beside a word's 1.
const WHOLE_WEIGHT: f32 = 2.0;
/// What its parts count for together: a text that repeats them and lacks the whole then never ranks before one that has it.
const PARTS_WEIGHT: f32 = 0.4;

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

/// A term that a question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Asked {
    /// How often, weighed by what the term is. Of several readings the one that says it most.
    count: f32,
    /// The word that it is a reading of, by its place among the question's words, where other languages read it otherwise.
    word: Option<usize>,
}

/// The terms that a question asks for.
fn asked(question: &str, languages: &[Language]) -> BTreeMap<String, Asked> {
    let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
    let readings = analyser::readings(question, languages);
    for reading in &readings {
        let mut counts: BTreeMap<&str, Asked> = BTreeMap::new();
        let spaced = |term: &analyser::Term| !term.text.starts_with(is_cjk);
        let spaced_weight = if reading.iter().all(spaced) { 1.0 } else { SPACED_WEIGHT };
        for term in reading {
            let weight = match term.role {
                Role::Whole => WHOLE_WEIGHT,
                Role::Part { of } => PARTS_WEIGHT / of as f32,
                Role::Word | Role::Beside => 1.0,
            };
            let asked = counts.entry(&term.text).or_default();
            asked.count += if spaced(term) { weight * spaced_weight } else { weight };
            let read_otherwise = readings.len() > 1 && spaced(term) && term.role != Role::Whole;
            asked.word = asked.word.or(read_otherwise.then_some(term.position));
        }
        for (term, Asked { count, word }) in counts {
            let most = asked.entry(term.to_owned()).or_default();
            *most = Asked { count: most.count.max(count), word: most.word.or(word) };
        }
    }
    asked
}

/// The terms with what each counts. BM25 weighs what is rare, and the reading of a word in a language of few chunks is:
/// every reading counts as much as the most common one of the same word.
fn weighed(
    field: Field,
    statistics: &LiveStatistics<'_>,
    asked: BTreeMap<String, Asked>,
) -> Result<Vec<(String, f32)>, TantivyError> {
    let all = statistics.total_num_docs()? as f32;
    let mut readings: BTreeMap<usize, Vec<(&str, f32)>> = BTreeMap::new();
    for (text, asked) in &asked {
        if let Some(word) = asked.word {
            let having = statistics.doc_freq(&Term::from_field_text(field, text))? as f32;
            readings.entry(word).or_default().push((text, rarity(all, having)));
        }
    }
    let mut shares: BTreeMap<&str, f32> = BTreeMap::new();
    for of_word in readings.values() {
        let common = of_word.iter().map(|(_, rarity)| *rarity).fold(f32::INFINITY, f32::min);
        for (text, rarity) in of_word {
            shares.insert(text, common / rarity);
        }
    }
    let weight = |text: &str, count: f32| count * shares.get(text).copied().unwrap_or(1.0);
    Ok(asked.iter().map(|(text, asked)| (text.clone(), weight(text, asked.count))).collect())
}

/// What BM25 weighs a term with that so many of all chunks have; more than 0.
pub(crate) fn rarity(all: f32, having: f32) -> f32 {
    (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
}

/// The terms of a question with what each counts; none when it has no searchable word.
pub(crate) fn terms(
    fields: &Fields,
    statistics: &LiveStatistics<'_>,
    question: &str,
    languages: &[Language],
) -> Result<Vec<(Term, f32)>, TantivyError> {
    // In order, because sums of floats depend on it: the same question must score the same every time.
    let mut terms = weighed(fields.text, statistics, asked(question, languages))?;
    if terms.len() > limits::QUERY_TERMS_MAX {
        terms = rarest(fields, statistics, terms)?;
    }
    Ok(terms.into_iter().map(|(text, count)| (Term::from_field_text(fields.text, &text), count)).collect())
}

/// The query for the chunks of a collection that have any of the terms.
pub(crate) fn any_of(
    fields: &Fields,
    searcher: &Searcher,
    collection: &CollectionName,
    terms: &[(Term, f32)],
) -> Result<Box<dyn Query>, TantivyError> {
    let clause = |(term, count): &(Term, f32)| -> (Occur, Box<dyn Query>) {
        let term = TermQuery::new(term.clone(), IndexRecordOption::WithFreqs);
        (Occur::Should, Box::new(BoostQuery::new(Box::new(term), *count)))
    };
    let clauses: Vec<_> = terms.iter().map(clause).collect();
    let words = BooleanQuery::new(clauses);
    let collection = fields.collection_term(collection);
    let everything: u64 = searcher.segment_readers().iter().map(|segment| u64::from(segment.max_doc())).sum();
    if searcher.doc_freq(&collection)? == everything {
        // Without a filter that nothing fails, tantivy skips what cannot reach the best.
        return Ok(Box::new(words));
    }
    let inside = TermQuery::new(collection, IndexRecordOption::Basic);
    let inside = ConstScoreQuery::new(Box::new(inside), 0.0);
    Ok(Box::new(BooleanQuery::new(vec![(Occur::Must, Box::new(inside)), (Occur::Must, Box::new(words))])))
}

/// What BM25 gives those of `chunks` that are in a collection and have any of the terms, in no order. Each term is followed to
/// these chunks and no further: a query over all the terms would weigh some thousand neighbours of each.
pub(crate) fn scores(
    fields: &Fields,
    searcher: &Searcher,
    statistics: &LiveStatistics<'_>,
    collection: &CollectionName,
    terms: &[(Term, f32)],
    chunks: &[ChunkId],
) -> Result<Vec<(f32, DocAddress)>, TantivyError> {
    let mut weights = Vec::with_capacity(terms.len());
    for (term, count) in terms {
        weights.push(Bm25Weight::for_terms(statistics, std::slice::from_ref(term))?.boost_by(*count));
    }
    let collection = fields.collection_term(collection);
    let chunks: BTreeSet<Term> = chunks.iter().map(|chunk| fields.chunk_term(chunk)).collect();
    let mut found = Vec::new();
    for (segment, ordinal) in searcher.segment_readers().iter().zip(0..) {
        let places = places(segment, &collection, &chunks)?;
        if places.is_empty() {
            continue;
        }
        let (index, norms) = (segment.inverted_index(fields.text)?, segment.get_fieldnorms_reader(fields.text)?);
        let mut scores = vec![0.0; places.len()];
        for ((term, _), weight) in terms.iter().zip(&weights) {
            let Some(mut postings) = index.read_postings(term, IndexRecordOption::WithFreqs)? else { continue };
            for (&place, score) in places.iter().zip(&mut scores) {
                if reach(&mut postings, place) {
                    *score += weight.score(norms.fieldnorm_id(place), postings.term_freq());
                }
            }
        }
        let matching = places.into_iter().zip(scores).filter(|(_, score)| *score > 0.0);
        found.extend(matching.map(|(place, score)| (score, DocAddress::new(ordinal, place))));
    }
    Ok(found)
}

/// Where live chunks of a collection are in a segment, in order.
fn places(segment: &SegmentReader, collection: &Term, chunks: &BTreeSet<Term>) -> Result<Vec<DocId>, TantivyError> {
    let Some(first) = chunks.first() else { return Ok(Vec::new()) };
    let (index, collections) = (segment.inverted_index(first.field())?, segment.inverted_index(collection.field())?);
    let mut places = Vec::new();
    for chunk in chunks {
        let Some(mut postings) = index.read_postings(chunk, IndexRecordOption::Basic)? else { continue };
        while postings.doc() != TERMINATED {
            places.push(postings.doc());
            postings.advance();
        }
    }
    places.retain(|place| segment.alive_bitset().is_none_or(|alive| alive.is_alive(*place)));
    places.sort_unstable();
    let Some(mut inside) = collections.read_postings(collection, IndexRecordOption::Basic)? else {
        return Ok(Vec::new());
    };
    places.retain(|place| reach(&mut inside, *place));
    Ok(places)
}

/// Goes on to a place, which is never before the last one; whether it is among the postings.
fn reach(postings: &mut SegmentPostings, place: DocId) -> bool {
    if postings.doc() < place {
        postings.seek(place);
    }
    postings.doc() == place
}

/// The terms that the fewest chunks have, of those that any has.
fn rarest(
    fields: &Fields,
    statistics: &LiveStatistics<'_>,
    terms: Vec<(String, f32)>,
) -> Result<Vec<(String, f32)>, TantivyError> {
    let mut ranked = Vec::with_capacity(terms.len());
    for (text, count) in terms {
        let chunks = statistics.doc_freq(&Term::from_field_text(fields.text, &text))?;
        ranked.push((if chunks == 0 { u64::MAX } else { chunks }, text, count));
    }
    ranked.sort_by_key(|(chunks, ..)| *chunks);
    ranked.truncate(limits::QUERY_TERMS_MAX);
    Ok(ranked.into_iter().map(|(_, text, count)| (text, count)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_or_a_name_counts_more_among_chinese() {
        let languages = [Language::English];
        let among_chinese = asked("2022年冬奧會的 Harvey", &languages);
        let counts = ["2022", "harvey", "冬"].map(|term| among_chinese[term].count);
        assert_eq!(counts, [4.0, 4.0, 1.0]);
        let alone = asked("Harvey 2022", &languages);
        assert_eq!(["2022", "harvey"].map(|term| alone[term].count), [1.0, 1.0]);
    }

    #[test]
    fn what_languages_make_of_one_word_is_told_to_be_one_word() {
        let asked = asked("running of the ERR-2041", &[Language::English, Language::German]);
        assert_eq!((asked["run"].word, asked["running"].word), (Some(0), Some(0)));
        assert_eq!(asked["err-2041"].word, None);
    }
}
