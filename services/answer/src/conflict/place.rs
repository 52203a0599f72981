//! What in a sentence is the answer, and what stands in its place in another sentence?
//!
//! Invariants:
//! - Numbers are compared with numbers, years with years, names with what is no number; a date is one value.
//! - What the question names, and what the other sentence says too, is no contradiction.

use std::collections::HashSet;
use std::ops::Range;

use wellspring_core::text::is_cjk;

use crate::evidence::{Evidence, Sentence};
use crate::kind::Kind;
use crate::subject::subject_terms;
use crate::terms::{WordAt, is_number, terms, words, words_at};
use crate::verify::denies;

/// What the words on both sides of a value must count for together: a Chinese character one, a word two.
const CONTEXT_MIN: usize = 6;
/// The same where the unit is the same and the sentence holds what the question asks of.
const CONTEXT_WITH_UNIT_MIN: usize = 2;
/// The share of the question's terms in the cited sentence that the other one must hold too.
pub(super) const COVERAGE_MIN: f32 = 0.6;
/// The same where only the unit agrees.
const COVERAGE_WITH_UNIT_MIN: f32 = 0.8;
/// Words of a value at most.
const VALUE_WORDS_MAX: usize = 8;

/// The parts of the cited sentence that may be what was asked for, as ranges of its words, the likeliest first.
pub(super) fn values(
    question: &str,
    evidence: &Evidence,
    all: &[&Sentence],
    home: usize,
    answer: &str,
) -> Vec<Range<usize>> {
    let quoted = words_at(evidence.text(all[home]));
    let (said, asked) = (words(answer), words(question));
    let whole = said.iter().eq(quoted.iter().map(|(word, _)| word));
    let kind = Kind::of(question);
    if said.iter().any(|word| is_number(word)) && (kind != Kind::Open || !whole) {
        // A question that names a year asks for none.
        let years = asked.iter().any(|word| is_year(word));
        let numbers = (0..quoted.len()).filter(|&at| {
            let word = &quoted[at].0;
            is_number(word) && !asked.contains(word) && said.contains(word) && !(years && is_year(word))
        });
        let mut values: Vec<Range<usize>> = numbers.map(|at| expression(&quoted, at)).collect();
        values.dedup();
        return values;
    }
    if whole {
        // Where nothing says which of its words is meant, what sets it apart from others; what is asked about is not it.
        let subject = subject_terms(question);
        let names_subject = |range: &Range<usize>| {
            let named = |(word, _): &WordAt| terms(word).iter().any(|term| subject.contains(term));
            let words = &quoted[range.clone()];
            // A Chinese character is in many words.
            if question.contains(is_cjk) { words.iter().all(named) } else { words.iter().any(named) }
        };
        let differences = all.iter().filter_map(|other| difference(&quoted, &words_at(evidence.text(other))));
        return differences.filter(|range| !names_subject(range)).collect();
    }
    let find = |part: &[String]| {
        let at = quoted.windows(part.len().max(1)).position(|window| window.iter().map(|(word, _)| word).eq(part))?;
        Some(at..at + part.len())
    };
    if said.len() <= VALUE_WORDS_MAX { find(&said).into_iter().collect() } else { Vec::new() }
}

/// The only part in which a sentence differs from another, where they have most of their words in common.
fn difference(ours: &[WordAt], theirs: &[WordAt]) -> Option<Range<usize>> {
    let equal = |pair: &(&WordAt, &WordAt)| pair.0.0 == pair.1.0;
    let shorter = ours.len().min(theirs.len());
    let start = ours.iter().zip(theirs).take_while(equal).count();
    let end = ours.iter().rev().zip(theirs.iter().rev()).take(shorter - start).take_while(equal).count();
    let range = start..ours.len() - end;
    let differs = !range.is_empty() && theirs.len() > start + end;
    (differs && range.len() <= VALUE_WORDS_MAX && 10 * (start + end) >= 6 * shorter).then_some(range)
}

/// The number at a place with what belongs to it: the rest of a date, the words of its size.
fn expression(words: &[WordAt], at: usize) -> Range<usize> {
    const CHINESE: &str = "年月日号號时時点點分秒万萬亿億";
    const MONTHS: &str =
        "january february march april may june july august september october november december million billion";
    let belongs =
        |word: &str| is_number(word) || CHINESE.contains(word) || MONTHS.split_whitespace().any(|month| month == word);
    let start = words[..at].iter().rposition(|(word, _)| !belongs(word)).map_or(0, |before| before + 1);
    let end = words[at..].iter().position(|(word, _)| !belongs(word)).map_or(words.len(), |behind| at + behind);
    start..end
}

/// What `theirs` says in the place of `ours[value]`, the value itself included; `None` where it says nothing of it.
pub(super) fn counterpart(
    ours: &[WordAt],
    value: &Range<usize>,
    theirs: &[WordAt],
    coverage: f32,
    asked: &[String],
) -> Option<Range<usize>> {
    let own: Vec<&String> = ours[value.clone()].iter().map(|(word, _)| word).collect();
    // A sentence that also says our value agrees with it, as far as it speaks of what is asked.
    if let Some(at) =
        theirs.windows(own.len()).position(|window| window.iter().map(|(word, _)| word).eq(own.iter().copied()))
    {
        return Some(at..at + own.len());
    }
    let number = own.iter().any(|word| is_number(word));
    let mut best: Option<(usize, Range<usize>)> = None;
    for range in candidates(theirs, number, own.len()) {
        let said: Vec<&String> = theirs[range.clone()].iter().map(|(word, _)| word).collect();
        let is_asked = said.iter().all(|word| asked.contains(word));
        // What our sentence says too is no contradiction to it.
        let is_ours =
            ours.windows(said.len()).any(|window| window.iter().map(|(word, _)| word).eq(said.iter().copied()));
        if is_asked || is_ours || (number && said.len() == 1 && own.len() == 1 && is_year(own[0]) != is_year(said[0])) {
            continue;
        }
        let before = common(ours[..value.start].iter().rev(), theirs[..range.start].iter().rev());
        let behind = common(ours[value.end..].iter(), theirs[range.end..].iter());
        let same_words = before > 0 && behind > 0 && before + behind >= CONTEXT_MIN && coverage >= COVERAGE_MIN;
        let same_unit = number
            && behind > 0
            && value.end < ours.len()
            && before + behind >= CONTEXT_WITH_UNIT_MIN
            && coverage >= COVERAGE_WITH_UNIT_MIN;
        if (same_words || same_unit) && best.as_ref().is_none_or(|(most, _)| before + behind > *most) {
            best = Some((before + behind, range));
        }
    }
    best.map(|(_, range)| range)
}

/// Whether two sentences say the same of the same, and one of them denies it.
pub(super) fn is_denied(ours: &str, theirs: &str) -> bool {
    const FORBIDDEN: &[&str] = &["forbidden", "prohibited", "banned"];
    const ALLOWED: &[&str] = &["allowed", "permitted"];
    const DENYING: [char; 7] = ['不', '没', '沒', '未', '无', '無', '禁'];
    let told = |text: &str| {
        let said = words(text);
        let forbids = said.iter().any(|word| FORBIDDEN.contains(&word.as_str())) || text.contains("禁止");
        let plain: String = text.replace("禁止", "").chars().filter(|c| !DENYING.contains(c)).collect();
        let held: HashSet<String> = words(&plain)
            .into_iter()
            .filter(|word| !ALLOWED.contains(&word.as_str()) && !FORBIDDEN.contains(&word.as_str()))
            .flat_map(|word| if is_number(&word) { vec![word] } else { terms(&word) })
            .filter(|term| {
                !matches!(term.as_str(), "not" | "no" | "never" | "可" | "以" | "得" | "准" | "允" | "许" | "許")
            })
            .collect();
        (held, denies(text) != forbids)
    };
    let ((ours, our_denial), (theirs, their_denial)) = (told(ours), told(theirs));
    our_denial != their_denial && !ours.is_empty() && ours == theirs
}

/// The parts of a sentence that may stand where a value of so many words stands: numbers for a number, no number for a name.
fn candidates(words: &[WordAt], number: bool, length: usize) -> Vec<Range<usize>> {
    if number {
        let numbers = (0..words.len()).filter(|&at| is_number(&words[at].0));
        let mut found: Vec<Range<usize>> = numbers.map(|at| expression(words, at)).collect();
        found.dedup();
        return found;
    }
    let longest = VALUE_WORDS_MAX.min(2 * length + 2);
    let from = |start: usize| (start + 1..=words.len().min(start + longest)).map(move |end| start..end);
    let plain = |range: &Range<usize>| !words[range.clone()].iter().any(|(word, _)| is_number(word));
    (0..words.len()).flat_map(from).filter(plain).collect()
}

/// What the words that two texts begin with in common count for; where both end there, that agrees like a word.
fn common<'a>(mut ours: impl Iterator<Item = &'a WordAt>, mut theirs: impl Iterator<Item = &'a WordAt>) -> usize {
    let mut weight = 0;
    loop {
        match (ours.next(), theirs.next()) {
            (Some((our, _)), Some((their, _))) if our == their => weight += if our.chars().all(is_cjk) { 1 } else { 2 },
            (None, None) => return weight + 2,
            _ => return weight,
        }
    }
}

/// Whether a number looks like a year: it is compared with years alone.
fn is_year(number: &str) -> bool {
    number.len() == 4 && number.parse::<u32>().is_ok_and(|year| (1000..2100).contains(&year))
}
