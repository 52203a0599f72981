//! What is meant by a question that leans on what was said before?
//!
//! | question | after | becomes |
//! |---|---|---|
//! | and on Sundays? | When does the first boat leave on Saturday? | When does the first boat leave on Sundays? |
//! | What about a dog? | How much does a day ticket cost? | How much does a dog cost? |
//! | How long is she? | When was the Heron built? | How long is the Heron? |
//! | 那狗呢？ | 月票多少钱？ | 狗多少钱？ |
//! | 它有多长？ | 苍鹭号是哪年建造的？ | 苍鹭号有多长？ |
//!
//! By rules alone: they cost nothing, and what they made of a question is said in the answer, so that a reader sees a
//! mistake.
//!
//! Invariants:
//! - A question that leans on nothing is left as it is.
//! - What is put in comes from the conversation, word for word.
//! - Where question and turn are in different languages or scripts, or too much would be put in, nothing is: the telling
//!   words of the turn are looked for beside the question, which stays as it is.
//! - Pure and total; a question grows by no more than [`limits::REWRITTEN_QUESTION_BYTES_MAX`].

use wellspring_core::answer::Turn;
use wellspring_core::limits;
use wellspring_core::text::{is_cjk, script_language};

use crate::terms::{is_stop_character, terms, words_at};

mod chinese;
mod english;

/// A question that leans on the turn before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completed {
    /// What is asked, on its own; `None` where nothing can be put in and it stays as it is.
    pub(crate) question: Option<String>,
    /// What it leant on, itself completed.
    pub(crate) before: String,
}

impl Completed {
    /// What is looked for: the question on its own, or as it is beside the telling words of the turn before.
    pub(crate) fn query(&self, question: &str) -> String {
        match &self.question {
            Some(question) => question.clone(),
            None => format!("{question} {}", telling(&self.before)),
        }
    }
}

/// Completes `question` from the turns before it; `None` where it stands on its own.
pub(crate) fn complete(question: &str, history: &[Turn]) -> Option<Completed> {
    let (last, earlier) = history.split_last()?;
    let before = complete(&last.question, earlier).and_then(|before| before.question);
    // Of two questions without an answer between them, the last one.
    let asked = last.question.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(&last.question).to_owned();
    let turn = Turn { question: before.unwrap_or(asked), answer: last.answer.clone() };
    let language = script_language(question);
    if language != script_language(&turn.question) {
        // Words of one language in a sentence of the other are a question nobody asked.
        let (chinese, any) = (language == Some("zh"), if language == Some("zh") { ANY_CHINESE } else { ANY_ENGLISH });
        let any = Turn { question: any.to_owned(), answer: String::new() };
        let leans = if chinese { chinese::complete(question, &any) } else { english::complete(question, &any) };
        return leans.map(|_| Completed { question: None, before: turn.question });
    }
    let chinese = language == Some("zh") || (question.contains(is_cjk) && turn.question.contains(is_cjk));
    let completed = if chinese { chinese::complete(question, &turn) } else { english::complete(question, &turn) };
    let completed = completed.filter(|completed| completed != question)?;
    let fits = completed.len() <= question.len() + limits::REWRITTEN_QUESTION_BYTES_MAX;
    Some(Completed { question: fits.then_some(completed), before: turn.question })
}

/// Questions that whatever leans on a question leans on.
const ANY_ENGLISH: &str = "When was the Heron built?";
const ANY_CHINESE: &str = "苍鹭号是哪年建造的？";

/// The words of a turn that tell what it was about, in their order; in Chinese its characters, without those of any question.
fn telling(turn: &str) -> String {
    const CHINESE_CHARACTERS: usize = 3;
    let mut known: Vec<String> = Vec::new();
    let mut found: Vec<String> = Vec::new();
    let mut room = limits::CARRIED_WORDS_MAX * CHINESE_CHARACTERS;
    for (word, range) in words_at(turn) {
        let stem = terms(&word);
        let cost = if word.contains(is_cjk) { 1 } else { CHINESE_CHARACTERS };
        let stops = word.chars().all(|c| is_cjk(c) && is_stop_character(c));
        if stem.is_empty() || stops || known.contains(&word) {
            continue;
        }
        if cost > room {
            break;
        }
        room -= cost;
        known.push(word);
        found.push(turn[range].chars().take(limits::SHORT_NAME_BYTES_MAX).collect());
    }
    found.join(" ")
}

/// An answer that names something and says no more: what a pronoun may point to.
fn named_by(answer: &str) -> Option<&str> {
    const WORDS_MAX: usize = 5;
    const CHARACTERS_MAX: usize = 12;
    let name = answer.trim().trim_end_matches(['.', '。']);
    let short = name.split_whitespace().count() <= WORDS_MAX
        && (!name.contains(is_cjk) || name.chars().count() <= CHARACTERS_MAX);
    let plain = !name.contains(['.', '。', '，', '\n', '…']) && name.starts_with(char::is_alphabetic);
    (short && plain).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turns(questions: &[(&str, &str)]) -> Vec<Turn> {
        let turn = |&(question, answer): &(&str, &str)| Turn { question: question.into(), answer: answer.into() };
        questions.iter().map(turn).collect()
    }

    #[test]
    fn turns_lean_on_each_other_one_after_the_other() {
        let history = turns(&[("When does the first boat leave on Saturday?", "07:20"), ("and on Sundays?", "08:20")]);
        let completed = complete("And on Mondays?", &history).unwrap();
        assert_eq!(completed.question.as_deref(), Some("When does the first boat leave on Mondays?"));
        assert_eq!(completed.before, "When does the first boat leave on Sundays?");
    }

    #[test]
    fn of_two_questions_without_an_answer_the_last_one_is_leant_on() {
        let history = turns(&[("How long is it?\nHow much does a bicycle cost?", "")]);
        assert_eq!(complete("and a dog?", &history).unwrap().question.as_deref(), Some("How much does a dog cost?"));
    }

    #[test]
    fn what_stands_on_its_own_stays() {
        let history = turns(&[("How much is a day ticket?", "6.00 crowns")]);
        assert_eq!(complete("How long is the Otter?", &history), None);
        assert_eq!(complete("and on Sundays?", &[]), None);
        assert_eq!(complete("公司是谁创办的？", &turns(&[("月票多少钱？", "48克朗")])), None);
    }

    #[test]
    fn a_turn_in_another_language_is_looked_for_and_never_put_in() {
        for (before, question, words) in [
            ("How much does a bicycle cost?", "那狗呢？", "那狗呢？ bicycle cost"),
            ("自行车多少钱？", "What about a dog?", "What about a dog? 自 行 车 钱"),
            ("自行车多少钱？", "How long is she?", "How long is she? 自 行 车 钱"),
        ] {
            let completed = complete(question, &turns(&[(before, "")])).expect(question);
            assert_eq!((completed.question.as_deref(), completed.before.as_str()), (None, before));
            assert_eq!(completed.query(question), words);
        }
        assert_eq!(complete("公司是谁创办的？", &turns(&[("Who is the director?", "")])), None);
        assert_eq!(complete("How long is the Otter?", &turns(&[("月票多少钱？", "")])), None);
    }

    #[test]
    fn a_long_turn_is_not_copied() {
        let long = format!("When does the boat leave {}?", "after the very long story ".repeat(300));
        let completed = complete("and on Sundays?", &turns(&[(&long, "")])).unwrap();
        assert_eq!(completed.question, None);
        assert!(completed.query("and on Sundays?").len() < 200, "{}", completed.query("and on Sundays?"));
        let long = format!("{}月票多少钱？", "很长的故事".repeat(500));
        let completed = complete("那狗呢？", &turns(&[(&long, "")])).unwrap();
        assert!(completed.query("那狗呢？").len() < 300);
    }

    proptest! {
        #[test]
        fn any_conversation_gives_a_bounded_question(
            question in "(and |what about |它|那)?[a-zA-Z 月票呢？?]{0,20}",
            before in "[a-zA-Z 月票多少钱是？?]{0,30}|[a-z月]{0,600}", answer in ".{0,20}",
        ) {
            let history = turns(&[(&before, &answer)]);
            if let Some(completed) = complete(&question, &history) {
                let query = completed.query(&question);
                prop_assert!(query.len() <= question.len() + limits::CARRIED_WORDS_MAX * 4 * limits::SHORT_NAME_BYTES_MAX);
                let asked = completed.question.unwrap_or_else(|| question.clone());
                prop_assert!(asked.len() <= question.len() + limits::REWRITTEN_QUESTION_BYTES_MAX);
            }
        }
    }
}
