//! Who does what to whom in a sentence, and is it he who was asked for?
//!
//! Question and sentence may hold the same words and mean the reverse:
//!
//! | question | sentence | not the answer |
//! |---|---|---|
//! | Who taught Per Holm? | Per Holm taught Ida Berg. | Ida Berg |
//! | Whom did Per Holm teach? | Per Holm was taught by Karl Orlo. | Karl Orlo |
//! | Who was the mayor? | Anna Berg drew it for the mayor Per Holm. | Anna Berg |
//! | Are guide dogs allowed? | Dogs are not allowed, guide dogs excepted. | No |
//!
//! Invariants:
//! - Pure. It only finds what is sure: a sentence that is built in another way is left alone.

use std::collections::HashSet;

use crate::subject::subject_terms;
use crate::terms::{WordAt, is_one_of, lemma, terms, words, words_at};
use crate::verify::{denies, is_no, is_yes};

/// Who is asked for beside the one who is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Who does it.
    Doer,
    /// Whom it is done to.
    Done,
}

const BE: &[&str] = &["is", "are", "was", "were", "be", "been", "being"];
const DO: &[&str] = &["do", "does", "did"];
/// What two people do to each other alike.
const MUTUAL: &str = "marry marries married meet meets met play plays played know knows knew";
/// What a question for a person says of the one it names.
struct Deed {
    verb: String,
    name: HashSet<String>,
    /// What the named one is.
    named: Side,
}

/// Whether a sentence tells what a question asks the other way round.
pub(crate) fn is_reversed(question: &str, sentence: &str) -> bool {
    let Some(deed) = deed(question) else { return false };
    let said = words_at(sentence);
    let is_name = |(word, _): &WordAt| terms(word).iter().any(|term| deed.name.contains(term));
    let told = said.iter().enumerate().filter(|(_, (word, _))| is_same_verb(word, &deed.verb)).filter_map(|(at, _)| {
        let by = said.get(at + 1).is_some_and(|(word, _)| word == "by");
        let passive = by || at.checked_sub(1).is_some_and(|before| BE.contains(&said[before].0.as_str()));
        match (said[..at].iter().any(is_name), said[at + 1..].iter().any(is_name)) {
            (true, false) => Some(if passive { Side::Done } else { Side::Doer }),
            (false, true) if !passive || by => Some(if passive { Side::Doer } else { Side::Done }),
            _ => None,
        }
    });
    let told: Vec<Side> = told.collect();
    !told.is_empty() && told.iter().all(|side| *side != deed.named)
}

/// What a question asks that names one person and looks for another.
fn deed(question: &str) -> Option<Deed> {
    let said = words_at(question);
    let word = |at: usize| said.get(at).map(|(word, _)| word.as_str()).unwrap_or_default();
    let is_capital = |at: usize| {
        let text = said.get(at).and_then(|(_, range)| question.get(range.clone()));
        text.is_some_and(|text| text.starts_with(char::is_uppercase))
    };
    let capitals = |from: usize| (from..said.len()).take_while(|&at| is_capital(at)).count();
    if !matches!(word(0), "who" | "whom") {
        return None;
    }
    let (verb, name, named) = if DO.contains(&word(1)) {
        let end = 2 + capitals(2);
        (end, 2..end, Side::Doer)
    } else if BE.contains(&word(1)) && word(3) == "by" {
        (2, 4..4 + capitals(4), Side::Doer)
    } else {
        (1, 2..2 + capitals(2), Side::Done)
    };
    let name: HashSet<String> = said.get(name)?.iter().flat_map(|(word, _)| terms(word)).collect();
    let verb = said.get(verb).map(|(word, _)| word.clone())?;
    let is_verb = !BE.contains(&verb.as_str()) && !is_one_of(&verb, MUTUAL);
    (is_verb && !name.is_empty()).then_some(Deed { verb, name, named })
}

fn is_same_verb(word: &str, verb: &str) -> bool {
    let same_form = lemma(word).is_some_and(|form| lemma(verb) == Some(form));
    (!terms(word).is_empty() && terms(word) == terms(verb)) || same_form
}

/// Whether a sentence gives what a person is asked by, right before a name, to another than the one who is claimed.
pub(crate) fn is_of_another_name(question: &str, claim: &str, sentence: &str) -> bool {
    if !words(question).iter().any(|word| word == "who" || word == "whom") {
        return false;
    }
    let asked: HashSet<String> = subject_terms(question).into_iter().collect();
    let claimed = words(claim);
    let said = words_at(sentence);
    let is_capital = |(_, range): &WordAt| sentence[range.clone()].starts_with(char::is_uppercase);
    let beside = |one: &WordAt, next: &WordAt| sentence[one.1.end..next.1.start].chars().all(|c| c == ' ');
    let mut found = said.windows(2).enumerate().filter(|(_, pair)| {
        let is_role = !is_capital(&pair[0]) && terms(&pair[0].0).iter().any(|term| asked.contains(term));
        is_role && is_capital(&pair[1]) && beside(&pair[0], &pair[1])
    });
    let bearer = |at: usize| {
        let run = said[at + 1..].iter().take_while(|word| is_capital(word)).map(|(word, _)| word);
        run.collect::<Vec<_>>()
    };
    let Some((first, _)) = found.next() else { return false };
    let bearers: Vec<&String> = std::iter::once(first).chain(found.map(|(at, _)| at)).flat_map(bearer).collect();
    // A verb before a name, "who designed Malo House", makes no bearer of it.
    let is_role_noun = !deed(question).is_some_and(|deed| is_same_verb(&said[first].0, &deed.verb));
    is_role_noun && !claimed.iter().any(|word| bearers.contains(&word))
}

/// Whether a yes or a no is the wrong one for what a sentence excepts.
pub(crate) fn is_excepted(question: &str, claim: &str, sentence: &str) -> bool {
    let verdict = match (is_yes(claim), is_no(claim)) {
        (true, false) => true,
        (false, true) => false,
        _ => return false,
    };
    let asked: HashSet<String> = subject_terms(question).into_iter().collect();
    let excepted = |part: &str| {
        let told = terms(part);
        !told.is_empty() && told.iter().all(|term| asked.contains(term))
    };
    let Some((main, exception)) = exception(sentence).filter(|(_, exception)| excepted(exception)) else {
        return false;
    };
    !denies(question) && !exception.is_empty() && verdict != denies(&main)
}

/// Whether a sentence says of what its quote excepts the same as of all others.
pub(crate) fn is_of_the_excepted(sentence: &str, quote: &str) -> bool {
    if exception(sentence).is_some() {
        return false;
    }
    let said: HashSet<String> = terms(sentence).into_iter().collect();
    exception(quote).is_some_and(|(main, exception)| {
        let excepted = terms(exception);
        !excepted.is_empty() && excepted.iter().all(|term| said.contains(term)) && denies(sentence) == denies(&main)
    })
}

/// What a sentence says, and what it says it not of.
fn exception(sentence: &str) -> Option<(String, &str)> {
    const BEFORE: &[&str] = &[" except for ", " except on ", " except ", " apart from ", " other than "];
    const BEHIND: &[&str] = &[" excepted", " are the exception", " is the exception"];
    let plain = |c: char| !matches!(c, ',' | ';' | '.' | '(' | ')' | '，' | '。');
    for mark in BEFORE {
        if let Some((main, rest)) = sentence.split_once(mark) {
            let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
            return Some((format!("{main}{}", &rest[end..]), &rest[..end]));
        }
    }
    for mark in BEHIND {
        if let Some((front, rest)) = sentence.split_once(mark) {
            let start = front.rfind(|c| !plain(c)).map_or(0, |at| at + 1);
            return Some((format!("{}{rest}", &front[..start]), &front[start..]));
        }
    }
    let (front, rest) = sentence.split_once('除')?;
    let (exception, rest) = rest.split_once("外")?;
    let exception = exception.trim_start_matches('了').trim_end_matches(['以', '之']);
    Some((format!("{front}{rest}"), exception))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_it_is_not_whom_it_is_done_to() {
        for (question, sentence, reversed) in [
            ("Who taught Per Holm?", "Per Holm taught Ida Berg.", true),
            ("Who taught Ida Berg?", "Per Holm taught Ida Berg.", false),
            ("Who taught Per Holm?", "Per Holm was taught by Karl Orlo.", false),
            ("Whom did Per Holm teach?", "Per Holm was taught by Karl Orlo.", true),
            ("Who did Per Holm teach?", "Per Holm taught Ida Berg.", false),
            ("Who was taught by Per Holm?", "Karl Orlo taught Per Holm.", true),
            ("Who was taught by Per Holm?", "Ida Berg was taught by Per Holm.", false),
            ("Who taught Per Holm?", "Karl Orlo taught Per Holm, who taught Ida Berg.", false),
            ("Who married Per Holm?", "Per Holm married Ida Berg.", false),
            ("Who is Per Holm?", "Per Holm taught Ida Berg.", false),
            ("Who designed the bridge?", "The bridge was designed by Ida Berg.", false),
            ("Who replaced Anna Lind?", "In 2019 Anna Lind replaced Per Holm.", true),
            ("Who replaced Anna Lind?", "In 2019 Anna Lind was replaced by Per Holm.", false),
        ] {
            assert_eq!(is_reversed(question, sentence), reversed, "{question} {sentence}");
        }
    }

    #[test]
    fn a_role_right_before_a_name_is_that_ones() {
        let bridge = "Anna Berg designed the bridge for the mayor Per Holm.";
        assert!(is_of_another_name("Who was the mayor?", "Anna Berg", bridge));
        assert!(!is_of_another_name("Who was the mayor?", "Per Holm", bridge));
        assert!(!is_of_another_name("Who designed the bridge?", "Anna Berg", bridge));
        assert!(!is_of_another_name("Who designed Malo House?", "Ida Berg", "Ida Berg designed Malo House."));
        assert!(!is_of_another_name("Who is the mayor?", "Ana Lind", "The mayor of Vik is Ana Lind."));
    }

    #[test]
    fn what_is_excepted_is_the_other_way_round() {
        let dogs = "Dogs are not allowed, guide dogs excepted.";
        assert!(is_excepted("Are guide dogs allowed?", "No", dogs));
        assert!(!is_excepted("Are guide dogs allowed?", "Yes.", dogs));
        assert!(!is_excepted("Are dogs allowed?", "No", dogs));
        let library = "The library is open every day except Tuesday.";
        assert!(is_excepted("Is the library open on Tuesday?", "Yes", library));
        assert!(!is_excepted("Is the library open on Tuesday?", "No", library));
        assert!(!is_excepted("Is the library open on Monday?", "Yes", library));
        assert!(is_excepted("图书馆周二开放吗？", "是", "图书馆除周二以外每天开放。"));
        assert!(!is_excepted("图书馆周三开放吗？", "是", "图书馆除周二以外每天开放。"));
    }
}
