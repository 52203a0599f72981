//! Does a sentence put together what its quote says of different things?
//!
//! "The Otter was built in 1962 and the Heron in 1987" holds every word of "The Heron was built in 1962". A quote is parted
//! into its statements, each with what goes on about the same subject, and, within one, into values in the same unit: "9 euros for
//! adults and 4.50 euros for students". A part of the sentence whose telling words have no statement in common is mixed.
//!
//! Invariants:
//! - Pure. A word that stands in every statement tells nothing, and so does one that the quote lacks.

use std::collections::HashSet;

use wellspring_core::text::is_cjk;

use crate::fact::{begins_with_verb, clauses};
use crate::numerals::numbers;
use crate::table::is_row;
use crate::terms::{is_number, is_one_of, terms, words};

/// Verbs of every sentence: a part with one of them and a subject of its own is a statement of its own.
const VERBS: &str = "is are was were has have had does did can may must will ist sind war waren wird wurde hat";
/// Words that begin no subject.
const NO_SUBJECTS: &str = "in at from on near by with to for of under over into as than about because since until after before für \
    bei von mit zu im am um bis";

/// Whether some part of a sentence mixes statements, or values, of its quote.
pub(crate) fn mixes(sentence: &str, quote: &str) -> bool {
    if is_row(quote) {
        return false;
    }
    let statements = statements(quote);
    let telling: Vec<HashSet<String>> = statements.iter().map(|parts| tells(&parts.join(" "))).collect();
    clauses(sentence)
        .into_iter()
        .map(|range| tells(&sentence[range]))
        .any(|said| are_apart(&said, &telling) || statements.iter().any(|parts| are_apart(&said, &values(parts))))
}

/// Whether what is said stands in places that have none in common.
fn are_apart(said: &HashSet<String>, places: &[HashSet<String>]) -> bool {
    let mut common: HashSet<usize> = (0..places.len()).collect();
    for term in said {
        let homes: HashSet<usize> = (0..places.len()).filter(|&place| places[place].contains(term)).collect();
        if !homes.is_empty() && homes.len() < places.len() {
            common.retain(|place| homes.contains(place));
        }
    }
    places.len() > 1 && common.is_empty()
}

/// The statements of a quote, each as its parts.
fn statements(quote: &str) -> Vec<Vec<&str>> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    for part in clauses(quote).into_iter().map(|range| &quote[range]) {
        match found.last_mut() {
            Some(statement) if !is_statement(part, statement[0]) => statement.push(part),
            _ => found.push(vec![part]),
        }
    }
    found
}

/// Whether a part has a subject and a verb of its own: one that every sentence has, or words of the statement before.
fn is_statement(part: &str, before: &str) -> bool {
    let said = words(part);
    let Some(first) = said.first() else { return false };
    if is_number(first) || is_one_of(first, NO_SUBJECTS) || begins_with_verb(part) && !repeats(part, before, 2) {
        return false;
    }
    said.iter().skip(1).any(|word| is_one_of(word, VERBS)) || repeats(part, before, 1)
}

/// Whether two parts have so many words in common, of those that tell something.
fn repeats(part: &str, before: &str, least: usize) -> bool {
    let (ours, theirs) = (tells(part), tells(before));
    ours.iter().filter(|term| !is_number(term) && theirs.contains(*term)).count() >= least
}

/// The parts of a statement that give a number in the same unit, each without what stands before its number in the first.
fn values(statement: &[&str]) -> Vec<HashSet<String>> {
    let counted = statement.iter().filter_map(|part| {
        let said = words(part);
        let number = numbers(&said).into_iter().next()?;
        let unit = said.get(number.words.end)?.clone();
        Some((unit, tells(&said[number.words.start..].join(" "))))
    });
    let counted: Vec<(String, HashSet<String>)> = counted.collect();
    let same = counted.windows(2).all(|pair| pair[0].0 == pair[1].0);
    if same { counted.into_iter().map(|(_, terms)| terms).collect() } else { Vec::new() }
}

/// The words of a text that tell statements apart: English ones by their stems, Chinese ones by pairs, numbers by what they are.
fn tells(text: &str) -> HashSet<String> {
    let said = words(text);
    let counted = numbers(&said).into_iter().map(|number| number.value);
    let named = terms(text)
        .into_iter()
        .filter(|term| !is_number(term) && (!term.starts_with(is_cjk) || term.chars().count() > 1));
    counted.chain(named).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHOPS: &str =
        "The nearest supermarket is in Lorne, 3 km away, and the nearest hospital is in Deeping, 28 km away.";
    const PLANS: &str =
        "The free plan allows 5 projects; the team plan allows 50 projects and costs 19 dollars per month.";
    const PRICES: &str = "Admission is 9 euros for adults and 4.50 euros for students.";
    const EINTRITT: &str = "Der Eintritt kostet 5 Euro für Erwachsene und 2,50 Euro für Kinder.";
    const BOATS: &str = "The Otter was built in 1962 and the Heron was built in 1987.";

    #[test]
    fn what_is_said_of_different_things_is_mixed() {
        for (sentence, quote) in [
            ("The nearest supermarket is in Deeping, 28 km away.", SHOPS),
            ("The nearest hospital is in Lorne.", SHOPS),
            ("The team plan allows 5 projects, while the free plan allows 50.", PLANS),
            ("The free plan costs 19 dollars.", PLANS),
            ("Admission is 9 euros for students and 4.50 euros for adults.", PRICES),
            ("Der Eintritt kostet 2,50 Euro für Erwachsene.", EINTRITT),
            ("The Otter was built in 1987.", BOATS),
            ("Anna teaches physics.", "Anna teaches French and Boris teaches physics."),
            ("The gearbox is made in Italy.", "The engine is made in Italy; the gearbox is made in Spain."),
            ("Students pay 9 euros.", "Adults pay 9 euros and students pay 4.50 euros."),
            ("成人票价为40元。", "成人票价为80元，儿童票价为40元。"),
        ] {
            assert!(mixes(sentence, quote), "{sentence} {quote}");
            assert!(!mixes(quote, quote), "{quote}");
        }
    }

    #[test]
    fn what_is_said_of_one_thing_is_not() {
        for (sentence, quote) in [
            ("The nearest supermarket is 3 km away, in Lorne.", SHOPS),
            ("The nearest hospital is in Deeping, 28 km away.", SHOPS),
            ("The team plan costs 19 dollars per month.", PLANS),
            ("The free plan allows five projects.", PLANS),
            ("Students pay an admission of 4.50 euros.", PRICES),
            ("Der Eintritt kostet 2,50 Euro für Kinder.", EINTRITT),
            ("The Heron was built in 1987 and the Otter in 1962.", BOATS),
            (
                "The Heron carries 80 passengers.",
                "The Heron is 27 metres long and carries 80 passengers and 16 bicycles.",
            ),
            (
                "Larkfield acquired Sonden AG for 42 million euros.",
                "In 2019 Larkfield acquired Sonden AG, a Swiss maker of flow meters, for 42 million euros.",
            ),
            ("新馆藏书180万册。", "新馆总面积为3.2万平方米，藏书180万册。"),
            ("2024年的洪水为5.37米。", "1953年的洪水为5.62米，2024年为5.37米。"),
        ] {
            assert!(!mixes(sentence, quote), "{sentence} {quote}");
        }
    }

    proptest! {
        #[test]
        fn no_text_mixes_itself(text in "([A-Ca-c]{1,3}|[0-9]| |, | and | is |，|[甲乙丙丁]){0,16}") {
            prop_assert!(!mixes(&text, &text));
        }
    }
}
