//! Searches over scripted parts.

use wellspring_core::filter::Filter;
use wellspring_core::retriever::{ArmOpinion, FusedBy, SearchArms};

use super::*;
use crate::fakes::{Fakes, chunk};

async fn found(fakes: &Fakes, query: &str, limit: usize) -> (Vec<ChunkId>, SearchResults) {
    let results = fakes.retriever().search(fakes.request(query, limit)).await.unwrap();
    (results.hits.iter().map(|hit| hit.passage.chunk).collect(), results)
}

#[tokio::test]
async fn both_arms_are_weighed_and_missing_scores_filled_in() {
    let fakes = Fakes::published(&[1, 2, 3, 4]).keyword(&[(1, 10.0), (2, 8.0)]).nearest(&[(3, 0.5), (4, 0.45)]);
    let fakes = fakes.cosines(&[(1, 0.1), (2, 0.9)]).keyword_below(&[(4, 5.0)]);
    let (chunks, results) = found(&fakes, "query", 10).await;
    assert_eq!(chunks, [chunk(2), chunk(4), chunk(1), chunk(3)]);
    assert_eq!((results.keyword, results.vector), (ArmStatus::Ok, ArmStatus::Ok));
    assert_eq!(results.hits[0].keyword_score, Some(8.0));
    assert_eq!(results.hits[0].vector_score, Some(0.9));
    assert_eq!(results.hits[1].keyword_score, Some(5.0), "it was no match worth naming, and has words all the same");
    assert_eq!(results.hits[3].keyword_score, None);
}

#[tokio::test]
async fn i2_stale_hits_are_dropped_and_the_list_is_filled_from_below() {
    let keyword: Vec<(u16, f32)> = (0..60).map(|n| (n, 100.0 - f32::from(n))).collect();
    let fakes = Fakes::published(&[1, 30, 50, 59]).keyword(&keyword);
    let (chunks, _) = found(&fakes, "query", 3).await;
    assert_eq!(chunks, [chunk(1), chunk(30), chunk(50)]);
    // I-2: the list came from one hydration of everything, not from two moments.
    assert_eq!(*fakes.hydrations.lock().unwrap(), [11, 60]);
}

#[tokio::test]
async fn i2_a_list_short_of_live_hits_looks_deeper_a_bounded_number_of_times() {
    let keyword: Vec<(u16, f32)> = (0..1000).map(|n| (n, 2000.0 - f32::from(n))).collect();
    let fakes = Fakes::published(&[150, 350, 900]).keyword(&keyword);
    let (chunks, _) = found(&fakes, "query", 3).await;
    assert_eq!(chunks, [chunk(150), chunk(350)]);
    assert_eq!(*fakes.depths.lock().unwrap(), [100, 200, 400]);
    assert_eq!(fakes.embedded.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn i2_a_passage_nobody_asked_for_is_no_result() {
    let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 1.0)]).hydrating_also(2);
    assert_eq!(found(&fakes, "query", 10).await.0, [chunk(1)]);
}

#[tokio::test]
async fn an_arm_that_fails_leaves_the_other_to_answer_and_says_so() {
    let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 4.0), (2, 2.0)]).failing_vector();
    let (chunks, results) = found(&fakes, "query", 10).await;
    assert_eq!(chunks, [chunk(1), chunk(2)]);
    assert_eq!(results.hits[1].score, 0.5);
    assert_eq!(results.keyword, ArmStatus::Ok);
    assert!(matches!(results.vector, ArmStatus::Failed { reason } if reason.contains("vector index is closed")));

    let fakes = Fakes::published(&[1, 2]).failing_keyword().nearest(&[(2, 0.7), (1, 0.2)]);
    let (chunks, results) = found(&fakes, "query", 10).await;
    assert_eq!(chunks, [chunk(2), chunk(1)]);
    assert!(matches!(results.keyword, ArmStatus::Failed { .. }));
    assert_eq!(results.vector, ArmStatus::Ok);
}

#[tokio::test]
async fn an_embedder_or_cosines_that_fail_take_the_vector_arm_out() {
    let fakes = Fakes::published(&[1]).keyword(&[(1, 4.0)]).nearest(&[(1, 0.3)]).failing_embedder();
    let (chunks, results) = found(&fakes, "query", 10).await;
    assert_eq!((chunks, results.hits[0].score), (vec![chunk(1)], 1.0));
    assert!(matches!(results.vector, ArmStatus::Failed { .. }));

    let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 4.0)]).nearest(&[(2, 0.9)]).failing_similarities();
    let (chunks, results) = found(&fakes, "query", 10).await;
    assert_eq!(chunks, [chunk(1)]);
    assert!(matches!(results.vector, ArmStatus::Failed { .. }));
}

#[tokio::test]
async fn one_arm_asked_for_answers_alone_whatever_the_language() {
    let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 6.0)]).nearest(&[(2, 0.9), (1, 0.3)]);
    let alone = |query: &str, arms| SearchRequest { arms, ..fakes.request(query, 10) };
    let results = fakes.retriever().search(alone("query", SearchArms::Keyword)).await.unwrap();
    assert_eq!(results.hits.iter().map(|hit| hit.passage.chunk).collect::<Vec<_>>(), [chunk(1)]);
    assert_eq!(results.keyword, ArmStatus::Ok);
    assert!(matches!(results.vector, ArmStatus::Skipped { .. }));
    assert_eq!(fakes.embedded.load(std::sync::atomic::Ordering::Relaxed), 0);

    fakes.depths.lock().unwrap().clear();
    for query in ["query", "谁写了红楼梦"] {
        let results = fakes.retriever().search(alone(query, SearchArms::Vector)).await.unwrap();
        assert_eq!(results.hits.iter().map(|hit| hit.score).collect::<Vec<_>>(), [0.9, 0.3], "{query}");
        assert!(matches!(results.keyword, ArmStatus::Skipped { .. }));
        assert_eq!(results.vector, ArmStatus::Ok);
    }
    assert!(fakes.depths.lock().unwrap().is_empty(), "the words are not looked up");
}

#[tokio::test]
async fn a_result_says_why_it_stands_there_when_it_is_asked() {
    let fakes = Fakes::published(&[1, 2, 3]).keyword(&[(1, 10.0), (2, 8.0)]).nearest(&[(3, 0.5)]);
    let fakes = fakes.cosines(&[(1, 0.1), (2, 0.9)]).keyword_below(&[(3, 5.0)]);
    assert_eq!(found(&fakes, "query", 10).await.1.hits[0].explain, None);
    let explained = |arms| SearchRequest { explain: true, arms, ..fakes.request("query", 10) };
    let results = fakes.retriever().search(explained(SearchArms::Both)).await.unwrap();
    let best = results.hits[0].explain.unwrap();
    assert_eq!(best.keyword, Some(ArmOpinion { rank: Some(2), score: 8.0 }));
    assert_eq!(best.vector, Some(ArmOpinion { rank: None, score: 0.9 }));
    assert_eq!(best.fused_by, FusedBy::WeightedSum);
    assert_eq!(results.hits[0].score, best.weights.keyword * 0.8 + best.weights.vector);
    let near = results.hits.iter().find(|hit| hit.passage.chunk == chunk(3)).unwrap().explain.unwrap();
    assert_eq!(near.keyword, Some(ArmOpinion { rank: None, score: 5.0 }), "what it matches was only looked up");
    let results = fakes.retriever().search(explained(SearchArms::Keyword)).await.unwrap();
    let best = results.hits[0].explain.unwrap();
    assert_eq!((best.fused_by, best.vector, best.weights.keyword), (FusedBy::Keyword, None, 1.0));
}

#[tokio::test]
async fn a_filter_is_pushed_into_both_arms() {
    let keyword: Vec<(u16, f32)> = (0..90).map(|n| (n, 100.0 - f32::from(n))).collect();
    let fakes = Fakes::published(&[5, 80, 7]).keyword(&keyword).nearest(&[(1, 0.9)]).cosines(&[(80, 0.9), (5, 0.2)]);
    let fakes = fakes.admitting(&[5, 80]);
    let filter = Filter { tags: vec!["red".to_owned()], ..Filter::default() };
    let request = SearchRequest { filter, expand: 2, ..fakes.request("query", 10) };
    let results = fakes.retriever().search(request).await.unwrap();
    assert_eq!(results.hits.iter().map(|hit| hit.passage.chunk).collect::<Vec<_>>(), [chunk(80), chunk(5)]);
    assert_eq!(results.hits[0].neighbours.as_ref().unwrap().before.len(), 2);
}

#[tokio::test]
async fn what_the_caller_may_not_read_leaves_no_trace_in_ranks_and_scores() {
    let with = Fakes::published(&[2, 3])
        .keyword(&[(1, 9.0), (2, 6.0), (3, 3.0)])
        .nearest(&[(1, 0.9), (3, 0.8), (2, 0.6)])
        .hidden(&[1]);
    let without = Fakes::published(&[2, 3]).keyword(&[(2, 6.0), (3, 3.0)]).nearest(&[(3, 0.8), (2, 0.6)]);
    let mut results = Vec::new();
    for fakes in [with, without] {
        let request = SearchRequest { explain: true, ..fakes.request("words", 10) };
        results.push(fakes.retriever().search(request).await.unwrap().hits);
    }
    assert_eq!(results[0].len(), 2);
    assert_eq!(results[0], results[1]);
}

#[tokio::test]
async fn many_results_take_as_many_candidates() {
    let fakes = Fakes::published(&[1]).keyword(&[(1, 6.0)]);
    found(&fakes, "query", 10).await;
    found(&fakes, "query", limits::HITS_MAX + 1).await;
    assert_eq!(*fakes.depths.lock().unwrap(), [limits::CANDIDATES_MAX, limits::HITS_MAX]);
}

#[tokio::test]
async fn no_arm_left_is_an_error() {
    let fakes = Fakes::published(&[1]).failing_keyword().failing_vector();
    let failure = fakes.retriever().search(fakes.request("query", 10)).await.unwrap_err();
    assert_eq!(failure.kind(), SearchErrorKind::Unavailable);
    let fakes = Fakes::published(&[1]).failing_keyword();
    let failure = fakes.retriever().search(fakes.request("谁写了红楼梦", 10)).await.unwrap_err();
    assert_eq!(failure.kind(), SearchErrorKind::Unavailable);
    assert!(failure.chain().contains("skipped"));
}

#[tokio::test]
async fn a_language_the_embedder_does_not_speak_is_left_to_the_words() {
    let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 6.0), (2, 3.0)]).nearest(&[(2, 0.99)]);
    let (chunks, results) = found(&fakes, "谁写了红楼梦", 10).await;
    assert_eq!(chunks, [chunk(1), chunk(2)]);
    assert_eq!(results.hits.iter().map(|hit| hit.score).collect::<Vec<_>>(), [1.0, 0.5]);
    assert!(matches!(results.vector, ArmStatus::Skipped { .. }));
    assert_eq!(fakes.embedded.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_unknown_collection_is_an_error_and_an_empty_result_is_none() {
    let fakes = Fakes::published(&[]);
    let mut request = fakes.request("query", 10);
    assert!(fakes.retriever().search(request.clone()).await.unwrap().hits.is_empty());
    request.collection = "elsewhere".parse().unwrap();
    let failure = fakes.retriever().search(request).await.unwrap_err();
    assert_eq!(failure.kind(), SearchErrorKind::UnknownCollection);
}

fn leaning(fakes: &Fakes) -> HybridRetriever {
    fakes.retriever().with_feedback(Some(Feedback::default()))
}

#[tokio::test]
async fn what_is_like_the_best_passages_rises() {
    let fakes = Fakes::published(&[1, 2, 3]).keyword(&[(1, 10.0)]).nearest(&[(1, 0.8), (2, 0.6), (3, 0.5)]);
    let fakes = fakes.leaned(&[(1, 0.9), (2, 0.5), (3, 0.8)]);
    assert_eq!(found(&fakes, "query", 10).await.0, [chunk(1), chunk(2), chunk(3)]);
    let request = SearchRequest { explain: true, ..fakes.request("query", 10) };
    let results = leaning(&fakes).search(request).await.unwrap();
    assert_eq!(results.hits.iter().map(|hit| hit.passage.chunk).collect::<Vec<_>>(), [chunk(1), chunk(3), chunk(2)]);
    let third = &results.hits[1];
    assert_eq!(third.vector_score, Some(0.5), "what the arm itself said");
    let explained = third.explain.unwrap();
    assert_eq!((explained.vector.unwrap().score, explained.leaned), (0.5, Some(0.8)));
    assert!(
        (third.score - explained.weights.vector * 0.8 / 0.9).abs() < 1e-6,
        "the score follows from what is explained"
    );
}

#[tokio::test]
async fn i2_only_what_could_be_shown_moves_a_question() {
    let keyword: Vec<(u16, f32)> = (0..20).map(|n| (n, 100.0 - f32::from(n))).collect();
    let fakes = Fakes::published(&[1, 3, 4, 5, 9]).keyword(&keyword);
    leaning(&fakes).search(fakes.request("query", 10)).await.unwrap();
    assert_eq!(*fakes.leaned_towards.lock().unwrap(), [chunk(1), chunk(3), chunk(4)]);
    let fakes = Fakes::published(&[15]).keyword(&keyword);
    let results = leaning(&fakes).search(fakes.request("query", 10)).await.unwrap();
    assert_eq!((results.hits.len(), fakes.leaned_towards.lock().unwrap().len()), (1, 0), "none of the best is left");
}

#[tokio::test]
async fn one_arm_alone_leans_nothing() {
    let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 6.0), (2, 3.0)]).nearest(&[(2, 0.99)]);
    for (query, arms) in
        [("谁写了红楼梦", SearchArms::Both), ("query", SearchArms::Keyword), ("query", SearchArms::Vector)]
    {
        leaning(&fakes).search(SearchRequest { arms, ..fakes.request(query, 10) }).await.unwrap();
    }
    assert!(fakes.leaned_towards.lock().unwrap().is_empty());
}

#[tokio::test]
async fn directions_that_cannot_be_read_take_the_vector_arm_out() {
    let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 4.0)]).nearest(&[(2, 0.9), (1, 0.1)]).failing_directions();
    let results = leaning(&fakes).search(fakes.request("query", 10)).await.unwrap();
    assert_eq!(results.hits.iter().map(|hit| hit.passage.chunk).collect::<Vec<_>>(), [chunk(1)]);
    assert!(matches!(results.vector, ArmStatus::Failed { .. }));
}
