//! Do the documents contradict each other in what was asked?
//!
//! The sentence that an answer rests on is laid beside the sentences of other documents. Where both say the same around
//! different numbers or names, or give the same unit of the same thing in different numbers, they contradict each other:
//!
//! | cited | elsewhere | |
//! |---|---|---|
//! | The tower has **96** steps. | The tower has **69** steps. | the same words around another number |
//! | 军运会在**武汉**举办 | 军运会在**成都**举办 | the same words around another name |
//! | Dogs are allowed on the beach. | Dogs are **not** allowed on the beach. | the same, denied |
//! | The Otter carries **120** passengers. | On the Otter there is room for **90** passengers. | the same unit, the same words of the question |
//!
//! Invariants:
//! - One document does not contradict itself: sides that no document of its own takes are none.
//! - What the question names by numbers must stand with both sides: another year is another fact.
//! - The newer side is preferred, unless the question asks for what was; where no date decides, that of more documents,
//!   then that of the answer.

mod place;

use std::collections::HashSet;
use std::ops::Range;

use jiff::Timestamp;
use wellspring_core::answer::{Citation, Position, Support};
use wellspring_core::document::DocumentId;
use wellspring_core::limits;
use wellspring_core::span::Span;
use wellspring_core::text::is_cjk;

use self::place::{COVERAGE_MIN, counterpart, is_denied, values};
use crate::cite::citation;
use crate::contrast::{excludes, is_opposite};
use crate::evidence::{Evidence, Sentence};
use crate::subject::subject_terms;
use crate::terms::{WordAt, contains_words, is_number, terms, words, words_at};
use crate::verify::{denies, is_no, is_yes, names};

/// A difference of dates that tells newer from older; documents of one import were accepted within minutes.
const NEWER_HOURS: f64 = 24.0;
/// Words that ask for what was.
const PAST: &str = "originally first formerly initially previously before then once earlier former";
/// The same in Chinese.
const CHINESE_PAST: &str = "最初 原来 原來 以前 曾经 曾經 当时 當時 过去 過去 原先 早先 起初";

/// What the documents say where they contradict each other.
#[derive(Debug)]
pub(crate) struct Conflict {
    /// The sides, the preferred one first.
    pub(crate) positions: Vec<Position>,
    /// The characters of the answer that the cited side's value takes; `None` where the answer does not say it.
    pub(crate) value: Option<Range<usize>>,
    /// Whether the cited side is the preferred one.
    pub(crate) is_followed: bool,
    /// Whether anything but the search's order prefers it.
    pub(crate) is_decided: bool,
}

/// A side: what it says, where it says so best, and whose it is.
struct Side {
    key: Vec<String>,
    says: String,
    place: usize,
    documents: HashSet<DocumentId>,
    dated: Timestamp,
    published: bool,
}

/// Looks for what contradicts `answer`, as far as it rests on `cited`; `None` where nothing does.
///
/// What is no full support of the answer may speak of something else, and then contradicts nothing.
pub(crate) fn conflict(question: &str, evidence: &Evidence, answer: &str, cited: &Citation) -> Option<Conflict> {
    let is_verdict = is_yes(answer) || is_no(answer);
    if cited.support != Support::Supported && !is_verdict {
        return None;
    }
    let all: Vec<&Sentence> = evidence.all().collect();
    let home = all.iter().position(|sentence| {
        evidence.passage(sentence).chunk == cited.chunk && evidence.text(sentence) == cited.quote
    })?;
    let values = if is_verdict { Vec::new() } else { values(question, evidence, &all, home, answer) };
    let ours = words_at(evidence.text(all[home]));
    let numbers = || words(question).into_iter().filter(|word| is_number(word)).collect::<Vec<String>>();
    let other_value = |value: &Range<usize>, _: &str, theirs: &[WordAt], coverage: f32| {
        counterpart(&ours, value, theirs, coverage, &numbers())
    };
    let denial = |_: &Range<usize>, text: &str, theirs: &[WordAt], _: f32| {
        is_denied(evidence.text(all[home]), text).then_some(0..theirs.len())
    };
    let sides = |value, place: &Place<'_>| sides(question, evidence, &all, home, value, answer, place);
    let differing = values.into_iter().find_map(|value| sides(value, &other_value));
    differing.or_else(|| (!ours.is_empty()).then(|| sides(0..ours.len(), &denial))?)
}

/// What another sentence, with its words and the share of the question's terms that it holds too, says in the place of a
/// value of the cited one.
type Place<'a> = dyn Fn(&Range<usize>, &str, &[WordAt], f32) -> Option<Range<usize>> + 'a;

/// The sides to one value of the sentence at `home`; `None` where all agree.
fn sides(
    question: &str,
    evidence: &Evidence,
    all: &[&Sentence],
    home: usize,
    value: Range<usize>,
    answer: &str,
    place_of: &Place<'_>,
) -> Option<Conflict> {
    let ours = words_at(evidence.text(all[home]));
    let key: Vec<String> = ours[value.clone()].iter().map(|(word, _)| word.clone()).collect();
    let says = |text: &str, words: &[WordAt], range: &Range<usize>| {
        text[words[range.start].1.start..words[range.end - 1].1.end].to_owned()
    };
    let mut found = vec![Side::new(key.clone(), says(evidence.text(all[home]), &ours, &value), home, evidence, all)];
    let asked: HashSet<String> = terms(question).into_iter().collect();
    // A sentence about something else contradicts nothing that is said of what is asked.
    if !subject_terms(question).iter().any(|term| held_by(evidence, all[home]).contains(term)) {
        return None;
    }
    // What is said of another by name is said of another: the Elm Garden's hours contradict none of the Oak Garden's.
    let ours_by_name = held_by(evidence, all[home]);
    let named: Vec<String> = names(question).into_iter().filter(|name| ours_by_name.contains(name)).collect();
    let numbers: Vec<String> = words(question).into_iter().filter(|word| is_number(word)).collect();
    let speaks_of_numbers = |sentence: &Sentence, said: &[WordAt]| {
        let passage = evidence.passage(sentence);
        let around =
            || words(&format!("{} {} {}", passage.text, passage.heading, passage.title.as_deref().unwrap_or("")));
        numbers.iter().all(|number| said.iter().any(|(word, _)| word == number) || around().contains(number))
    };
    if !speaks_of_numbers(all[home], &ours) {
        return None;
    }
    for (place, sentence) in all.iter().enumerate().filter(|(place, _)| *place != home) {
        let text = evidence.text(sentence);
        let theirs = words_at(text);
        if !speaks_of_numbers(sentence, &theirs) {
            continue;
        }
        let held = held_by(evidence, sentence);
        if named.iter().any(|name| !held.contains(name)) || excludes(question, text) {
            continue;
        }
        // The price for children is no other price for adults.
        if is_opposite(evidence.text(all[home]), text) {
            continue;
        }
        let coverage = coverage(&asked, all[home], sentence);
        let Some(range) = place_of(&value, text, &theirs, coverage) else { continue };
        let their_key: Vec<String> = theirs[range.clone()].iter().map(|(word, _)| word.clone()).collect();
        match found.iter_mut().find(|side| is_same(&side.key, &their_key)) {
            Some(side) => side.join(evidence, sentence),
            None => found.push(Side::new(their_key, says(text, &theirs, &range), place, evidence, all)),
        }
    }
    let mine = found[0].documents.clone();
    // A document on our side that says the other thing too explains itself.
    found.retain(|side| side.key == key || side.documents.is_disjoint(&mine));
    if found.len() < 2 {
        return None;
    }
    for side in &mut found {
        side.count(evidence, all, &asked, all[home]);
    }
    let (preferred, is_decided) = preferred(question, &found);
    found.swap(0, preferred);
    found[1..].sort_by(|a, b| b.dated.cmp(&a.dated).then(b.documents.len().cmp(&a.documents.len())));
    found.truncate(limits::POSITIONS_MAX);
    let value = words_at(answer).windows(key.len()).find_map(|window| {
        let same = window.iter().map(|(word, _)| word).eq(&key);
        same.then(|| window[0].1.start..window[key.len() - 1].1.end)
    });
    let positions = found.iter().enumerate().map(|(index, side)| Position {
        says: side.says.clone(),
        dated: side.dated,
        published: side.published,
        preferred: index == 0,
        documents: side.documents.len(),
        citation: citation(evidence, all[side.place], Span::default(), Support::Supported),
    });
    Some(Conflict { positions: positions.collect(), value, is_followed: preferred == 0, is_decided })
}

impl Side {
    fn new(key: Vec<String>, says: String, place: usize, evidence: &Evidence, all: &[&Sentence]) -> Self {
        let passage = evidence.passage(all[place]);
        let (dated, published) = (passage.published_at.unwrap_or(passage.accepted_at), passage.published_at.is_some());
        Self { key, says, place, documents: HashSet::from([passage.document_id]), dated, published }
    }

    /// Another sentence says the same.
    fn join(&mut self, evidence: &Evidence, sentence: &Sentence) {
        let passage = evidence.passage(sentence);
        self.documents.insert(passage.document_id);
        let dated = passage.published_at.unwrap_or(passage.accepted_at);
        if dated > self.dated {
            (self.dated, self.published) = (dated, passage.published_at.is_some());
        }
    }

    /// Counts the documents of a side as those of every other: each that says it in a sentence on what is asked.
    fn count(&mut self, evidence: &Evidence, all: &[&Sentence], asked: &HashSet<String>, home: &Sentence) {
        self.documents.clear();
        self.join(evidence, all[self.place]);
        let denied = denies(evidence.text(all[self.place]));
        let is_counted = self.key.iter().any(|word| is_number(word));
        for sentence in all {
            let is_on_it = coverage(asked, home, sentence) >= COVERAGE_MIN;
            // "Not 69" beside a number denies the other one.
            let is_denied_alike = is_counted || denies(evidence.text(sentence)) == denied;
            if is_on_it && is_denied_alike && contains_words(&words(evidence.text(sentence)), &self.key) {
                self.join(evidence, sentence);
            }
        }
    }
}

/// Which side is preferred, and whether a date or the number of documents says so; the first is the answer's own.
fn preferred(question: &str, sides: &[Side]) -> (usize, bool) {
    let said = words(question);
    let past = PAST.split_whitespace().any(|word| said.iter().any(|said| said == word))
        || CHINESE_PAST.split_whitespace().any(|word| question.contains(word));
    let beats = |one: &Side, other: &Side| {
        let hours = one.dated.duration_since(other.dated).as_hours() as f64 * if past { -1.0 } else { 1.0 };
        hours >= NEWER_HOURS || (hours > -NEWER_HOURS && one.documents.len() > other.documents.len())
    };
    let best = (1..sides.len()).fold(0, |best, index| if beats(&sides[index], &sides[best]) { index } else { best });
    let mut others = sides.iter().enumerate().filter(|(index, _)| *index != best);
    (best, others.all(|(_, other)| beats(&sides[best], other)))
}

/// Whether two values are one, word by word or initial by name: A. Roth is Anna Roth.
fn is_same(one: &[String], other: &[String]) -> bool {
    let is_initial_of = |initial: &str, name: &str| {
        let mut letters = initial.chars();
        let letter = letters.next().filter(|letter| letter.is_alphabetic() && !is_cjk(*letter));
        letters.next().is_none() && letter.is_some_and(|letter| name.starts_with(letter))
    };
    // A letter alone is none.
    let whole = one.iter().zip(other).any(|(a, b)| a == b);
    let alike = |a: &str, b: &str| a == b || (whole && (is_initial_of(a, b) || is_initial_of(b, a)));
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| alike(a, b))
}

/// The terms of a sentence and of what stands above it.
fn held_by(evidence: &Evidence, sentence: &Sentence) -> HashSet<String> {
    let label = Evidence::label(evidence.passage(sentence));
    sentence.terms.iter().cloned().chain(terms(&label)).collect()
}

/// The share of the question's terms in one sentence that another holds too.
fn coverage(asked: &HashSet<String>, home: &Sentence, other: &Sentence) -> f32 {
    let held: Vec<&String> = asked.iter().filter(|term| home.terms.contains(*term)).collect();
    let shared = held.iter().filter(|term| other.terms.contains(**term)).count();
    if held.is_empty() { 0.0 } else { shared as f32 / held.len() as f32 }
}

#[cfg(test)]
mod tests {
    use wellspring_core::hit::Passage;

    use super::*;
    use crate::fakes::{evidence, passage};

    fn dated(key: &str, text: &str, date: Option<&str>) -> Passage {
        Passage { published_at: date.map(|date| date.parse().unwrap()), ..passage(key, None, text) }
    }

    fn found(passages: &[Passage], question: &str, answer: &str, home: &str) -> Option<Conflict> {
        let evidence = evidence(passages, question);
        let all: Vec<&Sentence> = evidence.all().collect();
        let sentence = all.iter().find(|sentence| evidence.passage(sentence).document.as_str() == home).unwrap();
        let cited = citation(&evidence, sentence, Span::default(), Support::Supported);
        conflict(question, &evidence, answer, &cited)
    }

    #[test]
    fn what_is_said_of_another_by_name_contradicts_nothing() {
        let passages = [
            dated("oak.md", "The Oak Garden opens at 9:00.", None),
            dated("elm.md", "The Elm Garden opens at 10:00.", None),
        ];
        assert!(found(&passages, "When does the Oak Garden open?", "9:00", "oak.md").is_none());
    }

    #[test]
    fn what_is_said_and_denied_contradicts() {
        let beach = [
            dated("a.md", "Dogs are allowed on the beach.", Some("2020-01-01T00:00:00Z")),
            dated("b.md", "Dogs are not allowed on the beach.", Some("2024-01-01T00:00:00Z")),
            dated("c.md", "Cats are not allowed on the beach.", None),
        ];
        let question = "Are dogs allowed on the beach?";
        for answer in ["Yes", "Dogs are allowed on the beach."] {
            let conflict = found(&beach, question, answer, "a.md").unwrap();
            assert!(!conflict.is_followed && conflict.is_decided, "{answer} {conflict:?}");
            assert_eq!(says(Some(conflict)), ["Dogs are not allowed on the beach", "Dogs are allowed on the beach"]);
        }
        assert!(found(&beach[1..], question, "No", "b.md").is_none());
        let forbidden = [beach[0].clone(), passage("d.md", None, "Dogs are forbidden on the beach.")];
        assert!(found(&forbidden, question, "Yes", "a.md").is_some());
        let glass = [
            passage("a.md", None, "馆内可以使用玻璃瓶。"),
            passage("b.md", None, "馆内禁止使用玻璃瓶。"),
            passage("c.md", None, "馆内不得使用塑料瓶。"),
        ];
        assert_eq!(says(found(&glass, "馆内可以使用玻璃瓶吗？", "可以", "a.md")).len(), 2);
    }

    fn says(conflict: Option<Conflict>) -> Vec<String> {
        conflict
            .map(|conflict| conflict.positions.into_iter().map(|position| position.says).collect())
            .unwrap_or_default()
    }

    #[test]
    fn the_same_words_around_another_number_or_name_contradict() {
        let steps = [
            passage("a.md", None, "The tower of the old mill has 96 steps."),
            passage("b.md", None, "The tower of the old mill has 69 steps."),
        ];
        assert_eq!(says(found(&steps, "How many steps has the tower?", "96", "a.md")), ["96", "69"]);
        let games = [
            passage("a.md", None, "第七届世界军人运动会将于2019年10月18日在武汉举行。"),
            passage("b.md", None, "第七届世界军人运动会将于2019年10月18日在成都举行。"),
        ];
        assert_eq!(says(found(&games, "军运会在哪里举行？", "武汉", "a.md")), ["武汉", "成都"]);
    }

    #[test]
    fn the_same_unit_of_the_same_thing_contradicts_and_another_thing_does_not() {
        let boats = [
            passage("a.md", None, "The ferry Otter carries 120 passengers."),
            passage("b.md", None, "On the ferry Otter 90 passengers are carried."),
            passage("c.md", None, "The replacement bus carried 7,940 passengers."),
        ];
        let question = "How many passengers does the ferry Otter carry?";
        assert_eq!(says(found(&boats, question, "120 passengers", "a.md")), ["120", "90"]);
        let other = [boats[0].clone(), boats[2].clone(), passage("d.md", None, "The ferry Otter is 34 metres long.")];
        assert!(found(&other, question, "120", "a.md").is_none());
    }

    #[test]
    fn another_year_is_another_fact_and_a_document_that_says_both_explains_itself() {
        let years = [
            passage("a.md", None, "In 2023 the ferry carried 900 passengers a day."),
            passage("b.md", None, "In 2024 the ferry carried 950 passengers a day."),
        ];
        assert!(found(&years, "How many passengers did the ferry carry a day in 2023?", "900", "a.md").is_none());
        let both = [
            passage(
                "a.md",
                None,
                "The day ticket of the ferry costs 6 crowns. Before, the day ticket of the ferry costs 5 crowns.",
            ),
            passage("b.md", None, "The day ticket of the ferry costs 6 crowns."),
        ];
        assert!(found(&both, "What does the day ticket of the ferry cost?", "6", "a.md").is_none());
    }

    #[test]
    fn an_initial_is_the_name_and_what_is_denied_is_not_said() {
        let text = |name: &str| format!("The harbour bridge was designed by {name} in 1901.");
        let initial = [passage("a.md", None, &text("Anna Roth")), passage("b.md", None, &text("A. Roth"))];
        let question = "Who designed the harbour bridge?";
        assert!(found(&initial, question, "Anna Roth", "a.md").is_none());
        let other = [initial[0].clone(), passage("b.md", None, &text("B. Roth"))];
        assert_eq!(says(found(&other, question, "Anna Roth", "a.md")), ["Anna Roth", "B. Roth"]);
        let harbour = [
            passage("a.md", None, "The main harbour of the island is Skerrow."),
            passage("b.md", None, "The main harbour of the island is Anlow."),
            passage("c.md", None, "The main harbour of the island is not Skerrow."),
        ];
        let conflict = found(&harbour, "What is the main harbour of the island?", "Skerrow", "a.md").unwrap();
        let ours = conflict.positions.iter().find(|position| position.says == "Skerrow").unwrap();
        assert_eq!(ours.documents, 1, "{conflict:?}");
    }

    #[test]
    fn what_is_said_of_the_opposite_contradicts_nothing() {
        let text = |price: u32, whom: &str| format!("Tickets for the old tower cost {price} euros for {whom}.");
        let fares = [passage("a.md", None, &text(5, "adults")), passage("b.md", None, &text(3, "children"))];
        assert!(found(&fares, "How much do tickets for the old tower cost?", "5 euros", "a.md").is_none());
    }

    #[test]
    fn the_newer_is_preferred_unless_the_question_asks_for_what_was() {
        let fares = [
            dated("old.md", "The day ticket of the ferry costs 5 crowns.", Some("2019-01-01T00:00:00Z")),
            dated("new.md", "The day ticket of the ferry costs 6 crowns.", Some("2026-01-01T00:00:00Z")),
        ];
        let now = found(&fares, "What does the day ticket of the ferry cost?", "5 crowns", "old.md").unwrap();
        assert!(!now.is_followed && now.positions[0].preferred && now.positions[0].published);
        assert_eq!((now.positions[0].says.as_str(), now.value), ("6", Some(0..1)));
        let once =
            found(&fares, "What did the day ticket of the ferry originally cost?", "5 crowns", "old.md").unwrap();
        assert!(once.is_followed && once.positions[0].says == "5");
    }

    #[test]
    fn an_extract_is_compared_by_what_sets_it_apart() {
        let capitals = [passage("a.md", None, "河内，越南的首都。"), passage("b.md", None, "胡志明市，越南的首都。")];
        let extract = found(&capitals, "越南的首都在哪？", "河内，越南的首都。", "a.md").unwrap();
        assert!(extract.is_followed && !extract.is_decided, "nothing prefers one of them");
        assert_eq!(says(Some(extract)), ["河内", "胡志明市"]);
        let dates = [
            passage("a.md", None, "汶川地震发生于2008年5月12日14时28分。"),
            passage("b.md", None, "汶川地震发生于2008年1月2日14时28分。"),
        ];
        let question = "汶川地震的时间是几月几日？";
        assert_eq!(says(found(&dates, question, "5月12日", "a.md")), ["2008年5月12日14时28分", "2008年1月2日14时28分"]);
        let growth = [
            passage("a.md", None, "2018年的经济增长比上年快，达到6.6%。"),
            passage("b.md", None, "2019年的经济增长比上年慢，达到6.1%。"),
        ];
        assert!(found(&growth, "2018年的经济增长是多少？", "2018年的经济增长比上年快，达到6.6%。", "a.md").is_none());
    }

    #[test]
    fn where_no_date_decides_more_documents_do() {
        let text = |n: u32| format!("The tower of the old mill has {n} steps.");
        let steps = [
            passage("a.md", None, &text(69)),
            passage("b.md", None, &text(96)),
            passage("c.md", None, &format!("Visitors know: {}", text(96))),
        ];
        let conflict = found(&steps, "How many steps has the tower of the mill?", "69", "a.md").unwrap();
        assert_eq!((conflict.positions[0].says.as_str(), conflict.positions[0].documents), ("96", 2));
    }
}
