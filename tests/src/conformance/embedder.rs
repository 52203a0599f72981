//! What every embedder promises.
//!
//! The suite gets an embedder that no one else uses, so that it may fill its queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wellspring_core::embedding::{EmbedErrorKind, Embedder, Embedding, Lane};
use wellspring_core::limits;

/// Two embeddings of one text are at least this near, whatever the text was batched with.
const SAME_COSINE_MIN: f32 = 0.999;
/// Far longer than anything here takes; a queue that is wedged ends here instead of never.
const PATIENCE: Duration = Duration::from_secs(120);

const TEXTS: &[&str] = &[
    "The ferry leaves the harbour at seven in the morning.",
    "A compiler turns source text into machine instructions.",
    "渡轮早上七点离开港口。",
    "Rain.",
    "",
    "The lighthouse keeper wrote the depth of the bay into the log, mended the sails, counted the crates of apples on the \
     pier, and went to sleep before the wind turned to the north, as it does in every October on this coast.",
];

fn texts() -> Vec<String> {
    TEXTS.iter().map(|text| (*text).to_owned()).collect()
}

/// Runs the whole suite.
pub async fn keeps_the_contract(embedder: Arc<dyn Embedder>) {
    tokio::time::timeout(PATIENCE, async {
        directions_are_sound(&*embedder).await;
        order_and_company_do_not_matter(&*embedder).await;
        tokens_are_counted(&*embedder);
        queries_meet_passages(&*embedder).await;
        callers_at_once_get_their_own(&embedder).await;
        a_person_overtakes_bulk(&embedder).await;
        a_full_interactive_lane_is_busy(&*embedder).await;
        i7_more_than_a_queue_of_bulk_is_embedded(&*embedder).await;
        dropped_callers_leave_the_queue_free(&embedder).await;
    })
    .await
    .expect("an embedder answers in time");
}

async fn directions_are_sound(embedder: &dyn Embedder) {
    assert_eq!(embedder.embed_passages(Vec::new(), Lane::Bulk).await.expect("an empty list"), []);
    assert_eq!(embedder.embed_passages(Vec::new(), Lane::Interactive).await.expect("an empty list"), []);
    let embeddings = embedder.embed_passages(texts(), Lane::Bulk).await.expect("embeddings");
    assert_eq!(embeddings.len(), TEXTS.len());
    for embedding in &embeddings {
        assert_eq!(embedding.values().len(), embedder.space().dimension);
        assert!((length(embedding) - 1.0).abs() < 1e-4, "a length of {}", length(embedding));
    }
}

fn length(embedding: &Embedding) -> f32 {
    embedding.values().iter().map(|value| value * value).sum::<f32>().sqrt()
}

async fn order_and_company_do_not_matter(embedder: &dyn Embedder) {
    let together = embedder.embed_passages(texts(), Lane::Bulk).await.expect("embeddings");
    let mut reversed = texts();
    reversed.reverse();
    let reversed = embedder.embed_passages(reversed, Lane::Interactive).await.expect("embeddings");
    for (index, text) in texts().into_iter().enumerate() {
        let alone = embedder.embed_passages(vec![text.clone()], Lane::Bulk).await.expect("an embedding");
        for other in [&together[index], &reversed[TEXTS.len() - 1 - index]] {
            assert!(alone[0].cosine(other) > SAME_COSINE_MIN, "{text}: {}", alone[0].cosine(other));
        }
    }
}

fn tokens_are_counted(embedder: &dyn Embedder) {
    assert_eq!(embedder.count_tokens(""), 0);
    let (short, long) = (embedder.count_tokens(TEXTS[3]), embedder.count_tokens(TEXTS[5]));
    assert!(0 < short && short < long);
    let much_longer = format!("{} ", TEXTS[5]).repeat(100);
    assert_eq!(embedder.count_tokens(&much_longer), 100 * long, "nothing is cut or added");
}

async fn queries_meet_passages(embedder: &dyn Embedder) {
    let query = embedder.embed_query("when does the ferry leave the harbour".to_owned()).await.expect("an embedding");
    let passages = embedder.embed_passages(texts(), Lane::Bulk).await.expect("embeddings");
    assert!(query.cosine(&passages[0]) > query.cosine(&passages[1]));
    let space = embedder.space();
    if space.query_prefix == space.passage_prefix {
        let same = embedder.embed_query(TEXTS[0].to_owned()).await.expect("an embedding");
        assert!(same.cosine(&passages[0]) > SAME_COSINE_MIN);
    }
}

async fn callers_at_once_get_their_own(embedder: &Arc<dyn Embedder>) {
    let text = |number: usize| format!("crate number {number} holds {} apples", number * number);
    let tasks: Vec<_> = (0..24)
        .map(|number| {
            let embedder = Arc::clone(embedder);
            let lane = if number % 3 == 0 { Lane::Interactive } else { Lane::Bulk };
            tokio::spawn(async move { embedder.embed_passages(vec![text(number), text(number + 1)], lane).await })
        })
        .collect();
    let mut found = Vec::new();
    for task in tasks {
        found.push(task.await.expect("a task").expect("embeddings"));
    }
    for neighbours in found.windows(2) {
        assert!(neighbours[0][1].cosine(&neighbours[1][0]) > SAME_COSINE_MIN);
    }
}

async fn a_person_overtakes_bulk(embedder: &Arc<dyn Embedder>) {
    let bulk_is_over = Arc::new(AtomicBool::new(false));
    let bulk = {
        let (embedder, over) = (Arc::clone(embedder), Arc::clone(&bulk_is_over));
        let texts = vec![TEXTS[5].to_owned(); 100];
        tokio::spawn(async move {
            embedder.embed_passages(texts, Lane::Bulk).await.expect("embeddings");
            over.store(true, Ordering::Release);
        })
    };
    tokio::task::yield_now().await;
    embedder.embed_query("a question".to_owned()).await.expect("an embedding");
    assert!(!bulk_is_over.load(Ordering::Acquire), "a question waited for all of the bulk");
    bulk.await.expect("the bulk");
}

async fn a_full_interactive_lane_is_busy(embedder: &dyn Embedder) {
    let flood = vec![String::new(); limits::EMBED_QUEUE_MAX + 1];
    let error = embedder.embed_passages(flood, Lane::Interactive).await.expect_err("more than the lane holds");
    assert_eq!(error.kind(), EmbedErrorKind::Busy);
    embedder.embed_query("the lane is free".to_owned()).await.expect("an embedding");
}

async fn i7_more_than_a_queue_of_bulk_is_embedded(embedder: &dyn Embedder) {
    let flood = vec![TEXTS[3].to_owned(); limits::EMBED_QUEUE_MAX + 10];
    let embeddings = embedder.embed_passages(flood, Lane::Bulk).await.expect("embeddings");
    assert_eq!(embeddings.len(), limits::EMBED_QUEUE_MAX + 10);
}

async fn dropped_callers_leave_the_queue_free(embedder: &Arc<dyn Embedder>) {
    for _ in 0..4 {
        let embedder = Arc::clone(embedder);
        let flood = vec![TEXTS[5].to_owned(); limits::EMBED_QUEUE_MAX];
        let abandoned = tokio::spawn(async move { embedder.embed_passages(flood, Lane::Bulk).await });
        tokio::task::yield_now().await;
        abandoned.abort();
        assert!(abandoned.await.expect_err("it was abandoned").is_cancelled());
    }
    let after = embedder.embed_passages(texts(), Lane::Bulk).await.expect("embeddings");
    assert_eq!(after.len(), TEXTS.len());
}
