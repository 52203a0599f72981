//! How much of the right answer is in what was answered?
//!
//! English is compared as SQuAD does it: lower case, without punctuation and articles, word by word. Chinese, Japanese and
//! Korean are compared character by character, as CMRC 2018 and KorQuAD do it; words and numbers among them stay whole.
//!
//! Invariants:
//! - Every share lies between 0 and 1, and a text that is not blank overlaps fully with itself.
//! - Of several right answers the one that fits best counts, for each measure by itself.

use std::collections::HashMap;

use serde::Serialize;

/// Words that SQuAD leaves out.
const ARTICLES: [&str; 3] = ["a", "an", "the"];
/// What lies between the full-width forms of the ASCII characters and these.
const FULL_WIDTH_OFFSET: u32 = 0xFEE0;

/// What an answer shares with the right ones.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Overlap {
    /// Whether it is one of them.
    pub(super) em: bool,
    /// The harmonic mean of precision and recall over the tokens.
    pub(super) f1: f64,
    /// Whether one of them occurs in it.
    pub(super) contained: bool,
}

impl Overlap {
    /// Compares an answer with the right ones.
    pub(super) fn of(answer: &str, right: &[String]) -> Self {
        let answer = tokens(answer);
        let mut best = Self::default();
        for right in right.iter().map(|right| tokens(right)).filter(|right| !right.is_empty()) {
            best.em |= answer == right;
            best.f1 = best.f1.max(f1(&answer, &right));
            best.contained |= within(&answer, &right);
        }
        best
    }
}

/// Whether one of the right answers occurs in a text, token by token: `art` is not in `party`, nor `4` in `14`.
pub(super) fn holds(text: &str, right: &[String]) -> bool {
    Overlap::of(text, right).contained
}

fn within(text: &[String], part: &[String]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn f1(answer: &[String], right: &[String]) -> f64 {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for token in right {
        *left.entry(token).or_default() += 1;
    }
    let mut common = 0;
    for token in answer {
        if let Some(count) = left.get_mut(token.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    // 2pr / (p + r), with p and r over their own lengths.
    2.0 * f64::from(common) / (answer.len() + right.len()).max(1) as f64
}

/// The tokens of a text; none only for a blank one.
fn tokens(text: &str) -> Vec<String> {
    let lower: String = text.chars().map(half_width).flat_map(char::to_lowercase).collect();
    let split = split(&lower);
    let telling: Vec<String> = split.iter().filter(|token| !ARTICLES.contains(&token.as_str())).cloned().collect();
    match (telling.is_empty(), split.is_empty()) {
        (false, _) => telling,
        // The grade “A” is an answer, and so is the operator “+”.
        (true, false) => split,
        (true, true) => lower.split_whitespace().map(str::to_owned).collect(),
    }
}

/// Words, and characters where those are compared; punctuation is dropped and joins what it parted.
fn split(text: &str) -> Vec<String> {
    let (mut found, mut word) = (Vec::new(), String::new());
    for character in text.chars() {
        let alone = compared_alone(character);
        if character.is_alphanumeric() && !alone {
            word.push(character);
        } else if (alone || parts_words(character)) && !word.is_empty() {
            found.push(std::mem::take(&mut word));
        }
        if alone {
            found.push(character.to_string());
        }
    }
    found.extend((!word.is_empty()).then_some(word));
    found
}

/// SQuAD drops punctuation without a gap, `U.S.` is `us`; but what stands between Chinese clauses and names parts them.
fn parts_words(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{3000}'..='\u{303F}' | '，' | '；' | '！' | '？' | '（' | '）' | '—' | '…' | '·')
}

/// Han, kana and Hangul.
fn compared_alone(character: char) -> bool {
    matches!(character,
        '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30FA}' | '\u{30FC}'..='\u{312F}' | '\u{31A0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}

/// A full-width letter, digit or sign as its ASCII sister, unless it parts words.
fn half_width(character: char) -> char {
    match character {
        parting if parts_words(parting) => parting,
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - FULL_WIDTH_OFFSET).unwrap_or(character),
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn overlap(answer: &str, right: &[&str]) -> Overlap {
        Overlap::of(answer, &right.iter().map(|&right| right.to_owned()).collect::<Vec<_>>())
    }

    fn check(answer: &str, right: &[&str], em: bool, f1: f64, contained: bool) {
        let found = overlap(answer, right);
        assert_eq!((found.em, found.contained), (em, contained), "{answer}: {found:?}");
        assert!((found.f1 - f1).abs() < 1e-12, "{answer}: {found:?}");
    }

    #[test]
    fn english_is_compared_as_squad_does() {
        check("The Denver Broncos!", &["Denver Broncos"], true, 1.0, true);
        check("in 1931, by hand", &["1931"], false, 2.0 / 5.0, true);
        // Two of three words, of four: 2 * (2/3) * (2/4) / (2/3 + 2/4).
        check("a large red house", &["the red house on the hill"], false, 4.0 / 7.0, false);
        check("the U.S. Navy", &["US navy"], true, 1.0, true);
        check("party", &["art"], false, 0.0, false);
        check("17:15", &["17:15 o'clock"], false, 2.0 / 3.0, false);
        check("red red red", &["red"], false, 0.5, true);
    }

    #[test]
    fn chinese_is_compared_by_the_character() {
        check("4分钟。", &["4分钟"], true, 1.0, true);
        // Two of four characters, of two.
        check("在欧洲的", &["欧洲"], false, 2.0 * 2.0 / 6.0, true);
        check("14分钟", &["4分钟"], false, 2.0 * 2.0 / 6.0, false);
        check("成立於１９２４年", &["1924年"], false, 2.0 * 2.0 / 7.0, true);
        check("《三国演义》", &["三国演义"], true, 1.0, true);
        check("iPhone，Android", &["android"], false, 2.0 / 3.0, true);
        check("ＡＢＣ公司", &["abc公司"], true, 1.0, true);
        check("テレビ", &["テレ"], false, 0.8, true);
        check("서울의", &["서울"], false, 0.8, true);
        check("李白、杜甫", &["杜甫"], false, 2.0 * 2.0 / 6.0, true);
    }

    #[test]
    fn the_right_answer_that_fits_best_counts() {
        check("the weir is nine metres wide", &["9 m", "nine metres"], false, 2.0 * 2.0 / 7.0, true);
        check("nothing", &[], false, 0.0, false);
        check("", &["x"], false, 0.0, false);
    }

    #[test]
    fn an_answer_of_nothing_but_articles_or_signs_is_one() {
        check("A", &["a"], true, 1.0, true);
        check("+", &["+"], true, 1.0, true);
        check("anything", &["+"], false, 0.0, false);
    }

    proptest! {
        #[test]
        fn every_share_lies_between_0_and_1(answer in ".{0,40}", right in prop::collection::vec("[a-d 的河，.]{0,12}", 0..4)) {
            let found = Overlap::of(&answer, &right);
            prop_assert!((0.0..=1.0).contains(&found.f1), "{found:?}");
            prop_assert!(!found.em || (found.f1 == 1.0 && found.contained), "{found:?}");
            prop_assert!(!found.contained || found.f1 > 0.0, "{found:?}");
        }

        #[test]
        fn a_text_overlaps_fully_with_itself(text in "\\PC{1,40}") {
            prop_assume!(!text.trim().is_empty());
            let found = Overlap::of(&text, std::slice::from_ref(&text));
            prop_assert_eq!(found, Overlap { em: true, f1: 1.0, contained: true });
        }
    }
}
