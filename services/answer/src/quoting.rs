//! In which words may an answer be written that has to be a quote?
//!
//! A small model that was shown "1975" likes to write "1973". Asked once more under a grammar that takes nothing but a run
//! of words of one sentence of the evidence, it has to settle for what stands there. Of 40 traditional Chinese reading
//! questions over a whole collection a 0.5B model had answered 18 with what no sentence supports; almost all of these answers
//! were wrong.
//!
//! ```text
//! root ::= a0 | a1 | a2            a run begins at any word of a sentence that may be cited,
//! a0 ::= "independent" (" " a1)?  goes on with the next one, and ends behind any
//! ```
//!
//! Invariants:
//! - What the grammar takes stands in one sentence word for word, but for the white space between its words.
//! - The grammar is at most [`limits::GRAMMAR_BYTES_MAX`] long: sentences that do not fit are left out, the best first in.
//! - Pure.

use std::fmt::Write;
use std::ops::Range;

use wellspring_core::answer::Support;
use wellspring_core::limits;
use wellspring_core::text::is_cjk;

use crate::fact::{limit, measure};
use crate::kind::Kind;
use crate::terms::{contains_words, is_chinese_number, is_number, words};
use crate::verify::offers_choice;

/// A grammar, in llama.cpp's GBNF, of the runs of words of `sentences`, each with the names of its columns where it is a row,
/// best first; `None` where there is no word. Where a
/// number is asked for and stands there, a run begins with one.
///
/// No run begins with words of the question, unless that offers a choice, and none with a number that another part of its
/// sentence is asked for in place of (`fact`).
pub(crate) fn grammar<'a>(
    question: &str,
    sentences: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Option<String> {
    let asked = words(question);
    let echo = offers_choice(question);
    let asks_number = Kind::of(question) != Kind::Open;
    let measure = measure(question);
    let mut rules = String::new();
    // Where a run may begin: anywhere, with a number, with a number of what is asked for.
    let (mut starts, mut numbers, mut measured) = (Vec::new(), Vec::new(), Vec::new());
    let mut count = 0;
    for (sentence, header) in sentences {
        let units = units(sentence);
        let mut more = String::new();
        for (index, unit) in units.iter().enumerate() {
            let text = literal(&sentence[unit.clone()]);
            let number = count + index;
            // Writing to a string does not fail.
            let _ = match units.get(index + 1) {
                Some(next) => {
                    let gap = squeezed(&sentence[unit.end..next.start]);
                    let gap = if gap.is_empty() { String::new() } else { format!("{} ", literal(&gap)) };
                    writeln!(more, "a{number} ::= {text} ({gap}a{})?", number + 1)
                }
                None => writeln!(more, "a{number} ::= {text}"),
            };
        }
        // The root names each rule again.
        let root_bytes = 8 * (count + units.len());
        if rules.len() + more.len() + root_bytes > limits::GRAMMAR_BYTES_MAX {
            continue;
        }
        for (index, unit) in units.iter().enumerate() {
            let said = words(&sentence[unit.clone()]);
            let is_counter = said.first().is_some_and(|word| is_number(word) || is_chinese_number(word));
            let pair = unit.start..units.get(index + 1).map_or(unit.end, |next| next.end);
            // 20 in 8点20分 is a part of a time.
            if sentence[..unit.start].ends_with(['年', '月', '点', '點', '时', '時', '分', ':', '：']) {
                continue;
            }
            if !echo && contains_words(&asked, &words(&sentence[pair])) {
                continue;
            }
            if is_counter && limit(question, &sentence[unit.clone()], sentence, header) != Support::Unsupported {
                numbers.push(count + index);
                let next = units.get(index + 1).map(|next| &sentence[next.clone()]);
                if next.is_some_and(|next| measure.is_some_and(|measure| next.starts_with(measure))) {
                    measured.push(count + index);
                }
            }
            starts.push(count + index);
        }
        count += units.len();
        rules.push_str(&more);
    }
    let starts = match asks_number {
        true if !measured.is_empty() => measured,
        true if !numbers.is_empty() => numbers,
        _ => starts,
    };
    let root = starts.iter().map(|start| format!("a{start}")).collect::<Vec<_>>().join("|");
    (!starts.is_empty()).then(|| format!("root ::= {root}\n{rules}"))
}

/// The words of a sentence: runs of letters and digits with the marks inside them, and single characters of Chinese.
fn units(sentence: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut characters = sentence.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        if !first.is_alphanumeric() {
            continue;
        }
        let mut end = start + first.len_utf8();
        while !is_cjk(first)
            && let Some(&(at, c)) = characters.peek()
        {
            let behind = sentence[at + c.len_utf8()..].chars().next();
            let inner = matches!(c, '.' | ',' | ':' | '-' | '\'' | '’' | '/')
                && behind.is_some_and(|c| c.is_alphanumeric() && !is_cjk(c));
            if !inner && (!c.is_alphanumeric() || is_cjk(c)) {
                break;
            }
            end = at + c.len_utf8();
            characters.next();
        }
        found.push(start..end);
    }
    found
}

/// What stands between two words, each run of white space as one space.
fn squeezed(gap: &str) -> String {
    let mut squeezed = String::new();
    for c in gap.chars() {
        if !c.is_whitespace() {
            squeezed.push(c);
        } else if !squeezed.ends_with(' ') {
            squeezed.push(' ');
        }
    }
    squeezed
}

/// A text as a literal of the grammar.
fn literal(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal + "\""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(question: &str, sentence: &str) -> String {
        grammar(question, std::iter::once((sentence, None))).unwrap_or_default()
    }

    #[test]
    fn a_run_begins_at_any_word_and_ends_behind_any() {
        let grammar = of("Who was it?", "Ada (b. 1843),\n  of \"X-1\".");
        let expected = [
            "root ::= a0|a1|a2|a3|a4",
            r#"a0 ::= "Ada" (" (" a1)?"#,
            r#"a1 ::= "b" (". " a2)?"#,
            r#"a2 ::= "1843" ("), " a3)?"#,
            r#"a3 ::= "of" (" \"" a4)?"#,
            r#"a4 ::= "X-1""#,
        ];
        assert_eq!(grammar.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_number_that_is_asked_for_begins_the_run() {
        let grammar = of("蘇利南在何時之後脫離荷蘭統治？", "蘇利南於1975年獨立。");
        assert!(grammar.starts_with("root ::= a4\n"), "{grammar}");
        assert!(grammar.contains("a4 ::= \"1975\" (a5)?\na5 ::= \"年\" (a6)?"), "{grammar}");
        assert!(of("誰？", "蘇利南於1975年獨立。").starts_with("root ::= a0|a1|"));
    }

    #[test]
    fn a_run_repeats_neither_the_question_nor_what_it_does_not_ask_for() {
        let grammar = of("珍珠港事件的策畫人是誰？", "珍珠港由山本策畫。");
        assert!(grammar.starts_with("root ::= a2|a3|a4|a5\n"), "{grammar}");
        let grammar = of("幾名學員？", "1972年有39名學員，220人旁聽。");
        assert!(grammar.starts_with("root ::= a3\n"), "{grammar}");
        let grammar = of("周日的头班船几点？", "周日为8点20分。");
        assert!(grammar.starts_with("root ::= a3\n"), "{grammar}");
        let grammar = of("How many cars?", "120 passengers and 8 cars");
        assert!(grammar.starts_with("root ::= a3\n"), "{grammar}");
    }

    #[test]
    fn without_a_word_there_is_no_grammar_and_it_stays_in_bounds() {
        assert_eq!(grammar("Who?", [("…", None), ("—", None)].into_iter()), None);
        let long = "word ".repeat(5000);
        assert_eq!(grammar("Who?", std::iter::once((long.as_str(), None))), None);
        let both = grammar("Who?", [(long.as_str(), None), ("Ada.", None)].into_iter()).unwrap();
        assert_eq!(both, "root ::= a0\na0 ::= \"Ada\"\n");
    }

    proptest! {
        #[test]
        fn any_sentence_makes_a_grammar_of_its_own_characters(sentence in "(.|\n){0,200}") {
            if let Some(grammar) = grammar("Who?", std::iter::once((sentence.as_str(), None))) {
                prop_assert!(grammar.len() <= limits::GRAMMAR_BYTES_MAX);
                prop_assert!(grammar.lines().all(|line| line.starts_with("root ::= ") || line.starts_with('a')));
            }
        }
    }
}
