//! Do style, checking, disagreement and conversations find their whole way?

use std::collections::BTreeMap;

use wellspring_core::answer::{AnswerStyle, Turn, Verify};
use wellspring_core::document::CollectionName;
use wellspring_core::generator::TextForm;

use super::*;

#[tokio::test]
async fn every_sentence_says_what_was_found_of_it() {
    let script: fn() -> Script = || vec![text("It is 2,850 km long. It has 40 bridges."), done()];
    let ask_with = |verify| Question { verify: Some(verify), ..ask(QUESTION, AnswerMode::Auto) };
    let marked = setting(rivers(), ScriptedGenerator::ready(script()));
    let answer = told(events(&marked, ask_with(Verify::Mark)).await).2.unwrap();
    let found: Vec<Support> = answer.sentences.iter().map(|sentence| sentence.support).collect();
    // The quote goes on to deny something else, which cannot be told apart.
    assert_eq!(found, [Support::Partial, Support::Unsupported]);
    assert_eq!(answer.sentences[1].answer_span.slice(&answer.answer), Some("It has 40 bridges."));

    let strict = setting(rivers(), ScriptedGenerator::ready(script()));
    let (streamed, citations, end) = told(events(&strict, ask_with(Verify::Strict)).await);
    let answer = end.unwrap();
    assert_eq!((streamed.as_str(), answer.answer.as_str()), ("It is 2,850 km long.", "It is 2,850 km long."));
    assert_eq!((citations.len(), answer.sentences.len()), (1, 1));
    assert!(answer.note.unwrap().contains("are left out"));

    let off = setting(rivers(), ScriptedGenerator::ready(vec![text("It has 40 bridges."), done()]));
    let answer = told(events(&off, ask_with(Verify::Off)).await).2.unwrap();
    assert_eq!((answer.answer.as_str(), answer.mode, answer.note), ("It has 40 bridges.", AnswerMode::Generate, None));
    assert!(answer.sentences.is_empty() && answer.citations.is_empty());
}

#[tokio::test]
async fn an_unsupported_short_answer_is_asked_for_once_more_as_a_quote() {
    let generator = ScriptedGenerator::ready(vec![text("It is 9,999 km long."), done()]);
    generator.then(vec![text("2,850 km"), done()]);
    let setting = setting(rivers(), generator);
    let (streamed, citations, end) = tell(&setting, QUESTION, AnswerMode::Generate).await;
    let answer = end.unwrap();
    assert_eq!((streamed.as_str(), answer.answer.as_str()), ("It is 9,999 km long.", "2,850 km"));
    assert!(citations.is_empty());
    assert_eq!(answer.citations[0].support, Support::Partial, "it was not the model's own answer");
    assert!(answer.note.unwrap().starts_with("what the model wrote first is not supported"));
    assert_eq!(answer.spent.usage.completion_tokens, 10, "both drafts are booked");
    let requests = setting.generator.requests.lock().unwrap();
    assert_eq!(requests[0].messages, requests[1].messages, "nothing is read anew");
    assert_eq!(requests[0].options.form, TextForm::Free);
    let TextForm::Grammar(grammar) = &requests[1].options.form else { panic!("free to write anything again") };
    assert!(grammar.contains(r#""2,850" (" " a"#) && !grammar.contains("1,230"), "{grammar}");
}

#[tokio::test]
async fn a_strict_answer_is_asked_for_once_more_and_nothing_is_shown_before() {
    let generator = ScriptedGenerator::ready(vec![text("It is 9,999 km long."), done()]);
    generator.then(vec![text("It is 2,850 km long."), done()]);
    let setting = setting(rivers(), generator);
    let style = Some(AnswerStyle::Full);
    let strict = Question { verify: Some(Verify::Strict), style, ..ask(QUESTION, AnswerMode::Auto) };
    let (streamed, _, end) = told(events(&setting, strict).await);
    let answer = end.unwrap();
    assert_eq!(
        (streamed.as_str(), answer.answer.as_str(), answer.mode),
        ("It is 2,850 km long.", "It is 2,850 km long.", AnswerMode::Generate)
    );
    assert_eq!(answer.spent.usage.completion_tokens, 10, "both drafts are booked");
    let requests = setting.generator.requests.lock().unwrap();
    let (first, again) = (&requests[0].messages, &requests[1].messages);
    assert_eq!((&again[..first.len()], again.len()), (&first[..], first.len() + 2));
    assert_eq!(again[first.len()].content, "It is 9,999 km long.");
}

#[tokio::test]
async fn a_strict_answer_that_stays_unsupported_is_an_extract_and_never_shown() {
    let generator = ScriptedGenerator::ready(vec![text("It is 9,999 km long."), done()]);
    generator.then(vec![text("It is 8,888 km long."), done()]);
    let strict = Question { verify: Some(Verify::Strict), ..ask(QUESTION, AnswerMode::Auto) };
    let (streamed, citations, end) = told(events(&setting(rivers(), generator), strict).await);
    let answer = end.unwrap();
    assert_eq!((answer.mode, &answer.answer), (AnswerMode::Extract, &streamed));
    assert_eq!(answer.citations, citations);
    assert!(!streamed.contains("9,999") && !streamed.contains("8,888"));
}

#[tokio::test]
async fn a_sentence_that_was_not_finished_is_left_out() {
    let length = Ok(GenerationEvent::Done { reason: FinishReason::Length, usage: Usage::default() });
    let script = vec![text("It is 2,850 km long. It is never"), length];
    let answer =
        tell(&setting(rivers(), ScriptedGenerator::ready(script)), QUESTION, AnswerMode::Auto).await.2.unwrap();
    assert_eq!((answer.answer.as_str(), answer.citations.len()), ("It is 2,850 km long.", 1));
    assert!(answer.note.unwrap().contains("not finished"));

    let opened: fn() -> Script = || vec![text("The steps are:"), done()];
    let answer =
        tell(&setting(rivers(), ScriptedGenerator::ready(opened())), QUESTION, AnswerMode::Auto).await.2.unwrap();
    assert_eq!(answer.mode, AnswerMode::Extract);
    let generate = setting(rivers(), ScriptedGenerator::ready(opened()));
    assert_eq!(tell(&generate, QUESTION, AnswerMode::Generate).await.2.unwrap_err().code, "answer_unfinished");
}

#[tokio::test]
async fn the_caller_chooses_the_style_and_a_full_answer_is_bounded() {
    let sentence = "It is 2,850 km long. ";
    let script = vec![text(&sentence.repeat(limits::ANSWER_SENTENCES_MAX)), text(sentence), text(sentence), done()];
    let setting = setting(rivers(), ScriptedGenerator::ready(script));
    let full = Question { style: Some(AnswerStyle::Full), ..ask(QUESTION, AnswerMode::Auto) };
    let answer = told(events(&setting, full).await).2.unwrap();
    assert_eq!(answer.style, Some(AnswerStyle::Full));
    assert!(answer.sentences.len() <= limits::ANSWER_SENTENCES_MAX + 1, "{}", answer.answer);
    {
        let requests = setting.generator.requests.lock().unwrap();
        assert_eq!((requests[0].tokens_max, requests[0].stop.len()), (limits::ANSWER_TOKENS_MAX, 0));
    }
    // A small model is not asked for a full answer that nobody wanted.
    let script = vec![text("2,850 km"), done()];
    let small = self::setting(rivers(), ScriptedGenerator::ready(script));
    let answer = tell(&small, "How is the Danube and how long is it?", AnswerMode::Auto).await.2.unwrap();
    assert_eq!(answer.style, Some(AnswerStyle::Short));
    assert_eq!(small.generator.requests.lock().unwrap()[0].tokens_max, limits::SHORT_ANSWER_TOKENS_MAX);
}

#[tokio::test]
async fn what_only_says_the_reverse_is_no_evidence() {
    let passages = vec![passage("a.md", None, "Acme bought Bolt in 2019.")];
    let setting = setting(passages, ScriptedGenerator::ready(Vec::new()));
    let answer = tell(&setting, "Who bought Acme?", AnswerMode::Extract).await.2.unwrap();
    assert_eq!((answer.status, answer.citations.len()), (AnswerStatus::InsufficientEvidence, 0));
    let answer = tell(&setting, "Who bought Bolt?", AnswerMode::Extract).await.2.unwrap();
    assert_eq!(answer.answer, "Acme bought Bolt in 2019.");
}

#[tokio::test]
async fn a_traditional_question_gets_a_traditional_answer() {
    let passages = vec![passage("war.md", Some("戰爭"), "羅斯福總統在珍珠港事件後宣戰。")];
    let generator = ScriptedGenerator::ready(vec![text("罗"), text("斯福"), text("总统"), done()]);
    let answer = tell(&setting(passages, generator), "誰在珍珠港事件後宣戰？", AnswerMode::Auto).await.2.unwrap();
    assert_eq!((answer.answer.as_str(), answer.mode), ("羅斯福總統", AnswerMode::Generate));
    assert_eq!(answer.citations[0].support, Support::Supported);
}

fn mills() -> Vec<Passage> {
    let dated = |key: &str, steps: u32, year: &str| Passage {
        published_at: Some(format!("{year}-05-01T00:00:00Z").parse().unwrap()),
        ..passage(key, Some("Mill"), &format!("The tower of the old mill has {steps} steps."))
    };
    vec![dated("old.md", 96, "2019"), dated("new.md", 98, "2025")]
}

#[tokio::test]
async fn documents_that_contradict_each_other_are_both_shown_and_the_newer_is_followed() {
    let question = "How many steps has the tower of the old mill?";
    for mode in [AnswerMode::Auto, AnswerMode::Extract] {
        let setting = setting(mills(), ScriptedGenerator::ready(vec![text("96"), done()]));
        let answer = tell(&setting, question, mode).await.2.unwrap();
        assert_eq!(answer.status, AnswerStatus::Conflicting);
        assert!(answer.answer.contains("98") && !answer.answer.contains("96"), "{}", answer.answer);
        assert_eq!(answer.citations[0].document.as_str(), "new.md");
        assert_eq!(answer.citations[0].answer_span.slice(&answer.answer), Some(answer.answer.as_str()));
        let says: Vec<(&str, bool)> =
            answer.positions.iter().map(|side| (side.says.as_str(), side.preferred)).collect();
        assert_eq!(says, [("98", true), ("96", false)]);
        let note = answer.note.unwrap();
        assert!(note.contains("“98” (published 2025-05-01), “96” (published 2019-05-01)"), "{note}");
    }
    let agreeing = vec![mills().remove(0), passage("b.md", None, "Visitors know the tower of the mill has 96 steps.")];
    let setting = setting(agreeing, ScriptedGenerator::ready(vec![text("96"), done()]));
    assert_eq!(tell(&setting, question, AnswerMode::Auto).await.2.unwrap().status, AnswerStatus::Answered);
}

#[tokio::test]
async fn a_question_that_leans_on_the_one_before_is_completed_and_says_so() {
    let setting = setting(rivers(), ScriptedGenerator::ready(vec![text("1,230 km"), done()]));
    let turn = Turn { question: QUESTION.to_owned(), answer: "2,850 km".to_owned() };
    let question = Question { history: vec![turn], ..ask("and the Rhine?", AnswerMode::Auto) };
    let answer = told(events(&setting, question).await).2.unwrap();
    assert_eq!(answer.rewritten.as_deref(), Some("How long is the Rhine?"));
    assert_eq!((answer.answer.as_str(), answer.citations[0].document.as_str()), ("1,230 km", "rhine.md"));
    let prompt = setting.generator.requests.lock().unwrap()[0].messages.last().unwrap().content.clone();
    assert!(prompt.contains("How long is the Rhine?") && !prompt.contains("and the Rhine?"));
}

#[tokio::test]
async fn a_collection_has_its_adapter_and_others_have_none() {
    for (collection, wanted) in [("default", Some("tone")), ("other", None)] {
        let adapters = BTreeMap::from([(collection.parse::<CollectionName>().unwrap(), "tone".to_owned())]);
        let settings = AnswerSettings { adapters, ..AnswerSettings::default() };
        let embedder = Arc::new(BagOfWords::speaking(&["en"]));
        let generator = ScriptedGenerator::ready(vec![text("2,850 km"), done()]);
        let setting = setting_with(rivers(), generator, embedder, settings);
        told(events(&setting, ask(QUESTION, AnswerMode::Auto)).await).2.unwrap();
        let requests = setting.generator.requests.lock().unwrap();
        let adapter = requests[0].options.adapter.as_ref().map(|adapter| (adapter.name.as_str(), adapter.scale));
        assert_eq!(adapter, wanted.map(|name| (name, 1.0)));
    }
}
