//! Is the extract the answer where others keep the generator busy, and the larger model's text where the smaller one's is
//! not carried?

use std::time::Duration;

use wellspring_core::generator::Generator;

use super::*;

fn steps(passages: Vec<Passage>, generators: &[&Arc<ScriptedGenerator>], settings: AnswerSettings) -> Arc<Answerer> {
    let pool = |generator: &&Arc<ScriptedGenerator>| {
        let generator: Arc<dyn Generator> = Arc::<ScriptedGenerator>::clone(generator);
        Arc::new(Pool::of("scripted", generator))
    };
    Arc::new(Answerer::new(AnswererParts {
        retriever: Arc::new(FixedRetriever { passages, fails: false }),
        embedder: Arc::new(BagOfWords::speaking(&["en"])),
        judging: None,
        steps: generators.iter().map(pool).collect(),
        settings,
    }))
}

fn named(model: &str, script: Script) -> Arc<ScriptedGenerator> {
    let mut generator = ScriptedGenerator::ready(script);
    generator.status = GeneratorStatus::Ready { model: model.to_owned() };
    Arc::new(generator)
}

async fn asked(answerer: &Arc<Answerer>, question: Question) -> (String, Vec<Citation>, Result<Answer, AnswerFailure>) {
    told(answerer.ask(question).collect().await)
}

#[tokio::test]
async fn with_every_place_taken_extracts_go_on_auto_is_an_extract_and_generate_is_told_when_to_come() {
    // The generations never end.
    let generator = Arc::new(ScriptedGenerator::ready(Vec::new()));
    let answerer = steps(rivers(), &[&generator], AnswerSettings::default());
    let held: Vec<_> =
        (0..limits::GENERATIONS_MAX).map(|_| answerer.ask(ask(QUESTION, AnswerMode::Generate))).collect();
    while generator.requests.lock().unwrap().len() < held.len() {
        tokio::task::yield_now().await;
    }
    let extract = asked(&answerer, ask(QUESTION, AnswerMode::Extract)).await.2.unwrap();
    assert_eq!((extract.mode, extract.note), (AnswerMode::Extract, None));
    let auto = asked(&answerer, ask(QUESTION, AnswerMode::Auto)).await.2.unwrap();
    assert_eq!((auto.mode, auto.answer), (AnswerMode::Extract, extract.answer));
    assert!(auto.note.unwrap().starts_with("the generator is busy"));
    let refused = asked(&answerer, ask(QUESTION, AnswerMode::Generate)).await.2.unwrap_err();
    assert_eq!(refused.code, "generator_busy");
    assert!(refused.retry_after.is_some_and(|pause| pause >= Duration::from_secs(1)), "{refused:?}");
    assert!(refused.hint.contains("in about"), "{}", refused.hint);
    drop(held);
}

#[tokio::test]
async fn behind_others_auto_waits_for_so_long_and_no_longer() {
    let generator = Arc::new(ScriptedGenerator::ready(Vec::new()));
    let settings = AnswerSettings { busy: Duration::from_millis(20), ..AnswerSettings::default() };
    let answerer = steps(rivers(), &[&generator], settings);
    // One that has a first token, so that what one takes by itself is known, and never ends.
    generator.then(vec![text("It is")]);
    generator.requests.lock().unwrap().clear();
    let first = answerer.ask(ask(QUESTION, AnswerMode::Generate));
    while generator.requests.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(first);
    let mut beside = answerer.ask(ask(QUESTION, AnswerMode::Generate));
    while !matches!(beside.next().await, Some(AnswerEvent::Delta(_))) {}
    let answer = asked(&answerer, ask(QUESTION, AnswerMode::Auto)).await.2.unwrap();
    assert_eq!(answer.mode, AnswerMode::Extract);
    assert!(answer.note.unwrap().starts_with("the generator is busy"));
    assert_eq!(generator.requests.lock().unwrap().len(), 3, "it was asked, and given up");
}

#[tokio::test]
async fn a_generator_that_says_it_is_busy_is_told_with_its_own_time() {
    let generator = Arc::new(ScriptedGenerator::refusing(GenerateErrorKind::Busy));
    let answerer = steps(rivers(), &[&generator], AnswerSettings::default());
    let refused = asked(&answerer, ask(QUESTION, AnswerMode::Generate)).await.2.unwrap_err();
    assert_eq!(refused.code, "generator_busy");
    assert!(refused.retry_after.is_some());
}

#[tokio::test]
async fn the_larger_model_is_asked_where_the_documents_do_not_carry_the_smaller_ones_text() {
    let small = named("small-0.5b", vec![text("It is 9,999 km long."), done()]);
    let large = named("large-7b", vec![text("2,850 km"), done()]);
    let answerer = steps(rivers(), &[&small, &large], AnswerSettings::default());
    let (streamed, _, end) = asked(&answerer, ask(QUESTION, AnswerMode::Auto)).await;
    let answer = end.unwrap();
    assert_eq!((streamed.as_str(), answer.answer.as_str()), ("2,850 km", "2,850 km"), "nothing else was shown");
    assert_eq!(answer.model.as_deref(), Some("large-7b"));
    let models: Vec<(&str, bool)> = answer.cascade.iter().map(|step| (step.model.as_str(), step.is_kept)).collect();
    assert_eq!(models, [("small-0.5b", false), ("large-7b", true)]);
    assert!(answer.cascade[0].reason.as_ref().unwrap().contains("not supported"));
    assert_eq!(answer.spent.usage.completion_tokens, 10, "both are booked");
}

#[tokio::test]
async fn a_carried_text_of_the_smaller_model_is_the_answer_and_the_larger_one_is_not_asked() {
    let small = named("small-0.5b", vec![text("1,230"), text(" km"), done()]);
    let large = named("large-7b", Vec::new());
    let answerer = steps(rivers(), &[&small, &large], AnswerSettings::default());
    let (streamed, citations, end) = asked(&answerer, ask("How long is the Rhine?", AnswerMode::Auto)).await;
    let answer = end.unwrap();
    assert_eq!((streamed.as_str(), answer.answer.as_str()), ("1,230 km", "1,230 km"));
    assert_eq!((citations.len(), answer.model.as_deref()), (1, Some("small-0.5b")));
    assert_eq!((answer.cascade.len(), answer.cascade[0].is_kept), (1, true));
    assert!(large.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_smaller_model_wrote_is_kept_where_the_larger_one_has_nothing_better() {
    // Partial support: the quote goes on to deny something else.
    let small = named("small-0.5b", vec![text("It is 2,850 km long."), done()]);
    for (script, streamed) in [
        (vec![Err(GenerateErrorKind::Unavailable)], "It is 2,850 km long."),
        (vec![text("It has 40 bridges."), done()], "It has 40 bridges."),
    ] {
        small.then(vec![text("It is 2,850 km long."), done()]);
        let large = named("large-7b", script);
        let answerer = steps(rivers(), &[&small, &large], AnswerSettings::default());
        let (shown, _, end) = asked(&answerer, ask(QUESTION, AnswerMode::Auto)).await;
        let answer = end.unwrap();
        assert_eq!((answer.answer.as_str(), answer.model.as_deref()), ("It is 2,850 km long.", Some("small-0.5b")));
        assert_eq!(shown, streamed);
        assert_eq!(answer.cascade.iter().filter(|step| step.is_kept).count(), 1);
        assert!(answer.cascade[0].is_kept && answer.cascade[1].reason.is_some());
    }
}

#[tokio::test]
async fn a_step_that_is_silent_is_passed_over() {
    let (small, large) = (named("small-0.5b", Vec::new()), named("large-7b", vec![text("2,850 km"), done()]));
    let pool = |generator: &Arc<ScriptedGenerator>| {
        let generator: Arc<dyn Generator> = Arc::<ScriptedGenerator>::clone(generator);
        Arc::new(Pool::of("scripted", generator).passing_on_after(Duration::from_millis(20)))
    };
    let answerer = Arc::new(Answerer::new(AnswererParts {
        retriever: Arc::new(FixedRetriever { passages: rivers(), fails: false }),
        embedder: Arc::new(BagOfWords::speaking(&["en"])),
        judging: None,
        steps: vec![pool(&small), pool(&large)],
        settings: AnswerSettings::default(),
    }));
    for mode in [AnswerMode::Generate, AnswerMode::Auto] {
        let answer = asked(&answerer, ask(QUESTION, mode)).await.2.unwrap();
        assert_eq!((answer.answer.as_str(), answer.model.as_deref()), ("2,850 km", Some("large-7b")), "{mode:?}");
        small.then(Vec::new());
        large.then(vec![text("2,850 km"), done()]);
    }
}

#[tokio::test]
async fn where_a_lone_generator_is_silent_or_breaks_off_auto_is_an_extract() {
    let silent = named("large-7b", Vec::new());
    let pool = Pool::of("scripted", Arc::<ScriptedGenerator>::clone(&silent) as Arc<dyn Generator>);
    let answerer = Arc::new(Answerer::new(AnswererParts {
        retriever: Arc::new(FixedRetriever { passages: rivers(), fails: false }),
        embedder: Arc::new(BagOfWords::speaking(&["en"])),
        judging: None,
        steps: vec![Arc::new(pool.passing_on_after(Duration::from_millis(20)))],
        settings: AnswerSettings::default(),
    }));
    let answer = asked(&answerer, ask(QUESTION, AnswerMode::Auto)).await.2.unwrap();
    assert_eq!(answer.mode, AnswerMode::Extract);

    let broken = || named("large-7b", vec![text("It is "), Err(GenerateErrorKind::Interrupted)]);
    let shown = asked(&steps(rivers(), &[&broken()], AnswerSettings::default()), ask(QUESTION, AnswerMode::Auto)).await;
    assert_eq!(shown.2.unwrap_err().code, "generator_interrupted", "what was shown cannot be unsaid");
    let whole = Question { whole: true, ..ask(QUESTION, AnswerMode::Auto) };
    let (streamed, _, end) = asked(&steps(rivers(), &[&broken()], AnswerSettings::default()), whole).await;
    let answer = end.unwrap();
    assert_eq!((streamed, answer.mode), (answer.answer, AnswerMode::Extract), "nothing else was shown");

    let whole = Question { whole: true, ..ask(QUESTION, AnswerMode::Auto) };
    let slow = ScriptedGenerator::ready(vec![text("2,850"), text(" km"), done()]);
    let answer = asked(&steps(rivers(), &[&Arc::new(slow)], AnswerSettings::default()), whole).await.2.unwrap();
    let spent = &answer.spent;
    assert!(spent.first_text_ms > spent.retrieve_ms && spent.first_text_ms < spent.total_ms, "{spent:?}");
}

#[tokio::test]
async fn a_question_for_more_than_a_small_model_can_do_goes_to_the_larger_one_at_once() {
    let small = named("small-0.5b", vec![text("2,850 km"), done()]);
    let large = named("large-7b", vec![text("The Danube is 2,850 km long."), done()]);
    let answerer = steps(rivers(), &[&small, &large], AnswerSettings::default());
    let answer = asked(&answerer, ask("Describe how long the Danube is.", AnswerMode::Auto)).await.2.unwrap();
    assert_eq!(answer.model.as_deref(), Some("large-7b"));
    assert!(small.requests.lock().unwrap().is_empty());
}

fn boats() -> Vec<Passage> {
    vec![
        passage("heron.md", Some("Heron"), "The Heron carries 80 passengers and no cars. Rain fell in May."),
        passage("otter.md", Some("Otter"), "The Otter carries 120 passengers and eight cars. Snow fell in June."),
        passage("fares.md", Some("Fares"), "A bicycle costs 1.50 crowns."),
    ]
}

#[tokio::test]
async fn each_of_the_things_compared_has_its_evidence() {
    let question = "Compare the Heron and the Otter";
    let extract = asked(&steps(boats(), &[], AnswerSettings::default()), ask(question, AnswerMode::Extract)).await;
    let answer = extract.2.unwrap();
    assert!(
        answer.answer.contains("The Heron carries 80") && answer.answer.contains("The Otter carries 120"),
        "{answer:?}"
    );
    assert_eq!((answer.status, answer.note), (AnswerStatus::Answered, None), "what differs is no contradiction");
    for citation in &answer.citations {
        assert_eq!(citation.answer_span.slice(&answer.answer), Some(citation.quote.as_str()));
        assert_eq!(citation.support, Support::Supported);
    }

    let whole = "The Heron carries 80 passengers and no cars. The Otter carries 120 passengers and eight cars.";
    let generator = named("large-7b", vec![text(whole), done()]);
    let answerer = steps(boats(), &[&generator], AnswerSettings::default());
    let answer = asked(&answerer, ask(question, AnswerMode::Auto)).await.2.unwrap();
    let cited: Vec<&str> = answer.citations.iter().map(|citation| citation.document.as_str()).collect();
    assert_eq!((answer.answer.as_str(), cited), (whole, vec!["heron.md", "otter.md"]));
    let prompt = generator.requests.lock().unwrap()[0].messages.last().unwrap().content.clone();
    assert!(prompt.contains("80 passengers") && prompt.contains("120 passengers"), "{prompt}");

    let half = named("large-7b", vec![text("The Heron carries 80 passengers and no cars."), done()]);
    let answerer = steps(boats(), &[&half], AnswerSettings::default());
    let answer = asked(&answerer, ask(question, AnswerMode::Auto)).await.2.unwrap();
    assert_eq!(answer.mode, AnswerMode::Extract);
    assert!(answer.note.unwrap().starts_with("the generated answer does not speak of everything"));
}

#[tokio::test]
async fn what_the_documents_do_not_say_of_one_of_two_is_told() {
    let question = "Compare the Heron and the Pelican";
    let answerer = steps(boats(), &[], AnswerSettings::default());
    let answer = asked(&answerer, ask(question, AnswerMode::Extract)).await.2.unwrap();
    assert!(answer.answer.contains("The Heron carries 80"), "{answer:?}");
    assert!(answer.note.unwrap().contains("“pelican”"));
}

#[tokio::test]
async fn the_evidence_follows_from_the_wanted_time_once_the_speed_is_known() {
    let generator = named("large-7b", vec![text("2,850 km"), done()]);
    generator.then(vec![text("2,850 km"), done()]);
    let first_token = Some(Duration::from_millis(1));
    let settings = AnswerSettings { first_token, ..AnswerSettings::default() };
    let answerer = steps(rivers(), &[&generator], settings.clone());
    let budget = async || {
        let answer = asked(&answerer, ask(QUESTION, AnswerMode::Auto)).await.2.unwrap();
        answer.spent.evidence_tokens_max
    };
    assert_eq!(budget().await, settings.evidence_tokens, "nothing was measured yet");
    let measured = budget().await;
    assert!((limits::EVIDENCE_TOKENS_MIN..=limits::EVIDENCE_TOKENS_MAX).contains(&measured), "{measured}");
    assert_ne!(measured, settings.evidence_tokens);
}
