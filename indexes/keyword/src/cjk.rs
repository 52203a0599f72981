//! Which terms is a run without spaces found by?
//!
//! | run | terms |
//! |---|---|
//! | Han | dictionary words and the words within them, single characters, pairs of characters |
//! | with kana | runs of katakana, single Han characters, pairs of characters |
//! | a word of Hangul | the word, and its pairs of syllables |
//!
//! Pairs need no dictionary, and meet whatever the two sides took for a word: particles that Korean writes behind a noun,
//! endings that Japanese writes behind a stem (docs/adr/0014).
//!
//! Invariants:
//! - A term stands at its first character, and is said once for each place.

use std::sync::OnceLock;

use jieba_rs::{Jieba, TokenizeMode};

use crate::stop_words::is_stop_term;

/// One in this many characters is kana in Japanese, where Chinese has hardly any.
const KANA_SHARE: usize = 10;

/// Terms of a run of Han and kana, each with the number of characters in front of it; in order, each once: a pair that is a
/// word too says nothing twice (counted twice, nDCG@10 on a reading set is .988 instead of .993).
pub(crate) fn terms(run: &str, bytes_max: usize) -> Vec<(usize, &str)> {
    let bounds = bounds(run);
    let characters = bounds.len() - 1;
    let kana = run.chars().filter(|c| is_kana(*c)).count();
    let japanese = kana * KANA_SHARE >= characters;
    let mut found: Vec<(usize, &str)> = if japanese { loan_words(run, &bounds) } else { dictionary_words(run) };
    found.retain(|(_, term)| term.len() <= bytes_max);
    for (at, pair) in bounds.windows(3).enumerate() {
        found.push((at, &run[pair[0]..pair[2]]));
    }
    for (at, character) in run.chars().enumerate() {
        // A kana alone is a syllable and says nothing, unless it is all there is.
        if !is_kana(character) || characters == 1 {
            found.push((at, &run[bounds[at]..bounds[at + 1]]));
        }
    }
    found.retain(|(_, term)| !is_stop_term(term));
    found.sort_unstable();
    found.dedup();
    found
}

/// The word of Hangul and its pairs of syllables, each once.
pub(crate) fn hangul(word: &str) -> Vec<&str> {
    let bounds = bounds(word);
    let mut found = vec![word];
    if bounds.len() > 3 {
        found.extend(bounds.windows(3).map(|pair| &word[pair[0]..pair[2]]));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Where each character starts, and the end.
fn bounds(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}')
}

fn is_katakana(c: char) -> bool {
    matches!(c, '\u{30A0}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}')
}

/// Whole runs of katakana: mostly loan words and names.
fn loan_words<'r>(run: &'r str, bounds: &[usize]) -> Vec<(usize, &'r str)> {
    let characters: Vec<char> = run.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    for piece in characters.chunk_by(|a, b| is_katakana(*a) == is_katakana(*b)) {
        if is_katakana(piece[0]) && piece.len() > 1 {
            found.push((at, &run[bounds[at]..bounds[at + piece.len()]]));
        }
        at += piece.len();
    }
    found
}

fn dictionary_words(run: &str) -> Vec<(usize, &str)> {
    let words = dictionary().tokenize(run, TokenizeMode::Search, true).into_iter();
    words.filter(|word| word.end - word.start > 1).map(|word| (word.start, word.word)).collect()
}

/// The dictionary of Chinese words, loaded when it is first needed and shared from then on.
fn dictionary() -> &'static Jieba {
    static DICTIONARY: OnceLock<Jieba> = OnceLock::new();
    DICTIONARY.get_or_init(Jieba::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(run: &str) -> Vec<&str> {
        terms(run, 64).into_iter().map(|(_, term)| term).collect()
    }

    #[test]
    fn chinese_gives_words_characters_and_pairs() {
        let found = found("南京市长江大桥");
        for term in ["南京", "南京市", "长江", "大桥", "江", "市长"] {
            assert!(found.contains(&term), "{term} in {found:?}");
        }
        assert_eq!(terms("大桥", 64), [(0, "大"), (0, "大桥"), (1, "桥")]);
    }

    #[test]
    fn japanese_gives_loan_words_and_pairs_and_no_lone_kana() {
        let found = found("データベースを東京で食べた");
        for term in ["データベース", "東京", "京", "食べ", "べた"] {
            assert!(found.contains(&term), "{term} in {found:?}");
        }
        assert!(!found.contains(&"べ") && !found.contains(&"を"));
        assert_eq!(super::terms("ア", 64), [(0, "ア")]);
    }

    #[test]
    fn a_korean_noun_meets_itself_with_a_particle() {
        assert_eq!(hangul("문서를"), ["문서", "문서를", "서를"]);
        assert_eq!(hangul("문서"), ["문서"]);
        assert_eq!(hangul("물"), ["물"]);
    }
}
