//! What every judge of entailment promises.
//!
//! The suite gets a judge that no one else uses, so that it may fill its queue.

use std::sync::Arc;
use std::time::Duration;

use wellspring_core::entailment::{EntailmentErrorKind, EntailmentJudge, Judgement};
use wellspring_core::limits;

/// Far longer than anything here takes; a queue that is wedged ends here instead of never.
const PATIENCE: Duration = Duration::from_secs(120);

const TEXTS: &[&str] = &[
    "The ferry leaves the harbour at seven in the morning.",
    "渡轮早上七点离开港口。",
    "Rain.",
    "",
    "\0\u{202e}😀",
    "[CLS] [SEP] <s> </s> [PAD]",
];

/// Runs the whole suite.
pub async fn keeps_the_contract(judge: Arc<dyn EntailmentJudge>) {
    tokio::time::timeout(PATIENCE, async {
        a_text_follows_from_itself(&*judge).await;
        any_pair_is_judged(&*judge).await;
        endless_texts_are_refused(&*judge).await;
        i7_a_full_queue_refuses_and_the_others_get_their_own(&judge).await;
        dropped_callers_leave_the_queue_free(&judge).await;
    })
    .await
    .expect("a judge answers in time");
}

async fn judged(judge: &dyn EntailmentJudge, premise: &str, hypothesis: &str) -> Judgement {
    judge.judge(premise.to_owned(), hypothesis.to_owned()).await.expect("a judgement")
}

async fn a_text_follows_from_itself(judge: &dyn EntailmentJudge) {
    for text in &TEXTS[..3] {
        let judgement = judged(judge, text, text).await;
        assert!(judgement.entailed() > 0.5, "{text}: {judgement:?}");
    }
    let judgement = judged(judge, TEXTS[0], "The lighthouse keeper counted the crates of apples on the pier.").await;
    assert!(judgement.entailed() < 0.5, "{judgement:?}");
}

async fn any_pair_is_judged(judge: &dyn EntailmentJudge) {
    for premise in TEXTS {
        for hypothesis in TEXTS {
            let once = judged(judge, premise, hypothesis).await;
            assert_eq!(judged(judge, premise, hypothesis).await, once, "the same again");
        }
    }
}

async fn endless_texts_are_refused(judge: &dyn EntailmentJudge) {
    let endless = "ferry ".repeat(limits::ENTAILMENT_TOKENS_MAX * limits::EMBED_BYTES_PER_TOKEN_MAX);
    for (premise, hypothesis) in [(endless.as_str(), TEXTS[0]), (TEXTS[0], endless.as_str())] {
        let failure = judge.judge(premise.to_owned(), hypothesis.to_owned()).await.expect_err("too long");
        assert_eq!(failure.kind(), EntailmentErrorKind::TooLong);
        assert!(!failure.chain().contains("ferry"), "no document's text in an error");
    }
}

async fn i7_a_full_queue_refuses_and_the_others_get_their_own(judge: &Arc<dyn EntailmentJudge>) {
    let hypothesis = |number: usize| if number.is_multiple_of(2) { TEXTS[0] } else { "A compiler reads text." };
    let tasks: Vec<_> = (0..20 * limits::ENTAILMENT_QUEUE_MAX)
        .map(|number| {
            let judge = Arc::clone(judge);
            tokio::spawn(async move { judge.judge(TEXTS[0].to_owned(), hypothesis(number).to_owned()).await })
        })
        .collect();
    let mut answered = 0;
    for (number, task) in tasks.into_iter().enumerate() {
        match task.await.expect("a task") {
            Ok(judgement) => {
                assert_eq!(judgement.entailed() > 0.5, number.is_multiple_of(2), "{judgement:?}");
                answered += 1;
            }
            Err(failure) => assert_eq!(failure.kind(), EntailmentErrorKind::Busy),
        }
    }
    assert!(answered >= limits::ENTAILMENT_QUEUE_MAX, "{answered}");
}

async fn dropped_callers_leave_the_queue_free(judge: &Arc<dyn EntailmentJudge>) {
    for _ in 0..20 * limits::ENTAILMENT_QUEUE_MAX {
        let abandoned = judge.judge(TEXTS[0].to_owned(), TEXTS[0].to_owned());
        // Polled once, so that it is in the queue, and then gone.
        tokio::time::timeout(Duration::ZERO, abandoned).await.ok();
    }
    while judge.judge(TEXTS[0].to_owned(), TEXTS[0].to_owned()).await.is_err() {
        tokio::task::yield_now().await;
    }
}
