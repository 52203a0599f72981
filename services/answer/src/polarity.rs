//! Does a sentence answer a question by yes or no?
//!
//! "Are dogs allowed on the beach?" is answered by a sentence that says the same, or denies it: every word of the question
//! stands in one of its clauses, in the same order, and nothing there takes a part of it back.
//!
//! | question | sentence | |
//! |---|---|---|
//! | Are dogs allowed on the beach? | Dogs are not allowed on the beach in summer. | no |
//! | Did Anna teach Per? | Per taught Anna. | says nothing: another order |
//! | Is the library open on Tuesday? | The library is open every day except Tuesday. | says nothing: an exception |
//!
//! Invariants:
//! - Pure. What is not said in so many words is not told: then yes and no stay partial support (`verify`).

use crate::contrast::excludes;
use crate::fact::clauses;
use crate::terms::{is_one_of, terms, words};
use crate::verify::{denies, is_no, is_yes};

/// What a question that is answered by yes or no begins with.
const OPENINGS: &str = "is are was were do does did can could may must has have had will would should";
/// What stands in a question or a sentence and says nothing of its own.
const FILLERS: &str = "a an the there any some ever it to be been being already still also both";
/// What takes a part of a sentence back, or says it of something else.
const LIMITS: &str = "\
    if unless except excepted only but although though however or may might could would should perhaps possibly sometimes \
    usually often mostly rarely hardly almost nearly until when while whether most many few half former formerly planned plan \
    plans will instead rather than nor neither other others another";
/// What denies, and is no word of the question.
const DENIALS: &str = "not no never none cannot t nobody nothing without";

/// Whether `sentence` says that `claim`, a yes or a no, is the answer to `question`; `None` where it does not tell.
pub(crate) fn told(question: &str, claim: &str, sentence: &str) -> Option<bool> {
    let yes = match (is_yes(claim), is_no(claim)) {
        (true, false) => true,
        (false, true) => false,
        _ => return None,
    };
    let asked = words(question);
    let opens = asked.first().is_some_and(|first| is_one_of(first, OPENINGS));
    let is_plain = !asked.iter().any(|word| is_one_of(word, LIMITS)) && !denies(question);
    if !opens || !is_plain || sentence.trim_end().ends_with('?') || excludes(question, sentence) {
        return None;
    }
    let telling = told_words(asked.into_iter().skip(1));
    if telling.len() < 2 {
        return None;
    }
    let clause = clauses(sentence).into_iter().map(|range| &sentence[range]).find(|clause| {
        let said = told_words(words(clause).into_iter());
        let mut rest = said.iter();
        telling.iter().all(|wanted| rest.any(|word| word == wanted))
    })?;
    // A limit anywhere in the sentence may be about this clause.
    let limited = words(sentence).iter().any(|word| is_one_of(word, LIMITS));
    (!limited).then(|| yes != denies(clause))
}

/// The words that tell something, as stems; prepositions and the like as they are.
fn told_words(words: impl Iterator<Item = String>) -> Vec<String> {
    let telling = words
        .filter(|word| !is_one_of(word, FILLERS) && !is_one_of(word, OPENINGS) && !is_one_of(word, DENIALS))
        .map(|word| terms(&word).into_iter().next().unwrap_or(word));
    telling.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_in_so_many_words_is_told() {
        for (question, sentence, is_so) in [
            ("Are dogs allowed on the beach?", "Dogs are allowed on the beach.", true),
            ("Are dogs allowed on the beach?", "Dogs are not allowed on the beach in summer.", false),
            ("Does the white loaf contain milk?", "The white loaf contains no milk and no eggs.", false),
            ("Does Ferrule support Azure Blob storage?", "Ferrule does not support Azure Blob storage yet.", false),
            ("Was the bridge designed by Anna Berg?", "The bridge was designed by Anna Berg in 1921.", true),
            ("Is the museum open on Mondays?", "The museum is open on Mondays from 9 to 17.", true),
        ] {
            assert_eq!(told(question, "Yes.", sentence), Some(is_so), "{question} {sentence}");
            assert_eq!(told(question, "No", sentence), Some(!is_so), "{question} {sentence}");
            assert_eq!(told(question, "Perhaps", sentence), None);
        }
    }

    #[test]
    fn what_is_not_said_in_so_many_words_is_left_open() {
        for (question, sentence) in [
            ("Did Anna teach Per?", "Per taught Anna."),
            ("Is the Heron larger than the Otter?", "The Heron is larger than the Otter."),
            ("Is the library open on Tuesday?", "The library is open every day except Tuesday."),
            ("Are guide dogs allowed?", "Dogs are not allowed, guide dogs excepted."),
            ("Is encryption off by default?", "Encryption is on by default."),
            ("Are dogs allowed on the beach?", "Dogs are allowed on the beach only in winter."),
            ("Are dogs allowed on the beach?", "Are dogs allowed on the beach?"),
            ("Is it allowed?", "It is allowed."),
            ("Are dogs allowed on the beach?", "Dogs are allowed in the hotel, cats on the beach."),
            ("Is the café open in winter?", "The café is open in summer."),
            ("Are dogs not allowed on the beach?", "Dogs are not allowed on the beach."),
            ("Which dogs are allowed?", "Small dogs are allowed."),
        ] {
            assert_eq!(told(question, "Yes", sentence), None, "{question} {sentence}");
        }
    }
}
