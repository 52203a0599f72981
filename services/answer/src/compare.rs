//! Which things does a question compare, and what is asked of each by itself?
//!
//! | question | becomes |
//! |---|---|
//! | Compare the Heron and the Otter. | the Heron · the Otter |
//! | What is the difference in length between the Heron and the Otter? | length the Heron · length the Otter |
//! | 苍鹭号和水獭号的载客量有什么区别？ | 苍鹭号的载客量 · 水獭号的载客量 |
//!
//! A sentence about one of two things holds half of the question's subject and is outdone by any that names both: asked
//! for by itself, each finds its own evidence.
//!
//! Invariants:
//! - Only a question that says that it compares is taken apart; between two and [`limits::COMPARED_MAX`] things.
//! - What is asked of a thing is made of the question's own words.
//! - Pure and total.

use wellspring_core::limits;
use wellspring_core::text::{is_cjk, script_language};

use crate::terms::{is_one_of, words};

/// What a question says that it compares with.
const COMPARING: &str = "compare compares compared comparing comparison difference differences differ differs \
     different versus vs contrast distinguish distinguishes";
/// Words around the things that ask nothing of them.
const ASKING: &str = "what which how is are was were do does did the a an between from of in to with by for and \
     or please there s me tell give make can you main each other both one another";
const JOINING: &str = "and or with to versus vs from than";
const ARTICLES: &str = "the a an";
/// Words that a thing in small letters ends before.
const BEHIND_THING: &str = "in on of for by with when if is are was were do does did differ compare compared different \
     to at from as and or";
/// Words of a thing at most.
const THING_WORDS_MAX: usize = 4;

const CHINESE_COMPARING: &[&str] =
    &["比较", "比較", "区别", "區別", "差别", "差別", "差异", "差異", "不同", "对比", "對比", "相比"];
const CHINESE_JOINING: &[&str] = &["和", "与", "與", "跟", "、", "同", "及"];
/// What stands before the first thing.
const CHINESE_OPENING: &[&str] = &["请", "請", "比较一下", "比較一下", "比较", "比較", "对比", "對比", "试", "試"];
/// What the last thing ends before.
const CHINESE_ENDING: &[&str] = &[
    "的", "有", "之间", "之間", "在", "相比", "比较", "比較", "哪", "谁", "誰", "区别", "區別", "差别", "差別", "差异",
    "差異", "不同", "，", ",", "？", "?", "。", "！", "是",
];
/// Characters of a thing at most.
const CHINESE_THING_CHARACTERS_MAX: usize = 12;

/// What is asked of each thing that `question` compares; empty where it compares none.
pub(crate) fn parts(question: &str) -> Vec<String> {
    let parts = if script_language(question) == Some("zh") { chinese(question) } else { english(question) };
    let fits = |parts: &Vec<String>| {
        (2..=limits::COMPARED_MAX).contains(&parts.len())
            && parts.iter().all(|part| part.contains(char::is_alphanumeric))
    };
    parts.filter(fits).unwrap_or_default()
}

fn english(question: &str) -> Option<Vec<String>> {
    if !words(question).iter().any(|word| is_one_of(word, COMPARING)) {
        return None;
    }
    let tokens: Vec<&str> = question.split_whitespace().collect();
    let joins = |at: usize| is_one_of(&bare(tokens[at]).to_lowercase(), JOINING);
    // The last joining word with a thing on both sides: "compare the price of A and B with me" has others.
    let (left, right) = (1..tokens.len()).rev().filter(|&at| joins(at)).find_map(|at| {
        let right = thing_behind(&tokens, at + 1)?;
        let left = thing_before(&tokens, at, tokens[right.start].starts_with(char::is_uppercase))?;
        Some((left, right))
    })?;
    let mut things = vec![left.clone(), right.clone()];
    // "A, B and C".
    while things.len() < limits::COMPARED_MAX {
        let start = things[0].start;
        let listed = start.checked_sub(1).is_some_and(|before| tokens[before].ends_with(','));
        let Some(before) = listed.then(|| thing_before(&tokens, start, true)).flatten() else { break };
        things.insert(0, before);
    }
    let (start, end) = (things[0].start, right.end);
    let telling = |token: &&&str| {
        let word = bare(token).to_lowercase();
        !word.is_empty() && !is_one_of(&word, COMPARING) && !is_one_of(&word, ASKING)
    };
    let around: Vec<&str> =
        tokens[..start].iter().chain(&tokens[end..]).filter(telling).map(|token| bare(token)).collect();
    let part = |thing: &std::ops::Range<usize>| {
        let named = tokens[thing.clone()].iter().map(|token| bare(token));
        around.iter().copied().chain(named).collect::<Vec<_>>().join(" ")
    };
    Some(things.iter().map(part).collect())
}

/// The thing that begins at a word: its article, and capitals or a few words behind it.
fn thing_behind(tokens: &[&str], start: usize) -> Option<std::ops::Range<usize>> {
    let article = tokens.get(start).is_some_and(|token| is_one_of(&token.to_lowercase(), ARTICLES));
    let first = start + usize::from(article);
    tokens.get(first)?;
    let is_name = |token: &str| bare(token).starts_with(|c: char| c.is_uppercase() || c.is_numeric());
    let ends = |token: &str| token.ends_with([',', '?', '.', '!', ';', ':']);
    let mut end = first;
    for (taken, token) in tokens[first..].iter().take(THING_WORDS_MAX).enumerate() {
        let goes_on = if is_name(tokens[first]) {
            is_name(token)
        } else {
            !is_one_of(&bare(token).to_lowercase(), BEHIND_THING) && !is_one_of(&bare(token).to_lowercase(), COMPARING)
        };
        if !goes_on {
            break;
        }
        end = first + taken + 1;
        if ends(token) {
            break;
        }
    }
    (end > first).then_some(start..end)
}

/// The thing that ends before a word: capitals with their article, or what stands behind the nearest article.
fn thing_before(tokens: &[&str], end: usize, is_named: bool) -> Option<std::ops::Range<usize>> {
    let is_name = |token: &str| bare(token).starts_with(|c: char| c.is_uppercase() || c.is_numeric());
    let mut start = end;
    while start > 0 && end - start < THING_WORDS_MAX {
        let word = bare(tokens[start - 1]).to_lowercase();
        let stops = is_one_of(&word, COMPARING)
            || (is_one_of(&word, ASKING) && !is_one_of(&word, ARTICLES))
            || (start < end && tokens[start - 1].ends_with(','))
            || (is_named && is_name(tokens[end - 1]) && !is_name(tokens[start - 1]) && !is_one_of(&word, ARTICLES));
        if stops {
            break;
        }
        start -= 1;
        if is_one_of(&word, ARTICLES) {
            break;
        }
    }
    let named = tokens[start..end].iter().any(|token| !is_one_of(&bare(token).to_lowercase(), ARTICLES));
    named.then_some(start..end)
}

fn chinese(question: &str) -> Option<Vec<String>> {
    if !CHINESE_COMPARING.iter().any(|mark| question.contains(mark)) {
        return None;
    }
    let mut text = question.trim();
    while let Some(rest) = CHINESE_OPENING.iter().find_map(|opening| text.strip_prefix(opening)) {
        text = rest.trim_start();
    }
    let joined = CHINESE_JOINING.iter().filter_map(|mark| text.find(mark)).min()?;
    let behind = |at: usize| {
        let ends = CHINESE_ENDING.iter().filter_map(|mark| text[at..].find(mark)).filter(|&found| found > 0).min();
        ends.map_or(text.len(), |found| at + found)
    };
    let end = behind(joined);
    let mut things: Vec<&str> = vec![&text[..end]];
    for mark in CHINESE_JOINING {
        things = things.into_iter().flat_map(|thing| thing.split(mark)).collect();
    }
    let things: Vec<&str> = things.into_iter().map(|thing| thing.trim_matches(is_mark)).collect();
    let fits = |thing: &&str| {
        let count = thing.chars().count();
        (1..=CHINESE_THING_CHARACTERS_MAX).contains(&count)
            && thing.contains(|c: char| is_cjk(c) || c.is_alphanumeric())
    };
    if !things.iter().all(fits) {
        return None;
    }
    // 的载客量: what is asked of both.
    let aspect = text[end..].strip_prefix('的').map(|rest| {
        let ends = CHINESE_ENDING.iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
        rest[..ends].trim_matches(is_mark)
    });
    let part = |thing: &&str| match aspect.filter(|aspect| !aspect.is_empty()) {
        Some(aspect) => format!("{thing}的{aspect}"),
        None => (*thing).to_owned(),
    };
    Some(things.iter().map(part).collect())
}

fn is_mark(c: char) -> bool {
    !c.is_alphanumeric() && c != '“' && c != '”'
}

/// A word without the marks around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_things_that_are_compared_are_asked_for_one_by_one() {
        for (question, expected) in [
            ("Compare the Heron and the Otter", &["the Heron", "the Otter"][..]),
            ("Compare Heron with Otter.", &["Heron", "Otter"]),
            ("How do the Heron and the Otter differ?", &["the Heron", "the Otter"]),
            (
                "What is the difference in length between the Heron and the Otter?",
                &["length the Heron", "length the Otter"],
            ),
            ("What are the differences between a day ticket and a monthly pass?", &["a day ticket", "a monthly pass"]),
            ("Compare the Heron, the Otter and the Kingfisher.", &["the Heron", "the Otter", "the Kingfisher"]),
            ("Heron vs Otter", &["Heron", "Otter"]),
            ("比较苍鹭号和水獭号", &["苍鹭号", "水獭号"]),
            ("苍鹭号与水獭号有什么区别？", &["苍鹭号", "水獭号"]),
            ("苍鹭号和水獭号的载客量有什么不同？", &["苍鹭号的载客量", "水獭号的载客量"]),
            ("請比較蒼鷺號、水獺號和翠鳥號。", &["蒼鷺號", "水獺號", "翠鳥號"]),
        ] {
            assert_eq!(parts(question), expected, "{question}");
        }
    }

    #[test]
    fn what_compares_nothing_stays_whole() {
        for question in [
            "Who carries bread and butter?",
            "How long are the Heron and the Otter?",
            "Compare.",
            "Compare the boats.",
            "What is different?",
            "渡轮和巴士多少钱？",
            "有什么区别？",
        ] {
            assert_eq!(parts(question), Vec::<String>::new(), "{question}");
        }
    }

    proptest! {
        #[test]
        fn any_question_has_none_or_a_few(question in "((compare|difference|vs|and|the|A|b|,|比较|和|的|号|？) ?){0,12}") {
            let parts = parts(&question);
            prop_assert!(parts.is_empty() || (2..=limits::COMPARED_MAX).contains(&parts.len()), "{:?}", parts);
            prop_assert!(parts.iter().all(|part| !part.trim().is_empty()), "{:?}", parts);
        }
    }
}
