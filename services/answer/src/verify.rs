//! Does the quote say what the sentence says?
//!
//! | sentence | quote | result |
//! |---|---|---|
//! | nothing but words of the question, where it offers no choice | | unsupported |
//! | a number or a name that the quote, its title and the question lack | | unsupported |
//! | a number of things of which the quote tells another number | | unsupported |
//! | a number in one currency or unit, or as a bound | the same number in another, or as the opposite one (`counts`) | unsupported |
//! | denied | not denied, or in part only: "no more than", "without" | unsupported |
//! | of what is excepted | the same of all others | unsupported |
//! | for sure; nearly; the opposite word | perhaps, or as a question; without "nearly"; the word | partial at most |
//! | without "unless"; times of the day in another order | with it; in the first order | partial at most |
//! | one thing of another | the other of the one (`order`) | unsupported |
//! | of one name | of another (`order`) | partial at most |
//! | of one thing what is said of two (`mixing`) | | partial at most |
//! | word for word in the quote | | supported |
//! | 70 % of the new terms are in the quote | | supported |
//! | 50 % | | partial |
//! | less | | unsupported |
//! | a bare yes or no that is not told in so many words (`polarity`); a number or a name taken from the question only; not denied | denied | partial at most |
//! | nothing new that the quote itself holds: its title alone does | | partial at most |
//!
//! "New" terms are those the question did not already hold: an answer that repeats the question and invents one word
//! must not live from the repetition. The shares were chosen by reading, not fitted.
//!
//! Invariants:
//! - Pure, and fails closed: what cannot be checked is at most partial.

use std::collections::HashSet;

use wellspring_core::answer::Support;
use wellspring_core::text::is_cjk;

use crate::contrast::is_opposite;
use crate::counts::{bounds_limit, counts_other, measures_other, tells_times_in_order};
use crate::mixing::mixes;
use crate::numerals;
use crate::order::Words;
use crate::roles::is_of_the_excepted;
use crate::terms::{contains_words, terms, words};

/// The share of new terms that supports a sentence.
const SUPPORTED_SHARE: f32 = 0.7;
/// The share that supports a part of it.
const PARTIAL_SHARE: f32 = 0.5;

/// A sentence of an answer, taken apart once and checked against many quotes.
#[derive(Debug)]
pub(crate) struct Claim {
    text: String,
    words: Vec<String>,
    /// Those that are meant as such for sure, in digits.
    numbers: Vec<String>,
    names: Vec<String>,
    terms: HashSet<String>,
    /// Terms that the question did not hold; all of them where it held all.
    new_terms: HashSet<String>,
    asked: HashSet<String>,
    /// What it says of what, the question it answers in mind.
    told: Vec<Words>,
    denied: bool,
    bare: bool,
    /// Whether it only says again what the question says.
    echo: bool,
}

impl Claim {
    /// Takes a sentence apart in the light of the question.
    pub(crate) fn of(sentence: &str, question: &str) -> Self {
        let words_said = words(sentence);
        let terms_said: HashSet<String> = terms(sentence).into_iter().collect();
        let asked: HashSet<String> = terms(question).into_iter().chain(numbers(&words(question))).collect();
        let mut new_terms: HashSet<String> = terms_said.difference(&asked).cloned().collect();
        if new_terms.is_empty() {
            new_terms = terms_said.clone();
        }
        Self {
            text: sentence.to_owned(),
            numbers: numerals::numbers(&words_said)
                .into_iter()
                .filter(|number| number.is_sure)
                .map(|number| number.value)
                .collect(),
            names: names(sentence),
            bare: is_bare_verdict(&words_said),
            told: Words::told_by(sentence, question),
            denied: denies(sentence),
            echo: contains_words(&words(question), &words_said) && !offers_choice(question),
            words: words_said,
            terms: terms_said,
            new_terms,
            asked,
        }
    }

    /// The distinct terms.
    pub(crate) fn terms(&self) -> &HashSet<String> {
        &self.terms
    }

    /// How many words it has.
    pub(crate) fn words(&self) -> usize {
        self.words.len()
    }

    /// Whether the quote holds the sentence word for word.
    pub(crate) fn is_within(&self, quote: &str) -> bool {
        contains_words(&words(quote), &self.words)
    }

    /// How well `quote`, standing under `title`, supports the sentence.
    pub(crate) fn check(&self, quote: &str, title: &str) -> Support {
        let support = self.check_words(quote, title);
        if support == Support::Unsupported {
            return support;
        }
        let told = Words::of(quote);
        if self.told.iter().any(|said| said.are_turned_round_in(&told)) {
            Support::Unsupported
        } else if self.told.iter().any(|said| said.are_said_of_another_in(&told)) || mixes(&self.text, quote) {
            Support::Partial
        } else {
            support
        }
    }

    /// The same, whatever is said of what.
    fn check_words(&self, quote: &str, title: &str) -> Support {
        let says_nothing = self.terms.is_empty() && !self.bare;
        if self.words.is_empty() || says_nothing || self.echo {
            return Support::Unsupported;
        }
        if self.bare {
            return Support::Partial;
        }
        let quoted = words(quote);
        if quoted == self.words {
            return Support::Supported;
        }
        let quoted_terms: HashSet<String> = terms(quote).into_iter().collect();
        let title_terms: HashSet<String> = terms(title).into_iter().collect();
        // "Safety rules > Fire" is copied from above a passage and says nothing.
        if self.text.contains(" > ") && self.terms.is_subset(&title_terms) {
            return Support::Unsupported;
        }
        let mut best = Support::Supported;

        let told = numbers(&quoted);
        for number in self.numbers.iter().filter(|number| !told.contains(number)) {
            if !self.asked.contains(number) {
                return Support::Unsupported;
            }
            best = Support::Partial;
        }
        let known = |name: &String| quoted_terms.contains(name) || title_terms.contains(name);
        for name in self.names.iter().filter(|name| !known(name)) {
            if !self.asked.contains(name) {
                return Support::Unsupported;
            }
            best = Support::Partial;
        }
        if counts_other(&self.words, &quoted) || measures_other(&self.text, quote) {
            return Support::Unsupported;
        }
        match bounds_limit(&self.words, &quoted) {
            Support::Unsupported => return Support::Unsupported,
            limit => best = lesser(best, limit),
        }
        let is_less_sure = excepts(&quoted) && !excepts(&self.words)
            || !tells_times_in_order(&self.words, &quoted)
            || doubts(quote) && !doubts(&self.text)
            || weakens(&self.words) && !weakens(&quoted)
            || quote.trim_end().ends_with(['?', '？'])
            || is_opposite(&self.text, quote);
        if is_less_sure {
            best = Support::Partial;
        }
        if is_of_the_excepted(&self.text, quote)
            || (denies_plainly(&self.text) && !denies_plainly(quote) && !forbids(quote))
        {
            return Support::Unsupported;
        }
        match (self.denied, denies(quote) || forbids(quote)) {
            (true, false) => return Support::Unsupported,
            (false, true) if !forbids(&self.text) => best = Support::Partial,
            _ => {}
        }
        if contains_words(&quoted, &self.words) {
            return best;
        }
        let quoted = |term: &String| {
            quoted_terms.contains(term) || numbers(&words(term)).iter().any(|number| told.contains(number))
        };
        // A title names what the page is about, which need not be what is said: it completes a sentence and makes none.
        if !self.new_terms.iter().any(quoted) {
            best = Support::Partial;
        }
        if self.new_terms.is_empty() {
            return Support::Partial;
        }
        let held = self.new_terms.iter().filter(|term| quoted(term) || title_terms.contains(*term));
        match held.count() as f32 / self.new_terms.len() as f32 {
            share if share >= SUPPORTED_SHARE => best,
            share if share >= PARTIAL_SHARE => Support::Partial,
            _ => Support::Unsupported,
        }
    }
}

/// The weaker of two supports.
pub(crate) fn lesser(one: Support, other: Support) -> Support {
    use Support::{Partial, Supported, Unsupported};
    match (one, other) {
        (Unsupported, _) | (_, Unsupported) => Unsupported,
        (Partial, _) | (_, Partial) => Partial,
        (Supported, Supported) => Supported,
    }
}

fn numbers(words: &[String]) -> Vec<String> {
    numerals::numbers(words).into_iter().map(|number| number.value).collect()
}

/// Whether what is said holds only but for what it names.
fn excepts(words: &[String]) -> bool {
    words.iter().any(|word| word == "unless")
}

/// Whether a text denies what it says, and not only a part of it: "no more than two hours" and "without flash" deny no parking and
/// no photography.
fn denies_plainly(text: &str) -> bool {
    const PARTS: &[&str] = &[
        "no more than",
        "not more than",
        "no less than",
        "not less than",
        "no fewer than",
        "not only",
        "without",
        "ohne",
        "senza",
    ];
    let lower = text.to_lowercase();
    denies(&PARTS.iter().fold(lower, |text, part| text.replace(part, " ")))
}

/// Whether a text tells what may be and need not.
fn doubts(text: &str) -> bool {
    const ENGLISH: &[&str] = &["could", "might", "perhaps", "possibly", "probably", "allegedly"];
    const CHINESE: &[&str] = &["可能", "也许", "或许", "据说", "据称"];
    let said = words(text);
    let folded = said.concat();
    said.iter().any(|word| ENGLISH.contains(&word.as_str())) || CHINESE.iter().any(|mark| folded.contains(mark))
}

/// Whether words take back what they say.
fn weakens(words: &[String]) -> bool {
    const ENGLISH: &[&str] = &["nearly", "almost", "hardly", "barely"];
    let folded = words.concat();
    words.iter().any(|word| ENGLISH.contains(&word.as_str()))
        || ["几乎", "差点"].iter().any(|mark| folded.contains(mark))
}

/// Whether a text says that something must not be: it denies, in another word.
fn forbids(text: &str) -> bool {
    const WORDS: &[&str] =
        &["forbidden", "prohibited", "banned", "forbids", "prohibits", "verboten", "untersagt", "interdit"];
    let said = words(text);
    said.iter().any(|word| WORDS.contains(&word.as_str())) || said.concat().contains("禁止")
}

/// Words in capitals that are names rather than the beginning of a sentence, as terms.
pub(crate) fn names(sentence: &str) -> Vec<String> {
    let mut names = Vec::new();
    let runs = sentence.split(|c: char| !c.is_alphanumeric() || is_cjk(c)).filter(|run| !run.is_empty());
    let runs: Vec<&str> = runs.collect();
    // A sentence begins with a capital anyway; a fragment of a few words is the name itself.
    let fragment = runs.len() <= 3;
    for (index, run) in runs.into_iter().enumerate() {
        let mut characters = run.chars();
        let capital = characters.next().is_some_and(char::is_uppercase);
        let inner_capital = characters.any(char::is_uppercase);
        if inner_capital || (capital && (index > 0 || fragment)) {
            names.extend(terms(run));
        }
    }
    names
}

/// Whether a text denies something.
pub(crate) fn denies(text: &str) -> bool {
    const ENGLISH: &[&str] =
        &["not", "no", "never", "none", "neither", "nor", "without", "cannot", "nobody", "nothing"];
    const OTHERS: &[&str] = &[
        "nicht", "kein", "keine", "keinen", "keinem", "keiner", "nie", "niemals", "ohne", "pas", "jamais", "aucun",
        "aucune", "nunca", "jamás", "ningún", "ninguna", "senza", "nessun", "nessuna",
    ];
    const CHINESE: &[char] = &['不', '没', '沒', '未', '无', '無'];
    // Words that hold one of these characters and deny nothing.
    const INNOCENT: &[&str] = &[
        "不仅", "不僅", "不但", "不同", "不过", "不過", "不少", "不断", "不斷", "不久", "不只", "未来", "未來", "无线",
        "無線", "无论", "無論", "不论", "不論",
    ];
    let said = words(text);
    let english = said.iter().any(|word| ENGLISH.contains(&word.as_str()) || OTHERS.contains(&word.as_str()));
    let contracted = said.windows(2).any(|pair| pair[0].ends_with('n') && pair[1] == "t");
    let mut chinese = text.to_owned();
    if chinese.contains(CHINESE) {
        for word in INNOCENT {
            chinese = chinese.replace(word, "");
        }
    }
    english || contracted || chinese.contains(CHINESE)
}

/// Whether a question names what may be answered.
pub(crate) fn offers_choice(question: &str) -> bool {
    const ENGLISH: &[&str] = &["or", "which", "whether"];
    const CHINESE: &[&str] = &["还是", "還是", "或", "、", "和", "与", "與", "跟"];
    let verdict =
        ["is", "are", "was", "were", "do", "does", "did", "can", "could", "may", "must", "has", "have", "will"];
    let said = words(question);
    said.first().is_some_and(|first| verdict.contains(&first.as_str()))
        || said.iter().any(|word| ENGLISH.contains(&word.as_str()))
        || CHINESE.iter().any(|mark| question.contains(mark))
}

/// Whether an answer is a yes or a no and nothing else: no quote holds that word, and none refutes it either.
fn is_bare_verdict(words: &[String]) -> bool {
    let said = words.concat();
    YES.contains(&said.as_str()) || NO.contains(&said.as_str())
}

const YES: &[&str] = &["yes", "true", "是", "是的", "对", "對", "有", "可以", "能"];
const NO: &[&str] =
    &["no", "false", "不是", "否", "不对", "不對", "没有", "沒有", "不可以", "不能", "nein", "non", "不"];

/// Whether a text is a yes and nothing else.
pub(crate) fn is_yes(text: &str) -> bool {
    YES.contains(&words(text).concat().as_str())
}

/// Whether a text is a no and nothing else.
pub(crate) fn is_no(text: &str) -> bool {
    NO.contains(&words(text).concat().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, sentence: &str, quote: &str) -> Support {
        Claim::of(sentence, question).check(quote, "")
    }

    #[test]
    fn a_number_is_the_same_in_words_and_in_digits() {
        let rest = "The crew rests for at least eleven hours between two shifts.";
        assert_eq!(check("How long does the crew rest between two shifts?", "11 hours", rest), Support::Supported);
        assert_eq!(check("How long does the crew rest between two shifts?", "12 hours", rest), Support::Unsupported);
        assert_eq!(check("该塔有几层？", "该塔有12层。", "该塔共十二层。"), Support::Supported);
        assert_eq!(check("桥长多少？", "长二百米。", "该桥长二十米。"), Support::Unsupported);
    }

    #[test]
    fn a_part_that_is_denied_and_an_exception_are_not_the_whole() {
        let photos = "Photography without flash is allowed.";
        assert_eq!(check("Is photography allowed?", "Photography is not allowed.", photos), Support::Unsupported);
        assert_eq!(
            check("Is photography allowed?", "Photography without flash is allowed.", photos),
            Support::Supported
        );
        let yard = "Visitors may park in the yard for no more than two hours.";
        assert_eq!(
            check("How long may visitors park?", "Visitors may not park in the yard.", yard),
            Support::Unsupported
        );
        let dogs = "Dogs are not allowed, except for guide dogs.";
        assert_eq!(check("Are dogs allowed?", "Guide dogs are not allowed.", dogs), Support::Unsupported);
        assert_eq!(
            check("Are dogs allowed?", "Dogs are not allowed, except for guide dogs.", dogs),
            Support::Supported
        );
    }

    #[test]
    fn headings_are_no_sentence() {
        let claim = Claim::of("Safety rules on board > Fire.", "What is to be done in a fire?");
        assert_eq!(claim.check("Leave by the stern.", "Safety rules on board > Fire"), Support::Unsupported);
    }

    #[test]
    fn what_is_counted_and_who_does_it_are_held_against_the_quote() {
        let check = |sentence: &str, quote: &str| Claim::of(sentence, "For how much was Bolt bought?").check(quote, "");
        let quote = "Acme bought Bolt in 2015 for 3 million euros.";
        assert_eq!(check("Acme bought Bolt for 3 million euros.", quote), Support::Supported);
        assert_eq!(check("Acme bought Bolt for 3 million dollars.", quote), Support::Unsupported);
        assert_eq!(check("Bolt bought Acme for 3 million euros.", quote), Support::Unsupported);
        let other = "Hale was wounded in 1943 and Cray was captured in 1944.";
        assert_eq!(check("Hale was captured in 1944.", other), Support::Partial);
    }

    #[test]
    fn an_exception_and_the_order_of_times_are_kept() {
        let check = |sentence: &str, question: &str, quote: &str| Claim::of(sentence, question).check(quote, "");
        let safe = "Paracetamol is safe in pregnancy unless the liver is damaged.";
        let question = "Is paracetamol safe in pregnancy?";
        assert_eq!(check("Paracetamol is safe if the liver is damaged.", question, safe), Support::Partial);
        let open = "The store is open from Monday to Friday from 8:00 to 18:00.";
        assert_eq!(check("It is open from 18:00 to 8:00.", "When is the store open?", open), Support::Unsupported);
        assert_eq!(check("It is open from 8:00 to 18:00.", "When is the store open?", open), Support::Supported);
    }

    #[test]
    fn a_fragment_in_the_quote_is_supported() {
        assert_eq!(check("When was it built?", "1874", "It was built in 1874 by Ada."), Support::Supported);
        assert_eq!(check("长江有多长？", "6300公里", "长江全长 6300 公里。"), Support::Supported);
        assert_eq!(check("How long?", "2850 KM", "It is 2,850 km long."), Support::Supported);
    }

    #[test]
    fn a_number_or_a_name_the_quote_lacks_is_unsupported() {
        assert_eq!(check("When?", "It was built in 1875.", "It was built in 1874."), Support::Unsupported);
        assert_eq!(check("When?", "187", "It was built in 1874."), Support::Unsupported);
        let quote = "Paris is the capital of France.";
        assert_eq!(check("capital of France?", "The capital of France is Berlin.", quote), Support::Unsupported);
        assert_eq!(check("capital of France?", "The capital of France is Paris.", quote), Support::Supported);
    }

    #[test]
    fn a_name_may_stand_in_the_title_and_one_from_the_question_is_partial() {
        let claim = Claim::of("The Danube is 2,850 km long.", "How long is the river?");
        assert_eq!(claim.check("It is 2,850 km long.", "Danube"), Support::Supported);
        assert_eq!(claim.check("It is 2,850 km long.", ""), Support::Unsupported);
        let claim = Claim::of("The Danube is 2,850 km long.", "How long is the Danube?");
        assert_eq!(claim.check("It is 2,850 km long.", ""), Support::Partial);
    }

    #[test]
    fn a_number_belongs_to_what_it_counts() {
        let otter = "She carries 120 passengers and eight cars.";
        assert_eq!(check("What does she carry?", "120 cars", otter), Support::Unsupported);
        assert_eq!(check("What does she carry?", "eight cars and 120 passengers", otter), Support::Supported);
        let groups = "Groups of ten or more pay twenty per cent less.";
        assert_eq!(check("Which discount?", "ten per cent less", groups), Support::Unsupported);
        assert_eq!(check("Which discount?", "twenty per cent less", groups), Support::Supported);
        assert_eq!(check("多少辆汽车？", "120辆", "可载120名乘客和八辆汽车。"), Support::Unsupported);
    }

    #[test]
    fn denial_must_agree() {
        let open = "The gate is open on Sundays.";
        assert_eq!(check("Is it open?", "The gate is not open on Sundays.", open), Support::Unsupported);
        assert_eq!(check("Is it open?", "The gate isn't open on Sundays.", open), Support::Unsupported);
        let closed = "The gate is not open on Sundays.";
        assert_eq!(check("Is it open?", "The gate is open on Sundays.", closed), Support::Partial);
        assert_eq!(check("开放吗？", "周日不开放", "周日开放参观。"), Support::Unsupported);
        assert_eq!(check("怎样？", "两者不同", "两者不同，各有长处。"), Support::Supported);
    }

    #[test]
    fn an_invented_word_cannot_live_from_repeating_the_question() {
        let quote = "The engine uses diesel.";
        assert_eq!(check("What does the engine use?", "The engine uses petrol.", quote), Support::Unsupported);
        assert_eq!(check("What does the engine use?", "The engine uses diesel.", quote), Support::Supported);
    }

    #[test]
    fn an_answer_that_only_repeats_the_question_is_none() {
        let quote = "現代的印度教與婆羅門教都以吠陀為經典。";
        let question = "一種是現代的印度教，另一種宗教是？";
        assert_eq!(check(question, "印度教", quote), Support::Unsupported);
        assert_eq!(check(question, "婆羅門教", quote), Support::Supported);
        let both = "The Heron is larger than the Otter.";
        assert_eq!(check("Is the Heron or the Otter larger?", "The Heron", both), Support::Supported);
        assert_eq!(check("What does the Heron carry?", "The Heron", both), Support::Unsupported);
    }

    #[test]
    fn a_name_that_only_the_title_has_is_partial_support() {
        let claim = Claim::of("Margit Halloran", "Who designed the Heron?");
        let quote = "The Heron was designed in a week.";
        assert_eq!(claim.check(quote, "Margit Halloran's boats"), Support::Partial);
        assert_eq!(claim.check("Margit Halloran designed it.", ""), Support::Supported);
    }

    #[test]
    fn what_cannot_be_checked_is_never_supported() {
        assert_eq!(check("Is it?", "Yes.", "It is."), Support::Partial);
        assert_eq!(check("Is it?", "…", "It is."), Support::Unsupported);
        assert_eq!(check("南燕的建立者是誰？", "於", "建於回鶻。"), Support::Unsupported);
    }
}
