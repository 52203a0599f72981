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
//! - Pure and total; the result is no longer than question and turn together.

use wellspring_core::answer::Turn;
use wellspring_core::text::{is_cjk, script_language};

mod chinese;
mod english;

/// A question that was completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completed {
    /// What is asked, on its own.
    pub(crate) question: String,
    /// What it leant on, itself completed.
    pub(crate) before: String,
}

/// Completes `question` from the turns before it; `None` where it stands on its own.
pub(crate) fn complete(question: &str, history: &[Turn]) -> Option<Completed> {
    let (last, earlier) = history.split_last()?;
    let before = complete(&last.question, earlier).map_or_else(|| last.question.clone(), |before| before.question);
    let turn = Turn { question: before, answer: last.answer.clone() };
    let chinese =
        script_language(question) == Some("zh") || (question.contains(is_cjk) && turn.question.contains(is_cjk));
    let completed = if chinese { chinese::complete(question, &turn) } else { english::complete(question, &turn) };
    completed.filter(|completed| completed != question).map(|question| Completed { question, before: turn.question })
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
        assert_eq!(completed.question, "When does the first boat leave on Mondays?");
        assert_eq!(completed.before, "When does the first boat leave on Sundays?");
    }

    #[test]
    fn what_stands_on_its_own_stays() {
        let history = turns(&[("How much is a day ticket?", "6.00 crowns")]);
        assert_eq!(complete("How long is the Otter?", &history), None);
        assert_eq!(complete("and on Sundays?", &[]), None);
        assert_eq!(complete("公司是谁创办的？", &turns(&[("月票多少钱？", "48克朗")])), None);
    }

    proptest! {
        #[test]
        fn any_conversation_gives_a_bounded_question(
            question in "(and |what about |它|那)?[a-zA-Z 月票呢？?]{0,20}",
            before in "[a-zA-Z 月票多少钱是？?]{0,30}", answer in ".{0,20}",
        ) {
            let history = turns(&[(&before, &answer)]);
            if let Some(completed) = complete(&question, &history) {
                prop_assert!(completed.question.len() <= 2 * (question.len() + before.len() + answer.len()) + 8);
                prop_assert!(!completed.question.trim().is_empty());
            }
        }
    }
}
