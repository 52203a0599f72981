//! Does a real cross-encoder, run by the real runtime, score as it says, and fail as it should?
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "support/cross_encoder.rs"]
mod cross_encoder;
mod support;

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use wellspring_core::limits;
use wellspring_core::rerank::{RerankErrorKind, Reranker};
use wellspring_embed::{OnnxReranker, RerankerFiles};

fn files(folder: &Path, model: &[u8]) -> RerankerFiles {
    let path = folder.join("model.onnx");
    fs::write(&path, model).unwrap();
    let support = support::files();
    RerankerFiles { onnxruntime: support.onnxruntime, model: path, tokenizer: support.tokenizer }
}

fn load(model: &[u8]) -> (TempDir, OnnxReranker) {
    let folder = tempfile::tempdir().unwrap();
    let reranker = OnnxReranker::load(&files(folder.path(), model)).unwrap();
    (folder, reranker)
}

async fn scores(reranker: &OnnxReranker, query: &str, passages: &[&str]) -> Vec<f32> {
    reranker.score(query.to_owned(), passages.iter().map(|passage| (*passage).to_owned()).collect()).await.unwrap()
}

#[tokio::test]
async fn passages_are_scored_by_the_model_in_their_order() {
    let (_folder, reranker) = load(&cross_encoder::overlap());
    let passages =
        ["a quarry", "the ferry crosses the river", "the ferry", "", "ferry ferry ferry", "the river is long", "no"];
    let found = scores(&reranker, "ferry river", &passages).await;
    // The mark behind the query and the one behind the passage are the same token: one for everybody.
    assert_eq!(found, [1.0, 3.0, 2.0, 1.0, 4.0, 2.0, 1.0]);
    assert!(reranker.passage_micros().is_some());
    // Alone, where nothing is padded, a passage has the score that it has among others.
    for (passage, score) in passages.iter().zip(found) {
        assert_eq!(scores(&reranker, "ferry river", &[passage]).await, [score], "{passage}");
    }
    assert!(scores(&reranker, "ferry", &[]).await.is_empty());
}

#[tokio::test]
async fn odd_and_endless_texts_have_scores() {
    let (_folder, reranker) = load(&cross_encoder::overlap());
    let endless = "river ".repeat(200_000);
    let found = scores(&reranker, "river [SEP] [PAD]", &["", "\0\u{202e}😀", &endless, "[SEP] [CLS]", "渡轮"]).await;
    assert_eq!(found.len(), 5);
    assert!(found[2] > found[0] && found[2] <= limits::RERANK_TOKENS_MAX as f32);
    assert_eq!(scores(&reranker, &endless, &["a river"]).await.len(), 1);
}

#[tokio::test]
async fn searches_side_by_side_get_their_own_scores_and_a_full_queue_refuses() {
    let (_folder, reranker) = load(&cross_encoder::overlap());
    let searches = (0..200).map(|number| {
        let reranker = &reranker;
        async move {
            let query = if number % 2 == 0 { "ferry" } else { "river bank" };
            reranker.score(query.to_owned(), vec!["a river bank".to_owned(), "a ferry".to_owned()]).await
        }
    });
    let mut answered = 0;
    for (number, result) in futures_of(searches).await.into_iter().enumerate() {
        match result {
            Ok(scores) => {
                assert_eq!(scores, if number % 2 == 0 { [1.0, 2.0] } else { [3.0, 1.0] });
                answered += 1;
            }
            Err(failure) => assert_eq!(failure.kind(), RerankErrorKind::Busy),
        }
    }
    assert!(answered >= limits::RERANK_QUEUE_MAX, "{answered}");
    assert_eq!(scores(&reranker, "ferry", &["a ferry"]).await, [2.0], "it goes on afterwards");
}

/// All futures side by side, in their order.
async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, output) in &mut running {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(ready) => *output = Some(ready),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    running.into_iter().map(|(_, output)| output.unwrap()).collect()
}

#[test]
fn files_that_are_no_cross_encoder_are_refused_when_they_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let whole = cross_encoder::overlap();
    let embedder = fs::read(support::files().model).unwrap();
    let bad = [&b""[..], b"not a model", &whole[..whole.len() / 2], &cross_encoder::without_logits(), &embedder];
    for model in bad {
        let failure = OnnxReranker::load(&files(folder.path(), model)).err().unwrap();
        assert_eq!(failure.kind(), RerankErrorKind::Model);
    }
    // A model that loads and says nothing is found by its first run.
    let failure = OnnxReranker::load(&files(folder.path(), &cross_encoder::no_number())).err().unwrap();
    assert!(failure.chain().contains("no number"), "{}", failure.chain());
    let missing = RerankerFiles { model: folder.path().join("nowhere.onnx"), ..files(folder.path(), &whole) };
    assert!(OnnxReranker::load(&missing).err().unwrap().chain().contains("nowhere.onnx"));
    let torn = folder.path().join("tokenizer.json");
    fs::write(&torn, "{").unwrap();
    let torn = RerankerFiles { tokenizer: torn, ..files(folder.path(), &whole) };
    assert_eq!(OnnxReranker::load(&torn).err().unwrap().kind(), RerankErrorKind::Model);
}
