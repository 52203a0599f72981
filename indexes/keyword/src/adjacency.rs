//! Which chunks say a question's words side by side, as the question does?
//!
//! A bag of words does not know `heat transfer` from a heat that some transfer brings about. The best of the bag are looked
//! at again: what the question says side by side and the chunk does too adds to its score, and more where the question
//! puts it between quotation marks. Only the best are read at the places of their words, so a search of a million chunks
//! costs what one of a thousand does.
//!
//! Invariants:
//! - What a chunk gains depends on the chunk, the question and what is rare in the whole index: not on its neighbours in
//!   the list.
//! - At most [`limits::QUERY_PHRASES_MAX`] phrases are looked for, the first of the question.

use std::collections::BTreeMap;

use tantivy::postings::Postings;
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocAddress, DocSet, Searcher, SegmentReader, TERMINATED, TantivyError};
use wellspring_core::limits;

use crate::analyser::{self, Role};
use crate::language::Language;
use crate::query;
use crate::statistics::LiveStatistics;

/// What two words side by side add, for each unit of the rarer one's weight.
const PAIR_WEIGHT: f32 = 0.2;
/// What all the words between quotation marks add, for each unit of their weights: more than the words themselves do.
const QUOTED_WEIGHT: f32 = 3.0;
/// Stop words that may stand between two words side by side, the same number in the question and in the text.
const GAP_MAX: usize = 2;
/// BM25's saturation.
const K1: f32 = 1.2;

/// Marks that open and close what is meant word for word.
const QUOTATION_MARKS: &[(char, char)] = &[('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('「', '」'), ('『', '』')];

/// Words at fixed distances.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Phrase {
    /// Each word, and how far behind the first it stands.
    words: Vec<(u32, String)>,
    quoted: bool,
}

/// The phrases of a question to an index with texts in these languages.
pub(crate) fn phrases(question: &str, languages: &[Language]) -> Vec<Phrase> {
    let mut found = Vec::new();
    for quoted in quotations(question) {
        for words in sequences(quoted, languages) {
            push(&mut found, &words, true);
        }
    }
    for words in sequences(question, languages) {
        for pair in words.windows(2).filter(|pair| pair[1].0 - pair[0].0 <= 1 + GAP_MAX) {
            push(&mut found, pair, false);
        }
    }
    found.truncate(limits::QUERY_PHRASES_MAX);
    found
}

fn push(found: &mut Vec<Phrase>, words: &[(usize, String)], quoted: bool) {
    let Some((start, _)) = words.first() else { return };
    let words: Vec<(u32, String)> = words.iter().map(|(at, word)| ((at - start) as u32, word.clone())).collect();
    let phrase = Phrase { words, quoted };
    if (quoted || phrase.words.len() > 1) && !found.contains(&phrase) {
        found.push(phrase);
    }
}

/// The words of a text in their order, as each language reads them.
fn sequences(text: &str, languages: &[Language]) -> Vec<Vec<(usize, String)>> {
    let readings = analyser::readings(text, languages).into_iter();
    let words = |term: &analyser::Term| matches!(term.role, Role::Word | Role::Part { .. });
    readings.map(|terms| terms.into_iter().filter(words).map(|term| (term.position, term.text)).collect()).collect()
}

/// What stands between quotation marks. A mark that nothing closes is none.
fn quotations(question: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = question;
    while let Some((at, close)) = rest
        .char_indices()
        .find_map(|(at, c)| QUOTATION_MARKS.iter().find(|(open, _)| *open == c).map(|(_, close)| (at, *close)))
    {
        let inside = at + rest[at..].chars().next().map_or(1, char::len_utf8);
        match rest[inside..].find(close) {
            Some(length) => {
                found.push(&rest[inside..inside + length]);
                rest = &rest[inside + length + close.len_utf8()..];
            }
            None => rest = &rest[inside..],
        }
    }
    found
}

/// What each of `candidates` gains; in their order.
pub(crate) fn gains(
    field: Field,
    searcher: &Searcher,
    statistics: &LiveStatistics<'_>,
    phrases: &[Phrase],
    candidates: &[DocAddress],
) -> Result<Vec<f32>, TantivyError> {
    let mut gains = vec![0.0; candidates.len()];
    let mut rarity: BTreeMap<&str, f32> = BTreeMap::new();
    for (_, word) in phrases.iter().flat_map(|phrase| &phrase.words) {
        if !rarity.contains_key(word.as_str()) {
            let (all, having) =
                (statistics.total_num_docs()?, statistics.doc_freq(&Term::from_field_text(field, word))?);
            let (all, having) = (all as f32, having as f32);
            rarity.insert(word, query::rarity(all, having));
        }
    }
    for (ordinal, segment) in (0..).zip(searcher.segment_readers()) {
        let mut inside: Vec<(u32, usize)> = (0..)
            .zip(candidates)
            .filter(|(_, at)| at.segment_ord == ordinal)
            .map(|(place, at)| (at.doc_id, place))
            .collect();
        inside.sort_unstable();
        if inside.is_empty() {
            continue;
        }
        let places = places(segment, field, rarity.keys().copied(), &inside)?;
        for phrase in phrases {
            let worth = worth(phrase, &rarity);
            for (chunk, place) in &inside {
                let times = occurrences(phrase, *chunk, &places);
                gains[*place] += worth * times * (K1 + 1.0) / (times + K1);
            }
        }
    }
    Ok(gains)
}

/// What a phrase adds when it is said once.
fn worth(phrase: &Phrase, rarity: &BTreeMap<&str, f32>) -> f32 {
    let rarities = phrase.words.iter().map(|(_, word)| rarity.get(word.as_str()).copied().unwrap_or_default());
    match phrase.quoted {
        true => QUOTED_WEIGHT * rarities.sum::<f32>(),
        false => PAIR_WEIGHT * rarities.fold(f32::INFINITY, f32::min),
    }
}

/// Where some chunks say a word.
type Places<'w> = BTreeMap<(&'w str, u32), Vec<u32>>;

/// Where each of the chunks, sorted, says each of the words.
fn places<'w>(
    segment: &SegmentReader,
    field: Field,
    words: impl Iterator<Item = &'w str>,
    chunks: &[(u32, usize)],
) -> Result<Places<'w>, TantivyError> {
    let index = segment.inverted_index(field)?;
    let mut found = Places::new();
    for word in words {
        let term = Term::from_field_text(field, word);
        let Some(mut postings) = index.read_postings(&term, IndexRecordOption::WithFreqsAndPositions)? else {
            continue;
        };
        for (chunk, _) in chunks {
            let mut at = postings.doc();
            if at < *chunk {
                at = postings.seek(*chunk);
            }
            if at == TERMINATED {
                break;
            }
            if at == *chunk {
                let mut positions = Vec::new();
                postings.positions(&mut positions);
                found.insert((word, *chunk), positions);
            }
        }
    }
    Ok(found)
}

/// How often a chunk says a phrase.
fn occurrences(phrase: &Phrase, chunk: u32, places: &Places<'_>) -> f32 {
    let Some(words) =
        phrase.words.iter().map(|(_, word)| places.get(&(word.as_str(), chunk))).collect::<Option<Vec<_>>>()
    else {
        return 0.0;
    };
    let Some(starts) = words.first() else { return 0.0 };
    let said_from = |start: &&u32| {
        let offsets = phrase.words.iter().map(|(offset, _)| **start + offset);
        offsets.zip(&words).all(|(place, positions)| positions.binary_search(&place).is_ok())
    };
    starts.iter().filter(said_from).count() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(question: &str) -> Vec<String> {
        let text = |phrase: &Phrase| {
            let words: Vec<String> = phrase.words.iter().map(|(offset, word)| format!("{word}+{offset}")).collect();
            format!("{}{}", if phrase.quoted { "quoted " } else { "" }, words.join(" "))
        };
        phrases(question, &[Language::English]).iter().map(text).collect()
    }

    #[test]
    fn neighbours_in_the_question_are_pairs() {
        assert_eq!(of("heat transfer"), ["heat+0 transfer+1"]);
        assert_eq!(of("flow of the heat"), ["flow+0 heat+3"]);
        assert!(of("river").is_empty());
        assert!(of("flow that was not in the heat").is_empty(), "too far from each other");
    }

    #[test]
    fn quotation_marks_hold_words_together() {
        assert_eq!(of("\"heat transfer rates\"")[0], "quoted heat+0 transfer+1 rate+2");
        assert_eq!(of("what is «flow of heat»?")[0], "quoted flow+0 heat+2");
        assert_eq!(of("“heat"), Vec::<String>::new());
        assert_eq!(of("\"\" \"heat\""), ["quoted heat+0"]);
        assert_eq!(quotations("「長江」與\"b\" \"c"), ["長江", "b"]);
    }

    #[test]
    fn i7_a_long_question_has_a_bounded_number_of_phrases() {
        let long: String = (0..1000).map(|n| format!("word{n} ")).collect();
        assert_eq!(of(&long).len(), limits::QUERY_PHRASES_MAX);
    }
}
