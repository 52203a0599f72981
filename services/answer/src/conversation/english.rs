//! How is an English question completed from the one before?
//!
//! Invariants:
//! - A fragment takes the place of what is of its kind in the question before, or is added to it. What ends in the same
//!   word is of its kind: a Team plan stands where a Free plan stood.
//! - A pronoun is put out by what the conversation named last.

use wellspring_core::answer::Turn;

use super::named_by;
use crate::days::{MONTHS, NAMES};

const OPENINGS: [&str; 8] =
    ["and what about ", "and how about ", "what about ", "how about ", "and for ", "and ", "but ", "or "];
const PREPOSITIONS: &[&str] = &[
    "on", "in", "at", "for", "from", "to", "with", "without", "by", "during", "after", "before", "of", "between",
    "near", "under", "over", "into", "until", "since", "per",
];
const AUXILIARIES: &[&str] = &[
    "does", "do", "did", "is", "are", "was", "were", "can", "could", "may", "must", "will", "would", "has", "have",
    "had", "should",
];
const QUESTION_WORDS: &[&str] = &["what", "which", "who", "whom", "whose", "when", "where", "why", "how"];
const DETERMINERS: &[&str] = &["a", "an", "the", "this", "that"];
const POSSESSIVES: &[&str] = &["its", "their", "his"];
const PRONOUNS: &[&str] = &["it", "they", "them", "he", "she", "him", "her", "this", "that", "these", "those"];
/// Words behind which a pronoun of these points forward or is none.
const NO_POINTERS: &[&str] = &["that", "this", "these", "those"];
/// Days and months, each kind by itself.
const DAYS: [&[&str]; 2] = [&NAMES, &MONTHS];
/// Words of a fragment at most; a longer text is a question of its own.
const FRAGMENT_WORDS_MAX: usize = 6;

/// The question on its own; `None` where it already is.
pub(super) fn complete(question: &str, before: &Turn) -> Option<String> {
    let asked = question.trim().trim_end_matches(['?', '!', '.']).trim();
    let lower = asked.to_lowercase();
    // "And?" asks for nothing.
    if OPENINGS.iter().any(|opening| opening.trim_end() == lower) {
        return None;
    }
    let opening = OPENINGS.iter().find(|opening| lower.starts_with(**opening));
    let rest = opening.map_or(asked, |opening| asked[opening.len()..].trim());
    // "and for dogs" keeps its preposition.
    let rest = if opening == Some(&"and for ") { asked[4..].trim() } else { rest };
    let words: Vec<&str> = rest.split_whitespace().collect();
    let first = words.first()?.to_lowercase();
    let asks = |word: &&str| {
        let word = bare(word).to_lowercase();
        QUESTION_WORDS.contains(&word.as_str()) || AUXILIARIES.contains(&word.as_str())
    };
    if words.len() == 1 && asks(&words[0]) {
        // "Why?" alone asks the same again, in another way.
        return Some(format!("{} {}?", before.question.trim(), words[0]));
    }
    let is_fragment = !words.iter().any(asks) && words.len() <= FRAGMENT_WORDS_MAX;
    let is_short = PREPOSITIONS.contains(&first.as_str()) || words.len() == 1;
    // "Thanks!" is no question.
    let leans = opening.is_some() || (is_short && question.trim_end().ends_with('?'));
    if is_fragment && leans {
        return Some(replaced(&words, &before.question));
    }
    resolved(&words, before)
}

/// The question before, with the fragment in the place of what is of its kind.
fn replaced(fragment: &[&str], before: &str) -> String {
    let old: Vec<&str> = before.trim().trim_end_matches(['?', '!', '.']).split_whitespace().collect();
    let is = |word: &str, list: &[&str]| list.contains(&word.to_lowercase().as_str());
    let preposition = |word: &&str| is(word, PREPOSITIONS);
    let range = if let Some(same) = same_year(&old, fragment) {
        Some(same)
    } else if preposition(&fragment[0]) {
        let same = |word: &&str| word.eq_ignore_ascii_case(fragment[0]);
        old.iter().rposition(same).map(|start| {
            let next = old[start + 1..].iter().position(|word| preposition(word) || is(word, AUXILIARIES));
            start..next.map_or(old.len(), |next| start + 1 + next)
        })
    } else {
        same_day(&old, fragment)
            .or_else(|| same_kind(&old, fragment))
            .or_else(|| same_name(&old, fragment))
            .or_else(|| object(&old))
            .or_else(|| subject(&old))
    };
    let range = range.unwrap_or(old.len()..old.len());
    let joined = [&old[..range.start], fragment, &old[range.end..]].concat().join(" ");
    format!("{joined}?")
}

/// The year, with its preposition where the fragment has one too: "in 2024" stands where "of 1953" stood.
fn same_year(old: &[&str], fragment: &[&str]) -> Option<std::ops::Range<usize>> {
    let is_year = |word: &str| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let preposition = |word: &str| PREPOSITIONS.contains(&word.to_lowercase().as_str());
    let with_preposition = match fragment {
        [year] if is_year(year) => false,
        [first, year] if preposition(first) && is_year(year) => true,
        _ => return None,
    };
    let at = old.iter().rposition(|word| is_year(word))?;
    let start = at.checked_sub(1).filter(|&before| with_preposition && preposition(old[before])).unwrap_or(at);
    Some(start..at + 1)
}

/// The day of the week or the month, where the fragment is one.
fn same_day(old: &[&str], fragment: &[&str]) -> Option<std::ops::Range<usize>> {
    let [day] = fragment else { return None };
    let kind = |word: &str| DAYS.iter().position(|days| days.contains(&one(word).as_str()));
    let wanted = kind(day)?;
    let at = old.iter().rposition(|word| kind(word) == Some(wanted))?;
    Some(at..at + 1)
}

/// The name behind the verb, where the fragment is a name and the question has no auxiliary: "Who bought Acme?".
fn same_name(old: &[&str], fragment: &[&str]) -> Option<std::ops::Range<usize>> {
    let is_name = |word: &str| {
        word.starts_with(char::is_uppercase) && !DAYS.iter().any(|days| days.contains(&one(word).as_str()))
    };
    let has_auxiliary = old.iter().any(|word| AUXILIARIES.contains(&word.to_lowercase().as_str()));
    if has_auxiliary || !fragment.iter().all(|word| is_name(word)) {
        return None;
    }
    let end = old.iter().skip(1).rposition(|word| is_name(word))? + 2;
    let start = (1..end).rev().take_while(|&at| is_name(old[at])).last()?;
    Some(start..end)
}

/// What ends in the last word of the fragment: from its article on, or as many words as the fragment has.
fn same_kind(old: &[&str], fragment: &[&str]) -> Option<std::ops::Range<usize>> {
    const NAME_WORDS_MAX: usize = 4;
    let [.., last] = fragment else { return None };
    if fragment.len() < 2 {
        return None;
    }
    let end = old.iter().rposition(|word| one(word) == one(last))? + 1;
    let is = |word: &str, list: &[&str]| list.contains(&word.to_lowercase().as_str());
    let article = old[..end - 1].iter().rposition(|word| is(word, DETERMINERS));
    let article = article.filter(|&at| end - at <= NAME_WORDS_MAX + 1);
    let bounded = || {
        let stops = |word: &&str| is(word, PREPOSITIONS) || is(word, AUXILIARIES) || is(word, QUESTION_WORDS);
        let least = end.saturating_sub(fragment.len());
        old[..end].iter().rposition(stops).map_or(least, |at| least.max(at + 1))
    };
    let start = article.unwrap_or_else(bounded);
    (start < end).then_some(start..end)
}

/// A word without its plural, in small letters.
fn one(word: &str) -> String {
    let lower = bare(word).to_lowercase();
    lower.strip_suffix('s').map(str::to_owned).unwrap_or(lower)
}

/// What stands behind the last preposition of a question that has no other subject: "the price of a day ticket".
fn object(words: &[&str]) -> Option<std::ops::Range<usize>> {
    let is = |word: &str, list: &[&str]| list.contains(&word.to_lowercase().as_str());
    let auxiliary = words.iter().position(|word| is(word, &["is", "are", "was", "were"]))?;
    let of = words.iter().rposition(|word| is(word, &["of", "for"]))?;
    (of > auxiliary && of + 1 < words.len()).then(|| of + 1..words.len())
}

/// The subject of a question: between its auxiliary and the verb behind it.
fn subject(words: &[&str]) -> Option<std::ops::Range<usize>> {
    let is = |word: &str, list: &[&str]| list.contains(&word.to_lowercase().as_str());
    let start = words.iter().position(|word| is(word, AUXILIARIES))? + 1;
    let clause = words[start..].iter().position(|word| is(word, PREPOSITIONS)).map_or(words.len(), |at| start + at);
    // The verb is the last word of the clause, where the subject is more than a word without one.
    let named = words[start..clause].iter().rposition(|word| word.starts_with(char::is_uppercase));
    let end = match named {
        Some(last) => start + last + 1,
        None if clause - start > 2 || (clause - start == 2 && !is(words[start], &["a", "an", "the"])) => clause - 1,
        None => clause,
    };
    (start < end).then_some(start..end)
}

/// The question with its pronouns put out; `None` where it has none, or where nothing was named.
fn resolved(words: &[&str], before: &Turn) -> Option<String> {
    let lower: Vec<String> = words.iter().map(|word| bare(word).to_lowercase()).collect();
    let points = |index: usize| {
        let word = lower[index].as_str();
        let last = index + 1 == words.len();
        (PRONOUNS.contains(&word) && (!NO_POINTERS.contains(&word) || last)) || POSSESSIVES.contains(&word)
    };
    let at = (0..words.len()).find(|&index| points(index))?;
    // What the question itself names comes first, and "is it allowed to" points to nothing.
    let named = words.iter().skip(1).any(|word| word.starts_with(char::is_uppercase));
    let expletive = lower[at] == "it" && lower[at..].iter().any(|word| word == "to" || word == "that");
    if named || expletive || at == 0 && words.len() > 1 && !AUXILIARIES.contains(&lower[1].as_str()) {
        return None;
    }
    let person = matches!(lower[at].as_str(), "he" | "she" | "him" | "her" | "his");
    let topic = topic(before, person)?;
    let mut out: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    // "her engine" is a possessive, "ask her" is none.
    let possessive = POSSESSIVES.contains(&lower[at].as_str()) || (lower[at] == "her" && at + 1 < words.len());
    out[at] = if possessive { format!("{topic}'s") } else { topic };
    Some(format!("{}?", out.join(" ")))
}

/// What the turn before spoke of: whom it named where a person is meant, else its subject, else what it named.
fn topic(before: &Turn, person: bool) -> Option<String> {
    let question = before.question.trim_end_matches(['?', '!', '.']);
    let words: Vec<&str> = question.split_whitespace().collect();
    let asks_who = words.first().is_some_and(|word| word.eq_ignore_ascii_case("who"));
    let asks_what =
        words.first().is_some_and(|word| word.eq_ignore_ascii_case("what") || word.eq_ignore_ascii_case("which"));
    let answered = named_by(&before.answer).filter(|name| name.starts_with(char::is_uppercase));
    if person && asks_who {
        return answered.map(str::to_owned);
    }
    // Names of the question: the last run of capitals behind its first word.
    let capital = |index: usize| index > 0 && words[index].starts_with(char::is_uppercase);
    let name = (1..words.len()).rev().find(|&index| capital(index)).map(|end| {
        let mut start = end;
        while start > 1 && capital(start - 1) {
            start -= 1;
        }
        // The number behind a name is a part of it: the Aquila 300.
        let number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
        let end = if words.get(end + 1).is_some_and(|word| number(word)) { end + 1 } else { end };
        let article = start > 1 && words[start - 1].eq_ignore_ascii_case("the");
        words[start - usize::from(article)..=end].join(" ")
    });
    let name = name.map(|name| bare(&name).to_owned());
    let subject = || subject(&words).map(|range| words[range].join(" "));
    name.or_else(|| if asks_what || asks_who { answered.map(str::to_owned) } else { None }).or_else(subject)
}

/// A word without the marks around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, before: &str, answer: &str, expected: Option<&str>) {
        let turn = Turn { question: before.into(), answer: answer.into() };
        assert_eq!(complete(question, &turn).as_deref(), expected, "{question} after {before}");
    }

    #[test]
    fn the_number_of_a_name_is_a_part_of_it() {
        let pump = "What is the flow of the Aquila 300?";
        check("How much does it weigh?", pump, "32 l/min", Some("How much does the Aquila 300 weigh?"));
    }

    #[test]
    fn a_fragment_takes_the_place_of_its_kind() {
        let boat = "When does the first boat leave Anlow on Saturday?";
        check("and on Sundays?", boat, "", Some("When does the first boat leave Anlow on Sundays?"));
        check("And in winter?", boat, "", Some("When does the first boat leave Anlow on Saturday in winter?"));
        check("What about a dog?", "How much does a day ticket cost?", "", Some("How much does a dog cost?"));
        check(
            "and the Otter?",
            "How many passengers does the Heron carry?",
            "",
            Some("How many passengers does the Otter carry?"),
        );
        check("and Tuesday?", "When does the boat leave on Monday?", "", Some("When does the boat leave on Tuesday?"));
        check("And Bolt?", "Who bought Acme?", "Crane", Some("Who bought Bolt?"));
        check("and?", "How long is the bridge?", "640 m", None);
        let flood = "How high was the flood of 1953?";
        check("And in 2024?", flood, "5.62 metres", Some("How high was the flood in 2024?"));
        check("What about 2024?", flood, "5.62 metres", Some("How high was the flood of 2024?"));
        check("How about a dog?", "What is the price of a day ticket?", "", Some("What is the price of a dog?"));
        check("And for dogs?", "How much is it for bicycles?", "", Some("How much is it for dogs?"));
        check("Why?", boat, "", Some("When does the first boat leave Anlow on Saturday? Why?"));
        check("Dogs?", "How much does a bicycle cost?", "", Some("How much does Dogs cost?"));
    }

    #[test]
    fn what_ends_in_the_same_word_is_of_its_kind() {
        let plan = "How many requests per minute does the Free plan allow?";
        check("and the Team plan?", plan, "30", Some("How many requests per minute does the Team plan allow?"));
        check("What about the Team plan?", "What does the Free plan cost?", "", Some("What does the Team plan cost?"));
        let room = "What is the price of a single room in June?";
        check("and a double room?", room, "", Some("What is the price of a double room in June?"));
        check("And student tickets?", "How much are adult tickets?", "", Some("How much are student tickets?"));
        check("and per day?", plan, "30", Some("How many requests per day does the Free plan allow?"));
    }

    #[test]
    fn pronouns_are_put_out() {
        check("How long is she?", "When was the Heron built?", "2019", Some("How long is the Heron?"));
        check("How old is he?", "Who is the director?", "Ines Okonjo", Some("How old is Ines Okonjo?"));
        check("What are its limits?", "How long is the Otter?", "34 metres", Some("What are the Otter's limits?"));
        check("And who built it?", "When was the bridge opened?", "1934", Some("who built the bridge?"));
        check("How long does it take?", "How long is the Otter?", "", Some("How long does the Otter take?"));
    }

    #[test]
    fn what_needs_nothing_is_left_alone() {
        let before = "When was the Heron built?";
        check("How long is the Otter?", before, "", None);
        check("Who is the director?", before, "", None);
        check("Is the Otter longer than it was?", before, "", None);
        check("Is it true?", "", "", None);
        check("Thanks!", before, "", None);
        check("In which year was the Otter built?", before, "", None);
        check("Is it allowed to smoke on board?", before, "", None);
    }
}
