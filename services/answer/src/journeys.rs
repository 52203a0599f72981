//! Does a question find its whole way, whatever happens on it?

mod judging;
mod steps;
mod wishes;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use proptest::prelude::*;
use wellspring_core::answer::{
    Answer, AnswerEvent, AnswerFailure, AnswerMode, AnswerStatus, Citation, Question, Support,
};
use wellspring_core::embedding::Embedder;
use wellspring_core::generator::{FinishReason, GenerateErrorKind, GenerationEvent, GeneratorStatus, Usage};
use wellspring_core::hit::Passage;
use wellspring_core::limits;
use wellspring_core::span::Span;

use crate::fakes::{BagOfWords, FixedRetriever, ScriptedGenerator, passage, passage_at};
use crate::{AnswerSettings, Answerer, AnswererParts, Pool};

type Script = Vec<Result<GenerationEvent, GenerateErrorKind>>;

fn text(text: &str) -> Result<GenerationEvent, GenerateErrorKind> {
    Ok(GenerationEvent::Text(text.to_owned()))
}

fn done() -> Result<GenerationEvent, GenerateErrorKind> {
    let usage = Usage { prompt_tokens: 300, cached_tokens: 200, completion_tokens: 5 };
    Ok(GenerationEvent::Done { reason: FinishReason::Stop, usage })
}

fn rivers() -> Vec<Passage> {
    vec![
        passage("danube.md", Some("Danube"), "The Danube is a river in Europe. It is 2,850 km long and never dry."),
        passage("rhine.md", Some("Rhine"), "The Rhine is 1,230 km long. Boats travel on the Rhine."),
    ]
}

const QUESTION: &str = "How long is the Danube?";

struct Setting {
    answerer: Arc<Answerer>,
    generator: Arc<ScriptedGenerator>,
}

fn setting(passages: Vec<Passage>, generator: ScriptedGenerator) -> Setting {
    setting_with(passages, generator, Arc::new(BagOfWords::speaking(&["en"])), AnswerSettings::default())
}

fn setting_with(
    passages: Vec<Passage>,
    generator: ScriptedGenerator,
    embedder: Arc<dyn Embedder>,
    settings: AnswerSettings,
) -> Setting {
    let generator = Arc::new(generator);
    let retriever = Arc::new(FixedRetriever { passages, fails: false });
    let steps = vec![Arc::new(Pool::of("scripted", generator.clone()))];
    let parts = AnswererParts { retriever, embedder, judging: None, steps, settings };
    Setting { answerer: Arc::new(Answerer::new(parts)), generator }
}

fn ask(question: &str, mode: AnswerMode) -> Question {
    Question { text: question.to_owned(), mode, ..Question::default() }
}

async fn events(setting: &Setting, question: Question) -> Vec<AnswerEvent> {
    setting.answerer.ask(question).collect().await
}

/// The text streamed, the citations streamed, and the end.
fn told(events: Vec<AnswerEvent>) -> (String, Vec<Citation>, Result<Answer, AnswerFailure>) {
    let (mut streamed, mut citations, mut end) = (String::new(), Vec::new(), None);
    let count = events.len();
    for (index, event) in events.into_iter().enumerate() {
        assert!(end.is_none(), "an event after the end");
        match event {
            AnswerEvent::Passages(_) => assert_eq!(index, 0),
            AnswerEvent::Delta(text) => streamed.push_str(&text),
            AnswerEvent::Citation(citation) => citations.push(citation),
            AnswerEvent::Done(answer) => end = Some(Ok(answer)),
            AnswerEvent::Error(failure) => end = Some(Err(failure)),
        }
    }
    (streamed, citations, end.unwrap_or_else(|| panic!("{count} events without an end")))
}

async fn tell(
    setting: &Setting,
    question: &str,
    mode: AnswerMode,
) -> (String, Vec<Citation>, Result<Answer, AnswerFailure>) {
    told(events(setting, ask(question, mode)).await)
}

#[tokio::test]
async fn a_generated_answer_is_streamed_cited_and_done() {
    let script = vec![text(" "), text("It is 2,8"), text("50 km long."), text(" It is never"), text(" dry.\n"), done()];
    let setting = setting(rivers(), ScriptedGenerator::ready(script));
    let (streamed, citations, end) = tell(&setting, QUESTION, AnswerMode::Auto).await;
    let answer = end.unwrap();
    assert_eq!(streamed, "It is 2,850 km long. It is never dry.");
    assert_eq!(answer.answer, streamed);
    assert_eq!((answer.status, answer.mode), (AnswerStatus::Answered, AnswerMode::Generate));
    assert_eq!(answer.citations, citations);
    assert_eq!(answer.citations.len(), 2);
    assert_eq!(answer.citations[1].quote, "It is 2,850 km long and never dry.");
    assert_eq!(answer.citations[0].answer_span.slice(&answer.answer), Some("It is 2,850 km long."));
    assert_eq!(answer.model.as_deref(), Some("scripted-0.5b"));
    assert_eq!(answer.spent.usage.completion_tokens, 5);
    assert_eq!(answer.note, None);
    assert!(answer.spent.first_text_ms <= answer.spent.total_ms);
}

#[tokio::test]
async fn a_citation_comes_as_soon_as_its_sentence_is_complete() {
    let setting = setting(rivers(), ScriptedGenerator::ready(vec![text("It is 2,850 km long. "), text("It is")]));
    let mut stream = setting.answerer.ask(ask(QUESTION, AnswerMode::Auto));
    loop {
        match stream.next().await.unwrap() {
            AnswerEvent::Citation(citation) => break assert_eq!(citation.document.as_str(), "danube.md"),
            AnswerEvent::Done(_) | AnswerEvent::Error(_) => panic!("the generation never ends"),
            AnswerEvent::Passages(_) | AnswerEvent::Delta(_) => {}
        }
    }
}

#[tokio::test]
async fn without_evidence_nothing_is_generated_and_what_was_looked_at_is_told() {
    let setting = setting(rivers(), ScriptedGenerator::ready(vec![text("Michelangelo"), done()]));
    let (streamed, citations, end) = tell(&setting, "Who painted the Sistine Chapel?", AnswerMode::Generate).await;
    let answer = end.unwrap();
    assert_eq!(answer.answer, "Not in these documents.");
    assert_eq!(streamed, answer.answer);
    assert_eq!(answer.status, AnswerStatus::InsufficientEvidence);
    assert_eq!(answer.looked_at.len(), 2);
    assert!(citations.is_empty() && answer.citations.is_empty());
    assert!(setting.generator.requests.lock().unwrap().is_empty());

    let answer = tell(&setting, "谁画了天花板？", AnswerMode::Auto).await.2.unwrap();
    assert_eq!(answer.answer, "这些文档里没有答案。");
}

#[tokio::test]
async fn no_documents_are_no_evidence() {
    let setting = setting(Vec::new(), ScriptedGenerator::ready(vec![text("2,850 km"), done()]));
    let answer = tell(&setting, QUESTION, AnswerMode::Auto).await.2.unwrap();
    assert_eq!(answer.status, AnswerStatus::InsufficientEvidence);
}

#[tokio::test]
async fn while_the_generator_loads_the_extract_is_the_answer_and_says_so() {
    for (status, reason) in [
        (GeneratorStatus::Loading, "still loading"),
        (GeneratorStatus::Off, "no generator is configured"),
        (GeneratorStatus::Failed { reason: "no file".to_owned() }, "cannot be started"),
        (GeneratorStatus::Ready { model: "SmolLM2-135M-Instruct".to_owned() }, "too small"),
    ] {
        let setting = setting(rivers(), ScriptedGenerator::with_status(status));
        let (streamed, citations, end) = tell(&setting, QUESTION, AnswerMode::Auto).await;
        let answer = end.unwrap();
        assert!(answer.answer.contains("It is 2,850 km long and never dry."), "{}", answer.answer);
        assert_eq!((answer.mode, &answer.answer), (AnswerMode::Extract, &streamed));
        assert!(answer.note.as_deref().unwrap().contains(reason), "{:?}", answer.note);
        assert_eq!(answer.citations, citations);
        assert!(answer.citations.iter().all(|citation| citation.support == Support::Supported));

        let failure = tell(&setting, QUESTION, AnswerMode::Generate).await.2.unwrap_err();
        assert_eq!(failure.code, "generator_unavailable");
    }
}

#[tokio::test]
async fn an_extract_that_was_asked_for_needs_no_note_and_no_generator() {
    let setting = setting(rivers(), ScriptedGenerator::ready(vec![text("2,850 km"), done()]));
    let answer = tell(&setting, QUESTION, AnswerMode::Extract).await.2.unwrap();
    assert_eq!((answer.mode, answer.note, answer.model), (AnswerMode::Extract, None, None));
    assert!(setting.generator.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_generator_that_fails_before_the_first_character_leaves_the_extract() {
    type Case = (fn() -> ScriptedGenerator, &'static str, &'static str);
    let generators: [Case; 5] = [
        (|| ScriptedGenerator::refusing(GenerateErrorKind::Busy), "generator_busy", "busy"),
        (
            || ScriptedGenerator::refusing(GenerateErrorKind::Unavailable),
            "generator_unavailable",
            "no generator is ready",
        ),
        (|| ScriptedGenerator::refusing(GenerateErrorKind::Refused), "generator_refused", "refused"),
        (
            || ScriptedGenerator::ready(vec![text("  \n"), Err(GenerateErrorKind::Interrupted)]),
            "generator_interrupted",
            "stopped before",
        ),
        (|| ScriptedGenerator::ready(vec![text(" "), done()]), "generator_empty", "wrote nothing"),
    ];
    for (generator, code, reason) in generators {
        let answer = tell(&setting(rivers(), generator()), QUESTION, AnswerMode::Auto).await.2.unwrap();
        assert_eq!(answer.mode, AnswerMode::Extract);
        assert!(answer.note.unwrap().contains(reason));
        let failure = tell(&setting(rivers(), generator()), QUESTION, AnswerMode::Generate).await.2.unwrap_err();
        assert_eq!(failure.code, code);
    }
}

#[tokio::test]
async fn a_stream_interrupted_after_text_ends_with_one_error() {
    let script = vec![text("It is 2,8"), Err(GenerateErrorKind::Interrupted)];
    let setting = setting(rivers(), ScriptedGenerator::ready(script));
    let (streamed, _, end) = tell(&setting, QUESTION, AnswerMode::Auto).await;
    assert_eq!(streamed, "It is 2,8");
    assert_eq!(end.unwrap_err().code, "generator_interrupted");
}

#[tokio::test]
async fn an_answer_nothing_supports_is_replaced_by_an_extract_that_says_so() {
    let stubborn = || {
        let generator = ScriptedGenerator::ready(vec![text("It is 9,999 km long."), done()]);
        generator.then(vec![text("8,888 km"), done()]);
        setting(rivers(), generator)
    };
    let auto = stubborn();
    let (streamed, citations, end) = tell(&auto, QUESTION, AnswerMode::Auto).await;
    let answer = end.unwrap();
    assert_eq!(streamed, "It is 9,999 km long.");
    assert!(citations.is_empty());
    assert_eq!(answer.mode, AnswerMode::Extract);
    assert!(!answer.answer.contains("9,999"));
    assert!(answer.note.unwrap().starts_with("the generated answer was not supported by the documents"));
    assert_eq!(answer.spent.usage.completion_tokens, 5, "the extract is better than a quote that was forced");
    assert_eq!(tell(&stubborn(), QUESTION, AnswerMode::Generate).await.2.unwrap_err().code, "answer_unsupported");
}

#[tokio::test]
async fn an_unsupported_sentence_beside_a_supported_one_stays_without_a_citation() {
    let script = vec![text("It is 2,850 km long. It has 40 bridges."), done()];
    let answer =
        tell(&setting(rivers(), ScriptedGenerator::ready(script)), QUESTION, AnswerMode::Auto).await.2.unwrap();
    assert_eq!(answer.mode, AnswerMode::Generate);
    assert_eq!(answer.citations.len(), 1);
    assert!(answer.note.unwrap().contains("without a citation"));
}

#[tokio::test]
async fn a_reader_who_leaves_stops_the_decode() {
    let setting = setting(rivers(), ScriptedGenerator::ready(vec![text("It is 2,850 km")]));
    let mut stream = setting.answerer.ask(ask(QUESTION, AnswerMode::Auto));
    while !matches!(stream.next().await, Some(AnswerEvent::Delta(_))) {}
    assert!(!setting.generator.dropped.load(Ordering::Relaxed));
    drop(stream);
    while !setting.generator.dropped.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reader_of_the_whole_who_leaves_stops_the_decode_too() {
    let setting = setting(rivers(), ScriptedGenerator::ready(vec![text("It is 2,850 km")]));
    let mut stream = setting.answerer.ask(Question { whole: true, ..ask(QUESTION, AnswerMode::Auto) });
    assert!(matches!(stream.next().await, Some(AnswerEvent::Passages(_))));
    while setting.generator.requests.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while !setting.generator.dropped.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn i7_an_endless_generator_is_cut_off() {
    let script: Script = (0..limits::ANSWER_BYTES_MAX).map(|_| text("2,850 km 河 ")).collect();
    let setting = setting(rivers(), ScriptedGenerator::ready(script));
    let (streamed, _, end) = tell(&setting, QUESTION, AnswerMode::Auto).await;
    assert!(streamed.len() <= limits::ANSWER_BYTES_MAX && streamed.len() > limits::ANSWER_BYTES_MAX - 16);
    assert!(end.is_ok());
}

#[tokio::test]
async fn an_embedder_that_fails_leaves_the_words_to_decide() {
    let embedder = Arc::new(BagOfWords::failing());
    let script = vec![text("2,850 km"), done()];
    let setting = setting_with(rivers(), ScriptedGenerator::ready(script), embedder, AnswerSettings::default());
    let answer = tell(&setting, QUESTION, AnswerMode::Auto).await.2.unwrap();
    assert_eq!((answer.mode, answer.citations.len()), (AnswerMode::Generate, 1));
}

#[tokio::test]
async fn an_english_embedder_is_not_asked_about_chinese() {
    let embedder = Arc::new(BagOfWords::speaking(&["en"]));
    let passages = vec![passage("river.md", Some("长江"), "前言。长江全长6300公里。它流入东海。")];
    let generator = ScriptedGenerator::ready(vec![text("6300公里"), done()]);
    let setting = setting_with(passages, generator, embedder.clone(), AnswerSettings::default());
    let answer = tell(&setting, "长江有多长？", AnswerMode::Auto).await.2.unwrap();
    assert_eq!(answer.answer, "6300公里");
    assert_eq!(answer.citations[0].quote, "长江全长6300公里。");
    assert_eq!((answer.citations[0].source_span.start, answer.citations[0].source_span.byte_start), (3, 9));
    assert_eq!(embedder.embedded.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn control_characters_never_reach_the_reader() {
    let script = vec![text("2,850\u{1b} km\u{7}"), done()];
    let (streamed, ..) = tell(&setting(rivers(), ScriptedGenerator::ready(script)), QUESTION, AnswerMode::Auto).await;
    assert_eq!(streamed, "2,850 km");
}

#[tokio::test]
async fn failures_of_the_search_have_stable_codes() {
    let elsewhere = Question { collection: "elsewhere".parse().unwrap(), ..ask(QUESTION, AnswerMode::Auto) };
    let working = setting(rivers(), ScriptedGenerator::with_status(GeneratorStatus::Off));
    assert_eq!(told(events(&working, elsewhere).await).2.unwrap_err().code, "unknown_collection");

    let parts = AnswererParts {
        retriever: Arc::new(FixedRetriever { passages: Vec::new(), fails: true }),
        embedder: Arc::new(BagOfWords::speaking(&["en"])),
        judging: None,
        steps: Vec::new(),
        settings: AnswerSettings::default(),
    };
    let answerer = Arc::new(Answerer::new(parts));
    let failure = answerer.answer(ask(QUESTION, AnswerMode::Auto)).await.unwrap_err();
    assert_eq!(failure.code, "search_unavailable");
}

#[tokio::test]
async fn answering_in_one_piece_gives_what_the_stream_ends_with() {
    let answerer = setting(rivers(), ScriptedGenerator::ready(vec![text("2,850 km"), done()])).answerer;
    let answer = answerer.answer(ask(QUESTION, AnswerMode::Auto)).await.unwrap();
    assert_eq!(answer.answer, "2,850 km");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// I-6 over random documents in mixed scripts and a generator that says anything, in pieces cut anywhere.
    #[test]
    fn i6_every_citation_resolves_in_the_revision_and_in_the_answer(
        front in "[a-zé河 .。]{0,20}",
        body in "([A-Da-d0-9é河长江]{1,6}[ .。!\n,]{1,2}){3,40}",
        said in "([A-Da-d0-9é河长江]{1,6}[ .。!\n,]{1,2}){1,12}",
        piece in 1usize..9,
        quoting in any::<bool>(),
    ) {
        let whole = format!("{front}{body}");
        let passages = vec![passage_at("a.md", &whole, front.len()..whole.len())];
        let said = if quoting { body.chars().take(40).collect() } else { said };
        let characters: Vec<char> = said.chars().collect();
        let mut script: Script = characters.chunks(piece).map(|part| text(&part.iter().collect::<String>())).collect();
        script.push(done());
        let mut settings = AnswerSettings::default();
        settings.thresholds.fused = 0.0;
        settings.thresholds.characters = 0.0;
        let embedder = Arc::new(BagOfWords::speaking(&["en"]));
        let setting = setting_with(passages, ScriptedGenerator::ready(script), embedder, settings);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (streamed, citations, end) = runtime.block_on(tell(&setting, &body, AnswerMode::Auto));
        let answer = end.unwrap();
        for citation in &answer.citations {
            prop_assert_eq!(citation.source_span.slice(&whole), Some(citation.quote.as_str()));
            prop_assert_eq!(Span::of(&whole, citation.source_span.bytes()), citation.source_span);
            prop_assert_eq!(Span::of(&answer.answer, citation.answer_span.bytes()), citation.answer_span);
        }
        if answer.mode == AnswerMode::Generate {
            prop_assert!(streamed.starts_with(&answer.answer), "all but a last sentence that was not finished");
            prop_assert!(answer.citations.iter().all(|citation| citations.contains(citation)));
        }
    }
}
