//! Which candidates become results, and in which order?
//!
//! ```text
//! hydrated candidates ─► AGE ─► one DOCUMENT only so often ─► near repetitions TOGETHER ─► results
//! ```
//!
//! Invariants:
//! - Without a wish of the request, the candidates in their order are the results.
//! - Age moves a result only among those whose scores it brings together: equal times keep the order there was.

use std::collections::{HashMap, HashSet};

use wellspring_core::document::DocumentId;
use wellspring_core::retriever::{Duplicate, Ranked, SearchRequest};

/// Words of a run by which passages are compared.
const RUN_WORDS: usize = 3;
/// The share of runs in common from which a passage nearly repeats another.
const REPEATED_SHARE: f64 = 0.8;

/// Chooses at most `request.limit` results.
pub(crate) fn choose(mut candidates: Vec<Ranked>, request: &SearchRequest) -> Vec<Ranked> {
    if let Some(recency) = &request.recency {
        for candidate in &mut candidates {
            let time = candidate.passage.published_at.unwrap_or(candidate.passage.accepted_at);
            let factor = recency.factor(time);
            candidate.score *= factor;
            if let Some(explanation) = &mut candidate.explain {
                explanation.recency = Some(factor);
            }
        }
        // Stable: what age does not part stays in the order of the fusion.
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    }
    if request.per_document.is_none() && !request.collapse {
        candidates.truncate(request.limit);
        return candidates;
    }
    let mut chosen: Vec<Ranked> = Vec::with_capacity(request.limit);
    let mut runs_of_chosen: Vec<HashSet<u64>> = Vec::new();
    let mut of_document: HashMap<DocumentId, usize> = HashMap::new();
    for candidate in candidates {
        if request.collapse {
            let runs = runs(&candidate.passage.text);
            if let Some(place) = runs_of_chosen.iter().position(|other| repeats(&runs, other)) {
                let passage = candidate.passage;
                let duplicate =
                    Duplicate { document: passage.document, revision: passage.revision, chunk: passage.chunk };
                chosen[place].duplicates.push(duplicate);
                continue;
            }
            if chosen.len() < request.limit {
                runs_of_chosen.push(runs);
            }
        }
        // What comes behind the last result may still repeat one.
        if chosen.len() == request.limit {
            continue;
        }
        let count = of_document.entry(candidate.passage.document_id).or_default();
        if request.per_document.is_some_and(|most| *count >= most) {
            if request.collapse {
                runs_of_chosen.pop();
            }
            continue;
        }
        *count += 1;
        chosen.push(candidate);
    }
    chosen
}

/// The runs of words of a text, hashed; the whole text where it is shorter than a run.
fn runs(text: &str) -> HashSet<u64> {
    let words: Vec<String> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    // Where nothing parts the words, characters do.
    let units: Vec<String> = if words.len() < RUN_WORDS && text.chars().count() > RUN_WORDS {
        text.chars().filter(|c| c.is_alphanumeric()).map(String::from).collect()
    } else {
        words
    };
    let hash = |units: &[String]| {
        let mut hash = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(units, &mut hash);
        std::hash::Hasher::finish(&hash)
    };
    if units.len() < RUN_WORDS {
        return HashSet::from([hash(&units)]);
    }
    units.windows(RUN_WORDS).map(hash).collect()
}

/// Whether two texts have nearly all of their runs in common.
fn repeats(one: &HashSet<u64>, other: &HashSet<u64>) -> bool {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    common as f64 >= REPEATED_SHARE * all as f64
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan};
    use proptest::prelude::*;
    use wellspring_core::retriever::Recency;

    use super::*;
    use crate::fakes::{chunk, passage_of};

    fn candidate(n: u16, document: &str, text: &str, score: f32) -> Ranked {
        Ranked {
            passage: passage_of(chunk(n), document, text),
            score,
            keyword_score: None,
            vector_score: None,
            rerank_score: None,
            explain: None,
            duplicates: Vec::new(),
            neighbours: None,
        }
    }

    fn request(limit: usize) -> SearchRequest {
        SearchRequest { limit, ..SearchRequest::default() }
    }

    fn places(results: &[Ranked]) -> Vec<u16> {
        let number = |result: &Ranked| u16::from_be_bytes(result.passage.chunk.as_bytes()[..2].try_into().unwrap());
        results.iter().map(number).collect()
    }

    #[test]
    fn a_document_is_shown_only_so_often() {
        let candidates = vec![
            candidate(1, "a", "one", 0.9),
            candidate(2, "a", "two", 0.8),
            candidate(3, "a", "three", 0.7),
            candidate(4, "b", "four", 0.6),
        ];
        let request = SearchRequest { per_document: Some(2), ..request(3) };
        assert_eq!(places(&choose(candidates, &request)), [1, 2, 4]);
    }

    #[test]
    fn near_repetitions_stand_behind_the_best_of_them() {
        let text = "The last boat leaves the island at five in the afternoon, and nobody may stay there over night.";
        let candidates = vec![
            candidate(1, "a", text, 0.9),
            candidate(2, "b", &text.to_uppercase(), 0.8),
            candidate(3, "c", "Something else is said in this one.", 0.7),
            candidate(4, "d", text, 0.6),
        ];
        let results = choose(candidates.clone(), &SearchRequest { collapse: true, ..request(2) });
        assert_eq!(places(&results), [1, 3]);
        let repeated: Vec<&str> = results[0].duplicates.iter().map(|duplicate| duplicate.document.as_str()).collect();
        assert_eq!(repeated, ["b", "d"]);
        assert_eq!(places(&choose(candidates, &request(10))), [1, 2, 3, 4], "unless it was asked for, all are shown");
        let chinese =
            vec![candidate(1, "a", "渡口处河面宽六百四十米。", 0.9), candidate(2, "b", "渡口处河面宽六百四十米", 0.8)];
        assert_eq!(choose(chinese, &SearchRequest { collapse: true, ..request(2) }).len(), 1);
    }

    #[test]
    fn newer_comes_first_only_where_scores_are_near() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let recency = Some(Recency { half_life_days: 30.0, now });
        let mut candidates = vec![
            candidate(1, "best", "far better and old", 1.0),
            candidate(2, "old", "nearly as good and old", 0.60),
            candidate(3, "new", "nearly as good and new", 0.55),
            candidate(4, "tie", "the same in all", 0.55),
        ];
        for (place, days) in [(0, 3000), (1, 3000), (2, 0), (3, 0)] {
            candidates[place].passage.published_at = Some(now - (days * 24).hours());
        }
        let results = choose(candidates.clone(), &SearchRequest { recency, ..request(10) });
        assert_eq!(places(&results), [1, 3, 4, 2]);
        assert_eq!(places(&choose(candidates, &request(10))), [1, 2, 3, 4], "and not at all where age does not count");
    }

    proptest! {
        #[test]
        fn equal_times_never_change_the_order(scores in prop::collection::vec(0.0f32..1.0, 1..20), days in 0i64..4000) {
            let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
            let mut sorted = scores;
            sorted.sort_by(|a, b| b.total_cmp(a));
            let mut candidates: Vec<Ranked> =
                sorted.iter().zip(0u16..).map(|(score, n)| candidate(n, "a", "x", *score)).collect();
            candidates.iter_mut().for_each(|c| c.passage.published_at = Some(now - (days * 24).hours()));
            let recency = Some(Recency { half_life_days: 10.0, now });
            let results = choose(candidates, &SearchRequest { recency, ..request(50) });
            let expected: Vec<u16> = (0..).take(results.len()).collect();
            prop_assert_eq!(places(&results), expected);
        }
    }
}
