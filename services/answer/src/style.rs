//! How long should the answer be?
//!
//! A model of half a billion parameters answers with a fact or a sentence, and wanders off in a longer text. So a full answer
//! is only chosen where the question asks for one and the model is known to be able; a caller may ask for it all the same.
//!
//! Invariants:
//! - What the caller wants wins, then the operator, then question and model.
//! - Each style has its bounds: tokens and sentences of the answer, tokens of evidence (I-7).

use wellspring_core::answer::AnswerStyle;
use wellspring_core::limits;

use crate::terms::{is_one_of, words};

/// What full answers are asked for with.
const EXPLAINING: &str =
    "why explain describe compare comparison difference differences summarise summarize summary steps list overview";
/// The same behind "how".
const HOW_TO: &str = "do does did can could should to is are";
/// The same in Chinese.
const CHINESE: &str = "为什么 為什麼 为何 為何 怎么 怎麼 怎样 怎樣 如何 步骤 步驟 比较 比較 区别 區別 差异 差異 介绍 介紹 说明 說明 哪些 总结 總結";

/// The style of an answer: what is `wanted`, else what `question` asks for and a model can do.
pub(crate) fn style(wanted: Option<AnswerStyle>, question: &str, model_is_small: bool) -> AnswerStyle {
    wanted.unwrap_or(if !model_is_small && asks_for_more(question) { AnswerStyle::Full } else { AnswerStyle::Short })
}

/// Whether a question cannot be answered by a name, a number or one sentence.
fn asks_for_more(question: &str) -> bool {
    let said = words(question);
    said.iter().any(|word| is_one_of(word, EXPLAINING))
        || said.windows(2).any(|pair| pair[0] == "how" && is_one_of(&pair[1], HOW_TO))
        || CHINESE.split_whitespace().any(|mark| question.contains(mark))
}

/// Tokens that a style may take.
pub(crate) fn answer_tokens(style: AnswerStyle) -> usize {
    match style {
        AnswerStyle::Short => limits::SHORT_ANSWER_TOKENS_MAX,
        AnswerStyle::Full => limits::ANSWER_TOKENS_MAX,
    }
}

/// Tokens of evidence for a style: several sentences need more to rest on.
pub(crate) fn evidence_tokens(style: AnswerStyle, short: usize) -> usize {
    match style {
        AnswerStyle::Short => short.min(limits::EVIDENCE_TOKENS_MAX),
        AnswerStyle::Full => (2 * short).min(limits::EVIDENCE_TOKENS_MAX),
    }
}

/// Sentences that a style may take; a short answer is one paragraph that its tokens bound.
pub(crate) fn sentences_max(style: AnswerStyle) -> usize {
    match style {
        AnswerStyle::Short => usize::MAX,
        AnswerStyle::Full => limits::ANSWER_SENTENCES_MAX,
    }
}

/// Where a style stops: what follows the blank line behind a short answer is the model talking to itself.
pub(crate) fn stop(style: AnswerStyle) -> Vec<String> {
    match style {
        AnswerStyle::Short => vec!["\n\n".to_owned()],
        AnswerStyle::Full => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_wins_then_question_and_model_decide() {
        use AnswerStyle::{Full, Short};
        for question in ["How do I board?", "Why does it stop?", "Compare both boats.", "怎么上船？", "為什麼停航？"]
        {
            assert_eq!(style(None, question, false), Full, "{question}");
            assert_eq!(style(None, question, true), Short, "{question}");
            assert_eq!(style(Some(Full), question, true), Full);
        }
        for question in ["How much is it?", "How long does it take?", "Who founded it?", "月票多少钱？"] {
            assert_eq!(style(None, question, false), Short, "{question}");
        }
    }
}
