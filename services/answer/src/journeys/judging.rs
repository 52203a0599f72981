//! Does a model of entailment take away from what code found, add nothing, and say where it was silent?

use std::time::Duration;

use jiff::Timestamp;
use wellspring_core::answer::{EntailmentGap, EntailmentStatus, EntailmentUse, Verify};
use wellspring_core::entailment::EntailmentErrorKind;

use super::*;
use crate::Judging;
use crate::fakes::{FixedJudge, Opining, Opinion};

const LENGTH: &str = "It is 2,850 km long.";
const WATER: &str = "It is never dry.";

/// A generator that writes two sentences, of which code finds the first supported in part, and the second as a whole; and a
/// judge.
fn judged(judge: &Arc<FixedJudge>, script: Script) -> Arc<Answerer> {
    judged_over(rivers(), judge, script)
}

fn judged_over(passages: Vec<Passage>, judge: &Arc<FixedJudge>, script: Script) -> Arc<Answerer> {
    let generator = Arc::new(ScriptedGenerator::ready(script));
    let model = Arc::<FixedJudge>::clone(judge);
    Arc::new(Answerer::new(AnswererParts {
        retriever: Arc::new(FixedRetriever { passages, fails: false }),
        embedder: Arc::new(BagOfWords::speaking(&["en"])),
        judging: Some(Judging { model, deadline: Duration::from_millis(1), entailed_min: 0.5, contradicted_min: 0.5 }),
        steps: vec![Arc::new(Pool::of("scripted", generator))],
        settings: AnswerSettings::default(),
    }))
}

fn both() -> Script {
    vec![text(LENGTH), text(" "), text(WATER), done()]
}

async fn answered(answerer: &Arc<Answerer>, verify: Verify) -> (Vec<Citation>, Answer) {
    let question = Question { verify: Some(verify), ..ask(QUESTION, AnswerMode::Generate) };
    let (streamed, citations, end) = told(answerer.ask(question).collect().await);
    let answer = end.unwrap();
    assert_eq!(streamed, answer.answer);
    (citations, answer)
}

fn supports(answer: &Answer) -> Vec<Support> {
    answer.sentences.iter().map(|sentence| sentence.support).collect()
}

#[tokio::test]
async fn one_citation_is_lowered_and_another_is_left() {
    let judge =
        FixedJudge::of(
            |said| if said.ends_with(WATER) { Opinion::Says(0.25, 0.25) } else { Opinion::Says(0.75, 0.125) },
        );
    let (streamed, answer) = answered(&judged(&judge, both()), Verify::Mark).await;
    assert_eq!(supports(&answer), [Support::Partial; 2], "what it is sure of is not raised");
    assert_eq!(answer.citations, streamed);
    let [left, lowered] = [0, 1].map(|place| answer.citations[place].entailment.unwrap());
    assert_eq!(left, EntailmentStatus::Judged { entailed: 0.75, contradicted: 0.125, lowered: false });
    assert_eq!(lowered, EntailmentStatus::Judged { entailed: 0.25, contradicted: 0.25, lowered: true });
    assert_eq!(answer.sentences[1].entailment, Some(lowered));
    assert_eq!(answer.note, None);
    let used = answer.entailment.unwrap();
    assert_eq!(EntailmentUse { ms: 0.0, ..used }, EntailmentUse { judged: 2, lowered: 1, ..EntailmentUse::default() });
    let asked = judge.asked.lock().unwrap();
    assert_eq!(asked[0].1, format!("{QUESTION} {LENGTH}"), "it does not say what is so long");
    assert!(asked[0].0.starts_with("Danube: ") && asked[0].0.contains("The Danube is a river"), "{asked:?}");
}

#[tokio::test]
async fn what_the_quote_contradicts_has_no_citation_and_says_why() {
    let judge =
        FixedJudge::of(|said| if said.ends_with(WATER) { Opinion::Says(0.0, 0.75) } else { Opinion::Says(1.0, 0.0) });
    let (streamed, answer) = answered(&judged(&judge, both()), Verify::Mark).await;
    assert_eq!(supports(&answer), [Support::Partial, Support::Unsupported]);
    assert_eq!((answer.citations.len(), streamed.len()), (1, 1));
    let why = EntailmentStatus::Judged { entailed: 0.0, contradicted: 0.75, lowered: true };
    assert_eq!(answer.sentences[1].entailment, Some(why));
    assert!(answer.note.unwrap().contains("without a citation"));

    let (_, answer) = answered(&judged(&judge, both()), Verify::Strict).await;
    assert_eq!((answer.answer.as_str(), supports(&answer)), (LENGTH, vec![Support::Partial]));
    assert_eq!(answer.entailment.unwrap().lowered, 1, "what was taken out is counted");
}

#[tokio::test]
async fn what_was_not_judged_stands_and_says_so() {
    let opinions: [(Opining, EntailmentGap); 5] = [
        (|_| Opinion::Silent, EntailmentGap::Deadline),
        (|_| Opinion::Fails(EntailmentErrorKind::Busy), EntailmentGap::Busy),
        (|_| Opinion::Fails(EntailmentErrorKind::TooLong), EntailmentGap::TooLong),
        (|_| Opinion::Fails(EntailmentErrorKind::Model), EntailmentGap::Failed),
        (|_| Opinion::Fails(EntailmentErrorKind::Stopped), EntailmentGap::Failed),
    ];
    for (opinion, reason) in opinions {
        let judge = FixedJudge::of(opinion);
        let (_, answer) = answered(&judged(&judge, both()), Verify::Mark).await;
        assert_eq!(supports(&answer), [Support::Partial, Support::Supported], "{reason:?}");
        let status = EntailmentStatus::NotJudged { reason, lowered: false };
        assert!(answer.citations.iter().all(|citation| citation.entailment == Some(status)));
        assert!(answer.note.unwrap().contains("did not judge every sentence"));
        let EntailmentUse { late, too_long, failed, .. } = answer.entailment.unwrap();
        assert_eq!(late + too_long + failed, 2, "{reason:?}");

        // A strict answer calls nothing supported that was not judged, and keeps it.
        let (_, answer) = answered(&judged(&judge, both()), Verify::Strict).await;
        assert_eq!(supports(&answer), [Support::Partial; 2], "{reason:?}");
        for (citation, lowered) in answer.citations.iter().zip([false, true]) {
            assert_eq!(citation.entailment, Some(EntailmentStatus::NotJudged { reason, lowered }));
        }
        assert_eq!(answer.answer, format!("{LENGTH} {WATER}"));
    }
}

#[tokio::test]
async fn a_text_of_which_the_quotes_contradict_all_is_replaced_by_the_documents_own_words() {
    let judge = FixedJudge::of(|_| Opinion::Says(0.0, 1.0));
    let answerer = judged(&judge, both());
    let answer = answerer.answer(ask(QUESTION, AnswerMode::Auto)).await.unwrap();
    assert_eq!(answer.mode, AnswerMode::Extract);
    assert!(answer.note.unwrap().contains("not supported by the documents"));
    assert_eq!(answer.entailment.unwrap().judged, 2, "what was read in vain is counted");
    assert!(answer.citations.iter().all(|citation| citation.entailment.is_none()), "a quote follows from itself");
}

#[tokio::test]
async fn nobody_is_asked_where_nothing_is_to_be_checked() {
    let judge = FixedJudge::of(|_| Opinion::Says(0.0, 1.0));
    let (_, answer) = answered(&judged(&judge, both()), Verify::Off).await;
    assert_eq!((answer.citations.len(), answer.entailment), (2, None));
    let extract = judged(&judge, both()).answer(ask(QUESTION, AnswerMode::Extract)).await.unwrap();
    assert_eq!(extract.entailment, None);
    assert!(judge.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_judged_value_that_a_newer_document_replaces_is_judged_no_more() {
    let dated = |key: &str, text: &str, date: &str| Passage {
        published_at: Some(date.parse::<Timestamp>().unwrap()),
        ..passage(key, Some("Mill"), text)
    };
    let mills = || {
        vec![
            dated("old.md", "The tower of the old mill has 96 steps.", "2019-05-01T00:00:00Z"),
            dated("new.md", "The tower of the old mill has 98 steps.", "2025-05-01T00:00:00Z"),
        ]
    };
    for (verify, support) in [(Verify::Mark, Support::Supported), (Verify::Strict, Support::Partial)] {
        let judge = FixedJudge::of(|_| Opinion::Says(1.0, 0.0));
        let answerer = judged_over(mills(), &judge, vec![text("96"), done()]);
        let mode = AnswerMode::Generate;
        let asked = Question { verify: Some(verify), ..ask("How many steps has the tower of the old mill?", mode) };
        let answer = answerer.answer(asked).await.unwrap();
        assert_eq!((answer.status, answer.answer.as_str()), (AnswerStatus::Conflicting, "98"));
        let status =
            EntailmentStatus::NotJudged { reason: EntailmentGap::Rewritten, lowered: verify == Verify::Strict };
        assert_eq!((answer.citations[0].support, answer.citations[0].entailment), (support, Some(status)));
        assert_eq!((answer.sentences[0].support, answer.sentences[0].entailment), (support, Some(status)));
    }
}
